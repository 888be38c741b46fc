"""How the doctor reaches an address: within the time limits of the settings."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from itsm_workflow.bkapi.transport import HttpRequest, HttpResponse, Transport
from itsm_workflow.clock import SystemClock
from itsm_workflow.doctor import callback, connection
from itsm_workflow.secrets import Secret
from tests.support.calls import settings

if TYPE_CHECKING:
    import pytest

    from itsm_workflow.bkapi.deadline import Exchange


def test_its_time_limits_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """To reach an address, and to call our callback."""
    limits = (11.0, 12.0, 13.0)
    ours = settings(
        timeout=limits[:2], deadline=limits[2], callback_host="http://127.0.0.1:9", callback_keys=(Secret("k" * 40),)
    )
    reached: list[tuple[float, float, float]] = []
    sent: list[HttpRequest] = []

    def refuse(_host: str, _port: int, running: Exchange, _options: object) -> None:
        reached.append((running.connect_timeout, running.read_timeout, running.deadline))
        raise ConnectionRefusedError(111, "Connection refused")

    def answer(_: Transport, request: HttpRequest) -> HttpResponse:
        sent.append(request)
        return HttpResponse(status=404, headers=MappingProxyType({}), body=b"", elapsed=0.0)

    monkeypatch.setattr(connection, "open_socket", refuse)
    connection.reach("http://127.0.0.1:9/", ours)
    monkeypatch.setattr(callback, "reach", lambda *_: connection.Reached(place="127.0.0.1:9"))
    monkeypatch.setattr(Transport, "send", answer)
    list(callback.examine_callback(ours, clock=SystemClock()))

    assert reached == [limits]
    assert [(request.connect_timeout, request.read_timeout, request.deadline) for request in sent] == [limits]
