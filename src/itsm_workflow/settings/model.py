"""The `Settings` class. An argument has precedence over a variable, and a variable over the default."""

from __future__ import annotations

import functools
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import attrs

from itsm_workflow.errors import SettingsError
from itsm_workflow.secrets import Secret, SecretURL, without_frames
from itsm_workflow.settings.rules import MAX_DIGITS, problems
from itsm_workflow.settings.sites import is_of_site
from itsm_workflow.settings.variables import VARIABLES, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from itsm_workflow.settings.rules import Problem


# The converters return values that are not strings unchanged: the rules report them.
def _base(url: str) -> str:
    return url.rstrip("/") if hasattr(url, "encode") else url


def _root(url: str) -> str:
    return url.rstrip("/") + "/" if url and hasattr(url, "encode") else url


def _number(digits: str | int) -> str:
    """Return the digits of a number; 0 means no service in the settings of the log platform."""
    digits = str(digits) if type(digits) is int and 0 <= digits < 10**MAX_DIGITS else cast("str", digits)
    return "" if hasattr(digits, "encode") and not digits.strip("0") else digits


def _sealed(url: SecretURL | str) -> SecretURL:
    # A value that is not a string is returned unchanged: the rules report it.
    return SecretURL.of(url) if isinstance(url, Secret) or hasattr(url, "encode") else cast("SecretURL", url)


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of a deployment.

    Attributes:
        app_code: The BlueKing application that calls the gateway.
        app_secret: The secret of that application.
        gateway_url: The gateway root to which the paths of the endpoints are appended; ends with a slash.
        version: The ITSM generation; only ``v2`` is supported.
        routes: The routes to BK-ITSM 2: ``v2`` uses the server's own methods, ``esb`` uses only POST, ``component``
            uses the component paths of the ESB.
        component_version: The version in the component paths; empty for paths without one.
        service_id: The number of the service for new tickets; empty or 0 if one of the next three settings selects it.
        service_name: The name of the service, looked up in the gateway's list of services.
        service_role: The display role of the service, looked up in the same list. The log platform's is ``LOG_SEARCH``.
        fast_approval: Whether to use the built-in service, whose approvers the form names.
        approver_field: The key of the service's form field for the approvers; empty if the service names its own.
        content_field: The key of the service's form field for the form's content; empty if it has no such field.
        callback_host: The public base URL for callbacks; never taken from a request.
        callback_keys: The keys of the callback credentials, newest first, each at least 32 bytes.
        legacy_callbacks: Whether to acknowledge callbacks without a credential, i.e. those of tickets that were filed
            before the library issued credentials. They are not trusted, and cause no reads or writes; polling finds the
            decision.
        callback_credential: The place of the credential in a callback: a ``header``, or the ``path`` for a gateway that
            does not send custom headers.
        collect_itsm: Whether the host requires an approval before it collects. Only the host reads this setting: the
            library files all requested tickets, and `Workflow.require_approved` ignores it.
        store: The URL of the storage backend. It may contain a password, so only `reveal` returns its text.
        timeout: The time-outs for a connection and for one read, in seconds.
        deadline: The time limit of one call, including retries, in seconds.
        breaker_failures: The number of unanswered calls in a row after which the circuit breaker of the gateway or the
            endpoint opens; 0 for never.
        breaker_rest: The time for which the circuit breaker stays open before one call tries again, in seconds.
        ca_bundle: A file or folder of certificates to trust instead of the default ones; empty for the default.
        proxy: The URL of the proxy for calls to the gateway, such as ``http://proxy:3128``. It may contain an account,
            so only `reveal` returns its text. If empty, no proxy is used, not even one from the environment.
        allow_http: Whether the gateway and the callback may use plain HTTP on other machines.
        ticket_hosts: The hosts whose ticket pages may be shown; ``*`` for all. If empty, the hosts of the gateway and
            of the callback, and the others in their registered domains.
        key_prefix: At most 6 letters or digits before each correlation key, to distinguish deployments.
        key_in_title: Whether each title ends with a short form of the key.
        four_byte_text: Whether the gateway's database can store characters outside the basic plane (emoji).
        tenant: The BlueKing tenant; empty for none.
        api_user: The user name of the library at the gateway.
        language: The language of the gateway's messages.
        environment: The platform's name of the environment, e.g. ``prod``.
        sources: The origin of each field: the name of the variable, ``default`` or ``argument``.
    """

    app_code: str
    app_secret: Secret
    gateway_url: str = attrs.field(converter=_root)
    version: str = "v2"
    routes: str = "v2"
    component_version: str = "v2"
    service_id: str = attrs.field(default="", converter=_number)
    service_name: str = ""
    service_role: str = ""
    fast_approval: bool = False
    approver_field: str = ""
    content_field: str = ""
    callback_host: str = attrs.field(default="", converter=_base)
    callback_keys: tuple[Secret, ...] = ()
    callback_credential: str = "header"
    legacy_callbacks: bool = False
    collect_itsm: bool = False
    store: SecretURL = attrs.field(default=SecretURL("sqlite:///itsm-workflow.db"), converter=_sealed)
    timeout: tuple[float, float] = (3.05, 10.0)
    deadline: float = 20.0
    breaker_failures: int = 5
    breaker_rest: float = 30.0
    ca_bundle: str = ""
    proxy: SecretURL = attrs.field(default=SecretURL(""), converter=_sealed)
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
        """Check all fields and report all problems together.

        Raises:
            SettingsError: Settings are missing or invalid. The message lists all problems.
        """
        values = {field.name: getattr(self, field.name) for field in attrs.fields(Settings) if field.name != "sources"}
        _raise_all(problems(values), self.sources)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **given: object) -> Settings:
        """Read the settings from environment variables.

        Args:
            environ: The variables; the process's own by default.
            given: The fields, by name, that override their variables.

        Raises:
            SettingsError: Variables are missing or invalid. The message names all of them.
        """
        # The variables hold secrets in plain text, and an error report may show the variables of the later frames.
        try:
            values, sources, unread = without_frames(read, os.environ if environ is None else environ, given)
        finally:
            del environ, given
        complete = {**_DEFAULTS, **values}
        checked = {name: value for name, value in complete.items() if name not in unread}
        _raise_all([*unread.items(), *problems(checked)], sources)
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
        """
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

_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        field.name: "" if field.default is attrs.NOTHING else field.default
        for field in attrs.fields(Settings)
        if field.name != "sources"
    }
    | {"app_secret": Secret("")}
)


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
