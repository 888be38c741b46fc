"""A backend that lies at one call is caught, in whichever promise it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.testing.conformance import PromiseOutcome, _shortest
from tests.conformance.test_liars import LIES, SEQUENTIAL, told

if TYPE_CHECKING:
    from tests.conformance.liars import Lie


COSTLY = {"conditions are combined", "joined columns stay apart"}
SOME = LIES[::8]
"""The lies with which the costly promises, whose calls are all of one kind, are tried: a run takes a second."""


@pytest.mark.long
@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_lie_is_caught_at_every_call(lie: Lie, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first and at the last call of each promise at which the lie can be told."""
    monkeypatch.setattr(_shortest, "_MOST_SECONDS", 0.0)  # how it is shown is another matter
    missed = []
    for promise in SEQUENTIAL:
        if promise in COSTLY and lie not in SOME:
            continue
        honest, count = told(lie, promise, 0)
        assert honest.outcome is PromiseOutcome.KEPT
        for place in {1, count} if count else ():
            result, _ = told(lie, promise, place)
            if result.outcome is not PromiseOutcome.BROKEN:
                missed.append(f"{place} of {count} in {promise!r}")
    assert missed == []
