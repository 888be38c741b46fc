"""One exchange: the edges of what is held and unpacked, and what a request and an answer show of themselves."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import zlib
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs
import pytest
import requests

from itsm_workflow.bkapi.body import unpack
from itsm_workflow.bkapi.connections import TLSContext, current
from itsm_workflow.bkapi.transport import HttpRequest, HttpResponse, Transport, _address, _Session, tls_context
from itsm_workflow.bkapi.tunnel import NO_TUNNEL, TunnelRefused
from itsm_workflow.errors import GatewayProtocolError, GatewayUnavailable
from itsm_workflow.secrets import Secret
from tests.support.defaults import set_defaults
from tests.support.fault_server import FaultServer, answering, response
from tests.support.limits import PATIENCE
from tests.support.pids import see_pid

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.bkapi.deadline import Exchange
    from tests.support.fault_server import Connection


def request(url: str) -> HttpRequest:
    """Return a request that holds a secret in its headers and one in its body."""
    return HttpRequest(
        endpoint="e",
        request_id="r",
        method="POST",
        url=url,
        headers={"X-Secret": Secret("canary-1")},
        body=b"canary-2",
        connect_timeout=PATIENCE,
        read_timeout=PATIENCE,
        deadline=PATIENCE,
    )


@pytest.mark.parametrize("sizes", [{"pool_size": 0}, {"body_limit": 0}, {"body_limit": -1}])
def test_sizes_that_make_no_sense(sizes: dict[str, int]) -> None:
    """A transport that could send or hold nothing."""
    with pytest.raises(ValueError, match="must be at least 1"):
        Transport(**sizes)  # type: ignore[arg-type] # passed on


def chunked(body: bytes) -> bytes:
    """Return a response that does not say how long it is."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def packed(body: bytes) -> bytes:
    """Return a response whose body is packed."""
    return response(gzip.compress(body), headers=("Content-Encoding: gzip",))


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False)])
@pytest.mark.parametrize("shape", [response, chunked, packed])
def test_the_limit_is_of_the_body_however_it_comes(size: int, fits: bool, shape: Callable[[bytes], bytes]) -> None:  # noqa: FBT001 - a parameter
    """To the byte: stated, in chunks, or unpacked."""
    body = b"\x00" * size
    with FaultServer(answering(shape(body))) as server:
        transport = Transport(body_limit=1000)
        if fits:
            assert transport.send(request(server.url)).body == body
        else:
            with pytest.raises(GatewayProtocolError, match="larger than 1000 bytes"):
                transport.send(request(server.url))
        transport.close()


def test_a_bomb_is_unpacked_no_further_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpacking is given a bound, so that memory never sees the rest."""
    bomb = gzip.compress(b"\x00" * (20 << 20))
    given: list[int] = []
    real = zlib.decompressobj

    class Watched:
        def __init__(self, wbits: int) -> None:
            self._real = real(wbits)

        def decompress(self, data: bytes, max_length: int = 0) -> bytes:
            given.append(max_length)
            return self._real.decompress(data, max_length)

    monkeypatch.setattr(zlib, "decompressobj", Watched)
    outcome = unpack(bomb, "gzip", 1000)

    assert not isinstance(outcome, bytes)
    assert "larger than 1000 bytes" in outcome.problem
    assert given == [1001]


_WHOLE = gzip.compress(b"a", mtime=0)  # a name of a test holds it: the same in every process


@pytest.mark.parametrize(
    ("packed", "encoding", "body"),
    [
        (_WHOLE, "gzip", b"a"),
        (_WHOLE, " X-GZIP ", b"a"),
        (b"a", "identity", b"a"),
        (b"a", "", b"a"),
        (b"", "gzip", b""),
        (b"", "br", b""),
    ],
)
def test_what_is_unpacked(packed: bytes, encoding: str, body: bytes) -> None:
    """By either of its names; and an empty body is empty whatever it is called."""
    assert unpack(packed, encoding, 1000) == body


@pytest.mark.parametrize("packed", [_WHOLE + b"more", _WHOLE * 2, _WHOLE[:-1]], ids=["more", "two", "cut off"])
def test_what_is_not_one_whole_gzip(packed: bytes) -> None:
    """An end that is missing, or something after it."""
    outcome = unpack(packed, "gzip", 1000)

    assert not isinstance(outcome, bytes)
    assert "cannot be decompressed" in outcome.problem


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://E.com/a b/", "https://e.com/a%20b/"),
        ("https://例子.com/名/", "https://xn--fsqu00a.com/%E5%90%8D/"),
        ("http://127.0.0.1:80/%2F/", "http://127.0.0.1:80/%2F/"),
    ],
)
def test_an_address_goes_over_the_wire_in_ascii(url: str, written: str) -> None:
    """What is quoted already stays so."""
    assert _address(url).casefold() == written.casefold()


def test_a_request_and_an_answer_show_no_address_no_headers_and_no_body() -> None:
    """A traceback with the variables of its frames may print them."""
    asked = attrs.evolve(request("http://127.0.0.1/canary-0/"), headers={"x": "canary-1"})
    answer = HttpResponse(status=200, headers=MappingProxyType({"x": "canary-3"}), body=b"canary-4", elapsed=0.0)

    assert "canary" not in repr(asked) + repr(answer)


def test_a_request_has_no_further_options_by_default() -> None:
    """Neither a connection of its own nor a limit of its own."""
    given = attrs.asdict(request("http://127.0.0.1/"), recurse=False)
    options = {"fresh", "max_bytes"}

    assert set_defaults(HttpRequest, {name: value for name, value in given.items() if name not in options}) == {}


@pytest.mark.parametrize("fresh", [True, False])
def test_a_connection_is_made_within_the_times_of_its_request(
    fresh: bool,  # noqa: FBT001 - a parameter
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All three, whether the connection is shared or not."""
    times: list[tuple[float, float, float]] = []

    def refuse(_host: str, _port: int, running: Exchange, _options: object) -> None:
        times.append((running.connect_timeout, running.read_timeout, running.deadline))
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("itsm_workflow.bkapi.connections.open_socket", refuse)
    asked = request("http://there.example.com/")
    transport = Transport()
    with pytest.raises(GatewayUnavailable):
        transport.send(attrs.evolve(asked, connect_timeout=11.0, read_timeout=12.0, deadline=13.0, fresh=fresh))
    transport.close()
    assert times == [(11.0, 12.0, 13.0)]


