"""Acting on tickets of the sandbox: rights, second attempts, decisions that take effect later, races."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.sandbox import Refusal, Status
from tests.support.stage import AT, Cast, Stage, Standing

if TYPE_CHECKING:
    from tests.support.recorded import Json


def operate(stage: Stage, sn: str, action: str, operator: str, message: str | None = "m") -> Json:
    """Send operate_ticket and return the envelope's code."""
    content = {"sn": sn, "operator": operator, "action_type": action}
    if message is not None:
        content["action_message"] = message
    return stage.post("operate_ticket", content).json["code"]


def approve(stage: Stage, sn: str, approver: str = "alice", **changes: Json) -> Json:
    """Send approve and return the envelope's code."""
    content = {"sn": sn, "state_id": 15, "approver": approver, "action": "true", "remark": "fine", **changes}
    return stage.post("approve", content).json["code"]


def transit(stage: Stage, sn: str, **changes: Json) -> Json:
    """Send operate_node with good field keys and return the envelope's code."""
    with stage.sandbox.locked() as ledger:
        verdict, optional, required = ledger.step_keys(ledger.services[2])
    fields = [
        {"key": verdict, "value": changes.pop("verdict", "true")},
        {"key": optional, "value": "yes"},
        {"key": required, "value": "no"},
    ]
    content = {"sn": sn, "state_id": 15, "operator": "alice", "action_type": "TRANSITION", "fields": fields, **changes}
    return stage.post("operate_node", content).json["code"]


@pytest.mark.parametrize(
    ("action", "operator", "standing", "expected"),
    [
        ("WITHDRAW", "admin", Standing.STARTED, 0),
        ("WITHDRAW", "admin", Standing.SUSPENDED, 0),
        ("WITHDRAW", "admin", Standing.STUCK, 0),
        ("WITHDRAW", "alice", Standing.STARTED, 3900004),
        ("WITHDRAW", "mallory", Standing.STARTED, 3900004),
        ("WITHDRAW", "admin", Standing.APPROVED, 3900004),
        ("WITHDRAW", "admin", Standing.REVOKED, 3900004),
        ("TERMINATE", "alice", Standing.STARTED, 0),
        ("TERMINATE", "bob", Standing.SUSPENDED, 0),
        ("TERMINATE", "admin", Standing.STARTED, 3900004),
        ("TERMINATE", "mallory", Standing.STARTED, 3900004),
        ("TERMINATE", "alice", Standing.TERMINATED, 3900004),
        ("SUSPEND", "alice", Standing.STARTED, 0),
        ("SUSPEND", "alice", Standing.SUSPENDED, 0),
        ("SUSPEND", "admin", Standing.STARTED, 3900004),
        ("SUSPEND", "alice", Standing.APPROVED, 3900004),
        ("SUSPEND", "alice", Standing.CREATED, 3900004),
        ("UNSUSPEND", "alice", Standing.SUSPENDED, 0),
        ("UNSUSPEND", "alice", Standing.STARTED, 3900004),
        ("EXPLODE", "alice", Standing.STARTED, 3900004),
    ],
)
def test_who_may_do_what_when(stage: Stage, action: str, operator: str, standing: Standing, expected: int) -> None:
    """Rights and states decide, as seen."""
    sn = stage.ticket(standing)

    assert expected == operate(stage, sn, action, operator)


def test_the_api_account_withdraws_anybodys_ticket(stage: Stage) -> None:
    """Creator or API account, nobody else."""
    sn = stage.ticket(Standing.STARTED, Cast(creator="dave"))

    assert [operate(stage, sn, "WITHDRAW", name) for name in ("alice", "admin")] == [3900004, 0]
    assert stage.post("ticket_approval_result", {"sn": [sn]}).json["data"][0]["updated_by"] == "dave,admin"


@pytest.mark.parametrize("action", ["WITHDRAW", "TERMINATE", "SUSPEND"])
@pytest.mark.parametrize("message", [None, ""])
def test_without_a_message_nothing_happens(stage: Stage, action: str, message: str | None) -> None:
    """``action_message`` is in effect required."""
    sn = stage.ticket(Standing.STARTED)
    operator = "admin" if action == "WITHDRAW" else "alice"

    assert operate(stage, sn, action, operator, message) == 3900004
    assert stage.sandbox.ticket(sn).current_status == Status.RUNNING


