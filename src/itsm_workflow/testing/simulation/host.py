"""The subject of a simulation: a workflow, the effects of its states, and the acts of its host and people."""

from __future__ import annotations

import datetime as dt
import functools
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.policy import Policy
from itsm_workflow.runtime.effects import Effect
from itsm_workflow.storage.registry import backend_of
from itsm_workflow.testing.default_effects import default_effects
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.storage.protocol import StorageBackend
    from itsm_workflow.storage.registry import OpenableBackend
    from itsm_workflow.testing.gateway_conformance import TicketSystem
    from itsm_workflow.testing.simulation.world import World

ASKED: Mapping[str, Any] = MappingProxyType({"title": "simulated", "applicant": "alice", "approvers": ("carol",)})
"""The default form of every change."""

CALM = Policy(poll=dt.timedelta(hours=1))
"""The default policy: a waiting change is looked at every hour, so that a day takes milliseconds."""


@attrs.frozen(kw_only=True)
class HostAct:
    """An act of the host, or a person, on a change, carried out as soon as possible.

    Attributes:
        name: The name in the timeline.
        when: Returns whether the act is possible for a change now.
        do: Carries it out; if it raises an error of the library, it is tried again later, for 35 days of the run.
    """

    name: str
    when: Callable[[ChangeRequest], bool]
    do: Callable[[Workflow, ChangeRequest], object]


@attrs.frozen(kw_only=True)
class Host:
    """Everything in a run except for the faults and the seed.

    Attributes:
        definition: The workflow.
        effects: The effects of each state, or a function that returns them for each run.
        acts: The acts of the host or its people.
        policy: All timings.
        asked: The form of every change.
        invariants: Further checks of a finished run; each yields one sentence for each problem.
        storage: Makes the store of a run.
        gateway: Wraps the simulated gateway for a workflow.
        workflow: Makes a process's workflow.
        system: Makes the ticket system of a run; the model of BK-ITSM if omitted.
    """

    definition: WorkflowDefinition = COLLECTOR_CHANGE
    effects: Mapping[Any, Sequence[Effect]] | Callable[[], Mapping[Any, Sequence[Effect]]] | None = None
    acts: Sequence[HostAct] = ()
    policy: Policy = CALM
    asked: Mapping[str, Any] = ASKED
    invariants: Sequence[Callable[[World], Iterable[str]]] = ()
    storage: Callable[[], StorageBackend] | None = None
    gateway: Callable[[TicketGateway], TicketGateway] | None = None
    workflow: Callable[..., Workflow] = Workflow
    system: Callable[[Callable[[], dt.datetime]], TicketSystem] | None = None

    def make_effects(self) -> Mapping[str, Sequence[Effect]]:
        """Return the effects of one run; by default those of `default_effects`, which do nothing."""
        if self.effects is None:
            named = default_effects(self.definition).items()
            return {state: [Effect(name, lambda call: call.id) for name in names] for state, names in named}
        return self.effects() if callable(self.effects) else self.effects

    def make_storage(self) -> StorageBackend:
        """Return the store of one run."""
        return _memory().from_url("memory://") if self.storage is None else self.storage()


@functools.cache
def _memory() -> type[OpenableBackend]:
    """Return the backend's class: entry points are read once, not for every seed."""
    return backend_of("memory://")


def _has_parked(change: ChangeRequest) -> bool:
    return any(effect.status is EffectStatus.PARKED for effect in change.effects)


def _retry_parked(workflow: Workflow, change: ChangeRequest) -> None:
    for effect in change.effects:
        if effect.status is EffectStatus.PARKED:
            workflow.retry_effect(change.id, effect.id, actor="operator", reason="simulated")


def _is_not_found(change: ChangeRequest) -> bool:
    attention = change.attention
    undecided = {AttentionReason.NOT_FOUND, AttentionReason.LOOKUP_FAILED}
    return change.ticket is None and change.ended_at is None and attention is not None and attention.reason in undecided


def _decide_not_found(workflow: Workflow, change: ChangeRequest) -> None:
    """Send again or abandon, depending on the change's id: an operator may do either."""
    found = change.attention is not None and change.attention.reason is AttentionReason.NOT_FOUND
    if found and change.expect_attempt().number == 1 and change.id[-1] in "02468ACEGJMPRTWY":
        workflow.resend(change.id, actor="operator", reason="simulated")
    else:
        workflow.abandon(change.id, actor="operator", reason="simulated")


def _cannot_be_shown(change: ChangeRequest) -> bool:
    attention = change.attention
    unread = {AttentionReason.AMBIGUOUS_SN, AttentionReason.INCONCLUSIVE}
    return change.ended_at is None and attention is not None and attention.reason in unread


def _attest(workflow: Workflow, change: ChangeRequest) -> None:
    workflow.attest_approval(
        change.id,
        ticket_id=change.expect_ticket().id,
        approver="an approver",
        evidence="the page of the ticket, simulated",
        actor="operator",
    )


OPERATOR = (
    HostAct(name="retries a parked effect", when=_has_parked, do=_retry_parked),
    HostAct(name="decides on a ticket that was not found", when=_is_not_found, do=_decide_not_found),
    HostAct(name="attests an approval that the gateway cannot show", when=_cannot_be_shown, do=_attest),
)
"""The acts of an operator in every run."""
