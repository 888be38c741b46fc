"""The twenty scenarios of the demonstration as one table; the function of each row drives its change."""

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
    """One row of the table.

    Attributes:
        name: A name in a few words.
        shows: The lesson of the scenario.
        drive: Files the change and drives it; returns when the change only has to end.
        ending: The expected outcome, without attention.
    """

    name: str
    shows: str
    drive: Callable[[Stage, Ask], object]
    ending: Outcome


# ---------------------------------------------------------------- decisions of people


def approved(stage: Stage, ask: Ask) -> None:
    """Approve the ticket. The callback is a hint; the ticket is read again, and decides."""
    stage.sandbox.approve(_sn(stage.pending(ask)))


def approved_by_second(stage: Stage, ask: Ask) -> None:
    """Let the second of two approvers approve."""
    change = stage.pending(ask)
    stage.sandbox.approve(_sn(change), approver=ask.approvers[-1])


def rejected(stage: Stage, ask: Ask) -> None:
    """Reject the ticket."""
    stage.sandbox.reject(_sn(stage.pending(ask)), remark="quota exceeded")


def withdrawn_here(stage: Stage, ask: Ask) -> None:
    """Withdraw through the library, which waits until the ticket's flow has started."""
    change = stage.pending(ask)
    stage.workflow.withdraw(change.id, actor=ask.applicant, reason="no longer needed")


def withdrawn_there(stage: Stage, ask: Ask) -> None:
    """Withdraw on the ticket's page; a second look after the quiet time confirms it."""
    change = stage.pending(ask)
    stage.step_open(change)
    stage.sandbox.withdraw(_sn(change))
    stage.until(ask, lambda seen: seen.suspicion, "suspected to have ended")


def terminated(stage: Stage, ask: Ask) -> None:
    """Terminate the ticket, as an approver may."""
    change = stage.pending(ask)
    stage.step_open(change)
    stage.sandbox.terminate(_sn(change))


def suspended(stage: Stage, ask: Ask) -> None:
    """Suspend, settle, resume and approve; BK-ITSM sends no callback for a suspension."""
    change = stage.pending(ask)
    stage.step_open(change)
    stage.sandbox.suspend(_sn(change))
    expect(stage.workflow.settle(change.id).state == State.PENDING, "a suspended ticket leaves the change pending")
    stage.sandbox.resume(_sn(change))
    stage.sandbox.approve(_sn(change))


# ---------------------------------------------------------------- faults of the create


def answer_lost(stage: Stage, ask: Ask) -> None:
    """Lose the answer to a create: the ticket is found by its key, and is not sent again."""
    stage.sandbox.faults.lose_answer("create_ticket")
    stage.file(ask)
    change = stage.until(ask, lambda seen: seen.state == State.PENDING, "found by its key")
    expect(change.expect_ticket().channel == Channel.LOOKUP, "the ticket was found by look-up")
    stage.sandbox.approve(_sn(change))


def never_created(stage: Stage, ask: Ask) -> None:
    """Let a proxy answer 502 and create nothing: after the look-ups the operator resends it."""
    stage.sandbox.faults.status("create_ticket", 502)
    stage.file(ask)
    change = stage.until(ask, lambda seen: seen.attention, "given attention")
    expect(change.attention and change.attention.reason is AttentionReason.NOT_FOUND, "attention: not found")
    stage.workflow.resend(change.id, actor=OPERATOR, reason="the proxy's log shows that nothing arrived")
    change = stage.until(ask, lambda seen: seen.ticket, "filed by the resend")
    stage.sandbox.approve(_sn(change))


def called_back_early(stage: Stage, ask: Ask) -> None:
    """Decide, and send the callback, before the create is answered."""
    stage.sandbox.faults.early_callback()
    stage.file(ask)
    stage.until(ask, lambda seen: seen.outcome, "ended")
    triggers = stage.triggers(ask)
    expect(triggers.index(Trigger.RECEIVE_CALLBACK) < triggers.index(Trigger.RECORD_TICKET), "the callback came first")


def killed(stage: Stage, ask: Ask) -> None:
    """Kill a process with SIGKILL after its ticket was created and before the answer; a second process takes over."""
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


# ---------------------------------------------------------------- faults of callbacks


