"""A simulation and an audit over the model that the author of another gateway wrote."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from docs.examples.issue_tracker_system import Tracker, simulated
from itsm_workflow.audit import audit
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.policy import Policy
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing import Failure, SimulationFailed, TicketRecord, TicketSystem, simulate
from itsm_workflow.testing.simulation import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.testing.simulation.world import World

RARELY = Policy(poll=dt.timedelta(days=2))
"""Each look is a request over HTTP."""


class Undecided(Tracker):
    """A tracker whose reviewers' acts have no effect, since its author forgot them."""

    def approve(self, ticket_id: str, user: str) -> None:
        """Do nothing."""

    def reject(self, ticket_id: str, user: str) -> None:
        """Do nothing."""


class Lying(Undecided):
    """A tracker that shows every issue as approved to its gateway, although nobody decided."""

    def answer(self, method: str, path: str, body: dict[str, object]) -> tuple[int, object]:
        """Answer as ever, with the lie."""
        status, document = super().answer(method, path, body)
        if isinstance(document, dict) and "reviewers" in document:
            document = {**document, "state": "approved", "decided_by": document["reviewers"][0]}
        return status, document


@pytest.mark.long
def test_changes_live_in_the_authors_own_model() -> None:
    """Its issues are approved by its own people, and its changes carry its own name."""
    states: set[str] = set()
    keys: set[str] = set()
    audits = []

    def watches(world: World) -> Iterator[str]:
        """Look at the store and the issues."""
        rows = world.store.find(Query(workflow=world.host.definition.name)).rows
        states.update(row.state for row in rows)
        keys.update((row.ticket_key or "").partition(":")[0] for row in rows)
        audits.append(audit(world.store, world.system.ledger))
        yield from ()

    done = simulate(system=simulated, seeds=range(6), invariants=[watches])
    assert done.changes > 6
    assert {"approved", "rejected"} <= states
    assert keys <= {"tracker", ""}
    assert "tracker" in keys
    # The audit finds the issues by the name of the gateway, which it takes from the model.
    assert sum(report.tickets_created for report in audits) >= done.changes - len(states)
    assert [finding for report in audits for finding in report.findings if not finding.startswith("duplicate")] == []


@pytest.mark.long
def test_a_run_over_it_is_repeatable() -> None:
    """Its server has the time of the run, so the same seed stores the same."""
    one, other = (simulate(system=simulated, seeds=[3]) for _ in range(2))
    assert one == other


def test_a_simulation_in_which_nobody_decides() -> None:
    """It would prove nothing about approvals, and says so."""
    with pytest.raises(ValueError, match=r"^no person ever decided a ticket, so no approval was tested: \d changes"):
        simulate(system=Undecided, seeds=[1], faults=[], policy=RARELY)


def test_an_approval_that_the_model_does_not_know() -> None:
    """The audit goes by the model's own records, not by what its server answers."""
    with pytest.raises(SimulationFailed, match="approves, but in the ledger ticket 1 is running and not approved"):
        simulate(system=Lying, seeds=[1], faults=[], policy=RARELY)


@pytest.mark.parametrize("fault", [Failure.SUSPENDED, Fault(kind=Failure.CALLBACK_LOST, point="callback")])
def test_a_fault_that_cannot_strike_it_is_refused(fault: Failure | Fault) -> None:
    """It has no callbacks, and no people but those who decide."""
    with pytest.raises(ValueError, match="strikes only the model of BK-ITSM, and another system is simulated"):
        simulate(system=Tracker, seeds=[1], faults=[fault])  # type: ignore[arg-type]  # one of the two


def test_a_model_without_records_is_refused() -> None:
    """The class is named, with what it lacks."""

    class Closed(TicketSystem):
        url = "http://127.0.0.1:9"

        def __init__(self, _now: object) -> None:
            pass

        def gateway(self, url: str) -> TicketGateway:
            raise NotImplementedError(url)

        def tickets(self) -> Sequence[str]:
            return []

        def approve(self, ticket_id: str, user: str) -> None: ...

        def reject(self, ticket_id: str, user: str) -> None: ...

        def close(self) -> None: ...

    with pytest.raises(NotImplementedError, match=r"^Closed\.records: simulate and audit need it"):
        Closed(None).records()


def test_a_record_is_what_the_audit_reads() -> None:
    """Its values have names for what the ticket system says."""
    record = TicketRecord(id="1", tag="K", current_status=TicketStatus.RUNNING, approve_result=False)
    assert (record.current_status, record.title) == ("running", "")
