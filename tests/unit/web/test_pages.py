"""The console's pages that only read: what they show, in which language, and with which headers."""

from __future__ import annotations

import datetime as dt
import html
import re
import shlex
from importlib import import_module
from typing import TYPE_CHECKING

import attrs
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from itsm_workflow import Effect, Policy, State
from itsm_workflow.change import AttentionReason
from itsm_workflow.cli.operations import COMMANDS
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.machine.evidence import Concern
from itsm_workflow.runtime.records import Records
from itsm_workflow.sandbox import acting
from itsm_workflow.web import console, presenting
from itsm_workflow.web.commands import OPTIONS, commands_of
from itsm_workflow.web.presenting import Reader, in_lines, way_of
from itsm_workflow.web.words import WORDS
from tests.support import examples as x
from tests.support.desk import ASKED, Desk

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

    from itsm_workflow import Workflow
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.form import FormArguments
    from itsm_workflow.storage.protocol import Query, Rows

BAIT = '<img src=x onerror="alert(1)"><script>alert(2)</script>"\'>{{ 7 * 7 }}'


def subjects(text: str) -> list[str]:
    """Return the subjects of the rows on a list."""
    return re.findall(r'<th scope="row"><a href="[^"]*">([^<]*)</a>', text)


def page(client: FlaskClient, workflow: Workflow, subject: str, language: str = "en") -> str:
    """Return the page of a change."""
    answer = client.get(f"/changes/{workflow.resolve(subject).id}/?language={language}")
    assert answer.status_code == 200
    return answer.text


def test_the_list_shows_each_change_with_its_state(client: FlaskClient) -> None:
    """In the order in which they were drafted."""
    text = client.get("/changes/").text
    assert subjects(text) == [f"collector-{number}" for number in range(4)]
    assert re.findall(r'badge (\S+?)"', text) == ["waiting", "granted", "attention", "refused", "draft"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ("state=pending", ["collector-0"]),
        ("attention=any", ["collector-1"]),
        ("attention=effect_parked&state=approved", ["collector-1"]),
        ("attention=overdue", []),
        ("age=1h", ["collector-0", "collector-1", "collector-2"]),
    ],
)
def test_the_filters_are_in_the_address(client: FlaskClient, filters: str, found: list[str]) -> None:
    """So that a page can be sent to a colleague."""
    text = client.get(f"/changes/?{filters}").text
    assert subjects(text) == found
    chosen = {part.partition("=")[2] for part in filters.split("&")}
    assert set(re.findall(r'value="(\w+)" selected', text)) == chosen


def test_a_name_leads_to_its_change(client: FlaskClient, workflow: Workflow) -> None:
    """By subject, by ticket number and by id; a name without a change says so."""
    change = workflow.resolve("collector-0")
    for name in (change.subject, change.sn, change.id):
        assert client.get("/changes/", query_string={"q": name}).headers["Location"] == f"/changes/{change.id}/"
    assert "No change matches." in client.get("/changes/?q=nginx-9").text


def test_words_of_the_title_and_the_applicant_are_found(desk: Desk) -> None:
    """In any order and letter case, when nothing has the words as its name. One match is a list, too."""
    workflow = desk.workflow()
    for number, title in enumerate(["Collect the Audit log", "接入 nginx 日志", "Collect the access log"]):
        asked: FormArguments = {**ASKED, "title": title, "applicant": ["alice", "dora", "dora"][number]}
        workflow.draft(subject=f"collector-{number}", **asked)
        desk.clock.advance(1)  # the list is in the order of the drafts
    client = console(workflow, clock=desk.clock).test_client()

    def found(words: str) -> list[str]:
        return subjects(client.get("/changes/", query_string={"q": words}).text)

    assert found("audit COLLECT") == ["collector-0"]
    assert found("日志") == ["collector-1"]
    assert found("dora") == ["collector-1", "collector-2"]
    assert found("dora access") == ["collector-2"]
    assert found("dora audit") == []
    assert "have the words in subject, title or applicant" in client.get("/changes/?q=dora").text


