"""Acts on the console's pages: who may, what is shown first, and what is left in the history."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from flask import request
from werkzeug.security import generate_password_hash

from itsm_workflow import State
from itsm_workflow.change import AttentionReason
from itsm_workflow.machine.evidence import Concern
from itsm_workflow.sandbox import acting
from itsm_workflow.web import console, sessions
from itsm_workflow.web.people import COOKIE
from tests.support.desk import ASKED, Desk

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from itsm_workflow import Workflow
    from itsm_workflow.runtime.overview import Overview

NAME, PASSWORD = "olga", "not-a-secret"
HASHES = {NAME: generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")}  # quick; a real one is slow on purpose


@pytest.fixture
def site(workflow: Workflow, desk: Desk) -> Flask:
    """The console with a login, which acts."""
    return console(workflow, clock=desk.clock, logins=HASHES, allow_actions=True)


@pytest.fixture
def olga(site: Flask) -> FlaskClient:
    """A browser in which olga has logged in."""
    client = site.test_client()
    assert log_in(client).status_code == 303
    return client


def log_in(client: FlaskClient, name: str = NAME, password: str = PASSWORD, **more: str) -> TestResponse:
    """Send the form of the login."""
    return client.post("/login/", data={"name": name, "password": password, **more})


def sent(client: FlaskClient, address: str, **given: str) -> TestResponse:
    """Fill in the form at an address as a person does, and send it."""
    page = client.get(address)
    hidden = dict(re.findall(r'<input type="hidden" name="(csrf|stand)" value="([^"]*)"', page.text))
    return client.post(address, data={**hidden, **given})


def act_of(workflow: Workflow, subject: str, route: str) -> str:
    """Return the address of an act."""
    return f"/changes/{workflow.resolve(subject).id}/{route}/"


def test_an_act_is_confirmed_with_a_reason_and_shows_its_entry(olga: FlaskClient, workflow: Workflow) -> None:
    """The actor is the person who logged in; nothing happens before."""
    address = act_of(workflow, "collector-3", "abandon")
    before = workflow.history(workflow.resolve("collector-3").id)
    page = olga.get(address)
    assert "Gives the change request up" in page.text
    assert "in the name of olga" in page.text
    assert workflow.history(before[0].change_id) == before

    answer = sent(olga, address, reason="alice no longer needs it")
    entry = workflow.history(before[0].change_id)[-1]
    assert (entry.actor, entry.dest, entry.seq) == ("olga", State.REJECTED, len(before) + 1)
    assert answer.headers["Location"] == f"/changes/{entry.change_id}/?made={entry.seq}#entry-{entry.seq}"
    shown = olga.get(answer.headers["Location"]).text
    assert f"It made entry #{entry.seq}." in shown
    assert "alice no longer needs it" in shown


@pytest.mark.parametrize("reason", ["", "  ", "\u200b"])
def test_an_act_without_a_reason_is_not_carried_out(olga: FlaskClient, workflow: Workflow, reason: str) -> None:
    """The field is named, for a screen reader as well."""
    answer = sent(olga, act_of(workflow, "collector-3", "abandon"), reason=reason)
    assert (answer.status_code, 'aria-invalid="true"' in answer.text) == (400, True)
    assert workflow.resolve("collector-3").state == State.DRAFT


@pytest.mark.parametrize(("reason", "status"), [(AttentionReason.LOOKUP_FAILED, 400), (AttentionReason.NOT_FOUND, 303)])
def test_the_evidence_of_a_resend_is_required_after_look_ups_that_failed(
    desk: Desk, reason: AttentionReason, status: int
) -> None:
    """As the machine requires it: the page said that it is optional, and the act was then refused."""
    workflow = desk.workflow()
    desk.faults.time_out("create", always=True)
    change = workflow.apply(subject="collector-9", **ASKED)
    desk.faults.clear()
    workflow._fire(change.id, "raise_attention", Concern(reason=reason, facts={}), actor="gateway")
    made = console(workflow, clock=desk.clock, person=lambda: NAME, allow_actions=True, key=b"k" * 32)
    client = made.test_client()
    address = act_of(workflow, "collector-9", "resend")
    assert ("Evidence<span" in client.get(address).text) == (status == 303)
    answer = sent(client, address, reason="the ticket is not there")
    assert answer.status_code == status
    if status == 400:
        assert sent(client, address, reason="x", evidence="list of alice: none").status_code == 303


def test_only_what_is_allowed_now_is_offered(olga: FlaskClient, workflow: Workflow) -> None:
    """Any other act answers with what is the case."""
    text = olga.get(f"/changes/{workflow.resolve('collector-1').id}/").text
    offered = re.findall(r'<a class="button[^"]*" href="/changes/[^/]*/([^/]*)/"', text)
    assert offered == ["settle", "fire-raise_attention", "clear_attention", "retry_effect"]
    answer = olga.get(act_of(workflow, "collector-1", "withdraw"))
    assert (answer.status_code, "is not possible now" in answer.text) == (409, True)
    assert olga.get(act_of(workflow, "collector-1", "close")).status_code == 409


def test_every_offered_act_has_a_page_in_both_languages(olga: FlaskClient, workflow: Workflow) -> None:
    """With its fields."""
    for number in range(4):
        change_id = workflow.resolve(f"collector-{number}").id
        text = olga.get(f"/changes/{change_id}/").text
        for route in re.findall(r'<a class="button[^"]*" href="(/changes/[^/]*/[^/]*/)"', text):
            for language in ("zh", "en"):
                assert olga.get(f"{route}?language={language}").status_code == 200, route


def test_an_act_on_a_change_that_moved_meanwhile_is_not_carried_out(olga: FlaskClient, workflow: Workflow) -> None:
    """The person looks again, and the reason is not lost."""
    address, change = act_of(workflow, "collector-3", "abandon"), workflow.resolve("collector-3")
    page = olga.get(address).text
    hidden = dict(re.findall(r'<input type="hidden" name="(csrf|stand)" value="([^"]*)"', page))
    workflow.submit(change.id)
    answer = olga.post(address, data={**hidden, "reason": "kept"})
    assert answer.status_code == 409
    if "has moved since" in answer.text:
        assert "kept" in answer.text
    assert "abandon" not in [entry.trigger for entry in workflow.history(change.id)]


def hidden_in(page: TestResponse) -> dict[str, str]:
    """Return the hidden fields of the form on a page."""
    return dict(re.findall(r'<input type="hidden" name="(csrf|stand)" value="([^"]*)"', page.text))


def test_of_parallel_forms_of_one_page_exactly_one_acts(
    site: Flask, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if each of them could read the change before the others act."""
    clients = [site.test_client() for _ in range(4)]
    assert {log_in(client).status_code for client in clients} == {303}
    address, original = act_of(workflow, "collector-3", "fire-raise_attention"), workflow.overview
    forms = [{**hidden_in(client.get(address)), "reason": f"reason {number}"} for number, client in enumerate(clients)]
    together = threading.Barrier(len(clients))

    def read_together(*arguments: Any, **options: Any) -> Overview:
        seen = original(*arguments, **options)
        with suppress(
            threading.BrokenBarrierError
        ):  # one at a time, the first waits in vain, and the others not at all
            together.wait(timeout=0.2)
        return seen

    monkeypatch.setattr(workflow, "overview", read_together)
    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(lambda client, form: client.post(address, data=form), clients, forms))
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409, 409]
    history = workflow.history(workflow.resolve("collector-3").id)
    assert [entry.actor for entry in history].count(NAME) == 1


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Retried; it failed again: RuntimeError: the collector&#39;s host is unreachable (entry #"),
        ("zh", "已重试，但再次失败：RuntimeError: the collector&#39;s host is unreachable（记录 #"),
    ],
)
def test_an_effect_that_fails_again_is_not_done(
    olga: FlaskClient, workflow: Workflow, language: str, words: str
) -> None:
    """The retry is stored, and its delivery failed in the same call."""
    olga.get(f"/?language={language}")
    change = workflow.resolve("collector-1")
    address = act_of(workflow, "collector-1", "retry_effect")
    answer = sent(olga, address, effect=change.parked_effects[0].id, reason="the host is up")
    shown = olga.get(answer.headers["Location"]).text
    last = workflow.history(change.id)[-1]
    assert (f"{words}{last.seq}" in shown, 'class="made"' in shown, "Done." in shown) == (True, False, False)
    assert 'class="problem" role="alert"' in shown


