"""A change is of a new sort by its features; data that differs without end hides no other feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.change import Attention, AttentionReason, ChangeRequest, Form
from itsm_workflow.lint.sorts import FEW, MOST, Sorts, features
from itsm_workflow.machine.engine import open_change
from tests.support.meanings import order
from tests.unit.lint.test_stuck import NOW

if TYPE_CHECKING:
    from collections.abc import Mapping

DRAFTED, _ = open_change(
    order(),
    change_id="01HY2V8Q0000000000000000AB",
    subject="subject-1",
    form=Form(title="a title", applicant="alice", approvers=("bob",)),
    now=NOW,
    actor="alice",
)


def changed(data: Mapping[str, Any], attention: AttentionReason | None = None) -> ChangeRequest:
    """Return a change with data and attention."""
    raised = Attention(reason=attention, since=NOW) if attention else None
    return attrs.evolve(DRAFTED, data=data, attention=raised)


class Met:
    """The sorts of changes of one state, in which a count fills the bound first."""

    def __init__(self) -> None:
        self._sorts = Sorts()
        self.taken = 0
        for number in range(MOST):
            assert self.takes({"count": number})

    def takes(self, data: Mapping[str, Any], attention: AttentionReason | None = None) -> bool:
        """Return whether a change is taken."""
        is_new = self._sorts.takes("draft", features(changed(data, attention)), self.taken)
        self.taken += is_new
        return is_new


def test_a_count_ends_at_the_bound() -> None:
    """Each change of one value more would be tried without end."""
    assert not Met().takes({"count": MOST})


def test_another_feature_is_taken_beyond_the_bound() -> None:
    """Once: with another count it is no new sort."""
    met = Met()
    for reason in (AttentionReason.HOST, AttentionReason.OVERDUE):
        assert met.takes({"count": MOST}, reason)
        assert not met.takes({"count": MOST + 1}, reason)


def test_a_few_values_of_another_key_are_taken_beyond_the_bound() -> None:
    """Not all: the host may count there as well."""
    met = Met()
    taken = [met.takes({"count": number, "failed": number}) for number in range(2 * FEW)]
    assert taken == [True] * FEW + [False] * FEW


def test_a_few_keys_are_taken_beyond_the_bound() -> None:
    """Not all: a host may add one with each report."""
    met = Met()
    taken = [met.takes({"count": 0, f"build-{number}": True}) for number in range(2 * FEW)]
    assert sum(taken) == FEW - 1  # the count is a key as well
    assert taken == sorted(taken, reverse=True)


def test_states_have_bounds_of_their_own() -> None:
    """What fills one of them does not fill another."""
    met = Met()
    sorts = met._sorts
    assert sorts.takes("granted", features(changed({"count": MOST})), 0)
    assert not sorts.takes("draft", features(changed({"count": MOST})), MOST)
