"""One ticket of the ledger: what BK-ITSM knows of it, and the frozen view that others may keep."""

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
    """How far the flow is, which is not the status: a revoked ticket's approval step may still run."""

    CREATED = "created"
    SUBMITTING = "submitting"
    APPROVING = "approving"
    OVER = "over"


class Flow(Enum):
    """When the flow of a new ticket starts."""

    SOON = "soon"
    """After the delay."""
    AT_ONCE = "at once"
    """It runs to its end before the create is answered, approved by its first approver if it has one."""
    NEVER = "never"
    """The server's worker dies over it without a word; `Ledger.begin` starts it all the same."""


class CallbackOutcome(StrEnum):
    """What became of one callback."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    LOST = "lost"


@attrs.frozen(kw_only=True)
class Draft:
    """A create that passed every check.

    Attributes:
        title: the ticket's title.
        creator: who asks.
        service: what it is filed under.
        values: the form, key to value, in the order sent.
        approvers: who may decide; empty for a flow without approval.
        tag: the searchable correlation id, or None.
        meta: the object sent as ``meta``, with callback_url and headers.
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
    """What an approver said, before or after it took effect."""

    approver: str
    approved: bool
    remark: str
    at: datetime


@attrs.frozen(kw_only=True)
class Transition:
    """One change of a ticket: when, what it became, and what caused it."""

    at: datetime
    status: Status
    approve_result: bool
    cause: str


@attrs.frozen(kw_only=True)
class CallbackAttempt:
    """One callback, in order of sending: what it said and what became of it."""

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
        state_type: the kind of step it came from; "" for the flow itself.
        decision: what was decided in it, whose form the line shows; None for a transfer, a withdrawal and the like.
    """

    operator: str
    at: datetime
    message: str
    source: str
    state_type: str = ""
    decision: Decision | None = None


@attrs.frozen(kw_only=True)
class TicketView:
    """A ticket as it stood at one moment; safe to keep.

    Attributes:
        id: the integer that alone identifies a ticket.
        sn: the number people use; two tickets may share it.
        foreign: made by ``duplicate_sn``, so nobody's create asked for it.
        step_running: the approval step accepts a decision, whatever the status says.
        callbacks: every callback so far, without its body, since that holds a token.
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
    """The ledger's own, changing record of one ticket."""

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
        """The service it was filed under."""
        return self.draft.service

    @property
    def ended(self) -> bool:
        """The status is one that BK-ITSM calls over."""
        return self.status in ENDED

    @property
    def step_running(self) -> bool:
        """The approval step accepts a decision."""
        return self.phase is FlowPhase.APPROVING

    @property
    def processors(self) -> tuple[str, ...]:
        """Who may act now: the approvers, or those the step was transferred to, while it runs; else nobody."""
        return (self.assigned or self.draft.approvers) if self.step_running else ()

    @property
    def first_approver(self) -> str:
        """Who acts when nobody is named; empty if the flow has no approvers."""
        return self.draft.approvers[0] if self.draft.approvers else ""

    @property
    def callback_url(self) -> str:
        """Where callbacks go; empty for nowhere."""
        return str(self.draft.meta.get("callback_url") or "")

    def view(self) -> TicketView:
        """Take a frozen copy."""
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
    """One callback that somebody has to send.

    Attributes:
        ticket_id: whose it is.
        number: which of the ticket's attempts, from 1.
        url: ``meta.callback_url`` as given, perhaps no URL at all.
        headers: ``meta.headers`` as given, perhaps not sendable.
        body: the nine fields.
    """

    ticket_id: int
    sn: str
    number: int
    url: str
    headers: Any = attrs.field(repr=False)
    body: Mapping[str, Any] = attrs.field(repr=False)
