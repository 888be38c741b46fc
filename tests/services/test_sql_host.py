"""A host's own engine as the store, and applications in the host's own transactions on it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import traceback
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, insert, make_url, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from itsm_workflow import (
    AlreadyApplied,
    BkItsmGateway,
    Effect,
    InvalidForm,
    Secret,
    Settings,
    State,
    Workflow,
    open_storage,
)
from itsm_workflow.errors import StorageConflict, StorageError, StorageUnavailable
from itsm_workflow_backends.sql import SQLBackend
from tests.services.servers import MARIADB, POSTGRESQL, SERVERS, Server
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.limits import PATIENCE
from tests.support.sql_host import KINDS, Kind, SQLHost

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def host(store_url: str) -> Iterator[SQLHost]:
    """A host on each server."""
    with hosted(store_url) as made:
        yield made


@contextmanager
def hosted(url: str, **options: Any) -> Iterator[SQLHost]:
    """Yield a host with its table and the tables of the store."""
    host = SQLHost(url, **options)
    host.store().close()
    host.make_table()
    try:
        yield host
    finally:
        host.drop_table()
        host.engine.dispose()


@pytest.fixture
def desk() -> Desk:
    """A ticket system and a clock in memory."""
    return Desk()


@pytest.fixture
def workflow(host: SQLHost, desk: Desk) -> Iterator[Workflow]:
    """A workflow whose store is on the host's engine."""
    with desk.workflow(storage=host.store()) as opened:
        yield opened


def tickets(desk: Desk) -> int:
    """Return the number of tickets in the ticket system."""
    return len(list(desk.ledger.tickets()))


def reconcile(desk: Desk, workflow: Workflow) -> None:
    """Make a pass, as another process does a while later."""
    desk.clock.advance(120)
    workflow.reconcile()


# ---------------------------------------------------------------- the engine


def test_an_engine_is_a_store(host: SQLHost, desk: Desk) -> None:
    """It stays open when the workflow is closed."""
    with closing(open_storage(host.engine, prefix=host.prefix)) as store:
        assert store.get("c1") is None
    pool = host.engine.pool
    with pytest.raises(StorageError, match="itsm-workflow storage migrate"), desk.workflow(storage=host.engine):
        pass  # the tables have another prefix
    with desk.workflow(storage=host.store()) as workflow:
        assert workflow.apply(subject=SUBJECT, **ASKED).state == State.PENDING
    assert host.engine.pool is pool
    assert host.rows() == []


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.scheme)
def test_a_workflow_opens_the_store_of_an_engine_and_closes_only_the_store(server: Server, desk: Desk) -> None:
    """With the tables' usual names, so they exist only for this test."""
    engine = SQLHost(SQLBackend.scratch_url(server.url, "unused")).engine
    url = SQLBackend.scratch_url(server.url, "itsm_workflow")
    with closing(SQLBackend.from_url(url)):
        pass
    try:
        with desk.workflow(storage=engine) as workflow:
            assert workflow.apply(subject=SUBJECT, **ASKED).state == State.PENDING
        with pytest.raises(StorageUnavailable, match="was closed"):
            workflow.get("c1")
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
    finally:
        SQLBackend.remove_scratch(url)
        engine.dispose()


# ---------------------------------------------------------------- in a transaction of the host


