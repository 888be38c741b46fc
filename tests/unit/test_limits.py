"""The limit of a test counts processor time and idle time, not the time in which the machine did other work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.support.limits import PATIENCE, Limit, Moment, counted, now

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BEGIN = Moment(wall=1000.0, ran=7.0, idle=500.0)


@pytest.mark.parametrize(
    ("passed", "ran", "idle", "counts"),
    [
        pytest.param(10.0, 0.1, 10.0, 10.0, id="it waits, and a processor has nothing to do"),
        pytest.param(10.0, 0.1, 640.0, 10.0, id="many processors have nothing to do"),
        pytest.param(10.0, 2.0, 0.0, 2.0, id="it gets a fifth of a busy machine"),
        pytest.param(10.0, 2.0, 4.0, 4.0, id="the machine is busy for a part of it"),
        pytest.param(10.0, 9.0, 0.0, 9.0, id="it works without end"),
        pytest.param(10.0, 0.0, 0.0, 0.5, id="it hangs on a machine that is never idle"),
        pytest.param(10.0, 15.0, 0.0, 10.0, id="its processes work side by side"),
    ],
)
def test_a_second_counts_that_the_test_had_for_itself(passed: float, ran: float, idle: float, counts: float) -> None:
    """Whole if a processor was idle, else the part in which it ran."""
    after = Moment(BEGIN.wall + passed, BEGIN.ran + ran, 500.0 + idle)

    assert counted(BEGIN, after) == pytest.approx(counts)


def test_without_idle_time_every_second_counts() -> None:
    """As on a system that shows none."""
    first = attrs.evolve(BEGIN, idle=None)

    assert counted(first, attrs.evolve(first, wall=first.wall + 10)) == 10


def test_a_limit_calls_once_it_is_used_up() -> None:
    """Looks come every few seconds, and no faster than ten a second when little is left."""
    moments: Iterator[Moment] = iter(
        [BEGIN, *(attrs.evolve(BEGIN, wall=BEGIN.wall + wall) for wall in (100, 198, 250))]
    )
    called: list[int] = []
    limit = Limit(10.0, lambda: called.append(1), lambda: next(moments))

    assert limit.look() == pytest.approx(5.0)
    assert limit.look() == pytest.approx(0.1)
    assert not called
    assert limit.look() == 0
    assert called == [1]


def test_the_clocks_of_this_machine_go_on() -> None:
    """What this process and an ended child did is seen."""
    before = now()
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True, timeout=PATIENCE)

    assert now().ran > before.ran
    assert now().wall > before.wall


def test_a_test_that_hangs_fails_and_shows_where(tmp_path: Path) -> None:
    """The run goes on with the next test."""
    (tmp_path / "test_it.py").write_text(
        "import threading\n\ndef test_hangs():\n    threading.Event().wait()\n\ndef test_next():\n    pass\n",
        encoding="utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.support.limits",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
    ]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "-o", "timeout=0.3", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "threading.Event().wait()" in done.stdout
