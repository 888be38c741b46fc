"""Defects that handlers of this kind have had, each a patch of our own source that puts it back.

A patch begins with a head: which defect, what it does, and the tests that must notice.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from tests.mutants.copies import FAILED, PASSED, Run, copy_tree, run_tests

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
AT_ONCE = 2
_HEAD = re.compile(r"Defect: (?P<label>.+)\nWhat: (?P<what>.+(?:\n  .+)*)\nTests:\n(?P<tests>(?:  \S+\n)+)\Z")


class PatchError(Exception):
    """A patch cannot be read, or does not apply to the source any more."""


@attrs.frozen(kw_only=True)
class Defect:
    """One patch.

    Attributes:
        name: The file's name without its ending.
        label: Which defect, as the threat model's table names it.
        what: What it does.
        tests: The tests that must notice.
    """

    name: str
    label: str
    what: str
    tests: tuple[str, ...]
    patch: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of a defect."""

    defect: Defect
    run: Run

    @property
    def is_caught(self) -> bool:
        """Whether a test failed; a copy that does not even start proves nothing."""
        return self.run.code == FAILED

    @property
    def told(self) -> str:
        """One line about it."""
        verdict = "caught by" if self.is_caught else "ALIVE" if self.run.code == PASSED else "NOT RUN"
        return f"{self.defect.name} ({self.defect.label}): {verdict} {self.run.broke} {self.run.seconds:.0f} s"


def read_defects() -> list[Defect]:
    """Return the defects, by number.

    Raises:
        PatchError: A head is not as it should be.
    """
    return [_read(path) for path in sorted(HERE.glob("*.patch"))]


def _read(path: Path) -> Defect:
    head, blank, patch = path.read_text(encoding="utf-8").partition("\n\n")
    found = _HEAD.match(head + blank[:1])
    if found is None or not patch.startswith(("--- a/src/", "--- a/storage_backends/")):
        raise PatchError(f"{path.name}: write a patch of the library's source below a head of Defect, What and Tests")
    return Defect(
        name=path.stem,
        label=found["label"],
        what=" ".join(found["what"].split()),
        tests=tuple(found["tests"].split()),
        patch=patch,
    )


def apply(defect: Defect, copy: Path, *, back: bool = False) -> None:
    """Break a copy, or mend it again.

    Raises:
        PatchError: The source has moved on: bring the patch up to date.
    """
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)}
    # One line around each change must be as it was: other changes close by do not matter.
    command = ["git", "apply", "--whitespace=nowarn", "-C1", *(["--reverse"] if back else []), "-"]
    done = subprocess.run(
        command, cwd=copy, env=environment, input=defect.patch, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PatchError(f"{defect.name} does not apply: {done.stderr.strip()}")


def try_unbroken(defects: list[Defect]) -> Run:
    """Run all the tests that the defects name where nothing is broken."""
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_tree(Path(folder))
        return run_tests(copy, list(dict.fromkeys(test for defect in defects for test in defect.tests)))


def try_defect(defect: Defect) -> Outcome:
    """Run the tests that a defect names where it is put back."""
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_tree(Path(folder))
        apply(defect, copy)
        return Outcome(defect=defect, run=run_tests(copy, defect.tests))


def try_all(defects: list[Defect]) -> Iterator[Outcome]:
    """Put defects back, each in a copy of its own, two at once; yield what became of them, in order."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(try_defect, defects)
