"""A change request and its parts: frozen data classes, built by the updates of `itsm_workflow.machine`."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping

import attrs

from itsm_workflow.readonly import NOTHING

WITHDRAW = "withdraw"
"""The name of the built-in effect that withdraws the ticket."""


class Phase(enum.StrEnum):
    """The progress of a submission's create request."""

    QUEUED = "queued"
    """Nothing was sent."""
    SENDING = "sending"
    """May have been sent: the worker is still sending it, or crashed while sending it."""
    UNKNOWN = "unknown"
    """It is unknown whether it was sent; the ticket is being looked up."""


class Outcome(enum.StrEnum):
    """The reason why a change ended."""

    APPROVED = "approved"
    """The ticket was approved, and the state of the change grants."""
    WAS_APPROVED = "was_approved"
    """The ticket was approved, but the state of the change does not grant, or not yet."""
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    TERMINATED = "terminated"
    ABANDONED = "abandoned"


class AttentionReason(enum.StrEnum):
    """The reason why a person should look at a change."""

    NOT_FOUND = "not_found"
    """The outcome of the create is unknown, and no look-up of the whole schedule found a ticket."""
    DUPLICATE = "duplicate"
    """Several tickets carry the same key."""
    LOOKUP_FAILED = "lookup_failed"
    """The look-up schedule ended while the gateway could not be asked."""
    AMBIGUOUS_SN = "ambiguous_sn"
    """Several tickets carry the change's sn, and the gateway cannot show the change's ticket alone."""
    NO_APPROVAL_STEP = "no_approval_step"
    """The ticket ended as approved without an approval step."""
    DISAGREEMENT = "disagreement"
    """Two answers of the gateway about the ticket disagree."""
    OVERDUE = "overdue"
    """The ticket did not end in time."""
    NOT_STARTED = "not_started"
    """The ticket runs, but no step of its flow does: no approver is asked to decide."""
    UNSENT = "unsent"
    """The create request could not be sent too often, e.g. because of a wrong name, certificate or setting."""
    EFFECT_PARKED = "effect_parked"
    """An effect failed too often, or its name is not registered."""
    EFFECT_UNKNOWN = "effect_unknown"
    """No process that looked at the change has a function for the effect."""
    MISMATCH = "mismatch"
    """A ticket carries the change's key but differs from the create request."""
    SELF_APPROVED = "self_approved"
    """Only the applicant approved the ticket."""
    INCONCLUSIVE = "inconclusive"
    """The ticket ended, but the facts that decide its outcome cannot be read."""
    NOT_AS_SENT = "not_as_sent"
    """The ticket ended, but the ticket that the gateway shows under its id and number differs from what was sent."""
    WITHDRAWAL_UNRESOLVED = "withdrawal_unresolved"
    """The library withdrew the ticket, but the ticket is open or approved."""
    DECISION_REFUSED = "decision_refused"
    """The gateway's answer decides the change, but the machine refuses the transition."""
    HOST = "host"
    """The host raises attention: the only reason that `Workflow.fire` accepts. It permits no further decisions. While a
    reason of the library is raised, its facts contain the host's concern."""


class EffectStatus(enum.StrEnum):
    """The progress of an effect."""

    PLANNED = "planned"
    STARTED = "started"
    """A worker is delivering it, until its claim ends."""
    DELIVERED = "delivered"
    PARKED = "parked"
    SUPERSEDED = "superseded"
    """A later decision made it unnecessary; it is not delivered."""


@attrs.frozen(kw_only=True)
class Form:
    """The form of a change request.

    Attributes:
        title: The ticket's title, without the key's suffix.
        applicant: The applicant; becomes the ticket's creator.
        approvers: User names; required by a gateway service that does not name its own approvers.
        content: The text for the approver; if empty, it is made from the fields.
        fields: The form's fields by key, as JSON values, in the order of their keys.
    """

    title: str
    applicant: str
    approvers: tuple[str, ...] = ()
    content: str = ""
    fields: Mapping[str, object] = NOTHING


@attrs.frozen(kw_only=True)
class Moment:
    """A time by every available clock, so that a step of the wall clock can be recognised.

    Attributes:
        boot_id: The id of the machine's boot; empty if the platform has no such id.
        boot: Microseconds since that boot, including suspended time.
        gateway: The ``Date`` of the gateway's last answer, or None.
    """

    wall: dt.datetime
    boot_id: str = ""
    boot: int = 0
    gateway: dt.datetime | None = None


