"""Characters that do not show but act: they steer a terminal, break a line, or turn the direction of what follows."""

from __future__ import annotations

import unicodedata

_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, lone surrogates, separators of lines and paragraphs
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def steers(character: str) -> bool:
    """Tell whether a character does something to the text around it instead of showing."""
    return unicodedata.category(character) in _CATEGORIES or character in _DIRECTIONS


def escaped(text: str) -> str:
    """Return a text with such characters written as Python writes them in a literal."""
    return "".join(each.encode("unicode_escape").decode() if steers(each) else each for each in text)
