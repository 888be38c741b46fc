"""The decider of a ticket, the remark, and the ticket's present status, in every view of an operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.sandbox import acting

if TYPE_CHECKING:
    from itsm_workflow.sandbox import Sandbox
    from tests.integration.cli.office import Office


def suspend(sandbox: Sandbox, sn: str) -> None:
    """Suspend a ticket as soon as its flow asks for the approval."""
    sandbox.wait(lambda ledger: ledger.by_sn(sn)[0].step_running)
    with sandbox.locked() as ledger:
        acting.suspend(ledger, ledger.by_sn(sn)[0], "bob")


@pytest.mark.parametrize(
    ("approved", "verb", "remark"),
    [(True, "approved", "容量足够"), (False, "refused", "not this week: disks are full")],
)
def test_a_remark_is_shown_wherever_an_operator_looks(
    office: Office, *, approved: bool, verb: str, remark: str
) -> None:
    """The applicant asks why: the sentence, the page of the change, its history and its JSON all say."""
    change = office.apply("collector-42")
    decide = office.sandbox.approve if approved else office.sandbox.reject
    ticket = decide(change["sn"], approver="bob", remark=remark).id
    office.sandbox.wait(lambda ledger: ledger.by_id(ticket).ended)
    settled = office.run("settle", change["id"])

    said = f"bob {verb} it: {remark}"
    assert said in settled.out
    assert said in office.run("why", change["id"]).out
    assert any(
        line.startswith("decided") and said in line for line in office.run("show", change["id"]).out.splitlines()
    )
    assert said in office.run("history", change["id"]).out
    seen = {"user": "bob", "approved": approved, "remark": remark}
    (decider,) = office.run("show", change["id"], "--json").json["decision"]["deciders"]
    assert {key: decider[key] for key in seen} == seen
    (decider,) = office.run("history", change["id"], "--json").json[-1]["evidence"]["deciders"]
    assert {key: decider[key] for key in seen} == seen


@pytest.mark.parametrize("command", ["why", "show"])
def test_a_suspended_ticket_is_named_if_the_gateway_is_asked(office: Office, command: str) -> None:
    """The stored change does not show it; the question to the gateway writes nothing."""
    change = office.apply("collector-42")
    suspend(office.sandbox, change["sn"])

    assert ", which is suspended; " in office.run(command, change["id"], "--live").out
    assert ", which is suspended; " in office.run(command, change["id"], "--live", "--json").json["why"]
    stored = office.run(command, change["id"], "--json").json["why"]
    assert "waits for bob to decide" in stored
    assert "suspended" not in stored


def test_show_live_prints_how_the_ticket_stands(office: Office) -> None:
    """Its own line for people, its own key for programs, and neither without the question."""
    change = office.apply("collector-42")
    suspend(office.sandbox, change["sn"])

    lines = office.run("show", change["id"], "--live").out.splitlines()
    assert [line.split()[2:] for line in lines if line.startswith("ticket now")] == [["suspended"]]
    assert office.run("show", change["id"], "--live", "--json").json["ticket_status"] == "suspended"
    assert "ticket_status" not in office.run("show", change["id"], "--json").json


def test_a_gateway_that_cannot_be_asked_is_said_and_the_rest_is_shown(office: Office) -> None:
    """The exit code says that an answer is missing."""
    change = office.apply("collector-42")
    office.sandbox.faults.status("get_ticket_info", 502, always=True)

    for command in ("why", "show"):
        done = office.run(command, change["id"], "--live")
        assert (done.code, "waits for bob to decide" in done.out) == (3, True)
        first, second = done.err.splitlines()
        assert first.startswith(f"itsm-workflow: {change['id']}: get_ticket_info: ")
        assert "HTTP 502" in first
        assert second == "itsm-workflow: the ticket's present status is not known; what is stored is printed"


@pytest.mark.parametrize("command", ["why", "show"])
def test_a_ticket_of_another_gateway_is_not_asked_about(
    office: Office, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is said: the settings lead to another ticket system than the one that has the ticket."""
    change = office.apply("collector-42")
    monkeypatch.setattr("itsm_workflow.gateway.bk_itsm.adapter.BkItsmGateway.name", "elsewhere")

    done = office.run(command, change["id"], "--live")

    assert (done.code, "waits for bob to decide" in done.out) == (3, True)
    assert "bk_itsm" in done.err
    assert "elsewhere" in done.err


def test_live_needs_neither_effects_nor_a_ticket(office: Office) -> None:
    """A draft, or a change without a ticket, has nothing to ask about, and that is not a failure."""
    office.sandbox.faults.status("create_ticket", 502, processed=False, always=True)
    office.run("apply", "--subject", "s", "--title", "t", "--applicant", "alice", "--approver", "bob")

    done = office.run("why", "s", "--live")

    assert (done.code, done.err) == (0, "")