def test_a_request_that_fails_again_is_not_done(olga: FlaskClient, workflow: Workflow, desk: Desk) -> None:
    """The act *Resend* is stored; its request was refused."""
    desk.hide_tickets()
    change = workflow.apply(subject="collector-9", **ASKED)
    while "resend" not in workflow.allowed(change.id, actor=NAME):
        desk.clock.advance(3600)
        workflow.settle(change.id)
    desk.faults.clear("create")
    desk.faults.unreachable("create", always=True)
    answer = sent(olga, act_of(workflow, "collector-9", "resend"), reason="x", evidence="no ticket in the list")
    shown = olga.get(answer.headers["Location"]).text
    [failed] = [one for one in workflow.history(change.id) if one.trigger == "mark_unsent"]
    assert (f"Entry #{failed.seq}: Note that nothing was sent (" in shown, "Done." in shown) == (True, False)


def test_a_link_fakes_no_failure(olga: FlaskClient, workflow: Workflow) -> None:
    """The entry is earlier, or is no failure, or there is none."""
    sent(olga, act_of(workflow, "collector-1", "fire-raise_attention"), reason="x")
    history = workflow.history(workflow.resolve("collector-1").id)
    made = next(entry.seq for entry in history if entry.actor == NAME)
    for failed in ("1", "999", f"{made}", *(f"{one.seq}" for one in history if one.trigger == "fail_effect")):
        text = olga.get(f"/changes/{history[0].change_id}/", query_string={"made": made, "failed": failed}).text
        assert f"Done. It made entry #{made}." in text, failed


