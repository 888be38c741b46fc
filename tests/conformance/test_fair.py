"""The time limits of the kit are for one call, grow with what the first calls cost, and tell slow from blocked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance import QUICK, PromiseOutcome, _recording
from itsm_workflow.testing.conformance._pace import Pace
from itsm_workflow_backends.memory import MemoryBackend
from tests.conformance.good import Journal, OneFile
from tests.support.limits import PATIENCE
from tests.support.long import long_after

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import Conflict, Row, Write

SECOND = 1_000_000_000
LOAD = 20


@attrs.define
class Clock:
    """A clock that stands still until it is moved."""

    now: int = 0

    def monotonic_ns(self) -> int:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock by which the calls of the kit are timed."""
    clock = Clock()
    monkeypatch.setattr(_recording, "time", clock)
    return clock


def test_without_a_call_the_limits_are_those_of_the_profile() -> None:
    """A quarter of the patience for slow."""
    pace = Pace(120)
    assert (pace.slow, pace.blocked, pace.finding()) == (30, 120, "")


def test_the_limits_grow_with_the_slowest_of_the_first_calls() -> None:
    """Of the first five: a later one says nothing about the machine."""
    pace = Pace(120)
    for seconds in (0.1, 0.5, 0.01, 0.01, 0.01, 9):
        pace.note("commit", 0, int(seconds * SECOND))
    assert (pace.slow, pace.blocked) == (250, 1000)
    assert pace.slowest == ("commit", 9)


def test_fast_first_calls_do_not_shorten_the_limits() -> None:
    """A store that is fast while it is empty need not stay so."""
    pace = Pace(120)
    for _ in range(9):
        pace.note("get", 0, SECOND // 1_000_000)
    assert (pace.slow, pace.blocked) == (30, 120)


def test_a_slow_call_is_a_finding_of_its_own(clock: Clock) -> None:
    """The promise is kept, and the call, its time and the limit are named."""

    class IsSlowOnce(MemoryBackend):
        def get(self, change_id: str, /) -> Row | None:
            clock.now += 31 * SECOND if change_id == "c050" else 0
            return super().get(change_id)

    report = check_storage(lambda: IsSlowOnce, only="all of a batch is stored")
    (result,) = report.results
    assert (result.outcome, report.broken) == (PromiseOutcome.SLOW, {})
    assert result.reason == (
        "slow: a call of get returned after 31.0 s; the limit is 30.0 s, since the slowest of the first 5 calls took "
        "0.000 s"
    )


def test_a_promise_of_many_calls_is_not_slow(clock: Clock) -> None:
    """Together they may take as long as they like."""

    class TakesTenSeconds(MemoryBackend):
        def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
            clock.now += 10 * SECOND
            return super().commit(writes)

    report = check_storage(lambda: TakesTenSeconds, only="thousands of commits")
    assert [result.outcome for result in report.results] == [PromiseOutcome.KEPT]
    assert clock.now > 1000 * 10 * SECOND


STOPPED_AND_STARVED = r"""
import os, signal, subprocess, sys, time
from itsm_workflow.testing import check_storage
from itsm_workflow_backends.memory import MemoryBackend

BURN = f"import os\nwhile os.getppid() == {os.getpid()}: sum(range(100_000))"

def stop():
    os.kill(os.getpid(), signal.SIGSTOP)

def starve():
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    others = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(6)]
    until = time.thread_time() + 0.2
    while time.thread_time() < until:
        pass
    for other in others:
        other.kill()
        other.wait()

waiting = [{"stop": stop, "starve": starve}[sys.argv[1]]]

class IsHeldUpOnce(MemoryBackend):
    def get(self, change_id, /):
        if change_id == "c050" and waiting:
            waiting.pop()()
        return super().get(change_id)

(result,) = check_storage(lambda: IsHeldUpOnce, only="all of a batch is stored", patience=2).results
print(result.outcome, result.reason)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not count these times")
@pytest.mark.parametrize("how", long_after(1, ["stop", "starve"]))
def test_a_call_is_not_slow_because_its_process_could_not_work(how: str) -> None:
    """A call is slow after half a second; its process is stopped for three, or shares a processor with six others."""
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED_AND_STARVED, how], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with process:
        if how == "stop":
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            threading.Event().wait(3)  # it is stopped for that long
            process.send_signal(signal.SIGCONT)
        printed, _ = process.communicate(timeout=PATIENCE)
    assert printed == "kept \n"


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("backend", [OneFile, Journal])
def test_slow_and_correct_backends_pass_on_a_busy_machine(backend: type[OneFile], tmp_path: Path) -> None:
    """Each call reads all, and twenty processes want the processor."""
    number = count()
    burn = f"import os\nos.nice(5)\nwhile os.getppid() == {os.getpid()}: sum(range(100_000))"
    with ExitStack() as ending:
        for _ in range(LOAD):
            process = subprocess.Popen([sys.executable, "-c", burn])
            ending.callback(process.wait)
            ending.callback(process.kill)
        report = check_storage(
            lambda: partial(backend, tmp_path / f"store{next(number)}"),
            abilities=backend.abilities,
            profile=QUICK,
            only="a batch of two thousand",  # the longest single calls; all promises take a quarter of an hour
        )
    assert {name: result.reason for name, result in report.broken.items()} == {}
