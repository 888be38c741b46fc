"""A small workflow of a host's own: it goes on after the approval, by triggers of its own."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine import due
from itsm_workflow.machine.approval import approval_table
from itsm_workflow.machine.definition import Roles, Transition, WorkflowDefinition, waits_for_a_person
from itsm_workflow.settle import Step
from itsm_workflow.testing.exploration import Act, operator_acts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.testing.exploration import Sight
    from itsm_workflow.testing.exploration.itsm import Filed


class Stage(enum.StrEnum):
    """Where a deployment stands."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    GRANTED = "granted"
    LIVE = "live"
    REFUSED = "refused"


class Verb(enum.StrEnum):
    """What a deployment adds."""

    DEPLOY = "deploy"


@attrs.frozen(kw_only=True)
class Deployed:
    """It was deployed there."""

    host: str


ROLES = Roles(
    asking=Stage.FILING,
    waiting=Stage.WAITING,
    undelivered=Stage.UNDELIVERED,
    granted=Stage.GRANTED,
    refused=Stage.REFUSED,
)


def deployment(*sources: Stage) -> WorkflowDefinition:
    """Return the workflow that deploys from those states."""
    return WorkflowDefinition(
        name="deployment",
        version=1,
        states=Stage,
        initial=Stage.DRAFT,
        final=frozenset({Stage.LIVE, Stage.REFUSED}),
        roles=ROLES,
        transitions=(
            *approval_table(Stage, Stage.DRAFT, ROLES),
            Transition(trigger=Verb.DEPLOY, sources=sources, dest=Stage.LIVE, evidence=Deployed),
        ),
        grants={Stage.LIVE: False},  # the row that is planted leads there without an approval
        due={
            Stage.DRAFT: waits_for_a_person,
            Stage.FILING: due.asking_due,
            Stage.WAITING: due.waiting_due,
            Stage.UNDELIVERED: due.undelivered_due,
            Stage.GRANTED: waits_for_a_person,
        },
    )


def acts(change: ChangeRequest, tickets: tuple[Filed, ...]) -> Iterator[Act]:
    """Yield what an operator may do, and the host's deployment."""
    yield from operator_acts(change, tickets)
    yield Act("the host deploys", (Step(Verb.DEPLOY, Deployed(host="db-7")),))


def deployed_what_was_approved(sight: Sight) -> str | None:
    """Nothing is deployed without an approval."""
    if sight.change is None or sight.change.state != Stage.LIVE:
        return None
    return None if sight.ticket is not None and sight.ticket.approved else "it is live, and its ticket is not approved"
