"""A host in another process: the callback's route on a real server. It prints its port; SIGTERM ends it.

`python -m tests.faults.host STORE`, with the settings in the environment.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from itsm_workflow import BkItsmGateway, Settings, Workflow
from itsm_workflow.callbacks.asgi import asgi_app
from tests.support.limits import PATIENCE
from tests.support.office import APP_SECRET, CALLBACK_KEY

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence

    from tests.support.office import Office
    from tests.support.places import Knock


def main(arguments: Sequence[str]) -> None:
    """Serve until SIGTERM."""
    gateway = BkItsmGateway(Settings.from_env())
    with (
        Workflow(storage=arguments[0], gateway=gateway, after_callback="inline") as workflow,
        socket.create_server(("127.0.0.1", 0), backlog=512) as listener,
    ):
        # asyncio sets this option only on sockets that name their protocol. Without it each answer waits for 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(listener.getsockname()[1], flush=True)  # noqa: T201 - the test reads it
        config = uvicorn.Config(asgi_app(workflow.receive), log_config=None, lifespan="off", access_log=False)
        uvicorn.Server(config).run([listener])


@contextlib.contextmanager
def hosts(count: int, office: Office) -> Iterator[list[tuple[int, int]]]:
    """Run hosts on the office's store until the block ends, and yield the port and process id of each."""
    command = [sys.executable, "-m", "tests.faults.host", office.store_url]
    surroundings = {**os.environ, **environment_of(office)}
    with contextlib.ExitStack() as running:
        started = []
        for _ in range(count):
            process = running.enter_context(
                subprocess.Popen(command, env=surroundings, stdout=subprocess.PIPE, text=True)
            )
            running.callback(process.terminate)
            started.append(process)
        yield [(int(process.stdout.readline()), process.pid) for process in started if process.stdout]


def environment_of(office: Office) -> dict[str, str]:
    """Return the settings of a host for the office's ticket system."""
    return {
        "BKAPP_ITSM_APP_CODE": "collector",
        "BKAPP_ITSM_APP_SECRET": APP_SECRET,
        "BKAPP_ITSM_GATEWAY_URL": office.sandbox.url,
        "BKAPP_ITSM_FAST_APPROVAL": "true",
        "BKAPP_ITSM_CALLBACK_HOST": office.door.url,
        "BKAPP_ITSM_CALLBACK_KEYS": CALLBACK_KEY,
    }


class Line:
    """A kept-alive connection to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Send a request and return the status of the answer."""
        self._connection.request("POST", path, body=body, headers=dict(headers))
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def post_at(self, gate: threading.Barrier, knock: Knock) -> int:
        """Send a request at the same time as the other threads of the barrier."""
        headers = {
            name: value for name, value in knock.headers.items() if name.lower() not in {"host", "content-length"}
        }
        gate.wait(PATIENCE)
        return self.post(knock.path, headers, knock.body)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the contents of the store's files, except the index that readers share in memory."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}


def resident(process: int) -> int:
    """Return the resident memory of a process in bytes."""
    text = Path(f"/proc/{process}/statm").read_text(encoding="ascii")
    return int(text.split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main(sys.argv[1:])
