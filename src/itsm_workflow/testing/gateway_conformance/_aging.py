"""A proxy through which every ticket of the server is older than it is: the times in requests and answers are moved."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.testing.gateway_conformance._faults import Fault
    from itsm_workflow.testing.gateway_conformance._line import Exchange

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d)")
_NEAR = 86_400
"""A number that is so many seconds, or milliseconds, from now is a time."""


def aged(age: dt.timedelta) -> Fault:
    """Let the gateway see a server whose clock is behind by an age, so that what was just filed looks that old."""

    def fault(exchange: Exchange) -> None:
        request = exchange.request
        place = urlsplit(request.path)
        query = urlencode([(key, _moved(value, age)) for key, value in parse_qsl(place.query, keep_blank_values=True)])
        body = _document(request.body, lambda text: _moved(text, age))
        moved = attrs.evolve(request, path=urlunsplit(place._replace(query=query)), body=body)
        answer = exchange.forward(moved)
        exchange.reply(attrs.evolve(answer, body=_document(answer.body, lambda text: _moved(text, -age))))

    return fault


def _document(body: bytes, move: Callable[[str], str]) -> bytes:
    """Return a JSON document with its times moved; anything else is left as it is."""
    try:
        document = json.loads(body)
    except ValueError:
        return body
    return json.dumps(_each(document, move)).encode()


def _each(value: Any, move: Callable[[str], str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _each(one, move) for key, one in value.items()}
    if isinstance(value, list):
        return [_each(one, move) for one in value]
    if isinstance(value, str):
        return move(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return type(value)(float(moved)) if (moved := move(str(value))) != str(value) else value
    return value


def _moved(text: str, by: dt.timedelta) -> str:
    """Return a text with each time in it moved: as in ISO 8601, or, if it is a number, since 1970."""
    number = re.fullmatch(r"\d{10}(\d{3})?(\.\d+)?", text)
    if number is not None:
        unit = 1000 if number[1] else 1
        near = abs(float(text) / unit - dt.datetime.now(dt.UTC).timestamp()) < _NEAR
        return f"{float(text) + by.total_seconds() * unit:.{6 if number[2] else 0}f}" if near else text
    return _TIME.sub(lambda found: _time(found, by), text)


def _time(found: re.Match[str], by: dt.timedelta) -> str:
    try:
        moved = dt.datetime.fromisoformat(f"{found[1]}T{found[3]}") + by
    except (ValueError, OverflowError):
        return found[0]
    return f"{moved:%Y-%m-%d}{found[2]}{moved:%H:%M:%S}"
