"""The ticket system of the explored worlds, as small immutable values.

Its rules are those of the sandbox's ledger; a test compares the two. Random or delayed events of the ledger are moves
here, which may happen at any time.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from itsm_workflow.change import Decider
from itsm_workflow.gateway.protocol import FoundTicket
from itsm_workflow.machine.evidence import ENDED, Snapshot, TicketStatus, Withdrawal
from itsm_workflow.testing.exploration.ticks import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

CREATOR, APPROVER, STRANGER = "alice", "bob", "stranger"
GATEWAY = "bk_itsm"
KEY = "K1"
"""The key of the first submission."""
FORGED = ("approvers: sent bob, shows alice",)
"""The differences of a forged ticket."""

_RUNNING, _SUSPENDED = TicketStatus.RUNNING, TicketStatus.SUSPENDED
_FINISHED, _TERMINATED, _REVOKED = TicketStatus.FINISHED, TicketStatus.TERMINATED, TicketStatus.REVOKED

Phase: TypeAlias = Literal["new", "approving", "over"]
"""The progress of the flow, which is not the status: the flow of a revoked ticket may still start."""


class Filed(NamedTuple):
    """One ticket. Its id is its place in the list, from 1.

    Attributes:
        key: The correlation key; empty for a ticket of another party.
        number: The number of the attempt that filed it.
        sn: Its number, which another party's ticket may share.
        approved: The result; meaningful only together with ``finished``.
        asked: Whether the flow passed an approval step.
        slow: Whether the flow starts later than any wait of the library.
        revoked: Whether it was ever withdrawn, whatever happened later.
        minor: Whether the change will never be bound to it. Then it is not read, and only its end can be reported.
        taken: Whether the library withdrew it, whatever happened later.
        forged: Whether it carries the key but differs from what was sent, since the applicant filed it with herself as
            the approver.
    """

    key: str
    number: int
    sn: str
    status: TicketStatus = _RUNNING
    phase: Phase = "new"
    approved: bool = False
    asked: bool = False
    slow: bool = False
    revoked: bool = False
    minor: bool = False
    taken: bool = False
    forged: bool = False


class Message(NamedTuple):
    """A callback under way, whose body shows the ticket at the time of writing, or forged values.

    A forger has our credential, since the callback would be rejected otherwise, and cannot predict times in later
    bodies. Once the body will not be read any more, only a ``mark`` is kept, to recognise a repeat.
    """

    sn: str
    number: int
    status: TicketStatus
    approved: bool
    forged: bool = False
    mark: int = 0


class Desk(NamedTuple):
    """Everything outside of the store.

    Attributes:
        tickets: The tickets, oldest first.
        flying: Creates that are still under way although their sender gave up: key and attempt.
        mail: Callbacks under way, sorted.
        failed: Numbers whose callback could not be delivered, sorted.
        runs: The host's own log of effects, sorted: the id, and whether it was planned in the store when it ran.
        looked: The reason for which the library had called a person who has cleared the call since.
        accepted: Whether an operator accepted the ticket after its last withdrawal by the library.
    """

    tickets: tuple[Filed, ...] = ()
    flying: tuple[tuple[str, int], ...] = ()
    mail: tuple[Message, ...] = ()
    failed: tuple[str, ...] = ()
    runs: tuple[tuple[str, bool], ...] = ()
    looked: str = ""
    accepted: bool = False


class EventKind(enum.Enum):
    """The kinds of events that the drains distinguish."""

    ARRIVES = "a create arrives"
    STARTS = "a flow starts"
    IS_APPROVED = "our ticket is approved"
    ELSE = "anything else"


class Happening(NamedTuple):
    """An event at the ticket system, or on the way to the host.

    Attributes:
        text: Description for people.
        faults: The number of faults that it counts as.
        desk: The desk afterwards.
        kind: Its kind.
    """

    text: str
    faults: int
    desk: Desk
    kind: EventKind = EventKind.ELSE


class Itsm:
    """The rules. To try a library against another system, or against wrong answers, override a method.

    Attributes:
        key: The key that an applicant sees, and under which she may file a ticket herself.
    """

    key = KEY

    # ---------------------------------------------------------------- what happens by itself

    def happenings(self, desk: Desk) -> Iterator[Happening]:
        """Yield all possible next events of people and the network."""
        for place, ticket in enumerate(desk.tickets):
            name = f"ticket {place + 1}"
            if not ticket.key or ticket.forged or (ticket.minor and ticket.phase == "over"):
                continue
            if ticket.minor:
                yield Happening(f"{name} is approved", 0, _decided(desk, place, approved=True), EventKind.IS_APPROVED)
                continue
            yield from self._ticket(desk, place, ticket, name)
        if not any(one.forged for one in desk.tickets):
            hers = Filed(
                key=self.key,
                number=0,
                sn=f"REQ{len(desk.tickets) + 1}",
                status=_FINISHED,
                phase="over",
                approved=True,
                asked=True,
                forged=True,
            )
            text = f"the applicant files ticket {len(desk.tickets) + 1} under the key herself, and approves it"
            yield Happening(text, 1, desk._replace(tickets=(*desk.tickets, hers)))
        for flight in sorted(set(desk.flying)):
            rest = list(desk.flying)
            rest.remove(flight)
            born = filed(desk._replace(flying=tuple(rest)), *flight)
            yield Happening("the create that was under way arrives", 0, born, EventKind.ARRIVES)
        for message in sorted(set(desk.mail)):
            about = f"the callback of {message.sn}"
            gone = without(desk, message)
            yield Happening(f"{about} is lost without a trace", 1, gone)
            yield Happening(f"{about} cannot be delivered", 1, _listed(gone, message.sn))
            if desk.mail.count(message) == 1:
                yield Happening(f"{about} is doubled", 1, posted(desk, message))

    def _ticket(self, desk: Desk, place: int, ticket: Filed, name: str) -> Iterator[Happening]:
        if ticket.phase == "new":
            yield Happening(
                f"the flow of {name} starts", 0, _put(desk, place, ticket._replace(phase="approving")), EventKind.STARTS
            )
            if not ticket.slow:
                slow = _put(desk, place, ticket._replace(slow=True))
                yield Happening(f"the flow of {name} is slow to start", 1, slow)
            if ticket.status is _RUNNING:
                ended = _put(desk, place, ticket._replace(status=_FINISHED, approved=True, phase="over"))
                yield Happening(f"{name} ends by itself, without an approver", 1, _called(ended, place))
        if ticket.phase == "approving":
            yield Happening(f"{name} is approved", 0, _decided(desk, place, approved=True), EventKind.IS_APPROVED)
            yield Happening(f"{name} is refused", 0, _decided(desk, place, approved=False))
        if ticket.status not in ENDED:
            yield from self._open_ticket(desk, place, ticket, name)

    def _open_ticket(self, desk: Desk, place: int, ticket: Filed, name: str) -> Iterator[Happening]:
        if ticket.phase == "approving":
            ended = _put(desk, place, ticket._replace(status=_TERMINATED, phase="over"))
            yield Happening(f"{name} is terminated", 0, _called(ended, place))
        yield Happening(f"{name} is withdrawn by its creator", 0, revoked(desk, place))
        if not any(other.sn == ticket.sn for other in desk.tickets if other is not ticket):
            foreign = Filed(key="", number=0, sn=ticket.sn, status=_FINISHED, phase="over", approved=True, asked=True)
            doubled = desk._replace(tickets=(*desk.tickets, foreign))
            yield Happening(f"another party's approved ticket has the number of {name}", 1, doubled)
        lie = Message(ticket.sn, ticket.number, _FINISHED, approved=True, forged=True)
        if lie not in desk.mail:
            yield Happening(f"a callback is forged: {name} finished and approved", 1, posted(desk, lie))
        if ticket.status is _SUSPENDED:
            yield Happening(f"{name} is resumed", 0, _put(desk, place, ticket._replace(status=_RUNNING)))
        elif ticket.phase == "approving":
            yield Happening(f"{name} is suspended", 1, _put(desk, place, ticket._replace(status=_SUSPENDED)))

    def later(self, desk: Desk) -> Desk:
        """Return the desk after one step of time: flows start within it, unless they are slow."""
        return desk._replace(
            tickets=tuple(
                one._replace(phase="approving") if one.phase == "new" and not one.slow else one for one in desk.tickets
            )
        )

    # ---------------------------------------------------------------- answers

    def snapshot(self, desk: Desk, ticket_id: str, *, decision_field: str | None) -> tuple[Snapshot, Desk]:
        """Return the gateway's snapshot of a ticket, and the desk afterwards, since a read updates the failed list."""
        ticket = desk.tickets[int(ticket_id) - 1]
        ambiguous = sum(one.sn == ticket.sn for one in desk.tickets) > 1
        open_step = ticket.phase == "approving"
        decision = "false" if ticket.asked and not ticket.approved else "true"
        seen = Snapshot(
            ticket_id=ticket_id,
            sn=ticket.sn,
            status=ticket.status,
            word=ticket.status.upper(),
            seen_at=NOW,
            result_status=ticket.status,
            approve_result=ticket.approved,
            approval_step=None if ambiguous else ticket.asked if ticket.status is _FINISHED else open_step,
            step_running=None if ambiguous else open_step,
            # The verdict's field reads "true" from the beginning, long before an approver is asked.
            decision=None if ambiguous or decision_field is None else decision,
            ambiguous=ambiguous,
            deciders=() if ambiguous or not ticket.asked else (Decider(user=APPROVER, approved=ticket.approved),),
        )
        return seen, desk._replace(failed=tuple(sn for sn in desk.failed if sn != ticket.sn))

    def carrying(self, desk: Desk, key: str) -> tuple[FoundTicket, ...]:
        """Return the tickets that carry a key."""
        return tuple(_found(place, one, key) for place, one in enumerate(desk.tickets) if one.key == key)

    def numbered(self, desk: Desk, sn: str, key: str) -> tuple[FoundTicket, ...]:
        """Return the tickets with a number; the key is set on those that carry it."""
        return tuple(_found(place, one, key) for place, one in enumerate(desk.tickets) if one.sn == sn)

    def withdraw(self, desk: Desk, ticket_id: str) -> tuple[Desk, Withdrawal] | None:
        """Return the desk after a withdrawal by number, and the answer; None if several tickets carry the number."""
        place = int(ticket_id) - 1
        ticket = desk.tickets[place]
        if sum(one.sn == ticket.sn for one in desk.tickets) > 1:
            return None
        if ticket.status is _REVOKED:
            return desk, Withdrawal.DONE
        if ticket.status in ENDED:
            return desk, Withdrawal.ENDED
        after = revoked(desk, place)
        taken = _put(after, place, after.tickets[place]._replace(taken=True))
        return taken._replace(accepted=False), Withdrawal.DONE

    def refuses_withdrawal(self, desk: Desk, ticket_id: str) -> bool:
        """Return whether a withdrawal may be refused because the ticket's flow has not started."""
        ticket = desk.tickets[int(ticket_id) - 1]
        return ticket.status is _RUNNING and ticket.phase == "new"


