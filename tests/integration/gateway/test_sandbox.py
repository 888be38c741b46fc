"""The adapter against the BK-ITSM stand-in: filing, reading, finding, acting."""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import TYPE_CHECKING, TypeVar

import attrs
import pytest

from itsm_workflow.change import Ticket
from itsm_workflow.clock import SystemClock
from itsm_workflow.errors import GatewayError, GatewayProtocolError, GatewayRefused, ServiceNotFound
from itsm_workflow.gateway.protocol import (
    CarriesSettings,
    Created,
    Refused,
    SupportsPages,
    SupportsStanding,
    SupportsSuspend,
    SupportsTokenCheck,
    SupportsUndelivered,
    TicketGateway,
    Unknown,
)
from itsm_workflow.machine.evidence import TicketStatus, Withdrawal
from itsm_workflow.runtime.ids import ulid
from itsm_workflow.sandbox import DEFAULT_SERVICES, Sandbox, acting, self_finishing, tokens
from tests.support.gateways import attempt, create_request, gateway, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.change import Attempt
    from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway

Seen = TypeVar("Seen")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A stand-in whose worker is quick."""
    with Sandbox(start_delay=0.05, decision_delay=0.05) as running:
        yield running


@pytest.fixture
def itsm(sandbox: Sandbox) -> Iterator[BkItsmGateway]:
    """An adapter for it."""
    client = gateway(sandbox.url, deadline=10.0, timeout=(5.0, 5.0))
    yield client
    client.close()


def trying(**given: object) -> Attempt:
    """Return an attempt of now, with a key of its own."""
    now = SystemClock().now()
    return attempt(**{"key": f"pre{ulid(now)}", "submitted_at": now, **given})


def file(itsm: BkItsmGateway, of: Attempt | None = None) -> Ticket:
    """File a change and return its ticket."""
    created = itsm.create(create_request(of or trying()))
    assert isinstance(created, Created)
    return Ticket(
        gateway=itsm.name,
        id=created.id,
        sn=created.sn,
        url=created.url,
        channel="answer",
        recorded_at=SystemClock().now(),
    )


def seen_once(look: Callable[[], Seen], wanted: Callable[[Seen], bool]) -> Seen:
    """Look until it is as wanted."""
    while not wanted(seen := look()):
        pass
    return seen


def test_the_adapter_is_what_the_port_wants(itsm: BkItsmGateway) -> None:
    """All of it, and each optional ability."""
    for port in (
        TicketGateway,
        SupportsUndelivered,
        SupportsTokenCheck,
        SupportsSuspend,
        SupportsPages,
        SupportsStanding,
        CarriesSettings,
    ):
        assert isinstance(itsm, port)


class TestReading:
    """What a ticket says, from its birth to its end."""

    def test_file_read_approve_read(self, sandbox: Sandbox, itsm: BkItsmGateway) -> None:
        """Running and undecided first, finished and approved by a step that was seen last."""
        ticket = file(itsm)

        before = seen_once(lambda: itsm.read(ticket), lambda snapshot: snapshot.approval_step is True)
        assert (before.status, before.approve_result, before.step_running) == (TicketStatus.RUNNING, False, True)
        sandbox.approve(ticket.sn)
        after = seen_once(lambda: itsm.read(ticket), lambda snapshot: snapshot.status is TicketStatus.FINISHED)

        assert (after.ticket_id, after.sn, after.word) == (ticket.id, ticket.sn, "FINISHED")
        assert (after.approve_result, after.result_status) == (True, TicketStatus.FINISHED)
        assert (after.approval_step, after.step_running, after.ambiguous) == (True, False, False)
        assert "bob" in after.closed_by

    def test_the_step_is_not_seen_before_it_starts(self) -> None:
        """The page lists the whole flow's fields from the beginning; they prove nothing."""
        with Sandbox(start_delay=3600) as slow:
            ticket = file(client := gateway(slow.url))

            assert client.read(ticket).approval_step is False
            client.close()

    def test_rejected(self, sandbox: Sandbox, itsm: BkItsmGateway) -> None:
        """Finished, and not approved."""
        ticket = file(itsm)
        sandbox.reject(ticket.sn)

        after = seen_once(lambda: itsm.read(ticket), lambda snapshot: snapshot.status is TicketStatus.FINISHED)

        assert (after.approve_result, after.approval_step) == (False, False)
        assert [(one.user, one.approved) for one in after.deciders] == [("bob", False)]

    @pytest.mark.parametrize(
        ("act", "status"),
        [
            ("suspend", TicketStatus.SUSPENDED),
            ("terminate", TicketStatus.TERMINATED),
            ("withdraw", TicketStatus.REVOKED),
        ],
    )
    def test_each_status_has_its_word(
        self, sandbox: Sandbox, itsm: BkItsmGateway, act: str, status: TicketStatus
    ) -> None:
        """And none of them is an approval."""
        ticket = file(itsm)
        seen_once(lambda: itsm.read(ticket), lambda snapshot: snapshot.approval_step is True)
        getattr(sandbox, act)(ticket.sn)

        snapshot = itsm.read(ticket)

        assert (snapshot.status, snapshot.result_status, snapshot.approve_result) == (status, status, False)

    def test_a_ticket_without_an_approval(self) -> None:
        """Its flow has no approval step; its result is true all the same."""
        service = self_finishing(77)
        with Sandbox(start_delay=0.0, services=(*DEFAULT_SERVICES, service)) as sandbox:
            client = gateway(sandbox.url, service_id="77")
            ticket = file(client, trying(service="77"))
            after = seen_once(lambda: client.read(ticket), lambda snapshot: snapshot.status is TicketStatus.FINISHED)
            client.close()

        assert (after.approve_result, after.approval_step) == (True, False)

    def test_a_decision_field(self, sandbox: Sandbox, itsm: BkItsmGateway) -> None:
        """It is read by its key, as text; a missing key is None."""
        ticket = file(itsm)

        assert itsm.read(ticket, decision_field="APPROVER").decision == "bob"
        assert itsm.read(ticket, decision_field="nothing").decision is None
        assert itsm.read(ticket).decision is None

    def test_a_number_that_two_tickets_carry(self, sandbox: Sandbox, itsm: BkItsmGateway) -> None:
        """Ours is known by its id; what can be read only by number is left open, and no operation is called."""
        ticket = file(itsm)
        other = sandbox.duplicate_sn(ticket.sn)

        snapshot = itsm.read(ticket)

        assert (snapshot.ambiguous, snapshot.status, snapshot.approve_result) == (True, TicketStatus.RUNNING, False)
        assert (snapshot.approval_step, snapshot.step_running) == (None, None)
        assert list(itsm.results([ticket])) == [ticket.id]
        assert {found.id for found in itsm.find_by_sn(ticket.sn, sent())} == {ticket.id, str(other.id)}
        with pytest.raises(GatewayProtocolError, match="several tickets carry"):
            itsm.withdraw(ticket, operator="alice", reason="r")

    def test_a_number_of_another_ticket(self, itsm: BkItsmGateway) -> None:
        """A ticket with another id is never taken for ours."""
        ticket = attrs.evolve(file(itsm), id="999")

        with pytest.raises(GatewayProtocolError, match="is not the number of ticket 999"):
            itsm.read(ticket)
        assert itsm.results([ticket]) == {}

    def test_a_number_without_a_ticket(self, itsm: BkItsmGateway) -> None:
        """The gateway reports it; results leave it out."""
        ticket = attrs.evolve(file(itsm), sn="REQ19990101000001")

        with pytest.raises(GatewayRefused):
            itsm.read(ticket)
        assert itsm.results([ticket]) == {}

    def test_results_of_many(self, itsm: BkItsmGateway) -> None:
        """More than one batch, in any order, twice or once."""
        tickets = [file(itsm) for _ in range(53)]

        results = itsm.results([*reversed(tickets), tickets[0]])

        assert results.keys() == {ticket.id for ticket in tickets}
        assert {result.sn for result in results.values()} == {ticket.sn for ticket in tickets}

    def test_results_of_no_tickets_send_nothing(self) -> None:
        """The server fails on an empty list."""
        assert gateway("http://127.0.0.1:1/").results([]) == {}

    def test_pages(self, itsm: BkItsmGateway) -> None:
        """One for people, one to embed."""
        ticket = file(itsm)

        assert f"id={ticket.id}" in ticket.url
        assert itsm.iframe_url(ticket).endswith(f"detail-iframe?id={ticket.id}")

    def test_undelivered_is_read_without_clearing_and_cleared_by_results(
        self, sandbox: Sandbox, itsm: BkItsmGateway
    ) -> None:
        """The result read is the one that forgets."""
        ticket = file(itsm)  # its callback goes nowhere
        sandbox.approve(ticket.sn)
        seen_once(itsm.undelivered, lambda listed: ticket.sn in listed)

        assert ticket.sn in itsm.undelivered()
        itsm.results([ticket])
        assert ticket.sn not in itsm.undelivered()


