"""Connections that are lost: in a commit, before it, while idle, and by a server that kills the session."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, make_url, text

from itsm_workflow import open_storage
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.testing.conformance._rows import create, follow
from itsm_workflow_backends.sql import SQLBackend
from itsm_workflow_backends.sql._url import DRIVERS
from tests.support.cut_proxy import CutProxy, Link, lose_answer, lose_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage import StorageBackend
    from tests.services.servers import Server

_WITHOUT_TLS: dict[str, dict[str, object]] = {"postgresql": {"sslmode": "disable"}, "mysql": {"ssl_disabled": True}}


@contextmanager
def through_proxy(url: str) -> Iterator[tuple[CutProxy, StorageBackend, StorageBackend]]:
    """Yield a proxy, the store through it, and the store without it; the change ``c1`` exists.

    The store through the proxy uses an engine of the test, without TLS, so that the proxy can read what it forwards.
    """
    parts = make_url(url)
    scheme = parts.drivername
    assert parts.host is not None
    assert parts.port is not None
    with CutProxy(parts.host, parts.port) as proxy, closing(open_storage(url)) as direct:
        engine = create_engine(
            parts.set(drivername=DRIVERS[scheme], port=proxy.port, query={}), connect_args=_WITHOUT_TLS[scheme]
        )
        try:
            backend = SQLBackend(engine, prefix=str(parts.query["prefix"]))
            assert backend.commit([create("c1")]) == [None]
            yield proxy, backend, direct
        finally:
            engine.dispose()


@pytest.mark.parametrize(("lose", "version"), [(lose_request, 1), (lose_answer, 2)])
def test_a_connection_lost_in_commit_leaves_the_outcome_unknown(
    store_url: str, lose: Callable[[Link, bytes], bool], version: int
) -> None:
    """The commit is not repeated, whether the server received it or not; the store goes on with a new connection."""
    with through_proxy(store_url) as (proxy, backend, direct):
        proxy.on_commit = lose
        with pytest.raises(StorageUnavailable, match="whether it was stored is unknown: read the change again"):
            backend.commit([follow(create("c1").row)])
        row = direct.get("c1")
        assert row is not None
        assert (row.version, row.seq) == (version, version)
        assert backend.get("c1") == row
        assert backend.commit([follow(row)]) == [None]
        assert [entry.seq for entry in backend.history("c1").entries] == [*range(1, version + 2)]


def test_a_session_killed_in_commit_leaves_the_outcome_unknown(store_url: str, server: Server) -> None:
    """The server ends the session after the client has sent COMMIT and before the server reads it."""
    with through_proxy(store_url) as (proxy, backend, _), server.administration() as administration:

        def kill_first(link: Link, message: bytes) -> bool:
            number = administration.execute(text(server.by_port), {"port": str(link.port)}).scalar_one()
            server.end_session(administration, number)
            link.server.sendall(message)
            return True

        proxy.on_commit = kill_first
        with pytest.raises(StorageUnavailable, match="whether it was stored is unknown"):
            backend.commit([follow(create("c1").row)])
        row = backend.get("c1")
        assert row is not None
        assert row.version in {1, 2}
        assert backend.commit([follow(row)]) == [None]


def test_a_session_killed_before_commit_is_repeated(store_url: str, server: Server) -> None:
    """Nothing was stored, so that the backend may do the transaction again on a new connection."""
    prefix = str(make_url(store_url).query["prefix"])
    with closing(open_storage(store_url)) as backend, server.administration() as administration:
        row = create("c1").row
        assert backend.commit([create("c1")]) == [None]
        answers = []
        writer = threading.Thread(target=lambda: answers.append(backend.commit([follow(row)])))
        with server.administration() as holder:
            holder.execute(text("BEGIN"))
            holder.execute(text(f"SELECT id FROM {prefix}changes WHERE id = 'c1' FOR UPDATE"))  # noqa: S608 - a test's own prefix
            writer.start()
            waiting: list[int] = []
            while not waiting and writer.is_alive():
                found = administration.execute(text(server.waiting), {"words": f"UPDATE {prefix}changes%"})
                waiting = [*found.scalars()]
            assert waiting, "the writer did not wait"
            server.end_session(administration, waiting[0])
            holder.execute(text("ROLLBACK"))
        writer.join()
        assert answers == [[None]]
        stored = backend.get("c1")
        assert stored is not None
        assert (stored.version, stored.seq) == (2, 2)


def test_idle_connections_that_were_cut_are_replaced(store_url: str) -> None:
    """Neither a read nor a commit notices that a firewall or a restart closed the connections of the pool."""
    with through_proxy(store_url) as (proxy, backend, _):
        proxy.cut()
        row = backend.get("c1")
        assert row is not None
        proxy.cut()
        assert backend.commit([follow(row)]) == [None]


def test_a_server_that_does_not_answer_is_one_sentence(store_url: str) -> None:
    """Nothing listens any more; what was not sent was not stored."""
    with through_proxy(store_url) as (proxy, backend, _):
        proxy.stop()
        with pytest.raises(StorageUnavailable, match="nothing was stored") as caught:
            backend.commit([create("c2")])
        assert "\n" not in str(caught.value)
        with pytest.raises(StorageUnavailable, match="cannot read from"):
            backend.get("c1")
