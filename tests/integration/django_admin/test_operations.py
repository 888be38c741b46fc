"""The operations of a person in Django's admin: a button, a page that confirms, and what the history keeps."""

from __future__ import annotations

import enum
import logging
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from django.test import Client

from itsm_workflow import COLLECTOR_CHANGE, Effect, Facts, Policy, State, Transition
from itsm_workflow.acts import ACTS
from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.integrations.django import get_workflow
from itsm_workflow.machine.evidence import Concern, Decision
from itsm_workflow.sandbox import acting
from tests.integration.django_admin.test_change_page import page_of, shown, words
from tests.integration.django_admin.test_list import HOSTILE, LIST, applied
from tests.support.desk import ASKED, SUBJECT
from tests.support.django_host import itsm
from tests.support.workflows import Deployed, Stage, deploy, deployment

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponse

    from itsm_workflow import ChangeRequest
    from tests.support.desk import Desk
    from tests.support.django_host.browsers import As

    Prepare = Callable[[Desk], ChangeRequest]

REASON = {"reason": "as agreed with alice"}


class Note(enum.StrEnum):
    """A trigger of a project's own."""

    NOTE = "note"


def operation(change: ChangeRequest, name: str) -> str:
    """Return the path of the page that confirms an operation."""
    return f"{LIST}{change.id}/do/{name}/"


def seen(page: str) -> str:
    """Return the hidden value that says which change the operator has seen."""
    return str(re.findall(r'name="seen" value="([^"]*)"', page)[0])


def confirm(client: Client, change: ChangeRequest, name: str, **given: str) -> HttpResponse:
    """Open the page of an operation, and confirm it."""
    page = client.get(operation(change, name))
    assert page.status_code == 200, page
    return client.post(operation(change, name), {"seen": seen(page.content.decode()), **given})


def done(client: Client, change: ChangeRequest, name: str, **given: str) -> str:
    """Confirm an operation, which succeeds, and return the messages on the page of the change."""
    answer = confirm(client, change, name, **given)
    assert answer.status_code == 302, words(answer.content.decode())
    assert answer["Location"] == page_of(change)
    return messages(client.get(page_of(change)))


def messages(answer: HttpResponse) -> str:
    """Return the messages on a page."""
    return words(" ".join(re.findall(r'<ul class="messagelist">.*?</ul>', answer.content.decode(), re.DOTALL)))


# ---------------------------------------------------------------- changes that wait for a person


def pending(desk: Desk) -> ChangeRequest:
    """Return a change that waits for its approvers."""
    change = applied()
    desk.pass_time()
    return get_workflow().get(change.id)


def draft(desk: Desk) -> ChangeRequest:
    """Return a draft."""
    return get_workflow().draft(subject=SUBJECT, **ASKED)


def decided(desk: Desk) -> ChangeRequest:
    """Return a change whose approval was not read yet."""
    change = applied()
    desk.decide(change)
    return change


def not_found(desk: Desk) -> ChangeRequest:
    """Return a change whose ticket the look-ups did not find."""
    desk.hide_tickets()
    change = applied()
    for _ in range(10):
        desk.clock.advance(3600)
        get_workflow().reconcile()
    desk.faults.clear()
    return get_workflow().get(change.id)


def parked(desk: Desk) -> ChangeRequest:
    """Return a change whose effect failed too often, and would succeed now."""
    work = {"fails": True}

    def start(_: object) -> None:
        if work.pop("fails", False):
            raise RuntimeError("the host was away")

    itsm.chosen.update(effects={State.APPROVED: [Effect("start", start)]}, policy=Policy(effect_attempts=1))
    change = decided(desk)
    return get_workflow().settle(change.id)


def in_doubt(desk: Desk) -> ChangeRequest:
    """Return a change whose ticket was approved, and shares its number with another one."""
    change = applied()
    desk.pass_time()
    ticket = desk.ledger.by_id(int(change.expect_ticket().id))
    desk.ledger.duplicate(ticket, title="another", creator="stranger")
    acting.decide(desk.ledger, ticket, "carol", approved=True, remark="")
    desk.pass_time()
    for _ in range(3):
        desk.clock.advance(300)
        get_workflow().reconcile()
    return get_workflow().get(change.id)


