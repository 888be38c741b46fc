"""Measures pages of a SQLite store of a million changes, each beside the bare statement of sqlite3."""

from __future__ import annotations

import datetime as dt
import sqlite3
import statistics
import tempfile
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow import open_storage
from itsm_workflow.change import Attention, AttentionReason
from itsm_workflow.clock import to_micros
from itsm_workflow.storage.protocol import Order, Query
from tests.benchmarks.changes import filed, open_workflow, quiet
from tests.benchmarks.many import CODEC, Model, fill
from tests.benchmarks.rounds import compare
from tests.benchmarks.table import Row, both

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from itsm_workflow import Workflow
    from itsm_workflow.storage.protocol import StorageBackend, Write

COUNT = 1_000_000
DUE_PAGE, LIST_PAGE = 500, 100
MOST_ROWS, MOST_DUE, MOST_LIST = 0.015, 0.060, 0.020
"""The bounds, in seconds of processor time: a page of due rows, the same read as changes, the first page of a list."""
DUE_AIM = 0.015
_NOW = dt.datetime.now(dt.UTC)


def copies(count: int = COUNT) -> Iterator[Write]:
    """Yield changes: nine of ten were approved, the others wait, and one of a hundred needs attention.

    Args:
        count: The number of changes.
    """
    waiting, approved = _models()
    flagged = attrs.evolve(
        waiting,
        stored=attrs.evolve(
            waiting.stored,
            change=attrs.evolve(
                waiting.stored.change, attention=Attention(reason=AttentionReason.OVERDUE, since=_NOW, facts={})
            ),
        ),
    )
    for number in range(count):
        # The due times are in another order than the ids: neighbours in the index are not neighbours in the table.
        due_at = _NOW + dt.timedelta(seconds=number * 7919 % count - count / 2)
        if number % 10:
            yield approved.copy(number, due_at=None)
        else:
            yield (waiting if number % 100 else flagged).copy(number, due_at=due_at)


def _models() -> tuple[Model, Model]:
    """Return a change that waits and one that was approved."""
    with closing(open_storage("memory://")) as memory:
        workflow = open_workflow(memory, "inline")
        callback = filed(workflow, "collector-1")
        [change] = workflow.find()
        waiting = Model.of(memory, workflow, change.id)
        workflow.receive(**callback)
        approved = Model.of(memory, workflow, change.id)
    if approved.stored.change.state != "approved":
        raise RuntimeError("the change was not approved")
    return waiting, approved


def due_page(store: StorageBackend, raw: sqlite3.Connection) -> list[Row]:
    """Read a page of due changes as the typed rows of the storage port, and as changes whose digests are checked."""
    until = to_micros(_NOW)
    query = Query(order=Order.DUE_AT, due_before=until, limit=DUE_PAGE)
    statement = "SELECT * FROM changes WHERE due_at IS NOT NULL AND due_at <= ? ORDER BY due_at, id LIMIT ?"

    def bare() -> object:
        return raw.execute(statement, (until, DUE_PAGE)).fetchall()

    def found() -> Sequence[object]:
        page = store.find(query).rows
        if len(page) != DUE_PAGE:
            raise RuntimeError("the page is not full")
        return page

    def read() -> object:
        return [CODEC.read(row) for row in store.find(query).rows]

    name = f"a page of {DUE_PAGE} due changes of {COUNT:,}"
    return [
        _row(f"{name}, as rows", bare, found, "find", MOST_ROWS),
        _row(f"{name}, as changes", bare, read, "find and read", MOST_DUE, aim=DUE_AIM),
    ]


def list_page(workflow: Workflow, raw: sqlite3.Connection, column: str, value: str) -> Row:
    """Read the first page of a list as a host does."""
    statement = f"SELECT * FROM changes WHERE {column} = ? ORDER BY id LIMIT ?"  # noqa: S608 - a column of ours
    chosen: dict[str, Any] = {"states" if column == "state" else column: [value]}

    def bare() -> object:
        return raw.execute(statement, (value, LIST_PAGE)).fetchall()

    def listed() -> object:
        found = list(islice(workflow.find(**chosen), LIST_PAGE))
        if len(found) != LIST_PAGE:
            raise RuntimeError("the page is not full")
        return found

    name = f"the first {LIST_PAGE} of {COUNT:,} changes by {column} {value}"
    return _row(name, bare, listed, "Workflow.find", MOST_LIST)


def _row(
    name: str, bare: Callable[[], object], ours: Callable[[], object], second: str, most: float, *, aim: float = 0
) -> Row:
    found = compare(bare, ours, rounds=9, times=7)
    cpu = statistics.median(found.cpu_second)
    return Row(
        name=name,
        first=f"sqlite3, SELECT: {both(found.first, found.cpu_first)}",
        second=f"{second}: {both(found.second, found.cpu_second)}",
        value=f"{cpu * 1000:.1f} ms of CPU, {found.cpu_ratio:.1f} times the floor",
        bound=f"at most {most * 1000:g} ms of CPU",
        kept=cpu <= most,
        aim=f"at most {aim * 1000:g} ms of CPU" if aim else "",
        reached=cpu <= aim,
    )


def rows() -> list[Row]:
    """Measure a due page, and lists by state and by attention."""
    with quiet(), tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        path = Path(place) / "million.db"
        fill(path, copies())
        with closing(open_storage(f"sqlite:///{path}")) as store, closing(sqlite3.connect(path)) as raw:
            workflow = open_workflow(store, "later")
            return [
                *due_page(store, raw),
                list_page(workflow, raw, "state", "approved"),
                list_page(workflow, raw, "state", "pending"),
                list_page(workflow, raw, "attention", AttentionReason.OVERDUE.value),
            ]
