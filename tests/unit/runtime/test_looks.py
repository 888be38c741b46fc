"""The looks of a pass: what they claim, ask about, renew, let go of and count, and in which order."""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any, Self

import attrs
import pytest

from itsm_workflow import Effect, State
from itsm_workflow.change import Phase
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.gateway.protocol import TicketResult
from itsm_workflow.machine.evidence import Snapshot, TicketStatus
from itsm_workflow.policy import Policy
from itsm_workflow.runtime.pass_time import PassTime
from itsm_workflow.sandbox.ticket import CallbackOutcome
from itsm_workflow.settle import Plan
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from tests.support.desk import ASKED, Desk
from tests.support.limits import PATIENCE
from tests.support.world import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow import ChangeRequest, EffectCall, Workflow
    from itsm_workflow.budget import Budget
    from itsm_workflow.change import Ticket
    from itsm_workflow.runtime.looks import Looks
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.storage.protocol import Write

LEASE = Policy().read_lease.total_seconds()
AGES = LEASE / 4
POLL = Policy().poll.total_seconds()
LEAST = Policy().look_least.total_seconds()


class Scripted(LedgerGateway):
    """A gateway that remembers what it was asked, by which thread and with how much time, and lets a test step in."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.ledger, clock=desk.clock)
        self.budget: Budget | None = None
        self.asked: list[tuple[str, str]] = []
        self.left: list[float] = []
        self.threads: list[threading.Thread] = []
        self.steps: list[Callable[[], object]] = []
        self.odd: dict[str, TicketResult] = {}

    def within(self, budget: Budget) -> Self:
        """Return this gateway with a bound."""
        bounded = copy.copy(self)
        bounded.budget = budget
        return bounded

    def _note(self, call: str, tickets: Sequence[Ticket]) -> None:
        self.asked += [(call, ticket.id) for ticket in tickets]
        self.left.append(self.budget.left if self.budget else -1)
        self.threads.append(threading.current_thread())
        if self.steps:
            self.steps.pop(0)()

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Read many results; some may be as a test says."""
        self._note("results", tickets)
        return {**super().results(tickets), **self.odd}

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Read one ticket."""
        self._note("read", [ticket])
        return super().read(ticket, decision_field=decision_field)


class Scene:
    """Changes that wait for their approvers and are due, and the looks of one pass."""

    def __init__(self, count: int, **options: Any) -> None:
        self.desk = Desk()
        self.gateway = Scripted(self.desk)
        self.desk.gateway = self.desk.faults.wrap(self.gateway)
        self.workflow: Workflow = self.desk.workflow(policy=TOGETHER, **options)
        self.changes = [self.workflow.apply(subject=f"collector-{number}", **ASKED) for number in range(count)]
        self.desk.pass_time(301)
        self.desk.store.commits = 0

    @property
    def tickets(self) -> list[str]:
        """The ids of their tickets."""
        return [change.expect_ticket().id for change in self.changes]

    def stored(self, change: ChangeRequest) -> Stored:
        """Return a change as it is stored now."""
        return self.workflow._journal.load(change.id)

    def due_in(self, change: ChangeRequest) -> float:
        """Return the seconds after which a change falls due."""
        due_at = self.stored(change).due_at
        assert due_at is not None
        return round((due_at - self.desk.clock.peek()).total_seconds())

    def planned(self) -> list[tuple[Stored, Plan]]:
        """Return the changes with what is to be asked of each."""
        found = [(stored, self.workflow._executor.plan(stored)) for stored in map(self.stored, self.changes)]
        return [(stored, plan) for stored, plan in found if isinstance(plan, Plan)]

    def looks(self, *, seconds: float | None = None, readers: int = 1) -> Looks:
        """Return the looks of a pass that begins now."""
        reconciler = self.workflow._reconciler
        time = PassTime(seconds, policy=self.workflow.policy, elapsed=self.desk.clock.elapsed)
        return reconciler._looks(time, readers)

    def end_all(self) -> None:
        """Let every ticket be approved, with all callbacks lost."""
        for change in self.changes:
            self.desk.decide(change)

    def slow_commit(self, seconds: float) -> None:
        """Let the next commit take some time."""

        def wait(_: Sequence[Write]) -> None:
            self.desk.store.after = lambda _: None
            self.desk.clock.advance(seconds)

        self.desk.store.after = wait


# ---------------------------------------------------------------- claiming


def test_without_changes_nothing_is_asked_or_written() -> None:
    """Not even an empty commit."""
    scene = Scene(0)
    assert scene.looks().look([]) == []
    assert (scene.desk.store.commits, scene.gateway.asked) == (0, [])


@pytest.mark.parametrize("seconds", [0, 5])
def test_after_the_time_of_the_pass_nothing_is_claimed(seconds: float) -> None:
    """What is not begun stays due as it was; at the last instant the time is over."""
    scene = Scene(2)
    looks = scene.looks(seconds=seconds)
    scene.desk.clock.advance(seconds)

    assert looks.look(scene.planned()) == []
    assert (scene.desk.store.commits, scene.gateway.asked) == (0, [])


def test_all_are_claimed_in_one_commit_before_anything_is_asked() -> None:
    """Straight to the next poll: what shows nothing new needs no other commit."""
    scene = Scene(3)
    seen: list[tuple[int, list[float]]] = []
    scene.gateway.steps.append(
        lambda: seen.append((scene.desk.store.commits, [scene.due_in(change) for change in scene.changes]))
    )

    assert scene.looks().look(scene.planned()) == ["unchanged"] * 3
    assert seen == [(1, [POLL] * 3)]
    assert scene.desk.store.commits == 1


def test_what_several_looks_show_is_stored_in_one_commit() -> None:
    """After the commit of the claims, whichever tickets ended."""
    scene = Scene(3)
    scene.end_all()

    assert scene.looks().look(scene.planned()) == ["moved"] * 3
    assert scene.desk.store.commits == 2
    assert {scene.workflow.get(change.id).state for change in scene.changes} == {State.APPROVED}


def test_what_was_seen_is_stored_before_its_claim_ages() -> None:
    """Slow looks do not hold back what the first ones showed."""
    scene = Scene(3)
    scene.end_all()
    seen: list[str] = []
    scene.gateway.steps = [
        int,
        lambda: scene.desk.clock.advance(AGES),
        lambda: seen.append(scene.workflow.get(scene.changes[0].id).state),
    ]

    assert scene.looks().look(scene.planned()) == ["moved"] * 3
    assert seen == [State.APPROVED]


def test_an_outcome_that_another_worker_was_first_to_store_is_dropped() -> None:
    """The others of the commit are stored."""
    scene = Scene(3)
    scene.end_all()
    scene.gateway.steps = [int, lambda: scene.desk.race(scene.changes[1].id)]

    assert scene.looks().look(scene.planned()) == ["moved", "busy", "moved"]


@pytest.mark.parametrize("ended", [True, False])
def test_an_outcome_that_cannot_be_prepared_is_counted_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, *, ended: bool
) -> None:
    """Observers are told which one it is."""
    scene = Scene(3)
    if ended:
        scene.end_all()
    prepare, others = scene.workflow._executor.prepare_read, "moved" if ended else "unchanged"

    def picky(stored: Stored, snapshot: Snapshot, **options: bool) -> object:
        if stored.change.id == scene.changes[1].id:
            raise ZeroDivisionError("a rule of the host")
        return prepare(stored, snapshot)

    monkeypatch.setattr(scene.workflow._executor, "prepare_read", picky)

    assert scene.looks().look(scene.planned()) == [others, "unreadable", others]
    assert [change_id for change_id, _ in scene.desk.witness.troubles] == [scene.changes[1].id]


def test_a_change_that_another_worker_moved_is_counted_and_not_asked_about() -> None:
    """It is the other worker's."""
    scene = Scene(3)
    planned = scene.planned()
    scene.desk.race(scene.changes[1].id)

    assert scene.looks().look(planned) == ["busy", "unchanged", "unchanged"]
    assert scene.gateway.asked == [("results", scene.tickets[0]), ("results", scene.tickets[2])]


