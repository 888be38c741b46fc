"""Workflows of a host with states after the approval: one that is correct, and others with one defect each."""

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
    """The states of a deployment."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    GRANTED = "granted"
    LIVE = "live"
    REFUSED = "refused"


class More(enum.StrEnum):
    """The same states, and two more that lead only to each other."""

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
    """The triggers of the host."""

    DEPLOY = "deploy"
    PAUSE = "pause"
    PARK = "park"
    UNPARK = "unpark"


@attrs.frozen(kw_only=True)
class Deployed:
    """The result of a deployment."""

    size: int
    healthy: bool = True


@attrs.frozen(kw_only=True)
class Opaque:
    """A value that accepts only one text, which a generator cannot guess."""

    word: str = attrs.field(validator=attrs.validators.in_({"xyzzy"}))


@attrs.frozen(kw_only=True)
class Sealed:
    """Evidence with such a value."""

    opaque: Opaque


def roles(states: type[enum.StrEnum] = Stage) -> Roles:
    """Return the roles of an approval's states."""
    named = {state.name: state for state in states}
    return Roles(
        asking=named["FILING"],
        waiting=named["WAITING"],
        undelivered=named["UNDELIVERED"],
        granted=named["GRANTED"],
        refused=named["REFUSED"],
    )


def is_healthy(facts: Facts) -> str | None:
    """Refuse a deployment that is not healthy."""
    return None if facts.expect(Deployed).healthy else "it is not healthy"


def sized(facts: Facts) -> ChangeRequest:
    """Store the size."""
    return attrs.evolve(facts.change, data={**facts.change.data, "size": facts.expect(Deployed).size})


