"""Broken backends that are right while everything is small."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow_backends.memory import MemoryBackend
from tests.conformance.caught import Caught
from tests.conformance.good import OneFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import Conflict, EntryRows, Query, Row, Rows, Write
    from tests.conformance.good import Changes


class CutsLongNames(MemoryBackend):
    """Keeps 255 characters of a subject, without a word."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        cut = [attrs.evolve(w, row=attrs.evolve(w.row, subject=w.row.subject[:255])) for w in writes]
        return super().commit(cut)


class CutsTheIdOfACursor(MemoryBackend):
    """Begins a page after the first 255 characters of the cursor's id."""

    def find(self, query: Query, /) -> Rows:
        after = query.after and attrs.evolve(query.after, id=query.after.id[:255])
        return super().find(attrs.evolve(query, after=after))


class CutsLongEntries(MemoryBackend):
    """Keeps 65,535 bytes of an entry's document, as a column of that type does."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page = super().history(change_id, after_seq, limit)
        cut = [attrs.evolve(line, document=line.document.encode()[:65_535].decode()) for line in page.entries]
        return attrs.evolve(page, entries=tuple(cut))


class CountsCharactersForBytes(MemoryBackend):
    """Has room for as many bytes as a text has characters."""

    def get(self, change_id: str, /) -> Row | None:
        row = super().get(change_id)
        if row is None or row.form is None or len(row.form) < 10_000:
            return row
        return attrs.evolve(row, form=row.form.encode()[: len(row.form)].decode(errors="ignore"))


class FindsTheFirstTenThousand(MemoryBackend):
    """Looks through ten thousand rows, and takes them for all."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(attrs.evolve(query, limit=20_000, after=None))
        known = frozenset(list(self._open_table().rows)[:10_000])
        beyond = {row.id for row in page.rows} - known
        rows = super().find(query)
        return attrs.evolve(rows, rows=tuple(row for row in rows.rows if row.id not in beyond))


class SortsAPageAtATime(MemoryBackend):
    """Sorts what the first ten thousand names give, and puts the others behind."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        late = [row for row in page.rows if row.id > "c09999"]
        return attrs.evolve(page, rows=tuple(row for row in page.rows if row not in late) + tuple(late))


class StoresAThousandEntries(MemoryBackend):
    """Inserts the first 4,096 entries of a write, which is as many as one statement takes."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        answer = super().commit(writes)
        for write in writes:
            del self._open_table()._entries.get(write.row.id, [])[write.row.seq - len(write.entries) + 4096 :]
        return answer


class CountsEntriesInTwoBytes(MemoryBackend):
    """Begins again after entry 32,767."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        return super().history(change_id, after_seq % (1 << 15) if after_seq < 1 << 60 else after_seq, limit)


class EndsAHistoryAtFiveThousand(MemoryBackend):
    """Reads 5,000 entries at most for a call, and says that there are no more."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page = super().history(change_id, after_seq, limit)
        return page if limit <= 5000 else attrs.evolve(page, entries=page.entries[:5000], next_seq=None)


class EndsAHistoryAtABlock(MemoryBackend):
    """Keeps entries in blocks of 1,024, and takes the end of a block for the end of the history."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page = super().history(change_id, after_seq, limit)
        at_the_end = page.next_seq is not None and page.next_seq % 1024 == 0
        return attrs.evolve(page, next_seq=None) if at_the_end else page


class CountsEntriesInTwoBytesWithoutSign(MemoryBackend):
    """Has the number of an entry in two bytes without a sign; only the thorough profile writes so many."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page = super().history(change_id, after_seq, limit)
        return attrs.evolve(page, entries=tuple(attrs.evolve(e, seq=min(e.seq, (1 << 16) - 1)) for e in page.entries))


class AnswersForAThousand(MemoryBackend):
    """Commits a batch in parts of a thousand, and answers for the last part twice."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        answer = super().commit(writes)
        return answer if len(writes) < 2000 else answer[1000:] + answer[1000:]


class ComparesHalfTheVersion(MemoryBackend):
    """Compares the last 32 bits of the version."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        return super().commit([self._cut(write) for write in writes])

    def _cut(self, write: Write) -> Write:
        version = write.expected_version % (1 << 32)
        return attrs.evolve(write, expected_version=version, row=attrs.evolve(write.row, version=version + 1))


