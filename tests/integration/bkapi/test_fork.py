"""A client that was made before a fork works after it, in both processes, each with connections of its own."""

from __future__ import annotations

import os
import warnings

from tests.support.fault_server import FaultServer, answering, response, success
from tests.support.gateways import gateway
from tests.support.limits import exit_code


def test_after_a_fork_no_connection_is_shared() -> None:
    """Two processes that read one socket would take each other's answers."""
    with FaultServer(answering(response(success(["REQ20261125000001"])))) as server:
        client = gateway(server.url)
        client.undelivered()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later warn: the server here has threads
            child = os.fork()
        if child == 0:
            try:
                found = client.undelivered()
                os._exit(0 if list(found) == ["REQ20261125000001"] else 1)
            finally:
                os._exit(2)
        assert exit_code(child) == 0
        assert server.connections == 2
        client.undelivered()
        assert server.connections == 2
        client.close()
