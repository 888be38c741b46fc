"""One pass over all that is due: claim a page in one commit, ask the gateway in batches, store what the answers decide.

What changes the world, a send or an effect, is claimed and done one at a time. What only reads the gateway is read a
few at a time. What goes wrong with one change is reported and holds no other change up.

A plain function: cron, a management command, a scheduler or a task queue call it. Several may run at once; each due
change is claimed by one of them.
"""

from __future__ import annotations

import contextlib
import functools
import math
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Any, ParamSpec

import attrs

from itsm_workflow.clock import to_micros
from itsm_workflow.errors import GatewayError, StorageConflict, StorageUnavailable
from itsm_workflow.gateway.checked import checked_numbers, checked_results
from itsm_workflow.gateway.protocol import SupportsRest, SupportsUndelivered
from itsm_workflow.journal import Page
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.collector import Trigger
from itsm_workflow.settle import Deliver, Read, ReadAnswer, Send, Step
from itsm_workflow.storage.protocol import Cursor, Order, Query

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow.gateway.protocol import TicketGateway, TicketResult
    from itsm_workflow.journal import Journal, Prepared
    from itsm_workflow.loop import Loop
    from itsm_workflow.observe import Observers
    from itsm_workflow.settle import LookupAnswer, Plan
    from itsm_workflow.storage.codec import Stored

    Planned = tuple[Stored, Plan | None]

P = ParamSpec("P")

PAGE = 100
"""How many changes are claimed in one commit."""

_POISON = "the change could not be looked into, and is due again"


@attrs.frozen(kw_only=True)
class Report:
    """What a pass did. ``due == moved + unchanged + busy + failed + unreadable``.

    Attributes:
        due: Changes that were due and looked at.
        moved: Their history has new entries.
        unchanged: The gateway was asked, and nothing is new.
        busy: Another worker moved them first.
        failed: Their question was not answered, or their effect failed; they fall due again.
        unreadable: They could not be read, planned or stored: they are damaged, or a rule of the host failed on them.
            Observers were notified of each, and they do not count against ``limit``.
        undelivered: Changes that the gateway listed as called back in vain.
        seconds: How long it took.
        finished: False if something ended the pass before all that was due had been looked at.
        stopped: What that was, in words; empty if nothing did.
    """

    due: int = 0
    moved: int = 0
    unchanged: int = 0
    busy: int = 0
    failed: int = 0
    unreadable: int = 0
    undelivered: int = 0
    seconds: float = 0.0
    finished: bool = True
    stopped: str = ""


_COUNTS = ("moved", "unchanged", "busy", "failed", "unreadable")


