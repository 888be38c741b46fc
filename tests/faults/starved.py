"""A process that applies, and whose memory runs out on the way."""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import signal
import time
import warnings
from random import Random
from typing import TYPE_CHECKING, Any

from itsm_workflow import open_storage
from itsm_workflow.audit import audit
from tests.faults.cases import CannotRunHereError
from tests.faults.racer import PATIENCE
from tests.faults.sleeper import open_workflow
from tests.integration.workflow.office import asked
from tests.integration.workflow.worker import LaterClock

_testcapi: Any = None
with contextlib.suppress(ImportError):  # some distributions leave it out
    _testcapi = importlib.import_module("_testcapi")

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow import Workflow
    from itsm_workflow.audit import AuditReport
    from itsm_workflow.sandbox import Sandbox

ROOM = 4 << 20
"""Bytes of address space at most that a process is left by its limit."""


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
    url, limited = kind.format(folder / str(seed)), seed % 4 > 1
    workflow, itsm = open_workflow(url, sandbox.url, 0)
    allocation, room = int(10 ** random.uniform(0.5, 4.3)), random.randrange(1, ROOM)
    ended = _apply_starved(
        workflow, f"collector-{seed}", allocation=0 if limited else allocation, room=room if limited else 0
    )
    workflow.close()
    itsm.close()
    for hours in (0.01, 0.02, 0.1, 1.2):
        survivor, itsm = open_workflow(url, sandbox.url, 0, clock=LaterClock(hours * 3600))
        survivor.reconcile()
        survivor.close()
        itsm.close()
    storage = open_storage(url)
    try:
        return ended, audit(storage, sandbox)
    finally:
        storage.close()


def _apply_starved(workflow: Workflow, subject: str, *, allocation: int, room: int) -> str:
    """Apply in a forked process whose n-th allocation fails, or whose address space is limited; tell how it ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later warn: the ticket system has threads
        child = os.fork()
    if child == 0:
        _starve(workflow, subject, allocation, room)
    ends_at = time.monotonic() + PATIENCE
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > ends_at:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    code = os.waitstatus_to_exitcode(done[1])
    return {0: "filed", 1: "error"}.get(code, "died")


def _starve(workflow: Workflow, subject: str, allocation: int, room: int) -> None:
    """Apply, and leave: with 0 if it was filed, with 1 if an error came out."""
    os.close(2)  # what the interpreter says when it gives up
    code = 1
    with contextlib.suppress(BaseException):
        if room:
            with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of a user
                used = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + room, used + room))
        if allocation:
            _testcapi.set_nomemory(allocation, allocation + 1 + allocation % 5)
        workflow.apply(subject=subject, **asked(content="x" * room))
        code = 0
    os._exit(code)
