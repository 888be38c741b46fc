"""Servers that fail and send the caller's secrets back, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.fault_server import Connection, answering, in_turn, packed, response, sending, success
from tests.support.gateways import APP_SECRET, CREDENTIAL, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    Serve = Callable[[Connection], None]

COOKIE = "canary-cookie"
LOGINS = tuple(f"canary-{name}" for name in ("access-token", "bk-token", "bk-ticket", "skey"))
UPLOADED = "canary-uploaded"
CANARIES = (APP_SECRET, TOKEN, CREDENTIAL, COOKIE, UPLOADED, *LOGINS)
ECHO = " ".join(CANARIES)
SET_COOKIE = (f"Set-Cookie: sid={COOKIE}; Path=/", f"X-Echo: {ECHO}")
_HEAD = "HTTP/1.1 200 OK\r\n"

ECHOES: dict[str, Serve] = {
    "reset": in_turn(Connection.reset),
    "no HTTP": in_turn(sending(f"{ECHO}\r\n\r\n".encode())),
    "page": answering(response(ECHO.encode(), headers=SET_COOKIE)),
    "status": answering(response(ECHO.encode(), status=f"500 {ECHO}", headers=SET_COOKIE)),
    "redirect": answering(response(b"", status="302 Found", headers=(f"Location: http://{CREDENTIAL}/?{TOKEN}",))),
    "wrong data": answering(response(success({"is_passed": ECHO, "id": ECHO, "sn": [ECHO], ECHO: [ECHO]}))),
    "bad gzip": answering(response(ECHO.encode(), headers=("Content-Encoding: gzip",))),
    "bad chunk": in_turn(sending(f"{_HEAD}Transfer-Encoding: chunked\r\n\r\n{ECHO}\r\n".encode())),
    "bad header": in_turn(sending(f"{_HEAD}{ECHO}\r\n\r\n".encode())),
    "cut": in_turn(sending(f"{_HEAD}Content-Length: 9000\r\n\r\n{ECHO}".encode())),
}
"""Each echoes all canaries, whatever the request was."""


def echoing(body: Callable[[str], object]) -> Serve:
    """Return a server that echoes, in an envelope of its own, the canaries of each request."""

    def serve(connection: Connection) -> None:
        while request := connection.read_request():
            echo = " ".join(canary for canary in CANARIES if canary.encode() in request)
            connection.send(response(body(echo), headers=SET_COOKIE))

    return serve


def _refused_after(length: int) -> Serve:
    return echoing(
        lambda echo: {"result": False, "code": "c" * (length % 70) + echo, "message": "x" * length + echo, "data": None}
    )


ALL_ECHOES = {
    **ECHOES,
    "silence": in_turn(Connection.hold),
    "bomb": answering(response(packed(ECHO.encode() * 99_999), headers=("Content-Encoding: gzip",))),
    "a list": echoing(lambda echo: success([echo])),
    "wrong result": echoing(lambda echo: {**success({}), "result": echo, "message": echo}),
    "refused": echoing(lambda echo: {"result": False, "code": echo, "message": f"no: {echo}", "data": None}),
    "refused at length": echoing(lambda echo: {"result": False, "code": echo[::-1], "message": echo * 50}),
    # The words begin with so many letters, so that a cut falls somewhere into the secrets.
    **{f"refused after {length} letters": _refused_after(length) for length in range(180, 201)},
}
