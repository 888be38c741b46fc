"""The gateway in memory answers as the real adapter does that talks to the same tickets over HTTP."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.change import Form, Ticket
from itsm_workflow.clock import EPOCH
from itsm_workflow.errors import GatewayError, GatewayProtocolError, GatewayRefused, ServiceNotFound
from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from itsm_workflow.gateway.protocol import (
    CarriesSettings,
    Created,
    CreateRequest,
    NotSent,
    Refused,
    SupportsPages,
    SupportsStanding,
    SupportsSuspend,
    SupportsTokenCheck,
    SupportsUndelivered,
    TicketGateway,
)
from itsm_workflow.machine.evidence import Snapshot, Withdrawal
from itsm_workflow.sandbox import DEFAULT_SERVICES, Sandbox, acting, self_finishing, tokens
from itsm_workflow.sandbox.ticket import CallbackOutcome
from itsm_workflow.testing import LedgerGateway, ManualClock, MemorySandbox
from tests.support.gateways import attempt, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.change import Attempt


@attrs.frozen
class Both:
    """One ledger, behind both gateways."""

    sandbox: Sandbox
    clock: ManualClock
    http: BkItsmGateway
    memory: LedgerGateway

    def pass_time(self) -> None:
        """Let all happen that is due in a while; callbacks are left lying."""
        self.clock.advance(5)
        self.sandbox.ledger.run_due()

    def file(self, of: Attempt | None = None, *, wait: bool = True) -> Ticket:
        """File a ticket in memory, with a callback that goes nowhere, and let its flow start unless told otherwise."""
        made = self.memory.create(request(of))
        assert isinstance(made, Created)
        if wait:
            self.pass_time()
        return Ticket(
            gateway="bk_itsm", id=made.id, sn=made.sn, url=made.url, channel="answer", recorded_at=self.clock.peek()
        )

    def record(self, ticket: Ticket) -> Any:  # noqa: ANN401 - the ledger's own
        """Return the ledger's record of a ticket."""
        return self.sandbox.ledger.by_id(int(ticket.id))

    def both(self, ask: Callable[[Any], object]) -> tuple[object, object]:
        """Return what the two answer, an error by what it says to programs; memory is asked first."""
        return said(ask, self.memory), said(ask, self.http)


def said(ask: Callable[[Any], object], gateway: object) -> object:
    """Return an answer, without the moment of a look, or the type and code of an error."""
    try:
        answer = ask(gateway)
    except GatewayError as error:
        return type(error), vars(error).get("remote_code")
    if isinstance(answer, Snapshot):
        return attrs.evolve(answer, seen_at=EPOCH)
    return list(answer) if isinstance(answer, tuple) else answer


def find_by_key(gateway: TicketGateway, *, of: Attempt) -> object:
    """Look for a key."""
    return list(gateway.find_by_key(sent(of)))


def find_by_sn(gateway: TicketGateway, *, of: Attempt, sn: str) -> object:
    """Look for a number."""
    return list(gateway.find_by_sn(sn, sent(of)))


def request(of: Attempt | None = None, *, title: str = "接入 nginx 日志", approver: str = "bob") -> CreateRequest:
    """Return what to create."""
    return CreateRequest(
        form=Form(title=title, applicant="alice", approvers=(approver,)),
        attempt=of or attempt(),
        callback_url="http://127.0.0.1:9/itsm/callback/",
        callback_headers={"X-Test": "1"},
    )


@pytest.fixture
def both() -> Iterator[Both]:
    """Both gateways, over one ledger whose time the test moves."""
    clock = ManualClock()
    services = [*DEFAULT_SERVICES, self_finishing(7)]
    with Sandbox(clock=clock.peek, drive=False, services=services) as sandbox:
        http = BkItsmGateway(sandbox.settings(), clock=clock)
        yield Both(sandbox, clock, http, LedgerGateway(sandbox.ledger, clock=clock, settings=http.settings))
        http.close()


def decide(pair: Both, ticket: Ticket, *, approved: bool) -> None:
    """Let the approver decide."""
    acting.decide(pair.sandbox.ledger, pair.record(ticket), "bob", approved=approved, remark="")
    pair.pass_time()


SITUATIONS: dict[str, Callable[[Both, Ticket], object]] = {
    "running": lambda *_: None,
    "approved": lambda pair, ticket: decide(pair, ticket, approved=True),
    "rejected": lambda pair, ticket: decide(pair, ticket, approved=False),
    "suspended": lambda pair, ticket: acting.suspend(pair.sandbox.ledger, pair.record(ticket), "bob"),
    "terminated": lambda pair, ticket: acting.terminate(pair.sandbox.ledger, pair.record(ticket), "bob"),
    "withdrawn": lambda pair, ticket: acting.withdraw(pair.sandbox.ledger, pair.record(ticket), "alice"),
    "duplicated": lambda pair, ticket: pair.sandbox.duplicate_sn(int(ticket.id)),
}


