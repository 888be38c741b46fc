"""The width of a text in a picture, and the lines into which it is broken."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from itsm_workflow.text import is_invisible, steers

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 12
"""The height of the pictures' letters in pixels."""

_NARROW = {**dict.fromkeys("ijlI.,:;'|! ", 0.33), **dict.fromkeys('ft()[]{}r-/"*', 0.42)}
_BROAD = {**dict.fromkeys("mwMW@%", 1.0), **dict.fromkeys("+=<>~#^&", 0.85)}
_LATIN = {**_NARROW, **_BROAD}
_LETTER, _CAPITAL, _FULL, _EMOJI = 0.64, 0.76, 1.0, 1.4
_FIRST_EMOJI = "\U0001f000"
_WORDS = re.compile(r"\s+|[^\s\u2e80-\uffef]+|.")
"""White space, a word, or one character that needs no space around it, such as a Chinese one."""


def visible(text: str) -> str:
    """Return a text as one line, without the characters that XML forbids or that a reader cannot see."""
    spaced = "".join(" " if steers(each) else each for each in text)
    return " ".join("".join(each for each in spaced if each == " " or not is_invisible(each)).split())


def width_of(text: str, *, size: float = SIZE, is_bold: bool = False) -> float:
    """Return the width of a text in pixels, at least as wide as common fonts without serifs draw it."""
    return sum(map(_em, text)) * size * (1.08 if is_bold else 1)


def lines_of(text: str, room: float, *, most: int, is_bold: bool = False) -> list[str]:
    """Return the lines of a text, none of them wider than the room.

    Args:
        text: The text.
        room: The width in pixels.
        most: The number of lines; the last of them ends in an ellipsis if something was left out.
        is_bold: Whether the text is drawn in bold letters.
    """
    lines = [""]
    for piece in _pieces(visible(text), room, is_bold=is_bold):
        if width_of(lines[-1] + piece.rstrip(), is_bold=is_bold) <= room:
            lines[-1] += piece
        else:
            lines.append(piece.lstrip())
    found = [line.strip() for line in lines if line.strip()]
    if len(found) <= most:
        return found
    last = found[most - 1]
    while last and width_of(last + "…", is_bold=is_bold) > room:
        last = last[:-1]
    return [*found[: most - 1], last.rstrip() + "…"]


def _pieces(text: str, room: float, *, is_bold: bool) -> Iterator[str]:
    """Yield the parts between which a line may end; a word that is wider than the room is cut."""
    for piece in _WORDS.findall(text):
        rest = piece
        while width_of(rest, is_bold=is_bold) > room and len(rest) > 1:
            cut = len(rest) - 1
            while cut > 1 and width_of(rest[:cut], is_bold=is_bold) > room:
                cut -= 1
            yield rest[:cut]
            rest = rest[cut:]
        yield rest


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