class RoundsTheVersion(MemoryBackend):
    """Refuses a version that a number of four bytes cannot hold, as if its type were wrong."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        for write in writes:
            if 1 << 31 <= write.row.version < 1 << 63:
                raise OverflowError(f"{write.row.id}: integer out of range")
        return super().commit(writes)


class ForgetsWhatWasHeld(OneFile):
    """Compacts its file from 300 commits on, and leaves out the open subjects."""

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        rows = {name: row for name, (row, _) in after.items() if row.version > 300}
        released = {name: (attrs.evolve(row, open_subject=None), after[name][1]) for name, row in rows.items()}
        super()._store(after | released, stored)


class StopsCounting(OneFile):
    """Keeps one more digit of the version than anybody tried."""

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        cut = {name: attrs.evolve(row, version=row.version % 500 or 500) for name, (row, _) in after.items()}
        super()._store({name: (cut[name], entries) for name, (_, entries) in after.items()}, stored)


ZOO = {
    CutsLongNames: Caught(
        "long texts are whole",
        "No text of a row or an entry may be longer than this",
        "Two collectors with a long common name become one subject.",
    ),
    CutsTheIdOfACursor: Caught(
        "names that begin alike",
        "``next`` is the cursor for the following page",
        "A pass that comes to a change with a long id reads the same page again and again.",
    ),
    CutsLongEntries: Caught(
        "long texts are whole",
        "No text of a row or an entry may be longer than this",
        "The chain of entries does not match after a long comment, and the history is reported as forged.",
    ),
    CountsCharactersForBytes: Caught(
        "long texts are whole",
        "No text of a row or an entry may be longer than this",
        "A long form in Chinese is cut, and the change is reported as damaged.",
    ),
    FindsTheFirstTenThousand: Caught(
        "more than ten thousand rows",
        "a row that matches throughout is never left out",
        "After two years, new changes are never reconciled.",
    ),
    SortsAPageAtATime: Caught(
        "more than ten thousand rows",
        "a row that matches throughout is never left out",
        "A pass that reads the longest due first never comes to the newest changes.",
    ),
    StoresAThousandEntries: Caught(
        "thousands of entries",
        "numbered 1 to ``seq``",
        "The end of a long history is missing, and the change is reported as damaged.",
    ),
    CountsEntriesInTwoBytes: Caught(
        "thousands of entries",
        "numbered 1 to ``seq``",
        "A reader of a long history reads its beginning again and again.",
    ),
    EndsAHistoryAtFiveThousand: Caught(
        "thousands of entries",
        "numbered 1 to ``seq``",
        "An export that asks for the whole of a long history gets its first part.",
    ),
    EndsAHistoryAtABlock: Caught(
        "thousands of entries",
        "numbered 1 to ``seq``",
        "The end of a long history is missing, and the history is reported as forged.",
    ),
    AnswersForAThousand: Caught(
        "a batch of two thousand",
        "None for a write that was stored, else its conflict",
        "A pass takes changes for claimed that others have claimed.",
    ),
    ComparesHalfTheVersion: Caught(
        "a version is compared as a whole",
        "the version that the writer has read",
        "A writer with a version of another store overwrites a change.",
    ),
    RoundsTheVersion: Caught(
        "a version is compared as a whole",
        "the version that the writer has read",
        "A request fails with an error of the driver instead of a conflict.",
    ),
    ForgetsWhatWasHeld: Caught(
        "thousands of commits",
        "one higher with each write",
        "After a compaction, a second change is filed for a collector that has an open one.",
    ),
    StopsCounting: Caught(
        "thousands of commits",
        "one higher with each write",
        "A change that is polled for weeks can no longer be written.",
    ),
}
"""By broken backend: the promise that catches it, words of the quoted sentence, and the harm to a user."""
