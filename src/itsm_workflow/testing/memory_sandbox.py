"""The ticket system of a host's tests, in memory: people decide tickets, time passes, callbacks arrive or are lost."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from itsm_workflow.form import shown
from itsm_workflow.runtime.arguments import check_whole
from itsm_workflow.sandbox import acting
from itsm_workflow.sandbox.behaviour import Behaviour
from itsm_workflow.sandbox.ledger import Ledger
from itsm_workflow.sandbox.services import DEFAULT_SERVICES
from itsm_workflow.sandbox.ticket import CallbackOutcome
from itsm_workflow.testing.gateway_faults import GatewayFaults
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from itsm_workflow.testing.manual_clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from itsm_workflow.callbacks.parse import Receive
    from itsm_workflow.sandbox.services import Service
    from itsm_workflow.sandbox.ticket import Outgoing, Ticket, TicketView


class MemorySandbox:
    """BK-ITSM in memory, with the methods of `itsm_workflow.sandbox.Sandbox`: no network, no thread, no waiting.

    Each act has taken effect when its call returns, since the call advances the clock far enough.

    Args:
        clock: The clock to advance.
        seed: The seed of all random choices.
        behaviour: Delays and probabilities.
        services: The services under which tickets can be filed.

    Raises:
        TypeError: The clock, the seed or the behaviour has the wrong type.
        ValueError: The seed is below 0.

    Attributes:
        gateway: The gateway to construct a workflow with.
        faults: The faults of its calls.
        ledger: The tickets.
        receive: Receiver of callbacks: `Workflow.receive`, or a host's own view. With None, callbacks are listed as not
            delivered.
        loses_callbacks: While true, callbacks are lost and the ticket system does not notice.
    """

    def __init__(
        self,
        *,
        clock: ManualClock,
        seed: int = 0,
        behaviour: Behaviour | None = None,
        services: Iterable[Service] = DEFAULT_SERVICES,
    ) -> None:
        for name, value, kind in (("clock", clock, ManualClock), ("behaviour", behaviour, Behaviour | None)):
            if not isinstance(value, kind):
                wanted = "a ManualClock" if kind is ManualClock else "a Behaviour"
                raise TypeError(f"MemorySandbox({name}=...) takes {wanted}, not {shown(value)}")
        check_whole("MemorySandbox(seed=...)", seed, least=0)
        chances = random.Random(seed)  # noqa: S311 - must be repeatable, protects nothing
        self.ledger: Ledger = Ledger(clock=clock.peek, random=chances, behaviour=behaviour, services=services)
        self.faults: GatewayFaults = GatewayFaults(clock=clock)
        self.gateway: LedgerGateway = self.faults.wrap(LedgerGateway(self.ledger, clock=clock))
        self.receive: Receive | None = None
        self.loses_callbacks = False
        self._clock = clock

    def tickets(self) -> tuple[TicketView, ...]:
        """Return every ticket, oldest first."""
        return self.ledger.tickets()

    def ticket(self, sn: str | int) -> TicketView:
        """Return the ticket with a number, or with an id.

        Raises:
            LookupError: No ticket, or more than one, has that number.
        """
        return self._find(sn).view()

    def approve(self, sn: str | int, *, approver: str | None = None, remark: str = "") -> TicketView:
        """Approve a ticket, by default as its first approver.

        Raises:
            Refusal: BK-ITSM would refuse the act.
            LookupError: No ticket, or more than one, has that number.
        """
        return self._decide(sn, approver, remark, approved=True)

    def reject(self, sn: str | int, *, approver: str | None = None, remark: str = "") -> TicketView:
        """Reject a ticket, otherwise like `approve`."""
        return self._decide(sn, approver, remark, approved=False)

    def withdraw(self, sn: str | int, *, operator: str | None = None) -> TicketView:
        """Withdraw a ticket, by default as its creator."""
        return self._operate(sn, lambda found: acting.withdraw(self.ledger, found, operator or found.draft.creator))

    def terminate(self, sn: str | int, *, operator: str | None = None) -> TicketView:
        """Terminate a ticket, by default as its first approver."""
        return self._operate(sn, lambda found: acting.terminate(self.ledger, found, operator or found.first_approver))

    def suspend(self, sn: str | int, *, operator: str | None = None) -> TicketView:
        """Suspend a ticket, by default as its first approver."""
        return self._operate(sn, lambda found: acting.suspend(self.ledger, found, operator or found.first_approver))

    def resume(self, sn: str | int, *, operator: str | None = None) -> TicketView:
        """Resume a suspended ticket, by default as its first approver."""
        return self._operate(sn, lambda found: acting.resume(self.ledger, found, operator or found.first_approver))

    def pass_time(self, seconds: float) -> int:
        """Advance the clock, and run the ticket system's events that become due.

        Returns:
            The number of callbacks.
        """
        self._clock.advance(seconds)
        return self._run_due()

    def _decide(self, sn: str | int, approver: str | None, remark: str, *, approved: bool) -> TicketView:
        behaviour = self.ledger.behaviour
        self.pass_time(behaviour.start_delay + behaviour.start_spread)
        found = self._find(sn)
        acting.decide(self.ledger, found, approver or found.first_approver, approved=approved, remark=remark)
        self.pass_time(behaviour.decision_delay + behaviour.decision_spread)
        return found.view()

    def _operate(self, sn: str | int, act: Callable[[Ticket], Iterable[Outgoing] | None]) -> TicketView:
        self.pass_time(self.ledger.behaviour.start_delay + self.ledger.behaviour.start_spread)
        found = self._find(sn)
        for outgoing in act(found) or ():
            self._deliver(outgoing)
        return found.view()

    def _run_due(self) -> int:
        count = 0
        self.faults.deliver_due()
        while waiting := self.gateway.run_due():
            for outgoing in waiting:
                self._deliver(outgoing)
            count += len(waiting)
        return count

    def _deliver(self, outgoing: Outgoing) -> None:
        if self.loses_callbacks:
            self.ledger.record_delivery(outgoing, CallbackOutcome.LOST)
        elif self.receive is None:
            self.ledger.record_delivery(outgoing, CallbackOutcome.FAILED)
        else:
            self.gateway.hand_over(outgoing, self.receive)

    def _find(self, sn: str | int) -> Ticket:
        if isinstance(sn, int):
            return self.ledger.by_id(sn)
        found = self.ledger.by_sn(sn)
        if not found:
            raise LookupError(
                f"sn: no ticket has the number {sn!r}; pass the change's sn, change.sn, or the ticket's id"
            )
        if len(found) > 1:
            known = ", ".join(str(one.id) for one in found)
            raise LookupError(f"sn: several tickets have the number {sn}: pass the id of one of them, {known}")
        return found[0]
