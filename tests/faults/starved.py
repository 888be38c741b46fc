"""A process that runs out of memory while it applies.

An allocation is made to fail in a forked process. A limit of the address space needs a new process without threads,
since the heaps of threads would provide room: `python -m tests.faults.starved STORE GATEWAY SUBJECT ROOM`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import signal
import subprocess
import sys
import warnings
from random import Random
from typing import TYPE_CHECKING, Any

from itsm_workflow import open_storage
from itsm_workflow.audit import audit
from tests.faults.cases import CannotRunHereError
from tests.faults.sleeper import open_workflow
from tests.support.limits import PATIENCE, exit_code
from tests.support.office import asked
from tests.support.worker import LaterClock

_testcapi: Any = None
with contextlib.suppress(ImportError):  # some distributions do not ship it
    _testcapi = importlib.import_module("_testcapi")

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from itsm_workflow import Workflow
    from itsm_workflow.audit import AuditReport
    from itsm_workflow.sandbox import Sandbox

ALLOCATIONS = 12_000
"""A number slightly above the allocations of an apply."""
ROOM, PAYLOAD = 20 << 20, 1 << 20
"""The most bytes of address space that the limit leaves to a process, and the size of what it files."""

_STANDS_STILL = 120
"""The seconds after which a process that stands still is killed, as its operator would do; that may be anywhere."""
_ENDS = {0: "filed", 1: "error", -signal.SIGALRM: "stood still and was killed"}


def needs_allocation_faults() -> None:
    """Raise an error if this Python cannot make allocations fail."""
    if _testcapi is None:
        raise CannotRunHereError("this Python has no _testcapi: no allocation can be made to fail")


def starve_and_recover(seed: int, folder: Path, sandbox: Sandbox) -> tuple[str, AuditReport]:
    """Let a process run out of memory, and let another one recover.

    Returns:
        The end of the process, and the audit after the recovery.
    """
    random, kind = Random(seed), ("sqlite:///{}.db", "json:///{}.jsonl")[seed % 2]
    url, subject = kind.format(folder / str(seed)), f"collector-{seed}"
    opened = open_workflow(url, sandbox.url, 0)
    opened.workflow.apply(subject="before", **asked())  # fills what the first call allocates only once
    if seed % 10 > 7:
        room = str(random.randrange(1, ROOM))
        command = [sys.executable, "-m", "tests.faults.starved", url, sandbox.url, subject, room]
        ended = subprocess.run(command, stderr=subprocess.DEVNULL, check=False, timeout=PATIENCE).returncode
    else:
        ended = _apply_forked(opened.workflow, subject, random.randrange(1, ALLOCATIONS))
    opened.close()
    for hours in (0.01, 0.02, 0.1, 1.2):
        survivor = open_workflow(url, sandbox.url, 0, clock=LaterClock(hours * 3600))
        survivor.workflow.reconcile()
        survivor.close()
    storage = open_storage(url)
    try:
        return _ENDS.get(ended, "died"), audit(storage, sandbox)
    finally:
        storage.close()


def _apply_forked(workflow: Workflow, subject: str, allocation: int) -> int:
    """Apply in a forked process in which a few allocations, from this number on, fail; return its exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later warn: the ticket system has threads
        child = os.fork()
    if child == 0:
        os.close(2)  # hides the interpreter's message when it aborts
        # An error in urllib3's pool of connections can leave the lock of its queue held, for which it would wait.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_STANDS_STILL)
        code = 1
        with contextlib.suppress(BaseException):
            _testcapi.set_nomemory(allocation, allocation + 1 + allocation % 5)
            workflow.apply(subject=subject, **asked())
            code = 0
        os._exit(code)
    return exit_code(child)


def main(arguments: Sequence[str]) -> None:
    """Apply with a limit of the address space."""
    store, url, subject, room = arguments
    workflow = open_workflow(store, url, 0).workflow
    list(workflow.find())
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of a user
        limit = int(file.read().split()[0]) * resource.getpagesize() + int(room)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    workflow.apply(subject=subject, **asked(fields={"note": "x" * PAYLOAD}))


if __name__ == "__main__":
    main(sys.argv[1:])
