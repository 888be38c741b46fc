"""The system calls of a process on its store: counted, refused, cut short, or the last before a kill.

The shared object of the storage kit wraps the calls of the C library, so SQLite's calls count as well. It works only in
a process that was started with it: `python -m tests.faults.preloaded`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._trials import calls, preload
from itsm_workflow.testing.conformance._trials.calls import Kind
from itsm_workflow.testing.conformance._trials.preload import Shim
from tests.faults.cases import CannotRunHereError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.testing.conformance._trials.calls import Fault
    from tests.faults.cases import Faults

HERE = Path(__file__).parent

_CHANGES = Kind.WRITE | Kind.SYNC | Kind.TRUNCATE | Kind.UNLINK | Kind.RENAME

TROUBLES = {
    "eio": calls.EIO,
    "eio-from-then-on": calls.EIO_FROM_THEN_ON,
    "enospc": calls.ENOSPC,
    "enospc-from-then-on": calls.ENOSPC_FROM_THEN_ON,
    "eintr": calls.EINTR,
    "short": calls.SHORT,
    "killed-before": calls.KILLED_BEFORE,
    "killed-after": calls.KILLED_AFTER,
}


class Syscalls:
    """The calls that change files below a folder, with the interface of `Points`.

    Args:
        folder: The folder.
        trouble: The fault of a call.
    """

    def __init__(self, folder: Path, trouble: Fault) -> None:
        shim = Shim.loaded()
        assert shim is not None, "the shared object is not preloaded in this process"
        self._shim, self._folder, self._trouble = shim, folder, trouble

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
        self._shim.arm([self._folder], _CHANGES, self._trouble, at)
        try:
            yield self._shim.count
        finally:
            self._shim.disarm()


def run_preloaded(faults: Faults, folder: Path, *arguments: str) -> None:
    """Run a scenario of `tests.faults.preloaded`, and count its cases.

    Raises:
        CannotRunHereError: There is no C compiler, or the system has no preloading.
    """
    if (built := preload.shim()) is None:
        raise CannotRunHereError("it needs a C compiler (cc), and Linux")
    environment = preload.environment(built)
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
