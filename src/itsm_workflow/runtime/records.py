"""The changes of one workflow, to be read. Needs a store and no gateway."""

from __future__ import annotations

import functools
import unicodedata
from itertools import islice
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import attrs

from itsm_workflow.clock import to_micros
from itsm_workflow.errors import AmbiguousChange, ChangeNotFound, NotApproved
from itsm_workflow.form import normal_subject
from itsm_workflow.machine.engine import allowed
from itsm_workflow.machine.graph import Graph
from itsm_workflow.runtime.arguments import check_function, check_text, checked_age, checked_names
from itsm_workflow.runtime.catalogue import WORKFLOW as CATALOGUE
from itsm_workflow.runtime.status import effects_of, status_of, why
from itsm_workflow.storage.protocol import Order, Query

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.machine.evidence import TicketStatus
    from itsm_workflow.runtime.journal import Journal
    from itsm_workflow.runtime.status import Status
    from itsm_workflow.storage.codec import Stored

P = ParamSpec("P")
R = TypeVar("R")


class Records:
    """Reads a workflow's changes.

    Args:
        journal: The changes.
        knows: Whether this process has a function for the effect of a name; None if it delivers none at all.
    """

    def __init__(self, journal: Journal, knows: Callable[[str], bool] | None = None) -> None:
        self._journal = journal
        self._knows = knows

    @property
    def definition(self) -> WorkflowDefinition:
        """The state machine."""
        return self._journal.definition

    def get(self, change_id: str) -> ChangeRequest:
        """Return a change by its id.

        Raises:
            ChangeNotFound: There is no such change.
        """
        return self._journal.load(change_id).change

    def resolve(self, name: str) -> ChangeRequest:
        """Return the one change that goes by an id, a subject or a ticket's sn.

        Raises:
            ChangeNotFound: None does.
            AmbiguousChange: Several do; it lists their ids.
        """
        check_text("resolve(name)", name)
        queries = (
            Query(ids=(name,)),
            Query(subject=unicodedata.normalize("NFC", name)),
            Query(ticket_sns=(name,)),
        )
        named = {
            stored.change.id: stored.change
            for query in queries
            for page in self._journal.pages(attrs.evolve(query, workflow=self.definition.name))
            for stored in page
        }
        if not named:
            others = (other for query in queries for other in self.other_workflows(query))
            raise ChangeNotFound(name=name, workflow=next(others, ""))
        if len(named) > 1:
            raise AmbiguousChange(name=name, candidates=sorted(named))
        return next(iter(named.values()))

    def other_workflows(self, query: Query = Query()) -> list[str]:  # noqa: B008 - it is frozen
        """Return the other workflows of the store with changes that match, of the first ones: a query's limit."""
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

        Ids begin with the time at which a change was drafted, so this is about the order of drafting. It says nothing
        of which change of a subject is the newest: that is for `require_approved`.

        One that cannot be read is left out, and observers are notified of it; `get` shows what is wrong.

        Args:
            states: In one of these states.
            attention: With attention for one of these reasons.
            subject: About this.
            sn: Bound to a ticket of this number.
            older_than: Whose last entry is at least so old.
            on_damage: Is called with the id of each change that cannot be read, and with what is wrong.

        Raises:
            TypeError: An argument has another type. So have states or reasons that are one text, of which each letter
                would be taken for a name.
            ValueError: No change can be so old.
        """
        for name, text in (("subject", subject), ("sn", sn)):
            if text is not None:
                check_text(f"find({name}=...)", text)
        if on_damage is not None:
            check_function("find(on_damage=...)", on_damage)
        before = None
        if older_than is not None:
            now = self._journal.clock.now()
            before = to_micros(now - checked_age("find(older_than=...)", older_than, now))
        query = Query(
            workflow=self.definition.name,
            states=None if states is None else checked_names("find", "states", states),
            attention=None if attention is None else checked_names("find", "attention", attention),
            subject=None if subject is None else unicodedata.normalize("NFC", subject),
            ticket_sns=None if sn is None else (sn,),
            updated_before=before,
        )
        return self._found(query, on_damage)

    def _found(self, query: Query, on_damage: Callable[[str, Exception], object] | None) -> Iterator[ChangeRequest]:
        for page in self._journal.read_pages(query):
            for row, error in page.unreadable:
                if on_damage is not None:
                    on_damage(row.id, error)
            yield from (stored.change for stored in page.changes)

    def history(self, change_id: str) -> list[Entry]:
        """Return a change's whole history, oldest entry first, its chain of digests checked.

        Raises:
            ChangeNotFound: There is no such change.
            StorageCorrupt: The history is not what was written.
        """
        return self._journal.history(change_id)

    def allowed(self, change_id: str) -> tuple[str, ...]:
        """Return the triggers that lead on from where the change stands; their evidence decides whether they may."""
        return allowed(self.definition, self.get(change_id))

    def status(self, change_id: str) -> Status:
        """Return what a page shows of a change."""
        change = self.get(change_id)
        return status_of(self.definition, change, None, effects_of(change, self._journal.clock.now(), self._knows))

    def why(self, change_id: str) -> str:
        """Return one sentence: what the change waits for, since when, when it is looked at next, and what then."""
        return self._why(change_id)

    def newest(self, subject: str) -> ChangeRequest | None:
        """Return the subject's newest submitted change, which decides in `require_approved`; None if there is none.

        Where the store cannot say which of several is the newest, one of them that does not grant is returned first.

        Raises:
            TypeError: The subject is not text.
            InvalidForm: It is text that no subject can be.
            StorageError: The store failed, or what decides cannot be read.
        """
        check_text("newest(subject)", subject)
        newest = [stored.change for stored in self._newest(normal_subject(subject))]
        refusing = (change for change in newest if not self.definition.is_granting(change.state))
        return next(refusing, newest[0] if newest else None)

    def graph(self, change_id: str | None = None) -> Graph:
        """Return the workflow as a graph, with the path of one change if one is given."""
        return Graph(definition=self.definition, path=self.history(change_id) if change_id else ())

    def require_approved(self, subject: str) -> ChangeRequest:
        """Return the subject's newest submitted change if its state grants: the one line before anything is started.

        What counts is the state that the change is in now, whatever was approved before: see
        `WorkflowDefinition.grants`.

        Args:
            subject: What the change is about.

        Raises:
            NotApproved: Nothing was submitted for the subject, or the state does not grant; the error says why.
            TypeError: The subject is not text.
            InvalidForm: It is text that no subject can be.
            StorageError: The store failed, or what decides cannot be read.
        """
        if not isinstance(subject, str):
            raise TypeError(
                f"require_approved(subject) takes a subject as text, not a {type(subject).__name__}: nothing was "
                "checked; to guard a function, decorate it with approval_required(function)"
            )
        subject = normal_subject(subject)
        newest = [stored.change for stored in self._newest(subject)]
        if not newest:
            raise NotApproved(subject=subject, state=None, why="no change was ever submitted for it")
        for change in newest:
            if not self.definition.is_granting(change.state):
                raise NotApproved(subject=subject, state=change.state, why=self.why(change.id))
        return newest[0]

    def approval_required(self, subject_of: Callable[P, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator: the decorated function runs only if `require_approved` lets its subject through.

        Args:
            subject_of: Called with the decorated function's arguments; returns the subject.

        Raises:
            TypeError: It is not a function. A call raises it as well, where the function returns no text.
        """
        if not callable(subject_of):
            raise TypeError(
                "approval_required(function) takes a function that returns the subject for the decorated one's "
                f"arguments, not a {type(subject_of).__name__}; to check one subject, call require_approved(subject)"
            )

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            if not callable(function):
                raise TypeError(f"approval_required decorates a function, not a {type(function).__name__}")

            @functools.wraps(function)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
                self.require_approved(subject_of(*args, **kwargs))
                return function(*args, **kwargs)

            return guarded

        return decorate

    def _why(self, change_id: str, ticket_status: TicketStatus | None = None) -> str:
        stored, now = self._journal.load(change_id), self._journal.clock.now()
        return why(self.definition, stored, now, self._knows, ticket_status=ticket_status)

    def _newest(self, subject: str) -> Sequence[Stored]:
        """Return the subject's newest submitted change; several if the store cannot say which of them is.

        The change that holds the subject is the newest one. Otherwise the submission number decides, and no time does.

        Raises:
            StorageCorrupt: One of them cannot be read.
        """
        journal = self._journal
        holders = Query(open_subject=journal.held(subject))
        numbered = Query(workflow=self.definition.name, subject=subject, order=Order.SUBMISSION, limit=2)
        rows = list(journal.rows(holders))
        for row in [] if rows else journal.rows(numbered):
            if rows and row.submission != rows[0].submission:
                break
            rows.append(row)
        return [journal.read(row) for row in rows] or self._newest_without_number(subject)

    def _newest_without_number(self, subject: str) -> Sequence[Stored]:
        """Return the newest change of a subject that was last submitted before submissions were numbered."""
        found = self._journal.find(Query(workflow=self.definition.name, subject=subject))
        times = [(stored.change.attempt.submitted_at, stored) for stored in found if stored.change.attempt is not None]
        latest = max((submitted_at for submitted_at, _ in times), default=None)
        return [stored for submitted_at, stored in times if submitted_at == latest]
