"""The floor of commits to a database: the same transactions by the driver alone, in the tables of the SQL backend."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pymysql  # type: ignore[import-untyped]
from sqlalchemy import make_url

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import Write


class RawConnection:
    """A connection of psycopg or PyMySQL that stores the moves of changes, one transaction each, nothing computed.

    Args:
        url: The URL of a store of the SQL backend.
    """

    def __init__(self, url: str) -> None:
        parts = make_url(url)
        prefix = parts.query["prefix"]
        place: dict[str, Any] = {"host": parts.host, "port": parts.port, "user": parts.username}
        if parts.password is not None:
            place["password"] = parts.password
        if parts.drivername == "postgresql":
            self._connection: Any = psycopg.connect(dbname=parts.database, autocommit=True, **place)
            entries, synced = (
                f'INSERT INTO {prefix}entries (change_id, seq, at, "trigger"',
                "SET synchronous_commit = on",
            )
        else:
            self._connection = pymysql.connect(database=parts.database, autocommit=True, charset="utf8mb4", **place)
            entries, synced = f"INSERT INTO {prefix}entries (change_id, seq, at, `trigger`", "SELECT 1"
        self._cursor = self._connection.cursor()
        self._cursor.execute(synced)
        self._insert = f"{entries}, source, dest, actor, document) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
        self._update = (
            f"UPDATE {prefix}changes SET state = %s, version = %s, seq = %s, due_at = %s, updated_at = %s, "  # noqa: S608 - a benchmark's own prefix
            "document = %s WHERE id = %s AND version = %s"
        )

    def move(self, write: Write) -> None:
        """Store one write of a change that exists: BEGIN, UPDATE, INSERT, COMMIT."""
        execute, row = self._cursor.execute, write.row
        execute("BEGIN")
        values = (row.state, row.version, row.seq, row.due_at, row.updated_at, row.document)
        execute(self._update, (*values, row.id, write.expected_version))
        for one in write.entries:
            execute(
                self._insert,
                (one.change_id, one.seq, one.at, one.trigger, one.source, one.dest, one.actor, one.document),
            )
        execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        with closing(self._connection):
            self._cursor.close()