def test_nothing_is_asked_where_every_claim_was_lost() -> None:
    """Another worker is at all of them."""
    scene = Scene(2)
    planned = scene.planned()
    for change in scene.changes:
        scene.desk.race(change.id)

    assert scene.looks().look(planned) == ["busy", "busy"]
    assert scene.gateway.asked == []


def test_a_change_that_cannot_be_claimed_is_counted_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Observers are told which one it is."""
    scene = Scene(3)
    claim = scene.workflow._executor.prepare_claim

    def picky(stored: Stored, plan: Plan, **options: bool) -> object:
        if stored.change.id == scene.changes[1].id:
            raise ZeroDivisionError("a rule of the host")
        return claim(stored, plan, **options)

    monkeypatch.setattr(scene.workflow._executor, "prepare_claim", picky)

    assert scene.looks().look(scene.planned()) == ["unreadable", "unchanged", "unchanged"]
    [(change_id, error)] = scene.desk.witness.troubles
    assert change_id == scene.changes[1].id
    assert str(error).startswith("the change could not be processed, and falls due again: ZeroDivisionError")


def test_claims_that_no_commit_takes_together_are_committed_one_by_one() -> None:
    """Each then has what became of itself; observers are told of the one that no store takes."""
    scene = Scene(4)
    planned = scene.planned()
    refused, moved = scene.changes[1].id, scene.changes[2].id
    scene.desk.race(moved)

    def picky(writes: Sequence[Write]) -> None:
        if refused in {write.row.id for write in writes}:
            raise ValueError("a value that this store refuses")

    scene.desk.store.before = picky

    assert scene.looks().look(planned) == ["unreadable", "busy", "unchanged", "unchanged"]
    [(change_id, error)] = scene.desk.witness.troubles
    assert (change_id, str(error)) == (
        refused,
        "the change could not be processed, and falls due again: ValueError: a value that this store refuses",
    )


@pytest.mark.parametrize("together", [True, False])
def test_a_store_that_fails_at_a_claim_is_told_to_the_caller(*, together: bool) -> None:
    """It is no trouble of one change."""
    scene = Scene(2)

    def fail(writes: Sequence[Write]) -> None:
        raise StorageUnavailable("gone") if together or len(writes) == 1 else ValueError("refused")

    looks, planned = scene.looks(), scene.planned()
    scene.desk.store.before = fail
    with pytest.raises(StorageUnavailable, match="gone"):
        looks.look(planned)
    assert (scene.gateway.asked, scene.desk.witness.troubles) == ([], [])


def test_a_store_that_fails_while_a_claim_is_prepared_is_told_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no trouble of one change."""
    scene = Scene(2)
    looks, planned = scene.looks(), scene.planned()

    def fail(stored: Stored, plan: Plan, **_: bool) -> object:
        raise StorageUnavailable(f"gone for {stored.change.id} {plan}")

    monkeypatch.setattr(scene.workflow._executor, "prepare_claim", fail)
    with pytest.raises(StorageUnavailable, match="gone"):
        looks.look(planned)
    assert (scene.gateway.asked, scene.desk.witness.troubles) == ([], [])


