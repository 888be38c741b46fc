"""Read as much as possible of a damaged database, change by change."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.checks import check_writes
from itsm_workflow.storage.protocol import Row, Write
from itsm_workflow_backends.sqlite import _queries as sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.storage.abilities import ContentCheck
    from itsm_workflow.storage.protocol import EntryRow

# The orders in which the rows can be read: damage may end one of them early, but not the others.
_WAYS = (
    "NOT INDEXED ORDER BY rowid",
    "NOT INDEXED ORDER BY rowid DESC",
    "INDEXED BY sqlite_autoindex_changes_1",
    "INDEXED BY changes_updated_at",
)
_BEYOND = 100
_SELECT_ENTRY = sql.SELECT_ENTRIES.replace("seq > ? ORDER BY seq LIMIT ?", "seq = ?")


@attrs.frozen
class Salvaged:
    """A change of which at least a part is left.

    Attributes:
        id: Its id, or a description such as ``in row 7`` if the id cannot be read.
        row: The row, or None if it is missing or cannot be read.
        entries: Its history, up to the last entry that the row names.
        damage: The reason why the change cannot be kept, or None.
        is_outdated: Whether the history continues after the last entry that the row names, so that the row lacks at
            least its last write.
    """

    id: str
    row: Row | None
    entries: tuple[EntryRow, ...] = ()
    damage: str | None = None
    is_outdated: bool = False


def salvage(connection: sqlite3.Connection, check: ContentCheck | None) -> Iterator[Salvaged]:
    """Yield each change of which at least a part is left.

    Args:
        connection: A connection to the damaged database.
        check: A function that returns what is wrong with the content of a change, or None.
    """
    columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(changes)")}
    names = (name if name in columns else f"NULL AS {name}" for name in attrs.fields_dict(Row))
    select = f"SELECT {', '.join(names)} FROM changes NOT INDEXED WHERE rowid = ?"  # noqa: S608  # the names are constants
    rowids, unreadable = _rowids_by_id(connection)
    last = _last_entries(connection)
    for change_id in sorted({*rowids, *last}):
        places = rowids.get(change_id, [])
        if len(places) == 1:
            change = _read(connection, select, change_id, places[0])
            wrong = change.damage or (check and change.row and check(change.row, change.entries))
            is_outdated = change.row is not None and last.get(change_id, 0) > change.row.seq
            yield attrs.evolve(change, damage=wrong or None, is_outdated=is_outdated)
        else:
            damage = "two rows have its id" if places else "it has a history, but its row is missing or unreadable"
            yield Salvaged(change_id, None, damage=damage)
    for rowid, why in unreadable.items():
        yield Salvaged(f"in row {rowid}", None, damage=f"its id cannot be read: {why}")


def _read(connection: sqlite3.Connection, select: str, change_id: str, rowid: int) -> Salvaged:
    row, entries = None, []
    try:
        row = sql.to_row(connection.execute(select, (rowid,)).fetchone())
        for seq in range(1, row.seq + 1):
            values = connection.execute(_SELECT_ENTRY, (change_id, seq)).fetchone()
            if values is None:
                return Salvaged(change_id, row, damage=f"entry {seq} of its history is missing")
            entries.append(sql.to_entry(values))
        check_writes([Write(row=row, expected_version=row.version - 1, entries=tuple(entries))])
    except (sqlite3.Error, UnicodeDecodeError, ValueError, TypeError) as error:
        return Salvaged(change_id, row, damage=f"a part of it cannot be read: {_on_one_line(error)}")
    return Salvaged(change_id, row, tuple(entries))


def _rowids_by_id(connection: sqlite3.Connection) -> tuple[dict[str, list[int]], dict[int, str]]:
    """Return the rowids by id, and for each row with an unreadable id the reason."""
    rowids: dict[str, list[int]] = {}
    unreadable: dict[int, str] = {}
    for rowid in sorted(_all_rowids(connection)):
        try:
            found = connection.execute("SELECT id FROM changes NOT INDEXED WHERE rowid = ?", (rowid,)).fetchone()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            unreadable[rowid] = _on_one_line(error)
        else:
            if found is not None:
                rowids.setdefault(found[0], []).append(rowid)
    return rowids, unreadable


def _all_rowids(connection: sqlite3.Connection) -> set[int]:
    found: set[int] = set()
    for way in _WAYS:
        found.update(rowid for (rowid,) in _until_damage(connection, f"SELECT rowid FROM changes {way}"))  # noqa: S608
    # Rows are never deleted, so rowids have no gaps: a gap is a row that was not reached in any order.
    highest = max(found, default=0)
    return found | set(range(1, highest + _BEYOND)) if highest < 10 * len(found) + _BEYOND else found


def _last_entries(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the highest number among the entries of each change."""
    last: dict[str, int] = {}
    for way in ("", "DESC"):
        statement = f"SELECT change_id, seq FROM entries ORDER BY change_id {way}, seq {way}"  # noqa: S608
        for change_id, seq in _until_damage(connection, statement):
            last[change_id] = max(seq, last.get(change_id, 0))
    return last


def _until_damage(connection: sqlite3.Connection, statement: str) -> Iterator[tuple[Any, ...]]:
    with suppress(sqlite3.Error, UnicodeDecodeError):
        yield from connection.execute(statement)


def _on_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
