"""The colours of the pictures: readable on paper, without colours, and by readers who mix some of them up."""

from __future__ import annotations

import itertools

import pytest

from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State
from itsm_workflow.pictures import ink

FILLS = {state: ink.tone_of(COLLECTOR_CHANGE, state).fill for state in State}


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as the guidelines for accessible pages (WCAG 2) define it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("letters", "ground"),
    [
        *((ink.INK, fill) for fill in FILLS.values()),
        *((colour, ink.PAPER) for colour in (ink.INK, ink.SOFT, ink.ATTENTION, ink.FAILED)),
    ],
)
def test_letters_are_readable_on_their_ground(letters: str, ground: str) -> None:
    """The guidelines ask for 4.5."""
    assert contrast(letters, ground) >= 4.5


def test_states_differ_in_brightness() -> None:
    """Without colours, draft, under way, waiting, approved and refused are five greys; the two waits are one."""
    assert FILLS[State.PENDING] == FILLS[State.FAILED_CALLBACK]
    greys = sorted({luminance(fill) for fill in FILLS.values()})
    assert len(greys) == 5
    assert min(high - low for low, high in itertools.pairwise(greys)) > 0.06
