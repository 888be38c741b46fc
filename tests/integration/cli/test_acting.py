"""The commands that act, against a stand-in of BK-ITSM over real HTTP."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.sandbox import Draft

if TYPE_CHECKING:
    from tests.integration.cli.office import Done, Office

ASKED = ("--title", "接入 nginx 日志", "--applicant", "alice", "--approver", "bob")
DECIDED = ("--actor", "carol", "--reason", "seen by hand")


def unreachable_url() -> str:
    """Return a gateway root at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v2/itsm/"


def refused(done: Done, code: int, said: str) -> None:
    """Check that a run printed no data, and in one line what was wrong."""
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err


def apply_unknown(office: Office, subject: str) -> Done:
    """File a change whose create is lost on the way, so that nobody knows whether there is a ticket."""
    office.sandbox.faults.status("create_ticket", 502, processed=False)
    return office.run("apply", "--subject", subject, *ASKED, "--json")


def test_apply_files_a_ticket(office: Office) -> None:
    """The ticket is there with what was asked; what is JSON counts as JSON."""
    fields = (
        "--field",
        "expect_host_size=10",
        "--field",
        "note=nan NaN",
        "--field",
        'paths=["/a"]',
        "--field",
        "x=a=b",
    )
    done = office.run("apply", "--subject", "collector-42", *ASKED, *fields, "--json")
    assert done.code == 0
    assert done.json["fields"] == {"expect_host_size": 10, "note": "nan NaN", "paths": ["/a"], "x": "a=b"}
    ticket = office.sandbox.ticket(done.json["sn"])
    assert (ticket.creator, ticket.current_status.value) == ("alice", "RUNNING")


def test_apply_says_in_a_sentence_what_comes_next(office: Office) -> None:
    """A person reads whom it waits for."""
    done = office.run("apply", "--subject", "collector-42", *ASKED)
    assert (done.code, done.err) == (0, "")
    assert "waits for bob to decide ticket REQ" in done.out


def test_a_dry_run_shows_the_body_and_leaves_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ticket, no store; and who follows an approval need not be known for it."""
    monkeypatch.delenv("BKAPP_ITSM_WORKFLOW_APP")
    done = office.run("apply", "--subject", "collector-42", *ASKED, "--dry-run")
    assert done.code == 0
    assert done.json["creator"] == "alice"
    assert {"key": "APPROVER", "value": "bob"} in done.json["fields"]
    assert office.sandbox.tickets() == ()
    assert not (office.folder / "changes.db").exists()


def test_the_eight_fields_of_a_collector_are_told_with_everything_else(office: Office) -> None:
    """All problems in one answer: the title, a missing field, a flag for a number, more hot days than kept ones."""
    wrong = ("--field", "expect_host_size=true", "--field", "log_keep_days=3", "--field", "hot_data_days=9")
    done = office.run("apply", "--collector", "--subject", "s", *ASKED, "--title", "x" * 200, *wrong)
    assert done.code == 2
    for name in ("title", "expect_access_data", "expect_host_size", "hot_data_days", "apply_reason"):
        assert f"  {name}: " in done.err


def test_a_form_that_is_wrong_is_told_line_by_line(office: Office) -> None:
    """All problems at once, and nothing in them steers the terminal."""
    done = office.run("apply", "--subject", "s", "--title", "b\x1b[31mad\U0001f600", "--applicant", "al ice")
    refused(done, 2, "  applicant: ")
    lines = done.err.splitlines()
    assert lines[0] == "itsm-workflow: the form was refused, nothing was stored or sent:"
    assert {line.split(":")[0].strip() for line in lines[1:]} == {"title", "applicant", "approvers"}
    assert "\x1b" not in done.err
    assert office.sandbox.tickets() == ()


@pytest.mark.parametrize(
    ("more", "said"),
    [(("--field", "novalue"), "write key=value"), (("--field", "a=1", "--field", "a=2"), "more than once")],
)
def test_a_field_that_cannot_be_meant_is_a_usage_error(office: Office, more: tuple[str, ...], said: str) -> None:
    """Neither half a field nor one field twice."""
    refused(office.run("apply", "--subject", "s", *ASKED, *more), 2, said)


def test_a_second_open_change_is_refused(office: Office) -> None:
    """The first one is named."""
    first = office.apply("collector-42")
    refused(office.run("apply", "--subject", "collector-42", *ASKED), 1, first["id"])


def test_apply_without_a_gateway_is_stored_and_says_so(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 3: nothing was sent; the stored change is filed by a later pass."""
    monkeypatch.setenv("BKAPP_ITSM_GATEWAY_URL", unreachable_url())
    done = office.run("apply", "--subject", "collector-42", *ASKED, "--json")
    assert (done.code, done.json["state"], done.json["attempt"]["phase"]) == (3, "applying", "queued")
    assert "nothing was sent yet" in done.err


def test_apply_that_does_not_know_is_partly_done(office: Office) -> None:
    """Exit 5: there may be a ticket, and looking goes on."""
    done = apply_unknown(office, "collector-42")
    assert (done.code, done.json["state"], done.json["attempt"]["phase"]) == (5, "applying", "unknown")
    assert "is not known yet" in done.err


