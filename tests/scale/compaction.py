"""How long the commits of another process wait while a JSON store is compacted: ``python -m tests.scale.compaction``.

One process has a store of many changes, of whose lines half are obsolete; another one commits to it without a pause and
measures each commit. First neither compacts, then the commits of the first process compact the store in steps, then
`JSONFileBackend.compact` does it without a pause.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from itsm_workflow.testing.conformance._rows import create, follow
from itsm_workflow_backends.json_file import JSONFileBackend, _log

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import Write

DOCUMENT = json.dumps({"text": "x" * 360, "items": [{"a": 1, "b": "two"}] * 12, "none": None}, separators=(",", ":"))
NEVER = 10**12
"""A size from which on no store here is compacted."""
CALM = 10.0
"""Seconds without a compaction."""


def fill(path: Path, changes: int) -> None:
    """Make a store in which each change was written twice."""
    with mock.patch.object(_log, "sync"), closing(JSONFileBackend(path, compact_at=NEVER)) as store:
        writes = [create(f"c{number}", document=DOCUMENT) for number in range(changes)]
        for _ in range(2):
            for write in writes:
                store.commit([write])
            writes = [follow(write.row, document=DOCUMENT) for write in writes]


def committed(store: JSONFileBackend, name: str, has_ended: Callable[[], bool]) -> list[tuple[float, float]]:
    """Commit to one change without a pause, and return the start and the seconds of each commit."""
    write: Write = create(name, document=DOCUMENT)
    found = []
    while not has_ended():
        started = time.monotonic()
        if store.commit([write]) != [None]:
            raise RuntimeError("a commit was refused")
        found.append((started, time.monotonic() - started))
        write = follow(write.row, document=DOCUMENT)
    return found


def other_process(path: Path) -> None:
    """Commit until a line is read from the input, then print the commits."""
    stop = threading.Event()

    def wait_for_the_line() -> None:
        sys.stdin.readline()
        stop.set()

    with closing(JSONFileBackend(path, compact_at=NEVER)) as store:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        threading.Thread(target=wait_for_the_line, daemon=True).start()
        json.dump(committed(store, "other", stop.is_set), sys.stdout)


def phases(path: Path) -> dict[str, tuple[float, float]]:
    """Return the start and the end of each phase."""
    found = {}
    started = time.monotonic()
    with closing(JSONFileBackend(path, compact_at=NEVER)) as store:
        until = started + CALM
        committed(store, "calm", lambda: time.monotonic() > until)
    found["no compaction"] = started, time.monotonic()
    with closing(JSONFileBackend(path)) as store:
        before, started = path.stat().st_ino, time.monotonic()
        committed(store, "steps", lambda: path.stat().st_ino != before)
        found["in steps, by the commits of the first process"] = started, time.monotonic()
        started = time.monotonic()
        store.compact()
        found["by compact(), without a pause"] = started, time.monotonic()
    return found


def main() -> None:
    """Print a row for each phase."""
    parser = argparse.ArgumentParser(prog="python -m tests.scale.compaction", description=__doc__)
    parser.add_argument("--changes", type=int, default=100_000)
    parser.add_argument("--other", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.other:
        other_process(options.other)
        return
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        path = Path(place) / "store.jsonl"
        fill(path, options.changes)
        size = path.stat().st_size
        command = [sys.executable, "-m", "tests.scale.compaction", "--other", str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("the other process did not open the store")
            found = phases(path)
            commits = json.loads(process.communicate("\n")[0])
        write = sys.stdout.write
        write(f"{options.changes:,} changes in {size:,} bytes; load average {os.getloadavg()[0]:.1f}\n\n")
        write("| phase | seconds | commits of the other process | median | 99 of 100 | longest |\n")
        write("| --- | --- | --- | --- | --- | --- |\n")
        for name, (began, ended) in found.items():
            took = sorted(wait for started, wait in commits if started < ended and started + wait > began)
            shown = [statistics.median(took), took[len(took) * 99 // 100], took[-1]]
            waits = " | ".join(f"{one * 1000:.1f} ms" for one in shown)
            write(f"| {name} | {ended - began:.1f} | {len(took):,} | {waits} |\n")


if __name__ == "__main__":
    main()
