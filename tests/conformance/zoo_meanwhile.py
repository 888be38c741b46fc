"""Broken backends that walk through what another thread changes meanwhile."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from tests.conformance.caught import Caught
from tests.conformance.good import PlainDict, matches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import Query, Rows
    from tests.conformance.good import Changes


class _InPlace(PlainDict):
    """Stores a commit in the dictionary that is there, which is right if a lock guards each walk through it."""

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        self._changes.update({name: after[name] for name in stored})


class WalksThroughALiveDict(_InPlace):
    """Walks through the dictionary of its changes without the lock."""

    def find(self, query: Query, /) -> Rows:
        names = []
        for name, (row, _) in self._changes.items():
            if matches(row, query):
                names.append(name)
        return super().find(attrs.evolve(query, ids=tuple(names)))


class WalksThroughALiveDictInOneLine(_InPlace):
    """Walks through the dictionary of its changes without the lock, in one line of code."""

    def find(self, query: Query, /) -> Rows:
        names = [name for name, (row, _) in self._changes.items() if matches(row, query)]
        return super().find(attrs.evolve(query, ids=tuple(names)))


class WalksThroughALiveDictByAGenerator(_InPlace):
    """Sorts the changes of its dictionary as they come, without the lock."""

    def find(self, query: Query, /) -> Rows:
        names = sorted(name for name, (row, _) in self._changes.items() if matches(row, query))
        return super().find(attrs.evolve(query, ids=tuple(names)))


class _IndexesStates(_InPlace):
    """Has an index of states, which is right if a lock guards each walk through the names of a state."""

    def __init__(self) -> None:
        super().__init__()
        self._index: dict[str, dict[str, None]] = {}

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        super()._store(after, stored)
        for name in stored:
            for names in self._index.values():
                names.pop(name, None)
            self._index.setdefault(after[name][0].state, {})[name] = None


class WalksThroughALiveIndex(_IndexesStates):
    """Has an index of states, and walks through the names of a state without the lock."""

    def find(self, query: Query, /) -> Rows:
        if query.ids is None and query.states:
            names = [name for state in query.states for name in self._index.get(state, {})]
            query = attrs.evolve(query, ids=tuple(names))
        return super().find(query)


ZOO: dict[type, Caught] = {
    WalksThroughALiveDict: Caught(
        "existing rows are found while others write",
        "never left out",
        "A page ends with an error of Python, because a change is filed in that moment.",
    ),
    WalksThroughALiveDictInOneLine: Caught(
        "existing rows are found while others write",
        "never left out",
        "A pass ends with an error of Python, because a change is filed in that moment.",
    ),
    WalksThroughALiveDictByAGenerator: Caught(
        "existing rows are found while others write",
        "never left out",
        "A report ends with an error of Python, because a change is filed in that moment.",
    ),
    WalksThroughALiveIndex: Caught(
        "existing rows are found while others write",
        "never left out",
        "A list of pending changes ends with an error of Python, because one of them is decided in that moment.",
    ),
}
"""By broken backend: the promise that catches it."""