def test_apply_that_the_gateway_refuses_ends_as_a_draft(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 3: the gateway said no, and a look-up found that it meant it."""
    monkeypatch.delenv("BKAPP_ITSM_FAST_APPROVAL")
    monkeypatch.setenv("BKAPP_ITSM_SERVICE_ID", "4711")
    done = office.run("apply", "--subject", "s", "--title", "t", "--applicant", "alice", "--json")
    assert (done.code, done.json["state"]) == (3, "draft")
    assert "the gateway refused the ticket" in done.err


def test_settle_brings_what_was_decided(office: Office) -> None:
    """Approved by bob, approved here."""
    change = office.apply("collector-42")
    office.decide(change["sn"], approve=True)
    done = office.run("settle", "collector-42")
    assert (done.code, done.err) == (0, "")
    assert "ended as approved" in done.out


def test_settle_without_a_gateway_says_so(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change is printed as it is known, the trouble goes to standard error, the exit code is the gateway's."""
    change = office.apply("collector-42")
    monkeypatch.setenv("BKAPP_ITSM_GATEWAY_URL", unreachable_url())
    done = office.run("settle", "collector-42", "--json")
    assert (done.code, done.json["state"]) == (3, "pending")
    assert done.err.startswith(f"itsm-workflow: {change['id']}: get_ticket_info: nothing was sent")


def test_withdraw_plans_the_withdrawal_under_the_persons_name(office: Office) -> None:
    """The history says who and why."""
    office.apply("collector-42")
    done = office.run("withdraw", "collector-42", *DECIDED, "--json")
    assert (done.code, [effect["name"] for effect in done.json["effects"]]) == (0, ["withdraw"])
    last = office.run("history", "collector-42", "--json").json[4]
    assert (last["trigger"], last["actor"], last["evidence"]) == (
        "request_withdrawal",
        "carol",
        {"reason": "seen by hand"},
    )


@pytest.mark.parametrize("command", ["resend", "abandon", "clear-attention"])
def test_what_the_machine_refuses_is_told_with_the_reason(office: Office, command: str) -> None:
    """Exit 1, and what is possible instead."""
    office.apply("collector-42")
    refused(office.run(command, "collector-42", *DECIDED), 1, "was refused in state pending")


def test_a_decision_wants_a_name_and_a_reason(office: Office) -> None:
    """Nothing is decided by nobody."""
    office.apply("collector-42")
    refused(office.run("withdraw", "collector-42", "--reason", "x"), 2, "Missing option '--actor'")
    refused(office.run("withdraw", "collector-42", "--actor", "x"), 2, "Missing option '--reason'")


@pytest.mark.parametrize(
    "command",
    ["withdraw", "accept-after-withdrawal", "resend", "abandon", "clear-attention", "resend-all"],
)
@pytest.mark.parametrize("reason", ["", "  ", "\u200b"])
def test_a_reason_that_says_nothing_is_none(office: Office, command: str, reason: str) -> None:
    """It stays in the history, to be read later; nothing is decided without it."""
    change = office.apply("collector-42")
    name = () if command == "resend-all" else ("collector-42",)
    done = office.run(command, *name, "--actor", "ops", "--reason", reason)
    refused(done, 2, "Invalid value for '--reason': it is empty")
    assert office.run("show", change["id"], "--json").json["updated_at"] == change["updated_at"]


def test_a_ticket_that_a_person_found_is_recorded(office: Office) -> None:
    """By its number; one that is not there is refused with what the gateway shows."""
    change = apply_unknown(office, "collector-42").json
    refused(
        office.run("record-ticket", "collector-42", "--sn", "REQ20260101000001", "--actor", "carol"),
        1,
        "shows 0 tickets with number",
    )
    with office.sandbox.locked() as ledger:
        draft = Draft(title="by hand", creator="alice", service=ledger.services[2], approvers=("bob",), tag=None)
        sn = ledger.file(draft).sn
    command = ("record-ticket", "collector-42", "--sn", sn, "--actor", "carol", "--json")
    refused(office.run(*command), 1, "the ticket differs from what was sent: key: ")
    done = office.run(*command, "--override", "filed by hand")
    assert (done.code, done.json["id"], done.json["state"], done.json["sn"]) == (0, change["id"], "pending", sn)
    assert "override filed by hand" in office.run("history", "collector-42").out


def test_an_approval_that_the_gateway_cannot_show_is_attested(office: Office) -> None:
    """By somebody else than the applicant, and shown with the change from then on."""
    change = office.apply("collector-42")
    ticket = int(change["ticket_id"])
    office.sandbox.approve(ticket)
    office.sandbox.wait(lambda ledger: ledger.by_id(ticket).approve_result)
    office.sandbox.duplicate_sn(ticket)
    office.run("settle", "collector-42")
    named = ("--ticket-id", str(ticket), "--approver", "bob", "--evidence", "the ticket's page")
    command = ("attest-approval", "collector-42", *named, "--actor")
    refused(office.run(*command, change["applicant"]), 1, "cannot attest the approval")
    refused(office.run(*command, "olga\u202e"), 2, "actor")

    done = office.run(*command, "olga", "--json")

    assert (done.code, done.json["state"], done.json["outcome"]) == (0, "approved", "approved")
    assert done.json["decision"]["attested_by"] == "olga"
    assert "attested by olga: the ticket's page" in office.run("show", "collector-42").out
    assert "approver bob, evidence the ticket's page" in office.run("history", "collector-42").out


def test_an_effect_that_is_none_is_a_usage_error(office: Office) -> None:
    """It lists those that there are."""
    office.apply("collector-42")
    refused(
        office.run("retry-effect", "collector-42", "start", "--actor", "carol"), 2, "has no effect 'start'; it has none"
    )


def test_acting_needs_to_know_what_follows(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entering a state plans its effects, so a process that knows of none must be told that there are none."""
    office.apply("collector-42")
    monkeypatch.delenv("BKAPP_ITSM_WORKFLOW_APP")
    for command in (("settle", "collector-42"), ("reconcile",), ("withdraw", "collector-42", *DECIDED)):
        refused(office.run(*command), 2, "--app none if no effects follow")
    assert office.run("settle", "collector-42", "--app", "none").code == 0


def test_acting_without_settings_names_the_missing_ones(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2: it is the environment that is wrong."""
    monkeypatch.delenv("BKAPP_ITSM_APP_SECRET")
    refused(office.run("reconcile"), 2, "BKAPP_ITSM_APP_SECRET")


def lose_callbacks(office: Office, monkeypatch: pytest.MonkeyPatch, number: int) -> list[str]:
    """Let so many tickets be approved, with callbacks that the gateway could not deliver; return the subjects."""
    monkeypatch.setenv("BKAPP_ITSM_CALLBACK_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("BKAPP_ITSM_CALLBACK_KEYS", "k" * 32)
    office.sandbox.faults.callback_lost(listed=True, always=True)
    subjects = [f"collector-{one}" for one in range(number)]
    for subject in subjects:
        office.decide(office.apply(subject)["sn"], approve=True)
    office.sandbox.wait(lambda ledger: len(ledger.failed_callbacks()) == number)
    return subjects


def test_reconcile_looks_at_what_is_due(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callbacks that were lost are found on the gateway's list, and the tickets are read."""
    subjects = lose_callbacks(office, monkeypatch, 2)
    done = office.run("reconcile", "--json")
    assert (done.code, done.err) == (0, "")
    counted = {name: value for name, value in done.json.items() if name != "seconds"}
    assert counted == {
        "due": 2,
        "moved": 2,
        "unchanged": 0,
        "busy": 0,
        "failed": 0,
        "unreadable": 0,
        "undelivered": 2,
        "finished": True,
        "stopped": "",
    }
    for subject in subjects:
        assert office.run("show", subject, "--json").json["state"] == "approved"
    assert office.run("reconcile").out.startswith("due 0: moved 0, unchanged 0, busy 0, failed 0, unreadable 0;")


def test_reconcile_says_that_its_limit_left_something(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not looked at is not passed over in silence: exit 5, as for all that a later pass tries again."""
    lose_callbacks(office, monkeypatch, 2)
    done = office.run("reconcile", "--limit", "1", "--json")
    assert (done.code, done.json["due"], done.json["finished"]) == (5, 1, False)
    assert "the limit was reached" in done.err
    assert office.run("reconcile").code == 0


def test_reconcile_that_had_no_time_to_look_exits_as_such(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler sees that its passes are too short, though nothing failed."""
    lose_callbacks(office, monkeypatch, 1)
    monkeypatch.setattr("itsm_workflow.runtime.pass_time.PassTime.is_over", lambda _: True)
    done = office.run("reconcile", "--seconds", "1", "--json")
    assert (done.json["due"], done.json["failed"], done.json["stopped"]) == (0, 0, "its time was used up")
    assert done.code == 5


def test_reconcile_that_failed_in_part_exits_as_such(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 5: one ticket could be read, the other could not."""
    monkeypatch.setenv("BKAPP_ITSM_DEADLINE", "1")
    lose_callbacks(office, monkeypatch, 2)
    office.sandbox.faults.status("get_ticket_info", 502, nth=2, always=True)
    done = office.run("reconcile", "--json")
    assert (done.code, done.json["moved"], done.json["failed"]) == (5, 1, 1)
    assert "get_ticket_info" in done.err


def test_reconcile_without_a_gateway_exits_as_such(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 3 when nothing at all could be done."""
    office.apply("collector-42")
    monkeypatch.setenv("BKAPP_ITSM_GATEWAY_URL", unreachable_url())
    done = office.run("reconcile")
    assert done.code == 3
    assert done.out.startswith("due 0: moved 0, unchanged 0, busy 0, failed 0, unreadable 0;")
    assert done.err.startswith("itsm-workflow: callback_failed_ticket: nothing was sent")
