"""The lines at which a commit is interrupted: those whose clean-up runs then, and no other."""

from __future__ import annotations

import linecache
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.testing.conformance._interruptible import is_interruptible
from itsm_workflow.testing.conformance._lines import at_place, places_in
from itsm_workflow.testing.conformance._trials.calls import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterator


OWN = frozenset({"tests"})


class Careful:
    """Takes its lock in each of the three ways that clean up, and lets a file-like object of its own hold it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.steps: list[str] = []

    def work(self) -> None:
        """Hold the lock four times."""
        with self.lock:
            self.steps.append("with")
        self.lock.acquire()
        try:
            self.steps.append("try")
        finally:
            self.release()
        with self.held():
            self.steps.append("held")
        with self:
            self.steps.append("entered")
        try:
            self.steps.remove("none")
        except ValueError:
            self.steps.append("except")
        self.steps.append("end")

    def release(self) -> None:
        """Release the lock."""
        self.lock.release()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock in a block."""
        with self.lock:
            self.steps.append("enter")
            yield

    def __enter__(self) -> None:
        """Take the lock."""
        self.lock.acquire()
        self.steps.append("__enter__")

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        self.steps.append("__exit__")
        self.lock.release()


def cancel() -> None:
    """Interrupt the caller."""
    raise Cancelled


def test_no_line_before_a_block_or_in_a_clean_up_is_interrupted() -> None:
    """No code could clean up there."""
    places = places_in(Careful().work, 1000, of=OWN, chosen=is_interruptible)
    assert [linecache.getline(*place).strip() for place in places] == [
        'self.steps.append("with")',
        "self.lock.acquire()",
        'self.steps.append("try")',
        'self.steps.append("enter")',
        "yield",
        'self.steps.append("held")',
        'self.steps.append("entered")',
        'self.steps.remove("none")',
        'self.steps.append("end")',
    ]


def test_after_an_interrupt_at_any_of_the_lines_the_lock_is_free() -> None:
    """What cleans up by one of the ways of Python is not reported."""
    places = places_in(Careful().work, 1000, of=OWN, chosen=is_interruptible)
    for place in places:
        careful = Careful()
        with pytest.raises(Cancelled), at_place(place, cancel, of=OWN, chosen=is_interruptible):
            careful.work()
        assert not careful.lock.locked(), linecache.getline(*place)


def test_as_many_places_are_chosen_as_asked_for() -> None:
    """The first of them, and others at equal distances."""
    every = places_in(Careful().work, 1000, of=OWN)
    assert places_in(Careful().work, 3, of=OWN) == [every[0], every[len(every) // 3], every[2 * len(every) // 3]]
