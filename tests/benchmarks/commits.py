"""Measures commits to SQLite by one thread and by several, beside sqlite3 and beside one caller of the library."""

from __future__ import annotations

import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow import open_storage
from itsm_workflow.storage.group_commit import Group, _Caller
from itsm_workflow.testing.conformance._rows import create
from tests.benchmarks.changes import filed, open_workflow, quiet, ratio
from tests.benchmarks.raw import RawStore
from tests.benchmarks.rounds import compare, comparison, in_turns, timed
from tests.benchmarks.table import Row, both

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.storage.protocol import Conflict, Write
    from itsm_workflow_backends.sqlite import SQLiteBackend
    from tests.benchmarks.rounds import Comparison, Measured

DOCUMENT = json.dumps({"text": "x" * 720})
CALLERS = (8, 64)
PREPARED, LIVES = 64, 64
"""The numbers of commits, and of lives, in a turn."""
MOST_RAW = {1: 5.0, 8: 0.8, 64: 0.5}
"""The bounds of commits: how many times as long they may take as those by sqlite3 in one thread, by callers."""
LEAST_PREPARED = {8: 2.3, 64: 4.5}
"""The bounds of commits by several callers: how many times as many a second as by one."""
LEAST_LIVES = {8: 2.0, 64: 4.0}
"""The bounds of whole lives by several callers, likewise."""
MOST_ALONE = 1.05


class Unshared:
    """A backend's commits without a group: each stores its own batch."""

    def __init__(self, store: SQLiteBackend) -> None:
        self._store = store

    def commit(self, batch: Sequence[Write]) -> list[Conflict | None]:
        """Store the batch in a transaction of its own."""
        return self._store._store(Group(_Caller(batch, time.monotonic() + 30), lambda _: None))[0]


class Committing:
    """Commits of new changes to one store, by one caller and by several.

    Args:
        folder: The place of the file.
        name: Of the file.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._opened, self._numbers = ExitStack(), count(1)
        self.store = self._opened.enter_context(closing(open_storage(f"sqlite:///{folder}/{name}.db")))
        self._pools = {one: self._opened.enter_context(ThreadPoolExecutor(one)) for one in CALLERS}

    def by(self, callers: int) -> Callable[[], object]:
        """Return the way in which so many callers commit."""

        def ours() -> None:
            new = [next(self._numbers) for _ in range(PREPARED)]
            list(map(self._commit, new) if callers == 1 else self._pools[callers].map(self._commit, new))

        return ours

    def _commit(self, number: int) -> None:
        if self.store.commit([create(f"c{number}", document=DOCUMENT)]) != [None]:
            raise RuntimeError("a commit was refused")

    def close(self) -> None:
        """Close the store."""
        self._opened.close()


def prepared(folder: Path) -> list[Row]:
    """Compare commits by one caller, by eight and by sixty-four with each other and with sqlite3 in one thread."""
    floor = create("c", document=DOCUMENT)
    with closing(Committing(folder, "prepared")) as ours, closing(RawStore(folder / "raw.db")) as raw:

        def theirs() -> None:
            for _ in range(PREPARED):
                raw.life([floor])

        acts = [theirs, ours.by(1), *map(ours.by, CALLERS)]
        bare, one, *several = in_turns(list(map(timed, acts)), rounds=7, times=3)
    found = []
    for callers, measured in zip((1, *CALLERS), (one, *several), strict=True):
        against, most = comparison(bare, measured), MOST_RAW[callers]
        found.append(
            Row(
                name=f"commits to SQLite by {callers} caller{'s' if callers > 1 else ''}, each synced",
                first=f"sqlite3, one thread: {both(bare.wall, bare.cpu, PREPARED)}",
                second=f"commit: {both(measured.wall, measured.cpu, PREPARED)}",
                value=f"{against.ratio:.2f} times the time, {against.cpu_ratio:.2f} times the CPU",
                bound=f"at most {most:g} times the time",
                kept=against.ratio <= most,
            )
        )
    for callers, measured in zip(CALLERS, several, strict=True):
        name = f"commits to SQLite by {callers} callers"
        found.append(_faster(name, one, measured, PREPARED, LEAST_PREPARED[callers]))
    return found


def whole_lives(folder: Path) -> list[Row]:
    """Compare lives by one caller with lives by eight and by sixty-four."""
    numbers = count(1)
    with ExitStack() as opened:
        store = opened.enter_context(closing(open_storage(f"sqlite:///{folder / 'lives.db'}")))
        workflow = open_workflow(store, "inline")
        pools = [opened.enter_context(ThreadPoolExecutor(callers)) for callers in CALLERS]

        def life(number: int) -> None:
            if workflow.receive(**filed(workflow, f"collector-{number}")).status != 200:
                raise RuntimeError("the callback was not accepted")

        def lives(pool: ThreadPoolExecutor | None) -> Callable[[], object]:
            return lambda: list((map if pool is None else pool.map)(life, [next(numbers) for _ in range(LIVES)]))

        one, *several = in_turns([timed(lives(None)), *(timed(lives(pool)) for pool in pools)], rounds=3, times=2)
    return [
        _faster(f"lives on SQLite by {callers} callers", one, measured, LIVES, LEAST_LIVES[callers])
        for callers, measured in zip(CALLERS, several, strict=True)
    ]


def alone(folder: Path) -> Row:
    """Compare the commits of a lone caller with the same without group commit."""
    with closing(Committing(folder, "shared")) as shared, closing(Committing(folder, "unshared")) as unshared:
        unshared.store._commits = Unshared(unshared.store)  # type: ignore[attr-defined,arg-type]  # of our backend
        found = compare(unshared.by(1), shared.by(1), rounds=9, times=3)
    per_commit: Comparison = type(found)(
        first=[each / PREPARED for each in found.first],
        second=[each / PREPARED for each in found.second],
        cpu_first=[each / PREPARED for each in found.cpu_first],
        cpu_second=[each / PREPARED for each in found.cpu_second],
    )
    return ratio("commits to SQLite by a lone caller", "without sharing", "commit", per_commit, MOST_ALONE)


def _faster(name: str, one: Measured, several: Measured, times: int, least: float) -> Row:
    found = comparison(several, one)
    return Row(
        name=name,
        first=f"one caller: {both(one.wall, one.cpu, times)}",
        second=f"{both(several.wall, several.cpu, times)}",
        value=f"{found.ratio:.2f} times as many a second",
        bound=f"at least {least:g} times as many",
        kept=found.ratio >= least,
    )


def rows() -> list[Row]:
    """Measure prepared commits, whole lives and a lone caller on a disk: a folder for temporary files may be memory."""
    with quiet(), tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        return [*prepared(Path(place)), *whole_lives(Path(place)), alone(Path(place))]
