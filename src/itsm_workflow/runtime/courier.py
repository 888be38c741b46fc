"""The delivery of one claimed effect: run it, and store the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import WITHDRAW
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.runtime.effects import EffectCall
from itsm_workflow.runtime.journal import WORKER
from itsm_workflow.runtime.transact import transact
from itsm_workflow.settle import Step
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from itsm_workflow.runtime.effects import EffectRegistry
    from itsm_workflow.runtime.gateway_calls import GatewayCalls
    from itsm_workflow.runtime.journal import Journal
    from itsm_workflow.settle import Deliver
    from itsm_workflow.storage.codec import Stored


@attrs.frozen(kw_only=True)
class Courier:
    """Delivers effects.

    Attributes:
        journal: The changes.
        calls: The calls of the gateway, which withdraw tickets: that is the library's own effect.
        effects: The functions of this process.
    """

    journal: Journal
    calls: GatewayCalls
    effects: EffectRegistry

    def deliver(self, claimed: Stored, question: Deliver) -> tuple[Stored, bool]:
        """Deliver the effect that a claim names.

        Returns:
            The change as stored afterwards, and whether the work was done.
        """
        change, effect = claimed.change, claimed.change.expect_effect(question.effect)
        result = ev.EffectResult(effect=effect.id, attempt=effect.attempts)
        if effect.name == WITHDRAW:
            result = self.calls.withdraw(change, result, effect.actor)
        else:
            call = EffectCall(id=effect.id, name=effect.name, attempt=result.attempt, change=change, actor=effect.actor)
            try:
                error = self.effects.deliver(call)
            except BaseException as stop:  # the process is being stopped; the delivery counts as failed
                self._record(claimed, attrs.evolve(result, error=describe(stop)))
                raise
            result = attrs.evolve(result, error=error)
        return self._record(claimed, result), not result.error or result.withdrawal is ev.Withdrawal.NOT_YET

    def _record(self, claimed: Stored, result: ev.EffectResult) -> Stored:
        journal, step = self.journal, Step(Trigger.FAIL_EFFECT if result.error else Trigger.DELIVER_EFFECT, result)
        change_id = claimed.change.id
        try:
            return transact(
                journal, change_id, lambda stored: journal.prepare(stored, [step], actor=WORKER), read=claimed
            )
        except TransitionRefused:
            return journal.load(change_id)  # our claim expired, and another worker took over and recorded its delivery
