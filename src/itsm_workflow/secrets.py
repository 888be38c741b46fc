"""A string that is masked in reprs and logs, and calls whose frames are kept out of tracebacks.

An error report may show the variables of every frame that an error came through. So a secret travels as a `Secret`
until the very call that needs its text, and that call is made by `without_frames`.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_PATH = re.compile(r"(/(?!.*:.*@)[^?#;]*)?")  # what looks like an account is none of a path
_VALUES = re.compile(r"[?&;][^=&;#]*(?:pass|pwd|secret|token|key|cred|auth)[^=&;#]*=([^&;#]+)", re.IGNORECASE)
_SHORTEST = 3  # what is shorter would be found everywhere
_LEFT_OUT = "the frames in between held secrets and are left out"


class Secret:
    """Holds a secret; prints as stars, compares in constant time, cannot be pickled.

    Only `reveal` gives the text, so that each place that uses a secret can be found by that word.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def of(cls, value: Secret | str) -> Self:
        """Return the value sealed; one that is of this class already is returned as it is."""
        if isinstance(value, cls):
            return value
        return cls(value.reveal() if isinstance(value, Secret) else value)

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


class SecretURL(Secret):
    """The URL of a store, which may hold a password.

    It prints itself where it is a path alone, and otherwise only its scheme.
    """

    __slots__ = ()

    @property
    def is_plain(self) -> bool:
        """Whether nothing in it can be a secret: a path without account and parameters, or a scheme alone."""
        scheme, mark, rest = self._text.partition("://")
        return bool(mark) and _SCHEME.fullmatch(scheme) is not None and _PATH.fullmatch(rest) is not None

    def __str__(self) -> str:
        if self.is_plain:
            return self._text
        scheme, mark, _ = self._text.partition("://")
        return f"{scheme}://…" if mark and _SCHEME.fullmatch(scheme) else "***"

    def __repr__(self) -> str:
        return f"SecretURL({str(self)!r})"

    def scrub(self, text: str) -> str:
        """Return a text in which the URL and its parts that may be secret show as stars."""
        if self.is_plain:
            return text
        text = text.replace(self._text, str(self))
        for part in sorted(self._parts(), key=len, reverse=True):
            text = text.replace(part, "***")
        return text

    def _parts(self) -> set[str]:
        rest = self._text.partition("://")[2] or self._text
        before, at, _ = rest.rpartition("@")
        found = {rest, *_VALUES.findall(rest), *([before, before.partition(":")[2]] if at else [])}
        return {part for text in found for part in (text, unquote(text)) if len(part) >= _SHORTEST}


def without_frames(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function whose frames hold secrets in clear, and return what it returns.

    Args:
        work: The function. Its frames, those below it and the errors that its error was made from are kept out of the
            traceback; a note on the error says where it was raised.
        args: What it is called with.
        kwargs: The same, by name.

    Raises:
        BaseException: What the function raised, without the frames that it came through.
    """
    try:
        return work(*args, **kwargs)
    except BaseException as error:
        del work, args, kwargs
        place = _place_of(error)
        error.__cause__ = error.__context__ = error.__traceback__ = None
        if place and not any(note.endswith(_LEFT_OUT) for note in getattr(error, "__notes__", ())):
            error.add_note(f"raised {place}; {_LEFT_OUT}")
        raise error from None


def _place_of(error: BaseException) -> str:
    trace = error.__traceback__ and error.__traceback__.tb_next  # the first is the one above
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"in {code.co_filename}, line {trace.tb_lineno}, in {code.co_name}"