@attrs.frozen(kw_only=True)
class Decider:
    """A person who decided in a step of the ticket.

    Attributes:
        approved: The verdict, or None if the gateway does not show it.
        remark: The person's remark, cleaned and truncated.
        at: The time of the decision, or None if the gateway does not show it.
    """

    user: str
    approved: bool | None = None
    remark: str = ""
    at: dt.datetime | None = None


@attrs.frozen(kw_only=True)
class TicketDecision:
    """The people who decided the ticket.

    Attributes:
        deciders: The people who decided, in the order of the gateway's log.
        attested_by: The operator who attested an approval that the gateway could not show; otherwise empty.
        evidence: The proof that the operator relied on, in words.
    """

    deciders: tuple[Decider, ...] = ()
    attested_by: str = ""
    evidence: str = ""


@attrs.frozen(kw_only=True)
class Attempt:
    """One submission to the gateway.

    Attributes:
        key: The correlation key, at most 32 characters of ``[0-9A-Za-z]``; travels with the ticket.
        number: The attempt's number, from 1. A resend increments it and keeps the key.
        phase: The progress of the send.
        creator: The ticket's creator, as sent.
        service: The gateway's service, as sent.
        owner: The token of the worker that marked or is sending it.
        submitted_at: The time of the submission.
        marked_at: The time at which ``sending`` was marked, or None.
        not_before: The earliest time of a queued send, or None.
        unsent: The number of sends in a row of which nothing was sent.
        unknown_since: The time since which the outcome is unknown; stays set when the ticket is found later.
        looks: The number of look-ups since then that found nothing or failed, each after its wait.
        looked: The time of the last look-up, or of the start of the schedule; None before.
        unwitnessed: Whether a wait between look-ups passed only by the wall clock, which does not justify a resend.
        problem: The error of the last send, for people; empty if there was none.
        look_problem: The error or the finding of the last look-up without a ticket, for people.
        trace: The W3C ``traceparent`` of the request that submitted it, or empty.
    """

    key: str
    number: int
    phase: Phase
    creator: str
    service: str
    owner: str
    submitted_at: dt.datetime
    marked_at: dt.datetime | None = None
    not_before: dt.datetime | None = None
    unsent: int = 0
    unknown_since: dt.datetime | None = None
    looks: int = 0
    looked: Moment | None = None
    unwitnessed: bool = False
    problem: str = ""
    look_problem: str = ""
    trace: str = ""


@attrs.frozen(kw_only=True)
class Ticket:
    """The ticket that a change is bound to. The id identifies it."""

    gateway: str
    id: str
    sn: str  # need not be unique
    url: str
    channel: str  # how it was found: answer, lookup, callback or operator
    recorded_at: dt.datetime


@attrs.frozen(kw_only=True)
class Attention:
    """A flag in addition to the state: a person should look. It never blocks a decision by the gateway's facts."""

    reason: AttentionReason
    since: dt.datetime
    facts: Mapping[str, str] = NOTHING


@attrs.frozen(kw_only=True)
class Suspicion:
    """A withdrawn or terminated ticket that was seen once; a second look after the quiet time decides."""

    status: str
    since: dt.datetime


@attrs.frozen(kw_only=True)
class LastCallback:
    """The last authentic callback, kept to recognise a duplicate; ``count`` callbacks of its attempt were stored."""

    sn: str
    digest: str
    at: dt.datetime
    count: int = 1


@attrs.frozen(kw_only=True)
class PlannedEffect:
    """An effect that is planned because a state was entered or a withdrawal was requested.

    Attributes:
        id: The id, the same for every delivery: change id, name, submission number, and the ordinal of its planning.
        attempts: The number of deliveries that were started.
        due_at: The earliest time of the next delivery; after a start, the time of that start.
        error: The error of the last failed delivery.
        actor: The user or program whose action planned it.
        owner: The token of the worker that delivers it; empty unless it is started.
        claimed_until: The time after which that delivery counts as failed; None unless it is started.
        lost: The number of deliveries in a row, before the current one, whose claim ended without a result.
        retried_after: The number of deliveries before the last retry by a person; only later ones count as tries.
        unsure: Whether an earlier delivery without a result may have done its work; set only for withdrawals.
    """

    id: str
    name: str
    status: EffectStatus
    due_at: dt.datetime
    attempts: int = 0
    error: str = ""
    actor: str = ""
    owner: str = ""
    claimed_until: dt.datetime | None = None
    lost: int = 0
    retried_after: int = 0
    unsure: bool = False

    @property
    def tries(self) -> int:
        """The number of deliveries that count against their limit."""
        return self.attempts - self.retried_after

    def is_in_delivery(self, now: dt.datetime) -> bool:
        """Return whether a worker is delivering it at that time."""
        return self.status is EffectStatus.STARTED and self.claimed_until is not None and self.claimed_until > now


