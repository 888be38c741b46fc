"""Tries mutations of one part, each in a forked process of its own, and prints one line of JSON for each.

Started by `tests.mutants.mutations` in a copy of the tree.

First, in a process in which the tests are collected: a mutation inside a function is put into the functions that are
loaded, and the tests that reach its line are run. A mutation for which that cannot be a verdict is tried again in a
process that imports the library from a copy of the source with the mutation written into it: with all tests of the part
if the line runs while modules are imported, otherwise with the tests that start other processes, and with those that
reach the line as well if the mutation cannot be put into what is loaded.
"""

from __future__ import annotations

import ast
import compileall
import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.mutants.children import AT_ONCE, BROKEN, KILLED, LATER, STOPPED, SURVIVED, UNPLACED, Children
from tests.mutants.loaded import Loaded
from tests.mutants.measuring import Measured, coverage_of_library
from tests.mutants.parts import BACKENDS, LIBRARY, PARTS, mutations_in, path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.mutants.operators import Mutation

LOG = "engine.log"
VERDICTS = {
    SURVIVED: "survived",
    KILLED: "killed",
    LATER: "later",
    STOPPED: "stopped",
    BROKEN: "broken",
    UNPLACED: "unplaced",
}
_LATER = Path("later.json")
_REWRITING = "ignore::pytest.PytestAssertRewriteWarning"  # Hypothesis is imported before, once for all
_PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "-W", _REWRITING, "-o", "timeout=60")


def main(part: str, names: Mapping[str, str]) -> int:
    """Try mutations of a part and print a line of JSON for each: its name, and its verdict.

    Args:
        part: The part.
        names: The mutations to try; with ``later`` or ``unplaced`` those that are to be tried from a written copy only.
    """
    hypothesis.settings.register_profile(
        "mutants",
        deadline=None,
        derandomize=True,
        suppress_health_check=tuple(hypothesis.HealthCheck),  # on a busy machine all is slow
        max_examples=50,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
    )
    mutations = [mutation for mutation in mutations_in(PARTS[part], Path()) if mutation.name in names]
    output = os.dup(1)
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)

    def report(mutation: Mutation, code: int) -> None:
        line = json.dumps({"name": mutation.name, "verdict": VERDICTS[code]})
        os.write(output, f"{line}\n".encode())

    later = {name: verdict for name, verdict in names.items() if verdict in {VERDICTS[LATER], VERDICTS[UNPLACED]}}
    pid = os.fork()
    if pid == 0:
        os._exit(_try_loaded(part, [mutation for mutation in mutations if mutation.name not in later], report))
    _, status = os.waitpid(pid, 0)
    if status != 0:
        return 1
    later |= json.loads(_LATER.read_text(encoding="utf-8"))
    unplaced = {name for name, verdict in later.items() if verdict == VERDICTS[UNPLACED]}
    _try_the_rest(part, [mutation for mutation in mutations if mutation.name in later], unplaced, report)
    return 0


def _try_loaded(part: str, mutations: Sequence[Mutation], report: Callable[[Mutation, int], object]) -> int:
    later: dict[str, str] = {}

    def note(mutation: Mutation, code: int) -> None:
        report(mutation, code)
        if code in {LATER, UNPLACED}:
            later[mutation.name] = VERDICTS[code]

    importing = coverage_of_library()
    importing.start()
    code = pytest.main(
        [*_PYTEST, *PARTS[part].options, *PARTS[part].tests], plugins=[Loaded(mutations, note, importing)]
    )
    _LATER.write_text(json.dumps(later), encoding="utf-8")
    return int(code)


def _try_the_rest(
    part: str, mutations: Sequence[Mutation], unplaced: set[str], report: Callable[[Mutation, int], object]
) -> None:
    measured = Measured.read()
    _make_slots()
    children = Children(report)
    for mutation in mutations:
        if measured.is_imported(mutation):
            children.start(
                mutation, _writing(mutation, (*PARTS[part].options, *PARTS[part].tests)), measured.cost_of_all
            )
            continue
        reaching = measured.reaching(mutation) if mutation.name in unplaced else []
        tests = list(dict.fromkeys((*reaching, *measured.starters)))
        if tests:
            children.start(mutation, _writing(mutation, (*PARTS[part].options, *tests)), measured.cost_of(tests))
        else:
            report(mutation, SURVIVED)
    children.finish()


def _make_slots() -> None:
    """Make copies of the source, one for each process, compiled, so that other processes start fast."""
    for number in range(AT_ONCE):
        for root in (LIBRARY.parent, BACKENDS):
            copy = Path(f"slot-{number}", root)
            if not copy.exists():
                shutil.copytree(root, copy)
                compileall.compile_dir(copy, quiet=1)


def _writing(mutation: Mutation, tests: Sequence[str]) -> Callable[[int], int]:
    return lambda slot: _try_written(slot, mutation, tests)


def _try_written(slot: int, mutation: Mutation, tests: Sequence[str]) -> int:
    """Write a mutation into a copy of the source, import the library from there, and run tests."""
    copy = Path(f"slot-{slot}").resolve()
    path, changed = copy / path_of(mutation.module), copy / "changed"
    if changed.exists():  # by the mutation before, whose process may have been stopped
        before = changed.read_text(encoding="utf-8")
        shutil.copyfile(before, copy / before)
    changed.write_text(str(path_of(mutation.module)), encoding="utf-8")
    paths = [str(copy / LIBRARY.parent), str(copy / BACKENDS), str(Path.cwd())]
    sys.path[:] = [*paths, *(each for each in sys.path if not Path(each).is_relative_to(Path.cwd()))]
    os.environ |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
    path.write_text(ast.unparse(mutation.tree), encoding="utf-8")
    # Plain asserts: to rewrite them, pytest would load the library in a way of its own.
    code = pytest.main([*_PYTEST, "--assert=plain", *tests])
    return SURVIVED if code == pytest.ExitCode.OK else KILLED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))))
