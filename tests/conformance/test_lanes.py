"""Promises that are tested in processes of their own, while a check tests others."""

from __future__ import annotations

import threading
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance import QUICK, PromiseOutcome
from itsm_workflow.testing.conformance._kit import Kit
from itsm_workflow.testing.conformance._lanes import Lanes
from itsm_workflow_backends.json_file import JSONFileBackend
from tests.conformance.good import PlainDict

if TYPE_CHECKING:
    from pathlib import Path

APART = {name: test.apart for name, test in Kit.all_promises().items() if test.apart}  # type: ignore[attr-defined]  # see promise


def results_of(lanes: Lanes[str], number: int) -> list[tuple[str, str]]:
    """Return that many results."""
    found: list[tuple[str, str]] = []
    while len(found) < number:
        lanes.wait()
        found += lanes.finished()
    return found


def test_two_groups_are_done_at_the_same_time_and_each_in_its_order() -> None:
    """Each of the first works waits for the other one."""
    meeting, lanes = threading.Barrier(2), Lanes[str]()

    def meet(answer: str) -> str:
        meeting.wait()
        return answer

    groups = [{f"{group}{place}": partial(meet, f"{group}{place} done") for place in (1, 2)} for group in "ab"]
    lanes.begin(groups, 2)
    lanes.begin([{"c": partial(meet, "never")}], 2)
    found = results_of(lanes, 4)
    assert sorted(found) == [(name, f"{name} done") for name in ("a1", "a2", "b1", "b2")]
    assert [name for name, _ in found if name[0] == "a"] == ["a1", "a2"]
    assert list(lanes.finished()) == []


def test_an_error_is_raised_where_the_results_are_asked_for() -> None:
    """As by a backend that the kit is not called with rightly."""

    def fail() -> str:
        raise TypeError("misused")

    lanes = Lanes[str]()
    lanes.begin([{"a": fail, "b": fail}], 1)
    lanes.wait()
    with pytest.raises(TypeError, match="misused"):
        list(lanes.finished())


def test_nothing_begins_after_the_end() -> None:
    """A signal ends the check while the first work is under way."""
    begun, released, lanes = threading.Event(), threading.Event(), Lanes[str]()
    known, made = set(threading.enumerate()), list[str]()

    def work(name: str) -> str:
        made.append(name)
        begun.set()
        released.wait()
        return "done"

    lanes.begin([{"a": partial(work, "a"), "b": partial(work, "b")}, {"c": partial(work, "c")}], 1)
    begun.wait()
    lanes.end()
    (thread,) = set(threading.enumerate()) - known
    released.set()
    thread.join()
    assert (made, list(lanes.finished())) == (["a"], [("a", "done")])


def test_the_promises_that_share_their_trials_have_one_name() -> None:
    """Otherwise a check makes the same trials once for each of them."""
    assert list(APART.values()).count("writes") == 4
    assert {name for name in APART if APART[name] == "reads"} == {
        "test_a_failed_read_does_not_find_nothing",
        "test_a_failed_read_leaves_no_lock",
    }


@pytest.mark.long
def test_each_result_is_reported_once_and_listed_in_the_order_of_the_promises(tmp_path: Path) -> None:
    """Also of promises that are tested beside others."""
    numbers, reported, begun = count(), list[str](), list[str]()
    report = check_storage(
        lambda: partial(JSONFileBackend, tmp_path / f"store{next(numbers)}"),
        abilities=JSONFileBackend.abilities,
        profile=attrs.evolve(QUICK, points=3, states=3),
        only=(
            "texts are exact",
            "whose maker was killed",
            "depend on the clock",
            "nothing expires",
            "power cut at any",
        ),
        ended=lambda result: reported.append(result.promise),
        progress=begun.append,
    )
    names = [result.promise for result in report.results]
    assert [result.outcome for result in report.results] == [PromiseOutcome.KEPT] * 5
    every = [method.removeprefix("test_").replace("_", " ") for method in Kit.all_promises()]
    assert names == sorted(names, key=every.index)
    assert sorted(reported) == sorted(names) == sorted(begun)
    assert reported[0] == "texts are exact"


def test_the_first_promise_is_reported_before_it_is_tested() -> None:
    """Also if all of them are tested in processes of their own, so that a report has its head from the beginning."""
    begun = list[str]()

    def new_store() -> type[PlainDict]:
        begun.append("a store is made")
        return PlainDict

    name = "a power cut leaves what was built on a dead process"
    check_storage(
        new_store, abilities=frozenset({"durable", "multi_process", "fsync"}), only=name, progress=begun.append
    )
    assert begun[:3] == ["a store is made", name, "a store is made"]