class TestFinding:
    """A lost answer is found again."""

    @pytest.mark.parametrize("key_in_title", [True, False])
    def test_a_lost_answer(self, sandbox: Sandbox, key_in_title: bool) -> None:  # noqa: FBT001 - a case
        """Unknown, then found by its key, with the key or without it in the title."""
        client = gateway(sandbox.url, key_in_title=key_in_title)
        mine = trying()
        sandbox.faults.lose_answer("create_ticket")

        assert isinstance(client.create(create_request(mine)), Unknown)
        (found,) = client.find_by_key(sent(mine))

        assert (found.key, found.creator) == (mine.key, "alice")
        assert found.id == str(sandbox.tickets()[0].id)
        assert [one.key for one in client.find_by_sn(found.sn, sent(mine))] == [mine.key]
        client.close()

    @pytest.mark.parametrize("key_in_title", [True, False])
    def test_nothing_is_found_where_nothing_is(self, sandbox: Sandbox, key_in_title: bool) -> None:  # noqa: FBT001 - a case
        """Other tickets of the same person do not count."""
        client = gateway(sandbox.url, key_in_title=key_in_title)
        file(client)
        mine = trying()

        assert client.find_by_key(sent(mine)) == []
        assert client.find_by_sn("REQ19990101000001", sent(mine)) == []
        client.close()

    def test_two_tickets_of_one_key(self, itsm: BkItsmGateway) -> None:
        """Both are returned, so that a person can look."""
        mine = trying()
        first, second = file(itsm, mine), file(itsm, mine)

        assert {found.id for found in itsm.find_by_key(sent(mine))} == {first.id, second.id}

    def test_a_ticket_of_another_creator_differs(self, itsm: BkItsmGateway) -> None:
        """It carries the key, and is not ours."""
        mine = trying()
        file(itsm, attrs.evolve(mine, creator="mallory"))

        (found,) = itsm.find_by_key(sent(mine))

        assert (found.creator, found.key, found.is_ours) == ("mallory", mine.key, False)
        assert found.differences == ("creator: sent alice, shows mallory",)

    def test_found_by_number_only_tickets_with_the_key_have_it(self, itsm: BkItsmGateway) -> None:
        """Another user's ticket is returned without a key."""
        mine = trying()
        other = file(itsm)

        (found,) = itsm.find_by_sn(other.sn, sent(mine))

        assert (found.id, found.key) == (other.id, "")

    def test_a_later_resend_is_found_by_its_tag(self, itsm: BkItsmGateway) -> None:
        """However long ago it was first submitted."""
        mine = trying(submitted_at=SystemClock().now() - dt.timedelta(days=30))

        assert [found.id for found in itsm.find_by_key(sent(mine))] == []
        ticket = file(itsm, mine)
        assert [found.id for found in itsm.find_by_key(sent(mine))] == [ticket.id]


