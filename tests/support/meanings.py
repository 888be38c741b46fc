"""Workflows whose tables are well formed, and whose meaning is wrong, with right ones that look like them."""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow import Exemption, Roles, Transition, Trigger, approval_workflow
from itsm_workflow.change import EffectStatus
from itsm_workflow.machine import effect_updates, guards, updates
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.definition import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import ChangeRequest, Facts, WorkflowDefinition


class Stage(enum.StrEnum):
    """The states of an order of machines, which may fail after its approval."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    GRANTED = "granted"
    FAILED = "failed"
    LIVE = "live"
    REFUSED = "refused"


class Verb(enum.StrEnum):
    """The triggers of the host."""

    DEPLOY = "deploy"
    FAIL = "fail"
    RETRY = "retry"
    REOPEN = "reopen"
    STOP = "stop"
    NOTE = "note"
    COUNT = "count"
    ORDER = "order"
    TELL = "tell"
    CHECK = "check"
    SPREAD = "spread"


class LikeTheLibrary(enum.StrEnum):
    """Triggers of a host that have names of the library's triggers."""

    RESUME = "resume"


@attrs.frozen(kw_only=True)
class Job:
    """A report of a job."""

    host: str
    healthy: bool = True


@attrs.frozen(kw_only=True)
class Checks:
    """A report of checks."""

    passed: int
    failed: int


@attrs.frozen(kw_only=True)
class Build:
    """A report of a build."""

    number: int
    finished_at: dt.datetime


@attrs.frozen(kw_only=True)
class Hosts:
    """A report of the hosts that are in use."""

    hosts: tuple[str, ...]


ROLES = Roles(
    asking=Stage.FILING,
    waiting=Stage.WAITING,
    undelivered=Stage.UNDELIVERED,
    granted=Stage.GRANTED,
    refused=Stage.REFUSED,
)
GRANTS = {Stage.LIVE: True, Stage.FAILED: False}
LOGGED = 20


def noted(facts: Facts) -> ChangeRequest:
    """Store the host."""
    return attrs.evolve(facts.change, data={**facts.change.data, "host": facts.expect(Job).host})


def logged(facts: Facts) -> ChangeRequest:
    """Add the host to a list without end."""
    return _with_log(facts, [*_log(facts), facts.expect(Job).host])


def logged_at_most(facts: Facts) -> ChangeRequest:
    """Add the host to a list of the newest ones."""
    return _with_log(facts, [*_log(facts), facts.expect(Job).host][-LOGGED:])


def tallied(facts: Facts) -> ChangeRequest:
    """Count the reports."""
    count = facts.change.data.get("count", 0)
    return attrs.evolve(facts.change, data={**facts.change.data, "count": count + 1 if isinstance(count, int) else 0})


def ordered(facts: Facts) -> ChangeRequest:
    """Plan an order each time."""
    return effect_updates.planned(facts.change, "order", facts.now, facts.actor)


def has_no_second_try(facts: Facts) -> str | None:
    """Raise once the ticket is sent for the second time."""
    attempt = facts.change.attempt
    return {1: None}[attempt.number if attempt else 1]


def has_no_parked_effect(facts: Facts) -> str | None:
    """Raise once an effect needs a person."""
    return {False: None}[any(one.status is EffectStatus.PARKED for one in facts.change.effects)]


def logged_if_many_failed(facts: Facts) -> ChangeRequest:
    """Add to a list without end, in one of two branches."""
    failed = facts.expect(Checks).failed
    return _with_log(facts, [*_log(facts), failed] if failed > LOGGED else _log(facts))


def keyed_by_number(facts: Facts) -> ChangeRequest:
    """Add a key for each build."""
    return _with_key(facts, f"build-{facts.expect(Build).number}")


def keyed_by_end(facts: Facts) -> ChangeRequest:
    """Add a key for each end of a build."""
    return _with_key(facts, facts.expect(Build).finished_at.isoformat())


def keyed_by_day(facts: Facts) -> ChangeRequest:
    """Add a key for each day."""
    return _with_key(facts, facts.now.date().isoformat())


def keyed_by_person(facts: Facts) -> ChangeRequest:
    """Add a key for each person, or each job of a pipeline, that fires the trigger."""
    return _with_key(facts, f"by-{facts.actor}")


def keyed_by_each_host(facts: Facts) -> ChangeRequest:
    """Add a key for each host of a list."""
    hosts = facts.expect(Hosts).hosts
    return attrs.evolve(facts.change, data={**facts.change.data, **dict.fromkeys(hosts, True)})


def keyed_by_newest_number(facts: Facts) -> ChangeRequest:
    """Keep the key of the newest build alone."""
    build = facts.expect(Build)
    return attrs.evolve(
        facts.change, data={**facts.change.data, "builds": {str(build.number): build.finished_at.isoformat()}}
    )


