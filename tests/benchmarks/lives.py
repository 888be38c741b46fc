"""Measures a change's life in memory and on a disk, beside sqlite3 alone and beside four other libraries."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow import open_storage
from itsm_workflow.storage.protocol import Query
from tests.benchmarks.changes import filed, open_workflow, quiet, ratio
from tests.benchmarks.peers import NAMES, Peer
from tests.benchmarks.raw import RawStore
from tests.benchmarks.rounds import comparison, in_turns, timed
from tests.benchmarks.table import Row, both
from tests.support.places import WatchedStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import Write
    from tests.benchmarks.rounds import Measured

ROUNDS, TIMES, LIVES = 7, 3, 5
MOST_CPU_ON_DISK = 8.0
SQLITE = "sqlite3"
MOST: dict[str, tuple[float, float]] = {
    SQLITE: (28, 5),
    "eventsourcing": (6, 3),
    "django-fsm-2": (4, 3),
    "xstate-statemachine": (5, 3),
    "dbos": (1, 1),
}
"""The bounds by what a life is compared with: the processor time in memory, and the time on a disk."""
AIMS: dict[str, tuple[float, float]] = {SQLITE: (8, 1.7)}
"""The aims, likewise; to be ahead of each other library is one too."""
MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory, in which a folder of an unguessable name is made


def rows(missing: Callable[[str], object]) -> list[Row]:
    """Measure lives in memory, where a sync costs nothing, and on a disk.

    Args:
        missing: Called with a sentence that names what is not measured.
    """
    found = []
    with quiet(), tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        if os.access(MEMORY, os.W_OK):
            with tempfile.TemporaryDirectory(dir=MEMORY) as memory:
                found += _rows_in(Path(memory), missing, in_memory=True)
        else:
            missing(f"a life in memory was not measured: there is no file system at {MEMORY}")
        found += _rows_in(Path(place), missing, in_memory=False)
    return found


def _rows_in(folder: Path, missing: Callable[[str], object], *, in_memory: bool) -> list[Row]:
    watched = WatchedStore(open_storage(f"sqlite:///{folder / 'ours.db'}"))
    workflow, numbers = open_workflow(watched, "inline"), count(1)
    written: list[Write] = []

    def ours() -> None:
        callback = filed(workflow, f"collector-{next(numbers)}")
        if workflow.receive(**callback).status != 200:
            raise RuntimeError("the callback was not accepted")

    ours()
    watched.before = written.extend
    ours()
    watched.before = lambda _: None
    if watched.inner.find(Query(states=("approved",))).rows[-1].due_at is not None:
        raise RuntimeError("the change did not end")
    with ExitStack() as opened:
        opened.enter_context(closing(watched.inner))
        raw = opened.enter_context(closing(RawStore(folder / "raw.db")))
        peers = [opened.enter_context(peer) for name in NAMES if (peer := Peer.start(name, folder, missing))]
        ways = [timed(lambda: raw.life(written), LIVES), timed(ours, LIVES)]
        ways += [partial(peer.live, LIVES) for peer in peers]
        floor, library, *others = in_turns(ways, rounds=ROUNDS, times=TIMES)
    place = "in memory" if in_memory else "on a disk"
    name = f"a life on SQLite {place}, {len(written)} commits, each synced"
    beside = [_beside(name, SQLITE, SQLITE, floor, library, in_memory=in_memory)]
    if not in_memory:
        beside.append(ratio(f"{name}: CPU", SQLITE, "Workflow", comparison(floor, library), MOST_CPU_ON_DISK))
    for peer, measured in zip(peers, others, strict=True):
        beside.append(_beside("the same", peer.name, peer.version, measured, library, in_memory=in_memory))
    return beside


def _beside(name: str, other: str, version: str, measured: Measured, library: Measured, *, in_memory: bool) -> Row:
    """Return a row that is judged by the processor time in memory, by the time on a disk."""
    found = comparison(measured, library)
    index, what = (0, "CPU") if in_memory else (1, "time")
    judged = found.cpu_ratio if in_memory else found.ratio
    most, aim = MOST[other][index], AIMS.get(other, (1, 1))[index]
    return Row(
        name=name,
        first=f"{version}: {both(measured.wall, measured.cpu)}",
        second=f"Workflow: {both(library.wall, library.cpu)}",
        value=f"{found.cpu_ratio:.2f} times the CPU, {found.ratio:.2f} times the time",
        bound=f"at most {most:g} times the {what}",
        kept=judged <= most,
        aim="" if aim == most else f"at most {aim:g} times the {what}",
        reached=judged <= aim,
    )
