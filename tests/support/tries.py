"""Workflows whose guards count tries: one that never ends after the last one, and right ones that look like it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow import approval_workflow
from itsm_workflow.change import Attention, AttentionReason
from tests.support import meanings
from tests.support.meanings import Checks, Stage, Verb

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Facts, Transition, WorkflowDefinition

TRIES = 3


def has_tries_left(facts: Facts) -> str | None:
    """Count the tries in the data."""
    return None if facts.change.data.get("count", 0) != TRIES else "no try is left"


def has_no_tries_left(facts: Facts) -> str | None:
    """Require that the tries are used up."""
    return "a try is left" if has_tries_left(facts) is None else None


def has_submissions_left(facts: Facts) -> str | None:
    """Count the submissions."""
    return None if facts.change.round < TRIES else "it was submitted too often"


def has_no_submissions_left(facts: Facts) -> str | None:
    """Require that the submissions are used up."""
    return "it can be submitted again" if has_submissions_left(facts) is None else None


def tallied_or_given_to_a_person(facts: Facts) -> ChangeRequest:
    """Count, and raise attention after the last try."""
    change = meanings.tallied(facts)
    raised = Attention(reason=AttentionReason.HOST, since=facts.now)
    return attrs.evolve(change, attention=raised) if change.data["count"] == TRIES else change


TRYING = (
    meanings.row(Verb.DEPLOY, Stage.GRANTED, Stage.LIVE, guard=has_tries_left),
    meanings.row(Verb.FAIL, Stage.GRANTED, Stage.FAILED, guard=has_tries_left),
    meanings.row(Verb.RETRY, Stage.FAILED, Stage.DRAFT, guard=has_submissions_left),
)
REFUSE = meanings.row(Verb.STOP, Stage.FAILED, Stage.REFUSED, guard=has_no_submissions_left)


def with_tries(*rows: Transition) -> WorkflowDefinition:
    """Return the workflow of an order that is tried a few times, with the rows of a case."""
    transitions = (*TRYING, *rows)
    return approval_workflow(
        "machines", states=Stage, roles=meanings.ROLES, transitions=transitions, grants=meanings.GRANTS
    )


def that_uses_up_its_tries() -> WorkflowDefinition:
    """After the last try, and after the last submission, no row passes."""
    return with_tries(meanings.row(Verb.COUNT, Stage.GRANTED, None, guard=has_tries_left, update=meanings.tallied))


def that_ends_after_its_tries() -> WorkflowDefinition:
    """Months after the last try the change fails, and after the last submission it is refused."""

    def may_stop(facts: Facts) -> str | None:
        return has_no_tries_left(facts) or meanings.is_old(facts)

    return with_tries(
        meanings.row(Verb.COUNT, Stage.GRANTED, None, guard=has_tries_left, update=meanings.tallied),
        meanings.row(Verb.STOP, Stage.GRANTED, Stage.FAILED, guard=may_stop),
        REFUSE,
    )


def that_another_person_ends_after_its_tries() -> WorkflowDefinition:
    """After the last try a person other than the applicant can stop the change."""

    def may_stop(facts: Facts) -> str | None:
        is_own = facts.actor == facts.change.form.applicant
        return has_no_tries_left(facts) or ("another person has to stop it" if is_own else None)

    return with_tries(
        meanings.row(Verb.COUNT, Stage.GRANTED, None, guard=has_tries_left, update=meanings.tallied),
        meanings.row(Verb.STOP, Stage.GRANTED, Stage.FAILED, guard=may_stop),
        REFUSE,
    )


def that_needs_a_higher_number_each_time() -> WorkflowDefinition:
    """Each report passes more checks than the one before, whatever that passed."""

    def passed_more(facts: Facts) -> str | None:
        before = facts.change.data.get("best", 0)
        return None if isinstance(before, int) and facts.expect(Checks).passed > before else "no better"

    def best(facts: Facts) -> ChangeRequest:
        return attrs.evolve(facts.change, data={"best": facts.expect(Checks).passed})

    values = {"evidence": Checks, "guard": passed_more, "update": best}
    return approval_workflow(
        "machines",
        states=Stage,
        roles=meanings.ROLES,
        transitions=(
            meanings.row(Verb.NOTE, Stage.GRANTED, None, **values),
            meanings.row(Verb.DEPLOY, Stage.GRANTED, Stage.LIVE, **values),
            meanings.row(Verb.FAIL, Stage.GRANTED, Stage.FAILED, **values),
            meanings.STOP,
        ),
        grants=meanings.GRANTS,
    )


def that_asks_a_person_after_its_tries() -> WorkflowDefinition:
    """After the last try the change needs a person, who may clear that."""
    return with_tries(
        meanings.row(Verb.COUNT, Stage.GRANTED, None, guard=has_tries_left, update=tallied_or_given_to_a_person),
        REFUSE,
    )
