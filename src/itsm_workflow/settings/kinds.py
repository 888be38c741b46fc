"""The kinds of settings: how the text of a variable is parsed, which values are valid, and what the doctor shows."""

from __future__ import annotations

import pathlib
import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.secrets import Secret, SecretURL
from itsm_workflow.settings.proxy import proxy_place, proxy_secrets
from itsm_workflow.text import unstorable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Parser = Callable[[str], object]
    Rule = tuple[str, Callable[[Any], bool]]

MAX_SECONDS = 86_400
"""One day, the limit of a call's deadline and of the time for which a circuit breaker stays open."""
MAX_CALLS = 1_000_000
"""The largest number of calls in a setting."""
MAX_DIGITS = 18
_MIN_KEY_BYTES, _MAX_PREFIX = 32, 6
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_HOST = r"\*|[^\s/:@?#%\\\[\]*]+"
_ONE_TIME = f"must be a number of seconds above 0 and at most {MAX_SECONDS}"
_TIMES = f"{_ONE_TIME}, or two of them: connect,read"
_CALLS = f"must be a whole number of calls from 1 to {MAX_CALLS}, or 0 for never"


@attrs.frozen(kw_only=True)
class Setting:
    """The metadata of one setting, besides its type and its default.

    Attributes:
        parsers: The parser of each variable that sets it; the first variable that is set and not empty has precedence.
        rules: The rules for a value, each as its text and a predicate.
        shown: A function that returns a text of a value without its secrets.
        help: The meaning, as a phrase in Markdown.
        unset: The meaning of an empty default; empty if it has none.
    """

    parsers: Mapping[str, Parser]
    rules: Sequence[Rule]
    shown: Callable[[Any], str]
    help: str
    unset: str


@attrs.frozen
class Kind:
    """A parser, rules and a display that several settings share."""

    rules: Sequence[Rule] = ()
    parse: Parser = str
    shown: Callable[[Any], str] = str

    def of(
        self,
        *variables: str,
        help: str,  # noqa: A002 - as the command line's options name it
        unset: str = "none",
        forms: Mapping[str, Parser] | None = None,
    ) -> dict[str, Setting]:
        """Return the metadata of a field.

        Args:
            variables: The variables that set the field, by precedence.
            help: See `Setting`.
            unset: See `Setting`.
            forms: The parsers of variables whose text has a form of its own.
        """
        parsers = dict.fromkeys(variables, self.parse) | dict(forms or {})
        return {"setting": Setting(parsers=parsers, rules=self.rules, shown=self.shown, help=help, unset=unset)}


def setting_of(field: attrs.Attribute[Any]) -> Setting:
    """Return the metadata of a field of `Settings`."""
    setting: Setting = field.metadata["setting"]
    return setting


def passes(holds: Callable[[Any], bool], value: object) -> bool:
    """Return whether a value fulfils a rule; untyped callers may pass any value."""
    try:
        return holds(value)
    except (TypeError, ValueError, OverflowError):
        return False


def _like(rule: str, pattern: str) -> Rule:
    return rule, lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def one_of(*words: str) -> Kind:
    """Return the kind of a setting that has one of these values."""
    return Kind([(f"must be {', '.join(words[:-1])} or {words[-1]}", words.__contains__)])


def _is_host(value: object) -> bool:
    return isinstance(value, str) and (re.fullmatch(_HOST, value) is not None or bool(ip_address(value)))


def _is_time(seconds: float) -> bool:
    return not isinstance(seconds, bool) and 0 < seconds <= MAX_SECONDS  # NaN is neither


def _is_number(value: object) -> bool:
    digits = str(value) if type(value) is int else value
    return isinstance(digits, str) and re.fullmatch(rf"[0-9]{{0,{MAX_DIGITS}}}", digits) is not None


def secrets_in(keys: object) -> Sequence[Secret]:
    """Return the secrets among the keys; a rule reports keys that are not secrets."""
    return [key for key in keys if isinstance(key, Secret)] if isinstance(keys, tuple) else []


