"""Broken backends: each a good one that breaks one promise, in at most 15 lines.

Beside each stands the promise of the kit that catches it, and words of the sentence that is quoted then.
"""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, ClassVar
from unittest import mock

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import Conflict, ConflictKind, Cursor, EntryRows, Order, Query, Row, Rows, Write
from itsm_workflow_backends.json_file import JSONFileBackend, _log
from itsm_workflow_backends.json_file._compactor import Compactor
from itsm_workflow_backends.memory import MemoryBackend
from itsm_workflow_backends.sqlite import SQLiteBackend, _queries
from tests.conformance.caught import Caught

if TYPE_CHECKING:
    from collections.abc import Sequence


class IgnoresTheVersion(MemoryBackend):
    """Writes over what it has not read."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        return super().commit([self._as_latest(write) for write in writes])

    def _as_latest(self, write: Write) -> Write:
        row = self.get(write.row.id)
        if row is None:
            return write
        entries = tuple(attrs.evolve(e, seq=row.seq + place) for place, e in enumerate(write.entries, start=1))
        latest = attrs.evolve(write.row, version=row.version + 1, seq=row.seq + len(entries))
        return Write(row=latest, expected_version=row.version, entries=entries)


class LosesHistoryOnConflict(MemoryBackend):
    """Clears away more than the write that lost."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        answer = super().commit(writes)
        for conflict in filter(None, answer):
            self._open_table()._entries.pop(conflict.change_id, None)
        return answer


class ForgetsTheSubjectRule(MemoryBackend):
    """Lets two open changes have one subject."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        self._open_table()._subjects.clear()
        return super().commit(writes)


class LetsATicketBelongToTwo(MemoryBackend):
    """Binds a ticket that is bound."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        self._open_table()._tickets.clear()
        return super().commit(writes)


class OneConflictFailsTheBatch(MemoryBackend):
    """Rolls the whole commit back when one write loses."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        verdicts = [self._open_table().judge(write) for write in writes]
        return verdicts if any(verdicts) else super().commit(writes)


class PagesByOffset(MemoryBackend):
    """Counts rows instead of remembering the last one."""

    def find(self, query: Query, /) -> Rows:
        start = int(query.after.id) if query.after else 0
        rows = super().find(attrs.evolve(query, after=None, limit=10_000)).rows
        page = rows[start : start + query.limit]
        value = None if query.order is Order.ID else 0
        more = start + len(page) < len(rows)
        return Rows(rows=page, next=Cursor(value=value, id=str(start + len(page))) if more else None)


class AcknowledgesBeforeFsync(JSONFileBackend):
    """Leaves the last line to the operating system."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        with mock.patch.object(_log, "sync"):
            return super().commit(writes)


class SyncsOnlyCreates(JSONFileBackend):
    """Leaves approvals and claims to the operating system."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        creates = any(write.expected_version == 0 for write in writes)
        with nullcontext() if creates else mock.patch.object(_log, "sync"):
            return super().commit(writes)


class SyncsEverySecondCommit(JSONFileBackend):
    """Leaves each other commit to the next one."""

    _count = 0

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        self._count += 1
        with nullcontext() if self._count % 2 else mock.patch.object(_log, "sync"):
            return super().commit(writes)


class CompactsWithoutASync(JSONFileBackend):
    """Leaves the content of a compacted file to the operating system."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        def step(compactor: Compactor) -> None:
            with mock.patch.object(_log, "sync"):
                compact(compactor)

        compact = Compactor.step
        with mock.patch.object(Compactor, "step", step):
            return super().commit(writes)


class AcknowledgesBeforeWriting(SQLiteBackend):
    """Keeps each commit for itself until the next call."""

    _kept: Sequence[Write] = ()

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        super().commit(self._kept)
        self._kept = writes
        return [None for _ in writes]

    def get(self, change_id: str, /) -> Row | None:
        super().commit(self._kept)
        self._kept = ()
        return super().get(change_id)


class WritesTheRowFirst(SQLiteBackend):
    """Stores rows and their entries in two transactions."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        with mock.patch.object(_queries, "INSERT_ENTRY", f"INSERT INTO entries SELECT {'?, ' * 7}? WHERE 0"):
            answer = super().commit(writes)
        won = (write for write, conflict in zip(writes, answer, strict=True) if conflict is None)
        entries = [_queries.entry_values(line) for write in won for line in write.entries]
        with self._connections.writing() as connection:
            connection.executemany(_queries.INSERT_ENTRY, entries)
        return answer


class ReadsABatchTwice(MemoryBackend):
    """Takes whatever can be iterated over."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        return super().commit(list(writes))


