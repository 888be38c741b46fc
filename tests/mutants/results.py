"""A file of verdicts that survives an interruption: a mutation is tried again once its source or its tests change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import attrs

from tests.mutants.parts import PARTS, digest_of

if TYPE_CHECKING:
    from pathlib import Path

VerdictWord = Literal["killed", "stopped", "survived", "broken", "later", "unplaced"]


@attrs.frozen(kw_only=True)
class Verdict:
    """What became of a mutation.

    Attributes:
        name: The mutation's name.
        verdict: ``killed`` by a test that failed; ``stopped`` since it did not end, which counts as killed;
            ``survived``; ``broken``: it could not be tried, which is a fault of this harness; ``later``: no test that
            runs in the same process noticed, and those that start other processes are still to be run; ``unplaced``:
            it could not be put into what is loaded, and all tests that reach it are still to be run.
    """

    name: str
    verdict: VerdictWord


class Results:
    """The verdicts that are known of a tree.

    Args:
        path: Where they are kept, one JSON object in a line; None: nowhere.
        tree: The tree that they are about.
    """

    def __init__(self, path: Path | None, tree: Path) -> None:
        self._path = path
        self._tree = tree
        self._sources: dict[str, str] = {}
        self._tests: dict[str, str] = {}
        self._known: dict[tuple[str, str, str], VerdictWord] = {}
        if path is not None and path.exists():
            text = path.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1]
            if whole != text:  # the last line of a run that was stopped
                path.write_text(whole, encoding="utf-8")
            for line in whole.splitlines():
                facts = json.loads(line)
                self._known[facts["name"], facts["source"], facts["tests"]] = facts["verdict"]

    def get(self, part: str, name: str) -> VerdictWord | None:
        """Return the verdict on a mutation of the source as it is, by the tests as they are."""
        return self._known.get(self._key(part, name))

    def add(self, part: str, verdict: Verdict) -> None:
        """Keep a verdict."""
        key = self._key(part, verdict.name)
        self._known[key] = verdict.verdict
        if self._path is not None:
            name, source, tests = key
            facts = {"name": name, "source": source, "tests": tests, "verdict": verdict.verdict}
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(facts, ensure_ascii=False)}\n")

    def _key(self, part: str, name: str) -> tuple[str, str, str]:
        module = name.partition(" ")[0]
        if module not in self._sources:
            self._sources[module] = digest_of(module, self._tree)
        if part not in self._tests:
            self._tests[part] = PARTS[part].tests_digest(self._tree)
        return name, self._sources[module], self._tests[part]
