"""Evidence: the typed facts that a trigger must bring. Stored with the entry that it caused."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from types import MappingProxyType

import attrs

from itsm_workflow.change import NOTHING, AttentionReason, Decider, Form, Moment


class TicketStatus(enum.StrEnum):
    """What a gateway's status words come down to. ``other`` is never final."""

    RUNNING = "running"
    SUSPENDED = "suspended"
    FINISHED = "finished"
    TERMINATED = "terminated"
    REVOKED = "revoked"
    OTHER = "other"


ENDED = frozenset({TicketStatus.FINISHED, TicketStatus.TERMINATED, TicketStatus.REVOKED})


class Channel(enum.StrEnum):
    """How a ticket became known."""

    ANSWER = "answer"
    LOOKUP = "lookup"
    CALLBACK = "callback"
    OPERATOR = "operator"


class Withdrawal(enum.StrEnum):
    """What became of a withdrawal that the gateway was asked for."""

    DONE = "done"
    """The ticket is withdrawn, by this request or by an earlier one."""
    NOT_YET = "not_yet"
    """The gateway refused it, and the ticket's flow has not reached its approval: ask again."""
    ENDED = "ended"
    """The ticket had ended otherwise: nothing was done."""
    UNKNOWN = "unknown"
    """It may have been done."""


@attrs.frozen(kw_only=True)
class Decision:
    """A person, or a program on its own account, wants something."""

    reason: str = ""


@attrs.frozen(kw_only=True)
class Drafted:
    """What is asked: the first form, or a revised one."""

    form: Form


@attrs.frozen(kw_only=True)
class Submission:
    """The one send that is wanted: its key, and who sends it for whom to which service.

    Attributes:
        number: The submission's number among those of the subject: one more than the highest.
        effects: By state, the names of the effects of the definition that it is submitted with.
        trace: The W3C ``traceparent`` of the request, or empty.
    """

    key: str
    creator: str
    service: str
    owner: str
    number: int = 0
    effects: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    trace: str = ""


@attrs.frozen(kw_only=True)
class SubmissionNumber:
    """Another submission of the subject turned out to have the number: this one takes a higher one."""

    number: int


@attrs.frozen(kw_only=True)
class AttemptMark:
    """What a worker did, or is about to do, about attempt ``number``.

    Attributes:
        at: When, by every clock at hand; None where no interval is counted from it.
    """

    number: int
    owner: str
    problem: str = ""
    at: Moment | None = None


@attrs.frozen(kw_only=True)
class LookupNoted:
    """A look-up that brought no ticket.

    Attributes:
        answered: True if the gateway answered that there is none, False if it could not be asked.
        at: When the look-up was, by every clock at hand.
    """

    number: int
    answered: bool
    problem: str = ""
    at: Moment | None = None


@attrs.frozen(kw_only=True)
class TicketConfirmed:
    """A ticket that is ours: it is what we would have sent, or it came as the answer to our send.

    Attributes:
        differences: In what the ticket differs from what we would have sent, both sides shown, and what of it could
            not be seen.
        override: Why an operator binds the change to a ticket that differs, or of which something is not shown.
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
    """The gateway itself answered no to our create, and a look-up right after it found no ticket."""

    number: int
    owner: str
    remote_code: int
    message: str
    looked_up: bool


@attrs.frozen(kw_only=True)
class CallbackHeard:
    """A callback that carried our credential. What its body says is not believed.

    Attributes:
        digest: SHA-256 of the body's facts without the server's token, to know a repeat.
    """

    sn: str
    digest: str
    number: int


@attrs.frozen(kw_only=True)
class Undelivered:
    """The gateway lists our ticket among the callbacks that it could not deliver."""

    sn: str


@attrs.frozen(kw_only=True)
class Snapshot:
    """What the gateway said of one ticket at a time.

    Attributes:
        status: From the ticket's own page (get_ticket_info), mapped.
        word: The gateway's own status word.
        result_status: The status that came with the result, mapped; None if no result was read.
        approve_result: The result; None if it was not read.
        approval_step: Of a finished ticket, whether a person approved in an approval step; of any other one, whether
            an approval step asks for a decision now. None if that could not be read.
        step_running: Whether a step of the flow is still running; None if that could not be read.
        decision: The value of the form's decision field, if the definition wants one.
        ambiguous: Several tickets carry this sn, so that what is read by sn alone could not be read.
        closed_by: Who touched the ticket last.
        deciders: Who decided in the ticket's approval steps, oldest first.
        inconclusive: What could not be read although the gateway answers, and why; empty if all was.
        differences: In what a ticket that ended differs from what was sent, both sides shown: another ticket system
            can have a ticket of the same id and number.
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
    """An operator attests an approval that the gateway cannot show step by step.

    Attributes:
        ticket_id: The ticket that was approved.
        approver: The user who approved it.
        evidence: What the operator relies on, in words.
    """

    ticket_id: str
    approver: str
    evidence: str


@attrs.frozen(kw_only=True)
class AbsenceAttested:
    """An operator attests that the ticket system has no ticket of the change, so that it can be sent once more.

    Attributes:
        reason: Why it is sent once more.
        evidence: Where the operator looked and what that showed, in words.
    """

    evidence: str
    reason: str = ""


@attrs.frozen(kw_only=True)
class LateTicket:
    """A ticket that carries our key and is not the one that the change is bound to."""

    gateway: str
    id: str
    sn: str


@attrs.frozen(kw_only=True)
class Concern:
    """Why a person should look."""

    reason: AttentionReason
    facts: Mapping[str, str] = NOTHING


@attrs.frozen(kw_only=True)
class EffectNames:
    """A process names the effects of its workflow's definition; kept by workflow, not by change.

    Attributes:
        version: The version of the definition.
        effects: By state, the names.
    """

    version: int
    effects: Mapping[str, tuple[str, ...]]


@attrs.frozen(kw_only=True)
class EffectStart:
    """A worker is about to deliver an effect.

    Attributes:
        attempt: The number of this delivery, from 1.
        until: When the delivery counts as failed.
        owner: The worker's token.
    """

    effect: str
    attempt: int
    until: dt.datetime
    owner: str


@attrs.frozen(kw_only=True)
class EffectResult:
    """How one delivery of an effect went.

    Attributes:
        attempt: The number of this delivery, from 1; 0 if the work was done otherwise, e.g. by hand.
        error: Empty if it was done.
        final: A failure that no repeat can mend, e.g. a name that is not registered.
        withdrawal: What became of the library's own withdrawal; None for a host's effect, and for a withdrawal that
            was certainly not done.
    """

    effect: str
    attempt: int
    error: str = ""
    final: bool = False
    withdrawal: Withdrawal | None = None


@attrs.frozen(kw_only=True)
class EffectRetry:
    """A person wants a parked effect tried again."""

    effect: str
    reason: str = ""
