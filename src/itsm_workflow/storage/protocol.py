"""The storage port: the methods that a backend implements, and the plain values that it stores.

A backend never receives an object of this library other than the values below, which consist of strings, integers and
None. Every sentence of these docstrings is a promise that ``itsm_workflow.testing.StorageConformance`` tests.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

PROTOCOL_VERSION = 2
"""Increased when a promise of the port changes; a backend of another version is refused when it is opened."""


@attrs.frozen(kw_only=True)
class Row:
    """One change as it is stored.

    Times are integer microseconds since the Unix epoch, UTC. Ids are case-sensitive. All texts are compared code point
    by code point, also those of a query: case, blanks and Unicode normal forms make a difference.

    Attributes:
        id: Unique.
        workflow: The name of the definition.
        state: The state's value.
        attention: The reason why the change needs attention, or None.
        version: Starts at 1, one higher with each write.
        seq: The number of entries in the history, which are numbered 1 to ``seq``.
        subject: What the change is about.
        open_subject: Workflow and subject while the change holds its subject, else None. Unique.
        ticket_key: Gateway name and ticket id, or None. Unique.
        ticket_sn: The ticket's number, or None. Indexed, **not** unique: one sn can name two tickets.
        submission: The number of the subject's submission that this change was last submitted as, or None if it was
            never submitted. Indexed with the subject, **not** unique.
        due_at: The time at which the change is due, or None.
        created_at: The time of the first entry.
        updated_at: The time of the last entry.
        form: The form, as canonical JSON. In a write, None leaves the stored text as it is. The first write of a change
            must have a form.
        document: Everything that no column holds, as canonical JSON.
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
    """One line of a change's history as it is stored. Never changed, never deleted.

    Attributes:
        change_id: The id of the change. Unique together with ``seq``.
        seq: The number of the entry, from 1, without gaps.
        at: The time of the entry, as in a `Row`.
        trigger: The name of what led to the entry.
        source: The value of the state before, empty for the first entry.
        dest: The value of the state after it, equal to ``source`` if only facts were added.
        actor: The name of the person or the system that did it.
        document: Everything that no column holds, as canonical JSON.
    """

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
        row: The row to store. ``row.version == expected_version + 1``.
        expected_version: 0 creates; otherwise the version that the writer has read.
        entries: Numbered on from the stored ``seq``; ``row.seq`` is the last number. May be empty: then only
            ``due_at`` and ``version`` move, and ``updated_at`` stays, whatever else the row says.
    """

    row: Row
    expected_version: int
    entries: tuple[EntryRow, ...] = ()


class ConflictKind(enum.StrEnum):
    """The reason of a conflict.

    If several reasons apply, the first in the order version, subject, ticket is reported.
    """

    VERSION = "version"
    SUBJECT = "subject"
    TICKET = "ticket"


@attrs.frozen(kw_only=True)
class Conflict:
    """The result of a write that conflicts with the store; nothing of it was stored.

    Attributes:
        kind: The reason.
        change_id: The id of the change in the write.
        holder: For ``subject`` and ``ticket``, the id of the change that holds it, if the backend knows it.
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
    """The end of a page: the ordering value of its last row (None when ordered by id) and that row's id."""

    value: int | None
    id: str


@attrs.frozen(kw_only=True)
class Query:
    """The conditions that rows must meet. None means "any"; an empty tuple means "none".

    Attributes:
        due_before: Rows with ``due_at`` at or before this time. Rows without ``due_at`` never match.
        open_subject: Only the row that holds this open subject, so at most one.
        updated_before: Rows with ``updated_at`` at or before this time.
        order: Ordered by due_at, rows without one are left out. Ordered by submission, rows that were never submitted
            are left out.
        after: Continue after this cursor.
        limit: The maximum number of rows, at least 1 and less than 2**63 - 1.
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
    """One page of rows. ``next`` is the cursor for the following page, or None if this was the last.

    Each page but the last has as many rows as the query's limit. The library does not rely on that: it reads on until
    ``next`` is None, past a page that is short or empty.
    """

    rows: tuple[Row, ...]
    next: Cursor | None = None


@attrs.frozen(kw_only=True)
class EntryRows:
    """One page of history, oldest first. ``next_seq`` goes into ``after_seq`` for more, or is None."""

    entries: tuple[EntryRow, ...]
    next_seq: int | None = None


@attrs.frozen(kw_only=True)
class Schema:
    """The schema that a store was written with, and the newest schema that its backend knows."""

    found: int
    known: int


@runtime_checkable
class StorageBackend(Protocol):
    """A store of changes.

    Methods are synchronous. One backend object is shared by the threads of a process; the store behind it is shared by
    processes. Every method may raise ``StorageUnavailable`` or ``StorageCorrupt``. A method raises TypeError for an
    argument, or a value in it, of another type than declared here, before it stores or reads anything; a bool is not a
    number. The checks that do so are in ``itsm_workflow.storage.checks``, and each backend calls them first.

    An error of the operating system, of a driver or of a connection is raised as one of the two, never as itself. A
    read that fails raises: it returns neither nothing nor an older state instead. After an error, the object reads what
    a newly opened store would read, or raises again; it holds no lock.
    """

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store each write or say why not, and make all that were stored durable before returning.

        The answer has the length and the order of the writes: None for a write that was stored, else its conflict.
        Each write succeeds or conflicts independently of the others, in any order the backend likes. A write is
        stored whole, row and entries, or not at all.

        A write is answered as stored only if it is stored: if its data cannot be written or synced, commit raises. A
        lock that is not given in time, a deadlock that the store gives up and a lost answer raise as well; none of them
        is answered as a conflict. A commit that raised does not affect the following ones: each of them is stored
        whole, or raises as well. A power cut or a crash at any moment leaves every acknowledged write, and every other
        write whole or not at all.

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
            ValueError: A limit below 1 or of 2**63 - 1 or more, a cursor that another order gave or whose id no row can
                have, a number over 64 bits.
        """
        ...

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return entries ``after_seq + 1`` and on, at most ``limit``. Empty for an unknown id.

        Raises:
            ValueError: A limit below 1 or of 2**63 - 1 or more, an ``after_seq`` below 0.
        """
        ...

    def close(self) -> None:
        """Release files and connections.

        Closing twice is fine; any other call afterwards raises StorageUnavailable.
        """
        ...


MAX_TEXT_BYTES = 4 * 1024 * 1024
"""No text of a row or an entry may be longer than this, in UTF-8."""


def ticket_key(gateway: str, ticket_id: str) -> str:
    """Return the unique key of a ticket: its gateway's name, which contains no colon, and its id."""
    return f"{gateway}:{ticket_id}"


def cursor_at(row: Row, order: Order) -> Cursor:
    """Return the cursor that continues after the row."""
    value: int | None = None if order is Order.ID else getattr(row, order.value)
    return Cursor(value=value, id=row.id)


def sort_key(cursor: Cursor, order: Order) -> tuple[int, str]:
    """Return the key by which a backend that sorts in Python orders its rows: the lower key comes first."""
    value = cursor.value or 0
    return -value if order is Order.SUBMISSION else value, cursor.id
