"""Checks of text from outside: subclasses of str, invisible characters, and user names."""

from __future__ import annotations

import unicodedata

_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, lone surrogates, separators of lines and paragraphs
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters and marks that fonts do not draw, although Python counts them as printable: from Unicode's
# Default_Ignorable_Code_Point, and the blank Braille pattern.
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
    """Return a string as a plain `str`, and any other value unchanged.

    A subclass may override the conversion: `str` of a member of ``class Who(str, Enum)`` is its name, not its value.
    """
    return str.__str__(value) if issubclass(type(value), str) and type(value) is not str else value


def is_invisible(character: str) -> bool:
    """Return whether a reader cannot see a character; the plain space counts as visible."""
    return not character.isprintable() or character in _UNDRAWN


def is_same_user(one: str, other: str) -> bool:
    """Return whether two names may belong to the same user, wherever two different people are required.

    The comparison ignores letter case, compatibility forms of letters (Unicode NFKC), invisible characters and outer
    white space. It may treat two users as the same; then a third person has to act.
    """
    return _user(one) == _user(other)


def _user(name: str) -> str:
    text = unicodedata.normalize("NFD", name)
    for _ in range(2):  # Unicode's definition D146: compatibility caseless match
        text = unicodedata.normalize("NFKC", text.casefold())
    return "".join(character for character in text if not is_invisible(character)).strip()


def steers(character: str) -> bool:
    """Return whether a character is a control or direction character, a line separator, or a lone surrogate."""
    return unicodedata.category(character) in _CATEGORIES or character in _DIRECTIONS


def escaped(text: str) -> str:
    """Return a text with such characters as the escape sequences of Python literals."""
    return "".join(each.encode("unicode_escape").decode() if steers(each) else each for each in text)
