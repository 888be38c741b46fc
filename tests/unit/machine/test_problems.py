"""The problems of a submission in Chinese, and which of the two problems is shown."""

from __future__ import annotations

import attrs
import pytest

from itsm_workflow.machine.problems import PROBLEMS, problem_label, problems_of
from tests.support import examples as x

NOT_ASKED = "search: not asked: the time for this operation is used up"
CHINESE = {
    "create_ticket: the gateway answered HTTP 401: App secret wrong (code 1640101)": (
        "create_ticket：ITSM 应答 HTTP 401: App secret wrong (code 1640101)"
    ),
    "create_ticket: the gateway answered HTTP 502 (request ours-1)": "create_ticket：ITSM 应答 HTTP 502（请求 ours-1）",
    "no ticket carries its key": "没有带有其关联键的单据",
    "2 tickets carry its key": "带有其关联键的单据有 2 张",
    "carrying its key: REQ1, REQ2": "带有其关联键的单据：REQ1, REQ2",
    "its worker reported no result": "执行提单的进程没有报告结果",
    "a callback arrived before the request was sent again": "重新提单之前收到了回调",
    "a ticket with its key was found before the request was sent again": "重新提单之前查到了带有其关联键的单据",
    "too little time was left to send the request; a later pass sends it": "剩余时间不足，没有提单；之后的对账会提单",
    "this worker took 40 s before it could send, and its lease may end before the call does": (
        "进程用了 40 秒才能提单，租约可能在调用结束之前到期"
    ),
    "the gateway answered with a ticket, but its id is 0": "ITSM 应答了单据，但是 its id is 0",
    "the gateway answered a create with int, which is not a valid answer": "ITSM 对提单的应答 int 无效",
    "search: not asked: 8 calls of bk_itsm in a row were not answered (request ours-1)": (
        "没有调用 search：对 bk_itsm 的调用连续 8 次没有应答（请求 ours-1）"
    ),
    NOT_ASKED: "没有调用 search：本次操作的时间已用完",
}


@pytest.mark.parametrize("english", CHINESE)
def test_each_problem_has_a_chinese_text(english: str) -> None:
    """The store and the logs keep the English."""
    assert problem_label(english) == {"en": english, "zh": CHINESE[english]}


def test_no_problem_is_left_out_above() -> None:
    """Two of the texts are parts of another."""
    assert len(CHINESE) == len(PROBLEMS) - 2


@pytest.mark.parametrize(
    ("sent", "looked", "shown"),
    [
        (NOT_ASKED, NOT_ASKED, ("", NOT_ASKED)),
        (NOT_ASKED, "HTTP 500", (NOT_ASKED, "HTTP 500")),
        ("HTTP 500", NOT_ASKED, ("HTTP 500", NOT_ASKED)),
        ("HTTP 500", "", ("HTTP 500", "")),
    ],
)
def test_the_cause_of_two_calls_that_were_not_made_is_shown_once(
    sent: str, looked: str, shown: tuple[str, str]
) -> None:
    """It is that of the later one."""
    attempt = attrs.evolve(x.UNKNOWN.expect_attempt(), problem=sent, look_problem=looked)
    assert problems_of(attempt) == shown
