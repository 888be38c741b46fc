"""The storage port over the tables of a database of Django."""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, IntegrityError, connections, transaction

from itsm_workflow.errors import StorageError, StorageSchemaError, StorageUnavailable
from itsm_workflow.integrations.django.storage.connections import connection_of, discard, host_transaction, is_manual
from itsm_workflow.integrations.django.storage.errors import MIGRATE, cause_of, is_lost, translated
from itsm_workflow.integrations.django.storage.queries import (
    ENTRY_COLUMNS,
    ROW_COLUMNS,
    page_of,
    to_entry,
    to_row,
)
from itsm_workflow.integrations.django.storage.transactions import DjangoTransaction, Joined
from itsm_workflow.integrations.django.storage.writing import Writer
from itsm_workflow.storage.checks import check_history, check_id, check_query, check_writes, is_keepable
from itsm_workflow.storage.column_sizes import check_sizes
from itsm_workflow.storage.protocol import (
    PROTOCOL_VERSION,
    Conflict,
    EntryRows,
    Query,
    Row,
    Rows,
    Schema,
    Write,
    cursor_at,
)
from itsm_workflow.storage.server_errors import UNDO, UNKNOWN, Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from itsm_workflow.integrations.django.storage.writing import Results

T = TypeVar("T")

KNOWN = 1
"""The number of the newest schema."""

_SCHEME = "django://"
_ATTEMPTS = 20
_LONGEST_PAUSE = 0.1
_LOCK_TIMEOUT = "10s"
_LAST_SEQ = 2**63 - 1
_NOTHING_STORED = "nothing was stored"


