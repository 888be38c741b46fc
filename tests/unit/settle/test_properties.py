"""plan and decide over anything: they always answer, and what they decide is never refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from itsm_workflow.change import Phase
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger, collector_change
from itsm_workflow.machine.approval_rule import ApprovalPolicy
from itsm_workflow.machine.due import next_due
from itsm_workflow.machine.evidence import Snapshot
from itsm_workflow.settle import (
    Answer,
    Deliver,
    Leave,
    Lookup,
    LookupAnswer,
    Plan,
    Read,
    ReadAnswer,
    Send,
    SendAnswer,
    Step,
    Sweep,
    decide,
    plan,
)
from itsm_workflow.testing import strategies as s
from itsm_workflow.testing.strategies import POLICY, Walk, pauses
from tests.stateful.walk import walks

if TYPE_CHECKING:
    from itsm_workflow.change import Entry

WITH_FIELD = collector_change(ApprovalPolicy(decision_field="approval_result"))
DEFINITIONS = st.sampled_from([COLLECTOR_CHANGE, WITH_FIELD])
TRIGGERS = {trigger.value for trigger in Trigger}


def judged(walk: Walk, answer: Answer) -> tuple[Step, ...]:
    """Return what an answer decides for the walk's change."""
    return decide(walk.definition, walk.change, answer, walk.now, POLICY, gateway="bk_itsm")


@st.composite
def answers_to(draw, walk) -> Answer:  # type: ignore[no-untyped-def] # noqa: ANN001 - drawn
    """Draw an answer; mostly one to a question about this very change, as it is."""
    attempt, ticket = walk.change.attempt, walk.change.ticket
    if attempt is None or not draw(st.integers(0, 3)):
        return draw(s.answers)  # type: ignore[no-any-return]
    if ticket is not None and draw(st.integers(0, 3)):
        seen = draw(s.EVIDENCE[Snapshot])
        return ReadAnswer(snapshot=attrs.evolve(seen, ticket_id=ticket.id))
    number, ours = attempt.number, {"key": attempt.key, "creator": attempt.creator}
    found = draw(s.findings)
    found = found and tuple(attrs.evolve(one, **ours) for one in found)
    if attempt.phase is Phase.UNKNOWN:
        return LookupAnswer(number=number, found=found)
    return SendAnswer(number=number, owner=attempt.owner, **ours, answer=draw(s.create_answers), found=found)


@given(definition=DEFINITIONS, change=s.changes, answer=s.answers, now=s.moments)
def test_decide_answers_for_any_change_and_any_answer(definition, change, answer, now) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - drawn
    """Steps of the table's triggers with evidence of their types; never an error, and twice the same."""
    steps = decide(definition, change, answer, now, POLICY, gateway="bk_itsm")

    assert steps == decide(definition, change, answer, now, POLICY, gateway="bk_itsm")
    for step in steps:
        kinds = {kind for row in definition.transitions if row.trigger == step.trigger for kind in row.evidence_types}
        assert type(step.evidence) in kinds


@given(change=s.changes, now=s.moments)
def test_plan_answers_for_any_change(change, now) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - drawn
    """One question or none; never an error, and twice the same."""
    planned = plan(COLLECTOR_CHANGE, change, now, POLICY, owner="w1")

    assert planned == plan(COLLECTOR_CHANGE, change, now, POLICY, owner="w1")
    assert not isinstance(planned, Leave)  # every effect is known
    assert planned is None or isinstance(planned.question, Send | Lookup | Read | Sweep | Deliver) or planned.claim
    assert planned is None or all(step.trigger in TRIGGERS for step in planned.claim)


@given(definition=DEFINITIONS, data=st.data())
def test_what_is_decided_is_never_refused(definition, data) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - drawn
    """For each change that the machine can make and any answer, in time or late, all steps fire in their order."""
    walk = data.draw(walks(definition), label="walk")
    answer = data.draw(answers_to(walk), label="answer")
    walk.wait(data.draw(pauses))
    steps = judged(walk, answer)
    event(f"{walk.change.state}: {', '.join(step.trigger for step in steps) or 'nothing'}")

    try:
        for step in steps:
            walk.fire(step.trigger, step.evidence)
    except TransitionRefused as refused:
        pytest.fail(f"{answer} in {walk.change} decided {steps}: {refused}")


@given(data=st.data())
def test_what_is_claimed_is_never_refused(data) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - drawn
    """For each change that the machine can make, the claim of its question fires."""
    walk = data.draw(walks(), label="walk")
    walk.wait(data.draw(pauses))
    planned = plan(walk.definition, walk.change, walk.now, POLICY, owner="w9")
    assert not isinstance(planned, Leave)
    event(type(planned.question).__name__ if planned else "nothing")

    for step in planned.claim if planned else ():
        walk.fire(step.trigger, step.evidence)


@given(data=st.data())
def test_an_answer_that_is_repeated_comes_to_rest(data) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - drawn
    """The answer to a send or a read decides at once, or in two steps; a third time it brings nothing to write."""
    walk = data.draw(walks(), label="walk")
    answer = data.draw(answers_to(walk), label="answer")
    news: list[list[Entry]] = []
    for _ in range(3):
        told = [walk.fire(step.trigger, step.evidence) for step in judged(walk, answer)]
        news.append([entry for entry in told if entry is not None])

    # Look-ups are counted each time, and several strangers that carry our key take turns in the attention.
    assert isinstance(answer, LookupAnswer) or news[2] == []


@given(data=st.data())
def test_whatever_is_due_has_a_question(data) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - drawn
    """A change that is due and has nothing to ask would be read again and again for nothing."""
    walk = data.draw(walks(), label="walk")
    due = next_due(walk.definition, walk.change, walk.now, POLICY, looked=False)
    planned: object = None
    if due is not None:
        walk.now = max(walk.now, due)
        planned = plan(walk.definition, walk.change, walk.now, POLICY, owner="w1")

    assert due is None or isinstance(planned, Plan)
