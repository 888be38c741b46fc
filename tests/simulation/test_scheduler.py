"""Virtual time: who runs when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.testing.manual_clock import ManualClock
from itsm_workflow.testing.simulation.scheduler import Scheduler, Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 1000


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that stands still."""
    return ManualClock()


@pytest.fixture
def scheduler(clock: ManualClock) -> Iterator[Scheduler]:
    """Give a scheduler, and end its threads."""
    made = Scheduler(clock)
    yield made
    made.close()


def test_events_happen_in_the_order_of_time(scheduler: Scheduler, clock: ManualClock) -> None:
    """Of two events the earlier comes first, and of two at once the one that was planned first."""
    seen: list[tuple[str, float]] = []
    for name, delay in (("late", 2.0), ("soon", 1.0), ("soon too", 1.0)):
        scheduler.call(delay, lambda name=name: seen.append((name, clock.elapsed())))  # type: ignore[misc]
    assert scheduler.run(10, MOST)
    assert seen == [("soon", 1.0), ("soon too", 1.0), ("late", 2.0)]


def test_tasks_take_turns_where_they_pause(scheduler: Scheduler, clock: ManualClock) -> None:
    """While a task pauses the others go on, each at its own moment."""
    seen: list[tuple[str, float]] = []

    def task(name: str, seconds: float) -> None:
        for _ in range(3):
            scheduler.pause(seconds)
            seen.append((name, clock.elapsed()))

    scheduler.spawn(0, lambda: task("a", 2.0))
    scheduler.spawn(0, lambda: task("b", 3.0))
    assert scheduler.run(100, MOST)
    assert seen == [("a", 2.0), ("b", 3.0), ("a", 4.0), ("b", 6.0), ("a", 6.0), ("b", 9.0)]


def test_a_task_that_waits_is_ended_with_the_run(clock: ManualClock) -> None:
    """Beyond the horizon nothing happens, and a task that still waits is told so."""
    scheduler, ended = Scheduler(clock), []

    def task() -> None:
        try:
            scheduler.pause(100)
        except Stopped:
            ended.append(clock.elapsed())
            scheduler.call(1, lambda: ended.append(-1.0))
            raise

    scheduler.spawn(1, task)
    scheduler.call(50, lambda: None)
    assert not scheduler.run(60, MOST)
    scheduler.close()
    assert ended == [50.0]


def test_what_goes_in_circles_is_stopped(scheduler: Scheduler) -> None:
    """A run that never ends by itself ends after so many steps."""

    def again() -> None:
        scheduler.call(0, again)

    again()
    assert not scheduler.run(10, MOST)


def test_only_a_task_can_pause(scheduler: Scheduler) -> None:
    """An event that pauses would stop everything, so it is refused."""
    with pytest.raises(RuntimeError, match="only a task can pause"):
        scheduler.pause(1)
