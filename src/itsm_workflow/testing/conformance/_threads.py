"""Threads that do not outlive the program: a backend that blocks for ever keeps neither a check nor its end waiting.

Not an executor's: the interpreter waits for those when it ends.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Answer = TypeVar("Answer")


class DidNotReturn(Exception):
    """Work has not ended in time, and goes on: a thread cannot be ended."""


def within(seconds: float | None, work: Callable[[], Answer]) -> Answer:
    """Do work in a thread of its own, and return what it returns or raise what it raises.

    Raises:
        DidNotReturn: It has not ended after so many seconds.
    """
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:  # noqa: BLE001  # raised again where it is waited for
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
    """Do all of this at the same time, each in a thread of its own, and return what each returned."""
    start = threading.Barrier(len(works))
    answers: dict[int, Answer] = {}
    errors: list[BaseException] = []

    def run(place: int, work: Callable[[], Answer]) -> None:
        try:
            start.wait(30)
            answers[place] = work()
        except BaseException as error:  # noqa: BLE001  # raised again where all are waited for
            errors.append(error)

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [answers[place] for place in range(len(works))]
