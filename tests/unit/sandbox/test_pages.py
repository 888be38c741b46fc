"""The pages by which a person with a browser decides tickets and makes the sandbox misbehave."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from itsm_workflow.sandbox import FaultKind, Status, use_own_pages
from itsm_workflow.sandbox.faults import Fault
from itsm_workflow.sandbox.pages.words import COOKIE, KINDS, OUTCOMES, PHRASES, WORDS, Reader, language_of
from itsm_workflow.sandbox.request import Request
from itsm_workflow.sandbox.ticket import CallbackOutcome
from tests.support.receiver import Receiver
from tests.support.stage import AT, Cast, Stage, Standing

if TYPE_CHECKING:
    from tests.support.stage import Heard

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MARKUP = "<script>alert(1)</script>"


def sent(stage: Stage, path: str, **fields: str) -> Heard:
    """Send a form."""
    return stage.send("POST", path, FORM, urlencode(fields))


def shown(stage: Stage, path: str) -> str:
    """Return a page."""
    heard = stage.send("GET", path)
    assert (heard.status, heard.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return heard.body.decode()


def test_the_pages_name_the_zone_of_their_times() -> None:
    """It is the server's, which a person elsewhere would take for their own."""
    with Stage(AT) as stage:
        stage.ticket(Standing.STARTED)
        stage.pass_time()
        pages = [shown(stage, "/"), shown(stage, "/tickets/1/")]
    heads = [re.findall(r"<th[^>]*>([^<]*)</th>", page) for page in pages]
    for found in heads:
        assert any(name.endswith(" (UTC+8)") for name in found)
        assert not {"at", "changed"} & set(found)


def test_the_head_of_a_page_is_that_of_the_page() -> None:
    """Without its body, as link checkers ask for it; the connection goes on. The API refuses the method, as before."""
    with Stage(AT) as stage:
        stage.ticket(Standing.STARTED)
        for path in ("/", "/tickets/1/", "/misbehave/", "/tickets/9/"):
            page, head = (stage.send(method, path) for method in ("GET", "HEAD"))
            assert (head.status, head.body) == (page.status, b"")
            named = ("Content-Type", "Content-Length", "Content-Security-Policy")
            assert [head.headers[name] for name in named] == [page.headers[name] for name in named]
        assert stage.send("HEAD", "/nothing/").status == 501


def test_a_ticket_is_decided_by_a_form() -> None:
    """Each button does what the API's operation does, by the person who was chosen, with the remark."""
    with Stage(AT) as stage:
        for _ in range(4):
            stage.ticket(Standing.STARTED)
        answers = [
            sent(stage, "/tickets/1/approve/", approver="bob", remark="go ahead"),
            sent(stage, "/tickets/2/reject/", approver="alice", remark="not enough disk"),
            sent(stage, "/tickets/3/terminate/", operator="bob"),
            sent(stage, "/tickets/4/withdraw/"),
        ]
        waiting = shown(stage, "/tickets/1/")
        stage.pass_time()
        pages = [shown(stage, f"/tickets/{number}/") for number in (1, 2)]
        ended = [(one.current_status, one.approve_result) for one in stage.sandbox.tickets()]

    assert [(one.status, one.headers["Location"]) for one in answers] == [
        (303, f"/tickets/{number}/") for number in (1, 2, 3, 4)
    ]
    assert ended == [
        (Status.FINISHED, True),
        (Status.FINISHED, False),
        (Status.TERMINATED, False),
        (Status.REVOKED, False),
    ]
    assert "takes effect in a moment" in waiting
    assert "<strong>FINISHED, approved</strong>" in pages[0]
    assert "not enough disk" in pages[1]
    assert "Approve</button>" not in pages[0]


