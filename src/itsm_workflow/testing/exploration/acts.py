"""The acts of people on a change under way: an operator's decisions, and a host's own triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import EffectStatus
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.settle import Step
from itsm_workflow.testing.exploration.itsm import APPROVER, CREATOR, FORGED, GATEWAY, STRANGER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.testing.exploration.itsm import Filed

_NO_KEY = ("key: sent K1, not shown",)


@attrs.frozen
class Act:
    """One act of a person, or of a host's program: triggers that are fired in one commit.

    Attributes:
        name: Description of the act for people, which also identifies the act.
        steps: The triggers to fire. The act is offered only where the machine accepts them.
    """

    name: str
    steps: tuple[Step, ...] = attrs.field(eq=False)


def operator_acts(change: ChangeRequest, tickets: tuple[Filed, ...]) -> Iterator[Act]:
    """Yield the acts that `Workflow` offers an operator; the machine decides on each."""
    because = ev.Decision(reason="explored")
    yield Act("an operator asks for a withdrawal", (Step(Trigger.REQUEST_WITHDRAWAL, because),))
    accepted = (Step(Trigger.ACCEPT_AFTER_WITHDRAWAL, because),)
    yield Act("an operator accepts the ticket after its withdrawal", accepted)
    yield Act("an operator resends", (Step(Trigger.RESEND, because),))
    yield Act("an operator abandons the change", (Step(Trigger.ABANDON, because),))
    yield Act("an operator clears the attention", (Step(Trigger.CLEAR_ATTENTION, because),))
    for effect in change.effects:
        if effect.status is EffectStatus.PARKED:
            retry = Step(Trigger.RETRY_EFFECT, ev.EffectRetry(effect=effect.id))
            yield Act(f"an operator retries effect {effect.name}", (retry,))
    if change.ticket is not None and tickets[int(change.ticket.id) - 1].asked:
        # The operator names the approver, as `Workflow.attest_approval` requires.
        attested = ev.ApprovalAttested(ticket_id=change.ticket.id, approver=APPROVER, evidence="explored")
        yield Act("an operator attests the approval", (Step(Trigger.ATTEST_APPROVAL, attested),))
    if change.attempt is None or change.ticket is not None:
        return
    for place, ticket in enumerate(tickets):
        found = ev.TicketConfirmed(
            gateway=GATEWAY,
            id=str(place + 1),
            sn=ticket.sn,
            url="",
            key=change.attempt.key,  # `Workflow.record_ticket` trusts the operator on this
            creator=CREATOR if ticket.key else STRANGER,
            channel=ev.Channel.OPERATOR,
            differences=FORGED if ticket.forged else () if ticket.key else _NO_KEY,
        )
        yield Act(f"an operator records ticket {place + 1}", (Step(Trigger.RECORD_TICKET, found),))
        if ticket.forged:
            answered_for = attrs.evolve(found, override="explored")
            yield Act(
                f"an operator records ticket {place + 1} and gives a reason",
                (Step(Trigger.RECORD_TICKET, answered_for),),
            )


def of_gateway(
    acts: Callable[[ChangeRequest, tuple[Filed, ...]], Iterator[Act]], gateway: str
) -> Callable[[ChangeRequest, tuple[Filed, ...]], Iterator[Act]]:
    """Return the acts with tickets of the gateway of that name, where they record one of the explored ticket system."""

    def named(step: Step) -> Step:
        found = step.evidence
        if not isinstance(found, ev.TicketConfirmed) or found.gateway != GATEWAY:
            return step
        return attrs.evolve(step, evidence=attrs.evolve(found, gateway=gateway))

    def renamed(change: ChangeRequest, tickets: tuple[Filed, ...]) -> Iterator[Act]:
        for act in acts(change, tickets):
            yield attrs.evolve(act, steps=tuple(map(named, act.steps)))

    return acts if gateway == GATEWAY else renamed
