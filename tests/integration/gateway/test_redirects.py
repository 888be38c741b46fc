"""An answer that points elsewhere is not followed, and no cookie of a gateway is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.bkapi.retry import RetryPolicy
from tests.support.callers import CALLERS, READ, client
from tests.support.fault_server import FaultServer, answering, response, success
from tests.support.gateways import gateway
from tests.support.server_faults import OK

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = response(OK)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("caller", CALLERS)
def test_a_redirect_is_never_followed(caller: str, status: str) -> None:
    """The second host sees no connection, so that it gets no header of ours; the error names the status."""
    with FaultServer(answering(GOOD)) as second:
        moved = response(b"", status=status, headers=(f"Location: {second.url}read/",))
        with FaultServer(answering(moved)) as first:
            fate = CALLERS[caller](first.url)

        assert fate.word == "unknown"
        assert fate.status == (None if caller == "create" else int(status[:3]))
        assert second.connections == 0


@pytest.mark.parametrize(
    "target", ["", "/", "read/", "create_ticket/", "https://127.0.0.1:1/", "file:///etc/passwd", "//", "http://["]
)
@pytest.mark.parametrize("caller", CALLERS)
def test_the_target_of_a_redirect_is_not_looked_at(caller: str, target: str) -> None:
    """The same host, a loop, another scheme, no address at all: one request, whatever the policy for retries."""
    seen: list[bytes] = []
    moved = response(b"", status="302 Found", headers=(f"Location: {target}",))
    with FaultServer(answering(moved, seen=seen)) as server:
        assert CALLERS[caller](server.url, retry=RetryPolicy(attempts=3, wait=False)).word == "unknown"

    assert len(seen) == 1


def _read_twice(url: str) -> None:
    with client(url) as made:
        for _ in range(2):
            made.call(READ)


def _list_twice(url: str) -> None:
    made = gateway(url)
    for _ in range(2):
        made.services()
    made.close()


@pytest.mark.parametrize(
    ("twice", "body"), [(_read_twice, OK), (_list_twice, success([]))], ids=["the client", "the adapter"]
)
def test_no_cookie_is_kept_or_sent(twice: Callable[[str], None], body: object) -> None:
    """Neither the gateway's nor a person's."""
    seen: list[bytes] = []
    good = response(body, headers=("Set-Cookie: sid=1; Path=/", "Set-Cookie: b=2; Domain=127.0.0.1"))
    with FaultServer(answering(good, seen=seen)) as server:
        twice(server.url)

    assert len(seen) == 2
    assert b"cookie" not in b"".join(seen).lower()
