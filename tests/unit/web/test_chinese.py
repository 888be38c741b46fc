"""The console in Chinese: what a person on duty reads on every page has no English word, but for names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from werkzeug.security import generate_password_hash

from itsm_workflow.web import console
from tests.support.desk import ASKED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient

    from itsm_workflow import Workflow
    from tests.support.desk import Desk

NAME, PASSWORD = "olga", "not-a-secret"
HASHES = {NAME: generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")}  # quick; a real one is slow on purpose
CODES = re.compile(r"\S*\d\S*|\b[a-z]+(?:_[a-z]+)+\b|#\S+|\bRuntimeError\b")
"""Ids, numbers, times, and the names of fields, of operations and of the error of a host."""
NAMES = {
    *("alice", "bob", "carol", "dave", "olga", "worker", "gateway", "nginx"),  # people, workers and texts of people
    *("English", "ID", "ITSM", "JSON", "UTC", "reconcile", "itsm", "workflow", "resend", "abandon", "withdraw"),
    *("the", "host", "is", "unreachable", "answer", "was", "lost"),  # the errors of the host and of the ticket system
}


@pytest.fixture
def browser(workflow: Workflow, desk: Desk) -> FlaskClient:
    """A browser in Chinese in which olga has logged in; of one more change, the ticket was not found."""
    desk.hide_tickets()
    workflow.apply(subject="collector-4", **ASKED)
    for _ in range(8):
        desk.clock.advance(3600)
        workflow.reconcile()
    desk.faults.clear()
    app = console(workflow, clock=desk.clock, logins=HASHES, allow_actions=True)
    client = app.test_client()
    assert client.post("/login/", data={"name": NAME, "password": PASSWORD}).status_code == 303
    client.get("/?language=zh")
    return client


def read(text: str) -> str:
    """Return what a person reads, or a screen reader says; without the entries as JSON.

    Of a picture, that is its name: the small texts in it are the types of evidence and the names of functions.
    """
    said = re.findall(r'(?:aria-label|title|alt|placeholder)="([^"]*)"', text)
    text = re.sub(r"<(pre|title|svg)[^>]*>.*?</\1>", " ", text, flags=re.DOTALL)
    text = re.sub(r'<span class="whole">(.*?)</span>', r"\1", text)  # a part of a word
    return " ".join([re.sub(r"<[^>]*>", " ", text), *said])


def pages(client: FlaskClient, workflow: Workflow) -> Iterator[tuple[str, str]]:
    """Yield the address and the text of each page."""
    addresses = ["/", "/changes/", "/changes/?q=nginx", "/changes/?age=long", "/reconcile/", "/nowhere/", "/logout/"]
    addresses += ["/changes/01KJPRZB00A49C79EPJ7HN18ZZ/"]
    for number in range(5):
        change = f"/changes/{workflow.resolve(f'collector-{number}').id}/"
        addresses += [change, *re.findall(rf'href="({change}[^"/]+/)"', client.get(change).text)]
        addresses += [f"{change}record_ticket/"]
    for address in addresses:
        yield address, client.get(address).text
    yield "/login/", client.post("/login/", data={"name": NAME, "password": "wrong"}).text


def test_a_person_on_duty_reads_no_english(browser: FlaskClient, workflow: Workflow) -> None:
    """Also on the pages of errors, where an act is confirmed, and in the names that a screen reader says."""
    found = {}
    for address, text in pages(browser, workflow):
        words = set(re.findall(r"[A-Za-z]{2,}", CODES.sub(" ", read(text)))) - NAMES
        if words:
            found[address] = sorted(words)
    assert found == {}


def test_a_change_that_does_not_exist_is_named_by_the_id_of_its_page(browser: FlaskClient) -> None:
    """With what a person can do in the console, not in Python."""
    answer = browser.get("/changes/nothing/")
    assert (answer.status_code, "没有 ID 为 nothing 的变更" in answer.text) == (404, True)
    english = browser.get("/changes/nothing/?language=en").text
    assert "No change has the id nothing." in english
    assert "Workflow." not in english
