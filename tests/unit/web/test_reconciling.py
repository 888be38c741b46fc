"""The page that shows what is due, and runs a bounded pass."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.web import console, reconciling
from tests.support.desk import ASKED, Desk

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from itsm_workflow import Workflow


@pytest.fixture
def due(desk: Desk) -> Workflow:
    """A workflow with two tickets that were approved, of which nothing was heard."""
    made = desk.workflow()
    for number in range(2):
        desk.decide(made.apply(subject=f"collector-{number}", **ASKED), approved=True)
    desk.clock.advance(3600)
    return made


def client_of(workflow: Workflow, desk: Desk, *, acts: bool = True) -> FlaskClient:
    """Return a browser of olga."""
    return console(workflow, clock=desk.clock, person=lambda: "olga", allow_actions=acts).test_client()


def token_on(text: str) -> str:
    """Return the token of a form."""
    return str(re.findall(r'name="csrf" value="([^"]+)"', text)[0])


def test_a_pass_is_run_and_reported(due: Workflow, desk: Desk) -> None:
    """The page says what is due before, and what the pass did after."""
    client = client_of(due, desk)
    before = client.get("/reconcile/").text
    assert "Changes that are due now: 2." in before
    assert "No pass was run" in before
    assert client.post("/reconcile/", data={"csrf": token_on(before)}).status_code == 303
    assert {due.resolve(f"collector-{number}").state for number in range(2)} == {"approved"}
    after = client.get("/reconcile/").text
    assert "Changes that are due now: 0." in after
    assert dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", after))["With new entries"] == "2"
    assert '<span class="person">olga</span>' in after


def test_a_pass_is_bounded(due: Workflow, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says that more is due."""
    monkeypatch.setattr(reconciling, "LIMIT", 1)
    client = client_of(due, desk)
    client.post("/reconcile/", data={"csrf": token_on(client.get("/reconcile/").text)})
    assert "It ended before it had looked at every change" in client.get("/reconcile/").text


def test_without_actions_it_only_shows_what_is_due(due: Workflow, desk: Desk) -> None:
    """It has no button, and refuses the form."""
    client = client_of(due, desk, acts=False)
    text = client.get("/reconcile/").text
    assert ("Changes that are due now: 2." in text, "<button" in text) == (True, False)
    assert client.post("/reconcile/").status_code == 404


def test_a_form_of_another_site_runs_nothing(due: Workflow, desk: Desk) -> None:
    """Nor one without the token of the person."""
    client = client_of(due, desk)
    token = token_on(client.get("/reconcile/").text)
    assert client.post("/reconcile/", data={"csrf": "guessed"}).status_code == 403
    strange = client.post("/reconcile/", data={"csrf": token}, headers={"Sec-Fetch-Site": "cross-site"})
    assert strange.status_code == 403
    assert due.resolve("collector-0").state == "pending"


def test_one_pass_runs_at_a_time(due: Workflow, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second form is refused while the first one runs."""
    client = client_of(due, desk)
    token = token_on(client.get("/reconcile/").text)
    statuses = []
    run = type(due).reconcile

    def and_again(self: Workflow, **bounds: object) -> object:
        statuses.append(client.post("/reconcile/", data={"csrf": token}).status_code)
        return run(self, **bounds)  # type: ignore[arg-type]

    monkeypatch.setattr(type(due), "reconcile", and_again)
    statuses.append(client.post("/reconcile/", data={"csrf": token}).status_code)
    assert statuses == [409, 303]
