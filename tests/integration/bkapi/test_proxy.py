"""A proxy that the settings name: everything goes through it, and it learns no more than it must."""

from __future__ import annotations

import base64
import logging
import socket
import time
from typing import TYPE_CHECKING

import pytest
import trustme

from itsm_workflow.bkapi.deadline import Exchange
from itsm_workflow.bkapi.tunnel import tunnelling
from itsm_workflow.gateway.protocol import Created, NotSent, Unknown
from tests.support.certificates import context_of
from tests.support.fault_server import CREATED, Connection, FaultServer, answering, in_turn, response, success
from tests.support.gateways import APP_SECRET, create_request, gateway
from tests.support.limits import PATIENCE
from tests.support.strikes import LIBRARY, strikes
from tests.support.tiny_proxy import passing_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD = response(success(CREATED))
PASSWORD = "canary-p@ss"
WRITTEN = "ops:canary-p%40ss"
SENT = base64.b64encode(f"ops:{PASSWORD}".encode())


def at(server: FaultServer, account: str = "", scheme: str = "http") -> str:
    """Return the proxy's address as a setting has it."""
    return f"{scheme}://{account}{'@' * bool(account)}127.0.0.1:{server.port}"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_gateway_in_https_is_asked_through_a_tunnel(authority: trustme.CA, bundle: Path, scheme: str) -> None:
    """The proxy sees where to, and nothing of the call."""
    seen: list[bytes] = []
    got: list[bytes] = []
    own = context_of(authority.issue_cert("127.0.0.1"))
    with (
        FaultServer(answering(GOOD, seen=got), tls=context_of(authority.issue_cert("127.0.0.1"))) as server,
        FaultServer(passing_on(seen), tls=own if scheme == "https" else None) as proxy,
    ):
        made = gateway(server.url, ca_bundle=str(bundle), proxy=at(proxy, scheme=scheme), deadline=PATIENCE)
        outcome = made.create(create_request())

        assert isinstance(outcome, Created)
        assert [head.split(b" HTTP/")[0] for head in seen] == [f"CONNECT 127.0.0.1:{server.port}".encode()]
        assert APP_SECRET.encode() not in b"".join(seen)
        assert APP_SECRET.encode() in got[0]
        assert server.connections == 1


def test_a_gateway_in_plain_http_is_asked_by_its_whole_address() -> None:
    """On this machine; the proxy passes the request on."""
    seen: list[bytes] = []
    got: list[bytes] = []
    with FaultServer(answering(GOOD, seen=got)) as server, FaultServer(passing_on(seen)) as proxy:
        outcome = gateway(server.url, proxy=at(proxy)).create(create_request())

        assert isinstance(outcome, Created)
        assert seen[0].startswith(f"POST {server.url}create_ticket/?".encode())
        assert len(got) == 1


@pytest.mark.parametrize("is_tls", [True, False])
def test_the_account_goes_to_the_proxy_alone(authority: trustme.CA, bundle: Path, is_tls: bool) -> None:  # noqa: FBT001 - a case
    """As it was meant: ``%40`` is an at sign. The gateway gets none of it."""
    seen: list[bytes] = []
    got: list[bytes] = []
    tls = context_of(authority.issue_cert("127.0.0.1")) if is_tls else None
    with (
        FaultServer(answering(GOOD, seen=got), tls=tls) as server,
        FaultServer(passing_on(seen, account=SENT)) as proxy,
    ):
        made = gateway(server.url, ca_bundle=str(bundle), proxy=at(proxy, WRITTEN))
        assert isinstance(made.create(create_request()), Created)

        assert b"Proxy-Authorization" not in got[0]
        assert SENT not in got[0]


def test_a_proxy_that_refuses_the_account_proves_that_nothing_was_sent(
    authority: trustme.CA, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The create is retried later. Errors and logs show neither the password nor the proxy's text."""
    caplog.set_level(logging.DEBUG)
    with (
        FaultServer(answering(GOOD), tls=context_of(authority.issue_cert("127.0.0.1"))) as server,
        FaultServer(passing_on([], account=b"another")) as proxy,
    ):
        made = gateway(server.url, ca_bundle=str(bundle), proxy=at(proxy, WRITTEN))
        outcome = made.create(create_request())

        assert isinstance(outcome, NotSent)
        assert "did not open a tunnel to the gateway, HTTP 407: the proxy requires another user or password" in (
            outcome.problem
        )
        assert server.connections == 0
        shown = f"{outcome!r}{caplog.text}{made.settings!r}"
        assert not [text for text in (PASSWORD, WRITTEN, SENT.decode()) if text in shown]


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (b"HTTP/1.1 502 canary words\r\n\r\n", "did not open a tunnel to the gateway, HTTP 502"),
        (b"SSH-2.0-canary\r\n\r\n", "no connection"),
        (b"\r\n" * 300, "no connection"),
    ],
)
def test_a_proxys_reply_to_a_tunnel_is_not_an_answer(
    authority: trustme.CA, bundle: Path, refusal: bytes, words: str
) -> None:
    """No part of it is quoted."""
    with (
        FaultServer(answering(GOOD), tls=context_of(authority.issue_cert("127.0.0.1"))) as server,
        FaultServer(passing_on([], refusal=refusal)) as proxy,
    ):
        outcome = gateway(server.url, ca_bundle=str(bundle), proxy=at(proxy)).create(create_request())

        assert isinstance(outcome, NotSent)
        assert words in outcome.problem
        assert "canary" not in outcome.problem


