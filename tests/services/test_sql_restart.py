"""A PostgreSQL server that crashes and restarts while commits are under way.

The server is one of its own, in a folder of the test, so that no other test notices.
"""

from __future__ import annotations

import os
import queue
import shutil
import socket
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import open_storage
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.testing.conformance._rows import create, entry, follow
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.storage import Row, StorageBackend

_CRASHES = 3
_COMMITS_BETWEEN = 20


@attrs.frozen(kw_only=True)
class Instance:
    """A server of the test's own."""

    programs: Path
    folder: Path
    port: int

    @property
    def url(self) -> str:
        """The URL of a store, whose tables are created when it is opened."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres?migrate=true"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self._control("-w", "-o", options, "-l", str(self.folder / "log"), "start")

    def crash(self) -> None:
        """End the server without a shutdown, so that it recovers when it starts."""
        self._control("-m", "immediate", "stop")

    def make(self) -> None:
        """Make an empty data folder."""
        _as_server_user(str(self.programs / "initdb"), "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust")

    def _control(self, *arguments: str) -> None:
        _as_server_user(str(self.programs / "pg_ctl"), "-D", str(self.folder / "data"), *arguments)


def _as_server_user(*command: str) -> None:
    # The server refuses to run as root.
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*user, *command], check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)


@pytest.fixture
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A running server."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")]
    on_path = shutil.which("pg_ctl")
    programs = sorted(found) or ([Path(on_path).parent] if on_path else [])
    if not programs:
        pytest.fail("pg_ctl is missing: install the server of PostgreSQL on this machine", pytrace=False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path("/tmp" if Path("/tmp").is_dir() else tmp_path_factory.getbasetemp()) / f"itsm-pg-{port}"  # noqa: S108 - the path of a socket must be short
    folder.mkdir(mode=0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    made = Instance(programs=programs[-1], folder=folder, port=port)
    try:
        made.make()
        made.start()
        yield made
        made.crash()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_on(backend: StorageBackend, stop: threading.Event, acknowledged: queue.Queue[int]) -> int:
    """Write to the change ``c1`` until the event; after an unknown outcome read again; return the last version."""
    row = create("c1").row
    while not stop.is_set():
        try:
            conflicts = backend.commit([follow(row)])
        except StorageUnavailable:
            row = _read_again(backend)
            continue
        assert conflicts == [None]
        row = follow(row).row
        acknowledged.put(row.version)
    return row.version


def _read_again(backend: StorageBackend) -> Row:
    while True:
        try:
            row = backend.get("c1")
        except StorageUnavailable:
            continue  # the server is still down
        assert row is not None
        return row


def test_crashes_under_load_lose_nothing_that_was_acknowledged(instance: Instance) -> None:
    """After each crash the same backend object goes on, and the history has no gap and no entry twice."""
    acknowledged: queue.Queue[int] = queue.Queue()
    stop = threading.Event()
    with closing(open_storage(instance.url)) as backend:
        assert backend.commit([create("c1")]) == [None]
        last: list[int] = []
        writer = threading.Thread(target=lambda: last.append(_write_on(backend, stop, acknowledged)))
        writer.start()
        try:
            seen = 0
            for _ in range(_CRASHES):
                for _ in range(_COMMITS_BETWEEN):
                    seen = acknowledged.get(timeout=PATIENCE)
                instance.crash()
                instance.start()
            for _ in range(_COMMITS_BETWEEN):
                seen = acknowledged.get(timeout=PATIENCE)
        finally:
            stop.set()
            writer.join()
        row = backend.get("c1")
        assert row is not None
        assert row.version == last[0] >= seen
        assert row.seq == row.version
        page = backend.history("c1", limit=100_000)
        assert page.next_seq is None
        assert list(page.entries) == [entry("c1", seq) for seq in range(1, row.seq + 1)]
