"""One record per call, for the log and for observers: the user, the endpoint, the outcome, the duration, the sizes.

The record shows parameters and answers as one short line of ASCII. Secrets are masked with stars: by the name of their
key, and by their text wherever else it occurs. A refusal adds the gateway's code and message, cleaned and cut.
"""

from __future__ import annotations

import html
import json
import logging
import math
import re
from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlsplit

import attrs

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.secrets import STARS, Secret, names_secret, without_frames, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from itsm_workflow.bkapi.context import RequestContext
    from itsm_workflow.bkapi.endpoint import Endpoint
    from itsm_workflow.bkapi.transport import HttpRequest, HttpResponse

    CallObserver = Callable[["CallRecord"], object]

logger = logging.getLogger("itsm_workflow.gateway")
logger.addHandler(logging.NullHandler())  # also for a host that uses the client without a workflow

SLOW = 5.0
"""The duration in seconds from which a call is logged as slow."""
_TEXT = 200
_ITEMS = 20
_NODES = 200
_DEPTH = 32  # deeper values cannot be sent either
_BITS = 256  # Python refuses to format much longer integers
_SHORTEST = 4  # a shorter secret would match too much
_UNESCAPED = re.compile(r"[A-Za-z0-9._~-]*")  # characters that no escaping changes
_PARTS = re.compile(r"(?<=/)[^/]{9,}")  # long parts of a URL's path; the host follows //


@attrs.frozen(kw_only=True)
class CallRecord:
    """A finished call.

    Attributes:
        endpoint: The endpoint's name.
        module: The endpoint's module.
        method: The HTTP method.
        url: The address without its query.
        outcome: ``success``, ``default`` (the endpoint's default was returned without sending), the code of the error,
            or, after another exception, ``not_sent`` before the first attempt and ``interrupted`` after it.
        status: The HTTP status of the last answer.
        code: The envelope's code.
        message: The gateway's message if it refused the call, or empty.
        seconds: The duration of the whole call.
        slow: Whether ``seconds`` reached the client's limit for slow calls.
        attempts: The number of times the request was sent; 0 if the answer came from the cache.
        cached: Whether the answer came from the cache.
        request_id: Our id of the call.
        gateway_request_id: The gateway's own id of the call.
        user: The user that the gateway saw.
        operator: The person who acts, if different from the user.
        tenant: The BlueKing tenant.
        sent_bytes: The size of the last request's body.
        received_bytes: The size of the last answer's body, decompressed.
        params: The parameters, masked and cut.
        answer: The data of a successful answer, masked and cut.
    """

    endpoint: str
    module: str
    method: str
    url: str
    outcome: str
    status: int | None
    code: int | str | None
    message: str
    seconds: float
    slow: bool
    attempts: int
    cached: bool
    request_id: str
    gateway_request_id: str
    user: str
    operator: str
    tenant: str
    sent_bytes: int
    received_bytes: int
    params: str
    answer: str


@attrs.define(kw_only=True)
class CallLog:
    """The facts collected during a call.

    Attributes:
        secrets: The secrets to mask wherever they occur.
    """

    endpoint: Endpoint[Any] = attrs.field(repr=False)
    request_id: str
    user: str = ""
    operator: str = ""
    tenant: str = ""
    url: str = ""
    params: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    data: object = attrs.field(default=None, repr=False)
    outcome: str = ""
    status: int | None = None
    code: int | str | None = None
    message: str = ""
    attempts: int = 0
    cached: bool = False
    gateway_request_id: str = ""
    sent_bytes: int = 0
    received_bytes: int = 0
    secrets: list[Secret] = attrs.field(factory=list)

    def sending(self, request: HttpRequest) -> None:
        """Record the request before it is sent."""
        self.url = scrub(request.url.partition("?")[0], self.secrets)
        self.sent_bytes = len(request.body or b"")

    def answered(self, answer: HttpResponse) -> None:
        """Record the answer."""
        self.status = answer.status
        self.received_bytes = len(answer.body)
        own_id = answer.headers.get("x-bkapi-request-id", "")
        self.gateway_request_id = clean(scrub(own_id, self.secrets), limit=64) if own_id else ""

    def write(self, seconds: float, *, slow: float, observers: Sequence[CallObserver]) -> None:
        """Write the log line and notify the observers."""
        is_slow = seconds >= slow
        good = self.outcome in {"success", "default"}
        level = logging.INFO if good and not is_slow else logging.WARNING
        wanted = logger.isEnabledFor(level)
        if not (wanted or observers):
            return
        record = self._record(seconds, is_slow)
        is_refused = not good and record.code is not None
        if wanted:
            logger.log(
                level,
                "%s: %s%s in %.3f s%s (request %s)",
                record.endpoint,
                record.outcome,
                f" ({': '.join(filter(None, (str(record.code), record.message)))})" if is_refused else "",
                seconds,
                ", slow" if is_slow else "",
                record.request_id,
                extra=_extras(record),
            )
        for observer in observers:
            try:
                observer(record)
            except Exception:  # an observer's failure must not change the result of the call
                logger.exception("an observer of calls failed on %s", record.endpoint)

    def _record(self, seconds: float, is_slow: bool) -> CallRecord:  # noqa: FBT001 - private
        endpoint = self.endpoint
        return CallRecord(
            endpoint=endpoint.name,
            module=endpoint.module,
            method=endpoint.method,
            url=self.url,
            outcome=self.outcome or ("interrupted" if self.attempts else "not_sent"),
            status=self.status,
            code=self.code,
            message=self.message,
            seconds=round(seconds, 6),
            slow=is_slow,
            attempts=self.attempts,
            cached=self.cached,
            request_id=self.request_id,
            gateway_request_id=self.gateway_request_id,
            user=self.user,
            operator=self.operator,
            tenant=self.tenant,
            sent_bytes=self.sent_bytes,
            received_bytes=self.received_bytes,
            params=shown(self.params, self.secrets, limit=endpoint.max_query_params_record),
            answer=shown(self.data, self.secrets, limit=endpoint.max_response_record) if self.data is not None else "",
        )