def test_a_ticket_is_suspended_and_resumed() -> None:
    """The page offers the one or the other, and no decision meanwhile."""
    with Stage(AT) as stage:
        stage.ticket(Standing.STARTED)
        before = shown(stage, "/tickets/1/")
        sent(stage, "/tickets/1/suspend/", operator="alice")
        between = shown(stage, "/tickets/1/")
        sent(stage, "/tickets/1/resume/", operator="alice")
        after = shown(stage, "/tickets/1/")

    offered = [re.findall(r"<button[^>]*>(\w+)</button>", page) for page in (before, between, after)]
    assert offered[0] == offered[2] == ["Approve", "Reject", "Suspend", "Terminate"]
    assert offered[1] == ["Resume", "Terminate"]


def test_a_ticket_that_has_not_begun_says_so_and_can_be_started() -> None:
    """Nobody is asked until then."""
    with Stage(AT) as stage:
        stage.sandbox.faults.flow_never_starts()
        stage.ticket(Standing.CREATED)
        before = shown(stage, "/tickets/1/")
        sent(stage, "/tickets/1/begin/")
        after = shown(stage, "/tickets/1/")

    assert "The approval step has not started yet." in before
    assert "Approve</button>" not in before
    assert "Approve</button>" in after


def test_what_bk_itsm_would_refuse_is_shown_on_the_page() -> None:
    """The page stays, with the reason."""
    with Stage(AT) as stage:
        stage.ticket(Standing.STARTED)
        heard = sent(stage, "/tickets/1/approve/", approver="mallory")
        assert stage.sandbox.ticket(1).current_status is Status.RUNNING

    assert heard.status == 409
    assert 'class="problem" role="alert"' in heard.body.decode()


def test_the_first_page_shows_what_waits_the_calls_and_the_callbacks() -> None:
    """A call that was refused names the reason, one that a fault hit names the fault."""
    with Receiver() as receiver, Stage(AT) as stage:
        stage.ticket(Standing.APPROVED, Cast(title="done", meta={"callback_url": f"{receiver.url}/hush"}))
        token = receiver.wait(1)[0].json["token"]
        stage.ticket(Standing.STARTED, Cast(title="waits"))
        stage.sandbox.faults.status("get_tickets", 503)
        stage.post("get_tickets", {})
        stage.get("get_ticket_info", "sn=REQ1")
        page = shown(stage, "/")

    waiting, _, rest = page.partition("Other tickets")
    assert ("waits" in waiting, "done" in waiting, "done" in rest) == (True, False, True)
    assert "FINISHED, approved</td><td>delivered" in page
    assert "503, not JSON (fault: status)" in page
    assert "200, refused: " in page
    assert token not in page
    assert "hush" not in page


