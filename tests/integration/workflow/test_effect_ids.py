"""An effect keeps its id whatever becomes of the entries that planned it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow import Effect, State
from itsm_workflow.change import AttentionReason
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow_backends.json_file import JSONFileBackend
from tests.conformance.json_lines import damage, lines_of
from tests.support.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow import EffectCall


def test_an_effect_that_is_planned_again_after_a_repair_has_the_id_it_had(tmp_path: Path) -> None:
    """The repaired store has lost the approval; the host sees by the id that the work was done."""
    path = tmp_path / "store.jsonl"
    calls: list[EffectCall] = []
    world = World(store=JSONFileBackend(path))
    effects = {State.APPROVED: [Effect("start", calls.append)]}
    workflow = world.workflow(effects=effects)
    change = world.approved(workflow)
    workflow.settle(change.id)
    workflow.close()
    world.store.close()
    assert [call.change.state for call in calls] == [State.APPROVED]

    trigger = b'"trigger":"approve"'
    damage(path, next(number for number, line in enumerate(lines_of(path), start=1) if trigger in line), trigger)
    assert list(JSONFileBackend.repair(path).restored) == [change.id]

    world.store = JSONFileBackend(path)
    with world.workflow(effects=effects) as repaired:
        assert repaired.get(change.id).state == State.PENDING
        # One entry more than there was before the approval: the number of an entry says nothing.
        repaired.fire(change.id, Trigger.RAISE_ATTENTION, ev.Concern(reason=AttentionReason.HOST), actor="ops")
        repaired.settle(change.id)
        assert repaired.get(change.id).state == State.APPROVED

    world.store.close()
    assert [call.id for call in calls] == [calls[0].id] * 2