def _extras(record: CallRecord) -> dict[str, object]:
    flat: dict[str, object] = {f"itsm_{name}": getattr(record, name) for name in _LOGGED}
    flat["bk_request_id"] = record.request_id
    return flat


_LOGGED = tuple(field.name for field in attrs.fields(CallRecord) if field.name != "request_id")


def secrets_of(context: RequestContext, app_secret: Secret, params: Mapping[str, Any]) -> list[Secret]:
    """Return every secret of a call: the application's, the user's logins, and those among the parameters."""
    known = [app_secret, context.access_token, context.bk_token, context.bk_ticket, *context.logins.values()]
    known.extend(_secrets_in(params))
    return [secret for secret in known if secret]


def _secrets_in(value: object, depth: int = _DEPTH) -> Iterable[Secret]:
    if isinstance(value, Secret):
        yield value
        # The path of an address may hold a credential.
        yield from map(Secret, _PARTS.findall(value.reveal()))
    elif depth and isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            if not isinstance(each, str):
                yield from _secrets_in(each, depth - 1)


def spelled(secrets: Iterable[Secret]) -> list[Secret]:
    """Return the secrets, and each as a server may repeat it: escaped for JSON, HTML, Python or an address."""
    return [spelling for secret in secrets for spelling in without_frames(_spellings, secret)]


def _spellings(secret: Secret) -> list[Secret]:
    """Return the spellings of a secret, the longest first; a header can be JSON within JSON."""
    plain = secret.reveal()
    if _UNESCAPED.fullmatch(plain):
        return [secret]
    found = {plain, repr(plain)[1:-1], quote_plus(plain, errors="replace")}
    found |= {quote(plain, safe=safe, errors="replace") for safe in ("", "/")}
    for is_ascii in (True, False):
        once = json.dumps(plain, ensure_ascii=is_ascii)[1:-1]
        found |= {once, json.dumps(once, ensure_ascii=is_ascii)[1:-1]}
    found |= {html.escape(each) for each in found} | {html.escape(each, quote=False) for each in found}
    return [Secret(each) for each in sorted(found, key=len, reverse=True)]


def scrub(text: str, secrets: Iterable[Secret]) -> str:
    """Return the text with each secret replaced by stars."""
    for secret in secrets:
        if secret.reveal() in text and len(secret.reveal()) >= _SHORTEST:
            text = text.replace(secret.reveal(), STARS)
    return text


def shown(value: object, secrets: Sequence[Secret], *, limit: int | None) -> str:
    """Return a value as one line of ASCII without secrets, at most ``limit`` characters long; None means no limit."""
    if limit == 0:
        return ""
    copy = _Shortened(secrets, whole=limit is None).of("", value)
    text = json.dumps(copy, default=lambda each: f"<{type(each).__name__}>").replace("\x7f", "\\u007f")
    return text if limit is None or len(text) <= limit else text[: max(limit - 3, 0)] + "..."[:limit]


def masked(value: Mapping[str, object]) -> dict[str, object]:
    """Return a whole copy of a JSON object in which the values of keys that name a secret are replaced by stars."""
    return _Shortened((), whole=True).mapping(value)


class _Shortened:
    """Copies a value of any size, shortened or whole, with its secrets masked."""

    def __init__(self, secrets: Sequence[Secret], *, whole: bool) -> None:
        self._secrets = secrets
        self._left: float = math.inf if whole else _NODES
        self._items = None if whole else _ITEMS
        self._characters = None if whole else _TEXT

    def of(self, key: str, value: Any) -> object:  # noqa: ANN401 - JSON, or a value that the caller mistook for it
        """Return the copy of the value of a key."""
        self._left -= 1
        if isinstance(value, str):
            if key == "callback_url":
                return _origin(Secret(value))
            return STARS if names_secret(key) else self._text(value)
        if isinstance(value, int) and value.bit_length() > _BITS:
            return "<int>"
        if value is None or isinstance(value, int | float):
            return STARS if names_secret(key) and value is not None else value
        if key == "callback_url" and isinstance(value, Secret):
            return _origin(value)
        if isinstance(value, Secret) or names_secret(key):
            return STARS
        if isinstance(value, Mapping):
            return self.mapping(value)
        if isinstance(value, list | tuple):
            return [self.of(key, each) for each in value[: self._items] if self._left > 0]
        if attrs.has(type(value)):
            return self.mapping(
                {field.name: getattr(value, field.name) for field in attrs.fields(type(value)) if field.repr}
            )
        return f"<{type(value).__name__}>"

    def mapping(self, value: Mapping[Any, Any]) -> dict[str, object]:
        """Return the copy of a mapping."""
        found: dict[str, object] = {}
        for key, each in value.items():
            if self._left <= 0 or len(found) == self._items:
                break
            name = key if isinstance(key, str) else f"<{type(key).__name__}>"
            found[self._text(name)] = self.of(name.lower(), each)
        return found

    def _text(self, text: str) -> str:
        """Mask the secrets, then cut: a secret that is cut in half would not be found."""
        return without_secrets(scrub(text, self._secrets))[: self._characters]


def _origin(url: Secret) -> str:
    """Return the scheme and host of a callback URL; its path and query may hold a credential."""
    try:
        scheme, host = without_frames(lambda: attrgetter("scheme", "hostname")(urlsplit(url.reveal())))
    except ValueError:
        return STARS
    return f"{scheme}://{host or ''}/{STARS}"
