"""Short functions for the writes and reads of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.protocol import EntryRow, Query, Row, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from itsm_workflow.storage.protocol import Rows, StorageBackend

NOW = 1_790_000_000_123_457
"""A time whose last digit is lost in milliseconds, or in a float of seconds."""


def entry(change_id: str, seq: int, **columns: Any) -> EntryRow:  # any column
    """Return one line of history."""
    plain = EntryRow(
        change_id=change_id,
        seq=seq,
        at=NOW + seq,
        trigger="submit",
        source="draft",
        dest="applying",
        actor="alice",
        document=f'{{"line":{seq}}}',
    )
    return attrs.evolve(plain, **columns)


def create(change_id: str, *, entries: int = 1, **columns: Any) -> Write:  # any column
    """Return the write of a new change with that many entries."""
    row = Row(
        id=change_id,
        workflow="collector",
        state="applying",
        attention=None,
        version=1,
        seq=entries,
        subject=f"subject of {change_id}",
        open_subject=None,
        ticket_key=None,
        ticket_sn=None,
        submission=None,
        due_at=None,
        created_at=NOW,
        updated_at=NOW + entries,
        form='{"title":"接入 nginx 日志"}',
        document="{}",
    )
    lines = tuple(entry(change_id, seq) for seq in range(1, entries + 1))
    return Write(row=attrs.evolve(row, **columns), expected_version=0, entries=lines)


def follow(row: Row, *, entries: int = 1, **columns: Any) -> Write:  # any column
    """Return a write that follows a stored row, with that many entries."""
    seq = row.seq + entries
    following = attrs.evolve(row, version=row.version + 1, seq=seq, updated_at=NOW + seq)
    lines = tuple(entry(row.id, number) for number in range(row.seq + 1, seq + 1))
    return Write(row=attrs.evolve(following, **columns), expected_version=row.version, entries=lines)


def claim(row: Row, due_at: int | None) -> Write:
    """Return a write that only moves the due time."""
    return Write(row=attrs.evolve(row, version=row.version + 1, due_at=due_at), expected_version=row.version)


def refused(error: type[Exception], what: str, call: Callable[[], object]) -> None:
    """Make a call that must raise this error."""
    try:
        answer = call()
    except error:
        return
    except Exception as other:
        raise AssertionError(f"{what} must raise {error.__name__}, not {type(other).__name__}: {other}") from other
    raise AssertionError(f"{what} must raise {error.__name__}; it returned {answer!r}")


def kept_or_refused(backend: StorageBackend, write: Write) -> bool:
    """Commit a write with a size or characters that a backend may refuse; return whether it was stored.

    A refusal is a ValueError that names the change, and leaves no trace.
    """
    change_id = write.row.id
    shown = ascii(change_id[:40])
    try:
        answer = backend.commit([write])
    except UnicodeError as error:
        raise AssertionError(f"the refusal of {shown} is an encoding error: {error}") from error
    except ValueError as error:
        if change_id[:40] not in str(error) and repr(change_id[:40])[:-1] not in str(error):
            raise AssertionError(f"the refusal of {shown} does not name the change: {str(error)[:200]}") from error
        assert backend.get(change_id) is None, f"{shown} was refused, and is stored"
        return False
    assert answer == [None], f"{shown} is answered {answer!a}, but no other change has its values"
    return True


def stored(backend: StorageBackend, write: Write) -> Row:
    """Commit a write that must succeed, and return its row."""
    answer = backend.commit([write])
    assert answer == [None], (
        f"the commit of {write.row.id[:40]!a} is answered {answer!a}, but nothing conflicts with it"
    )
    return present(backend, write.row.id)


def present(backend: StorageBackend, change_id: str) -> Row:
    """Return a row that must exist."""
    row = backend.get(change_id)
    assert row is not None, f"get({change_id!a}) returned None"
    return row


def whole_history(backend: StorageBackend, change_id: str, *, limit: int = 1000) -> list[EntryRow]:
    """Return all entries, read page by page."""
    entries: list[EntryRow] = []
    after: int | None = 0
    while after is not None:
        page = backend.history(change_id, after_seq=after, limit=limit)
        assert len(page.entries) <= limit
        assert page.next_seq is None or page.next_seq > after, "the page's next_seq does not advance"
        entries += page.entries
        after = page.next_seq
    return entries


def pages(backend: StorageBackend, query: Query) -> Iterator[Rows]:
    """Yield page by page what the query finds."""
    page = backend.find(query)
    yield page
    while page.next is not None:
        assert page.rows, "an empty page says that there are more"
        page = backend.find(attrs.evolve(query, after=page.next))
        yield page


def found(backend: StorageBackend, **query: Any) -> list[str]:  # any field of Query
    """Return the ids of all rows that the query finds, in its order."""
    return [row.id for page in pages(backend, Query(**query)) for row in page.rows]
