"""The evidence types: the typed facts that a trigger requires. They are stored with the entry of the trigger."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping

import attrs

from itsm_workflow.change import AttentionReason, Decider, Form, Moment  # noqa: TC001 - the codec resolves them
from itsm_workflow.readonly import NOTHING


class TicketStatus(enum.StrEnum):
    """The status of a ticket, mapped from a gateway's status words. ``other`` is never final."""

    RUNNING = "running"
    SUSPENDED = "suspended"
    FINISHED = "finished"
    TERMINATED = "terminated"
    REVOKED = "revoked"
    OTHER = "other"


ENDED = frozenset({TicketStatus.FINISHED, TicketStatus.TERMINATED, TicketStatus.REVOKED})


class Channel(enum.StrEnum):
    """The way in which a ticket became known."""

    ANSWER = "answer"
    LOOKUP = "lookup"
    CALLBACK = "callback"
    OPERATOR = "operator"


class Withdrawal(enum.StrEnum):
    """The result of a withdrawal request to the gateway."""

    DONE = "done"
    """The ticket is withdrawn, by this request or by an earlier one."""
    NOT_YET = "not_yet"
    """The gateway refused it because the ticket's flow has not reached its approval: retry."""
    ENDED = "ended"
    """The ticket had already ended in another way: nothing was done."""
    UNKNOWN = "unknown"
    """The ticket may have been withdrawn."""


@attrs.frozen(kw_only=True)
class Decision:
    """A decision by a person or a program, with its reason."""

    reason: str = ""


@attrs.frozen(kw_only=True)
class Drafted:
    """The form of a draft: the first one, or a revised one."""

    form: Form


@attrs.frozen(kw_only=True)
class Submission:
    """A submission: the key, the creator and the service of the create request, and the worker that sends it.

    Attributes:
        number: The number of the submission within its subject: the highest number so far plus one.
        effects: By state, the names of the effects of the definition at the time of the submission.
        trace: The W3C ``traceparent`` of the request, or empty.
    """

    key: str
    creator: str
    service: str
    owner: str
    number: int = 0
    effects: Mapping[str, tuple[str, ...]] = NOTHING
    trace: str = ""


@attrs.frozen(kw_only=True)
class SubmissionNumber:
    """A higher submission number, because another submission of the subject already has the number."""

    number: int


@attrs.frozen(kw_only=True)
class AttemptMark:
    """A step of the worker that sends attempt ``number``, done or about to be done.

    Attributes:
        at: The time by every available clock, or None if no interval starts there.
    """

    number: int
    owner: str
    problem: str = ""
    at: Moment | None = None


@attrs.frozen(kw_only=True)
class LookupNoted:
    """A look-up that found no ticket.

    Attributes:
        answered: True if the gateway answered that it has no such ticket, False if it could not be asked.
        at: The time of the look-up by every available clock.
    """

    number: int
    answered: bool
    problem: str = ""
    at: Moment | None = None


@attrs.frozen(kw_only=True)
class TicketConfirmed:
    """A ticket of the change: it matches the create request, or is the answer to it.

    Attributes:
        differences: The differences between the ticket and the create request, with both values, and the parts of the
            ticket that could not be read.
        override: The reason why an operator binds the change to a ticket that differs or is not fully shown.
    """

    gateway: str
    id: str
    sn: str
    url: str
    key: str
    creator: str
    channel: Channel
    problem: str = ""
    differences: tuple[str, ...] = ()
    override: str = ""


@attrs.frozen(kw_only=True)
class Refusal:
    """A create request that the gateway rejected, without a ticket in the look-up right after it."""

    number: int
    owner: str
    remote_code: int
    message: str
    looked_up: bool


@attrs.frozen(kw_only=True)
class CallbackHeard:
    """A callback that carried the change's credential. Its body is not trusted.

    Attributes:
        digest: SHA-256 of the body's facts without the server's token, used to recognise duplicates.
    """

    sn: str
    digest: str
    number: int


