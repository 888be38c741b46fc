"""How long the console's pages take with many changes: ``python -m tests.scale.console --changes 1000000 URL``.

The store of the URL must be empty; `itsm-workflow storage migrate URL` makes one on a server. It is filled through the
storage port with copies of real changes: nine of ten were approved, the others wait, and one of a hundred needs
attention. Each page is asked for over HTTP, and the time is that of the client. The changes stay in the store.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

import requests
from waitress.server import create_server

from itsm_workflow import open_storage
from itsm_workflow.change import AttentionReason
from itsm_workflow.storage.protocol import Query
from itsm_workflow.web import console
from tests.benchmarks.changes import open_workflow
from tests.benchmarks.lists import copies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.storage.protocol import StorageBackend

_BATCH = 1000
_ROUNDS = 20
_PAGES = {
    "overview": "",
    "list": "changes",
    "list of a state": "changes?state=pending",
    "list by attention": f"changes?attention={AttentionReason.OVERDUE.value}",
    "list by age": "changes?state=pending&age=1d",
    "search that finds nothing": "changes?subject=no-such-collector",
}


def fill(store: StorageBackend, count: int) -> None:
    """Store as many changes, in batches."""
    left = iter(copies(count))
    while batch := list(islice(left, _BATCH)):
        store.commit(batch)


def times(address: str) -> list[float]:
    """Return the seconds of a page, asked for again and again, the first time included."""
    found = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        requests.get(address, timeout=60).raise_for_status()
        found.append(time.perf_counter() - begun)
    return found


def measured(store: StorageBackend) -> Iterator[str]:
    """Serve the console as `itsm-workflow web` does, and yield a line for each page."""
    server = create_server(console(open_workflow(store, "later")), host="127.0.0.1", port=0)
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    for name, path in _PAGES.items():
        first, *later = times(f"http://127.0.0.1:{server.effective_port}/{path}")
        yield f"{name}: first {first * 1e3:.0f} ms, then median {statistics.median(later) * 1e3:.0f} ms"
    server.task_dispatcher.shutdown()  # its threads have answered, but may still be about to wake the server
    server.trigger.pull_trigger(server.close)  # by its own thread, which may be waiting for the sockets
    serving.join()


def main() -> int:
    """Fill the store, ask for each page, and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.scale.console", description=__doc__.partition("\n")[0])
    parser.add_argument("--changes", type=int, default=1_000_000)
    parser.add_argument("--filled", action="store_true", help="the store was filled by an earlier run")
    parser.add_argument("url", help="the URL of an empty store")
    arguments = parser.parse_args()
    with closing(open_storage(arguments.url)) as store:
        if not arguments.filled:
            if store.find(Query(limit=1)).rows:
                parser.error("the store holds changes; name an empty one, or add --filled")
            begun = time.perf_counter()
            fill(store, arguments.changes)
            sys.stdout.write(f"{arguments.changes:,} changes stored in {time.perf_counter() - begun:.0f} s\n")
        for line in measured(store):
            sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
