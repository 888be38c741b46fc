"""One pass over all that is due: claim a page in one commit, ask the gateway in batches, store what the answers decide.

What changes the world, a send or an effect, is claimed and done one at a time.

A plain function: cron, a management command, a scheduler or a task queue call it. Several may run at once; each due
change is claimed by one of them.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, ParamSpec

import attrs

from itsm_workflow.clock import to_micros
from itsm_workflow.errors import GatewayError, StorageConflict, StorageUnavailable, TransitionRefused
from itsm_workflow.gateway.protocol import SupportsUndelivered
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.collector import Trigger
from itsm_workflow.settle import Deliver, Read, ReadAnswer, Send, Step
from itsm_workflow.storage.protocol import Cursor, Order, Query

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow.gateway.protocol import TicketGateway, TicketResult
    from itsm_workflow.journal import Journal
    from itsm_workflow.loop import Loop
    from itsm_workflow.observe import Observers
    from itsm_workflow.settle import Plan
    from itsm_workflow.storage.codec import Stored

P = ParamSpec("P")

PAGE = 100
"""How many changes are claimed in one commit."""


@attrs.frozen(kw_only=True)
class Report:
    """What a pass did. ``due == moved + unchanged + busy + failed``.

    Attributes:
        due: Changes that were due and looked at.
        moved: Their history has new entries.
        unchanged: The gateway was asked, and nothing is new.
        busy: Another worker moved them first.
        failed: Their question was not answered, or their effect failed; they fall due again.
        undelivered: Changes that the gateway listed as called back in vain.
        seconds: How long it took.
        finished: False if ``limit`` ended the pass before all that was due had been looked at.
    """

    due: int = 0
    moved: int = 0
    unchanged: int = 0
    busy: int = 0
    failed: int = 0
    undelivered: int = 0
    seconds: float = 0.0
    finished: bool = True


@attrs.frozen(kw_only=True)
class Reconciler:
    """Passes over one workflow's due changes."""

    journal: Journal
    loop: Loop
    gateway: TicketGateway
    observers: Observers

    def run(self, *, limit: int | None = None, progress: Callable[[Report], object] | None = None) -> Report:
        """Look at what is due now, oldest first.

        Args:
            limit: Look at most at so many changes; what is another process's to do does not count.
            progress: Is called with the report so far, after each page.
        """
        began = self.journal.clock.elapsed()
        report, left = Report(undelivered=self._mark_undelivered()), limit
        for page in chain(self._due(), self._astray()):
            ours = [stored for stored in page if not self.loop.leaves(stored)]
            counted = ["unchanged"] * (len(page) - len(ours)) + list(self._settle(ours[:left]))
            left = None if left is None else max(left - len(ours), 0)
            report = attrs.evolve(
                report,
                due=report.due + len(counted),
                **{
                    kind: getattr(report, kind) + counted.count(kind)
                    for kind in ("moved", "unchanged", "busy", "failed")
                },
                seconds=self.journal.clock.elapsed() - began,
                finished=left != 0,
            )
            if progress is not None:
                progress(report)
            if left == 0:
                break
        return attrs.evolve(report, seconds=self.journal.clock.elapsed() - began)

    def _due(self) -> Iterator[list[Stored]]:
        # The cut is the time after the undelivered were marked: what falls due later belongs to the next pass.
        return filter(None, self.journal.pages(self._by_due_time(due_before=to_micros(self.journal.clock.now()))))

    def _astray(self) -> Iterator[list[Stored]]:
        """Yield what was put off further than anything ever is, by a clock that stood ahead."""
        horizon = self.journal.policy.horizon(self.journal.clock.now())
        for page in self.journal.pages(self._by_due_time(after=Cursor(value=to_micros(horizon), id=""))):
            astray = [stored for stored in page if self.loop.is_due(stored)]
            if astray:
                yield astray

    def _by_due_time(self, **bounds: Any) -> Query:
        return Query(workflow=self.journal.definition.name, order=Order.DUE_AT, limit=PAGE, **bounds)

    def _settle(self, page: Sequence[Stored]) -> Iterator[str]:
        """Do what each change of a page is due for, and yield what became of it: a name of a `Report`'s count."""
        plans, asked = [(stored, self.loop.plan(stored)) for stored in page], []
        since = self.journal.clock.elapsed()
        for stored, plan in plans:
            if plan is None or isinstance(plan.question, Send | Deliver):
                continue
            try:
                asked.append((stored, plan, self.loop.claim(stored, plan)))
            except TransitionRefused as refused:
                self.observers.on_trouble(stored.change.id, refused)
                yield "failed"
        conflicts = self.journal.commit([claim for _, _, claim in asked])
        won = [one for one, conflict in zip(asked, conflicts, strict=True) if conflict is None]
        yield from ["busy"] * (len(asked) - len(won))
        results = self._results([claim.stored for _, plan, claim in won if isinstance(plan.question, Read)])
        for stored, asking, claim in won:
            yield self._alone(stored, self._answer, claim.stored, asking, results, since)
        for stored, other in plans:
            if other is None:
                yield self._alone(stored, self._rest, stored)
            elif isinstance(other.question, Send | Deliver):
                yield self._alone(stored, self._act, stored, other)

    def _alone(self, before: Stored, act: Callable[P, tuple[Stored, bool]], *args: P.args, **kwargs: P.kwargs) -> str:
        """Do one change's part and return what became of it; what goes wrong with one holds nobody else up."""
        try:
            after, answered = act(*args, **kwargs)
        except StorageConflict:
            return "busy"
        except StorageUnavailable:
            raise  # for all of them
        except Exception as error:  # noqa: BLE001 - whatever it is, the next change has nothing to do with it
            doing = "the change could not be looked into, and is due again"
            self.observers.on_trouble(before.change.id, error, doing=doing)
            return "failed"
        if not answered:
            return "failed"
        return "moved" if after.seq > before.seq else "unchanged"

    def _act(self, stored: Stored, plan: Plan) -> tuple[Stored, bool]:
        """Send, or deliver an effect: claimed alone, so that its mark or lease does not age while others are at it."""
        since = self.journal.clock.elapsed()
        claimed = self.journal.commit_one(self.loop.claim(stored, plan))
        return self._answer(claimed, plan, {}, since)

    def _rest(self, stored: Stored) -> tuple[Stored, bool]:
        """Move the due time of a change about which there is nothing to ask."""
        return self.journal.commit_one(self.journal.fire(stored, (), actor="reconciler", looked=True)), True

    def _answer(
        self, claimed: Stored, plan: Plan, results: Mapping[str, TicketResult], since: float
    ) -> tuple[Stored, bool]:
        ticket = claimed.change.ticket
        result = results.get(ticket.id) if ticket and isinstance(plan.question, Read) else None
        if result is not None and result.status not in ev.ENDED:
            answer = ReadAnswer(snapshot=_open_snapshot(result, self.journal.clock.now()))
            stored, answered = self.loop.record(claimed, answer, keep=False), True
        else:
            stored, answered = self.loop.ask(claimed, plan.question, since)
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
            return self.gateway.results(tickets)
        except GatewayError as error:
            self.observers.on_trouble("", error)
            return {}

    def _mark_undelivered(self) -> int:
        """Fire fail_callback on our waiting changes among those that the gateway could not call back."""
        if not isinstance(self.gateway, SupportsUndelivered):
            return 0
        try:
            listed = list(dict.fromkeys(self.gateway.undelivered()))
        except GatewayError as error:
            self.observers.on_trouble("", error)
            return 0
        definition, marked = self.journal.definition, 0
        for sns in _batches(listed):
            query = Query(
                workflow=definition.name, states=(definition.roles.waiting.value,), ticket_sns=tuple(sns), limit=PAGE
            )
            prepared = [
                self.journal.fire(
                    stored, [Step(Trigger.FAIL_CALLBACK, ev.Undelivered(sn=stored.change.sn or ""))], actor="gateway"
                )
                for page in self.journal.pages(query)
                for stored in page
            ]
            marked += self.journal.commit(prepared).count(None)
        return marked


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
