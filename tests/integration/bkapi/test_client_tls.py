"""The API client and TLS: who cannot prove who they are get nothing, and the environment has no say in it."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from itsm_workflow.errors import GatewayUnavailable
from tests.integration.bkapi.test_client_faults import GOOD, READ, WRITE, client, outcome
from tests.integration.gateway.test_tls import context_of, expired
from tests.support.fault_server import CREATED, Connection, FaultServer, answering, response, sending
from tests.support.server_faults import AFTER_SENDING, OK, ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority of our own."""
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that makes it trusted."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def old(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return a server's side that speaks TLS 1.0 and 1.1 only."""
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def hang_up(connection: Connection) -> None:
    """Take the first bytes of a handshake, then close."""
    connection.sock.recv(64)


def drip_handshake(connection: Connection) -> None:
    """Begin an answer to the handshake that never ends."""
    connection.drip(b"\x16\x03\x03\x40\x00\x02")


UNTRUSTED: dict[str, tuple[Callable[[trustme.CA], FaultServer], str]] = {
    "expired": (lambda ca: FaultServer(ask(OK), tls=context_of(expired(ca))), "certificate has expired"),
    "another name": (
        lambda ca: FaultServer(ask(OK), tls=context_of(ca.issue_cert("other.example.com"))),
        "certificate was refused",
    ),
    "another authority": (
        lambda _: FaultServer(ask(OK), tls=context_of(trustme.CA().issue_cert("127.0.0.1"))),
        "certificate was refused",
    ),
    "TLS 1.1": (
        lambda ca: FaultServer(ask(OK), tls=old(context_of(ca.issue_cert("127.0.0.1")))),
        "handshake failed",
    ),
    "plain HTTP": (lambda _: FaultServer(sending(response(b"", status="400 Bad"))), "handshake failed"),
    "plain HTTP, waiting for the rest": (lambda _: FaultServer(ask(OK)), "no connection in time"),
    "hangs up": (lambda _: FaultServer(hang_up), "nothing was sent"),
    "never answers": (lambda _: FaultServer(Connection.hold), "no connection in time"),
    "drips": (lambda _: FaultServer(drip_handshake), "no connection in time"),
}


class TestTLS:
    """G6: a server that cannot prove who it is gets nothing, and the error says why."""

    @pytest.mark.parametrize("name", UNTRUSTED)
    def test_nothing_is_sent(self, authority: trustme.CA, bundle: Path, name: str) -> None:
        """So that trying again is safe for whatever it is."""
        serve, words = UNTRUSTED[name]
        with serve(authority) as server:
            url = server.url.replace("http:", "https:")
            with client(url, ca_bundle=str(bundle), deadline=0.5) as made:
                error = outcome(made, WRITE)

            assert type(error) is GatewayUnavailable
            assert words in str(error)

    def test_one_that_can_is_called(self, authority: trustme.CA, bundle: Path) -> None:
        """The same client, the same authority; connections are kept under TLS as well."""
        with (
            FaultServer(ask(OK), tls=context_of(authority.issue_cert("127.0.0.1"))) as server,
            client(server.url, ca_bundle=str(bundle)) as made,
        ):
            assert [made.call(READ).id for _ in range(3)] == [CREATED["id"]] * 3
            assert server.connections == 1

    @pytest.mark.parametrize("name", ["silence", "dripping headers", "dripping body", "a bomb", "endless body"])
    def test_the_bounds_hold_inside_tls(self, authority: trustme.CA, bundle: Path, name: str) -> None:
        """Deadline and size, as in plain text."""
        fault, kind = AFTER_SENDING[name]
        with (
            FaultServer(fault, tls=context_of(authority.issue_cert("127.0.0.1"))) as server,
            client(server.url, ca_bundle=str(bundle), deadline=0.5) as made,
        ):
            assert type(outcome(made, READ)) is kind


class TestEnvironment:
    """G9: what the environment says about networks is not for us."""

    @pytest.mark.parametrize(
        "variable", ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    )
    def test_a_proxy_is_not_used(
        self, authority: trustme.CA, bundle: Path, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        """It would see who we are; in plain text and under TLS."""
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        for tls in (None, context_of(authority.issue_cert("127.0.0.1"))):
            with FaultServer(ask(OK), tls=tls) as server, socket.create_server(("127.0.0.1", 0)) as proxy:
                monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.getsockname()[1]}")
                with client(server.url, ca_bundle=str(bundle) if tls else "") as made:
                    assert made.call(READ).id == CREATED["id"]
                proxy.settimeout(0)
                with pytest.raises(BlockingIOError):
                    proxy.accept()

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
    def test_an_authority_is_not_trusted(
        self, authority: trustme.CA, bundle: Path, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        """Only the setting says whom we trust."""
        monkeypatch.setenv(variable, str(bundle.parent if variable.endswith("DIR") else bundle))
        tls = context_of(authority.issue_cert("127.0.0.1"))
        with FaultServer(ask(OK), tls=tls) as server, client(server.url) as made:
            assert type(outcome(made, READ)) is GatewayUnavailable

    def test_a_password_file_is_not_read(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """It would add an Authorization of its own."""
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password canary\n", encoding="utf-8")
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / ".netrc").write_text(netrc.read_text(encoding="utf-8"), encoding="utf-8")
        seen: list[bytes] = []
        with FaultServer(answering(GOOD, seen=seen)) as server, client(server.url) as made:
            made.call(READ)

        assert b"\r\nauthorization:" not in seen[0].lower()
