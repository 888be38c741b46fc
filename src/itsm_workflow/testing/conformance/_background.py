"""A promise that mostly waits, tested in a thread of its own while others are tested."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.testing.conformance._kit import Kit

Answer = TypeVar("Answer")


class Background(Generic[Answer]):
    """Work that begins now, and rests until its result is asked for.

    Args:
        kit: The kit of this work alone.
        work: Tests a promise of the kit.
    """

    def __init__(self, kit: Kit, work: Callable[[Kit], Answer]) -> None:
        self._asked = threading.Event()
        self._answers: list[Answer] = []
        self._errors: list[BaseException] = []
        kit.rest = self._rest
        self._thread = threading.Thread(target=self._run, args=(kit, work), daemon=True)
        self._thread.start()

    def result(self) -> Answer:
        """End the rest, unless it was shorter than asked for, and return the result or raise the error."""
        self._asked.set()
        self._thread.join()
        if self._errors:
            raise self._errors[0]
        return self._answers[0]

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._asked.wait()
        time.sleep(max(0.0, until - time.monotonic()))

    def _run(self, kit: Kit, work: Callable[[Kit], Answer]) -> None:
        try:
            self._answers.append(work(kit))
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that asks
            self._errors.append(error)
