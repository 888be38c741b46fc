"""What the library must be told of the place it runs in: the gateway, its credentials, the callback's address.

Settings are read once and passed on. An argument beats a variable of ours, which beats one that the platform sets,
which beats the default. ``sources`` says where each value came from.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import os
import pathlib
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from itsm_workflow.errors import SettingsError
from itsm_workflow.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

VARIABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "app_code": ("BKAPP_ITSM_APP_CODE", "BK_APP_CODE", "BKPAAS_APP_ID", "APP_CODE"),
        # SECRET_KEY is no alias: a misconfigured Django host would send its signing key over the wire.
        "app_secret": ("BKAPP_ITSM_APP_SECRET", "BK_APP_SECRET", "BKPAAS_APP_SECRET"),
        "version": ("BKAPP_ITSM_VERSION",),  # before the gateway's address, which depends on it
        "gateway_url": ("BKAPP_ITSM_GATEWAY_URL", "ITSM_APIGATEWAY_ROOT_V2", "BK_COMPONENT_API_URL", "BK_API_URL_TMPL"),
        "routes": ("BKAPP_ITSM_ROUTES",),
        "component_version": ("BKAPP_ITSM_COMPONENT_VERSION",),
        "service_id": ("BKAPP_ITSM_SERVICE_ID", "BKAPP_COLLECTOR_ITSM_SERVICE_ID"),
        "service_name": ("BKAPP_ITSM_SERVICE_NAME",),
        "service_role": ("BKAPP_ITSM_SERVICE_ROLE",),
        "fast_approval": ("BKAPP_ITSM_FAST_APPROVAL",),
        "approver_field": ("BKAPP_ITSM_APPROVER_FIELD",),
        "content_field": ("BKAPP_ITSM_CONTENT_FIELD",),
        "system_token": ("BKAPP_ITSM_SYSTEM_TOKEN", "BK_ITSM4_SYSTEM_TOKEN"),
        "workflow_key": ("BKAPP_ITSM_WORKFLOW_KEY",),
        "callback_host": ("BKAPP_ITSM_CALLBACK_HOST",),
        "callback_keys": ("BKAPP_ITSM_CALLBACK_KEYS",),
        "callback_credential": ("BKAPP_ITSM_CALLBACK_CREDENTIAL",),
        "collect_itsm": ("BKAPP_COLLECT_ITSM",),
        "store": ("BKAPP_ITSM_STORE",),
        "timeout": ("BKAPP_ITSM_TIMEOUT", "BK_ITSM4_API_TIMEOUT"),
        "deadline": ("BKAPP_ITSM_DEADLINE",),
        "ca_bundle": ("BKAPP_ITSM_CA_BUNDLE",),
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
"""The variables that set each field, the first that is set and not empty wins."""

MIN_KEY_BYTES = 32
MAX_PREFIX = 6
_PREFIX = re.compile(rf"[0-9A-Za-z]{{0,{MAX_PREFIX}}}")
_FIELD_KEY = re.compile(r"[A-Za-z0-9_.-]{0,64}")
_WORD = re.compile(r"[!-~]{0,128}")  # goes into a header: visible ASCII only
_GATEWAYS = {"v2": ("bk-itsm", "/prod/v2/itsm/"), "v4": ("bk-itsm4", "/prod/")}
_ESB = "/api/c/compapi/v2/itsm/"
_COMPONENT = re.compile(r"(v[0-9]{1,3})?")
_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"version": tuple(_GATEWAYS), "routes": ("v2", "esb", "component"), "callback_credential": ("header", "path")}
)

Problem = tuple[str, str]


def _base(url: str) -> str:
    return url.rstrip("/")


def _root(url: str) -> str:
    return _base(url) + "/" if url else ""


@attrs.frozen(kw_only=True)
class Settings:
    """What the library must be told.

    Attributes:
        app_code: The BlueKing application that calls the gateway.
        app_secret: Its secret.
        gateway_url: The gateway root that the endpoints' paths are appended to; ends with a slash.
        version: The ITSM generation, ``v2`` or ``v4``.
        routes: How BK-ITSM 2 is reached: ``v2`` by the server's own methods, ``esb`` by POST alone, ``component`` by
            the ESB's component paths.
        component_version: The version in the component paths; empty: there is none.
        service_id: The service that tickets are filed with; empty if one of the next three says it.
        service_name: Its name, looked up in the gateway's list of services.
        service_role: The display role that its owner gave it, looked up in the same list; the log platform's is
            ``LOG_SEARCH``.
        fast_approval: File with the built-in service, whose approvers the form names.
        approver_field: The key of the service's form field that takes the approvers; empty: the service names its own.
        content_field: The key of the service's form field that takes the form's content; empty: it has none.
        system_token: The ITSM 4 system's own secret.
        workflow_key: The ITSM 4 flow.
        callback_host: The public base of our callback address; never taken from a request.
        callback_keys: Keys of the callback credentials, newest first, each at least 32 bytes.
        callback_credential: Where a callback brings our credential: in a ``header``, or in the ``path`` for a gateway
            that sends no headers of ours.
        collect_itsm: Whether the host wants an approval before it collects. Read by the host alone: the library files
            what it is asked to, and `Workflow.require_approved` refuses whatever this says.
        store: The URL of the storage backend.
        timeout: Seconds to wait for a connection and for one read.
        deadline: Seconds that one call may take in all, retries included.
        ca_bundle: A file or folder of certificates to trust instead of the usual ones; empty: the usual ones.
        allow_http: Let the gateway and the callback be reached in plain text on other than this machine.
        ticket_hosts: Hosts whose ticket pages may be shown; empty: any.
        key_prefix: At most 6 letters or digits in front of each correlation key; tells deployments apart.
        key_in_title: Whether a short form of the key ends each title.
        four_byte_text: The gateway's database stores characters outside the basic plane (emoji).
        tenant: The BlueKing tenant; empty: none is named.
        api_user: The user that the gateway knows us as.
        language: The language of the gateway's messages.
        environment: The platform's word for where we run, e.g. ``prod``.
        sources: The variable, or ``default`` or ``argument``, that each field came from.
    """

    app_code: str
    app_secret: Secret
    gateway_url: str = attrs.field(converter=_root)
    version: str = "v2"
    routes: str = "v2"
    component_version: str = "v2"
    service_id: str = ""
    service_name: str = ""
    service_role: str = ""
    fast_approval: bool = False
    approver_field: str = ""
    content_field: str = ""
    system_token: Secret = attrs.field(factory=lambda: Secret(""))
    workflow_key: str = ""
    callback_host: str = attrs.field(default="", converter=_base)
    callback_keys: tuple[Secret, ...] = ()
    callback_credential: str = "header"
    collect_itsm: bool = False
    store: str = attrs.field(default="sqlite:///itsm-workflow.db", repr=False)  # may hold a password
    timeout: tuple[float, float] = (3.05, 10.0)
    deadline: float = 20.0
    ca_bundle: str = ""
    allow_http: bool = False
    ticket_hosts: tuple[str, ...] = ()
    key_prefix: str = ""
    key_in_title: bool = True
    four_byte_text: bool = False
    tenant: str = ""
    api_user: str = "admin"
    language: str = "zh-cn"
    environment: str = ""
    sources: Mapping[str, str] = attrs.field(factory=dict, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Check every field; all problems are told at once.

        Raises:
            SettingsError: Something is missing or cannot be right.
        """
        values = {field.name: getattr(self, field.name) for field in attrs.fields(Settings) if field.name != "sources"}
        _raise_all(_problems(values), self.sources)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **given: object) -> Settings:
        """Read the settings from environment variables.

        Args:
            environ: The variables; the process's own by default.
            given: Fields by name that no variable may change.

        Raises:
            SettingsError: Variables are missing or cannot be right; it names them all.
        """
        values, sources, unread = _read(os.environ if environ is None else environ, given)
        del environ  # it holds secrets in clear, and a traceback of what follows may be shown with its variables
        complete = {**_DEFAULTS, **values}
        checked = {name: value for name, value in complete.items() if name not in unread}
        _raise_all([*unread.items(), *_problems(checked)], sources)
        return cls(**values, sources=MappingProxyType(sources))

    def require(self, *names: str) -> None:
        """Check that these fields are set; callbacks, for one, need fields that others can do without.

        Raises:
            SettingsError: Some are not; it names the variables that set them.
        """
        _raise_all([(name, "is missing") for name in names if not getattr(self, name)], {})


