"""A gateway that answers at once, or after a fixed delay, in a process of its own; standard library only."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Self

ROW = {
    "sn": "REQ20261124000001",
    "title": "接入 nginx 日志 [01M87NCF7B]",
    "ticket_url": "https://itsm.example.com/#/ticket/detail?id=1",
    "current_status": "FINISHED",
    "updated_by": "bob",
    "update_at": "2026-11-24 20:00:00",
    "approve_result": True,
}


class Gateway:
    """The server's process, as the one who measures sees it.

    Args:
        latency: Seconds between a request and its answer.

    Attributes:
        url: The gateway root.
    """

    def __init__(self, latency: float = 0.0) -> None:
        self._latency = latency
        self.url = ""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.benchmarks.server", str(self._latency)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._process.stdout is None:
            raise RuntimeError("the server's output is not a pipe")
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}/v2/itsm/"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)  # closing its input ends it


def serve(sock: socket.socket, latency: float) -> None:
    """Answer each request on one connection with as many rows as it names numbers, one if it names none."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with sock:
        while request := read_request(sock):
            if latency:
                time.sleep(latency)
            sock.sendall(answer(max(request.count(b"REQ"), 1)))


def read_request(sock: socket.socket) -> bytes:
    """Return a whole request, head and body; empty when the client hung up."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    name = head.lower().find(b"content-length:")
    length = int(head[name + 15 :].split(b"\r\n", 1)[0]) if name >= 0 else 0
    while len(body) < length:
        body += sock.recv(65536)
    return head + body


_answers: dict[int, bytes] = {}


def answer(rows: int) -> bytes:
    """Return the whole response with that many rows."""
    if rows not in _answers:
        body = json.dumps({"result": True, "code": 0, "message": "success", "data": [ROW] * rows}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        _answers[rows] = head.encode() + body
    return _answers[rows]


def main() -> None:
    """Print the port, then serve until the input closes."""
    latency = float(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve, args=(sock, latency), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - the parent reads it
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
