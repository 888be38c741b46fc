"""The ways in which a question to the gateway, or a delivery to the host, can end: first without, then with faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import attrs

from itsm_workflow.change import WITHDRAW
from itsm_workflow.gateway.protocol import Created, NotSent, Refused, Unknown
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.evidence import Withdrawal
from itsm_workflow.settle import LookupAnswer, ReadAnswer, SendAnswer, Step
from itsm_workflow.testing.exploration.itsm import CREATOR, filed, ran
from itsm_workflow.testing.exploration.world import PUT_OFF, Deliver, Lookup, Read, Send
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.gateway.protocol import CreateAnswer, FoundTicket
    from itsm_workflow.settle import Answer
    from itsm_workflow.testing.exploration.itsm import Desk, Itsm
    from itsm_workflow.testing.exploration.world import PutOff, Question

_LOST = "the answer was lost"
_NO = "refused"
_UNSEEN = ("form: its fields are not filled in yet",)


class Ending(NamedTuple):
    """One way in which it ends.

    Attributes:
        text: Description for people.
        faults: The number of faults that it counts as.
        desk: The desk afterwards.
        answers: The answers for the worker to store.
    """

    text: str
    faults: int
    desk: Desk
    answers: tuple[Answer | Step | PutOff, ...]


def endings(
    itsm: Itsm, desk: Desk, question: Question, *, decision_field: str | None, planned: bool
) -> Iterator[Ending]:
    """Yield every way in which a question can end; the first has no fault.

    Args:
        itsm: The ticket system.
        desk: The current desk.
        question: The question.
        decision_field: The decision field of the definition's approval policy.
        planned: Whether the effect to deliver is planned in the store.
    """
    if isinstance(question, Send):
        yield from _send(itsm, desk, question)
    elif isinstance(question, Deliver):
        yield from _deliver(itsm, desk, question, planned=planned)
    else:
        for look in _looks(itsm, desk, question, decision_field):
            failed = question.late and any(_is_empty(answer) for answer in look.answers)
            yield look._replace(answers=(*look.answers, PUT_OFF)) if failed else look


def _looks(itsm: Itsm, desk: Desk, question: Lookup | Read, decision_field: str | None) -> Iterator[Ending]:
    if isinstance(question, Read):
        yield from _read(itsm, desk, question.ticket, decision_field)
    elif question.read:
        for read in _read(itsm, desk, question.read, decision_field):
            for look in _look_up(itsm, read.desk, question):
                both = f"{read.text}; {look.text}"
                yield Ending(both, read.faults + look.faults, look.desk, read.answers + look.answers)
    else:
        yield from _look_up(itsm, desk, question)


def _is_empty(answer: object) -> bool:
    """Return whether a look returned no answer."""
    if isinstance(answer, ReadAnswer):
        return answer.snapshot is None
    return isinstance(answer, LookupAnswer) and answer.found is None


def _send(itsm: Itsm, desk: Desk, send: Send) -> Iterator[Ending]:
    def answered(answer: CreateAnswer, found: Sequence[FoundTicket] | None = None) -> tuple[SendAnswer, ...]:
        return (
            SendAnswer(number=send.number, owner=send.owner, key=send.key, creator=CREATOR, answer=answer, found=found),
        )

    if send.late:
        not_sent = answered(NotSent(problem="this worker was stopped before it sent"))
        yield Ending("a worker resumes after a stop and sends nothing", 0, desk, not_sent)
        return
    born = filed(desk, send.key, send.number)
    place = len(born.tickets)
    sn = born.tickets[-1].sn
    lost, refused = answered(Unknown(problem=_LOST)), Refused(remote_code=3900004, message=_NO)
    flying = desk._replace(flying=tuple(sorted((*desk.flying, (send.key, send.number)))))
    none, one = itsm.carrying(desk, send.key), itsm.carrying(born, send.key)
    yield Ending(f"the gateway files ticket {place}", 0, born, answered(Created(id=str(place), sn=sn, url="")))
    yield Ending("the gateway cannot be reached, nothing is sent", 1, desk, answered(NotSent(problem="no connection")))
    yield Ending("the create is lost on its way and times out", 1, desk, lost)
    yield Ending(f"the gateway files ticket {place}, its answer is lost", 1, born, lost)
    yield Ending("the create times out and is still under way", 1, flying, lost)
    yield Ending("the gateway refuses the create", 1, desk, answered(refused, none))
    yield Ending(
        f"the gateway refuses the create and files ticket {place} nevertheless", 1, born, answered(refused, one)
    )
    yield Ending("the gateway refuses the create, the look-up after it fails", 2, desk, answered(refused))
    both = f"the gateway refuses the create and files ticket {place} nevertheless, the look-up after it fails"
    yield Ending(both, 2, born, answered(refused))


def _look_up(itsm: Itsm, desk: Desk, look: Lookup) -> Iterator[Ending]:
    found, channel = itsm.carrying(desk, look.key), ev.Channel.LOOKUP
    if look.sn and not any(one.is_ours for one in found):
        named = (one for one in itsm.numbered(desk, look.sn, look.key) if one.key)
        found, channel = tuple({one.id: one for one in (*found, *named)}.values()), ev.Channel.CALLBACK
    text = f"the gateway finds {counted(len(found), 'ticket') if found else 'no ticket'} of the key"
    yield Ending(text, 0, desk, (LookupAnswer(number=look.number, found=found, channel=channel),))
    if any(one.is_ours for one in found):
        hidden = tuple(attrs.evolve(one, unseen=_UNSEEN) if one.is_ours else one for one in found)
        answer = LookupAnswer(number=look.number, found=hidden, channel=channel)
        yield Ending(f"{text}, the form cannot be read yet", 1, desk, (answer,))
    failed = LookupAnswer(number=look.number, found=None, channel=ev.Channel.LOOKUP, problem=_LOST)
    yield Ending("the look-up fails", 1, desk, (failed,))


def _read(itsm: Itsm, desk: Desk, ticket_id: str, decision_field: str | None) -> Iterator[Ending]:
    snapshot, after = itsm.snapshot(desk, ticket_id, decision_field=decision_field)
    verdict = f", {'approved' if snapshot.approve_result else 'refused'}"
    seen = f"{snapshot.status}{verdict if snapshot.status is ev.TicketStatus.FINISHED else ''}"
    yield Ending(f"the gateway shows ticket {ticket_id}: {seen}", 0, after, (ReadAnswer(snapshot=snapshot),))
    yield Ending(f"ticket {ticket_id} cannot be read", 1, desk, (ReadAnswer(snapshot=None),))
    if after != desk:
        yield Ending(f"ticket {ticket_id} is read, the answer is lost", 1, after, (ReadAnswer(snapshot=None),))


def _deliver(itsm: Itsm, desk: Desk, deliver: Deliver, *, planned: bool) -> Iterator[Ending]:
    def result(error: str = "", withdrawal: Withdrawal | None = None) -> tuple[Step, ...]:
        evidence = ev.EffectResult(effect=deliver.effect, attempt=deliver.attempt, error=error, withdrawal=withdrawal)
        return (Step(Trigger.FAIL_EFFECT if error else Trigger.DELIVER_EFFECT, evidence),)

    if deliver.name != WITHDRAW:
        done, name = ran(desk, deliver.effect, planned=planned), deliver.name
        yield Ending(f"effect {name} runs", 0, done, result())
        yield Ending(f"effect {name} fails", 1, desk, result(_NO))
        if done != desk:
            yield Ending(f"effect {name} runs, and fails at its end", 1, done, result(_LOST))
        return
    withdrawn = itsm.withdraw(desk, deliver.ticket)
    if withdrawn is None:
        yield Ending("the withdrawal is refused: several tickets carry the number", 0, desk, result(_NO))
        return
    after, answer = withdrawn
    yield Ending(f"ticket {deliver.ticket} is withdrawn, if it has not ended", 0, after, result(withdrawal=answer))
    yield Ending("the withdrawal fails", 1, desk, result(_NO))
    if itsm.refuses_withdrawal(desk, deliver.ticket):
        early = result(_NO, Withdrawal.NOT_YET)
        yield Ending("the withdrawal is refused: the flow has not started", 1, desk, early)
    if after != desk:
        lost = result(_LOST, Withdrawal.UNKNOWN)
        yield Ending(f"ticket {deliver.ticket} is withdrawn, the answer is lost", 1, after, lost)
