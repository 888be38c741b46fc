"""The executor, which moves every change: plan a question, commit the claim, ask the gateway, decide, fire, commit."""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Self

from itsm_workflow import settle
from itsm_workflow.change import WITHDRAW, AttentionReason
from itsm_workflow.errors import GatewayProtocolError, StorageConflict, TransitionRefused
from itsm_workflow.gateway.protocol import NotSent
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.due import next_due
from itsm_workflow.runtime.courier import Courier
from itsm_workflow.runtime.journal import GATEWAY, WORKER
from itsm_workflow.runtime.transact import transact
from itsm_workflow.settle import Deliver, LookupAnswer, Plan, Read, ReadAnswer, Send, Step, Sweep
from itsm_workflow.storage.protocol import ConflictKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from itsm_workflow.budget import Budget
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.runtime.effects import EffectRegistry
    from itsm_workflow.runtime.gateway_calls import GatewayCalls
    from itsm_workflow.runtime.journal import Journal, Prepared
    from itsm_workflow.runtime.observers import Observers
    from itsm_workflow.runtime.pass_time import PassTime
    from itsm_workflow.settle import Answer, Leave, Question
    from itsm_workflow.storage.codec import Stored

_ROUNDS = 32


class Executor:
    """Moves changes from state to state.

    Args:
        journal: The changes.
        calls: The calls of the gateway.
        effects: The host's effects.
        observers: Notified of errors that are not raised to a caller.
        owner: The token by which this process recognizes its own sends.
    """

    def __init__(
        self, *, journal: Journal, calls: GatewayCalls, effects: EffectRegistry, observers: Observers, owner: str
    ) -> None:
        self._journal = journal
        self._effects = effects
        self._observers = observers
        self.calls = calls
        self.owner = owner

    def within(self, budget: Budget) -> Self:
        """Return a copy of this executor with a limit on the total time of its calls of the gateway."""
        bounded = copy.copy(self)
        bounded.calls = self.calls.within(budget)
        return bounded

    def advance(self, change_id: str, *, forced: bool = False) -> Stored:
        """Read a change from the store, and carry out its plans until it is no longer due.

        Args:
            change_id: The change.
            forced: Whether to ask once even if the change is not due.

        Raises:
            ChangeNotFound: The workflow has no change with this id.
            StorageError: The store failed; a claimed change falls due again when its lease ends.
        """
        return self._advance(self._journal.load(change_id), forced=forced)

    def advance_stored(self, stored: Stored, time: PassTime | None = None) -> Stored:
        """Carry out the plans of a change that was just read or stored, until it is no longer due.

        Args:
            stored: The change as it was last read or stored; it is not read again.
            time: The limit for looks; the gateway is not asked any more after the time is over.

        Raises:
            StorageError: As for `advance`.
        """
        return self._advance(stored, time=time)

    def act(self, stored: Stored, plan: Plan, time: PassTime) -> tuple[Stored, bool]:
        """Claim and carry out a send or a delivery, and then every further plan of the change that is due.

        Args:
            stored: The change for which the plan was made.
            plan: A send or a delivery.
            time: As for `advance_stored`.

        Returns:
            The change as stored afterwards, and whether this send or delivery was answered.

        Raises:
            StorageConflict: Another worker moved the change.
            StorageError: As for `advance`.
        """
        since = self._journal.clock.elapsed()
        claimed = self._journal.commit_one(self.prepare_claim(stored, plan))
        after, answered = self.carry_out(claimed, plan.question, since)
        return self._advance(after, forced=_changes_the_ticket(plan), time=time), answered

    def _advance(self, stored: Stored, *, forced: bool = False, time: PassTime | None = None) -> Stored:
        for _ in range(_ROUNDS):
            if (time is not None and time.is_over()) or not (forced or self.is_due(stored)):
                break
            plan = self.plan(stored, forced=forced)
            if not isinstance(plan, Plan):
                break
            since = self._journal.clock.elapsed()
            try:
                claimed = self._journal.commit_one(self.prepare_claim(stored, plan))
            except StorageConflict:
                stored = self._journal.load(stored.change.id)  # another worker moved it, so it may not be due any more
                forced = False
                continue
            stored, _ = self.carry_out(claimed, plan.question, since, time)
            forced = _changes_the_ticket(plan)
        return stored

    def is_due(self, stored: Stored) -> bool:
        """Return whether a change is due now."""
        return stored.due_at is not None and stored.due_at <= self._journal.clock.now()

    def plan(self, stored: Stored, *, forced: bool = False) -> Plan | Leave | None:
        """Return the plan for a change, see `settle.plan`. Neither the store nor the gateway is asked.

        Args:
            stored: The change.
            forced: Whether to ask even if only effects without a function in this process are due.
        """
        journal, due_at = self._journal, None if forced else stored.due_at
        return settle.plan(
            journal.definition,
            stored.change,
            journal.clock.now(),
            journal.policy,
            owner=self.owner,
            knows=self.knows,
            due_at=due_at,
        )

    def knows(self, name: str) -> bool:
        """Return whether this process has a function for the named effect."""
        return self._effects.knows(name)

    def prepare_claim(self, stored: Stored, plan: Plan, *, called_back: bool = False) -> Prepared:
        """Prepare the commit that must be durable before the question is asked.

        Args:
            stored: The change.
            plan: The plan with the question.
            called_back: Whether callbacks arrive, see `next_due`.
        """
        policy, now, question = self._journal.policy, self._journal.clock.now(), plan.question
        if question is None:
            return self._journal.prepare(stored, plan.claim, actor=WORKER)
        if isinstance(question, Deliver):
            ends = now + policy.effect_lease
            start = ev.EffectStart(effect=question.effect, attempt=question.attempt, until=ends, owner=question.owner)
            return self._journal.prepare(stored, [Step(Trigger.START_EFFECT, start)], actor=WORKER)
        until = now + (policy.send_lease if isinstance(question, Send) else policy.read_lease)
        if isinstance(question, Read) and _is_poll(stored, self._journal.definition):
            # A poll that finds nothing new has then written all that it has to write.
            following = next_due(
                self._journal.definition,
                stored.change,
                now,
                policy,
                looked=True,
                called_back=called_back,
                failed=lambda _error: None,
            )
            until = max(until, following or until)
        return self._journal.prepare_claim(stored, plan.claim, until=until, actor=WORKER)

    def prepare_read(self, claimed: Stored, snapshot: ev.Snapshot, *, called_back: bool = False) -> Prepared:
        """Prepare the commit of what a look decides; if another worker wrote first, the look is outdated.

        Args:
            claimed: The change as stored by the claim.
            snapshot: The answer of the gateway.
            called_back: Whether callbacks arrive, see `next_due`.
        """
        self._report_oddities(claimed.change.id, snapshot)
        steps = self._decide(claimed, ReadAnswer(snapshot=snapshot))
        return self._prepare_decided(claimed, steps, called_back=called_back)

    def carry_out(
        self, claimed: Stored, question: Question | None, since: float, time: PassTime | None = None
    ) -> tuple[Stored, bool]:
        """Ask a claimed question or deliver a claimed effect, and commit what the answer decides.

        Args:
            claimed: The change as stored by the claim.
            question: The question; None if nothing is left to do after the claim.
            since: The clock's `elapsed` when the claim was begun.
            time: The limit for a look. A send or a delivery takes the time that it needs.

        Returns:
            The change as stored afterwards, and whether the question was answered.
        """
        if isinstance(question, Send):
            sent = self.calls.send(claimed.change, question, since)
            return self.record(claimed, sent, keep=True), not isinstance(sent.answer, NotSent)
        if isinstance(question, Deliver):
            return Courier(journal=self._journal, calls=self.calls, effects=self._effects).deliver(claimed, question)
        calls = self.calls if time is None else self.calls.within(time.look_budget(since))
        return self.record_look(claimed, question, calls.look(claimed.change, question), time)

    def record_look(
        self,
        claimed: Stored,
        question: Question | None,
        answers: Sequence[ReadAnswer | LookupAnswer],
        time: PassTime | None = None,
    ) -> tuple[Stored, bool]:
        """Commit what the answers to a look decide; return the change then, and whether every question was answered."""
        stored, policy = claimed, self._journal.policy
        answered = all(_answered(answer) for answer in answers)
        if not answered and time is not None and time.is_over():
            # The end of the pass interrupted the look, so it does not count as one of the scheduled look-ups.
            return self._postpone(stored, policy.soon), False
        for answer in answers:
            stored = self.record(stored, answer, keep=False)
        if isinstance(question, Sweep) and not answered:
            # The callback that made the ended change due is not dealt with until a look succeeds.
            stored = self._postpone(stored, policy.poll)
        return stored, answered

    def _postpone(self, stored: Stored, wait: dt.timedelta) -> Stored:
        """Commit that a change is due after a wait, unless another worker moved it."""
        until = self._journal.clock.now() + wait
        with contextlib.suppress(StorageConflict):
            return self._journal.commit_one(self._journal.prepare_claim(stored, (), until=until, actor=WORKER))
        return stored

    def record(self, claimed: Stored, answer: Answer, *, keep: bool) -> Stored:
        """Commit what an answer decides.

        Args:
            claimed: The change as stored by the claim.
            answer: The answer.
            keep: Whether to decide again if another worker wrote first; otherwise the outdated answer is dropped.
        """
        journal = self._journal
        if isinstance(answer, ReadAnswer) and answer.snapshot is not None:
            self._report_oddities(claimed.change.id, answer.snapshot)

        steps: Sequence[Step] = ()

        def build(stored: Stored) -> Prepared:
            nonlocal steps
            steps = self._decide(stored, answer)
            return self._prepare_decided(stored, steps)

        try:
            if keep:
                return transact(journal, claimed.change.id, build, read=claimed)
            return journal.commit_one(build(claimed))
        except StorageConflict as conflict:
            stored = journal.load(claimed.change.id)
            if conflict.kind == ConflictKind.TICKET:
                return self._raise_duplicate(stored, steps)
            if keep:
                raise
            return stored

    def _decide(self, stored: Stored, answer: Answer) -> Sequence[Step]:
        journal, name = self._journal, self.calls.gateway.name
        return settle.decide(
            journal.definition, stored.change, answer, journal.clock.now(), journal.policy, gateway=name
        )

    def _prepare_decided(self, stored: Stored, steps: Sequence[Step], *, called_back: bool = False) -> Prepared:
        """Prepare the decided steps, or attention if the machine refuses them: the change would wait forever."""
        journal = self._journal
        # A ticket that was bound just now has not been read, so an earlier callback still needs a look.
        looked = all(step.trigger != Trigger.RECORD_TICKET for step in steps)
        try:
            return journal.prepare(stored, steps, actor=GATEWAY, looked=looked, called_back=called_back)
        except TransitionRefused as refused:
            self._observers.on_trouble(stored.change.id, refused)
            facts = {"trigger": refused.trigger, "reason": refused.reason}
        concern = ev.Concern(reason=AttentionReason.DECISION_REFUSED, facts=facts)
        return journal.prepare(stored, [Step(Trigger.RAISE_ATTENTION, concern)], actor=WORKER, looked=True)

    def _report_oddities(self, change_id: str, snapshot: ev.Snapshot) -> None:
        """Notify observers of an unknown status and of an inconclusive look, regardless of the decision."""
        unknown = f"has the status {snapshot.word!r}, which is not known: it counts as open"
        oddities = [unknown if snapshot.status is ev.TicketStatus.OTHER else "", snapshot.inconclusive]
        for problem in filter(None, oddities):
            message = f"ticket {snapshot.ticket_id}: {problem}"
            self._observers.on_trouble(change_id, GatewayProtocolError(message, endpoint="read"))

    def _raise_duplicate(self, stored: Stored, steps: Sequence[Step]) -> Stored:
        found = next((step.evidence for step in steps if isinstance(step.evidence, ev.TicketConfirmed)), None)
        ticket = {"ticket": found.id, "sn": found.sn} if found else {}
        concern = ev.Concern(reason=AttentionReason.DUPLICATE, facts={**ticket, "held_by": "another change"})
        raised = [Step(Trigger.RAISE_ATTENTION, concern)]
        return self._journal.commit_one(self._journal.prepare(stored, raised, actor=WORKER, looked=True))


def _is_poll(stored: Stored, definition: WorkflowDefinition) -> bool:
    """Return whether a look follows the last one at its usual distance: no callback and no suspicion asks for it."""
    change, due_at = stored.change, stored.due_at
    hinted = change.heard is not None and (due_at is None or due_at <= change.heard.at)
    return definition.is_waiting(change.state) and change.suspicion is None and not hinted


def _changes_the_ticket(plan: Plan) -> bool:
    """Return whether the ticket must be looked at after the plan; after other plans the due time decides."""
    return isinstance(plan.question, Deliver) and plan.question.name == WITHDRAW


def _answered(answer: ReadAnswer | LookupAnswer) -> bool:
    return (answer.snapshot if isinstance(answer, ReadAnswer) else answer.found) is not None
