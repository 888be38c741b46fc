"""Effects: planned with the state, delivered at least once under a lease, always with the same id."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import Effect, EffectCall, Policy, State
from itsm_workflow.change import WITHDRAW, AttentionReason, EffectStatus, Outcome
from itsm_workflow.errors import DefinitionError, TransitionRefused
from tests.support.attention import reason_of
from tests.support.limits import PATIENCE
from tests.support.office import SUBJECT, Office, asked, triggers
from tests.support.stores import EVERY_STORE
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import ChangeRequest, Workflow


class Work:
    """The host's work when a change is approved; fails as often as the test sets."""

    def __init__(self, failures: int = 0) -> None:
        self.calls: list[EffectCall] = []
        self.failures = failures
        self.inside: Callable[[], object] = lambda: None

    def __call__(self, call: EffectCall) -> None:
        """Do it."""
        self.calls.append(call)
        self.inside()
        if len(self.calls) <= self.failures:
            raise ConnectionError(f"the collector's host does not answer, call {len(self.calls)}")

    @property
    def seen(self) -> list[tuple[str, int]]:
        """Ids and attempts, in order."""
        return [(call.id, call.attempt) for call in self.calls]


class Killed(BaseException):
    """Ends a worker as a kill does: nothing of it runs any further."""


def opened(office: Office, work: Callable[[EffectCall], object], **options: Any) -> Workflow:
    """Open a workflow that starts a collection once a change is approved."""
    effects = {State.APPROVED: [Effect("start_collection", work)]}
    return office.workflow(effects=effects, **options)


def approved(office: Office, workflow: Workflow) -> ChangeRequest:
    """Apply, let the ticket be approved, and return the change as it is then."""
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)
    return workflow.get(change.id)


@EVERY_STORE
def test_effect_is_delivered_once(office: Office) -> None:
    """Also though callbacks repeat and reconciling goes on."""
    work = Work()
    workflow = opened(office, work)

    change = approved(office, workflow)
    office.door.knock(office.door.knocks[-1])
    for _ in range(3):
        office.pass_time(3600)
        workflow.reconcile()

    entry = next(one for one in workflow.history(change.id) if one.trigger == "approve")
    assert [(call.id, call.attempt, call.name) for call in work.calls] == [(entry.effects[0], 1, "start_collection")]
    assert work.calls[0].change.state == State.APPROVED
    assert [(one.status, one.error) for one in workflow.get(change.id).effects] == [(EffectStatus.DELIVERED, "")]


@EVERY_STORE
def test_effect_that_fails_is_delivered_again_with_its_id(office: Office) -> None:
    """Later, and ever later; the change stays approved all the while."""
    work = Work(failures=2)
    workflow = opened(office, work)

    change = approved(office, workflow)
    assert (change.state, change.effects[0].attempts) == (State.APPROVED, 1)
    assert "it failed 1 time" in workflow.why(change.id)
    assert workflow.reconcile().due == 0
    office.pass_time(10)
    assert workflow.reconcile().failed == 1
    office.pass_time(10)
    assert workflow.reconcile().due == 0
    office.pass_time(10)
    workflow.reconcile()

    assert [attempt for _, attempt in work.seen] == [1, 2, 3]
    assert len({effect for effect, _ in work.seen}) == 1
    assert workflow.get(change.id).effects[0].status == EffectStatus.DELIVERED


def test_effect_that_fails_too_often_is_parked_and_calls_a_person(office: Office) -> None:
    """It is not tried again on its own; retrying it is a person's decision."""
    work = Work(failures=8)
    workflow = opened(office, work)
    change = approved(office, workflow)
    for _ in range(20):
        office.pass_time(3600)
        workflow.reconcile()

    parked = workflow.get(change.id)
    assert parked.attention is not None
    assert (len(work.calls), parked.state, parked.attention.reason) == (
        8,
        State.APPROVED,
        AttentionReason.EFFECT_PARKED,
    )
    assert parked.attention.facts["effect"] == work.calls[0].id
    assert "call 8" in parked.attention.facts["error"]

    mended = workflow.retry_effect(change.id, parked.effects[0].id, actor="ops", reason="the host is back")
    assert (mended.effects[0].status, mended.attention) == (EffectStatus.DELIVERED, None)
    assert len({effect for effect, _ in work.seen}) == 1
    with pytest.raises(TransitionRefused):
        workflow.retry_effect(change.id, parked.effects[0].id, actor="ops")