def callback_lost(stage: Stage, ask: Ask) -> None:
    """Lose the callback; the gateway lists it as not delivered, and a reconcile finds it there."""
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
    expect(Trigger.RECEIVE_CALLBACK not in stage.triggers(ask), "no callback was received")


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
    """Forge callbacks in several ways, with a token that the server accepts: all are refused without a look."""
    change = stage.pending(ask)
    ticket = stage.step_open(change)
    url, headers = stage.callback_target(change)
    body = _false_approval(ticket, stage, "2001-01-01 00:00:00.000001")
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
    """Send a callback with the true credential and a false approval: it is a hint, and the ticket is read again."""
    change = stage.pending(ask)
    ticket = stage.step_open(change)
    url, headers = stage.callback_target(change)
    status, _ = stage.call_back(url, headers, _false_approval(ticket, stage, "2001-01-01 00:00:00.000002"))
    expect(status == 200, f"HTTP 200 for the hint, not {status}")  # noqa: PLR2004 - HTTP's OK
    expect(stage.workflow.settle(change.id).state == State.PENDING, "the change is still pending")
    expect(Trigger.RECEIVE_CALLBACK in stage.triggers(ask), "the hint was received")
    stage.sandbox.reject(_sn(change))


# ---------------------------------------------------------------- other faults


def shared_number(stage: Stage, ask: Ask) -> None:
    """Give the change's sn to another ticket and approve that one; the change is decided by its own ticket's id."""
    change = stage.pending(ask)
    stage.step_open(change)
    other = stage.sandbox.duplicate_sn(_sn(change))
    stage.sandbox.approve(other.id)
    stage.sandbox.wait(lambda ledger: ledger.by_id(other.id).status is Status.FINISHED, PATIENCE)
    expect(
        stage.workflow.settle(change.id).state == State.PENDING, "the other ticket's approval leaves the change pending"
    )
    stage.sandbox.reject(int(change.expect_ticket().id))


def effect_fails(stage: Stage, ask: Ask) -> None:
    """Let the effect fail once: it is delivered again under the same id, and the approval stays."""
    stage.deliveries.fail_next(ask.subject)
    change = stage.pending(ask)
    stage.sandbox.approve(_sn(change))
    stage.until_ended(ask)
    expect(Trigger.FAIL_EFFECT in stage.triggers(ask), "the first delivery failed")


SCENARIOS = (
    Scenario("approved", "a callback is a hint; the ticket decides", approved, Outcome.APPROVED),
    Scenario("approved", "the same for another applicant", approved, Outcome.APPROVED),
    Scenario("second approver", "one approval of several approvers is enough", approved_by_second, Outcome.APPROVED),
    Scenario("rejected", "FINISHED, and not approved", rejected, Outcome.REJECTED),
    Scenario("rejected", "the same for another applicant", rejected, Outcome.REJECTED),
    Scenario("withdrawn here", "waits until the ticket is old enough", withdrawn_here, Outcome.WITHDRAWN),
    Scenario("withdrawn there", "confirmed by a second look, after a quiet time", withdrawn_there, Outcome.WITHDRAWN),
    Scenario("terminated", "confirmed by a second look, after a quiet time", terminated, Outcome.TERMINATED),
    Scenario("suspended, approved", "a suspended ticket has not ended", suspended, Outcome.APPROVED),
    Scenario("create answer lost", "found by its key, not sent again", answer_lost, Outcome.APPROVED),
    Scenario("create never arrived", "a person decides on a resend", never_created, Outcome.APPROVED),
    Scenario("callback before answer", "the callback finds the ticket", called_back_early, Outcome.APPROVED),
    Scenario("callback lost", "found on the gateway's failed list", callback_lost, Outcome.APPROVED),
    Scenario("callback vanished", "found by the next poll", callback_vanished, Outcome.APPROVED),
    Scenario("callback twice", "one approval, one effect", callback_twice, Outcome.APPROVED),
    Scenario("callback forged", "refused before a look or a write", callback_forged, Outcome.REJECTED),
    Scenario("callback lies", "a hint; the ticket is read again, and decides", callback_lies, Outcome.REJECTED),
    Scenario("two tickets, one sn", "the other ticket's approval does not count", shared_number, Outcome.REJECTED),
    Scenario("effect fails once", "delivered again under the same id", effect_fails, Outcome.APPROVED),
    Scenario("kill -9", "a second process takes over", killed, Outcome.APPROVED),
)


def _sn(change: ChangeRequest) -> str:
    return change.expect_ticket().sn


def _others(stage: Stage, change: ChangeRequest) -> list[ChangeRequest]:
    """Return another change that has a ticket, in a list that is empty if there is no such change."""
    found = (one for one in stage.workflow.find() if one.id != change.id and one.ticket is not None)
    return list(itertools.islice(found, 1))


def _false_approval(ticket: TicketView, stage: Stage, update_at: str) -> dict[str, Any]:
    """Return a callback body in the stand-in's format that reports a running ticket as approved."""
    with stage.sandbox.locked() as ledger:
        token = tokens.issue(random.Random(ticket.id))  # noqa: S311 - the token that the stand-in would send
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
