"""A PostgreSQL server of a test's own, in a folder of the test, so that no other test notices when it crashes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator


@attrs.frozen(kw_only=True)
class OwnPostgresql:
    """A server with an empty database.

    Attributes:
        programs: The folder of the server's programs.
        folder: The folder of its data, its socket and its log.
        port: The port on 127.0.0.1.
    """

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


@contextmanager
def own_postgresql() -> Iterator[OwnPostgresql]:
    """Yield a running server, and remove it.

    Raises:
        FileNotFoundError: The server's programs are not installed.
    """
    folder = Path("/tmp", f"itsm-pg-{(port := _free_port())}")  # noqa: S108 - the path of a socket must be short
    made = OwnPostgresql(programs=_programs(), folder=folder, port=port)
    folder.mkdir(mode=0o755)
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        made.make()
        made.start()
        try:
            yield made
        finally:
            made.crash()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _programs() -> Path:
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")]
    on_path = shutil.which("pg_ctl")
    programs = sorted(found) or ([Path(on_path).parent] if on_path else [])
    if not programs:
        raise FileNotFoundError("pg_ctl is missing: install the server of PostgreSQL on this machine")
    return programs[-1]


def _as_server_user(*command: str) -> None:
    # The server refuses to run as root.
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*user, *command], check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
