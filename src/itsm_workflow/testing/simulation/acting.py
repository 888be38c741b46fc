"""The acts of the host and its people in a run: when each is tried, and which were refused to the end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import DefinitionError, ItsmWorkflowError, TransitionRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.testing.simulation.host import HostAct
    from itsm_workflow.workflow import Workflow

LOOK_AGAIN = 600.0
"""The shortest pause, in seconds, between two tries of an act that is refused."""

_HOUR, _DAY = 3600.0, 86400.0
_GIVEN_UP = 35 * _DAY
_MOST_ACTS = 20  # an act that is carried out again and again, and changes nothing that ends it


@attrs.define
class _Refused:
    """An act that a change refuses."""

    since: float
    last: float
    again: float
    times: int = 0
    reason: str = ""


class Acting:
    """Carries out acts.

    A refused act is tried again after a quarter of the time since its first refusal: at least ten minutes, at most a
    day. A change that falls due is tried earlier, once an hour, and one that moved immediately.

    Args:
        acts: The acts.
        elapsed: Returns the seconds since the beginning of the run.
        note: Called with what happened, for people.
    """

    def __init__(self, acts: Sequence[HostAct], elapsed: Callable[[], float], note: Callable[[str], object]) -> None:
        self._acts = acts
        self._elapsed = elapsed
        self._note = note
        self._acted: Counter[tuple[str, str]] = Counter()
        self._refused: dict[tuple[str, str], _Refused] = {}

    def look(self, workflow: Workflow) -> float | None:
        """Carry out the acts that are possible, and return the seconds until the next look; None if none is needed."""
        for change in list(workflow.find()):
            for act in self._acts:
                self._do(act, workflow, change)
        waiting = [one.again for one in self._refused.values() if not _is_given_up(one)]
        return max(min(waiting) - self._elapsed(), 0.0) if waiting else None

    def stored(self, change_id: str, *, moved: bool) -> None:
        """Try the refused acts of a change soon, since it moved or fell due."""
        for (_, of), one in self._refused.items():
            if of == change_id:
                one.again = min(one.again, one.last + (0.0 if moved else _HOUR))

    def awaits(self, change_id: str) -> bool:
        """Return whether an act of a change is refused and is tried again."""
        return any(of == change_id and not _is_given_up(one) for (_, of), one in self._refused.items())

    def given_up(self, change_id: str) -> Iterator[str]:
        """Yield a sentence about each act that the change refused to the end of the run."""
        for (name, of), one in self._refused.items():
            if of == change_id:
                yield f"gave up `{name}` after {one.times} refusals, last: {one.reason}"

    def _do(self, act: HostAct, workflow: Workflow, change: ChangeRequest) -> None:
        key = act.name, change.id
        if not act.when(change):
            self._refused.pop(key, None)
            return
        now = self._elapsed()
        refused = self._refused.get(key) or _Refused(since=now, last=now, again=now)
        if now < refused.again or _is_given_up(refused) or self._acted[key] >= _MOST_ACTS:
            return
        self._acted[key] += 1  # also if it raises an error that is not the library's
        try:
            act.do(workflow, change)
        except DefinitionError:
            raise  # a retry does not repair the host's code
        except ItsmWorkflowError as error:
            self._note(f"{act.name}, {change.subject}: {error}")
            refused.reason = error.reason if isinstance(error, TransitionRefused) else str(error)
            refused.times, refused.last = refused.times + 1, self._elapsed()
            refused.again = refused.last + min(max((refused.last - refused.since) / 4, LOOK_AGAIN), _DAY)
            self._refused[key] = refused
            self._acted[key] -= 1
            return
        self._refused.pop(key, None)
        self._note(f"{act.name}, {change.subject}")


def _is_given_up(refused: _Refused) -> bool:
    return refused.last - refused.since >= _GIVEN_UP