class FindsByAList(MemoryBackend):
    """Takes a text or a list for a tuple of texts."""

    def find(self, query: Query, /) -> Rows:
        return super().find(attrs.evolve(query, ids=query.ids and tuple(query.ids)))


class HasNoSuchNumber(MemoryBackend):
    """Answers that no change has an id of another type."""

    def get(self, change_id: str, /) -> Row | None:
        known: object = change_id
        return super().get(change_id) if isinstance(known, str) else None


class FoldsCase(MemoryBackend):
    """Compares names as some databases do by default."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        return super().commit([self._lowered(write) for write in writes])

    def get(self, change_id: str, /) -> Row | None:
        return super().get(change_id.lower())

    def _lowered(self, write: Write) -> Write:
        entries = tuple(attrs.evolve(e, change_id=e.change_id.lower()) for e in write.entries)
        return attrs.evolve(write, row=attrs.evolve(write.row, id=write.row.id.lower()), entries=entries)


class HoldsSubjectsAgainstClaims(MemoryBackend):
    """Looks at all that a claim says."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        held = {row.open_subject: row.id for row in self._open_table().rows.values() if row.open_subject}
        for write in writes:
            subject = write.row.open_subject
            if not write.entries and subject and held.get(subject, write.row.id) != write.row.id:
                return [Conflict(kind=ConflictKind.SUBJECT, change_id=one.row.id) for one in writes]
        return super().commit(writes)


class PutsTheOldestSubmissionFirst(MemoryBackend):
    """Sorts every order upwards."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        upwards = query.order is Order.SUBMISSION and query.after is None
        return attrs.evolve(page, rows=tuple(reversed(page.rows))) if upwards else page


class TakesADraftForASubmission(MemoryBackend):
    """Counts what was never submitted as number 0."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        answer = super().commit(writes)
        table = self._open_table()
        for row in list(table.rows.values()):
            if row.submission is None:
                table.put(attrs.evolve(row, submission=0))
        return answer

    def get(self, change_id: str, /) -> Row | None:
        row = super().get(change_id)
        return row and attrs.evolve(row, submission=row.submission or None)


class NamesTheLastHolder(MemoryBackend):
    """Finds the change that held the subject before, if it is free now."""

    def find(self, query: Query, /) -> Rows:
        held: dict[str | None, str] = vars(self).setdefault("held", {})
        held |= {row.open_subject: row.id for row in self._open_table().rows.values()}
        if query.open_subject in held and query.open_subject is not None:
            query = attrs.evolve(query, ids=(held[query.open_subject],), open_subject=None)
        return super().find(query)


class CapsPages(MemoryBackend):
    """Never has more than a thousand rows in a page, and says that this was all."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(attrs.evolve(query, limit=min(query.limit, 1000)))
        return page if query.limit <= 1000 else attrs.evolve(page, next=None)


class CapsHistory(MemoryBackend):
    """Never has more than a thousand entries in a page, and says that this was all."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page = super().history(change_id, after_seq, min(limit, 1000))
        return page if limit <= 1000 else attrs.evolve(page, next_seq=None)


class CapsNames(MemoryBackend):
    """Looks for the first thousand names only."""

    def find(self, query: Query, /) -> Rows:
        return super().find(attrs.evolve(query, ids=query.ids and query.ids[:1000]))


class FindsWithoutALock(MemoryBackend):
    """Walks through the rows while others add some."""

    def find(self, query: Query, /) -> Rows:
        for _ in self._open_table().rows.values():
            threading.Event().wait(0.0001)
        return super().find(query)


