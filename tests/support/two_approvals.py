"""Workflows with a plan and its order, each approved, and an emergency way: one is right, the others are not."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from itsm_workflow import Exemption, Roles, Transition, approval_workflow

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Facts, WorkflowDefinition


class Stage(enum.StrEnum):
    """The states of a plan and its execution."""

    DRAFT = "draft"
    FILING_PLAN = "filing_plan"
    PLAN_WAITING = "plan_waiting"
    PLAN_UNDELIVERED = "plan_undelivered"
    PLANNED = "planned"
    QUOTED = "quoted"
    FILING_ORDER = "filing_order"
    ORDER_WAITING = "order_waiting"
    ORDER_UNDELIVERED = "order_undelivered"
    ORDERED = "ordered"
    LIVE = "live"
    HOTFIXED = "hotfixed"
    REFUSED = "refused"


class Verb(enum.StrEnum):
    """The triggers of the host."""

    QUOTE = "quote"
    DEPLOY = "deploy"
    HOTFIX = "hotfix"


@attrs.frozen(kw_only=True)
class Reported:
    """A report of a step."""

    step: str


PLAN = Roles(
    asking=Stage.FILING_PLAN,
    waiting=Stage.PLAN_WAITING,
    undelivered=Stage.PLAN_UNDELIVERED,
    granted=Stage.PLANNED,
    refused=Stage.REFUSED,
)
ORDER = Roles(
    begins=Stage.QUOTED,
    asking=Stage.FILING_ORDER,
    waiting=Stage.ORDER_WAITING,
    undelivered=Stage.ORDER_UNDELIVERED,
    granted=Stage.ORDERED,
    refused=Stage.REFUSED,
)
ROWS = (
    Transition(trigger=Verb.QUOTE, sources=(Stage.PLANNED,), dest=Stage.QUOTED, evidence=Reported),
    Transition(trigger=Verb.DEPLOY, sources=(Stage.ORDERED,), dest=Stage.LIVE, evidence=Reported),
    Transition(trigger=Verb.HOTFIX, sources=(Stage.DRAFT,), dest=Stage.HOTFIXED, evidence=Reported),
)


def with_effects(*exemptions: Exemption, **effects: tuple[str, ...]) -> WorkflowDefinition:
    """Return the workflow that plans effects in states, which are given by name."""
    return approval_workflow(
        "plan",
        states=Stage,
        roles=PLAN,
        later_rounds=(ORDER,),
        transitions=ROWS,
        grants={Stage.PLANNED: False, Stage.QUOTED: False, Stage.LIVE: True, Stage.HOTFIXED: False},
        effects={Stage[state]: names for state, names in effects.items()},
        exemptions=exemptions,
    )


def that_orders_where_the_next_approval_begins() -> WorkflowDefinition:
    """Each refused submission of the second ticket plans the order again."""
    return with_effects(QUOTED=("order",))


def that_deploys_in_an_emergency() -> WorkflowDefinition:
    """An emergency way that ends without an approval deploys."""
    return with_effects(HOTFIXED=("deploy",))


def that_orders_what_was_refused() -> WorkflowDefinition:
    """The order is placed when it is refused."""
    return with_effects(REFUSED=("order",))


def that_executes_the_plan() -> WorkflowDefinition:
    """The first of two approvals starts what needs the second."""
    return with_effects(PLANNED=("execute",))


def that_counts_in_a_state_without_an_exit() -> WorkflowDefinition:
    """The row out of a state in which facts are added is forgotten, so the state is final."""
    counting = Transition(trigger=Verb.QUOTE, sources=(Stage.HOTFIXED,), dest=None, evidence=Reported, update=counted)
    definition = with_effects()
    return attrs.evolve(definition, transitions=(*definition.transitions, counting))


def counted(facts: Facts) -> ChangeRequest:
    """Store the step."""
    return attrs.evolve(facts.change, data={"step": facts.expect(Reported).step})


def that_prepares_what_was_planned() -> WorkflowDefinition:
    """Each approval plans its own work, and both ends without one send a message to the applicant."""
    message = "it only sends a message to the applicant"
    return with_effects(
        Exemption(check="early", state=Stage.PLANNED, reason="the plan allows to ask for quotes"),
        Exemption(check="early", state=Stage.REFUSED, reason=message),
        Exemption(check="early", state=Stage.HOTFIXED, reason=message),
        PLANNED=("ask_for_quotes",),
        ORDERED=("order",),
        REFUSED=("say_it_is_refused",),
        HOTFIXED=("say_it_is_fixed",),
    )
