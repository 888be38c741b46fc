"""The author of a workflow: its table, guards and updates, its effects, and the tools that check it."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, assert_type

import attrs

from itsm_workflow import (
    COLLECTOR_CHANGE,
    ApprovalPolicy,
    ChangeRequest,
    Effect,
    Facts,
    Roles,
    State,
    Transition,
    TransitionRefused,
    Workflow,
    WorkflowDefinition,
    approval_workflow,
    open_storage,
)
from itsm_workflow.change import AttentionReason
from itsm_workflow.lint import lint
from itsm_workflow.machine import Concern
from itsm_workflow.pictures import Graph
from itsm_workflow.settle import Step
from itsm_workflow.testing import (
    INVARIANTS,
    Act,
    Bounds,
    Failure,
    Fault,
    Filed,
    HostAct,
    ManualClock,
    MemorySandbox,
    Sight,
    WorkflowMachine,
    explore,
    operator_acts,
    simulate,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow import EffectCall, Policy


class Stage(enum.StrEnum):
    """The states."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    GRANTED = "granted"
    LIVE = "live"
    REFUSED = "refused"


class Verb(enum.StrEnum):
    """The author's own triggers."""

    DEPLOY = "deploy"


@attrs.frozen(kw_only=True)
class Deployed:
    """The evidence of a deployment."""

    host: str
    healthy: bool


def is_healthy(facts: Facts) -> str | None:
    """Return why the deployment is refused, or None."""
    deployed = facts.expect(Deployed)
    assert_type(deployed, Deployed)
    return None if deployed.healthy else "it does not answer yet"


def with_host(facts: Facts) -> ChangeRequest:
    """Return the change with the host in its data."""
    return attrs.evolve(facts.change, data={**facts.change.data, "host": facts.expect(Deployed).host})


def deployed_soon(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
    """Return when to look at an approved change."""
    return None if looked else max(change.updated_at, now) + policy.poll


def deployment() -> WorkflowDefinition:
    """Build the definition from variables whose types are inferred."""
    grants = {Stage.LIVE: True}
    labels = {stage: {"en": stage.value.capitalize()} for stage in Stage}
    effects = {Stage.GRANTED: ("order",)}
    due_rules = {Stage.GRANTED: deployed_soon}
    deploy = Transition(
        trigger=Verb.DEPLOY,
        sources=(Stage.GRANTED,),
        dest=Stage.LIVE,
        evidence=Deployed,
        guard=is_healthy,
        update=with_host,
    )
    definition = approval_workflow(
        "deployment",
        states=Stage,
        roles=Roles(
            asking=Stage.FILING,
            waiting=Stage.WAITING,
            undelivered=Stage.UNDELIVERED,
            granted=Stage.GRANTED,
            refused=Stage.REFUSED,
        ),
        transitions=[deploy],
        grants=grants,
        labels=labels,
        effects=effects,
        due_rules=due_rules,
        approval=ApprovalPolicy(decision_field="approval_result"),
    )
    Transition(trigger=Verb.DEPLOY, sources=(), dest=None, evidence=Deployed, guard=with_host)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # an update is not a guard
    approval_workflow("deployment", states=Stage, roles="approval")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # no Roles
    return definition


def order(call: EffectCall) -> None:
    """Order what was approved."""
    call.change.data.get("host")


def live(definition: WorkflowDefinition) -> str:
    """Run one change through the workflow, in memory."""
    clock = ManualClock()
    sandbox = MemorySandbox(clock=clock)
    effects = {Stage.GRANTED: [Effect("order", order)]}
    workflow = Workflow(
        storage=open_storage("memory://"),
        gateway=sandbox.gateway,
        definition=definition,
        effects=effects,
        after_callback="inline",
        clock=clock,
    )
    sandbox.receive = workflow.receive
    change = workflow.apply(subject="shop", title="Deploy", applicant="alice", approvers=("bob",))
    if change.sn is not None:
        sandbox.approve(change.sn)
    try:
        change = workflow.fire(change.id, Verb.DEPLOY, Deployed(host="a", healthy=True), actor="robot")
    except TransitionRefused as refused:
        return f"{refused.state} {refused.trigger} {refused.reason} {', '.join(refused.allowed)}"
    concern = Concern(reason=AttentionReason.HOST, facts={"deployment": "late"})
    change = workflow.fire(change.id, "raise_attention", concern, actor="robot")
    graph = workflow.graph(change.id)
    assert_type(graph, Graph)
    assert_type(workflow.timeline(change.id).svg(language="zh"), str)
    assert_type(workflow.sequence(change.id).mermaid(), str)
    return f"{graph:mermaid}"


def acts(change: ChangeRequest, tickets: tuple[Filed, ...]) -> Iterator[Act]:
    """Yield the acts of the host and of an operator."""
    yield from operator_acts(change, tickets)
    yield Act("the host deploys", (Step(Verb.DEPLOY, Deployed(host="db-7", healthy=True)),))


def deployed_what_was_approved(sight: Sight) -> str | None:
    """Nothing is deployed without an approval."""
    if sight.change is None or sight.change.state != Stage.LIVE or (sight.ticket and sight.ticket.approved):
        return None
    return "it is live, and its ticket is not approved"


class Deployments(WorkflowMachine):
    """A property test of the workflow; its effects are a method."""

    definition = deployment()

    def effects(self) -> Mapping[str, Sequence[Effect]]:
        """Return the effects of this machine."""
        return {Stage.GRANTED: [Effect("order", order)]}


def check(definition: WorkflowDefinition) -> bool:
    """Check the workflow by every tool."""
    report = lint(definition)
    found = explore(
        definition,
        bounds=Bounds(ticks=1, faults=1, acts=1),
        acts=acts,
        invariants=[*INVARIANTS, deployed_what_was_approved],
    )
    clear = HostAct(
        name="looks at what is marked",
        when=lambda change: change.attention is not None,
        do=lambda workflow, change: workflow.clear_attention(change.id, actor="bob"),
    )
    effects = {State.APPROVED: [Effect("start", print)]}
    simulate(COLLECTOR_CHANGE, seeds=range(5), effects=effects, acts=[clear], faults=[Failure.CRASH_BEFORE])
    simulate(seeds=[1], faults=[Fault(kind=Failure.ANSWER_LOST, point="create")], effects=lambda: effects)
    return found.holds and not report.findings
