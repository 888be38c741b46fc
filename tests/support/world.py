"""A ticket system and a store in memory, a clock that the test advances, and the workflows opened over them."""

from __future__ import annotations

import datetime as dt
import json
from random import Random
from typing import TYPE_CHECKING, Any

from itsm_workflow import Effect, Policy, State, Workflow
from itsm_workflow.audit import AuditReport, Delivery, audit
from itsm_workflow.sandbox import acting
from itsm_workflow.sandbox.ledger import Ledger
from itsm_workflow.testing.gateway_faults import GatewayFaults
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from itsm_workflow.testing.manual_clock import ManualClock
from itsm_workflow_backends.memory import MemoryBackend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.runtime.effects import EffectCall
    from itsm_workflow.sandbox.behaviour import Behaviour
    from itsm_workflow.sandbox.ticket import Ticket
    from itsm_workflow.storage.protocol import StorageBackend

TOGETHER = Policy(not_started=dt.timedelta(minutes=10))
"""A policy by which no ticket is read in full only to see whether it started: the batch of results is enough."""

APPROVER = "carol"
EFFECTS = {State.APPROVED.value: ["start"]}
AFTER_START = 1.0
"""The seconds until a ticket's flow runs, or until a decision has taken effect."""


class World:
    """The ticket system, the store and the clock of one run, in one process and without a network.

    Args:
        seed: The seed of ids and random choices.
        store: The store; by default in memory.
        behaviour: The behaviour of the ticket system.
        gateway: The gateway between the ticket system and the workflows; ``faults`` are those of its calls.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        store: StorageBackend | None = None,
        behaviour: Behaviour | None = None,
        gateway: type[LedgerGateway] = LedgerGateway,
    ) -> None:
        self.random = Random(seed)
        self.clock = ManualClock()
        self.ledger = Ledger(clock=self.clock.peek, random=Random(seed), behaviour=behaviour)
        self.faults = GatewayFaults(clock=self.clock)
        self.gateway = self.faults.wrap(gateway(self.ledger, clock=self.clock))
        self.store: StorageBackend = store or MemoryBackend()
        self.deliveries: list[Delivery] = []
        self.asked: list[str] = []

    def workflow(self, **options: Any) -> Workflow:
        """Open a workflow, as a new process does."""
        values: dict[str, Any] = {
            "effects": {State.APPROVED: [Effect("start", self._start)]},
            "after_callback": "inline",
            "clock": self.clock,
            "entropy": self.random.randbytes,
            **options,
        }
        return Workflow(storage=self.store, gateway=self.gateway, **values)

    def apply(self, workflow: Workflow, subject: str = "collector-1") -> ChangeRequest:
        """File a change."""
        self.asked.append(subject)
        return workflow.apply(subject=subject, title="接入日志", applicant="alice", approvers=[APPROVER])

    def start_flow(self) -> None:
        """Let each ticket's flow reach its approval step."""
        self.clock.advance(AFTER_START)
        self.gateway.run_due()

    def decide(self, ticket: Ticket, *, approved: bool) -> None:
        """Let the approver decide, and advance the clock until the decision takes effect."""
        acting.decide(self.ledger, ticket, APPROVER, approved=approved, remark="")
        self.clock.advance(AFTER_START)

    def approved(self, workflow: Workflow) -> ChangeRequest:
        """File a change and let its ticket be approved, before a callback or a look."""
        change = self.apply(workflow)
        self.start_flow()
        self.decide(self.ticket_of(change), approved=True)
        return change

    def reconcile_for(self, workflow: Workflow, *, hours: int) -> None:
        """Advance the clock in steps of ten minutes, and at each deliver the callbacks and reconcile."""
        for _ in range(hours * 6):
            self.clock.advance(600)
            self.gateway.deliver(workflow.receive)
            workflow.reconcile()

    def ticket_of(self, change: ChangeRequest) -> Ticket:
        """Return the ticket that a change is bound to."""
        return self.ledger.by_id(int(change.expect_ticket().id))

    def knock(self, workflow: Workflow, change: ChangeRequest, *, number: int = 1, **facts: object) -> int:
        """Send an authentic callback about a change, with whatever facts, and return the status of the answer."""
        url, headers = address_of(workflow, change.id, number)
        body = {**callback_facts(change), **facts}
        path = "/" + url.split("://", 1)[-1].partition("/")[2]
        return workflow.receive(method="POST", path=path, headers=headers, body=json.dumps(body).encode()).status

    def audit(self, **given: Any) -> AuditReport:
        """Compare the store with what the ticket system knows."""
        values = {"asked": self.asked, "effects_expected": EFFECTS, "deliveries": self.deliveries, **given}
        return audit(self.store, self.ledger, **values)

    def check(self, **given: Any) -> None:
        """Fail unless the audit finds nothing."""
        report = self.audit(**given)
        assert report.findings == ()

    def _start(self, call: EffectCall) -> None:
        self.deliveries.append(Delivery(effect=call.id, name=call.name, change=call.change.id))


def address_of(workflow: Workflow, change_id: str, number: int = 1) -> tuple[str, dict[str, str]]:
    """Return the URL of an attempt's callbacks, and their headers."""
    url, headers = workflow._addresses.make(change_id, number)
    assert url is not None
    return url.reveal(), {name: value.reveal() for name, value in headers.items()}


def callback_facts(change: ChangeRequest, **facts: object) -> Mapping[str, object]:
    """Return the nine facts of a callback that reports the change's ticket as approved."""
    return {
        "title": change.form.title,
        "current_status": "FINISHED",
        "sn": change.sn or "REQ0",
        "ticket_url": "http://itsm.example.com/#/ticket/1",
        "update_at": "2026-03-02 16:00:00",
        "updated_by": "alice,carol",
        "approve_result": True,
        "token": "a-token-of-the-server",
        "last_approver": APPROVER,
        **facts,
    }


def times(workflow: Workflow, change: ChangeRequest, trigger: str) -> int:
    """Return the number of times that a trigger is in the change's history."""
    return sum(entry.trigger == trigger for entry in workflow.history(change.id))
