"""The delivery of one claimed effect: run it, and store the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import WITHDRAW
from itsm_workflow.errors import GatewayError, GatewayMistake, TransitionRefused, describe
from itsm_workflow.gateway.asking import asked
from itsm_workflow.gateway.checked import checked_withdrawal
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.runtime.effects import EffectCall
from itsm_workflow.runtime.transact import transact
from itsm_workflow.settle import Step

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest, Ticket
    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.runtime.effects import EffectRegistry
    from itsm_workflow.runtime.journal import Journal
    from itsm_workflow.runtime.observers import Observers
    from itsm_workflow.settle import Deliver
    from itsm_workflow.storage.codec import Stored

WORKER = "worker"
"""The actor of entries that the library writes by itself."""

_PROBLEMS = {
    ev.Withdrawal.NOT_YET: "the ticket's flow has not reached its approval, so it cannot be withdrawn yet",
    ev.Withdrawal.UNKNOWN: "the gateway did not answer whether the ticket was withdrawn",
}


@attrs.frozen(kw_only=True)
class Courier:
    """Delivers effects.

    Attributes:
        journal: The changes.
        gateway: The gateway that withdraws tickets, which is the library's own effect.
        effects: The functions of this process.
        observers: Notified of errors in the gateway's own code.
    """

    journal: Journal
    gateway: TicketGateway
    effects: EffectRegistry
    observers: Observers

    def deliver(self, claimed: Stored, question: Deliver) -> tuple[Stored, bool]:
        """Deliver the effect that a claim names.

        Returns:
            The change as stored afterwards, and whether the work was done.
        """
        change, effect = claimed.change, claimed.change.expect_effect(question.effect)
        result = ev.EffectResult(effect=effect.id, attempt=effect.attempts)
        if effect.name == WITHDRAW:
            result = self._withdraw(change, result, effect.actor)
        else:
            call = EffectCall(id=effect.id, name=effect.name, attempt=result.attempt, change=change, actor=effect.actor)
            try:
                error = self.effects.deliver(call)
            except BaseException as stop:  # the process is being stopped; the delivery counts as failed
                self._record(claimed, attrs.evolve(result, error=describe(stop)))
                raise
            result = attrs.evolve(result, error=error)
        return self._record(claimed, result), not result.error or result.withdrawal is ev.Withdrawal.NOT_YET

    def _record(self, claimed: Stored, result: ev.EffectResult) -> Stored:
        journal, step = self.journal, Step(Trigger.FAIL_EFFECT if result.error else Trigger.DELIVER_EFFECT, result)
        change_id = claimed.change.id
        try:
            return transact(journal, change_id, lambda stored: journal.fire(stored, [step], actor=WORKER), read=claimed)
        except TransitionRefused:
            return journal.load(change_id)  # our claim expired, and another worker took over and recorded its delivery

    def _withdraw(self, change: ChangeRequest, result: ev.EffectResult, actor: str) -> ev.EffectResult:
        ticket = change.expect_ticket()
        wrong = error_of_another_gateway(ticket, self.gateway.name)
        if wrong is not None:
            return attrs.evolve(result, error=describe(wrong))
        operator, reason = change.expect_attempt().creator, f"withdrawn by {actor or 'the applicant'}"
        try:
            withdrawal = asked(
                "withdraw",
                lambda: checked_withdrawal(self.gateway.withdraw(ticket, operator=operator, reason=reason)),
            )
        except GatewayMistake as error:
            self.observers.on_trouble(change.id, error)
            return attrs.evolve(result, withdrawal=ev.Withdrawal.UNKNOWN, error=describe(error))
        except GatewayError as error:
            return attrs.evolve(result, error=describe(error))
        return attrs.evolve(result, withdrawal=withdrawal, error=_PROBLEMS.get(withdrawal, ""))


def error_of_another_gateway(ticket: Ticket, name: str) -> GatewayError | None:
    """Return the error for a ticket that another gateway filed, or None; ours may have another ticket with its id."""
    if ticket.gateway == name:
        return None
    return GatewayError(
        f"ticket {ticket.id} was filed by the gateway {ticket.gateway!r}, but this process uses the gateway "
        f"{name!r}: open the store with the gateway that filed its changes",
        endpoint="read",
    )
