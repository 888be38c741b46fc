"""The loop that moves every change: plan a question, commit the claim, ask the gateway, decide, fire, commit."""

from __future__ import annotations

import contextlib
import copy
from functools import partial
from typing import TYPE_CHECKING, Self

from itsm_workflow import settle
from itsm_workflow.change import WITHDRAW, AttentionReason
from itsm_workflow.errors import (
    GatewayError,
    GatewayMistake,
    GatewayProtocolError,
    SettingsError,
    StorageConflict,
    TransitionRefused,
    describe,
)
from itsm_workflow.gateway.asking import asked, bounded, created, read_ticket, time_of
from itsm_workflow.gateway.checked import any_host, checked_found
from itsm_workflow.gateway.protocol import CreateRequest, NotSent, Refused, SentTicket, Unknown
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.runtime.courier import WORKER, Courier, error_of_another_gateway
from itsm_workflow.runtime.transact import transact
from itsm_workflow.settle import Deliver, Lookup, LookupAnswer, Plan, Read, ReadAnswer, Send, SendAnswer, Step, Sweep
from itsm_workflow.storage.protocol import ConflictKind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from itsm_workflow.budget import Budget
    from itsm_workflow.change import Attempt, ChangeRequest, Moment, Ticket
    from itsm_workflow.gateway.checked import PageRule
    from itsm_workflow.gateway.protocol import CreateAnswer, FoundTicket, TicketGateway
    from itsm_workflow.runtime.effects import EffectRegistry
    from itsm_workflow.runtime.journal import Journal, Prepared
    from itsm_workflow.runtime.observers import Observers
    from itsm_workflow.runtime.pass_time import PassTime
    from itsm_workflow.secrets import Secret
    from itsm_workflow.settle import Answer, Question
    from itsm_workflow.storage.codec import Stored

GATEWAY = "gateway"
"""The actor of entries that the gateway's answers decide."""

_ROUNDS = 32