def test_an_act_that_another_person_did_first_is_not_claimed(
    olga: FlaskClient, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The withdrawal of another process is stored, and olga's is not; the entry is not hers."""
    change, original = workflow.resolve("collector-0"), workflow.withdraw
    monkeypatch.setattr(workflow, "withdraw", lambda change_id, **_: original(change_id, actor="erin", reason="x"))
    before = len(workflow.history(change.id))
    answer = sent(olga, act_of(workflow, "collector-0", "withdraw"), reason="by olga")
    assert NAME not in {entry.actor for entry in workflow.history(change.id)}
    assert answer.status_code == 409
    assert f"the change moved by entry #{before + 1} of erin" in answer.text
    assert "by olga" in answer.text


def test_an_act_that_records_nothing_says_so(
    olga: FlaskClient, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not done."""
    monkeypatch.setattr(workflow, "abandon", lambda change_id, **_: workflow.get(change_id))
    answer = sent(olga, act_of(workflow, "collector-3", "abandon"), reason="x")
    assert (answer.status_code, "It changed nothing" in answer.text, "Done" in answer.text) == (200, True, False)


def test_the_entry_of_the_person_is_named(olga: FlaskClient, workflow: Workflow) -> None:
    """Not a later one that the ticket system's answer made."""
    change = workflow.resolve("collector-0")
    answer = sent(olga, act_of(workflow, "collector-0", "withdraw"), reason="no longer needed")
    first, *others = [one for one in workflow.history(change.id) if one.actor == NAME]
    assert workflow.history(change.id)[-1].actor != NAME
    assert others == []
    assert answer.headers["Location"].endswith(f"?made={first.seq}#entry-{first.seq}")


@pytest.mark.parametrize("made", ["1", "999", "\uff10", "\u0663", "-1", "1_0", "9" * 5000, ""])
def test_a_link_fakes_no_act(olga: FlaskClient, client: FlaskClient, workflow: Workflow, made: str) -> None:
    """The entry is of another person, or there is none; a console that reads made none."""
    change = workflow.resolve("collector-3")
    for browser in (olga, client):
        for name in ("made", "since"):
            answer = browser.get(f"/changes/{change.id}/", query_string={name: made})
            shown = 'class="made"' in answer.text
            assert (answer.status_code, shown) == (200, (browser, name, made) == (olga, "since", "1")), name


def test_a_look_says_what_is_new(olga: FlaskClient, workflow: Workflow, desk: Desk) -> None:
    """Its entries are the ticket system's, and there may be none."""
    address, change = act_of(workflow, "collector-0", "settle"), workflow.resolve("collector-0")
    before = len(workflow.history(change.id))
    nothing = sent(olga, address)
    assert f"There is no entry after #{before}." in olga.get(nothing.headers["Location"]).text
    desk.decide(change)
    made = olga.get(sent(olga, address).headers["Location"])
    assert f"Entries after #{before}: {len(workflow.history(change.id)) - before}." in made.text


@pytest.mark.parametrize(
    ("language", "running", "suspended"),
    [
        ("en", "Status of the ticket in the ticket system: running.", "shows the ticket as suspended: no approver can"),
        ("zh", "ITSM 显示的单据状态：处理中。", "ITSM 显示单据已挂起：在 ITSM 中恢复之前，审批人无法处理。"),
    ],
)
def test_a_look_says_what_it_saw(  # noqa: PLR0917 - fixtures and parameters
    olga: FlaskClient, workflow: Workflow, desk: Desk, language: str, running: str, suspended: str
) -> None:
    """Nothing is stored of a ticket that is suspended, so the page of the change cannot know it later."""
    change = workflow.resolve("collector-0")
    before = workflow.history(change.id)
    address = act_of(workflow, "collector-0", "settle")
    olga.get(f"/?language={language}")
    assert running in olga.get(sent(olga, address).headers["Location"]).text
    acting.suspend(desk.ledger, desk.ledger.by_id(int(change.expect_ticket().id)), "carol")
    seen = sent(olga, address).headers["Location"]
    result, standing = olga.get(seen).text.split('aria-labelledby="now"')
    assert (suspended in result, suspended in standing) == (True, True)  # else the sentence there would contradict it
    assert workflow.history(change.id) == before
    for other in (seen.replace("saw=suspended", "saw=finished"), seen.replace("mark=", "mark=0"), f"{seen}é"):
        text = olga.get(other).text
        assert (f"#{len(before)}" in text, "ITSM 显示" in text, "the ticket system:" in text) == (True, False, False)
        assert suspended not in text


def test_what_another_session_saw_is_not_shown(site: Flask, workflow: Workflow, desk: Desk) -> None:
    """A link from another person says nothing about the ticket."""
    first, second = site.test_client(), site.test_client()
    assert [log_in(one).status_code for one in (first, second)] == [303, 303]
    change = workflow.resolve("collector-0")
    acting.suspend(desk.ledger, desk.ledger.by_id(int(change.expect_ticket().id)), "carol")
    link = sent(first, act_of(workflow, "collector-0", "settle")).headers["Location"]
    assert "as suspended" in first.get(link).text
    assert "as suspended" not in second.get(link).text


def test_a_look_that_the_ticket_system_did_not_answer_is_not_done(
    olga: FlaskClient, workflow: Workflow, desk: Desk
) -> None:
    """The page says so, and how the change is."""
    address, change = act_of(workflow, "collector-0", "settle"), workflow.resolve("collector-0")
    before = workflow.history(change.id)
    desk.faults.time_out(always=True)
    answer = sent(olga, address)
    assert (answer.status_code, "The ticket system did not answer" in answer.text) == (503, True)
    assert workflow.history(change.id) == before


def test_a_look_for_a_ticket_that_failed_says_why(olga: FlaskClient, workflow: Workflow, desk: Desk) -> None:
    """The request was sent, and its ticket is not found."""
    desk.hide_tickets()
    change = workflow.apply(subject="collector-9", **ASKED)
    desk.clock.advance(60)
    desk.faults.clear("find_by_key")
    desk.faults.time_out("find_by_key", always=True)
    answer = sent(olga, act_of(workflow, "collector-9", "settle"))
    attempt = workflow.get(change.id).expect_attempt()
    assert attempt.look_problem
    assert (answer.status_code, "The look-up failed: " in answer.text) == (503, True)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Result of the look-up: no ticket carries its key."),
        ("zh", "查询结果：没有带有其关联键的单据。"),
    ],
)
def test_a_look_that_found_no_ticket_is_done(
    olga: FlaskClient, workflow: Workflow, desk: Desk, language: str, words: str
) -> None:
    """The ticket system answered; the page of the change says what, in one language."""
    desk.hide_tickets()
    workflow.apply(subject="collector-9", **ASKED)
    desk.clock.advance(60)
    olga.get(f"/?language={language}")
    answer = sent(olga, act_of(workflow, "collector-9", "settle"))
    assert answer.status_code == 303
    text = olga.get(answer.headers["Location"]).text
    result = text[text.index('class="made"') :].partition("</p>")[0]
    assert (words in result, "no ticket carries" in result) == (True, language == "en")