class TestActing:
    """Withdrawing, suspending, resuming."""

    def test_withdraw_and_again(self, itsm: BkItsmGateway) -> None:
        """What is withdrawn is done, by whichever request."""
        ticket = file(itsm)

        assert itsm.withdraw(ticket, operator="alice", reason="changed my mind") is Withdrawal.DONE
        assert itsm.read(ticket).status is TicketStatus.REVOKED
        assert itsm.withdraw(ticket, operator="alice", reason="") is Withdrawal.DONE

    def test_withdrawing_an_ended_ticket_changes_nothing(self, sandbox: Sandbox, itsm: BkItsmGateway) -> None:
        """The result differs from that of a withdrawal."""
        ticket = file(itsm)
        sandbox.approve(ticket.sn)
        seen_once(lambda: itsm.read(ticket), lambda snapshot: snapshot.status is TicketStatus.FINISHED)

        assert itsm.withdraw(ticket, operator="alice", reason="r") is Withdrawal.ENDED

    def test_withdraw_by_a_stranger(self, itsm: BkItsmGateway) -> None:
        """The gateway refuses, and the ticket asks for its approval: that is an error."""
        ticket = file(itsm)
        seen_once(lambda: itsm.read(ticket), lambda snapshot: snapshot.approval_step is True)

        with pytest.raises(GatewayRefused):
            itsm.withdraw(ticket, operator="mallory", reason="r")
        assert itsm.read(ticket).status is TicketStatus.RUNNING

    def test_withdraw_too_early(self) -> None:
        """The one code of every refusal counts as "not yet" if the running ticket asks for no approval yet."""
        with Sandbox(start_delay=3600.0) as slow:
            slow.ledger.behaviour = attrs.evolve(slow.ledger.behaviour, early_refusal_chance=1.0)
            client = gateway(slow.url)
            ticket = file(client)

            assert client.withdraw(ticket, operator="alice", reason="r") is Withdrawal.NOT_YET
            assert client.read(ticket).status is TicketStatus.RUNNING
            client.close()

    @pytest.mark.parametrize("fault", ["lost", "html"])
    def test_withdraw_without_an_answer(self, sandbox: Sandbox, itsm: BkItsmGateway, fault: str) -> None:
        """It may have been done; asking again shows it."""
        ticket = file(itsm)
        if fault == "lost":
            sandbox.faults.lose_answer("operate_ticket")
        else:
            sandbox.faults.html("operate_ticket", processed=True)

        assert itsm.withdraw(ticket, operator="alice", reason="r") is Withdrawal.UNKNOWN
        assert itsm.withdraw(ticket, operator="alice", reason="r") is Withdrawal.DONE

    def test_withdraw_that_never_left(self, sandbox: Sandbox, itsm: BkItsmGateway) -> None:
        """Nothing was asked of the ticket: that is an error, not an unknown outcome."""
        ticket = file(itsm)
        sandbox.faults.status("get_ticket_info", 502, always=True)

        with pytest.raises(GatewayError):
            itsm.withdraw(ticket, operator="alice", reason="r")

    def test_suspend_and_resume_each_twice(self, itsm: BkItsmGateway) -> None:
        """A second suspension is never sent: after it, nothing would resume the ticket."""
        ticket = file(itsm)
        seen_once(lambda: itsm.read(ticket), lambda snapshot: snapshot.approval_step is True)

        for _ in range(2):
            itsm.suspend(ticket, operator="bob", reason="wait")
            assert itsm.read(ticket).status is TicketStatus.SUSPENDED
        for _ in range(2):
            itsm.resume(ticket, operator="bob", reason="go on")
            assert itsm.read(ticket).status is TicketStatus.RUNNING

    def test_a_ticket_that_stays_suspended_raises_an_error(self, itsm: BkItsmGateway, sandbox: Sandbox) -> None:
        """It was suspended twice: the server answers success, and the ticket is not resumed."""
        ticket = file(itsm)
        seen_once(lambda: itsm.read(ticket), lambda snapshot: snapshot.approval_step is True)
        with sandbox.locked() as ledger:
            for _ in range(2):
                acting.suspend(ledger, ledger.by_id(int(ticket.id)), "bob")

        with pytest.raises(GatewayProtocolError, match=f"{ticket.sn} is suspended although the gateway resumed it"):
            itsm.resume(ticket, operator="bob", reason="go on")

    def test_terminate_twice(self, itsm: BkItsmGateway) -> None:
        """The second time nothing is sent; one that was approved stays approved."""
        ticket = file(itsm)
        seen_once(lambda: itsm.read(ticket), lambda snapshot: snapshot.approval_step is True)
        for _ in range(2):
            itsm.terminate(ticket, operator="bob", reason="no more use")
            assert itsm.read(ticket).status is TicketStatus.TERMINATED

    def test_info_and_status_by_number(self, itsm: BkItsmGateway) -> None:
        """Of anybody's ticket: what pages show, its steps with the people asked, and what can be done to it."""
        ticket = file(itsm)
        seen_once(lambda: itsm.read(ticket), lambda snapshot: snapshot.approval_step is True)

        info, status = itsm.ticket_info(ticket.sn), itsm.ticket_status(ticket.sn)

        assert (info.id, info.sn, info.status, info.creator) == (ticket.id, ticket.sn, TicketStatus.RUNNING, "alice")
        assert (status.sn, status.word, status.labels["en"]) == (ticket.sn, "RUNNING", "In progress")
        assert status.ticket_url == info.ticket_url == ticket.url
        assert status.iframe_ticket_url == info.iframe_ticket_url
        assert status.operations == ("WITHDRAW", "SUSPEND")
        assert [(step.word, step.people) for step in status.steps] == [("RUNNING", ("bob",))]
        for ask in (itsm.ticket_info, itsm.ticket_status):
            with pytest.raises(GatewayRefused):
                ask("REQ00000000000001")


