"""The looks of a pass: questions that only read the gateway, claimed in groups and asked together or a few at a time.

One call reads the results of the tickets of a group. The gateway is then asked separately about each ticket that has
ended or whose steps must be seen, and each other question.

A look that no callback asked for is claimed straight to its next time, so that if it shows nothing new, nothing more is
written. What several looks show is stored in one commit.

A claim does not expire while it waits for other looks: waiting claims are renewed, and each look ends with its lease.
When the time of the pass is over, the claims that are still waiting are released, and their changes are due as before.
"""

from __future__ import annotations

import concurrent.futures as cf
import datetime as dt
import queue
from functools import partial
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import GatewayError
from itsm_workflow.failures import failures
from itsm_workflow.gateway.asking import ask, bounded
from itsm_workflow.gateway.checked import checked_results
from itsm_workflow.machine import evidence as ev
from itsm_workflow.runtime.journal import WORKER
from itsm_workflow.settle import Read, ReadAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.change import Ticket
    from itsm_workflow.gateway.protocol import TicketGateway, TicketResult
    from itsm_workflow.policy import Policy
    from itsm_workflow.runtime.executor import Executor
    from itsm_workflow.runtime.isolation import Isolation
    from itsm_workflow.runtime.journal import Journal, Prepared
    from itsm_workflow.runtime.observers import Observers
    from itsm_workflow.runtime.pass_time import PassTime
    from itsm_workflow.settle import LookupAnswer, Plan
    from itsm_workflow.storage.codec import Stored

    Answers = Sequence[ReadAnswer | LookupAnswer]


@attrs.frozen(kw_only=True)
class _Look:
    """One change to look at.

    Attributes:
        before: The change as it was read.
        stored: The change as stored by its last claim.
        plan: The question.
        claimed: The clock's `elapsed` when the last claim was begun.
    """

    before: Stored
    stored: Stored
    plan: Plan
    claimed: float


@attrs.frozen(kw_only=True)
class Looks:
    """Asks the gateway about changes, and stores what the answers decide.

    Attributes:
        time: The time of the pass.
        readers: The number of concurrent looks, each in its own thread; 1 uses no thread.
        called_back: Whether callbacks arrive, so that the next looks may be later, see `next_due`. A look that is not
            answered is repeated after `Policy.poll` in any case.
    """

    journal: Journal
    executor: Executor
    gateway: TicketGateway
    observers: Observers
    isolation: Isolation
    time: PassTime
    readers: int
    called_back: bool

    def look(self, planned: Sequence[tuple[Stored, Plan]]) -> list[str]:
        """Look at a group of changes, and return an outcome for each: the name of a `Report`'s count.

        Changes that were not looked at because the time was over are left out.
        """
        now = self.journal.clock.elapsed()
        looks = [_Look(before=stored, stored=stored, plan=plan, claimed=now) for stored, plan in planned]
        if self.time.is_over() or not looks:
            return []
        prepare_claim = partial(self.executor.prepare_claim, called_back=self.called_back)
        won, counted = self._claim(looks, lambda one: prepare_claim(one.stored, one.plan))
        results, waiting, seen = self._read_results(won), [], []
        for one in won:
            result = results.get(one.stored.change.id)
            if result is None or result.status in ev.ENDED:
                waiting.append(one)
            else:
                seen.append((one, _open_snapshot(result, self.journal.clock.now())))
        return counted + self._record_together(seen) + self._ask(waiting)

    def _ask(self, waiting: list[_Look]) -> list[str]:
        """Ask the gateway about each change separately, with as many concurrent calls as readers."""
        counted: list[str] = []
        asked: dict[cf.Future[Answers], _Look] = {}
        done: queue.SimpleQueue[cf.Future[Answers]] = queue.SimpleQueue()
        seen: list[tuple[_Look, ev.Snapshot]] = []
        # The first look runs alone, since a circuit breaker that was open lets a single call through as a test.
        limit = 1
        with cf.ThreadPoolExecutor(self.readers, "itsm-workflow-look") as pool:  # starts threads on demand
            while waiting or asked:
                if waiting and self.time.is_over():
                    self._release(waiting)
                    waiting = []
                elif waiting and self.time.is_aging(waiting[0].claimed):
                    waiting, lost = self._renew(waiting)
                    counted += lost
                while waiting and len(asked) < limit and not self.time.is_over():
                    one = waiting.pop(0)
                    started = self._start(one, pool if limit > 1 else None)
                    asked[started] = one
                    started.add_done_callback(done.put)
                limit = self.readers
                if asked:
                    answers = done.get()
                    one = asked.pop(answers)
                    snapshot = _only_snapshot(answers)
                    if isinstance(one.plan.question, Read) and snapshot is not None:
                        seen.append((one, snapshot))
                    else:
                        counted.append(self.isolation.process(one.before, self._record, one, answers.result))
                if seen and self.time.is_aging(seen[0][0].claimed):
                    counted += self._record_together(seen)
                    seen = []
        return counted + self._record_together(seen)

    def _start(self, one: _Look, pool: cf.Executor | None) -> cf.Future[Answers]:
        calls = self.executor.calls.within(self.time.look_budget(one.claimed))
        look = partial(calls.look, one.stored.change, one.plan.question)
        return _done(look) if pool is None else pool.submit(look)

    def _record(self, one: _Look, answers: Callable[[], Answers]) -> tuple[Stored, bool]:
        stored, answered = self.executor.record_look(one.stored, one.plan.question, answers(), self.time)
        return self.executor.advance_stored(stored, self.time), answered

    def _record_together(self, seen: Sequence[tuple[_Look, ev.Snapshot]]) -> list[str]:
        """Store in one commit what was seen of several tickets, and return the outcomes."""
        prepare = partial(self.executor.prepare_read, called_back=self.called_back)
        made = [
            (one, self.isolation.prepare(one.before.change.id, partial(prepare, one.stored, snapshot)))
            for one, snapshot in seen
        ]
        news = [prepared for _, prepared in made if prepared is not None and prepared.is_news]
        lost = dict(zip((one.stored.change.id for one in news), self.isolation.commit(news), strict=True))
        counted: list[str] = []
        for one, prepared in made:
            if prepared is None:
                counted.append("unreadable")
                continue
            stored = prepared.stored if prepared.is_news else one.stored
            counted.append(lost.get(stored.change.id) or self.isolation.process(one.before, self._go_on, stored))
        return counted

    def _go_on(self, stored: Stored) -> tuple[Stored, bool]:
        return self.executor.advance_stored(stored, self.time), True

    def _renew(self, waiting: Sequence[_Look]) -> tuple[list[_Look], list[str]]:
        until = self.journal.clock.now() + self.journal.policy.read_lease

        def renewed(one: _Look) -> Prepared:
            later = max(until, one.stored.due_at or until)
            return self.journal.prepare_claim(one.stored, (), until=later, actor=WORKER)

        return self._claim(waiting, renewed)

    def _release(self, waiting: Sequence[_Look]) -> None:
        """Release claims: make the changes due as they were before."""
        now = self.journal.clock.now()
        self._claim(
            waiting,
            lambda one: self.journal.prepare_claim(one.stored, (), until=one.before.due_at or now, actor=WORKER),
        )

    def _claim(self, looks: Sequence[_Look], prepare: Callable[[_Look], Prepared]) -> tuple[list[_Look], list[str]]:
        """Claim several changes in one commit; return those that are claimed, and the outcomes of the others."""
        since = self.journal.clock.elapsed()
        made = [(one, self.isolation.prepare(one.stored.change.id, partial(prepare, one))) for one in looks]
        claims = [(one, claim) for one, claim in made if claim is not None]
        won, counted = [], ["unreadable"] * (len(looks) - len(claims))
        for (one, claim), lost in zip(claims, self.isolation.commit([claim for _, claim in claims]), strict=True):
            if lost:
                counted.append(lost)
            else:
                won.append(attrs.evolve(one, stored=claim.stored, claimed=since))
        return won, counted

    def _read_results(self, won: Sequence[_Look]) -> Mapping[str, TicketResult]:
        """Read the results of several tickets in one call, and return them by change.

        The read is destructive, so it must name only tickets of our changes that this gateway filed: a ticket of
        another gateway may have the same id as a ticket of another application here. Tickets whose flow may not have
        begun are left out, since a result does not show that.
        """
        policy, now = self.journal.policy, self.journal.clock.now()
        interval = max(policy.poll, policy.rare_poll) if self.called_back else policy.poll
        ours = {
            one.stored.change.id: ticket
            for one in won
            if isinstance(one.plan.question, Read)
            and (ticket := one.stored.change.ticket)
            and self.executor.calls.wrong_gateway_error(ticket) is None
            and not _must_be_read_in_full(one.before, ticket, now, policy, interval)
        }
        if len(ours) < 2 or self.time.is_over():  # noqa: PLR2004 - a single ticket is read in full anyway
            return {}
        budget = self.time.look_budget(won[0].claimed)
        gateway = bounded(self.gateway, budget, partial(self.observers.on_trouble, ""))
        tickets = list(ours.values())
        try:
            results = ask("results", lambda: checked_results(gateway.results(tickets), tickets))
        except GatewayError as error:
            self.observers.on_trouble("", error)
            return {}
        return {name: results[ticket.id] for name, ticket in ours.items() if ticket.id in results}


