"""Strings that are masked in reprs and logs, and calls whose frames are removed from tracebacks.

An error report may show the variables of every frame of a traceback. So a secret is passed as a `Secret` up to the call
that needs its text, and `without_frames` makes that call. `without_secrets` masks those in a text from elsewhere.
"""

from __future__ import annotations

import functools
import hmac
import re
from typing import TYPE_CHECKING, ClassVar, ParamSpec, Self, TypeVar
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

STARS = "***"
_SECRET_WORDS = (
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "authorization",
    "authinfo",
    "cookie",
    "credential",
    "headers",
    "apikey",
    "accesskey",
    "privatekey",
    "skey",
    "sessionid",
    "ticketauth",
    "bkticket",
    "密码",
    "口令",
    "密钥",
    "令牌",
)
_SHORT_NAMES = frozenset({"pass", "pw"})  # a longer word may contain them by chance
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_ALIAS = re.compile(r"django://[A-Za-z0-9_.-]+")  # a name in the settings of Django, which hold the password
_PATH = re.compile(r"(/(?!.*:.*@)[^?#;]*)?")  # a path with something like an account does not match
_VALUES = re.compile(r"[?&;][^=&;#]*(?:pass|pwd|secret|token|key|cred|auth)[^=&;#]*=([^&;#]+)", re.IGNORECASE)
_NAMED = re.compile(
    r"(?<![\w-])(?:(?P<name>[\w-]++)\\*+[\"']?\s*+(?:=>|[=:\uff1a\uff1d])\s*+|(?P<option>--[\w-]++)\s++)"
)
_VALUE = re.compile(
    r"""
    Secret\('\*{3}'\)
    | [bru]{0,2}(?P<quote>\\*+["'])(?:(?!(?P=quote))(?:\\.|.))*+(?P=quote)?  # quoted, also in a text within a text
    | \[[^]]*+\]? | \{[^}]*+\}?                                              # a list, an object
    | (?:(?:Bearer|Basic|Digest|Token|Negotiate)\s++)?[^\s,;&，；、]*[^\s,;&，；、。"'<>)}\].]
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_SCHEME_AND_MORE = re.compile(r"(?:[A-Za-z][\w-]*+\s++)?[^\s,;&，；、]++(?:,\s*+[\w-]++=[^\s,]++)*+")
_COOKIES = re.compile(r"(?:;\s*+[\w.-]++=[^\s;]*+)*+")
_NOTHING = frozenset({"None", "null"})
_ALONE = re.compile(
    r"(?P<before>://[^\s/@:]*:)[^\s@/]+(?=@)"  # the password in an address
    r"|(?P<scheme>\b(?:[Bb]earer|[Bb]asic)\s++)(?=[A-Za-z_.~+/-]*+[\d=])[\w.~+/=-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+"  # a JSON web token
)
_SHORTEST = 3  # a shorter part would match too much other text
_LEFT_OUT = "the frames in between held secrets and are left out"


class Secret:
    """A secret string: masked in its repr, compared in constant time, and not picklable.

    Only `reveal` returns the text, so that a search for that name finds each use of a secret.

    Raises:
        TypeError: The text is not a str. The message does not show it.
    """

    __slots__ = ("_text",)
    _wanted: ClassVar[str] = "Secret(text) takes a str"

    def __init__(self, text: str) -> None:
        given: object = text
        if not isinstance(given, str):
            raise TypeError(f"{self._wanted}, not {type(given).__name__}")
        self._text = text

    @classmethod
    def of(cls, value: Secret | str) -> Self:
        """Return the value as an instance of this class; an instance is returned unchanged."""
        if isinstance(value, cls):
            return value
        return cls(value.reveal() if isinstance(value, Secret) else value)

    def reveal(self) -> str:
        """Return the secret text."""
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
        """Raise: a pickled secret could leave the process through a task queue or a cache."""
        raise TypeError("a Secret cannot be pickled: let the other process read its own settings")


class SecretURL(Secret):
    """The URL of a store, which may contain a password.

    Its `str` is the whole URL if that is only a path or an alias, and otherwise only the scheme.
    """

    __slots__ = ()
    _wanted: ClassVar[str] = "a storage URL must be a str, for example sqlite:///itsm-workflow.db"

    @property
    def is_plain(self) -> bool:
        """Whether it cannot contain a secret: a path without account and parameters, an alias, or only a scheme."""
        if _ALIAS.fullmatch(self._text):
            return True
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
        """Return a text with the URL, and its parts that may be secret, masked."""
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


@functools.lru_cache(maxsize=2048)
def names_secret(key: str) -> bool:
    """Return whether a key names a secret, so that its value is never shown."""
    word = key.replace("_", "").replace("-", "")
    return any(secret in word for secret in _SECRET_WORDS)


def without_secrets(text: str) -> str:
    """Return a text from elsewhere with the values masked that follow a name of a secret.

    Such a text is the message of a host's error, or one that a person has typed: ``password=…``, ``"token": "…"``,
    ``Authorization: Bearer …``, ``--api-key …``, the password in an address. It may mask a word too many.
    """
    shown, end = [], 0
    for named in _NAMED.finditer(text):
        name = (named["name"] or named["option"]).lower()
        if named.start() < end or not (names_secret(name) or name in _SHORT_NAMES):
            continue
        value = _value_of(name, text, named.end())
        if value and value not in _NOTHING:
            shown += [text[end : named.end()], STARS]
            end = named.end() + len(value)
    return _ALONE.sub(rf"\g<before>\g<scheme>{STARS}", "".join(shown) + text[end:])


def _value_of(name: str, text: str, start: int) -> str:
    """Return the value of a name that begins at a place of a text; empty if none does."""
    found = _VALUE.match(text, start)
    if found is None or found["quote"]:
        return found[0] if found else ""
    end = found.end()
    if "auth" in name and (longer := _SCHEME_AND_MORE.match(text, start)):
        end = max(end, longer.end())
    elif "cookie" in name and (more := _COOKIES.match(text, end)):
        end = more.end()
    return text[start:end]


def without_frames(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function whose frames hold secrets in plain text, and return its result.

    Args:
        work: The function. Its frames, the frames below it, and the cause and context of its error are removed from the
            error. A note on the error names the place where it was raised.
        args: The positional arguments of the function.
        kwargs: The keyword arguments of the function.

    Raises:
        BaseException: The error of the function, without its frames.
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
    trace = error.__traceback__ and error.__traceback__.tb_next  # the first frame is that of without_frames
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"in {code.co_filename}, line {trace.tb_lineno}, in {code.co_name}"
