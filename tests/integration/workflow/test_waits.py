"""Waits for the end of a change, over HTTP and on real stores."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import State
from itsm_workflow.errors import WaitTimeout
from tests.support.limits import PATIENCE, exit_code
from tests.support.office import SUBJECT, asked
from tests.support.stores import EVERY_STORE

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import ChangeRequest
    from tests.support.office import Office

NEVER = 3600.0


@EVERY_STORE
@pytest.mark.parametrize("approved", [True, False])
def test_a_callback_ends_the_waits_for_its_change(office: Office, *, approved: bool) -> None:
    """Those of threads and of tasks; a wait for another change goes on until its time is over."""
    workflow = office.workflow()
    change, other = (workflow.apply(subject=subject, **asked()) for subject in (SUBJECT, "collector-43"))
    waits: list[Callable[[], ChangeRequest]] = [
        lambda: workflow.wait(change.id, timeout=None, poll=NEVER),
        lambda: asyncio.run(workflow.wait_async(change.id, timeout=None, poll=NEVER)),
    ]
    with ThreadPoolExecutor(2) as threads:
        ended = [threads.submit(wait) for wait in waits]
        (office.approve if approved else office.reject)(change)
        found = [one.result(PATIENCE) for one in ended]

    assert [one.state for one in found] == [State.APPROVED if approved else State.REJECTED] * 2
    with pytest.raises(WaitTimeout, match="waits for carol, dave to decide ticket"):
        workflow.wait(other.id, timeout=0)


@pytest.mark.parametrize("store_kind", ["sqlite"])
def test_a_forked_child_waits_for_itself(office: Office) -> None:
    """It finds what its parent has committed before it, and ends a wait of its own in its own time."""
    workflow = office.workflow()
    change, other = (workflow.apply(subject=subject, **asked()) for subject in (SUBJECT, "collector-43"))
    office.approve(change)
    pid = os.fork()
    if pid == 0:  # what a child does must not reach the test's runner
        code = 1
        try:
            assert workflow.wait(change.id, timeout=None).state == State.APPROVED
            with pytest.raises(WaitTimeout):
                workflow.wait(other.id, timeout=0.02, poll=0.01)
            code = 0
        finally:
            os._exit(code)
    assert exit_code(pid) == 0
