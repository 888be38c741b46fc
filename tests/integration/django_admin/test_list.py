"""The list of changes in Django's admin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from itsm_workflow.integrations.django import get_workflow
from itsm_workflow.integrations.django.admin import listing
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.django_host import itsm
from tests.support.places import WatchedStore
from tests.unit.runtime.test_journal import spoil

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest
    from itsm_workflow.storage.protocol import Query, Row, Rows, StorageBackend
    from tests.support.django_host.browsers import As

LIST = "/admin/itsm_workflow/change/"
HOSTILE = "<script>alert(1)</script>\"'&{{ 7|add:7 }}"


def applied(subject: str = SUBJECT, **given: Any) -> ChangeRequest:
    """File a change."""
    return get_workflow().apply(subject=subject, **{**ASKED, **given})


def listed(client: Client, **filters: str) -> list[str]:
    """Return the subjects in the list."""
    page = client.get(LIST, filters)
    assert page.status_code == 200
    content = page.content.decode().partition('<div id="content"')[2]  # after the sidebar, which is a table as well
    return re.findall(r'<th scope="row">(?:<a[^>]*>)?([^<]*)', content)


def test_the_list_shows_what_an_operator_looks_for(desk: Desk, browser_of: As) -> None:
    """Subject, title, applicant, state, attention and ticket."""
    change = applied()
    get_workflow().fire(change.id, "raise_attention", concern(), actor="olga")
    page = browser_of("view_change").get(LIST).content.decode()
    for text in (SUBJECT, "接入 nginx 日志", "alice", "Waiting for approval", "Raised by the host", change.sn or "-"):
        assert text in page


def concern() -> object:
    """Return a reason for a person to look."""
    from itsm_workflow.change import AttentionReason  # noqa: PLC0415 - short
    from itsm_workflow.machine.evidence import Concern  # noqa: PLC0415 - short

    return Concern(reason=AttentionReason.HOST)


def test_the_filters(desk: Desk, browser_of: As) -> None:
    """By number, subject, state, attention, age and the time of the draft, alone and together."""
    first = applied()
    desk.clock.advance(2 * 86_400)
    second = applied("other")
    get_workflow().fire(second.id, "raise_attention", concern(), actor="olga")
    client = browser_of("view_change")
    assert listed(client) == [SUBJECT, "other"]
    assert listed(client, sn=first.sn or "") == listed(client, subject=SUBJECT) == [SUBJECT]
    assert listed(client, attention="any") == listed(client, attention="host") == ["other"]
    assert listed(client, attention="overdue") == listed(client, state="approved") == []
    assert listed(client, age="1d") == [SUBJECT]
    assert listed(client, drafted="1d") == ["other"]
    assert listed(client, state="pending", age="1d", drafted="7d", sn=first.sn or "") == [SUBJECT]


@pytest.mark.parametrize(
    ("filters", "named"),
    [
        ({"state": "nowhere"}, "State"),
        ({"attention": "boredom"}, "Attention"),
        ({"age": "2d"}, "Unchanged"),
        ({"sn": "x" * 300}, "Ticket number"),
        ({"subject": "\x00"}, "Subject"),
        ({"after": "1@x"}, "cannot be shown"),
    ],
)
def test_a_filter_that_nothing_can_match_is_a_message(
    desk: Desk, browser_of: As, filters: dict[str, str], named: str
) -> None:
    """No error of the server, and nothing is listed."""
    applied()
    client = browser_of("view_change")
    page = client.get(LIST, filters).content.decode()
    [message] = re.findall(r'<li class="error">(.*?)</li>', page)
    assert named in message
    assert listed(client, **filters) == []


class CountedStore(WatchedStore):
    """A store that records the size of each page that was asked for, and of each that it returned; and single reads."""

    def __init__(self, inner: StorageBackend) -> None:
        super().__init__(inner)
        self.pages: list[tuple[int, int]] = []
        self.rows: list[str] = []

    def get(self, change_id: str, /) -> Row | None:
        """Return one row."""
        self.rows.append(change_id)
        return super().get(change_id)

    def find(self, query: Query, /) -> Rows:
        """Return one page of rows."""
        found = super().find(query)
        self.pages.append((query.limit, len(found.rows)))
        return found


def test_a_page_reads_what_it_shows_and_no_more(desk: Desk, browser_of: As, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of changes; the links lead through all of them, with the same filters."""
    monkeypatch.setattr(listing, "PAGE", 2)
    store = CountedStore(desk.store.inner)
    itsm.chosen["storage"] = store
    for number in range(5):
        applied(f"collector-{number}")
        desk.clock.advance(1)
    client, path, seen = browser_of("view_change"), f"{LIST}?state=pending", []
    store.pages.clear()
    while path:
        page = client.get(path).content.decode()
        seen.append(re.findall(r"collector-(\d)", page))
        links = dict(re.findall(r'<a href="(\?[^"]*)">[« ]*(First|Next) page', page))
        path = next((LIST + link.replace("&amp;", "&") for link, text in links.items() if text == "Next"), "")
        assert all("state=pending" in link for link in links)
    assert seen == [["0", "1"], ["2", "3"], ["4"]]
    assert store.pages == [(3, 3), (3, 3), (3, 1)]


