"""Waiting on the network, bounded."""

from __future__ import annotations

import gc
import socket
import ssl
import sys
import threading
from typing import Any, cast

import pytest

from itsm_workflow.bkapi.body import CHUNK
from itsm_workflow.bkapi.connections import _PlainConnection, _Response, current
from itsm_workflow.bkapi.deadline import (
    DeadlineReader,
    EndlessAnswerError,
    Exchange,
    causes,
    open_socket,
    reason,
    resolve,
)
from itsm_workflow.bkapi.resolver import ResolverHangs


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


class Slow:
    """A socket on which each step takes its time.

    Attributes:
        timeouts: Each step, with the seconds that it was allowed to wait, in order.
    """

    def __init__(self, hand: Hand, seconds: float) -> None:
        self.timeouts: list[tuple[str, float]] = []
        self._hand = hand
        self._seconds = seconds
        self._allowed = 0.0

    def settimeout(self, seconds: float) -> None:
        """Set how long the next step may wait."""
        self._allowed = seconds

    def _pass(self, step: str) -> None:
        self.timeouts.append((step, self._allowed))
        self._hand.time += self._seconds

    def connect(self, _: object) -> None:
        """Connect."""
        self._pass("connect")

    def shake_hands(self) -> None:
        """Do what TLS does next."""
        self._pass("shake hands")

    def sendall(self, _: object) -> None:
        """Write."""
        self._pass("write")

    def readinto(self, _: object) -> int:
        """Read a byte."""
        self._pass("read")
        return 1

    def makefile(self, *_: object, **__: object) -> Slow:
        """Return the file to read from."""
        return self

    def setsockopt(self, *_: object) -> None:
        """Accept an option."""

    def close(self) -> None:
        """Close."""


def of_three_times(hand: Hand) -> Exchange:
    """Return an exchange that has just begun, with three time limits that differ."""
    return Exchange(connect_timeout=3.0, read_timeout=4.0, deadline=5.0, monotonic=hand)


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


