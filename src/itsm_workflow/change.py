"""A change request and its parts: plain frozen data, made by the updates of `itsm_workflow.machine.approval`."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs

NOTHING: Mapping[str, Any] = MappingProxyType({})

WITHDRAW = "withdraw"
"""The name of the built-in effect that withdraws the ticket."""


class Phase(enum.StrEnum):
    """How far a submission's one send has come."""

    QUEUED = "queued"
    """Nothing was sent."""
    SENDING = "sending"
    """May have been sent; its owner is at it, or died over it."""
    UNKNOWN = "unknown"
    """Sent or not: it is being looked up."""


class Outcome(enum.StrEnum):
    """Why a change ended."""

    APPROVED = "approved"
    """The ticket was approved, and the state that the change is in grants."""
    WAS_APPROVED = "was_approved"
    """The ticket was approved, and the state that the change is in does not grant, or not yet."""
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    TERMINATED = "terminated"
    ABANDONED = "abandoned"


class AttentionReason(enum.StrEnum):
    """Why a person should look."""

    NOT_FOUND = "not_found"
    """The send's outcome is unknown and no ticket was found on the whole look-up schedule."""
    DUPLICATE = "duplicate"
    """Several tickets carry one key."""
    LOOKUP_FAILED = "lookup_failed"
    """The look-up schedule was used up and the gateway could not be asked."""
    AMBIGUOUS_SN = "ambiguous_sn"
    """Several tickets carry our sn and the gateway cannot show ours alone."""
    NO_APPROVAL_STEP = "no_approval_step"
    """The ticket ended as approved without an approval step."""
    DISAGREEMENT = "disagreement"
    """Two answers of the gateway about our ticket disagree."""
    OVERDUE = "overdue"
    """The ticket did not end in time."""
    NOT_STARTED = "not_started"
    """The ticket runs and no step of its flow does: nobody is asked to decide it."""
    UNSENT = "unsent"
    """The create has not left so often that something must be wrong here: a name, a certificate, a setting."""
    EFFECT_PARKED = "effect_parked"
    """An effect failed too often, or its name is not registered."""
    EFFECT_UNKNOWN = "effect_unknown"
    """No process that looked has a function for the effect."""
    MISMATCH = "mismatch"
    """A ticket carries our key and is not what we would have sent."""
    SELF_APPROVED = "self_approved"
    """The applicant was the one who approved."""
    INCONCLUSIVE = "inconclusive"
    """The ticket ended and what decides about it cannot be read."""
    NOT_AS_SENT = "not_as_sent"
    """The ticket ended, and what the gateway shows under its id and number is not what was sent."""
    WITHDRAWAL_UNRESOLVED = "withdrawal_unresolved"
    """The ticket was withdrawn by us and is open, or approved, all the same."""
    DECISION_REFUSED = "decision_refused"
    """The gateway's answer decides the change and the machine refuses the step."""
    HOST = "host"
    """The host asks for a person: the only reason that `Workflow.fire` takes. It lets nobody decide anything."""


class EffectStatus(enum.StrEnum):
    """How far the work after a state was entered has come."""

    PLANNED = "planned"
    STARTED = "started"
    """A worker delivers it, until its claim ends."""
    DELIVERED = "delivered"
    PARKED = "parked"
    SUPERSEDED = "superseded"
    """A later decision made it pointless; it is not delivered."""


@attrs.frozen(kw_only=True)
class Form:
    """What was asked.

    Attributes:
        title: The ticket's title, without the key's suffix.
        applicant: The user who asks; becomes the ticket's creator.
        approvers: User names; wanted by a gateway whose service does not name its own.
        content: What the approver reads; empty means: made of the fields.
        fields: The form's fields by key, JSON values.
    """

    title: str
    applicant: str
    approvers: tuple[str, ...] = ()
    content: str = ""
    fields: Mapping[str, object] = NOTHING


@attrs.frozen(kw_only=True)
class Moment:
    """A time by every clock at hand, so that a clock step can be recognised.

    Attributes:
        wall: The wall clock.
        boot_id: Identifies the boot of the machine; empty where the platform has no such id.
        boot: Microseconds since that boot, suspended time included.
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
        user: The user name.
        approved: The verdict, or None if the gateway shows none.
        remark: What the person wrote, cleaned and capped.
        at: When, or None if the gateway shows no time.
    """

    user: str
    approved: bool | None = None
    remark: str = ""
    at: dt.datetime | None = None


@attrs.frozen(kw_only=True)
class TicketDecision:
    """Who decided the ticket.

    Attributes:
        deciders: The people who decided, in the order of the gateway's log.
        attested_by: The operator who attested the approval, where the gateway could not show it; else empty.
        evidence: What the operator relied on, in words.
    """

    deciders: tuple[Decider, ...] = ()
    attested_by: str = ""
    evidence: str = ""


