"""The faults of the proxy, and the damaged answers that are made from a right one."""

from __future__ import annotations

import copy
import itertools
import json
from typing import TYPE_CHECKING, TypeAlias

from itsm_workflow.testing.gateway_conformance._line import Answer, Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Fault: TypeAlias = Callable[[Exchange], object]

_PAGE = b"<html><body><h1>Something went wrong</h1></body></html>"
_HTML = {"Content-Type": "text/html; charset=utf-8"}
JSON = {"Content-Type": "application/json"}

_WRONG: tuple[object, ...] = (None, "", "\x00\x1b[2J\u202e", "x" * 5000, -5, 10**40, 1.5, [], {})
"""Values that no field of an answer can have, or that must not be shown as they are."""

_EACH = 3
"""The number of values that replace each value, so that each wrong value comes to a third of the places."""


def _answered(answer: Answer) -> Fault:
    def fault(exchange: Exchange) -> None:
        exchange.forward()
        exchange.reply(answer)

    return fault


def answered_instead(answer: Answer) -> Fault:
    """Answer in place of the server, which never gets the request."""

    def fault(exchange: Exchange) -> None:
        exchange.reply(answer)

    return fault


def lost(exchange: Exchange) -> None:
    """The server has carried out the request, and the connection ends before the answer."""
    exchange.forward()
    exchange.hang_up()


def dropped(exchange: Exchange) -> None:
    """The connection ends after the request; the server never got it."""
    exchange.hang_up()


def cut(exchange: Exchange) -> None:
    """The server has carried out the request, and the connection ends in the middle of the answer."""
    exchange.reply(exchange.forward(), cut=True)


def silent(exchange: Exchange) -> None:
    """The server has carried out the request, and sends no answer."""
    exchange.forward()
    exchange.hold()


def dripping(exchange: Exchange) -> None:
    """The server has carried out the request, and sends an answer byte by byte that never ends."""
    exchange.forward()
    exchange.drip()


BROKEN: dict[str, Fault] = {
    "the connection ends before the answer": lost,
    "the connection ends in the middle of the answer": cut,
    "the connection ends, and the server never got the request": dropped,
    **{
        f"the answer is HTTP {status} with a page in HTML": _answered(Answer(status=status, headers=_HTML, body=_PAGE))
        for status in (200, 401, 403, 404, 429, 500, 502, 503, 504)
    },
    "the answer is empty": _answered(Answer(status=200, headers=JSON, body=b"")),
    "the answer is not JSON": _answered(Answer(status=200, headers=JSON, body=b'{"id": 1, ')),
    "the answer is not UTF-8": _answered(Answer(status=200, headers=JSON, body=b'{"id": "\xff\xfe"}')),
    "the answer is null": _answered(Answer(status=200, headers=JSON, body=b"null")),
    "the answer is a number": _answered(Answer(status=200, headers=JSON, body=b"7")),
}
"""The faults after which no call may have an answer, by what happens."""

_ERRORS: tuple[object, ...] = (
    {"error": {"code": 500, "message": "internal error"}},
    {"result": False, "code": 500, "message": "internal error", "data": None},
    {"success": False, "errors": ["internal error"]},
)

UNREAD: dict[str, Fault] = {
    **BROKEN,
    **{
        f"the answer is HTTP 200 with the error {json.dumps(one)}": _answered(
            Answer(status=200, headers=JSON, body=json.dumps(one).encode())
        )
        for one in _ERRORS
    },
}
"""The faults after which no look-up and no read may have an answer. A create may read an error as a refusal."""

SLOW: dict[str, Fault] = {
    "the server never answers": silent,
    "the answer comes byte by byte without an end": dripping,
}
"""The faults that a gateway ends by itself."""


def redirecting(status: int, target: str) -> Fault:
    """Send the gateway to another address."""

    def fault(exchange: Exchange) -> None:
        exchange.reply(Answer(status=status, headers={"Location": target}, body=b""))

    return fault


def only(number: int, fault: Fault) -> Fault:
    """Act by a fault on one request alone, by its number from 0; the others pass."""
    numbers = itertools.count()

    def one(exchange: Exchange) -> None:
        if next(numbers) == number:
            fault(exchange)
        else:
            exchange.reply(exchange.forward())

    return one


def damaged(number: int) -> Fault:
    """Replace one value in each JSON answer by another one, by a number that counts places and values."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.reply(Answer(status=answer.status, headers=answer.headers, body=_damage(answer.body, number)))

    return fault


def damages(body: bytes) -> int:
    """Return how many numbers `damaged` knows for an answer."""
    return len(list(_places(json.loads(body)))) * _EACH


def one_for_each_place(most: int) -> Iterator[int]:
    """Yield one number of `damaged` for each place, so that all wrong values come in turn."""
    return (place * _EACH + place // _EACH % _EACH for place in range(most // _EACH))


def _damage(body: bytes, number: int) -> bytes:
    try:
        document = json.loads(body)
    except ValueError:
        return body
    places = list(_places(document))
    place = number // _EACH
    if place >= len(places):
        return body
    changed = copy.deepcopy(document)
    owner, last = changed, places[place][-1]
    for step in places[place][:-1]:
        owner = owner[step]
    owner[last] = _WRONG[number % len(_WRONG)]
    return json.dumps(changed).encode()


def _places(document: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each value that is neither a list nor an object."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _places(value, (*path, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from _places(value, (*path, index))
    elif path:
        yield path
