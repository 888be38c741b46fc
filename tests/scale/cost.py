"""What a change costs: ``python -m tests.scale.cost --changes 200``. It needs PostgreSQL and MariaDB.

Everything is counted outside of the library: commits in SQLite's write-ahead log and in the statistics of PostgreSQL,
calls by the server that answers them, bytes by the size of files and tables, processor time by the system.
"""

from __future__ import annotations

import argparse
import secrets
import struct
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import make_url, text

from itsm_workflow import open_storage
from tests.benchmarks.changes import filed, open_workflow
from tests.services.servers import MARIADB, POSTGRESQL, Server, new_store
from tests.support.office import Office, asked

if TYPE_CHECKING:
    from collections.abc import Callable

_WAL_HEADER, _FRAME_HEADER = 32, 24
_POSTGRESQL_SIZE = "SELECT pg_total_relation_size('{0}changes') + pg_total_relation_size('{0}entries')"
_MARIADB_SIZE = (
    "SELECT sum(data_length + index_length) FROM information_schema.tables WHERE table_name IN "
    "('{0}changes', '{0}entries')"
)
_WRITES = "SELECT sum(n_tup_upd), sum(n_tup_ins) FROM pg_stat_user_tables WHERE relname IN ('{0}changes', '{0}entries')"


def lives(url: str, changes: int, *, before: Callable[[], object] = int) -> tuple[float, float]:
    """Live as many changes, from `apply` to a delivered effect; return the seconds, and those of this processor.

    Args:
        url: The URL of the store.
        changes: The number of changes.
        before: Called after the first change, which also makes the store and its catalogue.
    """
    with closing(open_storage(url)) as store:
        workflow = open_workflow(store, "inline")
        workflow.receive(**filed(workflow, "first"))
        before()
        started, used = time.perf_counter(), time.process_time()
        for number in range(changes):
            workflow.receive(**filed(workflow, f"collector-{number}"))
        return time.perf_counter() - started, time.process_time() - used


def commits_in_log(path: Path) -> int:
    """Return the number of commits in a log of SQLite: the frame that ends one names the size of the file."""
    log = path.with_name(path.name + "-wal").read_bytes()
    page = struct.unpack(">I", log[8:12])[0]
    frames = range(_WAL_HEADER, len(log), _FRAME_HEADER + page)
    salt = log[16:24]
    return sum(struct.unpack(">I", log[at + 4 : at + 8])[0] > 0 and log[at + 8 : at + 16] == salt for at in frames)


def sqlite_commits(folder: Path) -> int:
    """Return the number of commits of one life on SQLite."""
    path, seen = folder / "one.db", []
    with closing(open_storage(f"sqlite:///{path}")) as store:
        workflow = open_workflow(store, "inline")
        for subject in ("first", "second", "third"):
            workflow.receive(**filed(workflow, subject))
            seen.append(commits_in_log(path))
    if seen[2] - seen[1] != seen[1] - seen[0]:
        raise RuntimeError(f"the log was begun again while it was counted: {seen}")
    return seen[2] - seen[1]


def gateway_calls() -> Counter[str]:
    """Return the calls of one life, by endpoint, as the ticket system got them."""
    with Office("memory://") as office:
        workflow = office.workflow()
        first = workflow.apply(subject="first", **asked())  # the client looks for the service once
        office.approve(first)
        office.sandbox.calls.clear()
        change = workflow.apply(subject="second", **asked())
        office.approve(change)
        if workflow.get(change.id).state != "approved":
            raise RuntimeError("the change did not end")
        return Counter(call.endpoint for call in office.sandbox.calls)


def on_server(server: Server, changes: int, size: str) -> str:
    """Return the costs of a life on a server, in words."""
    with ExitStack() as opened:
        url = opened.enter_context(new_store(server, f"cost_{secrets.token_hex(4)}"))
        prefix = str(make_url(url).query["prefix"])
        administration = opened.enter_context(server.connected())

        def bytes_stored() -> int:
            if server is MARIADB:
                administration.execute(text(f"ANALYZE TABLE {prefix}changes, {prefix}entries"))
            return int(administration.execute(text(size.format(prefix))).scalar_one())

        at_first: list[int] = []
        seconds, used = lives(url, changes, before=lambda: at_first.append(bytes_stored()))
        stored = (bytes_stored() - at_first[0]) / changes
        words = (
            f"{stored:,.0f} bytes, {used / changes * 1e3:.1f} ms CPU of the process, {seconds / changes * 1e3:.1f} ms"
        )
        if server is POSTGRESQL:
            time.sleep(2)  # the server collects its statistics once a second
            updated, inserted = administration.execute(text(_WRITES.format(prefix))).one()
            each = changes + 1
            words += f"; {float(updated) / each:.1f} updates and {float(inserted) / each:.1f} inserts by the server"
        return words


def main() -> int:
    """Count, and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.scale.cost", description=__doc__.partition("\n")[0])
    parser.add_argument("--changes", type=int, default=200)
    changes: int = parser.parse_args().changes
    write = sys.stdout.write
    calls = gateway_calls()
    write(f"gateway calls of a change: {calls.total()}: {dict(calls)}\n")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        folder = Path(place)
        write(f"commits of a change: {sqlite_commits(folder)}\n")
        for scheme, name in (("sqlite", "store.db"), ("json", "store.jsonl")):
            seconds, used = lives(f"{scheme}:///{folder / name}", changes)
            stored = (folder / name).stat().st_size / (changes + 1)
            write(
                f"{scheme}: {stored:,.0f} bytes, {used / changes * 1e3:.1f} ms CPU, {seconds / changes * 1e3:.1f} ms\n"
            )
    for server, size in ((POSTGRESQL, _POSTGRESQL_SIZE), (MARIADB, _MARIADB_SIZE)):
        write(f"{server.name}: {on_server(server, changes, size)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
