"""Time in steps, and changes without ids and absolute times, so that equal worlds are recognised.

Every world is seen *now*, at a moment that never moves. When a step of time passes, the times in a change move back
instead. Times too far back to matter stop moving, so the number of worlds is finite.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.change import WITHDRAW, Attention, AttentionReason, EffectStatus, Moment, Phase
from itsm_workflow.machine import withdrawal
from itsm_workflow.policy import Policy
from itsm_workflow.settle import ReadAnswer
from itsm_workflow.storage.codec import Stored
from itsm_workflow.testing.exploration.world import check_number

if TYPE_CHECKING:
    from itsm_workflow.change import Attempt, ChangeRequest, LastCallback, PlannedEffect
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.settle import Answer, Step
    from itsm_workflow.testing.exploration.world import PutOff

TICK = dt.timedelta(minutes=1)
"""The length of a step of time; `tick_policy` measures all waits in it."""

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
"""The moment at which every world is seen."""

_MOMENT = dt.timedelta(microseconds=1)
COMMITTING = NOW + 2 * _MOMENT
"""The moment of each commit, later than anything that was stored in this step of time."""

OVERTAKEN_BY = 1
"""The number of another change's submission of the subject; the first of the explored change is given the same."""

NOBODY = "gone"
"""The owner of a send that no worker is working on any more."""

_WITHOUT_FACTS = frozenset(
    {
        AttentionReason.NOT_FOUND,
        AttentionReason.LOOKUP_FAILED,
        AttentionReason.MISMATCH,
        AttentionReason.EFFECT_PARKED,
        AttentionReason.OVERDUE,
        AttentionReason.UNSENT,
    }
)


def tick_policy(ticks: int) -> Policy:
    """Return a policy whose waits are a few steps of time each, in the proportions of the default policy.

    Args:
        ticks: The number of steps of time in the walk; long waits are longer than that.
    """
    one = TICK
    return Policy(
        send_lease=one,
        send_margin=0 * one,
        late_arrival=0 * one,
        unsent_retry=one,
        unsent_retry_cap=one,
        unsent_attempts=2,
        lookups=(0 * one, one),
        late_look=one,
        sweep_every=one,
        sweep_for=(ticks + 4) * one,
        poll=one,
        soon=one,
        quiet=one,
        withdraw_age=one,
        read_lease=one,
        effect_lease=2 * one,
        effect_backoff=one,
        effect_backoff_cap=one,
        effect_attempts=2,
        not_started=(ticks + 1) * one,
        overdue=(ticks + 1) * one,
    )