@pytest.mark.parametrize("kind", KINDS)
def test_a_commit_files_one_ticket_after_it(host: SQLHost, desk: Desk, workflow: Workflow, kind: Kind) -> None:
    """Nothing is sent, and observers are not notified, in the transaction."""
    inside: list[bool] = []
    with host.transaction(kind) as within:
        connection = within if kind == "connection" else within.connection()
        desk.faults.meanwhile("create", lambda: inside.append(connection.in_transaction()))
        change = host.apply_for(workflow, within, 7)
        assert change.state == State.APPLYING
        assert (desk.witness.entries, tickets(desk)) == ([], 0)
        with pytest.raises(RuntimeError):
            workflow.settle(change.id)
    assert (host.rows(), tickets(desk), inside) == ([7], 1, [False])
    assert workflow.get(change.id).state == State.PENDING
    assert desk.witness.triggers()[:3] == ["draft", "submit", "mark_sending"]
    assert desk.witness.troubles == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_transaction_that_is_undone_files_nothing(host: SQLHost, desk: Desk, workflow: Workflow, kind: Kind) -> None:
    """Neither the host's row nor the change is left, and no later pass files a ticket."""
    with pytest.raises(RuntimeError, match="no"), host.transaction(kind) as within:  # noqa: PT012 - undone
        host.apply_for(workflow, within, 7)
        raise RuntimeError("no")
    reconcile(desk, workflow)
    assert (host.rows(), tickets(desk), workflow.newest("collector-7")) == ([], 0, None)
    assert (desk.witness.entries, desk.witness.troubles) == ([], [])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("moment", "count"), [("before", 0), ("after", 1)])
def test_a_process_that_is_killed_files_exactly_what_was_committed(  # noqa: PLR0917 - fixtures
    host: SQLHost, store_url: str, desk: Desk, workflow: Workflow, kind: Kind, moment: str, count: int
) -> None:
    """Before the commit nothing; after it, the next pass of another process sends the request, once."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.support.sql_host", store_url, kind, moment],
        check=False,
        timeout=PATIENCE,
        env=dict(os.environ),
    )
    assert ended.returncode == -signal.SIGKILL
    assert (len(host.rows()), tickets(desk)) == (count, 0)
    reconcile(desk, workflow)
    reconcile(desk, workflow)
    assert tickets(desk) == count
    assert [change.state for change in workflow.find()] == [State.PENDING] * count


@pytest.mark.parametrize("kind", KINDS)
def test_an_undone_savepoint_takes_the_change_with_it(
    host: SQLHost, desk: Desk, workflow: Workflow, kind: Kind
) -> None:
    """The host goes on after its savepoint; only what was committed is sent."""
    with host.transaction(kind) as within:
        with pytest.raises(RuntimeError, match="no"), within.begin_nested():  # noqa: PT012 - undone
            host.apply_for(workflow, within, 7)
            raise RuntimeError("no")
        with within.begin_nested():
            host.apply_for(workflow, within, 8)
    assert (host.rows(), tickets(desk)) == ([8], 1)
    assert {entry.change_id for entry in desk.witness.entries} == {change.id for change in workflow.find()}
    assert desk.witness.troubles == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_application_leaves_the_transaction_usable(
    host: SQLHost, desk: Desk, workflow: Workflow, kind: Kind
) -> None:
    """Also if the other change is not seen before it is inserted: the unique index decides, after a savepoint."""
    held = workflow.apply(subject=SUBJECT, **ASKED)
    with host.transaction(kind) as within:
        for read in (workflow._filing._read_draft, lambda _: None):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(workflow._filing, "_read_draft", read)
                with pytest.raises(AlreadyApplied) as caught:
                    workflow.apply(subject=SUBJECT, send="on_commit", within=within, **ASKED)
            assert caught.value.change_id == held.id
        host.apply_for(workflow, within, 8)
    assert (host.rows(), tickets(desk)) == ([8], 2)


def test_a_draft_is_submitted_in_the_transaction(host: SQLHost, desk: Desk, workflow: Workflow) -> None:
    """As `apply` does it elsewhere."""
    draft = workflow.draft(subject=SUBJECT, **ASKED)
    with host.transaction("connection") as within:
        change = workflow.apply(subject=SUBJECT, send="on_commit", within=within, **ASKED)
        assert workflow.get(draft.id).state == State.DRAFT  # other connections read what is committed
    assert change.id == draft.id
    assert tickets(desk) == 1


def test_a_draft_whose_submission_is_undone_is_not_announced(host: SQLHost, desk: Desk, workflow: Workflow) -> None:
    """It exists, but is not the submission, even if another worker has moved it meanwhile."""
    draft = workflow.draft(subject=SUBJECT, **ASKED)
    before = len(desk.witness.entries)
    with host.transaction("connection") as within:
        savepoint = within.begin_nested()
        workflow.apply(subject=SUBJECT, send="on_commit", within=within, **ASKED)
        savepoint.rollback()
    assert (workflow.get(draft.id), tickets(desk)) == (draft, 0)
    assert len(desk.witness.entries) == before


def test_names_of_effects_are_stored_apart(host: SQLHost, desk: Desk) -> None:
    """In the host's transaction, their row would be locked for all other processes until its end."""
    effects = {State.APPROVED: [Effect("start", lambda _: None)]}
    with desk.workflow(storage=host.store(), effects=effects) as workflow:
        with host.transaction("session") as within:
            host.apply_for(workflow, within, 7)
            with desk.workflow(storage=host.store(), effects=effects) as other:
                seen: list[str] = []
                thread = threading.Thread(target=lambda: seen.append(other.apply(subject=SUBJECT, **ASKED).state))
                thread.start()
                thread.join(PATIENCE)
            assert seen == [State.PENDING]
            host.apply_for(workflow, within, 8)
        assert tickets(desk) == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("problem", [OSError("no"), asyncio.CancelledError("no")])