def test_every_text_that_people_write_is_escaped() -> None:
    """In each table, on each page."""
    with Stage(AT) as stage:
        stage.ticket(Standing.STARTED, Cast(title=MARKUP, creator="<b>", approvers=("<i>",)))
        sent(stage, "/tickets/1/reject/", approver="<i>", remark=MARKUP)
        stage.pass_time()
        pages = shown(stage, "/") + shown(stage, "/tickets/1/")

    assert not any(tag in pages for tag in (MARKUP, "<b>", "<i>"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages


@pytest.mark.parametrize("kind", FaultKind)
def test_each_kind_of_fault_is_explained_and_can_be_armed(kind: FaultKind) -> None:
    """With the endpoint that it takes, whichever was chosen."""
    with Stage(AT) as stage:
        form = shown(stage, "/misbehave/")
        heard = sent(
            stage,
            "/misbehave/",
            kind=kind.value,
            endpoint="create_ticket",
            nth="2",
            always="yes",
            seconds="0.5",
            status="504",
            code="1640301",
            processed="yes",
        )
        (armed,) = stage.sandbox.faults.armed()
        listed = shown(stage, "/misbehave/")
        cleared = sent(stage, "/misbehave/clear/")
        assert stage.sandbox.faults.armed() == ()

    assert f'<option value="{kind.value}">{kind.value}: {KINDS[kind]["en"]}' in form
    assert (heard.status, cleared.status) == (303, 303)
    fault = armed.fault
    assert (fault.kind, fault.nth, fault.always) == (kind, 2, True)
    assert (fault.seconds, fault.status, fault.code, fault.processed) == (0.5, 504, 1640301, True)
    assert fault.endpoint == ("callback" if kind.value.startswith("callback_") else "create_ticket")
    assert f"<td>{kind.value}</td><td>{fault.endpoint}</td><td>2 and later</td>" in listed


def test_a_fault_that_hit_its_call_is_not_listed_as_armed() -> None:
    """It would change no further call; one of all calls still does."""
    with Stage(AT) as stage:
        once = stage.sandbox.faults.add(Fault(kind=FaultKind.STATUS, endpoint="get_tickets"))
        always = stage.sandbox.faults.add(Fault(kind=FaultKind.STATUS, endpoint="get_services", always=True))
        once.hits = always.hits = 1
        before, _, after = shown(stage, "/misbehave/").partition("<h2>Spent")
        assert ("get_services</td>" in before, "get_services</td>" in after) == (True, False)
        assert ("get_tickets</td>" in before, "get_tickets</td>" in after) == (False, True)


def test_a_held_answer_is_let_go_by_a_button() -> None:
    """Or dropped."""
    with Stage(AT) as stage:
        held, dropped = stage.sandbox.faults.hold("get_tickets"), stage.sandbox.faults.hold("get_tickets", nth=2)
        assert "/misbehave/1/release/" in shown(stage, "/misbehave/")
        assert sent(stage, "/misbehave/1/release/").status == 303
        assert sent(stage, "/misbehave/2/drop/").status == 303
        assert (held.hold(), dropped.hold()) == (True, False)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "nonsense"}, "nonsense"),
        ({"kind": "reset", "endpoint": "approve", "nth": "x"}, "nth must be a number, not &#x27;x&#x27;"),
        ({"kind": "reset", "endpoint": "approve", "nth": "1.5"}, "nth must be a whole number, not 1.5"),
        ({"kind": "reset", "endpoint": "approve", "nth": "0"}, "Fault.nth must be at least 1"),
        ({"kind": "delay", "endpoint": "approve", "seconds": "nan"}, "Fault.seconds must be at least 0"),
        ({"kind": "delay", "endpoint": "approve", "seconds": "inf"}, "Fault.seconds must be at least 0 and at most"),
        ({"kind": "status", "endpoint": "approve", "status": "0"}, "Fault.status must be from 100 to 599"),
        ({"kind": "refuse", "endpoint": "approve", "code": "1"}, "Fault.code must be one of"),
    ],
)
def test_a_fault_that_cannot_be_is_said_on_the_page(fields: dict[str, str], said: str) -> None:
    """And nothing is armed."""
    with Stage(AT) as stage:
        heard = sent(stage, "/misbehave/", **fields)
        assert stage.sandbox.faults.armed() == ()

    assert heard.status == 400
    assert said in heard.body.decode()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/tickets/7/", 404),
        ("GET", "/tickets/x/", 404),
        ("POST", "/tickets/1/", 404),
        ("GET", "/tickets/1/approve/", 404),
        ("POST", "/tickets/1/destroy/", 404),
        ("POST", "/", 404),
        ("GET", "/misbehave/clear/", 404),
        ("POST", "/misbehave/release/", 404),
        ("POST", "/misbehave/5/clear/", 404),
        ("POST", "/misbehave/5/release/", 400),
        ("PUT", "/misbehave/", 404),
    ],
)
def test_an_address_that_is_no_page_is_said_to_be_none(method: str, path: str, status: int) -> None:
    """Nothing is done."""
    with Stage(AT) as stage:
        stage.ticket(Standing.STARTED)
        assert stage.send(method, path, FORM, "" if method != "GET" else None).status == status
        assert stage.sandbox.ticket(1).current_status is Status.RUNNING


