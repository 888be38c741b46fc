"""The engine that fires triggers: one shared `transitions.Machine` per definition, without models and without I/O."""

from __future__ import annotations

import weakref
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import attrs
import transitions
from transitions import Machine, MachineError

from itsm_workflow.change import ChangeRequest, Entry
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.machine import effect_updates
from itsm_workflow.machine.declared_types import wrong_values
from itsm_workflow.machine.definition import FactMissingError, Facts
from itsm_workflow.machine.evidence import Drafted
from itsm_workflow.machine.host_concern import with_host_concern
from itsm_workflow.machine.host_results import checked_reason, checked_update
from itsm_workflow.machine.self_approval import with_review
from itsm_workflow.machine.updates import attention_cleared

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.change import Form
    from itsm_workflow.machine.definition import Transition, WorkflowDefinition
    from itsm_workflow.policy import Policy

OPENING = "draft"
"""The name of the trigger in the first entry of every history."""

# Tuples are compared faster than changes: a part that is the same object is not compared field by field.
_values_of = attrgetter(*(field.name for field in attrs.fields(ChangeRequest)))

_machines: weakref.WeakKeyDictionary[WorkflowDefinition, Machine] = weakref.WeakKeyDictionary()


class _Token:
    """The temporary model of one trigger: collects the reasons of the guards and the row that moved it."""

    __slots__ = ("reasons", "row", "state")

    def __init__(self, state: str) -> None:
        self.state = state
        self.reasons: list[str] = []
        self.row: Transition | None = None


def step(definition: WorkflowDefinition, state: str, trigger: str, facts: Facts) -> tuple[str, Transition]:
    """Return the state that the trigger leads to, and the row of the table that leads there.

    Raises:
        TransitionRefused: The table has no such row, the evidence has the wrong type, or every guard refuses.
    """
    token, machine = _Token(str(state)), _machine(definition)
    if token.state not in machine.states:
        reason = f"workflow {definition.name} has no such state"
        raise TransitionRefused(state=state, trigger=trigger, reason=reason)
    event = machine.events.get(str(trigger))
    if event is None:
        known = ", ".join(sorted({row.trigger.value for row in definition.transitions}))
        reason = f"the workflow has no such trigger; its triggers are {known}"
        raise TransitionRefused(state=state, trigger=trigger, reason=reason)
    try:
        event.trigger(token, token, facts)
    except MachineError as error:
        reason = f"the table has no transition for it from {state}"
        raise TransitionRefused(state=state, trigger=trigger, reason=reason) from error
    if token.row is None:
        reason = " and ".join(dict.fromkeys(token.reasons))
        raise TransitionRefused(state=state, trigger=trigger, reason=reason)
    return token.state, token.row


def open_change(
    definition: WorkflowDefinition, *, change_id: str, subject: str, form: Form, now: dt.datetime, actor: str
) -> tuple[ChangeRequest, Entry]:
    """Return a new change in the initial state, and the first entry of its history."""
    change = ChangeRequest(
        id=change_id,
        workflow=definition.name,
        definition_version=definition.version,
        subject=subject,
        state=definition.initial.value,
        form=form,
        created_at=now,
        updated_at=now,
    )
    entry = Entry(
        change_id=change_id,
        seq=1,
        at=now,
        trigger=OPENING,
        source="",
        dest=change.state,
        actor=actor,
        evidence=Drafted(form=form),
    )
    return change, entry


def fire(
    definition: WorkflowDefinition,
    change: ChangeRequest,
    trigger: str,
    evidence: object,
    *,
    now: dt.datetime,
    policy: Policy,
    seq: int,
    actor: str,
    effects: Mapping[str, Sequence[str]] | None = None,
    aliases: Mapping[str, Sequence[str]] | None = None,
) -> tuple[ChangeRequest, Entry | None]:
    """Return the change after the trigger, and the entry that records it.

    The entry is None if the trigger only adds facts that are already known: nothing needs to be written.

    Args:
        definition: The workflow.
        change: The change before the trigger.
        trigger: The trigger's value.
        evidence: The evidence of the trigger.
        now: The time at which the trigger fires.
        policy: The timings in force.
        seq: The number of the new entry.
        actor: The user or program that fires the trigger.
        effects: By state, the names of the effects to plan when it is entered, in addition to those that the change
            stores.
        aliases: By name, the former names of the effect. If the change stores a former name, only that name is planned.

    Raises:
        TransitionRefused: The trigger was refused, or the evidence does not match its class. Nothing was changed.
        DefinitionError: The guard or the update of a host's row returned a wrong value, such as one that cannot be
            stored. Nothing was changed.
    """
    facts = Facts(
        change=change, evidence=evidence, now=now, policy=policy, approval=definition.approval, seq=seq, actor=actor
    )
    state, row = step(definition, change.state, trigger, facts)
    try:
        updated = checked_update(definition.name, row, change, row.update(facts))
    except FactMissingError as missing:
        raise TransitionRefused(state=change.state, trigger=trigger, reason=str(missing)) from None
    clears = row.update is attention_cleared
    updated = with_review(change, updated, now, cleared_by=actor if clears else None)
    # A person who clears attention has seen the host's concern in its facts.
    updated = with_host_concern(change, updated, now, ends=clears or row.dest is not None)
    if row.dest is None and _values_of(updated) == _values_of(change):
        return change, None
    before = {effect.id for effect in change.effects}
    outcome = definition.outcome_in(state, updated.outcome)
    moved = attrs.evolve(updated, state=state, outcome=outcome, updated_at=now)
    for name in _names(updated, state, effects or {}, aliases or {}) if state != change.state else ():
        moved = effect_updates.planned(moved, name, now, actor)
    entry = Entry(
        change_id=change.id,
        seq=seq,
        at=now,
        trigger=str(trigger),
        source=change.state,
        dest=state,
        actor=actor,
        evidence=evidence,
        effects=tuple(effect.id for effect in moved.effects if effect.id not in before),
    )
    return moved, entry


