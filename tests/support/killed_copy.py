"""A command that copies a store, killed at one of its commits: ``python -m tests.support.killed_copy``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itsm_workflow.cli import main
from itsm_workflow.storage import copying
from itsm_workflow.storage.registry import backend_of
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import Conflict, Write

ROOT = Path(__file__).parents[2]


def kill_copy(folder: Path, number: int, when: str, *command: str) -> None:
    """Run a command of ``storage`` in pages of two changes, and kill it before or after a commit to its target.

    Args:
        folder: The directory in which it runs.
        number: The number of the commit.
        when: ``before`` or ``after``.
        command: The name of the command, the source, the target, and its options.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(number), when, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def _run(number: int, when: str, command: Sequence[str]) -> int:
    backend: Any = backend_of(command[2])
    commit, left = backend.commit, number

    def killing(self: object, writes: Sequence[Write], /) -> list[Conflict | None]:
        nonlocal left
        left -= bool(writes)
        if left == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        results: list[Conflict | None] = commit(self, writes)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return results

    backend.commit = killing
    copying._PAGE = 2
    return int(main(["storage", *command]))


if __name__ == "__main__":
    sys.exit(_run(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
