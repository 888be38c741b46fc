"""Broken backends that take one text for another, or a time for something that it is not."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import re
import time
import unicodedata
import zlib
from itertools import chain
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.protocol import (
    Conflict,
    ConflictKind,
    EntryRows,
    Order,
    Query,
    Row,
    Rows,
    Write,
    cursor_at,
    sort_key,
)
from itsm_workflow_backends.memory import MemoryBackend
from tests.conformance.caught import Caught
from tests.conformance.good import FilePerChange, PlainDict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.conformance.good import Changes

_DIGEST = 64
_TEXTS = ("workflow", "subject", "open_subject")
_LISTS = {"states": "state", "attention": "attention", "ticket_sns": "ticket_sn"}


def found_as(change: Callable[[str], str], rows: Iterable[Row], query: Query) -> Rows:
    """Return the rows that match when a change was made to the texts of both sides."""

    def alike(row: Row) -> bool:
        pairs = [(getattr(query, name), getattr(row, name)) for name in _TEXTS]
        lists: list[tuple[Any, Any]] = [(getattr(query, name), getattr(row, of)) for name, of in _LISTS.items()]
        return all(a is None or (b is not None and change(a) == change(b)) for a, b in pairs) and all(
            some is None or (b is not None and change(b) in map(change, some)) for some, b in lists
        )

    return Rows(rows=tuple(row for row in rows if alike(row)))


def without_texts(query: Query) -> Query:
    """Return the query without the conditions on texts."""
    none: dict[str, Any] = dict.fromkeys((*_TEXTS, *_LISTS))
    return attrs.evolve(query, limit=10_000, **none)


class FindsInAnyCase(MemoryBackend):
    """Compares filters as a database with a usual collation does."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        folded = found_as(str.casefold, super().find(without_texts(query)).rows, query)
        return page if query.after or page.next else folded


class FindsPaddedNames(MemoryBackend):
    """Ignores blanks at the end, as a column of type CHAR does."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        padded = found_as(lambda text: text.rstrip(" "), super().find(without_texts(query)).rows, query)
        return page if query.after or page.next else padded


class FindsByAPattern(MemoryBackend):
    """Finds by LIKE, in which an underscore is any character."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        if query.subject is None or "_" not in query.subject:
            return page
        pattern = re.compile(re.escape(query.subject).replace("_", "."), re.DOTALL)
        rows = super().find(attrs.evolve(query, subject=None)).rows
        return Rows(rows=tuple(row for row in rows if pattern.fullmatch(row.subject)))


class BreaksTiesWithoutCase(MemoryBackend):
    """Orders ids of the same time as a database with a usual collation does."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        if query.order is Order.ID:
            return page
        rows = sorted(page.rows, key=lambda row: row.id.casefold())
        rows.sort(key=lambda row: sort_key(cursor_at(row, query.order), query.order)[0])
        return attrs.evolve(page, rows=tuple(rows))


class LooksAgainInLowerCase(MemoryBackend):
    """Looks for a workflow by its name in lower case if it finds nothing by the name as it is."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        is_lost = query.workflow is not None and not page.rows and query.after is None
        return super().find(attrs.evolve(query, workflow=(query.workflow or "").lower())) if is_lost else page


class LooksAgainInNormalForm(MemoryBackend):
    """Looks for a history by the normal form of the id if it finds nothing by the id as it is."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page = super().history(change_id, after_seq, limit)
        is_known = change_id in self._open_table().rows
        normal = unicodedata.normalize("NFKC", change_id)
        return page if is_known else super().history(normal, after_seq, limit)


class NormalizesSubjects(PlainDict):
    """Holds subjects as a file system holds names: in one normal form."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        held = {unicodedata.normalize("NFKC", row.open_subject or ""): row for row, _ in self._changes.values()}
        for write in writes:
            row = held.get(unicodedata.normalize("NFKC", write.row.open_subject or "-"))
            if len(writes) == 1 and row and row.id != write.row.id:
                return [Conflict(kind=ConflictKind.SUBJECT, change_id=write.row.id, holder=row.id)]
        return super().commit(writes)


def _basic(text: str) -> str:
    return re.sub("[\U00010000-\U0010ffff]", "\ufffd", text)


class FindsAnyRareCharacter(MemoryBackend):
    """Compares filters as some collations do, in which all characters beyond U+FFFF are equal."""

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        alike = found_as(_basic, super().find(without_texts(query)).rows, query)
        return page if query.after or page.next else alike


