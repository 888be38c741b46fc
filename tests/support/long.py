"""A helper that marks cases of a parametrised test as long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def long_after(count: int, cases: Iterable[Any]) -> list[Any]:
    """Return the cases, of which all but the first ``count`` are marked as long.

    Args:
        count: The number of cases that run each time.
        cases: The cases for `pytest.mark.parametrize`; a tuple is one case of several values.
    """
    listed = list(cases)
    values = [one if isinstance(one, tuple) else (one,) for one in listed[count:]]
    return [*listed[:count], *(pytest.param(*each, marks=pytest.mark.long) for each in values)]
