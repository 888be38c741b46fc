"""The host's own transactions, on its own connections, which a submission can join.

SQLAlchemy has no event after the commit of a `Connection`: the event ``commit`` precedes it. So the calls after a
commit are made by the next event: a `Session` has ended its transaction, or a `Connection` begins its next one or
returns to its pool. A call that is never made, for example because the process ended, is made up for by a pass over
what is due.
"""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import Connection, event
from sqlalchemy.exc import UnboundExecutionError

from itsm_workflow_backends.sql._errors import translating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping
    from contextlib import AbstractContextManager

    from sqlalchemy import Engine
    from sqlalchemy.engine import RootTransaction
    from sqlalchemy.orm import Session, SessionTransaction
    from sqlalchemy.pool import ConnectionPoolEntry

_KEY = "itsm_workflow.joined"
"""The key in the ``info`` of a connection and of a session."""

_REFUSED = "apply(send='on_commit') was refused, and nothing was stored or sent"


@attrs.define(eq=False)
class _Joined:
    """A transaction of the host that a submission has joined; it keeps no connection from being released.

    Attributes:
        place: The place of the store, in words.
        connection: The host's connection.
        root: Its transaction.
        call: The call after the commit.
        session: The session that ends the transaction, or None.
        is_committing: Whether the host has begun to commit.
    """

    place: str
    connection: weakref.ref[Connection]
    root: weakref.ref[RootTransaction]
    call: Callable[[], object]
    session: weakref.ref[Session] | None
    is_committing: bool = False

    @property
    def is_open(self) -> bool:
        root = self.root()
        return root is not None and root.is_active

    def end(self) -> None:
        """Make the call, once, if the host has begun to commit."""
        call, self.call = self.call, int
        if self.is_committing:
            call()


@attrs.frozen
class _Use:
    """The connection of the host that the reads and commits of a store use now, or None for the store's own."""

    place: str
    connection: Connection | None


# Context variables, and not those of a thread: a web framework may end the transaction of a request in another thread
# than the one that serves it, and passes the context along.
_use: ContextVar[_Use | None] = ContextVar("itsm_workflow_sql_use", default=None)
_joined: ContextVar[tuple[_Joined, ...]] = ContextVar("itsm_workflow_sql_joined", default=())


@attrs.frozen
class HostConnection:
    """The transaction on a connection of the host, see `HostTransaction`.

    Attributes:
        place: The place of the store, in words.
        connection: The connection.
        session: The session to which the connection belongs, or None.
    """

    place: str
    connection: Connection
    session: Session | None = None

    @property
    def refusal(self) -> str:
        """See `HostTransaction.refusal`."""
        return f"a transaction that a submission has joined is still open in {self.place}"

    @property
    def advice(self) -> str:
        """See `HostTransaction.advice`."""
        return (
            "Call it after the host's commit; another new change may join the transaction by apply(..., "
            "send='on_commit', within=...)"
        )

    def joining(self) -> AbstractContextManager[None]:
        """Let reads and commits in the block use the connection."""
        return _using(self.place, self.connection)

    def apart(self) -> AbstractContextManager[None]:
        """Let reads and commits in the block use the store's own connections."""
        return _using(self.place, None)

    def on_commit(self, call: Callable[[], object], /) -> None:
        """Call a function when the transaction has been committed, see the module."""
        connection, session = self.connection, self.session
        root = connection.get_transaction()
        if root is None:
            return  # the transaction has ended without a commit of the host, so nothing of it is kept
        joined = _Joined(
            place=self.place,
            connection=weakref.ref(connection),
            root=weakref.ref(root),
            call=call,
            session=None if session is None else weakref.ref(session),
        )
        _joined.set((*(one for one in _joined.get() if one.is_open), joined))
        connection.info.setdefault(_KEY, []).append(joined)
        _listen(connection, {"commit": _note_commit, "commit_twophase": _note_commit, "begin": _after_transaction})
        _listen(connection.engine.pool, {"checkin": _after_use})
        if session is not None:
            session.info.setdefault(_KEY, []).append(joined)
            _listen(session, {"after_transaction_end": _after_session})


def connection_in_use(place: str) -> Connection | None:
    """Return the host's connection that reads and commits of a store use now, or None."""
    use = _use.get()
    return use.connection if use is not None and use.place == place else None


def is_apart(place: str) -> bool:
    """Return whether the commits of a store use its own connections although a joined transaction is open."""
    use = _use.get()
    return use is not None and use.place == place and use.connection is None


