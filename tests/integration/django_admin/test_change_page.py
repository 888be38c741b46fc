"""The page of one change in Django's admin."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import Effect, Policy, State
from itsm_workflow.change import AttentionReason
from itsm_workflow.gateway.asking import create_ticket
from itsm_workflow.gateway.protocol import Created
from itsm_workflow.integrations.django import get_workflow
from itsm_workflow.integrations.django.admin import detail, timeline
from itsm_workflow.machine.evidence import Concern, Decision
from itsm_workflow.sandbox import acting
from tests.integration.django_admin.test_list import HOSTILE, LIST, CountedStore, applied
from tests.support.django_host import itsm
from tests.support.gateways import settings
from tests.unit.runtime.test_journal import spoil

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import ChangeRequest
    from tests.support.desk import Desk
    from tests.support.django_host.browsers import As


def page_of(change: ChangeRequest) -> str:
    """Return the path of a change's page."""
    return f"{LIST}{change.id}/change/"


def shown(browser_of: As, change: ChangeRequest, **options: Any) -> str:
    """Return the page of a change."""
    answer = browser_of("view_change", **options).get(page_of(change))
    assert answer.status_code == 200
    return str(answer.content.decode())


def words(page: str) -> str:
    """Return the text of a page without its tags."""
    text = re.sub(r"<(style|script|title)\b.*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(text))


def decided(desk: Desk, **given: Any) -> ChangeRequest:
    """File a change, and let a person approve its ticket with a remark."""
    change = applied(**given)
    desk.pass_time()
    acting.decide(desk.ledger, desk.ledger.by_id(int(change.expect_ticket().id)), "carol", approved=True, remark="fine")
    desk.pass_time()
    return get_workflow().settle(change.id)


def test_the_page_says_where_a_change_is_and_how_it_came_there(desk: Desk, browser_of: As) -> None:
    """The sentence of `why`, the facts, the form, and the history in words."""
    change = decided(desk, fields={"log_keep_days": 7})
    page = words(shown(browser_of, change))
    for text in (
        "Approved",
        "nothing more is due",
        "carol approved it: “fine”",
        "接入 nginx 日志",
        "log_keep_days 7",
        "Create the draft",
        "Record the ticket",
        "known by the answer to the request",
        "approval step yes",
        "carol, dave",
        change.expect_attempt().key,
    ):
        assert text in page
    for text in ("owner", "digest", "seen at"):
        assert text not in page


@pytest.mark.parametrize("permission", ["view_change", "change_change"])
def test_the_page_reads_the_row_once(desk: Desk, browser_of: As, permission: str) -> None:
    """So what it shows is of one time, with the buttons and without."""
    store = CountedStore(desk.store.inner)
    itsm.chosen["storage"] = store
    change = decided(desk)
    client = browser_of(permission)
    store.rows.clear()
    assert "nothing more is due" in words(client.get(page_of(change)).content.decode())
    assert store.rows == [change.id]


def test_a_permission_hook_that_fails_takes_the_buttons_and_leaves_the_page(desk: Desk, browser_of: As) -> None:
    """The page says why it has none; the page of an operation goes back to it with the same words."""

    def authorize(_actor: str, _act: object, change: ChangeRequest | None) -> bool:
        if change is not None:
            raise LookupError("the directory of users was away")
        return True

    itsm.chosen["authorize"] = authorize
    change = applied()
    client = browser_of("change_change")
    answer = client.get(page_of(change))
    assert answer.status_code == 200
    assert "LookupError: the directory of users was away" in words(answer.content.decode())
    assert "/do/" not in answer.content.decode()
    answer = client.get(f"{LIST}{change.id}/do/withdraw/", follow=True)
    assert "LookupError: the directory of users was away" in words(answer.content.decode())


def test_the_page_is_in_chinese(desk: Desk, browser_of: As) -> None:
    """Labels, triggers, facts, verdicts, and the sentence of `why`."""
    change = decided(desk)
    page = shown(browser_of, change, language="zh-hans")
    text = words(page)
    for expected in (
        "已通过",
        "carol 通过：“fine”",
        "登记单据",
        "来源 提单应答",
        "有审批节点 是",
        "历史记录",
        "当前位置",
        f"{change.subject}（{change.id}）已结束：已通过，时间 2",
        "；carol 通过：fine；没有需要查询的内容。",
    ):
        assert expected in text
    for english in ("Approved", "Facts", "History", "Form", "Made", "Decided", "approved it", "yes", "ticket id"):
        assert english not in text


def test_the_status_of_an_effect_is_in_the_language_of_the_page(desk: Desk, browser_of: As) -> None:
    """As in the console."""

    def fail(_: object) -> None:
        raise RuntimeError("disk full")

    itsm.chosen.update(effects={State.APPROVED: [Effect("start", fail)]}, policy=Policy(effect_attempts=1))
    change = decided(desk)
    assert "start 停止重试，待人工处理 RuntimeError: disk full" in words(shown(browser_of, change, language="zh-hans"))
    assert "start parked, needs a person RuntimeError: disk full" in words(shown(browser_of, change))


def test_the_picture_lights_the_current_state_and_the_way_to_it(desk: Desk, browser_of: As) -> None:
    """Each state is drawn once; the steps are numbered; the picture says in words what it shows."""
    page = shown(browser_of, decided(desk))
    [svg] = re.findall(r'<svg class="itsm-graph".*?</svg>', page, re.DOTALL)
    states = re.findall(r'<g class="(itsm-state[^"]*)"><rect[^>]*/>(.*?)</g>', svg)
    by_kind: dict[str, list[str]] = {}
    for kind, label in states:
        by_kind.setdefault(kind, []).append(words(label).strip())
    assert by_kind == {
        "itsm-state itsm-visited": ["Draft 0 s", "Filing the ticket 0 s", "Waiting for approval 2 s"],
        "itsm-state": ["Callback not delivered", "Not approved"],
        "itsm-state itsm-current": ["Approved since 2026-03-02 02:00:02 CST, UTC-06:00"],
    }
    assert sorted(re.findall(r">(\d+) · ", svg)) == ["1", "2", "3"]
    assert 'aria-label="The workflow; the current state is Approved"' in svg
    assert not re.search(r"<script|<image|<use|href|style=|\bon\w+=", svg)


def test_the_boxes_of_the_picture_do_not_overlap_and_are_inside(desk: Desk, browser_of: As) -> None:
    """Nor does a label leave its box by more lines than it has room for."""
    svg = re.findall(r'<svg class="itsm-graph".*?</svg>', shown(browser_of, decided(desk)), re.DOTALL)[0]
    wide, high = re.findall(r'viewBox="0 0 (\S+) ([^"]+)"', svg)[0]  # the other ones are those of the arrowheads
    boxes = [
        tuple(map(float, one))  # without the inner line of a final state's box
        for one in re.findall(r'<rect x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)" rx="5"', svg)
    ]
    for number, (x, y, w, h) in enumerate(boxes):
        assert x >= 0
        assert y >= 0
        assert x + w <= float(wide)
        assert y + h <= float(high)
        assert not any(x < a + c and a < x + w and y < b + d and b < y + h for a, b, c, d in boxes[number + 1 :])


def test_secrets_in_the_form_and_in_evidence_are_masked(desk: Desk, browser_of: As) -> None:
    """By the name of their key, at any depth, as in the log."""
    change = applied(fields={"api_token": "s3cr3t", "sink": {"password": "s3cr3t", "host": "kafka-1"}})
    page = shown(browser_of, change)
    assert "s3cr3t" not in page
    assert "***" in page
    assert "kafka-1" in page
    concern = Concern(reason=AttentionReason.HOST, facts={"access_token": "s3cr3t", "place": "index"})
    assert dict(timeline.facts_of(concern))["facts"] == "access_token=***, place=index"
    get_workflow().fire(change.id, "raise_attention", concern, actor="host")
    page = words(shown(browser_of, change))
    assert "s3cr3t" not in page, "neither in the box of the attention nor in the sentence"
    assert "access_token: ***" in page


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://itsm.example.com/#/ticket/1/", True),
        ("https://evil.example.org/#/ticket/1/", False),
        ("javascript:alert(1)", False),
        ("//evil.example.org/", False),
    ],
)
def test_only_a_page_of_the_configured_site_is_a_link(
    desk: Desk, browser_of: As, monkeypatch: pytest.MonkeyPatch, url: str, *, is_link: bool
) -> None:
    """Whatever was stored when the ticket was recorded."""
    monkeypatch.setattr("itsm_workflow.runtime.gateway_calls.create_ticket", recording(url))
    itsm.chosen.update(settings=settings("https://gateway.example.net/"), callbacks=False)
    change = applied()
    assert change.ticket_url == url
    page = shown(browser_of, change)
    assert (f'<a href="{url}"' in page) == is_link
    assert change.sn in words(page) if change.sn else False
    assert (get_workflow().status(change.id).ticket_url == url) == is_link


