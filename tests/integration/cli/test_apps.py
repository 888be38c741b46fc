"""A host's application, named on the command line: its workflow, its store, its effects."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.cli.office import Office

SHOP = '''
"""A host's application."""
import datetime as dt
import os
import pathlib

from itsm_workflow import BkItsmGateway, Effect, Policy, Settings, State, Workflow

STARTED = pathlib.Path("started.txt")


def start(call):
    if not pathlib.Path("mended").exists():
        raise OSError("the collector cannot be reached")
    with STARTED.open("a", encoding="utf-8") as file:
        file.write(call.change.subject + "\\n")


def authorize(actor, act, change):
    if actor == "mallory" and change and change.subject == "hookless":
        raise LookupError("the directory of users was away")
    return actor != "eve"


def make():
    return Workflow(
        gateway=BkItsmGateway(Settings.from_env()),
        storage=os.environ["BKAPP_ITSM_STORE"],
        policy=Policy(effect_attempts=1, lookups=(dt.timedelta(),)),
        effects={State.APPROVED: [Effect("start_collection", start)]},
        callbacks=False,
        authorize=authorize,
    )


class Shop:
    workflow = staticmethod(make)


def fail():
    raise RuntimeError("no\\ndatabase")


NUMBER = 7
'''


@pytest.fixture
def shop(office: Office, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """Put the application into the office's folder, where the command is run."""
    (office.folder / "shop_app.py").write_text(SHOP, encoding="utf-8")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("BKAPP_ITSM_WORKFLOW_APP", "shop_app:make")
    yield office
    sys.modules.pop("shop_app", None)


def test_the_applications_effects_follow_an_approval(shop: Office) -> None:
    """What the command approves starts what the host wants started, and a parked effect is retried by its name."""
    change = shop.apply("collector-42")
    shop.decide(change["sn"], approve=True)
    settled = shop.run("settle", "collector-42", "--json")
    assert [(one["name"], one["status"]) for one in settled.json["effects"]] == [("start_collection", "parked")]
    assert settled.code == 1
    assert "effect start_collection failed: OSError: the collector cannot be reached" in settled.err
    assert shop.run("settle", "collector-42").code == 0, "nothing was tried this time"

    again = shop.run("retry-effect", "collector-42", "start_collection", "--actor", "carol")
    assert again.code == 1
    assert "failed again: OSError: the collector cannot be reached" in again.err

    (shop.folder / "mended").touch()
    done = shop.run("retry-effect", "collector-42", "start_collection", "--actor", "carol", "--json")
    assert (done.code, done.json["effects"][0]["status"], done.json["attention"]) == (0, "delivered", None)
    assert (shop.folder / "started.txt").read_text(encoding="utf-8") == "collector-42\n"


@pytest.mark.parametrize("app", ["none", "shop_app:make"])
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_collectors_fields_are_checked_with_any_application(shop: Office, app: str, more: tuple[str, ...]) -> None:
    """An application may have its own check, and ``--collector`` adds to it: one answer lists all problems."""
    wrong = ("--field", "hot_data_days=9", "--field", "log_keep_days=3")
    asked = ("--subject", "s", "--title", "x" * 200, "--applicant", "alice", "--approver", "bob")
    done = shop.run("apply", "--app", app, "--collector", *asked, *wrong, *more)
    assert (done.code, done.out) == (2, "")
    for name in ("title", "expect_access_data", "hot_data_days", "apply_reason"):
        assert f"  {name}: " in done.err
    assert shop.sandbox.tickets() == ()
    assert "no change matches" in shop.run("list", "--app", "shop_app:make").err


def test_without_the_application_its_effects_are_left_alone(shop: Office) -> None:
    """A retry is noted for the application's next pass; nothing is parked for want of a name."""
    change = shop.apply("collector-42")
    shop.decide(change["sn"], approve=True)
    assert shop.run("settle", "collector-42").code == 1
    noted = shop.run("retry-effect", "collector-42", "start_collection", "--actor", "carol", "--app", "none", "--json")
    assert (noted.code, noted.json["effects"][0]["status"]) == (0, "planned")
    assert "the application that has it delivers it" in noted.err
    assert shop.run("reconcile", "--app", "none", "--json").json["unchanged"] == 1
    assert shop.run("show", "collector-42", "--json").json["effects"][0]["status"] == "planned"

    (shop.folder / "mended").touch()
    assert shop.run("reconcile", "--json").json["moved"] == 1
    assert shop.run("show", "collector-42", "--json").json["effects"][0]["status"] == "delivered"


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("shop_app", "is not written as module:name"),
        ("shop_app:nothing", "has no attribute 'nothing'"),
        ("no_such_app:make", "No module named 'no_such_app'"),
        ("shop_app:fail", "cannot be loaded: RuntimeError: no database"),
        ("shop_app:NUMBER", "is a value of type int; expected a Workflow"),
        ("json:dumps", "--app json:dumps is a function that takes arguments; expected a Workflow"),
        ("os:getcwd", "returns a str; expected a Workflow, or a function without arguments that returns one"),
    ],
)
def test_an_invalid_application_is_reported_in_one_line(shop: Office, app: str, said: str) -> None:
    """The line has the name that was given, and the reason."""
    done = shop.run("list", "--app", app)
    assert (done.code, done.out) == (2, "")
    assert said in done.err.splitlines()[0]


def test_an_application_may_lie_deeper_in_its_module(shop: Office) -> None:
    """A dotted name leads to it."""
    shop.apply("collector-42")
    assert [one["subject"] for one in shop.run("list", "--app", "shop_app:Shop.workflow", "--json").json] == [
        "collector-42"
    ]


def test_an_application_without_its_settings_names_them(shop: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own errors keep their exit code."""
    monkeypatch.delenv("BKAPP_ITSM_APP_SECRET")
    done = shop.run("list")
    assert (done.code, done.out) == (2, "")
    assert "BKAPP_ITSM_APP_SECRET" in done.err


def test_a_store_that_is_typed_beats_the_environments_application(shop: Office) -> None:
    """But two that are typed contradict each other, since an application brings its own store."""
    shop.apply("collector-42")
    store = ("--store", shop.variables["BKAPP_ITSM_STORE"])
    assert len(shop.run("list", *store, "--json").json) == 1
    both = shop.run("list", *store, "--app", "shop_app:make")
    assert (both.code, "leave --store out" in both.err) == (2, True)
    assert shop.run("reconcile", *store).code == 2
    assert shop.run("reconcile", *store, "--app", "none").code == 0


def test_a_submission_without_a_ticket_is_resent_or_abandoned_by_a_person(shop: Office) -> None:
    """After the look-ups found nothing; the resend files it under the same key."""
    shop.sandbox.faults.status("create_ticket", 502, always=True)
    asked = ("--title", "t", "--applicant", "alice", "--approver", "bob", "--json")
    lost = [shop.run("apply", "--subject", subject, *asked).json for subject in ("collector-1", "collector-2")]
    assert [one["attention"]["reason"] for one in lost] == ["not_found", "not_found"]
    listed = shop.run("list", "--attention")
    assert listed.out.count("not_found") == 2
    assert "attention     not_found Ticket not found since" in shop.run("show", "collector-1").out
    shop.sandbox.faults.clear()

    resent = shop.run("resend", "collector-1", "--actor", "carol", "--reason", "not in the list", "--json")
    assert (resent.code, resent.json["state"], resent.json["attempt"]["number"]) == (0, "pending", 2)
    assert resent.json["attempt"]["key"] == lost[0]["attempt"]["key"]
    given_up = shop.run("abandon", "collector-2", "--actor", "carol", "--reason", "not wanted any more", "--json")
    assert (given_up.code, given_up.json["outcome"]) == (0, "abandoned")
    assert len(shop.sandbox.tickets()) == 1


def test_a_submission_whose_look_ups_failed_is_resent_on_evidence(shop: Office) -> None:
    """An operator who has looked in the ticket system says so; without that it stays refused."""
    shop.sandbox.faults.status("get_tickets", 503, always=True)
    lose = shop.sandbox.faults.status("create_ticket", 502, processed=False, always=True)
    shop.run("apply", "--subject", "collector-1", "--title", "t", "--applicant", "alice", "--approver", "bob")
    assert lose.hits == 1
    shop.sandbox.faults.clear()
    shop.sandbox.faults.status("get_tickets", 503, always=True)
    decided = ("resend", "collector-1", "--actor", "carol", "--reason", "the space waits", "--json")
    looked = "the list of alice's tickets is empty"

    bare, blank = shop.run(*decided), shop.run(*decided, "--evidence", " ")
    done = shop.run(*decided, "--evidence", looked)

    assert (bare.code, "can resend with evidence of that" in bare.err) == (1, True)
    assert (blank.code, "Invalid value for '--evidence': it is empty" in blank.err) == (2, True)
    assert (done.code, done.json["state"], done.json["attempt"]["number"]) == (0, "pending", 2)
    assert f"evidence {looked}, reason the space waits" in shop.run("history", "collector-1").out
    assert len(shop.sandbox.tickets()) == 1


def test_submissions_that_were_lost_together_are_resent_together(shop: Office) -> None:
    """At first only printed; then each under its own key."""
    shop.sandbox.faults.status("create_ticket", 502, always=True)
    asked = ("--title", "t", "--applicant", "alice", "--approver", "bob", "--json")
    lost = [shop.run("apply", "--subject", subject, *asked).json for subject in ("collector-1", "collector-2")]
    shop.sandbox.faults.clear()
    decided = ("resend-all", "--actor", "carol", "--reason", "the server was restarted")

    dry = shop.run(*decided, "--json")

    assert (dry.code, [one["result"] for one in dry.json]) == (0, ["would be sent"] * 2)
    assert "nothing was sent" in dry.err
    assert shop.sandbox.tickets() == ()

    done = shop.run(*decided, "--yes", "--json")

    assert (done.code, [one["result"] for one in done.json]) == (0, ["sent"] * 2)
    assert [one["attempt"] for one in done.json] == [2, 2]
    assert {one["attempt"]["key"] for one in lost} == {ticket.tag for ticket in shop.sandbox.tickets()}
    assert "no change matches" in shop.run(*decided, "--yes").err


def test_a_change_that_is_resent_in_bulk_although_it_may_not_be_is_named(shop: Office) -> None:
    """The machine refuses it; the exit code says that not all was done."""
    shop.sandbox.faults.status("get_tickets", 503, always=True)
    shop.sandbox.faults.status("create_ticket", 502, always=True)
    shop.run("apply", "--subject", "collector-1", "--title", "t", "--applicant", "alice", "--approver", "bob")

    done = shop.run(
        *("resend-all", "--actor", "carol", "--reason", "r", "--attention", "lookup_failed", "--yes", "--json")
    )

    assert done.code == 5
    assert done.json[0]["result"].startswith("refused: ")


def test_a_resend_in_bulk_that_the_host_does_not_permit_is_named(shop: Office) -> None:
    """Nothing is sent, the exit code says so, and the same command of another person works."""
    shop.sandbox.faults.status("create_ticket", 502, always=True)
    shop.run("apply", "--subject", "collector-1", "--title", "t", "--applicant", "alice", "--approver", "bob")
    shop.sandbox.faults.clear()
    decided = ("resend-all", "--reason", "the server was restarted", "--yes", "--json")

    refused = shop.run(*decided, "--actor", "eve")

    assert (refused.code, [one["result"] for one in refused.json]) == (
        5,
        ["refused: eve is not permitted to resend it"],
    )
    assert shop.sandbox.tickets() == ()
    assert [one["result"] for one in shop.run(*decided, "--actor", "carol").json] == ["sent"]


def test_a_resend_in_bulk_goes_on_after_a_change_for_which_the_hosts_hook_fails(shop: Office) -> None:
    """The line of that change names the error, and the exit code says that not all was done."""
    shop.sandbox.faults.status("create_ticket", 502, always=True)
    for subject in ("hookless", "collector-1"):
        shop.run("apply", "--subject", subject, "--title", "t", "--applicant", "alice", "--approver", "bob")
    shop.sandbox.faults.clear()

    done = shop.run(*("resend-all", "--actor", "mallory", "--reason", "r", "--yes", "--json"))

    assert done.code == 5
    assert {one["subject"]: one["result"] for one in done.json} == {
        "hookless": "failed: LookupError: the directory of users was away",
        "collector-1": "sent",
    }


def test_a_damaged_change_is_named_beside_the_list(shop: Office) -> None:
    """The others are listed, and the exit code says that something is missing."""
    good, bad = shop.apply("collector-1"), shop.apply("collector-2")
    path = shop.variables["BKAPP_ITSM_STORE"].removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE changes SET document = replace(document, 'alice', 'alicd') WHERE id = ?", [bad["id"]]
        )

    listed = shop.run("list", "--json")

    assert (listed.code, [one["id"] for one in listed.json]) == (5, [good["id"]])
    assert f"change {bad['id']} cannot be read" in listed.err
