"""What the doctor shows of a proxy."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from itsm_workflow.clock import SystemClock
from itsm_workflow.doctor import Level
from itsm_workflow.doctor.configuration import examine_settings
from itsm_workflow.doctor.refusals import PROXY
from itsm_workflow.sandbox import Sandbox
from tests.integration.doctor.places import APP_SECRET, by_name, levels, of_gateway, settings
from tests.support.certificates import context_of
from tests.support.fault_server import FaultServer, answering, response, success
from tests.support.tiny_proxy import passing_on

if TYPE_CHECKING:
    from pathlib import Path

    import trustme

ACCOUNT = "ops:canary-pass"


def test_the_gateway_is_reached_through_it() -> None:
    """The proxy is what is connected to."""
    seen: list[bytes] = []
    with Sandbox() as sandbox, FaultServer(passing_on(seen)) as proxy:
        wanted = settings(sandbox.url, PROXY=f"http://{ACCOUNT}@127.0.0.1:{proxy.port}")
        found, port = of_gateway(wanted, SystemClock()), proxy.port

    assert levels(found)["gateway.credentials"] == "ok"
    assert found["proxy.connection"].seen == f"127.0.0.1:{port} accepts connections"
    assert "gateway.connection" not in found
    assert seen


def test_a_proxy_that_is_not_there_is_named_with_its_variable() -> None:
    """And the gateway is not asked."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    found = of_gateway(settings(PROXY=f"http://{ACCOUNT}@127.0.0.1:{port}"))

    assert levels(found) == {"proxy.connection": "problem"}
    assert "BKAPP_ITSM_PROXY" in found["proxy.connection"].advice


def test_a_refusing_proxy_is_reported_with_its_status(authority: trustme.CA, bundle: Path) -> None:
    """The finding advises what to do, if the status shows it."""
    gateway = context_of(authority.issue_cert("127.0.0.1"))
    with (
        FaultServer(answering(response(success([]))), tls=gateway) as server,
        FaultServer(passing_on([], account=b"another")) as proxy,
    ):
        more = {"PROXY": f"http://{ACCOUNT}@127.0.0.1:{proxy.port}", "CA_BUNDLE": str(bundle)}
        found = of_gateway(settings(server.url, **more))

    assert found["gateway.answer"].level == Level.PROBLEM
    assert "HTTP 407: the proxy requires another user or password" in found["gateway.answer"].seen
    assert found["gateway.answer"].advice == PROXY


def test_a_proxy_that_opens_no_tunnel_is_not_the_gateways_fault(authority: trustme.CA, bundle: Path) -> None:
    """Those who run the proxy know why."""
    gateway = context_of(authority.issue_cert("127.0.0.1"))
    refusal = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
    with (
        FaultServer(answering(response(success([]))), tls=gateway) as server,
        FaultServer(passing_on([], refusal=refusal)) as proxy,
    ):
        more = {"PROXY": f"http://127.0.0.1:{proxy.port}", "CA_BUNDLE": str(bundle)}
        found = of_gateway(settings(server.url, **more))

    assert (found["gateway.answer"].level, found["gateway.answer"].advice) == (Level.PROBLEM, PROXY)


def test_a_proxy_that_refuses_the_account_over_http_is_reported_too() -> None:
    """With plain HTTP it answers in the gateway's place."""
    with (
        FaultServer(answering(response(success([])))) as server,
        FaultServer(passing_on([], account=b"another")) as proxy,
    ):
        found = of_gateway(settings(server.url, PROXY=f"http://{ACCOUNT}@127.0.0.1:{proxy.port}"))

    assert found["gateway.answer"].seen.startswith("the proxy requires another user or password")
    assert found["gateway.answer"].advice == PROXY


def test_the_setting_is_shown_without_its_account() -> None:
    """That there is one is said."""
    environ = {
        "BKAPP_ITSM_APP_CODE": "host",
        "BKAPP_ITSM_APP_SECRET": APP_SECRET,
        "BKAPP_ITSM_GATEWAY_URL": "https://itsm.example.com/",
        "BKAPP_ITSM_FAST_APPROVAL": "true",
        "HTTPS_PROXY": "http://not-this-one:3128",
    }
    shown = [
        by_name(examine_settings({**environ, "BKAPP_ITSM_PROXY": f"http://{account}proxy:3128"})[1])["settings.proxy"]
        for account in ("", f"{ACCOUNT}@")
    ]

    assert [one.seen for one in shown] == [
        "http://proxy:3128, from BKAPP_ITSM_PROXY",
        "http://proxy:3128, with an account, from BKAPP_ITSM_PROXY",
    ]
    assert "settings.proxy" not in by_name(examine_settings(environ)[1])
