"""The encoding of a call's parameters: in the address, in the query, as JSON, as a header.

A value that cannot be encoded raises an error before a connection is opened, so that nothing is sent in part.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from itsm_workflow.bkapi.endpoint import PLACEHOLDER
from itsm_workflow.secrets import Secret
from itsm_workflow.settings.rules import is_loopback
from itsm_workflow.text import has_lone_surrogate, kind_of

if TYPE_CHECKING:
    from itsm_workflow.bkapi.endpoint import Endpoint
    from itsm_workflow.settings import Settings

REQUEST_ID_KEY = "bklog_request_id"
"""The query key of our request id, under the name that the gateway logs of the log platform use."""
_MAX_URL = 8192
_DEPTH = 200
_PLACE = 60
_SURROGATE = re.compile(r"\\ud[89a-f]")


def build_url(endpoint: Endpoint[Any], settings: Settings, params: Mapping[str, Any]) -> str:
    """Return the address without a query.

    Raises:
        ValueError: A parameter that the url names is missing or cannot be part of an address; or the address is plain
            http to another machine, which the settings do not allow.
    """
    path = PLACEHOLDER.sub(lambda found: _part(endpoint.name, found[1], params), endpoint.url)
    if "://" not in path:
        return settings.gateway_url + path
    parts = urlsplit(path)
    if parts.scheme != "https" and not settings.allow_http and not is_loopback(parts.hostname or ""):
        raise ValueError(
            f"{endpoint.name}: {parts.scheme}://{parts.hostname} is plain http to another machine, so the app "
            "secret would be sent unencrypted: use https, or set allow_http"
        )
    return path


def _part(endpoint: str, key: str, params: Mapping[str, Any]) -> str:
    value = params.get(key)
    if value is None:
        raise ValueError(f"{endpoint}: the url needs the parameter {key!r}, which is missing")
    if type(value) not in {str, int} or value in {"", ".", ".."}:
        raise ValueError(
            f"{endpoint}: the url's parameter {key!r} must be a whole number or a non-empty text, not . or .."
        )
    return quote(sound(endpoint, key, str(value)), safe="")


def build_query(endpoint: str, params: Mapping[str, Any]) -> str:
    """Return the query; None is omitted, a list repeats its key.

    Raises:
        ValueError: A value cannot be written in a query, or is a secret.
    """
    pairs = [
        (sound(endpoint, "a key", str(key)), _query_text(endpoint, key, each))
        for key, value in params.items()
        for each in (value if isinstance(value, list | tuple) else [value])
        if each is not None
    ]
    query = urlencode(pairs)
    if len(query) > _MAX_URL:
        raise ValueError(
            f"{endpoint}: the query would be {len(query)} characters long, more than {_MAX_URL}: request less at a time"
        )
    return query


def _query_text(endpoint: str, key: str, value: object) -> str:
    if isinstance(value, Secret):
        raise ValueError(f"{endpoint}: {key!r} is a secret and cannot be sent in a query, because servers log URLs")  # noqa: TRY004 - a wrong value, not a wrong type
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return sound(endpoint, key, value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    raise ValueError(f"{endpoint}: {key!r} cannot be written in a query: pass a text, a number, a boolean, or a list")


def sound(endpoint: str, key: str, text: str) -> str:
    """Return the text unchanged if it can be encoded.

    Raises:
        ValueError: The text holds a lone surrogate.
    """
    if has_lone_surrogate(text):
        raise ValueError(f"{endpoint}: {key!r} holds a lone surrogate")
    return text


def encode_json(value: object, *, what: str = "the parameters") -> bytes:
    """Return the value as JSON, with its secrets revealed.

    Args:
        value: The value to encode.
        what: The subject of the error message.

    Raises:
        ValueError: The value cannot be written as JSON. The message names the place and does not quote the value.
    """
    try:
        text = json.dumps(value, allow_nan=False, default=_plain, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        text = ""
    # A character outside the basic plane is also written as two such escapes, so only the value itself decides.
    problem = _misfit("", value) if not text or _SURROGATE.search(text) else ""
    if problem or not text:
        raise ValueError(f"{what} cannot be written as JSON{problem}")
    return text.encode("ascii")


def _plain(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):  # a mapping that is not a dict
        return dict(value)
    raise TypeError(type(value).__name__)


def _misfit(at: str, value: object, depth: int = _DEPTH) -> str:
    """Return the first value that cannot be written, and its place; empty if every value can."""
    if isinstance(value, Secret):
        value = value.reveal()
    if isinstance(value, str):
        return f": a lone surrogate at {at!a}" if has_lone_surrogate(value) else ""
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return ""
    if not isinstance(value, Mapping | list | tuple):
        return f": {kind_of(value)} at {at!a}"
    if not depth:
        return f": a value nested too deeply at {at[:_PLACE]!a}"
    for key, each in value.items() if isinstance(value, Mapping) else enumerate(value):
        if not isinstance(key, str | int | float | None):
            return f": a key that is {kind_of(key)} at {at!a}"
        inner = f"{at}.{key}" if at else str(key)
        if found := _misfit(inner, key, depth - 1) or _misfit(inner, each, depth - 1):
            return found
    return ""


def header_value(endpoint: str, name: str, value: object) -> str | Secret:
    """Return a parameter as the value of a header.

    Raises:
        ValueError: The value cannot be sent in a header. The message does not quote it.
    """
    if not _fits_header(value):
        raise ValueError(f"{endpoint}: the parameter {name!r} is sent as a header: pass printable ASCII on one line")
    return value if isinstance(value, Secret) else str(value)


def _fits_header(value: object) -> bool:
    text = value.reveal() if isinstance(value, Secret) else str(value) if type(value) in {str, int} else ""
    return bool(text) and text.isascii() and text.isprintable()
