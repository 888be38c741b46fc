"""Every layer below a call hands on how long it may take: to connect, to shake hands, for each write and each read."""

from __future__ import annotations

import socket
from types import MappingProxyType
from typing import Any

import pytest

from itsm_workflow.bkapi import deadline, transport
from itsm_workflow.bkapi.body import CHUNK
from itsm_workflow.bkapi.deadline import DeadlineReader, Exchange, open_socket
from itsm_workflow.bkapi.transport import HttpRequest, HttpResponse, Transport, _current, _PlainConnection
from itsm_workflow.clock import SystemClock
from itsm_workflow.doctor import callback, connection
from itsm_workflow.errors import GatewayUnavailable
from itsm_workflow.secrets import Secret
from tests.support.calls import settings

ADDRESSES = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]


class Hand:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.time


class Slow:
    """A socket on which everything takes its time.

    Attributes:
        timeouts: What it was told to wait at most, in order, with what was done then.
    """

    def __init__(self, hand: Hand, seconds: float) -> None:
        self.timeouts: list[tuple[str, float]] = []
        self._hand = hand
        self._seconds = seconds
        self._told = 0.0

    def settimeout(self, seconds: float) -> None:
        """Be told how long to wait at most."""
        self._told = seconds

    def _pass(self, what: str) -> None:
        self.timeouts.append((what, self._told))
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
        """Return what is read from."""
        return self

    def setsockopt(self, *_: object) -> None:
        """Take an option."""

    def close(self) -> None:
        """Close."""


def exchange(hand: Hand) -> Exchange:
    """Return one that has just begun, with three times that differ."""
    return Exchange(connect_timeout=3.0, read_timeout=4.0, deadline=5.0, monotonic=hand)


@pytest.mark.parametrize(
    ("before", "taken", "to_connect", "to_shake_hands"),
    [(0.0, 0.5, 3.0, 3.0), (0.0, 2.5, 3.0, 2.5), (4.0, 0.25, 1.0, 0.75)],
)
def test_connecting_and_shaking_hands(
    before: float, taken: float, to_connect: float, to_shake_hands: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each as long as a connection may take, and no longer than is left of the whole."""
    hand = Hand()
    slow = Slow(hand, taken)
    monkeypatch.setattr(deadline, "resolve", lambda *_: ADDRESSES)
    monkeypatch.setattr(socket, "socket", lambda *_: slow)
    running = exchange(hand)
    hand.time += before
    made: Any = open_socket("there.example.com", 80, running, ((1, 2, 3),))
    made.shake_hands()
    assert slow.timeouts == [("connect", to_connect), ("shake hands", to_shake_hands)]


def test_each_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as a read may take, and no longer than is left."""
    hand = Hand()
    slow = Slow(hand, 0.75)
    sending = _PlainConnection("there.example.com")
    sending.sock = slow
    monkeypatch.setattr(_current, "exchange", exchange(hand), raising=False)
    sending.send(b"x" * (CHUNK * 3 + 1))
    assert slow.timeouts == [("write", 4.0), ("write", 4.0), ("write", 3.5), ("write", 2.75)]


def test_each_read() -> None:
    """The same."""
    hand = Hand()
    slow = Slow(hand, 0.75)
    reader = DeadlineReader(slow, exchange(hand))  # type: ignore[arg-type] # as above
    for _ in range(4):
        reader.read(1)
    assert slow.timeouts == [("read", 4.0), ("read", 4.0), ("read", 3.5), ("read", 2.75)]
    hand.time += 2.0
    with pytest.raises(TimeoutError):
        reader.read(1)


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float, float]]:
    """Return the times of each exchange that asks for a connection; it gets none."""
    found: list[tuple[float, float, float]] = []

    def refuse(_host: str, _port: int, running: Exchange, _options: object) -> None:
        found.append((running.connect_timeout, running.read_timeout, running.deadline))
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(transport, "open_socket", refuse)
    monkeypatch.setattr(connection, "open_socket", refuse)
    return found


@pytest.mark.parametrize("fresh", [True, False])
def test_a_request_s_times_are_its_exchange_s(fresh: bool, exchanges: list[tuple[float, float, float]]) -> None:  # noqa: FBT001 - a parameter
    """All three."""
    asked = HttpRequest(
        endpoint="e",
        request_id="r",
        method="GET",
        url="http://there.example.com/",
        headers={},
        body=None,
        connect_timeout=11.0,
        read_timeout=12.0,
        deadline=13.0,
        fresh=fresh,
    )
    ours = Transport()
    with pytest.raises(GatewayUnavailable):
        ours.send(asked)
    ours.close()
    assert exchanges == [(11.0, 12.0, 13.0)]


def test_the_doctor_s_times_are_the_settings(
    exchanges: list[tuple[float, float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To reach an address, and to call our callback."""
    wanted = settings(
        timeout=(11.0, 12.0),
        deadline=13.0,
        callback_host="http://127.0.0.1:9",
        callback_keys=(Secret("k" * 40),),
    )
    connection.reach("http://127.0.0.1:9/", wanted)
    sent: list[HttpRequest] = []

    def answer(_: Transport, request: HttpRequest) -> HttpResponse:
        sent.append(request)
        return HttpResponse(status=404, headers=MappingProxyType({}), body=b"", elapsed=0.0)

    monkeypatch.setattr(callback, "reach", lambda *_: connection.Reached(place="127.0.0.1:9"))
    monkeypatch.setattr(Transport, "send", answer)
    list(callback.examine_callback(wanted, clock=SystemClock()))
    asked = [(request.connect_timeout, request.read_timeout, request.deadline) for request in sent]
    assert exchanges == asked == [(11.0, 12.0, 13.0)]
