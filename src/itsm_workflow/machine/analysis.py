"""Static checks of a workflow definition, run when it is built."""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from itsm_workflow.calling import why_not_called
from itsm_workflow.change import WITHDRAW
from itsm_workflow.deferred import why_deferred
from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine.approval_rule import ApprovalPolicy
from itsm_workflow.machine.arguments import wrong_types
from itsm_workflow.machine.declared_types import wrong_declarations
from itsm_workflow.machine.evidence import ApprovalAttested, Snapshot, Submission
from itsm_workflow.machine.exemption import wrong_exemptions
from itsm_workflow.machine.updates import submitted
from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from itsm_workflow.machine.definition import Roles, Transition, WorkflowDefinition

_APPROVALS: Mapping[str, tuple[type, ...]] = {"approve": (Snapshot,), "attest_approval": (ApprovalAttested,)}
"""The library's own triggers by which a ticket's approval grants a change, with the evidence that each needs."""

PARTS = ("asking", "waiting", "undelivered", "granted", "refused")
"""The parts of an approval that states play."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_EFFECT = re.compile(r"[^\W_][\w.:/-]{0,63}")


def check(definition: WorkflowDefinition, *, roles: type, transition: type) -> None:
    """Reject a definition that contradicts itself.

    Args:
        definition: The definition.
        roles: The class of its roles.
        transition: The class of its transitions.

    Raises:
        DefinitionError: The definition has problems. The message lists all of them, each with its state or trigger.
    """
    # The other checks rely on the types of the arguments.
    problems = list(wrong_types(definition, roles=roles, transition=transition)) or [
        problem
        for find in (
            _functions,
            _names,
            _unknown_states,
            _unreachable,
            _dead_ends,
            _ways_out,
            _overlaps,
            _grants,
            _ways_back,
            _ways_past,
            _rounds,
            _labels,
            _evidence,
            _due,
            _effects,
            wrong_exemptions,
        )
        for problem in find(definition)
    ]
    if problems:
        raise DefinitionError(
            f"workflow {definition.name!r} is invalid: " + "; ".join(problems), problems=tuple(problems)
        )


def _functions(definition: WorkflowDefinition) -> Iterator[str]:
    rule: object = definition.approval
    if not isinstance(rule, ApprovalPolicy):
        yield f"approval: {kind_of(rule)} is not an ApprovalPolicy"
    for row in definition.transitions:
        for part in ("guard", "update"):
            given = getattr(row, part)
            if not callable(given):
                yield f"trigger {row.trigger.value}: its {part} is {kind_of(given)}, not a function of Facts"
                continue
            wrong = why_deferred(given)
            if wrong:
                yield f"trigger {row.trigger.value}: its {part} is {wrong}"
            wrong = why_not_called(given, "facts")
            if wrong:
                yield f"trigger {row.trigger.value}: its {part} {wrong}; write it as {part}(facts)"


def _names(definition: WorkflowDefinition) -> Iterator[str]:
    named = [("workflow", definition.name), *(("state", state.value) for state in definition.states)]
    named += [("trigger", row.trigger.value) for row in definition.transitions]
    for kind, name in dict.fromkeys(named):
        if not _NAME.fullmatch(name):
            proposed = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).strip("_").lower()
            advice = f", such as {proposed!r}" if _NAME.fullmatch(proposed) else ""
            yield f"{kind} {name!r}: a name must be lower_snake{advice}"


def _unknown_states(definition: WorkflowDefinition) -> Iterator[str]:
    used = {state for row in definition.transitions for state in (*row.sources, row.dest) if state is not None}
    roles = {getattr(one, part) for one in definition.rounds for part in PARTS}
    for state in sorted(used | roles | {definition.initial} | definition.final | set(definition.due)):
        if not isinstance(state, definition.states):
            yield f"state {state!s} is used but is not a member of {definition.states.__name__}"


def _unreachable(definition: WorkflowDefinition) -> Iterator[str]:
    known = reached(definition)
    for state in definition.states:
        if state not in known:
            yield f"state {state.value} is unreachable from {definition.initial.value}"


def _dead_ends(definition: WorkflowDefinition) -> Iterator[str]:
    for state in definition.states:
        has_exit = any(state in row.sources and row.dest != state for row in moves(definition))
        if not has_exit and state not in definition.final:
            yield f"state {state.value} is a dead end: it has no way out and is not final"


def _ways_out(definition: WorkflowDefinition) -> Iterator[str]:
    for row in moves(definition):
        for state in sorted(definition.final.intersection(row.sources)):
            yield f"final state {state.value} has a way out: {row.trigger.value}"


def _overlaps(definition: WorkflowDefinition) -> Iterator[str]:
    for one, other in itertools.combinations(definition.transitions, 2):
        shared = sorted(set(one.sources) & set(other.sources))
        if one.trigger == other.trigger and shared and _may_both_hold(one, other):
            states = ", ".join(state.value for state in shared)
            yield f"trigger {one.trigger.value} has two transitions in {states} whose guards can both hold"


def _may_both_hold(one: Transition, other: Transition) -> bool:
    pairs = itertools.product(one.evidence_types, other.evidence_types)
    if not any(issubclass(kind, like) or issubclass(like, kind) for kind, like in pairs):
        return False
    names = {getattr(guard, "__name__", "") for guard in (one.guard, other.guard)}
    return one.guard is other.guard or "always" in names


def _labels(definition: WorkflowDefinition) -> Iterator[str]:
    for state in definition.labels:
        if state not in set(definition.states):
            yield f"labels: {state!s} is not a member of {_members(definition)}"


def _members(definition: WorkflowDefinition) -> str:
    states = definition.states
    return f"{states.__name__}, which has {', '.join(state.name for state in states)}"


def _grants(definition: WorkflowDefinition) -> Iterator[str]:
    declared: object = definition.grants
    if not isinstance(declared, Mapping):
        yield f"grants: {kind_of(declared)} is not a mapping from states to True or False"
        return
    rounds = definition.rounds
    parts = {getattr(one, part): part for one in rounds for part in PARTS if part != "granted"}
    parts |= {definition.begins(one): "begins" for one in definition.later_rounds}
    parts |= {definition.initial: "initial"}
    granted, granting = rounds[-1].granted, set[object]()
    for state, grants in declared.items():
        if not isinstance(state, definition.states):
            yield f"grants: {state!s} is not a member of {_members(definition)}"
        elif not isinstance(grants, bool):
            yield f"grants: state {state.value}: {grants!r} is neither True nor False"
        elif grants:
            granting.add(state)
    if declared.get(granted) is False and not granting:
        yield f"grants: state {granted} does not grant, and no other state does: no change could ever be approved"
    granting |= {granted} if granted not in declared else set()
    for state in definition.states:
        if state in granting and state in parts:
            yield f"grants: state {state.value} plays the part {parts[state]}, in which no change is approved"
        elif state in granting:
            yield from _without_approval(definition, state)


def _without_approval(definition: WorkflowDefinition, state: enum.StrEnum) -> Iterator[str]:
    open_ways = reached(definition, approved=False)
    if state not in open_ways:
        return
    shortcuts = [
        f"{row.trigger.value} leads there from {source.value}{_without_guard(row)}"
        for row in moves(definition)
        for source in row.sources
        if row.dest is state
        and source is not state
        and source in open_ways
        and not is_approval(definition, row, source)
    ]
    yield (
        f"grants: state {state.value} can be reached without an approval, so it cannot grant: {', '.join(shortcuts)}. "
        "Only the rows of approve and attest_approval that approval_workflow makes, with their guards, lead from a "
        f"waiting ticket to {definition.rounds[-1].granted}; "
        "let other triggers lead to a state that does not grant, or start from the state of an approved ticket"
    )


def _without_guard(row: Transition) -> str:
    is_approving = row.evidence_types == _APPROVALS.get(row.trigger.value)
    return " without the guard that the row had" if is_approving and _has_no_guard(row) else ""


def _ways_back(definition: WorkflowDefinition) -> Iterator[str]:
    """Yield each row that leads from an approved change back to its ticket, whose old approval would grant it again."""
    initial = definition.initial
    open_ticket = {state for roles in definition.rounds for state in _open(roles)}
    approved = {
        state
        for roles in definition.rounds
        for state in reached(definition, start=roles.granted, avoided={initial, *open_ticket, *definition.final})
    }
    for row in moves(definition):
        if row.dest in open_ticket:
            for state in sorted(state for state in approved.intersection(row.sources) if not _submits(row)):
                yield (
                    f"trigger {row.trigger.value} leads from {state.value}, which follows an approval, to "
                    f"{row.dest.value}, where that approval would grant the change again; let it lead to "
                    f"{initial.value}, from which a new ticket is filed"
                )


def _ways_past(definition: WorkflowDefinition) -> Iterator[str]:
    """Yield each row that leads past the submission to a ticket: the ticket of an earlier submission would decide."""
    roles = definition.roles
    before = reached(definition, avoided={roles.asking})
    filing = [row for row in moves(definition) if row.dest is roles.asking]
    submits = [row for row in filing if Submission in row.evidence_types]
    for row in moves(definition):
        is_past = row.dest in {roles.waiting, roles.undelivered} or (submits and row in filing and row not in submits)
        for state in sorted(before.intersection(row.sources)) if is_past else ():
            if state not in {roles.waiting, roles.undelivered}:
                yield (
                    f"trigger {row.trigger.value} leads from {state.value} to {row.dest} without a submission, so the "
                    f"ticket of an earlier one would decide; only submit files a new ticket"
                )


def _rounds(definition: WorkflowDefinition) -> Iterator[str]:
    """Yield the problems of several approvals: the ticket of one must never decide another."""
    if definition.roles.begins is not None:
        yield f"roles: the first approval begins in {definition.initial}, so its begins is None"
    if definition.later_rounds:
        yield from _shared_states(definition)
        yield from _mixed_tickets(definition)


def _shared_states(definition: WorkflowDefinition) -> Iterator[str]:
    played = [(number, getattr(one, part), part) for number, one in enumerate(definition.rounds) for part in PARTS]
    for (one, state, part), (other, same, again) in itertools.combinations(played, 2):
        if one != other and state is same and (part, again) != ("refused", "refused"):
            yield f"state {state} is {part} in one approval and {again} in another: only refused may be shared"


def _mixed_tickets(definition: WorkflowDefinition) -> Iterator[str]:
    """Yield the rows and states by which a change would go on without the ticket of one of its approvals."""
    for number, roles in enumerate(definition.rounds, start=1):
        for row in moves(definition):
            outside = [] if _submits(row) else sorted(set(row.sources) - set(_open(roles)))
            if row.dest in _open(roles) and outside:
                yield (
                    f"trigger {row.trigger.value} leads from {outside[0]} to {row.dest}, where the ticket of approval "
                    f"{number} is filed or decided: only submit leads there"
                )
        follows = {roles.granted, *(definition.begins(one) for one in definition.rounds[number:])}
        for state in sorted(follows & reached(definition, approved=False, of=roles)):
            yield f"state {state} follows approval {number}, but can be reached without it"


def _open(roles: Roles) -> tuple[enum.StrEnum, ...]:
    """Return the states in which a ticket is filed or waited for."""
    return roles.asking, roles.waiting, roles.undelivered


def _submits(row: Transition) -> bool:
    """Return whether a row submits a new ticket, and so drops the one before."""
    return row.update is submitted


def is_approval(definition: WorkflowDefinition, row: Transition, source: object, of: Roles | None = None) -> bool:
    """Return whether a row is one of the library's own, by which a ticket's approval grants the change."""
    roles = of or definition.rounds[-1]
    return (
        source in {roles.waiting, roles.undelivered}
        and row.dest is roles.granted
        and row.evidence_types == _APPROVALS.get(row.trigger.value)
        and not _has_no_guard(row)
    )


def _has_no_guard(row: Transition) -> bool:
    return getattr(row.guard, "__name__", "") == "always"


def reached(
    definition: WorkflowDefinition,
    *,
    start: enum.StrEnum | None = None,
    avoided: Collection[enum.StrEnum] = (),
    approved: bool = True,
    of: Roles | None = None,
) -> set[enum.StrEnum]:
    """Return the states that can be reached.

    Args:
        definition: The workflow.
        start: The state to start from; by default the initial state.
        avoided: The states that are not entered.
        approved: Whether to follow the rows by which the ticket's approval grants the change.
        of: The approval whose rows these are; by default the last one.
    """
    found, frontier = set[enum.StrEnum](), [definition.initial if start is None else start]
    while frontier:
        state = frontier.pop()
        if state not in found and state not in avoided:
            found.add(state)
            frontier += [
                row.dest
                for row in moves(definition)
                if row.dest is not None
                and state in row.sources
                and (approved or not is_approval(definition, row, state, of))
            ]
    return found


def _evidence(definition: WorkflowDefinition) -> Iterator[str]:
    kinds = {kind for row in definition.transitions for kind in row.evidence_types}
    for one, other in itertools.combinations(sorted(kinds, key=lambda kind: kind.__qualname__), 2):
        if one.__name__ == other.__name__:
            yield f"two evidence types are named {one.__name__}; stored entries could not be distinguished by type"
    for kind in sorted(kinds, key=lambda kind: kind.__name__):
        if not hasattr(kind, "__attrs_attrs__"):
            yield f"evidence type {kind.__name__} is not an attrs class, so it cannot be stored"
            continue
        for problem in wrong_declarations(kind):
            yield f"evidence type {kind.__name__}: {problem}"


def _due(definition: WorkflowDefinition) -> Iterator[str]:
    for state in definition.states:
        if state not in definition.final and state not in definition.due:
            yield f"state {state.value} is not final and has no due rule, so no worker would ever look at it"


def _effects(definition: WorkflowDefinition) -> Iterator[str]:
    effects: object = definition.effects
    if not isinstance(effects, Mapping):
        yield f"effects: {kind_of(effects)} is not a mapping from states to names of effects"
        return
    yield from wrong_effects(definition, effects)


def wrong_effects(definition: WorkflowDefinition, effects: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the problems of the effect names by state: an unknown state, an invalid name, or a duplicate name."""
    known, seen = set(definition.states), dict[str, object]()
    for state, names in effects.items():
        if state not in known:
            yield f"effects name the unknown state {state!r}; {definition.name} has {', '.join(definition.states)}"
        elif state == definition.initial:
            yield f"effects of the initial state {state} would never run: it is not entered by a trigger"
        if not isinstance(names, tuple | list):
            yield f"effects of state {state}: {kind_of(names)} is not a tuple of names"
            continue
        for name in names:
            if not isinstance(name, str) or not _EFFECT.fullmatch(name):
                rule = "a name has 1 to 64 letters, digits and _ . : / -, and begins with a letter or digit"
                yield f"effects of state {state}: {rule}, not {name!r}"
            elif name == WITHDRAW:
                yield f"effect {name!r} of state {state}: that is the library's own"
            elif name not in seen:
                seen[name] = state
            elif seen[name] == state:
                yield f"effect {name!r} is named twice in state {state}, aliases included: name it once"
            else:
                yield (
                    f"effect {name!r} is named in two states, {seen[name]} and {state}, but a name belongs to one "
                    f"state: give it another name in {state}, such as '{name}_{state}', and the same function"
                )


def moves(definition: WorkflowDefinition) -> Iterator[Transition]:
    """Yield the rows that lead to a state, without those that only add facts."""
    return (row for row in definition.transitions if row.dest is not None)
