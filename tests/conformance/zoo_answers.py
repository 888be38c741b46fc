"""Broken backends that store or return something else than was asked for, in small and in one thread."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.protocol import Conflict, ConflictKind, EntryRows, Order, Query, Row, Rows, Write, cursor_at
from tests.conformance.caught import Caught
from tests.conformance.good import PlainDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conformance.good import Changes


class LosesAttention(PlainDict):
    """Inserts all columns but one, which has a default."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        created = attrs.evolve(write, row=attrs.evolve(write.row, attention=None))
        return super()._put(changes, created if write.expected_version == 0 else write)


class UpdatesMostColumns(PlainDict):
    """Updates all columns but one."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        old = changes.get(write.row.id)
        same = old[0].submission if old else write.row.submission
        return super()._put(changes, attrs.evolve(write, row=attrs.evolve(write.row, submission=same)))


class CreatesWhatIsMissing(PlainDict):
    """Inserts a row that an update does not find."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        if write.row.id not in changes and write.entries:
            write = attrs.evolve(write, expected_version=0)
        return super()._put(changes, write)


class ChecksABatchBeforeIt(PlainDict):
    """Compares each write with what was stored before the commit, and not with the other writes."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        super().commit([])  # refuses a closed store
        with self._opened() as changes:
            before = [self._put(dict(changes), write) for write in writes]
        for write, conflict in zip(writes, before, strict=True):
            if conflict is None:
                self._changes[write.row.id] = (write.row, write.entries)
        return before


class ComparesTicketsWithWhatIsStored(PlainDict):
    """Compares the ticket of each write with what was stored before the commit, and not with the other writes."""

    unique = PlainDict.unique[:1]

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        holders = [row.id for row, _ in self._changes.values() if row.ticket_key == write.row.ticket_key]
        if write.row.ticket_key is not None and write.entries and holders and holders != [write.row.id]:
            return Conflict(kind=ConflictKind.TICKET, change_id=write.row.id, holder=holders[0])
        return super()._put(changes, write)


class HasUniqueNumbers(PlainDict):
    """Has a unique index on the number of the ticket."""

    unique = (*PlainDict.unique, (ConflictKind.TICKET, "ticket_sn"))


class HasUniqueSubmissions(PlainDict):
    """Has a unique index on the number of the submission."""

    unique = (*PlainDict.unique, (ConflictKind.SUBJECT, "submission"))


class EmptiesTheForm(PlainDict):
    """Writes the form whether or not there is one."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        return super()._put(changes, attrs.evolve(write, row=attrs.evolve(write.row, form=write.row.form or "{}")))


class StoresUntilItFails(PlainDict):
    """Checks each write of a batch when its turn comes."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        if not isinstance(writes, list) or any(not isinstance(write, Write) for write in writes):
            return super().commit(writes)
        return [conflict for write in writes for conflict in super(StoresUntilItFails, self).commit([write])]


class TrimsTexts(PlainDict):
    """Removes blanks around the name of a state."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        return super()._put(changes, attrs.evolve(write, row=attrs.evolve(write.row, state=write.row.state.strip())))


class ReformatsDocuments(PlainDict):
    """Has a column of type JSON."""

    def get(self, change_id: str, /) -> Row | None:
        row = super().get(change_id)
        with suppress(ValueError, RecursionError):
            return row and attrs.evolve(row, document=json.dumps(json.loads(row.document)))
        return row


class ReadsDocumentsAsText(PlainDict):
    """Reads documents from a file that is opened as text, in which a lone carriage return ends a line."""

    def get(self, change_id: str, /) -> Row | None:
        row = super().get(change_id)
        return row and attrs.evolve(row, document=re.sub(r"\r(?!\n)", "\n", row.document))


class TakesNoStatesForAny(PlainDict):
    """Leaves out a condition without values."""

    def find(self, query: Query, /) -> Rows:
        return super().find(attrs.evolve(query, states=query.states or None))


class FindsWhatWasDueBefore(PlainDict):
    """Compares due times by less-than."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        latest = query.due_before
        return attrs.evolve(page, rows=tuple(row for row in page.rows if latest is None or row.due_at != latest))


class FindsWhatWasUpdatedBefore(PlainDict):
    """Compares times of updates by less-than."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        latest = query.updated_before
        return attrs.evolve(page, rows=tuple(row for row in page.rows if latest is None or row.updated_at != latest))


class LeavesTiesAsTheyCome(PlainDict):
    """Orders by time alone."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        if query.order is not Order.UPDATED_AT:
            return page
        rows = list(reversed(page.rows))
        rows.sort(key=lambda row: row.updated_at)
        return attrs.evolve(page, rows=tuple(rows))


class PutsTheNeverDueLast(PlainDict):
    """Sorts rows without a due time behind the others, as some databases do."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        if query.order is not Order.DUE_AT or query.due_before is not None or page.next or query.after:
            return page
        never = super().find(attrs.evolve(query, order=Order.ID)).rows
        return attrs.evolve(page, rows=page.rows + tuple(row for row in never if row.due_at is None))


