"""Texts as they come from outside: their own value, the characters in them that do not show, and names of users."""

from __future__ import annotations

import unicodedata

_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, lone surrogates, separators of lines and paragraphs
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters and marks that no font draws; Python counts them as printable. From Unicode's Default_Ignorable_Code_Point,
# and the blank of Braille.
_UNDRAWN = frozenset(
    map(
        chr,
        (
            0x034F,
            0x115F,
            0x1160,
            0x17B4,
            0x17B5,
            *range(0x180B, 0x1810),
            0x2800,
            0x3164,
            *range(0xFE00, 0xFE10),
            0xFFA0,
            *range(0xE0100, 0xE01F0),
        ),
    )
)


def plain(value: object) -> object:
    """Return the own value of a text as a plain `str`, and any other value as it is.

    A text of a subclass may show itself otherwise: `str` of a member of ``class Who(str, Enum)`` is its name.
    """
    return str.__str__(value) if issubclass(type(value), str) and type(value) is not str else value


def is_invisible(character: str) -> bool:
    """Return whether a reader cannot see a character; the plain blank is seen."""
    return not character.isprintable() or character in _UNDRAWN


def is_same_user(one: str, other: str) -> bool:
    """Return whether two names may be one user's: the careful rule, wherever a person must be another one.

    Letter case, compatible forms of letters (Unicode's NFKC), invisible characters and outer blanks do not tell two
    users apart. It may take two users for one; then a third person has to act.
    """
    return _user(one) == _user(other)


def _user(name: str) -> str:
    text = unicodedata.normalize("NFD", name)
    for _ in range(2):  # as Unicode defines a caseless match of compatible texts, D146
        text = unicodedata.normalize("NFKC", text.casefold())
    return "".join(character for character in text if not is_invisible(character)).strip()


def steers(character: str) -> bool:
    """Tell whether a character does something to the text around it instead of showing."""
    return unicodedata.category(character) in _CATEGORIES or character in _DIRECTIONS


def escaped(text: str) -> str:
    """Return a text with such characters written as Python writes them in a literal."""
    return "".join(each.encode("unicode_escape").decode() if steers(each) else each for each in text)
