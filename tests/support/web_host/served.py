"""The workflow of a host that a real server serves, and the server's process."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from itsm_workflow import BkItsmGateway, Settings, Workflow
from tests.support.limits import PATIENCE
from tests.support.web_host import USER

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS = {
    "flask": ["gunicorn", "--workers=1", "--bind=fd://{fd}", "tests.support.web_host.flask_app:app"],
    "fastapi": ["uvicorn", "--fd={fd}", "--log-level=warning", "tests.support.web_host.fastapi_app:app"],
}


def open_workflow() -> Workflow:
    """Return the workflow by the environment; the look after a callback is over when the callback is answered."""
    settings = Settings.from_env()
    return Workflow(storage=settings.store, gateway=BkItsmGateway(settings), after_callback="inline")


class Server:
    """A server's process on a free port. The socket is this process's, so connections wait during a restart.

    Args:
        kind: The framework.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._process: subprocess.Popen[bytes] | None = None
        self.environment: Mapping[str, str] = {}

    @property
    def url(self) -> str:
        """The address of the host."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._process is not None and self._process.poll() is None:
                self._process.kill()
                self._process.wait()
        finally:
            self._listener.close()

    def start(self) -> None:
        """Start the process."""
        fd = self._listener.fileno()
        command = [sys.executable, "-m", *(part.format(fd=fd) for part in COMMANDS[self._kind])]
        environment = {**os.environ, **self.environment}
        self._process = subprocess.Popen(command, pass_fds=[fd], env=environment)

    def stop(self) -> int:
        """Let the process end as a service manager does, and return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(PATIENCE)

    def ask(self, method: str, path: str, data: object = None) -> dict[str, Any]:
        """Send a request of alice, and return the answer."""
        headers = {USER: "alice", "Content-Type": "application/json"}
        host, port = self._listener.getsockname()
        with contextlib.closing(http.client.HTTPConnection(host, port, timeout=PATIENCE)) as connection:
            connection.request(method, f"/itsm/{path}", body=json.dumps(data).encode(), headers=headers)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