@attrs.frozen(kw_only=True)
class Undelivered:
    """A ticket that the gateway lists among the callbacks that it could not deliver."""

    sn: str


@attrs.frozen(kw_only=True)
class Snapshot:
    """The gateway's answers about one ticket at one time.

    Attributes:
        status: The status on the ticket's own page (get_ticket_info), mapped.
        word: The gateway's own status word.
        result_status: The status that came with the result, mapped; None if no result was read.
        approve_result: The result; None if it was not read.
        approval_step: For a finished ticket, whether a person approved in an approval step. For any other ticket,
            whether an approval step is waiting for a decision now. None if that could not be read.
        step_running: Whether a step of the flow is still running; None if that could not be read.
        decision: The value of the form's decision field, if the definition names one.
        ambiguous: Whether several tickets carry this sn, so the answers that are found by sn alone could not be read.
        closed_by: The user who last changed the ticket.
        deciders: The people who decided in the ticket's approval steps, oldest first.
        inconclusive: The part that could not be read although the gateway answers, and why; empty if all was read.
        differences: The differences between an ended ticket and the create request, with both values: another ticket
            system can have a ticket with the same id and number.
    """

    ticket_id: str
    sn: str
    status: TicketStatus
    word: str
    seen_at: dt.datetime
    result_status: TicketStatus | None = None
    approve_result: bool | None = None
    approval_step: bool | None = None
    step_running: bool | None = None
    decision: str | None = None
    ambiguous: bool = False
    closed_by: str = ""
    deciders: tuple[Decider, ...] = ()
    inconclusive: str = ""
    differences: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ApprovalAttested:
    """An operator's attestation of an approval that the gateway cannot show step by step.

    Attributes:
        ticket_id: The ticket that was approved.
        approver: The user who approved it.
        evidence: The proof that the operator relies on, in words.
    """

    ticket_id: str
    approver: str
    evidence: str


@attrs.frozen(kw_only=True)
class AbsenceAttested:
    """An operator's attestation that the ticket system has no ticket of the change, so that it can be sent again.

    Attributes:
        reason: The reason for the resend.
        evidence: The places where the operator looked and the results, in words.
    """

    evidence: str
    reason: str = ""


@attrs.frozen(kw_only=True)
class LateTicket:
    """A ticket that carries the change's key, but is not the ticket that the change is bound to."""

    gateway: str
    id: str
    sn: str


@attrs.frozen(kw_only=True)
class Concern:
    """A reason for a person to look at the change."""

    reason: AttentionReason
    facts: Mapping[str, str] = NOTHING


@attrs.frozen(kw_only=True)
class EffectNames:
    """The effect names of a definition that a process uses; stored per workflow, not per change.

    Attributes:
        version: The version of the definition.
        effects: By state, the names of its effects.
    """

    version: int
    effects: Mapping[str, tuple[str, ...]]


@attrs.frozen(kw_only=True)
class EffectStart:
    """The start of a delivery, stored before the worker calls the effect.

    Attributes:
        attempt: The number of this delivery, from 1.
        until: The time after which the delivery counts as failed.
        owner: The worker's token.
    """

    effect: str
    attempt: int
    until: dt.datetime
    owner: str


@attrs.frozen(kw_only=True)
class EffectResult:
    """The result of one delivery of an effect.

    Attributes:
        attempt: The number of this delivery, from 1; 0 if the work was done in another way, e.g. by hand.
        error: The error of a failed delivery; empty if the work was done.
        final: Whether the failure is permanent, e.g. because the name is not registered.
        withdrawal: The result of the library's own withdrawal; None for a host's effect, and for a withdrawal that
            was certainly not done.
    """

    effect: str
    attempt: int
    error: str = ""
    final: bool = False
    withdrawal: Withdrawal | None = None


@attrs.frozen(kw_only=True)
class EffectRetry:
    """A person's request to retry a parked effect."""

    effect: str
    reason: str = ""
