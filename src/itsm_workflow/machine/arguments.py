"""Checks of the types of a definition's arguments, on which all other checks rely.

For example, a version that is not a whole number would be stored with each change, and no change could be read again.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.calling import why_not_called
from itsm_workflow.deferred import why_deferred
from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.machine.definition import WorkflowDefinition

_MOST = 2**63 - 1
_LONGEST = 40


def wrong_types(definition: WorkflowDefinition, *, roles: type, transition: type) -> Iterator[str]:
    """Yield the arguments of a definition that have the wrong type, each by its name.

    Args:
        definition: The definition.
        roles: The class of its roles.
        transition: The class of its transitions.
    """
    values: dict[str, object] = {
        field.name: getattr(definition, field.name) for field in attrs.fields(type(definition))
    }
    name, version, states = values["name"], values["version"], values["states"]
    if not isinstance(name, str):
        yield f"name: {kind_of(name)} is not text"
    if type(version) is not int or not 0 < version <= _MOST:
        yield f"version: {_shown(version)} is not a whole number from 1 to {_MOST}"
    if not (isinstance(states, type) and issubclass(states, enum.StrEnum) and len(states)):
        yield f"states: {_shown(states)} is not a StrEnum with members"
    yield from _state("initial", values["initial"], states)
    final = values["final"]
    if not isinstance(final, set | frozenset):
        yield f"final: {kind_of(final)} is not a frozenset of states"
    else:
        for state in final:
            yield from _state("final", state, states)
    yield from _roles("roles", values["roles"], roles, states)
    later = values["later_rounds"]
    if not isinstance(later, tuple | list):
        yield f"later_rounds: {kind_of(later)} is not a tuple of Roles"
        later = ()
    for number, each in enumerate(later):
        yield from _roles(f"later_rounds[{number}]", each, roles, states)
    # A role of the wrong type is in many of the library's own transitions, so it is reported once.
    given = [role for each in (values["roles"], *later) for role in _role_values(each, roles)]
    wrong_roles = [role for role in given if role is not None and not isinstance(role, enum.StrEnum)]
    yield from _transitions(values["transitions"], transition, states, wrong_roles)
    yield from _due(values["due"], states)
    yield from _labels(values["labels"])


def _role_values(roles: object, wanted: type) -> Iterator[object]:
    if isinstance(roles, wanted):
        yield from (getattr(roles, field.name) for field in attrs.fields(wanted))


def _roles(argument: str, roles: object, wanted: type, states: object) -> Iterator[str]:
    if not isinstance(roles, wanted):
        yield f"{argument}: {kind_of(roles)} is not Roles"
        return
    for field in attrs.fields(wanted):
        state = getattr(roles, field.name)
        if state is not None or field.default is attrs.NOTHING:
            yield from _state(f"{argument}: {field.name}", state, states)


def _transitions(rows: object, wanted: type, states: object, reported: Sequence[object]) -> Iterator[str]:
    if not isinstance(rows, tuple | list):
        yield f"transitions: {kind_of(rows)} is not a tuple of Transition"
        return
    for number, row in enumerate(rows):
        if not isinstance(row, wanted):
            yield f"transitions[{number}]: {kind_of(row)} is not a Transition"
            continue
        trigger, sources, dest, note = (getattr(row, part) for part in ("trigger", "sources", "dest", "note"))
        where = f"transitions[{number}], trigger {trigger}" if isinstance(trigger, str) else f"transitions[{number}]"
        if not isinstance(trigger, enum.StrEnum):
            yield f"{where}: its trigger is {kind_of(trigger)}, not a member of a StrEnum"
        if not isinstance(sources, tuple | list) or not sources:
            yield f"{where}: its sources are {kind_of(sources)}, not a tuple of one state or more"
            sources = ()
        ends = [("source", state) for state in sources] + ([] if dest is None else [("dest", dest)])
        for part, state in ends:
            if all(state is not one for one in reported):
                yield from _state(f"{where}: {part}", state, states)
        kinds = getattr(row, "evidence", None)
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        if not kinds or not all(isinstance(kind, type) for kind in kinds):
            given = ", ".join(kind_of(kind) for kind in kinds if not isinstance(kind, type)) or "no class"
            yield f"{where}: its evidence is {given}, not a class or a tuple of classes"
        if not isinstance(note, str):
            yield f"{where}: its note is {kind_of(note)}, not text"


def _due(rules: object, states: object) -> Iterator[str]:
    if not isinstance(rules, Mapping):
        yield f"due: {kind_of(rules)} is not a mapping from states to due rules"
        return
    for state, rule in rules.items():
        yield from _state("due", state, states)
        if not callable(rule):
            yield (
                f"due: the rule of state {state} is {kind_of(rule)}, not a function; waits_for_a_person never falls due"
            )
            continue
        wrong = why_deferred(rule)
        if wrong:
            yield f"due: the rule of state {state} is {wrong}"
        wrong = why_not_called(rule, "change", "now", "policy", keyword="looked")
        if wrong:
            yield f"due: the rule of state {state} {wrong}; write it as rule(change, now, policy, *, looked)"


def _labels(labels: object) -> Iterator[str]:
    if not isinstance(labels, Mapping):
        yield f"labels: {kind_of(labels)} is not a mapping from states to names by language"
        return
    for state, names in labels.items():
        if not isinstance(names, Mapping) or not all(isinstance(one, str) for pair in names.items() for one in pair):
            yield f"labels: of state {state}: {kind_of(names)} is not a mapping from languages to names"


def _state(where: str, state: object, states: object) -> Iterator[str]:
    """Yield a problem if a value is not a member of any StrEnum; a later check looks for it in the workflow."""
    if not isinstance(state, enum.StrEnum):
        yield f"{where}: {_shown(state)} is not a member of the states{_advice(state, states)}"


def _advice(state: object, states: object) -> str:
    """Return the member to write for its value, or else all members; empty if the states are not an enum."""
    if not (isinstance(states, type) and issubclass(states, enum.StrEnum)):
        return ""
    meant = next((member for member in states if member.value == state), None)
    if meant is not None:
        return f"; write {states.__name__}.{meant.name}"
    return f"; {states.__name__} has {', '.join(member.name for member in states)}"


def _shown(value: object) -> str:
    """Return a short representation of a value, or its type if the representation may be long."""
    short = value is None or isinstance(value, bool | float) or (isinstance(value, str) and len(value) <= _LONGEST)
    short = short or (isinstance(value, int) and value.bit_length() <= _MOST.bit_length())
    return repr(value) if short else kind_of(value)