@attrs.frozen(kw_only=True)
class Attempt:
    """One submission to the gateway.

    Attributes:
        key: The correlation key, at most 32 characters of ``[0-9A-Za-z]``; travels with the ticket.
        number: 1, and one more with each resend, which keeps the key.
        phase: How far the send has come.
        creator: The ticket's creator, as sent.
        service: The gateway's service, as sent.
        owner: The token of the worker that marked it, or that is sending it.
        submitted_at: When the change was submitted.
        marked_at: When ``sending`` was marked, or None.
        not_before: When a queued send may be tried, or None.
        unsent: How often in a row nothing of it left.
        unknown_since: When the outcome became unknown; stays set when the ticket is found later.
        looks: How many look-ups came back empty or failed since then, each after its wait.
        looked: When the last look-up was, or the outcome became unknown; None before.
        unwitnessed: Whether some wait between look-ups passed by the wall clock alone: no proof for a resend.
        problem: How the last send ended, for people; empty if nothing went wrong.
        look_problem: What the last look-up brought instead of the ticket, for people.
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
    """The gateway's object that a change is bound to. Known by its id; its sn need not be unique.

    Its channel tells how it was found: ``answer``, ``lookup``, ``callback`` or ``operator``.
    """

    gateway: str
    id: str
    sn: str
    url: str
    channel: str
    recorded_at: dt.datetime


@attrs.frozen(kw_only=True)
class Attention:
    """A flag beside the state: why a person should look. It never blocks what the gateway's facts decide."""

    reason: AttentionReason
    since: dt.datetime
    facts: Mapping[str, str] = NOTHING


@attrs.frozen(kw_only=True)
class Suspicion:
    """The ticket was seen withdrawn or terminated once; a second quiet look decides."""

    status: str
    since: dt.datetime


@attrs.frozen(kw_only=True)
class HeardCallback:
    """The last authentic callback: a hint, kept to know a repeat; ``count`` callbacks of its attempt were stored."""

    sn: str
    digest: str
    at: dt.datetime
    count: int = 1


@attrs.frozen(kw_only=True)
class PlannedEffect:
    """Work that is due because a state was entered, or a withdrawal asked for.

    Attributes:
        id: The same for every delivery: change id, name, submission number, and the ordinal of its planning.
        attempts: Deliveries that were started.
        due_at: When it may be delivered next; once it is started, when that was.
        error: What the last failed delivery said.
        actor: On whose behalf.
        owner: The token of the worker that delivers it; empty unless it is started.
        claimed_until: When that delivery counts as failed, or None unless it is started.
        lost: Deliveries in a row, before the present one, whose claim ended without a result.
        retried_after: How many deliveries there were when a person last had it tried again; later ones count.
        unsure: An earlier delivery may have done its work though no result says so; known of withdrawals alone.
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
        """How many deliveries count against the bound on them."""
        return self.attempts - self.retried_after

    def is_in_delivery(self, now: dt.datetime) -> bool:
        """Tell whether a worker delivers it at that time."""
        return self.status is EffectStatus.STARTED and self.claimed_until is not None and self.claimed_until > now


@attrs.frozen(kw_only=True)
class ChangeRequest:
    """One change: what was asked, where it stands, and what is known of its ticket.

    Times are aware UTC. Version and due time belong to the stored row, not to the change.

    Attributes:
        id: A ULID.
        workflow: The name of its definition.
        definition_version: The version of that definition when the change was made.
        subject: What it is about, e.g. a collector's id.
        state: A state of the definition.
        submission: The number of its last submission among those of its subject, or 0. The highest is the newest.
        round: How often this change was submitted.
        planned: How many effects were planned for it so far.
        effect_names: By state, the names of the effects that its definition had when it was submitted.
        outcome: Why it ended, or how its ticket did. `Outcome.APPROVED` only while its state grants.
        decision: Who decided its ticket, once that is known.
        contradictions: The facts, in a few words, that disagreed with where it stands; each is recorded once.
        data: A host's own values, set by the updates of its own transitions.
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
    heard: HeardCallback | None = None
    effects: tuple[PlannedEffect, ...] = ()
    submission: int = 0
    round: int = 0
    planned: int = 0
    effect_names: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    decision: TicketDecision | None = None
    contradictions: tuple[str, ...] = ()
    data: Mapping[str, object] = NOTHING

    @property
    def ticket_outcome(self) -> Outcome | None:
        """How its ticket ended, whatever the workflow did since: `Outcome.APPROVED` wherever it was approved."""
        return Outcome.APPROVED if self.outcome is Outcome.WAS_APPROVED else self.outcome

    @property
    def was_never_sent(self) -> bool:
        """Whether it was submitted and nothing of it can have reached the gateway."""
        attempt = self.attempt
        return attempt is not None and attempt.phase is Phase.QUEUED and attempt.unknown_since is None

    def expect_attempt(self) -> Attempt:
        """Return the attempt of a change that was submitted.

        Raises:
            ValueError: It never was.
        """
        if self.attempt is None:
            raise ValueError(f"change {self.id} was never submitted")
        return self.attempt

    def expect_ticket(self) -> Ticket:
        """Return the ticket of a change that is bound to one.

        Raises:
            ValueError: No ticket is known.
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
    """One line of a change's history.

    Attributes:
        seq: 1 for the first, without gaps.
        source: The state before, empty for the first entry; ``dest`` is the one after, the same if facts were added.
        evidence: The typed facts that the trigger brought.
        effects: The ids of the effects planned in the same commit.
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
