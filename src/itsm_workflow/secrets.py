"""A string that does not show itself."""

from __future__ import annotations

import hmac


class Secret:
    """Holds a secret; prints as stars, compares in constant time, cannot be pickled.

    Only `reveal` gives the text, so that each place that uses a secret can be found by that word.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        """Refuse: a secret in a task queue or a cache has left the process."""
        raise TypeError("a Secret is not pickled: let the other process read its own settings")