@EVERY_STORE
def test_effect_of_a_worker_that_died_is_delivered_again_after_its_lease(office: Office) -> None:
    """Between the work and its record nothing is known, so it is done again under the same id."""
    work, again = Work(), Work()

    def die(_: object = None) -> None:
        raise Killed

    def die_soon() -> None:
        office.store.before = die

    work.inside = die_soon
    dying, other = opened(office, work, after_callback="later"), opened(office, again, after_callback="later")
    change = dying.apply(subject=SUBJECT, **asked())
    office.approve(change)
    with pytest.raises(Killed):
        dying.reconcile()
    office.store.before = lambda _: None

    office.pass_time(290)
    assert other.reconcile().due == 0
    office.pass_time(10)
    other.reconcile()

    [(effect, _)] = work.seen
    assert again.seen == [(effect, 2)]
    assert other.get(change.id).effects[0].status == EffectStatus.DELIVERED


@pytest.mark.parametrize("stop", [SystemExit, KeyboardInterrupt, Killed])
def test_an_effect_that_ends_its_worker_is_counted_and_parked(office: Office, stop: type[BaseException]) -> None:
    """An interrupt of the process is obeyed; an effect that ends every worker is not retried without end."""
    work = Work()

    def end() -> None:
        raise stop

    work.inside = end
    workflow = opened(office, work, after_callback="later", policy=Policy(effect_attempts=3))
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)
    for _ in range(3):
        with pytest.raises(stop):
            workflow.reconcile()
        office.pass_time(3600)

    after = workflow.get(change.id)
    assert (after.effects[0].status, after.effects[0].attempts) == (EffectStatus.PARKED, 3)
    assert reason_of(after) is AttentionReason.EFFECT_PARKED
    assert workflow.reconcile().due == 0


def test_an_effect_in_delivery_is_not_delivered_by_another_worker(office: Office) -> None:
    """No callback, `settle` or pass delivers it a second time during its lease."""
    work, other_work = Work(), Work()
    workflow, other = opened(office, work), opened(office, other_work)

    def meddle() -> None:
        office.door.knock(office.door.knocks[-1].saying(update_at="2026-03-02 23:59:59"))
        other.settle(work.calls[0].change.id)
        other.reconcile()

    work.inside = meddle
    office.door.receive = workflow.receive
    change = approved(office, workflow)

    assert (len(work.calls), other_work.calls) == (1, [])
    assert workflow.get(change.id).effects[0].status == EffectStatus.DELIVERED
    assert triggers(workflow, change).count("receive_callback") == 2


@EVERY_STORE
def test_effect_that_kills_its_process_is_parked(office: Office) -> None:
    """Each delivery is counted before it begins, so that one that never returns is not delivered forever."""
    work = Work()

    def die(_: object) -> None:
        raise Killed

    def kill() -> None:
        office.store.before = die  # the process is gone: nothing of the delivery is stored any more

    work.inside = kill
    workflow = opened(office, work, after_callback="later", policy=Policy(effect_attempts=3))
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)
    for _ in range(3):
        with pytest.raises(Killed):
            workflow.reconcile()
        office.store.before = lambda _: None
        assert workflow.get(change.id).effects[0].status is EffectStatus.STARTED
        assert workflow.reconcile().due == 0
        office.pass_time(300)

    work.inside = lambda: None
    workflow.reconcile()

    parked = workflow.get(change.id)
    assert work.seen == [(parked.effects[0].id, attempt) for attempt in (1, 2, 3)]
    assert (parked.state, parked.effects[0].status) == (State.APPROVED, EffectStatus.PARKED)
    assert parked.attention is not None
    assert parked.attention.reason is AttentionReason.EFFECT_PARKED
    assert "its last 3 deliveries brought no result" in parked.attention.facts["error"]
    mended = workflow.retry_effect(change.id, parked.effects[0].id, actor="ops", reason="it does not run out of memory")
    assert (mended.effects[0].status, mended.attention) == (EffectStatus.DELIVERED, None)
    assert work.seen[-1] == (parked.effects[0].id, 4)


MINUTES, HOURS = Policy(), Policy(effect_lease=dt.timedelta(hours=12))


