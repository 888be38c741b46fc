"""A ticket that ended is compared with what was sent once more: by what makes it this ticket, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.gateway.bk_itsm.match import TicketMatcher
from tests.support.gateways import attempt, ticket
from tests.support.gateways import sent as filed
from tests.support.scripted import scripted_gateway, success
from tests.unit.gateway.bk_itsm.test_match import SERVICE, given_settings, sent, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.bkapi.transport import HttpRequest

TITLE = "接入 nginx 日志"


def differences(service: str = SERVICE, **changes: Any) -> Sequence[str]:
    """Return what differs of a ticket, which its row and its page must agree on."""
    what, using = sent(service), given_settings(service, **changes.pop("using", {}))
    row, page = shown(what, using, **changes)
    matcher = TicketMatcher(what, using, builtin=lambda: ("2", ""), page=lambda _: "not to be asked")
    by_row, by_page = matcher.differences(row), matcher.differences(page)
    assert by_row == by_page
    return by_row


@pytest.mark.parametrize("service", [SERVICE, "fast_approval"])
@pytest.mark.parametrize("using", [{"key_in_title": True}, {"key_in_title": False}])
def test_what_was_sent_is_the_same(service: str, using: dict[str, Any]) -> None:
    """By either kind of service, and with either kind of title."""
    assert differences(service, using=using) == ()


@pytest.mark.parametrize("using", [{"key_in_title": True}, {"key_in_title": False}])
def test_the_setting_of_the_title_may_have_been_another_one(using: dict[str, Any]) -> None:
    """With our key or without."""
    for title in (TITLE, f"{TITLE} #{attempt().key[-8:]}"):
        assert differences(using=using, title=title) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"create_at": "2020-01-01 00:00:00"},
        {"create_at": None},
        {"service_id": None},
        {"current_status": "REVOKED"},
        {"fields": {"APPROVER": "eve"}},
    ],
)
def test_what_those_who_decide_may_change_does_not_differ(changes: dict[str, Any]) -> None:
    """Nor the time, by a clock that may have been wrong, nor what is not shown."""
    assert differences(**changes) == ()


def test_another_ticket_differs() -> None:
    """In all three."""
    found = differences(title="other", creator="eve", service_id=6)

    assert [one.partition(":")[0] for one in found] == ["creator", "title", "service"]
    assert found[0] == "creator: sent alice, shows eve"
    assert found[2] == f"service: sent {SERVICE}, shows 6"


@pytest.mark.parametrize(("word", "differs"), [("FINISHED", True), ("REVOKED", True), ("RUNNING", False)])
def test_the_gateway_compares_a_ticket_that_ended_if_it_is_told_with_what(word: str, differs: bool) -> None:  # noqa: FBT001 - a case
    """Not one that runs; and the gateway that was asked to compare is another one, which shares its connections."""
    page = {"id": 7, "sn": ticket().sn, "title": "other", "creator": "alice", "service_id": 2}
    page |= {"current_status": word, "current_steps": [], "fields": []}

    def answer(request: HttpRequest) -> bytes:
        if request.endpoint == "get_services":
            return success([{"id": 2, "name": "内置审批服务"}])
        answers: dict[str, object] = {
            "get_ticket_info": page,
            "get_ticket_logs": {"logs": []},
            "get_ticket_status": {"current_steps": []},
        }
        return success(answers.get(request.endpoint, []))

    ours, _ = scripted_gateway(answer)
    found = ours.comparing(filed()).read(ticket()).differences

    assert [one.partition(":")[0] for one in found] == (["title"] if differs else [])
    assert ours.read(ticket()).differences == ()