@attrs.frozen(kw_only=True)
class ChangeRequest:
    """A change request: its form, its state, and the known facts about its ticket.

    Times are aware UTC datetimes. Version and due time belong to the stored row, not to the change.

    Attributes:
        id: A ULID.
        workflow: The name of its definition.
        definition_version: The version of that definition when the change was created.
        subject: The object that the change is about, e.g. a collector's id.
        state: A state of the definition.
        submission: The number of its last submission within its subject, or 0. The highest number is the newest.
        round: The number of times that this change was submitted.
        planned: The number of effects that were planned for it so far.
        effect_names: By state, the names of the effects that its definition had at the submission.
        outcome: The reason why it, or its ticket, ended. `Outcome.APPROVED` only while its state grants.
        decision: The people who decided its ticket, once they are known.
        contradictions: The facts, in a few words, that contradicted its state; each is recorded once.
        earlier_tickets: The numbers of the tickets of its earlier submissions, by gateway and id.
        data: The host's own values, set by the updates of its own transitions.
    """

    id: str
    workflow: str
    definition_version: int
    subject: str
    state: str
    form: Form
    created_at: dt.datetime
    updated_at: dt.datetime
    attempt: Attempt | None = None
    ticket: Ticket | None = None
    attention: Attention | None = None
    outcome: Outcome | None = None
    ended_at: dt.datetime | None = None
    suspicion: Suspicion | None = None
    heard: LastCallback | None = None
    effects: tuple[PlannedEffect, ...] = ()
    submission: int = 0
    round: int = 0
    planned: int = 0
    effect_names: Mapping[str, tuple[str, ...]] = NOTHING
    decision: TicketDecision | None = None
    contradictions: tuple[str, ...] = ()
    earlier_tickets: Mapping[str, str] = NOTHING
    data: Mapping[str, object] = NOTHING

    @property
    def ticket_outcome(self) -> Outcome | None:
        """The outcome of its ticket: `Outcome.APPROVED` if it was approved, also in a state that does not grant."""
        return Outcome.APPROVED if self.outcome is Outcome.WAS_APPROVED else self.outcome

    @property
    def was_never_sent(self) -> bool:
        """Whether it was submitted, but no request for it can have reached the gateway."""
        return self.attempt is not None and self.attempt.phase is Phase.QUEUED and self.attempt.unknown_since is None

    @property
    def parked_effects(self) -> tuple[PlannedEffect, ...]:
        """The effects that failed too often, and that a person can retry."""
        return tuple(effect for effect in self.effects if effect.status is EffectStatus.PARKED)

    def expect_attempt(self) -> Attempt:
        """Return the attempt of a change that was submitted.

        Raises:
            ValueError: The change was never submitted.
        """
        if self.attempt is None:
            raise ValueError(f"change {self.id} was never submitted")
        return self.attempt

    def expect_ticket(self) -> Ticket:
        """Return the ticket of a change that is bound to one.

        Raises:
            ValueError: The change has no ticket.
        """
        if self.ticket is None:
            raise ValueError(f"change {self.id} has no ticket")
        return self.ticket

    def expect_effect(self, effect_id: str) -> PlannedEffect:
        """Return the effect of that id, which the change has."""
        return next(effect for effect in self.effects if effect.id == effect_id)

    @property
    def sn(self) -> str | None:
        """The ticket's number, or None while no ticket is known."""
        return self.ticket.sn if self.ticket else None

    @property
    def ticket_url(self) -> str | None:
        """The page of the ticket, or None while no ticket is known."""
        return self.ticket.url if self.ticket else None


@attrs.frozen(kw_only=True)
class Entry:
    """An entry of a change's history.

    Attributes:
        seq: The number of the entry, from 1, without gaps.
        source: The state before, empty for the first entry; ``dest`` is the state after, equal if facts were added.
        evidence: The typed facts of the trigger.
        effects: The ids of the effects that were planned in the same commit.
    """

    change_id: str
    seq: int
    at: dt.datetime
    trigger: str
    source: str
    dest: str
    actor: str
    evidence: object
    effects: tuple[str, ...] = ()
