"""Errors raised at every line that a piece of work executes, one line in each run.

A task queue's time limit, Ctrl-C or a lack of memory can raise an error anywhere, and an error report may show the
variables of every frame that the error passed.
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
"""The module that removes frames from tracebacks; no error is raised in its lines."""


class Struck(BaseException):
    """An error that a task queue raises in running code."""


class StruckSoftly(Exception):
    """The same, as an ordinary error."""


class Striker:
    """A tracer that counts the executed lines of the library, and raises an error at one of them.

    Args:
        kind: The class of the error.
        at: The count at which the error is raised, from 0; -1 for no error.
        within: The prefixes of the library's paths.

    Attributes:
        lines: The number of executed lines.
        seen: The counts of each line's first and last execution, by line.
        place: The place at which the error was raised.
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
        """Trace this block, in this thread and in the threads that it starts."""
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
    """Repeat the same work with an error at another line each time; yield the line, and the text of all reports of it.

    A line that is executed several times gets an error the first and the last time.

    Args:
        prepare: Returns the work; it is called before each run, and gets no error.
        kind: The class of the error.
        within: The prefixes of the paths whose lines get an error.
        step: Take every line, every second line, and so on.
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
            except BaseException as error:  # noqa: BLE001 - the error is reported
                shown = report(error)
        yield striker.place, "\n".join([shown, *logged])


def report(error: BaseException) -> str:
    """Return the report of an error and of all its causes, with the variables of all frames."""
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
    except Exception:  # noqa: BLE001 - the object may not be initialised
        return "<no repr>"


@contextlib.contextmanager
def overheard() -> Iterator[list[str]]:
    """Yield the log of this block, at every level, with the variables of all frames of its errors."""
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
