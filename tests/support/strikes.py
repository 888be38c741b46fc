"""Something strikes: an error is raised at every line that a piece of work comes by, one run after the other.

A task queue's time limit, Ctrl-C, the end of memory can come anywhere, and whoever reports them may show the
variables of every frame that they came through.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import itsm_workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

LIBRARY = str(itsm_workflow.__path__[0])
GUARD = "secrets.py"
"""The module that cuts frames off: its own lines are not struck."""


class Struck(BaseException):
    """What a task queue raises into whatever is running."""


class StruckSoftly(Exception):
    """The same, as an ordinary error."""


class Striker:
    """Counts the lines of the library that are come by, and raises an error at one of them.

    Args:
        kind: What is raised.
        at: The number of the line, from 0 on; -1: none.
        within: Paths that begin so are the library's.

    Attributes:
        lines: How many were come by.
        seen: The numbers of each line's first and last time, by line.
        place: Where the error was raised.
    """

    def __init__(self, kind: type[BaseException], at: int = -1, within: tuple[str, ...] = (LIBRARY,)) -> None:
        self.lines = 0
        self.seen: dict[tuple[str, int], tuple[int, int]] = {}
        self.place = ""
        self._kind = kind
        self._at = at
        self._within = within

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Strike inside this block, in this thread and in those that are started."""
        before = sys.gettrace()
        threading.settrace(self._called)
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(before)
            threading.settrace(None)

    def _called(self, frame: FrameType, _event: str, _given: object) -> Any:  # noqa: ANN401 - a trace function, or None
        name = frame.f_code.co_filename
        return self._line if name.startswith(self._within) and not name.endswith(GUARD) else None

    def _line(self, frame: FrameType, event: str, _given: object) -> Any:  # noqa: ANN401 - as above
        if event == "line":
            line = (frame.f_code.co_filename, frame.f_lineno)
            self.seen[line] = (self.seen.get(line, (self.lines,))[0], self.lines)
            self.lines += 1
            if self.lines == self._at + 1:
                self.place = f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}"
                raise self._kind
        return self._line


def strikes(
    prepare: Callable[[], Callable[[], object]],
    kind: type[BaseException] = Struck,
    *,
    within: tuple[str, ...] = (LIBRARY,),
    step: int = 1,
) -> Iterator[tuple[str, str]]:
    """Do the same work again and again, each time struck at another line; yield where, and all that reports show of it.

    A line that is come by several times is struck the first and the last time.

    Args:
        prepare: Returns the work; it is called before each time, and not struck.
        kind: What strikes.
        within: Paths that begin so are struck.
        step: Strike at each of them, or at every second, ...
    """
    work = prepare()
    counting = Striker(kind, within=within)
    with counting.watching(), contextlib.suppress(Exception):
        work()
    for at in sorted({at for times in counting.seen.values() for at in times})[::step]:
        work = prepare()
        striker = Striker(kind, at, within)
        with overheard() as logged:
            shown = ""
            try:
                with striker.watching():
                    work()
            except BaseException as error:  # noqa: BLE001 - it is looked at
                shown = report(error)
        yield striker.place, "\n".join([shown, *logged])


def report(error: BaseException) -> str:
    """Return what a report with the variables of all frames shows of an error and of all that it came from."""
    shown: list[str] = []
    waiting, seen = [error], list[BaseException]()
    while waiting:
        current = waiting.pop()
        seen.append(current)
        shown += traceback.format_exception_only(current)
        near = (current.__cause__, current.__context__)
        waiting += [each for each in near if each is not None and each not in [*seen, *waiting]]
        for frame, line in traceback.walk_tb(current.__traceback__):
            shown.append(f"{frame.f_code.co_filename}:{line}\n")
            shown += [f"    {name} = {_repr(value)}\n" for name, value in frame.f_locals.items()]
    return "".join(shown)


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - of what is half made
        return "<no repr>"


@contextlib.contextmanager
def overheard() -> Iterator[list[str]]:
    """Give what is logged inside this block, at every level, with the variables of all frames of the errors in it."""
    found: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(f"{record.getMessage()} {vars(record)!r}")
            if record.exc_info and record.exc_info[1]:
                found.append(report(record.exc_info[1]))

    listener, root = Listener(logging.DEBUG), logging.getLogger("itsm_workflow")
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    try:
        yield found
    finally:
        root.removeHandler(listener)
        root.setLevel(level)
