"""Promises about withdrawals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.machine.evidence import ENDED, TicketStatus, Withdrawal
from itsm_workflow.testing.gateway_conformance._faults import BROKEN
from itsm_workflow.testing.gateway_conformance._promises import promise
from itsm_workflow.testing.gateway_conformance._trial import asked, demand, is_approved

if TYPE_CHECKING:
    from itsm_workflow.change import Ticket
    from itsm_workflow.testing.gateway_conformance._trial import Trial


def _withdraw(trial: Trial, ticket: Ticket) -> Withdrawal | None:
    return asked("withdraw", lambda: trial.gateway.withdraw(ticket, operator="alice", reason="no longer needed"))


@promise("a withdrawal ends the ticket, also the second time")
def withdrawn(trial: Trial) -> None:
    """A repeated withdrawal is done; the ticket reads as revoked."""
    _, ticket = trial.file()
    for times in ("once", "twice"):
        answer = _withdraw(trial, ticket)
        demand(
            answer is Withdrawal.DONE, f"the open ticket {ticket.id} was withdrawn {times}, with the answer {answer}"
        )
    demand(trial.seen(ticket).status is TicketStatus.REVOKED, f"it was withdrawn, and read says {trial.seen(ticket)}")


@promise("a withdrawal changes no ticket that has ended")
def ended(trial: Trial) -> None:
    """An approved ticket stays approved, and the answer says so."""
    _, ticket = trial.file()
    trial.system.approve(ticket.id, "bob")
    answer = _withdraw(trial, ticket)
    demand(answer is Withdrawal.ENDED, f"ticket {ticket.id} was approved, and its withdrawal answered {answer}")
    demand(is_approved(trial.seen(ticket)), f"the withdrawal changed the approved ticket: {trial.seen(ticket)}")


@promise("a withdrawal withdraws by the id")
def by_id(trial: Trial) -> None:
    """Never a ticket of another id that has the number."""
    (_, ours), (_, other) = trial.file(), trial.file()
    _withdraw(trial, trial.ticket(ours.id, other.sn))
    demand(trial.seen(other).status not in ENDED, f"ticket {ours.id} was withdrawn, and ticket {other.id} ended")


@promise("a withdrawal says done only if it is")
def honest(trial: Trial) -> None:
    """After a lost answer it is unknown; repeated, it is done. A ticket that does not exist is not withdrawn."""
    for happens, fault in BROKEN.items():
        _, ticket = trial.file()
        with trial.during(fault):
            answer = _withdraw(trial, ticket)
        demand(answer in {None, Withdrawal.UNKNOWN}, f"{happens}: withdraw answered {answer}")
        again = _withdraw(trial, ticket)
        demand(again is Withdrawal.DONE, f"{happens}, and the repeated withdrawal answered {again}")
    answer = _withdraw(trial, trial.missing())
    demand(
        answer in {None, Withdrawal.UNKNOWN},
        f"no ticket has the id {trial.system.missing}, and its withdrawal answered {answer}",
    )
