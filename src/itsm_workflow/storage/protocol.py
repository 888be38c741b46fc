"""The storage port: what a backend promises, and the plain values that it keeps.

A backend never sees a class or a definition of this library other than the values below: strings, integers and None.
Every sentence of these docstrings is a promise that ``itsm_workflow.testing.StorageConformance`` tests.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

PROTOCOL_VERSION = 2
"""Raised when a sentence of the port changes; a backend of another version is refused when it is opened."""


@attrs.frozen(kw_only=True)
class Row:
    """One change as it is stored.

    Times are integer microseconds since the Unix epoch, UTC. Ids are case-sensitive.

    Attributes:
        id: Unique.
        workflow: The name of the definition.
        state: The state's value.
        attention: The reason why a person should look, or None.
        version: Starts at 1, one higher with each write.
        seq: The number of entries in the history, which are numbered 1 to ``seq``.
        subject: What the change is about.
        open_subject: Workflow and subject while the change holds its subject, else None. Unique.
        ticket_key: Gateway name and ticket id, or None. Unique.
        ticket_sn: The ticket's number, or None. Indexed, **not** unique: one sn can name two tickets.
        submission: The number of the subject's submission that this change was last submitted as, or None if it was
            never submitted. Indexed with the subject, **not** unique.
        due_at: When to look next, or None.
        created_at: The time of the first entry.
        updated_at: The time of the last entry.
        form: What was asked, canonical JSON. In a write, None leaves the stored text as it is.
        document: All that no column holds, canonical JSON.
    """

    id: str
    workflow: str
    state: str
    attention: str | None
    version: int
    seq: int
    subject: str
    open_subject: str | None
    ticket_key: str | None
    ticket_sn: str | None
    submission: int | None
    due_at: int | None
    created_at: int
    updated_at: int
    form: str | None
    document: str


@attrs.frozen(kw_only=True)
class EntryRow:
    """One line of a change's history as it is stored. Never changed, never deleted."""

    change_id: str
    seq: int
    at: int
    trigger: str
    source: str
    dest: str
    actor: str
    document: str


@attrs.frozen(kw_only=True)
class Write:
    """One change's next row and the entries that lead to it.

    Attributes:
        row: The row as it shall be. ``row.version == expected_version + 1``.
        expected_version: 0 creates; otherwise the version that the writer has read.
        entries: Numbered on from the stored ``seq``; ``row.seq`` is the last number. May be empty: then only
            ``due_at`` and ``version`` move, and ``updated_at`` stays, whatever else the row says.
    """

    row: Row
    expected_version: int
    entries: tuple[EntryRow, ...] = ()


class ConflictKind(enum.StrEnum):
    """Why a write lost. Where several hold, the first in this order is told."""

    VERSION = "version"
    SUBJECT = "subject"
    TICKET = "ticket"


@attrs.frozen(kw_only=True)
class Conflict:
    """A write that lost; nothing of it was stored.

    Attributes:
        kind: What it lost on.
        change_id: The id of the write that lost.
        holder: For ``subject`` and ``ticket``, the id of the change that holds it, if the backend can tell.
    """

    kind: ConflictKind
    change_id: str
    holder: str | None = None


class Order(enum.StrEnum):
    """The four orders in which a query can be read; ties are broken by id.

    Each order is ascending but for SUBMISSION, which is descending: the newest submission comes first, and ties by
    ascending id.
    """

    ID = "id"
    DUE_AT = "due_at"
    UPDATED_AT = "updated_at"
    SUBMISSION = "submission"


@attrs.frozen(kw_only=True)
class Cursor:
    """Where the last page ended: the ordering value of its last row (None when ordered by id) and that row's id."""

    value: int | None
    id: str