def trimmed(desk: Desk, key: str, bound: str, *, waits: bool) -> Desk:
    """Return the desk with the tickets marked minor to which the change will never be bound.

    Args:
        desk: The desk.
        key: The key of the change's last submission.
        bound: The id of the ticket to which it is bound, or empty.
        waits: Whether it can still be bound to another ticket.
    """
    return desk._replace(
        tickets=tuple(
            ticket if not ticket.key or str(place) == bound or (waits and ticket.key == key) else _minor(ticket)
            for place, ticket in enumerate(desk.tickets, 1)
        )
    )


def unread(desk: Desk) -> tuple[Desk, dict[Message, Message]]:
    """Return the desk with each callback under way reduced to a mark, and the callbacks with their reduced forms."""
    reduced: dict[Message, Message] = {}
    for message in desk.mail:
        if message not in reduced:
            mark = 1 + sum((one.sn, one.number) == (message.sn, message.number) for one in reduced)
            reduced[message] = Message(message.sn, message.number, TicketStatus.OTHER, approved=False, mark=mark)
    return desk._replace(mail=tuple(sorted(reduced[message] for message in desk.mail))), reduced


def filed(desk: Desk, key: str, number: int) -> Desk:
    """Return the desk with one more ticket of ours."""
    sn = f"REQ{len(desk.tickets) + 1}"
    return desk._replace(tickets=(*desk.tickets, Filed(key=key, number=number, sn=sn)))


