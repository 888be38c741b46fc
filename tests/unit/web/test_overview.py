"""The console's first page, and the lists to which its numbers lead."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import attrs

from itsm_workflow import Effect, Policy, State, open_storage
from itsm_workflow.runtime.counting import Count
from itsm_workflow.storage import SupportsCounts
from itsm_workflow.web import console, listing, overview
from tests.support.desk import ASKED, Desk
from tests.unit.web.test_pages import subjects

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from flask.testing import FlaskClient

    from itsm_workflow import Workflow
    from itsm_workflow.form import FormArguments
    from itsm_workflow.storage.protocol import Query, Rows


def unreachable(_: object) -> None:
    """Fail, as an effect whose host is away."""
    raise RuntimeError("the collector's host is unreachable")


def numbers(text: str) -> dict[str, list[str]]:
    """Return the numbers of each state on the first page."""
    rows = re.findall(r'<tr><th scope="row"><span class="badge [\w-]+">([^<]*)</span></th>(.*?)</tr>', text, re.DOTALL)
    return {label: re.findall(r">([\d,+]+)<", cells) for label, cells in rows}


def test_what_needs_a_person_is_first_with_its_sentence(client: FlaskClient) -> None:
    """By reason, each with a link to its list."""
    text = client.get("/").text
    assert text.index("Effect parked") < text.index("collector-1") < text.index("fix the cause") < text.index("Draft")
    assert subjects(client.get("/changes/?attention=effect_parked").text) == ["collector-1"]
    assert 'href="/changes/?attention=effect_parked">all 1' in text


def test_a_parked_effect_stays_visible_after_its_attention_was_cleared(
    client: FlaskClient, desk: Desk, workflow: Workflow
) -> None:
    """In the number, in its list and on the page: what is parked, since when, and what to do."""
    link = '<a href="/changes/?effect=parked">1</a>'
    assert link in client.get("/").text
    change = workflow.resolve("collector-1")
    workflow.clear_attention(change.id, actor="dave", reason="seen")
    desk.clock.advance(3600)

    text = client.get("/").text
    assert "No change needs a person." in text
    assert link in text
    for address in ("/changes/?effect=parked", "/changes/?effect=parked&state=approved&age=1h", "/changes/?age=1h"):
        row = client.get(address).text.partition("collector-1</a>")[2].partition("</tr>")[0]
        assert '<span class="badge attention">Effect parked</span>' in row
    assert subjects(client.get("/changes/?effect=parked&attention=any").text) == []
    assert client.get("/changes/?effect=planned").status_code == 400
    shown = client.get(f"/changes/{change.id}/").text
    assert "Effect start_collection is parked" in shown.replace("; effect", "; Effect")
    assert "then retry the effect" in shown
    assert re.search(r"<strong>parked, needs a person</strong> since <time datetime=", shown)


def test_a_list_of_parked_effects_goes_on(client: FlaskClient, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, with the changes that cannot be read."""
    monkeypatch.setattr(listing, "PAGE", 1)
    made = desk.workflow(
        effects={State.APPROVED: [Effect("start_collection", unreachable)]}, policy=Policy(effect_attempts=1)
    )
    change = made.apply(subject="collector-7", **ASKED)
    desk.decide(change)
    made.settle(change.id)
    first = client.get("/changes/?effect=parked").text
    following = re.findall(r'<a href="([^"]*)" rel="next"', first)[0].replace("&amp;", "&")
    assert subjects(first) == ["collector-1"]
    assert subjects(client.get(f"/changes/{following}").text) == ["collector-7"]


def test_nothing_that_needs_a_person_is_said(desk: Desk) -> None:
    """In a store without changes as well."""
    text = console(desk.workflow(), clock=desk.clock).test_client().get("/").text
    assert "No change needs a person." in text
    assert "No change waits for a look." in text