def recording(url: str) -> Callable[..., object]:
    """Return a function that files a ticket, and answers with another address of its page."""

    def create(*arguments: Any) -> object:
        created = create_ticket(*arguments)
        assert isinstance(created, Created)
        return attrs.evolve(created, url=url)

    return create


def test_hostile_texts_are_shown_as_texts(desk: Desk, browser_of: As) -> None:
    """In the subject, the title, a field and its name, a remark, an actor, a reason, and an error of an effect."""

    def fail(_: object) -> None:
        raise RuntimeError(HOSTILE)

    itsm.chosen["effects"] = {State.APPROVED: [Effect("start", fail)]}
    change = applied(subject=HOSTILE, title=HOSTILE, content=HOSTILE, fields={"list": [HOSTILE]})
    concern = Concern(reason=AttentionReason.HOST, facts={HOSTILE: HOSTILE})
    get_workflow().fire(change.id, "raise_attention", concern, actor=HOSTILE)
    get_workflow().clear_attention(change.id, actor="olga", reason=HOSTILE)
    desk.pass_time()
    ticket = desk.ledger.by_id(int(change.expect_ticket().id))
    acting.decide(desk.ledger, ticket, "carol", approved=True, remark=HOSTILE)
    desk.pass_time()
    get_workflow().settle(change.id)
    page = shown(browser_of, change)
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 9
    assert "{{ 7|add:7 }}" in page


