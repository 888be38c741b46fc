"""The lines of code at which a blocked call waits, in this process and in others."""

from __future__ import annotations

import faulthandler
import linecache
import os
import re
import signal
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._reports import is_of_the_backend

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext

    Frame = tuple[str, int, str]
    """A file, the number of a line in it, and the name of the function."""

_FIRST, _LAST = 3, 2
_PATIENCE = 2.0
_QUIET = 0.5
"""The seconds after a line without another one that end the stacks: they are written line by line, and have no end."""
_MOST = 1 << 16
_SIGNAL = getattr(signal, "SIGUSR2", None) if hasattr(faulthandler, "register") else None  # None on Windows
_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)')


def stack_of_thread(ident: int) -> tuple[str, ...]:
    """Return the lines of code at which a thread of this process is, the innermost last; empty if it has ended."""
    frame = sys._current_frames().get(ident)  # noqa: SLF001  # documented
    frames = [] if frame is None else traceback.extract_stack(frame)
    return _shown((each.filename, each.lineno or 0, each.name) for each in frames)


def write_stacks_to(pipe: Connection) -> None:
    """Let this process write the stacks of its threads to the pipe whenever `StacksOfProcess` asks for them."""
    if _SIGNAL is not None:
        faulthandler.register(_SIGNAL, file=pipe.fileno())  # no code of Python, so that it works in a blocked call


class StacksOfProcess:
    """A pipe to which another process writes the stacks of its threads.

    Attributes:
        theirs: The end of the other process, which passes it to `write_stacks_to`.
    """

    def __init__(self, context: BaseContext) -> None:
        self._ours, self.theirs = context.Pipe(duplex=False)

    def read(self, process: int) -> tuple[str, ...]:
        """Return the lines of code at which its threads are in the backend; empty if the process is stopped."""
        if _SIGNAL is None:
            return ()
        text = b""
        with suppress(OSError):  # it has ended
            os.kill(process, _SIGNAL)
            while self._ours.poll(_QUIET if text.endswith(b"\n") else _PATIENCE) and len(text) < _MOST:
                text += os.read(self._ours.fileno(), _MOST)
        threads = re.split(r"(?m)^\S.*$", text.decode(errors="replace"))  # each has a line above it
        stacks = ((_FRAME.fullmatch(line) for line in reversed(thread.splitlines())) for thread in threads)
        return tuple(
            line for stack in stacks for line in _shown((f["file"], int(f["line"]), f["name"]) for f in stack if f)
        )

    def close(self) -> None:
        """Close the pipe."""
        self._ours.close()


def _shown(frames: Iterable[Frame]) -> tuple[str, ...]:
    """Return a line for each frame of the backend and of the libraries that it uses, without the middle of many."""
    lines = [
        f"  {file}, line {number}, in {name}: {linecache.getline(file, number).strip()}"
        for file, number, name in frames
        if is_of_the_backend(file)
    ]
    if len(lines) > _FIRST + _LAST:
        lines[_FIRST:-_LAST] = [f"  … {len(lines) - _FIRST - _LAST} calls inside of these"]
    return tuple(lines)