def test_a_search_reads_no_more_than_its_bound(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says how many were looked at, and the next one goes on."""
    monkeypatch.setattr("itsm_workflow.web.listing.SCANNED", 4)
    monkeypatch.setattr("itsm_workflow.web.listing._CHUNK", 2)
    workflow = desk.workflow()
    for number in range(5):
        asked: FormArguments = {**ASKED, "title": "the last one" if number == 4 else "another"}
        workflow.draft(subject=f"collector-{number}", **asked)
        desk.clock.advance(1)  # the list is in the order of the drafts
    client = console(workflow, clock=desk.clock).test_client()
    first = client.get("/changes/?q=last").text
    assert "None of the 4 changes looked at matches" in first
    following = re.findall(r'<a href="([^"]*)" rel="next"', first)[0].replace("&amp;", "&")
    assert subjects(client.get(f"/changes/{following}").text) == ["collector-4"]


def test_a_name_of_several_changes_lists_them(client: FlaskClient, workflow: Workflow) -> None:
    """A subject has a change for each time that it was asked for."""
    workflow.draft(subject="collector-2", **ASKED)
    assert subjects(client.get("/changes/?q=collector-2").text) == ["collector-2", "collector-2"]


def test_pages_follow_each_other(desk: Desk) -> None:
    """With the same filters, until the last one."""
    workflow = desk.workflow()
    for number in range(51):
        workflow.draft(subject=f"collector-{number:02}", **ASKED)
    client = console(workflow, clock=desk.clock).test_client()
    first = client.get("/changes/?state=draft").text
    following = re.findall(r'<a href="([^"]*)" rel="next"', first)[0].replace("&amp;", "&")
    assert "state=draft" in following
    second = client.get(f"/changes/{following}").text
    both = subjects(first) + subjects(second)
    assert (len(subjects(first)), len(both), len(set(both))) == (50, 51, 51)
    assert 'rel="next"' not in second


@pytest.mark.parametrize("filters", ["state=nonsense", "attention=nonsense", "age=nonsense", "after=%00&age=1d"])
def test_a_page_that_cannot_be_shown_says_why(client: FlaskClient, filters: str) -> None:
    """It is the fault of the address."""
    answer = client.get(f"/changes/?{filters}")
    assert (answer.status_code, 'role="alert"' in answer.text) == (400, True)


def test_the_page_of_a_change_begins_with_what_is_the_case(client: FlaskClient, workflow: Workflow) -> None:
    """Then what can be done, the history, the ticket, the form and the effects."""
    text = page(client, workflow, "collector-1")
    order = [
        "Ended as approved on",
        "<li>Retry an effect",
        "<svg",
        "Note that the effect failed",
        ">REQ2026",
        "expect_host_size",
        "parked, needs a person",
        "Change id",
    ]
    places = [text.index(one) for one in order]
    assert places == sorted(places)
    assert "the collector&#39;s host is unreachable" in text
    assert "of the host" not in text, "the field api_token is masked"


def test_two_reasons_for_attention_are_both_shown(desk: Desk) -> None:
    """An effect that is parked does not hide that the applicant alone approved."""

    def unreachable(_: object) -> None:
        raise RuntimeError("the host is unreachable")

    workflow = desk.workflow(effects={State.APPROVED: [Effect("start", unreachable)]}, policy=Policy(effect_attempts=1))
    asked: FormArguments = {**ASKED, "applicant": "carol"}
    change = workflow.apply(subject="collector-1", **asked)
    desk.decide(change, approved=True)
    workflow.settle(change.id)
    client = console(workflow, clock=desk.clock).test_client()
    text = page(client, workflow, "collector-1")
    assert re.findall(r'<span class="badge attention">([^<]*)<', text)[:2] == [
        "Effect parked",
        "Approved by the applicant only",
    ]
    assert "let a person other than the applicant check" in text
    assert "let a person other than the applicant check" in client.get("/").text


def test_a_console_that_only_reads_shows_the_commands(client: FlaskClient, workflow: Workflow) -> None:
    """With the subject if it names one change, and otherwise with the id; in angle brackets what a person fills in."""

    def commands(change: ChangeRequest, language: str = "en") -> list[str]:
        text = client.get(f"/changes/{change.id}/?language={language}").text
        found = re.findall(r"<li>[^<]*<code>(.*?)</code>", text)
        return [html.unescape(re.sub(r"</?span[^>]*>", "", one)) for one in found]

    parked, draft = workflow.resolve("collector-1"), workflow.resolve("collector-3")
    raised = "itsm-workflow raise-attention {} --actor <your name> --reason <reason>"
    assert commands(parked) == [
        "itsm-workflow settle collector-1",
        raised.format("collector-1"),
        "itsm-workflow clear-attention collector-1 --actor <your name> --reason <reason>",
        "itsm-workflow retry-effect collector-1 start_collection --actor <your name> --reason <reason>",
    ]
    assert commands(draft, "zh") == [
        "itsm-workflow settle collector-3",
        *(
            f"itsm-workflow {act} collector-3 --actor <操作人> --reason <原因>"
            for act in ("abandon", "raise-attention")
        ),
    ]
    workflow.draft(subject="collector-1", **ASKED)
    assert all(f" {parked.id} " in f"{one} " for one in commands(parked)), "two changes have this subject"
    for subject, shown in (("it's $(a) place", "'it'\"'\"'s $(a) place'"), ("-x", "")):
        change = workflow.draft(subject=subject, **ASKED)
        named = shown or change.id
        abandoned = f"itsm-workflow abandon {named} --actor <your name> --reason <reason>"
        assert commands(change) == [f"itsm-workflow settle {named}", abandoned, raised.format(named)]


def test_every_command_that_is_shown_exists() -> None:
    """With its options, and each that it needs is shown; no act with a command is left out, but for `submit`."""
    group = import_module("itsm_workflow.cli.app").group
    for act, options in OPTIONS.items():
        parameters = {one.name: one for one in group.commands[act if act == "settle" else COMMANDS[act]].params}
        assert set(options) <= set(parameters), act
        needed = {name for name, one in parameters.items() if one.required and one.param_type_name == "option"}
        assert needed <= set(options), act
    assert set(COMMANDS) - set(OPTIONS) == {"submit"}


@pytest.mark.parametrize(
    ("act", "reason", "shown"),
    [
        ("resend", AttentionReason.NOT_FOUND, "--actor <your name> --reason <reason>"),
        ("resend", AttentionReason.LOOKUP_FAILED, "--actor <your name> --reason <reason> --evidence <evidence>"),
        ("record_ticket", AttentionReason.NOT_FOUND, "--sn <number> --actor <your name>"),
        (
            "record_ticket",
            AttentionReason.MISMATCH,
            "--sn <number> --actor <your name> --override <why it is the right one>",
        ),
    ],
)
def test_a_command_has_what_the_machine_requires_for_the_reason(act: str, reason: AttentionReason, shown: str) -> None:
    """As it was shown, it was refused after look-ups that failed, and for a ticket that differs."""
    reader = Reader(language="en", zone=dt.UTC, now=x.NOW)
    change = x.with_attention(x.UNKNOWN, reason)
    assert commands_of(change, act, "x", reader) == [f"itsm-workflow {act.replace('_', '-')} x {shown}"]
    options = {one.name for one in import_module("itsm_workflow.cli.app").group.commands[COMMANDS[act]].params}
    assert {one.split(" ")[0].replace("-", "_") for one in shown.split("--")[1:]} <= options


def test_effects_of_one_name_are_retried_by_their_ids(workflow: Workflow) -> None:
    """Each parked effect has its command."""
    parked = workflow.resolve("collector-1")
    two = attrs.evolve(parked, effects=(*parked.effects, attrs.evolve(parked.effects[0], id="another id")))
    reader = Reader(language="en", zone=dt.UTC, now=dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
    named = [shlex.split(one)[3] for one in commands_of(two, "retry_effect", "x", reader)]
    assert named == [parked.effects[0].id, "another id"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run `itsm-workflow doctor --online`, then", "run [<code>itsm-workflow doctor --online</code>,] then"),
        ("运行 `itsm-workflow doctor --online`，检查", "运行 [<code>itsm-workflow doctor --online</code>，]检查"),
        ("`<b>` or `itsm-workflow $(x)`", "`&lt;b&gt;` or `itsm-workflow $(x)`"),
        ("the --store or a--b", "the [--store] or a--b"),
        ("（01KJRFX8X0M2XXWV）；（abandon）（it's）：", "（01KJRFX8X0M2[XXWV）；]（abandon）（it&#39;s）："),
    ],
)
def test_a_line_does_not_break_within_a_command_or_before_a_closing_mark(text: str, shown: str) -> None:
    """Any other text is shown as it is, escaped."""
    assert in_lines(text) == shown.replace("[", '<span class="whole">').replace("]", "</span>")


def test_the_way_of_a_change_is_listed_in_words(client: FlaskClient, workflow: Workflow) -> None:
    """The states that it entered, the last ones of a long way; the last one is the current one."""
    text = page(client, workflow, "collector-1")
    way = re.findall(r'<ol class="way">(.*?)</ol>', text, re.DOTALL)[0]
    entered = re.findall(r'<span class="badge [^"]*">([^<]*)</span>', way)
    assert entered == ["Draft", "Filing the ticket", "Waiting for approval", "Approved"]
    assert way.count("aria-current") == 1
    assert 'aria-current="step"' in way.rpartition("<li")[2]
    reader = Reader(language="en", zone=dt.UTC, now=dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
    history = workflow.history(workflow.resolve("collector-1").id)
    stops = way_of(workflow.definition, history * 4, reader)
    assert [one.badge.text for one in stops] == entered * 2
    assert len(stops) == presenting.STOPS


def test_secrets_in_evidence_are_masked(client: FlaskClient, workflow: Workflow) -> None:
    """In the history, and in the sentence that says what is the case."""
    change = workflow.resolve("collector-0")
    concern = Concern(reason=AttentionReason.HOST, facts={"access_token": "s3cr3t", "place": "index"})
    workflow.fire(change.id, "raise_attention", concern, actor="host")
    text = page(client, workflow, "collector-0")
    assert "s3cr3t" not in text
    assert "access token: ***; place: index" in text
    assert "&#34;access_token&#34;: &#34;***&#34;" in text, "in the entry as JSON"
    assert "s3cr3t" not in client.get("/").text


def test_secrets_in_free_text_are_masked(desk: Desk) -> None:
    """In the error of an effect, which is stored without them, in the form, and in what `why` says."""

    def fails(_: object) -> None:
        raise RuntimeError("POST /agents with Authorization: Bearer s3cr3t-1 was refused")

    workflow = desk.workflow(effects={State.APPROVED: [Effect("start", fails)]}, policy=Policy(effect_attempts=1))
    asked: FormArguments = {
        **ASKED,
        "title": "with password=s3cr3t-2",
        "content": "token: s3cr3t-3",
        "fields": {"note": '{"api_key": "s3cr3t-4"}'},
    }
    change = workflow.apply(subject="collector-1", **asked)
    desk.decide(change, approved=True)
    workflow.settle(change.id)
    client = console(workflow, clock=desk.clock).test_client()
    for text in (client.get("/").text, page(client, workflow, "collector-1"), workflow.why(change.id)):
        assert "s3cr3t-1" not in text
        assert "s3cr3t-4" not in text
    assert "Authorization: *** was refused" in page(client, workflow, "collector-1")
    assert re.search("s3cr3t", page(client, workflow, "collector-1")) is None
    rows, entries = desk.store.inner.get(change.id), desk.store.inner.history(change.id, 0, 100)
    assert "s3cr3t-1" not in f"{rows} {entries}"


def test_the_pages_are_in_chinese_too(client: FlaskClient, workflow: Workflow) -> None:
    """By the address, which a cookie remembers, or by the browser."""
    assert "等待审批" in page(client, workflow, "collector-0", "zh")
    assert 'lang="zh-CN"' in client.get("/changes/").text
    fresh = console(workflow).test_client()
    text = fresh.get("/changes/", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}).text
    assert "待人工处理的原因" in text
    assert 'lang="en"' in fresh.get("/changes/", headers={"Accept-Language": "fr"}).text


def test_every_word_is_in_both_languages_with_the_same_parameters() -> None:
    """A page never mixes them."""
    for code, word in WORDS.items():
        assert set(word) == {"zh", "en"}, code
        assert sorted(re.findall(r"{\w+}", word["zh"])) == sorted(re.findall(r"{\w+}", word["en"])), code


def test_hostile_texts_are_shown_as_texts(desk: Desk) -> None:
    """In title, applicant, fields, content, subject, remark and ticket number, on every page that shows them."""
    asked: FormArguments = {**ASKED, "title": BAIT, "content": BAIT, "fields": {"a": BAIT}}
    workflow = desk.workflow()
    change = workflow.apply(subject=BAIT, **asked)
    desk.pass_time()
    ticket = desk.ledger.by_id(int(change.expect_ticket().id))
    ticket.sn = BAIT
    acting.decide(desk.ledger, ticket, "carol", approved=False, remark=BAIT)
    desk.pass_time()
    workflow.settle(change.id)
    client = console(workflow).test_client()
    for address, query in (("/changes/", {}), ("/changes/", {"state": BAIT}), (f"/changes/{change.id}/", {"q": BAIT})):
        text = client.get(address, query_string=query).text
        assert "onerror" in text, address
        assert "<img" not in text
        assert "<script" not in text
    assert "{{ 7 * 7 }}" in client.get(f"/changes/{change.id}/").text


def test_every_answer_has_the_headers_of_a_strict_page(client: FlaskClient) -> None:
    """No script, nothing from elsewhere, no frame; also for an error and for the style sheet."""
    for address in ("/changes/", "/nothing", "/changes/none/", "/static/console.css"):
        answer = client.get(address, buffered=True)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'")
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
    assert client.get("/changes/").headers["Cache-Control"] == "no-store"


def test_no_page_has_an_inline_style_or_script(client: FlaskClient, workflow: Workflow) -> None:
    """The policy would forbid it."""
    for text in (client.get("/changes/").text, page(client, workflow, "collector-1")):
        assert re.findall(r"<script|<style|\sstyle=|\son\w+=|javascript:", text) == []


def test_what_does_not_exist_is_a_page(client: FlaskClient) -> None:
    """With the way back."""
    for address in ("/changes/none/", "/nothing/"):
        answer = client.get(address)
        assert (answer.status_code, 'href="/changes/"' in answer.text) == (404, True)


def test_a_long_name_that_does_not_exist_is_cut(client: FlaskClient) -> None:
    """The address may have any length, and the sentence after the name is what helps."""
    text = client.get(f"/changes/{'1' * 300}/").text
    assert f"No change has the id {'1' * 40}…. The list finds changes" in text


@pytest.mark.parametrize(
    ("address", "method", "status"),
    [
        ("/nothing/", "GET", 404),
        ("/changes/none/", "GET", 404),
        ("/changes/", "POST", 405),
        ("/changes/?state=nonsense", "GET", 400),
        ("/changes/?age=nonsense", "GET", 400),
    ],
)
def test_the_page_of_an_error_is_in_the_language_of_the_reader(
    client: FlaskClient, address: str, method: str, status: int
) -> None:
    """Its problem has no English sentence in it."""
    answer = client.open(address, method=method, headers={"Accept-Language": "zh-CN"})
    [problem] = re.findall(r'role="alert">([^<]*)<', answer.text)
    assert answer.status_code == status
    assert "。" in problem or "；" in problem
    assert re.findall(r"[a-z]+ [a-z]+ [a-z]+", problem) == []


def test_only_the_given_names_are_answered(workflow: Workflow) -> None:
    """A page elsewhere cannot read the console by a name of its own that leads to this machine."""
    client = console(workflow, hosts=["localhost", "[::1]"]).test_client()
    assert client.get("/changes/", headers={"Host": "LOCALHOST:8000"}).status_code == 200
    assert client.get("/changes/", headers={"Host": "[::1]:8000"}).status_code == 200
    refused = client.get("/changes/", headers={"Host": "rebound.example:8000"})
    assert (refused.status_code, "collector-0" in refused.text) == (400, False)


def test_times_have_a_zone(workflow: Workflow) -> None:
    """Which the host chooses."""
    client = console(workflow, zone=dt.timezone(dt.timedelta(hours=8), "CST")).test_client()
    text = page(client, workflow, "collector-0")
    assert "2026-03-02 16:00:00 CST" in text
    picture = re.findall(r"<svg.*?</svg>", text, re.DOTALL)[0]
    assert ("16:00:00" in picture, "08:00:00" in picture) == (True, False)


def test_a_store_that_fails_is_a_page(client: FlaskClient, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a traceback or the message of the error, which may name files and hosts."""

    def fails(_query: object) -> Rows:
        raise StorageUnavailable("cannot read /srv/itsm/changes.db")

    monkeypatch.setattr(desk.store, "find", fails)
    for language, words in (("en", "in the log"), ("zh", "日志")):
        answer = client.get(f"/changes/?language={language}")
        assert (answer.status_code, "Traceback" in answer.text, "/srv" in answer.text) == (503, False, False)
        assert words in answer.text


def test_an_unreadable_change_is_shown_with_its_error(
    client: FlaskClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are shown as well."""
    find = desk.store.inner.find

    def damaged(query: Query) -> Rows:
        found = find(query)
        rows = (attrs.evolve(row, document="{}") if row.subject == "collector-2" else row for row in found.rows)
        return attrs.evolve(found, rows=tuple(rows))

    monkeypatch.setattr(desk.store, "find", damaged)
    text = client.get("/changes/").text
    assert subjects(text) == ["collector-0", "collector-1", "collector-3"]
    assert "cannot be read" in text


def test_a_host_mounts_it_below_a_path(app: Flask, workflow: Workflow) -> None:
    """Every link and the style sheet stay below the path."""

    def other(_environ: object, start_response: object) -> list[bytes]:
        start_response("404 Not Found", [])  # type: ignore[operator]
        return []

    client = Client(DispatcherMiddleware(other, {"/itsm/console": app}))
    assert client.get("/").status_code == 404
    text = client.get("/itsm/console/changes/").text
    links = re.findall(r'(?:href|action)="(/[^"]*)"', text)
    assert links
    assert all(link.startswith("/itsm/console/") for link in links)
    change = workflow.resolve("collector-0")
    found = client.get("/itsm/console/changes/?q=collector-0")
    assert found.headers["Location"] == f"/itsm/console/changes/{change.id}/"


def test_only_a_workflow_or_a_function_has_a_console() -> None:
    """The mistake is named."""
    with pytest.raises(TypeError, match="workflow"):
        console("workflow")  # type: ignore[arg-type]


def test_a_suspended_ticket_is_named_by_the_last_look_that_left_an_entry(desk: Desk) -> None:
    """With its time, also in a console that has only the store; the command that asks now stands beside it."""
    workflow = desk.workflow()
    change = workflow.apply(subject="collector-1", **ASKED)
    desk.pass_time()
    ticket = desk.ledger.by_id(int(change.expect_ticket().id))
    acting.suspend(desk.ledger, ticket, "carol")
    desk.pass_time(60)
    desk.faults.answer("undelivered", (change.sn,))
    workflow.reconcile()
    assert [entry.trigger for entry in workflow.history(change.id)][-2:] == ["fail_callback", "resume"]

    client = console(Records(workflow._journal), clock=desk.clock).test_client()
    text = page(client, workflow, "collector-1")
    assert "saw the ticket suspended: no approver can decide it until it is resumed there." in text
    assert re.search(r"<dt>Status seen</dt><dd>suspended \(\S+ \S+ UTC\)</dd>", text)
    assert "<code>itsm-workflow why collector-1 --live</code>" in text
    assert "显示单据已挂起" in page(client, workflow, "collector-1", "zh")
    acting.resume(desk.ledger, ticket, "carol")
    desk.decide(change)
    workflow.settle(change.id)
    text = page(client, workflow, "collector-1")
    assert "suspended:" not in text
    assert "<dt>Status seen</dt><dd>finished (" in text
    assert "--live" not in text