class DjangoBackend:
    """A store in a database of the Django project.

    The tables must exist: ``manage.py migrate`` creates them. Each thread uses its own connection of Django. In a child
    process that was forked, each thread begins with a new connection.

    Args:
        alias: The name of the database in ``DATABASES``.

    Raises:
        StorageError: Django is not set up, the app is not installed, or the alias is unknown.
        StorageUnavailable: The database cannot be reached.
        StorageSchemaError: The tables are missing.
    """

    protocol_version: ClassVar[int] = PROTOCOL_VERSION
    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process"})

    def __init__(self, alias: str) -> None:
        _check_alias(alias)
        self.alias = alias
        changes, entries = (apps.get_model("itsm_workflow", name) for name in ("Change", "Entry"))
        self._writer = Writer(alias, changes, entries)
        self._place = f"the database {alias!r}"
        self._closed = False
        self._joined = Joined()
        found = self._doing("open the store in", lambda connection: _opened(connection, changes._meta.db_table))  # noqa: SLF001 - Django's documented attribute
        if not found:
            raise StorageSchemaError(_missing(alias), found=0, known=KNOWN)

    @classmethod
    def from_url(cls, url: str, /, **options: Any) -> Self:
        """Open the store at ``django://alias``.

        Raises:
            StorageError: The URL has another form, or as for the class.
        """
        if options:
            raise StorageError(f"the store django:// has no options, but {', '.join(options)} was given")
        return cls(_alias_in(url))

    @classmethod
    def schema_of(cls, url: str, /) -> Schema:
        """Return the schema of the store, 0 if the tables are missing; nothing is written."""
        try:
            cls(_alias_in(url)).close()
        except StorageSchemaError:
            return Schema(found=0, known=KNOWN)
        return Schema(found=KNOWN, known=KNOWN)

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes in one transaction, see `StorageBackend.commit`.

        Raises:
            StorageUnavailable: Also if the host has a transaction open on the database, which could still be undone.
        """
        check_writes(writes)
        check_sizes(writes)
        self._check_open()
        if not writes:
            return []
        ordered = sorted(writes, key=lambda write: write.row.id)
        doing = f"store {len(writes)} changes in {self._place}"
        results = self._in_host_transaction(ordered, doing) if self._is_joined() else self._stored(ordered, doing)
        return [results[write.row.id] for write in writes]

    def get(self, change_id: str, /) -> Row | None:
        """Return the row of that id, see `StorageBackend.get`."""
        check_id(change_id)
        self._check_open()
        if not is_keepable(change_id):
            return None
        rows = self._changes().filter(id=change_id).values_list(*ROW_COLUMNS)
        found = self._read(lambda: list(rows[:1]), change_id=change_id)
        return to_row(found[0]) if found else None

    def find(self, query: Query, /) -> Rows:
        """Return one page of rows, see `StorageBackend.find`."""
        check_query(query)
        self._check_open()
        page = page_of(self._changes(), query)
        if page is None:
            return Rows(rows=())
        found = self._read(lambda: list(page))
        rows = tuple(map(to_row, found[: query.limit]))
        return Rows(rows=rows, next=cursor_at(rows[-1], query.order) if len(found) > query.limit else None)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return one page of history, see `StorageBackend.history`."""
        check_history(change_id, after_seq, limit)
        self._check_open()
        if not is_keepable(change_id):
            return EntryRows(entries=())
        rows = self._writer.entries.objects.using(self.alias).filter(
            change_id=change_id, seq__gt=min(after_seq, _LAST_SEQ)
        )
        page = rows.order_by("seq").values_list(*ENTRY_COLUMNS)[: limit + 1]
        found = self._read(lambda: list(page), change_id=change_id)
        entries = tuple(map(to_entry, found[:limit]))
        return EntryRows(entries=entries, next_seq=entries[-1].seq if len(found) > limit else None)

    def close(self) -> None:
        """End the use of the store; the connections belong to Django, which closes them."""
        self._closed = True

    def in_host_transaction(self) -> bool:
        """Return whether the host has a transaction open on this thread's connection."""
        return self._doing("read from", host_transaction)

    def host_transaction(self) -> DjangoTransaction | None:
        """Return the host's open transaction on this thread's connection, see `JoinsTransactions`."""
        return DjangoTransaction(self.alias, self._joined) if self.in_host_transaction() else None

    def transaction_to_join(self, within: object, /) -> DjangoTransaction | None:
        """Return the host's open transaction, see `JoinsTransactions.transaction_to_join`."""
        if within is not None:
            raise ValueError(
                f"apply(within=...) is for the host's own connection of SQLAlchemy; the store {self.alias!r} of Django "
                "finds the transaction itself: leave it out"
            )
        if self._doing("read from", is_manual):
            raise RuntimeError(
                "apply(send='on_commit') was refused, and nothing was stored: the transaction was begun by "
                "set_autocommit(False), and Django calls nothing after its commit. Open it by transaction.atomic()"
            )
        return self.host_transaction()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias}>"

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable(f"this store in {self._place} was closed: open it again")

    def _changes(self) -> Any:  # noqa: ANN401 - a query set of Django
        return self._writer.changes.objects.using(self.alias)

    def _is_joined(self) -> bool:
        """Return whether the commit joins the host's transaction.

        Raises:
            StorageUnavailable: The host has a transaction open, and the commit may not join it.
        """
        if not self.in_host_transaction():
            return False
        if self._joined.depth:
            return True
        raise StorageUnavailable(
            f"nothing was stored in {self._place}, since a transaction is open there: what it stores could still be "
            "undone after the ticket system was asked. Call it after the transaction, for example by "
            "transaction.on_commit; only apply(..., send='on_commit') belongs into the transaction"
        )

    def _stored(self, writes: Sequence[Write], doing: str) -> Results:
        """Store writes that are sorted by id, again from the beginning while nothing was committed."""
        write, lost = self._writer.write_boldly, False
        for attempt in range(1, _ATTEMPTS + 1):
            connection = connection_of(self.alias)
            try:
                return self._in_transaction(connection, write, writes, doing)
            except IntegrityError:
                write = self._writer.write_carefully
            except Error as error:
                if cause_of(error) is Cause.RACE and attempt < _ATTEMPTS:
                    time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.001 * 2**attempt)))  # noqa: S311 - spreads the attempts
                elif is_lost(error) and not lost and not connection.in_atomic_block:
                    lost = True  # the server was restarted, or it closed an idle connection
                    discard(connection)
                else:
                    raise translated(error, self.alias, doing, outcome=_NOTHING_STORED) from error.__cause__
        raise StorageUnavailable(
            f"cannot {doing}: other transactions were in the way {_ATTEMPTS} times; {_NOTHING_STORED}"
        )

    def _in_transaction(
        self,
        connection: BaseDatabaseWrapper,
        write: Callable[[Sequence[Write]], Results],
        writes: Sequence[Write],
        doing: str,
    ) -> Results:
        """Write in a transaction, and commit it unless all writes conflict.

        Raises:
            Error: The work failed, or the server undid the transaction; nothing was stored.
            StorageUnavailable: The commit failed; its outcome is unknown.
        """
        is_written = False
        try:
            with transaction.atomic(using=self.alias):
                if connection.vendor == "postgresql":
                    with connection.cursor() as cursor:
                        cursor.execute(f"SET LOCAL lock_timeout TO '{_LOCK_TIMEOUT}'")
                results = write(writes)
                is_written = None in results.values()
                if not is_written:
                    transaction.set_rollback(True, using=self.alias)
        except Error as error:
            if not is_written or cause_of(error) is Cause.RACE:
                raise
            if not connection.in_atomic_block:
                discard(connection)
            raise translated(error, self.alias, doing, outcome=UNKNOWN) from error.__cause__
        return results

    def _in_host_transaction(self, writes: Sequence[Write], doing: str) -> Results:
        """Write in the host's transaction, which a refused write leaves usable; nothing is repeated."""
        try:
            return self._writer.write_once(writes)
        except Error as error:
            raise translated(error, self.alias, doing, outcome=UNDO) from error.__cause__

    def _read(self, work: Callable[[], T], **about: str) -> T:
        return self._doing("read from", lambda _: work(), **about)

    def _doing(self, doing: str, work: Callable[[BaseDatabaseWrapper], T], **about: str) -> T:
        """Read with this thread's connection; with a new one, if it was lost outside of a transaction."""
        connection = connection_of(self.alias)
        try:
            return work(connection)
        except Error as error:
            if not is_lost(error) or connection.in_atomic_block:
                raise translated(error, self.alias, f"{doing} {self._place}", **about) from error.__cause__
        discard(connection)
        try:
            return work(connection)
        except Error as error:
            discard(connection)
            raise translated(error, self.alias, f"{doing} {self._place}", **about) from error.__cause__


