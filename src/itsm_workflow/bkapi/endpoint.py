"""An endpoint as data: what a gateway offers, and how a call of it behaves. What contradicts itself is refused here."""

from __future__ import annotations

import difflib
import enum
import math
import re
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast
from urllib.parse import urlsplit

import attrs

from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from itsm_workflow.bkapi.prepare import CallFacts

    BeforeRequest = Callable[[dict[str, Any], CallFacts], Mapping[str, Any]]
    AfterRequest = Callable[[dict[str, Any]], Mapping[str, Any]]

T_co = TypeVar("T_co", covariant=True)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
MAX_RECORD = 100_000
"""Characters that no log limit exceeds."""
MAX_BODY = 64 << 20
"""Bytes that no endpoint's ``max_bytes`` exceeds."""
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ODD = re.compile(r"[\x00-\x20\x7f\\?#]")
_OURS = frozenset(
    {
        "accept",
        "accept-encoding",
        "blueking-language",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-bk-app-code",
        "x-bk-app-secret",
        "x-bk-tenant-id",
        "x-bkapi-authorization",
        "x-data-request-id",
        "x-http-method-override",
        "x-method-override",
        "x-request-id",
    }
)


class PaginationStyle(enum.StrEnum):
    """How an endpoint is asked for a page.

    Attributes:
        LIMIT_OFFSET: ``{"page": {"start": 0, "limit": 100}}`` in a body, ``offset=0&limit=100`` in a query.
        PAGE_NUMBER: ``page`` from 1 on, and ``pagesize``.
    """

    LIMIT_OFFSET = "limit-offset"
    PAGE_NUMBER = "page-number"


_ANYTHING: Any = object


# What is no method, number or style passes through the converters as it is: the checks below name it.
def _upper(method: str) -> str:
    return method.upper() if hasattr(method, "upper") else method


def _pair(timeout: float | tuple[float, float] | None) -> tuple[float, float] | None:
    return (timeout, timeout) if isinstance(timeout, int | float) else timeout


def _style(style: str) -> PaginationStyle:
    return next((each for each in PaginationStyle if each == style), cast("PaginationStyle", style))


@attrs.frozen(kw_only=True)
class Endpoint(Generic[T_co]):
    """One call that a gateway offers.

    Attributes:
        name: For logs and errors.
        method: ``GET``, ``POST``, ``PUT``, ``PATCH`` or ``DELETE``; a GET's parameters travel in the query, the others'
            in a JSON body.
        url: A path that is appended to the client's root, without a slash in front, or an absolute address. The
            trailing slash counts. ``{bk_biz_id}`` is replaced by that parameter, percent-encoded.
        url_keys: The parameters that the url names; exactly those.
        answer: The type of the envelope's data; ``object`` takes plain JSON values.
        module: The platform's part that it belongs to, for logs.
        description: One sentence for people.
        idempotent: Doing it twice is doing it once, so that it may be tried again.
        fresh_connection: Send on a connection of its own.
        before_request: Is given a copy of the parameters and the call's facts, and returns the parameters to send.
        after_request: Is given the envelope of a success, and returns the envelope to read.
        default_return_value: Returned as the data instead of sending; a function is given the parameters.
        header_keys: Parameters that travel as headers, where they are given.
        method_override: The method that a gateway shall read instead, sent as a header.
        no_query_params: Leave our request id out of the query.
        use_superuser: Call as the settings' ``api_user``, whoever asks.
        tenant: The BlueKing tenant, or a function of the parameters that returns it; empty: the context's.
        cache_time: Seconds that a successful answer is remembered, per user; only for a GET. 0: not at all.
        timeout: Seconds to wait for a connection and for one read; None: the settings'.
        deadline: Seconds that one call may take in all, retries included; None: the settings'.
        retry: How it is tried again; None: as the client says.
        pagination_style: How pages are asked for.
        max_bytes: Bytes of an answer's body that are read, packed or unpacked; None: the transport's limit, 1 MiB. A
            longer answer raises `GatewayAnswerTooLarge`.
        max_query_params_record: Characters of the parameters that a log line shows; None for all of them.
        max_response_record: Characters of the answer's data that a log line shows; None for all of it.
    """

    name: str
    method: str = attrs.field(converter=_upper)
    url: str
    url_keys: tuple[str, ...] = ()
    answer: type[T_co] = _ANYTHING
    module: str = ""
    description: str = ""
    idempotent: bool = False
    fresh_connection: bool = False
    before_request: BeforeRequest | None = None
    after_request: AfterRequest | None = None
    default_return_value: T_co | Callable[[Mapping[str, Any]], T_co] | None = attrs.field(default=None, repr=False)
    header_keys: tuple[str, ...] = ()
    method_override: str = attrs.field(default="", converter=_upper)
    no_query_params: bool = False
    use_superuser: bool = False
    tenant: str | Callable[[Mapping[str, Any]], str] = ""
    cache_time: float = 0.0
    timeout: tuple[float, float] | None = attrs.field(default=None, converter=_pair)
    deadline: float | None = None
    retry: RetryPolicy | None = None
    pagination_style: PaginationStyle = attrs.field(default=PaginationStyle.LIMIT_OFFSET, converter=_style)
    max_bytes: int | None = None
    max_query_params_record: int | None = 1000
    max_response_record: int | None = 1000

    def __new__(cls, **options: object) -> Self:
        """Refuse an option that there is none of, by name.

        Raises:
            DefinitionError: There is no such option.
        """
        known = [field.name for field in attrs.fields(cls)]
        for option in options:
            if option not in known:
                near = difflib.get_close_matches(option, known)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                raise DefinitionError(f"endpoint {options.get('name', '')!r}: no option is called {option!r}; {hint}")
        return object.__new__(cls)

    def __attrs_post_init__(self) -> None:
        """Check every option; all problems are told at once.

        Raises:
            DefinitionError: An option cannot be, or contradicts another.
        """
        found = [f"{option} {rule}" for option, rule in _problems(self)]
        if found:
            raise DefinitionError(f"endpoint {self.name!r}: {'; '.join(found)}")


