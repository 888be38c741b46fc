"""The options of a call reach each request that it makes, by whichever method of the client the call is made."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.bkapi import batch
from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.bkapi.transport import HttpResponse
from itsm_workflow.budget import Budget
from tests.support.calls import endpoint
from tests.support.scripted import ScriptedTransport, scripted_client, success

if TYPE_CHECKING:
    from itsm_workflow.bkapi.transport import HttpRequest

METHODS = ["call", "exchange", "batch_request", "bulk_request"]
WITH_LIMITS = ["call", "batch_request", "bulk_request"]
"""The methods that have time limits, a tenant and a retry policy as parameters."""

BUSY = HttpResponse(status=503, headers=MappingProxyType({}), body=b"", elapsed=0.0)


def two_rows(_: HttpRequest) -> bytes:
    """Answer with two rows of a search that finds four."""
    return success({"count": 4, "items": [1, 2]})


def scripted() -> tuple[ApiClient, ScriptedTransport]:
    """Return a client with time limits of its own, and its transport."""
    return scripted_client(two_rows, timeout=(5.0, 6.0), deadline=10.0)


def make(method: str, client: ApiClient, **options: Any) -> None:
    """Make a call by a method of the client; a batch and a search take two requests each."""
    if method == "batch_request":
        client.batch_request(
            endpoint(), "sns", [1, 2, 3, 4], get_data=lambda data: data["items"], chunk_size=2, concurrency=1, **options
        )
    elif method == "bulk_request":
        client.bulk_request(
            endpoint(),
            get_data=lambda data: data["items"],
            get_count=lambda data: data["count"],
            page_size=2,
            **options,
        )
    elif method == "exchange":
        client.exchange(endpoint(), {}, **options)
    else:
        client.call(endpoint(), **options)


@pytest.mark.parametrize("method", WITH_LIMITS)
@pytest.mark.parametrize(
    ("option", "sent"),
    [
        ({"timeout": (1.0, 2.0)}, {"connect_timeout": 1.0, "read_timeout": 2.0, "deadline": 10.0}),
        ({"timeout": 3.0}, {"connect_timeout": 3.0, "read_timeout": 3.0, "deadline": 10.0}),
        ({"deadline": 4.0}, {"connect_timeout": 5.0, "read_timeout": 6.0, "deadline": 4.0}),
        ({"budget": Budget(2.5, elapsed=lambda: 0.0)}, {"deadline": 2.5}),
        ({}, {"connect_timeout": 5.0, "read_timeout": 6.0, "deadline": 10.0, "fresh": False, "max_bytes": None}),
    ],
)
def test_the_time_limits_are_those_of_the_call(method: str, option: dict[str, Any], sent: dict[str, Any]) -> None:
    """In each request that it makes."""
    client, transport = scripted()
    make(method, client, **option)

    assert transport.requests
    for request in transport.requests:
        assert {name: getattr(request, name) for name in sent} == sent


@pytest.mark.parametrize("method", WITH_LIMITS)
def test_the_tenant_is_that_of_the_call(method: str) -> None:
    """It replaces the tenant of the settings."""
    client, transport = scripted()
    make(method, client, tenant="t-9")

    assert {request.headers["X-Bk-Tenant-Id"] for request in transport.requests} == {"t-9"}


@pytest.mark.parametrize("method", METHODS)
def test_the_context_is_that_of_the_call(method: str) -> None:
    """User and request id."""
    client, transport = scripted()
    make(method, client, context=RequestContext(user="alice", request_id="r-1"))

    assert transport.requests
    for request in transport.requests:
        assert request.request_id == request.headers["X-Request-Id"] == "r-1"
        assert json.loads(request.headers["X-Bkapi-Authorization"].reveal())["bk_username"] == "alice"  # type: ignore[union-attr]  # a Secret


@pytest.mark.parametrize(("method", "requests"), [("call", 1), ("batch_request", 2), ("bulk_request", 2)])
def test_the_retry_policy_is_that_of_the_call(method: str, requests: int) -> None:
    """The client by itself would make one attempt."""
    busy = [BUSY]
    client, transport = scripted_client(lambda request: busy.pop() if busy else two_rows(request))
    make(method, client, retry=RetryPolicy(attempts=2, wait=False))

    assert len(transport.requests) == requests + 1


def test_the_time_limits_of_an_endpoint_replace_those_of_the_settings() -> None:
    """And are replaced by those of the call."""
    client, transport = scripted()
    own = endpoint(timeout=(1.5, 2.5), deadline=7.0, fresh_connection=True, max_bytes=99)
    client.call(own)
    client.call(own, timeout=(1.0, 2.0), deadline=3.0)

    first, second = transport.requests
    assert (first.connect_timeout, first.read_timeout, first.deadline) == (1.5, 2.5, 7.0)
    assert (second.connect_timeout, second.read_timeout, second.deadline) == (1.0, 2.0, 3.0)
    assert (first.fresh, first.max_bytes, first.endpoint, first.method) == (True, 99, "search", "POST")


def test_the_defaults_of_the_methods() -> None:
    """No tenant, no second address; a call raises its error and returns its data."""
    usual = {
        kind.__name__: {
            name: value for name, value in (kind.__kwdefaults__ or {}).items() if type(value) in {str, bool}
        }
        for kind in (ApiClient.call, ApiClient.__init__, batch.batch_request, batch.bulk_request)
    }

    assert usual == {
        "call": {"raw": False, "raise_exception": True, "tenant": ""},
        "__init__": {"base_url": ""},
        "batch_request": {},
        "bulk_request": {"size_key": "pagesize"},
    }
