"""Broken backends that are right while a query has one condition, whole pages, plain names and rows of one write."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import time
import zlib
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from itsm_workflow.storage.protocol import Conflict, ConflictKind, Order, Query, Row, Rows, Write
from itsm_workflow_backends.memory import MemoryBackend
from tests.conformance.caught import Caught
from tests.conformance.good import PlainDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conformance.good import Changes


class LooksUpStatesAlone(MemoryBackend):
    """Has an index of states, and leaves out the condition on attention if it uses it."""

    def find(self, query: Query, /) -> Rows:
        return super().find(query if query.states is None else attrs.evolve(query, attention=None))


class LooksUpNumbersAlone(MemoryBackend):
    """Has an index of ticket numbers, and leaves out the condition on the workflow if it uses it."""

    def find(self, query: Query, /) -> Rows:
        return super().find(query if query.ticket_sns is None else attrs.evolve(query, workflow=None))


class SortsWithoutTheTime(MemoryBackend):
    """Has one statement for each order, and that for submissions has no condition on the time of the update."""

    def find(self, query: Query, /) -> Rows:
        by_submission = query.order is Order.SUBMISSION
        return super().find(attrs.evolve(query, updated_before=None) if by_submission else query)


class ForgetsStatesOnALaterPage(MemoryBackend):
    """Has a statement for further submissions of a subject in a workflow, which has no condition on the state."""

    def find(self, query: Query, /) -> Rows:
        goes_on = query.after is not None and query.order is Order.SUBMISSION
        of_one = query.subject is not None and query.workflow is not None
        return super().find(attrs.evolve(query, states=None) if goes_on and of_one else query)


class TakesNamesForAPage(MemoryBackend):
    """Returns all rows of the names that were asked for, whatever the limit."""

    def find(self, query: Query, /) -> Rows:
        return super().find(query if query.ids is None else attrs.evolve(query, limit=1 << 40))


class TakesASubjectForAPage(MemoryBackend):
    """Returns all changes of a subject, whatever the limit."""

    def find(self, query: Query, /) -> Rows:
        return super().find(query if query.subject is None else attrs.evolve(query, limit=1 << 40))


class BeginsAgainAtAnOpenSubject(MemoryBackend):
    """Ignores the cursor of a query that finds one row at most."""

    def find(self, query: Query, /) -> Rows:
        return super().find(query if query.open_subject is None else attrs.evolve(query, after=None))


class RepeatsRows(PlainDict):
    """Reads the rows of each ticket number that was asked for, and joins them."""

    def find(self, query: Query, /) -> Rows:
        pages = [super(RepeatsRows, self).find(attrs.evolve(query, ticket_sns=(sn,))) for sn in query.ticket_sns or ()]
        if not pages:
            return super().find(query)
        rows = [row for page in pages for row in page.rows]
        return Rows(rows=tuple(sorted(rows, key=lambda row: row.id)))


class FindsByAPattern(MemoryBackend):
    """Finds workflows by LIKE, in which a percent sign at the end is any text."""

    def find(self, query: Query, /) -> Rows:
        if query.workflow is None or not query.workflow.endswith("%"):
            return super().find(query)
        page = super().find(attrs.evolve(query, workflow=None))
        rows = tuple(row for row in page.rows if row.workflow.startswith(query.workflow[:-1]))
        return attrs.evolve(page, rows=rows)


class JoinsStates(MemoryBackend):
    """Passes the states as one text with commas."""

    def find(self, query: Query, /) -> Rows:
        states = query.states and tuple(",".join(query.states).split(","))
        return super().find(attrs.evolve(query, states=states))


class RemovesAByteOrderMark(MemoryBackend):
    """Reads the number of a ticket as the first text of a file, without a byte-order mark."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        sns = [w.row.ticket_sn and w.row.ticket_sn.removeprefix("\ufeff") for w in writes]
        rows = [attrs.evolve(w.row, ticket_sn=sn) for w, sn in zip(writes, sns, strict=True)]
        return super().commit([attrs.evolve(w, row=row) for w, row in zip(writes, rows, strict=True)])