@attrs.frozen(kw_only=True)
class Query:
    """Which rows to find. None means "any"; an empty tuple means "none".

    Attributes:
        due_before: Rows with ``due_at`` at or before this time. Rows without ``due_at`` never match.
        open_subject: Only the row that holds this open subject, so at most one.
        updated_before: Rows with ``updated_at`` at or before this time.
        order: Ordered by due_at, rows without one are left out. Ordered by submission, rows that were never submitted
            are left out.
        after: Continue behind this cursor.
        limit: At most so many rows, at least 1.
    """

    ids: tuple[str, ...] | None = None
    workflow: str | None = None
    states: tuple[str, ...] | None = None
    attention: tuple[str, ...] | None = None
    subject: str | None = None
    open_subject: str | None = None
    ticket_sns: tuple[str, ...] | None = None
    due_before: int | None = None
    updated_before: int | None = None
    order: Order = Order.ID
    after: Cursor | None = None
    limit: int = 100


@attrs.frozen(kw_only=True)
class Rows:
    """One page. ``next`` is the cursor for the page behind it, or None if this was the last."""

    rows: tuple[Row, ...]
    next: Cursor | None = None


@attrs.frozen(kw_only=True)
class EntryRows:
    """One page of history, oldest first. ``next_seq`` goes into ``after_seq`` for more, or is None."""

    entries: tuple[EntryRow, ...]
    next_seq: int | None = None


@attrs.frozen(kw_only=True)
class Schema:
    """Which schema a store was written with, and the newest that its backend knows."""

    found: int
    known: int


@runtime_checkable
class StorageBackend(Protocol):
    """A place where changes are kept.

    Methods are synchronous. One backend object is shared by the threads of a process; the store behind it is shared by
    processes. Every method may raise ``StorageUnavailable`` or ``StorageCorrupt``.
    """

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store each write or say why not, and make all that were stored durable before returning.

        The answer has the length and the order of the writes: None for a write that was stored, else its conflict.
        Each write succeeds or conflicts independently of the others, in any order the backend likes. A write is
        stored whole, row and entries, or not at all.

        Raises:
            ValueError: Two writes of one id, a version that is not ``expected_version + 1``, entries that do not
                number on to ``row.seq`` (or, where the version fits, from the stored one), a size or character the
                backend cannot keep. Checked before anything is stored, so that one bad write cannot fail a batch
                half-way.
            StorageUnavailable: The outcome is *unknown*: reopen and read again before acting on it.
        """
        ...

    def get(self, change_id: str, /) -> Row | None:
        """Return the row of that id as of the last commit, with its form, or None."""
        ...

    def find(self, query: Query, /) -> Rows:
        """Return one page of the rows that match.

        Read page by page, a row that matches throughout is never left out; only a row that itself changed between
        two pages can be met twice or missed. Rows come whole, as `get` returns them.

        Raises:
            ValueError: A limit below 1, a cursor that another order gave, a number over 64 bits.
        """
        ...

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return entries ``after_seq + 1`` and on, at most ``limit``. Empty for an unknown id.

        Raises:
            ValueError: A limit below 1.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections.

        Closing twice is fine; any other call afterwards raises StorageUnavailable.
        """
        ...


MAX_TEXT_BYTES = 4 * 1024 * 1024
"""No text of a row or an entry may be longer than this, in UTF-8."""

_INTEGERS = range(-(2**63), 2**63)

_ROW_TEXTS = ("id", "workflow", "state", "subject", "document")
_ROW_OPTIONAL_TEXTS = ("attention", "open_subject", "ticket_key", "ticket_sn", "form")
_ROW_INTEGERS = ("version", "seq", "created_at", "updated_at")
_ROW_OPTIONAL_INTEGERS = ("submission", "due_at")
_ENTRY_TEXTS = ("change_id", "trigger", "source", "dest", "actor", "document")
_ENTRY_INTEGERS = ("seq", "at")