class DropsMicroseconds(MemoryBackend):
    """Keeps times as many a database does: to the millisecond."""

    def get(self, change_id: str, /) -> Row | None:
        row = super().get(change_id)
        return row and attrs.evolve(row, updated_at=row.updated_at // 1000 * 1000)


class ReturnsAConflictAsSuccess(MemoryBackend):
    """Says that all went well."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        return [None for _ in super().commit(writes)]


class AppliesABatchInPart(MemoryBackend):
    """Stores the first two writes of a batch, and says that it stored all."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        return super().commit(writes[:2]) + [None for _ in writes[2:]]


class MovesUpdatedAtOnAClaim(MemoryBackend):
    """Takes a claim for news."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        answer = super().commit(writes)
        table = self._open_table()
        for write, conflict in zip(writes, answer, strict=True):
            if conflict is None and not write.entries and write.expected_version:
                row = table.rows[write.row.id]
                table.put(attrs.evolve(row, updated_at=row.updated_at + 1))
        return answer


class ReordersHistory(MemoryBackend):
    """Returns the latest first."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page = super().history(change_id, after_seq, limit)
        return attrs.evolve(page, entries=tuple(reversed(page.entries)))


class TellsTheLastReason(MemoryBackend):
    """Says ticket where it should have said subject."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        tickets = {row.ticket_key: row.id for row in self._open_table().rows.values() if row.ticket_key}
        answer = super().commit(writes)
        return [
            attrs.evolve(conflict, kind=ConflictKind.TICKET, holder=tickets[write.row.ticket_key])
            if conflict and write.row.ticket_key in tickets
            else conflict
            for write, conflict in zip(writes, answer, strict=True)
        ]


class ChecksWithoutALock(MemoryBackend):
    """Reads the version, and writes a moment later."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        verdicts = [self._open_table().judge(write) for write in writes]
        threading.Event().wait(0.001)
        for write, verdict in zip(writes, verdicts, strict=True):
            if verdict is None:
                self._open_table().apply(write)
        return verdicts


class ReadsItsOwnCache(SQLiteBackend):
    """Does not see what others write."""

    def get(self, change_id: str, /) -> Row | None:
        cache: dict[str, Row | None] = vars(self).setdefault("cache", {})
        if change_id not in cache:
            cache[change_id] = super().get(change_id)
        return cache[change_id]

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        vars(self).pop("cache", None)
        return super().commit(writes)


class StaleFind(SQLiteBackend):
    """Finds on what was there when this object last committed."""

    def find(self, query: Query, /) -> Rows:
        kept: dict[Query, Rows] = vars(self).setdefault("kept", {})
        if query not in kept:
            kept[query] = super().find(query)
        return kept[query]

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        vars(self).pop("kept", None)
        return super().commit(writes)


class CutsLongDocuments(MemoryBackend):
    """Has a column of 64 KiB."""

    def get(self, change_id: str, /) -> Row | None:
        row = super().get(change_id)
        return row and attrs.evolve(row, document=row.document[:65535])


class ReplacesWhatItCannotKeep(MemoryBackend):
    """Stores a question mark for each lone surrogate, instead of refusing them."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        return super().commit([attrs.evolve(write, row=self._kept(write.row)) for write in writes])

    def _kept(self, row: Row) -> Row:
        return attrs.evolve(row, document=row.document.encode(errors="replace").decode())


class ForgetsWhenClosed(MemoryBackend):
    """Says that it is durable, and is not."""

    abilities: ClassVar[frozenset[str]] = frozenset({"durable"})


class WorksOnWhenClosed(MemoryBackend):
    """Answers from what it remembers."""

    def get(self, change_id: str, /) -> Row | None:
        try:
            return super().get(change_id)
        except StorageUnavailable:
            return None


ZOO = {
    IgnoresTheVersion: Caught(
        "a stale version loses",
        "the version that the writer has read",
        "A writer overwrites an approval that it has not read.",
    ),
    LosesHistoryOnConflict: Caught(
        "a lost write leaves no trace",
        "nothing of it was stored",
        "Each lost race erases who approved the change.",
    ),
    ForgetsTheSubjectRule: Caught(
        "one open change per subject",
        "while the change holds its subject, else None. Unique.",
        "A double click files two tickets for one collector.",
    ),
    LetsATicketBelongToTwo: Caught(
        "a ticket belongs to one change",
        "Gateway name and ticket id, or None. Unique.",
        "One approval is applied to two changes.",
    ),
    OneConflictFailsTheBatch: Caught(
        "winners and losers of one commit",
        "Each write succeeds or conflicts independently",
        "One busy change stops a whole pass of the reconciler.",
    ),
    PagesByOffset: Caught(
        "no row is left out while others change",
        "a row that matches throughout is never left out",
        "A pass leaves out changes that are due.",
    ),
    AcknowledgesBeforeFsync: Caught(
        "a power cut loses no acknowledged commit",
        "durable before returning",
        "A power cut erases an approval that was confirmed to a person.",
    ),
    SyncsOnlyCreates: Caught(
        "a power cut loses no acknowledged commit",
        "durable before returning",
        "A power cut erases an approval that was confirmed to a person.",
    ),
    SyncsEverySecondCommit: Caught(
        "a power cut loses no acknowledged commit",
        "durable before returning",
        "A power cut erases an approval that was confirmed to a person.",
    ),
    CompactsWithoutASync: Caught(
        "a power cut loses no acknowledged commit",
        "durable before returning",
        "All changes are gone after a power cut, because the file had just been compacted.",
    ),
    AcknowledgesBeforeWriting: Caught(
        "a killed process loses no acknowledged commit",
        "durable before returning",
        "A deployment that kills the process loses the last approval.",
    ),
    WritesTheRowFirst: Caught(
        "a crash inside a commit leaves whole writes",
        "A write is stored whole, row and entries",
        "A crash leaves an approved change without the entry that says by whom.",
    ),
    ReadsABatchTwice: Caught(
        "a commit rejects anything but writes",
        "a value in it, of another type",
        "A generator is stored although the checks have consumed it, or nothing of it.",
    ),
    FindsByAList: Caught(
        "a query of other types is rejected",
        "a value in it, of another type",
        "A mistake of a caller goes unnoticed until another backend refuses it.",
    ),
    HasNoSuchNumber: Caught(
        "an id of another type is rejected",
        "a value in it, of another type",
        "A mistake of a caller looks like a change that does not exist.",
    ),
    FoldsCase: Caught(
        "ids are case sensitive",
        "Ids are case-sensitive.",
        "Two changes become one, and the second overwrites the first.",
    ),
    HoldsSubjectsAgainstClaims: Caught(
        "a write without entries moves only the due time",
        "whatever else the row says",
        "A due change is never claimed, so its ticket is never read.",
    ),
    PutsTheOldestSubmissionFirst: Caught(
        "the newest submission of a subject comes first",
        "newest submission comes first",
        "The gate reads an old approval instead of the newest submission.",
    ),
    TakesADraftForASubmission: Caught(
        "drafts are not found among submissions",
        "rows that were never submitted are left out",
        "A draft counts as the newest submission, and the approval before it is ignored.",
    ),
    NamesTheLastHolder: Caught(
        "an open subject names its holder",
        "Only the row that holds this open subject",
        "An application is refused because of a change that has ended.",
    ),
    CapsPages: Caught(
        "a page is as large as asked for",
        "None if this was the last",
        "A pass never sees the changes after the thousandth.",
    ),
    CapsHistory: Caught(
        "a page is as large as asked for",
        "None if this was the last",
        "The newest entries of a long history are not shown.",
    ),
    CapsNames: Caught(
        "a page is as large as asked for",
        "None if this was the last",
        "Changes are reported as missing.",
    ),
    FindsWithoutALock: Caught(
        "existing rows are found while others write",
        "never left out",
        "A list fails, or leaves out changes, while others are filed.",
    ),
    DropsMicroseconds: Caught(
        "times are exact",
        "Times are integer microseconds",
        "The digest of a row does not match, and the change is reported as damaged.",
    ),
    ReturnsAConflictAsSuccess: Caught(
        "the answer fits the writes",
        "None for a write that was stored, else its conflict",
        "A person sees a confirmation of something that was not stored.",
    ),
    AppliesABatchInPart: Caught(
        "all of a batch is stored",
        "Store each write or say why not",
        "A pass believes that it claimed changes that others also claim.",
    ),
    MovesUpdatedAtOnAClaim: Caught(
        "a write without entries moves only the due time",
        "``updated_at`` stays",
        "A stuck change looks active, and attention is never raised.",
    ),
    ReordersHistory: Caught(
        "entries are numbered without a gap",
        "numbered 1 to ``seq``",
        "The chain of entries does not match, and the history is reported as forged.",
    ),
    TellsTheLastReason: Caught(
        "a conflict reports the first reason",
        "the first in the order version, subject, ticket is reported",
        "An application is answered with a wrong reason.",
    ),
    ChecksWithoutALock: Caught(
        "one thread wins each version",
        "shared by the threads of a process",
        "Two threads of one server overwrite each other.",
    ),
    ReadsItsOwnCache: Caught(
        "two objects see each others commits",
        "as of the last commit",
        "A gate decides by an approval that another process has withdrawn.",
    ),
    StaleFind: Caught(
        "two objects see each others commits",
        "as of the last commit",
        "A pass does not see changes that other processes filed.",
    ),
    CutsLongDocuments: Caught(
        "a long document",
        "Everything that no column holds",
        "A long form is cut, and the change is reported as damaged.",
    ),
    ReplacesWhatItCannotKeep: Caught(
        "text that cannot be stored is rejected",
        "a size or character the backend cannot keep",
        "A title is stored with other characters than were typed.",
    ),
    ForgetsWhenClosed: Caught(
        "a reopened store has everything",
        "durable before returning",
        "Every change is lost at the next deployment.",
    ),
    WorksOnWhenClosed: Caught(
        "a closed backend does nothing",
        "any other call afterwards raises StorageUnavailable",
        "A process answers from old data after it was shut down.",
    ),
}
"""By broken backend: the promise that catches it, words of the quoted sentence, and the harm to a user."""
