"""Histories of changes that lived differently, made by firing the triggers of their lives."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from itsm_workflow.change import AttentionReason, Decider, Form
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.engine import fire, open_change
from tests.support import examples as x

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import Entry

    Told = tuple[float, str, str, object]

SN = "REQ20240517000007"
EFFECTS = {"approved": ("start_collection",)}
EFFECT = f"{x.ID}.start_collection.1.0"
GATEWAY, WORKER, CALLBACK, ALICE = "gateway", "worker", "callback", "alice"


def life(*told: Told, form: Form = x.FORM) -> list[Entry]:
    """Return the history of a change; each part is the seconds since its draft, the actor, the trigger, the evidence.

    A trigger that adds nothing leaves no entry.
    """
    change, entry = open_change(
        COLLECTOR_CHANGE, change_id=x.ID, subject="collector-1", form=form, now=x.NOW, actor=form.applicant
    )
    history = [entry]
    for at, actor, trigger, evidence in told:
        change, made = fire(
            COLLECTOR_CHANGE,
            change,
            trigger,
            evidence,
            now=x.later(at),
            policy=x.POLICY,
            seq=len(history) + 1,
            actor=actor,
            effects=EFFECTS,
        )
        history += [made] if made is not None else []
    return history


def sent() -> Sequence[Told]:
    """Return the parts until the request is sent."""
    return (0.004, ALICE, "submit", x.submission(number=1)), (0.006, ALICE, "mark_sending", x.mark())


def filed() -> Sequence[Told]:
    """Return the parts until the ticket is known from the answer."""
    return *sent(), (0.31, GATEWAY, "record_ticket", x.confirmed(sn=SN))


def unanswered(looks: int) -> Sequence[Told]:
    """Return the parts of a request without an answer, and of some look-ups that found nothing."""
    problem = "ReadTimeout: no answer within 15 s"
    waits = itertools.accumulate(wait.total_seconds() for wait in x.POLICY.lookups)
    return (
        *sent(),
        (15, ALICE, "mark_unknown", x.mark(problem=problem, at=x.moment(15))),
        *(
            (15 + wait, GATEWAY, "note_lookup", noted(15 + wait, answered=True))
            for wait in itertools.islice(waits, looks)
        ),
    )


def noted(at: float, *, answered: bool, problem: str = "no ticket carries its key") -> ev.LookupNoted:
    """Return a look-up without a ticket."""
    return ev.LookupNoted(number=1, answered=answered, problem=problem, at=x.moment(at))


def heard(at: float, body: str = "1") -> Told:
    """Return a callback about the ticket."""
    return at, CALLBACK, "receive_callback", ev.CallbackHeard(sn=SN, digest=body, number=1)


def decided(at: float, *, approved: bool, remark: str, user: str = "bob") -> Told:
    """Return a look at the ticket after an approver decided, five seconds before."""
    decider = Decider(user=user, approved=approved, remark=remark, at=x.later(at - 5))
    trigger = "approve" if approved else "reject"
    return at, GATEWAY, trigger, x.finished(approved=approved, sn=SN, deciders=(decider,))


def approved() -> Sequence[Told]:
    """Return the parts until the approval is known."""
    return *filed(), heard(557), decided(557.2, approved=True, remark="disk is big enough")


def started(at: float, attempt: int) -> Told:
    """Return the start of a delivery."""
    evidence = ev.EffectStart(effect=EFFECT, attempt=attempt, until=x.later(at + 300), owner="w1")
    return at, WORKER, "start_effect", evidence


def done(at: float, attempt: int, error: str = "") -> Told:
    """Return the result of a delivery."""
    trigger = "fail_effect" if error else "deliver_effect"
    return at, WORKER, trigger, ev.EffectResult(effect=EFFECT, attempt=attempt, error=error)


def _long() -> list[Entry]:
    """Return a history of 60 entries: the ticket seems to end, and does not, while callbacks arrive."""
    parts: list[Told] = []
    for number in range(28):
        at = 60 + 20.0 * number
        is_gone = number % 2 == 0
        seen = x.withdrawn(sn=SN) if is_gone else x.snapshot(sn=SN)
        parts.append((at, GATEWAY, "suspect_ending" if is_gone else "resume", seen))
        parts.append((at + 7, "ops", "raise_attention", _host_concern(number)))
    return life(*filed(), *parts)


def _host_concern(number: int) -> ev.Concern:
    return ev.Concern(reason=AttentionReason.HOST, facts={"disk": f"{number} GiB left"})


def _eventful() -> list[Entry]:
    """Return a history with no answer to the request, looks, a callback, an approval and an effect that failed."""
    found = x.confirmed(sn=SN, channel=ev.Channel.LOOKUP)
    return life(
        *unanswered(5),
        (240, GATEWAY, "record_ticket", found),
        heard(4557),
        decided(4557.2, approved=True, remark="disk is big enough"),
        started(4557.3, 1),
        done(4558.1, 1, _REFUSED_CONNECTION),
        started(4622, 2),
        done(4623.5, 2),
    )


_NO = "The disk of host 10.0.0.7 is too small for 30 days; ask for 7 days, or for another <host> & disk."
_REFUSED_CONNECTION = "ConnectionError: the node manager refused the connection"
_CHINESE = Form(title="接入 nginx 访问日志（生产环境，三台主机）", applicant="张三", approvers=("王工",))

LIVES: Mapping[str, Sequence[Entry]] = {
    "approved": life(*approved(), started(557.3, 1), done(559, 1)),
    "unanswered": life(*unanswered(3), (215, GATEWAY, "record_ticket", x.confirmed(sn=SN, channel=ev.Channel.LOOKUP))),
    "rejected": life(*filed(), heard(90_000), decided(90_000.2, approved=False, remark=_NO)),
    "attention": life(*unanswered(8)),
    "effect": life(
        *approved(),
        started(558, 1),
        done(559, 1, _REFUSED_CONNECTION),
        started(625, 2),
        done(626, 2, _REFUSED_CONNECTION),
        started(900, 3),
        done(901, 3),
    ),
    "chinese": life(
        *filed(),
        heard(4000),
        decided(4000.5, approved=True, remark="磁盘空间足够，同意接入；请在凌晨窗口执行。", user="王工"),
        form=_CHINESE,
    ),
    "eventful": _eventful(),
    "one": life(),
    "long": _long(),
}
"""Histories by what is special about them."""