def _names(
    change: ChangeRequest, state: str, effects: Mapping[str, Sequence[str]], aliases: Mapping[str, Sequence[str]]
) -> Sequence[str]:
    stored = change.effect_names.get(state, ())
    named = (name for name in effects.get(state, ()) if not {name, *aliases.get(name, ())}.intersection(stored))
    return list(dict.fromkeys((*stored, *named)))


def _machine(definition: WorkflowDefinition) -> Machine:
    machine = _machines.get(definition)
    if machine is None:
        # Two threads may both build it at first. Either machine works, since a Machine holds no state of a change.
        machine = _machines[definition] = _built(definition)
    return machine


class _PlainTransition(transitions.Transition):
    """A transition without callbacks and log lines: it asks the guard and sets the state."""

    def execute(self, event_data: transitions.EventData) -> bool:
        """Return whether the guard allows the transition; if so, the state was set."""
        is_allowed = self._eval_conditions(event_data)
        if is_allowed and self.dest is not None:
            event_data.machine.set_state(self.dest, event_data.model)
        return is_allowed


class _PlainMachine(Machine):
    transition_cls = _PlainTransition


def _built(definition: WorkflowDefinition) -> Machine:
    return _filled(_PlainMachine(model=None, **_options(definition)), definition, partial(_condition, definition.name))


def machine_of(definition: WorkflowDefinition, kind: type[Machine] | None) -> Machine:
    """Return a new machine of the definition's table, see `WorkflowDefinition.machine`."""
    return _filled((kind or Machine)(**_options(definition)), definition, _guard_condition)


def _options(definition: WorkflowDefinition) -> dict[str, Any]:
    states = [state.value for state in definition.states]
    return {"states": states, "initial": definition.initial.value, "auto_transitions": False}


def _filled(
    machine: Machine, definition: WorkflowDefinition, condition: Callable[[Transition], Callable[..., bool]]
) -> Machine:
    for row in definition.transitions:
        machine.add_transition(
            row.trigger.value,
            [source.value for source in row.sources],
            None if row.dest is None else row.dest.value,
            conditions=[condition(row)],
        )
    return machine


def _guard_condition(row: Transition) -> Callable[..., bool]:
    """Return a condition of `transitions`, named like the guard, that checks the row's evidence type and guard."""

    def holds(facts: Facts) -> bool:
        return isinstance(facts.evidence, row.evidence_types) and row.guard(facts) is None

    holds.__name__ = getattr(row.guard, "__name__", type(row.guard).__name__)
    return holds


def _condition(workflow: str, row: Transition) -> Callable[[_Token, Facts], Any]:
    def holds(token: _Token, facts: Facts) -> bool:
        reason = _reason(workflow, row, facts)
        if reason is not None:
            token.reasons.append(reason)
            return False
        token.row = row
        return True

    return holds


def _reason(workflow: str, row: Transition, facts: Facts) -> str | None:
    if not isinstance(facts.evidence, row.evidence_types):
        wanted = " or ".join(kind.__name__ for kind in row.evidence_types)
        return f"it needs {wanted} as evidence, not {type(facts.evidence).__name__}"
    wrong = wrong_values(facts.evidence)
    if wrong:  # before the guard, which relies on the declared types
        return f"its evidence does not match {type(facts.evidence).__name__}: {'; '.join(wrong)}"
    try:
        return checked_reason(workflow, row, row.guard(facts))
    except FactMissingError as missing:
        return str(missing)