def test_a_request_that_cannot_be_sent_does_not_fail_the_host(
    host: SQLHost, desk: Desk, workflow: Workflow, kind: Kind, problem: BaseException
) -> None:
    """It has committed; observers are notified, and the next pass sends the request."""

    def fail(_: object) -> None:
        raise problem

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow._filing, "send_queued", fail)
        with host.transaction(kind) as within:
            host.apply_for(workflow, within, 7)
    [(_, error)] = desk.witness.troubles
    assert f"the next reconcile sends it: {type(problem).__name__}: no" in str(error)
    assert (host.rows(), tickets(desk)) == ([7], 0)
    reconcile(desk, workflow)
    assert tickets(desk) == 1


def test_a_commit_that_fails_files_nothing(host: SQLHost, desk: Desk, workflow: Workflow, server: Server) -> None:
    """The event of a commit precedes it, so the store is asked."""
    with pytest.raises(Exception, match=r"(?i)clos|lost|terminat|gone"), Session(host.engine) as session:  # noqa: PT012 - the driver's error
        host.apply_for(workflow, session, 7)
        driver: Any = session.connection().connection.dbapi_connection
        number = driver.info.backend_pid if server is POSTGRESQL else driver.thread_id()
        with server.administration() as administration:
            server.end_session(administration, number)
        session.commit()
    assert (host.rows(), tickets(desk), list(workflow.find())) == ([], 0, [])
    assert (desk.witness.entries, desk.witness.troubles) == ([], [])


# ---------------------------------------------------------------- when the request is sent


def test_a_connection_that_goes_on_sends_before_its_next_transaction(
    host: SQLHost, desk: Desk, workflow: Workflow
) -> None:
    """SQLAlchemy has no event after a commit, so the next one counts."""
    with host.engine.connect() as connection:
        host.apply_for(workflow, connection, 7)
        connection.commit()
        assert tickets(desk) == 0
        connection.execute(text("SELECT 1"))
        assert tickets(desk) == 1
        host.apply_for(workflow, connection, 8)
        connection.commit()
        host.apply_for(workflow, connection, 9)
        assert tickets(desk) == 2
        connection.rollback()
    assert (host.rows(), tickets(desk)) == ([7, 8], 2)


@pytest.mark.parametrize("kind", KINDS)
def test_each_of_many_connections_sends(store_url: str, desk: Desk, kind: Kind) -> None:
    """Also one whose address in memory was that of another one, or whose pool is at that of another pool."""
    for number in range(20):
        with hosted(store_url) as host, desk.workflow(storage=host.store()) as workflow:
            for each in range(3):
                with host.transaction(kind) as within:
                    host.apply_for(workflow, within, 3 * number + each)
            assert tickets(desk) == 3 * number + 3
            assert desk.witness.troubles == []


