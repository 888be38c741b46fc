"""The `Settings` class: one field for each setting, with its variables, kind, default and meaning."""

from __future__ import annotations

import difflib
import functools
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import attrs

from itsm_workflow.errors import SettingsError
from itsm_workflow.secrets import Secret, SecretURL, without_frames
from itsm_workflow.settings import kinds
from itsm_workflow.settings.rules import problems
from itsm_workflow.settings.sites import is_of_site
from itsm_workflow.settings.variables import Variables, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from itsm_workflow.settings.rules import Problem


# The converters return values that are not strings unchanged: the rules report them.
def _base(url: str) -> str:
    return url.rstrip("/") if hasattr(url, "encode") else url


def _root(url: str) -> str:
    return url.rstrip("/") + "/" if url and hasattr(url, "encode") else url


def _number(digits: str | int) -> str:
    """Return the digits of a number; 0 means no service in the settings of the log platform."""
    digits = str(digits) if type(digits) is int and 0 <= digits < 10**kinds.MAX_DIGITS else cast("str", digits)
    return "" if hasattr(digits, "encode") and not digits.strip("0") else digits


def _pair(timeout: float | tuple[float, float]) -> tuple[float, float]:
    return (timeout, timeout) if isinstance(timeout, int | float) else timeout


def _sealed(url: SecretURL | str) -> SecretURL:
    # A value that is not a string is returned unchanged: the rules report it.
    return SecretURL.of(url) if isinstance(url, Secret) or hasattr(url, "encode") else cast("SecretURL", url)


def _esb(host: str) -> str:
    return f"{host.rstrip('/')}/api/c/compapi/v2/itsm/"


