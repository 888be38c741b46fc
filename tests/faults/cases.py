"""The cases of a test of the matrix: counted, with the failed ones and the command that runs one alone."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Literal, TypeVar

import attrs
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Profile = Literal["quick", "full"]

QUICK: Profile = "quick"
SHOWN = 5
"""The number of violations of one test that are shown."""

T = TypeVar("T")


class CannotRunHereError(Exception):
    """A row needs something that this machine lacks; the message names it."""


def row(name: str, *, quick: bool = True) -> pytest.MarkDecorator:
    """Mark a test as one of a row's.

    Args:
        name: The row's id.
        quick: Whether the quick profile runs it as well, also on machines that have only Python.
    """
    return pytest.mark.row(name, quick=quick)


@attrs.define
class Faults:
    """The cases of one test, which are counted and run to the end after a violation.

    Attributes:
        row: The row's id.
        profile: The profile, which decides the number of cases.
        only: The only case to run; None for all.
        ran: The number of cases that were run.
        found: The number of cases that exist, if they are enumerated.
        violations: The violations, each with its case.
        notes: Figures for the table.
    """

    row: str
    profile: Profile = QUICK
    only: str | None = None
    ran: int = 0
    found: int | None = None
    violations: list[str] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)

    def pick(self, *, quick: T, full: T) -> T:
        """Return the value for the profile."""
        return quick if self.profile == "quick" else full

    def cases(self, keys: Iterable[T]) -> Iterator[T]:
        """Return the cases to run: all, or the one of ``only``."""
        return (key for key in keys if self.only is None or str(key) == self.only)

    @contextlib.contextmanager
    def case(self, key: object) -> Iterator[None]:
        """Run one case: an assertion that fails in it is a violation, and the next case still runs."""
        self.ran += 1
        try:
            yield
        except AssertionError as error:
            self.violate(f"{error}", case=key)

    def violate(self, what: str, *, case: object) -> None:
        """Record a violation, with the command that runs its case alone."""
        replay = f"python -m tests.faults {self.row} --case '{case}' --profile {self.profile}"
        self.violations.append(f"{what}\n  alone: {replay}")

    def note(self, text: str) -> None:
        """Add a figure to the row in the table."""
        self.notes.append(text)

    def verdict(self) -> None:
        """Fail the test if there was a violation, or if not every enumerated case was run."""
        if self.violations:
            more = len(self.violations) - SHOWN
            told = [*self.violations[:SHOWN], *([f"and {more} more"] if more > 0 else [])]
            pytest.fail(f"{len(self.violations)} violations of {self.ran} cases\n" + "\n".join(told), pytrace=False)
        if self.found is not None and self.only is None and self.found != self.ran:
            pytest.fail(f"{self.found} cases were found and {self.ran} were run", pytrace=False)
        if not self.ran and self.only is None:  # the only case may belong to another test of the row
            pytest.fail("no case was run", pytrace=False)


def profile_of_environment() -> Profile:
    """Return the profile of this run, by its environment."""
    return "full" if os.environ.get("FAULT_MATRIX") == "full" else QUICK
