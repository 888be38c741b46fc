"""Read access to the changes of one workflow. It needs a store, and no gateway."""

from __future__ import annotations

import functools
import unicodedata
from itertools import islice
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import attrs

from itsm_workflow.errors import AmbiguousChange, ChangeNotFound, NotApproved
from itsm_workflow.form import normal_subject, shown
from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.runtime.arguments import check_function, check_text, check_whole
from itsm_workflow.runtime.catalogue import WORKFLOW as CATALOGUE
from itsm_workflow.runtime.counting import Counted
from itsm_workflow.runtime.drawing import Drawn
from itsm_workflow.runtime.figures import Figures, read_figures
from itsm_workflow.runtime.finding import FoundPage, page_query, query_of, token_of
from itsm_workflow.runtime.newest import newest_of
from itsm_workflow.runtime.operations import allowed_operations, useful_operations
from itsm_workflow.runtime.overview import Overview
from itsm_workflow.runtime.permissions import Permissions
from itsm_workflow.runtime.status import effects_of, status_of, why
from itsm_workflow.runtime.waits import Waits
from itsm_workflow.storage.checks import check_query
from itsm_workflow.storage.protocol import Query, cursor_at
from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator

    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.machine.evidence import TicketStatus
    from itsm_workflow.runtime.journal import Journal
    from itsm_workflow.runtime.status import Status

P = ParamSpec("P")
R = TypeVar("R")


