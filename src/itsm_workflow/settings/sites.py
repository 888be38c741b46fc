"""The hosts of a site, so that their ticket pages may be shown.

The pages of a ticket system are on another host than its gateway, usually in the same domain. This module has no list
of public suffixes. It recognises a registered domain by the usual forms, ``example.com`` and ``example.com.cn``.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(r"(?:[a-z0-9-]+\.)*[a-z0-9-]+")
_SUFFIX = re.compile(r"(?:ac|co|com|edu|gob|go|gov|mil|ne|net|or|org)\.[a-z]{2}")


def is_of_site(host: str, urls: Iterable[str]) -> bool:
    """Return whether a host is the host of one of these URLs, or is in the same registered domain."""
    name = host.lower()
    for url in urls:
        own = (urlsplit(url).hostname or "") if url else ""
        if not own:
            continue
        domain = _domain(own)
        if name == own or (domain and _NAME.fullmatch(name) and (name == domain or name.endswith("." + domain))):
            return True
    return False


def _domain(host: str) -> str:
    """Return the registered domain of a host; empty for an address, a name without dots, or an unusual name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        labels = host.split(".") if _NAME.fullmatch(host) else []
        kept = 3 if _SUFFIX.fullmatch(".".join(labels[-2:])) else 2
        return ".".join(labels[-kept:]) if len(labels) >= kept else ""
    return ""
