"""A world whose wall clock is turned while the ticket system's goes on, and one whose tickets are born late."""

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
    """Our clock; what somebody does to it, the ticket system's own does not notice."""

    def __init__(self) -> None:
        super().__init__()
        self.server = ManualClock()

    def advance(self, seconds: float) -> None:
        """Let time pass, here and there."""
        super().advance(seconds)
        self.server.advance(seconds)

    def mend(self) -> None:
        """Set our clock right again."""
        self.set_wall(self.server.peek())


class FatedGateway(LedgerGateway):
    """Loses answers, or cannot send, as it is told; and lets something happen while a create is under way."""

    fate = "answered"
    sent = 0

    def meanwhile(self) -> None:
        """Happen while a create is under way; nothing unless replaced."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """File a ticket, or not, and tell of it, or not."""
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
    """A world with a clock that is turned."""

    clock: TurnedClock
    gateway: FatedGateway

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.clock = TurnedClock()
        self.ledger = Ledger(clock=self.clock.server.peek, random=Random(seed))
        self.gateway = FatedGateway(self.ledger, clock=self.clock)


class LateGateway(LedgerGateway):
    """Answers no create, and carries each out after a while."""

    delay: dt.timedelta
    sent = 0

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Take the request, and say nothing of it."""
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
