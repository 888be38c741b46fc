"""Tries mutations, each in a forked process of its own, and prints one line of JSON for each.

Started by `tests.mutants.mutations` in a copy of the tree.

All that can be done once is done before forking. A mutation inside a function is put into the functions that are
loaded already, and the tests that reach its line are run. What survives that is tried once more in a process that has
not imported the library yet, with all tests of its part: it may act while modules are imported, or be remembered.
"""

from __future__ import annotations

import gc
import importlib.machinery
import json
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import coverage
import hypothesis
import pytest

from tests.mutants.operators import Mutation, mutations_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import _pytest.nodes

PACKAGE = Path("src", "itsm_workflow").resolve()
AT_ONCE = 2
LOG = "engine.log"
SURVIVED, KILLED, ELSEWHERE, STOPPED, BROKEN = 0, 1, 3, 4, 5
_VERDICTS = {SURVIVED: "survived", KILLED: "killed", STOPPED: "stopped", BROKEN: "broken"}
_REWRITING = "ignore::pytest.PytestAssertRewriteWarning"  # Hypothesis is imported before, once for all
_PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "-W", _REWRITING)
_UNLOADED = 60.0  # seconds that the tests of a part may cost where nothing is loaded


class Children:
    """Forked processes, at most so many at once."""

    def __init__(self, done: Callable[[Mutation, int], object]) -> None:
        self._done = done
        self._running: dict[int, tuple[Mutation, float]] = {}

    def start(self, mutation: Mutation, work: Callable[[], int], cost: float) -> None:
        """Do the work in a process of its own, once one is free; its result is the process's exit code.

        It is stopped after a few times the processor time that it costs where nothing is changed, and after ten times
        that on the wall's clock, for what waits without end.
        """
        while len(self._running) >= AT_ONCE:
            self._reap()
        pid = os.fork()
        if pid == 0:
            _in_child(work, 20 + int(4 * cost))
        self._running[pid] = (mutation, time.monotonic() + 60 + 10 * cost)

    def finish(self) -> None:
        """Wait for all of them."""
        while self._running:
            self._reap()

    def _reap(self) -> None:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            for late in [pid for pid, (_, end) in self._running.items() if time.monotonic() > end]:
                os.killpg(late, signal.SIGKILL)
            time.sleep(0.005)
            return
        mutation, _ = self._running.pop(pid)
        code = os.waitstatus_to_exitcode(status)
        self._done(mutation, STOPPED if code < 0 else code)


def _in_child(work: Callable[[], int], cpu: int) -> None:
    code = BROKEN
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        code = work()
    finally:
        os._exit(code)


