"""One pass over the changes that are due: page by page, claim, ask the gateway, store what the answers decide.

Sends and effects have side effects, so they are claimed and done one at a time. Looks, which only read the gateway, are
claimed in groups and run a few at a time, see `Looks`. When its time is over, the pass begins nothing more. An error in
one change is reported, and does not stop the others.

A pass is a plain function call, for cron, a management command, a scheduler or a task queue. Several passes may run
concurrently; each due change is claimed by one of them.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from itsm_workflow.clock import to_micros
from itsm_workflow.errors import GatewayError, StorageUnavailable
from itsm_workflow.failures import failures
from itsm_workflow.gateway.asking import ask, bounded, resting
from itsm_workflow.gateway.checked import checked_numbers
from itsm_workflow.gateway.protocol import SupportsUndelivered
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.runtime.arguments import check_function, check_seconds, check_whole
from itsm_workflow.runtime.callback_arrival import are_called_back
from itsm_workflow.runtime.isolation import POISON, Isolation
from itsm_workflow.runtime.journal import GATEWAY, WORKER, Page
from itsm_workflow.runtime.looks import Looks
from itsm_workflow.runtime.notices import EndedNotices
from itsm_workflow.runtime.pass_time import PassTime
from itsm_workflow.settle import Deliver, Leave, Send, Step
from itsm_workflow.storage.protocol import Cursor, Order, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.runtime.executor import Executor
    from itsm_workflow.runtime.journal import Journal, Prepared
    from itsm_workflow.runtime.observers import Observers
    from itsm_workflow.settle import Plan
    from itsm_workflow.storage.codec import Stored

    Planned = tuple[Stored, Plan | None]

T = TypeVar("T")

PAGE = 100
"""The number of changes in one page."""


@attrs.frozen(kw_only=True)
class Report:
    """The result of a pass. ``due == moved + unchanged + busy + failed + unreadable``.

    Attributes:
        due: The number of changes that were due and looked at.
        moved: Changes with new entries in their history.
        unchanged: Changes about which the gateway reported nothing new.
        busy: Changes that another worker moved first.
        failed: Changes whose question was not answered, or whose effect failed; they fall due again.
        unreadable: Changes that could not be read, planned or stored, since they are damaged or a rule of the host
            failed. Observers were notified of each, and they do not count against ``limit``.
        undelivered: Changes whose callback the gateway listed as undelivered.
        seconds: The duration of the pass.
        finished: False if the pass ended before it had looked at every due change.
        stopped: The reason why the pass ended early; empty if it did not.
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
    executor: Executor
    gateway: TicketGateway
    observers: Observers

    @property
    def _isolation(self) -> Isolation:
        return Isolation(journal=self.journal, observers=self.observers)

    def check(self, *, limit: object, seconds: object, readers: object, progress: object) -> None:
        """Check the arguments of `run`.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: A number is too low, or NaN.
        """
        if limit is not None:
            check_whole("reconcile(limit=...)", limit, least=0)
        if seconds is not None:
            check_seconds("reconcile(seconds=...)", seconds)
        check_whole("reconcile(readers=...)", readers, least=1)
        if progress is not None:
            check_function("reconcile(progress=...)", progress, "report")

    def run(
        self,
        *,
        limit: int | None = None,
        seconds: float | None = None,
        readers: int = 4,
        progress: Callable[[Report], object] | None = None,
    ) -> Report:
        """Look at the changes that are due now, oldest first; see `Workflow.reconcile` for the arguments.

        Changes that cannot be read, or whose effects belong to another process, do not count against the limit.
        """
        time = PassTime(seconds, policy=self.journal.policy, elapsed=self.journal.clock.elapsed)
        report, left = Report(undelivered=self._mark_undelivered(time)), limit
        stopped = self._stopped(left, time)
        looks = self._looks(time, readers)
        for page in chain(self._due(), self._due_too_far_ahead()) if not stopped else ():
            ours, counted = self._plan(page.changes)
            counted += ["unreadable"] * len(page.unreadable)
            while ours and left != 0 and not time.is_over():
                group, ours = (ours, []) if left is None else (ours[:left], ours[left:])
                done = self._carry_out(group, looks)
                counted += done
                left = None if left is None else left - (len(done) - done.count("unreadable"))
            report = attrs.evolve(
                report,
                due=report.due + len(counted),
                **{kind: getattr(report, kind) + counted.count(kind) for kind in _COUNTS},
                seconds=time.taken,
            )
            if progress is not None:
                progress(report)
            stopped = self._stopped(left, time)
            if stopped:
                break
        return attrs.evolve(report, seconds=time.taken, finished=not stopped, stopped=stopped)

    def _looks(self, time: PassTime, readers: int) -> Looks:
        return Looks(
            journal=self.journal,
            executor=self.executor,
            gateway=self.gateway,
            observers=self.observers,
            isolation=self._isolation,
            time=time,
            readers=readers,
            called_back=are_called_back(self.journal),
        )

    def _stopped(self, left: int | None, time: PassTime) -> str:
        """Return the reason to end the pass here; empty if it goes on."""
        if left == 0:
            return "the limit was reached"
        if time.is_over():
            return "its time was used up"
        return resting(self.gateway, partial(self.observers.on_trouble, ""))

    def _due(self) -> Iterator[Page]:
        # This time is after the undelivered callbacks were marked. Changes that fall due later belong to the next pass.
        return self.journal.read_pages(self._by_due_time(due_before=to_micros(self.journal.clock.now())))

    def _due_too_far_ahead(self) -> Iterator[Page]:
        """Yield changes whose due time is later than any policy sets it: it was stored while the clock was ahead."""
        horizon = self.journal.policy.horizon(self.journal.clock.now())
        for page in self.journal.pages(self._by_due_time(after=Cursor(value=to_micros(horizon), id=""))):
            due = [stored for stored in page if self.executor.is_due(stored)]
            if due:
                yield Page(changes=due)

    def _by_due_time(self, **bounds: Any) -> Query:
        return Query(workflow=self.journal.definition.name, order=Order.DUE_AT, limit=PAGE, **bounds)

    def _plan(self, page: Sequence[Stored]) -> tuple[list[Planned], list[str]]:
        """Return the changes with their questions, and the outcomes of those that are left out.

        Planning failed for some of those; the others are left to processes that have the functions for their effects.
        """
        planned: list[Planned] = []
        counted: list[str] = []
        for stored in page:
            try:
                plan = self.executor.plan(stored)
            except StorageUnavailable:
                raise  # it concerns all changes
            except failures() as error:  # a host's due rule may raise anything
                self.observers.on_trouble(stored.change.id, error, doing=POISON)
                counted.append("unreadable")
                continue
            if isinstance(plan, Leave):
                counted.append("unchanged")
            else:
                planned.append((stored, plan))
        return planned, counted

    def _carry_out(self, planned: Sequence[Planned], looks: Looks) -> list[str]:
        """Carry out the plans of a group of changes, and return an outcome for each: the name of a `Report`'s count.

        Changes that were not begun because the time was over are left out.
        """
        asked = [(stored, plan) for stored, plan in planned if plan and not isinstance(plan.question, Send | Deliver)]
        counted = looks.look(asked)
        for stored, plan in planned:
            if looks.time.is_over():
                break
            if plan is None:
                counted.append(self._isolation.process(stored, self._reschedule, stored))
            elif isinstance(plan.question, Send | Deliver):  # claimed alone: its lease must not age during other work
                counted.append(self._isolation.process(stored, self.executor.act, stored, plan, looks.time))
        return counted

    def _reschedule(self, stored: Stored) -> tuple[Stored, bool]:
        """Move the due time of a change that has no question."""
        return self.journal.commit_one(self.journal.prepare(stored, (), actor=WORKER, looked=True)), True

    def _mark_undelivered(self, time: PassTime) -> int:
        """Fire fail_callback on the waiting changes that the gateway lists as undelivered.

        Tickets of ended changes are removed from the gateway's list; tickets of other applications are not touched.
        """
        budget = time.list_budget()
        gateway = bounded(self.gateway, budget, partial(self.observers.on_trouble, ""))
        if time.is_over() or not isinstance(gateway, SupportsUndelivered):
            return 0
        try:
            listed = ask("undelivered", lambda: checked_numbers(gateway.undelivered()))
        except GatewayError as error:
            self.observers.on_trouble("", error)
            return 0
        definition, marked = self.journal.definition, 0
        ended = EndedNotices(executor=self.executor.within(budget), isolation=self._isolation, time=time)
        for sns in _batches(listed, PAGE):
            query = Query(workflow=definition.name, ticket_sns=tuple(sns))
            for page in self.journal.pages(query):
                if time.is_over():
                    return marked  # tickets stay on the list until their results are read
                marked += self._mark([one for one in page if definition.is_waiting(one.change.state)])
                ended.clear([one for one in page if one.change.ended_at is not None])
        return marked

    def _mark(self, page: Sequence[Stored]) -> int:
        prepared = [one for stored in page if (one := self._prepare_mark(stored)) is not None]
        return self._isolation.commit(prepared).count("")

    def _prepare_mark(self, stored: Stored) -> Prepared | None:
        missed = Step(Trigger.FAIL_CALLBACK, ev.Undelivered(sn=stored.change.sn or ""))
        return self._isolation.prepare(stored.change.id, lambda: self.journal.prepare(stored, [missed], actor=GATEWAY))


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
