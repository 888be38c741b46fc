"""The small model of the ticket system agrees with the sandbox's ledger, which serves the same rules over HTTP."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.change import Attempt, Form, Phase, Ticket
from itsm_workflow.gateway.protocol import Created, CreateRequest
from itsm_workflow.machine.approval_rule import ApprovalPolicy, Doubt
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.sandbox import acting
from itsm_workflow.sandbox.behaviour import Behaviour
from itsm_workflow.sandbox.ledger import Ledger
from itsm_workflow.sandbox.refusals import Refusal
from itsm_workflow.sandbox.ticket import FlowPhase
from itsm_workflow.testing.exploration.itsm import CREATOR, GATEWAY, Desk, Itsm, filed
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support.long import long_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.sandbox.ticket import Outgoing

DELAY = 60.0
TOLD = {
    "start": "the flow of ticket 1 starts",
    "approve": "ticket 1 is approved",
    "refuse": "ticket 1 is refused",
    "terminate": "ticket 1 is terminated",
    "withdraw": "ticket 1 is withdrawn by its creator",
    "suspend": "ticket 1 is suspended",
    "resume": "ticket 1 is resumed",
}
APPROVER = "bob"


class Real:
    """One ticket in the ledger."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        behaviour = Behaviour(start_delay=DELAY, decision_delay=0.0)
        self.ledger = Ledger(clock=self.clock.peek, random=random.Random(1), behaviour=behaviour)
        self.gateway = LedgerGateway(self.ledger, clock=self.clock)
        form = Form(title="a change", applicant=CREATOR, approvers=(APPROVER,))
        attempt = Attempt(
            key="K1",
            number=1,
            phase=Phase.SENDING,
            creator=CREATOR,
            service=self.gateway.service(),
            owner="a",
            submitted_at=self.clock.now(),
        )
        asked = CreateRequest(
            form=form, attempt=attempt, callback_url="https://host.example.com/1", callback_headers={}
        )
        created = self.gateway.create(asked)
        assert isinstance(created, Created)
        self.id = int(created.id)
        self.ticket = Ticket(
            gateway=GATEWAY, id=created.id, sn=created.sn, url="", channel="answer", recorded_at=self.clock.now()
        )
        self.called: list[Outgoing] = []

    def act(self, name: str) -> bool:
        """Do that to the ticket, and return whether the ledger let it be done."""
        ticket = self.ledger.by_id(self.id)
        if name == "start":
            can = ticket.phase in {FlowPhase.CREATED, FlowPhase.SUBMITTING}
            self.clock.advance(DELAY)
        else:
            can = self._done(name)
        self.called += self.gateway.run_due()
        return can

    def looks(self) -> tuple[object, ...]:
        """Return what a look shows and means."""
        return meaning(self.gateway.read(self.ticket))

    def calls(self) -> list[tuple[str, bool]]:
        """Return what the callbacks so far say."""
        return sorted((one.body["current_status"].lower(), one.body["approve_result"]) for one in self.called)

    def _done(self, name: str) -> bool:
        ledger, ticket = self.ledger, self.ledger.by_id(self.id)
        try:
            if name in {"approve", "refuse"}:
                acting.decide(ledger, ticket, APPROVER, approved=name == "approve", remark="")
            elif name == "withdraw":
                self.called += acting.withdraw(ledger, ticket, CREATOR)
            elif name == "terminate":
                self.called += acting.terminate(ledger, ticket, APPROVER)
            else:
                {"suspend": acting.suspend, "resume": acting.resume}[name](ledger, ticket, APPROVER)
        except Refusal:
            return False
        return True


class Model:
    """The same ticket in the small model."""

    def __init__(self) -> None:
        self.itsm = Itsm()
        self.desk = filed(Desk(), "K1", 1)

    def act(self, name: str) -> bool:
        """Do that to the ticket, and return whether it can be done."""
        can: Mapping[str, Desk] = {one.text: one.desk for one in self.itsm.happenings(self.desk)}
        if TOLD[name] not in can:
            return False
        self.desk = can[TOLD[name]]
        return True

    def looks(self) -> tuple[object, ...]:
        """Return what a look shows and means."""
        return meaning(self.itsm.snapshot(self.desk, "1", decision_field=None)[0])

    def calls(self) -> list[tuple[str, bool]]:
        """Return what the callbacks so far say."""
        return sorted((one.status.value, one.approved) for one in self.desk.mail)


def meaning(snapshot: Snapshot) -> tuple[object, ...]:
    """Return a look's facts that do not depend on the moment, and what they mean, in doubt or not."""
    judged = ApprovalPolicy().judge(snapshot)
    means = judged.reason if isinstance(judged, Doubt) else judged
    deciders = [(one.user, one.approved) for one in snapshot.deciders]
    return snapshot.status, snapshot.result_status, snapshot.approve_result, snapshot.ambiguous, deciders, means


@pytest.mark.parametrize("first", long_after(2, TOLD))
def test_a_ticket_lives_the_same_life_in_both(first: str) -> None:
    """Whatever is done to it: the same can be done, a look means the same, and the same callbacks are sent."""
    for others in itertools.product(TOLD, repeat=3):
        real, model = Real(), Model()
        for act in (first, *others):
            if act == "suspend" and real.looks()[0] is TicketStatus.SUSPENDED:
                continue  # twice it succeeds, and no resume helps then; in the model a ticket may stay so anyway
            assert (act, real.act(act)) == (act, model.act(act))
            assert real.looks() == model.looks()
            assert real.calls() == model.calls()
