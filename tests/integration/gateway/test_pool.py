"""Connections that threads share: each call gets its own answer, and waiting for a connection has a bound."""

from __future__ import annotations

import contextlib
import threading
import time

import attrs
import pytest

from itsm_workflow.bkapi.transport import HttpRequest, Transport
from itsm_workflow.errors import GatewayTimeout, GatewayUnavailable
from tests.support.fault_server import Connection, FaultServer, answering, response, success
from tests.support.gateways import gateway
from tests.support.limits import PATIENCE


def test_a_call_that_finds_no_free_connection_was_not_sent() -> None:
    """Waiting for one counts against the deadline like any other wait."""
    with FaultServer(Connection.hold) as server:
        transport = Transport(pool_size=1)
        request = HttpRequest(
            endpoint="e",
            request_id="r",
            method="GET",
            url=server.url,
            headers={},
            body=None,
            connect_timeout=PATIENCE,
            read_timeout=PATIENCE,
            deadline=PATIENCE,
        )

        def hang() -> None:
            with contextlib.suppress(GatewayTimeout):
                transport.send(request)

        first = threading.Thread(target=hang)
        first.start()
        while server.connections == 0:
            time.sleep(0.01)

        with pytest.raises(GatewayUnavailable, match="no connection was free"):
            transport.send(attrs.evolve(request, deadline=0.1))
        assert server.connections == 1
    first.join()
    transport.close()


def test_threads_share_the_connections_and_no_more() -> None:
    """A hundred calls of twenty threads: each gets its own answer, and the pool's size bounds the connections."""
    with FaultServer(answering(response(success(["REQ20261125000001"])))) as server:
        client = gateway(server.url, deadline=20.0, timeout=(10.0, 10.0))
        found: list[object] = []

        def call() -> None:
            for _ in range(5):
                found.append(tuple(client.undelivered()))  # noqa: PERF401 - each is a call

        threads = [threading.Thread(target=call) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()

        assert found == [("REQ20261125000001",)] * 100
        assert server.connections <= 10
