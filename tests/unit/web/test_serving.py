"""The server of the console: the bounds that keep slow and silent clients from taking it."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.web import serving

if TYPE_CHECKING:
    import socket

    from flask import Flask


class _Server:
    """A server that ends when it is run."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening

    def run(self) -> None:
        """Serve nothing."""

    def close(self) -> None:
        """Close the socket, as the server does."""
        self._listening.close()


@pytest.mark.parametrize("has_poll", [True, False])
def test_connections_are_bounded_and_silent_ones_are_closed(
    app: Flask, monkeypatch: pytest.MonkeyPatch, *, has_poll: bool
) -> None:
    """`select.poll` is used where the system has it, since select() takes no file descriptor above 1023."""
    given: dict[str, Any] = {}

    def create(_app: Flask, **options: Any) -> _Server:
        given.update(options)
        return _Server(options["sockets"][0])

    monkeypatch.setattr(serving, "create_server", create)
    if not has_poll:
        monkeypatch.delattr(select, "poll")
    serving.serve(app, host="127.0.0.1", port=0, ready=lambda port: given.update(port=port))
    assert given["port"] > 0
    assert given["connection_limit"] == serving.CONNECTIONS < 1000, "file descriptors are left for the store"
    assert given["channel_timeout"] == serving.SILENCE
    assert given["cleanup_interval"] < serving.SILENCE
    assert given["asyncore_use_poll"] is has_poll