def withdrawn_in_vain(desk: Desk) -> ChangeRequest:
    """Return a change that was withdrawn, and whose ticket was approved all the same."""
    from itsm_workflow.machine.evidence import Withdrawal  # noqa: PLC0415 - short

    change = pending(desk)
    desk.faults.answer("withdraw", Withdrawal.DONE, always=True)
    desk.clock.advance(6)
    get_workflow().withdraw(change.id, actor="alice", reason="not wanted")
    desk.decide(change)
    desk.clock.advance(300)
    get_workflow().reconcile()
    return get_workflow().get(change.id)


def raised(desk: Desk) -> ChangeRequest:
    """Return a change that a person should look at."""
    change = pending(desk)
    concern = Concern(reason=AttentionReason.HOST, facts={"quota": "used up"})
    return get_workflow().fire(change.id, "raise_attention", concern, actor="host")


def noted(facts: Facts) -> ChangeRequest:
    """Store that the project's trigger was fired."""
    return attrs.evolve(facts.change, data={"noted": True})


def granted(desk: Desk) -> ChangeRequest:
    """Return a change that was approved, in a workflow with triggers of the project's own."""
    note = Transition(trigger=Note.NOTE, sources=(State.PENDING,), dest=None, evidence=Decision, update=noted)
    itsm.chosen["definition"] = attrs.evolve(COLLECTOR_CHANGE, transitions=(*COLLECTOR_CHANGE.transitions, note))
    return pending(desk)


SENT = {"sn": "", "evidence": ""}
CASES: dict[str, tuple[Prepare, dict[str, str], str, object]] = {
    "settle": (decided, {}, "approve", State.APPROVED),
    "submit": (draft, {}, "submit", State.PENDING),
    "record_ticket": (not_found, {"sn": "REQ20260302000001"}, "record_ticket", State.PENDING),
    "resend": (not_found, {**REASON, "evidence": "looked in the ticket system: none"}, "resend", State.PENDING),
    "attest_approval": (
        in_doubt,
        {"ticket_id": "1", "approver": "carol", "evidence": "carol's approval is on the page"},
        "attest_approval",
        State.APPROVED,
    ),
    "withdraw": (pending, REASON, "request_withdrawal", State.PENDING),
    "accept_after_withdrawal": (withdrawn_in_vain, REASON, "accept_after_withdrawal", State.APPROVED),
    "abandon": (not_found, REASON, "abandon", State.REJECTED),
    "clear_attention": (raised, REASON, "clear_attention", State.PENDING),
    "retry_effect": (parked, REASON, "retry_effect", State.APPROVED),
    "fire-raise_attention": (pending, REASON, "raise_attention", State.PENDING),
    "fire-note": (granted, REASON, "note", State.PENDING),
}


def filled(change: ChangeRequest, given: dict[str, str]) -> dict[str, str]:
    """Return the fields of an operation; an effect is named by its id."""
    ids = [one.id for one in change.effects if one.status is EffectStatus.PARKED]
    return {**given, "effect": ids[0]} if ids else given


def test_every_operation_has_a_case() -> None:
    """And the trigger of a project, and the one that asks for a person."""
    assert set(CASES) == {*ACTS, "fire-raise_attention", "fire-note"}


@pytest.mark.parametrize("name", CASES)
def test_an_operation_is_offered_confirmed_and_recorded(desk: Desk, browser_of: As, name: str) -> None:
    """With the person's name and reason; the page that confirms it changes nothing."""
    prepare, given, trigger, state = CASES[name]
    change = prepare(desk)
    client = browser_of("change_change")
    assert f'href="{operation(change, name)}"' in client.get(page_of(change)).content.decode()
    before = get_workflow().history(change.id)
    assert client.get(operation(change, name)).status_code == 200
    assert get_workflow().history(change.id) == before

    told = done(client, change, name, **filled(change, given))

    assert "was carried out" in told
    added = get_workflow().history(change.id)[len(before) :]
    fired = next(entry for entry in added if entry.trigger == trigger)
    assert fired.actor == ("gateway" if name == "settle" else "olga")
    kept = words(client.get(page_of(change)).content.decode())
    assert all(text in kept for text in given.values())
    assert get_workflow().get(change.id).state == state


