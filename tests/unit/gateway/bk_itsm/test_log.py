"""Who decided in a ticket, by its log: an approval is told from everything else that happens in an approval step."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from itsm_workflow.change import Decider
from itsm_workflow.gateway.bk_itsm.log import deciders_in
from itsm_workflow.gateway.bk_itsm.wire import LogLine
from itsm_workflow.gateway.checked import MOST_DECIDERS
from tests.support.recorded import recordings

AT = "2026-11-25 02:30:04"
MOMENT = dt.datetime(2026, 11, 24, 18, 30, 4, tzinfo=dt.UTC)


def verdict(value: object = "true", **values: object) -> dict[str, object]:
    """Return the field of an approval step that holds the verdict, as the server writes it."""
    return {"id": 27, "key": "de0940ad", "type": "RADIO", "name": "审批意见", "value": value, **values}


def remark(value: object = "fine", **values: object) -> dict[str, object]:
    """Return the field that holds the remark."""
    return {"id": 28, "key": "e282005c", "type": "TEXT", "name": "备注", "value": value, **values}


def line(form: object = None, **values: Any) -> LogLine:
    """Return a line of an approval step; by default bob approves with a remark."""
    usual: dict[str, Any] = {
        "operator": "bob",
        "operate_at": AT,
        "message": "bob 已处理【内置审批节点】(通过)",
        "source": "API",
        "from_state_type": "APPROVAL",
        "form_data": [verdict(), remark()] if form is None else form,
    }
    return LogLine(**{**usual, **values})


BOB = Decider(user="bob", approved=True, remark="fine", at=MOMENT)


def test_the_recorded_approval_is_alices() -> None:
    """Of four recorded lines one is a decision: neither the start, nor the form that was filed, nor the end."""
    recorded = next(one for one in recordings() if one.name == "get_ticket_logs.complex")

    decided = deciders_in([LogLine(**one) for one in recorded.data["logs"]])

    assert decided == (Decider(user="alice", approved=True, remark="fine", at=MOMENT),)


@pytest.mark.parametrize(
    ("decision", "decided"),
    [
        pytest.param(line(), BOB, id="approved"),
        pytest.param(
            line([verdict("false"), remark("no way")]),
            Decider(user="bob", approved=False, remark="no way", at=MOMENT),
            id="refused",
        ),
        pytest.param(
            line([verdict(type="SELECT", name="会签意见"), remark()], from_state_type="SIGN"), BOB, id="countersigned"
        ),
        pytest.param(
            line(
                [
                    remark("x", name="Why"),
                    verdict("false", name="Urgent"),
                    verdict(name="Approval suggestion"),
                    remark(name="Remarks"),
                ]
            ),
            BOB,
            id="in English",
        ),
        pytest.param(line([verdict(name="同意吗"), remark(name="说明")]), BOB, id="renamed by the flow's designer"),
        pytest.param(line([verdict("false", name="紧急"), verdict(), remark()]), BOB, id="beside another choice"),
        pytest.param(line([remark("x", name="说明"), verdict(), remark()]), BOB, id="beside another text"),
        pytest.param(line([verdict(), remark(None), remark()]), BOB, id="with an empty remark first"),
        pytest.param(
            line([verdict(), remark("检测到当前处理人包含提单人，系统自动过单")], operator="alice", source="SYS"),
            Decider(user="alice", approved=True, remark="检测到当前处理人包含提单人，系统自动过单", at=MOMENT),
            id="passed for the applicant, who is among the approvers",
        ),
        pytest.param(
            line([verdict(name="甲"), verdict("false", name="乙")]),
            Decider(user="bob", approved=None, at=MOMENT),
            id="two choices that differ, neither named as a verdict",
        ),
        pytest.param(
            line([verdict(), remark("a\x1b[2J\u202eb\nc")]),
            Decider(user="bob", approved=True, remark="a [2J b c", at=MOMENT),
            id="a remark that would steer a terminal",
        ),
        pytest.param(line(operate_at="yesterday"), Decider(user="bob", approved=True, remark="fine"), id="at no time"),
    ],
)
def test_a_decision_is_known_by_its_form(decision: LogLine, decided: Decider) -> None:
    """Whoever filled in the verdict of an approval step decided; the words of the line say nothing."""
    assert deciders_in([decision]) == (decided,)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(line([], message="bob 转单【内置审批节点】给 eve(请看)."), id="a transfer"),
        pytest.param(line([], message="bob 分派【内置审批节点】给 eve."), id="a dispatch"),
        pytest.param(line([], message="bob 认领工单【内置审批节点】."), id="a claim"),
        pytest.param(line([], operator="alice", message="alice 撤销单据."), id="a withdrawal while the step runs"),
        pytest.param(line({}, message="bob 挂起了单据：x."), id="a suspension"),
        pytest.param(line([{"name": "审批意见", "display_value": "通过"}]), id="a button of the step"),
        pytest.param(line([verdict(None)]), id="a verdict that was not filled in"),
        pytest.param(line([verdict(value=True)]), id="a verdict that is no text"),
        pytest.param(line([verdict("True")]), id="a verdict in another spelling"),
        pytest.param(line([verdict(type="STRING")]), id="a verdict that is no choice"),
        pytest.param(line([verdict(type=["RADIO"])]), id="a field without a type"),
        pytest.param(line(["x", None, 7]), id="a form of no fields"),
        pytest.param(line("true"), id="no form"),
        pytest.param(line(from_state_type="NORMAL"), id="a step that asks for no approval"),
        pytest.param(line(from_state_type=""), id="an edit of the field"),
        pytest.param(line(operator=""), id="by nobody"),
        pytest.param(line(operator="system", source="SYS"), id="passed by the server, nobody was left to ask"),
        pytest.param(line(operator=" system "), id="the same, padded"),
    ],
)
def test_what_is_no_decision_of_a_person_approves_nothing(other: LogLine) -> None:
    """A log line of an approval step is not yet an approval by an approver."""
    assert deciders_in([other]) == ()


def test_long_texts_are_cut() -> None:
    """Who decided, and the remark."""
    (decider,) = deciders_in([line([verdict(), remark("x" * 9999)], operator="x" * 9999)])

    assert (len(decider.user), len(decider.remark)) == (64, 200)


def test_decisions_are_kept_in_their_order() -> None:
    """Oldest first, as the log has them, with each person's own verdict."""
    log = [line(operator="bob"), line([verdict("false")], operator="eve"), line([]), line(operator="bob")]

    assert [(one.user, one.approved) for one in deciders_in(log)] == [("bob", True), ("eve", False), ("bob", True)]


def test_repeats_of_one_person_hide_no_other() -> None:
    """However often the applicant approves before somebody else does, the other one is among those that are kept."""
    log = [line(operator="alice")] * 500 + [line(operator="bob")]
    log += [line(operator=f"u{number}") for number in range(100)]

    found = deciders_in(log)

    assert len(found) == MOST_DECIDERS
    assert [one.user for one in found[:3]] == ["alice", "bob", "u0"]
