"""The problems of a submission that the library itself records, in Chinese. The store and the logs keep the English."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from itsm_workflow.machine.phrases import Phrasebook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.change import Attempt
    from itsm_workflow.machine.labels import Label

PROBLEMS: Mapping[str, str] = {
    "no ticket carries its key": "没有带有其关联键的单据",
    "{count} tickets carry its key": "带有其关联键的单据有 {count} 张",
    "carrying its key: {parts}": "带有其关联键的单据：{parts}",
    "its worker reported no result": "执行提单的进程没有报告结果",
    "a callback arrived before the request was sent again": "重新提单之前收到了回调",
    "a ticket with its key was found before the request was sent again": "重新提单之前查到了带有其关联键的单据",
    "too little time was left to send the request; a later pass sends it": "剩余时间不足，没有提单；之后的对账会提单",
    "this worker took {taken} s before it could send, and its lease may end before the call does": (
        "进程用了 {taken} 秒才能提单，租约可能在调用结束之前到期"
    ),
    "the gateway answered with a ticket, but {wrong}": "ITSM 应答了单据，但是 {wrong}",
    "the gateway answered a create with {kind}, which is not a valid answer": "ITSM 对提单的应答 {kind} 无效",
    "{call}: the gateway answered HTTP {rest} (request {request})": "{call}：ITSM 应答 HTTP {rest}（请求 {request}）",
    "{call}: the gateway answered HTTP {rest}": "{call}：ITSM 应答 HTTP {rest}",
    # Of the client, for a call that it did not make
    "{call}: not asked: {why} (request {request})": "没有调用 {call}：{why}（请求 {request}）",
    "{call}: not asked: {why}": "没有调用 {call}：{why}",
    "{number} calls of {name} in a row were not answered": "对 {name} 的调用连续 {number} 次没有应答",
    "the time for this operation is used up": "本次操作的时间已用完",
}
"""By text in English, the text in Chinese."""

_NOT_ASKED = ": not asked: "
_ANSWERED = (": the gateway answered HTTP ", ": the gateway did not answer with HTTP 200")


@functools.cache
def _phrasebook() -> Phrasebook:
    return Phrasebook(PROBLEMS)


def problem_label(problem: str) -> Label:
    """Return a problem in both languages; one that the ticket system or the host reported is the same in both."""
    return {"en": problem, "zh": _phrasebook().find(problem) or problem}


def was_answered(problem: str) -> bool:
    """Return whether the problem of a request is an answer, such as that the credentials were refused.

    Args:
        problem: The problem, as the library stores it; also as its earlier versions did.
    """
    return any(words in problem for words in _ANSWERED)


def problems_of(attempt: Attempt) -> tuple[str, str]:
    """Return the problem of the last send and that of the last look-up; each is empty if there was none.

    If neither call was made, or both have the same problem, only the look-up's is returned: it is later, and the cause
    is the same.
    """
    sent, looked = attempt.problem, attempt.look_problem
    is_same = sent == looked or (_NOT_ASKED in sent and _NOT_ASKED in looked)
    return "" if is_same else sent, looked
