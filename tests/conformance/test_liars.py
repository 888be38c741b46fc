"""A backend that lies at one call is caught, whichever lie it is."""

from __future__ import annotations

from functools import partial
from itertools import chain, repeat
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance import QUICK, PromiseOutcome
from itsm_workflow.testing.conformance._base import quoted
from itsm_workflow.testing.conformance._check import promises_named
from itsm_workflow.testing.conformance._commits import CommitPromises
from itsm_workflow.testing.conformance._comparing import SENTENCES
from itsm_workflow.testing.conformance._filters import FilterPromises
from itsm_workflow.testing.conformance._finding import FindPromises
from itsm_workflow.testing.conformance._histories import HistoryPromises
from itsm_workflow.testing.conformance._holding import HoldingPromises
from itsm_workflow.testing.conformance._lasting import LastingPromises
from itsm_workflow.testing.conformance._many import ManyPromises
from itsm_workflow.testing.conformance._moving import MovingPromises
from itsm_workflow.testing.conformance._sharing import SharingPromises
from itsm_workflow.testing.conformance._spelling import SpellingPromises
from itsm_workflow.testing.conformance._values import ValuePromises
from tests.conformance import lies_of_commits, lies_of_reads
from tests.conformance.good import PlainDict
from tests.conformance.liars import Chances, Liar
from tests.support.long import long_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage.protocol import StorageBackend
    from itsm_workflow.testing.conformance import Result
    from itsm_workflow.testing.conformance._base import Promises
    from tests.conformance.liars import Lie

LIES: tuple[Lie, ...] = (*lies_of_commits.LIES, *lies_of_reads.LIES)
SHORT = attrs.evolve(QUICK, rest=0.0, rounds=8, writes=10)


def names(*parts: type[Promises]) -> list[str]:
    """Return the names of the promises of these parts that a backend without abilities must keep."""
    declared = {name: test for part in parts for name, test in part.all_promises().items()}
    return [name.removeprefix("test_").replace("_", " ") for name, test in declared.items() if not test.needs]  # type: ignore[attr-defined]  # see promise


ALONE = (
    *(
        CommitPromises,
        HoldingPromises,
        MovingPromises,
        ValuePromises,
        SpellingPromises,
        ManyPromises,
        FindPromises,
        FilterPromises,
        HistoryPromises,
    ),
    LastingPromises,
)
NOT_COMPARED = {
    # Of its 1,200 changes, only some of the histories are read in the end.
    "a page is as large as asked for",
    # Of their calls, which have many or large values, only the text is recorded: the answers cannot be compared with
    # the model's afterwards. Each checks what it is about, and a lie about another column passes.
    "long lists in every condition",
    "heavy pages are whole",
    "a bad write late in a big batch",
    "a batch of large writes",
    "a batch of tens of thousands of values",
}
SEQUENTIAL = [name for name in names(*ALONE) if name not in NOT_COMPARED]
MANY_CALLS = {"joined columns stay apart", "conditions are combined", "another spelling is another value"}
RACES = [name for name in names(SharingPromises) if "thread" in name]


def told(lie: Lie, promise: str, place: int) -> tuple[Result, int]:
    """Return the result of a promise on a store that lies at that place, and the number of such places."""
    chances = Chances(place)
    # The check looks at the first store, and tests no promise on it.
    openers: Iterator[Callable[[], StorageBackend]] = chain([PlainDict], repeat(partial(Liar, lie, chances)))
    report = check_storage(lambda: next(openers), profile=SHORT, only=promise)
    return next(result for result in report.results if result.promise == promise), chances.count


@pytest.mark.parametrize(
    "promise",
    [*sorted({*SEQUENTIAL, *RACES} - MANY_CALLS), *long_after(0, sorted(MANY_CALLS))],
)
def test_without_a_lie_each_promise_is_kept(promise: str) -> None:
    """So what is reported below is the lie."""
    result, _ = told(LIES[0], promise, 0)
    assert (result.outcome, result.reason) == (PromiseOutcome.KEPT, "")


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_lie_is_caught_by_the_promise_that_is_about_it(lie: Lie) -> None:
    """The report names the promise, quotes its sentence or that of a method, and shows calls."""
    result, _ = told(lie, lie.promise, 1)
    assert result.outcome is PromiseOutcome.BROKEN
    assert result.sentence in {quoted(promises_named(lie.promise)[lie.promise][1]), *SENTENCES.values()}
    assert result.reason
    assert result.calls


@pytest.mark.parametrize("promise", RACES)
@pytest.mark.parametrize(
    "lie", long_after(8, [lie for lie in LIES if lie.tell in lies_of_commits.VISIBLE_IN_A_RACE]), ids=str
)
def test_a_lie_is_caught_in_a_race(lie: Lie, promise: str) -> None:
    """At the fourth call at which it can be told, which is one of the threads', if there are as many."""
    result, count = told(lie, promise, 4)
    assert (result.outcome is PromiseOutcome.BROKEN) == (count >= 4)
