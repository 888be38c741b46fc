"""The number of a store's schema, and its migration to the newest one by Alembic."""

from __future__ import annotations

import io
import os
import threading
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from itsm_workflow.errors import StorageCorrupt, StorageSchemaError, StorageUnavailable
from itsm_workflow.storage.server_errors import Cause
from itsm_workflow_backends.sql._errors import cause_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.runtime.migration import MigrationContext, RevisionStep
    from sqlalchemy import Connection

_MIGRATIONS = Path(__file__).with_name("migrations")

KNOWN = max(int(path.stem.removeprefix("schema_")) for path in _MIGRATIONS.glob("schema_*.py"))
"""The number of the newest schema."""

_LOCK_SECONDS = 600
_MIGRATE = "`itsm-workflow storage migrate`"


def found_schema(connection: Connection, prefix: str) -> int:
    """Return the number of the schema, or 0 if the database has no store with that prefix.

    Raises:
        StorageCorrupt: The table of the number is damaged.
    """
    numbers = sa.table(_version_table(prefix), sa.column("version_num"))
    try:
        found = connection.execute(sa.select(numbers.c.version_num)).scalars().all()
    except DBAPIError as error:
        if cause_of(error) is not Cause.NO_TABLE:
            raise
        connection.rollback()
        return 0
    if not found:
        return 0
    if len(found) != 1 or not str(found[0]).isdecimal():
        raise StorageCorrupt(f"the table {_version_table(prefix)} must hold the number of the schema, one row")
    return int(found[0])


def check_schema(found: int, place: str) -> None:
    """Refuse a store with another schema than this release's.

    Raises:
        StorageSchemaError: The database has no store, or one of another schema.
    """
    if found == KNOWN:
        return
    if not found:
        message = f"there is no store in {place}: create its tables with {_MIGRATE}"
    elif found < KNOWN:
        message = (
            f"the store in {place} has schema {found}, but this release needs schema {KNOWN}: back it up, stop the "
            f"processes of older releases, then run {_MIGRATE}"
        )
    else:
        message = (
            f"the store in {place} was written with schema {found}, but this release knows {KNOWN}. Nothing was "
            "changed: install a newer itsm-workflow"
        )
    raise StorageSchemaError(message, found=found, known=KNOWN)


def migrate(connection: Connection, prefix: str, place: str) -> int:
    """Upgrade the store to the newest schema, and return the number that it had.

    Several processes may do so at the same time; each waits for the one before it.

    Raises:
        StorageSchemaError: A newer version wrote it.
        StorageUnavailable: Another process has been migrating the store for too long.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(zlib.crc32(_version_table(prefix).encode()))))
        found = _upgraded(connection, prefix, place)
        connection.commit()
        return found
    name = sa.literal(_version_table(prefix))
    if not connection.execute(sa.select(sa.func.get_lock(name, _LOCK_SECONDS))).scalar():
        raise StorageUnavailable(f"cannot migrate the store in {place}: another process has been doing so for too long")
    try:
        found = _upgraded(connection, prefix, place)
        connection.commit()
    finally:
        connection.execute(sa.select(sa.func.release_lock(name)))
    return found


def migration_sql(connection: Connection, prefix: str, place: str) -> str:
    """Return the SQL statements that `migrate` would execute; nothing is changed.

    Raises:
        StorageSchemaError: A newer version wrote the store.
    """
    found = found_schema(connection, prefix)
    if found == KNOWN:
        return ""
    _refuse_newer(found, place)
    written = io.StringIO()
    _run(connection, prefix, found, written)
    return written.getvalue()


def _upgraded(connection: Connection, prefix: str, place: str) -> int:
    found = _found_in_transaction(connection, prefix)
    if found != KNOWN:
        _refuse_newer(found, place)
        _run(connection, prefix, found, None)
    return found


def _found_in_transaction(connection: Connection, prefix: str) -> int:
    # A failed statement would end the transaction, and with it the lock.
    return found_schema(connection, prefix) if sa.inspect(connection).has_table(_version_table(prefix)) else 0


def _refuse_newer(found: int, place: str) -> None:
    if found > KNOWN:
        check_schema(found, place)


def _run(connection: Connection, prefix: str, found: int, written: io.StringIO | None) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)

    def steps(_revision: object, _context: MigrationContext) -> list[RevisionStep]:
        return scripts._upgrade_revs(str(KNOWN), str(found) if found else "base")  # noqa: SLF001 - as its documentation shows

    with _ALEMBIC.held(), EnvironmentContext(config, scripts, fn=steps, as_sql=written is not None) as environment:
        environment.configure(
            connection=connection,
            version_table=_version_table(prefix),
            output_buffer=written,
            starting_rev=str(found) if found and written is not None else None,
            prefix=prefix,
        )
        if written is None:
            environment.run_migrations()
        else:
            with environment.begin_transaction():
                environment.run_migrations()


class _OneThread:
    """A lock that a forked child does not inherit in the locked state."""

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            yield


_ALEMBIC = _OneThread()
"""Alembic keeps the migration that is running in variables of its modules, so that a process can run only one."""


def _version_table(prefix: str) -> str:
    return f"{prefix}schema"
