"""One transaction that stores the writes of a commit, or finds their conflicts.

The unique indexes and ``UPDATE … WHERE version = …`` judge, so that nothing is read before it is written. Rows are
locked in the order of their ids, so that two batches do not wait for each other. A transaction that meets a duplicate
is undone and done again with a savepoint before each write; most transactions meet none and need no savepoint.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage.checks import check_follows
from itsm_workflow.storage.protocol import Conflict, ConflictKind, Write
from itsm_workflow.storage.server_errors import OUTRUN
from itsm_workflow_backends.sql._statements import entry_values, row_values
from itsm_workflow_backends.sql._together import claim_together, insert_together, move_together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from itsm_workflow_backends.sql._statements import Statements

    Results = dict[str, Conflict | None]

_TRIES = 20


def write_boldly(connection: Connection, statements: Statements, writes: Sequence[Write]) -> Results:
    """Store writes that are sorted by id, without a savepoint.

    Raises:
        IntegrityError: A unique index refused a write: undo the transaction, and do it again carefully.
        ValueError: As documented for `StorageBackend.commit`.
    """
    if len(writes) == 1:
        return {writes[0].row.id: _write(connection, statements, writes[0])}
    results: Results = {}
    matching = _matching(connection, statements, [write for write in writes if write.expected_version], results)
    moves = [write for write in matching if write.entries]
    claims = [write for write in matching if not write.entries]
    created = [write for write in writes if not write.expected_version]
    # An update can free a subject that a create of the same batch claims.
    move_together(connection, statements.changes.name, [write.row for write in moves])
    claim_together(connection, statements.changes.name, [write.row for write in claims])
    insert_together(connection, statements.create, [write.row for write in created])
    entries = [entry for write in (*moves, *created) for entry in write.entries]
    insert_together(connection, statements.append, entries)
    return {**results, **{write.row.id: None for write in (*matching, *created)}}


def write_carefully(connection: Connection, statements: Statements, writes: Sequence[Write]) -> Results:
    """Store writes that are sorted by id, each after a savepoint to which a duplicate leads back.

    Raises:
        StorageCorrupt: A duplicate has no holder, so an index is damaged.
        ValueError: As documented for `StorageBackend.commit`.
    """
    return {write.row.id: _write_after_savepoint(connection, statements, write) for write in writes}


def write_once(connection: Connection, statements: Statements, writes: Sequence[Write]) -> Results:
    """Store writes in a transaction of the host, each after a savepoint; nothing is repeated.

    The transaction may see less than what decides: if it is a repeatable read, rows as they were when it began.

    Raises:
        StorageUnavailable: Another transaction wrote what a write needs, and this transaction does not see it.
        ValueError: As documented for `StorageBackend.commit`.
    """
    return {write.row.id: _write_once(connection, statements, write) for write in writes}


def _matching(connection: Connection, statements: Statements, writes: Sequence[Write], results: Results) -> list[Write]:
    """Lock the changes of these writes, and return those writes whose version is the stored one."""
    if not writes:
        return []
    found = connection.execute(statements.locked, {"ids": [write.row.id for write in writes]})
    stored = {change_id: (version, seq) for change_id, version, seq in found}
    matching = []
    for write in writes:
        version, seq = stored.get(write.row.id, (0, 0))
        if version == write.expected_version:
            check_follows(write, stored_seq=seq)
            matching.append(write)
        else:
            results[write.row.id] = Conflict(kind=ConflictKind.VERSION, change_id=write.row.id)
    return matching


def _write_after_savepoint(connection: Connection, statements: Statements, write: Write) -> Conflict | None:
    for _ in range(_TRIES):
        savepoint = connection.begin_nested()
        try:
            result = _write(connection, statements, write)
        except IntegrityError:
            savepoint.rollback()
            conflict = _judge(connection, statements, write)
            if conflict is not None:
                return conflict
            continue  # the holder let go in the meantime
        savepoint.commit()
        return result
    raise StorageCorrupt(
        f"cannot store change {write.row.id}: an index of the database refuses it as a duplicate, but no change has "
        "its values: rebuild the indexes of the tables",
        change_id=write.row.id,
    )


def _write_once(connection: Connection, statements: Statements, write: Write) -> Conflict | None:
    savepoint = connection.begin_nested()
    try:
        is_stored = _try(connection, statements, write)
    except IntegrityError:
        savepoint.rollback()
        is_stored = False
    except BaseException:
        with suppress(SQLAlchemyError):  # after a deadlock, MariaDB has undone the transaction with the savepoint
            savepoint.rollback()
        raise
    else:
        savepoint.commit()
    if is_stored:
        return None
    conflict = _judge(connection, statements, write, newest=True)
    if conflict is None:
        raise StorageUnavailable(f"cannot store change {write.row.id}: {OUTRUN}")
    return conflict


def _write(connection: Connection, statements: Statements, write: Write) -> Conflict | None:
    """Store one write, or return its conflict."""
    while not _try(connection, statements, write):
        conflict = _judge(connection, statements, write)
        if conflict is not None:
            return conflict
        # Another transaction brought the change to the expected version between the two statements.
    return None


def _try(connection: Connection, statements: Statements, write: Write) -> bool:
    """Store one write, unless the change does not have the expected version, and return whether it was stored."""
    if not write.expected_version:
        connection.execute(statements.create, row_values(write.row))
    else:
        statement = statements.move if write.entries else statements.claim
        if not connection.execute(statement, _moved(write)).rowcount:
            return False
    if write.entries:
        connection.execute(statements.append, [entry_values(entry) for entry in write.entries])
    return True


def _judge(connection: Connection, statements: Statements, write: Write, *, newest: bool = False) -> Conflict | None:
    """Return the conflict of a write that the database refused, or None if it would no longer refuse it.

    Args:
        connection: The connection.
        statements: The statements.
        write: The write.
        newest: Whether to read rows that were committed after the transaction began, where the database can.

    Raises:
        ValueError: The version matches, but the entries do not follow the stored ones.
    """
    row = write.row
    sought = {"id": row.id, "open_subject": None, "ticket_key": None}
    if write.entries:
        sought |= {"open_subject": row.open_subject, "ticket_key": row.ticket_key}
    rivals = statements.newest_rivals if newest else statements.rivals
    found = [*connection.execute(rivals, sought)]
    version, seq = next(((each.version, each.seq) for each in found if each.id == row.id), (0, 0))
    if version != write.expected_version:
        return Conflict(kind=ConflictKind.VERSION, change_id=row.id)
    if version:
        check_follows(write, stored_seq=seq)
    for kind, column in ((ConflictKind.SUBJECT, "open_subject"), (ConflictKind.TICKET, "ticket_key")):
        value = getattr(row, column)
        for each in found:
            if value is not None and each.id != row.id and getattr(each, column) == value:
                return Conflict(kind=kind, change_id=row.id, holder=each.id)
    return None


def _moved(write: Write) -> dict[str, Any]:
    """Return the parameters of `Statements.move` and `Statements.claim`."""
    row = write.row
    as_read = {"read_id": row.id, "read_version": write.expected_version, "read_seq": row.seq - len(write.entries)}
    if not write.entries:
        return {**as_read, "version": row.version, "due_at": row.due_at}
    values = row_values(row)
    del values["id"]
    return {**values, **as_read, "new_form": values.pop("form")}