def test_a_store_that_fails_when_an_answer_is_stored_is_told_to_the_caller() -> None:
    """What was claimed falls due again as claimed."""
    scene = Scene(2)
    scene.end_all()
    looks, planned = scene.looks(), scene.planned()

    def fail(_writes: Sequence[Write]) -> None:
        if scene.desk.store.commits:
            raise StorageUnavailable("gone")

    scene.desk.store.before = fail
    with pytest.raises(StorageUnavailable, match="gone"):
        looks.look(planned)
    assert scene.desk.witness.troubles == []
    assert [scene.due_in(change) for change in scene.changes] == [POLL] * 2


def test_an_answer_that_no_store_takes_is_told_of_and_holds_up_no_other() -> None:
    """The change falls due again as claimed."""
    scene = Scene(3)
    scene.end_all()
    looks, planned, refused = scene.looks(), scene.planned(), scene.changes[1]

    def picky(writes: Sequence[Write]) -> None:
        if scene.desk.store.commits and refused.id in {write.row.id for write in writes}:
            raise ValueError("a value that this store refuses")

    scene.desk.store.before = picky

    assert looks.look(planned) == ["moved", "unreadable", "moved"]
    [(change_id, error)] = scene.desk.witness.troubles
    assert (change_id, str(error)) == (
        refused.id,
        "the change could not be processed, and falls due again: ValueError: a value that this store refuses",
    )
    assert scene.due_in(refused) == POLL


