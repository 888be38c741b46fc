"""The time that the trials of a definition may take, and the function of the host at which they are."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class OutOfTime(BaseException):
    """The time is used up."""


class TimeBudget:
    """Counts processor time, which does not depend on other programs.

    Args:
        seconds: The longest time; unlimited by default.
        progress: Called with each function of the host before it is called.

    Attributes:
        place: The function that is called, or was called last.
    """

    def __init__(self, seconds: float | None = None, progress: Callable[[str], object] | None = None) -> None:
        self.seconds = seconds
        self.place = "the beginning"
        self._progress = progress
        self._ends_at = None if seconds is None else time.process_time() + seconds

    def at(self, place: str) -> None:
        """Note the function that is called next.

        Raises:
            OutOfTime: The time is used up.
        """
        if self._ends_at is not None and time.process_time() >= self._ends_at:
            raise OutOfTime
        if place != self.place:
            self.place = place
            if self._progress is not None:
                self._progress(place)


@contextlib.contextmanager
def interrupting(seconds: float) -> Iterator[None]:
    """Interrupt a function that does not return, by SIGPROF, which Python can receive in its main thread alone.

    Elsewhere, and on a system without this signal, nothing interrupts it; nor does it interrupt a function that waits
    without using the processor.

    Raises:
        OutOfTime: The processor time is used up.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def end(_number: int, _frame: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)
