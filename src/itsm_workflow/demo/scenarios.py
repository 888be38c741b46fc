"""The twenty changes of the demonstration as one table; each row's function makes its own thing happen, or go wrong."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.audit import Forged
from itsm_workflow.callbacks.signer import HEADER
from itsm_workflow.change import AttentionReason, Outcome
from itsm_workflow.demo.stage import PATIENCE, expect
from itsm_workflow.machine.approval import State, Trigger
from itsm_workflow.machine.evidence import Channel
from itsm_workflow.sandbox import tokens
from itsm_workflow.sandbox.ticket import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.demo.stage import Ask, Stage
    from itsm_workflow.sandbox.ticket import TicketView

OPERATOR = "ops"
REFUSED = 401


@attrs.frozen
class Scenario:
    """One row.

    Attributes:
        name: In a few words.
        shows: What to learn from it.
        drive: Files the change and makes things happen; returns once it need only end.
        ending: How it must end, without attention.
    """

    name: str
    shows: str
    drive: Callable[[Stage, Ask], object]
    ending: Outcome


# ---------------------------------------------------------------- as people decide


def approved(stage: Stage, ask: Ask) -> None:
    """Approve; the callback is a hint, and the ticket, read again, decides."""
    stage.sandbox.approve(_sn(stage.pending(ask)))


def approved_by_second(stage: Stage, ask: Ask) -> None:
    """Let the second of two approvers approve."""
    change = stage.pending(ask)
    stage.sandbox.approve(_sn(change), approver=ask.approvers[-1])


def rejected(stage: Stage, ask: Ask) -> None:
    """Reject."""
    stage.sandbox.reject(_sn(stage.pending(ask)), remark="quota exceeded")


def withdrawn_here(stage: Stage, ask: Ask) -> None:
    """Withdraw through the library, which waits until the ticket's flow has started."""
    change = stage.pending(ask)
    stage.workflow.withdraw(change.id, actor=ask.applicant, reason="no longer needed")


def withdrawn_there(stage: Stage, ask: Ask) -> None:
    """Withdraw on the ticket's own page; that is believed after a second quiet look."""
    change = stage.pending(ask)
    stage.step_open(change)
    stage.sandbox.withdraw(_sn(change))
    stage.until(ask, lambda seen: seen.suspicion, "suspected to have ended")


def terminated(stage: Stage, ask: Ask) -> None:
    """Terminate, as an approver may."""
    change = stage.pending(ask)
    stage.step_open(change)
    stage.sandbox.terminate(_sn(change))


def suspended(stage: Stage, ask: Ask) -> None:
    """Suspend, look, resume and approve; nobody calls back about a suspension."""
    change = stage.pending(ask)
    stage.step_open(change)
    stage.sandbox.suspend(_sn(change))
    expect(stage.workflow.settle(change.id).state == State.PENDING, "a suspended ticket leaves the change pending")
    stage.sandbox.resume(_sn(change))
    stage.sandbox.approve(_sn(change))


# ---------------------------------------------------------------- creating goes wrong


def answer_lost(stage: Stage, ask: Ask) -> None:
    """Lose the answer of a create: the ticket is found by its key, and nothing is sent again."""
    stage.sandbox.faults.lose_answer("create_ticket")
    stage.file(ask)
    change = stage.until(ask, lambda seen: seen.state == State.PENDING, "found by its key")
    expect(change.expect_ticket().channel == Channel.LOOKUP, "the ticket was found by look-up")
    stage.sandbox.approve(_sn(change))


def never_created(stage: Stage, ask: Ask) -> None:
    """Let a proxy answer 502 and create nothing: a person, told after the look-ups, has it sent again."""
    stage.sandbox.faults.status("create_ticket", 502)
    stage.file(ask)
    change = stage.until(ask, lambda seen: seen.attention, "given attention")
    expect(change.attention and change.attention.reason is AttentionReason.NOT_FOUND, "attention: not found")
    stage.workflow.resend(change.id, actor=OPERATOR, reason="the proxy's log shows that nothing arrived")
    change = stage.until(ask, lambda seen: seen.ticket, "filed by the resend")
    stage.sandbox.approve(_sn(change))