class HoldsRareCharactersAsOne(PlainDict):
    """Has a unique index with such a collation on the ticket."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        name, key = write.row.id, _basic(write.row.ticket_key or "")
        alike = {other for other, (row, _) in changes.items() if key and _basic(row.ticket_key or "") == key} - {name}
        if alike and not write.expected_version:
            return Conflict(kind=ConflictKind.TICKET, change_id=name, holder=min(alike))
        return super()._put(changes, write)


class FindsByAJoinedKey(MemoryBackend):
    """Has an index whose key is the state and the attention, with a dot between them."""

    def find(self, query: Query, /) -> Rows:
        if query.states is None or query.attention is None:
            return super().find(query)
        keys = {f"{state}.{attention}" for state in query.states for attention in query.attention}
        rows = super().find(attrs.evolve(query, states=None, attention=None, limit=10_000)).rows
        return Rows(rows=tuple(row for row in rows if f"{row.state}.{row.attention}" in keys))


class NumbersEntriesWithoutASeparator(MemoryBackend):
    """Keeps each entry under a key that is the id of the change, and the number of the entry behind it."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page = super().history(change_id, after_seq, limit)
        every = chain.from_iterable(list(self._open_table()._entries.values()))
        kept = {f"{line.change_id}{line.seq}": line for line in every}
        return attrs.evolve(page, entries=tuple(kept[f"{change_id}{line.seq}"] for line in page.entries))


class TakesEmptyForAny(MemoryBackend):
    """Asks whether a condition is true instead of whether it is None."""

    def find(self, query: Query, /) -> Rows:
        names = (*_TEXTS, "due_before")
        plain: dict[str, Any] = {name: getattr(query, name) or None for name in names}
        return super().find(attrs.evolve(query, **plain))


class TakesEmptyForNone(MemoryBackend):
    """Stores an empty text as None, as one database does."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        return super().commit([attrs.evolve(write, row=self._kept(write.row)) for write in writes])

    def _kept(self, row: Row) -> Row:
        names = ("attention", "open_subject", "ticket_key", "ticket_sn")
        kept: dict[str, Any] = {name: getattr(row, name) or None for name in names}
        return attrs.evolve(row, **kept)


class NamesFilesByIds(MemoryBackend):
    """Keeps histories in files, whose names have an underscore for what a file's name cannot have."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        def name(text: str) -> str:
            return re.sub(r"[^\w.-]", "_", text)[:255]

        owners = {name(known): known for known in self._open_table().rows}
        return super().history(owners.get(name(change_id), change_id), after_seq, limit)


class NamesFilesByChecksums(FilePerChange):
    """Keeps each change in a file, whose name is a checksum of 32 bits of its id."""

    def _file_name(self, change_id: str) -> str:
        return f"{zlib.crc32(change_id.encode()):08x}"


class NamesFilesInLowerCase(FilePerChange):
    """Keeps each change in a file whose name has no case, as on a file system that ignores it."""

    def _file_name(self, change_id: str) -> str:
        return super()._file_name(change_id.lower())


class EscapesSeparatorsOnly(FilePerChange):
    """Keeps each change in a file, in whose name separators are escaped, and the character that escapes them is not."""

    def _file_name(self, change_id: str) -> str:
        return super()._file_name(change_id.replace("/", "%2F"))


class NamesItsOwnFileAsAChange(FilePerChange):
    """Keeps each change in a file of its name, and writes a new one to a file that has a name as a change may have."""

    def _file_name(self, change_id: str) -> str:
        return change_id if change_id.isalnum() and len(change_id) < _DIGEST else super()._file_name(change_id)


class HoldsTheFirst255(PlainDict):
    """Has a unique index on the first 255 characters of a subject."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        held = {row.open_subject[:255]: row.id for row, _ in self._changes.values() if row.open_subject}
        for write in writes:
            holder = held.get((write.row.open_subject or "")[:255], write.row.id)
            if len(writes) == 1 and holder != write.row.id:
                return [Conflict(kind=ConflictKind.SUBJECT, change_id=write.row.id, holder=holder)]
        return super().commit(writes)


class SortsEntriesByTime(MemoryBackend):
    """Orders a history by the times of its entries."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page = super().history(change_id, after_seq, limit)
        return attrs.evolve(page, entries=tuple(sorted(page.entries, key=lambda line: line.at)))


class LetsTimeOnlyGrow(MemoryBackend):
    """Keeps the latest time at which a change was updated."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        rows = self._open_table().rows
        latest = {w.row.id: rows[w.row.id].updated_at for w in writes if w.row.id in rows}
        later = [attrs.evolve(w.row, updated_at=max(w.row.updated_at, latest.get(w.row.id, 0))) for w in writes]
        return super().commit([attrs.evolve(w, row=row) for w, row in zip(writes, later, strict=True)])


class KeepsLocalTimes(PlainDict):
    """Keeps times as those of a clock on the wall, which shows one hour of the year twice."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        seconds, rest = divmod(write.row.updated_at, 10**6)
        if not 0 <= seconds < 1 << 31:
            return super()._put(changes, write)
        at = int(time.mktime((*time.localtime(seconds)[:8], -1))) * 10**6 + rest
        return super()._put(changes, attrs.evolve(write, row=attrs.evolve(write.row, updated_at=at)))


