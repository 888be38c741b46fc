"""The shortest counterexample: calls are left out while the store's answers still differ from the model's.

Only for calls of one thread and one process; the calls of a race or a crash are shown in full.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.conformance._answers import plain
from itsm_workflow.testing.conformance._model import Model
from itsm_workflow.testing.conformance._recording import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from itsm_workflow.storage.protocol import StorageBackend

_MOST_REPLAYS = 400
_MOST_SECONDS = 10.0
_ASKING = frozenset({"commit", "get", "find", "history"})


@attrs.frozen
class Counterexample:
    """Calls, the last of which gets a wrong answer, the difference of that answer, and whether fewer do not show it."""

    calls: tuple[Call, ...]
    wrong: str
    is_shortest: bool = True


def shortest(calls: Sequence[Call], new_store: Callable[[], Callable[[], StorageBackend]]) -> Counterexample | None:
    """Return the shortest counterexample that leaving out calls and writes produces, or None if the model agrees.

    Args:
        calls: The calls of the broken promise.
        new_store: Makes an empty store and returns a callable that opens it.

    Raises:
        TimeoutError: The calls took so long that they could not be repeated once.
    """
    asked = [call for call in calls if call.name in _ASKING and not isinstance(call.outcome, BaseException)]
    until = time.monotonic() + _MOST_SECONDS
    best = _replayed(asked, new_store, until)
    if best is None and time.monotonic() > until:
        raise TimeoutError("the calls cannot be repeated in time")
    replays = 1
    while best is not None:
        for fewer in _fewer(best.calls):
            replays += 1
            found = _replayed(fewer, new_store, until)
            if found is not None and found.calls[-1].name == best.calls[-1].name:
                best = found
                break
            if replays >= _MOST_REPLAYS or time.monotonic() > until:
                return attrs.evolve(best, is_shortest=False)
        else:
            return best
    return None


def _fewer(calls: Sequence[Call]) -> Iterator[list[Call]]:
    """Yield the calls with some of them left out, large parts first."""
    size = len(calls) // 2
    while size:
        for start in range(0, len(calls), size):
            yield [*calls[:start], *calls[start + size :]]
        size //= 2
    for place, call in enumerate(calls):
        writes = call.arguments[0] if call.name == "commit" else []
        size = len(writes) // 2
        while size:
            for start in range(0, len(writes), size):
                kept = [*writes[:start], *writes[start + size :]]
                yield [*calls[:place], Call("commit", (kept,)), *calls[place + 1 :]]
            size //= 2


def _replayed(
    calls: Sequence[Call], new_store: Callable[[], Callable[[], StorageBackend]], until: float
) -> Counterexample | None:
    backend, model = new_store()(), Model()
    done: list[Call] = []
    try:
        for call in calls:
            if time.monotonic() > until:
                return None
            try:
                answer = plain(getattr(backend, call.name)(*call.arguments))
            except Exception:  # noqa: BLE001  # a call that was left out made this one impossible
                return None
            done.append(Call(call.name, call.arguments, answer))
            try:
                model = model.after_call(call.name, call.arguments, answer)
            except AssertionError as error:
                return Counterexample(tuple(done), str(error))
    finally:
        backend.close()
    return None