@pytest.mark.parametrize("name", CASES)
def test_a_button_leads_to_a_page_in_chinese(desk: Desk, browser_of: As, name: str) -> None:
    """Its label, what it does, and the names of its fields."""
    change = CASES[name][0](desk)
    client = browser_of("change_change", language="zh-hans")
    page = client.get(operation(change, name)).content.decode()
    content = page.partition('<div id="content"')[2].partition(">")[2].partition("<!-- END Content -->")[0]
    assert change.subject in content
    text = words(content.replace(change.subject, "").replace("nginx", "").replace("note", ""))
    assert re.findall(r"[A-Za-z]{4,}", re.sub("alice|start|ITSM", "", text)) == []


@pytest.mark.parametrize("name", CASES)
def test_an_operation_that_is_not_allowed_is_a_message(desk: Desk, browser_of: As, name: str) -> None:
    """Neither offered nor carried out; a change that has ended allows almost none of them."""
    change = decided(desk)
    get_workflow().settle(change.id)
    if name in {"settle", "fire-raise_attention"}:
        return  # always allowed
    client = browser_of("change_change")
    before = get_workflow().history(change.id)
    assert f'href="{operation(change, name)}"' not in client.get(page_of(change)).content.decode()
    for ask in (client.get, client.post):
        answer = ask(operation(change, name), {"seen": "", **REASON})
        assert (answer.status_code, answer["Location"]) == (302, page_of(change))
        assert "is not possible for this change request now" in messages(client.get(page_of(change)))
    assert get_workflow().history(change.id) == before


@pytest.mark.parametrize("name", ["nothing", "revise", "receive", "fire-approve", "fire-", "close", "fire-deploy"])
def test_what_is_not_an_operation_of_a_person_is_a_message(desk: Desk, browser_of: As, name: str) -> None:
    """Whatever the address names."""
    change = pending(desk)
    client = browser_of("change_change")
    assert client.post(operation(change, name), REASON).status_code == 302
    assert "is not possible" in messages(client.get(page_of(change)))
    assert get_workflow().get(change.id) == change


def test_a_trigger_with_evidence_of_the_project_is_not_offered(desk: Desk, browser_of: As) -> None:
    """Only the project can make it."""
    itsm.chosen["definition"] = deployment(deploy(evidence=Deployed))
    change = applied()
    desk.decide(change)
    change = get_workflow().settle(change.id)
    assert change.state == Stage.GRANTED
    assert "fire(deploy)" in get_workflow().allowed(change.id)
    client = browser_of("change_change")
    assert "fire-deploy" not in client.get(page_of(change)).content.decode()
    assert client.post(operation(change, "fire-deploy"), REASON).status_code == 302
    assert get_workflow().get(change.id).state == Stage.GRANTED


