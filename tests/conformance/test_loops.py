"""The check acts in the middle of each loop of a backend, whatever lines the loop has."""

from __future__ import annotations

from itsm_workflow.testing.conformance._lines import at_place, middles_of_loops

OWN = frozenset({"tests"})
ITEMS = 6


def work(seen: list[str], items: int = ITEMS) -> None:
    """Go through three loops: of two lines, of one line, and of a function that is called for each item."""
    for item in range(items):
        name = f"first {item}"
        seen.append(name)
    _ = [_is_added(seen, item) for item in range(items)]
    seen.extend(map(_named, range(items)))


def _is_added(seen: list[str], item: int) -> bool:
    seen.append(f"second {item}")
    return True


def _named(item: int) -> str:
    return f"third {item}"


def test_each_loop_is_met_once_in_its_middle() -> None:
    """Some of the items were passed and others not; the loops before it have ended, those after it have not begun."""
    met: list[list[str]] = []
    for place, turn in middles_of_loops(lambda: work([]), ITEMS - 1, of=OWN):
        seen: list[str] = []
        with at_place(place, lambda seen=seen: met.append([*seen]), of=OWN, turn=turn):  # type: ignore[misc]  # bound
            work(seen)
        assert len(seen) == 3 * ITEMS
    assert [len(seen) for seen in met] == [ITEMS // 2, ITEMS + ITEMS // 2, 2 * ITEMS + ITEMS // 2]


def test_a_loop_of_fewer_turns_is_left_out() -> None:
    """It is not about the items."""
    assert middles_of_loops(lambda: work([], ITEMS - 3), ITEMS - 1, of=OWN) == []


def test_loops_of_other_packages_are_left_out() -> None:
    """By default, all of them count."""
    assert middles_of_loops(lambda: work([]), ITEMS - 1, of=frozenset({"another"})) == []
    assert len(middles_of_loops(lambda: work([]), ITEMS - 1)) == 3