class HoldsSubjectsForASecond(PlainDict):
    """Keeps open subjects under keys that expire."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        born: dict[str, float] = vars(self).setdefault("born", {})
        for name, (row, entries) in list(self._changes.items()):
            if time.monotonic() > born[name] + 1:
                self._changes[name] = (attrs.evolve(row, open_subject=None), entries)
        born |= {write.row.id: time.monotonic() for write in writes}
        return super().commit(writes)


class ForgetsWhatHasEnded(MemoryBackend):
    """Keeps the history of a change that has ended for a second."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        row = self.get(change_id)
        seen: dict[str, float] = vars(self).setdefault("seen", {})
        expired = row and row.state == "approved" and time.monotonic() > seen.get(change_id, 2.0**60) + 1
        return EntryRows(entries=()) if expired else super().history(change_id, after_seq, limit)

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        vars(self).setdefault("seen", {}).update({write.row.id: time.monotonic() for write in writes})
        return super().commit(writes)


ZOO = {
    BreaksTiesWithoutCase: Caught(
        "another spelling is another value",
        "compared code point by code point",
        "A pass leaves out changes of one time, some of whose names begin with a capital.",
    ),
    FindsInAnyCase: Caught(
        "another spelling is another value",
        "All texts are compared code point by code point",
        "A gate reads the approval of another collector, whose name differs in case.",
    ),
    FindsPaddedNames: Caught(
        "another spelling is another value",
        "All texts are compared code point by code point",
        "A gate reads the approval of another collector, whose name has a blank at its end.",
    ),
    FindsByAPattern: Caught(
        "another spelling is another value",
        "All texts are compared code point by code point",
        "A gate reads the approval of another collector, whose name matches as a pattern.",
    ),
    LooksAgainInLowerCase: Caught(
        "another spelling is another value",
        "All texts are compared code point by code point",
        "A host that misspells the name of a workflow is shown the changes of another one.",
    ),
    LooksAgainInNormalForm: Caught(
        "another spelling is another value",
        "All texts are compared code point by code point",
        "A change that does not exist has the history of another one, whose name looks alike.",
    ),
    NormalizesSubjects: Caught(
        "another spelling is another value",
        "All texts are compared code point by code point",
        "An application is refused because of another collector, whose name looks alike.",
    ),
    FindsAnyRareCharacter: Caught(
        "another spelling is another value",
        "All texts are compared code point by code point",
        "A gate opens by the approval of a collector whose name differs in one rare character.",
    ),
    HoldsRareCharactersAsOne: Caught(
        "another spelling is another value",
        "All texts are compared code point by code point",
        "A ticket cannot be bound because of another one, whose name differs in one rare character.",
    ),
    FindsByAJoinedKey: Caught(
        "joined columns stay apart",
        "The conditions that rows must meet",
        "A list of changes that need a person shows others, too.",
    ),
    NumbersEntriesWithoutASeparator: Caught(
        "joined columns stay apart",
        "The conditions that rows must meet",
        "The history of a change shows the approval of another one.",
    ),
    TakesEmptyForAny: Caught(
        "an empty text is a value",
        'None means "any"; an empty tuple means "none"',
        "A query with an empty name returns the changes of all.",
    ),
    TakesEmptyForNone: Caught(
        "an empty text is a value",
        'None means "any"; an empty tuple means "none"',
        "The digest of a row does not match, and the change is reported as damaged.",
    ),
    NamesFilesByIds: Caught(
        "names are not file names",
        "Return the row of that id as of the last commit",
        "A change shows the history of another one.",
    ),
    NamesFilesByChecksums: Caught(
        "another spelling is another value",
        "All texts are compared code point by code point",
        "A change is overwritten by another one, and who approved it is lost.",
    ),
    NamesFilesInLowerCase: Caught(
        "names are not file names",
        "Return the row of that id as of the last commit",
        "A change is overwritten by another one, whose name differs in case.",
    ),
    EscapesSeparatorsOnly: Caught(
        "names are not file names",
        "Return the row of that id as of the last commit",
        "A change is overwritten by another one, whose name looks like an escaped one.",
    ),
    NamesItsOwnFileAsAChange: Caught(
        "names are not those of its files",
        "Return the row of that id as of the last commit",
        "A change is gone after the next one was stored, because it has the name of a file of the store.",
    ),
    HoldsTheFirst255: Caught(
        "names that begin alike",
        "while the change holds its subject, else None. Unique.",
        "An application is refused because of another collector, whose long name begins alike.",
    ),
    SortsEntriesByTime: Caught(
        "times may go backwards",
        "numbered 1 to ``seq``",
        "After a clock was set back, the history is reported as forged.",
    ),
    LetsTimeOnlyGrow: Caught(
        "times may go backwards",
        "numbered 1 to ``seq``",
        "After a clock was set back, the change is reported as damaged.",
    ),
    KeepsLocalTimes: Caught(
        "times are exact",
        "Times are integer microseconds since the Unix epoch, UTC",
        "In the night in which summer time ends, a change that was just approved is reported as damaged.",
    ),
    HoldsSubjectsForASecond: Caught(
        "nothing expires",
        "Never changed, never deleted.",
        "A second ticket is filed for a collector whose approval takes long.",
    ),
    ForgetsWhatHasEnded: Caught(
        "nothing expires",
        "Never changed, never deleted.",
        "Who approved a change cannot be found out after a while.",
    ),
}
"""By broken backend: the promise that catches it, words of the quoted sentence, and the harm to a user."""
