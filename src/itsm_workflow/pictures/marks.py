"""The marks of a timeline: a shape for each lane, and three ways to draw it by the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.pictures import ink
from itsm_workflow.pictures.measure import width_of
from itsm_workflow.pictures.reading import Lane, Result
from itsm_workflow.pictures.words import phrase

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHAPES: Mapping[Lane, str] = {
    Lane.REQUEST: "m-6 -4h8l4 4-4 4h-8z",
    Lane.CALLBACKS: "m6 -6v12l-12-6z",
    Lane.LOOKS: "m-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z",
    Lane.EFFECTS: "m0-7 7 7-7 7-7-7z",
    Lane.PEOPLE: "m-5 -5h10v10h-10z",
}


def mark(lane: Lane, x: float, y: float, result: Result | None) -> str:
    """Return the mark of a lane: full, hollow if nothing was found, crossed if it failed."""
    path = f"M{x:g} {y:g}{_SHAPES[lane]}"
    if result is Result.EMPTY:
        return ink.stroke(path, ink.INK, width=1.5, fill=ink.PAPER)
    if result is Result.FAILED:
        cross = f"M{x - 4:g} {y - 4:g}l8 8m0-8l-8 8"
        return ink.stroke(path, ink.FAILED, width=1.5, fill=ink.PAPER) + ink.stroke(cross, ink.FAILED, width=2)
    return ink.stroke(path, ink.INK, fill=ink.INK)


def heading(lane: Lane, x: float, y: float, language: str) -> str:
    """Return the name of a lane over its mark."""
    if lane is Lane.PEOPLE:
        return mark(lane, x, y - 4, None) + ink.text(x + 12, y, phrase(lane, language), fill=ink.SOFT, is_bold=True)
    name = ink.text(x, y - 12, phrase(lane, language), fill=ink.SOFT, is_bold=True, anchor="middle")
    return name + mark(lane, x, y + 2, None)


def legend(x: float, y: float, language: str) -> str:
    """Return the line that explains the marks."""
    parts = []
    samples = (
        (Result.DONE, Lane.LOOKS, "done"),
        (Result.EMPTY, Lane.LOOKS, "empty"),
        (Result.FAILED, Lane.LOOKS, "failed"),
        (Result.DONE, Lane.REQUEST, "request"),
    )
    for result, lane, name in samples:
        words = phrase(name, language)
        parts += [mark(lane, x + 6, y - 4, result), ink.text(x + 18, y, words, fill=ink.SOFT)]
        x += 42 + width_of(words)
    words = phrase("needed", language)
    parts += [ink.warning(x + 6, y - 4), ink.text(x + 20, y, words, fill=ink.SOFT)]
    x += 44 + width_of(words)
    parts += [ink.cut(x + 16, y - 4, 32), ink.text(x + 38, y, phrase("left_out", language), fill=ink.SOFT)]
    return "".join(parts)
