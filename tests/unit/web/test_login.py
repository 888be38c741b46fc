"""The login of the console: wrong passwords, addresses that are none, and what is logged."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

import pytest
from werkzeug.security import generate_password_hash

from itsm_workflow.web import console, people, sessions
from itsm_workflow.web.sessions import Logins, hash_of

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from itsm_workflow import Workflow
    from tests.support.desk import Desk

NAME, PASSWORD = "olga", "not-a-secret"
HASHES = {NAME: generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")}  # quick; a real one is slow on purpose
NOW = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
NONE = dt.timedelta(0)


@pytest.fixture
def app(workflow: Workflow, desk: Desk) -> Flask:
    """The console with a login."""
    return console(workflow, clock=desk.clock, logins=HASHES)


def log_in(client: FlaskClient, name: str = NAME, password: str = PASSWORD, **more: str) -> TestResponse:
    """Send the form of the login."""
    return client.post("/login/", data={"name": name, "password": password, **more})


def guess(logins: Logins, name: str, address: str, password: str = "wrong") -> bool:  # noqa: S107 - it is wrong
    """Return whether the password of an attempt is looked at."""
    begun = logins.begin(name, address, NOW) == NONE
    if begun:
        logins.check(name, password, address, NOW)
    return begun


@pytest.mark.parametrize("origin", ["http://[", "null", "", "http://localhost.example"])
def test_an_origin_elsewhere_is_refused(client: FlaskClient, origin: str) -> None:
    """Also one that is not an address."""
    answer = client.post("/login/", data={"name": NAME, "password": PASSWORD}, headers={"Origin": origin})
    assert (answer.status_code, "The request was refused" in answer.text) == (403, True)


@pytest.mark.parametrize("target", ["//[", "http://["])
def test_a_following_page_that_is_not_an_address_is_none(client: FlaskClient, target: str) -> None:
    """The login leads to a path of the console."""
    answer = log_in(client, next=target)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_a_page_that_fails_says_so(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its traceback is in the log, not on the page."""

    def broken() -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(people, "check_origin", broken)
    answer = log_in(app.test_client())
    assert (answer.status_code, "The page failed" in answer.text, "a defect" in answer.text) == (500, True, False)
    assert [(one.name, bool(one.exc_info)) for one in caplog.records] == [("itsm_workflow.web", True)]


def test_a_login_that_fails_is_logged(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """On one line, without the password."""
    log_in(client, "olga\nA login as admin", "guessed-it")
    assert [(one.levelno, one.getMessage()) for one in caplog.records] == [
        (logging.WARNING, "A login as olga\\nA login as admin from 127.0.0.1 failed.")
    ]


def test_wrong_passwords_are_slowed_down(client: FlaskClient, desk: Desk) -> None:
    """Known and unknown names are answered alike; the right password waits as well, but not for long."""
    for name in (NAME, "nobody"):
        answers = [log_in(client, name, "wrong") for _ in range(5)]
        assert {(one.status_code, "is wrong" in one.text) for one in answers} == {(403, True)}
        slowed = log_in(client, name)
        assert (slowed.status_code, int(slowed.headers["Retry-After"]) >= 1) == (429, True)
    desk.clock.advance(sessions.OF_NAME.slowest.total_seconds())
    assert log_in(client).status_code == 303


def test_attempts_count_before_their_passwords_are_looked_at() -> None:
    """So that parallel guesses are not free."""
    logins = Logins(HASHES)
    begun = [logins.begin(NAME, f"192.0.2.{number}", NOW) == NONE for number in range(24)]
    assert begun.count(True) == sessions.OF_NAME.free


def test_the_delay_grows_and_is_bounded() -> None:
    """A right password forgets the wrong ones of its name, and so does an hour."""
    delays: list[float] = []
    logins, now = Logins(HASHES), NOW
    for _ in range(12):
        assert logins.begin(NAME, "192.0.2.1", now) == NONE
        logins.check(NAME, "wrong", "192.0.2.1", now)
        delays.append(logins.begin(NAME, "192.0.2.1", now).total_seconds() if len(delays) >= 4 else 0)
        now += dt.timedelta(seconds=delays[-1])
    assert delays == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert logins.begin(NAME, "192.0.2.9", now) == NONE
    assert logins.begin(NAME, "192.0.2.1", now) == sessions.OF_NAME.slowest, "of the name, from every address"
    now += sessions.OF_NAME.slowest
    assert logins.begin(NAME, "192.0.2.1", now) == NONE
    assert logins.check(NAME, PASSWORD, "192.0.2.1", now)
    assert [logins.begin(NAME, "192.0.2.1", now) == NONE for _ in range(6)] == [True] * 5 + [False]
    now += sessions.FORGOTTEN + sessions.OF_NAME.slowest
    assert [logins.begin(NAME, "192.0.2.1", now) == NONE for _ in range(6)] == [True] * 5 + [False]


def test_many_names_from_one_address_are_slowed_down() -> None:
    """A login of one's own between the guesses does not forget them; others wait for seconds at most."""
    logins = Logins(HASHES)
    begun = 0
    for number in range(200):
        begun += guess(logins, f"name-{number}", "192.0.2.1")
        guess(logins, NAME, "192.0.2.1", PASSWORD)
    assert begun == sessions.OF_ADDRESS.free
    assert NONE < logins.begin("li_si", "192.0.2.1", NOW) <= sessions.OF_ADDRESS.slowest
    assert logins.begin("li_si", "192.0.2.2", NOW) == NONE


def test_people_who_know_their_passwords_do_not_slow_down_an_address() -> None:
    """All of them may come from the address of a proxy."""
    logins = Logins(HASHES)
    assert all(guess(logins, NAME, "192.0.2.1", PASSWORD) for _ in range(sessions.OF_ADDRESS.free + 5))


def test_a_password_is_stored_as_a_slow_hash_of_its_own() -> None:
    """Two people with one password have different hashes."""
    one, other = hash_of(PASSWORD), hash_of(PASSWORD)
    assert one.startswith("scrypt:")
    assert PASSWORD not in one
    assert one != other
    assert Logins({NAME: one}).check(NAME, PASSWORD, "", NOW)
