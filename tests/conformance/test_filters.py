"""The promise about combined conditions notices any condition that is left out because of another one."""

from __future__ import annotations

from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._filters import FilterPromises
from tests.conformance.good import PlainDict

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import Rows

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
