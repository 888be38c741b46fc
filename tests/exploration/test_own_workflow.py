"""A workflow of a host's own is walked as the shipped one is, with its triggers and its invariants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.settle import Step
from itsm_workflow.testing.exploration import INVARIANTS, Act, Bounds, Sight, explore, operator_acts
from itsm_workflow.testing.exploration.acts import of_gateway
from itsm_workflow.testing.exploration.itsm import GATEWAY
from tests.support import workflows as zoo
from tests.support.examples import PENDING
from tests.support.workflows import Deployed, Stage, Verb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.testing.exploration.itsm import Filed

BOUNDS = Bounds(ticks=1, faults=1, acts=1)


def deployment(*sources: Stage) -> WorkflowDefinition:
    """Return the workflow that deploys from these states. Live does not grant, as the way may bypass the approval."""
    return zoo.deployment(zoo.deploy(sources=sources), grants={Stage.LIVE: False})


def acts(change: ChangeRequest, tickets: tuple[Filed, ...]) -> Iterator[Act]:
    """Yield the acts of an operator, and the host's deployment."""
    yield from operator_acts(change, tickets)
    yield Act("the host deploys", (Step(Verb.DEPLOY, Deployed(size=1)),))


def deployed_what_was_approved(sight: Sight) -> str | None:
    """Nothing is deployed without an approval."""
    if sight.change is None or sight.change.state != Stage.LIVE:
        return None
    return None if sight.ticket is not None and sight.ticket.approved else "it is live, and its ticket is not approved"


PROMISES = [*INVARIANTS, deployed_what_was_approved]


@pytest.mark.long
def test_a_workflow_that_goes_on_after_the_approval() -> None:
    """It is walked to its end, by a trigger of the host, and keeps its own promise."""
    lived = []

    def sees_it_live(sight: Sight) -> str | None:
        """Watch, and find nothing."""
        lived.append(sight.change is not None and sight.change.state == Stage.LIVE)
        return None

    found = explore(deployment(Stage.GRANTED), bounds=BOUNDS, acts=acts, invariants=[*PROMISES, sees_it_live])
    assert (found.complete, found.violations, found.bad_ends) == (True, (), ())
    assert any(lived)


def test_a_host_that_deploys_too_early() -> None:
    """The promise of the host is broken, and its sentence and the shortest way are shown."""
    found = explore(deployment(Stage.WAITING, Stage.GRANTED), bounds=BOUNDS, acts=acts, invariants=PROMISES)
    assert str(found.violations[0]).splitlines() == [
        "deployed_what_was_approved: Nothing is deployed without an approval.",
        "  broken after 4 steps: it is live, and its ticket is not approved",
        "   1. the host applies: the change and the mark of its send are stored  [filing, sending]",
        "   2. the gateway files ticket 1  [filing, sending]",
        "   3. a worker stores the answer: renumber, record_ticket  [waiting]",
        "   4. the host deploys: a worker reads the change; the decision is stored: deploy  [live]",
    ]
    assert found.complete is False


def test_the_effects_that_a_workflow_names_are_those_that_are_planned() -> None:
    """None has to be given for it, and there is none beside them."""
    planned = set[str]()

    def sees_effects(sight: Sight) -> str | None:
        """Watch, and find nothing."""
        planned.update(() if sight.change is None else (one.name for one in sight.change.effects))
        return None

    named = attrs.evolve(deployment(Stage.GRANTED), effects={Stage.GRANTED: ("order", "tell")})
    bounds = Bounds(ticks=0, faults=0, acts=0)
    found = explore(named, bounds=bounds, invariants=[*INVARIANTS, sees_effects])
    assert (found.violations, planned) == ((), {"order", "tell"})


def test_a_ticket_carries_the_name_of_the_gateway() -> None:
    """So that a guard of the host may read it."""
    names = set[str]()

    def sees_tickets(sight: Sight) -> str | None:
        """Watch, and find nothing."""
        if sight.change is not None and sight.change.ticket is not None:
            names.add(sight.change.ticket.gateway)
        return None

    promises = [*INVARIANTS, sees_tickets]
    found = explore(
        deployment(Stage.GRANTED), bounds=Bounds(ticks=0, faults=0, acts=0), invariants=promises, gateway="tracker"
    )
    assert (found.violations, names) == ((), {"tracker"})


def test_a_ticket_that_an_operator_records_carries_it_too() -> None:
    """The acts need not know the name."""
    recorded = ev.TicketConfirmed(
        gateway=GATEWAY, id="1", sn="REQ1", url="", key="K1", creator="alice", channel=ev.Channel.OPERATOR
    )

    def records(_change: ChangeRequest, _tickets: tuple[Filed, ...]) -> Iterator[Act]:
        yield Act("an operator records ticket 1", (Step(Trigger.RECORD_TICKET, recorded),))

    (act,) = of_gateway(records, "tracker")(PENDING, ())
    assert act.steps == (Step(Trigger.RECORD_TICKET, attrs.evolve(recorded, gateway="tracker")),)


def refuses(change: ChangeRequest, tickets: tuple[Filed, ...]) -> Iterator[Act]:
    """Yield the acts of an operator, and the host's refusal."""
    yield from operator_acts(change, tickets)
    yield Act("the host gives it up", (Step(Verb.DEPLOY, Deployed(size=1)),))


@pytest.mark.parametrize(("source", "broken"), [(Stage.GRANTED, []), (Stage.WAITING, ["rejection_is_real"])])
def test_a_host_that_refuses_after_the_approval_is_right(source: Stage, broken: list[str]) -> None:
    """The approved work may fail; while the ticket is open, it is wrong."""
    away = zoo.deploy(sources=(source,), dest=Stage.REFUSED)
    definition = zoo.deployment(zoo.deploy(trigger=Verb.PAUSE), away)
    found = explore(definition, bounds=Bounds(ticks=0, faults=0, acts=1), acts=refuses)
    assert [one.promise for one in found.violations] == broken
    assert Stage.REFUSED not in found.unreached.states