def called_back_early(stage: Stage, ask: Ask) -> None:
    """Decide and call back before the create is answered."""
    stage.sandbox.faults.early_callback()
    stage.file(ask)
    stage.until(ask, lambda seen: seen.outcome, "ended")
    heard = stage.triggers(ask)
    expect(heard.index(Trigger.RECEIVE_CALLBACK) < heard.index(Trigger.RECORD_TICKET), "the callback came first")


def killed(stage: Stage, ask: Ask) -> None:
    """Kill -9 a process whose ticket is stored and whose answer is on its way; a second process takes over."""
    held = stage.sandbox.faults.hold("create_ticket")
    stage.asked.append(ask.subject)
    child = stage.spawn("apply", ask)
    expect(held.wait_reached(PATIENCE), "the other process sends its create")
    child.kill()
    child.wait()
    held.drop()
    change = stage.change(ask)
    expect((change.state, change.ticket) == (State.APPLYING, None), "the intent is stored, the ticket is not known")
    expect(stage.spawn("recover", ask).wait(PATIENCE) == 0, "the second process recovers it")
    change = stage.change(ask)
    expect(change.expect_ticket().channel == Channel.LOOKUP, "the ticket was found by look-up")
    stage.sandbox.approve(_sn(change))


# ---------------------------------------------------------------- callbacks go wrong


def callback_lost(stage: Stage, ask: Ask) -> None:
    """Lose the callback; the gateway lists it as not delivered, where a reconcile finds it."""
    change = stage.pending(ask)
    stage.sandbox.faults.callback_lost(listed=True)
    stage.sandbox.approve(_sn(change))
    stage.until_ended(ask)
    expect(Trigger.FAIL_CALLBACK in stage.triggers(ask), "it went through failed_callback")


def callback_vanished(stage: Stage, ask: Ask) -> None:
    """Lose the callback without a trace; the next poll finds the decision."""
    change = stage.pending(ask)
    stage.sandbox.faults.callback_lost(listed=False)
    stage.sandbox.approve(_sn(change))
    stage.until_ended(ask)
    expect(Trigger.RECEIVE_CALLBACK not in stage.triggers(ask), "no callback was heard")


def callback_twice(stage: Stage, ask: Ask) -> None:
    """Send the callback twice: one entry, one approval, one effect."""
    change = stage.pending(ask)
    stage.sandbox.faults.callback_twice()
    stage.sandbox.approve(_sn(change))
    stage.until_ended(ask)
    sent = stage.sandbox.ticket(int(change.expect_ticket().id)).callbacks[-1].times_sent
    counted = [stage.triggers(ask).count(trigger) for trigger in (Trigger.RECEIVE_CALLBACK, Trigger.APPROVE)]
    expect((sent, counted) == (2, [1, 1]), "two callbacks, one entry and one approval")


def callback_forged(stage: Stage, ask: Ask) -> None:
    """Forge callbacks in several ways, with a token that the server vouches for: all are refused, nothing is asked."""
    change = stage.pending(ask)
    ticket = stage.step_open(change)
    url, headers = stage.callback_target(change)
    body = _lie(ticket, stage, "2001-01-01 00:00:00.000001")
    tries: list[tuple[str, str, dict[str, str]]] = [
        ("no credential", url, {}),
        ("a guessed credential", url, {HEADER: "A" * len(headers[HEADER])}),
        ("the credential of another attempt", url.replace("/1/", "/2/"), headers),
        *(("the credential of another change", url, stage.callback_target(one)[1]) for one in _others(stage, change)),
    ]
    for what, target, given in tries:
        status, sent = stage.call_back(target, given, body)
        stage.forged.append(Forged(what=what, status=status, body=sent))
        expect(status == REFUSED, f"HTTP {REFUSED} for {what}, not {status}")
    expect(stage.workflow.settle(change.id).state == State.PENDING, "the change is still pending")
    stage.sandbox.reject(_sn(change))


def callback_lies(stage: Stage, ask: Ask) -> None:
    """Call back with the true credential and a body that says approved: it is heard, and not believed."""
    change = stage.pending(ask)
    ticket = stage.step_open(change)
    url, headers = stage.callback_target(change)
    status, _ = stage.call_back(url, headers, _lie(ticket, stage, "2001-01-01 00:00:00.000002"))
    expect(status == 200, f"the hint is taken, not HTTP {status}")  # noqa: PLR2004 - HTTP's OK
    expect(stage.workflow.settle(change.id).state == State.PENDING, "the change is still pending")
    expect(Trigger.RECEIVE_CALLBACK in stage.triggers(ask), "the hint was heard")
    stage.sandbox.reject(_sn(change))