def test_a_session_in_a_transaction_of_a_connection_sends_after_that_transaction(
    host: SQLHost, desk: Desk, workflow: Workflow
) -> None:
    """The session's own commit is not one of the database."""
    with host.engine.connect() as connection, connection.begin() as outer:
        with Session(connection) as session:
            host.apply_for(workflow, session, 7)
            session.commit()
        assert tickets(desk) == 0
        outer.commit()
    assert (host.rows(), tickets(desk)) == ([7], 1)
    with host.engine.connect() as connection, connection.begin() as outer:
        with Session(connection) as session:
            host.apply_for(workflow, session, 8)
            session.commit()
        outer.rollback()
    assert (host.rows(), tickets(desk), desk.witness.troubles) == ([7], 1, [])


def test_one_connection_is_enough_for_a_session(store_url: str, desk: Desk) -> None:
    """The store takes no second connection in the transaction, and sends when the first has been returned."""
    with hosted(store_url, pool_size=1, max_overflow=0, pool_timeout=0.1) as host:
        with desk.workflow(storage=host.store()) as workflow, host.transaction("session") as within:
            host.apply_for(workflow, within, 7)
        assert (tickets(desk), desk.witness.troubles) == (1, [])


def test_a_connection_that_nothing_is_left_beside_sends_by_the_next_pass(store_url: str, desk: Desk) -> None:
    """It is not returned yet when the store needs one."""
    with hosted(store_url, pool_size=1, max_overflow=0, pool_timeout=0.1) as host:
        with desk.workflow(storage=host.store()) as workflow:
            with host.transaction("connection") as within:
                host.apply_for(workflow, within, 7)
            [(_, error)] = desk.witness.troubles
            assert "all connections of the pool are in use" in str(error)
            reconcile(desk, workflow)
        assert (host.rows(), tickets(desk)) == ([7], 1)


def test_a_connection_that_is_garbage_collected_sends_nothing(host: SQLHost, desk: Desk, workflow: Workflow) -> None:
    """The collector may run in the middle of anything."""
    connection = host.engine.connect()
    host.apply_for(workflow, connection, 7)
    connection.commit()
    del connection
    gc.collect()
    assert (host.rows(), tickets(desk)) == ([7], 0)
    reconcile(desk, workflow)
    assert tickets(desk) == 1


# ---------------------------------------------------------------- what the host's transaction does not see


SEES_NEWEST = "SET SESSION innodb_snapshot_isolation = OFF"
"""What MariaDB did before release 11.6, and MySQL does: a locking read shows what was committed since."""


@contextmanager
def repeatable(host: SQLHost, *, sees_newest: bool) -> Iterator[Any]:
    """Yield a connection in a repeatable read that has begun to read."""
    with host.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        if sees_newest:
            connection.execute(text(SEES_NEWEST))
            connection.commit()
        try:
            with connection.begin():
                connection.execute(select(host.table)).all()
                yield connection
        finally:
            connection.invalidate()  # the setting would stay


def test_an_open_change_that_a_repeatable_read_does_not_see(host: SQLHost, desk: Desk, workflow: Workflow) -> None:
    """The host begins its transaction again."""
    workflow.apply(subject="collector-7", **ASKED)
    with (  # noqa: PT012 - undone
        pytest.raises(StorageUnavailable, match=r"undo the transaction"),
        repeatable(host, sees_newest=False) as connection,
    ):
        workflow.apply(subject="collector-8", **ASKED)
        with pytest.raises(AlreadyApplied):
            host.apply_for(workflow, connection, 7)
        host.apply_for(workflow, connection, 8)
    assert (host.rows(), tickets(desk)) == ([], 2)


