"""A SQLite store whose log is replaced by an older copy under a running process: no call uses the older data."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import open_storage
from itsm_workflow.errors import NotApproved, StorageCorrupt
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from itsm_workflow import ChangeRequest, Workflow

SUBJECT = "collector-1"


def _ended(world: World, workflow: Workflow, *, approved: bool) -> ChangeRequest:
    change = world.apply(workflow, SUBJECT)
    world.start_flow()
    world.decide(world.ticket_of(change), approved=approved)
    return workflow.settle(change.id)


@pytest.mark.parametrize("first", ["apply", "reconcile", "find", "get", "gate"])
def test_every_call_refuses_once_the_log_was_replaced(tmp_path: Path, first: str) -> None:
    """Any call may be the first to notice; the older log shows the subject as approved."""
    path = tmp_path / "store.db"
    world = World(store=open_storage(f"sqlite:///{path}"))
    workflow = world.workflow()
    change = _ended(world, workflow, approved=True)
    assert workflow.require_approved(SUBJECT).id == change.id
    shutil.copy(tmp_path / "store.db-wal", tmp_path / "older")
    _ended(world, workflow, approved=False)
    with pytest.raises(NotApproved):
        workflow.require_approved(SUBJECT)
    (tmp_path / "older").replace(tmp_path / "store.db-wal")
    again = world.workflow()  # its first pass makes its effects known
    calls: dict[str, Callable[[], object]] = {
        "apply": lambda: world.apply(workflow, "collector-2"),
        "reconcile": again.reconcile,
        "find": lambda: list(workflow.find()),
        "get": lambda: workflow.get(change.id),
        "gate": lambda: workflow.require_approved(SUBJECT),
    }

    for name in (first, *calls, *calls):
        with pytest.raises(StorageCorrupt, match=r"store.db-wal was replaced by another file"):
            calls[name]()
    assert len(world.ledger.tickets()) == 2
    world.store.close()