def test_a_silent_proxy_ends_at_the_deadline(authority: trustme.CA, bundle: Path) -> None:
    """The bounds are those of every exchange."""
    with (
        FaultServer(answering(GOOD), tls=context_of(authority.issue_cert("127.0.0.1"))) as server,
        FaultServer(in_turn(Connection.hold)) as proxy,
    ):
        made = gateway(server.url, ca_bundle=str(bundle), proxy=at(proxy), deadline=0.3)

        assert isinstance(made.create(create_request()), NotSent)


def test_a_proxy_that_is_not_there_is_never_gone_around(authority: trustme.CA, bundle: Path) -> None:
    """The gateway could be reached directly, and is not."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with FaultServer(answering(GOOD), tls=context_of(authority.issue_cert("127.0.0.1"))) as server:
        made = gateway(server.url, ca_bundle=str(bundle), proxy=f"http://user:password@127.0.0.1:{port}")

        outcome = made.create(create_request())
        assert isinstance(outcome, NotSent)
        assert f"through the proxy http://127.0.0.1:{port}" in outcome.problem
        assert "user" not in outcome.problem
        assert server.connections == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", ["localhost", "other.example.com"])
def test_the_gateways_certificate_is_checked_inside_the_tunnel(
    authority: trustme.CA, bundle: Path, name: str, scheme: str
) -> None:
    """By the gateway's name: that the proxy is on the same machine, or has a good certificate, proves nothing."""
    got: list[bytes] = []
    own = context_of(authority.issue_cert("127.0.0.1"))
    with (
        FaultServer(answering(GOOD, seen=got), tls=context_of(authority.issue_cert(name))) as server,
        FaultServer(passing_on([]), tls=own if scheme == "https" else None) as proxy,
    ):
        made = gateway(server.url, ca_bundle=str(bundle), proxy=at(proxy, scheme=scheme), deadline=PATIENCE)
        outcome = made.create(create_request())

        assert isinstance(outcome, NotSent)
        assert "certificate was refused" in outcome.problem
        assert got == []


def test_a_proxy_in_https_must_prove_who_it_is(authority: trustme.CA, bundle: Path) -> None:
    """It gets the account."""
    seen: list[bytes] = []
    stranger = context_of(trustme.CA().issue_cert("127.0.0.1"))
    with (
        FaultServer(answering(GOOD), tls=context_of(authority.issue_cert("127.0.0.1"))) as server,
        FaultServer(passing_on(seen), tls=stranger) as proxy,
    ):
        made = gateway(server.url, ca_bundle=str(bundle), proxy=at(proxy, WRITTEN, scheme="https"))

        assert isinstance(made.create(create_request()), NotSent)
        assert seen == []


def test_inside_a_tunnel_the_host_is_the_gateways() -> None:
    """By it the certificate is checked where the library below leaves the name out."""
    exchange = Exchange(connect_timeout=1, read_timeout=1, deadline=1, monotonic=time.monotonic)
    exchange.host = "proxy.example.com"
    with tunnelling(exchange, "itsm.example.com"):
        assert exchange.tunnelling

    assert (exchange.tunnelling, exchange.host) == (False, "itsm.example.com")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_keys_of_a_session_are_not_written_down(
    authority: trustme.CA, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """TLS is spoken as without a proxy, whatever the environment says; to the proxy as well."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    own = context_of(authority.issue_cert("127.0.0.1"))
    with (
        FaultServer(answering(GOOD), tls=context_of(authority.issue_cert("127.0.0.1"))) as server,
        FaultServer(passing_on([]), tls=own if scheme == "https" else None) as proxy,
    ):
        made = gateway(server.url, ca_bundle=str(bundle), proxy=at(proxy, scheme=scheme), deadline=PATIENCE)
        assert isinstance(made.create(create_request()), Created)

    assert not (tmp_path / "keys").exists()


def test_what_is_lost_after_the_tunnel_may_have_been_done(authority: trustme.CA, bundle: Path) -> None:
    """The request left; only its answer is missing."""
    with (
        FaultServer(in_turn(Connection.reset), tls=context_of(authority.issue_cert("127.0.0.1"))) as server,
        FaultServer(passing_on([])) as proxy,
    ):
        outcome = gateway(server.url, ca_bundle=str(bundle), proxy=at(proxy)).create(create_request())

        assert isinstance(outcome, Unknown)


def test_a_gateway_that_echoes_the_account_is_not_believed_to_keep_it(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever comes back is shown with stars."""
    caplog.set_level(logging.DEBUG)
    echo = {"result": False, "code": 3900001, "message": f"who is ops:{PASSWORD} or {SENT.decode()}?", "data": None}
    with FaultServer(answering(response(echo))) as server, FaultServer(passing_on([])) as proxy:
        outcome = gateway(server.url, proxy=at(proxy, WRITTEN)).create(create_request())

    shown = f"{outcome!r}{caplog.text}"
    assert "who is ops:***" in shown
    assert not [text for text in (PASSWORD, SENT.decode()) if text in shown]


@pytest.mark.long
def test_a_call_that_is_interrupted_anywhere_does_not_show_the_account() -> None:
    """A time limit may interrupt any line, and an error report may show the variables of every frame."""
    struck, shown = list[str](), list[str]()
    with FaultServer(answering(GOOD)) as server, FaultServer(passing_on([])) as proxy:

        def prepare() -> Callable[[], object]:
            made = gateway(server.url, proxy=at(proxy, WRITTEN))
            return lambda: made.create(create_request())

        for place, text in strikes(prepare, within=(f"{LIBRARY}/bkapi/client.py", f"{LIBRARY}/settings/")):
            struck.append(place)
            if any(word in text for word in ("canary-p", SENT.decode())):
                shown.append(place)

    assert shown == []
    assert any("settings/proxy.py" in place for place in struck)
    assert any("bkapi/client.py" in place for place in struck)