@pytest.mark.parametrize(
    ("language", "said"), [("en", "is the ticket of collector-0 (change"), ("zh", "是 collector-0（变更")]
)
def test_a_ticket_of_another_change_is_named_with_a_link_to_it(
    olga: FlaskClient, workflow: Workflow, desk: Desk, language: str, said: str
) -> None:
    """The person finds by one click why the number does not fit."""
    other = workflow.resolve("collector-0")
    desk.hide_tickets()
    workflow.apply(subject="collector-9", **ASKED)
    desk.faults.clear()
    olga.get(f"/?language={language}")
    answer = sent(olga, act_of(workflow, "collector-9", "record_ticket"), sn=other.expect_ticket().sn, override="ours")
    assert (answer.status_code, f"{other.expect_ticket().sn} {said}" in answer.text) == (409, True)
    assert f'<a href="/changes/{other.id}/">' in answer.text


def test_a_form_of_an_old_page_keeps_its_text(olga: FlaskClient, workflow: Workflow) -> None:
    """After a new login its token is another; the page says that it is too old, and has a new one."""
    address = act_of(workflow, "collector-3", "abandon")
    old = hidden_in(olga.get(address))
    log_in(olga)
    answer = olga.post(address, data={**old, "reason": "a long reason"})
    assert (answer.status_code, "page is too old" in answer.text, "a long reason" in answer.text) == (403, True, True)
    assert workflow.resolve("collector-3").state == State.DRAFT
    assert olga.post(address, data={**hidden_in(answer), "reason": "a long reason"}).status_code == 303


