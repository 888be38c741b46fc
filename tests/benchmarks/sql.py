"""Measures commits to PostgreSQL and MariaDB, each beside the same transactions by the driver alone."""

from __future__ import annotations

import json
import secrets
import statistics
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from itsm_workflow import open_storage
from itsm_workflow.testing.conformance._rows import create, follow
from tests.benchmarks.raw_sql import RawConnection
from tests.benchmarks.rounds import compare
from tests.benchmarks.table import Row, both
from tests.services.servers import SERVERS, new_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage import StorageBackend
    from itsm_workflow.storage.protocol import Write
    from tests.benchmarks.rounds import Comparison
    from tests.services.servers import Server

DOCUMENT = json.dumps({"text": "x" * 720})
CONNECTIONS, COMMITS, GROUP = 8, 32, 100
SLOWEST, LEAST_SHARED, LEAST_GROUPED = 2.0, 1.5, 5.0
"""The bounds: how many times as long a transition may take as that of the driver, how many times as many transitions
eight connections must store in a second as one of the driver, and groups of a hundred likewise."""


class Moves:
    """Changes in a store, and the next transition of each."""

    def __init__(self, store: StorageBackend, name: str, count: int) -> None:
        self._rows = [create(f"{name}{number}", document=DOCUMENT).row for number in range(count)]
        if any(store.commit([create(row.id, document=DOCUMENT) for row in self._rows])):
            raise RuntimeError("a change was not created")

    def next(self, number: int) -> Write:
        """Return the next transition of a change."""
        write = follow(self._rows[number], document=DOCUMENT)
        self._rows[number] = write.row
        return write


class Contest:
    """The ways to store transitions in one store: by the driver and by the library.

    Args:
        url: The URL of an empty store.
    """

    def __init__(self, url: str) -> None:
        self._closing = ExitStack()
        self._store = self._closing.enter_context(closing(open_storage(url)))
        self._raws = [self._closing.enter_context(closing(RawConnection(url))) for _ in range(CONNECTIONS)]
        self._pool = self._closing.enter_context(ThreadPoolExecutor(CONNECTIONS))
        self._theirs, self._ours = (Moves(self._store, name, COMMITS) for name in ("raw", "our"))
        self._grouped = Moves(self._store, "group", GROUP)

    def close(self) -> None:
        """Close the connections."""
        self._closing.close()

    def by_driver(self) -> None:
        """Store transitions by one connection of the driver."""
        for number in range(COMMITS):
            self._raws[0].move(self._theirs.next(number))

    def by_drivers(self) -> None:
        """Store as many by several connections, each in a thread."""
        list(self._pool.map(self._share_of_driver, range(CONNECTIONS)))

    def one_by_one(self) -> None:
        """Store as many by the library in one thread."""
        for number in range(COMMITS):
            self._commit([self._ours.next(number)])

    def at_once(self) -> None:
        """Store as many by the library in several threads."""
        list(self._pool.map(lambda number: self._commit([self._ours.next(number)]), range(COMMITS)))

    def in_a_group(self) -> None:
        """Store a hundred transitions by the library in one commit."""
        self._commit([self._grouped.next(number) for number in range(GROUP)])

    def _share_of_driver(self, index: int) -> None:
        for number in range(index, COMMITS, CONNECTIONS):
            self._raws[index].move(self._theirs.next(number))

    def _commit(self, writes: list[Write]) -> None:
        if any(self._store.commit(writes)):
            raise RuntimeError("a transition was refused")


def rows_of(server: Server) -> list[Row]:
    """Measure one transition, eight connections, and groups of a hundred on one server."""
    with (
        new_store(server, f"bench_{secrets.token_hex(4)}", pool_size=str(CONNECTIONS)) as url,
        closing(Contest(url)) as contest,
    ):
        single = compare(contest.by_driver, contest.one_by_one, rounds=5, times=3)
        shared = compare(contest.by_driver, contest.at_once, rounds=5, times=3)
        floor = compare(contest.by_driver, contest.by_drivers, rounds=3, times=3)
        group = compare(contest.by_driver, contest.in_a_group, rounds=5, times=3)
    first = f"{server.name}, driver alone"
    many = f"by {CONNECTIONS} connections {1 / floor.ratio:.1f} times as many a second"
    return [
        Row(
            name=f"a transition in {server.name}, synced",
            first=f"{first}: {both(single.first, single.cpu_first, COMMITS)}",
            second=f"commit: {both(single.second, single.cpu_second, COMMITS)}",
            value=f"{single.ratio:.2f} times the time",
            bound=f"at most {SLOWEST:g} times the time",
            kept=single.ratio <= SLOWEST,
        ),
        _faster(f"{CONNECTIONS} connections to {server.name}", f"{first}: {many}", shared, COMMITS, LEAST_SHARED),
        _faster(f"groups of {GROUP} in {server.name}", first, group, GROUP, LEAST_GROUPED),
    ]


def _faster(name: str, first: str, found: Comparison, count: int, least: float) -> Row:
    """Return the row of a comparison that is judged by how many more transitions are stored in a second."""
    times = statistics.median(
        (one / COMMITS) / (ours / count) for one, ours in zip(found.first, found.second, strict=True)
    )
    return Row(
        name=name,
        first=f"{first}; one after the other {both(found.first, found.cpu_first, COMMITS)}",
        second=f"commit: {both(found.second, found.cpu_second, count)}",
        value=f"{times:.2f} times as many a second",
        bound=f"at least {least:g} times as many",
        kept=times >= least,
    )


def rows(missing: Callable[[str], object]) -> list[Row]:
    """Measure both servers; one that does not answer is reported and left out.

    Args:
        missing: Called with a sentence that names a server that does not answer.
    """
    found: list[Row] = []
    for server in SERVERS:
        try:
            with server.connected():
                pass
        except SQLAlchemyError:
            missing(f"{server.name} was not measured: it does not answer at {server.variable} or its usual address")
            continue
        found += rows_of(server)
    return found
