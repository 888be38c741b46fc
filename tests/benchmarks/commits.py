"""Measures commits to SQLite by one thread and by several, each beside single synced commits by sqlite3 alone."""

from __future__ import annotations

import json
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

from itsm_workflow import open_storage
from itsm_workflow.testing.conformance._rows import create
from tests.benchmarks.raw import RawStore
from tests.benchmarks.rounds import compare
from tests.benchmarks.table import Row, micro

COMMITS = 64
DOCUMENT = json.dumps({"text": "x" * 720})
MOST = {1: 5.0, 8: 0.8, 64: 0.5}
"""The bounds: how many times as long the commits may take as those by sqlite3 in one thread, by number of threads."""


def by_threads(folder: Path, threads: int) -> Row:
    """Compare commits by several threads, which share transactions, with as many by sqlite3, one after the other."""
    numbers = count(1)
    floor = create("c", document=DOCUMENT)
    with ExitStack() as opened:
        store = opened.enter_context(closing(open_storage(f"sqlite:///{folder}/ours-{threads}.db")))
        raw = opened.enter_context(closing(RawStore(folder / f"raw-{threads}.db")))
        pool = opened.enter_context(ThreadPoolExecutor(threads)) if threads > 1 else None

        def commit(number: int) -> None:
            if store.commit([create(f"c{number}", document=DOCUMENT)]) != [None]:
                raise RuntimeError("a commit was refused")

        def ours() -> None:
            new = [next(numbers) for _ in range(COMMITS)]
            list(map(commit, new) if pool is None else pool.map(commit, new))

        def theirs() -> None:
            for _ in range(COMMITS):
                raw.life([floor])

        found = compare(theirs, ours, rounds=7, times=3)
    each, most = statistics.median(found.second) / COMMITS, MOST[threads]
    return Row(
        name=f"commits to SQLite by {threads} thread{'s' if threads > 1 else ''}, each synced",
        first=f"sqlite3, one thread: {micro([one / COMMITS for one in found.first])} µs",
        second=f"commit: {micro([each])} µs, {micro([one / COMMITS for one in found.cpu_second])} µs CPU",
        value=f"{1 / each:,.0f} a second, {found.ratio:.2f} times the time",
        bound=f"at most {most:g} times the time",
        kept=found.ratio <= most,
    )


def rows() -> list[Row]:
    """Measure one thread, eight and sixty-four."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:  # a disk: the folder for temporary files may be memory
        return [by_threads(Path(place), threads) for threads in MOST]