def test_a_change_about_which_nothing_is_new_is_not_read_from_the_store_again() -> None:
    """What a pass costs is its claims and its answers, whatever the store is."""
    scene = Scene(3)
    planned, looks = scene.planned(), scene.looks()
    scene.desk.store.get = lambda change_id, /: pytest.fail(f"{change_id} is read again")  # type: ignore[method-assign]  # nobody may

    assert looks.look(planned) == ["unchanged"] * 3


# ---------------------------------------------------------------- many results at once


def test_two_tickets_are_asked_about_together() -> None:
    """Their pages are not read while they are open."""
    scene = Scene(2)

    assert scene.looks().look(scene.planned()) == ["unchanged"] * 2
    assert scene.gateway.asked == [("results", ticket) for ticket in scene.tickets]


def test_a_single_ticket_is_read_in_full() -> None:
    """It is one request either way."""
    scene = Scene(1)

    assert scene.looks().look(scene.planned()) == ["unchanged"]
    assert scene.gateway.asked == [("read", scene.tickets[0])]


def test_a_ticket_that_ended_is_read_in_full() -> None:
    """Its result alone does not say who decided."""
    scene = Scene(3)
    scene.desk.decide(scene.changes[1])

    assert scene.looks().look(scene.planned()) == ["unchanged", "unchanged", "moved"]
    assert scene.gateway.asked == [*(("results", ticket) for ticket in scene.tickets), ("read", scene.tickets[1])]
    assert scene.workflow.get(scene.changes[1].id).state == State.APPROVED


def test_a_look_up_is_none_of_the_tickets_that_are_asked_about_together() -> None:
    """It is asked by its key."""
    scene = Scene(2)
    scene.desk.hide_tickets()
    lost = scene.workflow.apply(subject="lost", **ASKED)
    scene.desk.pass_time(301)
    scene.changes.append(lost)

    assert sorted(scene.looks().look(scene.planned())) == ["moved", "unchanged", "unchanged"]
    assert scene.workflow.get(lost.id).expect_attempt().looks == lost.expect_attempt().looks + 1
    assert scene.workflow.get(lost.id).expect_attempt().phase is Phase.UNKNOWN


def test_results_that_cannot_be_had_are_told_of_and_each_ticket_is_read() -> None:
    """It is about no single change."""
    scene = Scene(2)
    scene.desk.faults.unreachable("results")

    assert scene.looks().look(scene.planned()) == ["unchanged"] * 2
    assert scene.gateway.asked == [("read", ticket) for ticket in scene.tickets]
    assert [(change_id, str(error)) for change_id, error in scene.desk.witness.troubles] == [
        ("", "results: no connection")
    ]


def test_what_a_result_says_of_an_open_ticket_is_kept_as_it_was_said() -> None:
    """The entry shows each fact under its own name, and when it was seen."""
    scene = Scene(2)
    first = scene.changes[0]
    scene.desk.ledger.record_delivery(scene.desk.decide(first), CallbackOutcome.FAILED)
    scene.gateway.odd = {
        first.expect_ticket().id: TicketResult(
            ticket_id=first.expect_ticket().id,
            sn=first.sn or "",
            status=TicketStatus.SUSPENDED,
            word="SUSPENDED",
            approve_result=False,
            closed_by="dave",
        )
    }
    assert scene.workflow._reconciler._mark_undelivered(scene.looks().time) == 1
    assert scene.workflow.get(first.id).state == State.FAILED_CALLBACK
    began = scene.desk.clock.peek()

    assert scene.looks().look(scene.planned()) == ["moved", "unchanged"]

    entry = scene.workflow.history(first.id)[-1]
    assert isinstance(entry.evidence, Snapshot)
    assert began < entry.evidence.seen_at < entry.at
    assert (entry.trigger, entry.evidence) == (
        "resume",
        Snapshot(
            ticket_id=first.expect_ticket().id,
            sn=first.sn or "",
            status=TicketStatus.SUSPENDED,
            word="SUSPENDED",
            seen_at=entry.evidence.seen_at,
            result_status=TicketStatus.SUSPENDED,
            approve_result=False,
            closed_by="dave",
        ),
    )


# ---------------------------------------------------------------- one by one


def test_one_reader_asks_in_the_thread_of_the_caller() -> None:
    """A host may have its reasons."""
    scene = Scene(3)
    scene.end_all()

    assert scene.looks(readers=1).look(scene.planned()) == ["moved"] * 3
    assert set(scene.gateway.threads) == {threading.current_thread()}