def test_every_number_leads_to_its_list(client: FlaskClient, desk: Desk) -> None:
    """By state and age; a zero leads nowhere."""
    desk.clock.advance(3600)
    text = client.get("/").text
    assert numbers(text) == {
        "Draft": ["1", "1", "0"],
        "Filing the ticket": ["0", "0", "0"],
        "Waiting for approval": ["1", "1", "0"],
        "Callback not delivered": ["0", "0", "0"],
    }
    links = re.findall(r'<td><a href="([^"]*)">(\d+)', text)
    assert len(links) == 4
    for link, number in links:
        assert len(subjects(client.get(link.replace("&amp;", "&")).text)) == int(number)


def test_counts_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number with a plus is the limit."""
    monkeypatch.setattr(overview, "COUNTED", 2)
    workflow = desk.workflow()
    for number in range(3):
        workflow.draft(subject=f"collector-{number}", **ASKED)
    text = console(workflow, clock=desk.clock).test_client().get("/").text
    assert numbers(text)["Draft"][0] == "2+"
    assert "counted up to its limit" in text


def test_a_change_that_cannot_be_read_is_listed(
    client: FlaskClient, desk: Desk, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its id and its error, beneath the reason that counts it."""
    change, find = workflow.resolve("collector-1"), desk.store.inner.find

    def damaged(query: Query) -> Rows:
        found = find(query)
        rows = (attrs.evolve(row, document="{}") if row.subject == "collector-1" else row for row in found.rows)
        return attrs.evolve(found, rows=tuple(rows))

    monkeypatch.setattr(desk.store, "find", damaged)
    text = client.get("/").text
    assert "collector-1" not in text
    assert text.index("all 1") < text.index(change.id) < text.index("cannot be read")


def test_a_look_that_is_late_is_named(client: FlaskClient, desk: Desk, workflow: Workflow) -> None:
    """If no process reconciles, operators see it."""
    workflow.reconcile()
    assert "check that a process runs reconcile" not in client.get("/").text
    desk.clock.advance(86_400)
    assert "check that a process runs reconcile" in client.get("/").text


def test_old_changes_of_a_state_are_found_page_by_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """No page reads more than its bound, and none is lost: the pages together are what a full search finds."""
    monkeypatch.setattr(listing, "SCANNED", 4)
    monkeypatch.setattr(listing, "_CHUNK", 2)
    monkeypatch.setattr(listing, "PAGE", 3)
    workflow = desk.workflow()
    old = {f"old-{number}" for number in range(7)}
    for number in range(9):
        workflow.draft(subject=f"young-{number}", **ASKED)
    for subject in sorted(old):
        workflow.draft(subject=subject, **ASKED)
    desk.clock.advance(7200)
    for change in workflow.find():
        if change.subject.startswith("young"):
            asked: FormArguments = {**ASKED, "title": "revised"}
            workflow.revise(change.id, **asked)
    client = console(workflow, clock=desk.clock).test_client()
    address, found, pages = "/changes/?state=draft&age=1h", [], 0
    while address:
        text = client.get(address).text
        found += subjects(text)
        following = re.findall(r'<a href="([^"]*)" rel="next"', text)
        address = "/changes/" + following[0].replace("&amp;", "&") if following else ""
        pages += 1
        assert pages < 20
    assert sorted(found) == sorted(old)
    assert "None of the 4 changes" in client.get("/changes/?state=draft&age=1d").text


def test_a_store_that_counts_by_itself_counts_as_one_that_is_read(tmp_path: Path) -> None:
    """SQLite counts; the store in memory is read."""
    found = []
    for url in ("memory://", f"sqlite:///{tmp_path}/itsm.db"):
        desk = Desk()
        with closing(open_storage(url)) as store:
            workflow = desk.workflow(storage=store)
            found.append(_counted(workflow, desk))
            found.append(workflow.counts(limit=2).states["draft"])
            assert isinstance(store, SupportsCounts) == url.startswith("sqlite")
    assert found[0] == Count(number=3, hour_old=2, day_old=1)
    assert found[1] == Count(number=2, is_more=True, hour_old=2, day_old=1)
    assert found[:2] == found[2:]


def _counted(workflow: Workflow, desk: Desk) -> Count:
    for number, age in enumerate((86_400, 3600, 1)):
        workflow.draft(subject=f"collector-{number}", **ASKED)
        desk.clock.advance(age)
    return workflow.counts().states["draft"]
