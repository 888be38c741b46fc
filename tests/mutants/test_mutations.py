"""Which mutations are tried, with which tests, and what is remembered of them."""

from __future__ import annotations

import functools
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import strict
from tests.mutants import measuring
from tests.mutants.copies import ROOT
from tests.mutants.mutations import AT_LEAST, names_of, sampled
from tests.mutants.parts import BACKENDS, LEFT_OUT, LIBRARY, ON_SERVERS, PARTS, path_of
from tests.mutants.results import Results, Verdict
from tests.support.long import long_after

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {
    "large": [f"l{number}" for number in range(2000)],
    "small": [f"s{number}" for number in range(100)],
    "one": ["o"],
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy what the digests are made of."""
    for name in ("src", "storage_backends", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


class TestParts:
    """Each part names modules and tests that exist."""

    def test_the_parts_that_judge_send_and_store_are_covered(self) -> None:
        """By folder: new modules in them, and at the top of the library, are covered without being named."""
        modules = {module for part in PARTS.values() for module in part.modules(ROOT)}
        folders = (*(LIBRARY / name for name in ("settle", "machine", "callbacks", "storage", "gateway")), BACKENDS)
        expected = {path for folder in folders for path in (ROOT / folder).rglob("*.py")}
        expected -= set((ROOT / BACKENDS / ON_SERVERS).rglob("*.py"))
        for name in ("executor", "filing", "reconciler", "journal", "records", "effects"):
            expected.add(ROOT / LIBRARY / "runtime" / f"{name}.py")
        assert expected <= {ROOT / path_of(module) for module in modules}

    def test_no_module_is_in_two_parts(self) -> None:
        """A mutation has one verdict."""
        modules = [module for part in PARTS.values() for module in part.modules(ROOT)]
        assert len(modules) == len(set(modules))

    def test_what_is_left_out_exists(self) -> None:
        """A name that is gone is taken off the list."""
        assert [name for name in LEFT_OUT if not (ROOT / LIBRARY / name).exists()] == []
        assert (ROOT / BACKENDS / ON_SERVERS).is_dir()

    @pytest.mark.parametrize("part", PARTS)
    def test_its_tests_exist(self, part: str) -> None:
        """Files or folders."""
        assert [test for test in PARTS[part].tests if not (ROOT / test).exists()] == []


class TestSample:
    """A sample is drawn from each part, by a seed."""

    def test_the_same_seed_takes_the_same(self) -> None:
        """Another seed takes others."""
        assert sampled(NAMES, size=300, seed=1) == sampled(NAMES, size=300, seed=1)
        assert sampled(NAMES, size=300, seed=1) != sampled(NAMES, size=300, seed=2)

    def test_a_change_of_the_source_exchanges_few(self) -> None:
        """A mutation that is gone makes room for one, and a new one takes the place of at most one."""
        before = sampled(NAMES, size=300, seed=1)["large"]
        changed = {**NAMES, "large": ["new", *NAMES["large"][1:]]}
        after = sampled(changed, size=300, seed=1)["large"]

        assert len(set(before) ^ set(after)) <= 4

    def test_small_parts_are_not_missed(self) -> None:
        """A part has its share, and no fewer than the least."""
        found = sampled(NAMES, size=300, seed=1)
        assert {part: len(each) for part, each in found.items()} == {"large": 286, "small": AT_LEAST, "one": 1}

    def test_a_sample_that_is_small_is_divided_evenly(self) -> None:
        """The least of each part does not make it much larger than was asked for."""
        found = sampled(NAMES, size=30, seed=1)
        assert {part: len(each) for part, each in found.items()} == {"large": 29, "small": 10, "one": 1}

    def test_the_order_of_the_source_stays(self) -> None:
        """A report can be read next to the source."""
        found = sampled(NAMES, size=300, seed=1)["large"]
        assert found == sorted(found, key=NAMES["large"].index)

    @pytest.mark.long
    def test_names_are_unique(self) -> None:
        """A verdict, and an entry in the list of survivors, is about one mutation."""
        names = [name for each in names_of(tuple(PARTS), ROOT).values() for name in each]
        assert len(names) == len(set(names))


class TestResults:
    """The verdicts of an interrupted run are found again, as long as they are about the same source and tests."""

    NAME = "runtime/effects.py EffectRegistry.deliver: a -> b"

    def test_a_verdict_is_found_again(self, tree: Path, tmp_path: Path) -> None:
        """By another process that opens the same file."""
        Results(tmp_path / "build" / "r.jsonl", tree).add("runtime", Verdict(name=self.NAME, verdict="killed"))
        assert Results(tmp_path / "build" / "r.jsonl", tree).get("runtime", self.NAME) == "killed"

    def test_the_newest_verdict_counts(self, tree: Path, tmp_path: Path) -> None:
        """First no test of this process noticed, then one that starts others did."""
        results = Results(tmp_path / "r.jsonl", tree)
        results.add("runtime", Verdict(name=self.NAME, verdict="later"))
        results.add("runtime", Verdict(name=self.NAME, verdict="killed"))
        assert Results(tmp_path / "r.jsonl", tree).get("runtime", self.NAME) == "killed"

    def test_a_torn_line_is_passed_over(self, tree: Path, tmp_path: Path) -> None:
        """The process was stopped while it wrote."""
        path = tmp_path / "r.jsonl"
        Results(path, tree).add("runtime", Verdict(name=self.NAME, verdict="killed"))
        path.write_text(path.read_text() + '{"name": "ef')
        results = Results(path, tree)
        results.add("runtime", Verdict(name="runtime/effects.py f: c -> d", verdict="survived"))
        found = Results(path, tree)
        assert found.get("runtime", self.NAME) == "killed"
        assert found.get("runtime", "runtime/effects.py f: c -> d") == "survived"

    @pytest.mark.parametrize(
        ("changed", "found"),
        long_after(
            2,
            [
                ("src/itsm_workflow/runtime/effects.py", None),
                ("src/itsm_workflow/runtime/executor.py", "killed"),
                ("tests/unit/runtime/test_effects.py", None),
                ("tests/integration/workflow/test_effects.py", None),
                ("tests/support/desk.py", None),
                ("tests/unit/bkapi/test_client.py", "killed"),
            ],
        ),
    )
    def test_a_changed_file_asks_for_another_try(
        self, tree: Path, tmp_path: Path, changed: str, found: str | None
    ) -> None:
        """The module that is mutated, a test of its part, or what tests share; no other."""
        path = tmp_path / "r.jsonl"
        Results(path, tree).add("runtime", Verdict(name=self.NAME, verdict="killed"))
        (tree / changed).write_text((tree / changed).read_text() + "\n")
        assert Results(path, tree).get("runtime", self.NAME) == found

    def test_nothing_is_written_where_no_file_is_named(self, tree: Path) -> None:
        """A sample leaves nothing behind."""
        before = sorted(tree.rglob("*"))
        results = Results(None, tree)
        results.add("runtime", Verdict(name=self.NAME, verdict="survived"))
        assert results.get("runtime", self.NAME) == "survived"
        assert sorted(tree.rglob("*")) == before


def test_the_caches_of_the_library_are_found_and_no_others() -> None:
    """They are emptied before a mutation is tried; other libraries cache classes and built-in functions."""
    others = [functools.cache(sqlite3.Connection), functools.cache(len), functools.cache(lambda: None)]
    found = measuring.caches()
    assert strict._encoder in found
    assert not any(one in found for one in others)


def test_an_object_that_hides_its_class_is_left_alone() -> None:
    """A lazy object of Django raises when it is asked for its class before there are settings."""

    class Lazy:
        @property  # type: ignore[misc]  # of any type is what a lazy object's class is
        def __class__(self) -> type:
            raise RuntimeError("no settings yet")

    lazy = Lazy()
    assert strict._encoder in measuring.caches()
    del lazy