def test_it_has_all_abilities_of_the_adapter(both: Both) -> None:
    """A workflow cannot tell the two apart."""
    protocols = (
        TicketGateway,
        SupportsUndelivered,
        SupportsTokenCheck,
        SupportsSuspend,
        SupportsPages,
        SupportsStanding,
        CarriesSettings,
    )
    assert [isinstance(both.memory, one) for one in protocols] == [isinstance(both.http, one) for one in protocols]
    assert both.memory.name == both.http.name


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_ticket_reads_the_same(both: Both, situation: str) -> None:
    """However it stands: page, results, both searches, and the page to embed."""
    ticket, of = both.file(), attempt()
    SITUATIONS[situation](both, ticket)
    for ask in (
        lambda gateway: gateway.read(ticket),
        lambda gateway: gateway.read(ticket, decision_field="title"),
        lambda gateway: gateway.results([ticket]),
        lambda gateway: gateway.find_by_key(sent(of)),
        lambda gateway: gateway.find_by_sn(ticket.sn, sent(of)),
        lambda gateway: gateway.iframe_url(ticket),
        lambda gateway: gateway.standing(ticket),
    ):
        memory, http = both.both(ask)
        assert memory == http


def test_a_ticket_whose_flow_has_not_started_reads_the_same(both: Both) -> None:
    """Its first approver is not asked yet."""
    made = both.memory.create(request())
    assert isinstance(made, Created)
    ticket = Ticket(
        gateway="bk_itsm", id=made.id, sn=made.sn, url=made.url, channel="answer", recorded_at=both.clock.now()
    )
    memory, http = both.both(lambda gateway: gateway.read(ticket))
    assert memory == http


def test_a_ticket_that_ended_with_nobody_asked_reads_the_same(both: Both) -> None:
    """It finished as approved, and no approval step was seen."""
    ticket = both.file(attempt(service="7"))
    memory, http = both.both(lambda gateway: gateway.read(ticket))
    assert memory == http
    assert isinstance(memory, Snapshot)
    assert (memory.approve_result, memory.approval_step) == (True, False)


def test_a_ticket_that_is_not_there_is_refused_the_same(both: Both) -> None:
    """A number that nobody has, and one that another ticket has: an error of the same type."""
    ticket = both.file()
    for wrong in (attrs.evolve(ticket, sn="REQ20000101000001"), attrs.evolve(ticket, id="4711")):
        memory, http = both.both(lambda gateway, wrong=wrong: gateway.read(wrong))  # type: ignore[misc]  # a bound default
        assert isinstance(memory, tuple)
        assert memory == http


def test_tickets_of_others_are_found_and_not_taken_for_ours(both: Both) -> None:
    """Another key, another creator, and a key that nobody has."""
    ticket = both.file()
    both.file(attempt(key="pre01M87NCF7BNR8G5Q97GV99999"))
    for of in (attempt(creator="mallory"), attempt(key="pre01M87NCF7BNR8G5Q97GV00000"), attempt()):
        for memory, http in (
            both.both(partial(find_by_key, of=of)),
            both.both(partial(find_by_sn, of=of, sn=ticket.sn)),
            both.both(partial(find_by_sn, of=of, sn="REQ20000101000001")),
        ):
            assert memory == http


@pytest.mark.parametrize(("title", "approver"), [("x" * 200, "bob"), ("a title", "")])
def test_what_cannot_be_filed_is_refused_the_same(both: Both, title: str, approver: str) -> None:
    """With the same code and message, or not sent at all; nothing is filed."""
    memory, http = both.both(lambda gateway: gateway.create(request(title=title, approver=approver)))
    assert isinstance(memory, Refused | NotSent)
    assert memory == http
    assert both.sandbox.tickets() == ()


def test_what_is_filed_is_the_same_ticket(both: Both) -> None:
    """Apart from what is new with each: ids, numbers, times."""
    for gateway in (both.memory, both.http):
        assert isinstance(gateway.create(request()), Created)
        both.pass_time()
    one, other = both.sandbox.tickets()
    alike = attrs.evolve(
        one,
        id=other.id,
        sn=other.sn,
        created_at=other.created_at,
        update_at=other.update_at,
        transitions=other.transitions,
    )
    assert alike == other
    assert [each.cause for each in one.transitions] == [each.cause for each in other.transitions]
    mine, theirs = (both.sandbox.ledger.by_id(each.id).draft for each in (one, other))
    assert mine == theirs