@pytest.mark.parametrize("server", [MARIADB], ids=["mysql"])
def test_an_open_change_that_a_locking_read_sees(host: SQLHost, desk: Desk, workflow: Workflow, server: Server) -> None:
    """It is named, and the transaction goes on."""
    del server
    with repeatable(host, sees_newest=True) as connection:
        held = workflow.apply(subject="collector-7", **ASKED)
        with pytest.raises(AlreadyApplied) as caught:
            host.apply_for(workflow, connection, 7)
        assert caught.value.change_id == held.id
        host.apply_for(workflow, connection, 8)
    assert (host.rows(), tickets(desk)) == ([7, 8], 2)


@pytest.mark.parametrize("sees_newest", [False, True])
def test_a_draft_that_was_submitted_since_a_repeatable_read_began(
    host: SQLHost, desk: Desk, workflow: Workflow, server: Server, *, sees_newest: bool
) -> None:
    """The transaction still reads the draft, and nothing is tried again in it."""
    if sees_newest and server is not MARIADB:
        return
    draft = workflow.draft(subject=SUBJECT, **ASKED)
    error = StorageConflict if sees_newest else StorageUnavailable
    with pytest.raises(RuntimeError, match="no"), repeatable(host, sees_newest=sees_newest) as connection:  # noqa: PT012 - undone
        submitted = workflow.submit(draft.id)
        with pytest.raises(error):
            workflow.apply(subject=SUBJECT, send="on_commit", within=connection, **ASKED)
        raise RuntimeError("no")
    assert (workflow.get(draft.id), tickets(desk)) == (submitted, 1)


# ---------------------------------------------------------------- the other methods


def test_other_work_is_refused_only_where_a_transaction_was_joined(
    host: SQLHost, desk: Desk, workflow: Workflow
) -> None:
    """The message says why, and what to do; other threads go on, and so does this one after the transaction."""
    first = workflow.apply(subject=SUBJECT, **ASKED)
    reason = (
        r"settle was refused, and nothing was stored or sent: .*still open in the .* database.*after the host's commit"
    )
    with host.transaction("session") as within:
        workflow.settle(first.id)
        host.apply_for(workflow, within, 7)
        with pytest.raises(RuntimeError, match=reason):
            workflow.settle(first.id)
        with pytest.raises(RuntimeError, match=r"^apply was refused"):
            workflow.apply(subject="collector-9", **ASKED)
        with pytest.raises(RuntimeError, match=r"^status\(live=True\) was refused"):
            workflow.status(first.id, live=True)
        with pytest.raises(RuntimeError, match=r"^why\(live=True\) was refused"):
            workflow.why(first.id, live=True)
        with pytest.raises(StorageUnavailable, match="nothing was stored, since a transaction"):
            workflow._journal.storage.commit(
                [workflow._journal.prepare_draft(change_id="c1", subject="s", form=first.form, actor="a").write]
            )
        assert workflow.status(first.id).state == State.PENDING
        seen: list[str] = []
        thread = threading.Thread(target=lambda: seen.append(workflow.settle(first.id).state))
        thread.start()
        thread.join(PATIENCE)
        assert seen == [State.PENDING]
    assert workflow.settle(first.id).state == State.PENDING
    assert tickets(desk) == 2


# ---------------------------------------------------------------- what cannot be joined


class Base(DeclarativeBase):
    """The classes of a host."""


class Collector(Base):
    """A class with an engine of its own."""

    __tablename__ = "collector"
    number: Mapped[int] = mapped_column(primary_key=True)


