"""The settings themselves. An argument beats a variable, which beats the default."""

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


# What is no text passes through the converters as it is: the rules name it.
def _base(url: str) -> str:
    return url.rstrip("/") if hasattr(url, "encode") else url


def _root(url: str) -> str:
    return url.rstrip("/") + "/" if url and hasattr(url, "encode") else url


def _number(digits: str | int) -> str:
    """Return a number's digits; 0 is the log platform's word for none."""
    digits = str(digits) if type(digits) is int and 0 <= digits < 10**MAX_DIGITS else cast("str", digits)
    return "" if hasattr(digits, "encode") and not digits.strip("0") else digits


def _sealed(url: SecretURL | str) -> SecretURL:
    # What is no text passes as it is: the rules name it.
    return SecretURL.of(url) if isinstance(url, Secret) or hasattr(url, "encode") else cast("SecretURL", url)


@attrs.frozen(kw_only=True)
class Settings:
    """What the library must be told.

    Attributes:
        app_code: The BlueKing application that calls the gateway.
        app_secret: Its secret.
        gateway_url: The gateway root that the endpoints' paths are appended to; ends with a slash.
        version: The ITSM generation: ``v2``, the only one.
        routes: How BK-ITSM 2 is reached: ``v2`` by the server's own methods, ``esb`` by POST alone, ``component`` by
            the ESB's component paths.
        component_version: The version in the component paths; empty: there is none.
        service_id: The number of the service that tickets are filed with; empty or 0 if one of the next three says it.
        service_name: Its name, looked up in the gateway's list of services.
        service_role: The display role that its owner gave it, looked up in the same list; the log platform's is
            ``LOG_SEARCH``.
        fast_approval: File with the built-in service, whose approvers the form names.
        approver_field: The key of the service's form field that takes the approvers; empty: the service names its own.
        content_field: The key of the service's form field that takes the form's content; empty: it has none.
        callback_host: The public base of our callback address; never taken from a request.
        callback_keys: Keys of the callback credentials, newest first, each at least 32 bytes.
        legacy_callbacks: Acknowledge callbacks that bring no credential: those of tickets that were filed before there
            were any. They are believed in nothing and nothing is read or written for them; polling finds the decision.
        callback_credential: Where a callback brings our credential: in a ``header``, or in the ``path`` for a gateway
            that sends no headers of ours.
        collect_itsm: Whether the host wants an approval before it collects. Read by the host alone: the library files
            what it is asked to, and `Workflow.require_approved` refuses whatever this says.
        store: The URL of the storage backend; it may hold a password, so that only `reveal` gives its text.
        timeout: Seconds to wait for a connection and for one read.
        deadline: Seconds that one call may take in all, retries included.
        breaker_failures: After so many calls in a row that were not answered, the gateway or the endpoint is left alone
            for a while; 0: never.
        breaker_rest: Seconds that it is left alone, until one call tries it again.
        ca_bundle: A file or folder of certificates to trust instead of the usual ones; empty: the usual ones.
        proxy: The URL of the proxy that calls of the gateway go through, such as ``http://proxy:3128``; it may hold an
            account, so that only `reveal` gives its text. Empty: none, whatever the environment says.
        allow_http: Let the gateway and the callback be reached in plain text on other than this machine.
        ticket_hosts: Hosts whose ticket pages may be shown; ``*``: any. Empty: the hosts of the gateway and of the
            callback, and the others in their registered domains.
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
        """Check every field; all problems are told at once.

        Raises:
            SettingsError: Something is missing or cannot be right.
        """
        values = {field.name: getattr(self, field.name) for field in attrs.fields(Settings) if field.name != "sources"}
        _raise_all(problems(values), self.sources)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **given: object) -> Settings:
        """Read the settings from environment variables.

        Args:
            environ: The variables; the process's own by default.
            given: Fields by name that no variable may change.

        Raises:
            SettingsError: Variables are missing or cannot be right; it names them all.
        """
        # They hold secrets in clear, and a traceback of what follows may be shown with its variables.
        try:
            values, sources, unread = without_frames(read, os.environ if environ is None else environ, given)
        finally:
            del environ, given
        complete = {**_DEFAULTS, **values}
        checked = {name: value for name, value in complete.items() if name not in unread}
        _raise_all([*unread.items(), *problems(checked)], sources)
        return cls(**values, sources=MappingProxyType(sources))

    def shows_pages_of(self, host: str) -> bool:
        """Return whether ticket pages on that host may be shown."""
        if not self.ticket_hosts:
            return is_of_site(host, (self.gateway_url, self.callback_host))
        return not {"*", host.lower()}.isdisjoint(each.lower() for each in self.ticket_hosts)

    def require(self, *names: str) -> None:
        """Check that these fields are set; callbacks, for one, need fields that others can do without.

        Raises:
            SettingsError: Some are not; it names the variables that set them.
        """
        _raise_all([(name, "is missing") for name in names if not getattr(self, name)], {})


def _forgetting(init: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor whose error shows nothing of its arguments, such as a store's URL."""

    @functools.wraps(init)
    def forgetting(self: Settings, **given: object) -> None:
        try:
            without_frames(init, self, **given)
        finally:
            del self, given

    return forgetting


Settings.__init__ = _forgetting(Settings.__init__)  # type: ignore[method-assign] # attrs writes the constructor itself

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