_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        field.name: "" if field.default is attrs.NOTHING else field.default
        for field in attrs.fields(Settings)
        if field.name != "sources"
    }
    | {"app_secret": Secret(""), "system_token": Secret("")}
)


def unknown_variables(environ: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """Return each ``BKAPP_ITSM_`` variable that sets nothing, with the nearest one that does, or an empty text."""
    known = [name for names in VARIABLES.values() for name in names]
    strangers = sorted(name for name in environ if name.startswith("BKAPP_ITSM_") and name not in known)
    return [(name, next(iter(difflib.get_close_matches(name, known, n=1)), "")) for name in strangers]


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine, by its name or address alone; nothing is looked up."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(
    environ: Mapping[str, str], given: Mapping[str, object]
) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """Return the values, where each came from, and what could not be read."""
    values: dict[str, Any] = dict(given)
    sources = {name: "argument" if name in given else "default" for name in VARIABLES}
    unread: dict[str, str] = {}
    if "version" not in values and any(name.startswith("BK_ITSM4_") and environ[name] for name in environ):
        values["version"], sources["version"] = "v4", "BK_ITSM4_*"
    for name, variables in VARIABLES.items():
        variable = next((each for each in variables if environ.get(each, "").strip()), None)
        if name in given or variable is None:
            continue
        sources[name] = variable
        text = environ[variable].strip()
        try:
            if name == "gateway_url":
                values[name] = _gateway_url(variable, text, str(values.get("version", "v2")))
            else:
                values[name] = _PARSERS.get(name, str)(text)
        except ValueError as error:
            unread[name] = str(error)
    return values, sources, unread