def revoked(desk: Desk, place: int) -> Desk:
    """Return the desk after a withdrawal, which does not stop a flow that has not started."""
    ticket = desk.tickets[place]
    phase: Phase = "new" if ticket.phase == "new" else "over"
    return _called(_put(desk, place, ticket._replace(status=_REVOKED, phase=phase, revoked=True)), place)


def posted(desk: Desk, message: Message) -> Desk:
    """Return the desk with one more callback under way."""
    return desk._replace(mail=tuple(sorted((*desk.mail, message))))


def without(desk: Desk, message: Message) -> Desk:
    """Return the desk without one copy of that callback."""
    rest = list(desk.mail)
    rest.remove(message)
    return desk._replace(mail=tuple(rest))


def refused(desk: Desk, sn: str) -> Desk:
    """Return the desk after a callback was not answered with success, or not at all."""
    return _listed(desk, sn)


def ran(desk: Desk, effect: str, *, planned: bool) -> Desk:
    """Return the desk with one more line in the host's log; a repeat adds nothing."""
    return desk._replace(runs=tuple(sorted({*desk.runs, (effect, planned)})))


def _decided(desk: Desk, place: int, *, approved: bool) -> Desk:
    ticket = desk.tickets[place]
    ended = ticket._replace(status=_FINISHED, approved=approved, asked=True, phase="over")
    called = _called(_put(desk, place, ended), place)
    return _put(called, place, _minor(ended)) if ticket.minor else called


def _called(desk: Desk, place: int) -> Desk:
    ticket = desk.tickets[place]
    if not ticket.key:
        return desk
    return posted(desk, Message(ticket.sn, ticket.number, ticket.status, ticket.approved))


def _minor(ticket: Filed) -> Filed:
    phase: Phase = "over" if ticket.phase == "over" else "approving"
    return Filed(key=ticket.key, number=ticket.number, sn=ticket.sn, phase=phase, minor=True, forged=ticket.forged)


def _put(desk: Desk, place: int, ticket: Filed) -> Desk:
    if ticket.phase == "over":
        ticket = ticket._replace(slow=False)  # the flow has run
    return desk._replace(tickets=(*desk.tickets[:place], ticket, *desk.tickets[place + 1 :]))


def _listed(desk: Desk, sn: str) -> Desk:
    return desk._replace(failed=tuple(sorted({*desk.failed, sn})))


def _found(place: int, ticket: Filed, key: str) -> FoundTicket:
    return FoundTicket(
        id=str(place + 1),
        sn=ticket.sn,
        url="",
        title="",
        creator=CREATOR if ticket.key else STRANGER,
        key=key if ticket.key == key else "",
        differences=FORGED if ticket.forged else (),
        unseen=(),
    )
