"""Walks of the collector workflow: mostly onward, with evidence that is mostly right."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import attrs
from hypothesis import strategies as st

from itsm_workflow.change import Phase
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State, Trigger
from itsm_workflow.testing.strategies import EVIDENCE, Walk, aimed, pauses, right

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypothesis.strategies import SearchStrategy

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition

EFFECTS: Mapping[str, tuple[str, ...]] = {State.APPLYING: ("tell",), State.APPROVED: ("start",)}


def onward(change: ChangeRequest) -> SearchStrategy[tuple[str, Any]]:
    """Return a strategy of triggers that lead on from the change's state, with evidence that is mostly right."""
    phase = change.attempt.phase if change.attempt else Phase.QUEUED
    ends = [(Trigger.APPROVE, _look(APPROVED)), (Trigger.REJECT, _look(REFUSED)), (Trigger.REJECT, _look(WITHDRAWN))]
    watched = [
        *ends,
        (Trigger.SUSPECT_ENDING, _look(WITHDRAWN)),
        (Trigger.RESUME, _look({})),
        _plain(Trigger.FAIL_CALLBACK),
    ]
    ways = {
        ("draft", Phase.QUEUED): [_plain(Trigger.SUBMIT)],
        ("applying", Phase.QUEUED): [_plain(Trigger.MARK_SENDING)],
        ("applying", Phase.SENDING): [
            *map(_plain, (Trigger.RECORD_TICKET, Trigger.MARK_UNKNOWN, Trigger.MARK_UNSENT)),
            (Trigger.REFUSE, EVIDENCE[ev.Refusal].map(lambda one: attrs.evolve(one, looked_up=True))),
        ],
        ("applying", Phase.UNKNOWN): [
            *map(_plain, (Trigger.NOTE_LOOKUP, Trigger.NOTE_LOOKUP, Trigger.RECORD_TICKET, Trigger.RESEND))
        ],
        ("pending", phase): watched,
        ("failed_callback", phase): watched,
    }
    others = [_plain(Trigger.RECORD_CONTRADICTION), _plain(Trigger.DELIVER_EFFECT), _plain(Trigger.FAIL_EFFECT)]
    trigger, evidence = zip(*ways.get((change.state, phase), others), strict=True)
    return st.integers(0, len(trigger) - 1).flatmap(
        lambda number: st.tuples(st.just(str(trigger[number])), evidence[number].map(lambda one: right(change, one)))
    )


APPROVED = {"status": ev.TicketStatus.FINISHED, "result_status": ev.TicketStatus.FINISHED, "approve_result": True}
APPROVED |= {"approval_step": True, "ambiguous": False, "inconclusive": ""}
OPEN = {"status": ev.TicketStatus.RUNNING, "result_status": None}
REFUSED = {**APPROVED, "approve_result": False}
WITHDRAWN = {"status": ev.TicketStatus.REVOKED, "result_status": None, "step_running": False, "ambiguous": False}


def _look(values: Mapping[str, object]) -> SearchStrategy[Any]:
    return EVIDENCE[ev.Snapshot].map(lambda seen: attrs.evolve(seen, **values))


def _plain(trigger: Trigger) -> tuple[Trigger, SearchStrategy[Any]]:
    row = next(row for row in COLLECTOR_CHANGE.transitions if row.trigger is trigger)
    return trigger, EVIDENCE[row.evidence_types[-1]]


@st.composite
def walks(draw: Callable[[SearchStrategy[Any]], Any], definition: WorkflowDefinition = COLLECTOR_CHANGE) -> Walk:
    """Draw a walk to a change that the machine can make: mostly onward, at times any trigger that the table has."""
    walk = Walk.begin(definition)
    walk.effects = draw(st.sampled_from([{}, {}, EFFECTS]))
    for _ in range(draw(st.integers(2, 14))):
        walk.wait(draw(pauses))
        if draw(st.integers(0, 3)):
            trigger, evidence = draw(onward(walk.change))
        else:
            trigger = draw(st.sampled_from(definition.triggers(walk.change.state)))
            kinds = definition.rows(walk.change.state, trigger)[0].evidence_types
            evidence = draw(aimed(walk.change, draw(st.sampled_from(kinds))))
        with contextlib.suppress(TransitionRefused):
            walk.fire(trigger, evidence)
    return walk
