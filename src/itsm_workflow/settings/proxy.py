"""The proxy for calls to the gateway: the rules for its URL, and its parts that may be shown."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from itsm_workflow.secrets import Secret, SecretURL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from urllib.parse import SplitResult

_PORTS = {"http": 80, "https": 443}
_ODD = re.compile(r"[^!-~]|[\\{}]")


def proxy_place(proxy: SecretURL) -> str:
    """Return the address of a proxy without its account, such as ``http://proxy:3128``."""
    parts = urlsplit(proxy.reveal())
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or _PORTS[parts.scheme]}"


def proxy_secrets(proxy: SecretURL) -> Sequence[Secret]:
    """Return the secret parts of a proxy's URL: its password, as written and as sent."""
    if not proxy:
        return []
    parts = urlsplit(proxy.reveal())
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    sent = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return [Secret(text) for text in (proxy.reveal(), sent, parts.password, password) if password and text]


def proxy_host(proxy: SecretURL) -> str:
    """Return the host of a proxy whose URL is valid."""
    return urlsplit(proxy.reveal()).hostname or ""


def proxy_rules(proxy: SecretURL) -> Iterator[str]:
    """Yield each rule that a proxy's URL breaks; the rules never quote the URL."""
    parts = _parts(proxy.reveal())
    if parts is None or parts.scheme not in _PORTS or not parts.hostname or _ODD.search(proxy.reveal()):
        yield "must be an http or https URL with a host, such as http://proxy:3128"
        return
    if parts.path.strip("/") or parts.query or parts.fragment:
        yield "must not have a path, query or fragment"
    account = unquote(f"{parts.username or ''}{parts.password or ''}")
    if not account.isascii() or not account.isprintable():
        yield "must have an account of visible ASCII characters: it goes into a header"
    if parts.password and not parts.username:
        yield "must name the user of its password"


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        port = parts.port  # reading it raises for an invalid port
    except ValueError:
        return None
    return None if port == 0 else parts
