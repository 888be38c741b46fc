"""No exception of the libraries below leaves the gateway: each class of theirs becomes one of our errors.

The classes are found by walking the libraries' modules, so that a new version's new class is a case by itself.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from typing import TYPE_CHECKING, Any, cast

import pytest
import requests
import tenacity
import urllib3

from itsm_workflow.bkapi import transport as under_test
from itsm_workflow.bkapi.connections import current
from itsm_workflow.bkapi.retry import Pace, RetryPolicy, send_patiently
from itsm_workflow.bkapi.transport import HttpRequest, Transport
from itsm_workflow.errors import GatewayError, GatewayProtocolError, GatewayTimeout, GatewayUnavailable
from tests.support.gateways import NOW
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

# Modules of theirs that need what is not always there: another package, another platform.
OPTIONAL = ("tenacity.tornadoweb", "urllib3.contrib.", "urllib3.http2", "urllib3.packages.backports.")
SENT = pytest.mark.parametrize("sent", [False, True], ids=["before a byte was sent", "after"])


def modules(library: ModuleType) -> Iterator[ModuleType]:
    """Yield a library's modules, but for the optional ones that cannot be imported."""
    yield library
    for found in pkgutil.walk_packages(library.__path__, f"{library.__name__}.", onerror=lambda _: None):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of their modules are on their way out, and say so
            try:
                module = importlib.import_module(found.name)
            except ImportError:
                assert found.name.startswith(OPTIONAL), found.name
                continue
        yield module


def classes(library: ModuleType) -> list[type[BaseException]]:
    """Return every class of exception that a library defines, warnings included: ``-W error`` raises them."""
    found = {
        each
        for module in modules(library)
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, BaseException) and each.__module__.partition(".")[0] == library.__name__
    }
    return sorted(found, key=lambda each: f"{each.__module__}.{each.__qualname__}")


def made(kind: type[BaseException]) -> BaseException:
    """Return an exception of that class; what its constructor wants does not matter here."""
    error = kind.__new__(kind, "canary")
    error.args = ("canary",)
    return error


def name(kind: object) -> str:
    """Return what a case is called."""
    return f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else ""


HTTP = [*classes(requests), *classes(urllib3)]
TENACITY = classes(tenacity)
REQUEST = HttpRequest(
    endpoint="get_services",
    request_id="r",
    method="GET",
    url="http://127.0.0.1:9/",
    headers={},
    body=None,
    connect_timeout=PATIENCE,
    read_timeout=PATIENCE,
    deadline=PATIENCE,
)


class BrokenBody:
    """A response whose body cannot be read."""

    status_code = 200
    headers: dict[str, str] = {}  # noqa: RUF012 - read only

    def __init__(self, error: BaseException) -> None:
        self.raw = self
        self._error = error

    def read(self, *_: object, **__: object) -> bytes:
        """Fail."""
        raise self._error

    def close(self) -> None:
        """Close nothing."""


def test_enough_was_found() -> None:
    """An empty walk would prove nothing."""
    assert {
        requests.ReadTimeout,
        requests.exceptions.RequestsDependencyWarning,
        requests.exceptions.ChunkedEncodingError,
        urllib3.exceptions.ProtocolError,
        urllib3.exceptions.InsecureRequestWarning,
        urllib3.exceptions.LocationParseError,
        urllib3.exceptions.IncompleteRead,
    } <= set(HTTP)
    assert {tenacity.RetryError, tenacity.TryAgain} <= set(TENACITY)
    assert len(HTTP) > 50


@SENT
@pytest.mark.parametrize("kind", HTTP, ids=name)
def test_what_sending_raises_is_ours(monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], *, sent: bool) -> None:
    """Before a byte left it is proven that nothing was sent; after that, it may have been done."""

    def fail(*_: object, **__: object) -> None:
        current.exchange.sent = sent
        raise made(kind)

    monkeypatch.setattr(under_test._Session, "send", fail)
    with pytest.raises(GatewayError) as caught:
        Transport().send(REQUEST)

    assert isinstance(caught.value, GatewayTimeout | GatewayProtocolError if sent else GatewayUnavailable)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("kind", HTTP, ids=name)
def test_what_reading_raises_is_ours(monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]) -> None:
    """The request was sent, so that it may have been done."""

    def answer(*_: object, **__: object) -> BrokenBody:
        current.exchange.sent = True
        return BrokenBody(made(kind))

    monkeypatch.setattr(under_test._Session, "send", answer)
    with pytest.raises((GatewayTimeout, GatewayProtocolError)) as caught:
        Transport().send(REQUEST)

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("kind", TENACITY, ids=name)
def test_what_retrying_raises_is_ours(kind: type[BaseException]) -> None:
    """Nobody outside knows that tenacity does it."""

    def send(_: float) -> Any:  # noqa: ANN401 - never returns
        raise made(kind)

    pace = Pace(monotonic=lambda: 0.0, now=lambda: NOW, sleep=lambda _: None, draw=lambda _: 0.0)
    policy = RetryPolicy(attempts=2)
    with pytest.raises(GatewayTimeout) as caught:
        send_patiently(cast("Any", send), policy=policy, seconds=1.0, pace=pace, call="get_services (request r)")

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
