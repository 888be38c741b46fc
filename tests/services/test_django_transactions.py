"""A commit that joins the transaction of a Django project which sees less than what decides."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from django.db import connections, transaction

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.integrations.django.storage import DjangoBackend
from itsm_workflow.storage.protocol import ConflictKind
from itsm_workflow.testing.conformance._rows import create, follow
from tests.services.servers import MARIADB, POSTGRESQL
from tests.services.test_django_conformance import new_database
from tests.support.django_host import stores
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.storage import Write
    from tests.services.servers import Server


@pytest.fixture(params=[POSTGRESQL, MARIADB], ids=lambda server: server.scheme)
def server(request: pytest.FixtureRequest) -> Server:
    """Each database server."""
    found: Server = request.param
    return found


@pytest.fixture
def store(server: Server) -> Iterator[DjangoBackend]:
    """An empty store, whose transactions in this thread are repeatable reads."""
    with new_database(server) as url:
        opened = stores.open_by_url(url)
        assert isinstance(opened, DjangoBackend)
        with connections["kit"].cursor() as cursor:
            if server is MARIADB:
                cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                cursor.execute("SET SESSION innodb_snapshot_isolation = OFF")  # as before MariaDB 11.6
            else:
                cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield opened


def commit_elsewhere(store: DjangoBackend, write: Write) -> None:
    """Commit a write on the connection of another thread."""
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.extend(store.commit([write])))
    thread.start()
    thread.join(PATIENCE)
    assert results == [None]


def test_a_move_of_a_change_that_was_moved_since_is_not_tried_again(store: DjangoBackend, server: Server) -> None:
    """The transaction reads the old version for as long as it is open."""
    first = create("c1").row
    assert store.commit([create("c1")]) == [None]
    with transaction.atomic(using="kit"):
        joined = store.transaction_to_join(None)
        assert joined is not None
        assert store.get("c1") == first
        commit_elsewhere(store, follow(first))
        with joined.joining():
            if server is MARIADB:
                [conflict] = store.commit([follow(first)])
                assert conflict is not None
                assert conflict.kind is ConflictKind.VERSION
            else:
                with pytest.raises(StorageUnavailable, match="undo the transaction"):
                    store.commit([follow(first)])
        transaction.set_rollback(True, using="kit")


def test_a_create_for_a_subject_that_was_claimed_since_is_not_tried_again(store: DjangoBackend, server: Server) -> None:
    """The unique constraint refuses it, although the transaction does not see why."""
    with transaction.atomic(using="kit"):
        joined = store.transaction_to_join(None)
        assert joined is not None
        assert store.get("c1") is None
        commit_elsewhere(store, create("c1", open_subject="s"))
        with joined.joining():
            if server is MARIADB:
                [conflict] = store.commit([create("c2", open_subject="s")])
                assert conflict is not None
                assert conflict.holder == "c1"
            else:
                with pytest.raises(StorageUnavailable, match="does not see: undo the transaction, and begin again"):
                    store.commit([create("c2", open_subject="s")])
        assert store.get("c2") is None