class Shelf:
    """The changes that were met, each once, by number; 0 is the change that does not exist yet.

    Args:
        definition: The workflow.
        policy: All waits; they determine how far back a time matters.
        most_submissions: The number up to which submission numbers are kept apart.
    """

    def __init__(
        self, definition: WorkflowDefinition, policy: Policy, most_submissions: int = OVERTAKEN_BY + 1
    ) -> None:
        self._definition = definition
        self._most_submissions = most_submissions
        self._policy = policy
        waits = [value for value in attrs.asdict(policy, recurse=False).values() if isinstance(value, dt.timedelta)]
        self._oldest = NOW - max([*waits, *policy.lookups]) - TICK
        self._numbers: dict[tuple[tuple[object, ...], dt.datetime | None], int] = {}
        self.kept: list[Stored | None] = [None]
        self._later: dict[int, int] = {0: 0}
        self._renamed: dict[tuple[int, tuple[tuple[str, str], ...]], int] = {}
        self.last_heard = functools.cache(self._last_heard)

    def put(self, change: ChangeRequest, due_at: dt.datetime | None) -> int:
        """Return the number of a change as it would be stored now."""
        change = self._plain(change)
        if due_at is not None:
            due_at = max(_whole(due_at), NOW)
        key = _identity(change), due_at
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.kept)
            check_number(number)
            self.kept.append(Stored(change=change, version=1, seq=0, head="", form="", document="", due_at=due_at))
        return number

    def get(self, number: int) -> Stored:
        """Return a change that exists."""
        stored = self.kept[number]
        if stored is None:
            raise LookupError("the change does not exist yet")
        return stored

    def is_due(self, number: int) -> bool:
        """Return whether the change is due now."""
        stored = self.kept[number]
        return stored is not None and stored.due_at is not None and stored.due_at <= NOW

    def later(self, number: int) -> int:
        """Return the change after one step of time."""
        if number not in self._later:
            later = moved(self.get(number))
            self._later[number] = self.put(later.change, later.due_at)
        return self._later[number]

    def renamed(self, number: int, owners: tuple[tuple[str, str], ...]) -> int:
        """Return the change with the owner of its send renamed, old names to new."""
        key = number, owners
        if key not in self._renamed:
            stored = self.kept[number]
            attempt = stored.change.attempt if stored else None
            new = dict(owners).get(attempt.owner) if attempt else None
            if stored is None or attempt is None or new is None:
                self._renamed[key] = number
            else:
                change = attrs.evolve(stored.change, attempt=attrs.evolve(attempt, owner=new))
                self._renamed[key] = self.put(change, stored.due_at)
        return self._renamed[key]

    def _last_heard(self, number: int, digest: str) -> int:
        """Return the change with another digest of the last callback; empty if no repeat can arrive."""
        stored = self.get(number)
        if stored.change.heard is None or stored.change.heard.digest == digest:
            return number
        heard = attrs.evolve(stored.change.heard, digest=digest)
        return self.put(attrs.evolve(stored.change, heard=heard), stored.due_at)

    def _plain(self, change: ChangeRequest) -> ChangeRequest:
        """Return the change without the details that no rule depends on."""
        policy, ended = self._policy, change.ended_at
        in_final, asking = change.state in self._definition.final, self._definition.is_asking(change.state)
        ticket, suspicion, attention = change.ticket, change.suspicion, change.attention
        if ticket is not None:
            matters = policy.withdraw_age if in_final else max(policy.withdraw_age, policy.overdue)
            ticket = attrs.evolve(ticket, url="", channel="", recorded_at=_since(ticket.recorded_at, NOW - matters))
        if suspicion is not None:
            # Not only its quiet time matters: it is compared with observations that may be older than their commit.
            suspicion = attrs.evolve(suspicion, since=_since(suspicion.since, self._oldest))
        if attention is not None:
            facts = {} if attention.reason in _WITHOUT_FACTS else dict(sorted(attention.facts.items()))
            if "since" in facts and attention.reason is AttentionReason.WITHDRAWAL_UNRESOLVED:
                facts["since"] = _withdrawn_since(change, facts["since"], self._oldest_delivery(change))
            attention = Attention(reason=attention.reason, since=NOW, facts=facts)
        return attrs.evolve(
            change,
            created_at=NOW,
            updated_at=NOW,
            attempt=self._attempt(change.attempt, in_use=asking),
            ticket=ticket,
            attention=attention,
            ended_at=None if ended is None else _since(ended, NOW - policy.sweep_for),
            suspicion=suspicion,
            heard=self._heard(change.heard, ended, in_use=asking),
            # In a walk of one change, the only thing that matters is whether it is above the others.
            submission=min(change.submission, self._most_submissions),
            effects=tuple(_plain_effect(effect, self._oldest_delivery(change)) for effect in change.effects),
        )

    def _oldest_delivery(self, change: ChangeRequest) -> dt.datetime:
        """Return the time beyond which the age of a delivery does not matter.

        It matters to the sweep alone, which ends some days after the end of the change or the delivery, the later one.
        """
        if change.ended_at is None or not withdrawal.is_pursued(change):
            return NOW
        return _since(change.ended_at, NOW - self._policy.sweep_for)

    def _attempt(self, attempt: Attempt | None, *, in_use: bool) -> Attempt | None:
        if attempt is None:
            return None
        sending, unknown = in_use and attempt.phase is Phase.SENDING, attempt.unknown_since
        wait = attempt.not_before if in_use else None
        return attrs.evolve(
            attempt,
            phase=attempt.phase if in_use else Phase.QUEUED,
            owner=attempt.owner if sending else NOBODY,
            submitted_at=NOW,
            marked_at=_since(attempt.marked_at, NOW - self._policy.send_lease)
            if sending and attempt.marked_at
            else None,
            # Beyond the number that calls a person, all numbers are equivalent.
            unsent=min(attempt.unsent, self._policy.unsent_attempts) if in_use else 0,
            not_before=wait if wait is not None and (wait := _whole(wait)) > NOW else None,
            unknown_since=None if unknown is None else _since(unknown, self._oldest) if in_use else self._oldest,
            looks=min(attempt.looks, len(self._policy.lookups)) if in_use else 0,
            looked=Moment(wall=_since(attempt.looked.wall, self._oldest)) if attempt.looked and in_use else None,
            unwitnessed=False,
            problem="",
        )

    def _heard(self, heard: LastCallback | None, ended: dt.datetime | None, *, in_use: bool) -> LastCallback | None:
        if heard is None:
            return None
        # Its age affects the next wait only while the waits still grow.
        grow = self._policy.poll if self._policy.soon < self._policy.poll else dt.timedelta()
        at = _since(heard.at, NOW - grow)
        if ended is not None:  # only the order of the two matters then
            at = _since(ended, NOW - self._policy.sweep_for) + (_MOMENT if heard.at > ended else 0 * _MOMENT)
        # The number is limited to the most callbacks that can arrive within these bounds.
        return attrs.evolve(heard, at=at, sn=heard.sn if in_use else "", count=1)


