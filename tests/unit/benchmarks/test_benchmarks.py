"""How `make bench` measures, prints and judges; nothing is measured here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.benchmarks import __main__ as bench
from tests.benchmarks import peers
from tests.benchmarks.rounds import comparison, in_turns
from tests.benchmarks.table import Row, table

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
ROW = Row(name="a case", first="floor: 1 µs", second="ours: 2 µs", value="2 times", bound="at most 3", kept=True)


def test_ways_take_turns_and_the_first_one_changes() -> None:
    """A machine that becomes busy slows all ways alike, and none is always first."""
    gone: list[int] = []

    def way(index: int) -> Callable[[], tuple[float, float]]:
        def go() -> tuple[float, float]:
            gone.append(index)
            return float(index + 1), (index + 1) / 2

        return go

    first, _, third = in_turns([way(0), way(1), way(2)], rounds=2, times=3)
    assert gone == [0, 1, 2, *([1, 2, 0, 2, 0, 1, 0, 1, 2] * 2)]
    assert (comparison(first, third).ratio, comparison(first, third).cpu_ratio) == (3.0, 3.0)


def test_the_table_shows_whether_a_bound_is_kept_and_an_aim_reached() -> None:
    """An aim that is not reached yet is visible, without failing the run."""
    aimed = attrs.evolve(ROW, kept=False, aim="at most 1", reached=False)
    assert table([ROW, aimed]).splitlines()[2:] == [
        "| a case | floor: 1 µs | ours: 2 µs | 2 times | at most 3 | yes |  |",
        "| a case | floor: 1 µs | ours: 2 µs | 2 times | at most 3 | NO | at most 1: not reached |",
    ]


@pytest.mark.parametrize("code", [0, 1])
def test_a_missed_bound_ends_with_1(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missed aim does not."""
    row = attrs.evolve(ROW, kept=not code, aim="at most 1", reached=False)
    monkeypatch.setattr(bench, "parts", lambda _: {"one": lambda: [ROW, row], "other": pytest.fail})
    monkeypatch.setattr(sys, "argv", ["bench", "one"])
    assert bench.main() == code


def test_an_unknown_part_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The message lists the parts."""
    monkeypatch.setattr(sys, "argv", ["bench", "lives", "live"])
    with pytest.raises(SystemExit, match="2"):
        bench.main()
    assert "there is no part live: choose from lives, changes" in capsys.readouterr().err


def test_a_library_that_is_not_installed_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The benchmarks run without the other libraries."""
    missing: list[str] = []
    monkeypatch.setattr(peers, "_PYTHON", tmp_path / "python")
    assert peers.Peer.start("dbos", tmp_path, missing.append) is None
    assert missing == ["dbos was not measured: `make bench-peers` has not installed it"]


def test_a_library_that_cannot_be_started_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment of the tests has none of them."""
    missing: list[str] = []
    monkeypatch.setattr(peers, "_PYTHON", Path(sys.executable))
    assert peers.Peer.start("xstate-statemachine", tmp_path, missing.append) is None
    assert missing == ["xstate-statemachine was not measured: its process ended with 1"]


def test_the_page_names_each_part() -> None:
    """A reader can choose the parts."""
    page = (ROOT / "docs" / "reference" / "benchmarks.md").read_text(encoding="utf-8")
    for name in bench.parts(print):
        assert f"| `{name}` |" in page
