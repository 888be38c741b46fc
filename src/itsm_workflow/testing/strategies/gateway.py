"""Strategies of gateway answers: of any content, and as recorded from BK-ITSM 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from itsm_workflow.gateway.protocol import Created, FoundTicket, NotSent, Refused, Unknown
from itsm_workflow.machine import evidence as ev
from itsm_workflow.settle import LookupAnswer, ReadAnswer, SendAnswer
from itsm_workflow.testing.strategies.evidence import decided, endings, snapshots
from itsm_workflow.testing.strategies.values import (
    enums,
    flags,
    ids,
    keys,
    numbers,
    optional,
    owners,
    people,
    sns,
    texts,
)

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from itsm_workflow.settle import Answer

parts = st.just(()) | st.lists(texts, max_size=2).map(tuple)
found_tickets = st.builds(
    FoundTicket,
    id=ids,
    sn=sns,
    url=texts,
    title=texts,
    creator=people,
    key=keys | st.just(""),
    differences=parts,
    unseen=parts,
)
findings = optional(st.lists(found_tickets, max_size=3).map(tuple))
create_answers = st.one_of(
    st.builds(Created, id=ids, sn=sns, url=texts),
    st.builds(NotSent, problem=texts),
    st.builds(Refused, remote_code=st.integers(), message=texts),
    st.builds(Unknown, problem=texts),
)
answers: SearchStrategy[Answer] = st.one_of(
    st.builds(
        SendAnswer, number=numbers, owner=owners, key=keys, creator=people, answer=create_answers, found=findings
    ),
    st.builds(LookupAnswer, number=numbers, found=findings, channel=enums(ev.Channel), problem=texts),
    st.builds(ReadAnswer, snapshot=optional(snapshots | endings | decided)),
)
"""Answers to any question, about this change or another, in time or late."""

recorded_sns = st.integers(1, 999_999).map(lambda number: f"REQ20261125{number:06d}")
recorded_create_answers = st.one_of(
    st.builds(lambda number, sn: Created(id=str(number), sn=sn, url=""), st.integers(1, 99), recorded_sns),
    st.builds(Refused, remote_code=st.sampled_from([3900003, 3900004]), message=st.just("参数验证失败")),
    st.builds(Unknown, problem=st.sampled_from(["no answer in 20 s", "HTTP 502", "the answer is not JSON"])),
    st.builds(NotSent, problem=st.sampled_from(["connection refused", "the name could not be resolved"])),
)
"""Every recorded outcome of a create."""

callback_bodies: SearchStrategy[dict[str, object]] = st.builds(
    lambda status, approved, sn, last: {
        "title": "接入 nginx 日志",
        "current_status": status.upper(),
        "sn": sn,
        "ticket_url": "http://itsm.example.com/weixin/#/ticket/12/",
        "update_at": "2026-11-25 02:28:24.729841",
        "updated_by": ",admin,alice,",
        "approve_result": approved,
        "token": "bm90IGEgdG9rZW4=",
        **last,
    },
    st.sampled_from([ev.TicketStatus.FINISHED, ev.TicketStatus.TERMINATED, ev.TicketStatus.REVOKED]),
    flags,
    recorded_sns,
    st.sampled_from([{}, {"last_approver": ""}, {"last_approver": "alice"}]),
)
"""Bodies of callbacks, with the fields of the recorded ones; they may be true or not."""
