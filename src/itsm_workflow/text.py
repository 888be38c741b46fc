"""Checks of text from outside: subclasses of str, characters that cannot be stored or seen, and user names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING

from itsm_workflow.secrets import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_FOUR_BYTES = re.compile("[\U00010000-\U0010ffff]")
_MOST_LISTED = 5
_LINE = 200


def with_article(name: str) -> str:
    """Return the name of a type with its article, for a message: ``a list``, ``an int``."""
    return f"{'an' if name[:1] in set('aeioAEIO') or name.startswith('Un') else 'a'} {name}"


def kind_of(value: object) -> str:
    """Return the type of a value with its article; ``None`` for None."""
    return "None" if value is None else with_article(type(value).__name__)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1: ``1 step``, ``2 steps``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def plain(value: object) -> object:
    """Return a string as a plain `str`, and any other value unchanged.

    A subclass may override the conversion: `str` of a member of ``class Who(str, Enum)`` is its name, not its value.
    """
    return str.__str__(value) if issubclass(type(value), str) and type(value) is not str else value


def texts_in(value: object) -> Iterator[str]:
    """Yield every string of a JSON value, including the keys of objects."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from texts_in([*chain.from_iterable(value.items())])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts_in(each)


def has_lone_surrogate(text: str) -> bool:
    """Return whether a text contains half of a surrogate pair, so that it has no UTF-8."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def unstorable(text: str, *, four_bytes: bool = True) -> str:
    """Return the rule that a text breaks because of characters that cannot be stored; empty if it has none of them.

    The rule follows the name of the field in a message, and names the characters to remove. It is the same for every
    store and for every text, also one inside JSON, because some databases keep neither character there either.

    Args:
        text: The text.
        four_bytes: Whether the characters beyond U+FFFF, which take four bytes in UTF-8, can be stored.
    """
    if "\0" in text or has_lone_surrogate(text):
        rule = "must not contain NUL characters or lone surrogates, which cannot be stored"
        found = _UNSTORABLE.findall(text)
    elif not four_bytes and (found := _FOUR_BYTES.findall(text)):
        rule = "must not contain 4-byte characters such as emoji, which the gateway's database cannot store"
    else:
        return ""
    return f"{rule}: remove {code_points(found)}"


def code_points(characters: Iterable[str]) -> str:
    """Return the code points of some characters for a message, each once, and of many only the lowest."""
    listed = [f"U+{ord(character):04X}" for character in sorted(set(characters))]
    more = f" and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
    return ", ".join(listed[:_MOST_LISTED]) + more


def invisible_in(text: str) -> list[str]:
    """Return the characters of a text that a reader cannot see, see `is_invisible`."""
    if text.isprintable() and (text.isascii() or _UNDRAWN.isdisjoint(text)):
        return []
    return list(filter(is_invisible, text))


def steering_in(text: str) -> list[str]:
    """Return the characters of a text that `steers` names; each of them counts as not printable."""
    return [] if text.isprintable() else list(filter(steers, text))


def is_blank(text: str) -> bool:
    """Return whether a reader sees no character of a text; an empty text is blank."""
    return all(character.isspace() or is_invisible(character) for character in text)


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


def short(text: str, limit: int = 200) -> str:
    """Return a text, cut off after some characters."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def short_line(text: str, limit: int = 200) -> str:
    """Return a text as one line of a message: cut off, and escaped as `escaped` does."""
    return escaped(short(text, limit))


def describe(error: BaseException) -> str:
    """Return an error as one short line that can be stored, for any error; secrets in its message are masked."""
    try:
        text = f"{type(error).__name__}: {without_secrets(str(error))}"
    except Exception:  # noqa: BLE001 - an error whose own __str__ fails
        text = type(error).__name__
    line = " ".join(text.split()).replace("\0", "\\0").encode(errors="backslashreplace").decode()
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"