REFUSALS: dict[str, tuple[Prepare, str, dict[str, str], str]] = {
    "no reason": (pending, "withdraw", {}, "This field is required"),
    "blank reason": (pending, "withdraw", {"reason": "  "}, "This field is required"),
    "invisible reason": (pending, "withdraw", {"reason": "\u200b\u2060"}, "cannot be seen"),
    "long reason": (pending, "withdraw", {"reason": "x" * 1001}, "at most 1000"),
    "null in the reason": (pending, "withdraw", {"reason": "a\x00b"}, "Null characters"),
    "unknown ticket": (not_found, "record_ticket", {"sn": "REQ1"}, "record_ticket was refused"),
    "own approval": (
        in_doubt,
        "attest_approval",
        {"ticket_id": "1", "approver": "olga", "evidence": "x"},
        "was refused",
    ),
    "another ticket": (
        in_doubt,
        "attest_approval",
        {"ticket_id": "99", "approver": "carol", "evidence": "x"},
        "was refused",
    ),
    "strange approver": (
        in_doubt,
        "attest_approval",
        {"ticket_id": "1", "approver": "c\u202earol", "evidence": "x"},
        "approver",
    ),
    "another effect": (parked, "retry_effect", {"effect": "x", **REASON}, "Select a valid choice"),
    "hostile text": (not_found, "record_ticket", {"sn": HOSTILE}, "alert"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_shown_at_the_form(desk: Desk, browser_of: As, case: str) -> None:
    """With the text that was typed, and nothing is stored."""
    prepare, name, given, message = REFUSALS[case]
    change = prepare(desk)
    before = get_workflow().history(change.id)
    answer = confirm(browser_of("change_change"), change, name, **given)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert re.search(message, words(page))
    assert re.search(r'class="error(list|note)', page)
    assert "<script>alert" not in page
    assert get_workflow().history(change.id) == before


def test_what_the_host_does_not_permit_a_user_is_neither_offered_nor_done(desk: Desk, browser_of: As) -> None:
    """The host's function is asked for the user who is logged in; an operation that it permits is offered."""
    itsm.chosen["authorize"] = lambda actor, act, _: actor != "olga" or act.name == "clear_attention"
    change = raised(desk)
    client = browser_of("change_change")
    before = get_workflow().history(change.id)
    page = client.get(page_of(change)).content.decode()
    assert [name for name in ACTS if operation(change, name) in page] == ["settle", "clear_attention"]
    assert client.post(operation(change, "withdraw"), {"seen": "", **REASON}).status_code == 302
    assert "is not possible for this change request now" in messages(client.get(page_of(change)))
    assert get_workflow().history(change.id) == before


def test_a_permission_that_is_taken_back_meanwhile_is_a_message_at_the_form(desk: Desk, browser_of: As) -> None:
    """The page was open when the host took it back; nothing is stored."""
    taken_back: list[str] = []
    itsm.chosen["authorize"] = lambda _, act, __: act.name not in taken_back
    change = pending(desk)
    before = get_workflow().history(change.id)
    original = get_workflow().allowed

    def then_taken_back(change_id: str, *, actor: str | None = None) -> list[str]:
        allowed = list(original(change_id, actor=actor))
        taken_back.append("withdraw")
        return allowed

    client = browser_of("change_change")
    opened = seen(client.get(operation(change, "withdraw")).content.decode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(get_workflow(), "allowed", then_taken_back)
        answer = client.post(operation(change, "withdraw"), {"seen": opened, **REASON})
    assert answer.status_code == 200
    assert "'olga' may not withdraw" in words(answer.content.decode())
    assert get_workflow().history(change.id) == before


def test_a_change_that_has_moved_since_is_shown_again_before_anything_is_done(desk: Desk, browser_of: As) -> None:
    """The operator has confirmed another state; the second confirmation counts."""
    change = pending(desk)
    client = browser_of("change_change")
    opened = seen(client.get(operation(change, "withdraw")).content.decode())
    desk.clock.advance(5)
    moved = get_workflow().fire(change.id, "raise_attention", Concern(reason=AttentionReason.HOST), actor="host")
    answer = client.post(operation(change, "withdraw"), {"seen": opened, **REASON})
    page = answer.content.decode()
    assert (answer.status_code, get_workflow().get(change.id)) == (200, moved)
    assert "has moved since" in words(page)
    assert client.post(operation(change, "withdraw"), {"seen": seen(page), **REASON}).status_code == 302
    assert "request_withdrawal" in [entry.trigger for entry in get_workflow().history(change.id)]


@pytest.mark.parametrize("name", ["withdraw", "settle"])
@pytest.mark.parametrize("permissions", [(), ("view_change",), ("add_change", "delete_change")])
def test_a_permission_is_needed_to_act(desk: Desk, browser_of: As, permissions: tuple[str, ...], name: str) -> None:
    """A user who may only look sees no button."""
    change = pending(desk)
    client = browser_of(*permissions)
    for answer in (client.get(operation(change, name)), client.post(operation(change, name), REASON)):
        assert answer.status_code == 403
    assert get_workflow().get(change.id) == change
    if "view_change" in permissions:
        assert "/do/" not in client.get(page_of(change)).content.decode()


def test_a_forged_request_is_refused(desk: Desk, browser_of: As) -> None:
    """Another site cannot act for a user who is logged in; the page itself carries the token."""
    change = pending(desk)
    client = browser_of("change_change", enforce_csrf_checks=True)
    page = client.get(operation(change, "withdraw")).content.decode()
    given = {"seen": seen(page), **REASON}
    assert client.post(operation(change, "withdraw"), given).status_code == 403
    assert get_workflow().get(change.id) == change
    token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]*)"', page)[-1]
    assert client.post(operation(change, "withdraw"), {**given, "csrfmiddlewaretoken": token}).status_code == 302


def test_a_visitor_is_sent_to_the_login(desk: Desk) -> None:
    """And nothing is done."""
    change = pending(desk)
    answer = Client().post(operation(change, "withdraw"), REASON)
    assert (answer.status_code, get_workflow().get(change.id)) == (302, change)


def test_a_store_that_fails_is_a_message(desk: Desk, browser_of: As, caplog: pytest.LogCaptureFixture) -> None:
    """Also in the middle of an operation."""
    change = pending(desk)
    client = browser_of("change_change")
    opened = seen(client.get(operation(change, "withdraw")).content.decode())
    desk.before_next_write(desk.store.inner.close)
    with caplog.at_level(logging.WARNING):
        answer = client.post(operation(change, "withdraw"), {"seen": opened, **REASON})
    assert answer.status_code == 200
    assert "was closed" in words(answer.content.decode())
    assert change.id in caplog.text
    assert client.get(operation(change, "withdraw")).status_code == 503


def test_an_open_transaction_of_the_project_is_a_message(
    desk: Desk, browser_of: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A middleware can have opened it; the library says why it does nothing in it."""
    change = pending(desk)
    client = browser_of("change_change")
    opened = seen(client.get(operation(change, "withdraw")).content.decode())
    opened_by_host = SimpleNamespace(refusal="a transaction is open", advice="End it first.")
    monkeypatch.setattr(desk.store, "host_transaction", lambda: opened_by_host, raising=False)
    monkeypatch.setattr(desk.store, "transaction_to_join", lambda _: None, raising=False)
    answer = client.post(operation(change, "withdraw"), {"seen": opened, **REASON})
    assert answer.status_code == 200
    assert "a transaction is open" in words(answer.content.decode())
    assert "End it first." in words(answer.content.decode())
    assert get_workflow().get(change.id) == change


def test_an_effect_that_fails_again_is_a_warning(desk: Desk, browser_of: As) -> None:
    """With its error, as text."""

    def fail(_: object) -> None:
        raise RuntimeError(HOSTILE)

    itsm.chosen.update(effects={State.APPROVED: [Effect("start", fail)]}, policy=Policy(effect_attempts=1))
    change = get_workflow().settle(decided(desk).id)
    client = browser_of("change_change")
    told = done(client, change, "retry_effect", effect=change.effects[0].id, **REASON)
    assert "The effect start failed: RuntimeError: <script>" in told
    assert "<script>alert" not in client.get(page_of(change)).content.decode()


def test_an_actor_whose_name_cannot_be_stored_is_a_message(desk: Desk, browser_of: As) -> None:
    """Django accepts names that the library does not."""
    change = pending(desk)
    answer = confirm(browser_of("change_change", name="x" * 150), change, "withdraw", **REASON)
    assert answer.status_code in {200, 302}
    assert "<h1>Server Error" not in answer.content.decode()


def test_the_applicant_is_not_offered_what_needs_another_person(desk: Desk, browser_of: As) -> None:
    """The machine decides, for the user who looks."""
    change = in_doubt(desk)
    assert "do/attest_approval/" in shown(browser_of, change, name="olga") + client_page(browser_of, change, "olga")
    assert "do/attest_approval/" not in client_page(browser_of, change, "alice")


def client_page(browser_of: As, change: ChangeRequest, name: str) -> str:
    """Return the page of a change as a user who may act sees it."""
    page: Any = browser_of("change_change", name=name).get(page_of(change)).content
    return str(page.decode())
