"""The rows of the printed table."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence


@attrs.frozen(kw_only=True)
class Row:
    """A row of the table.

    Attributes:
        first: The floor, or another library, with its time and its processor time.
        second: The library, likewise.
        value: What is judged.
        bound: In words.
        kept: Whether the bound is.
        aim: What is wanted beyond the bound, in words, if the library does not reach it yet.
        reached: Whether the aim is.
    """

    name: str
    first: str
    second: str
    value: str
    bound: str
    kept: bool
    aim: str = ""
    reached: bool = True


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [
        "| what | beside | the library | judged | bound | kept | aim |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        kept = "yes" if row.kept else "NO"
        aim = f"{row.aim}: {'reached' if row.reached else 'not reached'}" if row.aim else ""
        lines.append(f"| {row.name} | {row.first} | {row.second} | {row.value} | {row.bound} | {kept} | {aim} |")
    return "\n".join(lines) + "\n"


def micro(seconds: list[float]) -> str:
    """Return the median in millionths of a second."""
    median = statistics.median(seconds) * 1e6
    return f"{median:,.0f}" if median >= 100 else f"{median:.1f}"


def both(wall: list[float], cpu: list[float], count: int = 1) -> str:
    """Return the medians of time and processor time.

    Args:
        wall: Seconds.
        cpu: Seconds of processor time.
        count: How many of what the row names were done in that time.
    """
    return f"{micro([one / count for one in wall])} µs, {micro([one / count for one in cpu])} µs CPU"
