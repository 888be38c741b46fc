"""Waiting on the network, bounded."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest

from itsm_workflow.gateway.deadline import Exchange, causes, open_socket, reason, resolve
from itsm_workflow.gateway.resolver import ResolverHangs


class Hand:
    """A clock that is turned by hand.

    Attributes:
        time: Seconds.
    """

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.time


def exchange(hand: Hand | None = None, *, deadline: float = 5.0) -> Exchange:
    """Return an exchange that has just begun."""
    return Exchange(connect_timeout=1.0, read_timeout=2.0, deadline=deadline, monotonic=hand or Hand())


def test_patience_is_the_limit_or_what_is_left() -> None:
    """Whichever is less, until nothing is left."""
    hand = Hand()
    running = exchange(hand)

    assert running.patience(2.0) == 2.0
    hand.time += 4.0
    assert running.patience(2.0) == 1.0
    hand.time += 1.0
    assert running.over
    with pytest.raises(TimeoutError):
        running.patience()


def test_a_name_that_cannot_be_one() -> None:
    """A label is too long: no lookup error of another kind escapes."""
    with pytest.raises(OSError, match="is not a host name"):
        resolve("x" * 70 + ".example.com", 443, exchange())


def test_an_address_needs_no_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    """And so no thread."""
    monkeypatch.setattr(threading, "Thread", None)

    assert resolve("127.0.0.1", 80, exchange())[0][4] == ("127.0.0.1", 80)


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that refuses is not the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as closed:
        refusing, port = closed.getsockname()[1], listener.getsockname()[1]
        closed.close()
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", each)) for each in (refusing, port)]
        monkeypatch.setattr("itsm_workflow.gateway.deadline.resolve", lambda *_: found)

        with open_socket("two.example.com", port, exchange(), ()) as sock:
            assert sock.getpeername()[1] == port


def certificate_error() -> ssl.SSLCertVerificationError:
    """Return what OpenSSL raises."""
    error = ssl.SSLCertVerificationError(1, "text that quotes the other side")
    error.verify_message = "certificate has expired"
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (certificate_error(), "the server's certificate was refused: certificate has expired"),
        (OSError("wrapped", certificate_error()), "the server's certificate was refused: certificate has expired"),
        (socket.gaierror(-2, "x"), "the host name could not be resolved"),
        (ResolverHangs("the name resolver hangs"), "the name resolver hangs"),
        (TimeoutError("x"), "no connection in time"),
        (ConnectionRefusedError(111, "Connection refused"), "no connection: Connection refused"),
        (ssl.SSLError(1, "quoted"), "the TLS handshake failed: SSLError"),
        (ValueError("quoted"), "no connection: ValueError"),
    ],
)
def test_why_there_is_no_connection(error: BaseException, words: str) -> None:
    """In the system's words, quoting nothing that the other side said."""
    assert reason(error) == words


def test_causes_of_a_circle_are_each_told_once() -> None:
    """Libraries chain errors as they like."""
    first, second = ValueError("a"), OSError("b")
    first.__cause__, second.__context__ = second, first

    assert list(causes(first)) == [first, second]
