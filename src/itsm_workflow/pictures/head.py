"""The lines at the top of a picture: a title in large letters, and what is below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.pictures import ink
from itsm_workflow.pictures.measure import SIZE, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LARGE = 16


def head(lines: Sequence[str], left: float, wide: float) -> Iterator[str]:
    """Yield the lines as texts; one that is too long ends in an ellipsis.

    Args:
        lines: The title, and the lines below it.
        left: The place of the lines, and the margin on both sides.
        wide: The width of the picture.
    """
    room = wide - 2 * left
    for number, line in enumerate(lines):
        size, is_title = (SIZE, False) if number else (_LARGE, True)
        shown = lines_of(line, room * SIZE / size, most=1, is_bold=is_title)
        yield from (ink.text(left, 26 + 22 * number, each, size=size, is_bold=is_title) for each in shown)
