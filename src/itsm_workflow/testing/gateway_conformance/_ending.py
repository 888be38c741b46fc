"""Promises about withdrawals."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from itsm_workflow.machine.evidence import ENDED, TicketStatus, Withdrawal
from itsm_workflow.testing.gateway_conformance._faults import BROKEN, SLOW
from itsm_workflow.testing.gateway_conformance._promises import promise
from itsm_workflow.testing.gateway_conformance._refusals import known_refusals
from itsm_workflow.testing.gateway_conformance._slowly import slow_answers
from itsm_workflow.testing.gateway_conformance._trial import asked, is_approved
from itsm_workflow.testing.gateway_conformance._verdicts import demand
from itsm_workflow.testing.gateway_conformance._wording import outcome_words, snapshot_words

if TYPE_CHECKING:
    from itsm_workflow.change import Ticket
    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.testing.gateway_conformance._trial import Trial


def _withdraw(trial: Trial, ticket: Ticket) -> Withdrawal | None:
    return asked("withdraw", lambda: _withdrawn_by(ticket, trial.gateway))


def _withdrawn_by(ticket: Ticket, gateway: TicketGateway) -> Withdrawal:
    return gateway.withdraw(ticket, operator="alice", reason="no longer needed")


def _must_be(trial: Trial, ticket: Ticket, expected: Withdrawal, what: str) -> None:
    """Withdraw a ticket; report every other answer, and an exception."""
    answer, words = outcome_words(lambda: trial.gateway.withdraw(ticket, operator="alice", reason="no longer needed"))
    demand(answer is expected, f"{what} {words}; it must answer {expected.name}")


@promise("a withdrawal ends the ticket, also the second time")
def withdrawn(trial: Trial) -> None:
    """A repeated withdrawal is done; the ticket reads as revoked."""
    _, ticket = trial.file()
    for times in ("first", "second"):
        _must_be(trial, ticket, Withdrawal.DONE, f"the {times} withdrawal of the open ticket {ticket.id}")
    seen = trial.seen(ticket)
    demand(
        seen.status is TicketStatus.REVOKED, f"ticket {ticket.id} was withdrawn, and read says {snapshot_words(seen)}"
    )


@promise("a withdrawal changes no ticket that has ended")
def ended(trial: Trial) -> None:
    """An approved ticket stays approved, and the answer says so."""
    _, ticket = trial.file()
    trial.system.approve(ticket.id, "bob")
    _must_be(trial, ticket, Withdrawal.ENDED, f"ticket {ticket.id} was approved, and its withdrawal")
    seen = trial.seen(ticket)
    demand(is_approved(seen), f"the withdrawal changed the approved ticket {ticket.id}: {snapshot_words(seen)}")


@promise("a withdrawal withdraws by the id")
def by_id(trial: Trial) -> None:
    """Never a ticket of another id that has the number, be it older or younger."""
    for is_older in (True, False):
        pair = [trial.file()[1], trial.file()[1]]
        ours, other = pair if is_older else reversed(pair)
        answer = _withdraw(trial, trial.ticket(ours.id, other.sn))
        demand(
            trial.seen(other).status not in ENDED,
            f"ticket {ours.id} was withdrawn with the number {other.sn}, and ticket {other.id} ended",
        )
        demand(
            answer is not Withdrawal.DONE or trial.seen(ours).status is TicketStatus.REVOKED,
            f"the withdrawal of ticket {ours.id} with the number {other.sn} answered DONE, and the ticket is open",
        )


@promise("a withdrawal says done only if it is")
def honest(trial: Trial) -> None:
    """After a lost or late answer it is unknown; repeated, it is done.

    A ticket that does not exist is not withdrawn, and neither is one whose withdrawal the server refuses.
    """
    for happens, fault in BROKEN.items():
        _, ticket = trial.file()
        with trial.during(fault):
            answer = _withdraw(trial, ticket)
        demand(answer in {None, Withdrawal.UNKNOWN}, f"{happens}: withdraw answered {answer}")
        _must_be(trial, ticket, Withdrawal.DONE, f"{happens}, and the repeated withdrawal")
    open_tickets = iter([trial.file()[1] for _ in SLOW])
    slow = [(happens, "withdraw", fault, partial(_withdrawn_by, next(open_tickets))) for happens, fault in SLOW.items()]
    for happens, name, answer in slow_answers(trial, slow):
        demand(answer in {None, Withdrawal.UNKNOWN}, f"{happens}: {name} answered {answer}")
    answer = _withdraw(trial, trial.missing())
    demand(
        answer in {None, Withdrawal.UNKNOWN},
        f"no ticket has the id {trial.system.missing}, and its withdrawal answered {answer}",
    )
    for happens, fault in known_refusals(trial.system).items():
        _, ticket = trial.file()
        with trial.during(fault):
            answer = _withdraw(trial, ticket)
        demand(answer in {None, Withdrawal.UNKNOWN}, f"{happens}: withdraw answered {answer}")
