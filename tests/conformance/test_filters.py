"""The promise about combined conditions notices a condition that is left out, and a value that is a former one."""

from __future__ import annotations

from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._filters import FilterPromises
from itsm_workflow.testing.conformance._model import meets
from tests.conformance.good import PlainDict
from tests.conformance.zoo_filters import IndexesTheFirstDueTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from itsm_workflow.storage.protocol import Row, Rows
    from tests.conformance.good import Changes

CONDITIONS = sorted(attrs.fields_dict(Query).keys() - {"order", "after", "limit"})


NEXT = dict(pairwise([*CONDITIONS, CONDITIONS[0]]))


@pytest.mark.parametrize(
    ("left_out", "given"),
    [
        pytest.param(*pair, marks=[] if NEXT[pair[0]] == pair[1] else pytest.mark.long)
        for pair in permutations(CONDITIONS, 2)
    ],
)
def test_a_condition_that_another_one_replaces_is_missed(left_out: str, given: str) -> None:
    """Each of the 72 ordered pairs: the backend leaves out the first condition if the second one is given."""

    class Forgets(PlainDict):
        def find(self, query: Query, /) -> Rows:
            without: Any = {} if getattr(query, given) is None else {left_out: None}
            return super().find(attrs.evolve(query, **without))

    with pytest.raises(AssertionError, match=r"^find\("):
        FilterPromises().test_conditions_are_combined(backend=Forgets())


MOVED = {
    "workflow": "workflow",
    "states": "state",
    "attention": "attention",
    "subject": "subject",
    "ticket_sns": "ticket_sn",
    "due_before": "due_at",
    "updated_before": "updated_at",
}
"""By condition, the column that it reads."""


@pytest.mark.parametrize("wrong", [any, all])
@pytest.mark.parametrize("condition", MOVED)
def test_a_value_that_was_changed_is_missed(condition: str, wrong: Callable[[Iterable[bool]], bool]) -> None:
    """The backend finds a row by its former value as well, or finds it only if both values meet the condition."""

    class KeepsFormerValues(PlainDict):
        def __init__(self) -> None:
            super().__init__()
            self._had: dict[str, list[Row]] = {}

        def _store(self, after: Changes, stored: Sequence[str]) -> None:
            super()._store(after, stored)
            for name in stored:
                self._had.setdefault(name, []).append(after[name][0])

        def find(self, query: Query, /) -> Rows:
            without: Any = {condition: None}
            only: Any = {condition: getattr(query, condition)}
            page = super().find(attrs.evolve(query, **without))
            rows = [row for row in page.rows if wrong(meets(had, Query(**only)) for had in self._had[row.id])]
            return attrs.evolve(page, rows=tuple(rows))

    with pytest.raises(AssertionError, match=rf"^find\({condition}="):
        FilterPromises().test_conditions_are_combined(backend=KeepsFormerValues())


def test_a_claim_that_an_index_leaves_out_is_missed() -> None:
    """The backend notes the due time of each write with entries, and of no claim."""

    class LeavesOutClaims(IndexesTheFirstDueTime):
        def _store(self, after: Changes, stored: Sequence[str]) -> None:
            for name in stored:
                if name in self._changes and after[name][0].seq > self._changes[name][0].seq:
                    del self._index._changes[name]
            super()._store(after, stored)

    with pytest.raises(AssertionError, match=r"^find\("):
        FilterPromises().test_conditions_are_combined(backend=LeavesOutClaims())
