"""A server that cannot prove who it is gets nothing, and nothing of the environment is believed."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from itsm_workflow.gateway.protocol import Unknown
from tests.support.callers import CALLERS, READ, SENDERS, client, outcome
from tests.support.certificates import context_of, expired, outdated
from tests.support.fault_server import CREATED, Connection, FaultServer, answering, response, sending
from tests.support.gateways import create_request, gateway
from tests.support.server_faults import AFTER_SENDING, OK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Server = Callable[[trustme.CA, list[bytes]], FaultServer]

GOOD = response(OK)
PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def hang_up(connection: Connection) -> None:
    """Take the first bytes of a handshake, then close."""
    connection.sock.recv(64)


def drip_handshake(connection: Connection) -> None:
    """Begin an answer to the handshake that never ends."""
    connection.drip(b"\x16\x03\x03\x40\x00\x02")


def under_tls(certificate: trustme.LeafCert, seen: list[bytes]) -> FaultServer:
    """Return a server that speaks TLS with this certificate."""
    return FaultServer(answering(GOOD, seen=seen), tls=context_of(certificate))


UNTRUSTED: dict[str, tuple[Server, str]] = {
    "expired": (lambda ca, seen: under_tls(expired(ca), seen), "certificate has expired"),
    "another name": (lambda ca, seen: under_tls(ca.issue_cert("other.example.com"), seen), "certificate was refused"),
    "another authority": (
        lambda _, seen: under_tls(trustme.CA().issue_cert("127.0.0.1"), seen),
        "certificate was refused",
    ),
    "TLS 1.1": (
        lambda ca, seen: FaultServer(answering(GOOD, seen=seen), tls=outdated(context_of(ca.issue_cert("127.0.0.1")))),
        "handshake failed",
    ),
    "plain HTTP": (lambda *_: FaultServer(sending(response(b"", status="400 Bad"))), "handshake failed"),
    "plain HTTP, waiting for the rest": (
        lambda _, seen: FaultServer(answering(GOOD, seen=seen)),
        "no connection in time",
    ),
    "hangs up": (lambda *_: FaultServer(hang_up), "nothing was sent"),
    "never answers": (lambda *_: FaultServer(Connection.hold), "no connection in time"),
    "drips": (lambda *_: FaultServer(drip_handshake), "no connection in time"),
}


@pytest.mark.parametrize("caller", SENDERS)
class TestRefused:
    """Proven not sent: no byte of a request follows a handshake that failed."""

    @pytest.mark.parametrize("name", UNTRUSTED)
    def test_a_server_that_cannot_prove_who_it_is_gets_nothing(
        self, caller: str, name: str, authority: trustme.CA, bundle: Path
    ) -> None:
        """So that the request can safely be sent again; the error says why."""
        serve, words = UNTRUSTED[name]
        seen: list[bytes] = []
        with serve(authority, seen) as server:
            url = server.url.replace("http:", "https:")
            fate = CALLERS[caller](url, ca_bundle=str(bundle), deadline=0.5)

        assert fate.word == "not sent"
        assert words in fate.problem
        assert str(CREATED["sn"]) not in fate.problem
        assert seen == []

    @pytest.mark.parametrize("is_folder", [False, True], ids=["nothing is set", "an empty folder"])
    def test_an_authority_that_is_not_set_is_not_trusted(
        self,
        caller: str,
        is_folder: bool,  # noqa: FBT001 - a case
        authority: trustme.CA,
        tmp_path: Path,
    ) -> None:
        """Without the setting only the usual authorities are; a folder replaces them, as a file does."""
        seen: list[bytes] = []
        with under_tls(authority.issue_cert("127.0.0.1"), seen) as server:
            fate = CALLERS[caller](server.url, **({"ca_bundle": str(tmp_path)} if is_folder else {}))

        assert fate.word == "not sent"
        assert "certificate was refused" in fate.problem
        assert seen == []


class TestAccepted:
    """A certificate that holds."""

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    @pytest.mark.parametrize("caller", CALLERS)
    def test_by_address_and_by_name(self, caller: str, host: str, authority: trustme.CA, bundle: Path) -> None:
        """Each is in the certificate."""
        with under_tls(authority.issue_cert("127.0.0.1", "localhost"), []) as server:
            url = server.url.replace("127.0.0.1", host)
            assert CALLERS[caller](url, ca_bundle=str(bundle)).word == "done"

    def test_connections_are_kept(self, authority: trustme.CA, bundle: Path) -> None:
        """As in plain text."""
        with (
            under_tls(authority.issue_cert("127.0.0.1"), []) as server,
            client(server.url, ca_bundle=str(bundle)) as made,
        ):
            assert [made.call(READ).id for _ in range(3)] == [CREATED["id"]] * 3
            assert server.connections == 1

    @pytest.mark.parametrize(
        "name", ["silence", "dripping headers", "dripping body", "a bomb", "endless body", "closed without an answer"]
    )
    def test_the_bounds_hold_inside_tls(self, name: str, authority: trustme.CA, bundle: Path) -> None:
        """Deadline and size, as in plain text; from the first byte on a create is unknown."""
        fault, kind = AFTER_SENDING[name]
        given: dict[str, Any] = {"ca_bundle": str(bundle), "deadline": 0.5}
        with FaultServer(fault, tls=context_of(authority.issue_cert("127.0.0.1"))) as server:
            with client(server.url, **given) as made:
                assert type(outcome(made, READ)) is kind
            itsm = gateway(server.url, **given)
            assert isinstance(itsm.create(create_request()), Unknown)
            itsm.close()


@pytest.mark.parametrize("caller", ["read", "create"])
class TestEnvironment:
    """Proxies, certificates, passwords and key logs of the environment are not ours."""

    @pytest.mark.parametrize("variable", PROXIES)
    def test_a_proxy_is_not_used(
        self, caller: str, variable: str, authority: trustme.CA, bundle: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It would see who calls; in plain text and under TLS."""
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        for tls in (None, context_of(authority.issue_cert("127.0.0.1"))):
            with FaultServer(answering(GOOD), tls=tls) as server, socket.create_server(("127.0.0.1", 0)) as proxy:
                monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.getsockname()[1]}")
                fate = CALLERS[caller](server.url, ca_bundle=str(bundle) if tls else "")
                proxy.settimeout(0)

                assert fate.word == "done"
                with pytest.raises(BlockingIOError):
                    proxy.accept()

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
    def test_an_authority_is_not_trusted(
        self, caller: str, variable: str, authority: trustme.CA, bundle: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only the setting says whom we trust."""
        monkeypatch.setenv(variable, str(bundle.parent if variable.endswith("DIR") else bundle))
        with under_tls(authority.issue_cert("127.0.0.1"), []) as server:
            assert CALLERS[caller](server.url).word == "not sent"

    def test_the_keys_of_a_session_are_not_written_down(
        self, caller: str, authority: trustme.CA, bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """With them, a recording of the traffic can be read."""
        log = tmp_path / "keys.log"
        monkeypatch.setenv("SSLKEYLOGFILE", str(log))
        with under_tls(authority.issue_cert("127.0.0.1"), []) as server:
            assert CALLERS[caller](server.url, ca_bundle=str(bundle)).word == "done"

        assert not log.exists()

    def test_a_password_file_is_not_read(self, caller: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """It would add an Authorization header of its own."""
        for name in ("netrc", ".netrc"):
            (tmp_path / name).write_text("machine 127.0.0.1 login me password canary\n", encoding="utf-8")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        monkeypatch.setenv("HOME", str(tmp_path))
        seen: list[bytes] = []
        with FaultServer(answering(GOOD, seen=seen)) as server:
            assert CALLERS[caller](server.url).word == "done"

        assert b"\r\nauthorization:" not in seen[0].lower()