def open_in(place: str) -> HostConnection | None:
    """Return a transaction that was joined in this context and is still open, or None."""
    for joined in _joined.get():
        connection = joined.connection()
        if joined.place == place and joined.is_open and connection is not None:
            return HostConnection(place, connection)
    return None


def connection_to_join(engine: Engine, place: str, within: object) -> HostConnection:
    """Return the connection of the host, see `JoinsTransactions.transaction_to_join`."""
    if within is None:
        raise ValueError(
            f"{_REFUSED}: the store finds no transaction by itself. Add within=..., the Connection or the Session of "
            "SQLAlchemy with the host's own rows"
        )
    with translating(f"join the host's transaction in {place}"):
        if isinstance(within, Connection):
            found = HostConnection(place, within)
        else:
            session = _session_of(within)
            found = HostConnection(place, _connection_of(session), session)
        _check(found.connection, engine)
    return found


def _session_of(within: object) -> Session:
    from sqlalchemy.orm import Session, scoped_session  # noqa: PLC0415 - a host without the ORM need not import it

    session = within() if isinstance(within, scoped_session) else within
    if not isinstance(session, Session):
        raise TypeError(
            f"apply(within=...) takes a Connection or a Session of SQLAlchemy, not {type(within).__name__}; "
            "asynchronous ones cannot be used"
        )
    return session


def _connection_of(session: Session) -> Connection:
    try:
        return session.connection()
    except UnboundExecutionError:
        raise ValueError(
            f"{_REFUSED}: the session has no engine of its own, but one for each class. Pass the connection of the "
            "host's rows: within=session.connection(bind_arguments={'mapper': ...})"
        ) from None


def _check(connection: Connection, engine: Engine) -> None:
    """Refuse a connection in whose transaction the store would not be, or that has no transactions.

    Raises:
        ValueError: The message says what to pass.
    """
    if connection.engine.pool is not engine.pool:
        raise ValueError(
            f"{_REFUSED}: the connection is of another engine than the store, so it may be in another database. Open "
            "the store with the engine of the connection: Workflow(storage=engine)"
        )
    if connection.get_execution_options().get("schema_translate_map"):
        raise ValueError(
            f"{_REFUSED}: the connection has a schema_translate_map, by which the store's tables would be in another "
            "schema than the store. Pass a connection without one"
        )
    if _commits_each_statement(connection):
        raise ValueError(
            f"{_REFUSED}: the connection commits after each statement, since its isolation level is AUTOCOMMIT. Pass a "
            "connection with transactions"
        )


def _commits_each_statement(connection: Connection) -> bool:
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "postgresql":
        return bool(getattr(driver, "autocommit", False))
    return bool(connection.exec_driver_sql("SELECT @@autocommit").scalar())


@contextmanager
def _using(place: str, connection: Connection | None) -> Iterator[None]:
    token = _use.set(_Use(place, connection))
    try:
        yield
    finally:
        _use.reset(token)


# ---------------------------------------------------------------- events


_listened: weakref.WeakSet[object] = weakref.WeakSet()
"""The connections, pools and sessions whose events are heard already."""


def _listen(target: object, events: dict[str, Callable[..., None]]) -> None:
    if target not in _listened:
        _listened.add(target)
        for name, function in events.items():
            event.listen(target, name, function)


def _note_commit(connection: Connection, *_: object) -> None:
    """Note that the host commits; whether it succeeds is not known yet."""
    if connection.invalidated:
        return
    root = connection.get_transaction()
    for joined in connection.info.get(_KEY, ()):
        if joined.root() is root:
            joined.is_committing = True


def _after_transaction(connection: Connection) -> None:
    """End the transactions before the one that begins now."""
    _end(connection.info)


def _after_use(_: object, record: ConnectionPoolEntry) -> None:
    """End the transactions of a connection that returns to its pool."""
    _end(record.info)


def _after_session(session: Session, transaction: SessionTransaction) -> None:
    """End the transactions of a session, whose connections have returned to their pool."""
    if transaction.parent is not None:
        return
    for joined in session.info.pop(_KEY, ()):
        if joined.is_open:
            joined.session = None  # the host's connection, to which the session is bound, goes on with it
        else:
            joined.end()


def _end(info: MutableMapping[Any, Any]) -> None:
    """End the joined transactions that are not open any more; a session ends its own."""
    listed: list[_Joined] = info.pop(_KEY, [])
    still_open = [one for one in listed if one.is_open]
    if still_open:
        info[_KEY] = still_open
    for joined in listed:
        # A connection that is garbage-collected has no place to make a call from.
        if not joined.is_open and joined.session is None and joined.connection() is not None:
            joined.end()
