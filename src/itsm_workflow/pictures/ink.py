"""The colours, the texts and the frame of a picture of one change, as elements of SVG.

The colours differ in brightness as well as in hue, and each meaning also has a word or a shape.
"""

from __future__ import annotations

import enum
from html import escape
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.pictures.measure import SIZE, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from itsm_workflow.machine.definition import WorkflowDefinition

INK, SOFT, FAINT, PAPER = "#111827", "#4b5563", "#d1d5db", "#ffffff"
ATTENTION, FAILED = "#6d28d9", "#b91c1c"
LINE = 16
"""The distance between two lines of text in pixels."""


@attrs.frozen
class Tone:
    """The colours of a state."""

    fill: str
    stroke: str


class Meaning(enum.StrEnum):
    """The meaning of a state, which has one colour in every picture and on every page."""

    DRAFT = "draft"
    UNDER_WAY = "under-way"
    WAITING = "waiting"
    """It waits for a person to approve."""
    GRANTED = "granted"
    REFUSED = "refused"
    """It ended without an approval."""


_TONES: Mapping[Meaning, Tone] = {
    Meaning.DRAFT: Tone("#f3f4f6", "#4b5563"),
    Meaning.UNDER_WAY: Tone("#dbeafe", "#1d4ed8"),
    Meaning.WAITING: Tone("#fcd34d", "#92400e"),
    Meaning.GRANTED: Tone("#4ade80", "#166534"),
    Meaning.REFUSED: Tone("#f87171", "#991b1b"),
}


def meaning_of(definition: WorkflowDefinition, state: str) -> Meaning:
    """Return the meaning of a state."""
    roles = definition.roles_in(state)
    if definition.is_granting(state):
        return Meaning.GRANTED
    if state in {roles.waiting, roles.undelivered}:
        return Meaning.WAITING
    if any(state == each.refused for each in definition.rounds):
        return Meaning.REFUSED
    return Meaning.DRAFT if state == definition.initial or state in definition.final else Meaning.UNDER_WAY


def tone_of(definition: WorkflowDefinition, state: str) -> Tone:
    """Return the colours of a state."""
    return _TONES[meaning_of(definition, state)]


def text(
    x: float,
    y: float,
    words: str,
    *,
    fill: str = INK,
    size: int = SIZE,
    anchor: str = "start",
    is_bold: bool = False,
    softly: str = "",
    beside: str = "",
    is_over_lines: bool = False,
) -> str:
    """Return a line of text, escaped; its baseline begins, is centred or ends at the place.

    Args:
        x: The place.
        y: The baseline.
        words: The text.
        fill: The colour.
        size: The height of the letters.
        anchor: The part of the text that is at the place: ``start``, ``middle`` or ``end``.
        is_bold: Whether the letters are bold.
        softly: More of the text, in grey.
        is_over_lines: Whether it is drawn over lines, which a white edge keeps off.
        beside: More of the text after a space, in letters that are not bold.
    """
    grey = f'<tspan fill="{SOFT}">{escape(visible(softly))}</tspan>' if softly else ""
    plain = f'<tspan dx="8" font-weight="normal">{escape(visible(beside))}</tspan>' if beside else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}"'
        + (f' text-anchor="{anchor}"' if anchor != "start" else "")
        + (' font-weight="bold"' if is_bold else "")
        + (f' paint-order="stroke" stroke="{PAPER}" stroke-width="5"' if is_over_lines else "")
        + f">{escape(visible(words))}{grey}{plain}</text>"
    )


def stroke(path: str, colour: str, *, width: float = 1, dash: str = "", fill: str = "none") -> str:
    """Return a path with its outline."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="{path}" fill="{fill}" stroke="{colour}" stroke-width="{width:g}"{dashed}/>'


def box(
    x: float, y: float, wide: float, high: float, tone: Tone, *, is_final: bool = False, is_current: bool = False
) -> str:
    """Return the box of a state: with a thick border if it is the current one, with a double one if it is final."""
    width = 2.5 if is_current else 1
    drawn = (
        f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" rx="5" fill="{tone.fill}" '
        f'stroke="{tone.stroke}" stroke-width="{width:g}"/>'
    )
    if is_final:
        drawn += (
            f'<rect x="{x + 3:g}" y="{y + 3:g}" width="{wide - 6:g}" height="{high - 6:g}" rx="3" fill="none" '
            f'stroke="{tone.stroke}"/>'
        )
    return drawn


def warning(x: float, y: float) -> str:
    """Return a triangle with an exclamation mark, which stands for attention."""
    return (
        f'<path d="M{x:g} {y - 6:g}l7 12h-14z" fill="{ATTENTION}"/>'
        f'<path d="M{x:g} {y - 2:g}v4M{x:g} {y + 3.5:g}v1.5" stroke="{PAPER}" stroke-width="1.5"/>'
    )


def cut(x: float, y: float, wide: float, colour: str = SOFT) -> str:
    """Return a double wave across a lane or a bar, where time was left out."""
    half, waves = 8, max(1, round(wide / 16))
    wave = "".join(f"q{half / 2:g} {-3 if number % 2 else 3} {half:g} 0" for number in range(2 * waves))
    start = x - waves * half
    white = stroke(f"M{start:g} {y:g}{wave}", PAPER, width=7)
    return white + stroke(f"M{start:g} {y - 3:g}{wave}", colour) + stroke(f"M{start:g} {y + 3:g}{wave}", colour)


def frame(parts: Iterable[str], wide: float, high: float, *, kind: str, title: str) -> str:
    """Return the picture as one element on white paper, with its title for readers who do not see it."""
    return (
        f'<svg class="{kind}" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-label="{escape(visible(title))}" viewBox="0 0 {wide:g} {high:g}" width="{wide:g}" height="{high:g}" '
        f'font-family="sans-serif"><rect width="{wide:g}" height="{high:g}" fill="{PAPER}"/>{"".join(parts)}</svg>'
    )