def test_a_damaged_change_does_not_hide_the_others(desk: Desk, browser_of: As) -> None:
    """Its line says that it cannot be read."""
    first = applied()
    applied("other")
    spoil(desk, first.id)
    client = browser_of("view_change")
    assert listed(client) == ["other", first.id]
    assert "cannot be read" in client.get(LIST).content.decode()


def test_hostile_texts_are_shown_as_texts(desk: Desk, browser_of: As) -> None:
    """In the title, in the subject, and in a filter that comes back in its field."""
    applied("<b>subject</b>", title=HOSTILE)
    client = browser_of("view_change")
    for page in (client.get(LIST), client.get(LIST, {"sn": HOSTILE, "subject": HOSTILE, "state": HOSTILE})):
        text = page.content.decode()
        assert "<script>alert" not in text
        assert "<b>subject" not in text
        assert "14" not in re.findall(r"<script>.{0,40}", text)
    assert "&lt;script&gt;alert(1)" in client.get(LIST).content.decode()
    assert "{{ 7|add:7 }}" in client.get(LIST).content.decode()


@pytest.mark.parametrize(("permissions", "status"), [((), 403), (("view_change",), 200), (("change_change",), 200)])
def test_a_permission_is_needed_to_look(desk: Desk, browser_of: As, permissions: tuple[str, ...], status: int) -> None:
    """To view, or to act."""
    assert browser_of(*permissions).get(LIST).status_code == status


def test_a_visitor_is_sent_to_the_login(desk: Desk) -> None:
    """As by every page of Django's admin."""
    answer = Client().get(LIST)
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={LIST}")


def test_the_admin_lists_the_pages_and_offers_no_form_to_add(desk: Desk, browser_of: As) -> None:
    """On its first page and on the page of the app."""
    for path in ("/admin/", "/admin/itsm_workflow/"):
        page = browser_of("view_change", "add_change", "delete_change").get(path).content.decode()
        assert f'href="{LIST}"' in page
        assert "/add/" not in page


def test_the_list_is_in_the_language_of_the_request(desk: Desk, browser_of: As) -> None:
    """Chinese, with the library's own labels; English for every other language."""
    applied()
    chinese = browser_of("view_change", language="zh-hans").get(LIST).content.decode()
    for text in ("审批中", "单号", "主题", "状态", "变更", "最后更新"):
        assert text in chinese
    for text in ("Ticket", "Subject", "State", "Attention", "Unchanged", "Search", "Last entry", "Made in"):
        assert text not in re.sub(r"<[^>]*>", " ", chinese)
    assert "Waiting for approval" in browser_of("view_change", language="de").get(LIST).content.decode()


def test_a_store_that_fails_is_a_page_that_says_so(
    desk: Desk, browser_of: As, caplog: pytest.LogCaptureFixture
) -> None:
    """And a line in the log."""
    get_workflow()
    desk.store.inner.close()
    answer = browser_of("view_change").get(LIST)
    assert answer.status_code == 503
    assert "was closed" in answer.content.decode()
    assert "was closed" in caplog.text


def test_a_list_is_read_outside_of_transactions(desk: Desk, browser_of: As) -> None:
    """`ATOMIC_REQUESTS` would hold one open while the pages of a change ask the gateway."""
    from django.urls import resolve  # noqa: PLC0415 - short

    assert resolve(LIST).func._non_atomic_requests >= {"default", "other"}
