"""Planted defects are found, each by its shortest way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow import settle
from itsm_workflow.testing.exploration import Bounds, explore
from tests.exploration import defects

if TYPE_CHECKING:
    from itsm_workflow.testing.exploration import Exploration

BOUNDS = Bounds(ticks=1, faults=2, acts=0)


def broken(found: Exploration) -> tuple[str, str, list[str]]:
    """Return the promise that was broken, what is wrong, and the steps without how the change stands after each."""
    (finding,) = (*found.violations, *found.bad_ends)
    return finding.promise, finding.problem, [step.partition("  [")[0] for step in finding.steps]


def test_no():
    for n,k in dict(
        trust=dict(library=defects.TrustsBodies), early=dict(library=defects.RunsEffectsAtOnce), cas=dict(library=defects.WithoutCompareAndSwap), row=dict(itsm=defects.BelievesEveryRow()), fin=dict(definition=defects.APPROVES_WITHOUT_FINISHED)).items():
        print(n); r=explore(bounds=BOUNDS, **k); print(r.states, r.seconds, *r.violations, *r.bad_ends)

def test_no2(monkeypatch):
    monkeypatch.setattr(settle,"decide",defects.sends_again)
    r=explore(bounds=BOUNDS); print(r.states, r.seconds, *r.violations, *r.bad_ends)
    monkeypatch.setattr(settle,"decide",defects.rejects_at_once)
    r=explore(defects.REJECTS_AT_FIRST_REVOKED, bounds=BOUNDS); print(r.states, r.seconds, *r.violations, *r.bad_ends)