class Loaded:
    """A pytest plugin: when the tests are collected, tries mutations instead of running them.

    Args:
        mutations: What to try.
        tests: For each part of the library, the tests that are most likely to notice.
        told: Is told of each verdict; `ELSEWHERE` means that it must be tried where nothing is loaded.
    """

    def __init__(
        self,
        mutations: Sequence[Mutation],
        tests: Mapping[str, Sequence[str]],
        told: Callable[[Mutation, int], object],
    ) -> None:
        self._mutations = mutations
        self._tests = tests
        self._told = told
        self._failed = ""
        self._cost: dict[str, float] = {}
        self._reached: dict[str, dict[int, list[str]]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        if report.failed:
            self._failed = report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try all mutations that tests reach inside a function."""
        self._measure(session.items)
        gc.collect()
        functions = _functions()
        gc.freeze()
        items = {item.nodeid: item for item in session.items}
        children = Children(self._told)
        for mutation in self._mutations:
            named = self._reached.get(mutation.module, {}).get(mutation.line, [])
            if not mutation.chain or not named:
                self._told(mutation, ELSEWHERE)
                continue
            cost = sum(self._cost[name] for name in named)
            chosen = [items[name] for name in self._in_order(mutation, named)]
            children.start(mutation, _with(self._try, mutation, functions, chosen), cost)
        children.finish()
        return True

    def _in_order(self, mutation: Mutation, names: Sequence[str]) -> list[str]:
        """Return tests in the order in which they are worth their time: those of the part first, cheap ones first."""
        own = tuple(self._tests[mutation.part])
        return sorted(names, key=lambda name: (not name.startswith(own), self._cost[name]))

    def _try(self, mutation: Mutation, functions: _Functions, items: Sequence[_pytest.nodes.Item]) -> int:
        if not _put_in(mutation, functions):
            return ELSEWHERE
        return KILLED if self._run(items) else ELSEWHERE

    def _run(self, items: Sequence[_pytest.nodes.Item]) -> bool:
        """Run tests until one fails, and return whether one did."""
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                return True
        return False

    def _measure(self, items: Sequence[_pytest.nodes.Item]) -> None:
        """Run every test once, in a process of its own, to see which lines it reaches and what it costs."""
        record = Path("measured.json")

        def measure() -> int:
            watched = coverage.Coverage(data_file=None, config_file=False, include=[f"{PACKAGE}/*"])
            watched.start()
            for item, following in zip(items, [*items[1:], None], strict=True):
                watched.switch_context(item.nodeid)
                began = time.process_time()
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
                self._cost[item.nodeid] = time.process_time() - began
            watched.stop()
            data = watched.get_data()
            reached = {
                str(Path(path).relative_to(PACKAGE)): data.contexts_by_lineno(path) for path in data.measured_files()
            }
            record.write_text(json.dumps([self._failed, self._cost, reached]), encoding="utf-8")
            return SURVIVED

        pid = os.fork()
        if pid == 0:
            _in_child(measure, 3600)
        _, status = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(status) != SURVIVED:
            raise pytest.UsageError("the tests could not be measured")
        failed, self._cost, reached = json.loads(record.read_text(encoding="utf-8"))
        if failed:
            raise pytest.UsageError(f"the tests fail where nothing is broken: {failed}")
        for module, lines in reached.items():
            self._reached[module] = {
                int(line): [name for name in names if name in self._cost] for line, names in lines.items()
            }


_Functions = dict[tuple[str, str, int], list[FunctionType]]


def _functions() -> _Functions:
    """Return all functions of the package, closures included, by module, qualified name and first line."""
    found: _Functions = {}
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename.startswith(str(PACKAGE)):
            code = one.__code__
            module = str(Path(code.co_filename).relative_to(PACKAGE))
            found.setdefault((module, code.co_qualname, code.co_firstlineno), []).append(one)
    return found


def _put_in(mutation: Mutation, functions: _Functions) -> bool:
    """Give the loaded functions around a mutation their changed code; return whether that was possible."""
    changed = dict(_codes(compile(mutation.tree, str(PACKAGE / mutation.module), "exec")))
    reached = False
    for qualified, line in mutation.chain:
        for function in functions.get((mutation.module, qualified, line), ()):
            try:
                function.__code__ = changed[qualified, line]
            except ValueError:  # it closes over fewer variables now
                return False
            reached = True
    return reached


def _codes(code: CodeType) -> Iterator[tuple[tuple[str, int], CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield (constant.co_qualname, constant.co_firstlineno), constant
            yield from _codes(constant)


def _try_unloaded(mutation: Mutation, tests: Sequence[str]) -> int:
    """Import the library with a mutation in it, and run tests."""
    changed = compile(mutation.tree, str(PACKAGE / mutation.module), "exec")
    load = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        return changed if self.path == str(PACKAGE / mutation.module) else load(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[assignment, method-assign]  # the point of it
    # Plain asserts: to rewrite them, pytest would load the library in a way of its own.
    return SURVIVED if pytest.main([*_PYTEST, "--assert=plain", *tests]) == pytest.ExitCode.OK else KILLED


def _with(function: Callable[..., int], *arguments: Any) -> Callable[[], int]:
    return lambda: function(*arguments)


def _mutations(parts: Sequence[str], seed: int, sample: int) -> list[Mutation]:
    """Return the mutations of some parts of the library; a seeded sample if so many are wanted."""
    found = [
        mutation
        for part in parts
        for path in sorted((PACKAGE / part).rglob("*.py"))
        for mutation in mutations_of(str(path.relative_to(PACKAGE)), path.read_text(encoding="utf-8"))
    ]
    if not 0 < sample < len(found):
        return found
    chosen = sorted(random.Random(seed).sample(range(len(found)), sample))
    return [found[number] for number in chosen]


def main(tests: Mapping[str, Sequence[str]], seed: int, sample: int) -> int:
    """Try all mutations and print a line of JSON for each: its name, and its verdict.

    Args:
        tests: For each part of the library, the tests that must notice.
        seed: Of the sample.
        sample: How many mutations to try; 0: all.
    """
    hypothesis.settings.register_profile(
        "mutants",
        deadline=None,
        derandomize=True,
        max_examples=50,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
    )
    mutations = _mutations(list(tests), seed, sample)
    output, later = os.dup(1), Path("later.json")
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)

    def tell(mutation: Mutation, code: int) -> None:
        if code != ELSEWHERE:
            line = json.dumps({"name": mutation.name, "verdict": _VERDICTS[code]})
            os.write(output, f"{line}\n".encode())

    loaded = os.fork()
    if loaded == 0:
        rest: list[str] = []

        def sort(mutation: Mutation, code: int) -> None:
            tell(mutation, code)
            if code == ELSEWHERE:
                rest.append(mutation.name)

        plugin = Loaded(mutations, tests, sort)
        every = list(dict.fromkeys(test for named in tests.values() for test in named))
        code = pytest.main([*_PYTEST, *every], plugins=[plugin])
        later.write_text(json.dumps(rest), encoding="utf-8")
        os._exit(code)
    _, status = os.waitpid(loaded, 0)
    if status != 0:
        return 1
    rest = json.loads(later.read_text(encoding="utf-8"))
    children = Children(tell)
    for mutation in mutations:
        if mutation.name in rest:
            children.start(mutation, _with(_try_unloaded, mutation, tests[mutation.part]), _UNLOADED)
    children.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
