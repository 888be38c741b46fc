"""The ticket system of a run with a gateway of the author's own: the author's model, and the people who decide."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from itsm_workflow.gateway.protocol import Created
from itsm_workflow.machine.evidence import ENDED
from itsm_workflow.testing.manual_clock import START
from itsm_workflow.testing.simulation.faults import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.audit import Forged
    from itsm_workflow.change import Attempt
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest
    from itsm_workflow.testing.gateway_conformance import TicketSystem
    from itsm_workflow.testing.manual_clock import ManualClock
    from itsm_workflow.testing.simulation.faults import Struck
    from itsm_workflow.testing.simulation.scheduler import Scheduler
    from itsm_workflow.testing.simulation.timeline import Timeline

_SOONEST, _LATEST = 5.0, 4 * 3600.0  # seconds until an approver decides


class OtherSystem:
    """A model that the author of a gateway wrote, with people who approve and reject its tickets.

    It sends no callbacks: the workflow finds every decision by its own looks.

    Args:
        seed: Determines the times of people's acts.
        make: Makes the model; takes the source of its time.
        clock: The clock of the run.
        scheduler: Lets things happen later.
        struck: Returns the faults that strike.
        timeline: Records events.
    """

    def __init__(
        self,
        seed: int,
        *,
        make: Callable[[Callable[[], dt.datetime]], TicketSystem],
        clock: ManualClock,
        scheduler: Scheduler,
        struck: Struck,
        timeline: Timeline,
    ) -> None:
        self._scheduler = scheduler
        self._struck = struck
        self._timeline = timeline
        self._random = Random(f"{seed}/persons")  # noqa: S311 - repeatable, not secret
        # The ticket system has its own clock, which no fault sets.
        self.ledger = make(lambda: START + dt.timedelta(seconds=clock.elapsed()))
        self.gateway = self.ledger.gateway(self.ledger.url)
        self.sends: Counter[tuple[str, int]] = Counter()
        self.forged: list[Forged] = []

    def count_send(self, attempt: Attempt) -> None:
        """Count a request that may have left, by key and number."""
        self.sends[attempt.key, attempt.number] += 1

    def create_later(self, request: CreateRequest, seconds: float) -> None:
        """File a ticket whose request is still on its way."""
        self._scheduler.call(seconds, lambda: self._note(f"files a late request: {self.create(request)}"))

    def create(self, request: CreateRequest) -> CreateAnswer:
        """File a ticket, and schedule the decision of its approver."""
        struck = self._struck.at("ticket")
        answer = self.gateway.create(request)
        if isinstance(answer, Created):
            ticket_id, approver = answer.id, next(iter(request.form.approvers), "an approver")
            decides = math.exp(self._random.uniform(math.log(_SOONEST), math.log(_LATEST)))
            delay = decides + struck.get(Failure.IGNORED, 0.0)
            approved = Failure.REJECTED not in struck
            self._scheduler.call(delay, lambda: self._decide(ticket_id, approver, approved=approved))
        return answer

    def catch_up(self) -> None:
        """Do nothing: the model has no events of its own."""

    def free_the_jammed(self) -> None:
        """Do nothing: no ticket of the model is ever stuck."""

    def close(self) -> None:
        """Stop the model."""
        self.ledger.close()

    def _decide(self, ticket_id: str, approver: str, *, approved: bool) -> None:
        if not any(str(one.id) == ticket_id and one.current_status not in ENDED for one in self.ledger.records()):
            return  # it was withdrawn in the meantime
        (self.ledger.approve if approved else self.ledger.reject)(ticket_id, approver)
        self._timeline.note("person", f"{'approves' if approved else 'rejects'} ticket {ticket_id}")

    def _note(self, what: str) -> None:
        self._timeline.note(self.gateway.name, what)
