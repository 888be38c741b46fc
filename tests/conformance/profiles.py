"""How thoroughly the kit tries the shipped backends in these tests."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeVar

import attrs
import pytest

from itsm_workflow.testing.conformance import QUICK
from itsm_workflow.testing.conformance._crashing import CrashPromises
from itsm_workflow.testing.conformance._errors import ErrorPromises
from itsm_workflow.testing.conformance._interrupts import InterruptPromises
from itsm_workflow.testing.conformance._many import ManyPromises
from itsm_workflow.testing.conformance._sizes import SizePromises
from itsm_workflow.testing.conformance._stopping import StoppingPromises
from itsm_workflow.testing.conformance._taking_over import TakingOverPromises

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.testing import StorageConformance

    C = TypeVar("C", bound=type[StorageConformance])

SHORT = attrs.evolve(QUICK, name="short", walks=4, rounds=8, points=3, states=10, commits=300, rest=1.0)
"""Few walks, races, calls that can fail, states after a power cut, and commits to one change.

The long tests of each backend try as many as `QUICK`.
"""
SLOW = (
    *(CrashPromises, ErrorPromises, InterruptPromises, ManyPromises, SizePromises),
    *(StoppingPromises, TakingOverPromises),
)
"""The parts of the kit that take seconds on a file: they make many processes, or store large or many values."""


def long_promises(*parts: type) -> Callable[[C], C]:
    """Return a decorator of a class of tests that marks the promises of these parts of the kit as long."""

    def mark(tests: C) -> C:
        for part in parts:
            for name, test in vars(part).items():
                if name.startswith("test_") and getattr(tests, name) is not None:  # its ability is declared
                    setattr(tests, name, pytest.mark.long(_copy(test)))  # the kit's own functions stay unmarked
        return tests

    return mark


def _copy(test: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*arguments: object, **fixtures: object) -> None:
        test(*arguments, **fixtures)

    return run
