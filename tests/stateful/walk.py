"""Walks over the engine: a change, its history, and evidence that is aimed at it, rightly or nearly so."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
from hypothesis import strategies as st

from itsm_workflow.change import Form, Phase
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.collector import COLLECTOR_CHANGE, State, Trigger
from itsm_workflow.machine.engine import fire, open_change
from itsm_workflow.policy import Policy
from tests.strategies import EVIDENCE, NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypothesis.strategies import SearchStrategy

    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.machine.definition import WorkflowDefinition

EFFECTS: Mapping[str, tuple[str, ...]] = {State.APPLYING: ("tell",), State.APPROVED: ("start",)}
FORM = Form(title="Collect access logs", applicant="alice", approvers=("bob",))
PAUSES = st.sampled_from([0, 1, 5, 31, 61, 130, 500, 4000, 16 * 86400])
"""Seconds between two triggers: within and beyond each of the policy's waits."""

POLICY = Policy(
    lookups=(dt.timedelta(), dt.timedelta(seconds=60)), effect_attempts=2, effect_backoff=dt.timedelta(seconds=1)
)


@attrs.define
class Walk:
    """One change on its way, as a journal would keep it."""

    change: ChangeRequest
    entries: list[Entry]
    now: dt.datetime = NOW
    definition: WorkflowDefinition = COLLECTOR_CHANGE
    effects: Mapping[str, tuple[str, ...]] = EFFECTS

    @classmethod
    def begin(cls, definition: WorkflowDefinition = COLLECTOR_CHANGE) -> Walk:
        """Return a walk that stands at the draft."""
        change, entry = open_change(
            definition, change_id="C1", subject="collector-1", form=FORM, now=NOW, actor="alice"
        )
        return cls(change, [entry], definition=definition)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += dt.timedelta(seconds=seconds)

    def fire(self, trigger: str, evidence: object) -> Entry | None:
        """Fire, and keep what comes of it.

        Raises:
            TransitionRefused: The walk stands where it stood.
        """
        self.change, entry = fire(
            self.definition,
            self.change,
            trigger,
            evidence,
            now=self.now,
            policy=POLICY,
            seq=len(self.entries) + 1,
            actor="carol",
            effects=self.effects,
        )
        if entry is not None:
            self.entries.append(entry)
        return entry


def aimed(change: ChangeRequest, kind: type[Any]) -> SearchStrategy[Any]:
    """Return a strategy of evidence of a type, aimed at the change: its own key, ticket and so on, or some of them."""
    names = {field.name for field in attrs.fields(kind)}
    own = {name: st.just(value) for name, value in _own(change).items() if name in names}
    return st.builds(
        lambda one, some: attrs.evolve(one, **some),
        EVIDENCE[kind],
        st.fixed_dictionaries(own) | st.fixed_dictionaries({}, optional=own),
    )


def _own(change: ChangeRequest) -> Mapping[str, object]:
    attempt, ticket = change.attempt, change.ticket
    found: dict[str, object] = {}
    if attempt is not None:
        found |= {"number": attempt.number, "owner": attempt.owner, "key": attempt.key, "creator": attempt.creator}
    if ticket is not None:
        found |= {"ticket_id": ticket.id, "sn": ticket.sn}
    if change.effects:
        found |= {"effect": change.effects[0].id, "attempt": change.effects[0].attempts + 1}
    return found


def onward(change: ChangeRequest) -> SearchStrategy[tuple[str, Any]]:
    """Return a strategy of triggers that lead on from where the change stands, with evidence that is mostly right."""
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
            *map(_plain, (Trigger.NOTE_LOOKUP, Trigger.NOTE_LOOKUP, Trigger.RECORD_TICKET, Trigger.RESEND)),
        ],
        ("pending", phase): watched,
        ("failed_callback", phase): watched,
    }
    others = [_plain(Trigger.RECORD_CONTRADICTION), _plain(Trigger.DELIVER_EFFECT), _plain(Trigger.FAIL_EFFECT)]
    trigger, evidence = zip(*ways.get((change.state, phase), others), strict=True)
    return st.integers(0, len(trigger) - 1).flatmap(
        lambda number: st.tuples(st.just(str(trigger[number])), evidence[number].map(lambda one: _taken(one, change)))
    )


APPROVED = {"status": ev.TicketStatus.FINISHED, "result_status": ev.TicketStatus.FINISHED, "approve_result": True}
APPROVED |= {"approval_step": True, "ambiguous": False}
OPEN = {"status": ev.TicketStatus.RUNNING, "result_status": None}
REFUSED = {**APPROVED, "approve_result": False}
WITHDRAWN = {"status": ev.TicketStatus.REVOKED, "result_status": None, "step_running": False, "ambiguous": False}


def _look(values: Mapping[str, object]) -> SearchStrategy[Any]:
    return EVIDENCE[ev.Snapshot].map(lambda seen: attrs.evolve(seen, **values))


def _plain(trigger: Trigger) -> tuple[Trigger, SearchStrategy[Any]]:
    row = next(row for row in COLLECTOR_CHANGE.transitions if row.trigger is trigger)
    return trigger, EVIDENCE[row.evidence_types[-1]]


def _taken(evidence: Any, change: ChangeRequest) -> Any:  # noqa: ANN401 - evidence of any type
    names = {field.name for field in attrs.fields(type(evidence))}
    return attrs.evolve(evidence, **{name: value for name, value in _own(change).items() if name in names})


@st.composite
def walks(draw: Callable[[SearchStrategy[Any]], Any], definition: WorkflowDefinition = COLLECTOR_CHANGE) -> Walk:
    """Draw a walk to a change that the machine can make: mostly onward, at times any trigger that the table has."""
    walk = Walk.begin(definition)
    walk.effects = draw(st.sampled_from([{}, {}, EFFECTS]))
    for _ in range(draw(st.integers(2, 14))):
        walk.wait(draw(PAUSES))
        if draw(st.integers(0, 3)):
            trigger, evidence = draw(onward(walk.change))
        else:
            trigger = draw(st.sampled_from(definition.triggers(walk.change.state)))
            kinds = definition.rows(walk.change.state, trigger)[0].evidence_types
            evidence = draw(aimed(walk.change, draw(st.sampled_from(kinds))))
        with contextlib.suppress(TransitionRefused):
            walk.fire(trigger, evidence)
    return walk
