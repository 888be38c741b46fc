"""The object of each process: opened once, not shared by a fork, closed where it was opened."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.runtime.per_process import PerProcess
from tests.support.limits import exit_code

if TYPE_CHECKING:
    from collections.abc import Callable


class Opened:
    """An object that counts how often it was closed."""

    closed = 0

    def close(self) -> None:
        """Count it."""
        self.closed += 1


class Opener:
    """Opens objects, and keeps them."""

    def __init__(self) -> None:
        self.opened: list[Opened] = []

    def __call__(self) -> Opened:
        """Return a new object."""
        self.opened.append(Opened())
        return self.opened[-1]


def in_child(passed: Callable[[], bool]) -> bool:
    """Return what a forked process finds."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            code = 0 if passed() else 1
        finally:
            os._exit(code)
    return exit_code(child) == 0


def test_the_first_call_opens_it_and_each_later_one_returns_it() -> None:
    """Nothing is opened before."""
    opener = Opener()
    one = PerProcess(opener)
    assert opener.opened == []
    found = one.get()
    assert isinstance(found, Opened)
    assert one.get() is found
    assert opener.opened == [found]


def test_what_the_opener_raises_is_raised_and_the_next_call_opens_again() -> None:
    """A database that is away at the start of a process comes back."""
    answers: list[Opened | OSError] = [OSError("away"), Opened()]

    def opener() -> Opened:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    one = PerProcess(opener)
    with pytest.raises(OSError, match="away"):
        one.get()
    assert isinstance(one.get(), Opened)


def test_threads_that_call_at_once_get_one_object() -> None:
    """The others wait until the first has opened it."""
    started, goes_on = threading.Event(), threading.Event()
    opened, found = Opener(), []

    def opener() -> Opened:
        started.set()
        goes_on.wait()
        return opened()

    one = PerProcess(opener)
    threads = [threading.Thread(target=lambda: found.append(one.get())) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    goes_on.set()
    for thread in threads:
        thread.join()
    assert len(opened.opened) == 1
    assert found == opened.opened * 4


def test_it_is_closed_once_and_opened_again_when_needed() -> None:
    """Closing what was never opened does nothing."""
    opener = Opener()
    one = PerProcess(opener)
    one.close()
    first = one.get()
    one.close()
    one.close()
    assert first.closed == 1
    assert one.get() is not first
    assert [each.closed for each in opener.opened] == [1, 0]


def test_a_forked_process_has_its_own_whatever_its_parent_holds() -> None:
    """The parent's object and lock are the parent's alone."""
    opener = Opener()
    one = PerProcess(opener)
    parents = one.get()

    def own() -> bool:
        mine = one.get()
        one.close()
        return mine is not parents and parents.closed == 0 and mine.closed == 1 and one.get() is not mine

    with one._lock:
        assert in_child(own)
    assert one.get() is parents


def test_a_forked_process_that_opened_nothing_closes_nothing() -> None:
    """Its parent goes on to use the object."""
    one = PerProcess(Opener())
    parents = one.get()

    def close() -> bool:
        one.close()
        return parents.closed == 0

    with one._lock:
        assert in_child(close)
    assert parents.closed == 0


def test_the_parents_object_is_kept_in_the_child() -> None:
    """Collecting it would end its connections, which the parent's server would see."""
    ended: list[int] = []

    class Ends(Opened):
        def __del__(self) -> None:
            ended.append(os.getpid())

    one = PerProcess(Ends)
    one.get()

    def opens_its_own() -> bool:
        one.get()
        return ended == []

    assert in_child(opens_its_own)


def test_threads_of_a_forked_process_that_call_at_once_get_one_object() -> None:
    """What belongs to the parent is forgotten in the fork, and not by a later call."""
    opener = Opener()
    one = PerProcess(opener)
    one.get()

    def at_once() -> bool:
        meeting, found = threading.Barrier(2), list[Opened]()

        def call() -> None:
            meeting.wait()
            found.append(one.get())

        threads = [threading.Thread(target=call) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(opener.opened) == 2 and found == [opener.opened[1]] * 2

    assert all(in_child(at_once) for _ in range(20))


def test_a_fork_keeps_no_object_alive() -> None:
    """What is no longer used is collected, also with its entry for forks."""
    collected = weakref.ref(PerProcess(Opener()))
    gc.collect(1)  # what was just made; all else takes half a second
    assert collected() is None
    assert in_child(lambda: collected() is None)
