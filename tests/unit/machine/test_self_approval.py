"""The review of an approval by the applicant alone outlasts every other reason for attention."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.change import Attention, AttentionReason, Decider, TicketDecision
from itsm_workflow.machine.self_approval import with_review
from tests.support import examples as x

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest

SELF_APPROVED = Attention(
    reason=AttentionReason.SELF_APPROVED,
    since=x.later(20),
    facts=MappingProxyType({"ticket": x.APPROVED.expect_ticket().id, "approver": "alice"}),
)
reviewed = partial(with_review, cleared_by=None)
DUE = attrs.evolve(
    x.APPROVED,
    attention=SELF_APPROVED,
    decision=TicketDecision(deciders=(Decider(user="Alice", approved=True), Decider(user="bob", approved=False))),
)
OTHERS = [one for one in AttentionReason if one not in {AttentionReason.SELF_APPROVED, AttentionReason.HOST}]


def other(reason: AttentionReason = AttentionReason.OVERDUE, **facts: str) -> Attention:
    """Return attention for another reason, raised half a minute after the start."""
    return Attention(reason=reason, since=x.later(30), facts=MappingProxyType(facts))


@pytest.mark.parametrize("reason", OTHERS)
def test_every_other_reason_keeps_the_review_in_its_facts(reason: AttentionReason) -> None:
    """It is shown with its own facts; once it is resolved, or the applicant clears it, the review is due as before."""
    raised = reviewed(DUE, attrs.evolve(DUE, attention=other(reason, why="odd")), x.later(30))
    assert raised.attention == other(reason, why="odd", self_approved="alice")

    resolved = attrs.evolve(raised, attention=None)
    for by in (None, "alice", "ALICE"):
        assert reviewed(raised, resolved, x.later(40), cleared_by=by).attention == attrs.evolve(
            SELF_APPROVED, since=x.later(40)
        )
    assert reviewed(raised, resolved, x.later(40), cleared_by="bob").attention is None, "bob has seen the facts"


def test_a_third_reason_keeps_it_too_and_cannot_name_another_approver() -> None:
    """Whatever its facts are."""
    raised = reviewed(DUE, attrs.evolve(DUE, attention=other()), x.later(30))
    again = reviewed(raised, attrs.evolve(raised, attention=other(self_approved="carol")), x.later(40))
    assert again.attention is raised.attention, "nothing but the same review"
    third = reviewed(raised, attrs.evolve(raised, attention=other(why="odd")), x.later(40))
    assert third.attention == other(why="odd", self_approved="alice")


def test_a_hosts_concern_does_not_replace_the_review() -> None:
    """It waits for the attention that is shown; one that was stored before by itself keeps the review."""
    for before in (DUE, attrs.evolve(DUE, attention=other(self_approved="alice"))):
        after = attrs.evolve(before, attention=other(AttentionReason.HOST, why="odd"))
        assert reviewed(before, after, x.later(40)) is after
    stored = attrs.evolve(DUE, attention=other(AttentionReason.HOST, self_approved="alice"))
    raised = reviewed(stored, attrs.evolve(stored, attention=other(AttentionReason.HOST, why="odd")), x.later(40))
    assert raised.attention == other(AttentionReason.HOST, why="odd", self_approved="alice")


def test_another_person_ends_it() -> None:
    """The guard lets only another person clear this attention."""
    assert reviewed(DUE, attrs.evolve(DUE, attention=None), x.later(30)).attention is None


MARKED = attrs.evolve(DUE, attention=other(self_approved="alice"))


@pytest.mark.parametrize(
    "before",
    [
        attrs.evolve(DUE, attention=None),
        attrs.evolve(DUE, attention=other(why="reviewed before")),
        attrs.evolve(DUE, decision=None),
        attrs.evolve(MARKED, decision=TicketDecision(deciders=(Decider(user="carol", approved=True),))),
        attrs.evolve(MARKED, decision=TicketDecision(deciders=())),
        attrs.evolve(DUE, round=DUE.round - 1),
    ],
    ids=["no attention", "reviewed", "undecided", "approved by another", "approved by nobody", "submitted again"],
)
def test_no_other_change_has_it(before: ChangeRequest) -> None:
    """A fact of that name in another concern changes nothing about it."""
    for attention in (None, other(why="odd")):
        after = attrs.evolve(before, attention=attention, round=DUE.round)
        assert reviewed(before, after, x.later(40)) is after
