"""Promises about withdrawals and secrets."""

from __future__ import annotations

import itertools
import logging
import traceback
from functools import partial
from typing import TYPE_CHECKING

from itsm_workflow.errors import GatewayError
from itsm_workflow.machine.evidence import ENDED, TicketStatus, Withdrawal
from itsm_workflow.testing.gateway_conformance._faults import BROKEN, dropped, lost
from itsm_workflow.testing.gateway_conformance._promises import promise
from itsm_workflow.testing.gateway_conformance._trial import CREDENTIAL, NEVER, asked, demand, is_approved

if TYPE_CHECKING:
    from collections.abc import Callable

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
    answer = _withdraw(trial, trial.ticket(NEVER, NEVER))
    demand(answer in {None, Withdrawal.UNKNOWN}, f"no ticket has the id {NEVER}, and its withdrawal answered {answer}")


@promise("no secret is shown")
def keeps_secrets(trial: Trial) -> None:
    """Not by an answer, an error with its cause and its notes, or a log line of any level."""
    secrets = [*trial.system.secrets, CREDENTIAL]
    request = trial.request()
    criteria, ticket = trial.file(request)
    faults = (None, dropped, lost, *BROKEN.values())
    with trial.unreachable() as away:
        for gateway, each in ((trial.gateway, faults), (away, (None,))):
            calls: dict[str, Callable[[], object]] = {
                "create": partial(gateway.create, request),
                "read": partial(gateway.read, ticket),
                "find_by_key": partial(gateway.find_by_key, criteria),
                "withdraw": partial(gateway.withdraw, ticket, operator="alice", reason="no longer needed"),
                "repr": partial(repr, gateway),
            }
            for (name, call), fault in itertools.product(calls.items(), each):
                trial.line.fault = fault
                for place, text in _said(call).items():
                    shown = [secret for secret in secrets if secret in text]
                    demand(not shown, f"{name} shows {len(shown)} of the secrets in {place}")
        trial.line.fault = None


def _said(call: Callable[[], object]) -> dict[str, str]:
    """Return what a call shows, by the place."""
    log, root = _Log(), logging.getLogger()
    level = root.level
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    try:
        said = repr(call())
    except GatewayError as error:
        said = "".join(traceback.format_exception(error)) + repr(error)
    finally:
        root.removeHandler(log)
        root.setLevel(level)
    return {"its answer or error": said, "a log line": "\n".join(log.lines)}


class _Log(logging.Handler):
    """Keeps every line that is logged, whatever its level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.__dict__}")