def _only_snapshot(answers: cf.Future[Answers]) -> ev.Snapshot | None:
    """Return the snapshot if the look read one ticket, and that was answered."""
    if answers.exception() is not None:
        return None
    match answers.result():
        case [ReadAnswer(snapshot=snapshot)]:
            return snapshot
    return None


def _done(look: Callable[[], Answers]) -> cf.Future[Answers]:
    """Ask immediately, in this thread; an error is raised when the caller asks the future for its result."""
    answers: cf.Future[Answers] = cf.Future()
    try:
        answers.set_result(look())
    except failures() as error:  # as above
        answers.set_exception(error)
    return answers


def _must_be_read_in_full(
    stored: Stored, ticket: Ticket, now: dt.datetime, policy: Policy, interval: dt.timedelta
) -> bool:
    """Return whether the look must show whether a step of the ticket's flow runs.

    It must while attention ``not_started`` is raised, in the first look after `Policy.not_started`, and then once per
    `Policy.not_started_every`, since that first look may have failed.

    Args:
        stored: The change as it was read.
        ticket: Its ticket.
        now: The current time.
        policy: The workflow's timings.
        interval: The interval of the looks.
    """
    attention, age = stored.change.attention, now - ticket.recorded_at - policy.not_started
    if attention is not None and attention.reason is AttentionReason.NOT_STARTED:
        return True
    if age < dt.timedelta():
        return False
    every = policy.not_started_every
    mark = now - age % every if every else now
    return mark > (stored.due_at or now) - interval  # the last look was before the mark


def _open_snapshot(result: TicketResult, now: dt.datetime) -> ev.Snapshot:
    """Return the snapshot of a ticket that has not ended; reading its page would add nothing."""
    return ev.Snapshot(
        ticket_id=result.ticket_id,
        sn=result.sn,
        status=result.status,
        word=result.word,
        seen_at=now,
        result_status=result.status,
        approve_result=result.approve_result,
        closed_by=result.closed_by,
    )
