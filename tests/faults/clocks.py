"""A world whose wall clock is set while the ticket system's clock runs on, and gateways whose creates are late."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from itsm_workflow.gateway.protocol import NotSent, Unknown
from itsm_workflow.sandbox.ledger import Ledger
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support.world import World

if TYPE_CHECKING:
    import datetime as dt

    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest


class TurnedClock(ManualClock):
    """The process's clock, which is set without an effect on the ticket system's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.server = ManualClock()

    def advance(self, seconds: float) -> None:
        """Advance both clocks."""
        super().advance(seconds)
        self.server.advance(seconds)

    def mend(self) -> None:
        """Set the process's clock to the ticket system's time."""
        self.set_wall(self.server.peek())


class FatedGateway(LedgerGateway):
    """A gateway that loses answers or cannot send, by its fate, with a hook while a create is in progress."""

    fate = "answered"
    sent = 0

    def meanwhile(self) -> None:
        """Do nothing; a test replaces it to interfere while a create is in progress."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """File a ticket or lose the request, and return or lose the answer, by the fate."""
        self.meanwhile()
        if self.fate == "unsent":
            self.fate = "answered"
            return NotSent(problem="no route")
        self.sent += 1
        if self.fate == "swallowed":
            return Unknown(problem="it was lost on its way")
        answer = super().create(request)
        return Unknown(problem="the answer was lost") if self.fate == "lost" else answer


class TurnedWorld(World):
    """A world with a clock that can be set."""

    clock: TurnedClock
    gateway: FatedGateway

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.clock = TurnedClock()
        self.ledger = Ledger(clock=self.clock.server.peek, random=Random(seed))
        self.gateway = FatedGateway(self.ledger, clock=self.clock)


class LateGateway(LedgerGateway):
    """A gateway that answers no create, and carries each out after a delay."""

    delay: dt.timedelta
    sent = 0

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Store the request for later, and return no answer."""
        self.sent += 1
        self._unborn = [*self._waiting, (self.ledger.now() + self.delay, request)]
        return Unknown(problem="no answer")

    _unborn: list[tuple[dt.datetime, CreateRequest]] | None = None

    @property
    def _waiting(self) -> list[tuple[dt.datetime, CreateRequest]]:
        return self._unborn or []

    def _catch_up(self, endpoint: str) -> None:
        due = [request for moment, request in self._waiting if moment <= self.ledger.now()]
        self._unborn = [one for one in self._waiting if one[0] > self.ledger.now()]
        for request in due:
            super().create(request)
        super()._catch_up(endpoint)
