"""The ways to call a gateway: a read and a write by the API client, and a create by the adapter above it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.endpoint import Endpoint
from itsm_workflow.bkapi.retry import NO_RETRY
from itsm_workflow.errors import GatewayError, GatewayUnavailable
from itsm_workflow.gateway.bk_itsm.wire import CreatedTicket
from itsm_workflow.gateway.protocol import Created, NotSent, Unknown
from tests.support.gateways import create_request, gateway, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

READ = Endpoint(name="read", method="GET", url="read/", answer=CreatedTicket, idempotent=True)
WRITE = Endpoint(name="write", method="POST", url="write/", answer=CreatedTicket, fresh_connection=True)


@contextlib.contextmanager
def client(url: str, **options: Any) -> Iterator[ApiClient]:
    """Yield a client that makes one attempt unless an option says otherwise."""
    fixed: dict[str, Any] = {"retry": NO_RETRY}
    wanted = {name: options.pop(name) for name in ("ca_bundle", "deadline", "timeout") if name in options}
    made = ApiClient(settings(url, **wanted), **fixed | options)
    try:
        yield made
    finally:
        made.close()


def outcome(made: ApiClient, endpoint: Endpoint[Any], **options: Any) -> GatewayError:
    """Return the error that a call ends in."""
    with pytest.raises(GatewayError) as caught:
        made.call(endpoint, {"sn": "REQ1"}, **options)
    return caught.value


@attrs.frozen
class Fate:
    """What is known of a request after the call.

    Attributes:
        word: "done", "not sent" (the request can be sent again) or "unknown" (it may have been carried out).
        problem: The reason in words; empty if it was done.
        status: The HTTP status of an answer that does not count, as far as the caller reports it.
    """

    word: str
    problem: str = ""
    status: int | None = None


def _called(endpoint: Endpoint[Any]) -> Callable[..., Fate]:
    def call(url: str, **given: Any) -> Fate:
        with client(url, **given) as made:
            try:
                made.call(endpoint, {"sn": "REQ1"})
            except GatewayUnavailable as error:
                return Fate("not sent", str(error))
            except GatewayError as error:
                return Fate("unknown", str(error), error.status)
        return Fate("done")

    return call


def _created(url: str, **given: Any) -> Fate:
    made = gateway(url, **given)
    answer = made.create(create_request())
    made.close()
    if isinstance(answer, Created):
        return Fate("done")
    assert isinstance(answer, NotSent | Unknown), answer
    return Fate("not sent" if isinstance(answer, NotSent) else "unknown", answer.problem)


CALLERS: Mapping[str, Callable[..., Fate]] = {"read": _called(READ), "write": _called(WRITE), "create": _created}
"""Each sends one request to the gateway at the URL; its keywords are settings, and the policy for retries."""

SENDERS = ("write", "create")
"""The callers whose request must not be carried out twice."""
