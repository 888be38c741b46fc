"""Broken backends that are right for a few values, and for calls as most callers make them."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import time
from itertools import accumulate
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage import checks
from itsm_workflow.storage.protocol import Conflict, EntryRows, Query, Row, Rows, Write
from itsm_workflow_backends.memory import MemoryBackend
from tests.conformance.caught import Caught
from tests.conformance.good import PlainDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conformance.good import Changes


class LooksForAThousandStates(MemoryBackend):
    """Looks for the first thousand states only."""

    def find(self, query: Query, /) -> Rows:
        return super().find(attrs.evolve(query, states=query.states and query.states[:1000]))


class HasNumbersOf32Bits(MemoryBackend):
    """Passes the limit to a driver, which takes 32 bits."""

    def find(self, query: Query, /) -> Rows:
        if query.limit >= 1 << 31:
            raise OverflowError("Python int too large to convert to C int")
        return super().find(query)


class CutsHeavyPages(MemoryBackend):
    """Ends a page after 1 MiB, and says that this was all."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        sizes = [sum(len(row.document) for row in page.rows[:place]) for place in range(len(page.rows))]
        rows = tuple(row for row, size in zip(page.rows, sizes, strict=True) if size <= 1 << 20)
        return page if rows == page.rows else Rows(rows=rows)


class CutsHeavyHistories(MemoryBackend):
    """Ends a page of history after 16 MiB, which is as much as one answer takes, and says that it was all."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page = super().history(change_id, after_seq, limit)
        sizes = [sum(len(line.document) for line in page.entries[:place]) for place in range(len(page.entries))]
        lines = tuple(line for line, size in zip(page.entries, sizes, strict=True) if size < 16 << 20)
        return page if lines == page.entries else EntryRows(entries=lines)


class CommitsByHundreds(MemoryBackend):
    """Commits a hundred writes in one transaction, and checks what follows the stored entries in each."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        checks.check_writes(writes)
        parts = [writes[first : first + 100] for first in range(0, len(writes), 100)] or [writes]
        return [conflict for part in parts for conflict in super(CommitsByHundreds, self).commit(part)]


class ClaimsWithAForm(PlainDict):
    """Stores the form that a claim brings."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        conflict = super()._put(changes, write)
        row, entries = changes.get(write.row.id, (write.row, ()))
        if conflict is None and write.row.form is not None:
            changes[write.row.id] = attrs.evolve(row, form=write.row.form), entries
        return conflict


class ReadsTheFormLater(MemoryBackend):
    """Reads the form, which is in a table of its own, by a second statement."""

    def get(self, change_id: str, /) -> Row | None:
        row = super().get(change_id)
        time.sleep(0.002)  # as long as a statement takes
        now = super().get(change_id)
        return row and now and attrs.evolve(row, form=now.form)


class TakesListsAndTuples(MemoryBackend):
    """Takes a list or a tuple of writes, and no other sequence."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        if not isinstance(writes, list | tuple):
            raise TypeError("commit takes a list or a tuple")
        return super().commit(writes)


class ReadsAHundredEntries(MemoryBackend):
    """Has another default limit than the port."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 100) -> EntryRows:
        return super().history(change_id, after_seq, limit)


class NamesItsArguments(MemoryBackend):
    """Has other names for the arguments of a method than the port."""

    def history(self, change_id: str, /, start: int = 0, count: int = 1000) -> EntryRows:
        return super().history(change_id, start, count)


class KnowsEmptyAnswers(MemoryBackend):
    """Answers without its store what needs no look into it, also after it was closed."""

    def find(self, query: Query, /) -> Rows:
        return Rows(rows=()) if query.ids == () else super().find(query)


class SendsOnePacket(MemoryBackend):
    """Sends a commit in one packet of 16 MiB, and takes what does not fit into it for sent."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        texts = [[write.row.document, *(line.document for line in write.entries)] for write in writes]
        sizes = accumulate(sum(map(len, some)) for some in texts)
        sent = [write for write, size in zip(writes, sizes, strict=True) if size <= 16 << 20]
        return super().commit(sent) + [None] * (len(writes) - len(sent))


