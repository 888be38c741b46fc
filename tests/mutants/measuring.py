"""What the tests of a part run and cost where nothing is changed."""

from __future__ import annotations

import functools
import gc
import json
import os
import sys
import time
from itertools import zip_longest
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import coverage
import pytest

from tests.mutants.children import AT_ONCE, SURVIVED, Cost, in_child
from tests.mutants.parts import BACKENDS, LIBRARY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import _pytest.nodes

    from tests.mutants.operators import Mutation

_ALL = Path("measured.json")
_STARTS = frozenset({"subprocess.Popen", "os.exec", "os.posix_spawn"})
_SECONDS = 3600
_Cached = type(functools.cache(lambda: None))


class Measured:
    """What was seen of the tests of a part when they ran with nothing changed.

    Args:
        cost: Processor time and duration of each test.
        reached: By module and line, the tests that run it.
        starters: The tests that start another process.
        imported: By module, the lines that run while modules are imported.
    """

    def __init__(
        self,
        *,
        cost: Mapping[str, Sequence[float]],
        reached: Mapping[str, Mapping[str, Sequence[str]]],
        starters: Sequence[str],
        imported: Mapping[str, Sequence[int]],
    ) -> None:
        self._cost = cost
        self._reached = reached
        self.starters = starters
        self._imported = {module: frozenset(lines) for module, lines in imported.items()}

    @classmethod
    def read(cls) -> Measured:
        """Return what was measured last in this folder."""
        return cls(**json.loads(_ALL.read_text(encoding="utf-8")))

    def cost_of(self, tests: Sequence[str]) -> Cost:
        """Return what some tests cost together."""
        spent = [self._cost[name] for name in tests]
        return Cost(cpu=sum(cpu for cpu, _ in spent), seconds=sum(seconds for _, seconds in spent))

    @property
    def cost_of_all(self) -> Cost:
        """What all tests cost together."""
        return self.cost_of(list(self._cost))

    def reaching(self, mutation: Mutation) -> list[str]:
        """Return the tests that run a mutation's line, those that take the least time first."""
        names = self._reached.get(mutation.module, {}).get(str(mutation.line), ())
        return sorted((name for name in names if name in self._cost), key=lambda name: self._cost[name][1])

    def is_imported(self, mutation: Mutation) -> bool:
        """Whether a mutation's line runs while modules are imported."""
        return not mutation.chain or mutation.line in self._imported.get(mutation.module, ())


def coverage_of_library() -> coverage.Coverage:
    """Return something that watches the lines of the library, and keeps what it sees in memory."""
    sources = [f"{LIBRARY.resolve()}/*", f"{BACKENDS.resolve()}/*"]
    return coverage.Coverage(data_file=None, config_file=False, include=sources)


def module_of(path: str) -> str:
    """Return a file of the library as mutations name it."""
    root = LIBRARY if Path(path).is_relative_to(LIBRARY.resolve()) else BACKENDS
    return str(Path(path).relative_to(root.resolve()))


def measure(items: Sequence[_pytest.nodes.Item], importing: coverage.Coverage, failed: Callable[[], str]) -> Measured:
    """Run every test once, in processes of their own, and keep what is seen in this folder.

    Args:
        items: The tests.
        importing: What watched while they were collected; it is stopped.
        failed: Returns the first test that failed in this process, and how; an empty text if none did.

    Raises:
        UsageError: A test fails, or the tests could not be run.
    """
    importing.stop()
    data = importing.get_data()
    imported = {module_of(path): sorted(data.lines(path) or ()) for path in data.measured_files()}
    cost: dict[str, list[float]] = {}
    starters: list[str] = []
    reached: dict[str, dict[str, list[str]]] = {}
    for seen in _watch_all(items, failed):
        if seen["failed"]:
            raise pytest.UsageError(f"the tests fail where nothing is broken: {seen['failed']}")
        cost |= seen["cost"]
        starters += seen["starters"]
        for module, lines in seen["reached"].items():
            for line, names in lines.items():
                reached.setdefault(module, {}).setdefault(line, []).extend(names)
    facts: dict[str, Any] = {"cost": cost, "reached": reached, "starters": starters, "imported": imported}
    _ALL.write_text(json.dumps(facts), encoding="utf-8")
    return Measured(**facts)


def caches() -> list[functools._lru_cache_wrapper[object]]:
    """Return the caches of all functions of the library."""
    roots = (str(LIBRARY.resolve()), str(BACKENDS.resolve()))
    gc.unfreeze()  # what there was when the tests were collected
    # By their own type: `isinstance` asks a lazy object of Django for its class, which reads settings.
    cached = (one for one in gc.get_objects() if issubclass(type(one), _Cached))
    return [one for one in cached if _file_of(one).startswith(roots)]


def _file_of(cache: functools._lru_cache_wrapper[object]) -> str:
    cached: object = cache.__wrapped__  # a class, or a built-in function, of another library
    return cached.__code__.co_filename if isinstance(cached, FunctionType) else ""


def _watch_all(items: Sequence[_pytest.nodes.Item], failed: Callable[[], str]) -> list[dict[str, Any]]:
    """Run tests in some processes, each file's in one of them."""
    files = list(dict.fromkeys(item.nodeid.partition("::")[0] for item in items))
    at_once = min(AT_ONCE, len(files))
    records = [Path(f"measured-{number}.json") for number in range(at_once)]
    pids = []
    for number, record in enumerate(records):
        mine = [item for item in items if files.index(item.nodeid.partition("::")[0]) % at_once == number]
        pid = os.fork()
        if pid == 0:
            in_child(lambda mine=mine, record=record: _watch(mine, record, failed), _SECONDS)  # type: ignore[misc]  # binds them now
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    if any(code != SURVIVED for code in codes):
        raise pytest.UsageError("the tests could not be measured")
    return [json.loads(record.read_text(encoding="utf-8")) for record in records]


def _watch(items: Sequence[_pytest.nodes.Item], record: Path, failed: Callable[[], str]) -> int:
    cost: dict[str, tuple[float, float]] = {}
    starters: set[str] = set()
    now = ""

    def notice(event: str, _: tuple[Any, ...]) -> None:
        if event in _STARTS:
            starters.add(now)

    sys.addaudithook(notice)
    watched = coverage_of_library()
    watched.start()
    cached = caches()
    for item, following in zip_longest(items, items[1:]):
        now = item.nodeid
        for cache in cached:  # otherwise only the first test that calls a cached function would seem to reach it
            cache.cache_clear()
        watched.switch_context(now)
        cpu, began = time.process_time(), time.monotonic()
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        cost[now] = (time.process_time() - cpu, time.monotonic() - began)
    watched.stop()
    data = watched.get_data()
    reached = {module_of(path): data.contexts_by_lineno(path) for path in data.measured_files()}
    facts = {"failed": failed(), "cost": cost, "starters": sorted(starters), "reached": reached}
    record.write_text(json.dumps(facts), encoding="utf-8")
    return SURVIVED