def test_as_many_are_asked_at_once_as_there_are_readers() -> None:
    """The first is asked by itself: a gateway that has rested lets one call through to see whether it is back."""
    scene = Scene(3)
    scene.end_all()
    both = threading.Barrier(2)
    scene.gateway.steps = [int, int, *[lambda: both.wait(PATIENCE)] * 2]

    assert scene.looks(readers=2).look(scene.planned()) == ["moved"] * 3
    results, first, *others = scene.gateway.threads
    assert results is first is threading.current_thread()
    assert len({*others, threading.current_thread()}) == 3
    assert not any(thread.is_alive() for thread in others)
    assert {thread.name.rpartition("_")[0] for thread in others} == {"itsm-workflow-look"}
    assert scene.desk.witness.troubles == []


def test_a_slow_look_holds_up_no_other_reader() -> None:
    """The others go on while it is waited for."""
    scene = Scene(5)
    scene.end_all()
    last = threading.Event()
    waited: list[bool] = []
    scene.gateway.steps = [int, int, lambda: waited.append(last.wait(PATIENCE)), int, int, last.set]

    assert scene.looks(readers=2).look(scene.planned()) == ["moved"] * 5
    assert waited == [True]


def test_no_more_are_asked_at_once_than_there_are_readers() -> None:
    """Each is a connection to the gateway."""
    scene = Scene(6)
    scene.end_all()
    both, lock, under_way, most = threading.Barrier(2), threading.Lock(), 0, 0

    def meet() -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        both.wait(PATIENCE)
        with lock:
            under_way -= 1

    scene.gateway.steps = [int, int, *[meet] * 4]

    assert scene.looks(readers=2).look(scene.planned()) == ["moved"] * 6
    assert most == 2


@pytest.mark.parametrize("steps", [[], [int]], ids=["the caller's thread", "another thread"])
def test_a_gateways_own_mistake_is_told_of_and_holds_up_no_other(steps: list[Callable[[], object]]) -> None:
    """The question counts as not answered, as for any other read."""
    scene = Scene(3)
    scene.end_all()

    def stumble() -> None:
        raise KeyError("rows")

    scene.gateway.steps = [int, *steps, stumble]

    assert sorted(scene.looks(readers=2).look(scene.planned())) == ["failed", "moved", "moved"]
    [(change_id, error)] = scene.desk.witness.troubles
    assert str(error) == "read: the gateway's own code failed: KeyError: 'rows'"
    [failed] = [change for change in scene.changes if change.id == change_id]
    assert (scene.workflow.get(failed.id).state, scene.due_in(failed)) == (State.PENDING, POLL)


# ---------------------------------------------------------------- the age of claims


@pytest.mark.parametrize(("takes", "left"), [(AGES, LEASE), (AGES - 1, LEASE - AGES + 1)])
def test_claims_that_wait_are_renewed_once_a_quarter_of_their_lease_is_over(takes: float, left: float) -> None:
    """A look has the lease of its claim, and another worker keeps away at least as long."""
    scene = Scene(3)
    scene.end_all()
    due: list[float] = []
    scene.gateway.steps = [
        int,
        lambda: scene.desk.clock.advance(takes),
        lambda: due.append(scene.due_in(scene.changes[1])),
    ]

    assert scene.looks().look(scene.planned()) == ["moved"] * 3
    assert scene.gateway.left == [LEASE, LEASE, left, left]
    assert due == [POLL - takes]


def test_claims_that_aged_while_many_results_were_read_are_renewed_before_any_look() -> None:
    """The first look has a whole lease as well."""
    scene = Scene(2)
    scene.end_all()
    scene.gateway.steps = [lambda: scene.desk.clock.advance(AGES)]

    assert scene.looks().look(scene.planned()) == ["moved"] * 2
    assert scene.gateway.left == [LEASE] * 3


def test_a_claim_that_is_lost_while_it_is_renewed_is_counted_and_not_asked_about() -> None:
    """The other worker has it; each due change is counted once."""
    scene = Scene(3)
    scene.end_all()

    def take_one_over() -> None:
        scene.desk.clock.advance(AGES)
        scene.desk.race(scene.changes[1].id)

    scene.gateway.steps = [int, take_one_over]

    assert sorted(scene.looks().look(scene.planned())) == ["busy", "moved", "moved"]
    assert scene.gateway.asked[3:] == [("read", scene.tickets[0]), ("read", scene.tickets[2])]


