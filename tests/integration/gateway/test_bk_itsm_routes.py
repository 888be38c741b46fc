"""The three ways to one BK-ITSM: the whole adapter by each of them, over real HTTP."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.change import Ticket
from itsm_workflow.clock import SystemClock
from itsm_workflow.errors import GatewayProtocolError, GatewayRefused
from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from itsm_workflow.gateway.bk_itsm.routes import FORMS, Routes
from itsm_workflow.gateway.protocol import Created, Unknown
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.runtime.ids import ulid
from itsm_workflow.sandbox import DEFAULT_SERVICES, Sandbox, tokens
from itsm_workflow.sandbox.services import Service
from tests.support.gateways import attempt, create_request, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOG_SEARCH = Service(id=21, name="日志采集接入", display_role=",LOG_SEARCH,", desc="for collectors")
CREDENTIAL = "c" * 43
WAYS = {
    "v2": {"routes": "v2"},
    "esb": {"routes": "esb"},
    "component": {"routes": "component"},
    "component without a version": {"routes": "component", "component_version": ""},
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A stand-in that offers a service to the log platform alone."""
    with Sandbox(start_delay=0.02, decision_delay=0.02, services=(*DEFAULT_SERVICES, LOG_SEARCH)) as running:
        yield running


@pytest.fixture(params=list(WAYS))
def itsm(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[BkItsmGateway]:
    """An adapter that goes one of the ways."""
    gateway = BkItsmGateway(sandbox.settings(**WAYS[request.param]))
    yield gateway
    gateway.close()


def file(itsm: BkItsmGateway, title: str = "接入 nginx 日志") -> Ticket:
    """File a change and return its ticket."""
    now = SystemClock().now()
    created = itsm.create(create_request(attempt(key=f"pre{ulid(now)}", submitted_at=now), title=title))
    assert isinstance(created, Created)
    return Ticket(gateway=itsm.name, id=created.id, sn=created.sn, url=created.url, channel="answer", recorded_at=now)


class TestEachWay:
    """Every method of the adapter does by each way what it does by the others."""

    def test_from_filing_to_approval(self, sandbox: Sandbox, itsm: BkItsmGateway) -> None:
        """Filed, seen to run, approved, seen to be."""
        ticket = file(itsm)
        before = itsm.read(ticket)
        sandbox.approve(ticket.sn)
        sandbox.wait(lambda ledger: ledger.by_id(int(ticket.id)).ended)
        after = itsm.read(ticket)

        assert (before.status, before.approve_result) == (TicketStatus.RUNNING, False)
        assert (after.status, after.approve_result, after.approval_step) == (TicketStatus.FINISHED, True, True)
        assert itsm.results([ticket])[ticket.id].approve_result is True

    def test_it_is_found_again(self, sandbox: Sandbox, itsm: BkItsmGateway) -> None:
        """By key and by number, after the answer to its creation was lost."""
        now = SystemClock().now()
        mine = attempt(key=f"pre{ulid(now)}", submitted_at=now)
        sandbox.faults.lose_answer("create_ticket")

        assert isinstance(itsm.create(create_request(mine)), Unknown)
        (found,) = itsm.find_by_key(sent(mine))

        assert (found.id, found.key) == (str(sandbox.tickets()[0].id), mine.key)
        assert [one.id for one in itsm.find_by_sn(found.sn, sent(mine))] == [found.id]

    def test_it_is_shown(self, sandbox: Sandbox, itsm: BkItsmGateway) -> None:
        """With its pages, its form and its log."""
        ticket = file(itsm, title="接入 apache 日志")
        sandbox.wait(lambda ledger: ledger.by_id(int(ticket.id)).step_running)

        page = itsm.show(ticket)

        assert (page.id, page.word, page.labels["zh"], page.ambiguous) == (ticket.id, "RUNNING", "处理中", False)
        assert page.title.startswith("接入 apache 日志")
        assert page.iframe_ticket_url == itsm.iframe_url(ticket) != ""
        assert [(field.key, field.value) for field in page.fields if field.key == "APPROVER"] == [("APPROVER", "bob")]
        assert itsm.get_ticket_logs(ticket)[0].message == "流程开始."

    def test_it_is_acted_on(self, sandbox: Sandbox, itsm: BkItsmGateway) -> None:
        """Suspended, resumed, withdrawn."""
        ticket = file(itsm)
        sandbox.wait(lambda ledger: ledger.by_id(int(ticket.id)).step_running)
        seen = []
        for act in (itsm.suspend, itsm.resume):
            act(ticket, operator="bob", reason="wait")
            seen.append(sandbox.ticket(ticket.sn).current_status.value)
        itsm.withdraw(ticket, operator="alice", reason="no longer")
        seen.append(sandbox.ticket(ticket.sn).current_status.value)

        assert seen == ["SUSPENDED", "RUNNING", "REVOKED"]
        assert sandbox.wait(lambda ledger: ledger.failed_callbacks()) == list(itsm.undelivered())

    def test_services_and_tokens(self, itsm: BkItsmGateway) -> None:
        """Filters travel, in a query or in a body, and so does a token."""
        assert [one.id for one in itsm.get_services(display_role="LOG_SEARCH", display_type="API")] == ["21"]
        assert {one.id for one in itsm.get_services(catalog_id="11")} == {"2", "3", "4", "5"}
        assert itsm.get_services(service_type="incident") == []
        assert len(itsm.services()) == len(DEFAULT_SERVICES) + 1
        assert itsm.verify_token(tokens.issue(Random(1))) is True
        assert itsm.verify_token("forged") is False

    def test_the_preview_is_what_is_sent(self, sandbox: Sandbox, itsm: BkItsmGateway) -> None:
        """The gateway receives creator, tag, fields and callback as the preview showed them."""
        now = SystemClock().now()
        request = attrs.evolve(
            create_request(attempt(key=f"pre{ulid(now)}", submitted_at=now)),
            callback_url=f"http://127.0.0.1:9/callback/{CREDENTIAL}/",
            callback_headers={"X-Itsm-Workflow-Credential": CREDENTIAL},
        )
        told: Any = itsm.preview(request)
        created = itsm.create(request)

        assert isinstance(created, Created)
        with sandbox.locked() as ledger:
            draft = ledger.by_id(int(created.id)).draft
        assert (told["creator"], told["tag"]) == (draft.creator, draft.tag) == ("alice", request.attempt.key)
        assert {"title": draft.title}.items() <= {one["key"]: one["value"] for one in told["fields"]}.items()
        assert (draft.meta["callback_url"], list(draft.meta["headers"].values())) == (
            f"http://127.0.0.1:9/callback/{CREDENTIAL}/",
            [CREDENTIAL],
        )
        assert told["meta"]["callback_url"] == "http://127.0.0.1:9/callback/***/"
        assert CREDENTIAL not in str(told)


def test_only_an_esb_is_asked_by_post_alone(sandbox: Sandbox) -> None:
    """Without an ESB in front, the server refuses five of the endpoints, by a word that shows it."""
    gateway = BkItsmGateway(sandbox.settings(routes="esb", gateway_url=sandbox.url))
    ticket = file(gateway)

    refused: list[Callable[[], object]] = [
        gateway.undelivered,
        gateway.services,
        lambda: gateway.show(ticket),
        lambda: gateway.get_ticket_logs(ticket),
    ]
    assert gateway.read(ticket).inconclusive.startswith(
        "its page cannot be read: the gateway refuses, code METHOD_NOT_ALLOWED"
    )
    for ask in refused:
        with pytest.raises(GatewayRefused) as caught:
            ask()
        assert caught.value.remote_code == "METHOD_NOT_ALLOWED"
    assert list(gateway.results([ticket])) == [ticket.id]
    gateway.close()


def test_component_paths_are_called_with_their_version(sandbox: Sandbox) -> None:
    """A version that the ESB does not know leads to a page, which is not an answer."""
    gateway = BkItsmGateway(sandbox.settings(routes="component", component_version="v9"))

    with pytest.raises(GatewayProtocolError):
        gateway.services()
    gateway.close()


def test_routes_may_be_given_in_code(sandbox: Sandbox) -> None:
    """They beat the settings."""
    gateway = BkItsmGateway(sandbox.settings(routes="component", component_version="v9"), routes=Routes())

    assert len(gateway.services()) == len(DEFAULT_SERVICES) + 1
    gateway.close()


def test_each_form_is_gone() -> None:
    """A form that is added must be added here."""
    assert set(FORMS) == {way["routes"] for way in WAYS.values()}