class SaysThereIsMore(PlainDict):
    """Takes a full page for a page that is not the last."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        if page.next is not None or query.limit == 1 or len(page.rows) < query.limit:
            return page
        return attrs.evolve(page, next=cursor_at(page.rows[-1], query.order))


class FindsWithoutForms(PlainDict):
    """Leaves the long column out of lists."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        return attrs.evolve(page, rows=tuple(attrs.evolve(row, form=None) for row in page.rows))


class CorrectsTheLimit(PlainDict):
    """Takes a limit below one for one."""

    def find(self, query: Query, /) -> Rows:
        wrong = type(query) is Query and type(query.limit) is int and query.limit < 1
        return super().find(attrs.evolve(query, limit=1) if wrong else query)


class EncodesNames(PlainDict):
    """Encodes a name before it looks for it."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        if isinstance(change_id, str):
            change_id.encode()
        return super().history(change_id, after_seq, limit)


class NeedsAnEntry(PlainDict):
    """Takes every write without entries for a claim."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        if write.expected_version == 0 and not write.entries:
            return Conflict(kind=ConflictKind.VERSION, change_id=write.row.id)
        return super()._put(changes, write)


class WritesEntriesAgain(PlainDict):
    """Names the present state in every entry."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page, row = super().history(change_id, after_seq, limit), self.get(change_id)
        state = row.state if row else ""
        return attrs.evolve(page, entries=tuple(attrs.evolve(line, dest=state) for line in page.entries))


class BeginsAPageEarly(PlainDict):
    """Returns the entry again after which a page begins."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page = super().history(change_id, after_seq, limit)
        early = super().history(change_id, after_seq - 1, limit) if 0 < after_seq < 4 else page
        return attrs.evolve(page, entries=early.entries)


class SkipsAnEntry(PlainDict):
    """Names the first entry of the next page instead of the last of this one."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page = super().history(change_id, after_seq, limit)
        return attrs.evolve(page, next_seq=page.next_seq and page.next_seq + 1)


class CorrectsAPage(PlainDict):
    """Takes a page that begins before the first entry for the first one."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        return super().history(change_id, max(after_seq, 0) if type(after_seq) is int else after_seq, limit)


class RemembersWhatALoserAskedFor(PlainDict):
    """Notes the subjects of a commit as it goes, also that of a write that then loses by its ticket."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        self._asked: dict[str | None, str] = {}
        return super().commit(writes)

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        row = write.row
        if row.open_subject in self._asked:
            return Conflict(kind=ConflictKind.SUBJECT, change_id=row.id, holder=self._asked[row.open_subject])
        conflict = super()._put(changes, write)
        if conflict and conflict.kind is ConflictKind.TICKET and row.open_subject is not None:
            self._asked[row.open_subject] = row.id
        return conflict


class SkipsAClaimThatMovesNothing(PlainDict):
    """Writes the columns that differ, as an object mapper does, and nothing if none of them does."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        old = changes.get(write.row.id)
        answer = super()._put(changes, write)
        if old and not answer and not write.entries and old[0].due_at == write.row.due_at:
            changes[write.row.id] = old
        return answer


class ReleasesTicketsLast(PlainDict):
    """Removes from its index the tickets that a commit has released, after it has added those that it has bound."""

    _free: frozenset[str | None] = frozenset()

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        bound = {write.row.id: write.row.ticket_key for write in writes}
        with self._opened() as changes:
            before = {name: row.ticket_key for name, (row, _) in changes.items()}
            missed = {name: changes.pop(name) for name in before.keys() - bound.keys() if before[name] in self._free}
            answer = super().commit(writes)
            self._changes |= missed
        released = {key for name, key in before.items() if key != bound.get(name, key)}
        self._free = self._free - {*bound.values()} | released - {None}
        return answer