def test_a_page_of_another_site_decides_nothing() -> None:
    """A browser names the page that sends the form; a name that leads to this machine is refused as well."""
    with Stage(AT) as stage:
        stage.ticket(Standing.STARTED)
        refused = [
            stage.send("POST", "/tickets/1/approve/", {**FORM, name: value}, "approver=alice").status
            for name, value in (("Origin", "https://evil.example"), ("Origin", "null"), ("Host", "evil.example"))
        ]
        assert stage.sandbox.ticket(1).step_running

    assert refused == [403, 403, 403]


def test_a_page_loads_nothing_and_may_run_its_own_script_only() -> None:
    """By its policy, in which the script is named by its digest."""
    with Stage(AT) as stage:
        heard = stage.send("GET", "/")
    policy = heard.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
    assert "form-action 'self'" in policy
    assert not re.search(rb"<(?:img|link|iframe)|src=", heard.body)


def test_the_address_of_a_ticket_can_lead_to_its_page() -> None:
    """The id stands in the fragment, as in BK-ITSM's own addresses; the first page's script follows it."""
    with Stage(AT) as stage:
        use_own_pages(stage.sandbox, stage.sandbox.root)
        stage.ticket(Standing.STARTED)
        with stage.sandbox.locked() as ledger:
            sn = ledger.tickets()[0].sn
        found = stage.get("get_ticket_status", f"sn={sn}").json
        page = shown(stage, "/")

    assert found["data"]["ticket_url"] == f"{stage.sandbox.root}/#/ticket/detail?id=1"
    assert 'location.replace("/tickets/"' in page


# ---------------------------------------------------------------- Chinese

NAMES = re.compile(
    r"REQ\d+|https?:\S+|token/verify|\b[a-z]+(?:_[a-z]+)+\b|BK-ITSM|APPROV\w+|please approve|as agreed"
    r"|\b(?:API|HTTP|HTML|JSON|UTC|ID|English|code|nth|seconds|title|alice|bob|admin|mallory|delay|hold|html|refuse"
    r"|reset|status|callback|transfer|approve|reject|withdraw|terminate|suspend|resume|nonsense)(?![A-Za-z])"
)
"""What stays as it is: numbers, endpoints, kinds of faults, people, fields of a form, and what people wrote."""


