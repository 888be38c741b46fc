"""The points at which a process can die: each call or line of the library that a piece of work passes."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import itsm_workflow
import itsm_workflow_backends

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, FrameType

Grain = Literal["call", "line"]
"""The grain of the points: entering and leaving a function, or before each line."""

_SOURCE = str(Path(itsm_workflow.__file__).parent)
_BACKENDS = next(iter(itsm_workflow_backends.__path__))
_OTHER_SIDE = tuple(f"{_SOURCE}/{name}" for name in ("sandbox/", "testing/", "audit.py"))
_MEMORY = (f"{_BACKENDS}/memory.py", f"{_SOURCE}/storage/table.py")


class Where(Protocol):
    """The points at which a process can be struck."""

    def passed(self, work: Callable[[], object], *, at: int = 0, strike: Callable[[], object] | None = None) -> int:
        """Do the work, strike at one point, and return the number of points that it passed."""
        ...


class Points:
    """The points in the code that counts.

    Args:
        grain: The grain of the points.
        in_store: Whether the code of a store counts. It must not for a store in memory, which represents a database
            that does not die with its client.
        only_store: Whether only the code of a store counts.
        only: The only functions that count; empty if the arguments above decide.
    """

    def __init__(
        self, grain: Grain, *, in_store: bool = False, only_store: bool = False, only: Sequence[Callable[..., Any]] = ()
    ) -> None:
        self.grain = grain
        self._only = {function.__code__ for function in only}
        self._roots = (_BACKENDS,) if only_store else (_SOURCE, _BACKENDS)
        self._left_out = _OTHER_SIDE if in_store else (*_OTHER_SIDE, *_MEMORY)
        self._counts: dict[CodeType, bool] = {}

    def passed(self, work: Callable[[], object], *, at: int = 0, strike: Callable[[], object] | None = None) -> int:
        """Do the work, and return the number of points that it passed.

        Args:
            work: The work.
            at: The point of the strike, counted from 1; 0 for none.
            strike: Called at that point; if it raises, the work ends there.
        """
        passed = 0

        def one_more() -> None:
            nonlocal passed
            passed += 1
            if passed == at and strike is not None:
                strike()

        def inside(_frame: FrameType, event: str, _value: object) -> Callable[..., Any]:
            if event == self.grain or (event == "return" and self.grain == "call"):
                one_more()
            return inside

        def entered(frame: FrameType, _event: str, _value: object) -> Callable[..., Any] | None:
            if not self._is_counted(frame.f_code):
                return None
            frame.f_trace_lines = self.grain == "line"
            if self.grain == "call":
                one_more()
            return inside

        before = sys.gettrace()
        sys.settrace(entered)
        try:
            work()
        finally:
            sys.settrace(before)
        return passed

    def _is_counted(self, code: CodeType) -> bool:
        counted = self._counts.get(code)
        if counted is None:
            name = code.co_filename
            inside = name.startswith(self._roots) and not name.startswith(self._left_out)
            counted = code in self._only if self._only else inside
            self._counts[code] = counted
        return counted


def _count_clean(count: Callable[[], int]) -> int:
    gc.collect()
    return count()


def steady(count: Callable[[], int]) -> int:
    """Return a count as soon as two in a row agree, since caches are filled then.

    The garbage of earlier tests is collected before: it can hold generators, whose ends are code that counts.
    """
    before, now = -1, _count_clean(count)
    for _ in range(10):
        if before == now:
            return now
        before, now = now, _count_clean(count)
    raise AssertionError(f"the points of this work cannot be counted: {before}, then {now}")