def test_what_cannot_be_joined_is_refused(host: SQLHost, desk: Desk, workflow: Workflow) -> None:
    """The message says what to pass; nothing was stored."""

    def refused(within: object, reason: str, kind: type[Exception] = ValueError, **options: Any) -> None:
        with pytest.raises(kind, match=reason):
            workflow.apply(subject=SUBJECT, within=within, **{"send": "on_commit", **options}, **ASKED)

    refused(None, r"Add within=\.\.\., the Connection or the Session")
    refused(host.engine, "takes a Connection or a Session of SQLAlchemy, not Engine", TypeError)
    other = SQLHost(
        make_url(str(host.engine.url.render_as_string(hide_password=False)))
        .set(drivername=host.engine.dialect.name)
        .update_query_dict({"prefix": host.prefix})
        .render_as_string(hide_password=False)
    ).engine
    with host.engine.connect() as connection:
        refused(connection, "Add send='on_commit'", send="now")
        refused(connection, "takes 'now' or 'on_commit', not 'later'", send="later")
    with other.connect() as connection:
        refused(connection, r"of another engine than the store.*Workflow\(storage=engine\)")
    with host.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        refused(connection, "AUTOCOMMIT")
    with host.engine.connect().execution_options(schema_translate_map={None: "tenant"}) as connection:
        refused(connection, "schema_translate_map")
    with Session(binds={Collector: host.engine}) as session:
        refused(session, r"within=session\.connection")
        host.apply_for(workflow, session.connection(bind_arguments={"mapper": Collector}), 7)
        session.commit()
    with host.engine.connect() as connection:
        connection.close()
        refused(connection, "cannot join the host's transaction", StorageUnavailable)
    other.dispose()
    assert [change.subject for change in workflow.find()] == ["collector-7"]


def test_a_store_elsewhere_is_refused(host: SQLHost, desk: Desk) -> None:
    """The message says how to open one in the same database."""
    with host.transaction("session") as within, pytest.raises(ValueError, match=r"Workflow\(storage=engine\)"):
        desk.workflow().apply(subject=SUBJECT, send="on_commit", within=within, **ASKED)


def test_a_wrong_form_is_refused_before_anything_is_stored(host: SQLHost, workflow: Workflow) -> None:
    """As by `apply` elsewhere."""
    with host.transaction("session") as within, pytest.raises(InvalidForm):
        workflow.apply(subject="", send="on_commit", within=within, **ASKED)
    assert list(workflow.find()) == []


def test_a_service_that_must_be_looked_up_is_refused(host: SQLHost) -> None:
    """The gateway would be asked while the host's locks are held; the message says what to set."""
    settings = Settings(
        app_code="a",
        app_secret=Secret("s"),
        gateway_url="http://127.0.0.1:9/",
        service_name="collection",
        callback_host="https://a.example.com",
        callback_keys=(Secret("k" * 32),),
    )
    with closing(BkItsmGateway(settings)) as gateway, Workflow(storage=host.store(), gateway=gateway) as workflow:
        with host.transaction("session") as within, pytest.raises(RuntimeError, match="Set BKAPP_ITSM_SERVICE_ID"):
            workflow.apply(
                subject=SUBJECT, title="t", applicant="alice", fields={"a": 1}, send="on_commit", within=within
            )
        assert list(workflow.find()) == []


def test_an_asynchronous_engine_is_refused(host: SQLHost) -> None:
    """The library calls its store from ordinary functions."""
    engine = create_engine(host.engine.url)
    engine.dialect.is_async = True
    with pytest.raises(StorageError, match="pass an engine of create_engine"):
        open_storage(engine)


def test_no_password_is_shown(host: SQLHost, desk: Desk, server: Server) -> None:
    """Neither by a refusal nor by the variables in its traceback."""
    url = host.engine.url.set(password="geheim-7-xyz", port=1, host="127.0.0.1")
    engine = create_engine(url)
    with pytest.raises(StorageUnavailable) as caught:
        desk.workflow(storage=engine)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "itsm_workflow" in shown
    assert "geheim" not in shown
    del server


def test_an_error_of_the_host_s_own_statement_is_the_host_s(host: SQLHost, desk: Desk, workflow: Workflow) -> None:
    """It undoes the change as well."""
    with pytest.raises(IntegrityError), host.transaction("session") as within:  # noqa: PT012 - undone
        host.apply_for(workflow, within, 7)
        within.execute(insert(host.table).values(number=7))
    assert (host.rows(), list(workflow.find()), tickets(desk)) == ([], [], 0)