@pytest.mark.parametrize("act", ["withdraw", "suspend", "resume"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_acting_ends_the_same(both: Both, situation: str, act: str) -> None:
    """Done, not needed, or refused: two tickets that stand alike, one for each gateway."""
    ends = []
    for gateway in (both.memory, both.http):
        ticket = both.file()
        SITUATIONS[situation](both, ticket)
        operator = "alice" if act == "withdraw" else "bob"
        done = partial(getattr(type(gateway), act), ticket=ticket, operator=operator, reason="x")
        answer = said(done, gateway)
        ends.append((answer, both.record(ticket).status))
    assert ends[0] == ends[1]


def test_an_early_withdrawal_is_refused_the_same(both: Both) -> None:
    """Not yet, while the ticket's flow has not started."""
    ledger = both.sandbox.ledger
    ledger.behaviour = attrs.evolve(ledger.behaviour, early_refusal_chance=1.0)
    ticket = both.file(wait=False)
    memory, http = both.both(lambda gateway: gateway.withdraw(ticket, operator="alice", reason=""))
    assert memory == http == Withdrawal.NOT_YET


def test_undelivered_callbacks_are_listed_until_they_are_read(both: Both) -> None:
    """Reading a ticket's result takes it off the list, through either."""
    ticket = both.file()
    acting.decide(both.sandbox.ledger, both.record(ticket), "bob", approved=True, remark="")
    both.clock.advance(5)
    for outgoing in both.memory.run_due():
        both.sandbox.ledger.record_delivery(outgoing, CallbackOutcome.FAILED)
    assert both.both(lambda gateway: gateway.undelivered()) == ([ticket.sn], [ticket.sn])
    both.memory.read(ticket)
    assert both.both(lambda gateway: gateway.undelivered()) == ([], [])


@pytest.mark.parametrize("token", ["", "abc", "bm90IGEgdG9rZW4=", tokens.issue(Random(1))])
def test_tokens_are_checked_the_same(both: Both, token: str) -> None:
    """Ours, others, and what is no token at all."""
    memory, http = both.both(lambda gateway: gateway.verify_token(token))
    assert memory == http


def test_services_and_previews_are_the_same(both: Both) -> None:
    """What can be asked without a ticket."""
    for ask in (
        lambda gateway: [(one.id, one.name) for one in gateway.services()],
        lambda gateway: gateway.service(),
        lambda gateway: gateway.preview(request()),
        lambda gateway: gateway.check_form(Form(title="x" * 200, applicant="", approvers=())),
    ):
        memory, http = both.both(ask)
        assert memory == http


def test_a_service_is_found_by_its_name(both: Both) -> None:
    """Or it is an error that names it."""
    name = next(iter(both.sandbox.ledger.services.values())).name
    named = LedgerGateway(both.sandbox.ledger, clock=both.clock, settings=both.sandbox.settings(service_name=name))
    assert named.service() == str(next(iter(both.sandbox.ledger.services)))
    unnamed = LedgerGateway(both.sandbox.ledger, clock=both.clock, settings=both.sandbox.settings(service_name="no"))
    with pytest.raises(ServiceNotFound, match="0 services are named 'no'"):
        unnamed.service()


def test_a_gateway_that_drops_the_tag_finds_tickets_by_title_or_cannot_tell(both: Both) -> None:
    """A search that could not find is an error, never an empty answer."""
    settings, ledger = both.sandbox.settings(), both.sandbox.ledger
    dropping = LedgerGateway(ledger, clock=both.clock, settings=settings, keeps_tag=False)
    made = dropping.create(request())
    assert isinstance(made, Created)
    assert ledger.by_id(int(made.id)).draft.tag is None
    assert [one.id for one in dropping.find_by_key(sent())] == [made.id]
    bare = LedgerGateway(ledger, clock=both.clock, settings=attrs.evolve(settings, key_in_title=False), keeps_tag=False)
    for ask in (bare.find_by_key, lambda of: bare.find_by_sn(made.sn, of)):
        with pytest.raises(GatewayProtocolError, match="ignores the search for a tag"):
            ask(sent())
    assert bare.find_by_sn("REQ20000101000001", sent()) == []


def test_callbacks_wait_until_they_are_taken(both: Both) -> None:
    """Once."""
    made = both.memory.create(request(attempt(service="7")))
    assert isinstance(made, Created)
    both.clock.advance(5)
    assert [one.sn for one in both.memory.run_due()] == [made.sn]
    assert both.memory.run_due() == []


def test_withdrawing_by_a_stranger_is_refused(both: Both) -> None:
    """With the ticket system's code."""
    ticket = both.file()
    with pytest.raises(GatewayRefused) as caught:
        both.memory.withdraw(ticket, operator="mallory", reason="")
    assert vars(caught.value)["remote_code"] == 3900004


def test_whether_the_tag_is_kept_is_true_or_false() -> None:
    """The text ``no`` would keep it."""
    clock = ManualClock()
    sandbox = MemorySandbox(clock=clock)
    with pytest.raises(TypeError, match=r"^LedgerGateway\(keeps_tag=\.\.\.\) takes True or False, not 'no'$"):
        LedgerGateway(sandbox.ledger, clock=clock, keeps_tag="no")  # type: ignore[arg-type]  # wrong on purpose
