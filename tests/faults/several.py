"""Processes that have some, all or none of a workflow's effects, with different leases, on one store."""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import TYPE_CHECKING

import attrs

from itsm_workflow import COLLECTOR_CHANGE, Effect, Policy, State
from tests.support.world import World

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow import ChangeRequest, EffectCall, Workflow

NAMES: Mapping[enum.StrEnum, tuple[str, ...]] = {State.PENDING: ("announce",), State.APPROVED: ("start", "tell")}
DEFINITION = attrs.evolve(COLLECTOR_CHANGE, effects=NAMES)
ROLES: Sequence[tuple[tuple[str, ...], int]] = (((), 60), (("announce",), 3600), (("start", "tell"), 10), ((), 7200))
"""For each process the effects for which it has functions, and its lease of a delivery in seconds."""


class SeveralWorld(World):
    """Three changes, and several processes that act on them at random.

    Attributes:
        calls: The name and id of the effect of each delivery that succeeded.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.chance = Random(seed)
        self.calls: list[tuple[str, str]] = []
        self._approved: set[int] = set()
        self.workflows = [self._process(*role) for role in ROLES]
        self.changes = [self.apply(self._any(), f"collector-{number}") for number in range(3)]
        self.start_flow()

    def go_on(self) -> None:
        """Run one random act on one of the changes, and advance the clock."""
        change, workflow = self.chance.choice(self.changes), self._any()
        acts: list[Callable[[], object]] = [
            lambda: self.approve(change),
            lambda: self.knock(workflow, change, updated_by=str(self.chance.random())),
            lambda: workflow.reconcile(limit=self.chance.choice([None, 1])),
            lambda: workflow.settle(change.id),
        ]
        self.chance.choice(acts)()
        self.clock.advance(self.chance.choice([0.1, 5, 61, 400, 4000]))

    def approve(self, change: ChangeRequest) -> None:
        """Approve a change's ticket, unless it is approved already."""
        ticket = self.ticket_of(change)
        if ticket.id not in self._approved:
            self._approved.add(ticket.id)
            self.decide(ticket, approved=True)

    def run_down(self) -> None:
        """Approve every ticket, and let each process reconcile until nothing is due."""
        for change in self.changes:
            self.approve(change)
        for _ in range(60):
            self.clock.advance(3700)
            for workflow in self.workflows:
                workflow.reconcile()

    def _any(self) -> Workflow:
        return self.chance.choice(self.workflows)

    def _process(self, has: Sequence[str], lease: int) -> Workflow:
        return self.workflow(
            definition=DEFINITION,
            effects={
                state: [Effect(name, self._work) for name in names if name in has] for state, names in NAMES.items()
            },
            policy=Policy(effect_lease=dt.timedelta(seconds=lease), effect_attempts=100),
            after_callback=self.chance.choice(["inline", "later"]),
        )

    def _work(self, call: EffectCall) -> None:
        if self.chance.random() < 0.3:
            raise ConnectionError("not yet")
        self.calls.append((call.name, call.id))