# ---------------------------------------------------------------- and the rest


def shared_number(stage: Stage, ask: Ask) -> None:
    """Give our ticket's number to a foreign ticket and approve that one; only then is ours decided, by its id."""
    change = stage.pending(ask)
    stage.step_open(change)
    foreign = stage.sandbox.duplicate_sn(_sn(change))
    stage.sandbox.approve(foreign.id)
    stage.sandbox.wait(lambda ledger: ledger.by_id(foreign.id).status is Status.FINISHED, PATIENCE)
    expect(stage.workflow.settle(change.id).state == State.PENDING, "the foreign approval is not ours")
    stage.sandbox.reject(int(change.expect_ticket().id))


def effect_fails(stage: Stage, ask: Ask) -> None:
    """Let the work fail once: it is done again under the same id, and the approval stands."""
    stage.deliveries.fail_next(ask.subject)
    change = stage.pending(ask)
    stage.sandbox.approve(_sn(change))
    stage.until_ended(ask)
    expect(Trigger.FAIL_EFFECT in stage.triggers(ask), "the first delivery failed")


SCENARIOS = (
    Scenario("approved", "a callback is a hint; the ticket decides", approved, Outcome.APPROVED),
    Scenario("approved", "the same for another applicant", approved, Outcome.APPROVED),
    Scenario("second approver", "one approval of several approvers is enough", approved_by_second, Outcome.APPROVED),
    Scenario("rejected", "FINISHED and not approved", rejected, Outcome.REJECTED),
    Scenario("rejected", "the same for another applicant", rejected, Outcome.REJECTED),
    Scenario("withdrawn here", "waits until the ticket is old enough", withdrawn_here, Outcome.WITHDRAWN),
    Scenario("withdrawn there", "believed after a second quiet look", withdrawn_there, Outcome.WITHDRAWN),
    Scenario("terminated", "believed after a second quiet look", terminated, Outcome.TERMINATED),
    Scenario("suspended, approved", "a suspended ticket has not ended", suspended, Outcome.APPROVED),
    Scenario("create answer lost", "found by its key, not sent again", answer_lost, Outcome.APPROVED),
    Scenario("create never arrived", "a person decides on a resend", never_created, Outcome.APPROVED),
    Scenario("callback before answer", "the callback finds the ticket", called_back_early, Outcome.APPROVED),
    Scenario("callback lost", "found on the gateway's failed list", callback_lost, Outcome.APPROVED),
    Scenario("callback vanished", "found by the next poll", callback_vanished, Outcome.APPROVED),
    Scenario("callback twice", "one approval, one effect", callback_twice, Outcome.APPROVED),
    Scenario("callback forged", "refused before anything is asked or written", callback_forged, Outcome.REJECTED),
    Scenario("callback lies", "heard as a hint, its body not believed", callback_lies, Outcome.REJECTED),
    Scenario("two tickets, one sn", "the foreign approval does not count", shared_number, Outcome.REJECTED),
    Scenario("effect fails once", "delivered again under the same id", effect_fails, Outcome.APPROVED),
    Scenario("kill -9", "a second process takes over", killed, Outcome.APPROVED),
)


def _sn(change: ChangeRequest) -> str:
    return change.expect_ticket().sn


def _others(stage: Stage, change: ChangeRequest) -> list[ChangeRequest]:
    """Return another change that has a ticket, if there is one."""
    found = (one for one in stage.workflow.find() if one.id != change.id and one.ticket is not None)
    return list(itertools.islice(found, 1))


def _lie(ticket: TicketView, stage: Stage, update_at: str) -> dict[str, Any]:
    """Return a body as the stand-in writes it, saying that a running ticket was approved."""
    with stage.sandbox.locked() as ledger:
        token = tokens.issue(random.Random(ticket.id))  # noqa: S311 - what the stand-in itself would send
        site = ledger.behaviour.site
    return {
        "title": ticket.title,
        "current_status": Status.FINISHED.value,
        "sn": ticket.sn,
        "ticket_url": f"{site}/weixin/#/ticket/{ticket.id}/",
        "update_at": update_at,
        "updated_by": f",{ticket.creator},",
        "approve_result": True,
        "token": token,
        "last_approver": ticket.approvers[0],
    }
