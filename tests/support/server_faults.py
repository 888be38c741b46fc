"""The faults of a gateway after a request was sent, by name: the server's behaviour, and the error of the call.

The outcome of a create is unknown after any of them: bytes were sent, so there may be a ticket.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from itsm_workflow.errors import GatewayAnswerTooLarge, GatewayError, GatewayProtocolError, GatewayTimeout
from tests.support.fault_server import CREATED, Connection, answering, in_turn, packed, response, sending, success

if TYPE_CHECKING:
    from collections.abc import Callable

    Serve = Callable[[Connection], None]

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b'{"result": true'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MEGABYTE = b"x" * (1 << 20)
OK = success(CREATED)


def ask(body: bytes | object, **shape: object) -> Serve:
    """Return a server that gives every request the same answer."""
    return answering(response(body, **shape))  # type: ignore[arg-type] # passed on


def reset_unread(connection: Connection) -> None:
    """Reset the connection when the first byte has arrived, without reading it: before that, nothing was sent."""
    connection.sock.recv(1, socket.MSG_PEEK)
    connection.reset()


AFTER_SENDING: dict[str, tuple[Serve, type[GatewayError]]] = {
    "reset before the request is read": (reset_unread, GatewayTimeout),
    "reset after the request is read": (in_turn(Connection.reset), GatewayTimeout),
    "closed without an answer": (in_turn(), GatewayTimeout),
    "closed within the status line": (in_turn(sending(b"HTTP/1.1 2")), GatewayProtocolError),
    "closed within the headers": (in_turn(sending(b"HTTP/1.1 200 OK\r\nContent-Len")), GatewayProtocolError),
    "its half of the connection closed, without an answer": (
        in_turn(lambda each: each.sock.shutdown(socket.SHUT_WR), Connection.hold),
        GatewayTimeout,
    ),
    "half a body, then closed": (in_turn(sending(HALF)), GatewayTimeout),
    "half a chunk, then closed": (in_turn(sending(CHUNKED + b"ff\r\n{}")), GatewayTimeout),
    "a chunk without a length": (in_turn(sending(CHUNKED + b"zz\r\n{}")), GatewayTimeout),
    "half a body, then reset": (in_turn(sending(HALF), Connection.reset), GatewayTimeout),
    "silence": (in_turn(Connection.hold), GatewayTimeout),
    "silence before the request is read": (Connection.hold, GatewayTimeout),
    "dripping status line": (in_turn(lambda connection: connection.drip(b"HHHH")), GatewayTimeout),
    "dripping headers": (in_turn(sending(b"HTTP/1.1 200 OK\r\nX: "), lambda each: each.drip(b"zz")), GatewayTimeout),
    "dripping body": (in_turn(sending(HALF), lambda connection: connection.drip(b"  ")), GatewayTimeout),
    "endless provisional answers": (in_turn(lambda each: each.flood(b"HTTP/1.1 100 Go\r\n\r\n")), GatewayProtocolError),
    "endless headers": (
        in_turn(sending(b"HTTP/1.1 200 OK\r\n"), lambda connection: connection.flood(b"A: b\r\n")),
        GatewayProtocolError,
    ),
    "an endless line of a header": (
        in_turn(sending(b"HTTP/1.1 200 OK\r\nA: "), lambda connection: connection.flood(b"x" * 0x1000)),
        GatewayProtocolError,
    ),
    "an endless line of a chunk": (
        in_turn(sending(CHUNKED), lambda connection: connection.flood(b"0" * 0x1000)),
        GatewayProtocolError,
    ),
    "endless trailers": (
        in_turn(sending(CHUNKED + b"2\r\n{}\r\n0\r\n"), lambda connection: connection.flood(b"A: b\r\n")),
        GatewayProtocolError,
    ),
    "endless words after the sizes of chunks": (
        in_turn(sending(CHUNKED), lambda connection: connection.flood(b"1;" + b"x" * 0xF000 + b"\r\n \r\n")),
        GatewayProtocolError,
    ),
    "dripping trailers": (
        in_turn(sending(CHUNKED + b"2\r\n{}\r\n0\r\nA: "), lambda connection: connection.drip(b"zz")),
        GatewayTimeout,
    ),
    "dripping chunks": (
        in_turn(sending(CHUNKED + b"1\r\n{\r\n"), lambda each: each.drip(b"1\r\n \r\n" * 500)),
        GatewayTimeout,
    ),
    "endless body": (
        in_turn(sending(CHUNKED), lambda connection: connection.flood(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")),
        GatewayAnswerTooLarge,
    ),
    "a body until closed, endless": (
        in_turn(sending(b"HTTP/1.1 200 OK\r\n\r\n"), lambda connection: connection.flood(MEGABYTE)),
        GatewayAnswerTooLarge,
    ),
    "a body that is said to be huge": (ask(b"{}", length=1 << 30), GatewayAnswerTooLarge),
    "a bomb": (ask(packed(b" " * (50 << 20)), headers=("Content-Encoding: gzip",)), GatewayAnswerTooLarge),
    "bad gzip": (ask(b"not gzip at all", headers=("Content-Encoding: gzip",)), GatewayProtocolError),
    "half a gzip": (ask(packed(b'{"result": true}')[:-9], headers=("Content-Encoding: gzip",)), GatewayProtocolError),
    "a packing nobody asked for": (ask(b"{}", headers=("Content-Encoding: br",)), GatewayProtocolError),
    "no HTTP": (in_turn(sending(b"SSH-2.0-OpenSSH\r\n")), GatewayProtocolError),
    "a body longer than it says": (ask(b'{"result": true}    ', length=8), GatewayProtocolError),
    "two lengths": (ask(OK, headers=("Content-Length: 3",)), GatewayProtocolError),
    "a length that is none": (
        in_turn(sending(b"HTTP/1.1 200 OK\r\nContent-Length: -9\r\n\r\n{}")),
        GatewayProtocolError,
    ),
    "status 99": (ask(OK, status="099 No"), GatewayProtocolError),
    "status 1000": (ask(OK, status="1000 No"), GatewayProtocolError),
    "101": (ask(OK, status="101 Switching"), GatewayProtocolError),
    "204": (ask(b"", status="204 No Content"), GatewayProtocolError),
    "201 with a good body": (ask(OK, status="201 Created"), GatewayProtocolError),
    "206 with a good body": (ask(OK, status="206 Partial"), GatewayProtocolError),
    "304": (ask(b"", status="304 Not Modified"), GatewayProtocolError),
    "400 with a good body": (ask(OK, status="400 Bad Request"), GatewayProtocolError),
    "403 in plain words": (ask(b"no jwt", status="403 Forbidden"), GatewayProtocolError),
    "500": (ask(b"", status="500 Internal Server Error"), GatewayProtocolError),
    "502 page": (ask(b"<html>", status="502 Bad Gateway"), GatewayProtocolError),
    "a login page": (ask(b"<!DOCTYPE html><html>login</html>"), GatewayProtocolError),
    "an empty body": (ask(b""), GatewayProtocolError),
    "a list": (ask([]), GatewayProtocolError),
    "a text": (ask("success"), GatewayProtocolError),
    "no result": (ask({"code": 0, "data": CREATED}), GatewayProtocolError),
    'result "true"': (ask({**OK, "result": "true"}), GatewayProtocolError),
    'result "false"': (ask({"result": "false", "code": 3900004, "message": ""}), GatewayProtocolError),
    "result 1": (ask({**OK, "result": 1}), GatewayProtocolError),
    "a code that is a list": (ask({**OK, "code": [0]}), GatewayProtocolError),
    "a code that is half a number": (ask({**OK, "code": 0.5}), GatewayProtocolError),
    "a refusal whose message is no text": (ask({"result": False, "code": 1, "message": {}}), GatewayProtocolError),
    "half a character": (ask(b'{"result": true, "message": "\\ud800"}'), GatewayProtocolError),
    "NUL": (ask(b"\x00" * 10), GatewayProtocolError),
    "data null": (ask(success(None)), GatewayProtocolError),
    "no sn": (ask(success({"id": 7})), GatewayProtocolError),
    "sn a number": (ask(success({"id": 7, "sn": 20261125000007})), GatewayProtocolError),
    "id a text": (ask(success({**CREATED, "id": "7"})), GatewayProtocolError),
    "id true": (ask(success({**CREATED, "id": True})), GatewayProtocolError),
    "UTF-16": (ask('{"result": true}'.encode("utf-16")), GatewayProtocolError),
    "a byte order mark": (ask(b"\xef\xbb\xbf" + b'{"result": true}'), GatewayProtocolError),
    "bad UTF-8": (ask(b'{"result": true, "message": "\xff"}'), GatewayProtocolError),
    "deep JSON": (ask(b'{"result": true, "data": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"), GatewayProtocolError),
    "NaN": (ask(b'{"result": true, "code": 0, "data": {"id": NaN}}'), GatewayProtocolError),
    "a key twice": (ask(b'{"result": false, "result": true, "code": 0, "data": {}}'), GatewayProtocolError),
    "a number without end": (ask(b'{"result": true, "code": ' + b"1" * 9999 + b"}"), GatewayProtocolError),
}