def test_cookies_are_not_among_the_headers_of_an_answer() -> None:
    """Nobody after the transport can keep one."""
    raw = response(b"{}", headers=("Set-Cookie: sid=canary", "X-A: 1", "x-a: 2"))
    with FaultServer(answering(raw)) as server:
        transport = Transport()
        answer = transport.send(request(server.url))
        transport.close()

    assert set(answer.headers) == {"content-length", "x-a"}


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9/"])
def test_a_thread_keeps_nothing_of_an_exchange(url: str) -> None:
    """Whether there was an answer or none."""
    with FaultServer(answering(response(b"{}"))) as server:
        transport = Transport()
        with contextlib.suppress(GatewayUnavailable):
            transport.send(request(url or server.url))
        transport.close()

    assert not hasattr(current, "exchange")


def test_a_forked_process_does_not_close_its_parent_s_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under TLS, a goodbye from the child would end the parent's conversation."""
    with FaultServer(answering(response(b"{}"))) as server:
        transport = Transport()
        transport.send(request(server.url))
        with monkeypatch.context() as child:
            see_pid(child, "itsm_workflow.bkapi.transport")
            transport.close()
        transport.send(request(server.url))
        transport.close()

        assert server.connections == 1


def test_a_forked_process_opens_connections_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as its parent, and it keeps them."""
    with FaultServer(answering(response(b"{}"))) as server:
        transport = Transport(pool_size=2)
        transport.send(request(server.url))
        with monkeypatch.context() as child:
            see_pid(child, "itsm_workflow.bkapi.transport")
            transport.send(request(server.url))
            transport.send(request(server.url))
            transport.close()

        assert server.connections == 2


def test_a_connection_of_its_own_is_closed_whatever_the_server_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """This server keeps a connection although it was asked to close it; ours ends with the exchange."""
    made: list[_Session] = []  # so that none is closed because nothing holds it any more
    ended = threading.Event()

    class Kept(_Session):
        def __init__(self, tls: ssl.SSLContext, size: int) -> None:
            super().__init__(tls, size)
            made.append(self)

    def serve(connection: Connection) -> None:
        answering(response(b"{}"))(connection)
        ended.set()

    with FaultServer(serve) as server:
        transport = Transport()
        monkeypatch.setattr("itsm_workflow.bkapi.transport._Session", Kept)
        transport.send(attrs.evolve(request(server.url), fresh=True))

        assert ended.wait(PATIENCE)
        transport.close()
    assert len(made) == 1


def test_clients_share_the_certificates_until_their_file_changes(tmp_path: Path) -> None:
    """To read them takes milliseconds; a bundle that was replaced is read by the next client."""
    bundle = tmp_path / "bundle.pem"
    shipped = Path(requests.utils.DEFAULT_CA_BUNDLE_PATH).read_text(encoding="utf-8").split("-----END CERTIFICATE-----")
    bundle.write_text("-----END CERTIFICATE-----".join([*shipped[:2], ""]), encoding="utf-8")
    first = tls_context(str(bundle))
    assert tls_context(str(bundle)) is first
    assert first.cert_store_stats()["x509"] == 2

    bundle.write_text("-----END CERTIFICATE-----".join([*shipped[:3], ""]), encoding="utf-8")
    assert tls_context(str(bundle)).cert_store_stats()["x509"] == 3
    bundle.unlink()
    with pytest.raises(FileNotFoundError):
        tls_context(str(bundle))


def test_a_tls_context_hands_on_each_argument() -> None:
    """Both flags are True by default, so only a socket with one of them False shows which is which."""
    context = TLSContext(ssl.PROTOCOL_TLS_CLIENT)
    for handshake, ragged in ((False, True), (True, False)):
        with context.wrap_socket(
            socket.socket(),
            do_handshake_on_connect=handshake,
            suppress_ragged_eofs=ragged,
            server_hostname="itsm.example.com",
        ) as wrapped:
            flags = vars(wrapped)  # its annotations do not declare them
            assert (flags["do_handshake_on_connect"], flags["suppress_ragged_eofs"]) == (handshake, ragged)
            assert wrapped.server_hostname == "itsm.example.com"


@pytest.mark.parametrize(
    ("status", "hint"), [("403", ""), ("407", ": the proxy requires another user or password"), ("502", "")]
)
def test_a_refused_tunnel_is_described_by_its_status(status: str, hint: str) -> None:
    """The proxy's own text is not shown."""
    assert str(TunnelRefused(status)) == f"{NO_TUNNEL}, HTTP {status}{hint}"
