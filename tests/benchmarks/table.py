"""The rows of the printed table."""

from __future__ import annotations

import statistics

import attrs


@attrs.frozen(kw_only=True)
class Row:
    """A row of the table.

    Attributes:
        value: What is judged.
        bound: In words.
        kept: Whether the bound is.
    """

    name: str
    first: str
    second: str
    value: str
    bound: str
    kept: bool


def micro(seconds: list[float]) -> str:
    """Return the median in millionths of a second."""
    median = statistics.median(seconds) * 1e6
    return f"{median:,.0f}" if median >= 100 else f"{median:.1f}"
