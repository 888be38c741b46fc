"""Chinese texts for English ones that were already put together, such as the reason of a refusal or an error's message.

A guard returns its reason as one English text, and an error is raised with one: programs, logs and the store keep that
text. A reader in Chinese gets it by its pattern: the English text with the names of its values in braces.
"""

from __future__ import annotations

import re
from collections import ChainMap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_VALUE = re.compile(r"\{(\w+)\}")
_TEXTS = frozenset({"reason", "problem", "advice", "ending", "missing", "rule", "why"})
"""The values that are texts of the library themselves, and are looked up as well. Any other is shown as it is."""
_AND = " and "


class Phrasebook:
    """Finds the Chinese text of an English one.

    Args:
        tables: By English pattern, the Chinese text with the same names in braces.
    """

    def __init__(self, *tables: Mapping[str, str]) -> None:
        merged = ChainMap(*map(dict, tables))
        # A pattern with more words of its own goes first: a short one can match the same text with a longer value.
        ordered = sorted(merged.items(), key=lambda pair: -len(_VALUE.sub("", pair[0])))
        self._phrases = [(_pattern(english), chinese) for english, chinese in ordered]

    def find(self, text: str) -> str | None:
        """Return the Chinese text; None if no pattern matches."""
        for pattern, chinese in self._phrases:
            found = pattern.fullmatch(text)
            if found is not None:
                values = found.groupdict()
                return chinese.format_map(
                    {name: self.in_chinese(value) if name in _TEXTS else value for name, value in values.items()}
                )
        return None

    def in_chinese(self, text: str) -> str:
        """Return the Chinese text; a text without one, such as a host's own, is returned as it is.

        The reasons of several guards are joined by "and": they are looked up one by one if all of them are known.
        """
        parts = [self.find(part) for part in text.split(_AND)]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            return "；并且".join(known)
        whole = self.find(text)
        return text if whole is None else whole


def _pattern(english: str) -> re.Pattern[str]:
    literals = _VALUE.split(english)
    parts = [f"(?P<{one}>.*)" if number % 2 else re.escape(one) for number, one in enumerate(literals)]
    return re.compile("".join(parts), re.DOTALL)