def _gateway_url(variable: str, text: str, version: str) -> str:
    root = text.rstrip("/")
    if variable == "BK_COMPONENT_API_URL":
        return root + _ESB
    if variable == "BK_API_URL_TMPL":
        name, path = _GATEWAYS.get(version, _GATEWAYS["v2"])
        return root.replace("{api_name}", name).replace("{gateway_name}", name) + path
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


def _timeout(text: str) -> tuple[float, float]:
    parts = [_seconds(part) for part in text.split(",")]
    if len(parts) not in {1, 2}:
        raise ValueError('must be one number of seconds, or "connect,read"')
    return parts[0], parts[-1]


def _items(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "app_secret": Secret,
    "system_token": Secret,
    "callback_keys": lambda text: tuple(map(Secret, _items(text))),
    "ticket_hosts": _items,
    "timeout": _timeout,
    "deadline": _seconds,
    "component_version": lambda text: "" if text == "none" else text,
    **dict.fromkeys(("fast_approval", "allow_http", "key_in_title", "four_byte_text", "collect_itsm"), _flag),
}


def _problems(values: Mapping[str, Any]) -> Sequence[Problem]:
    """Return every ``(field, rule)`` that the values break; a field that is not there was found unreadable before."""
    found: list[Problem] = []

    def check(name: str, rule: str, holds: Callable[[Any], bool]) -> None:
        if name in values and not holds(values[name]):
            found.append((name, rule))

    for name in ("app_code", "app_secret", "gateway_url"):
        check(name, "is missing", bool)
    for name in ("app_secret", "system_token", "callback_keys"):
        check(name, "must be a Secret, so that it cannot show itself", _is_secret)
    for name in ("app_code", "tenant", "api_user", "language", "service_role"):
        check(name, "must be visible ASCII, at most 128 characters", lambda value: _fits(_WORD, value))
    for name in ("gateway_url", "callback_host"):
        if values.get(name):
            found += [(name, rule) for rule in _url_rules(values[name], allow_http=values.get("allow_http") is True)]
    for name, words in _WORDS.items():
        check(name, f"must be {', '.join(words[:-1])} or {words[-1]}", words.__contains__)
    check("component_version", "must be v and a number, or none", lambda value: _fits(_COMPONENT, value))
    check("service_id", "must be a whole number", lambda value: not value or (value.isascii() and value.isdigit()))
    check(
        "fast_approval",
        "cannot be on when a service is set as well",
        lambda value: not (value and any(values.get(f"service_{part}") for part in ("id", "name", "role"))),
    )
    for name in ("approver_field", "content_field"):
        check(name, "must be a form field's key: letters, digits and _ . -", lambda value: _fits(_FIELD_KEY, value))
    check(
        "callback_keys",
        f"each key must be at least {MIN_KEY_BYTES} bytes long",
        lambda keys: all(len(key.reveal().encode()) >= MIN_KEY_BYTES for key in keys if _is_secret(key)),
    )
    check(
        "callback_keys",
        "must not contain the app secret: whoever holds one of them would hold both",
        lambda keys: not _holds_secret(keys, values.get("app_secret")),
    )
    check(
        "timeout",
        "must be two numbers of seconds above 0",
        lambda pair: len(pair) == 2 and all(_above_zero(seconds) for seconds in pair),  # noqa: PLR2004 - connect, read
    )
    check("deadline", "must be a number of seconds above 0", _above_zero)
    check("ca_bundle", "names no file or folder", lambda value: not value or pathlib.Path(value).exists())
    check("key_prefix", f"must be at most {MAX_PREFIX} letters or digits", lambda value: _fits(_PREFIX, value))
    return found


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_secret(value: object) -> bool:
    return all(map(_is_secret, value)) if isinstance(value, tuple) else isinstance(value, Secret)


def _above_zero(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds > 0


def _holds_secret(keys: Sequence[Secret], app_secret: object) -> bool:
    if not isinstance(app_secret, Secret) or not app_secret:
        return False
    return any(app_secret.reveal() in key.reveal() for key in keys if _is_secret(key))


def _url_rules(url: str, *, allow_http: bool) -> Iterable[str]:
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
        yield "must not hold a user name or password"
    if parts.query or parts.fragment:
        yield "must not have a query or fragment"
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        yield f"must be https: plain http reaches only this machine unless {VARIABLES['allow_http'][0]} is true"


def _raise_all(problems: Iterable[Problem], sources: Mapping[str, str]) -> None:
    listed = []
    for field, rule in problems:
        source = sources.get(field, "default")
        names = VARIABLES[field]
        if source not in {"default", "argument"}:
            listed.append((source, rule))
        else:
            listed.append((names[0] + (f" (or {', '.join(names[1:])})" if names[1:] else ""), rule))
    if listed:
        text = "; ".join(f"{name} {rule}" for name, rule in listed)
        raise SettingsError(f"the settings were refused: {text}", problems=tuple(listed))
