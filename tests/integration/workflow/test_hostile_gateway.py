"""A gateway of whatever make that answers nonsense: nothing raises after filing, and nothing of it is stored."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import State, Workflow
from itsm_workflow.change import Phase
from itsm_workflow.errors import GatewayError, GatewayProtocolError
from itsm_workflow.machine.evidence import Snapshot, TicketStatus
from itsm_workflow.sandbox import acting
from itsm_workflow.sandbox.ledger import Ledger
from itsm_workflow.testing import GatewayFaults, LedgerGateway, ManualClock
from tests.support.office import SUBJECT, asked
from tests.support.places import Witness
from tests.unit.gateway.test_checked import EVIL, NO_IDS, NO_SNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.testing.faulty_gateway import GatewayCall


OVER: dict[str, Any] = {"status": TicketStatus.FINISHED, "result_status": TicketStatus.FINISHED}


class Stage:
    """A workflow on a hostile gateway."""

    def __init__(self, store_url: str) -> None:
        self.clock, self.witness = ManualClock(), Witness()
        self.ledger = Ledger(clock=self.clock.peek, random=random.Random(1))
        self.faults = GatewayFaults(clock=self.clock)
        self.gateway = self.faults.wrap(LedgerGateway(self.ledger, clock=self.clock))
        self.workflow = Workflow(
            storage=store_url, gateway=self.gateway, clock=self.clock, after_callback="later", observers=(self.witness,)
        )

    def alter(self, *calls: str, **wrong: Any) -> None:
        """Let the gateway put wrong values into each answer of some calls, or into each element of it."""

        def altered(call: GatewayCall) -> object:
            answer = call.deliver()
            if isinstance(answer, dict):
                return {key: attrs.evolve(one, **wrong) for key, one in answer.items()}
            if isinstance(answer, list):
                return [attrs.evolve(one, **wrong) for one in answer]
            return attrs.evolve(answer, **wrong)

        for name in calls:
            self.faults.intercept(name, altered, always=True)


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


@pytest.mark.parametrize("wrong", [*({"id": one} for one in NO_IDS), *({"sn": one} for one in NO_SNS)], ids=repr)
def test_nothing_that_a_gateway_answers_raises_after_filing(stage: Stage, wrong: dict[str, Any]) -> None:
    """A ticket without an identity is one that is looked up: by the next look it is bound."""
    stage.alter("create", "find_by_key", **wrong)

    change = stage.workflow.apply(subject=SUBJECT, **asked())

    assert (change.state, change.ticket) == (State.APPLYING, None)
    assert change.expect_attempt().phase is Phase.UNKNOWN
    stage.clock.advance(10)
    stage.workflow.reconcile()
    looked = stage.workflow.get(change.id)
    assert looked.state == State.APPLYING
    assert "GatewayProtocolError" in looked.expect_attempt().look_problem

    stage.faults.clear()
    stage.clock.advance(60)
    stage.workflow.reconcile()
    assert stage.workflow.get(change.id).state == State.PENDING
    assert len(stage.ledger.tickets()) == 1


@pytest.mark.parametrize("url", [EVIL, f"https://itsm.example.com/{EVIL}", "https://evil.example.org/", None, 7])
def test_an_address_that_may_not_be_shown_costs_the_ticket_nothing(stage: Stage, url: Any) -> None:  # noqa: ANN401 - anything
    """It is bound, without an address."""
    stage.alter("create", url=url)

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
def test_an_unusable_look_decides_nothing_and_is_reported(stage: Stage, wrong: dict[str, Any]) -> None:
    """The change is looked at again."""
    change = stage.workflow.apply(subject=SUBJECT, **asked())
    stage.alter("read", **{**OVER, "approve_result": True, **wrong})

    settled = stage.workflow.settle(change.id)

    assert settled.state == State.PENDING
    assert [type(error) for _, error in stage.witness.troubles] == [GatewayProtocolError]


def test_texts_of_a_look_are_stored_plain(stage: Stage) -> None:
    """NUL and lone surrogates would fail the store, and the change would never move."""
    change = stage.workflow.apply(subject=SUBJECT, **asked())
    texts: dict[str, Any] = dict.fromkeys(("word", "closed_by", "sn", "inconclusive"), EVIL)
    stage.alter("read", **OVER, **texts, approve_result=False)

    assert stage.workflow.settle(change.id).state == State.REJECTED
    seen = stage.workflow.history(change.id)[-1].evidence
    assert isinstance(seen, Snapshot)
    assert all(map(str.isprintable, (seen.word, seen.closed_by, seen.sn, seen.inconclusive)))


@pytest.mark.parametrize("wrong", [{"status": "running"}, {"ticket_id": EVIL}, {"approve_result": 0}], ids=repr)
def test_invalid_results_are_read_one_by_one(stage: Stage, wrong: dict[str, Any]) -> None:
    """A pass does not take a ticket as open because of them, and reads each ticket in full."""
    changes = [stage.workflow.apply(subject=f"s{number}", **asked()) for number in range(3)]
    stage.clock.advance(1)
    stage.gateway.run_due()
    for ticket in stage.ledger.newest_first():
        acting.decide(stage.ledger, ticket, "carol", approved=True, remark="")
    stage.alter("results", **wrong)
    stage.clock.advance(400)

    report = stage.workflow.reconcile()

    assert (report.due, report.moved) == (3, 3)
    assert [stage.workflow.get(one.id).state for one in changes] == [State.APPROVED] * 3


def test_invalid_entries_of_the_undelivered_list_do_not_affect_the_others(stage: Stage) -> None:
    """The valid numbers are looked at, ours among them."""
    change = stage.workflow.apply(subject=SUBJECT, **asked())
    stage.faults.answer("undelivered", [*NO_SNS, change.sn])

    assert stage.workflow.reconcile().undelivered == 1


@pytest.mark.parametrize("service", [EVIL, "", None, 17])
def test_an_invalid_service_is_refused_before_anything_is_stored(stage: Stage, service: object) -> None:
    """The error names the gateway as the cause."""
    stage.faults.answer("service", service)

    with pytest.raises(GatewayProtocolError, match="the gateway returned a service that is not plain text"):
        stage.workflow.apply(subject=SUBJECT, **asked())
    assert list(stage.workflow.find()) == []


def test_a_recorded_ticket_is_checked_as_well(stage: Stage) -> None:
    """Nothing is bound, and the error gives the reason."""
    stage.alter("create", "find_by_key", "find_by_sn", id="-5")
    change = stage.workflow.apply(subject=SUBJECT, **asked())

    with pytest.raises(GatewayError, match="its id is not 1 to 64 of the letters"):
        stage.workflow.record_ticket(change.id, sn=stage.ledger.tickets()[0].sn, actor="olga")