def with_as_many_places(facts: Facts) -> ChangeRequest:
    """Keep as many values as the number of the newest build."""
    return attrs.evolve(facts.change, data={**facts.change.data, "places": list(range(facts.expect(Build).number))})


def is_old(facts: Facts) -> str | None:
    """Require a change that has waited for two months."""
    return None if facts.now >= facts.change.created_at + dt.timedelta(days=60) else "it can wait"


def has_mostly_passed(facts: Facts) -> str | None:
    """Compare two fields with each other."""
    checks = facts.expect(Checks)
    return None if checks.passed > checks.failed else "more failed"


def has_failed_often(facts: Facts) -> str | None:
    """Compare one of them with a limit."""
    return None if facts.expect(Checks).failed > 10 else "few failed"


def has_three(facts: Facts) -> str | None:
    """Count what a list holds."""
    return None if len(facts.expect(Hosts).hosts) >= 3 else "they are too few"


def has_the_spare(facts: Facts) -> str | None:
    """Look for one value in the list."""
    return None if "spare" in facts.expect(Hosts).hosts else "the spare is not in use"


def row(trigger: enum.StrEnum, source: Stage, dest: Stage | None, **values: Any) -> Transition:
    """Return a row of the host."""
    return Transition(trigger=trigger, sources=(source,), dest=dest, **{"evidence": Job, "update": noted, **values})


WORK = (row(Verb.DEPLOY, Stage.GRANTED, Stage.LIVE), row(Verb.FAIL, Stage.GRANTED, Stage.FAILED))
STOP = row(Verb.STOP, Stage.FAILED, Stage.REFUSED)


def order(*rows: Transition, **values: Any) -> WorkflowDefinition:
    """Return the workflow of an order, with the rows and values of a case."""
    parts = {"grants": GRANTS, **values}
    return approval_workflow("machines", states=Stage, roles=ROLES, transitions=(*WORK, STOP, *rows), **parts)


def with_guard(
    definition: WorkflowDefinition, trigger: str, guard: Callable[[Facts], str | None]
) -> WorkflowDefinition:
    """Return the definition with another guard in the moves of a trigger from the states of the ticket."""
    watched = {Stage.WAITING, Stage.UNDELIVERED}
    rows = [
        attrs.evolve(one, guard=guard)
        if one.trigger == trigger and one.dest is not None and watched.intersection(one.sources)
        else one
        for one in definition.transitions
    ]
    return attrs.evolve(definition, transitions=tuple(rows))


# ---------------------------------------------------------------- wrong


def refused_when_built() -> list[tuple[Callable[[], WorkflowDefinition], str]]:
    """Return functions that build a refused workflow, each with its problem."""
    revived = (row(Verb.RETRY, Stage.GRANTED, Stage.DRAFT), row(Verb.REOPEN, Stage.DRAFT, Stage.WAITING))
    filed = (row(Verb.RETRY, Stage.GRANTED, Stage.DRAFT), row(Verb.REOPEN, Stage.DRAFT, Stage.FILING))
    past = "without a submission, so the ticket of an earlier one would decide; only submit files a new ticket"
    return [
        (lambda: order(*revived), f"trigger reopen leads from draft to waiting {past}"),
        (lambda: order(*filed), f"trigger reopen leads from draft to filing {past}"),
        (
            lambda: order(row(LikeTheLibrary.RESUME, Stage.FAILED, Stage.GRANTED)),
            (
                "trigger resume has the name of a trigger of the library, which only the library fires: "
                "give it another name"
            ),
        ),
    ]


def that_believes_every_ticket() -> WorkflowDefinition:
    """An approval needs an ended ticket, not an approved one; giving up needs nothing."""

    def has_ended(facts: Facts) -> str | None:
        return None if facts.expect(ev.Snapshot).status is ev.TicketStatus.FINISHED else "it has not ended"

    def may_always(_facts: Facts) -> str | None:
        return None

    return with_guard(with_guard(order(), "approve", has_ended), "abandon", may_always)


def that_does_too_much() -> WorkflowDefinition:
    """The host stops a change under way, edits the form, orders early and often, and keeps a log without end."""
    return order(
        row(Verb.STOP, Stage.WAITING, Stage.REFUSED),
        Transition(
            trigger=Trigger.REVISE,
            sources=(Stage.WAITING,),
            dest=None,
            evidence=ev.Drafted,
            update=updates.revised,
        ),
        row(Verb.ORDER, Stage.WAITING, None, update=ordered),
        row(Verb.ORDER, Stage.GRANTED, None, update=ordered),
        row(Verb.NOTE, Stage.GRANTED, None, update=logged),
    )


def that_orders_again() -> WorkflowDefinition:
    """Each retry enters the state that plans the order."""
    return order(
        row(Verb.RETRY, Stage.FAILED, Stage.GRANTED),
        grants={Stage.LIVE: True, Stage.FAILED: True},
        effects={Stage.GRANTED: ("order",)},
    )


