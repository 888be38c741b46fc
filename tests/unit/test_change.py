"""A change request and its parts as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given

from itsm_workflow import change as module
from itsm_workflow.change import AttentionReason, ChangeRequest, EffectStatus, Entry, Outcome, Phase, PlannedEffect
from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.runtime.status import ADVICE
from itsm_workflow.testing import strategies as s
from tests.support import examples as x

if TYPE_CHECKING:
    import enum

SHAPES = [one for one in vars(module).values() if isinstance(one, type) and attrs.has(one)]


@given(change=s.changes, entry=s.entries)
def test_nothing_of_a_change_can_be_set(change: ChangeRequest, entry: Entry) -> None:
    """Another change is made of it, so whoever holds one can trust it."""
    parts: list[Any] = [
        change,
        change.form,
        change.attempt,
        change.ticket,
        change.attention,
        change.suspicion,
        change.heard,
        entry,
    ]
    named = [(part, one.name) for part in (*parts, *change.effects) if part for one in attrs.fields(type(part))]
    for part, name in named:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(part, name, None)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda one: one.__name__)
def test_parts_are_named_when_they_are_made(shape: type) -> None:
    """Two texts in the wrong order would be a change about something else."""
    assert [one.name for one in attrs.fields(shape) if not one.kw_only] == []


@pytest.mark.parametrize("shape", SHAPES, ids=lambda one: one.__name__)
def test_no_default_can_be_changed(shape: type) -> None:
    """All instances share it."""
    defaults = {one.name: one.default for one in attrs.fields(shape)}
    mutable = [name for name, default in defaults.items() if isinstance(default, list | dict | set | attrs.Factory)]

    assert [name for name in mutable if type(defaults[name]) is not ReadOnlyDict] == []


def test_a_change_that_was_submitted_has_an_attempt() -> None:
    """Whoever expects one gets it."""
    assert x.QUEUED.expect_attempt() is x.QUEUED.attempt


def test_a_draft_has_no_attempt() -> None:
    """The error names the change."""
    with pytest.raises(ValueError, match=f"^change {x.ID} was never submitted$"):
        x.DRAFT.expect_attempt()


def test_a_change_that_is_bound_has_a_ticket() -> None:
    """With its number and page at hand."""
    assert x.PENDING.expect_ticket() is x.PENDING.ticket
    assert (x.PENDING.sn, x.PENDING.ticket_url) == ("REQ7", "https://itsm.example.com/7")


def test_a_change_that_is_being_filed_has_no_ticket() -> None:
    """Its number and page are None, and the error names the change."""
    assert (x.SENDING.sn, x.SENDING.ticket_url) == (None, None)
    with pytest.raises(ValueError, match=f"^change {x.ID} has no ticket$"):
        x.SENDING.expect_ticket()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Phase, "queued sending unknown"),
        (Outcome, "approved rejected withdrawn terminated abandoned"),
        (EffectStatus, "planned delivered parked"),
        (
            AttentionReason,
            "not_found duplicate lookup_failed ambiguous_sn no_approval_step disagreement overdue unsent effect_parked",
        ),
    ],
    ids=lambda one: one.__name__ if isinstance(one, type) else "",
)
def test_stored_words_stay_as_they_are(kind: type[enum.StrEnum], words: str) -> None:
    """They are in stores and in hosts' queries: a word may be added, none may be changed."""
    assert set(words.split()) <= {str(one) for one in kind}


def test_every_reason_of_attention_comes_with_advice() -> None:
    """Nobody is called without being told what to do."""
    assert set(ADVICE) == {reason.value for reason in AttentionReason}


@pytest.mark.parametrize(
    ("effect", "now", "in_delivery"),
    [
        (x.started(), 299.9, True),
        (x.started(), 300, False),
        (x.planned(), 0, False),
        (x.planned(claimed_until=x.later(300)), 0, False),
        (x.planned(EffectStatus.DELIVERED, claimed_until=x.later(300)), 0, False),
        (x.planned(EffectStatus.STARTED), 0, False),
    ],
    ids=["started", "its claim has ended", "planned", "not yet started", "done", "without an end"],
)
def test_a_delivery_is_what_is_stored(effect: PlannedEffect, *, now: float, in_delivery: bool) -> None:
    """Not what the reader's own policy would make of the times."""
    assert effect.is_in_delivery(x.later(now)) == in_delivery
