"""A server that cannot prove who it is gets nothing; and nothing of the environment is believed."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import attrs
import pytest
import trustme

from itsm_workflow.bkapi.transport import HttpRequest, Transport
from itsm_workflow.errors import GatewayTimeout, GatewayUnavailable
from itsm_workflow.gateway.protocol import Created, NotSent, Unknown
from tests.support.fault_server import CREATED, Connection, FaultServer, answering, response, success
from tests.support.gateways import create_request, gateway
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GOOD = response(success(CREATED))


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


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Return a server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def expired(authority: trustme.CA) -> trustme.LeafCert:
    """Return a certificate whose time is over."""
    return authority.issue_cert("127.0.0.1", not_after=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))


class TestRefused:
    """Proven not sent: no byte of a request follows a handshake that failed."""

    def check(self, context: ssl.SSLContext, bundle: Path, words: str) -> None:
        """File against such a server and see that it got nothing."""
        seen: list[bytes] = []
        with FaultServer(answering(GOOD, seen=seen), tls=context) as server:
            outcome = gateway(server.url, ca_bundle=str(bundle)).create(create_request())

        assert isinstance(outcome, NotSent), outcome
        assert words in outcome.problem
        assert seen == []

    def test_an_expired_certificate(self, authority: trustme.CA, bundle: Path) -> None:
        """Its time is over."""
        self.check(context_of(expired(authority)), bundle, "certificate has expired")

    def test_a_certificate_of_another_name(self, authority: trustme.CA, bundle: Path) -> None:
        """Our authority signed it, for somebody else."""
        self.check(context_of(authority.issue_cert("other.example.com")), bundle, "certificate was refused")

    def test_a_certificate_that_nobody_signed(self, bundle: Path) -> None:
        """Another authority than the trusted one."""
        self.check(context_of(trustme.CA().issue_cert("127.0.0.1")), bundle, "certificate was refused")

    def test_our_authority_is_not_trusted_by_itself(self, authority: trustme.CA) -> None:
        """Without the setting, only the usual authorities are."""
        seen: list[bytes] = []
        with FaultServer(answering(GOOD, seen=seen), tls=context_of(authority.issue_cert("127.0.0.1"))) as server:
            outcome = gateway(server.url).create(create_request())

        assert isinstance(outcome, NotSent)
        assert seen == []

    def test_a_folder_without_our_authority_trusts_nobody(self, authority: trustme.CA, tmp_path: Path) -> None:
        """A folder takes the place of the usual authorities, as a file does."""
        self.check(context_of(authority.issue_cert("127.0.0.1")), tmp_path, "certificate was refused")

    def test_a_server_that_speaks_no_tls(self) -> None:
        """Plain text is no handshake."""
        seen: list[bytes] = []
        with FaultServer(answering(GOOD, seen=seen)) as server:
            outcome = gateway(server.url.replace("http:", "https:")).create(create_request())

        assert isinstance(outcome, NotSent)
        assert str(CREATED["sn"]) not in outcome.problem

    def test_a_server_that_hangs_up_in_the_handshake(self) -> None:
        """Before it is over, nothing of ours is under way."""

        def hang_up(connection: Connection) -> None:
            connection.sock.recv(64)

        with FaultServer(hang_up) as server:
            outcome = gateway(server.url.replace("http:", "https:")).create(create_request())

        assert isinstance(outcome, NotSent)

    def test_a_server_that_never_ends_the_handshake(self) -> None:
        """Connecting has a time limit of its own."""
        with FaultServer(Connection.hold) as server:
            outcome = gateway(server.url.replace("http:", "https:")).create(create_request())

        assert isinstance(outcome, NotSent)

    def test_a_server_of_an_old_protocol(self, authority: trustme.CA, bundle: Path) -> None:
        """TLS 1.1 and older are not spoken."""
        context = context_of(authority.issue_cert("127.0.0.1"))
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("ALL:@SECLEVEL=0")

        self.check(context, bundle, "handshake failed")


class TestAccepted:
    """A certificate that holds."""

    @pytest.fixture
    def server(self, authority: trustme.CA) -> Iterator[FaultServer]:
        """A server with a good one."""
        with FaultServer(answering(GOOD), tls=context_of(authority.issue_cert("127.0.0.1", "localhost"))) as server:
            yield server

    def test_by_address(self, server: FaultServer, bundle: Path) -> None:
        """The address stands in the certificate."""
        assert isinstance(gateway(server.url, ca_bundle=str(bundle)).create(create_request()), Created)

    def test_by_name(self, server: FaultServer, bundle: Path) -> None:
        """So does the name."""
        url = server.url.replace("127.0.0.1", "localhost")

        assert isinstance(gateway(url, ca_bundle=str(bundle)).create(create_request()), Created)

    def test_a_break_after_the_handshake_is_unknown(self, authority: trustme.CA, bundle: Path) -> None:
        """From the first byte on, only an answer tells."""

        def cut(connection: Connection) -> None:
            connection.read_request()

        with FaultServer(cut, tls=context_of(authority.issue_cert("127.0.0.1"))) as server:
            outcome = gateway(server.url, ca_bundle=str(bundle)).create(create_request())

        assert isinstance(outcome, Unknown)

    def test_a_drip_inside_tls_ends_at_the_deadline(self, authority: trustme.CA, bundle: Path) -> None:
        """The same bound as in plain text."""

        def drip(connection: Connection) -> None:
            connection.read_request()
            connection.drip(b"HTTP/1.1 200 OK\r\nX-Slow: z")

        with FaultServer(drip, tls=context_of(authority.issue_cert("127.0.0.1"))) as server:
            outcome = gateway(server.url, ca_bundle=str(bundle)).create(create_request())

        assert isinstance(outcome, Unknown)
        assert "no complete answer" in outcome.problem


class TestEnvironment:
    """Proxies, certificates, passwords and key logs of the environment are not ours."""

    def test_a_proxy_of_the_environment_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It would read everything."""
        with FaultServer(answering(GOOD)) as server, socket.create_server(("127.0.0.1", 0)) as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            outcome = gateway(server.url).create(create_request())
            proxy.settimeout(0)

            assert isinstance(outcome, Created)
            with pytest.raises(BlockingIOError):
                proxy.accept()

    @pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_a_certificate_of_the_environment_is_not_trusted(
        self, authority: trustme.CA, bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """Who may set a variable may not choose whom we trust."""
        monkeypatch.setenv(name, str(bundle))
        with FaultServer(answering(GOOD), tls=context_of(authority.issue_cert("127.0.0.1"))) as server:
            assert isinstance(gateway(server.url).create(create_request()), NotSent)

    def test_the_keys_of_a_session_are_not_written_down(
        self, authority: trustme.CA, bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """With them, a recording of the traffic can be read."""
        log = tmp_path / "keys.log"
        monkeypatch.setenv("SSLKEYLOGFILE", str(log))
        with FaultServer(answering(GOOD), tls=context_of(authority.issue_cert("127.0.0.1"))) as server:
            assert isinstance(gateway(server.url, ca_bundle=str(bundle)).create(create_request()), Created)

        assert not log.exists()

    def test_a_password_file_is_not_read(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A netrc would add an Authorization of its own."""
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password canary\n", encoding="utf-8")
        monkeypatch.setenv("NETRC", str(netrc))
        seen: list[bytes] = []
        with FaultServer(answering(GOOD, seen=seen)) as server:
            gateway(server.url).create(create_request())

        assert b"\r\nauthorization:" not in seen[0].lower()


class TestElsewhere:
    """A redirect is an answer like any other: not the one that was wanted."""

    @pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
    def test_a_redirect_is_never_followed(self, status: str) -> None:
        """The second host sees no connection, so no header of ours."""
        with FaultServer(answering(GOOD)) as second:
            moved = response(b"", status=status, headers=(f"Location: {second.url}create_ticket/",))
            with FaultServer(answering(moved)) as first:
                outcome = gateway(first.url).create(create_request())

            assert isinstance(outcome, Unknown)
            assert second.connections == 0

    @pytest.mark.parametrize("target", ["file:///etc/passwd", "", "//", "http://[", "create_ticket/"])
    def test_a_redirect_to_anywhere(self, target: str) -> None:
        """However odd the target is, it is not looked at."""
        seen: list[bytes] = []
        moved = response(b"", status="302 Found", headers=(f"Location: {target}",))
        with FaultServer(answering(moved, seen=seen)) as server:
            assert isinstance(gateway(server.url).create(create_request()), Unknown)

        assert len(seen) == 1

    def test_cookies_are_neither_kept_nor_sent(self) -> None:
        """A session of the gateway is not ours to carry."""
        seen: list[bytes] = []
        good = response(success([]), headers=("Set-Cookie: sid=1; Path=/", "Set-Cookie: b=2"))
        with FaultServer(answering(good, seen=seen)) as server:
            client = gateway(server.url)
            client.services()
            client.services()
            client.close()

        assert len(seen) == 2
        assert b"cookie" not in seen[1].lower()


def test_a_call_that_finds_no_free_connection_was_not_sent() -> None:
    """Waiting for one counts against the deadline like any other wait."""
    with FaultServer(Connection.hold) as server:
        transport = Transport(pool_size=1)
        request = HttpRequest(
            endpoint="e",
            request_id="r",
            method="GET",
            url=server.url,
            headers={},
            body=None,
            connect_timeout=PATIENCE,
            read_timeout=PATIENCE,
            deadline=PATIENCE,
        )

        def hang() -> None:
            with contextlib.suppress(GatewayTimeout):
                transport.send(request)

        first = threading.Thread(target=hang)
        first.start()
        while server.connections == 0:
            time.sleep(0.01)

        with pytest.raises(GatewayUnavailable, match="no connection was free"):
            transport.send(attrs.evolve(request, deadline=0.1))
        assert server.connections == 1
    first.join()
    transport.close()


def test_threads_share_the_connections_and_no_more() -> None:
    """A hundred calls of twenty threads: each gets its own answer, and the pool's size bounds the connections."""
    with FaultServer(answering(response(success(["REQ20261125000001"])))) as server:
        client = gateway(server.url, deadline=20.0, timeout=(10.0, 10.0))
        found: list[object] = []

        def call() -> None:
            for _ in range(5):
                found.append(tuple(client.undelivered()))  # noqa: PERF401 - each is a call

        threads = [threading.Thread(target=call) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()

        assert found == [("REQ20261125000001",)] * 100
        assert server.connections <= 10
