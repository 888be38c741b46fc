"""Workflows of a host that goes on after an approval: one that works, and others that are broken in one thing each."""

from __future__ import annotations

import datetime as dt
import enum
import itertools
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine import due
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger, approval_table
from itsm_workflow.machine.definition import Roles, Transition, WorkflowDefinition, always, waits_for_a_person

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import DueRule, Facts
    from itsm_workflow.policy import Policy


class Stage(enum.StrEnum):
    """Where a deployment stands."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    GRANTED = "granted"
    LIVE = "live"
    REFUSED = "refused"


class More(enum.StrEnum):
    """The same, with two states that only lead to each other."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    GRANTED = "granted"
    PAUSED = "paused"
    PARKED = "parked"
    LIVE = "live"
    REFUSED = "refused"


class Verb(enum.StrEnum):
    """What a host does itself."""

    DEPLOY = "deploy"
    PAUSE = "pause"
    PARK = "park"
    UNPARK = "unpark"


@attrs.frozen(kw_only=True)
class Deployed:
    """What came of a deployment."""

    size: int
    healthy: bool = True


@attrs.frozen(kw_only=True)
class Opaque:
    """A value that takes one text only, which nobody could guess."""

    word: str = attrs.field(validator=attrs.validators.in_({"xyzzy"}))


@attrs.frozen(kw_only=True)
class Sealed:
    """Evidence with such a value."""

    opaque: Opaque


@attrs.define
class Loose:
    """What can be evidence no more than any class can."""


def roles(states: type[enum.StrEnum] = Stage) -> Roles:
    """Return the parts of an approval."""
    named = {state.name: state for state in states}
    return Roles(
        asking=named["FILING"],
        waiting=named["WAITING"],
        undelivered=named["UNDELIVERED"],
        granted=named["GRANTED"],
        refused=named["REFUSED"],
    )


def is_healthy(facts: Facts) -> str | None:
    """Wait for a deployment that works."""
    return None if facts.expect(Deployed).healthy else "it is not healthy"


def sized(facts: Facts) -> ChangeRequest:
    """Remember the size."""
    return attrs.evolve(facts.change, data={"size": facts.expect(Deployed).size})


DEPLOY = Transition(
    trigger=Verb.DEPLOY,
    sources=(Stage.GRANTED,),
    dest=Stage.LIVE,
    evidence=Deployed,
    guard=is_healthy,
    update=sized,
)
DUE: Mapping[enum.StrEnum, DueRule] = {
    Stage.DRAFT: waits_for_a_person,
    Stage.FILING: due.asking_due,
    Stage.WAITING: due.waiting_due,
    Stage.UNDELIVERED: due.undelivered_due,
    Stage.GRANTED: waits_for_a_person,
}


def table(states: type[enum.StrEnum] = Stage) -> tuple[Transition, ...]:
    """Return the transitions of the approval."""
    named = {state.name: state for state in states}
    return approval_table(states, named["DRAFT"], roles(states))


def deployment(
    *own: Transition,
    approval: tuple[Transition, ...] | None = None,
    due_rules: Mapping[enum.StrEnum, DueRule] | None = None,
    parts: Roles | None = None,
    grants: Mapping[enum.StrEnum, bool] | None = None,
    version: int = 1,
) -> WorkflowDefinition:
    """Return the workflow of a deployment, with what a case makes otherwise."""
    return WorkflowDefinition(
        name="deployment",
        version=version,
        states=Stage,
        initial=Stage.DRAFT,
        final=frozenset({Stage.LIVE, Stage.REFUSED}),
        roles=parts or roles(),
        transitions=(*(table() if approval is None else approval), *(own or (DEPLOY,))),
        grants={Stage.LIVE: True} if grants is None else grants,
        due=DUE if due_rules is None else due_rules,
    )


def deploy(**values: object) -> Transition:
    """Return the host's row, with one thing otherwise."""
    return attrs.evolve(DEPLOY, **values)  # type: ignore[arg-type]  # a case hands over what it likes


# ---------------------------------------------------------------- refused when built


def with_an_unreachable_state() -> WorkflowDefinition:
    """Nothing leads to live."""
    return deployment(deploy(dest=Stage.REFUSED))


def with_a_dead_end() -> WorkflowDefinition:
    """Nothing leads on from granted, and to live there is another way."""
    return deployment(deploy(sources=(Stage.DRAFT,)))


def with_a_way_out_of_an_end() -> WorkflowDefinition:
    """What is live can become a draft."""
    return deployment(DEPLOY, deploy(trigger=Verb.PAUSE, sources=(Stage.LIVE,), dest=Stage.DRAFT))


