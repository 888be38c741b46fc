"""A store that was repaired: its changes are settled again, from what the gateway shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow import State
from itsm_workflow_backends.json_file import JSONFileBackend
from tests.conformance.json_lines import damage, lines_of
from tests.support.world import World

if TYPE_CHECKING:
    from pathlib import Path


def test_a_repaired_store_can_be_used_again(tmp_path: Path) -> None:
    """The line that ended a change is damaged, and its subject has been applied for again since."""
    path, world = tmp_path / "changes.json", World()
    world.store = JSONFileBackend(path)
    workflow = world.workflow()
    first = world.apply(workflow)
    world.start_flow()
    world.decide(world.ticket_of(first), approved=False)
    workflow.reconcile()
    workflow.settle(first.id)
    second = world.apply(workflow)
    world.store.close()
    line = max(number for number, text in enumerate(lines_of(path), start=1) if b'"reject"' in text)
    damage(path, line, b'reject"')
    assert first.id in JSONFileBackend.repair(path).restored

    world.store = JSONFileBackend(path)
    again = world.workflow()
    assert again.get(first.id).state == State.PENDING
    assert again.settle(first.id).state == State.REJECTED
    world.start_flow()
    world.decide(world.ticket_of(second), approved=True)
    again.settle(second.id)
    assert again.require_approved(first.subject).id == second.id
    world.store.close()
