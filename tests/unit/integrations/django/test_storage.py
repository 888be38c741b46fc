"""The store in a database of the project: how it is opened, what it refuses, and its connections."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from typing import TYPE_CHECKING, Any, Self

import pytest
from django.core.management import call_command
from django.db import OperationalError, connections, transaction
from django.test import override_settings

from itsm_workflow import State, open_storage
from itsm_workflow.errors import StorageError, StorageSchemaError, StorageUnavailable
from itsm_workflow.integrations.django import DjangoWorkflow
from itsm_workflow.integrations.django.fields import ExactCharField, exact_collation
from itsm_workflow.integrations.django.storage import DjangoBackend, errors
from itsm_workflow.integrations.django.storage.connections import connection_of
from itsm_workflow.storage.registry import schema_of
from itsm_workflow.testing.conformance._rows import create
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.django_host import stores
from tests.support.limits import PATIENCE, exit_code
from tests.unit.integrations.django.test_workflow import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from itsm_workflow.storage import StorageBackend


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the tables."""
    path = tmp_path_factory.mktemp("store") / "store.sqlite3"
    stores.migrate({"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)})
    return path


@pytest.fixture
def store(file: Path) -> Iterator[StorageBackend]:
    """The empty store in it."""
    opened = stores.open_store({"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)})
    yield opened
    with connections["kit"].cursor() as cursor:
        cursor.execute("DELETE FROM itsm_workflow_change")
        cursor.execute("DELETE FROM itsm_workflow_entry")
    stores.leave()


# ---------------------------------------------------------------- opening


def test_a_workflow_runs_in_a_database_of_the_project(store: StorageBackend) -> None:
    """From the application to the approval."""
    desk = Desk()
    workflow = DjangoWorkflow(
        storage="django://kit", gateway=desk.gateway, clock=desk.clock, observers=[desk.witness], after_callback="later"
    )
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.decide(change)
    desk.clock.advance(3600)
    workflow.reconcile()
    assert workflow.require_approved(SUBJECT).state == State.APPROVED
    assert store.get(change.id) is not None
    workflow.close()
    with pytest.raises(StorageUnavailable, match="this store in the database 'kit' was closed"):
        workflow.get(change.id)


@pytest.mark.parametrize("url", ["django://", "django:///kit", "django://kit?a=b", "django://a b"])
def test_a_wrong_url_is_refused(url: str) -> None:
    """The message shows the right form."""
    with pytest.raises(StorageError, match="such as django://default"):
        open_storage(url)


def test_an_unknown_database_is_refused_with_the_known_ones() -> None:
    """By their aliases."""
    with pytest.raises(StorageError, match="DATABASES has no 'nowhere', only default, other"):
        open_storage("django://nowhere")
    with pytest.raises(StorageError, match="has no options, but migrate was given"):
        open_storage("django://default", migrate=True)


def test_missing_tables_are_created_by_the_named_command() -> None:
    """Neither opening nor a transaction of the host is disturbed."""
    with pytest.raises(StorageSchemaError, match=r"`manage\.py migrate itsm_workflow --database other`"):
        open_storage("django://other")
    assert schema_of("django://other").found == 0  # type: ignore[union-attr]
    connections["other"].close()


def test_the_schema_of_a_store_is_read(store: StorageBackend) -> None:
    """As the commands do before they open it."""
    del store
    found = schema_of("django://kit")
    assert found is not None
    assert (found.found, found.known) == (1, 1)


@pytest.mark.long
def test_without_django_the_message_says_what_to_do() -> None:
    """In a process that has not set it up, and in a project without the app."""
    opening = "from itsm_workflow import open_storage"
    assert "call django.setup()" in run(opening, "open_storage('django://default')").stderr
    lines = ("from django.conf import settings", "settings.configure(INSTALLED_APPS=[])", "import django")
    ended = run(*lines, "django.setup()", opening, "open_storage('django://default')")
    assert "add 'itsm_workflow.integrations.django' to INSTALLED_APPS" in ended.stderr


def test_the_migrations_are_those_of_the_models() -> None:
    """Else a host's `makemigrations` would write one into this library."""
    written = io.StringIO()
    call_command("makemigrations", "itsm_workflow", check=True, dry_run=True, skip_checks=True, stdout=written)
    assert written.getvalue() == "No changes detected in app 'itsm_workflow'\n"


def test_a_check_names_a_store_in_an_unknown_database(settings_with: Any) -> None:  # noqa: ANN401 - a fixture
    """Before the first request needs it."""
    from itsm_workflow.integrations.django import checks  # noqa: PLC0415 - Django is set up by now
    from tests.unit.integrations.django.test_settings import CALLBACKS  # noqa: PLC0415 - only here

    with override_settings(ITSM_WORKFLOW={**CALLBACKS, "BKAPP_ITSM_STORE": "django://nowhere"}):
        [message] = checks.check_settings()
    assert (message.id, message.msg) == (
        "itsm_workflow.E005",
        "BKAPP_ITSM_STORE names the database 'nowhere', which DATABASES does not have",
    )
    with override_settings(ITSM_WORKFLOW={**CALLBACKS, "BKAPP_ITSM_STORE": "django://default"}):
        assert checks.check_settings() == []


# ---------------------------------------------------------------- in the host's transaction


def test_a_commit_in_the_host_s_transaction_is_refused(store: StorageBackend) -> None:
    """It could be undone after the ticket system was asked; reading is fine."""
    with transaction.atomic(using="kit"):
        with pytest.raises(StorageUnavailable, match=r"since a transaction is open there.*transaction\.on_commit"):
            store.commit([create("c1")])
        assert store.get("c1") is None
    assert store.commit([create("c1")]) == [None]


def test_a_commit_without_autocommit_is_refused(store: StorageBackend) -> None:
    """Nothing would commit it."""
    transaction.set_autocommit(False, using="kit")
    try:
        with pytest.raises(StorageUnavailable, match="a transaction is open there"):
            store.commit([create("c1")])
    finally:
        transaction.rollback(using="kit")
        transaction.set_autocommit(True, using="kit")


def test_the_transaction_around_a_test_of_django_does_not_count(store: StorageBackend) -> None:
    """A host tests its views with `TestCase`, whose transaction is undone."""
    around = transaction.atomic(using="kit")
    around._from_testcase = True
    around.__enter__()
    try:
        assert store.commit([create("c1")]) == [None]
        transaction.set_rollback(True, using="kit")
    finally:
        around.__exit__(None, None, None)
    assert store.get("c1") is None


@contextlib.contextmanager
def joining(store: DjangoBackend) -> Iterator[None]:
    """Let the commits in the block join the open transaction."""
    joined = store.transaction_to_join(None)
    assert joined is not None
    with joined.joining():
        yield


def test_joined_commits_belong_to_the_host_s_transaction(store: StorageBackend) -> None:
    """A refused one leaves it usable."""
    assert isinstance(store, DjangoBackend)
    store.commit([create("c1", open_subject="s")])
    with transaction.atomic(using="kit"), joining(store):
        [conflict] = store.commit([create("c2", open_subject="s")])
        assert conflict is not None
        assert conflict.holder == "c1"
        assert store.commit([create("c3")]) == [None]
    assert store.get("c3") is not None
    with pytest.raises(RuntimeError, match="no"), transaction.atomic(using="kit"), joining(store):  # noqa: PT012 - undone
        assert store.commit([create("c4")]) == [None]
        raise RuntimeError("no")
    assert store.get("c4") is None


# ---------------------------------------------------------------- connections


def test_a_thread_that_ends_leaves_no_connection(store: StorageBackend) -> None:
    """Nothing else closes that of a thread which serves no requests."""
    opened: list[Any] = []

    def read() -> None:
        store.get("c1")
        opened.append(connections["kit"].connection)
        opened.append(connections["kit"])

    thread = threading.Thread(target=read)
    thread.start()
    thread.join(PATIENCE)
    assert opened[0] is not None
    assert opened[1].connection is None


def test_a_forked_process_has_a_connection_of_its_own(store: StorageBackend) -> None:
    """And its parent keeps the one it had."""
    store.commit([create("c1")])
    before = connection_of("kit")
    child = os.fork()
    if not child:
        is_new = connection_of("kit") is not before and connection_of("kit").connection is None
        os._exit(0 if is_new and store.get("c1") is not None else 1)
    assert exit_code(child) == 0
    assert connection_of("kit") is before
    assert store.get("c1") is not None


def test_an_error_says_what_was_attempted_and_what_to_do(store: StorageBackend) -> None:
    """Without the statement and its parameters, which hold the data of changes."""
    with connections["kit"].cursor() as cursor:
        cursor.execute("ALTER TABLE itsm_workflow_change RENAME TO gone")
    try:
        with pytest.raises(StorageSchemaError, match=r"cannot read from the database 'kit': no such table.*migrate"):
            store.get("canary")
    finally:
        with connections["kit"].cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO itsm_workflow_change")


class _DriverError(Exception):
    """An error of a driver."""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1049, "correct its name in DATABASES"),
        (1205, "try again"),
        (1040, "no free connection"),
        ("x", "gone; the con"),
    ],
)
def test_a_driver_s_error_gets_advice(code: object, words: str) -> None:
    """By its code, or as a lost connection if it has none."""
    error = OperationalError("secret statement")
    error.__cause__ = _DriverError(code, "the server has gone") if isinstance(code, int) else _DriverError("gone")
    message = str(errors.translated(error, "kit", "read"))
    assert words in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("vendor", "maria", "expected"),
    [
        ("postgresql", False, "C"),
        ("mysql", True, "utf8mb4_nopad_bin"),
        ("mysql", False, "utf8mb4_0900_bin"),
        ("sqlite", False, None),
        ("oracle", False, None),
    ],
)
def test_texts_are_compared_exactly_in_every_database(vendor: str, maria: bool, expected: str | None) -> None:  # noqa: FBT001 - a case
    """By a collation of the database."""

    class Connection:
        pass

    connection: Any = Connection()
    connection.vendor, connection.mysql_is_mariadb = vendor, maria
    assert exact_collation(connection) == expected


def test_a_column_in_postgresql_has_no_second_index() -> None:
    """Django makes one for LIKE, for the type that it calls varchar."""
    connection: Any = connections["default"]
    field = ExactCharField(max_length=7)
    field.set_attributes_from_name("a")
    assert field.db_type(connection) == "varchar(7)"


def test_a_store_on_mysql_with_a_small_character_set_is_refused() -> None:
    """It would lose characters."""
    from itsm_workflow.integrations.django.storage.backend import _opened  # noqa: PLC0415 - the part of opening

    class Cursor:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def execute(self, statement: str) -> None:
            pass

        def fetchone(self) -> tuple[str]:
            return ("utf8mb3",)

    class Connection:
        vendor = "mysql"
        alias = "default"
        cursor = Cursor

    with pytest.raises(StorageError, match=r'set DATABASES\[\'default\'\]\["OPTIONS"\]\["charset"\] to "utf8mb4"'):
        _opened(Connection(), "t")
