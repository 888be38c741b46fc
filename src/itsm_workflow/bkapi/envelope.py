"""The gateway's envelope: decode the bytes of an answer into typed data or a refusal, or raise an error.

Success is HTTP 200, a JSON object, and ``result`` exactly true. No value is coerced: the text ``"false"`` is not a
boolean, and a number is not a text. Unknown keys are ignored. Errors quote only the code and the message of a refusal,
cleaned and cut, and nothing else of an answer.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import attrs

from itsm_workflow.errors import GatewayAnswerTooLarge, GatewayProtocolError
from itsm_workflow.strict import answer_converter, error_places
from itsm_workflow.text import has_lone_surrogate, texts_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.bkapi.transport import HttpResponse

    After = Callable[[dict[str, Any]], Mapping[str, Any]]

T = TypeVar("T")

MAX_DEPTH = 64
MAX_DIGITS = 100
MAX_VALUES = 1 << 20
"""The largest number of JSON values in one answer. One byte of JSON can take 60 bytes of memory as a value."""
MAX_MESSAGE = 200
_OK = 200
_PLACE = re.compile(r"data(\.\w+|\[\d+\])*")  # keys of objects without fixed fields are the gateway's text
_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")  # a lone surrogate, or half of a pair


@attrs.frozen(kw_only=True)
class Success:
    """The envelope of a successful call.

    Attributes:
        code: The envelope's code, a number, a text, or None.
        message: The gateway's message, cleaned and cut.
        data: Plain JSON values.
        errors: The envelope's ``errors``, plain JSON values.
    """

    code: int | str | None
    message: str = attrs.field(default="", eq=False)
    data: object = attrs.field(repr=False)
    errors: object = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class GatewayRefusal:
    """A well-formed envelope with ``result: false``.

    Attributes:
        code: A number, a text, or None if the envelope has no code.
        message: The gateway's message, cleaned and cut; shown to people, never matched.
        errors: The envelope's ``errors``, plain JSON values.
    """

    code: int | str | None
    message: str
    errors: object = attrs.field(default=None, repr=False)


def read_envelope(
    answer: HttpResponse,
    *,
    endpoint: str,
    request_id: str,
    after: After | None = None,
    hide: Callable[[str], str] = str,
) -> Success | GatewayRefusal:
    """Read an answer's envelope.

    Args:
        answer: The HTTP response.
        endpoint: The endpoint's name, for errors.
        request_id: Our id of the call, for errors.
        after: Called with the envelope of a success; returns the envelope to read.
        hide: Masks our secrets in the gateway's texts before they are cut: half a secret would not be found.

    Raises:
        GatewayAnswerTooLarge: The answer holds too many values.
        GatewayProtocolError: The answer is not an envelope.
        Exception: Any exception of ``after``, unchanged.
    """
    if sum(map(answer.body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise GatewayAnswerTooLarge(
            f"the answer holds more than {MAX_VALUES} values",
            endpoint=endpoint,
            request_id=request_id,
            status=answer.status,
        )
    if answer.status != _OK:
        refusal = _refusal(answer, hide)
        raise GatewayProtocolError(
            f"the gateway answered HTTP {answer.status}",
            endpoint=endpoint,
            request_id=request_id,
            remote_code=refusal.code if refusal else None,
            remote_message=refusal.message if refusal else "",
            status=answer.status,
        )
    found = _read(answer, after, hide)
    if isinstance(found, str):
        raise GatewayProtocolError(found, endpoint=endpoint, request_id=request_id, status=answer.status)
    return found


def _refusal(answer: HttpResponse, hide: Callable[[str], str]) -> GatewayRefusal | None:
    """Return the refusal in an answer with an HTTP status other than 200, or None."""
    try:
        found = judge(parse_json(answer.body), hide)
    except ValueError:
        return None
    return found if isinstance(found, GatewayRefusal) else None


def _read(answer: HttpResponse, after: After | None, hide: Callable[[str], str]) -> Success | GatewayRefusal | str:
    """Return the envelope, or the problem as a text: a traceback through this frame would show the answer."""
    try:
        envelope = parse_json(answer.body)
        found = judge(envelope, hide)
    except ValueError as error:
        return str(error)
    if after is None or isinstance(found, GatewayRefusal):
        return found
    changed = after(envelope)
    try:
        return judge(changed, hide)
    except ValueError as error:
        return f"after_request did not return an envelope: {error}"


def judge(envelope: object, hide: Callable[[str], str] = str) -> Success | GatewayRefusal:
    """Classify an envelope as a success or a refusal.

    Args:
        envelope: The decoded JSON value.
        hide: As in `read_envelope`.

    Raises:
        ValueError: The value is not an envelope.
    """
    if not isinstance(envelope, Mapping):
        raise ValueError("the answer is not a JSON object")  # noqa: TRY004 - a wrong value from the wire
    code, message, result = envelope.get("code"), envelope.get("message"), envelope.get("result")
    if not (code is None or type(code) in {int, str}):
        raise ValueError("the envelope's code is neither a number nor a text")
    if isinstance(code, str):
        code = clean(hide(code), limit=64)
    if result is True:
        words = clean(hide(message)) if isinstance(message, str) else ""
        return Success(code=code, message=words, data=envelope.get("data"), errors=envelope.get("errors"))
    if result is not False:
        raise ValueError("the envelope's result is neither true nor false")
    if not (message is None or isinstance(message, str)):
        raise ValueError("the refusal's message is not a text")
    return GatewayRefusal(code=code, message=clean(hide(message or "")), errors=envelope.get("errors"))


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Parse a JSON text, more strictly than the standard library.

    Raises:
        ValueError: The text is not UTF-8, has a byte order mark, is not JSON, has duplicate keys, NaN, infinity, a
            number that is too long, or a lone surrogate, or is nested too deeply. The message does not quote the text.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the answer is not UTF-8") from None
    if text.startswith("\ufeff"):
        raise ValueError("the answer starts with a byte order mark")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_number
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"the answer is not JSON at character {error.pos}") from None
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None
    _check_depth(value)
    if _ESCAPED.search(text) and any(map(has_lone_surrogate, texts_in(value))):
        raise ValueError("the answer has a lone surrogate")
    return value


def clean(text: str, *, limit: int = MAX_MESSAGE) -> str:
    """Return a text from outside, cut and without control characters or direction marks, for a log or a terminal."""
    kept = text[: 4 * limit]
    if not kept.isprintable():  # the same categories, but that a plain space counts as printable
        kept = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in kept)
    words = " ".join(kept.split())
    return words if len(words) <= limit else words[: limit - 1] + "…"


def decode(data: object, kind: type[T], *, endpoint: str, request_id: str) -> T:
    """Convert an envelope's data to its type; ``object`` accepts any value.

    Raises:
        GatewayProtocolError: The data do not match the type; the error names the fields that do not.
    """
    if kind is object:
        return cast("T", data)
    try:
        return answer_converter().structure(data, kind)
    except Exception as error:  # noqa: BLE001 - a type's own checks may raise anything
        places = _places(error)
    del data  # the data may repeat our secrets, and a traceback may be shown with its variables
    raise GatewayProtocolError(
        f"the answer's data do not match the type at {places}", endpoint=endpoint, request_id=request_id, status=_OK
    )


def _places(error: Exception) -> str:
    """Return the fields that did not match, by our own names; values are never quoted."""
    paths = {found[0] for place in error_places(error, "data") if (found := _PLACE.match(place))}
    return ", ".join(sorted(paths)[:5])


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the answer has a duplicate key")
    return found


def _constant(_: str) -> NoReturn:
    raise ValueError("the answer has NaN or infinity as a number")


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("the answer has a number that is too long")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("the answer has a number that is too large")
    return number


def _check_depth(value: object) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError("the answer is nested too deeply")
        level = [
            each
            for outer in level
            for each in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(each, dict | list)
        ]