@pytest.mark.parametrize(
    ("before", "taken", "to_connect", "to_shake_hands"),
    [(0.0, 0.5, 3.0, 3.0), (0.0, 2.5, 3.0, 2.5), (4.0, 0.25, 1.0, 0.75)],
)
def test_connecting_and_shaking_hands_are_bounded(
    before: float, taken: float, to_connect: float, to_shake_hands: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by the time limit of a connection, and by what is left of the deadline."""
    hand = Hand()
    slow = Slow(hand, taken)
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]
    monkeypatch.setattr("itsm_workflow.bkapi.deadline.resolve", lambda *_: addresses)
    monkeypatch.setattr(socket, "socket", lambda *_: slow)
    running = of_three_times(hand)
    hand.time += before
    made: Any = open_socket("there.example.com", 80, running, ((1, 2, 3),))
    made.shake_hands()
    assert slow.timeouts == [("connect", to_connect), ("shake hands", to_shake_hands)]


def test_each_write_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time limit of a read, and by what is left of the deadline."""
    hand = Hand()
    slow = Slow(hand, 0.75)
    sending = _PlainConnection("there.example.com")
    sending.sock = slow
    monkeypatch.setattr(current, "exchange", of_three_times(hand), raising=False)
    sending.send(b"x" * (CHUNK * 3 + 1))
    assert slow.timeouts == [("write", 4.0), ("write", 4.0), ("write", 3.5), ("write", 2.75)]


def test_each_read_is_bounded() -> None:
    """By its time limit, and by what is left of the deadline."""
    hand = Hand()
    slow = Slow(hand, 0.75)
    reader = DeadlineReader(cast("socket.socket", slow), of_three_times(hand))
    for _ in range(4):
        reader.read(1)
    assert slow.timeouts == [("read", 4.0), ("read", 4.0), ("read", 3.5), ("read", 2.75)]
    hand.time += 2.0
    with pytest.raises(TimeoutError):
        reader.read(1)


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
        monkeypatch.setattr("itsm_workflow.bkapi.deadline.resolve", lambda *_: found)

        with open_socket("two.example.com", port, exchange(), ()) as sock:
            assert sock.getpeername()[1] == port


def test_why_the_last_address_refused_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own error, not that there was none; and a name without addresses says so."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr("itsm_workflow.bkapi.deadline.resolve", lambda *_: found)

    with pytest.raises(ConnectionRefusedError):
        open_socket("one.example.com", port, exchange(), ())
    found.clear()
    with pytest.raises(socket.gaierror, match="has no address"):
        open_socket("one.example.com", port, exchange(), ())


def test_a_socket_has_the_options_that_it_is_to_have() -> None:
    """Among them the one that sends what is small at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with open_socket("127.0.0.1", port, exchange(), [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]) as sock:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_as_many_bytes_are_read_as_may_be() -> None:
    """To the byte, counted over all reads."""
    running = Exchange(connect_timeout=1.0, read_timeout=2.0, deadline=5.0, monotonic=Hand(), most=10)

    running.count(4)
    running.count(6)
    with pytest.raises(EndlessAnswerError, match="more than 10 bytes were read"):
        running.count(1)


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


def test_a_cause_may_be_a_reason_or_an_argument() -> None:
    """As urllib3 and requests tell it; what is no error is none."""
    refused, timeout = ConnectionRefusedError(111, "Connection refused"), TimeoutError("x")
    wrapped = ValueError("no pool", timeout, "words")
    wrapped.reason = refused  # type: ignore[attr-defined]  # as urllib3's MaxRetryError has it

    assert list(causes(wrapped)) == [wrapped, refused, timeout]


class Unopened:
    """A socket that cannot be read from, or not let go."""

    def __init__(self, file: object = None) -> None:
        self.file = file

    def makefile(self, *_: object, **__: object) -> object:
        """Return its file, if there is one."""
        if self.file is None:
            raise OSError(24, "Too many open files")
        return self.file


class Stubborn:
    """A file whose descriptor the system does not let go."""

    def close(self) -> None:
        """Fail."""
        raise OSError(5, "Input/output error")


@pytest.fixture
def ignored(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return what the interpreter would print that it ignores."""
    found: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", found.append)
    return found


def test_a_reader_that_was_only_half_made_is_collected_in_silence(ignored: list[object]) -> None:
    """The base class closes whatever is collected."""
    with pytest.raises(OSError, match="Too many open files"):
        DeadlineReader(cast("socket.socket", Unopened()), exchange())
    gc.collect(1)  # what was just made; all else takes half a second
    assert ignored == []


def test_a_reader_that_cannot_be_closed_is_closed_in_silence(ignored: list[object]) -> None:
    """By its owner, whose answer is whole, and by the garbage collector; then it reads nothing any more."""
    reader = DeadlineReader(cast("socket.socket", Unopened(Stubborn())), exchange())
    reader.close()
    assert reader.closed
    with pytest.raises(ValueError, match="closed"):
        reader.read(1)
    DeadlineReader(cast("socket.socket", Unopened(Stubborn())), exchange())
    gc.collect(1)  # what was just made; all else takes half a second
    assert ignored == []


@pytest.mark.parametrize("place", ["DeadlineReader", "http.client.HTTPResponse.__init__"])
def test_a_response_that_was_only_half_made_is_collected_in_silence(
    place: str, ignored: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever something strikes while it is made."""

    def strike(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(place if "." in place else f"itsm_workflow.bkapi.connections.{place}", strike)
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(current, "exchange", exchange(), raising=False)
    with ours, theirs, pytest.raises(MemoryError):
        _Response(ours)
    gc.collect(1)  # what was just made; all else takes half a second
    assert ignored == []


def test_an_interrupt_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time limit that strikes while the connection is made."""
    made: list[socket.socket] = []

    def strike(sock: socket.socket, _: object) -> None:
        made.append(sock)
        raise KeyboardInterrupt

    monkeypatch.setattr(socket.socket, "connect", strike)
    with pytest.raises(KeyboardInterrupt):
        open_socket("127.0.0.1", 9, exchange(), ())
    assert [sock.fileno() for sock in made] == [-1]
