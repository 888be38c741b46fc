"""The library's own steps between two pieces of I/O, all taken at one moment."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from itsm_workflow.callbacks.addresses import CallbackAddresses
from itsm_workflow.change import Form
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.runtime.effects import Effect, EffectRegistry
from itsm_workflow.runtime.executor import Executor
from itsm_workflow.runtime.gateway_calls import GatewayCalls
from itsm_workflow.runtime.journal import WORKER
from itsm_workflow.runtime.records import Records
from itsm_workflow.settle import Plan, Step
from itsm_workflow.testing.exploration.itsm import CREATOR, GATEWAY, KEY
from itsm_workflow.testing.exploration.still import Silence, StillJournal
from itsm_workflow.testing.exploration.ticks import OVERTAKEN_BY
from itsm_workflow.testing.exploration.world import PutOff

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy
    from itsm_workflow.runtime.journal import Prepared
    from itsm_workflow.settle import Answer
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.testing.exploration.itsm import Message
    from itsm_workflow.testing.exploration.still import SubjectRow

SUBJECT = "subject"
"""The subject of every change."""

FORM, REVISED = (Form(title=title, applicant=CREATOR) for title in ("a change", "a change, revised"))


class _Named:
    """The gateway, used only for its name; its answers are steps of the explored world."""

    def __init__(self) -> None:
        self.name = GATEWAY


class Library:
    """The library's steps without I/O. Override one to see whether the walk finds a defect in it.

    Args:
        definition: The workflow.
        policy: All waits.
        effects: The names of the effects that entering a state plans, by state.

    Attributes:
        change_id: The id of the change.
        key: The key of its first submission.
        gateway: The gateway, whose ``name`` is stored with each ticket.
    """

    change_id = "change"
    key = KEY

    def __init__(self, definition: WorkflowDefinition, policy: Policy, effects: Mapping[str, Sequence[str]]) -> None:
        registry = EffectRegistry(
            definition, {state: [Effect(name, _never) for name in names] for state, names in effects.items()}
        )
        self.journal = StillJournal(definition, policy, effects)
        self.gateway = _Named()
        self._executor = Executor(
            journal=self.journal,
            calls=GatewayCalls(
                journal=self.journal,
                gateway=self.gateway,  # type: ignore[arg-type] # see there
                addresses=CallbackAddresses(None),
                observers=Silence(),
                deadline=dt.timedelta(),
            ),
            effects=registry,
            observers=Silence(),
            owner="",
        )

    def store_accepts(self, *, stale: bool) -> bool:
        """Return whether the store accepts a write, ``stale`` if another write followed the read of its base."""
        return not stale

    def one_change_is_open(self) -> bool:
        """Return whether the store refuses a second open change of a subject."""
        return True

    def apply(self, key: str, owner: str, number: int = OVERTAKEN_BY) -> Prepared:
        """Prepare the commit with which `Workflow.apply` begins, with the submission number that it has read."""
        return self.journal.prepare_draft(
            change_id=self.change_id, subject=SUBJECT, form=FORM, actor=CREATOR, steps=_submission(key, owner, number)
        )

    def apply_again(self, key: str, owner: str, number: int = OVERTAKEN_BY) -> tuple[Step, ...]:
        """Return the triggers that `Workflow.apply` fires on a draft."""
        return Step(Trigger.REVISE, ev.Drafted(form=REVISED)), *_submission(key, owner, number)

    def gate(self, changes: Sequence[SubjectRow]) -> str | None:
        """Return the id of the change by which the gate of the subject is open, see `Workflow.require_approved`."""
        self.journal.others = tuple(changes)
        newest = Records(self.journal).newest(SUBJECT)
        return newest.id if newest is not None and self.journal.definition.is_granting(newest.state) else None

    def is_due(self, stored: Stored) -> bool:
        """Return whether a change is due, see `Executor.is_due`."""
        return self._executor.is_due(stored)

    def plan(self, stored: Stored, owner: str) -> Plan | None:
        """Return the question about a change, see `Executor.plan`."""
        self._executor.owner = owner
        planned = self._executor.plan(stored)
        return planned if isinstance(planned, Plan) else None  # every effect has a function, so nothing is left

    def claim(self, stored: Stored, plan: Plan) -> Prepared | None:
        """Prepare the claim of a question, see `Executor.prepare_claim`; None if the machine refuses it."""
        try:
            return self._executor.prepare_claim(stored, plan)
        except TransitionRefused:
            return None

    def record(self, stored: Stored, answer: Answer | Step | PutOff, *, keep: bool) -> Prepared | None:
        """Prepare the commit of an answer, see `Executor.record`; None if there is nothing to write.

        Args:
            stored: The change.
            answer: The gateway's answer, the result of a delivery, or the postponement after a failed late look.
            keep: See `Executor.record`.
        """
        if isinstance(answer, PutOff):
            journal = self.journal
            return journal.prepare_claim(stored, (), until=journal.clock.now() + journal.policy.poll, actor=WORKER)
        if isinstance(answer, Step):
            return self.fire(stored, (answer,), actor=WORKER)
        self.journal.prepared = None
        self._executor.record(stored, answer, keep=keep)
        return self.journal.prepared

    def hear(self, stored: Stored, message: Message) -> tuple[Prepared | None, bool]:
        """Prepare the commit of an authentic callback; None if it adds nothing.

        Returns:
            The commit, and whether the callback is answered with success.
        """
        heard = ev.CallbackHeard(sn=message.sn, digest=digest_of(message), number=message.number)
        try:
            prepared = self.journal.prepare(stored, (Step(Trigger.RECEIVE_CALLBACK, heard),), actor="callback")
        except TransitionRefused as refused:
            return None, refused.state == self.journal.definition.initial
        return (prepared if prepared.is_news else None), True

    def undelivered(self, stored: Stored) -> Prepared | None:
        """Prepare the commit of a pass for a change whose number is on the gateway's list of undelivered callbacks."""
        if not self.journal.definition.is_waiting(stored.change.state):
            return None
        undelivered = ev.Undelivered(sn=stored.change.sn or "")
        return self.fire(stored, (Step(Trigger.FAIL_CALLBACK, undelivered),), actor="gateway")

    def fire(self, stored: Stored, steps: Sequence[Step], *, actor: str) -> Prepared | None:
        """Prepare the firing of triggers; None if the machine refuses them, or if they add nothing."""
        try:
            prepared = self.journal.prepare(stored, steps, actor=actor)
        except TransitionRefused:
            return None
        return prepared if prepared.is_news else None

    def rest(self, stored: Stored) -> Prepared | None:
        """Prepare the commit of a pass for a due change without a question: it moves the due time."""
        prepared = self.journal.prepare(stored, (), actor="reconciler", looked=True)
        return prepared if prepared.is_news else None

    def runs_before_commit(self, prepared: Prepared) -> tuple[str, ...]:
        """Return the effects that run while a write is only prepared: none."""
        _ = prepared
        return ()


def digest_of(message: Message) -> str:
    """Return the digest by which a repeat of a callback is recognised."""
    return f"{message.sn} {message.status} {message.approved} {message.forged} {message.mark}"


def _submission(key: str, owner: str, number: int) -> tuple[Step, ...]:
    submission = ev.Submission(key=key, creator=CREATOR, service="1", owner=owner, number=number)
    return Step(Trigger.SUBMIT, submission), Step(Trigger.MARK_SENDING, ev.AttemptMark(number=1, owner=owner))


def _never(_call: object) -> None:
    """Stand in for a host's work, which is a step of the explored world."""
