"""A workflow over a ticket system, a store and a clock in memory, and hooks to interfere between calls."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow import Workflow, open_storage
from itsm_workflow.sandbox import acting
from itsm_workflow.sandbox.ledger import Ledger
from itsm_workflow.storage.protocol import Write
from itsm_workflow.testing.gateway_faults import GatewayFaults
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support.places import SparseStore, WatchedStore, Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow import ChangeRequest, EffectCall
    from itsm_workflow.form import FormArguments
    from itsm_workflow.sandbox.ticket import Outgoing

SUBJECT = "collector-42"
ASKED: FormArguments = {"title": "接入 nginx 日志", "applicant": "alice", "approvers": ("carol", "dave")}


class Desk:
    """Everything around the workflows of one test."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.witness = Witness()
        self.ledger = Ledger(clock=self.clock.now, random=Random(7))
        self.faults = GatewayFaults(clock=self.clock)
        self.gateway = self.faults.wrap(LedgerGateway(self.ledger, clock=self.clock, **options))
        self.store = WatchedStore(open_storage("memory://"))

    def workflow(self, **options: Any) -> Workflow:
        """Open a workflow; a change is settled later than its callback unless an option says otherwise."""
        values: dict[str, Any] = {
            "storage": self.store,
            "gateway": self.gateway,
            "clock": self.clock,
            "observers": (self.witness,),
            "after_callback": "later",
            **options,
        }
        return Workflow(**values)

    def sparse(self) -> Workflow:
        """Open a workflow on a store whose pages may be empty before the last one."""
        self.store = SparseStore(self.store.inner)
        return self.workflow()

    def hide_tickets(self) -> None:
        """Lose the answer to each create, and let the search by key find nothing yet."""
        self.faults.lose_answer("create", always=True)
        self.faults.answer("find_by_key", (), always=True)

    def pass_time(self, seconds: float = 1.0) -> list[Outgoing]:
        """Advance the clock, and return the callbacks that were sent meanwhile."""
        self.clock.advance(seconds)
        return self.gateway.run_due()

    def decide(self, change: ChangeRequest, *, approved: bool = True) -> Outgoing:
        """Let the first approver decide the change's ticket, and return the callback about it."""
        self.pass_time()
        ticket = self.ledger.by_id(int(change.expect_ticket().id))
        acting.decide(self.ledger, ticket, "carol", approved=approved, remark="")
        [callback] = self.pass_time()
        return callback

    def race(self, change_id: str) -> None:
        """Write the change as another worker would: only its version changes."""
        row = self.store.get(change_id)
        assert row is not None
        touched = attrs.evolve(row, version=row.version + 1, form=None)
        assert self.store.inner.commit([Write(row=touched, expected_version=row.version, entries=())]) == [None]

    def before_next_write(self, act: Callable[[], object]) -> None:
        """Call a function just before the next write."""

        def step_in(writes: Sequence[Write]) -> None:
            if writes:
                self.store.before = lambda _: None
                act()

        self.store.before = step_in

    def race_once(self, change_id: str) -> None:
        """Let another worker write the change just before the next write."""
        self.before_next_write(lambda: self.race(change_id))

    def race_always(self, change_id: str) -> None:
        """Let another worker write the change just before every commit."""
        self.store.before = lambda _: self.race(change_id)


class Work:
    """An effect of a host that records its calls, and calls a function of the test."""

    def __init__(self, meanwhile: Callable[[], object] = int) -> None:
        self.calls: list[EffectCall] = []
        self.meanwhile = meanwhile

    def __call__(self, call: EffectCall) -> None:
        """Deliver the effect."""
        self.calls.append(call)
        self.meanwhile()
