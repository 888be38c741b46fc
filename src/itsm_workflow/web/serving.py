"""Runs the console by a server of its own, waitress, until a signal ends it."""

from __future__ import annotations

import contextlib
import errno
import select
import signal
import socket
from typing import TYPE_CHECKING

try:
    from waitress import create_server
except ImportError as error:
    raise ImportError(
        f"{error}: the console needs packages of its own, install them with `pip install 'itsm-workflow[web]'`"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

THREADS = 8
"""The number of requests that are answered concurrently. A request has a thread when it was read to its end."""

CONNECTIONS = 500
"""The number of open connections from which on no other is accepted, so that the process keeps file descriptors."""

SILENCE = 30
"""The time, in seconds, after which a connection is closed that sends nothing."""

LARGEST_HEAD, LARGEST_BODY = 32 * 1024, 1024 * 1024
"""The sizes, in bytes, from which on a request is refused before it is read."""


class PortInUseError(OSError):
    """Another process listens on the port."""


def serve(app: Flask, *, host: str, port: int, https: bool = False, ready: Callable[[int], object]) -> None:
    """Serve an application until SIGINT or SIGTERM.

    Args:
        app: The application.
        host: The address to listen on.
        port: The port; 0 for a free one.
        https: Whether browsers reach it over HTTPS, by a proxy that has the certificate.
        ready: Called with the port when browsers can connect.

    Raises:
        PortInUseError: Another process listens on the port.
        OSError: The address cannot be listened on.
    """
    listening = _listening(host, port)  # by waitress itself, a socket would stay open if this failed
    server = create_server(
        app,
        sockets=[listening],
        threads=THREADS,
        connection_limit=CONNECTIONS,
        channel_timeout=SILENCE,
        cleanup_interval=SILENCE // 3,
        asyncore_use_poll=hasattr(select, "poll"),  # select() takes no file descriptor above 1023
        max_request_header_size=LARGEST_HEAD,
        max_request_body_size=LARGEST_BODY,
        ident=None,
        url_scheme="https" if https else "http",
    )
    with _ended_by_signals():
        ready(listening.getsockname()[1])
        try:
            server.run()  # returns after a KeyboardInterrupt
        finally:
            server.close()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(error.errno, error.strerror) from error
        raise


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
