"""A create that was never sent: retried more and more slowly, marked with attention, and abandoned without a ticket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow import AlreadyApplied, State
from itsm_workflow.change import AttentionReason, Outcome, Phase
from itsm_workflow.errors import SettingsError, TransitionRefused
from itsm_workflow.machine.evidence import Concern
from tests.support.attention import reason_of
from tests.support.world import World, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow import Workflow


@pytest.fixture
def world() -> World:
    """Return a world whose gateway cannot be reached."""
    world = World()
    world.faults.unreachable("create", always=True)
    return world


@pytest.fixture
def workflow(world: World) -> Iterator[Workflow]:
    """Open a workflow."""
    with world.workflow() as opened:
        yield opened


def test_waits_grow_and_attention_is_raised_once(world: World, workflow: Workflow) -> None:
    """Two days without the gateway lead to some dozens of tries and one attention, not to thousands."""
    change = world.apply(workflow)
    for _ in range(2 * 24 * 12):
        world.clock.advance(300)
        workflow.reconcile()
    after = workflow.get(change.id)
    assert after.attention is not None
    assert (after.attention.reason, dict(after.attention.facts)) == (
        AttentionReason.UNSENT,
        {"times": str(times(workflow, change, "mark_unsent")), "problem": "no connection"},
    )
    assert 40 <= times(workflow, change, "mark_unsent") <= 60


def test_gateway_that_comes_back_gets_the_ticket_and_the_flag_is_gone(world: World, workflow: Workflow) -> None:
    """The same key is sent, once."""
    change = world.apply(workflow)
    for _ in range(40):
        world.clock.advance(600)
        workflow.reconcile()
    world.faults.clear()
    world.clock.advance(3600)
    workflow.reconcile()
    after = workflow.get(change.id)
    assert (after.state, after.attention, after.expect_attempt().key) == (
        State.PENDING,
        None,
        change.expect_attempt().key,
    )
    world.check()


@pytest.mark.parametrize("act", ["abandon", "withdraw"])
def test_nothing_was_sent_so_that_a_person_may_give_up_at_once(world: World, workflow: Workflow, act: str) -> None:
    """No ticket is filed for it later, and the subject is free."""
    change = world.apply(workflow)
    ended = getattr(workflow, act)(change.id, actor="alice", reason="not wanted")
    world.faults.clear()
    world.clock.advance(7200)
    workflow.reconcile()
    assert (ended.state, ended.outcome, world.ledger.tickets()) == (State.REJECTED, Outcome.ABANDONED, ())
    assert world.apply(workflow).state == State.PENDING


def test_a_draft_that_the_gateway_refused_is_not_given_up_by_a_withdrawal(world: World, workflow: Workflow) -> None:
    """It has no ticket to withdraw, and the applicant corrects it; `abandon` gives it up."""
    world.faults.clear()
    world.faults.refuse("create", 3900003)
    draft = world.apply(workflow)
    with pytest.raises(TransitionRefused, match=r"^withdraw was refused in state draft: .*allowed now: revise, submit"):
        workflow.withdraw(draft.id, actor="alice", reason="not wanted")
    assert (draft.state, workflow.get(draft.id)) == (State.DRAFT, draft)


def test_what_may_have_been_sent_is_not_given_up_because_of_another_flag(world: World, workflow: Workflow) -> None:
    """Only what the look-ups could not decide frees the subject: a flag for something else does not."""
    world.faults.clear()
    world.faults.time_out("create", always=True)
    change = world.apply(workflow)
    concern = Concern(reason=AttentionReason.HOST, facts={})
    workflow.fire(change.id, "raise_attention", concern, actor="alice")
    with pytest.raises(TransitionRefused, match="may still appear"):
        workflow.abandon(change.id, actor="alice", reason="impatient")
    with pytest.raises(AlreadyApplied):
        world.apply(workflow)


def test_resend_is_not_never_sent(world: World, workflow: Workflow) -> None:
    """Its first attempt may still turn up, so that queueing the second one proves nothing."""
    world.faults.clear()
    world.faults.time_out("create", always=True)
    change = world.apply(workflow)
    for wait in workflow.policy.lookups:
        world.clock.advance(wait.total_seconds())
        workflow.reconcile()
    world.faults.clear()
    world.faults.unreachable("create", always=True)
    queued = workflow.resend(change.id, actor="carol", reason="not in the list")
    assert (queued.expect_attempt().phase, queued.was_never_sent) == (Phase.QUEUED, False)
    with pytest.raises(TransitionRefused, match="may still appear"):
        workflow.abandon(change.id, actor="carol", reason="changed my mind")


def test_a_resend_that_cannot_be_sent_can_be_abandoned(world: World, workflow: Workflow) -> None:
    """As its attention advises. The look-ups before the resend ended, so the subject need not stay taken forever."""
    world.faults.clear()
    world.faults.time_out("create", always=True)
    change = world.apply(workflow)
    for wait in workflow.policy.lookups:
        world.clock.advance(wait.total_seconds())
        workflow.reconcile()
    world.faults.clear()
    world.faults.unreachable("create", always=True)
    workflow.resend(change.id, actor="carol", reason="not in the list")
    for _ in range(10):
        world.clock.advance(3600)
        workflow.reconcile()
    stuck = workflow.get(change.id)
    assert reason_of(stuck) is AttentionReason.UNSENT
    assert "abandon" in workflow.allowed(change.id)
    workflow.clear_attention(change.id, actor="carol", reason="seen")

    ended = workflow.abandon(change.id, actor="carol", reason="the application has no permission")

    assert (ended.state, ended.outcome) == (State.REJECTED, Outcome.ABANDONED)
    world.faults.clear()
    assert world.apply(workflow).state == State.PENDING


def test_address_that_cannot_be_made_sends_nothing(
    world: World, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing left, and that is what is stored: no look-ups for a ticket that cannot be there."""
    world.faults.clear()

    def fail(_change: str, _number: int) -> tuple[str | None, dict[str, str]]:
        raise SettingsError("callback_host is missing")

    monkeypatch.setattr(workflow._addresses, "make", fail)
    change = world.apply(workflow)
    attempt = change.expect_attempt()
    assert (attempt.phase, attempt.unknown_since, world.ledger.tickets()) == (Phase.QUEUED, None, ())
    assert "callback_host is missing" in attempt.problem


@pytest.mark.parametrize("step_by_step", [False, True])
def test_a_service_that_takes_its_time_does_not_age_the_mark(*, step_by_step: bool) -> None:
    """What is fresh or not is what passed since the intent was written, not since it was thought of."""
    world = World()
    world.faults.meanwhile("service", lambda: world.clock.advance(5.0))
    workflow = world.workflow()
    if step_by_step:
        draft = workflow.draft(subject="collector-1", title="t", applicant="alice", approvers=["carol"])
        change = workflow.submit(draft.id)
    else:
        change = world.apply(workflow)

    assert (change.state, times(workflow, change, "mark_unsent")) == (State.PENDING, 0)
