"""The rules for settings. All rules are checked, so that one run of a deployment finds all problems."""

from __future__ import annotations

import ipaddress
import pathlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from itsm_workflow.secrets import Secret, SecretURL
from itsm_workflow.settings.proxy import proxy_host, proxy_rules
from itsm_workflow.settings.variables import FLAGS, MAX_CALLS, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Problem = tuple[str, str]

MIN_KEY_BYTES = 32
MAX_PREFIX = 6
MAX_SECONDS = 86_400
"""One day, the limit of a call's deadline and of the time for which a circuit breaker stays open."""
MAX_DIGITS = 18
_HOST = re.compile(r"[^\s/:@?#%\\\[\]]+")


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine, by its name or address; makes no DNS query."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_host(value: object) -> bool:
    try:
        return isinstance(value, str) and (_fits(_HOST, value) or bool(ipaddress.ip_address(value)))
    except ValueError:
        return False


def _is_secret(value: object) -> bool:
    return isinstance(value, Secret)


def _are_secrets(value: object) -> bool:
    return isinstance(value, tuple) and all(map(_is_secret, value))


def _secrets_in(keys: object) -> Sequence[Secret]:
    """Return the secrets among the keys; another rule reports keys that are not secrets."""
    return [key for key in keys if isinstance(key, Secret)] if isinstance(keys, tuple) else []


def _is_long_enough(key: Secret) -> bool:
    return len(key.reveal().encode()) >= MIN_KEY_BYTES


def _is_time(seconds: float) -> bool:
    return not isinstance(seconds, bool) and 0 < seconds <= MAX_SECONDS  # NaN is neither


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_CALLS


def _is_number(value: object) -> bool:
    digits = str(value) if type(value) is int else value
    return _fits(re.compile(rf"[0-9]{{0,{MAX_DIGITS}}}"), digits)


def _is_pair(timeout: Sequence[float]) -> bool:
    return len(timeout) == 2 and all(map(_is_time, timeout))  # noqa: PLR2004 - connect, read


def _one_of(*words: str) -> tuple[str, Callable[[Any], bool]]:
    return f"must be {', '.join(words[:-1])} or {words[-1]}", words.__contains__


def _like(rule: str, pattern: str) -> tuple[str, Callable[[Any], bool]]:
    return rule, lambda value: _fits(re.compile(pattern), value)


_MISSING = ("is missing", bool)
_SECRET = ("must be a Secret, so that it is masked in logs", _is_secret)
_URL = ("must be a string or a SecretURL", lambda value: isinstance(value, SecretURL))
_WORD = _like("must be visible ASCII, at most 128 characters", r"[!-~]{0,128}")  # goes into a header
_FIELD = _like("must be a form field's key: letters, digits and _ . -", r"[A-Za-z0-9_.-]{0,64}")
_FLAG = ("must be True or False", lambda value: isinstance(value, bool))
_RULES: Sequence[tuple[str, tuple[str, Callable[[Any], bool]]]] = (
    *((name, _MISSING) for name in ("app_code", "app_secret", "gateway_url")),
    ("app_secret", _SECRET),
    *((name, _URL) for name in ("store", "proxy")),
    *((name, _WORD) for name in ("app_code", "tenant", "api_user", "language", "service_role")),
    *((name, _FIELD) for name in ("approver_field", "content_field")),
    *((name, _FLAG) for name in FLAGS),
    (
        "version",
        (
            "must be v2: this library does not support the endpoints of other generations",
            lambda version: version == "v2",
        ),
    ),
    ("routes", _one_of("v2", "esb", "component")),
    ("component_version", _like("must be v and a number, or none", r"(v[0-9]{1,3})?")),
    ("service_id", (f"must be the digits of a whole number, at most {MAX_DIGITS}, or that number", _is_number)),
    ("callback_credential", _one_of("header", "path")),
    ("callback_keys", ("must be Secrets, so that they are masked in logs", _are_secrets)),
    (
        "callback_keys",
        (
            f"each key must be at least {MIN_KEY_BYTES} bytes long",
            lambda keys: all(map(_is_long_enough, _secrets_in(keys))),
        ),
    ),
    ("timeout", (f"must be two numbers of seconds above 0 and at most {MAX_SECONDS}", _is_pair)),
    ("deadline", (f"must be a number of seconds above 0 and at most {MAX_SECONDS}", _is_time)),
    ("breaker_failures", (f"must be a whole number of calls from 1 to {MAX_CALLS}, or 0 for never", _is_count)),
    ("breaker_rest", (f"must be a number of seconds above 0 and at most {MAX_SECONDS}", _is_time)),
    ("ca_bundle", ("is not an existing file or folder", lambda value: not value or pathlib.Path(value).exists())),
    (
        "ticket_hosts",
        (
            'must be host names alone, without scheme, port or path, or "*"',
            lambda hosts: isinstance(hosts, tuple) and all(map(_is_host, hosts)),
        ),
    ),
    (
        "key_prefix",
        _like(f"must be at most {MAX_PREFIX} letters or digits", rf"[0-9A-Za-z]{{0,{MAX_PREFIX}}}"),
    ),
)


def problems(values: Mapping[str, Any]) -> Sequence[Problem]:
    """Return every ``(field, rule)`` that the values break; fields that could not be read are missing and skipped."""
    found = [(name, rule) for name, (rule, holds) in _RULES if name in values and not _passes(holds, values[name])]
    for name in ("gateway_url", "callback_host"):
        if values.get(name):
            found += [(name, rule) for rule in _url_rules(values[name], allow_http=values.get("allow_http") is True)]
    found += [("proxy", rule) for rule in _proxy_rules(values)]
    number = values.get("service_id")
    number = number.strip("0") if isinstance(number, str) else number  # 0 means no service
    if values.get("fast_approval") and (number or values.get("service_name") or values.get("service_role")):
        found.append(("fast_approval", "cannot be on when a service is set as well"))
    secret = values.get("app_secret")
    if isinstance(secret, Secret) and secret:
        keys = _secrets_in(values.get("callback_keys"))
        if any(secret.reveal() in key.reveal() for key in keys):
            rule = "must not contain the app secret: a leak of either would reveal both"
            found.append(("callback_keys", rule))
    return found


def _passes(holds: Callable[[Any], bool], value: object) -> bool:
    try:
        return holds(value)
    except (TypeError, ValueError, OverflowError):  # untyped callers may pass any value
        return False


def _proxy_rules(values: Mapping[str, Any]) -> Iterable[str]:
    proxy, gateway = values.get("proxy"), values.get("gateway_url")
    if not isinstance(proxy, SecretURL) or not proxy:
        return
    broken = list(proxy_rules(proxy))
    yield from broken
    is_plain = isinstance(gateway, str) and gateway.lower().startswith("http:")
    if not broken and is_plain and values.get("allow_http") is not True and not is_loopback(proxy_host(proxy)):
        allowed = VARIABLES["allow_http"][0]
        yield f"must be on this machine for a gateway in plain http, unless {allowed} is true: it could read every call"


def _url_rules(url: object, *, allow_http: bool) -> Iterable[str]:
    if not isinstance(url, str):
        yield "is not a URL"
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        yield "is not a URL"
        return
    if parts.scheme not in {"http", "https"} or not host or re.search(r"[\x00-\x20\x7f\\{}]", url):
        yield "must be an http or https URL with a host"
        return
    if parts.username is not None or parts.password is not None:
        yield "must not contain a user name or password"
    if parts.query or parts.fragment:
        yield "must not have a query or fragment"
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        yield f"must be https: plain http is allowed only on this machine unless {VARIABLES['allow_http'][0]} is true"
