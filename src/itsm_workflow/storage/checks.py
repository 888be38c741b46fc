"""The argument checks of the storage port.

A backend calls the check of a method before anything else, so every backend rejects the same arguments with the same
error: TypeError for a value of another type than the port declares, ValueError for a value that the port excludes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self

import attrs

from itsm_workflow.storage.protocol import MAX_TEXT_BYTES, Cursor, EntryRow, Order, Query, Row, Write
from itsm_workflow.text import unstorable

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEQUENCES_OF_CHARACTERS = (str, bytes, bytearray, memoryview)
_LONGEST_SHOWN = 128
_NUMBER = {int}
_LEAST, _MOST = -(2**63), 2**63 - 1


@attrs.frozen
class _Columns:
    """Columns of a row or an entry that are checked in the same way."""

    names: tuple[str, ...]
    read: Callable[[Row | EntryRow], tuple[object, ...]]
    of_texts: bool
    optional: bool

    @classmethod
    def of(cls, names: tuple[str, ...], *, of_texts: bool, optional: bool = False) -> Self:
        # One call reads all columns, for speed: every line of a JSON store is checked when it is read.
        return cls(names, attrgetter(*names), of_texts, optional)


_ROW = (
    _Columns.of(("id", "workflow", "state", "subject", "document"), of_texts=True),
    _Columns.of(("attention", "open_subject", "ticket_key", "ticket_sn", "form"), of_texts=True, optional=True),
    _Columns.of(("version", "seq", "created_at", "updated_at"), of_texts=False),
    _Columns.of(("submission", "due_at"), of_texts=False, optional=True),
)
_ENTRY = (
    _Columns.of(("change_id", "trigger", "source", "dest", "actor", "document"), of_texts=True),
    _Columns.of(("seq", "at"), of_texts=False),
)
_QUERY_TEXTS = ("workflow", "subject", "open_subject")
_QUERY_LISTS = ("ids", "states", "attention", "ticket_sns")
_QUERY_TIMES = ("due_before", "updated_before")


def check_writes(writes: Sequence[Write]) -> None:
    """Reject a batch that no backend can store.

    Raises:
        TypeError: The batch is not a sequence, a member is not a `Write`, or a value in it has another type than the
            port declares.
        ValueError: As documented for `StorageBackend.commit`. The characters and sizes that cannot be stored are NUL,
            a lone surrogate, a text over `MAX_TEXT_BYTES` and a number over 64 bits.
    """
    _check_batch(writes)
    for place, write in enumerate(writes):
        if not _is(write, Write):
            _check_instance(f"write {place} of the commit", write, Write)
        _check_write(write, place)
    seen: set[str] = set()
    for write in writes:
        row = write.row
        if row.id in seen:
            raise ValueError(
                f"change {row.id!r}: the commit contains two writes of this change; write each change once per commit"
            )
        seen.add(row.id)
        if write.expected_version < 0 or row.version != write.expected_version + 1:
            raise ValueError(
                f"change {row.id!r}: version {row.version} does not follow the expected version "
                f"{write.expected_version}; it must be one higher"
            )
        first = row.seq - len(write.entries) + 1
        numbers = [entry.seq for entry in write.entries]
        if numbers != list(range(first, row.seq + 1)) or any(e.change_id != row.id for e in write.entries):
            raise ValueError(
                f"change {row.id!r}: the entries, numbered {numbers}, must belong to this change and be numbered "
                f"consecutively up to the row's seq, {row.seq}"
            )
        if write.expected_version == 0 and (first != 1 or row.form is None):
            raise ValueError(
                f"change {row.id!r}: the first write of a change must contain its form and its entries from number 1 on"
            )


def check_follows(write: Write, *, stored_seq: int) -> None:
    """Reject entries that leave a gap after the stored ones; call it after the version was found to match.

    Raises:
        ValueError: As documented for `StorageBackend.commit`.
    """
    first = write.row.seq - len(write.entries) + 1
    if first != stored_seq + 1 and not write.entries:
        raise ValueError(
            f"change {write.row.id!r}: a write without entries has the seq {write.row.seq}, but the last stored entry "
            f"has number {stored_seq}; compare the versions first, since that of such a write can be stale"
        )
    if first != stored_seq + 1:
        raise ValueError(
            f"change {write.row.id!r}: the entries from number {first} on do not follow the last stored entry, number "
            f"{stored_seq}"
        )


def check_id(change_id: str) -> None:
    """Reject an id that is not a str; a str that cannot be the id of a change is accepted and matches no change.

    Raises:
        TypeError: As documented for `StorageBackend`.
    """
    _check_text("the id of a change", change_id)


def check_query(query: Query) -> None:
    """Reject a query that no backend can answer.

    Raises:
        TypeError: As documented for `StorageBackend`.
        ValueError: As documented for `StorageBackend.find`.
    """
    _check_instance("the query", query, Query)
    for name in _QUERY_TEXTS:
        _check_text(f"Query.{name}", getattr(query, name), optional=True)
    for name in _QUERY_LISTS:
        _check_texts(f"Query.{name}", getattr(query, name))
    for name in _QUERY_TIMES:
        _check_number(f"Query.{name}", getattr(query, name), optional=True)
    _check_instance("Query.order", query.order, Order)
    if query.after is not None:
        _check_instance("Query.after", query.after, Cursor)
        _check_number("Query.after.value", query.after.value, optional=True)
        _check_text("Query.after.id", query.after.id)
    _check_limit("Query.limit", query.limit)
    for name in _QUERY_TIMES:
        _check_size(f"Query.{name}", getattr(query, name))
    if query.after is not None:
        _check_cursor(query.after, query.order)


def check_history(change_id: str, after_seq: int, limit: int) -> None:
    """Reject the arguments of `StorageBackend.history` that no backend can answer.

    Raises:
        TypeError: As documented for `StorageBackend`.
        ValueError: As documented for `StorageBackend.history`.
    """
    check_id(change_id)
    _check_number("after_seq", after_seq)
    _check_limit("limit", limit)
    if after_seq < 0:
        raise ValueError(f"after_seq must be 0 or more, not {_shown(after_seq)}: entries are numbered from 1")


def check_timeout(timeout: object) -> None:
    """Reject a backend's time-out with which a call would wait without limit, or fail when it first has to wait.

    Raises:
        TypeError: The time-out is not a number.
        ValueError: The time-out is below 0, is NaN, or is longer than a lock can wait.
    """
    if not isinstance(timeout, int | float) or isinstance(timeout, bool):
        raise TypeError(f"timeout must be a number of seconds, not {_type_of(timeout)}")
    if not 0 <= timeout <= threading.TIMEOUT_MAX:
        raise ValueError(f"timeout must be from 0 to {threading.TIMEOUT_MAX:.0f} seconds, not {timeout}")


def is_keepable(text: str) -> bool:
    """Return whether a store can keep this text; a text that it cannot keep matches nothing in any store."""
    if "\0" in text:
        return False
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return size <= MAX_TEXT_BYTES


def _check_batch(writes: object) -> None:
    # A generator would be empty after the check, and a set has no order for the results.
    if not isinstance(writes, Sequence) or isinstance(writes, _SEQUENCES_OF_CHARACTERS):
        raise TypeError(f"commit takes a sequence of Write, such as a list, not {_type_of(writes)}")


def _check_write(write: Write, place: int) -> None:
    row, expected, entries = write.row, write.expected_version, write.entries
    if not _is(row, Row):
        _check_instance(f"write {place} of the commit: row", row, Row)
    if not _is(row.id, str):
        _check_text(f"write {place} of the commit: id", row.id)
    _check_columns(row, _ROW)
    if not _is_sound_number(expected):
        _check_number(f"change {row.id!r}: expected_version", expected)
        _check_size(f"change {row.id!r}: expected_version", expected)
    if not _is(entries, tuple):
        _check_instance(f"change {row.id!r}: entries", entries, tuple)
    for number, entry in enumerate(entries):
        if not _is(entry, EntryRow):
            raise TypeError(f"change {row.id!r}: entries[{number}] must be of type EntryRow, not {_type_of(entry)}")
        _check_columns(entry, _ENTRY)


def _place_of(value: Row | EntryRow) -> str:
    if isinstance(value, Row):
        return f"change {value.id!r}:"
    return f"change {value.change_id!r}: entry {_shown(value.seq)}"


def _check_columns(value: Row | EntryRow, columns: Iterable[_Columns]) -> None:
    # The messages are made only for a column that breaks a rule: every write passes here.
    for some in columns:
        found = some.read(value)
        given = [one for one in found if one is not None] if some.optional else found
        if _are_keepable_together(given) if some.of_texts else _are_sound_numbers(given):
            continue
        is_sound = _is_sound_text if some.of_texts else _is_sound_number
        for name, column in zip(some.names, found, strict=True):
            if not (is_sound(column) or (column is None and some.optional)):
                _refuse_column(f"{_place_of(value)} {name}", column, some)


def _are_keepable_together(columns: Iterable[Any]) -> bool:
    """Return whether all columns are texts that could be kept as one text; each of them can then be kept as well."""
    try:
        return is_keepable("".join(columns))
    except TypeError:  # one is not a text
        return False


def _are_sound_numbers(columns: Sequence[Any]) -> bool:
    return not columns or (_NUMBER.issuperset(map(type, columns)) and min(columns) >= _LEAST and max(columns) <= _MOST)


def _is_sound_text(value: object) -> bool:
    return isinstance(value, str) and is_keepable(value)


def _is_sound_number(value: object) -> bool:
    return type(value) is int and _LEAST <= value <= _MOST


def _refuse_column(what: str, column: object, columns: _Columns) -> None:
    if not columns.of_texts:
        _check_number(what, column, optional=columns.optional)
        _check_size(what, column)
    elif isinstance(column, str):
        raise ValueError(f"{what} {unstorable(column) or f'must have at most {MAX_TEXT_BYTES} bytes in UTF-8'}")
    else:
        _check_text(what, column, optional=columns.optional)


def _is(value: object, wanted: type) -> bool:
    # For a type checker it could be no other type; the caller may not use one.
    return isinstance(value, wanted)


def _check_instance(what: str, value: object, wanted: type) -> None:
    if not isinstance(value, wanted):
        raise TypeError(f"{what} must be of type {wanted.__name__}, not {_type_of(value)}")


def _check_text(what: str, value: object, *, optional: bool = False) -> None:
    if not isinstance(value, str) and not (optional and value is None):
        raise TypeError(f"{what} must be a str{' or None' if optional else ''}, not {_type_of(value)}")


def _check_texts(what: str, values: object) -> None:
    if values is None:
        return
    if not isinstance(values, tuple):
        raise TypeError(f"{what} must be a tuple of str or None, not {_type_of(values)}")
    for place, value in enumerate(values):
        _check_text(f"{what}[{place}]", value)


def _check_number(what: str, value: object, *, optional: bool = False) -> None:
    if not _is_number(value) and not (optional and value is None):
        raise TypeError(f"{what} must be an int{' or None' if optional else ''}, not {_type_of(value)}")


def _check_size(what: str, number: object) -> None:
    # `in range` would be slow: it searches value by value for an instance of a subclass of int.
    if isinstance(number, int) and not _LEAST <= number <= _MOST:
        raise ValueError(f"{what} must fit into 64 bits, not {_shown(number)}")


def _check_limit(what: str, limit: int) -> None:
    _check_number(what, limit)
    # A backend may read one row more than the page holds.
    if not 1 <= limit < 2**63 - 1:
        raise ValueError(f"{what} must be at least 1 and less than 2**63 - 1, not {_shown(limit)}")


def _check_cursor(after: Cursor, order: Order) -> None:
    _check_size("Query.after.value", after.value)
    if (after.value is None) != (order is Order.ID) or not is_keepable(after.id):
        raise ValueError(
            f"Query.after is not a cursor that a query ordered by {order} returned: pass the `next` of the previous "
            "page, with the same order"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(number: object) -> str:
    """Return a number as text for a message; a huge number is described by its size, since it has no short text."""
    if not isinstance(number, int):
        return repr(number)
    return str(number) if number.bit_length() <= _LONGEST_SHOWN else f"a number of {number.bit_length()} bits"


def _type_of(value: object) -> str:
    return "None" if value is None else type(value).__name__