def _alias_in(url: str) -> str:
    alias = url.removeprefix(_SCHEME)
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", alias):
        raise StorageError("the URL of this store is django:// and the name of a database, such as django://default")
    return alias


def _check_alias(alias: str) -> None:
    try:
        is_ready = apps.ready and apps.is_installed("itsm_workflow.integrations.django")
        known = list(connections) if apps.ready else []
    except ImproperlyConfigured as error:
        raise StorageError(f"the store django://{alias} needs the settings of Django: {error}") from None
    if not apps.ready:
        raise StorageError(
            f"the store django://{alias} needs Django, which is not set up in this process: use `manage.py`, or set "
            "DJANGO_SETTINGS_MODULE and call django.setup()"
        )
    if not is_ready:
        raise StorageError(
            f"the store django://{alias} needs the app: add 'itsm_workflow.integrations.django' to INSTALLED_APPS"
        )
    if alias not in known:
        raise StorageError(f"the store django://{alias}: DATABASES has no {alias!r}, only {', '.join(known)}")


def _opened(connection: BaseDatabaseWrapper, table: str) -> bool:
    """Return whether the table exists, without an error that would end a transaction of the host."""
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SELECT @@character_set_connection")
            [charset] = cursor.fetchone()
            if charset != "utf8mb4":
                raise StorageError(
                    f"the connection to the database {connection.alias!r} has the character set {charset}, which lacks "
                    f'characters: set DATABASES[{connection.alias!r}]["OPTIONS"]["charset"] to "utf8mb4"'
                )
        return table in connection.introspection.table_names(cursor)


def _missing(alias: str) -> str:
    return f"the database {alias!r} has no tables of this store: create them with {MIGRATE.format(alias=alias)}"