def test_suspended_twice_stays_suspended(stage: Stage) -> None:
    """UNSUSPEND then answers success and changes nothing, however often."""
    sn = stage.ticket(Standing.SUSPENDED_TWICE)

    assert [operate(stage, sn, "UNSUSPEND", "alice") for _ in range(2)] == [0, 0]
    assert stage.sandbox.ticket(sn).current_status == Status.SUSPENDED


def test_a_resumed_ticket_can_be_suspended_and_resumed_again(stage: Stage) -> None:
    """Only two suspensions in a row are for good."""
    sn = stage.ticket(Standing.SUSPENDED)
    for action in ("UNSUSPEND", "SUSPEND", "UNSUSPEND"):
        assert operate(stage, sn, action, "alice") == 0

    assert stage.sandbox.ticket(sn).current_status == Status.RUNNING


def test_a_suspended_ticket_can_be_approved(stage: Stage) -> None:
    """SUSPENDED takes a decision straight away."""
    sn = stage.ticket(Standing.SUSPENDED)

    assert approve(stage, sn) == 0
    stage.pass_time()
    assert end_of(stage, sn) == (Status.FINISHED, True)


def end_of(stage: Stage, sn: str) -> tuple[Status, bool]:
    """Look at status and result."""
    ticket = stage.sandbox.ticket(sn)
    return ticket.current_status, ticket.approve_result


@pytest.mark.parametrize(("action", "result"), [("true", True), ("false", False)])
def test_success_comes_before_the_effect(stage: Stage, action: str, result: bool) -> None:  # noqa: FBT001 - a parameter
    """A decision ends the ticket as FINISHED, a moment after its success."""
    sn = stage.ticket(Standing.STARTED)

    assert approve(stage, sn, action=action) == 0
    assert end_of(stage, sn) == (Status.RUNNING, False)
    stage.pass_time(0.6)
    assert end_of(stage, sn) == (Status.RUNNING, False)
    stage.pass_time(0.1)
    assert (Status.FINISHED, result) == end_of(stage, sn)


@pytest.mark.parametrize("second", ["alice", "bob"])
def test_the_second_decision_is_refused(stage: Stage, second: str) -> None:
    """While the first is pending and after, from the same person and from the other."""
    sn = stage.ticket(Standing.DECIDED)
    before = approve(stage, sn, second)
    stage.pass_time()

    assert [before, approve(stage, sn, second)] == [3900004, 3900004]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"approver": "mallory"}, 3900004),
        ({"state_id": 99999}, 3900004),
        ({"state_id": 14}, 3900004),
        ({"sn": "REQ19990101000001"}, 3900022),
        ({"sn": None}, 3900022),
    ],
)
def test_a_wrong_approve_is_refused(stage: Stage, changes: dict[str, Json], expected: int) -> None:
    """Strangers, unknown steps, the submit step, unknown numbers."""
    sn = stage.ticket(Standing.STARTED)

    assert expected == approve(stage, **{"sn": sn, **changes})


def test_nothing_can_be_approved_before_the_step_runs(stage: Stage) -> None:
    """The create's success only means the row exists."""
    sn = stage.ticket(Standing.SUBMITTING)

    assert approve(stage, sn) == 3900004


def test_a_stuck_ticket_takes_no_decision_and_one_withdrawal(stage: Stage) -> None:
    """Who signed is no approver any more, the other meets the flow engine's fault."""
    sn = stage.ticket(Standing.STUCK)

    assert [approve(stage, sn, name) for name in ("alice", "bob", "mallory")] == [3900004, 3900019, 3900004]
    stage.pass_time(3600)
    assert stage.sandbox.ticket(sn).current_status == Status.RUNNING
    assert operate(stage, sn, "WITHDRAW", "admin") == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 0),
        ({"verdict": "false"}, 0),
        ({"verdict": "maybe"}, 3900004),
        ({"operator": "mallory"}, 3900004),
        ({"state_id": 99999}, 3900004),
        ({"action_type": "EXPLODE"}, 3900004),
        ({"action_type": "TERMINATE"}, 3900004),
        ({"fields": "x"}, 3900004),
        ({"fields": [{"key": "k"}]}, 3900004),
        ({"fields": [{"key": "k", "value": "v"}]}, 3900005),
    ],
)
def test_operate_node_needs_the_steps_keys(stage: Stage, changes: dict[str, Json], expected: int) -> None:
    """Transitions need every required field; the built-in step knows no other action."""
    sn = stage.ticket(Standing.STARTED)

    assert expected == transit(stage, sn, **changes)