class Records(Counted, Drawn):
    """Reads a workflow's changes.

    Args:
        journal: The changes.
        knows: A function that returns whether this process can deliver the named effect; None if it delivers none.
        permissions: The host's permissions; by default every act is permitted.
    """

    def __init__(
        self, journal: Journal, knows: Callable[[str], bool] | None = None, permissions: Permissions | None = None
    ) -> None:
        self._journal = journal
        self._permissions = permissions or Permissions()
        self._knows = knows
        self._waits = Waits(journal, knows)

    @property
    def definition(self) -> WorkflowDefinition:
        """The state machine."""
        return self._journal.definition

    def get(self, change_id: str) -> ChangeRequest:
        """Return a change by its id.

        Raises:
            ChangeNotFound: The workflow has no change with this id.
        """
        return self._journal.load(change_id).change

    def resolve(self, name: str) -> ChangeRequest:
        """Return the change with the given id, subject or ticket's sn.

        Raises:
            ChangeNotFound: No change matches.
            AmbiguousChange: Several changes match, readable or not; the error lists their ids.
            StorageCorrupt: The only match is damaged.
            StorageSchemaError: A newer version of the library or of the workflow wrote the only match.
        """
        check_text("resolve(name)", name)
        queries = (Query(ids=(name,)), Query(subject=unicodedata.normalize("NFC", name)), Query(ticket_sns=(name,)))
        named = {
            row.id: row
            for query in queries
            for row in self._journal.rows(attrs.evolve(query, workflow=self.definition.name))
        }
        if not named:
            others = (other for query in queries for other in self.other_workflows(query))
            raise ChangeNotFound(name=name, workflow=next(others, ""))
        if len(named) > 1:
            raise AmbiguousChange(name=name, candidates=sorted(named))
        return self._journal.read(next(iter(named.values()))).change

    def other_workflows(self, query: Query = Query()) -> list[str]:  # noqa: B008 - it is frozen
        """Return the other workflows that own matching changes; only the first page of matches is examined.

        Raises:
            TypeError: The argument is not a `Query`, or a value in it has the wrong type.
            ValueError: A value in the query is out of its range.
        """
        if not isinstance(query, Query):
            raise TypeError(f"other_workflows(query) takes a Query, not {shown(query)}")
        check_query(query)
        rows = islice(self._journal.rows(query), query.limit)
        return sorted({row.workflow for row in rows} - {self.definition.name, CATALOGUE})

    def find(
        self,
        *,
        states: Iterable[str] | None = None,
        attention: Iterable[str] | None = None,
        subject: str | None = None,
        sn: str | None = None,
        older_than: dt.timedelta | None = None,
        on_damage: Callable[[str, Exception], object] | None = None,
    ) -> Iterator[ChangeRequest]:
        """Yield the changes that match, in the order of their ids, read page by page.

        Ids begin with the time at which a change was drafted, so this is roughly the order of drafting. It does not
        show which change of a subject is the newest; `require_approved` decides that.

        A change that cannot be read is skipped, and observers are notified of it; `get` raises the error.

        Args:
            states: Only changes in one of these states of the definition. A stored change in any other state cannot be
                read.
            attention: Only changes with attention for one of these reasons.
            subject: Only changes of this subject.
            sn: Only changes that are bound to a ticket with this number.
            older_than: Only changes whose last entry is at least this old.
            on_damage: Called with the id of each change that cannot be read, and with the error.

        Raises:
            TypeError: An argument has the wrong type. This includes a single string as ``states`` or ``attention``,
                since each of its letters would be taken as a name.
            ValueError: A state is not one of the definition, a reason is not an `AttentionReason`, or ``older_than`` is
                negative or reaches back before the year 1.
        """
        if on_damage is not None:
            check_function("find(on_damage=...)", on_damage, "change_id", "error")
        query = query_of("find", self.definition, self._journal.clock.now(), states, attention, subject, sn, older_than)
        return self._found(query, on_damage)

    def _found(self, query: Query, on_damage: Callable[[str, Exception], object] | None) -> Iterator[ChangeRequest]:
        for page in self._journal.read_pages(query):
            for row, error in page.unreadable:
                if on_damage is not None:
                    on_damage(row.id, error)
            yield from (stored.change for stored in page.changes)

    def find_page(
        self,
        *,
        states: Iterable[str] | None = None,
        attention: Iterable[str] | None = None,
        subject: str | None = None,
        sn: str | None = None,
        older_than: dt.timedelta | None = None,
        drafted_within: dt.timedelta | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> FoundPage:
        """Return one page of the changes that match, for a list that a person turns over.

        The order is that of the ids, or with ``older_than`` alone, that of the last entry, so that an index has it. A
        change that matches throughout is on one of the pages; one that moves between two calls can be on two, or on
        none.

        Args:
            states: As for `find`, like the following ones.
            attention: As for `find`.
            subject: As for `find`.
            sn: As for `find`.
            older_than: As for `find`.
            drafted_within: Only changes that were drafted at most this long ago, by the time in their ids.
            after: The `FoundPage.next` of the page before, which was found with the same filters.
            limit: The maximum number of changes on the page, those that cannot be read included.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: As for `find`; or the limit is below 1, or ``after`` is not a token of these filters.
            StorageError: The store failed.
        """
        check_whole("find_page(limit=...)", limit, least=1)
        journal, now = self._journal, self._journal.clock.now()
        query = query_of("find_page", self.definition, now, states, attention, subject, sn, older_than)
        query = page_query(query, now, drafted_within=drafted_within, after=after)
        rows = list(islice(journal.rows(attrs.evolve(query, limit=limit + 1)), limit + 1))
        page = journal.read_rows(rows[:limit])
        return FoundPage(
            changes=tuple(stored.change for stored in page.changes),
            unreadable=ReadOnlyDict({row.id: error for row, error in page.unreadable}),
            next=token_of(cursor_at(rows[limit - 1], query.order)) if len(rows) > limit else None,
        )

    def figures(self, *, limit: int = 10_000) -> Figures:
        """Return figures of the store for operators, read with a bound on the cost, see `Figures`.

        Args:
            limit: The maximum number of changes to count in each state that is not final, and for each reason.

        Raises:
            StorageError: The store failed.
        """
        check_whole("figures(limit=...)", limit, least=1)
        return read_figures(self._journal, limit)

    def history(self, change_id: str) -> list[Entry]:
        """Return a change's complete history, oldest entry first, after checking its chain of digests.

        Raises:
            ChangeNotFound: The workflow has no change with this id.
            StorageCorrupt: The history differs from what was written.
        """
        return self._journal.history(change_id)

    def allowed(self, change_id: str, *, actor: str | None = None) -> tuple[str, ...]:
        """Return the operations that are allowed on the change now, by the names of the methods of `Workflow`.

        The machine decides, with the best evidence that a caller can pass: any other operation would be refused, or
        change nothing; one that is listed may still be refused because of its own arguments. Without a ticket to
        withdraw, ``abandon`` replaces ``withdraw``. A host's own trigger is listed as ``fire(name)``. It is tried with
        a `Decision`; if it needs other evidence, it is listed untried.

        Args:
            change_id: The change.
            actor: The user who would carry the operation out, since some of them need another person than the
                applicant, and ``Workflow(authorize=...)`` may refuse some; by default any other user, with every
                permission.

        Raises:
            ChangeNotFound: The workflow has no change with this id.
        """
        return self._allowed("allowed", self.get(change_id), actor)

    def overview(self, change_id: str, *, actor: str | None = None, language: str = "en") -> Overview:
        """Return what a page shows of a change. Its row is read once, so all of it is of one time.

        Args:
            change_id: The change.
            actor: The user who looks, as for `allowed`.
            language: The language of the sentence of `why` and of the texts of effects, ``en`` or ``zh``.

        Raises:
            ChangeNotFound: The workflow has no change with this id.
            StorageCorrupt: The history differs from what was written.
        """
        stored, now = self._journal.load(change_id), self._journal.clock.now()
        return Overview(
            change=stored.change,
            status=self._status(stored.change, language),
            why=why(self.definition, stored, now, self._knows, policy=self._journal.policy, language=language),
            allowed=self._allowed("overview", stored.change, actor),
            history=tuple(self._journal.history(change_id, stored)[: stored.seq]),
        )

    def status(self, change_id: str, *, language: str = "en") -> Status:
        """Return the facts about a change that a page shows, with the texts of its effects in ``en`` or ``zh``."""
        return self._status(self.get(change_id), language)

    def why(self, change_id: str, *, language: str = "en") -> str:
        """Return one sentence, in ``en`` or ``zh``: what the change waits for, since when, and the next look."""
        return self._why(change_id, language)

    def newest(self, subject: str) -> ChangeRequest | None:
        """Return the subject's newest submitted change, which decides in `require_approved`, or None.

        If the store does not show which of several changes is the newest, one that does not grant is preferred.

        Raises:
            TypeError: The subject is not text.
            InvalidForm: The text is not a valid subject.
            StorageError: The store failed, or the change cannot be read.
        """
        check_text("newest(subject)", subject)
        newest = [stored.change for stored in newest_of(self._journal, normal_subject(subject))]
        refusing = (change for change in newest if not self.definition.is_granting(change.state))
        return next(refusing, newest[0] if newest else None)

    def wait(self, change_id: str, *, timeout: float | None, poll: float = 1.0) -> ChangeRequest:
        """Block until a change has ended, and return it, approved or not.

        A change has ended in a state that grants, in the state for a refused change, and in any final state. After an
        approval that does not grant yet, in a workflow that goes on after it, the wait goes on. A draft has not ended,
        even if the gateway refused its submission.

        The wait only reads the store, so something else must move the change: callbacks, and `Workflow.reconcile`. It
        ends immediately when a thread of this process commits the end through the same store object, and otherwise at
        the next read. Any number of threads may wait.

        Args:
            change_id: The change.
            timeout: The maximum time in seconds, by the workflow's clock or the machine's, whichever ends first. With
                0 the change is read once; None means no limit.
            poll: The seconds between two reads, from 0.01 to 3600; every waiter reads the store this often.

        Raises:
            WaitTimeout: The change did not end in time; also a `TimeoutError`. The message has the sentence of `why`.
            WorkflowClosed: The workflow was closed, and the change had not ended.
            ChangeNotFound: The workflow has no change with this id.
            StorageError: The store failed, or the change cannot be read.
            TypeError: An argument has the wrong type.
            ValueError: A number is out of its range, or NaN.
        """
        return self._waits.wait(change_id, seconds=timeout, poll=poll)

    async def wait_async(self, change_id: str, *, timeout: float | None, poll: float = 1.0) -> ChangeRequest:  # noqa: ASYNC109 - as in `wait`
        """Wait in a task of `asyncio` as `wait` does in a thread, without blocking the event loop.

        The store is read in the threads of the loop's default executor. The task can be cancelled at any time.
        """
        return await self._waits.wait_async(change_id, seconds=timeout, poll=poll)

    def require_approved(self, subject: str) -> ChangeRequest:
        """Return the subject's newest submitted change if its state grants. Call this before starting the work.

        The current state of the change counts, not an earlier approval: see `WorkflowDefinition.grants`.

        Args:
            subject: The thing to change.

        Raises:
            NotApproved: No change was submitted for the subject, or its state does not grant; the error says why.
            TypeError: The subject is not text.
            InvalidForm: The text is not a valid subject.
            StorageError: The store failed, or the change cannot be read.
        """
        if not isinstance(subject, str):
            raise TypeError(
                f"require_approved(subject) takes a subject as text, not {kind_of(subject)}: nothing was "
                "checked; to guard a function, decorate it with approval_required(function)"
            )
        subject = normal_subject(subject)
        newest = [stored.change for stored in newest_of(self._journal, subject)]
        if not newest:
            raise NotApproved(subject=subject, state=None, why="no change was ever submitted for it")
        for change in newest:
            if not self.definition.is_granting(change.state):
                raise NotApproved(subject=subject, state=change.state, why=self.why(change.id))
        return newest[0]

    def approval_required(self, subject_of: Callable[P, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator: the decorated function runs only if `require_approved` accepts its subject.

        Args:
            subject_of: A function that takes the decorated function's arguments and returns the subject.

        Raises:
            TypeError: ``subject_of`` is not a function. The decorated function raises it if the subject is not text.
        """
        if not callable(subject_of):
            raise TypeError(
                "approval_required(function) takes a function that returns the subject for the decorated one's "
                f"arguments, not {kind_of(subject_of)}; to check one subject, call require_approved(subject)"
            )

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            if not callable(function):
                raise TypeError(f"approval_required decorates a function, not {kind_of(function)}")

            @functools.wraps(function)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
                self.require_approved(subject_of(*args, **kwargs))
                return function(*args, **kwargs)

            return guarded

        return decorate

    def _status(self, change: ChangeRequest, language: str) -> Status:
        now = self._journal.clock.now()
        return status_of(self.definition, change, None, effects_of(change, now, self._knows, language))

    def _allowed(self, caller: str, change: ChangeRequest, actor: str | None) -> tuple[str, ...]:
        if actor is not None:
            check_text(f"{caller}(actor=...)", actor)
        now, policy = self._journal.clock.now(), self._journal.policy
        found = allowed_operations(self.definition, change, now=now, policy=policy, actor=actor)
        return useful_operations(change, found if actor is None else self._permissions.permitted(actor, found, change))

    def _why(self, change_id: str, language: str, seen: TicketStatus | None = None) -> str:
        stored, now, policy = self._journal.load(change_id), self._journal.clock.now(), self._journal.policy
        return why(self.definition, stored, now, self._knows, policy=policy, ticket_status=seen, language=language)
