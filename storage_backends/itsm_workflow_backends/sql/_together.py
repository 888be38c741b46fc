"""Write the rows of many changes by one statement.

By `execute` with many sets of parameters, PyMySQL sends an UPDATE for each row and waits for its answer, and PostgreSQL
plans and executes a statement for each row. So a transaction of a hundred changes would wait for a hundred statements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.protocol import Row
from itsm_workflow_backends.sql._statements import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Insert

    from itsm_workflow.storage.protocol import EntryRow

_MOVED = tuple(field.name for field in attrs.fields(Row) if field.name != "id")
_CLAIMED = ("version", "due_at")
_MOST_CHARACTERS = 500_000
"""The number of characters of forms and documents from which on a statement for MariaDB takes no further row."""


def move_together(connection: Connection, table: str, rows: Sequence[Row]) -> None:
    """Update all columns of rows that this transaction has locked, but the form of those that bring none."""
    _update(connection, table, rows, _MOVED)


def claim_together(connection: Connection, table: str, rows: Sequence[Row]) -> None:
    """Update the version and the due time of rows that this transaction has locked."""
    _update(connection, table, rows, _CLAIMED)


def insert_together(connection: Connection, insert: Insert, rows: Sequence[Row] | Sequence[EntryRow]) -> None:
    """Insert changes, or entries."""
    if not rows:
        return
    names = tuple(field.name for field in attrs.fields(type(rows[0])))
    if connection.dialect.name == "postgresql":
        table = insert.table.name
        statement = f"INSERT INTO {table} ({', '.join(names)}) SELECT * FROM {_arrays(names)}"  # noqa: S608 - names only
        connection.exec_driver_sql(statement, _by_column(rows, names))
    else:  # PyMySQL itself makes one INSERT of many rows
        connection.execute(insert, [{name: getattr(row, name) for name in names} for row in rows])


def _update(connection: Connection, table: str, rows: Sequence[Row], columns: Sequence[str]) -> None:
    if not rows:
        return
    names = ("id", *columns)
    values = {name: "COALESCE(v.form, c.form)" if name == "form" else f"v.{name}" for name in columns}
    if connection.dialect.name == "postgresql":
        changed = ", ".join(f"{name} = {value}" for name, value in values.items())
        given = f"{_arrays(names)} AS v({', '.join(names)})"
        statement = f"UPDATE {table} AS c SET {changed} FROM {given} WHERE c.id = v.id"  # noqa: S608 - names only
        connection.exec_driver_sql(statement, _by_column(rows, names))
        return
    changed = ", ".join(f"c.{name} = {value}" for name, value in values.items())
    # The parameters have the character set of the connection, by which the primary key could not be searched.
    collation = "utf8mb4_nopad_bin" if getattr(connection.dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
    first = f"CONVERT(%s USING utf8mb4) COLLATE {collation} AS id, " + ", ".join(f"%s AS {name}" for name in columns)
    following = f" UNION ALL SELECT {', '.join(['%s'] * len(names))}"
    for part in _parts(rows):
        given = f"SELECT {first}{following * (len(part) - 1)}"
        statement = f"UPDATE {table} AS c JOIN ({given}) AS v ON c.id = v.id SET {changed}"  # noqa: S608 - names only
        connection.exec_driver_sql(statement, tuple(getattr(row, name) for row in part for name in names))


def _arrays(names: Sequence[str]) -> str:
    """Return the table that `unnest` makes of an array for each column, whatever the number of rows."""
    kinds = ("bigint" if name in NUMBERS else "text" for name in names)
    return f"unnest({', '.join(f'%s::{kind}[]' for kind in kinds)})"


def _by_column(rows: Sequence[Row] | Sequence[EntryRow], names: Sequence[str]) -> tuple[list[object], ...]:
    return tuple([getattr(row, name) for row in rows] for name in names)


def _parts(rows: Sequence[Row]) -> Iterator[list[Row]]:
    part: list[Row] = []
    size = 0
    for row in rows:
        part.append(row)
        size += len(row.document) + len(row.form or "")
        if size >= _MOST_CHARACTERS:
            yield part
            part, size = [], 0
    if part:
        yield part
