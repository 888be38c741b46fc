"""A world whose wall clock is set while the ticket system's clock runs on."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from itsm_workflow.sandbox.ledger import Ledger
from itsm_workflow.testing.gateway_faults import GatewayFaults
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support.world import World

if TYPE_CHECKING:
    import datetime as dt


class TurnedClock(ManualClock):
    """The process's clock, which is set without an effect on the ticket system's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.server = ManualClock()

    def advance(self, seconds: float | dt.timedelta) -> None:
        """Advance both clocks."""
        super().advance(seconds)
        self.server.advance(seconds)

    def mend(self) -> None:
        """Set the process's clock to the ticket system's time."""
        self.set_wall(self.server.peek())


class TurnedWorld(World):
    """A world with a clock that can be set."""

    clock: TurnedClock

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.clock = TurnedClock()
        self.ledger = Ledger(clock=self.clock.server.peek, random=Random(seed))
        self.faults = GatewayFaults(clock=self.clock)
        self.gateway = self.faults.wrap(LedgerGateway(self.ledger, clock=self.clock))