class HoldsAChecksum(PlainDict):
    """Keeps open subjects by a checksum of 32 bits, as a fast key."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        row = write.row
        for other, _ in changes.values() if row.open_subject and write.entries else ():
            if other.id != row.id and other.open_subject and self._key(other) == self._key(row):
                return Conflict(kind=ConflictKind.SUBJECT, change_id=row.id, holder=other.id)
        return super()._put(changes, write)

    def _key(self, row: Row) -> int:
        return zlib.crc32((row.open_subject or "").encode())


class TakesNoStatesForAnyWhenDue(MemoryBackend):
    """Leaves out an empty list of states if it reads the rows by their due times."""

    def find(self, query: Query, /) -> Rows:
        by_time = query.order is Order.DUE_AT and query.states == ()
        return super().find(attrs.evolve(query, states=None) if by_time else query)


class TakesNoNumbersForAnyFromAPage(MemoryBackend):
    """Has a statement for the pages after the first, which leaves out an empty list of ticket numbers."""

    def find(self, query: Query, /) -> Rows:
        goes_on = query.after is not None and query.ticket_sns == ()
        return super().find(attrs.evolve(query, ticket_sns=None) if goes_on else query)


class TakesNoReasonsForAnyInAState(MemoryBackend):
    """Looks up the states in an index, and leaves out an empty list of reasons for attention if it does."""

    def find(self, query: Query, /) -> Rows:
        by_state = query.states and query.attention == ()
        return super().find(attrs.evolve(query, attention=None) if by_state else query)


class FindsFirstAndReadsLater(MemoryBackend):
    """Finds ids, and reads their rows by further calls."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        time.sleep(0.002)  # as long as another statement takes
        return attrs.evolve(page, rows=tuple(filter(None, [self.get(row.id) for row in page.rows])))


class FiltersAPageLater(MemoryBackend):
    """Reads a page by the index, and then leaves out what does not meet the condition on attention."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(attrs.evolve(query, attention=None))
        wanted = query.attention
        rows = tuple(row for row in page.rows if wanted is None or row.attention in wanted)
        return attrs.evolve(page, rows=rows)


class _IndexesTheFirst(PlainDict):
    """Has an index of a column, which is written with the first commit of a change alone."""

    column: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self._index = PlainDict()

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        super()._store(after, stored)
        for name in stored:
            first: dict[str, Any] = {self.column: getattr(self._index._changes.get(name, after[name])[0], self.column)}
            self._index._changes[name] = attrs.evolve(after[name][0], **first), ()

    def find(self, query: Query, /) -> Rows:
        self._check_open()
        page = self._index.find(query)
        return attrs.evolve(page, rows=tuple(self._changes[row.id][0] for row in page.rows))


class IndexesTheFirstWorkflow(_IndexesTheFirst):
    """Has an index of the workflow, which is written with the first commit of a change alone."""

    column = "workflow"


class IndexesTheFirstState(_IndexesTheFirst):
    """Has an index of the state, which is written with the first commit of a change alone."""

    column = "state"


class IndexesTheFirstReason(_IndexesTheFirst):
    """Has an index of the reason for attention, which is written with the first commit of a change alone."""

    column = "attention"


class IndexesTheFirstSubject(_IndexesTheFirst):
    """Has an index of the subject, which is written with the first commit of a change alone."""

    column = "subject"


class IndexesTheFirstNumber(_IndexesTheFirst):
    """Has an index of the ticket number, which is written with the first commit of a change alone."""

    column = "ticket_sn"


class IndexesTheFirstSubmission(_IndexesTheFirst):
    """Has an index of the submission, which is written with the first commit of a change alone."""

    column = "submission"


class IndexesTheFirstDueTime(_IndexesTheFirst):
    """Has an index of the due time, which is written with the first commit of a change alone."""

    column = "due_at"


class IndexesTheFirstUpdate(_IndexesTheFirst):
    """Has an index of the time of the update, which is written with the first commit of a change alone."""

    column = "updated_at"


class EncodesTheWorkflow(MemoryBackend):
    """Encodes the name of a workflow before it looks for it."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        (query.workflow or "").encode()
        return page


