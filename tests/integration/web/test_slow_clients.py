"""The served console and clients that send a byte now and then: other visitors are served meanwhile."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from itsm_workflow.web import serving
from tests.integration.cli.conftest import office
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.integration.cli.office import Office

__all__ = ["office"]

HEAD = b"GET /changes/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY = b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
BODY += b"Content-Length: 60000\r\n\r\nname="
TWICE_A_DEFAULT = 200
"""Twice the number of connections that waitress has by default, beyond which it accepts none."""


@contextmanager
def served(office: Office) -> Iterator[tuple[str, int]]:
    """Serve the console of a store with one change, and return its address; it ends without a traceback."""
    office.apply("collector-42")
    with office.start("web", "--port", "0") as running:
        assert running.stderr is not None
        url = urlsplit(running.stderr.readline().split()[4])
        assert url.hostname is not None
        assert url.port is not None
        yield url.hostname, url.port
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE) == 0
        assert running.stderr.read() == ""


def begun(stack: ExitStack, address: tuple[str, int], number: int, begin: bytes) -> Sequence[socket.socket]:
    """Connect clients, each of which has sent the beginning of a request."""
    clients = []
    for _ in range(number):
        client = stack.enter_context(socket.create_connection(address, timeout=PATIENCE))
        client.sendall(begin)
        clients.append(client)
    return clients


@pytest.mark.parametrize(
    "begin", [pytest.param(HEAD, id="the head"), pytest.param(BODY, id="the body", marks=pytest.mark.long)]
)
@pytest.mark.parametrize("number", [TWICE_A_DEFAULT, pytest.param(20, marks=pytest.mark.long)])
def test_other_visitors_are_served_while_slow_clients_send_a_byte_at_a_time(
    office: Office, number: int, begin: bytes
) -> None:
    """Between any two bytes of each slow client, a visitor gets a page; no slow client takes a thread."""
    assert number > serving.THREADS
    with served(office) as address, ExitStack() as stack:
        clients = begun(stack, address, number, begin)
        for _ in range(3):
            for client in clients:
                client.sendall(b"x")
            shown = requests.get(f"http://localhost:{address[1]}/changes/", timeout=PATIENCE)
            assert (shown.status_code, "collector-42" in shown.text) == (200, True)
        if begin is HEAD:  # a slow client that finishes its request gets its page
            clients[0].sendall(b"\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: clients[0].recv(1 << 16), b""))
            assert answer.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * (serving.LARGEST_HEAD + 1), b"431"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (serving.LARGEST_BODY + 1), b"413"),
    ],
    ids=["the head", "the body"],
)
def test_a_request_that_is_too_large_is_not_read(office: Office, request_: bytes, status: bytes) -> None:
    """Neither into the memory nor into a file: it is refused when its size is known."""
    with served(office) as address, socket.create_connection(address, timeout=PATIENCE) as client:
        client.sendall(request_)
        assert client.recv(1 << 12).split(b" ")[1] == status