def aged(answer: Answer | Step | PutOff) -> Answer | Step | PutOff:
    """Return an answer, not yet stored, after one step of time: its observation is older then."""
    if not isinstance(answer, ReadAnswer) or answer.snapshot is None:
        return answer
    return ReadAnswer(snapshot=attrs.evolve(answer.snapshot, seen_at=answer.snapshot.seen_at - TICK))


def _identity(change: ChangeRequest) -> tuple[object, ...]:
    """Return all parts of a plain change, as a key for look-ups."""
    attention, data = change.attention, change.data
    return (
        change.state,
        # Mappings are not hashable; most are empty.
        repr(change.form) if change.form.fields else (change.form.title, change.form.content, change.form.approvers),
        change.attempt,
        change.ticket,
        None if attention is None else (attention.reason, tuple(attention.facts.items())),
        change.outcome,
        change.ended_at,
        change.suspicion,
        change.heard,
        change.effects,
        change.contradictions,
        tuple(change.earlier_tickets.items()),
        change.decision,
        change.submission,
        repr(dict(data)) if data else "",
    )


def _withdrawn_since(change: ChangeRequest, stored_since: str, oldest: dt.datetime) -> str:
    """Return the time in the facts of an unresolved withdrawal: that of the plain effect, if it is this effect's."""
    effect = withdrawal.unresolved(change)
    if effect is None or stored_since != withdrawal.since(effect):
        return "another withdrawal"
    return withdrawal.since(_plain_effect(effect, oldest))


def _plain_effect(effect: PlannedEffect, oldest: dt.datetime) -> PlannedEffect:
    plain = attrs.evolve(effect, error="", actor="", owner="", lost=0)
    if effect.status is EffectStatus.PLANNED:
        return attrs.evolve(plain, due_at=_since(effect.due_at, NOW))
    if effect.status is EffectStatus.STARTED and effect.claimed_until is not None:
        return attrs.evolve(plain, due_at=NOW, claimed_until=_since(effect.claimed_until, NOW))
    # Deliveries of a parked effect continue their numbers once a person retries it.
    attempts = plain.attempts if effect.status is EffectStatus.PARKED else 0
    due_at = _since(effect.due_at, oldest) if effect.name == WITHDRAW else NOW
    return attrs.evolve(plain, due_at=due_at, attempts=attempts, retried_after=0)


def _whole(moment: dt.datetime) -> dt.datetime:
    """Return the start of the step of time in which a moment lies."""
    return NOW + ((moment - NOW) // TICK) * TICK


def _since(moment: dt.datetime, oldest: dt.datetime) -> dt.datetime:
    return max(_whole(moment), oldest)


def moved(stored: Stored) -> Stored:
    """Return a change with every time one step further back."""
    change = stored.change
    values: dict[str, Any] = {field.name: _back(getattr(change, field.name)) for field in attrs.fields(type(change))}
    due = None if stored.due_at is None else stored.due_at - TICK
    return attrs.evolve(stored, change=attrs.evolve(change, **values), due_at=due)


def _back(value: object) -> object:
    if isinstance(value, dt.datetime):
        return value - TICK
    if isinstance(value, tuple):
        return tuple(_back(item) for item in value)
    kind: type = type(value)
    if attrs.has(kind) and not isinstance(value, Mapping):
        names = [field.name for field in attrs.fields(kind)]
        return attrs.evolve(value, **{name: _back(getattr(value, name)) for name in names})  # type: ignore[misc]
    return value