@EVERY_STORE
@pytest.mark.parametrize(("delivering", "reading"), [(MINUTES, HOURS), (HOURS, MINUTES)], ids=["5 min", "12 h"])
def test_processes_with_different_leases_do_not_deliver_at_the_same_time(
    office: Office, delivering: Policy, reading: Policy
) -> None:
    """Until when an effect is claimed is stored by the process that delivers it; no reader goes by its own policy."""
    work, other_work = Work(), Work()
    workflow = opened(office, work, after_callback="later", policy=delivering)
    other = opened(office, other_work, after_callback="later", policy=reading)

    def meddle() -> None:
        other.reconcile()
        other.settle(work.calls[0].change.id)
        assert "is being delivered until" in other.why(work.calls[0].change.id)
        office.pass_time(delivering.effect_lease.total_seconds() - 1)
        other.reconcile()
        other.settle(work.calls[0].change.id)

    work.inside = meddle
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)
    workflow.reconcile()

    assert (len(work.calls), other_work.calls) == (1, [])
    assert workflow.get(change.id).effects[0].status is EffectStatus.DELIVERED


def overtaken(office: Office, slow: Work, quick: Work) -> ChangeRequest:
    """Return a change whose first delivery took so long that another process made the second, which failed."""
    workflow, other = opened(office, slow, after_callback="later"), opened(office, quick, after_callback="later")

    def overtake() -> None:
        office.pass_time(300)
        other.reconcile()

    slow.inside = overtake
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)
    workflow.reconcile()
    return workflow.get(change.id)


def test_late_success_of_an_earlier_delivery_counts(office: Office) -> None:
    """What was done was done."""
    slow, quick = Work(), Work(failures=1)

    [effect] = overtaken(office, slow, quick).effects

    assert (slow.seen, quick.seen) == ([(effect.id, 1)], [(effect.id, 2)])
    assert (effect.status, effect.attempts, effect.error) == (EffectStatus.DELIVERED, 2, "")


def test_late_failure_of_an_earlier_delivery_is_ignored(office: Office) -> None:
    """It says nothing about the delivery that was made since."""
    slow, quick = Work(failures=1), Work(failures=1)
    failed = "the collector's host does not answer"

    def fail_otherwise() -> None:
        raise ConnectionError("the second delivery failed")

    quick.inside = fail_otherwise
    [effect] = overtaken(office, slow, quick).effects

    assert (slow.seen, quick.seen) == ([(effect.id, 1)], [(effect.id, 2)])
    assert (effect.status, effect.attempts) == (EffectStatus.PLANNED, 2)
    assert "the second delivery failed" in effect.error
    assert failed not in effect.error


def test_ticket_is_read_while_an_effect_runs(office: Office) -> None:
    """An effect that takes long holds up nothing else of its change."""
    work = Work()
    effects = {State.PENDING: [Effect("tell_the_approver", work)]}
    workflow, other = office.workflow(effects=effects, after_callback="later"), office.workflow(after_callback="later")

    def decide() -> None:
        change = work.calls[0].change
        office.approve(change)
        other.reconcile()
        assert other.get(change.id).state == State.APPROVED

    work.inside = decide
    change = workflow.apply(subject=SUBJECT, **asked())

    assert len(work.calls) == 1
    assert workflow.get(change.id).effects[0].status is EffectStatus.DELIVERED


def test_workers_deliver_a_due_effect_once(office: Office) -> None:
    """Several workers try together; one of them claims it."""
    work = Work(failures=1)
    workflow = opened(office, work)
    change = approved(office, workflow)
    office.pass_time(10)
    inside, barrier = threading.Event(), threading.Barrier(4)
    work.inside = lambda: inside.wait(PATIENCE)

    def look() -> None:
        barrier.wait(PATIENCE)
        workflow.reconcile()
        inside.set()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)

    assert [attempt for _, attempt in work.seen] == [1, 2]
    assert workflow.get(change.id).effects[0].status == EffectStatus.DELIVERED


def test_effects_of_a_state_are_delivered_in_order_and_separately(office: Office) -> None:
    """A failing effect does not delay the others."""
    first, second = Work(failures=1), Work()
    effects = {State.APPROVED: [Effect("first", first), Effect("second", second)]}
    workflow = office.workflow(effects=effects)

    change = approved(office, workflow)

    assert (len(first.calls), len(second.calls)) == (1, 1)
    assert [one.status for one in workflow.get(change.id).effects] == [EffectStatus.PLANNED, EffectStatus.DELIVERED]