@pytest.mark.parametrize("count", [1, 2])
def test_the_lease_counts_from_before_the_commit_of_the_claim(count: int) -> None:
    """A commit that takes its time leaves a look so much less."""
    scene = Scene(count)
    scene.slow_commit(10)

    scene.looks().look(scene.planned())

    assert scene.gateway.left == [LEASE - 10]


def test_the_lease_counts_from_before_the_claims_are_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A due rule of the host may take its time, and the lease runs meanwhile."""
    scene = Scene(1)
    claim = scene.workflow._executor.prepare_claim

    def slow(stored: Stored, plan: Plan, **options: bool) -> object:
        claimed = claim(stored, plan, **options)
        scene.desk.clock.advance(10)
        return claimed

    planned = scene.planned()
    monkeypatch.setattr(scene.workflow._executor, "prepare_claim", slow)

    scene.looks().look(planned)

    assert scene.gateway.left == [LEASE - 10]


def test_a_look_near_the_end_of_the_pass_has_what_is_left_and_a_little() -> None:
    """So that a pass overruns its time by no more."""
    scene = Scene(2)
    scene.end_all()

    scene.looks(seconds=7).look(scene.planned())

    assert scene.gateway.left == [7 + LEAST] * 3


# ---------------------------------------------------------------- the end of the pass


def test_what_was_not_asked_about_when_the_time_is_over_is_due_as_before() -> None:
    """The next pass meets it without waiting for a lease, and it is not counted."""
    scene = Scene(3)
    scene.end_all()
    before = [stored.due_at for stored in map(scene.stored, scene.changes)]
    scene.gateway.steps = [int, lambda: scene.desk.clock.advance(5)]

    assert scene.looks(seconds=5).look(scene.planned()) == ["moved"]
    assert [stored.due_at for stored in map(scene.stored, scene.changes[1:])] == before[1:]
    assert [call for call, _ in scene.gateway.asked].count("read") == 1


def test_of_the_effects_of_an_answer_none_is_begun_after_the_time() -> None:
    """The next pass delivers the others."""
    delivered: list[str] = []

    def slow(call: EffectCall) -> None:
        delivered.append(call.name)
        scene.desk.clock.advance(5)

    scene = Scene(1, effects={State.APPROVED: [Effect("start", slow), Effect("tell", slow)]})
    scene.end_all()

    assert scene.looks(seconds=3).look(scene.planned()) == ["moved"]
    assert delivered == ["start"]
    scene.workflow.reconcile()
    assert delivered == ["start", "tell"]


def test_a_change_that_was_due_at_no_time_is_due_at_once_when_it_is_let_go_of() -> None:
    """It must not wait for ever because a pass met it."""
    scene = Scene(1)
    scene.slow_commit(5)
    [(stored, plan)] = scene.planned()

    assert scene.looks(seconds=5).look([(attrs.evolve(stored, due_at=None), plan)]) == []
    assert (scene.due_in(scene.changes[0]), scene.gateway.asked) == (0, [])


def test_time_that_the_claims_took_up_is_not_spent_on_results() -> None:
    """All are let go of."""
    scene = Scene(2)
    before = [stored.due_at for stored in map(scene.stored, scene.changes)]
    scene.slow_commit(5)

    assert scene.looks(seconds=5).look(scene.planned()) == []
    assert scene.gateway.asked == []
    assert [stored.due_at for stored in map(scene.stored, scene.changes)] == before


def test_claims_that_are_renewed_and_let_go_of_leave_no_trace_in_the_history() -> None:
    """They say nothing of the change."""
    scene = Scene(4)
    scene.end_all()
    histories = [scene.workflow.history(change.id) for change in scene.changes]
    scene.gateway.steps = [int, *[lambda: scene.desk.clock.advance(AGES)] * 2]

    assert scene.looks(seconds=2 * AGES).look(scene.planned()) == ["moved", "moved"]

    assert [scene.workflow.history(change.id) for change in scene.changes[2:]] == histories[2:]
