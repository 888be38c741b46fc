"""The sorts of changes that the trials have met in each state, and whether a change is of a new sort."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

from itsm_workflow.change import WITHDRAW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from itsm_workflow.change import ChangeRequest

Feature: TypeAlias = "tuple[str, object]"

FEW = 16
"""The number of changes of a state up to which a new pair of features makes a sort, and of values of one feature up to
which a new value does beyond `MOST`."""

MOST = 60
"""The number of changes of a state up to which each new value of a feature makes a sort."""

_DATA = "data"


def features(change: ChangeRequest) -> tuple[Feature, ...]:
    """Return the values that guards commonly test, coarsely, each with its name.

    The last one is the data of the change: its keys in order, each with the text of its value.
    """
    attempt = change.attempt
    values: Mapping[str, object] = {
        "phase": attempt.phase if attempt else None,
        "resent": attempt is not None and attempt.number > 1,
        "ticket": change.ticket is not None,
        "attention": change.attention.reason if change.attention else None,
        "outcome": change.outcome,
        "suspicion": change.suspicion.status if change.suspicion else None,
        "heard": change.heard is not None,
        "effect": change.effects[-1].status if change.effects else None,
        "withdrawal": next((one.status for one in reversed(change.effects) if one.name == WITHDRAW), None),
        "contradicted": bool(change.contradictions),
        _DATA: tuple((key, repr(value)) for key, value in sorted(change.data.items(), key=lambda item: item[0])),
    }
    return tuple(values.items())


class Sorts:
    """The features of the changes that were taken, by state."""

    def __init__(self) -> None:
        self._seen: set[tuple[object, ...]] = set()
        self._parts: set[tuple[str, tuple[str, ...], object]] = set()
        self._values: Counter[tuple[str, tuple[str, ...]]] = Counter()  # how many of each part, by state

    def takes(self, state: str, found: tuple[Feature, ...], taken: int) -> bool:
        """Return whether a change is of a new sort, and if so, note its features.

        The data of a host may differ without end, such as by a count. Once that has filled the bound of the state,
        other features and other keys of the data still make a sort, each with a few values.

        Args:
            state: The state of the change.
            found: The features of the change.
            taken: The number of changes of the state that were taken before.
        """
        one = {(state, each) for each in found}
        is_new = not one <= self._seen
        # The pairs are many: they are made only if they matter.
        two = {(state, *pair) for pair in combinations(found, 2)} if is_new or taken < FEW else set()
        is_new = is_new or not two <= self._seen
        if not is_new or (taken >= MOST and not self._has_a_rare_part(state, found)):
            return False
        self._seen |= one | two
        for name, value in _parts(found):
            if (state, name, value) not in self._parts:
                self._parts.add((state, name, value))
                self._values[state, name] += 1
        return True

    def _has_a_rare_part(self, state: str, found: tuple[Feature, ...]) -> bool:
        """Return whether a part has a new value, and had few others."""
        return any(
            (state, name, value) not in self._parts and self._values[state, name] < FEW
            for name, value in _parts(found)
            if len(name) == 1 or self._values[state, (_DATA,)] < FEW or self._values[state, name]
        )


def _parts(found: tuple[Feature, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield the features one by one, with the keys of the data and the value of each key instead of the data."""
    for name, value in found:
        if name != _DATA:
            yield (name,), value
        elif isinstance(value, tuple):
            for key, text in value:
                yield (_DATA,), key
                yield (_DATA, key), text