def test_two_effects_of_one_name_are_refused_when_the_workflow_is_made(office: Office) -> None:
    """A stored name must mean one thing."""
    with pytest.raises(DefinitionError, match="start_collection"):
        office.workflow(effects={state: [Effect("start_collection", print)] for state in ("approved", "rejected")})


@EVERY_STORE
def test_withdrawal_waits_until_the_ticket_is_old_enough(office: Office) -> None:
    """A ticket withdrawn before its flow has started could revive; then two quiet looks end the change."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())

    planned = workflow.withdraw(change.id, actor="alice", reason="wrong host")
    assert [(one.name, one.status) for one in planned.effects] == [(WITHDRAW, EffectStatus.PLANNED)]
    workflow.settle(change.id)
    assert office.sandbox.bodies("operate_ticket") == []

    office.pass_time(5)
    workflow.reconcile()
    assert [body["operator"] for body in office.sandbox.bodies("operate_ticket")] == ["alice"]
    assert workflow.get(change.id).state == State.PENDING
    office.pass_time(61)
    workflow.reconcile()

    ended = workflow.get(change.id)
    assert (ended.state, ended.outcome, office.only_ticket().current_status) == (
        State.REJECTED,
        Outcome.WITHDRAWN,
        "REVOKED",
    )
    assert ended.effects[0].status == EffectStatus.DELIVERED


def test_withdrawal_waits_for_a_ticket_that_is_not_known_yet(office: Office) -> None:
    """Asked for while the ticket is looked up, it is done once there is one."""
    workflow = office.workflow()
    office.sandbox.faults.lose_answer("create_ticket")
    office.sandbox.faults.status("get_tickets", 502, always=True)
    change = workflow.apply(subject=SUBJECT, **asked())
    workflow.withdraw(change.id, actor="alice")
    office.sandbox.faults.clear()

    for seconds in (1, 6, 61):
        office.pass_time(seconds)
        workflow.reconcile()

    assert workflow.get(change.id).outcome == Outcome.WITHDRAWN
    assert office.only_ticket().current_status == "REVOKED"


def test_a_late_withdrawal_does_not_revoke_the_approval(office: Office) -> None:
    """The ticket ended before it could be withdrawn: that is not an error, and the gateway's result counts."""
    workflow = office.workflow(after_callback="later")
    change = workflow.apply(subject=SUBJECT, **asked())
    workflow.withdraw(change.id, actor="alice")
    office.approve(change)
    office.pass_time(5)

    workflow.reconcile()

    assert office.sandbox.bodies("operate_ticket") == []
    assert workflow.get(change.id).state == State.APPROVED


def test_withdrawal_of_a_draft_is_refused(office: Office) -> None:
    """A draft has no ticket; it is abandoned."""
    workflow = office.workflow()
    draft = workflow.draft(subject=SUBJECT, **asked())

    with pytest.raises(TransitionRefused):
        workflow.withdraw(draft.id, actor="alice")

    assert workflow.abandon(draft.id, actor="alice").outcome == Outcome.ABANDONED


def test_parked_effect_keeps_calling_when_something_else_is_settled() -> None:
    """The approval clears what it answers; the effect that failed before is still parked."""
    world = World()

    def fail(_call: EffectCall) -> None:
        raise OSError("no space")

    effects = {State.PENDING: [Effect("announce", fail)]}
    workflow = world.workflow(effects=effects, policy=Policy(effect_attempts=1))
    change = world.apply(workflow)
    workflow.settle(change.id)
    world.start_flow()
    world.decide(world.ticket_of(change), approved=True)
    after = workflow.settle(change.id)
    assert (after.state, after.effects[0].status) == (State.APPROVED, EffectStatus.PARKED)
    assert reason_of(after) is AttentionReason.EFFECT_PARKED


@pytest.mark.parametrize("text", ["\udcff.log", "a\x00b", "x" * 10_000, "two\nlines"])
def test_error_of_an_effect_is_kept_whatever_it_says(text: str) -> None:
    """Counted and parked like any other, in one line that a store can keep."""
    world = World()

    def fail(_call: EffectCall) -> None:
        raise OSError(text)

    workflow = world.workflow(effects={State.APPROVED: [Effect("start", fail)]}, policy=Policy(effect_attempts=1))
    change = world.approved(workflow)
    after = workflow.settle(change.id)
    assert after.effects[0].status is EffectStatus.PARKED
    assert after.effects[0].error.startswith("OSError: ")
    assert "\n" not in after.effects[0].error
