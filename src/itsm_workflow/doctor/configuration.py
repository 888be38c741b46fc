"""The examination of the settings: the variable that each value came from, and the variable to correct."""

from __future__ import annotations

import datetime as dt
import pathlib
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from itsm_workflow.doctor.findings import Level, ok, problem, warning
from itsm_workflow.errors import SettingsError
from itsm_workflow.policy import Policy
from itsm_workflow.settings import SETTINGS, VARIABLES, Settings
from itsm_workflow.settings.model import unknown_variables
from itsm_workflow.settings.rules import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from itsm_workflow.doctor.findings import Finding

_LIVE_KEYS = 2
_BUNDLE = "settings.ca_bundle"
_UNREAD = frozenset({"default", "argument"})


def examine_settings(environ: Mapping[str, str]) -> tuple[Settings | None, list[Finding]]:
    """Read the settings and return them with the findings; they are None if they cannot be used."""
    try:
        settings = Settings.from_env(environ)
    except SettingsError as error:
        return None, [*_rejected(vars(error)["problems"], environ), *_unknown(environ)]
    findings = [*_accepted(settings, environ), *_unknown(environ)]
    unusable = any(finding.name == _BUNDLE and finding.level is Level.PROBLEM for finding in findings)
    return None if unusable else settings, findings


def variable_of(settings: Settings, field: str) -> str:
    """Return the variable to change for a field: its source, or else the first variable that can set it."""
    source = settings.sources.get(field, "default")
    return VARIABLES[field][0] if source in _UNREAD else source


def _rejected(problems: Iterable[tuple[str, str]], environ: Mapping[str, str]) -> Iterator[Finding]:
    rules: dict[str, list[str]] = {}
    for variable, rule in problems:
        rules.setdefault(_field_of(variable), []).append(f"{variable} {rule}")
    for field, variables in VARIABLES.items():
        set_by = _set_by(field, environ)
        if field in rules:
            advice = f"correct {set_by[0]}" if set_by else f"set {variables[0]}: {SETTINGS[field].help}"
            yield problem(f"settings.{field}", "; ".join(rules[field]), advice)
        elif set_by:
            # Not shown: a value may have been set in the wrong variable, such as an address with a password.
            yield ok(f"settings.{field}", f"from {set_by[0]}")


def _accepted(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    concerns: dict[str, Finding] = {}
    for concern in _concerns(settings):
        concerns.setdefault(concern.name, concern)
    for field in VARIABLES:
        name, source = f"settings.{field}", settings.sources[field]
        if name in concerns:
            yield concerns[name]
        elif source not in _UNREAD:
            ignored = [variable for variable in _set_by(field, environ) if variable != source]
            suffix = f"; ignored: {', '.join(ignored)}" if ignored else ""
            yield ok(name, f"{SETTINGS[field].shown(getattr(settings, field))}, from {source}{suffix}")


def _concerns(settings: Settings) -> Iterator[Finding]:
    """Yield findings about settings that are valid but probably wrong."""
    if not any((settings.service_id, settings.service_name, settings.service_role, settings.fast_approval)):
        yield warning(
            "settings.service_id",
            "no setting names the service that tickets are filed with",
            "set BKAPP_ITSM_SERVICE_ID, BKAPP_ITSM_SERVICE_NAME, BKAPP_ITSM_SERVICE_ROLE or "
            "BKAPP_ITSM_FAST_APPROVAL=true, unless your application chooses the service of each ticket",
        )
    if settings.allow_http and urlsplit(settings.gateway_url).scheme == "http":
        yield warning(
            "settings.allow_http",
            f"yes, from {settings.sources['allow_http']}: the app secret is sent unencrypted",
            "use an https address for the gateway, and unset BKAPP_ITSM_ALLOW_HTTP",
        )
    misfits = Policy().misfits(dt.timedelta(seconds=settings.deadline))
    if misfits:
        yield warning(
            "settings.deadline",
            f"{settings.deadline:g} s, from {settings.sources['deadline']}: too long for the default policy: "
            + "; ".join(misfits),
            f"lower {variable_of(settings, 'deadline')}, or give the workflow a policy with longer leases",
        )
    if settings.ca_bundle:
        yield from _bundle(settings)
    yield from _callbacks(settings)


def _bundle(settings: Settings) -> Iterator[Finding]:
    path = pathlib.Path(settings.ca_bundle)
    try:
        if not path.is_dir():
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError:  # ssl.SSLError is one
        source = variable_of(settings, "ca_bundle")
        yield problem(
            _BUNDLE,
            f"{settings.ca_bundle}, from {source}, does not contain a readable certificate",
            f"set {source} to a file of PEM certificates, or unset it to trust the usual authorities",
        )


def _callbacks(settings: Settings) -> Iterator[Finding]:
    host, keys = settings.callback_host, settings.callback_keys
    if bool(host) != bool(keys):
        missing = "callback_keys" if host else "callback_host"
        given = "callback_host" if host else "callback_keys"
        yield problem(
            f"settings.{missing}",
            f"is missing, while {given} is set from {variable_of(settings, given)}: callbacks need both",
            f"set {VARIABLES[missing][0]}, or unset {variable_of(settings, given)} to work without callbacks",
        )
    if host and is_loopback(_host(host)) and not is_loopback(_host(settings.gateway_url)):
        yield warning(
            "settings.callback_host",
            f"{host}, from {settings.sources['callback_host']}: only this machine can call it, but the gateway "
            "is on another machine",
            "set BKAPP_ITSM_CALLBACK_HOST to the address at which BK-ITSM reaches this application",
        )
    if len(keys) > _LIVE_KEYS:
        yield warning(
            "settings.callback_keys",
            f"{len(keys)} keys, from {settings.sources['callback_keys']}: only the first {_LIVE_KEYS} are accepted",
            "remove the older keys; only reconcile learns of decisions on changes that were filed with them",
        )


def _unknown(environ: Mapping[str, str]) -> Iterator[Finding]:
    # This variable belongs to the command line and is not a setting of the library.
    known = [name for name in environ if name != "BKAPP_ITSM_WORKFLOW_APP"]
    for variable, nearest in unknown_variables(known):
        yield warning(
            "settings.unknown",
            f"{variable} is not a known setting",
            f"did you mean {nearest}?" if nearest else "unset it; docs/reference/settings.md lists all variables",
        )


def _set_by(field: str, environ: Mapping[str, str]) -> list[str]:
    return [variable for variable in VARIABLES[field] if environ.get(variable, "").strip()]


def _field_of(variable: str) -> str:
    """Return the field that a variable sets; an error lists alternative variables after the first."""
    first = variable.split(" ", 1)[0]
    return next((field for field, names in VARIABLES.items() if first in names), "version")


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