def _api_gateway(template: str) -> str:
    name = "bk-itsm"
    return f"{template.rstrip('/').replace('{api_name}', name).replace('{gateway_name}', name)}/prod/v2/itsm/"


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of a deployment. The metadata of each field holds its variables and its meaning.

    Attributes:
        sources: The origin of each field: the name of the variable, ``default`` or ``argument``.
    """

    # fmt: off
    app_code: str = attrs.field(metadata=kinds.WORD.of(
        "BKAPP_ITSM_APP_CODE", "BK_APP_CODE", "BKPAAS_APP_ID", "APP_CODE",
        help="the BlueKing application that calls the gateway"))
    # SECRET_KEY is not an alias: a misconfigured Django host would send its signing key over the network.
    app_secret: Secret = attrs.field(metadata=kinds.SECRET.of(
        "BKAPP_ITSM_APP_SECRET", "BK_APP_SECRET", "BKPAAS_APP_SECRET", help="the secret of the BlueKing application"))
    gateway_url: str = attrs.field(converter=_root, metadata=kinds.TEXT.of(
        "BKAPP_ITSM_GATEWAY_URL", "ITSM_APIGATEWAY_ROOT_V2",
        forms={"BK_API_URL_TMPL": _api_gateway, "BK_COMPONENT_API_URL": _esb},
        help="the root to which the paths of the endpoints are appended"))
    version: str = attrs.field(default="v2", metadata=kinds.GENERATION.of(
        "BKAPP_ITSM_VERSION", help="the ITSM generation; only `v2` is supported"))
    routes: str = attrs.field(default="v2", metadata=kinds.one_of("v2", "esb", "component").of(
        "BKAPP_ITSM_ROUTES", help="the routes to BK-ITSM 2: `v2` uses the server's own methods, `esb` uses only POST, "
        "`component` uses the component paths of the ESB"))
    component_version: str = attrs.field(default="v2", metadata=kinds.PATH_VERSION.of(
        "BKAPP_ITSM_COMPONENT_VERSION", help="the version in the component paths; `none` for paths without one"))
    service_id: str = attrs.field(default="", converter=_number, metadata=kinds.NUMBER.of(
        "BKAPP_ITSM_SERVICE_ID", "BKAPP_COLLECTOR_ITSM_SERVICE_ID",
        help="the number of the service for new tickets; 0 selects none"))
    service_name: str = attrs.field(default="", metadata=kinds.TEXT.of(
        "BKAPP_ITSM_SERVICE_NAME", help="the name of the service, looked up in the gateway's list of services"))
    service_role: str = attrs.field(default="", metadata=kinds.WORD.of(
        "BKAPP_ITSM_SERVICE_ROLE",
        help="the display role of the service, looked up in the same list; the log platform's is LOG_SEARCH"))
    fast_approval: bool = attrs.field(default=False, metadata=kinds.FLAG.of(
        "BKAPP_ITSM_FAST_APPROVAL", help="whether to use the built-in service, whose approvers the form names"))
    approver_field: str = attrs.field(default="", metadata=kinds.FORM_KEY.of(
        "BKAPP_ITSM_APPROVER_FIELD", help="the key of the service's form field for the approvers",
        unset="the service names its own"))
    content_field: str = attrs.field(default="", metadata=kinds.FORM_KEY.of(
        "BKAPP_ITSM_CONTENT_FIELD", help="the key of the service's form field for the form's content"))
    callback_host: str = attrs.field(default="", converter=_base, metadata=kinds.TEXT.of(
        "BKAPP_ITSM_CALLBACK_HOST", help="the public base URL for callbacks; never taken from a request",
        unset="required for callbacks"))
    callback_keys: tuple[Secret, ...] = attrs.field(default=(), metadata=kinds.KEYS.of(
        "BKAPP_ITSM_CALLBACK_KEYS", unset="required for callbacks",
        help="the keys of the callback credentials, newest first, separated by commas, each at least 32 bytes"))
    callback_credential: str = attrs.field(default="header", metadata=kinds.one_of("header", "path").of(
        "BKAPP_ITSM_CALLBACK_CREDENTIAL", help="the place of the credential in a callback: a `header`, or the `path` "
        "for a gateway that does not send custom headers"))
    legacy_callbacks: bool = attrs.field(default=False, metadata=kinds.FLAG.of(
        "BKAPP_ITSM_LEGACY_CALLBACKS", help="whether to acknowledge callbacks without a credential, those of tickets "
        "that were filed before the library issued credentials; they are not trusted, and cause no reads or writes"))
    collect_itsm: bool = attrs.field(default=False, metadata=kinds.FLAG.of(
        "BKAPP_COLLECT_ITSM", help="whether the host requires an approval before it collects; only the host reads it"))
    store: SecretURL = attrs.field(default=SecretURL("sqlite:///itsm-workflow.db"), converter=_sealed,
        metadata=kinds.STORE.of("BKAPP_ITSM_STORE",
        help="the URL of the store, such as sqlite:///changes.db or json:///changes.jsonl"))
    timeout: tuple[float, float] = attrs.field(default=(3.05, 10.0), converter=_pair, metadata=kinds.TIMEOUTS.of(
        "BKAPP_ITSM_TIMEOUT",
        help="the time-outs for a connection and for one read, in seconds: one number for both, or `connect,read`"))
    deadline: float = attrs.field(default=20.0, metadata=kinds.SECONDS.of(
        "BKAPP_ITSM_DEADLINE", help="the time limit of one call, including retries, in seconds; more than 25 needs a "
        "`Policy` with a longer `send_lease`"))
    breaker_failures: int = attrs.field(default=5, metadata=kinds.CALLS.of(
        "BKAPP_ITSM_BREAKER_FAILURES",
        help="the number of unanswered calls in a row after which the circuit breaker opens; 0 for never"))
    breaker_rest: float = attrs.field(default=30.0, metadata=kinds.SECONDS.of(
        "BKAPP_ITSM_BREAKER_REST",
        help="the time for which the circuit breaker stays open before one call tries again, in seconds"))
    ca_bundle: str = attrs.field(default="", metadata=kinds.FILE.of(
        "BKAPP_ITSM_CA_BUNDLE", help="a file or folder of certificates to trust instead of the usual ones",
        unset="the usual ones"))
    # HTTP_PROXY and similar variables are not aliases: a process that can set them could read every call.
    proxy: SecretURL = attrs.field(default=SecretURL(""), converter=_sealed, metadata=kinds.PROXY.of(
        "BKAPP_ITSM_PROXY", help="the URL of the proxy for calls to the gateway, such as `http://proxy:3128`"))
    allow_http: bool = attrs.field(default=False, metadata=kinds.FLAG.of(
        "BKAPP_ITSM_ALLOW_HTTP",
        help="whether the gateway and the callback address may use plain HTTP on other machines"))
    ticket_hosts: tuple[str, ...] = attrs.field(default=(), metadata=kinds.HOSTS.of(
        "BKAPP_ITSM_TICKET_HOSTS",
        help="the hosts whose ticket pages may be shown, as names without wildcards; `*` for all",
        unset="those of the gateway, of the callback, and of their domains"))
    key_prefix: str = attrs.field(default="", metadata=kinds.PREFIX.of(
        "BKAPP_ITSM_KEY_PREFIX",
        help="at most 6 letters or digits before each correlation key, to distinguish deployments"))
    key_in_title: bool = attrs.field(default=True, metadata=kinds.FLAG.of(
        "BKAPP_ITSM_KEY_IN_TITLE", help="whether each title ends with a short form of the key"))
    four_byte_text: bool = attrs.field(default=False, metadata=kinds.FLAG.of(
        "BKAPP_ITSM_FOUR_BYTE_TEXT",
        help="whether the gateway's database can store characters outside the basic plane (emoji)"))
    tenant: str = attrs.field(default="", metadata=kinds.WORD.of(
        "BKAPP_ITSM_TENANT_ID", help="the BlueKing tenant"))
    api_user: str = attrs.field(default="admin", metadata=kinds.WORD.of(
        "BKAPP_ITSM_API_USER", help="the user name of the library at the gateway"))
    language: str = attrs.field(default="zh-cn", metadata=kinds.WORD.of(
        "BKAPP_ITSM_LANGUAGE", help="the language of the gateway's messages"))
    environment: str = attrs.field(default="", metadata=kinds.TEXT.of(
        "BKPAAS_ENVIRONMENT", "BK_ENV", help="the platform's name of the environment, such as prod"))
    sources: Mapping[str, str] = attrs.field(factory=dict, repr=False, eq=False)
    # fmt: on

    def __attrs_post_init__(self) -> None:
        """Check all fields and report all problems together.

        Raises:
            SettingsError: Settings are missing or invalid. The message lists all problems.
        """
        _raise_all(problems({name: getattr(self, name) for name in _FIELDS}, _FIELDS), self.sources)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **given: object) -> Settings:
        """Read the settings from environment variables.

        Args:
            environ: The variables, text by name; the process's own by default.
            given: The fields, by name, that override their variables.

        Raises:
            SettingsError: Variables are missing or invalid. The message names all of them.
            TypeError: ``environ`` is not a mapping, or an argument names no field.
        """
        # The variables hold secrets in plain text, and an error report may show the variables of the later frames.
        try:
            variables = without_frames(Variables, os.environ if environ is None else environ)
            values, sources, unread = without_frames(read, _FIELDS, variables, given)
        finally:
            del environ, given
        complete = {**_DEFAULTS, **values}
        checked = {name: value for name, value in complete.items() if name not in unread}
        _raise_all([*unread.items(), *problems(checked, _FIELDS)], sources)
        return cls(**values, sources=MappingProxyType(sources))

    def shows_pages_of(self, host: str) -> bool:
        """Return whether the ticket pages of a host may be shown."""
        if not self.ticket_hosts:
            return is_of_site(host, (self.gateway_url, self.callback_host))
        return not {"*", host.lower()}.isdisjoint(each.lower() for each in self.ticket_hosts)

    def require(self, *names: str) -> None:
        """Check that these fields are set, for features such as callbacks that need optional fields.

        Raises:
            SettingsError: Some fields are not set. The message names their variables.
            ValueError: A name is not that of a field.
        """
        for name in names:
            if name not in _FIELDS:
                raise ValueError(f"Settings.require takes names of fields such as callback_host, not {name!r}")
        _raise_all([(name, "is missing") for name in names if not getattr(self, name)], {})


def _forgetting(init: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor whose errors do not show its arguments, such as the URL of a store."""

    @functools.wraps(init)
    def forgetting(self: Settings, **given: object) -> None:
        try:
            without_frames(init, self, **given)
        finally:
            del self, given

    return forgetting


Settings.__init__ = _forgetting(Settings.__init__)  # type: ignore[method-assign] # attrs generates the constructor

_FIELDS = MappingProxyType({field.name: field for field in attrs.fields(Settings) if field.name != "sources"})
_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {name: "" if field.default is attrs.NOTHING else field.default for name, field in _FIELDS.items()}
    | {"app_secret": Secret("")}
)

SETTINGS: Mapping[str, kinds.Setting] = MappingProxyType(
    {name: kinds.setting_of(field) for name, field in _FIELDS.items()}
)
"""The metadata of each field, in the order of the fields."""

VARIABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: tuple(setting.parsers) for name, setting in SETTINGS.items()}
)
"""The variables that set each field; the first one that is set and not empty has precedence."""


def unknown_variables(environ: Iterable[str]) -> Sequence[tuple[str, str]]:
    """Return each unknown ``BKAPP_ITSM_`` variable with the closest known name, or an empty string."""
    known = [name for names in VARIABLES.values() for name in names]
    unknown = sorted(name for name in environ if name.startswith("BKAPP_ITSM_") and name not in known)
    return [(name, next(iter(difflib.get_close_matches(name, known, n=1)), "")) for name in unknown]


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