def _flag(text: str) -> bool:
    if text.lower() not in _WORDS:
        raise ValueError("must be true or false")
    return _WORDS[text.lower()]


def _decimal(text: str) -> float:
    # float() also takes the digits of every script, and 1_0.
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return float(text)


def _seconds(text: str) -> float:
    try:
        return _decimal(text)
    except ValueError:
        raise ValueError(_ONE_TIME) from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_CALLS))):
        raise ValueError(_CALLS)
    return int(text)


def _timeout(text: str) -> tuple[float, float]:
    connect, comma, read = text.partition(",")
    try:
        return _decimal(connect), _decimal(read if comma else connect)
    except ValueError:
        raise ValueError(_TIMES) from None


def _items(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


def _proxy(proxy: SecretURL) -> str:
    return proxy_place(proxy) + (", with an account" if proxy_secrets(proxy) else "")


# fmt: off
TEXT = Kind([("must be text, without NUL characters or lone surrogates",
              lambda value: isinstance(value, str) and not unstorable(value))])
WORD = Kind([_like("must be visible ASCII, at most 128 characters", r"[!-~]{0,128}")])  # goes into a header
FORM_KEY = Kind([_like("must be a form field's key: letters, digits and _ . -", r"[A-Za-z0-9_.-]{0,64}")])
PREFIX = Kind([_like(f"must be at most {_MAX_PREFIX} letters or digits", rf"[0-9A-Za-z]{{0,{_MAX_PREFIX}}}")])
GENERATION = Kind([("must be v2: this library does not support the endpoints of other generations",
                    lambda version: version == "v2")])
PATH_VERSION = Kind([_like("must be v and a number, or none", r"(v[0-9]{1,3})?")],
                    parse=lambda text: "" if text == "none" else text)
NUMBER = Kind([(f"must be a whole number of at most {MAX_DIGITS} digits", _is_number)])
FLAG = Kind([("must be True or False", lambda value: isinstance(value, bool))],
            parse=_flag, shown=lambda value: "yes" if value else "no")
SECRET = Kind([("must be a Secret, so that it is masked in logs", lambda value: isinstance(value, Secret))],
              parse=Secret, shown=lambda _: "set")
KEYS = Kind([("must be Secrets, so that they are masked in logs",
              lambda keys: isinstance(keys, tuple) and len(secrets_in(keys)) == len(keys)),
             (f"each key must be at least {_MIN_KEY_BYTES} bytes long",
              lambda keys: all(len(key.reveal().encode()) >= _MIN_KEY_BYTES for key in secrets_in(keys)))],
            parse=lambda text: tuple(map(Secret, _items(text))),
            shown=lambda keys: f"{len(keys)} key{'s' * (len(keys) > 1)}")
_SEALED = [("must be a string or a SecretURL", lambda value: isinstance(value, SecretURL))]
STORE = Kind(_SEALED, parse=SecretURL, shown=lambda url: str(url) if "://" in str(url) else "set")
PROXY = Kind(_SEALED, parse=SecretURL, shown=_proxy)
SECONDS = Kind([(_ONE_TIME, _is_time)], parse=_seconds)
TIMEOUTS = Kind([(_TIMES, lambda pair: isinstance(pair, tuple) and len(pair) == 2 and all(map(_is_time, pair)))],  # noqa: PLR2004 - connect, read
                parse=_timeout, shown=_listed)
CALLS = Kind([(_CALLS, lambda value: type(value) is int and 0 <= value <= MAX_CALLS)], parse=_count)
FILE = Kind([("is not an existing file or folder", lambda value: not value or pathlib.Path(value).exists())])
HOSTS = Kind([('must be host names alone, without scheme, port, path or wildcard, or "*" for all hosts',
               lambda hosts: isinstance(hosts, tuple) and all(map(_is_host, hosts)))], parse=_items, shown=_listed)
# fmt: on
