"""The system calls of a process on its store: counted, refused, cut short, or the last before a kill.

A preloaded shared object wraps the calls of the C library, so SQLite's calls count as well. It works only in a process
that was started with it: `python -m tests.faults.preloaded`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from tests.faults.cases import CannotRunHereError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.cases import Faults

HERE = Path(__file__).parent
SHIM = "FAULT_MATRIX_SHIM"


class Act(IntEnum):
    """The action of the shared object on a call; the numbers equal those of the C source."""

    NOTHING = 0
    FAIL = 1
    SHORT = 2
    KILL_BEFORE = 3
    KILL_AFTER = 4


@attrs.frozen
class Trouble:
    """The fault of a call."""

    act: Act
    error: int = 0
    every_time: bool = False


TROUBLES = {
    "eio": Trouble(Act.FAIL, errno.EIO),
    "eio-from-then-on": Trouble(Act.FAIL, errno.EIO, every_time=True),
    "enospc": Trouble(Act.FAIL, errno.ENOSPC),
    "enospc-from-then-on": Trouble(Act.FAIL, errno.ENOSPC, every_time=True),
    "eintr": Trouble(Act.FAIL, errno.EINTR),
    "short": Trouble(Act.SHORT),
    "killed-before": Trouble(Act.KILL_BEFORE),
    "killed-after": Trouble(Act.KILL_AFTER),
}


class Syscalls:
    """The calls that change files below a folder, with the interface of `Points`.

    Args:
        folder: The folder.
        trouble: The fault of a call.
    """

    def __init__(self, folder: Path, trouble: Trouble) -> None:
        self._library = ctypes.CDLL(os.environ[SHIM])
        self._folder, self._trouble = folder, trouble

    def passed(self, work: Callable[[], object], *, at: int = 0, strike: object = None) -> int:
        """Do the work with a fault at one of its calls, and return the number of calls.

        Args:
            work: The work.
            at: The number of the call with the fault, from 1; 0 for no fault.
            strike: Not used, since the shared object strikes.
        """
        with self.armed(at) as count:
            work()
            return count()

    @contextlib.contextmanager
    def armed(self, at: int) -> Iterator[Callable[[], int]]:
        """Count calls and arm the fault until the block ends; yield a function that returns the count."""
        trouble = self._trouble
        where = os.fsencode(self._folder)
        self._library.fault_arm(where, int(trouble.act), trouble.error, ctypes.c_long(at), int(trouble.every_time))
        try:
            yield lambda: int(self._library.fault_calls())
        finally:
            self._library.fault_arm(b"\0", 0, 0, ctypes.c_long(0), 0)


def run_preloaded(faults: Faults, folder: Path, *arguments: str) -> None:
    """Run a scenario of `tests.faults.preloaded`, and count its cases.

    Raises:
        CannotRunHereError: There is no C compiler, or the system has no preloading.
    """
    built = _built(folder)
    environment = {**os.environ, "LD_PRELOAD": str(built), SHIM: str(built)}
    command = [sys.executable, "-m", "tests.faults.preloaded", str(folder), *arguments, faults.only or ""]
    with subprocess.Popen(command, env=environment, cwd=HERE.parent.parent, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        found = None
        for line in other.stdout:
            told = json.loads(line)
            if "found" in told:
                found = told["found"]
                continue
            with faults.case(told["case"]):
                assert not told["problem"], told["problem"]
    assert (other.returncode, found is not None) == (0, True), "the scenario did not get to its end"
    faults.found = (faults.found or 0) + (found or 0)


def _built(folder: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        raise CannotRunHereError("it needs a C compiler (cc), and Linux")
    built = folder / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", built, HERE / "shim.c", "-ldl"], check=True)
    return built