def without_a_due_rule() -> WorkflowDefinition:
    """Nobody said when what is waiting falls due."""
    return deployment(due_rules={state: rule for state, rule in DUE.items() if state is not Stage.WAITING})


def with_two_rows_that_always_hold() -> WorkflowDefinition:
    """One trigger leads to two states."""
    return deployment(deploy(guard=always), deploy(guard=always, dest=Stage.REFUSED))


def with_evidence_that_is_no_attrs_class() -> WorkflowDefinition:
    """A date is no evidence."""
    return deployment(deploy(evidence=dt.date, guard=always, update=lambda facts: facts.change))


def with_a_grant_without_an_approval() -> WorkflowDefinition:
    """What is live counts as approved, and a draft can be deployed."""
    return deployment(DEPLOY, deploy(trigger=Verb.PAUSE, sources=(Stage.DRAFT,)))


def with_a_part_that_grants() -> WorkflowDefinition:
    """What waits for its approvers counts as approved."""
    return deployment(grants={Stage.LIVE: True, Stage.WAITING: True})


def with_nothing_that_grants() -> WorkflowDefinition:
    """An approval is without effect."""
    return deployment(grants={Stage.LIVE: False, Stage.GRANTED: False})


def with_a_grant_in_words() -> WorkflowDefinition:
    """A text counts as true, whatever it says."""
    return deployment(grants={Stage.LIVE: "no"})  # type: ignore[dict-item]  # the defect


def with_what_is_granted_also_refused() -> WorkflowDefinition:
    """One state plays both parts."""
    return deployment(parts=attrs.evolve(roles(), refused=Stage.GRANTED))


# ---------------------------------------------------------------- built, and broken all the same


def with_a_state_of_which_nothing_is_said() -> WorkflowDefinition:
    """Whether what is live counts as approved is left open."""
    return deployment(grants={})


def with_a_trap() -> WorkflowDefinition:
    """From paused and parked no way leads to an end."""
    rows = (
        Transition(trigger=Verb.DEPLOY, sources=(More.GRANTED,), dest=More.LIVE, evidence=ev.Decision),
        Transition(trigger=Verb.PAUSE, sources=(More.GRANTED,), dest=More.PAUSED, evidence=ev.Decision),
        Transition(trigger=Verb.PARK, sources=(More.PAUSED,), dest=More.PARKED, evidence=ev.Decision),
        Transition(trigger=Verb.UNPARK, sources=(More.PARKED,), dest=More.PAUSED, evidence=ev.Decision),
    )
    named = {state.name: state for state in More}
    rules: dict[enum.StrEnum, DueRule] = {named[state.name]: rule for state, rule in DUE.items()}
    return WorkflowDefinition(
        name="trap",
        version=1,
        states=More,
        initial=More.DRAFT,
        final=frozenset({More.LIVE, More.REFUSED}),
        roles=roles(More),
        transitions=(*table(More), *rows),
        grants={More.LIVE: True, More.PAUSED: False, More.PARKED: False},
        due={**rules, More.PAUSED: waits_for_a_person, More.PARKED: waits_for_a_person},
    )


def with_guards_that_overlap() -> WorkflowDefinition:
    """A size of 31 to 39 is large and small."""

    def is_large(facts: Facts) -> str | None:
        return None if facts.expect(Deployed).size > 30 else "it is small"

    def is_small(facts: Facts) -> str | None:
        return None if facts.expect(Deployed).size < 40 else "it is large"

    return deployment(deploy(guard=is_large), deploy(guard=is_small, dest=Stage.REFUSED))


def without_suspicion() -> WorkflowDefinition:
    """A withdrawn ticket is seen and nothing can be noted of it."""
    return deployment(approval=tuple(row for row in table() if row.trigger is not Trigger.SUSPECT_ENDING))


def with_an_approval_that_leads_elsewhere() -> WorkflowDefinition:
    """What was undelivered and approved waits again."""
    rows = []
    for row in table():
        if row.trigger is Trigger.APPROVE and Stage.UNDELIVERED in row.sources:
            again = attrs.evolve(row, sources=(Stage.UNDELIVERED,), dest=Stage.WAITING)
            rows += [attrs.evolve(row, sources=(Stage.WAITING,)), again]
        else:
            rows.append(row)
    return deployment(approval=tuple(rows))


def with_one_state_in_two_parts() -> WorkflowDefinition:
    """What was not delivered is also what is refused."""
    parts = attrs.evolve(roles(), refused=Stage.UNDELIVERED)
    return deployment(parts=parts, grants={Stage.LIVE: True, Stage.REFUSED: False})