def test_a_form_of_an_ended_session_leads_back_to_its_page(site: Flask, workflow: Workflow) -> None:
    """After the login."""
    client, address = site.test_client(), act_of(workflow, "collector-3", "abandon")
    page = client.get(client.post(f"{address}?language=en", data={"reason": "x"}).headers["Location"]).text
    target = re.findall(r'name="next" value="([^"]*)"', page)[0]
    assert log_in(client, next=target).headers["Location"] == address


def test_the_hook_of_the_host_is_asked(desk: Desk) -> None:
    """What it refuses is not offered, and not done."""
    asked = []

    def authorize(actor: str, act: object, _change: object) -> bool:
        asked.append((actor, getattr(act, "name", "")))
        return getattr(act, "name", "") != "abandon"

    workflow = desk.workflow(authorize=authorize)
    change = workflow.draft(subject="collector-3", **ASKED)
    client = console(workflow, logins=HASHES, allow_actions=True).test_client()
    log_in(client)
    assert "/abandon/" not in client.get(f"/changes/{change.id}/").text
    assert client.get(f"/changes/{change.id}/abandon/").status_code == 409
    assert ("olga", "abandon") in asked


def test_a_hook_that_fails_takes_the_buttons_and_leaves_the_page(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """The page says why it has none, and so does the page of an act, which asks again."""
    fails = True

    def authorize(_actor: str, _act: object, change: object) -> bool:
        if fails and change is not None:
            raise LookupError("the directory of users was away")
        return True

    workflow = desk.workflow(authorize=authorize)
    change = workflow.draft(subject="collector-3", **ASKED)
    client = console(workflow, logins=HASHES, allow_actions=True).test_client()
    log_in(client)
    page, act = client.get(f"/changes/{change.id}/"), client.get(f"/changes/{change.id}/abandon/")
    assert (page.status_code, act.status_code) == (200, 503)
    for answer in (page, act):
        assert "What you may do is not known: LookupError: the directory of users was away" in answer.text
    assert 'class="button' not in page.text
    assert f"The permissions of olga for change {change.id} could not be asked." in caplog.text
    fails = False
    assert "/abandon/" in client.get(f"/changes/{change.id}/").text


def test_a_form_that_is_refused_says_so_in_the_language_of_the_page(desk: Desk) -> None:
    """The library's own sentences have a Chinese text."""
    workflow = desk.workflow(authorize=lambda _actor, act, _change: getattr(act, "name", "") not in taken_back)
    taken_back: list[str] = []
    change = workflow.draft(subject="collector-3", **ASKED)
    client = console(workflow, logins=HASHES, allow_actions=True).test_client()
    log_in(client)
    address = f"/changes/{change.id}/abandon/?language=zh"
    original = workflow.overview

    def then_taken_back(*arguments: Any, **options: Any) -> Overview:
        seen = original(*arguments, **options)
        taken_back.append("abandon")
        return seen

    hidden = dict(re.findall(r'<input type="hidden" name="(csrf|stand)" value="([^"]*)"', client.get(address).text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow, "overview", then_taken_back)
        answer = client.post(address, data={**hidden, "reason": "x"})
    assert (answer.status_code, "没有权限" in answer.text) == (409, True)


def test_without_a_login_no_page_is_shown(site: Flask, workflow: Workflow) -> None:
    """But that of the login, which leads to the page that was asked for."""
    client, address = site.test_client(), f"/changes/{workflow.resolve('collector-0').id}/"
    for path in ("/", "/changes/", address, f"{address}withdraw/"):
        answer = client.get(path)
        assert (answer.status_code, "collector" in answer.text.split("next=")[0]) == (303, False)
    assert client.post(f"{address}withdraw/", data={"reason": "x"}).status_code == 303
    following = client.get(address).headers["Location"]
    page = client.get(following).text
    target = re.findall(r'name="next" value="([^"]*)"', page)[0]
    assert log_in(client, next=target).headers["Location"] == address
    assert workflow.resolve("collector-0").state == State.PENDING


@pytest.mark.parametrize(
    "target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/\tx", ""]
)
def test_a_login_leads_to_no_other_site(site: Flask, target: str) -> None:
    """Whatever the address says."""
    assert log_in(site.test_client(), next=target).headers["Location"] == "/"


def test_the_cookie_is_for_the_console_alone(site: Flask) -> None:
    """No script and no other site sends it; a new one is made by each login."""
    client = site.test_client()
    cookies = [log_in(client).headers["Set-Cookie"] for _ in range(2)]
    assert all("HttpOnly" in one and "SameSite=Strict" in one and "Path=/" in one for one in cookies)
    assert cookies[0] != cookies[1]
    secure = client.post("/login/", data={"name": NAME, "password": PASSWORD}, base_url="https://localhost")
    assert "Secure" in secure.headers["Set-Cookie"]


def test_a_form_without_the_token_of_the_session_is_refused(olga: FlaskClient, workflow: Workflow) -> None:
    """Also with that of another session, and for the logout."""
    address = act_of(workflow, "collector-3", "abandon")
    stand = len(workflow.history(workflow.resolve("collector-3").id))
    for token in ("", "x", "ü"):
        answer = olga.post(address, data={"csrf": token, "stand": stand, "reason": "a reason"})
        assert answer.status_code == 403
    assert olga.post("/logout/").status_code == 403
    assert workflow.resolve("collector-3").state == State.DRAFT


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_form_that_another_site_sent_is_refused(
    olga: FlaskClient, workflow: Workflow, headers: dict[str, str]
) -> None:
    """Even with the token; and so is a login."""
    address = act_of(workflow, "collector-3", "abandon")
    hidden = dict(re.findall(r'<input type="hidden" name="(csrf|stand)" value="([^"]*)"', olga.get(address).text))
    assert olga.post(address, data={**hidden, "reason": "x"}, headers=headers).status_code == 403
    assert olga.post("/login/", data={"name": NAME, "password": PASSWORD}, headers=headers).status_code == 403
    assert workflow.resolve("collector-3").state == State.DRAFT


@pytest.mark.parametrize("headers", [{"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}], ids=str)
def test_a_page_of_an_earlier_session_logs_out(olga: FlaskClient, headers: dict[str, str]) -> None:
    """Such as one in another tab, whose token is stale: the browser says that the page is the console's own."""
    stale = hidden_in(olga.get("/"))
    assert log_in(olga).status_code == 303
    answer = olga.post("/logout/", data=stale, headers=headers)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login/")
    assert olga.get("/").status_code == 303, "the session has ended"


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}], ids=str
)
def test_another_site_does_not_log_a_person_out(olga: FlaskClient, headers: dict[str, str]) -> None:
    """With a stale token, or with none; nor does a request that does not say where it began."""
    for form in ({}, {"csrf": "stale"}):
        assert olga.post("/logout/", data=form, headers=headers).status_code == 403
    assert olga.get("/").status_code == 200


def test_a_logout_after_the_session_leads_to_the_login(olga: FlaskClient, desk: Desk) -> None:
    """As every page does then; the person is logged out already."""
    form = hidden_in(olga.get("/"))
    desk.clock.advance(sessions.LIFETIME.total_seconds() + 1)
    answer = olga.post("/logout/", data=form, headers={"Origin": "http://localhost"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login/")


def test_a_session_ends(olga: FlaskClient, desk: Desk) -> None:
    """By the logout, and by time."""
    page = olga.get("/").text
    token = re.findall(r'name="csrf" value="([^"]*)"', page)[0]
    cookie = olga.get_cookie(COOKIE)
    assert cookie is not None
    assert olga.post("/logout/", data={"csrf": token}).status_code == 303
    olga.set_cookie(COOKIE, cookie.value)
    assert olga.get("/").status_code == 303, "the token is worth nothing after the logout"
    log_in(olga)
    assert olga.get("/").status_code == 200
    desk.clock.advance(sessions.LIFETIME.total_seconds() + 1)
    assert olga.get("/").status_code == 303


def test_the_host_can_say_who_it_is(workflow: Workflow) -> None:
    """By its own session, in the context of the request."""
    app = console(workflow, person=lambda: request.headers.get("X-User"), allow_actions=True)
    client = app.test_client()
    assert client.get("/").status_code == 403
    assert client.get("/static/console.css", buffered=True).status_code == 200
    client.environ_base["HTTP_X_USER"] = "erin"
    address = act_of(workflow, "collector-3", "abandon")
    answer = sent(client, address, reason="by erin")
    assert answer.status_code == 303
    assert workflow.history(workflow.resolve("collector-3").id)[-1].actor == "erin"
    other = sent(client, act_of(workflow, "collector-0", "withdraw"), csrf="x", reason="x")
    assert other.status_code == 403


def test_a_console_that_reads_does_not_act(client: FlaskClient, workflow: Workflow) -> None:
    """There are no pages for it."""
    address = act_of(workflow, "collector-3", "abandon")
    assert (client.get(address).status_code, client.post(address).status_code) == (404, 404)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"allow_actions": True}, "each act has an actor"),
        ({"logins": HASHES, "person": str}, "one of the two"),
        ({"person": str, "key": b"short"}, "at least 32"),
    ],
)
def test_a_console_that_cannot_be_safe_is_refused(workflow: Workflow, arguments: dict[str, object], words: str) -> None:
    """When it is made."""
    with pytest.raises(ValueError, match=words):
        console(workflow, **arguments)  # type: ignore[arg-type]
