"""Effects: the work that a host wants done once a state is entered.

An effect is planned in the commit that enters the state and delivered afterwards, at least once, under a lease, each
time with the same id. A failure never takes back an approval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import WITHDRAW
from itsm_workflow.errors import DefinitionError, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition


@attrs.frozen(kw_only=True)
class EffectCall:
    """One delivery.

    Attributes:
        id: The same for every delivery of this effect: use it to know a repeat.
        name: The effect's name.
        attempt: 1 for the first delivery, and so on.
        change: The change as it was when the delivery was claimed.
        actor: On whose behalf.
    """

    id: str
    name: str
    attempt: int
    change: ChangeRequest
    actor: str


@attrs.frozen
class Effect:
    """A name, stored with the change, and the function that does the work; it raises if the work is not done."""

    name: str
    run: Callable[[EffectCall], object]


class EffectRegistry:
    """The effects of one workflow, by state and by name.

    Args:
        definition: The workflow.
        effects: The effects by the state that plans them.
        leave_unknown: Whether an effect of another name is some other process's to deliver; otherwise it is parked.

    Raises:
        DefinitionError: Something is no effect, two share a name, a state is unknown, or a name is the library's.
    """

    def __init__(
        self, definition: WorkflowDefinition, effects: Mapping[str, Sequence[Effect]], *, leave_unknown: bool = False
    ) -> None:
        self._leave_unknown = leave_unknown
        self.names: dict[str, tuple[str, ...]] = {}
        self._by_name: dict[str, Effect] = {}
        for state, listed in effects.items():
            if state not in set(definition.states):
                raise DefinitionError(
                    f"effects name state {state!r}; {definition.name} has {', '.join(definition.states)}"
                )
            if state == definition.initial:
                raise DefinitionError(
                    f"effects of the initial state {state} would never run: it is not entered by a trigger"
                )
            for effect in listed:
                if not isinstance(effect, Effect):
                    raise DefinitionError(
                        f"effects of state {state}: a {type(effect).__name__} is no effect; write Effect(name, run)"
                    )
                if effect.name == WITHDRAW or effect.name in self._by_name:
                    taken = "the library's own" if effect.name == WITHDRAW else "the name of another effect"
                    raise DefinitionError(f"effect {effect.name!r} of state {state}: that is {taken}")
                self._by_name[effect.name] = effect
            self.names[str(state)] = tuple(effect.name for effect in listed)

    def delivers(self, name: str) -> bool:
        """Tell whether the effect is this process's to deliver."""
        return not self._leave_unknown or name == WITHDRAW or name in self._by_name

    def deliver(self, call: EffectCall) -> tuple[str, bool]:
        """Do the work.

        Returns:
            The error, empty if it was done, and whether no repeat could mend it.
        """
        effect = self._by_name.get(call.name)
        if effect is None:
            return f"no effect named {call.name!r} is registered: register it, then retry", True
        try:
            effect.run(call)
        except Exception as error:  # noqa: BLE001 - a host's work may fail in any way; the failure is recorded
            return describe(error), False
        return "", False