class LooksForTwoBytesOfIds(MemoryBackend):
    """Looks for the first 65,535 ids, which is as many as one statement takes."""

    def find(self, query: Query, /) -> Rows:
        return super().find(attrs.evolve(query, ids=query.ids and query.ids[: (1 << 16) - 1]))


class ReadsFourThousandVersions(PlainDict):
    """Reads the versions of the first 4,096 changes of a commit, and takes the others for new ones."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        with self._opened() as changes:
            unread = {write.row.id for write in writes[4096:] if write.expected_version == 0}
            self._changes = {name: change for name, change in changes.items() if name not in unread}
        return super().commit(writes)


class InsertsEntriesByOneStatement(MemoryBackend):
    """Inserts as many entries of a commit as one statement takes: 65,535 values, eight in each entry."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        answer = super().commit(writes)
        for write in writes:
            del self._open_table()._entries.get(write.row.id, [])[write.row.seq - len(write.entries) + 65_535 // 8 :]
        return answer


ZOO = {
    LooksForAThousandStates: Caught(
        "long lists in every condition",
        "The conditions that rows must meet.",
        "Changes in the states of the end of a long list are not shown.",
    ),
    HasNumbersOf32Bits: Caught(
        "large limits", "The maximum number of rows, at least 1", "An export that asks for all rows fails."
    ),
    CutsHeavyPages: Caught(
        "heavy pages are whole",
        "has as many rows as the query's limit",
        "A pass never sees the changes after those with long forms.",
    ),
    CutsHeavyHistories: Caught(
        "heavy pages are whole",
        "has as many rows as the query's limit",
        "The newest entries of a history with long comments are not shown.",
    ),
    CommitsByHundreds: Caught(
        "a bad write late in a big batch",
        "one bad write cannot fail a batch half-way",
        "A pass fails, and some of its claims stay.",
    ),
    ClaimsWithAForm: Caught(
        "a write without entries moves only the due time",
        "whatever else the row says",
        "A form that changed while a change was polled is set back.",
    ),
    ReadsTheFormLater: Caught(
        "a reader never sees half a write",
        "stored whole, row and entries, or not at all",
        "A change that is read while it is edited is reported as damaged.",
    ),
    TakesListsAndTuples: Caught(
        "a commit rejects anything but writes",
        "of another type than declared here",
        "A host that passes another sequence cannot store its changes.",
    ),
    ReadsAHundredEntries: Caught(
        "a page is as large as asked for", "One page of rows.", "A host that reads 1,000 entries at most gets 100."
    ),
    NamesItsArguments: Caught(
        "entries are numbered without a gap",
        "numbered 1 to ``seq``",
        "A host that names the arguments cannot read a history.",
    ),
    KnowsEmptyAnswers: Caught(
        "a closed backend does nothing",
        "any other call afterwards raises StorageUnavailable",
        "A list is empty after a shutdown, where an error was due.",
    ),
    SendsOnePacket: Caught(
        "a batch of large writes",
        "make all that were stored durable before returning",
        "A pass files tickets for changes with large forms that are not stored.",
    ),
    LooksForTwoBytesOfIds: Caught(
        "long lists in every condition",
        "The conditions that rows must meet",
        "A host that lists its 70,000 collectors does not see the last ones.",
    ),
    ReadsFourThousandVersions: Caught(
        "a batch of tens of thousands of values",
        "None for a write that was stored, else its conflict",
        "An import of many changes overwrites one that exists.",
    ),
    InsertsEntriesByOneStatement: Caught(
        "a batch of tens of thousands of values",
        "None for a write that was stored, else its conflict",
        "An import of a long history loses its end, and the change is reported as damaged.",
    ),
}
"""By broken backend: the promise that catches it, words of the quoted sentence, and the harm to a user."""
