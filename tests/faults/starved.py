"""A process that applies, and whose memory runs out on the way.

An allocation is made to fail in a forked process. A limit of the address space needs one of its own without threads,
whose heaps would be room as well: `python -m tests.faults.starved STORE GATEWAY SUBJECT ROOM`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
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
with contextlib.suppress(ImportError):  # some distributions leave it out
    _testcapi = importlib.import_module("_testcapi")

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from itsm_workflow import Workflow
    from itsm_workflow.audit import AuditReport
    from itsm_workflow.sandbox import Sandbox

ALLOCATIONS = 12_000
"""A few more than an apply makes."""
ROOM, PAYLOAD = 20 << 20, 1 << 20
"""Bytes of address space at most that a process is left by its limit, and bytes of what it files then."""


def needs_allocation_faults() -> None:
    """Say so if this Python cannot let allocations fail."""
    if _testcapi is None:
        raise CannotRunHereError("this Python has no _testcapi: no allocation can be made to fail")


def starve_and_recover(seed: int, folder: Path, sandbox: Sandbox) -> tuple[str, AuditReport]:
    """Let a process run out of memory, and another one look after what it left.

    Returns:
        How it ended, and what there is in the end.
    """
    random, kind = Random(seed), ("sqlite:///{}.db", "json:///{}.jsonl")[seed % 2]
    url, subject = kind.format(folder / str(seed)), f"collector-{seed}"
    workflow, itsm = open_workflow(url, sandbox.url, 0)
    workflow.apply(subject="before", **asked())  # what is made once, at the first call, is made
    if seed % 10 > 7:
        room = str(random.randrange(1, ROOM))
        command = [sys.executable, "-m", "tests.faults.starved", url, sandbox.url, subject, room]
        ended = subprocess.run(command, stderr=subprocess.DEVNULL, check=False, timeout=PATIENCE).returncode
    else:
        ended = _apply_forked(workflow, subject, random.randrange(1, ALLOCATIONS))
    workflow.close()
    itsm.close()
    for hours in (0.01, 0.02, 0.1, 1.2):
        survivor, itsm = open_workflow(url, sandbox.url, 0, clock=LaterClock(hours * 3600))
        survivor.reconcile()
        survivor.close()
        itsm.close()
    storage = open_storage(url)
    try:
        return {0: "filed", 1: "error"}.get(ended, "died"), audit(storage, sandbox)
    finally:
        storage.close()


def _apply_forked(workflow: Workflow, subject: str, allocation: int) -> int:
    """Apply in a forked process in which a few allocations from this one on fail; return how it exited."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later warn: the ticket system has threads
        child = os.fork()
    if child == 0:
        os.close(2)  # what the interpreter says when it gives up
        code = 1
        with contextlib.suppress(BaseException):
            _testcapi.set_nomemory(allocation, allocation + 1 + allocation % 5)
            workflow.apply(subject=subject, **asked())
            code = 0
        os._exit(code)
    return exit_code(child)


def main(arguments: Sequence[str]) -> None:
    """Apply with little room."""
    store, url, subject, room = arguments
    workflow, _ = open_workflow(store, url, 0)
    list(workflow.find())
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of a user
        limit = int(file.read().split()[0]) * resource.getpagesize() + int(room)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    workflow.apply(subject=subject, **asked(fields={"note": "x" * PAYLOAD}))


if __name__ == "__main__":
    main(sys.argv[1:])
