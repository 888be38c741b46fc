"""What a server says at length is told in short, wherever it is told: in a log, on a page, in an error."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.bkapi.call_log import CallLog
from itsm_workflow.bkapi.transport import HttpResponse
from itsm_workflow.change import Form
from itsm_workflow.errors import GatewayRefused, ServiceNotFound
from itsm_workflow.gateway.bk_itsm.form import check_form
from itsm_workflow.gateway.bk_itsm.log import deciders_in
from itsm_workflow.gateway.bk_itsm.page import show_log
from itsm_workflow.gateway.bk_itsm.wire import LogLine
from itsm_workflow.secrets import Secret
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support.calls import endpoint
from tests.support.gateways import create_request, sent, settings, ticket
from tests.support.scripted import URL, refusal, scripted_client, scripted_gateway, success

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.bkapi.transport import HttpRequest

LONG = "x" * 9999
WORD, TEXT = 64, 200
"""How long a word and a text may be, at most."""
PAGE = {
    "id": 7,
    "sn": ticket().sn,
    "title": LONG,
    "creator": LONG,
    "current_status": LONG,
    "current_steps": [{"name": LONG, "status": "RUNNING"}],
    "fields": [{"key": LONG, "type": LONG, "name": LONG, "value": LONG}],
    "updated_by": LONG,
}


def lengths(value: object, *names: str) -> list[int]:
    """Return how long some parts of an object are."""
    return [len(getattr(value, name)) for name in names]


def test_a_page() -> None:
    """What people type into a form is theirs; the rest is cut."""
    shown = scripted_gateway(lambda _: success(PAGE))[0].show(ticket())

    assert lengths(shown, "title", "creator", "word") == [TEXT, WORD, WORD]
    assert list(map(len, shown.labels.values())) == [WORD, WORD]
    assert list(map(len, shown.steps)) == [WORD]
    assert lengths(shown.fields[0], "key", "name", "kind") == [128, 128, 128]
    assert shown.fields[0].value == LONG


def test_a_log() -> None:
    """Who, what, from where, and in which step."""
    line = LogLine(operator=LONG, message=LONG, source=LONG, from_state_type=LONG)
    (entry,) = show_log([line])

    assert lengths(entry, "operator", "message", "source", "step") == [WORD, TEXT, 32, 32]


def test_a_decision() -> None:
    """Who decided, and the remark."""
    form: list[Any] = [
        {"type": "RADIO", "name": "审批意见", "value": "true"},
        {"type": "TEXT", "name": "备注", "value": LONG},
    ]
    (decider,) = deciders_in([LogLine(operator=LONG, from_state_type="APPROVAL", form_data=form)])

    assert lengths(decider, "user", "remark") == [WORD, TEXT]


def test_a_look_at_a_ticket() -> None:
    """The word of its status, of the page and of the result, and who ended it."""

    def answer(request: HttpRequest) -> bytes:
        if request.endpoint == "ticket_approval_result":
            url = "http://itsm.example.com/#/ticket/detail?id=7"
            row = {"sn": ticket().sn, "ticket_url": url, "current_status": LONG, "approve_result": False}
            return success([{**row, "updated_by": LONG}])
        return success({"current_steps": []} if request.endpoint == "get_ticket_status" else PAGE)

    ours, _ = scripted_gateway(answer, clock=ManualClock())
    seen = ours.read(ticket())
    result = ours.results([ticket()])["7"]

    assert lengths(seen, "word", "closed_by") == [WORD, TEXT]
    assert lengths(result, "word", "closed_by") == [WORD, TEXT]


def test_a_refusal() -> None:
    """Its code, which may be a word, and its message."""
    client, _ = scripted_client(lambda _: refusal(LONG, LONG))
    with pytest.raises(GatewayRefused) as caught:
        client.call(endpoint())

    assert lengths(caught.value, "remote_code", "remote_message") == [WORD, TEXT]


def test_the_gateways_id_of_a_call() -> None:
    """It is the gateway's word, so that it may be anything."""
    log = CallLog(endpoint=endpoint(), request_id="r", secrets=[Secret("canary-secret")])
    log.answered(
        HttpResponse(status=200, headers=MappingProxyType({"x-bkapi-request-id": LONG}), body=b"", elapsed=0.0)
    )

    assert len(log.gateway_request_id) == WORD


def test_a_value_that_a_form_must_not_hold() -> None:
    """The rule is read, not the value."""
    problems = check_form(Form(title=LONG, applicant=LONG, approvers=("bob",)), settings(URL))

    assert [(field, len(value)) for field, value, _ in problems] == [("title", 80), ("applicant", 80)]


def told_by(error: Exception, mark: str) -> Sequence[int]:
    """Return how often a mark stands in a row in an error, from one run of it to the next."""
    return [len(run) for run in "".join(each if each == mark else " " for each in str(error)).split()]


def test_services_that_are_not_the_one() -> None:
    """A few of them are named, each in short."""
    rows = [{"id": number, "name": f"{number}{'ÿ' * 999}"} for number in range(99)]
    ours, _ = scripted_gateway(lambda _: success(rows), service_id="", service_name="x", fast_approval=False)
    with pytest.raises(ServiceNotFound) as caught:
        ours.service()

    runs = told_by(caught.value, "ÿ")
    assert max(runs) < 40
    assert len(runs) == 20


def test_a_service_that_is_none() -> None:
    """A host's function may return anything."""
    ours, _ = scripted_gateway(lambda _: success([]), service=lambda: LONG, fast_approval=False)
    with pytest.raises(ServiceNotFound) as caught:
        ours.service()

    assert 70 < max(told_by(caught.value, "x")) < 80


def test_what_differs_of_a_ticket() -> None:
    """Of both sides, what is around the first difference; and the name of a field."""
    request = create_request()
    form = attrs.evolve(request.form, fields={"a": 1, "b": 2})
    what = attrs.evolve(sent(), form=form)
    page = {**PAGE, "title": "t", "creator": "alice", "create_at": "2026-11-24 20:00:00", "service_id": 1}

    ours, _ = scripted_gateway(lambda request: answer_with(request, page))
    (found,) = ours.find_by_sn(ticket().sn, what)

    assert max(map(len, (*found.differences, *found.unseen))) < 300


def answer_with(request: HttpRequest, page: dict[str, Any]) -> bytes:
    """Answer a search with the row of a page, and the rest with the page."""
    if request.endpoint == "get_tickets":
        return success({"count": 1, "total_page": 1, "items": [page]})
    return success([] if request.endpoint == "get_services" else page)
