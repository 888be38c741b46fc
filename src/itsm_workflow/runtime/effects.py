"""Effects: the host's work after a state is entered.

An effect is planned in the commit that enters the state. It is delivered afterwards, at least once, under a lease, each
time with the same id. A failure never revokes an approval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import attrs

from itsm_workflow.calling import why_not_called
from itsm_workflow.change import WITHDRAW
from itsm_workflow.deferred import check_done, why_deferred
from itsm_workflow.errors import DefinitionError
from itsm_workflow.failures import failures
from itsm_workflow.machine.analysis import wrong_effects
from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.text import describe, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition

StateT = TypeVar("StateT", bound=str)
"""The states of a workflow: a mapping of them has the members of one enum as keys, or texts."""

EffectFunction = TypeVar("EffectFunction", bound="Callable[[EffectCall], object]")
"""The function of an effect, which a decorator returns as it is."""


@attrs.frozen(kw_only=True)
class EffectCall:
    """The argument of an effect's function: one delivery.

    Attributes:
        id: The effect's id, the same for every delivery: use it to detect duplicates.
        name: The name under which the effect was planned.
        attempt: The number of the delivery, from 1.
        change: The change as it was when the delivery was claimed.
        actor: The user on whose behalf the effect is delivered.
    """

    id: str
    name: str
    attempt: int
    change: ChangeRequest
    actor: str


@attrs.frozen
class Effect:
    """A name and the function that does the work.

    Attributes:
        name: The name that is stored with each change that plans the effect.
        run: The function. It raises if the work was not done, and may be called again for the same effect.
        aliases: Earlier names of the effect. Effects that were planned under them are delivered by this function, too.

    Raises:
        DefinitionError: ``run`` is an async function or a generator function, whose call runs nothing, or does not take
            one argument.
    """

    name: str
    run: Callable[[EffectCall], object]
    aliases: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        wrong = why_deferred(self.run)
        if wrong:
            raise DefinitionError(f"effect {self.name!r}: its function is {wrong}")
        wrong = why_not_called(self.run, "call")
        if wrong:
            raise DefinitionError(f"effect {self.name!r}: its function {wrong}")


class EffectRegistry:
    """The effects of one workflow: their names, by state, and the functions that this process has.

    Args:
        definition: The workflow. If it names effects, every given effect must be one of them.
        effects: The effects by the state that plans them; a process may have some, all or none.

    Attributes:
        names: By state, the names of the workflow's effects.
        aliases: By name, the effect's earlier names.

    Raises:
        DefinitionError: A value is not an effect, two effects share a name, or the workflow does not have the state or
            the name.
    """

    def __init__(self, definition: WorkflowDefinition, effects: Mapping[StateT, Sequence[Effect]]) -> None:
        self._definition = definition
        self._take({str(state): tuple(_checked(state, listed)) for state, listed in effects.items()})

    def check_state(self, state: object) -> None:
        """Check the argument of a decorator, which is otherwise checked only when the decorator is used.

        Raises:
            DefinitionError: It is not a state of the workflow.
        """
        if not isinstance(state, str):
            raise DefinitionError(
                "effect(state) takes the state after whose entry the function is called, as in "
                f"@workflow.effect(State.APPROVED), not {kind_of(state)}"
            )
        problems = tuple(wrong_effects(self._definition, {str(state): []}))
        if problems:
            raise DefinitionError("; ".join(problems), problems=problems)

    def add(self, state: str, effect: Effect) -> None:
        """Add an effect of a state, after those that the state has.

        Raises:
            DefinitionError: As for the constructor; nothing was added.
        """
        (added,) = _checked(state, [effect])
        self._take({**self._given, str(state): (*self._given.get(str(state), ()), added)})

    def _take(self, given: Mapping[str, tuple[Effect, ...]]) -> None:
        definition = self._definition
        every = {
            state: [name for one in listed for name in (one.name, *one.aliases)] for state, listed in given.items()
        }
        problems = list(wrong_effects(definition, every))
        named = {str(state): tuple(names) for state, names in definition.effects.items() if names}
        if named and not problems:
            problems = list(_not_named(definition, named, given))
        if problems:
            raise DefinitionError("; ".join(problems), problems=tuple(problems))
        self._given = given
        listing = {state: tuple(one.name for one in listed) for state, listed in given.items() if listed}
        # Each change that is submitted holds this mapping.
        self.names: Mapping[str, tuple[str, ...]] = ReadOnlyDict(named or listing)
        self.aliases: Mapping[str, tuple[str, ...]] = ReadOnlyDict(
            {one.name: one.aliases for listed in given.values() for one in listed if one.aliases}
        )
        self._by_name = {name: one for listed in given.values() for one in listed for name in (one.name, *one.aliases)}

    def knows(self, name: str) -> bool:
        """Return whether this process can deliver the named effect."""
        return name == WITHDRAW or name in self._by_name

    def deliver(self, call: EffectCall) -> str:
        """Run the function of a known effect, and return the error; empty if the work was done.

        A function that returns an awaitable or a generator has not done its work.
        """
        try:
            check_done(self._by_name[call.name].run(call))
        except failures() as error:  # a host's work may fail in any way; the failure is recorded
            return describe(error)
        return ""


def _checked(state: str, listed: Sequence[Effect]) -> Sequence[Effect]:
    if not isinstance(listed, list | tuple):
        raise DefinitionError(f"effects of state {state}: {kind_of(listed)} is not a list; write [Effect(...)]")
    for one in listed:
        if not isinstance(one, Effect):
            raise DefinitionError(f"effects of state {state}: {kind_of(one)} is not an effect; write Effect(name, run)")
        if not callable(one.run):
            raise DefinitionError(f"effect {one.name!r} of state {state}: {kind_of(one.run)} is not a function")
        if not isinstance(one.aliases, tuple | list):
            raise DefinitionError(
                f"effect {one.name!r} of state {state}: its aliases are {kind_of(one.aliases)}, not a tuple; "
                "write aliases=(...,)"
            )
        if one.name in one.aliases:
            raise DefinitionError(
                f"effect {one.name!r} of state {state}: its aliases contain its own name; aliases=(...,) takes its "
                "earlier names only"
            )
    return listed


def _not_named(
    definition: WorkflowDefinition, named: Mapping[str, Sequence[str]], given: Mapping[str, Sequence[Effect]]
) -> Iterator[str]:
    for state, listed in given.items():
        for one in listed:
            if one.name not in named.get(state, ()):
                known = ", ".join(named.get(state, ())) or "none"
                yield (
                    f"effect {one.name!r} of state {state} is not named by {definition.name} version "
                    f"{definition.version}, which names {known} there: add it to the definition's effects"
                )