def with_a_host_that_approves() -> WorkflowDefinition:
    """What waits for its approvers can be granted by the host."""
    return deployment(DEPLOY, deploy(trigger=Verb.PAUSE, sources=(Stage.WAITING,), dest=Stage.GRANTED))


def with_a_host_that_grants_again() -> WorkflowDefinition:
    """What was approved and does not grant any more goes back to the granted state by the host's word."""
    trap = with_a_trap()
    back = Transition(trigger=Verb.DEPLOY, sources=(More.PARKED,), dest=More.GRANTED, evidence=ev.Decision)
    return attrs.evolve(trap, transitions=(*trap.transitions, back))


def with_a_guard_that_answers_yes_or_no() -> WorkflowDefinition:
    """A guard says False where it should give a reason."""
    return deployment(deploy(guard=lambda facts: None if facts.expect(Deployed).healthy else False))


def with_a_guard_that_raises() -> WorkflowDefinition:
    """A guard relies on a value that the change need not have."""

    def is_of_the_asked_size(facts: Facts) -> str | None:
        wanted = facts.change.form.fields["size"]
        return None if wanted == facts.expect(Deployed).size else "it has another size"

    return deployment(deploy(guard=is_of_the_asked_size))


def with_a_guard_that_counts() -> WorkflowDefinition:
    """A guard lets every other firing pass."""
    turns = itertools.count()

    def is_its_turn(_facts: Facts) -> str | None:
        return None if next(turns) % 2 else "not now"

    return deployment(deploy(guard=is_its_turn))


def with_a_guard_that_never_holds() -> WorkflowDefinition:
    """Nothing can be deployed."""
    return deployment(deploy(guard=lambda facts: f"{facts.actor} may not"))


def with_an_update_that_sets_the_state() -> WorkflowDefinition:
    """An update does the engine's work."""
    return deployment(deploy(update=lambda facts: attrs.evolve(facts.change, state="live")))


def with_an_update_that_returns_nothing() -> WorkflowDefinition:
    """An update forgets to return the change."""

    def forgets(facts: Facts) -> None:
        sized(facts)

    return deployment(deploy(update=forgets))


def with_an_update_that_cannot_be_stored() -> WorkflowDefinition:
    """A value that is no JSON is put into the change."""
    return deployment(deploy(update=lambda facts: attrs.evolve(facts.change, data={"warm_up": dt.timedelta(days=1)})))


def with_evidence_that_cannot_be_made_up() -> WorkflowDefinition:
    """Nobody knows what the evidence holds."""
    return deployment(deploy(evidence=Sealed, guard=always, update=lambda facts: facts.change))


def with_a_waiting_state_that_never_falls_due() -> WorkflowDefinition:
    """Without a callback nobody ever looks."""
    return deployment(due_rules={**DUE, Stage.WAITING: waits_for_a_person})


def with_a_waiting_state_that_is_always_due() -> WorkflowDefinition:
    """Each look is followed by the next at once."""

    def at_once(_change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
        return now if looked else now - dt.timedelta(seconds=1)

    return deployment(due_rules={**DUE, Stage.WAITING: at_once})


def with_a_due_time_without_a_zone() -> WorkflowDefinition:
    """A due rule answers local time."""

    def naive(_change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
        return None if looked else now.replace(tzinfo=None)

    return deployment(due_rules={**DUE, Stage.GRANTED: naive})


def with_a_due_rule_that_goes_by_another_clock() -> WorkflowDefinition:
    """A due rule counts its calls instead of using the time it is given."""
    ticks = itertools.count()

    def by_calls(_change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
        return now + dt.timedelta(hours=next(ticks) + looked)

    return deployment(due_rules={**DUE, Stage.GRANTED: by_calls})


def with_a_guard_that_counts_to_three() -> WorkflowDefinition:
    """A guard lets two of three firings pass."""
    turns = itertools.count()
    return deployment(deploy(guard=lambda _facts: "not now" if next(turns) % 3 == 2 else None))


DEPLOYMENT = deployment()


def counting() -> WorkflowDefinition:
    """Return a workflow that works, with a count that has no end."""

    def counted(facts: Facts) -> ChangeRequest:
        count = facts.change.data.get("count", 0)
        return attrs.evolve(facts.change, data={"count": count + 1 if isinstance(count, int) else 0})

    measure = Transition(trigger=Verb.PAUSE, sources=(Stage.GRANTED,), dest=None, evidence=Deployed, update=counted)
    return deployment(DEPLOY, measure)
