"""The commands that act on a change, against a stand-in of BK-ITSM over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.sandbox import Draft
from tests.integration.cli.office import unreachable_url

if TYPE_CHECKING:
    from tests.integration.cli.office import Done, Office

ASKED = ("--title", "接入 nginx 日志", "--applicant", "alice", "--approver", "bob")
DECIDED = ("--actor", "carol", "--reason", "seen by hand")


def refused(done: Done, code: int, said: str) -> None:
    """Check that a run printed no data, and in one line what was wrong."""
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err


def apply_unknown(office: Office, subject: str) -> Done:
    """File a change whose create is lost on the way, so that its outcome is unknown."""
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


def test_problems_of_a_collectors_fields_are_listed_with_all_others(office: Office) -> None:
    """One answer lists the title, a missing field, a flag for a number, and more hot days than kept ones."""
    wrong = ("--field", "expect_host_size=true", "--field", "log_keep_days=3", "--field", "hot_data_days=9")
    done = office.run("apply", "--collector", "--subject", "s", *ASKED, "--title", "x" * 200, *wrong)
    assert done.code == 2
    for name in ("title", "expect_access_data", "expect_host_size", "hot_data_days", "apply_reason"):
        assert f"  {name}: " in done.err


def test_problems_of_a_form_are_printed_line_by_line(office: Office) -> None:
    """All problems are printed together, and none of their text controls the terminal."""
    done = office.run("apply", "--subject", "s", "--title", "b\x1b[31mad\U0001f600", "--applicant", "al ice")
    refused(done, 2, "  applicant: ")
    lines = done.err.splitlines()
    assert lines[0] == "itsm-workflow: the arguments were refused, nothing was stored or sent:"
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
    assert "no ticket was made yet" in done.err


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


def test_settle_of_a_change_without_a_ticket_ends_as_apply_does(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 3 as long as nothing was sent, 0 once it is filed."""
    reachable = office.variables["BKAPP_ITSM_GATEWAY_URL"]
    monkeypatch.setenv("BKAPP_ITSM_GATEWAY_URL", unreachable_url())
    office.run("apply", "--subject", "collector-42", *ASKED)
    done = office.run("settle", "collector-42", "--json")
    assert (done.code, done.json["attempt"]["phase"]) == (3, "queued")
    assert "no ticket was made yet" in done.err
    monkeypatch.setenv("BKAPP_ITSM_GATEWAY_URL", reachable)
    filed = office.run("settle", "collector-42", "--json")
    assert (filed.code, filed.json["state"]) == (0, "pending")


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
def test_a_refusal_of_the_machine_is_printed_with_its_reason(office: Office, command: str) -> None:
    """The exit code is 1, and the message lists what is allowed instead."""
    office.apply("collector-42")
    done = office.run(command, "collector-42", *DECIDED)
    refused(done, 1, f'{command} was refused in the state "Waiting for approval"')
    assert done.err.endswith("; allowed now: withdraw, raise-attention\n")


def test_a_person_asks_another_one_to_look(office: Office) -> None:
    """With the reason that the page of the act asks for; the change waits on."""
    office.apply("collector-42")
    done = office.run("raise-attention", "collector-42", "--actor", "olga", "--reason", "carol is ill", "--json")
    attention = done.json["attention"]
    assert (done.code, done.json["state"], attention["reason"], attention["facts"]) == (
        0,
        "pending",
        "host",
        {"reason": "carol is ill"},
    )
    assert office.run("history", "collector-42", "--json").json[-1]["actor"] == "olga"


def test_a_decision_needs_a_name_and_a_reason(office: Office) -> None:
    """Without them the command is refused."""
    office.apply("collector-42")
    refused(office.run("withdraw", "collector-42", "--reason", "x"), 2, "Missing option '--actor'")
    refused(office.run("withdraw", "collector-42", "--actor", "x"), 2, "Missing option '--reason'")


@pytest.mark.parametrize(
    "command",
    ["withdraw", "accept-after-withdrawal", "resend", "abandon", "raise-attention", "clear-attention", "resend-all"],
)
@pytest.mark.parametrize("reason", ["", "  ", "\u200b"])
def test_an_empty_reason_is_refused(office: Office, command: str, reason: str) -> None:
    """The reason stays in the history for later readers, so a decision without one is refused."""
    change = office.apply("collector-42")
    name = () if command == "resend-all" else ("collector-42",)
    done = office.run(command, *name, "--actor", "ops", "--reason", reason)
    refused(done, 2, "Invalid value for '--reason': it is empty")
    assert office.run("show", change["id"], "--json").json["updated_at"] == change["updated_at"]


def test_empty_evidence_is_refused(office: Office) -> None:
    """The message names what the evidence must contain."""
    office.apply("collector-42")
    done = office.run("resend", "collector-42", *DECIDED, "--evidence", " ")
    refused(done, 2, "Invalid value for '--evidence': it is empty: say where you looked in the ticket system itself")


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
    """A person other than the applicant attests it, and the change shows it from then on."""
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


def test_an_unknown_effect_is_a_usage_error(office: Office) -> None:
    """The message lists the known effects."""
    office.apply("collector-42")
    refused(
        office.run("retry-effect", "collector-42", "start", "--actor", "carol"), 2, "has no effect 'start'; it has none"
    )


def test_acting_needs_the_effects_of_the_workflow(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entering a state plans its effects, so a process without effects must be started with `--app none`."""
    office.apply("collector-42")
    monkeypatch.delenv("BKAPP_ITSM_WORKFLOW_APP")
    for command in (("settle", "collector-42"), ("reconcile",), ("withdraw", "collector-42", *DECIDED)):
        refused(office.run(*command), 2, "--app none if no effects follow")
    assert office.run("settle", "collector-42", "--app", "none").code == 0


def test_acting_without_settings_names_the_missing_ones(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2: it is the environment that is wrong."""
    monkeypatch.delenv("BKAPP_ITSM_APP_SECRET")
    refused(office.run("reconcile"), 2, "BKAPP_ITSM_APP_SECRET")
