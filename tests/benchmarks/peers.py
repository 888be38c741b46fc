"""The other libraries: each in a process of the environment that ``make bench-peers`` makes, driven line by line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("eventsourcing", "django-fsm-2", "xstate-statemachine", "dbos")
_ROOT = Path(__file__).parents[2]
_PYTHON = _ROOT / "build" / "peers" / ("Scripts" if sys.platform == "win32" else "bin") / "python"


class Peer:
    """A library that lives the lives of changes when it is asked to.

    Attributes:
        name: The name of its package.
        version: The name with the version.
    """

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name, self.version, self._process = name, name, process

    @classmethod
    def start(cls, name: str, folder: Path, missing: Callable[[str], object]) -> Self | None:
        """Start a peer whose file is in the folder; return None, and report why, if it cannot be started."""
        if not _PYTHON.exists():
            missing(f"{name} was not measured: `make bench-peers` has not installed it")
            return None
        command = [str(_PYTHON), "-m", "tests.benchmarks.peer_lives", name, str(folder)]
        process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        peer = cls(name, process)
        try:
            peer.version = f"{name} {peer._answer()}"
        except ValueError:
            peer.__exit__()
            missing(f"{name} was not measured: its process ended with {process.returncode}")
            return None
        return peer

    def live(self, lives: int) -> tuple[float, float]:
        """Let it live so many lives, and return the seconds, and those of processor time, that one of them took."""
        if self._process.stdin is None:
            raise RuntimeError("the peer's input is not a pipe")
        self._process.stdin.write(f"{lives}\n")
        self._process.stdin.flush()
        wall, cpu = self._answer()
        return wall / lives, cpu / lives

    def _answer(self) -> Any:  # noqa: ANN401 - JSON
        if self._process.stdout is None:
            raise RuntimeError("the peer's output is not a pipe")
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)  # closing its input ends it