class EncodesReasons(MemoryBackend):
    """Encodes the reasons for attention before it looks for them."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        "".join(query.attention or ()).encode()
        return page


_COMBINED, _ALL, _SPELLED = "conditions are combined", "The conditions that rows must meet.", "All texts are"
_IMPOSSIBLE, _FOUND = "an impossible name finds nothing", "Return the row of that id as of the last commit"

ZOO = {
    LooksUpStatesAlone: Caught(_COMBINED, _ALL, "A list of overdue changes also shows those that are not overdue."),
    LooksUpNumbersAlone: Caught(_COMBINED, _ALL, "A pass reads the change of another workflow for its own."),
    SortsWithoutTheTime: Caught(_COMBINED, _ALL, "A list of old submissions also shows the newest."),
    ForgetsStatesOnALaterPage: Caught(
        _COMBINED, _ALL, "The second page of a collector's pending submissions shows its former ones as well."
    ),
    TakesNamesForAPage: Caught(_COMBINED, _ALL, "A request for one page gets a list of any length."),
    TakesASubjectForAPage: Caught(_COMBINED, _ALL, "A request for two changes gets all that a collector ever had."),
    BeginsAgainAtAnOpenSubject: Caught(_COMBINED, _ALL, "A list that is read page by page shows one change twice."),
    RepeatsRows: Caught(_COMBINED, _ALL, "A ticket number that is asked for twice shows its change twice."),
    FiltersAPageLater: Caught(_COMBINED, _ALL, "A list shows empty pages between those that have changes."),
    FindsByAPattern: Caught(
        _COMBINED, _ALL, "A workflow whose name ends with a percent sign reads the changes of others."
    ),
    TakesNoStatesForAnyWhenDue: Caught(_COMBINED, _ALL, "A worker that may act on no state claims every due change."),
    TakesNoNumbersForAnyFromAPage: Caught(
        _COMBINED, _ALL, "A pass over no tickets goes on with the changes of all, after a page was lost."
    ),
    TakesNoReasonsForAnyInAState: Caught(
        _COMBINED, _ALL, "A list of pending changes for which a reader is allowed no reason shows all of them."
    ),
    IndexesTheFirstWorkflow: Caught(
        _COMBINED, _ALL, "A change that a newer version of its workflow took over is not in the list of that workflow."
    ),
    IndexesTheFirstState: Caught(_COMBINED, _ALL, "A list of pending changes does not show those that were drafts."),
    IndexesTheFirstReason: Caught(_COMBINED, _ALL, "A change that became overdue is not in the list of overdue ones."),
    IndexesTheFirstSubject: Caught(_COMBINED, _ALL, "The history of a collector shows a change of another one."),
    IndexesTheFirstNumber: Caught(
        _COMBINED, _ALL, "The callback of a ticket finds no change, and is answered as wrong."
    ),
    IndexesTheFirstSubmission: Caught(_COMBINED, _ALL, "The gate reads an old approval instead of a new submission."),
    IndexesTheFirstDueTime: Caught(
        _COMBINED, _ALL, "A worker claims a change that is not due, and leaves out a due one."
    ),
    IndexesTheFirstUpdate: Caught(_COMBINED, _ALL, "A change that moved today is reported as stuck."),
    EncodesTheWorkflow: Caught(
        _IMPOSSIBLE, _FOUND, "A list of a workflow with a strange name is answered with an error of the server."
    ),
    EncodesReasons: Caught(
        _IMPOSSIBLE, _FOUND, "A list of a strange reason for attention is answered with an error of the server."
    ),
    JoinsStates: Caught(
        "another spelling is another value", _SPELLED, "A state whose name has a comma finds changes of other states."
    ),
    RemovesAByteOrderMark: Caught(
        "another spelling is another value",
        _SPELLED,
        "The digest of a row does not match, and the change is reported as damaged.",
    ),
    HoldsAChecksum: Caught(
        "another spelling is another value", _SPELLED, "An application is refused because of any other collector."
    ),
    FindsFirstAndReadsLater: Caught(
        "threads claim each due row once",
        "the version that the writer has read",
        "A pass works on a change that another worker has just claimed.",
    ),
}
"""By broken backend: the promise that catches it, words of the quoted sentence, and the harm to a user."""
