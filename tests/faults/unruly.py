"""Effects that misbehave: they raise, hang past their lease, end the process, or call the workflow."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from itsm_workflow import Effect, Policy, State
from itsm_workflow.audit import Delivery
from itsm_workflow.errors import ItsmWorkflowError
from tests.support.world import World

if TYPE_CHECKING:
    from itsm_workflow import Workflow
    from itsm_workflow.runtime.effects import EffectCall

LEASE = 301.0
"""The seconds after which another worker takes over a delivery that has not ended."""

ENDINGS = (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError)


class UnrulyWorld(World):
    """A world whose effect misbehaves by a seed a number of times.

    Attributes:
        calls: The effect id and the attempt of every delivery that was started.
    """

    def __init__(self, seed: int, *, misbehaves: int) -> None:
        super().__init__(seed)
        self._chance = Random(seed)
        self._left = misbehaves
        self._inside = False
        self.calls: list[tuple[str, int]] = []
        self.seen: set[str] = set()

    def unruly(self) -> Workflow:
        """Open a workflow with that effect."""
        return self.workflow(effects={State.APPROVED: [Effect("start", self._misbehave)]}, policy=Policy())

    def _misbehave(self, call: EffectCall) -> None:
        self.calls.append((call.id, call.attempt))
        if self._left > 0 and not self._inside:
            self._left -= 1
            act = self._chance.choice([self._raise, self._end, self._come_back, self._return_late])
            self.seen.add(act.__name__)
            act(call)
        self.deliveries.append(Delivery(effect=call.id, name=call.name, change=call.change.id))

    def _raise(self, call: EffectCall) -> None:
        raise self._chance.choice([ValueError, OSError, RecursionError, StopIteration, ItsmWorkflowError])("no")

    def _end(self, call: EffectCall) -> None:
        raise self._chance.choice(ENDINGS)

    def _come_back(self, call: EffectCall) -> None:
        """Call the workflow from inside the effect in every way that a host might."""
        inner = self.unruly()
        for act in (
            lambda: inner.settle(call.change.id),
            inner.reconcile,
            lambda: inner.history(call.change.id),
            lambda: inner.retry_effect(call.change.id, call.id, actor="ops"),
            lambda: self.knock(inner, call.change),
        ):
            try:
                act()
            except ItsmWorkflowError:
                continue  # the refusal is expected

    def _return_late(self, call: EffectCall) -> None:
        """Hang until another worker has taken over, and then return."""
        self.clock.advance(LEASE)
        self._inside = True
        try:
            self.unruly().reconcile()
        finally:
            self._inside = False
