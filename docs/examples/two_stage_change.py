"""A change in two stages: after its approval it is provisioned, then verified; it ends live or rolled back.

The approval is the library's. The work takes minutes and happens elsewhere: effects start jobs on a platform, the
platform reports what came of them, and only a report moves the change on.
"""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import attrs

from itsm_workflow import Effect, Roles, Transition, TransitionRefused, Workflow, approval_workflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow import ChangeRequest, EffectCall, Facts


# ---------------------------------------------------------------- words


class State(enum.StrEnum):
    """The states of a change. The names are stored: choose them once."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    REFUSED = "refused"
    PROVISIONING = "provisioning"
    VERIFYING = "verifying"
    LIVE = "live"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"


class Trigger(enum.StrEnum):
    """The triggers that the platform's reports fire."""

    PROVISION = "provision"
    VERIFY = "verify"
    FAIL = "fail"
    ROLL_BACK = "roll_back"


@attrs.frozen(kw_only=True)
class Provisioned:
    """Evidence: the first job is done. A job's id is the id of the effect that started it."""

    effect: str
    address: str


@attrs.frozen(kw_only=True)
class Verified:
    """Evidence: the second job has run its checks."""

    effect: str
    passed: int
    failed: int


@attrs.frozen(kw_only=True)
class Failed:
    """Evidence: a job has ended without doing its work."""

    effect: str
    problem: str


@attrs.frozen(kw_only=True)
class RolledBack:
    """Evidence: the change was removed completely."""

    effect: str


Report: TypeAlias = Provisioned | Verified | Failed | RolledBack
TRIGGERS: Mapping[type[Report], Trigger] = {
    Provisioned: Trigger.PROVISION,
    Verified: Trigger.VERIFY,
    Failed: Trigger.FAIL,
    RolledBack: Trigger.ROLL_BACK,
}


# ---------------------------------------------------------------- guards and updates


def is_of_this_job(facts: Facts) -> str | None:
    """Accept only a report of the job that this state has started: a report of an earlier job is late."""
    reported, running = getattr(facts.evidence, "effect", ""), facts.change.effects[-1:]
    return None if running and running[0].id == reported else f"job {reported} is not the one that is running"


def is_healthy(facts: Facts) -> str | None:
    """Accept the report if checks were made and all of them passed."""
    checks = facts.expect(Verified)
    if checks.failed or checks.passed < 1:
        return f"{checks.failed} checks failed, {checks.passed} passed"
    return is_of_this_job(facts)


def is_broken(facts: Facts) -> str | None:
    """Accept the report if a check failed. Without any check, neither guard accepts it, and the state stays."""
    return is_of_this_job(facts) if facts.expect(Verified).failed else "no check failed"


def with_the_address(facts: Facts) -> ChangeRequest:
    """Store the address in `data`, which belongs to the host."""
    return attrs.evolve(facts.change, data={**facts.change.data, "address": facts.expect(Provisioned).address})


def with_the_problem(facts: Facts) -> ChangeRequest:
    """Store the reason of the rollback."""
    seen = facts.evidence
    problem = seen.problem if isinstance(seen, Failed) else f"{facts.expect(Verified).failed} checks failed"
    return attrs.evolve(facts.change, data={**facts.change.data, "problem": problem})


# ---------------------------------------------------------------- the table

ROLES = Roles(
    asking=State.FILING,
    waiting=State.WAITING,
    undelivered=State.UNDELIVERED,
    granted=State.PROVISIONING,  # the work begins with the approval
    refused=State.REFUSED,
)
S, T, row = State, Trigger, Transition  # a table reads better with short names

# fmt: off
TWO_STAGE_CHANGE = approval_workflow(
    "two_stage_change", states=S, roles=ROLES,
    transitions=(
        row(trigger=T.PROVISION, sources=(S.PROVISIONING,), dest=S.VERIFYING, evidence=Provisioned,
            guard=is_of_this_job, update=with_the_address, note="it is there"),
        row(trigger=T.VERIFY, sources=(S.VERIFYING,), dest=S.LIVE, evidence=Verified,
            guard=is_healthy, note="it works"),
        row(trigger=T.VERIFY, sources=(S.VERIFYING,), dest=S.ROLLING_BACK, evidence=Verified,
            guard=is_broken, update=with_the_problem, note="it does not work"),
        row(trigger=T.FAIL, sources=(S.PROVISIONING, S.VERIFYING), dest=S.ROLLING_BACK, evidence=Failed,
            guard=is_of_this_job, update=with_the_problem, note="the job did not do it"),
        row(trigger=T.ROLL_BACK, sources=(S.ROLLING_BACK,), dest=S.ROLLED_BACK, evidence=RolledBack,
            guard=is_of_this_job, note="nothing is left of it"),
    ),
    grants={  # the approval alone does not count: the change must work
        S.LIVE: True,
        S.PROVISIONING: False, S.VERIFYING: False, S.ROLLING_BACK: False, S.ROLLED_BACK: False,
    },
)
# fmt: on


# ---------------------------------------------------------------- the host


class Platform(Protocol):
    """The system that does the work. It ignores a job whose id it knows, since an effect runs at least once."""

    def start(self, job: str, work: str, change: ChangeRequest) -> None:
        """Start a job, or raise if that cannot be done now."""
        ...


def effects(platform: Platform) -> Mapping[str, Sequence[Effect]]:
    """Return the effects of each state: each starts a job whose id is the effect's."""

    def start(call: EffectCall) -> None:
        if call.id == call.change.effects[-1].id:  # a late repetition starts nothing: its stage is over
            platform.start(call.id, call.name, call.change)

    return {
        State.PROVISIONING: [Effect("provision", start)],
        State.VERIFYING: [Effect("verify", start)],
        State.ROLLING_BACK: [Effect("roll_back", start)],
    }


def open_workflow(platform: Platform, **options: Any) -> Workflow:
    """Return the workflow; the options are the store, the gateway and so on."""
    return Workflow(definition=TWO_STAGE_CHANGE, effects=effects(platform), **options)


def take(workflow: Workflow, change_id: str, report: Report) -> str:
    """Fire the trigger of a report, and return why it was refused; empty if it was accepted."""
    try:
        workflow.fire(change_id, TRIGGERS[type(report)], report, actor="platform")
    except TransitionRefused as refused:
        return refused.reason
    return ""


def silent(workflow: Workflow, patience: dt.timedelta = dt.timedelta(hours=1)) -> Iterator[ChangeRequest]:
    """Yield the changes whose platform has not reported for too long, for a page or an alarm."""
    return workflow.find(states=[State.PROVISIONING, State.VERIFYING, State.ROLLING_BACK], older_than=patience)