@pytest.mark.parametrize("change_id", ["01HY2V8Q0000000000000000AB", "x", "%00", "a b", "<script>"])
def test_an_unknown_change_is_a_page_that_says_so(desk: Desk, browser_of: As, change_id: str) -> None:
    """Not an error of the server."""
    answer = browser_of("view_change").get(f"{LIST}{change_id}/change/")
    assert answer.status_code == 404
    assert "<script>alert" not in answer.content.decode()
    assert "There is no such change request" in answer.content.decode()


def test_a_damaged_change_is_a_page_that_says_so(desk: Desk, browser_of: As) -> None:
    """With the error of the store."""
    change = applied()
    spoil(desk, change.id)
    answer = browser_of("view_change").get(page_of(change))
    assert answer.status_code == 503
    assert "cannot be shown" in words(answer.content.decode())
    assert change.id in words(answer.content.decode())


def test_only_the_last_entries_of_a_long_history_are_shown(
    desk: Desk, browser_of: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the number of those that are left out."""
    monkeypatch.setattr(timeline, "MOST", 3)
    monkeypatch.setattr(detail, "MOST", 3)
    change = decided(desk)
    page = shown(browser_of, change)
    entries = get_workflow().history(change.id)
    assert re.findall(r'<li value="(\d+)"', page) == [str(entry.seq) for entry in entries[-3:]]
    assert f"before them: {len(entries) - 3}" in words(page)


def test_a_permission_is_needed_to_look(desk: Desk, browser_of: As) -> None:
    """As for the list."""
    assert browser_of().get(page_of(applied())).status_code == 403


def test_evidence_of_a_type_that_the_process_does_not_have_is_shown_as_it_is() -> None:
    """By its own names; what has no value is left out."""
    facts = list(timeline.facts_of({"number_of_hosts": 3, "reason": "x", "nothing": None, "empty": ""}))
    assert facts == [("number of hosts", "3"), ("reason", "x")]
    assert list(timeline.facts_of(Decision())) == []
    assert len(dict(timeline.facts_of(Decision(reason="x" * 1000)))["reason"]) == 400
