"""A gateway of whatever make that answers nonsense: nothing raises after filing, and nothing of it is stored."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import State, Workflow, open_storage
from itsm_workflow.change import Phase
from itsm_workflow.errors import GatewayError, GatewayProtocolError
from itsm_workflow.gateway.protocol import Created, FoundTicket, TicketResult
from itsm_workflow.machine.evidence import Snapshot, TicketStatus
from itsm_workflow.sandbox import acting
from itsm_workflow.sandbox.ledger import Ledger
from itsm_workflow.testing import LedgerGateway, ManualClock
from tests.support.office import SUBJECT, asked
from tests.support.places import Witness
from tests.unit.gateway.test_checked import EVIL, NO_IDS, NO_SNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow.change import Ticket
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest, SentTicket


OVER: dict[str, Any] = {"status": TicketStatus.FINISHED, "result_status": TicketStatus.FINISHED}


class Hostile(LedgerGateway):
    """Files tickets as ever, and answers what it is told to."""

    created: Callable[[Created], Any] | None = None
    found: Callable[[FoundTicket], Any] | None = None
    seen: Callable[[Snapshot], Any] | None = None
    result: Callable[[TicketResult], Any] | None = None
    listed: list[Any] | None = None
    named: object = "fast_approval"

    def service(self) -> Any:  # noqa: ANN401 - whatever a test wants
        """Name the service."""
        return self.named

    def undelivered(self) -> Sequence[Any]:
        """List the numbers."""
        return super().undelivered() if self.listed is None else self.listed

    def create(self, request: CreateRequest) -> CreateAnswer:
        """File the ticket."""
        answer = super().create(request)
        assert isinstance(answer, Created)
        return self.created(answer) if self.created else answer

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Find the tickets."""
        found = super().find_by_key(sent)
        return [self.found(one) for one in found] if self.found else found

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Find the tickets of a number."""
        found = super().find_by_sn(sn, sent)
        return [self.found(one) for one in found] if self.found else found

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Read the ticket."""
        seen = super().read(ticket, decision_field=decision_field)
        return self.seen(seen) if self.seen else seen

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Read the results."""
        results = super().results(tickets)
        return {key: self.result(one) for key, one in results.items()} if self.result else results


class Stage:
    """A workflow on a hostile gateway."""

    def __init__(self, store_url: str) -> None:
        self.clock, self.witness = ManualClock(), Witness()
        self.ledger = Ledger(clock=self.clock.peek, random=random.Random(1))
        self.gateway = Hostile(self.ledger, clock=self.clock)
        self.workflow = Workflow(
            storage=open_storage(store_url),
            gateway=self.gateway,
            clock=self.clock,
            after_callback="later",
            observers=(self.witness,),
        )


@pytest.fixture(params=["memory", "sqlite", "json"])
def stage(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Stage]:  # noqa: ANN401 - pytest's own
    """Open it on each store."""
    urls = {
        "memory": "memory://",
        "sqlite": f"sqlite:///{tmp_path / 'c.db'}",
        "json": f"json:///{tmp_path / 'c.jsonl'}",
    }
    opened = Stage(urls[request.param])
    with contextlib.closing(opened.workflow):
        yield opened


@pytest.mark.parametrize(
    "wrong",
    [
        *({"id": one} for one in NO_IDS),
        *({"sn": one} for one in NO_SNS),
    ],
    ids=repr,
)
def test_nothing_that_a_gateway_answers_raises_after_filing(stage: Stage, wrong: dict[str, Any]) -> None:
    """A ticket without an identity is one that is looked up: by the next look it is bound."""
    stage.gateway.created = lambda created: attrs.evolve(created, **wrong)
    stage.gateway.found = lambda found: attrs.evolve(found, **wrong)

    change = stage.workflow.apply(subject=SUBJECT, **asked())

    assert (change.state, change.ticket) == (State.APPLYING, None)
    assert change.expect_attempt().phase is Phase.UNKNOWN
    stage.clock.advance(10)
    stage.workflow.reconcile()
    looked = stage.workflow.get(change.id)
    assert looked.state == State.APPLYING
    assert "GatewayProtocolError" in looked.expect_attempt().look_problem

    stage.gateway.found = None
    stage.clock.advance(60)
    stage.workflow.reconcile()
    assert stage.workflow.get(change.id).state == State.PENDING
    assert len(stage.ledger.tickets()) == 1


@pytest.mark.parametrize("url", [EVIL, f"https://itsm.example.com/{EVIL}", "https://evil.example.org/", None, 7])
def test_an_address_that_may_not_be_shown_costs_the_ticket_nothing(stage: Stage, url: Any) -> None:  # noqa: ANN401 - anything
    """It is bound, without an address."""
    stage.gateway.created = lambda created: attrs.evolve(created, url=url)

    change = stage.workflow.apply(subject=SUBJECT, **asked())

    assert (change.state, change.ticket_url) == (State.PENDING, "")
    assert stage.workflow.status(change.id).ticket_url is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"ticket_id": "999"},
        {"status": "finished"},
        {"approve_result": "true"},
        {"approval_step": 1},
        {"deciders": "bob"},
        {"seen_at": None},
    ],
    ids=repr,
)
def test_a_look_that_cannot_be_used_decides_nothing_and_is_told(stage: Stage, wrong: dict[str, Any]) -> None:
    """The change is looked at again."""
    change = stage.workflow.apply(subject=SUBJECT, **asked())
    values = {**OVER, "approve_result": True, **wrong}
    stage.gateway.seen = lambda seen: attrs.evolve(seen, **values)

    settled = stage.workflow.settle(change.id)

    assert settled.state == State.PENDING
    assert [type(error) for _, error in stage.witness.troubles] == [GatewayProtocolError]


def test_texts_of_a_look_are_stored_plain(stage: Stage) -> None:
    """NUL and lone surrogates would fail the store, and the change would never move."""
    change = stage.workflow.apply(subject=SUBJECT, **asked())
    texts: dict[str, Any] = dict.fromkeys(("word", "closed_by", "sn", "inconclusive"), EVIL)
    stage.gateway.seen = lambda seen: attrs.evolve(seen, **OVER, **texts, approve_result=False)

    assert stage.workflow.settle(change.id).state == State.REJECTED
    seen = stage.workflow.history(change.id)[-1].evidence
    assert isinstance(seen, Snapshot)
    assert all(map(str.isprintable, (seen.word, seen.closed_by, seen.sn, seen.inconclusive)))


@pytest.mark.parametrize("wrong", [{"status": "running"}, {"ticket_id": EVIL}, {"approve_result": 0}], ids=repr)
def test_results_that_are_none_are_read_one_by_one(stage: Stage, wrong: dict[str, Any]) -> None:
    """A pass over several tickets believes none of them that a ticket is open, and reads each in full."""
    changes = [stage.workflow.apply(subject=f"s{number}", **asked()) for number in range(3)]
    stage.clock.advance(1)
    stage.gateway.run_due()
    for ticket in stage.ledger.newest_first():
        acting.decide(stage.ledger, ticket, "carol", approved=True, remark="")
    stage.gateway.result = lambda one: attrs.evolve(one, **wrong)
    stage.clock.advance(400)

    report = stage.workflow.reconcile()

    assert (report.due, report.moved) == (3, 3)
    assert [stage.workflow.get(one.id).state for one in changes] == [State.APPROVED] * 3


def test_a_list_of_undelivered_callbacks_that_is_no_list_of_numbers_costs_the_others_nothing(stage: Stage) -> None:
    """The numbers in it are looked at, ours among them."""
    change = stage.workflow.apply(subject=SUBJECT, **asked())
    stage.gateway.listed = [*NO_SNS, change.sn]

    assert stage.workflow.reconcile().undelivered == 1


@pytest.mark.parametrize("service", [EVIL, "", None, 17])
def test_a_service_that_is_none_is_refused_before_anything_is_stored(stage: Stage, service: object) -> None:
    """The error says whose fault it is."""
    stage.gateway.named = service

    with pytest.raises(GatewayProtocolError, match="the gateway returned a service that is not plain text"):
        stage.workflow.apply(subject=SUBJECT, **asked())
    assert list(stage.workflow.find()) == []


def test_a_recorded_ticket_is_checked_as_well(stage: Stage) -> None:
    """Nothing is bound, and the person is told why."""
    stage.gateway.created = lambda created: attrs.evolve(created, id="-5")
    change = stage.workflow.apply(subject=SUBJECT, **asked())
    stage.gateway.found = lambda found: attrs.evolve(found, id="-5")

    with pytest.raises(GatewayError, match="its id is not a positive number"):
        stage.workflow.record_ticket(change.id, sn=stage.ledger.tickets()[0].sn, actor="olga")
