"""The ticket system of a run: the sandbox's ledger, the people who act on its tickets, and its callbacks."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.audit import Forged
from itsm_workflow.gateway.protocol import Created
from itsm_workflow.sandbox import acting
from itsm_workflow.sandbox.behaviour import Behaviour
from itsm_workflow.sandbox.connection import settings_for
from itsm_workflow.sandbox.ledger import Ledger
from itsm_workflow.sandbox.refusals import Refusal
from itsm_workflow.sandbox.ticket import CallbackOutcome
from itsm_workflow.secrets import Secret
from itsm_workflow.testing.ledger_gateway import NOWHERE, LedgerGateway, as_request
from itsm_workflow.testing.manual_clock import START
from itsm_workflow.testing.simulation.faults import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from itsm_workflow.callbacks.parse import CallbackResponse
    from itsm_workflow.change import Attempt
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest
    from itsm_workflow.sandbox.ticket import Outgoing, Ticket
    from itsm_workflow.testing.manual_clock import ManualClock
    from itsm_workflow.testing.simulation.faults import Struck
    from itsm_workflow.testing.simulation.scheduler import Scheduler
    from itsm_workflow.testing.simulation.timeline import Timeline

_WHO = "itsm"
_START_DELAY = 0.5
_SOONEST, _LATEST = 5.0, 4 * 3600.0  # seconds until an approver decides
_PATIENCE = 600.0
_KEY = Secret("simulated callback key, long enough")


class TicketSystem:
    """BK-ITSM and the people around it.

    Args:
        seed: Determines tokens, delays and the times of people's acts.
        clock: The clock of the run.
        scheduler: Lets things happen later.
        struck: Returns the faults that strike.
        timeline: Records events.
        deliver: Starts the delivery of a callback in a task; called with a function that takes `Workflow.receive`.
    """

    def __init__(
        self,
        seed: int,
        *,
        clock: ManualClock,
        scheduler: Scheduler,
        struck: Struck,
        timeline: Timeline,
        deliver: Callable[[float, Callable[[Callable[..., CallbackResponse]], object]], None],
    ) -> None:
        self._clock = clock
        self._scheduler = scheduler
        self._struck = struck
        self._timeline = timeline
        self._deliver = deliver
        self._random = Random(f"{seed}/persons")  # noqa: S311 - repeatable, not secret
        # The ticket system has its own clock, which no fault sets.
        self.ledger = Ledger(
            clock=lambda: START + dt.timedelta(seconds=clock.elapsed()),
            random=Random(f"{seed}/ledger"),  # noqa: S311 - the same
            behaviour=Behaviour(start_delay=_START_DELAY),
        )
        settings = settings_for(NOWHERE, callback_keys=(_KEY,))
        self.gateway = LedgerGateway(self.ledger, clock=clock, settings=settings)
        self.sends: Counter[tuple[str, int]] = Counter()
        self.forged: list[Forged] = []
        self._planned: dt.datetime | None = None
        self._jammed: list[Ticket] = []

    def close(self) -> None:
        """Do nothing: the ledger is in memory."""

    # ---------------------------------------------------------------- filing

    def count_send(self, attempt: Attempt) -> None:
        """Count a request that may have left, by key and number."""
        self.sends[attempt.key, attempt.number] += 1

    def create_later(self, request: CreateRequest, seconds: float) -> None:
        """File a ticket whose request is still on its way."""
        self._scheduler.call(seconds, lambda: self._note(f"files a late request: {self.create(request)}"))

    def create(self, request: CreateRequest) -> CreateAnswer:
        """File a ticket, and schedule the acts of its people."""
        struck = self._struck.at("ticket")
        late = struck.get(Failure.FLOW_LATE, 0.0)
        self.ledger.behaviour = attrs.evolve(self.ledger.behaviour, start_delay=_START_DELAY + late)
        answer = self.gateway.create(request)
        if isinstance(answer, Created):
            ticket = self.ledger.by_id(int(answer.id))
            self._plan_life(ticket, struck, late)
            self._plan_callbacks(ticket, struck)
        self.catch_up()
        return answer

    # ---------------------------------------------------------------- persons

    def free_the_jammed(self) -> None:
        """Let the applicants withdraw tickets that cannot be decided."""
        for ticket in self._jammed:
            self._act("withdraws the jammed", ticket, lambda one: acting.withdraw(self.ledger, one, one.draft.creator))

    def _plan_life(self, ticket: Ticket, struck: Mapping[Failure, float], late: float) -> None:
        """Schedule the acts of people on a ticket; without a fault, its approver approves."""
        began = _START_DELAY + late
        decides = began + math.exp(self._random.uniform(math.log(_SOONEST), math.log(_LATEST)))
        before = began + (decides - began) * self._random.random()
        if Failure.REVIVED in struck:
            self._at(began / 4, "withdraws too early", ticket, self._withdraw)
        if Failure.WITHDRAWN in struck:
            self._at(before, "withdraws the", ticket, self._withdraw)
        if Failure.TERMINATED in struck:
            self._at(before, "terminates the", ticket, self._terminate)
        if Failure.SUSPENDED in struck:
            self._at(before, "suspends the", ticket, lambda one: acting.suspend(self.ledger, one, _approver(one)))
        if Failure.FOREIGN in struck:
            self._at(struck[Failure.FOREIGN], "duplicates the number of", ticket, self._double)
        if Failure.JAMMED in struck:
            self._at(before, "jams the", ticket, self._jam)
        self._plan_decision(ticket, decides + struck.get(Failure.IGNORED, 0.0), approved=Failure.REJECTED not in struck)

    def _plan_decision(self, ticket: Ticket, delay: float, *, approved: bool) -> None:
        def decide() -> None:
            if ticket.stuck or (ticket.ended and not ticket.step_running):
                return
            if not ticket.step_running:
                self._plan_decision(ticket, _PATIENCE, approved=approved)
                return
            what = "approves the" if approved else "rejects the"
            self._act(
                what, ticket, lambda one: acting.decide(self.ledger, one, _approver(one), approved=approved, remark="")
            )

        self._scheduler.call(delay, decide)

    def _at(self, delay: float, what: str, ticket: Ticket, act: Callable[[Ticket], object]) -> None:
        self._scheduler.call(delay, lambda: self._act(what, ticket, act))

    def _act(self, what: str, ticket: Ticket, act: Callable[[Ticket], object]) -> None:
        self.catch_up()
        try:
            act(ticket)
        except Refusal as refusal:
            self._timeline.note("person", f"{what} ticket {ticket.sn}: refused, {refusal.message}")
        else:
            self._timeline.note("person", f"{what} ticket {ticket.sn}")
        self.catch_up()

    def _withdraw(self, ticket: Ticket) -> None:
        for outgoing in acting.withdraw(self.ledger, ticket, ticket.draft.creator):
            self._send(outgoing)

    def _terminate(self, ticket: Ticket) -> None:
        for outgoing in acting.terminate(self.ledger, ticket, _approver(ticket)):
            self._send(outgoing)

    def _double(self, ticket: Ticket) -> None:
        self.ledger.duplicate(ticket, title="somebody else's", creator="mallory")

    def _jam(self, ticket: Ticket) -> None:
        if ticket.step_running:
            acting.jam(self.ledger, ticket, _approver(ticket))
            self._jammed.append(ticket)

    # ---------------------------------------------------------------- callbacks

    def catch_up(self) -> None:
        """Run the due events of the ledger, send the callbacks, and schedule the next call of this method."""
        for outgoing in self.gateway.run_due():
            self._send(outgoing)
        following = self.ledger.schedule.next_due()
        if following is not None and (self._planned is None or following < self._planned):
            self._planned = following
            self._scheduler.call((following - self.ledger.now()).total_seconds(), self._come_again)

    def _come_again(self) -> None:
        self._planned = None
        self.catch_up()

    def _send(self, outgoing: Outgoing) -> None:
        struck = self._struck.at("callback")
        if Failure.CALLBACK_LOST in struck:
            self.ledger.record_delivery(outgoing, CallbackOutcome.LOST)
            return
        if Failure.CALLBACK_REFUSED in struck:
            self.ledger.record_delivery(outgoing, CallbackOutcome.FAILED)
            return
        soon = self._random.random()
        self._deliver(soon + struck.get(Failure.CALLBACK_LATE, 0.0), lambda receive: self._hand_over(outgoing, receive))
        if Failure.CALLBACK_DOUBLED in struck:
            again = soon + struck[Failure.CALLBACK_DOUBLED]
            self._deliver(again, lambda receive: receive(**as_request(outgoing)))

    def _hand_over(self, outgoing: Outgoing, receive: Callable[..., CallbackResponse]) -> None:
        self._note(f"calls back about {outgoing.sn}: {outgoing.body['current_status']}")
        try:
            taken = self.gateway.hand_over(outgoing, receive)
        except BaseException:  # the process crashed, so the connection broke
            self.ledger.record_delivery(outgoing, CallbackOutcome.FAILED)
            raise
        if not taken:
            self._note(f"could not deliver the callback about {outgoing.sn}")

    def _plan_callbacks(self, ticket: Ticket, struck: Mapping[Failure, float]) -> None:
        """Schedule the callbacks that the ticket system would never send."""
        if not ticket.callback_url:
            return
        if Failure.EARLY_CALLBACK in struck:
            self._send(self.ledger.compose(ticket)[0])
        if Failure.LYING_CALLBACK in struck:
            self._plan_lie(ticket, struck[Failure.LYING_CALLBACK], forged=False)
        if Failure.FORGED_CALLBACK in struck:
            self._plan_lie(ticket, struck[Failure.FORGED_CALLBACK], forged=True)

    def _plan_lie(self, ticket: Ticket, delay: float, *, forged: bool) -> None:
        outgoing = self.ledger.compose(ticket)[0]
        self.ledger.record_delivery(outgoing, CallbackOutcome.DELIVERED, note="made up")
        request = as_request(outgoing)
        said = {**outgoing.body, "current_status": "FINISHED", "approve_result": True, "last_approver": "mallory"}
        body = json.dumps({**said, "updated_by": "mallory"} if forged else said).encode()
        headers = {name: value[::-1] for name, value in request["headers"].items()} if forged else request["headers"]

        def lie(receive: Callable[..., CallbackResponse]) -> None:
            answer = receive(method="POST", path=request["path"], headers=headers, body=body)
            if forged:
                self.forged.append(Forged(what="another credential", status=answer.status, body=body))

        self._deliver(delay, lie)

    def _note(self, what: str) -> None:
        self._timeline.note(_WHO, what)


def _approver(ticket: Ticket) -> str:
    return ticket.draft.approvers[0]
