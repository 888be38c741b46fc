"""The parts of the library in which mutations are made, and the tests that must notice them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from tests.mutants.operators import Mutation, mutations_of

if TYPE_CHECKING:
    from collections.abc import Mapping

LIBRARY = Path("src", "itsm_workflow")
BACKENDS = Path("storage_backends")
_TREE = Path(__file__).parents[2]
_SHORT_DIGEST = 16

_NOT_PART = frozenset({"mutants", "services"})
"""Folders of tests that no part's tests use: a change in them leaves every verdict as it is."""

LEFT_OUT = frozenset({"runtime/ids.py", "runtime/observers.py", "runtime/status.py"})
"""Modules in which nothing is mutated: values, words, and what only passes calls on."""

ON_SERVERS = "itsm_workflow_backends/sql/"
"""A backend whose tests need database servers; these tests run everywhere, so nothing is mutated there."""


@attrs.frozen(kw_only=True)
class Part:
    """A part of the library.

    Attributes:
        places: Its folders and modules, below the package.
        tests: The tests that must notice. A mutation is tried with those of its own part only, so that its verdict
            does not depend on which other parts are tried.
        are_long: Whether the long ones among the tests are used, too.
    """

    places: tuple[str, ...]
    tests: tuple[str, ...]
    are_long: bool = True

    @property
    def options(self) -> tuple[str, ...]:
        """The options of pytest."""
        return ("--long",) if self.are_long else ()

    def modules(self, tree: Path) -> list[str]:
        """Return the part's modules in a tree, as mutations name them."""
        found = [tree / path_of(place) for place in self.places]
        files = [path for place in found for path in (sorted(place.rglob("*.py")) if place.is_dir() else [place])]
        root = BACKENDS if self.places == ("itsm_workflow_backends",) else LIBRARY
        names = [str(path.relative_to(tree / root)) for path in files]
        return [name for name in names if name not in LEFT_OUT and not name.startswith(ON_SERVERS)]

    def tests_digest(self, tree: Path) -> str:
        """Return a digest of the part's tests, and of everything in the folder of tests that is not a test."""
        named = [path for test in self.tests for path in (sorted((tree / test).rglob("*")) or [tree / test])]
        shared = [path for path in sorted((tree / "tests").rglob("*.py")) if not path.name.startswith("test_")]
        files = sorted({path for path in (*named, *shared) if path.is_file() and path.suffix != ".pyc"})
        hashed = hashlib.sha256()
        for path in files:
            if not _NOT_PART.intersection(path.relative_to(tree / "tests").parts):
                hashed.update(f"{path.relative_to(tree)}\0".encode() + path.read_bytes() + b"\0")
        return hashed.hexdigest()[:_SHORT_DIGEST]


def _named(*names: str, under: str) -> tuple[str, ...]:
    return tuple(f"{under}/test_{name}.py" for name in names)


_OF_THE_KIT = frozenset(
    {
        "check",
        "comparing",
        "endings",
        "fair",
        "filters",
        "hostile",
        "judging",
        "kit",
        "liars",
        "liars_everywhere",
        "linearizable",
        "messages",
        "misuse",
        "power_cuts",
        "racing",
        "seen_calls",
        "server_trials",
        "trials",
        "tutorial",
        "zoo",
    }
)
"""Tests of the conformance kit itself, by backends that break its promises."""

_OF_AN_INTEGRATION = frozenset({"django"})
"""Tests of a backend that is not among those of this part."""

_JUDGES = ("answers", "comparing", "linearizable", "model", "operations", "rows")
"""What decides whether an answer is right; not what words the report."""


def _all_but(left_out: frozenset[str], *, under: str) -> tuple[str, ...]:
    names = sorted(path.stem.removeprefix("test_") for path in (_TREE / under).glob("test_*.py"))
    return _named(*(name for name in names if name not in left_out), under=under)


PARTS: Mapping[str, Part] = {
    "settle": Part(places=("settle",), tests=("tests/unit/settle", "tests/integration/workflow/test_resend_policy.py")),
    "machine": Part(
        places=("machine",),
        tests=(
            "tests/unit/machine",
            "tests/unit/test_change.py",
            "tests/unit/runtime/test_executor.py",
            "tests/unit/storage/test_codec.py",
            "tests/documents/test_reference.py",
            *_named("unsent", "persons", "effects", "effect_names", "settle", under="tests/integration/workflow"),
        ),
    ),
    "callbacks": Part(
        places=("callbacks",),
        tests=(
            "tests/unit/callbacks",
            *_named("routes", "legacy_callbacks", "callbacks", under="tests/integration/workflow"),
        ),
    ),
    "storage": Part(
        places=("storage", "strict.py"),
        tests=(
            "tests/unit/storage",
            "tests/unit/test_strict.py",
            "tests/unit/bkapi/test_envelope.py",
            "tests/unit/runtime/test_journal.py",
            *_named("memory", "json_file", "file_backends", "sqlite_file", "json_file_log", under="tests/conformance"),
            *_named("backup", "sqlite_companions", "sqlite_indexes", "json_file_upkeep", under="tests/conformance"),
            *_named("restore", "json_file_end", "locks_and_syncs", "sqlite_creation", under="tests/conformance"),
        ),
    ),
    "gateway": Part(
        places=("bkapi", "gateway", "budget.py"),
        tests=(
            "tests/unit/bkapi",
            "tests/unit/gateway",
            "tests/documents/test_api_numbers.py",
            "tests/integration/bkapi",
            "tests/integration/gateway",
            "tests/integration/workflow/test_adopting.py",
        ),
    ),
    "runtime": Part(
        places=("runtime", "text.py"),
        tests=(
            "tests/unit/runtime",
            *_named("form", "workflow", "text", under="tests/unit"),
            *_named("history_chain", "integrity", under="tests/unit/storage"),
            "tests/integration/workflow",
        ),
    ),
    "backends": Part(
        places=("itsm_workflow_backends",),
        tests=(
            *_named("checks", "files", "group_commit", "json_lines", "registry", "table", under="tests/unit/storage"),
            *_all_but(_OF_THE_KIT | _OF_AN_INTEGRATION, under="tests/conformance"),
        ),
        are_long=False,  # they crash and spoil every call: a mutation that lives would cost a quarter of an hour
    ),
    # The judges of the storage check. A promise is left out: what one of its assertions would miss, the comparison of
    # its calls with the model finds, so that without the assertion the same backends are reported.
    "kit": Part(
        places=tuple(f"testing/conformance/_{name}.py" for name in _JUDGES),
        tests=_named("comparing", "judging", "liars", "linearizable", under="tests/conformance"),
    ),
}


def path_of(module: str) -> Path:
    """Return where a module's source is, from the top of a tree."""
    return (BACKENDS if module.startswith("itsm_workflow_backends") else LIBRARY) / module


def digest_of(module: str, tree: Path) -> str:
    """Return a digest of a module's source."""
    return hashlib.sha256((tree / path_of(module)).read_bytes()).hexdigest()[:_SHORT_DIGEST]


def mutations_in(part: Part, tree: Path) -> list[Mutation]:
    """Return the mutations of a part."""
    return [
        mutation
        for module in part.modules(tree)
        for mutation in mutations_of(module, (tree / path_of(module)).read_text(encoding="utf-8"))
    ]