class Executor:
    """Moves changes from state to state.

    Args:
        journal: The changes.
        gateway: The gateway to ask. It reports facts, and the machine decides.
        effects: The host's effects.
        observers: Notified of errors that the loop handled.
        address: A function that returns the callback URL and headers for a change's attempt.
        deadline: The time that one call of the gateway may take.
        owner: The token by which this process recognizes its own sends.
        shows: A function that decides which hosts' ticket pages may be shown.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        gateway: TicketGateway,
        effects: EffectRegistry,
        observers: Observers,
        address: Callable[[str, int], tuple[Secret | None, dict[str, Secret]]],
        deadline: dt.timedelta,
        owner: str,
        shows: PageRule = any_host,
    ) -> None:
        self._journal = journal
        self._gateway = gateway
        self._effects = effects
        self._observers = observers
        self._address = address
        self._deadline = deadline
        self._shows = shows
        self._budget: Budget | None = None
        self.owner = owner

    def within(self, budget: Budget) -> Self:
        """Return a copy of this loop with a limit on the total time of its calls of the gateway."""
        bounded = copy.copy(self)
        bounded._spend(budget)  # noqa: SLF001 - a copy of the same class
        return bounded

    def _spend(self, budget: Budget) -> None:
        self._budget = budget
        self._gateway = bounded(self._gateway, budget, partial(self._observers.on_trouble, ""))

    def advance_if_due(self, stored: Stored, time: PassTime) -> Stored:
        """Ask and decide until the change is no longer due, or the time of the pass is over."""
        if time.is_over() or not self.is_due(stored):
            return stored
        return self.advance(stored.change.id, time=time)

    def advance(self, change_id: str, *, forced: bool = False, time: PassTime | None = None) -> Stored:
        """Ask and decide until the change is no longer due.

        Args:
            change_id: The change.
            forced: Whether to ask once even if the change is not due.
            time: The limit for looks; the gateway is not asked any more after the time is over.

        Raises:
            ChangeNotFound: The workflow has no change with this id.
            StorageError: The store failed; a claimed change falls due again when its lease ends.
        """
        stored = self._journal.load(change_id)
        for _ in range(_ROUNDS):
            plan = self.plan(stored, forced=forced) if forced or self.is_due(stored) else None
            if plan is None or (time is not None and time.is_over()):
                break
            since = self._journal.clock.elapsed()
            try:
                claimed = self._journal.commit_one(self.claim(stored, plan))
            except StorageConflict:
                stored = self._journal.load(change_id)  # another worker moved the change, so it may not be due any more
                forced = False
                continue
            stored, _ = self.ask(claimed, plan.question, since, time)
            # A withdrawal changes the ticket, so look at it immediately. After other questions the due time decides.
            forced = isinstance(plan.question, Deliver) and plan.question.name == WITHDRAW
        return stored

    def is_due(self, stored: Stored) -> bool:
        """Return whether a change is due now."""
        return stored.due_at is not None and stored.due_at <= self._journal.clock.now()

    def plan(self, stored: Stored, *, forced: bool = False) -> Plan | None:
        """Return the next question about a change, or None.

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

    def belongs_to_another_process(self, stored: Stored) -> bool:
        """Return whether a due effect of the change has no function in this process."""
        journal = self._journal
        return bool(settle.effects_left(stored.change, journal.clock.now(), journal.policy, self.knows))

    def claim(self, stored: Stored, plan: Plan) -> Prepared:
        """Prepare the commit that must be durable before the question is asked."""
        policy, now, question = self._journal.policy, self._journal.clock.now(), plan.question
        if question is None:
            return self._journal.fire(stored, plan.claim, actor=WORKER)
        if isinstance(question, Deliver):
            # The claim covers only the effect, so the change's other due times are unchanged.
            ends = now + policy.effect_lease
            start = ev.EffectStart(effect=question.effect, attempt=question.attempt, until=ends, owner=question.owner)
            return self._journal.fire(stored, [Step(Trigger.START_EFFECT, start)], actor=WORKER)
        until = now + (policy.send_lease if isinstance(question, Send) else policy.read_lease)
        return self._journal.claim(stored, plan.claim, until=until, actor=WORKER)

    def ask(
        self, claimed: Stored, question: Question | None, since: float, time: PassTime | None = None
    ) -> tuple[Stored, bool]:
        """Ask a claimed question, and store what the answer decides.

        Args:
            claimed: The change as stored by the claim.
            question: The question; None if nothing is left to do after the claim.
            since: The clock's `elapsed` when the claim was begun.
            time: The limit for a look. A send or a delivery takes the time that it needs.

        Returns:
            The change as stored afterwards, and whether the question was answered.
        """
        if isinstance(question, Send):
            sent = self._send(claimed.change, question, since)
            return self.record(claimed, sent, keep=True), not isinstance(sent.answer, NotSent)
        if isinstance(question, Deliver):
            notified = self._observers
            courier = Courier(journal=self._journal, gateway=self._gateway, effects=self._effects, observers=notified)
            return courier.deliver(claimed, question)
        looking = self if time is None else self.within(time.look_budget(since))
        return self.record_look(claimed, question, looking.look(claimed.change, question), time)

    def look(self, change: ChangeRequest, question: Question | None) -> list[ReadAnswer | LookupAnswer]:
        """Return the gateway's answers to a question that only reads. Stores nothing, so any thread may call it."""
        answers: list[ReadAnswer | LookupAnswer] = []
        if isinstance(question, Read) or (isinstance(question, Sweep) and question.read):
            answers.append(self._read(change))
        if isinstance(question, Lookup) or (isinstance(question, Sweep) and question.lookup):
            answers.append(self._look_up(change, question.sn if isinstance(question, Lookup) else None))
        return answers

    def record_look(
        self,
        claimed: Stored,
        question: Question | None,
        answers: Sequence[ReadAnswer | LookupAnswer],
        time: PassTime | None = None,
    ) -> tuple[Stored, bool]:
        """Store what the answers to a look decide; return the change then, and whether every question was answered."""
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
        """Make a change due after a wait, unless another worker moved it."""
        until = self._journal.clock.now() + wait
        with contextlib.suppress(StorageConflict):
            return self._journal.commit_one(self._journal.claim(stored, (), until=until, actor=WORKER))
        return stored

    def record(self, claimed: Stored, answer: Answer, *, keep: bool) -> Stored:
        """Store what an answer decides.

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
            now, policy = journal.clock.now(), journal.policy
            steps = settle.decide(journal.definition, stored.change, answer, now, policy, gateway=self._gateway.name)
            # A ticket that was bound just now has not been read, so an earlier callback still needs a look.
            looked = all(step.trigger != Trigger.RECORD_TICKET for step in steps)
            return self._decided(stored, steps, looked=looked)

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

    def _decided(self, stored: Stored, steps: Sequence[Step], *, looked: bool) -> Prepared:
        """Prepare the decided steps, or attention if the machine refuses them: the change would wait forever."""
        journal = self._journal
        try:
            return journal.fire(stored, steps, actor=GATEWAY, looked=looked)
        except TransitionRefused as refused:
            self._observers.on_trouble(stored.change.id, refused)
            facts = {"trigger": refused.trigger, "reason": refused.reason}
        concern = ev.Concern(reason=AttentionReason.DECISION_REFUSED, facts=facts)
        return journal.fire(stored, [Step(Trigger.RAISE_ATTENTION, concern)], actor=WORKER, looked=True)

    def _report_oddities(self, change_id: str, snapshot: ev.Snapshot) -> None:
        """Notify observers of an unknown status and of an inconclusive look, regardless of the decision."""
        unknown = f"has the status {snapshot.word!r}, which is not known: it counts as open"
        oddities = [unknown if snapshot.status is ev.TicketStatus.OTHER else "", snapshot.inconclusive]
        for problem in filter(None, oddities):
            message = f"ticket {snapshot.ticket_id}: {problem}"
            self._observers.on_trouble(change_id, GatewayProtocolError(message, endpoint="read"))

    def _send(self, change: ChangeRequest, question: Send, since: float) -> SendAnswer:
        attempt = change.expect_attempt()
        answer = self._create(change, attempt, since)
        found = self._find(change)[0] if isinstance(answer, Refused) else None
        return SendAnswer(
            number=question.number,
            owner=question.owner,
            key=attempt.key,
            creator=attempt.creator,
            answer=answer,
            found=found,
            at=self._moment(change),
        )

    def _too_late_to_send(self, since: float) -> NotSent | None:
        """Return the refusal to send if too little time is left, or None."""
        return self._past_budget() or self._past_lease(since)

    def _past_budget(self) -> NotSent | None:
        if self._budget is None or self._budget.left >= self._journal.policy.send_least.total_seconds():
            return None
        return NotSent(problem="too little time was left to send the request; a later pass sends it")

    def _past_lease(self, since: float) -> NotSent | None:
        """Return the refusal to send if the lease may end before the call does, or None.

        The lease counts from before the commit that marked the send, so a worker that is suspended there sends nothing.
        """
        taken = self._journal.clock.elapsed() - since
        left = self._journal.policy.send_lease.total_seconds() - taken
        if left >= self._deadline.total_seconds():
            return None
        return NotSent(
            problem=f"this worker took {taken:.1f} s before it could send, and its lease may end before the call does"
        )

    def _create(self, change: ChangeRequest, attempt: Attempt, since: float) -> CreateAnswer:
        late = self._too_late_to_send(since)
        if late is not None:
            return late
        try:
            url, headers = self._address(change.id, attempt.number)
        except SettingsError as error:
            return NotSent(problem=describe(error))
        if attempt.unknown_since is not None:
            if self._find(change)[0]:
                return Unknown(problem="a ticket with its key was found before the request was sent again")
            late = self._too_late_to_send(since)
            if late is not None:
                return late
        request = CreateRequest(form=change.form, attempt=attempt, callback_url=url, callback_headers=headers)
        return created(self._gateway, request, self._shows, partial(self._observers.on_trouble, change.id))

    def _look_up(self, change: ChangeRequest, sn: str | None) -> LookupAnswer:
        channel = ev.Channel.LOOKUP
        found, problem = self._find(change)
        if sn and found is not None and not any(one.is_ours for one in found):
            named, problem = self._find(change, sn)
            channel = ev.Channel.CALLBACK
            found = tuple({one.id: one for one in (*found, *(named or ()))}.values()) if found else named
        return LookupAnswer(
            number=change.expect_attempt().number,
            found=found,
            channel=channel,
            problem=problem,
            at=self._moment(change),
        )

    def _moment(self, change: ChangeRequest) -> Moment:
        return self._journal.moment(time_of(self._gateway, partial(self._observers.on_trouble, change.id)))

    def _find(self, change: ChangeRequest, sn: str | None = None) -> tuple[tuple[FoundTicket, ...] | None, str]:
        sent = SentTicket.of(change, self._journal.policy.clock_skew)
        try:
            find = partial(self._gateway.find_by_sn, sn) if sn else self._gateway.find_by_key
            found = asked("look_up", lambda: checked_found(find(sent), self._shows))
            return tuple(one for one in found if one.key), ""
        except GatewayError as error:
            if isinstance(error, GatewayMistake):
                self._observers.on_trouble(change.id, error)
            return None, describe(error)

    def wrong_gateway_error(self, ticket: Ticket) -> GatewayError | None:
        """Return the error for a ticket of another gateway, or None; ours may have another ticket with the same id."""
        return error_of_another_gateway(ticket, self._gateway.name)

    def _read(self, change: ChangeRequest) -> ReadAnswer:
        if change.ticket is None:
            return ReadAnswer(snapshot=None)
        if (wrong_gateway := self.wrong_gateway_error(change.ticket)) is not None:
            self._observers.on_trouble(change.id, wrong_gateway)
            return ReadAnswer(snapshot=None)
        field, skew = self._journal.definition.approval.decision_field, self._journal.policy.clock_skew
        try:
            snapshot = read_ticket(self._gateway, change.ticket, change, decision_field=field, skew=skew)
            return ReadAnswer(snapshot=snapshot)
        except GatewayError as error:
            self._observers.on_trouble(change.id, error)
            return ReadAnswer(snapshot=None)

    def _raise_duplicate(self, stored: Stored, steps: Sequence[Step]) -> Stored:
        found = next((step.evidence for step in steps if isinstance(step.evidence, ev.TicketConfirmed)), None)
        ticket = {"ticket": found.id, "sn": found.sn} if found else {}
        concern = ev.Concern(reason=AttentionReason.DUPLICATE, facts={**ticket, "held_by": "another change"})
        raised = [Step(Trigger.RAISE_ATTENTION, concern)]
        return self._journal.commit_one(self._journal.fire(stored, raised, actor=WORKER, looked=True))


def _answered(answer: ReadAnswer | LookupAnswer) -> bool:
    return (answer.snapshot if isinstance(answer, ReadAnswer) else answer.found) is not None