@pytest.mark.parametrize(("verdict", "remark"), [("true", "yes"), ("false", "no")])
def test_operate_node_keeps_the_remark_of_its_verdict(stage: Stage, verdict: str, remark: str) -> None:
    """The first 备注 goes with an approval, the second with a rejection."""
    sn = stage.ticket(Standing.STARTED)
    transit(stage, sn, verdict=verdict)
    stage.pass_time()
    result = stage.get("get_approve_node_result", f"sn={sn}&state_id=15").json["data"]

    assert ("alice", verdict == "true", remark) == (
        result["processed_user"],
        result["approve_result"],
        result["approve_remark"],
    )


@pytest.mark.parametrize("wait", [0.0, 1.0])
def test_a_second_transition_is_refused(stage: Stage, wait: float) -> None:
    """At once and later, also from the other approver."""
    sn = stage.ticket(Standing.STARTED)
    transit(stage, sn)
    if wait:
        stage.pass_time(wait)

    assert [transit(stage, sn, operator=name) for name in ("alice", "bob")] == [3900004, 3900004]


def test_what_happens_at_one_instant_is_answered_from_the_state_before() -> None:
    """With a race window, losers are told success and change nothing."""
    with Stage(AT, race_window=0.1) as stage:
        approved, ended = stage.ticket(Standing.STARTED), stage.ticket(Standing.STARTED)
        first = [approve(stage, approved, "alice"), approve(stage, approved, "bob", action="false")]
        second = [operate(stage, ended, "TERMINATE", "alice"), approve(stage, ended, "bob")]
        stage.pass_time()

        assert first + second == [0, 0, 0, 0]
        assert [end_of(stage, sn) for sn in (approved, ended)] == [(Status.FINISHED, True), (Status.TERMINATED, False)]


def test_two_approvals_by_one_person_at_one_instant_can_jam() -> None:
    """Both succeed and the ticket runs for ever."""
    with Stage(AT, race_window=0.1, jam_chance=1.0) as stage:
        sn = stage.ticket(Standing.STARTED)
        assert [approve(stage, sn) for _ in range(2)] == [0, 0]
        stage.pass_time(60)

        assert stage.sandbox.ticket(sn).stuck
        assert end_of(stage, sn) == (Status.RUNNING, False)


def test_an_early_withdrawal_can_revive(stage: Stage) -> None:
    """REVOKED before the flow started, its step runs all the same and approving it ends it as FINISHED."""
    sn = stage.ticket(Standing.REVIVED)
    shown = stage.get("get_ticket_status", f"sn={sn}").json["data"]

    assert (shown["current_status"], len(shown["current_steps"]), shown["operations"]) == ("REVOKED", 1, [])
    assert [operate(stage, sn, "SUSPEND", "alice"), approve(stage, sn)] == [3900004, 0]
    stage.pass_time()
    assert end_of(stage, sn) == (Status.FINISHED, True)
    assert [step.status for step in stage.sandbox.ticket(sn).transitions] == [
        Status.RUNNING,
        Status.REVOKED,
        Status.FINISHED,
    ]


def test_acting_through_the_sandbox_meets_the_same_refusals(stage: Stage) -> None:
    """``approve`` and the rest raise what the API would answer."""
    sn = stage.ticket(Standing.APPROVED)

    for act in (stage.sandbox.approve, stage.sandbox.reject, stage.sandbox.withdraw, stage.sandbox.terminate):
        with pytest.raises(Refusal) as caught:
            act(sn)
        assert caught.value.code == 3900004
