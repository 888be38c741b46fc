"""The rules for settings. All rules are checked, so that one run of a deployment finds all problems."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from itsm_workflow.secrets import Secret, SecretURL
from itsm_workflow.settings.kinds import passes, secrets_in, setting_of
from itsm_workflow.settings.proxy import proxy_host, proxy_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Problem = tuple[str, str]


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine, by its name or address; makes no DNS query."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def problems(values: Mapping[str, Any], fields: Mapping[str, attrs.Attribute[Any]]) -> Sequence[Problem]:
    """Return every ``(field, rule)`` that the values break.

    Args:
        values: The values; those that could not be read are missing and skipped.
        fields: The fields of `Settings`.
    """
    found = []
    for name, field in fields.items():
        if name in values:
            is_missing = field.default is attrs.NOTHING and not passes(bool, values[name])
            broken = [rule for rule, holds in setting_of(field).rules if not passes(holds, values[name])]
            found += [(name, rule) for rule in (["is missing"] if is_missing else []) + broken]
    unless = "" if values.get("allow_http") is True else next(iter(setting_of(fields["allow_http"]).parsers))
    for name in ("gateway_url", "callback_host"):
        if values.get(name):
            found += [(name, rule) for rule in _url_rules(values[name], unless)]
    found += [("proxy", rule) for rule in _proxy_rules(values.get("proxy"), values.get("gateway_url"), unless)]
    if values.get("fast_approval") and any(map(values.get, ("service_id", "service_name", "service_role"))):
        found.append(("fast_approval", "cannot be on when a service is set as well"))
    secret = values.get("app_secret")
    if isinstance(secret, Secret) and secret:
        keys = secrets_in(values.get("callback_keys"))
        if any(secret.reveal() in key.reveal() for key in keys):
            rule = "must not contain the app secret: a leak of either would reveal both"
            found.append(("callback_keys", rule))
    return found


def _proxy_rules(proxy: object, gateway: object, unless: str) -> Iterable[str]:
    if not isinstance(proxy, SecretURL) or not proxy:
        return
    broken = list(proxy_rules(proxy))
    yield from broken
    is_plain = isinstance(gateway, str) and gateway.lower().startswith("http:")
    if not broken and is_plain and unless and not is_loopback(proxy_host(proxy)):
        yield f"must be on this machine for a gateway in plain http, unless {unless} is true: it could read every call"


def _url_rules(url: object, unless: str) -> Iterable[str]:
    if not isinstance(url, str):  # another rule reports it
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
    if parts.scheme == "http" and unless and not is_loopback(host):
        yield f"must be https: plain http is allowed only on this machine unless {unless} is true"
