"""A change request and its parts: plain frozen data.

Nothing here decides. What may happen to a change is written in one table, `itsm_workflow.machine.collector`; only the
updates of that table make one `ChangeRequest` out of another.
"""

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
    UNSENT = "unsent"
    """The create has not left so often that something must be wrong here: a name, a certificate, a setting."""
    EFFECT_PARKED = "effect_parked"
    """An effect failed too often, or its name is not registered."""


class EffectStatus(enum.StrEnum):
    """How far the work after a state was entered has come."""

    PLANNED = "planned"
    DELIVERED = "delivered"
    PARKED = "parked"


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
class Attempt:
    """One submission to the gateway; a resend keeps its key and raises its number.

    Attributes:
        key: The correlation key, at most 32 characters of ``[0-9A-Za-z]``; travels with the ticket.
        number: 1, and one more with each resend.
        phase: How far the send has come.
        creator: The ticket's creator, as sent.
        service: The gateway's service, as sent.
        owner: The token of the worker that marked it, or that is sending it.
        submitted_at: When the change was submitted.
        marked_at: When ``sending`` was marked, or None.
        not_before: When a queued send may be tried, or None.
        unsent: How often in a row nothing of it left.
        unknown_since: When the outcome became unknown; stays set when the ticket is found later.
        looks: How many look-ups came back empty or failed since then.
        problem: What went wrong last, for people; never a remote body.
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
    problem: str = ""


@attrs.frozen(kw_only=True)
class Ticket:
    """The gateway's object that a change is bound to. Known by its id; its sn need not be unique.

    Attributes:
        channel: How it was found: ``answer``, ``lookup``, ``callback`` or ``operator``.
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
    """The last authentic callback: a hint, kept to know a repeat."""

    sn: str
    digest: str
    at: dt.datetime


@attrs.frozen(kw_only=True)
class PlannedEffect:
    """Work that is due because a state was entered, or a withdrawal asked for.

    Attributes:
        id: Stable over every delivery: change id, entry number and name.
        attempts: Deliveries that failed.
        due_at: When it may be delivered next.
        error: What the last failed delivery said.
        actor: On whose behalf.
    """

    id: str
    name: str
    status: EffectStatus
    due_at: dt.datetime
    attempts: int = 0
    error: str = ""
    actor: str = ""


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
    contradictions: tuple[str, ...] = ()
    data: Mapping[str, object] = NOTHING

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
        source: The state before; empty for the first entry.
        dest: The state after; the same as ``source`` where the trigger only added facts.
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
