"""A PostgreSQL server that crashes and restarts while commits are under way."""

from __future__ import annotations

import queue
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import open_storage
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.testing.conformance._rows import create, entry, follow
from tests.support.limits import PATIENCE
from tests.support.own_postgresql import OwnPostgresql, own_postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.storage import Row, StorageBackend

_CRASHES = 3
_COMMITS_BETWEEN = 20


@pytest.fixture
def instance() -> Iterator[OwnPostgresql]:
    """A running server."""
    with own_postgresql() as server:
        yield server


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


def test_crashes_under_load_lose_nothing_that_was_acknowledged(instance: OwnPostgresql) -> None:
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
