"""Threads that do not keep the program alive, so a backend that blocks delays neither a check nor the program's end.

Not threads of an executor, since the interpreter waits for those when it ends.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Answer = TypeVar("Answer")


class DidNotReturn(Exception):
    """The work has not ended in time and continues, since a thread cannot be ended."""


def within(seconds: float | None, work: Callable[[], Answer]) -> Answer:
    """Run the work in a new thread, and return its result or raise its error.

    Raises:
        DidNotReturn: The work has not ended after that many seconds.
    """
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:  # noqa: BLE001  # raised again in the waiting thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise DidNotReturn
    return answers[0]


def at_once(works: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Run each of these in its own thread at the same time, and return their results."""
    start = threading.Barrier(len(works))
    answers: dict[int, Answer] = {}
    errors: list[BaseException] = []

    def run(place: int, work: Callable[[], Answer]) -> None:
        try:
            start.wait(30)
            answers[place] = work()
        except BaseException as error:  # noqa: BLE001  # raised again in the waiting thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [answers[place] for place in range(len(works))]
