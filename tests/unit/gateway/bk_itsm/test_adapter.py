"""The adapter's calls: the account that makes them, the person who acts, and the client that carries them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from tests.support.calls import settings
from tests.support.gateways import create_request, ticket
from tests.support.scripted import asked, refusal, scripted_gateway, success

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.bkapi.transport import HttpRequest

ACTS: dict[str, tuple[str, str, Callable[[BkItsmGateway], object]]] = {
    "withdraw": ("WITHDRAW", "RUNNING", lambda one: one.withdraw(ticket(), operator="alice", reason="not needed")),
    "suspend": ("SUSPEND", "RUNNING", lambda one: one.suspend(ticket(), operator="alice", reason="not needed")),
    "resume": ("UNSUSPEND", "SUSPENDED", lambda one: one.resume(ticket(), operator="alice", reason="not needed")),
    "terminate": ("TERMINATE", "RUNNING", lambda one: one.terminate(ticket(), operator="alice", reason="not needed")),
}


def page(status: str) -> Callable[[HttpRequest], bytes]:
    """Return a server that shows the ticket with this status, and does whatever is asked; what it resumed then runs."""
    shown = {
        "id": int(ticket().id),
        "sn": ticket().sn,
        "title": "t",
        "ticket_url": f"https://itsm/#/ticket/{ticket().id}",
        "current_status": status,
        "creator": "alice",
        "updated_by": "",
        "current_steps": [],
        "fields": [],
    }

    def answer(request: HttpRequest) -> bytes:
        if request.endpoint == "operate_ticket" and asked(request)["action_type"] == "UNSUSPEND":
            shown["current_status"] = "RUNNING"
        return success(shown if request.endpoint == "get_ticket_info" else [])

    return answer


def test_a_ticket_is_filed_by_the_account_on_behalf_of_its_creator() -> None:
    """In the headers, and in the record of the call."""
    records: list[Any] = []
    gateway, transport = scripted_gateway(
        lambda _: refusal(3900004), observers=[records.append], api_user="itsm-account"
    )
    gateway.create(create_request())

    [request], [record] = transport.requests, records
    claims = json.loads(request.headers["X-Bkapi-Authorization"].reveal())  # type: ignore[union-attr]  # a Secret
    assert claims["bk_username"] == "itsm-account"
    assert asked(request)["creator"] == "alice"
    assert (record.user, record.operator) == ("itsm-account", "alice")


@pytest.mark.parametrize(("action", "status", "act"), ACTS.values(), ids=ACTS)
def test_an_act_names_ticket_person_action_and_reason(
    action: str, status: str, act: Callable[[BkItsmGateway], object]
) -> None:
    """Four texts, each under its own name; the account calls."""
    records: list[Any] = []
    gateway, transport = scripted_gateway(page(status), observers=[records.append], api_user="itsm-account")
    act(gateway)

    [request] = [request for request in transport.requests if request.endpoint == "operate_ticket"]
    sent = asked(request)
    assert {name: sent[name] for name in ("sn", "operator", "action_type", "action_message")} == {
        "sn": ticket().sn,
        "operator": "alice",
        "action_type": action,
        "action_message": "not needed",
    }
    record = next(one for one in records if one.endpoint == "operate_ticket")
    assert (record.user, record.operator) == ("itsm-account", "alice")


def test_an_adapter_s_own_client_goes_by_the_clock_that_it_is_given() -> None:
    """How long a gateway rests is counted by it: one that a test or a host stands still must not end a rest."""

    class Still:
        """A clock that does not move."""

        def elapsed(self) -> float:
            """Return seconds."""
            return 1000.0

        def now(self) -> Any:  # noqa: ANN401 - never asked
            """Return nothing."""

        def boot(self) -> tuple[str, int]:
            """Return no boot."""
            return "", 0

    gateway = BkItsmGateway(settings(breaker_failures=1, breaker_rest=60.0), clock=Still())
    breaker = gateway._client._client.breaker
    breaker.failed("name")

    assert [(each.name, each.seconds) for each in breaker.state] == [("name", 60.0)]
    gateway.close()


def test_closing_and_checking_are_passed_on() -> None:
    """The connections are closed; a form is checked as the server would."""
    gateway, transport = scripted_gateway(lambda _: success({}))
    gateway.close()

    assert transport.is_closed
    form = attrs.evolve(create_request().form, title="")
    assert list(gateway.check_form(form)) == [("title", "''", "must not be empty")]
