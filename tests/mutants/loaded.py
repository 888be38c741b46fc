"""Mutations that are put into the functions that are loaded: the fast way, for what runs after all imports."""

from __future__ import annotations

import gc
from itertools import zip_longest
from types import CodeType, FunctionType
from typing import TYPE_CHECKING

from tests.mutants.children import KILLED, LATER, UNPLACED, Children
from tests.mutants.measuring import caches, measure, module_of
from tests.mutants.parts import BACKENDS, LIBRARY, path_of

if TYPE_CHECKING:
    import functools
    from collections.abc import Callable, Iterator, Sequence

    import _pytest.nodes
    import coverage
    import pytest

    from tests.mutants.operators import Mutation

_Functions = dict[tuple[str, str, int], list[FunctionType]]


class Loaded:
    """A pytest plugin: when the tests are collected, tries mutations instead of running them.

    Args:
        mutations: What to try.
        done: Called with each mutation and its verdict; `LATER` means that it is to be tried from a written copy, with
            the tests that start other processes; `UNPLACED`: with all that reach it, since it cannot be put in.
        importing: Watches what runs while the tests are collected.
    """

    def __init__(
        self, mutations: Sequence[Mutation], done: Callable[[Mutation, int], object], importing: coverage.Coverage
    ) -> None:
        self._mutations = mutations
        self._done = done
        self._importing = importing
        self._failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        if report.failed and not self._failed:
            self._failed = f"{report.nodeid}\n{report.longreprtext}"

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try all mutations that tests reach inside a function."""
        measured = measure(session.items, self._importing, lambda: self._failed)
        gc.collect()
        functions, cached = _functions(), caches()
        gc.freeze()
        items = {item.nodeid: item for item in session.items}
        children = Children(self._done)
        for mutation in self._mutations:
            names = measured.reaching(mutation)
            if not mutation.chain or not names:
                self._done(mutation, LATER)
                continue
            children.start(
                mutation,
                self._work(mutation, functions, cached, [items[name] for name in names]),
                measured.cost_of(names),
            )
        children.finish()
        return True

    def _work(
        self,
        mutation: Mutation,
        functions: _Functions,
        caches: Sequence[functools._lru_cache_wrapper[object]],
        items: Sequence[_pytest.nodes.Item],
    ) -> Callable[[int], int]:
        def work(_: int) -> int:
            if not _put_in(mutation, functions):
                return UNPLACED
            for cache in caches:  # what a function returned before the mutation would hide it
                cache.cache_clear()
            return KILLED if self._fails(items) else LATER

        return work

    def _fails(self, items: Sequence[_pytest.nodes.Item]) -> bool:
        """Run tests until one fails, and return whether one did."""
        for item, following in zip_longest(items, items[1:]):
            try:
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            except BaseException:  # noqa: BLE001 - an endless recursion, or the end of memory, in what reports a failure
                return True
            if self._failed:
                return True
        return False


def _functions() -> _Functions:
    """Return all functions of the library, closures included, by module, qualified name and first line."""
    found: _Functions = {}
    roots = (str(LIBRARY.resolve()), str(BACKENDS.resolve()))
    gc.unfreeze()  # what there was when the tests were collected
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename.startswith(roots):
            code = one.__code__
            found.setdefault((module_of(code.co_filename), code.co_qualname, code.co_firstlineno), []).append(one)
    return found


def _put_in(mutation: Mutation, functions: _Functions) -> bool:
    """Give the loaded functions around a mutation their changed code; return whether that was possible."""
    changed = dict(_codes(compile(mutation.tree, str(path_of(mutation.module).resolve()), "exec")))
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