def check_seconds(seconds: object) -> bool:
    """Return whether these are seconds that can be waited: a finite number above 0."""
    return type(seconds) in {int, float} and math.isfinite(cast("float", seconds)) and cast("float", seconds) > 0


def check_timeout(timeout: object) -> bool:
    """Return whether this is a pair of seconds, to connect and to read."""
    return isinstance(timeout, tuple) and len(timeout) == 2 and all(map(check_seconds, timeout))  # noqa: PLR2004 - a pair


def _problems(endpoint: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - as it says
    """Yield every ``(option, what is wrong and what to do)``; untyped callers may have given anything."""
    if not (isinstance(endpoint.name, str) and endpoint.name and endpoint.name.isprintable()):
        yield "name", "must be a word: logs and errors show it"
    if endpoint.method not in METHODS:
        yield "method", f"must be one of {', '.join(METHODS)}"
    if not isinstance(endpoint.method_override, str) or not _HEADER.fullmatch(endpoint.method_override or "-"):
        yield "method_override", "must be a method's name, e.g. PATCH"
    yield from _url_problems(endpoint.url, endpoint.url_keys)
    yield from _header_problems(endpoint.header_keys)
    yield from _hook_problems(endpoint)
    yield from _time_problems(endpoint)
    if not isinstance(endpoint.pagination_style, PaginationStyle):
        yield "pagination_style", f"must be one of {', '.join(PaginationStyle)}"
    if endpoint.max_bytes is not None and not (type(endpoint.max_bytes) is int and 0 < endpoint.max_bytes <= MAX_BODY):
        yield "max_bytes", f"must be a whole number of bytes from 1 to {MAX_BODY}, or None for the transport's limit"
    for option in ("max_query_params_record", "max_response_record"):
        limit = getattr(endpoint, option)
        if limit is not None and (type(limit) is not int or not 0 <= limit <= MAX_RECORD):
            yield option, f"must be a whole number of characters from 0 to {MAX_RECORD}, or None for all"


def _hook_problems(endpoint: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - as above
    for option in ("before_request", "after_request"):
        hook = getattr(endpoint, option)
        if hook is not None and not callable(hook):
            yield option, "must be a function, or None"
    if not (isinstance(endpoint.tenant, str) or callable(endpoint.tenant)):
        yield "tenant", "must be a text, or a function of the parameters"
    if not isinstance(endpoint.retry, RetryPolicy | None):
        yield "retry", "must be a RetryPolicy, or None"
    elif endpoint.retry is not None and endpoint.retry.attempts > 1 and not endpoint.idempotent:
        yield "retry", "is only for an endpoint that is marked idempotent=True: a second attempt would do it twice"


def _time_problems(endpoint: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - as above
    if endpoint.timeout is not None and not check_timeout(endpoint.timeout):
        yield "timeout", "must be a number of seconds above 0, or two: to connect and to read"
    if endpoint.deadline is not None and not check_seconds(endpoint.deadline):
        yield "deadline", "must be a number of seconds above 0"
    if endpoint.cache_time != 0:
        if not check_seconds(endpoint.cache_time):
            yield "cache_time", "must be a number of seconds above 0, or 0 to remember nothing"
        if endpoint.method != "GET" or endpoint.method_override:
            yield "cache_time", "is only for a GET without method_override: what changes something must be sent"


def _url_problems(url: Any, url_keys: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - unchecked
    if not isinstance(url, str) or not url or _ODD.search(url):
        yield "url", "must be a path or an address without blanks, backslash, query and fragment"
        return
    if "://" in url:
        yield from (("url", rule) for rule in _address_rules(url))
    elif url.startswith("/"):
        yield "url", "must not start with a slash: it is appended to a root that ends with one"
    if any(part in {".", ".."} for part in url.split("/")):
        yield "url", "must not hold the parts . and .. that lead elsewhere"
    named = PLACEHOLDER.findall(url)
    if re.search(r"[{}]", PLACEHOLDER.sub("", url)) or not all(name.isidentifier() for name in named):
        yield "url", "must name each parameter in braces, e.g. {bk_biz_id}"
    elif not isinstance(url_keys, tuple) or set(url_keys) != set(named):
        yield "url_keys", f"must be the tuple of the parameters that the url names: {tuple(dict.fromkeys(named))}"


def _address_rules(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        yield "is not an address"
        return
    if parts.scheme not in {"http", "https"} or not host:
        yield "must be an http or https address with a host"
    if parts.username is not None or parts.password is not None:
        yield "must not hold a user name or password"
    if set("{}") & set(parts.netloc):
        yield "must not take its host from a parameter: our secret goes there"


def _header_problems(header_keys: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - unchecked
    if not isinstance(header_keys, tuple):
        yield "header_keys", "must be a tuple of names"
        return
    for name in header_keys:
        if not isinstance(name, str) or not _HEADER.fullmatch(name):
            yield "header_keys", f"{name!r} cannot be a header's name"
        elif name.lower() in _OURS:
            yield "header_keys", f"{name!r} is set by the client itself, from settings and context"