def check_writes(writes: Sequence[Write]) -> None:
    """Refuse a batch that no backend may store; each backend calls this first.

    Raises:
        ValueError: As promised by `StorageBackend.commit`; also NUL, a lone surrogate, a text over `MAX_TEXT_BYTES`, a
            number over 64 bits, a value of another type.
    """
    seen: set[str] = set()
    for write in writes:
        row = write.row
        _check_values(write)
        if row.id in seen:
            raise ValueError(f"two writes of change {row.id!r} in one commit")
        seen.add(row.id)
        if write.expected_version < 0 or row.version != write.expected_version + 1:
            raise ValueError(f"change {row.id!r}: version {row.version} does not follow {write.expected_version}")
        first = row.seq - len(write.entries) + 1
        numbers = [entry.seq for entry in write.entries]
        if numbers != list(range(first, row.seq + 1)) or any(e.change_id != row.id for e in write.entries):
            raise ValueError(f"change {row.id!r}: entries {numbers} do not number on to seq {row.seq}")
        if write.expected_version == 0 and (first != 1 or row.form is None):
            raise ValueError(f"change {row.id!r}: a new change brings its form and its whole history")


def check_follows(write: Write, *, stored_seq: int) -> None:
    """Refuse entries that leave a gap behind the stored ones; called once the version was found to fit.

    Raises:
        ValueError: As promised by `StorageBackend.commit`.
    """
    first = write.row.seq - len(write.entries) + 1
    if first != stored_seq + 1:
        raise ValueError(f"change {write.row.id!r}: entries from {first} do not follow the stored {stored_seq}")


def check_query(query: Query) -> None:
    """Refuse a query that no backend may answer; each backend calls this first.

    Raises:
        ValueError: As promised by `StorageBackend.find`.
    """
    check_limit(query.limit)
    if query.after is not None and (query.after.value is None) != (query.order is Order.ID):
        raise ValueError(f"the cursor {query.after} was not given by a query ordered by {query.order}")
    for number in (query.due_before, query.updated_before, query.after.value if query.after else None):
        if number is not None and number not in _INTEGERS:
            raise ValueError(f"the time {number} does not fit into 64 bits")


def check_limit(limit: int) -> None:
    """Refuse a page that cannot hold anything.

    Raises:
        ValueError: As promised by `StorageBackend.history`.
    """
    if limit not in range(1, 2**63 - 1):
        raise ValueError(f"a page holds at least 1, not {limit}")


def cursor_at(row: Row, order: Order) -> Cursor:
    """Return the cursor that continues behind the row."""
    value: int | None = None if order is Order.ID else getattr(row, order.value)
    return Cursor(value=value, id=row.id)


def sort_key(cursor: Cursor, order: Order) -> tuple[int, str]:
    """Return the key by which a backend that sorts in Python orders its rows: the lower key comes first."""
    value = cursor.value or 0
    return -value if order is Order.SUBMISSION else value, cursor.id


def is_keepable(text: str) -> bool:
    """Tell whether a store can keep this text, so whether it can name anything stored."""
    try:
        return "\0" not in text and len(text.encode()) <= MAX_TEXT_BYTES
    except UnicodeEncodeError:
        return False


def _check_values(write: Write) -> None:
    row = write.row
    where = f"change {row.id!r}"
    texts = [(name, getattr(row, name)) for name in _ROW_TEXTS]
    texts += [(name, value) for name in _ROW_OPTIONAL_TEXTS if (value := getattr(row, name)) is not None]
    numbers = [(name, getattr(row, name)) for name in _ROW_INTEGERS]
    numbers += [(name, value) for name in _ROW_OPTIONAL_INTEGERS if (value := getattr(row, name)) is not None]
    for entry in write.entries:
        texts += [(f"entry {entry.seq} {name}", getattr(entry, name)) for name in _ENTRY_TEXTS]
        numbers += [(f"entry {entry.seq} {name}", getattr(entry, name)) for name in _ENTRY_INTEGERS]
    for name, value in texts:
        if not isinstance(value, str) or not is_keepable(value):
            raise ValueError(
                f"{where}: {name} is no text that can be kept: NUL, lone surrogate, or over {MAX_TEXT_BYTES} bytes"
            )
    for name, value in numbers:
        if not isinstance(value, int) or isinstance(value, bool) or value not in _INTEGERS:
            raise ValueError(f"{where}: {name} is no whole number of 64 bits: {value!r}")