def seen(stage: Stage, method: str, path: str, body: str | None = None) -> str:
    """Return what a Chinese browser shows of a page."""
    heard = stage.send(method, path, {**FORM, "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}, body)
    page = heard.body.decode()
    assert '<html lang="zh-CN">' in page
    return html.unescape(re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]+>", " ", page, flags=re.DOTALL))


def test_a_chinese_browser_gets_chinese_pages() -> None:
    """Tickets in each state, callbacks, calls, faults, and what was refused: only names are not Chinese."""
    with Receiver() as receiver, Stage(AT) as stage:
        stage.ticket(Standing.APPROVED, Cast(title="采集", meta={"callback_url": f"{receiver.url}/callback"}))
        receiver.wait(1)
        for _ in range(4):
            stage.ticket(Standing.STARTED, Cast(title="采集"))
        stage.sandbox.faults.status("get_tickets", 503)
        stage.post("get_tickets", {})
        stage.get("get_ticket_info", "sn=REQ1")
        stage.send("GET", "/nowhere")
        stage.sandbox.faults.lose_answer("get_services")
        stage.sandbox.faults.hold("get_tickets", nth=9)
        stage.sandbox.faults.delay("get_tickets", 1, always=True)
        stage.sandbox.suspend(3)
        stage.sandbox.reject(4)
        stage.sandbox.withdraw(5)
        pages = [
            *(seen(stage, "GET", path) for path in ("/", *(f"/tickets/{number}/" for number in range(1, 6)))),
            *(seen(stage, "GET", path) for path in ("/misbehave/", "/tickets/77/", "/tickets/x/", "/tickets/1/x/")),
            seen(stage, "GET", "/misbehave/clear/"),
            seen(stage, "POST", "/tickets/2/approve/", "approver=mallory"),
            seen(stage, "POST", "/misbehave/99/drop/"),
            seen(stage, "POST", "/misbehave/", "kind=nonsense"),
            seen(stage, "POST", "/misbehave/", "kind=reset&endpoint=approve&nth=1.5"),
            seen(stage, "POST", "/misbehave/", "kind=delay&endpoint=approve&seconds=-1"),
        ]
        stage.pass_time()
        pages.append(seen(stage, "GET", "/tickets/4/"))

    assert {word for page in pages for word in re.findall(r"[A-Za-z]{2,}", NAMES.sub(" ", page))} == set()
    assert "已完成，审批通过" in pages[0]
    assert "通过  拒绝" in re.sub(r"\s+", "  ", pages[2])
    assert "已完成，审批未通过" in pages[-1]
    assert "503，不是 JSON（故障：status）" in pages[0]


@pytest.mark.parametrize(
    ("header", "query", "cookie", "language"),
    [
        ("", "", "", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "", "", "zh"),
        ("en-US,en;q=0.9,zh-CN;q=0.8", "", "", "en"),
        ("zh;q=0.5, EN;q=0.7", "", "", "en"),
        ("de, zh-TW;q=0.3", "", "", "zh"),
        ("zh;q=0", "", "", "en"),
        ("zh;q=x, *", "", "", "en"),
        ("zh", "language=en", "", "en"),
        ("zh", "language=de", "", "zh"),
        ("zh", "", f"{COOKIE}=en", "en"),
        ("zh", "language=zh", f"{COOKIE}=en", "zh"),
        ("zh", "", f"{COOKIE}=de", "zh"),
        ("zh", "", "a[=1; (", "zh"),
        ("en", "", f'{{"a":1}}; a[b]=c; x; {COOKIE}=zh', "zh"),
    ],
)
def test_the_language_is_the_one_that_was_chosen_or_that_the_browser_prefers(
    header: str, query: str, cookie: str, language: str
) -> None:
    """English if neither names one of the two."""
    headers = {"accept-language": header, "cookie": cookie}
    assert language_of(Request(method="GET", path="/", query=query, headers=headers)) == language


def test_a_link_leads_to_the_same_page_in_the_other_language_and_a_cookie_keeps_it() -> None:
    """Also from the answer to a form, whose address is no page; a language that is unknown sets no cookie."""
    with Stage(AT) as stage:
        stage.ticket(Standing.STARTED)
        refused = sent(stage, "/tickets/1/approve/", approver="mallory").body.decode()
        chosen = stage.send("GET", "/tickets/1/?language=zh")
        kept = stage.send("GET", "/", {"Cookie": chosen.headers["Set-Cookie"].partition(";")[0]})
        unknown = stage.send("GET", "/?language=de")

    assert '<a href="/tickets/1/?language=zh" lang="zh-CN" hreflang="zh-CN">中文</a>' in refused
    assert chosen.headers["Set-Cookie"] == f"{COOKIE}=zh; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict"
    assert '<a href="/tickets/1/?language=en" lang="en" hreflang="en">English</a>' in chosen.body.decode()
    assert "待审批" in kept.body.decode()
    assert "Set-Cookie" not in {**kept.headers, **unknown.headers}
    assert kept.headers["Vary"] == "Accept-Language, Cookie"


def test_every_text_of_the_pages_has_the_same_values_in_both_languages() -> None:
    """No value is lost; the outcome of every callback has a name."""
    value = re.compile(r"\{(\w+)\}")
    both = [(text["en"], text["zh"]) for text in WORDS.values()] + list(PHRASES.items())
    assert [pair for pair in both if sorted(value.findall(pair[0])) != sorted(value.findall(pair[1]))] == []
    assert set(OUTCOMES) == set(CallbackOutcome)
    assert Reader("zh").translated("of a host") == "of a host"
