"""A proof at scale: a store copied through every backend and back: ``python -m tests.scale.copying --changes 100000``.

The command ``itsm-workflow storage copy`` takes a SQLite store with its histories to PostgreSQL, to a JSON file, to
MariaDB and to another SQLite file. Then `sqlite3` alone reads the first and the last file, and every column of every
row and entry must be equal. The exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itsm_workflow import open_storage
from tests.benchmarks.changes import filed, open_workflow
from tests.benchmarks.many import Model, fill
from tests.services.servers import MARIADB, POSTGRESQL, new_store
from tests.support.celery_run import new_queue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.storage.protocol import Write

TABLES = {"changes": "id", "entries": "change_id, seq"}


def build(path: Path, count: int) -> None:
    """Make a SQLite store in which every other change was approved and the others wait, each with its history."""
    with closing(open_storage("memory://")) as memory:
        workflow = open_workflow(memory, "inline")
        callback = filed(workflow, "collector-1")
        [change] = workflow.find()
        waiting = Model.of(memory, workflow, change.id)
        workflow.receive(**callback)
        approved = Model.of(memory, workflow, change.id)
    now = dt.datetime.now(dt.UTC)

    def copies() -> Iterator[Write]:
        for number in range(count):
            if number % 2:
                yield approved.copy(number, due_at=None, with_history=True)
            else:
                yield waiting.copy(number, due_at=now, with_history=True)

    fill(path, copies())


def digest_of(path: Path) -> dict[str, Any]:
    """Count the rows of each table, and hash all their columns in order, without the library."""
    found: dict[str, Any] = {}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for table, order in TABLES.items():
            digest, count = hashlib.sha256(), 0
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY {order}"):  # noqa: S608 - names of this file
                digest.update(repr(row).encode())
                count += 1
            found[table] = {"rows": count, "sha256": digest.hexdigest()}
    return found


def run(*arguments: str) -> None:
    """Run a command of the library; its failure is an error."""
    subprocess.run([sys.executable, "-m", "itsm_workflow", *arguments], check=True, stdout=subprocess.DEVNULL)


def copied(source: str, target: str) -> float:
    """Copy by the command, and return its seconds."""
    if not target.startswith(("sqlite:", "json:")):
        run("storage", "migrate", target)
    began = time.monotonic()
    run("storage", "copy", source, target, "--json")
    return round(time.monotonic() - began, 1)


def prove(count: int, folder: Path) -> dict[str, Any]:
    """Copy through every backend, and return the summary."""
    first, last = folder / "first.db", folder / "last.db"
    build(first, count)
    name = new_queue().replace("-", "_")
    with ExitStack() as stores:
        ring = {
            "sqlite": f"sqlite:///{first}",
            "postgresql": stores.enter_context(new_store(POSTGRESQL, name)),
            "json": f"json:///{folder / 'store.jsonl'}",
            "mysql": stores.enter_context(new_store(MARIADB, name)),
            "sqlite again": f"sqlite:///{last}",
        }
        seconds = {f"{source} to {target}": copied(ring[source], ring[target]) for source, target in pairwise(ring)}
    before, after = digest_of(first), digest_of(last)
    return {"changes": count, "seconds": seconds, "before": before, "after": after, "ok": before == after}


def main(given: Sequence[str]) -> int:
    """Print the summary as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.scale.copying", description=__doc__.partition("\n")[0])
    parser.add_argument("--changes", type=int, default=100_000)
    options = parser.parse_args(given)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        summary = prove(options.changes, Path(folder))
    print(json.dumps(summary, indent=2))  # noqa: T201 - a command
    return 0 if summary["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
