"""Threads that do not keep the program alive, so a backend that blocks delays neither a check nor the program's end.

Not threads of an executor, since the interpreter waits for those when it ends.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

from itsm_workflow.testing.conformance._reports import Shown, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Answer = TypeVar("Answer")

THE_TEST = "the test"
"""The name of the thread in which a promise is tested."""

_GLANCE = 0.25


class DidNotReturn(Exception):
    """The work was given up and continues, since a thread cannot be ended."""


class EndsTheProgram(Shown):
    """The work raised an exception that is not an `Exception`, which would end the program that tests the backend."""

    @classmethod
    def of(cls, error: BaseException) -> EndsTheProgram:
        """Describe that exception, with the calls that were recorded."""
        wrong = f"the backend raised {type(error).__name__}({error}), which ends the program that calls it"
        described = cls(f"{wrong}{place_of(error)}")
        if hasattr(error, "finding"):
            described.finding = error.finding  # type: ignore[attr-defined]  # see promise
        return described


def unless(given_up: Callable[[], bool], work: Callable[[], Answer]) -> Answer:
    """Run the work in a new thread, and return its result or raise its error.

    Args:
        given_up: Returns whether to give the work up; called several times a second.
        work: The work.

    Raises:
        DidNotReturn: The work was given up.
        EndsTheProgram: The work raised SystemExit, KeyboardInterrupt, or another exception that is not an `Exception`.
            A signal of this program raises these in its main thread only.
    """
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:  # noqa: BLE001  # raised again in the waiting thread
            errors.append(error)

    thread = threading.Thread(target=run, name=THE_TEST, daemon=True)
    thread.start()
    thread.join(_GLANCE)
    while thread.is_alive() and not given_up():
        thread.join(_GLANCE)
    if errors:
        if not isinstance(errors[0], Exception):
            raise EndsTheProgram.of(errors[0]) from errors[0]
        raise errors[0]
    if not answers:
        raise DidNotReturn
    return answers[0]


def within(seconds: float, work: Callable[[], Answer]) -> Answer:
    """Run the work in a new thread for at most that many seconds, see `unless`."""
    until = time.monotonic() + seconds
    return unless(lambda: time.monotonic() > until, work)


def at_once(works: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Run each of these in its own thread at the same time, and return their results."""
    start = threading.Barrier(len(works))
    answers: dict[int, Answer] = {}
    errors: list[BaseException] = []

    def run(place: int, work: Callable[[], Answer]) -> None:
        try:
            start.wait()
            answers[place] = work()
        except BaseException as error:  # noqa: BLE001  # raised again in the waiting thread
            errors.append(error)

    threads = [
        threading.Thread(target=run, args=each, name=f"thread {each[0] + 1}", daemon=True) for each in enumerate(works)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        # A thread that failed may have broken a barrier at which others waited; theirs is not the error to report.
        raise next((error for error in errors if not isinstance(error, threading.BrokenBarrierError)), errors[0])
    return [answers[place] for place in range(len(works))]
