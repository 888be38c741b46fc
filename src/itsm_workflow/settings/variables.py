"""The environment variables of the settings: the variables of each field, and the parsers of their text."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from itsm_workflow.secrets import Secret, SecretURL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

VARIABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "app_code": ("BKAPP_ITSM_APP_CODE", "BK_APP_CODE", "BKPAAS_APP_ID", "APP_CODE"),
        # SECRET_KEY is not an alias: a misconfigured Django host would send its signing key over the network.
        "app_secret": ("BKAPP_ITSM_APP_SECRET", "BK_APP_SECRET", "BKPAAS_APP_SECRET"),
        "version": ("BKAPP_ITSM_VERSION",),
        "gateway_url": ("BKAPP_ITSM_GATEWAY_URL", "ITSM_APIGATEWAY_ROOT_V2", "BK_API_URL_TMPL", "BK_COMPONENT_API_URL"),
        "routes": ("BKAPP_ITSM_ROUTES",),
        "component_version": ("BKAPP_ITSM_COMPONENT_VERSION",),
        "service_id": ("BKAPP_ITSM_SERVICE_ID", "BKAPP_COLLECTOR_ITSM_SERVICE_ID"),
        "service_name": ("BKAPP_ITSM_SERVICE_NAME",),
        "service_role": ("BKAPP_ITSM_SERVICE_ROLE",),
        "fast_approval": ("BKAPP_ITSM_FAST_APPROVAL",),
        "approver_field": ("BKAPP_ITSM_APPROVER_FIELD",),
        "content_field": ("BKAPP_ITSM_CONTENT_FIELD",),
        "callback_host": ("BKAPP_ITSM_CALLBACK_HOST",),
        "callback_keys": ("BKAPP_ITSM_CALLBACK_KEYS",),
        "callback_credential": ("BKAPP_ITSM_CALLBACK_CREDENTIAL",),
        "legacy_callbacks": ("BKAPP_ITSM_LEGACY_CALLBACKS",),
        "collect_itsm": ("BKAPP_COLLECT_ITSM",),
        "store": ("BKAPP_ITSM_STORE",),
        "timeout": ("BKAPP_ITSM_TIMEOUT",),
        "deadline": ("BKAPP_ITSM_DEADLINE",),
        "breaker_failures": ("BKAPP_ITSM_BREAKER_FAILURES",),
        "breaker_rest": ("BKAPP_ITSM_BREAKER_REST",),
        "ca_bundle": ("BKAPP_ITSM_CA_BUNDLE",),
        # HTTP_PROXY and similar variables are not aliases: a process that can set them could read every call.
        "proxy": ("BKAPP_ITSM_PROXY",),
        "allow_http": ("BKAPP_ITSM_ALLOW_HTTP",),
        "ticket_hosts": ("BKAPP_ITSM_TICKET_HOSTS",),
        "key_prefix": ("BKAPP_ITSM_KEY_PREFIX",),
        "key_in_title": ("BKAPP_ITSM_KEY_IN_TITLE",),
        "four_byte_text": ("BKAPP_ITSM_FOUR_BYTE_TEXT",),
        "tenant": ("BKAPP_ITSM_TENANT_ID",),
        "api_user": ("BKAPP_ITSM_API_USER",),
        "language": ("BKAPP_ITSM_LANGUAGE",),
        "environment": ("BKPAAS_ENVIRONMENT", "BK_ENV"),
    }
)
"""The variables that set each field; the first one that is set and not empty has precedence."""

FLAGS = ("fast_approval", "allow_http", "key_in_title", "four_byte_text", "collect_itsm", "legacy_callbacks")
"""The boolean fields."""

_SEALED = ("store", "proxy")
"""The URL fields that may contain a password."""

_GATEWAY, _STAGE = "bk-itsm", "/prod/v2/itsm/"
_OTHER_GENERATION = (
    "is for BK-ITSM 4, which this library does not support: unset it, or set BKAPP_ITSM_VERSION=v2 to use BK-ITSM 2 "
    "nevertheless"
)
MAX_CALLS = 1_000_000
"""The largest number of calls in a setting."""
_ESB = "/api/c/compapi/v2/itsm/"


class Variables(Mapping[str, str]):
    """Environment variables whose repr hides the values, since some are secrets in plain text."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> str:
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __repr__(self) -> str:
        return f"<{len(self)} variables>"


def unknown_variables(environ: Iterable[str]) -> Sequence[tuple[str, str]]:
    """Return each unknown ``BKAPP_ITSM_`` variable with the closest known name, or an empty string."""
    known = [name for names in VARIABLES.values() for name in names]
    unknown = sorted(name for name in environ if name.startswith("BKAPP_ITSM_") and name not in known)
    return [(name, next(iter(difflib.get_close_matches(name, known, n=1)), "")) for name in unknown]


def read(
    environ: Mapping[str, str], given: Mapping[str, object]
) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """Return the values, the source of each, and the rules of those that could not be parsed."""
    values: dict[str, Any] = {
        name: SecretURL.of(value) if name in _SEALED and isinstance(value, str) else value
        for name, value in given.items()
    }
    sources = {name: "argument" if name in given else "default" for name in VARIABLES}
    unread: dict[str, str] = {}
    for name, variables in VARIABLES.items():
        variable = next((each for each in variables if environ.get(each, "").strip()), None)
        if name in given or variable is None:
            continue
        sources[name] = variable
        text = environ[variable].strip()
        try:
            if name == "gateway_url":
                values[name] = _gateway_url(variable, text)
            else:
                values[name] = _PARSERS.get(name, str)(text)
        except ValueError as error:
            unread[name] = str(error)
    if sources["version"] == "default":
        for variable in sorted(name for name in environ if name.startswith("BK_ITSM4_") and environ[name].strip()):
            sources["version"], unread["version"] = variable, _OTHER_GENERATION
    return values, sources, unread


def _gateway_url(variable: str, text: str) -> str:
    root = text.rstrip("/")
    if variable == "BK_COMPONENT_API_URL":
        return root + _ESB
    if variable == "BK_API_URL_TMPL":
        return root.replace("{api_name}", _GATEWAY).replace("{gateway_name}", _GATEWAY) + _STAGE
    return root + "/"


def _flag(text: str) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if text.lower() not in words:
        raise ValueError("must be true or false")
    return words[text.lower()]


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("must be a number of seconds") from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_CALLS))):
        raise ValueError(f"must be a whole number from 0 to {MAX_CALLS}")
    return int(text)


def _timeout(text: str) -> tuple[float, float]:
    parts = [_seconds(part) for part in text.split(",")]
    if len(parts) not in {1, 2}:
        raise ValueError('must be one number of seconds, or "connect,read"')
    return parts[0], parts[-1]


def _items(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "app_secret": Secret,
    **dict.fromkeys(_SEALED, SecretURL),
    "callback_keys": lambda text: tuple(map(Secret, _items(text))),
    "ticket_hosts": _items,
    "timeout": _timeout,
    "deadline": _seconds,
    "breaker_failures": _count,
    "breaker_rest": _seconds,
    "component_version": lambda text: "" if text == "none" else text,
    **dict.fromkeys(FLAGS, _flag),
}
