"""The model of BK-ITSM: tickets, their flows, the day counter, the list of failed callbacks.

The model is pure Python, without I/O, threads or a clock of its own. Future events, such as the start of a flow or the
effect of a decision, are planned in a :class:`~itsm_workflow.sandbox.schedule.Schedule` and run when a driver calls
:meth:`Ledger.run_due`. Callbacks are :class:`~itsm_workflow.sandbox.ticket.Outgoing` values, which the driver delivers
and reports with :meth:`Ledger.record_delivery`. A driver with virtual time replays a run exactly.
A ledger is not thread-safe: callers in several threads must hold a lock around each use.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.sandbox import tokens
from itsm_workflow.sandbox.behaviour import Behaviour
from itsm_workflow.sandbox.refusals import Unforeseen, no_ticket
from itsm_workflow.sandbox.schedule import Schedule
from itsm_workflow.sandbox.services import DEFAULT_SERVICES
from itsm_workflow.sandbox.ticket import (
    CallbackAttempt,
    CallbackOutcome,
    Decision,
    Draft,
    Flow,
    FlowPhase,
    LogLine,
    Outgoing,
    Status,
    Ticket,
    TicketView,
    Transition,
)
from itsm_workflow.sandbox.times import callback_text, day_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from random import Random

    from itsm_workflow.sandbox.services import Service

SUBMIT_STEP = "提单"
APPROVAL_STEP = "内置审批节点"


class Ledger:
    """The tickets with their complete history.

    Args:
        clock: returns the time as an aware UTC datetime.
        random: source of tokens, field keys and chances; the same seed replays the same run.
        behaviour: delays and chances.
        services: the services with which tickets can be filed.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        random: Random,
        behaviour: Behaviour | None = None,
        services: Iterable[Service] = DEFAULT_SERVICES,
    ) -> None:
        self.behaviour: Behaviour = behaviour or Behaviour()
        self.random = random
        self.schedule: Schedule = Schedule()
        self.requests: Counter[str] = Counter()
        self.services: dict[int, Service] = {service.id: service for service in services}
        self.stale_rows: list[dict[str, Any]] | None = None
        self._clock = clock
        self._install = f"{random.getrandbits(64):x}"
        self._tickets: list[Ticket] = []
        self._by_sn: defaultdict[str, list[Ticket]] = defaultdict(list)
        self._failed: dict[str, None] = {}
        self._outbox: list[Outgoing] = []
        self._days: Counter[str] = Counter()
        self._fields = 0
        self._comments = 0

    def now(self) -> datetime:
        """Return the time of the ledger's clock."""
        return self._clock()

    # --- Finding -------------------------------------------------------------------------------------------------

    def tickets(self) -> tuple[TicketView, ...]:
        """Return a copy of every ticket, oldest first."""
        return tuple(ticket.view() for ticket in self._tickets)

    def newest_first(self) -> list[Ticket]:
        """Return the live records, newest first, like every list of BK-ITSM."""
        return self._tickets[::-1]

    def by_id(self, ticket_id: int) -> Ticket:
        """Find the ticket with an id.

        Raises:
            LookupError: no ticket has the id.
        """
        if not 0 < ticket_id <= len(self._tickets):
            message = f"No ticket of the sandbox has the id {ticket_id}."
            raise LookupError(message)
        return self._tickets[ticket_id - 1]  # `_store` counts from 1

    def by_sn(self, sn: object) -> list[Ticket]:
        """Find every ticket with a number, newest first; case and trailing blanks are ignored."""
        return self._by_sn.get(collate(sn), [])[::-1]

    def one(self, sn: object) -> Ticket:
        """Find the ticket with a number, as an endpoint does.

        Raises:
            Refusal: 3900022, no ticket has the number.
            Unforeseen: several tickets have the number.
        """
        found = self.by_sn(sn)
        if not found:
            raise no_ticket()
        if len(found) > 1:
            message = f"get() returned more than one Ticket -- it returned {len(found)}!"
            raise Unforeseen(message)
        return found[0]

    def step_keys(self, service: Service) -> tuple[str, str, str]:
        """Return the keys of the three fields of a service's approval step: verdict, optional remark, required remark.

        The keys differ from one installation to another, so a client must read them from get_ticket_status.
        """
        return tuple(self._random_key(f"{service.id}.{n}") for n in range(3))  # type: ignore[return-value]  # exactly 3

    # --- Filing --------------------------------------------------------------------------------------------------

    def file(self, draft: Draft, *, flow: Flow = Flow.SOON) -> Ticket:
        """Store a ticket.

        Args:
            draft: a create that passed every check.
            flow: when its flow starts. With `Flow.AT_ONCE` the callback exists before the answer to the create, and
                :meth:`collect` returns it.
        """
        ticket = self._store(draft, self.draw_number())
        if flow is Flow.NEVER:
            ticket.stalled = True
            return ticket
        if flow is Flow.AT_ONCE:
            self.begin(ticket)
            if ticket.step_running:
                at = self.now()
                ticket.pending = Decision(approver=ticket.processors[0], approved=True, remark="", at=at)
                self.take_effect(ticket, ticket.pending)
            return ticket
        delay = self.behaviour.draw_start(self.random)
        self.plan(delay / 2, f"{ticket.sn} shows its submit step", lambda: self._open_submit_step(ticket))
        self.plan(delay, f"{ticket.sn} starts its flow", lambda: self._start(ticket))
        return ticket

    def duplicate(self, original: Ticket, *, title: str, creator: str) -> Ticket:
        """Store another user's ticket under a number that is already used, as after a loss of the day counter.

        The other ticket runs and has the original's approvers, but no tag and no callback.
        """
        draft = Draft(
            title=title,
            creator=creator,
            service=original.service,
            values={**original.draft.values, "title": title},
            approvers=original.draft.approvers,
        )
        ticket = self._store(draft, original.sn)
        ticket.foreign = True
        self.begin(ticket)
        return ticket

    def draw_number(self) -> str:
        """Return the next number of the local day. If the create then fails, the number is not used again."""
        day = day_text(self.now())
        self._days[day] += 1
        return f"REQ{day}{self._days[day]:06d}"

    def _store(self, draft: Draft, sn: str) -> Ticket:
        number, now = len(self._tickets) + 1, self.now()
        ticket = Ticket(
            id=number,
            sn=sn,
            draft=draft,
            first_field_id=self._fields + 1,
            created_at=now,
            update_at=now,
            updated_by=[draft.creator],
            dynamic_keys=tuple(self._random_key(f"{number}.{name}") for name, _, _ in draft.dynamic),
        )
        self._fields += len(draft.dynamic) + len(draft.values) + 8
        self._tickets.append(ticket)
        self._by_sn[collate(sn)].append(ticket)
        self.note(ticket, "create")
        return ticket

    def _random_key(self, salt: str) -> str:
        digest = hashlib.sha256(f"{self._install}.{salt}".encode()).hexdigest()
        return "f" + digest[:31]

    # --- The flow ------------------------------------------------------------------------------------------------

    def plan(self, delay: float, what: str, action: Callable[[], None]) -> None:
        """Plan an action for a number of seconds from now."""
        self.schedule.add(self.now() + timedelta(seconds=delay), what, action)

    def run_due(self) -> list[Outgoing]:
        """Run every event that is due by the clock.

        Returns:
            The resulting callbacks, which the caller delivers.
        """
        self.schedule.run(self.now())
        return self.collect()

    def collect(self) -> list[Outgoing]:
        """Return the callbacks that wait for delivery, and remove them from the outbox."""
        taken, self._outbox = self._outbox, []
        return taken

    def begin(self, ticket: Ticket) -> None:
        """Start a ticket's flow now, even if it would never have started."""
        ticket.stalled = False
        self._open_submit_step(ticket)
        self._start(ticket)

    def _open_submit_step(self, ticket: Ticket) -> None:
        if ticket.phase is FlowPhase.CREATED and not ticket.stalled:
            ticket.phase = FlowPhase.SUBMITTING

    def _start(self, ticket: Ticket) -> None:
        if ticket.phase is not FlowPhase.SUBMITTING:
            return
        creator, now = ticket.draft.creator, self.now()
        ticket.logs.append(LogLine(operator=creator, at=now, message="流程开始.", source="WEB"))
        submitted = f"{creator} 处理【{SUBMIT_STEP}】"
        ticket.logs.append(LogLine(operator=creator, at=now, message=submitted, source="WEB", state_type="NORMAL"))
        if ticket.service.approval:
            ticket.phase = FlowPhase.APPROVING
            return
        callback = self.end(ticket, Status.FINISHED, "flow without approval", approve_result=True)
        self._outbox.extend(callback)

    def take_effect(self, ticket: Ticket, decision: Decision) -> None:
        """End the ticket by a decision, unless the ticket has ended or changed in the meantime."""
        if ticket.pending is not decision:
            return
        ticket.decided = decision
        verdict = "通过" if decision.approved else "拒绝"
        message = f"{decision.approver} 已处理【{APPROVAL_STEP}】({verdict})"
        ticket.logs.append(
            LogLine(
                operator=decision.approver,
                at=decision.at,
                message=message,
                source="API",
                state_type="APPROVAL",
                decision=decision,
            )
        )
        self.sign(ticket, decision.approver)
        callback = self.end(
            ticket, Status.FINISHED, "approve" if decision.approved else "reject", approve_result=decision.approved
        )
        self._outbox.extend(callback)

    def end(self, ticket: Ticket, status: Status, cause: str, *, approve_result: bool = False) -> list[Outgoing]:
        """End a ticket.

        Returns:
            The callback; empty if the ticket has no callback URL.
        """
        bare = status is Status.REVOKED and ticket.phase in {FlowPhase.CREATED, FlowPhase.SUBMITTING}
        ticket.status, ticket.approve_result = status, approve_result
        ticket.pending, ticket.stuck, ticket.suspensions = None, False, 0
        ticket.phase = FlowPhase.OVER
        ticket.end_at = self.touch(ticket)
        if status is not Status.REVOKED:
            self._comments += 1
            ticket.comment_id = str(self._comments)
        ticket.logs.append(LogLine(operator="", at=ticket.end_at, message="流程结束.", source="SYS"))
        self.note(ticket, cause)
        return self.compose(ticket, bare=bare)

    def sign(self, ticket: Ticket, person: str) -> None:
        """Add a user to the list of those who changed the ticket."""
        if person not in ticket.updated_by:
            ticket.updated_by.append(person)

    def touch(self, ticket: Ticket) -> datetime:
        """Update the ticket's time of change, which never moves backwards."""
        ticket.update_at = max(ticket.update_at, self.now())
        return ticket.update_at

    def note(self, ticket: Ticket, cause: str) -> None:
        """Append the ticket's current status to its history."""
        ticket.transitions.append(
            Transition(at=self.now(), status=ticket.status, approve_result=ticket.approve_result, cause=cause)
        )

    # --- Callbacks -----------------------------------------------------------------------------------------------

    def compose(self, ticket: Ticket, *, bare: bool = False) -> list[Outgoing]:
        """Build the callback for the ticket's current status; empty for a ticket without a callback_url.

        Args:
            ticket: the ticket.
            bare: omit the commas around updated_by, as for a ticket that was withdrawn before its flow started.
        """
        if not ticket.callback_url:
            return []
        number = len(ticket.callbacks) + 1
        people = ",".join(ticket.updated_by)
        decided = ticket.decided
        body = {
            "title": ticket.draft.title,
            "current_status": ticket.status.value,
            "sn": ticket.sn,
            "ticket_url": f"{self.behaviour.site}/weixin/#/ticket/{ticket.id}/",
            "update_at": callback_text(ticket.update_at),
            "updated_by": people if bare else f",{people},",
            "approve_result": ticket.approve_result,
            "token": tokens.issue(self.random),
            "last_approver": decided.approver if decided and ticket.status is Status.FINISHED else "",
        }
        ticket.callbacks.append(
            CallbackAttempt(number=number, at=self.now(), status=ticket.status, approve_result=ticket.approve_result)
        )
        headers = ticket.draft.meta.get("headers") or {}
        return [
            Outgoing(
                ticket_id=ticket.id, sn=ticket.sn, number=number, url=ticket.callback_url, headers=headers, body=body
            )
        ]

    def record_delivery(
        self, outgoing: Outgoing, outcome: CallbackOutcome, *, note: str = "", times_sent: int = 1
    ) -> None:
        """Record the outcome of a callback; a failed callback adds the number to the list of failed callbacks.

        A lost callback, whose worker crashed, is not on the list. A later successful callback removes nothing from it.
        """
        ticket = self.by_id(outgoing.ticket_id)
        index = outgoing.number - 1
        ticket.callbacks[index] = attrs.evolve(
            ticket.callbacks[index], outcome=outcome, note=note, times_sent=times_sent
        )
        if outcome is CallbackOutcome.FAILED:
            self._failed[ticket.sn] = None

    def failed_callbacks(self) -> list[str]:
        """Return the numbers whose callback failed. Reading the list does not clear it."""
        return list(self._failed)

    def forget_failed(self, sns: Iterable[object]) -> None:
        """Remove numbers from the failed list, by their exact text, unlike the look-up of tickets."""
        for sn in sns:
            self._failed.pop(str(sn), None)


def collate(text: object) -> str:
    """Fold a text as the server's database compares it: without case and trailing blanks."""
    return str(text).rstrip(" ").casefold() if text is not None else "\0"