DEPLOY = Transition(
    trigger=Verb.DEPLOY, sources=(Stage.GRANTED,), dest=Stage.LIVE, evidence=Deployed, guard=is_healthy, update=sized
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
    """Return the workflow of a deployment, with the differences of a case."""
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
    """Return the host's row with other values."""
    return attrs.evolve(DEPLOY, **values)  # type: ignore[arg-type]  # a case passes values of any type


# ---------------------------------------------------------------- rejected when built


def with_an_unreachable_state() -> WorkflowDefinition:
    """No transition leads to live."""
    return deployment(deploy(dest=Stage.REFUSED))


def with_a_dead_end() -> WorkflowDefinition:
    """No transition leaves granted, and live is reached from another state."""
    return deployment(deploy(sources=(Stage.DRAFT,)))


def with_a_way_out_of_an_end() -> WorkflowDefinition:
    """A transition leads from the final state live to draft."""
    return deployment(DEPLOY, deploy(trigger=Verb.PAUSE, sources=(Stage.LIVE,), dest=Stage.DRAFT))


def without_a_due_rule() -> WorkflowDefinition:
    """The state waiting has no due rule."""
    return deployment(due_rules={state: rule for state, rule in DUE.items() if state is not Stage.WAITING})


def with_two_rows_that_always_hold() -> WorkflowDefinition:
    """One trigger leads to two states, with guards that always hold."""
    return deployment(deploy(guard=always), deploy(guard=always, dest=Stage.REFUSED))


def with_evidence_that_is_no_attrs_class() -> WorkflowDefinition:
    """The evidence is a date, which is not an attrs class."""
    return deployment(deploy(evidence=dt.date, guard=always, update=lambda facts: facts.change))


def with_a_grant_without_an_approval() -> WorkflowDefinition:
    """A draft can reach a granting state without an approval."""
    return deployment(DEPLOY, deploy(trigger=Verb.PAUSE, sources=(Stage.DRAFT,)))


def with_a_part_that_grants() -> WorkflowDefinition:
    """The waiting state grants."""
    return deployment(grants={Stage.LIVE: True, Stage.WAITING: True})


def with_nothing_that_grants() -> WorkflowDefinition:
    """No state grants, so an approval has no effect."""
    return deployment(grants={Stage.LIVE: False, Stage.GRANTED: False})


def with_a_grant_in_words() -> WorkflowDefinition:
    """A grant is a text instead of a boolean."""
    return deployment(grants={Stage.LIVE: "no"})  # type: ignore[dict-item]  # the defect


def with_what_is_granted_also_refused() -> WorkflowDefinition:
    """One state has two roles."""
    return deployment(parts=attrs.evolve(roles(), refused=Stage.GRANTED))


def with_an_effect_in_two_states() -> WorkflowDefinition:
    """Two states name one effect."""
    return attrs.evolve(deployment(), effects={Stage.LIVE: ("tell",), Stage.REFUSED: ("tell",)})


# ---------------------------------------------------------------- built, and defective


def with_a_state_of_which_nothing_is_said() -> WorkflowDefinition:
    """It is not declared whether live grants."""
    return deployment(grants={})


def with_a_trap() -> WorkflowDefinition:
    """No path leads from paused and parked to a final state."""
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
    """A size of 31 to 39 passes both guards."""

    def is_large(facts: Facts) -> str | None:
        return None if facts.expect(Deployed).size > 30 else "it is small"

    def is_small(facts: Facts) -> str | None:
        return None if facts.expect(Deployed).size < 40 else "it is large"

    return deployment(deploy(guard=is_large), deploy(guard=is_small, dest=Stage.REFUSED))


def without_suspicion() -> WorkflowDefinition:
    """A withdrawn ticket is seen, and no transition can store the suspicion."""
    return deployment(approval=tuple(row for row in table() if row.trigger is not Trigger.SUSPECT_ENDING))


def with_an_approval_that_leads_elsewhere() -> WorkflowDefinition:
    """An approval in undelivered leads to waiting."""
    rows = []
    for row in table():
        if row.trigger is Trigger.APPROVE and Stage.UNDELIVERED in row.sources:
            again = attrs.evolve(row, sources=(Stage.UNDELIVERED,), dest=Stage.WAITING)
            rows += [attrs.evolve(row, sources=(Stage.WAITING,)), again]
        else:
            rows.append(row)
    return deployment(approval=tuple(rows))


def with_one_state_in_two_parts() -> WorkflowDefinition:
    """One state is both undelivered and refused."""
    parts = attrs.evolve(roles(), refused=Stage.UNDELIVERED)
    return deployment(parts=parts, grants={Stage.LIVE: True, Stage.REFUSED: False})


def with_a_host_that_approves() -> WorkflowDefinition:
    """The host can move a change from waiting to granted."""
    return deployment(DEPLOY, deploy(trigger=Verb.PAUSE, sources=(Stage.WAITING,), dest=Stage.GRANTED))


def with_a_host_that_grants_again() -> WorkflowDefinition:
    """The host can move an approved change from a state that does not grant back to granted."""
    trap = with_a_trap()
    back = Transition(trigger=Verb.DEPLOY, sources=(More.PARKED,), dest=More.GRANTED, evidence=ev.Decision)
    return attrs.evolve(trap, transitions=(*trap.transitions, back))


def with_a_guard_that_answers_yes_or_no() -> WorkflowDefinition:
    """A guard returns False instead of a reason."""
    return deployment(deploy(guard=lambda facts: None if facts.expect(Deployed).healthy else False))


def with_a_guard_that_raises() -> WorkflowDefinition:
    """A guard reads a field that the change may lack."""

    def is_of_the_asked_size(facts: Facts) -> str | None:
        wanted = facts.change.form.fields["size"]
        return None if wanted == facts.expect(Deployed).size else "it has another size"

    return deployment(deploy(guard=is_of_the_asked_size))


def with_a_guard_that_counts() -> WorkflowDefinition:
    """A guard accepts every second call."""
    turns = itertools.count()

    def is_its_turn(_facts: Facts) -> str | None:
        return None if next(turns) % 2 else "not now"

    return deployment(deploy(guard=is_its_turn))


def with_a_guard_that_never_holds() -> WorkflowDefinition:
    """A guard refuses every deployment."""
    return deployment(deploy(guard=lambda facts: f"{facts.actor} may not"))


def with_an_update_that_sets_the_state() -> WorkflowDefinition:
    """An update sets the state, which only the engine may do."""
    return deployment(deploy(update=lambda facts: attrs.evolve(facts.change, state="live")))


def with_an_update_that_returns_nothing() -> WorkflowDefinition:
    """An update forgets to return the change."""

    def forgets(facts: Facts) -> None:
        sized(facts)

    return deployment(deploy(update=forgets))


def with_an_update_that_cannot_be_stored() -> WorkflowDefinition:
    """An update stores a value that is not JSON."""
    return deployment(deploy(update=lambda facts: attrs.evolve(facts.change, data={"warm_up": dt.timedelta(days=1)})))


def with_evidence_that_cannot_be_made_up() -> WorkflowDefinition:
    """No sample of the evidence can be generated."""
    return deployment(deploy(evidence=Sealed, guard=always, update=lambda facts: facts.change))


def with_a_waiting_state_that_never_falls_due() -> WorkflowDefinition:
    """Without a callback the change is never settled."""
    return deployment(due_rules={**DUE, Stage.WAITING: waits_for_a_person})


def with_a_waiting_state_that_is_always_due() -> WorkflowDefinition:
    """The next look is due immediately after each look."""

    def at_once(_change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
        return now if looked else now - dt.timedelta(seconds=1)

    return deployment(due_rules={**DUE, Stage.WAITING: at_once})


def with_a_due_time_without_a_zone() -> WorkflowDefinition:
    """A due rule returns a time without a time zone."""

    def naive(_change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
        return None if looked else now.replace(tzinfo=None)

    return deployment(due_rules={**DUE, Stage.GRANTED: naive})


def with_a_due_rule_that_goes_by_another_clock() -> WorkflowDefinition:
    """A due rule counts its calls instead of using the given time."""
    ticks = itertools.count()

    def by_calls(_change: ChangeRequest, now: dt.datetime, _policy: Policy, *, looked: bool) -> dt.datetime | None:
        return now + dt.timedelta(hours=next(ticks) + looked)

    return deployment(due_rules={**DUE, Stage.GRANTED: by_calls})


def with_a_guard_that_counts_to_three() -> WorkflowDefinition:
    """A guard accepts two of three calls."""
    turns = itertools.count()
    return deployment(deploy(guard=lambda _facts: "not now" if next(turns) % 3 == 2 else None))


DEPLOYMENT = deployment()


def counting() -> WorkflowDefinition:
    """Return a correct workflow with a count that has no bound."""

    def counted(facts: Facts) -> ChangeRequest:
        count = facts.change.data.get("count", 0)
        data = {**facts.change.data, "count": count + 1 if isinstance(count, int) else 0}
        return attrs.evolve(facts.change, data=data)

    measure = Transition(trigger=Verb.PAUSE, sources=(Stage.GRANTED,), dest=None, evidence=Deployed, update=counted)
    return deployment(DEPLOY, measure)


def with_an_effect_for_each_state() -> WorkflowDefinition:
    """Return a correct workflow in which two states have an effect each, whose functions may be the same."""
    return attrs.evolve(deployment(), effects={Stage.LIVE: ("tell",), Stage.REFUSED: ("tell_refused",)})
