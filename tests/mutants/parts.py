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

LEFT_OUT = frozenset(
    {
        *("__init__.py", "__main__.py", "audit.py", "change.py", "clock.py", "collector.py", "errors.py", "form.py"),
        *("identity.py", "observe.py", "policy.py", "secrets.py", "status.py", "workflow.py"),
    }
)
"""Modules at the top of the library in which nothing is mutated: values, words, and what only passes calls on."""


@attrs.frozen(kw_only=True)
class Part:
    """A part of the library.

    Attributes:
        folder: Its modules, below the package; empty: those at the top of it that are not left out.
        tests: The tests that must notice. A mutation is tried with those of its own part only, so that its verdict
            does not depend on which other parts are tried.
    """

    folder: str
    tests: tuple[str, ...]

    def modules(self, tree: Path) -> list[str]:
        """Return the part's modules in a tree, as mutations name them."""
        root = tree / (BACKENDS if self.folder == "itsm_workflow_backends" else LIBRARY)
        if self.folder:
            return [str(path.relative_to(root)) for path in sorted((root / self.folder).rglob("*.py"))]
        return [path.name for path in sorted(root.glob("*.py")) if path.name not in LEFT_OUT]

    def tests_digest(self, tree: Path) -> str:
        """Return a digest of the part's tests, and of everything in the folder of tests that is not a test."""
        named = [path for test in self.tests for path in (sorted((tree / test).rglob("*")) or [tree / test])]
        shared = [path for path in sorted((tree / "tests").rglob("*.py")) if not path.name.startswith("test_")]
        files = sorted({path for path in (*named, *shared) if path.is_file() and path.suffix != ".pyc"})
        hashed = hashlib.sha256()
        for path in files:
            if (tree / "tests" / "mutants") not in path.parents:
                hashed.update(f"{path.relative_to(tree)}\0".encode() + path.read_bytes() + b"\0")
        return hashed.hexdigest()[:_SHORT_DIGEST]


def _units(*names: str, under: str = "tests/unit") -> tuple[str, ...]:
    return tuple(f"{under}/test_{name}.py" for name in names)


_OF_THE_KIT = frozenset({"check", "hostile", "kit", "misuse", "tutorial", "zoo"})
"""Tests of the conformance kit by backends that break its promises."""


def _all_but(left_out: frozenset[str], *, under: str) -> tuple[str, ...]:
    names = sorted(path.stem.removeprefix("test_") for path in (_TREE / under).glob("test_*.py"))
    return _units(*(name for name in names if name not in left_out), under=under)


PARTS: Mapping[str, Part] = {
    "settle": Part(folder="settle", tests=("tests/unit/settle", "tests/integration/workflow/test_resend_policy.py")),
    "machine": Part(
        folder="machine",
        tests=(
            "tests/unit/machine",
            *_units("change", "loop", "codec"),
            "tests/documents/test_reference.py",
            *_units("unsent", "persons", "effects", "effect_names", "settle", under="tests/integration/workflow"),
        ),
    ),
    "callbacks": Part(
        folder="callbacks",
        tests=(
            "tests/unit/callbacks",
            "tests/unit/doctor/test_probe.py",
            *_units("routes", "legacy_callbacks", "callbacks", under="tests/integration/workflow"),
        ),
    ),
    "storage": Part(
        folder="storage",
        tests=(
            *_units("storage_checks", "storage_edges", "strict", "registry", "journal", "codec", "soundness"),
            *_units("memory", "json_file", "file_backends", "sqlite_file", "json_file_log", under="tests/conformance"),
            *_units("backup", "sqlite_companions", "sqlite_indexes", "json_file_upkeep", under="tests/conformance"),
            *_units("restore", "json_file_end", "locks_and_syncs", "sqlite_creation", under="tests/conformance"),
        ),
    ),
    "gateway": Part(folder="gateway", tests=("tests/unit/gateway", "tests/integration/gateway")),
    "flows": Part(
        folder="",
        tests=(
            *_units("loop", "looking", "journal", "gate", "effects", "form", "history_chain", "workflow", "observe"),
            *_units("sending", "passes", "pass_time", "decisions", "records", "soundness", "text"),
            *_units("found_by_hand", "gateway_mistakes", "short_pages"),
            "tests/integration/workflow",
        ),
    ),
    "backends": Part(
        folder="itsm_workflow_backends",
        tests=(
            *_units("storage_checks", "storage_edges", "registry"),
            *_all_but(_OF_THE_KIT, under="tests/conformance"),
        ),
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