class TestServices:
    """Which service tickets are filed with."""

    def test_by_number_or_the_built_in_one(self, sandbox: Sandbox) -> None:
        """As the settings say, without asking."""
        assert gateway("http://127.0.0.1:1/", service_id="5").service() == "5"
        assert gateway("http://127.0.0.1:1/").service() == "fast_approval"

    def test_by_name(self, sandbox: Sandbox) -> None:
        """Looked up in the gateway's list; exactly one must go by it."""
        client = gateway(sandbox.url, fast_approval=False, service_name="日志平台容量评估")
        listed = {service.name: service.id for service in client.services()}

        assert client.service() == listed["日志平台容量评估"]
        client.close()

    def test_by_an_unknown_name(self, sandbox: Sandbox) -> None:
        """The error lists the existing names."""
        client = gateway(sandbox.url, fast_approval=False, service_name="nothing")

        with pytest.raises(ServiceNotFound, match="日志平台容量评估"):
            client.service()
        client.close()

    def test_none_is_configured(self) -> None:
        """The error names the setting."""
        with pytest.raises(ServiceNotFound, match="BKAPP_ITSM_SERVICE_ID"):
            gateway("http://127.0.0.1:1/", fast_approval=False).service()


def test_the_gateway_refuses_what_the_form_check_would_find(itsm: BkItsmGateway) -> None:
    """The rules are the server's own: the same title is refused by both."""
    request = create_request(trying(), title="x" * 130)

    assert [field for field, _, _ in itsm.check_form(request.form)] == ["title"]
    assert isinstance(itsm.create(request), Refused)


def test_a_token(sandbox: Sandbox, itsm: BkItsmGateway) -> None:
    """The server's own, or not."""
    token = tokens.issue(Random(1))

    assert itsm.verify_token(token) is True
    assert itsm.verify_token(token[:-8]) is False
    assert itsm.verify_token("") is False
