"""One ticket of the ledger: the record that changes, and a frozen view that callers may keep."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from itsm_workflow.sandbox.services import Service


class Status(StrEnum):
    """The words of ``current_status``."""

    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    FINISHED = "FINISHED"
    TERMINATED = "TERMINATED"
    REVOKED = "REVOKED"


ENDED = frozenset({Status.FINISHED, Status.TERMINATED, Status.REVOKED})
SHOWN = {
    Status.RUNNING: "处理中",
    Status.SUSPENDED: "挂起",
    Status.FINISHED: "已完成",
    Status.TERMINATED: "已终止",
    Status.REVOKED: "已撤销",
}


class FlowPhase(Enum):
    """The progress of the flow, which differs from the status: a revoked ticket's approval step may still run."""

    CREATED = "created"
    SUBMITTING = "submitting"
    APPROVING = "approving"
    OVER = "over"


class Flow(Enum):
    """The time at which the flow of a new ticket starts."""

    SOON = "soon"
    """The flow starts after the delay."""
    AT_ONCE = "at once"
    """The flow ends before the answer to the create, approved by the first approver if the flow has approvers."""
    NEVER = "never"
    """The server's worker crashes silently. `Ledger.begin` can still start the flow."""


class CallbackOutcome(StrEnum):
    """The outcome of one callback."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    LOST = "lost"


@attrs.frozen(kw_only=True)
class Draft:
    """A create that passed every check.

    Attributes:
        title: the ticket's title.
        creator: the user who files the ticket.
        service: the service with which the ticket is filed.
        values: the form by key, in the order of the request.
        approvers: the users who may decide; empty for a flow without approval.
        tag: the searchable correlation id, or None.
        meta: the object that was sent as ``meta``, with callback_url and headers.
        dynamic: ``(name, type, value)`` of each dynamic field.
    """

    title: str
    creator: str
    service: Service
    values: Mapping[str, Any] = attrs.field(factory=dict)
    approvers: tuple[str, ...] = ()
    tag: str | None = None
    meta: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    dynamic: tuple[tuple[str, str, str], ...] = ()


@attrs.frozen(kw_only=True)
class Decision:
    """The decision of an approver, before or after it takes effect."""

    approver: str
    approved: bool
    remark: str
    at: datetime


@attrs.frozen(kw_only=True)
class Transition:
    """One change of a ticket: its time, the new status, and the cause."""

    at: datetime
    status: Status
    approve_result: bool
    cause: str


@attrs.frozen(kw_only=True)
class CallbackAttempt:
    """One callback, in the order of sending: its content and its outcome."""

    number: int
    at: datetime
    status: Status
    approve_result: bool
    outcome: CallbackOutcome = CallbackOutcome.PENDING
    note: str = ""
    times_sent: int = 0


@attrs.frozen(kw_only=True)
class LogLine:
    """One line of the ticket's log.

    Attributes:
        state_type: the kind of step; empty for the flow itself.
        decision: the decision whose form the line shows; None for lines of other acts, such as a transfer.
    """

    operator: str
    at: datetime
    message: str
    source: str
    state_type: str = ""
    decision: Decision | None = None


@attrs.frozen(kw_only=True)
class TicketView:
    """A snapshot of a ticket, which does not change.

    Attributes:
        id: the integer that identifies the ticket.
        sn: the number for people; two tickets may have the same number.
        foreign: whether ``duplicate_sn`` made the ticket, so that it does not belong to a create.
        step_running: whether the approval step accepts a decision, regardless of the status.
        callbacks: every callback so far, without its body, since the body contains a token.
    """

    id: int
    sn: str
    tag: str | None
    title: str
    creator: str
    service_id: int
    approvers: tuple[str, ...]
    created_at: datetime
    update_at: datetime
    end_at: datetime | None
    current_status: Status
    approve_result: bool
    step_running: bool
    stuck: bool
    foreign: bool
    transitions: tuple[Transition, ...]
    callbacks: tuple[CallbackAttempt, ...]


@attrs.define(kw_only=True, eq=False)
class Ticket:
    """The ledger's mutable record of one ticket."""

    id: int
    sn: str
    draft: Draft
    first_field_id: int
    created_at: datetime
    update_at: datetime
    end_at: datetime | None = None
    status: Status = Status.RUNNING
    approve_result: bool = False
    phase: FlowPhase = FlowPhase.CREATED
    suspensions: int = 0
    pending: Decision | None = None
    decided: Decision | None = None
    stuck: bool = False
    stalled: bool = False
    foreign: bool = False
    assigned: tuple[str, ...] = ()
    comment_id: str = ""
    dynamic_keys: tuple[str, ...] = ()
    updated_by: list[str] = attrs.field(factory=list)
    signed: list[str] = attrs.field(factory=list)
    logs: list[LogLine] = attrs.field(factory=list)
    transitions: list[Transition] = attrs.field(factory=list)
    callbacks: list[CallbackAttempt] = attrs.field(factory=list)

    @property
    def service(self) -> Service:
        """The service with which the ticket was filed."""
        return self.draft.service

    @property
    def ended(self) -> bool:
        """Whether the status is final."""
        return self.status in ENDED

    @property
    def step_running(self) -> bool:
        """Whether the approval step accepts a decision."""
        return self.phase is FlowPhase.APPROVING

    @property
    def processors(self) -> tuple[str, ...]:
        """The users who may decide while the step runs: the approvers, or the users of a transfer; else empty."""
        return (self.assigned or self.draft.approvers) if self.step_running else ()

    @property
    def first_approver(self) -> str:
        """The default approver; empty if the flow has no approvers."""
        return self.draft.approvers[0] if self.draft.approvers else ""

    @property
    def callback_url(self) -> str:
        """The address of callbacks; empty for a ticket without callbacks."""
        return str(self.draft.meta.get("callback_url") or "")

    def view(self) -> TicketView:
        """Return a frozen copy."""
        return TicketView(
            id=self.id,
            sn=self.sn,
            tag=self.draft.tag,
            title=self.draft.title,
            creator=self.draft.creator,
            service_id=self.service.id,
            approvers=self.draft.approvers,
            created_at=self.created_at,
            update_at=self.update_at,
            end_at=self.end_at,
            current_status=self.status,
            approve_result=self.approve_result,
            step_running=self.step_running,
            stuck=self.stuck,
            foreign=self.foreign,
            transitions=tuple(self.transitions),
            callbacks=tuple(self.callbacks),
        )


@attrs.frozen(kw_only=True)
class Outgoing:
    """One callback that is to be sent.

    Attributes:
        ticket_id: the ticket's id.
        number: the number of the ticket's callback, from 1.
        url: ``meta.callback_url`` as given; it may not be a valid URL.
        headers: ``meta.headers`` as given; they may not be valid headers.
        body: the nine fields.
    """

    ticket_id: int
    sn: str
    number: int
    url: str
    headers: Any = attrs.field(repr=False)
    body: Mapping[str, Any] = attrs.field(repr=False)