@attrs.frozen(kw_only=True)
class Reconciler:
    """Passes over one workflow's due changes."""

    journal: Journal
    loop: Loop
    gateway: TicketGateway
    observers: Observers

    def run(
        self,
        *,
        limit: int | None = None,
        seconds: float | None = None,
        readers: int = 4,
        progress: Callable[[Report], object] | None = None,
    ) -> Report:
        """Look at what is due now, oldest first.

        Args:
            limit: Look at most at so many changes; those that cannot be read, and what is another process's to do, do
                not count.
            seconds: Begin nothing more after that time; what was begun ends first.
            readers: How many changes' looks are asked at once, each in a thread of its own; 1 uses no thread.
            progress: Is called with the report so far, after each page.
        """
        began = self.journal.clock.elapsed()
        until = math.inf if seconds is None else began + seconds
        report, left = Report(undelivered=self._mark_undelivered()), limit
        stopped = self._resting()
        for page in chain(self._due(), self._too_far_ahead()) if not stopped else ():
            planned, broken = self._plan(page.changes)
            ours = [one for one in planned if one[1] is not None or not self.loop.leaves(one[0])]
            counted = ["unreadable"] * (len(page.unreadable) + broken) + ["unchanged"] * (len(planned) - len(ours))
            while ours and left != 0:
                batch, ours = ours[:left], ours[len(ours) if left is None else left :]
                done = self._settle(batch, until, readers)
                counted += done
                left = None if left is None else left - (len(batch) - done.count("unreadable"))
            stopped = self._stopped(left, until)
            report = attrs.evolve(
                report,
                due=report.due + len(counted),
                **{kind: getattr(report, kind) + counted.count(kind) for kind in _COUNTS},
                seconds=self.journal.clock.elapsed() - began,
            )
            if progress is not None:
                progress(report)
            if stopped:
                break
        seconds_taken = self.journal.clock.elapsed() - began
        return attrs.evolve(report, seconds=seconds_taken, finished=not stopped, stopped=stopped)

    def _stopped(self, left: int | None, until: float) -> str:
        """Return what ends the pass here, in words; empty if nothing does."""
        if left == 0:
            return "the limit was reached"
        if self.journal.clock.elapsed() >= until:
            return "its time was used up"
        return self._resting()

    def _resting(self) -> str:
        return self.gateway.resting() if isinstance(self.gateway, SupportsRest) else ""

    def _due(self) -> Iterator[Page]:
        # The cut is the time after the undelivered were marked: what falls due later belongs to the next pass.
        return self.journal.read_pages(self._by_due_time(due_before=to_micros(self.journal.clock.now())))

    def _too_far_ahead(self) -> Iterator[Page]:
        """Yield what was put off further than anything ever is, by a clock that stood ahead."""
        horizon = self.journal.policy.horizon(self.journal.clock.now())
        for page in self.journal.pages(self._by_due_time(after=Cursor(value=to_micros(horizon), id=""))):
            due = [stored for stored in page if self.loop.is_due(stored)]
            if due:
                yield Page(changes=due)

    def _by_due_time(self, **bounds: Any) -> Query:
        return Query(workflow=self.journal.definition.name, order=Order.DUE_AT, limit=PAGE, **bounds)

    def _plan(self, page: Sequence[Stored]) -> tuple[list[Planned], int]:
        """Return each change with its question, and how many have none because planning them failed."""
        planned: list[Planned] = []
        for stored in page:
            try:
                planned.append((stored, self.loop.plan(stored)))
            except StorageUnavailable:
                raise  # for all of them
            except Exception as error:  # noqa: BLE001 - a host's due rule may fail in any way
                self.observers.on_trouble(stored.change.id, error, doing=_POISON)
        return planned, len(page) - len(planned)

    def _settle(self, planned: Sequence[Planned], until: float, readers: int) -> list[str]:
        """Do what each change of a page is due for, and return what became of each: a name of a `Report`'s count."""
        looks = [(stored, plan) for stored, plan in planned if plan and not isinstance(plan.question, Send | Deliver)]
        counted = self._look(looks, readers)
        for stored, plan in planned:
            if plan is None:
                counted.append(self._guarded(stored, self._put_off, stored))
            elif isinstance(plan.question, Send | Deliver) and self.journal.clock.elapsed() < until:
                counted.append(self._guarded(stored, self._act, stored, plan))
        return counted

    def _look(self, looks: Sequence[tuple[Stored, Plan]], readers: int) -> list[str]:
        counted, claims = [], []
        for stored, plan in looks:
            try:
                claims.append((stored, plan, self.loop.claim(stored, plan)))
            except Exception as error:  # noqa: BLE001 - refused by the machine, or a host's rule failed
                self.observers.on_trouble(stored.change.id, error, doing=_POISON)
                counted.append("unreadable")
        won = []
        for one, outcome in zip(claims, self._commit([claim for _, _, claim in claims]), strict=True):
            if outcome:
                counted.append(outcome)
            else:
                won.append(one)
        results = self._results([claim.stored for _, plan, claim in won if isinstance(plan.question, Read)])
        with contextlib.ExitStack() as stack:
            pool = None
            if readers > 1 and len(won) > 1:
                pool = stack.enter_context(ThreadPoolExecutor(readers, thread_name_prefix="itsm-workflow-look"))
            # The first is asked by itself: a gateway that has rested lets one call through to see whether it is back.
            for some, by in ((won[:1], None), (won[1:], pool)):
                asked = [(one, self._asked(by, one[2].stored, one[1], results)) for one in some]
                for (stored, plan, claim), answers in asked:
                    counted.append(self._guarded(stored, self._record, claim.stored, plan, answers))
        return counted

    def _commit(self, claims: Sequence[Prepared]) -> list[str]:
        """Commit the claims of a page, and return for each what it lost on; empty if it was stored.

        One change whose rows are damaged, or that no backend stores, can fail the commit of all of them. Then each is
        committed by itself.
        """
        try:
            return ["busy" if conflict else "" for conflict in self.journal.commit(claims)]
        except StorageUnavailable:
            raise
        except Exception:  # noqa: BLE001 - a refused value is a ValueError; which change it is about shows below
            return [self._commit_alone(claim) for claim in claims]

    def _commit_alone(self, claim: Prepared) -> str:
        try:
            return "busy" if self.journal.commit([claim])[0] else ""
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self.observers.on_trouble(claim.stored.change.id, error, doing=_POISON)
            return "unreadable"

    def _guarded(self, before: Stored, act: Callable[P, tuple[Stored, bool]], *args: P.args, **kwargs: P.kwargs) -> str:
        """Do one change's part and return what became of it; what goes wrong with one holds no other up."""
        try:
            after, answered = act(*args, **kwargs)
        except StorageConflict:
            return "busy"
        except StorageUnavailable:
            raise  # for all of them
        except Exception as error:  # noqa: BLE001 - whatever it is, the next change has nothing to do with it
            self.observers.on_trouble(before.change.id, error, doing=_POISON)
            return "unreadable"
        if not answered:
            return "failed"
        return "moved" if after.seq > before.seq else "unchanged"

    def _act(self, stored: Stored, plan: Plan) -> tuple[Stored, bool]:
        """Send, or deliver an effect: claimed alone, so that its mark or lease does not age while others are at it."""
        since = self.journal.clock.elapsed()
        claimed = self.journal.commit_one(self.loop.claim(stored, plan))
        return self._advanced(*self.loop.ask(claimed, plan.question, since))

    def _put_off(self, stored: Stored) -> tuple[Stored, bool]:
        """Move the due time of a change about which there is nothing to ask."""
        return self.journal.commit_one(self.journal.fire(stored, (), actor="reconciler", looked=True)), True

    def _asked(
        self, pool: ThreadPoolExecutor | None, claimed: Stored, plan: Plan, results: Mapping[str, TicketResult]
    ) -> Callable[[], Sequence[ReadAnswer | LookupAnswer]]:
        """Begin to look where there is a pool, and return what gives the answers."""
        ticket = claimed.change.ticket
        result = results.get(ticket.id) if ticket and isinstance(plan.question, Read) else None
        if result is not None and result.status not in ev.ENDED:
            snapshot = _open_snapshot(result, self.journal.clock.now())
            return lambda: [ReadAnswer(snapshot=snapshot)]
        if pool is None:
            return functools.partial(self.loop.look, claimed.change, plan.question)
        return pool.submit(self.loop.look, claimed.change, plan.question).result

    def _record(
        self, claimed: Stored, plan: Plan, answers: Callable[[], Sequence[ReadAnswer | LookupAnswer]]
    ) -> tuple[Stored, bool]:
        try:
            found = answers()
        except Exception as error:  # noqa: BLE001 - a gateway's own mistake: the question was not answered
            self.observers.on_trouble(claimed.change.id, error, doing=_POISON)
            return claimed, False
        return self._advanced(*self.loop.record_look(claimed, plan.question, found))

    def _advanced(self, stored: Stored, answered: bool) -> tuple[Stored, bool]:  # noqa: FBT001 - a pair that is passed on
        if self.loop.is_due(stored):
            stored = self.loop.advance(stored.change.id, forced=False)
        return stored, answered

    def _results(self, claimed: Sequence[Stored]) -> Mapping[str, TicketResult]:
        """Ask for many results at once; only our own tickets, since the read is destructive."""
        tickets = [
            stored.change.ticket
            for stored in claimed
            if stored.change.ticket and self.loop.foreign(stored.change.ticket) is None
        ]
        if len(tickets) < 2:  # noqa: PLR2004 - a single ticket is read in full anyway
            return {}
        try:
            return checked_results(self.gateway.results(tickets), tickets)
        except GatewayError as error:
            self.observers.on_trouble("", error)
            return {}

    def _mark_undelivered(self) -> int:
        """Fire fail_callback on our waiting changes among those that the gateway could not call back."""
        if not isinstance(self.gateway, SupportsUndelivered):
            return 0
        try:
            listed = checked_numbers(self.gateway.undelivered())
        except GatewayError as error:
            self.observers.on_trouble("", error)
            return 0
        definition, marked = self.journal.definition, 0
        for sns in _batches(listed):
            query = Query(
                workflow=definition.name, states=(definition.roles.waiting.value,), ticket_sns=tuple(sns), limit=PAGE
            )
            for page in self.journal.pages(query):
                prepared = [one for stored in page if (one := self._undelivered(stored)) is not None]
                marked += self._commit(prepared).count("")
        return marked

    def _undelivered(self, stored: Stored) -> Prepared | None:
        missed = Step(Trigger.FAIL_CALLBACK, ev.Undelivered(sn=stored.change.sn or ""))
        try:
            return self.journal.fire(stored, [missed], actor="gateway")
        except Exception as error:  # noqa: BLE001 - refused, or a host's due rule failed: the others are marked
            self.observers.on_trouble(stored.change.id, error, doing=_POISON)
            return None


def _open_snapshot(result: TicketResult, now: dt.datetime) -> ev.Snapshot:
    """Return the snapshot of a ticket that has not ended; its page would tell nothing more."""
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


def _batches(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + PAGE] for start in range(0, len(items), PAGE))