ZOO = {
    LosesAttention: Caught(
        "every column is read back",
        "Return the row of that id as of the last commit",
        "A change that needs a person is not shown to anyone.",
    ),
    UpdatesMostColumns: Caught(
        "the last commit is read",
        "Return the row of that id as of the last commit",
        "A change that is submitted again still counts as the older submission.",
    ),
    CreatesWhatIsMissing: Caught(
        "only a creating write creates",
        "the version that the writer has read",
        "A change that was removed by a restore appears again, without its history.",
    ),
    ChecksABatchBeforeIt: Caught(
        "one commit cannot open a subject twice",
        "while the change holds its subject, else None. Unique.",
        "Two applications that arrive together file two tickets for one collector.",
    ),
    ComparesTicketsWithWhatIsStored: Caught(
        "one commit cannot bind a ticket twice",
        "Gateway name and ticket id, or None. Unique.",
        "One approval is applied to two changes, which a pass has bound together.",
    ),
    HasUniqueNumbers: Caught(
        "one sn can name two tickets",
        "one sn can name two tickets",
        "A ticket cannot be bound because another gateway has one with the same number.",
    ),
    HasUniqueSubmissions: Caught(
        "two changes may have one submission number",
        "Indexed with the subject, **not** unique",
        "A second collector cannot be submitted.",
    ),
    EmptiesTheForm: Caught(
        "a write without a form keeps the form",
        "None leaves the stored text as it is",
        "An approved form is empty when it is applied.",
    ),
    StoresUntilItFails: Caught(
        "a bad write stores nothing",
        "so that one bad write cannot fail a batch half-way",
        "A pass fails, and some of its claims stay.",
    ),
    TrimsTexts: Caught(
        "texts are exact",
        "strings, integers and None",
        "The digest of a row does not match, and the change is reported as damaged.",
    ),
    ReformatsDocuments: Caught(
        "documents are exact",
        "Everything that no column holds, as canonical JSON.",
        "The digest of a row does not match, and the change is reported as damaged.",
    ),
    ReadsDocumentsAsText: Caught(
        "documents are exact",
        "Everything that no column holds, as canonical JSON.",
        "The digest of a row does not match, and the change is reported as damaged.",
    ),
    TakesNoStatesForAny: Caught(
        "none means any and empty means none",
        'None means "any"; an empty tuple means "none"',
        "A pass works on changes of every state.",
    ),
    FindsWhatWasDueBefore: Caught(
        "due before",
        "Rows with ``due_at`` at or before this time",
        "A change that is due now waits for the next pass.",
    ),
    FindsWhatWasUpdatedBefore: Caught(
        "updated before",
        "Rows with ``updated_at`` at or before this time",
        "A change that is stuck for exactly as long as allowed is not reported.",
    ),
    LeavesTiesAsTheyCome: Caught(
        "the four orders",
        "ties are broken by id",
        "Two readers of one list see two orders, and a page skips changes.",
    ),
    PutsTheNeverDueLast: Caught(
        "rows without a due time are left out",
        "Ordered by due_at, rows without one are left out",
        "A pass claims changes that wait for a person.",
    ),
    SaysThereIsMore: Caught(
        "pages end",
        "or None if this was the last",
        "A list ends with an empty page.",
    ),
    FindsWithoutForms: Caught(
        "rows are whole",
        "Rows come whole, as `get` returns them",
        "A list reports every change as damaged.",
    ),
    CorrectsTheLimit: Caught(
        "an invalid query is rejected",
        "A limit below 1 or of 2**63 - 1 or more",
        "A mistake of a caller shows one change instead of an error.",
    ),
    EncodesNames: Caught(
        "an impossible name finds nothing",
        "Return the row of that id as of the last commit",
        "A request with a strange id is answered with an error of the server.",
    ),
    NeedsAnEntry: Caught(
        "a change can begin without entries",
        "numbered 1 to ``seq``",
        "A draft cannot be stored.",
    ),
    WritesEntriesAgain: Caught(
        "an entry stays as it is",
        "Never changed, never deleted",
        "The history says of each step what is true today.",
    ),
    BeginsAPageEarly: Caught(
        "a page of history",
        "Return entries ``after_seq + 1`` and on",
        "An entry is shown twice.",
    ),
    SkipsAnEntry: Caught(
        "pages of history lead on",
        "``next_seq`` goes into ``after_seq`` for more",
        "An entry is missing at every end of a page, and the history is reported as forged.",
    ),
    CorrectsAPage: Caught(
        "an invalid page is rejected",
        "an ``after_seq`` below 0",
        "A mistake of a caller shows entries twice instead of an error.",
    ),
    ReleasesTicketsLast: Caught(
        "a value that moves in one commit is held",
        "succeeds or conflicts independently of the others",
        "One approval is applied to two changes, after a ticket was moved to another change.",
    ),
    RemembersWhatALoserAskedFor: Caught(
        "winners and losers of one commit",
        "succeeds or conflicts independently of the others",
        "An application is refused because of a change that does not exist, since it was refused in the same commit.",
    ),
    SkipsAClaimThatMovesNothing: Caught(
        "it behaves like a dictionary",
        "Each write succeeds or conflicts independently",
        "Two workers claim one change, and both send its ticket.",
    ),
}
"""By broken backend: the promise that catches it, words of the quoted sentence, and the harm to a user."""
