"""Scenarios for a process with the shared object preloaded; one line of JSON for each case.

`python -m tests.faults.preloaded FOLDER (death|trouble) KIND TROUBLE CASE`; an empty CASE means all cases.
"""

from __future__ import annotations

import itertools
import json
import logging
import sqlite3
import sys
import traceback
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.testing.conformance._trials.calls import Act
from tests.faults.mortal import NEW, OLD, file
from tests.faults.points import steady
from tests.faults.remote import FarWorld
from tests.faults.syscalls import TROUBLES, Syscalls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from itsm_workflow.testing.conformance._trials.calls import Fault


def main(arguments: Sequence[str]) -> None:
    """Run a scenario, and print the result of each case."""
    folder, scenario, kind, name, only = arguments
    logging.disable()  # the library logs the errors that are injected here
    trouble = TROUBLES[name]
    works = [
        Work(Path(folder), f"{kind}-{condition}-{name}", kind, trouble, condition) for condition in ("new", "used")
    ]
    found = 0
    for work in works:
        run: Callable[[int], None] = work.die if scenario == "death" else work.suffer
        points = steady(work.count)
        found += points
        for at in range(1, points + 1):
            case = f"{work.name}-{at}"
            if only in {"", case}:
                print(json.dumps({"case": case, "problem": problem_of(run, at)}), flush=True)  # noqa: T201
    print(json.dumps({"found": found}), flush=True)  # noqa: T201 - the test reads it


def problem_of(run: Callable[[int], None], at: int) -> str:
    """Run a case, and return the broken promise; empty if it holds."""
    try:
        run(at)
    except AssertionError as error:
        return f"{error}"[:2000]
    except Exception:  # noqa: BLE001 - it is reported as an unexpected error
        return traceback.format_exc()[-3000:]
    return ""


class Work:
    """The filing of a change, with a fault at one of the store's system calls."""

    def __init__(self, folder: Path, name: str, kind: str, trouble: Fault, condition: str) -> None:
        self.name, self._kind, self._trouble, self._condition = name, kind, trouble, condition
        self._folder = folder / name
        self._folder.mkdir()
        self._names = itertools.count()

    def count(self) -> int:
        """Return the number of calls without a fault."""
        with self._world() as world:
            return self._calls().passed(lambda: _open_and_file(world))

    def die(self, at: int) -> None:
        """Kill the process at a call; the store must be whole, and every promise must hold in the end."""
        with self._world() as world:
            end = world.dies(lambda world: file(world.workflow(), NEW), self._calls(), at)
            assert end.struck, end.error or f"the call was not reached: {end.passed}"
            if self._kind == "sqlite":
                check_integrity(world.path)
            world.come_to_rest()
        self._clear()

    def suffer(self, at: int) -> None:
        """Inject an error at a call; it must be raised or do no harm, and every promise must hold in the end."""
        with self._world() as world:
            calls = self._calls()
            with calls.armed(at) as count:
                try:
                    _open_and_file(world)
                except StorageUnavailable as error:
                    surfaced = str(error)
                else:
                    surfaced = ""
                reached = count() >= at
            assert reached, "the call was not reached"
            assert "damaged" not in surfaced, surfaced
            world.store.close()
            world.open()
            if self._trouble.act is Act.SHORT:
                assert not surfaced, surfaced
            world.come_to_rest()
        self._clear()

    def _calls(self) -> Syscalls:
        return Syscalls(self._folder, self._trouble)

    def _world(self) -> FarWorld:
        world = FarWorld(0, f"{self._kind}:///{self._folder / str(next(self._names))}")
        if self._condition == "used":
            world.live(lambda world: file(world.workflow(), OLD))
            world.asked.append(OLD)
            world.store.close()
        else:
            world.store.close()
            self._clear()
        world.start()
        return world

    def _clear(self) -> None:
        for path in self._folder.iterdir():
            path.unlink()


def _open_and_file(world: FarWorld) -> None:
    world.open()
    file(world.workflow(), NEW)
    world.store.close()


def check_integrity(path: Path) -> None:
    """Fail unless SQLite finds the file whole."""
    with closing(sqlite3.connect(path)) as connection:
        found: Iterable[tuple[str]] = connection.execute("PRAGMA integrity_check").fetchall()
        assert list(found) == [("ok",)], found


if __name__ == "__main__":
    main(sys.argv[1:])
