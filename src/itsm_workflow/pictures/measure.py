"""The width of a text in a picture, and the lines into which it is broken."""

from __future__ import annotations

import re
import unicodedata
from functools import partial
from typing import TYPE_CHECKING

from itsm_workflow.text import is_invisible, steers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = 12
"""The height of the pictures' letters in pixels."""

_NARROW = {**dict.fromkeys("ijlI.,:;'|! ", 0.33), **dict.fromkeys('ft()[]{}r-/"*', 0.42)}
_BROAD = {**dict.fromkeys("mwMW@%", 1.0), **dict.fromkeys("+=<>~#^&", 0.85)}
_LATIN = {**_NARROW, **_BROAD}
_LETTER, _CAPITAL, _FULL, _EMOJI = 0.64, 0.76, 1.0, 1.4
_FIRST_EMOJI = "\U0001f000"
_CLOSING = "，。；：、！？）》」』】”’"
"""The marks with which no line begins."""
_WORDS = re.compile(rf"\s+|(?:[^\s_\u2e80-\uffef]*_+|[^\s_\u2e80-\uffef]+|.)[{_CLOSING}]*")
"""White space, or a word, a part of a name before an underscore, or one character such as a Chinese one, with marks."""


def visible(text: str) -> str:
    """Return a text as one line, without the characters that XML forbids or that a reader cannot see."""
    spaced = "".join(" " if steers(each) else each for each in text)
    return " ".join("".join(each for each in spaced if each == " " or not is_invisible(each)).split())


def width_of(text: str, *, size: float = SIZE, is_bold: bool = False) -> float:
    """Return the width of a text in pixels, at least as wide as common fonts without serifs draw it."""
    return sum(map(_em, text)) * size * (1.08 if is_bold else 1)


def columns_of(text: str) -> int:
    """Return the columns that a text takes in a terminal: a Chinese character takes two."""
    return sum(map(_columns, text))


def lines_of(
    text: str, room: float, *, most: int, is_bold: bool = False, measured: Callable[[str], float] | None = None
) -> list[str]:
    """Return the lines of a text, none of them wider than the room.

    Args:
        text: The text.
        room: The width in pixels.
        most: The number of lines; the last of them ends in an ellipsis if something was left out.
        is_bold: Whether the text is drawn in bold letters.
        measured: The function that measures a text in the unit of the room; by default it is drawn, in pixels.
    """
    wide = measured or partial(width_of, is_bold=is_bold)
    lines = [""]
    for piece in _pieces(visible(text), room, wide):
        if wide(lines[-1] + piece.rstrip()) <= room:
            lines[-1] += piece
        else:
            lines.append(piece.lstrip())
    found = [line.strip() for line in lines if line.strip()]
    if len(found) <= most:
        return found
    last = found[most - 1]
    while last and wide(last + "…") > room:
        last = last[:-1]
    return [*found[: most - 1], last.rstrip() + "…"]


def _pieces(text: str, room: float, wide: Callable[[str], float]) -> Iterator[str]:
    """Yield the parts between which a line may end; a word that is wider than the room is cut."""
    for piece in _WORDS.findall(text):
        rest = piece
        while wide(rest) > room and len(rest) > 1:
            cut = len(rest) - 1
            while cut > 1 and wide(rest[:cut]) > room:
                cut -= 1
            while cut > 1 and rest[cut] in _CLOSING:
                cut -= 1
            yield rest[:cut]
            rest = rest[cut:]
        yield rest


def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _em(character: str) -> float:
    if character in _LATIN:
        return _LATIN[character]
    if character >= _FIRST_EMOJI:
        return _EMOJI
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    if unicodedata.east_asian_width(character) in "WFA":
        return _FULL
    return _CAPITAL if character.isupper() else _LETTER