def that_orders_before_the_approval() -> WorkflowDefinition:
    """The order is placed when the ticket is filed."""
    return order(effects={Stage.FILING: ("order",)})


def that_counts_failed_work() -> WorkflowDefinition:
    """A change whose work failed passes the gate."""
    return order(grants={Stage.LIVE: True, Stage.FAILED: True})


def that_is_wrong_for_certain_evidence() -> WorkflowDefinition:
    """A slow timer leaves an open ticket, one branch of an update grows, and guards overlap for few values."""
    checked, spread = {"evidence": Checks}, {"evidence": Hosts, "update": unchanged}
    return order(
        row(Verb.STOP, Stage.WAITING, Stage.REFUSED, guard=is_old),
        row(Verb.NOTE, Stage.GRANTED, None, update=logged_if_many_failed, **checked),
        row(Verb.CHECK, Stage.GRANTED, Stage.LIVE, guard=has_mostly_passed, update=unchanged, **checked),
        row(Verb.CHECK, Stage.GRANTED, Stage.FAILED, guard=has_failed_often, update=unchanged, **checked),
        row(Verb.SPREAD, Stage.GRANTED, Stage.LIVE, guard=has_three, **spread),
        row(Verb.SPREAD, Stage.GRANTED, Stage.FAILED, guard=has_the_spare, **spread),
    )


def that_adds_a_key_for_each_report() -> WorkflowDefinition:
    """A dictionary gets one more key for each number, time, day, person or host of a list."""
    built, spread = {"evidence": Build}, {"evidence": Hosts}
    return order(
        row(Verb.NOTE, Stage.GRANTED, None, update=keyed_by_number, **built),
        row(Verb.COUNT, Stage.GRANTED, None, update=keyed_by_end, **built),
        row(Verb.CHECK, Stage.GRANTED, None, update=keyed_by_day, **built),
        row(Verb.SPREAD, Stage.GRANTED, None, update=keyed_by_each_host, **spread),
        row(Verb.TELL, Stage.GRANTED, None, update=keyed_by_person),
    )


def that_fails_late_while_it_counts() -> WorkflowDefinition:
    """Two counts are without end, and their guards raise where the library has tried a second time or has given up."""
    return order(
        row(Verb.COUNT, Stage.FILING, None, update=tallied, guard=has_no_second_try),
        row(Verb.CHECK, Stage.GRANTED, None, update=tallied, guard=has_no_parked_effect),
    )


# ---------------------------------------------------------------- right


def that_keeps_within_bounds() -> WorkflowDefinition:
    """A stricter approval, a log of the newest reports, a count, a slow timer, effects, and a new ticket to retry."""

    def is_approved_by_two(facts: Facts) -> str | None:
        return guards.is_approved(facts) or (None if facts.actor else "nobody is responsible")

    definition = order(
        row(Verb.NOTE, Stage.GRANTED, None, update=logged_at_most),
        row(Verb.COUNT, Stage.GRANTED, None, update=tallied),
        row(Verb.CHECK, Stage.GRANTED, None, update=keyed_by_newest_number, evidence=Build),
        row(Verb.SPREAD, Stage.GRANTED, None, update=with_as_many_places, evidence=Build),
        row(Verb.RETRY, Stage.FAILED, Stage.DRAFT),
        row(Verb.STOP, Stage.GRANTED, Stage.FAILED, guard=is_old),
        effects={Stage.GRANTED: ("order",), Stage.FAILED: ("clean",), Stage.REFUSED: ("tell",)},
        exemptions=[Exemption(check="early", state=Stage.REFUSED, reason="it only sends a message to the applicant")],
    )
    return with_guard(definition, "approve", is_approved_by_two)


def that_forgets_the_host() -> WorkflowDefinition:
    """A trigger replaces the data, and with it the host that another one wrote."""

    def counted(facts: Facts) -> ChangeRequest:
        return attrs.evolve(facts.change, data={"count": 1})

    return order(row(Verb.NOTE, Stage.GRANTED, None), row(Verb.COUNT, Stage.GRANTED, None, update=counted))


def that_is_exempt() -> WorkflowDefinition:
    """A message when the ticket is filed, and a state that grants although the work in it failed."""
    return order(
        effects={Stage.FILING: ("tell",)},
        grants={Stage.LIVE: True, Stage.FAILED: True},
        exemptions=[
            Exemption(check="early", state=Stage.FILING, reason="the effect only sends a message to the applicant"),
            Exemption(check="failed", state=Stage.GRANTED, reason="a failed order is placed again by hand"),
        ],
    )


def _log(facts: Facts) -> list[object]:
    log = facts.change.data.get("log", [])
    return log if isinstance(log, list) else []


def _with_log(facts: Facts, log: list[object]) -> ChangeRequest:
    return attrs.evolve(facts.change, data={**facts.change.data, "log": log})


def _with_key(facts: Facts, key: str) -> ChangeRequest:
    return attrs.evolve(facts.change, data={**facts.change.data, key: True})
