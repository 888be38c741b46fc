"""An endpoint as data: its address, its parameters and the behaviour of its calls, checked when it is created."""

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

    import typing_extensions

    from itsm_workflow.bkapi.prepare import CallFacts

    BeforeRequest = Callable[[dict[str, Any], CallFacts], Mapping[str, Any]]
    AfterRequest = Callable[[dict[str, Any]], Mapping[str, Any]]
    T_co = typing_extensions.TypeVar("T_co", covariant=True, default=Any)
else:
    T_co = TypeVar("T_co", covariant=True)  # before Python 3.13, typing does not know defaults

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
MAX_RECORD = 100_000
"""The upper bound of the log limits, in characters."""
MAX_BODY = 64 << 20
"""The upper bound of ``max_bytes``."""
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
    """The parameters that request a page from an endpoint.

    Attributes:
        LIMIT_OFFSET: ``{"page": {"start": 0, "limit": 100}}`` in a body, ``offset=0&limit=100`` in a query.
        PAGE_NUMBER: ``page`` from 1 on, and ``pagesize``.
    """

    LIMIT_OFFSET = "limit-offset"
    PAGE_NUMBER = "page-number"


_ANYTHING: Any = object


# The converters leave an invalid value unchanged, so that the checks below can name it.
def _upper(method: str) -> str:
    return method.upper() if hasattr(method, "upper") else method


def _pair(timeout: float | tuple[float, float] | None) -> tuple[float, float] | None:
    return (timeout, timeout) if isinstance(timeout, int | float) else timeout


def _style(style: str) -> PaginationStyle:
    return next((each for each in PaginationStyle if each == style), cast("PaginationStyle", style))


@attrs.frozen(kw_only=True)
class Endpoint(Generic[T_co]):
    """An operation of a gateway, and how it is called.

    Attributes:
        name: The name in logs and errors.
        method: ``GET``, ``POST``, ``PUT``, ``PATCH`` or ``DELETE``. A GET sends the parameters in the query, the others
            in a JSON body.
        url: A path that is appended to the client's root, without a leading slash, or an absolute address. A
            trailing slash is significant. ``{bk_biz_id}`` is replaced by that parameter, percent-encoded.
        url_keys: Exactly the parameters that the url names.
        answer: The type of the envelope's data; ``object`` accepts plain JSON values.
        module: The part of the platform that it belongs to, for logs.
        description: One sentence for people.
        idempotent: Whether a repeated call has the effect of a single one, so that a failed call may be retried.
        fresh_connection: Whether each request uses a new connection.
        before_request: Called with a copy of the parameters and the facts of the call; returns the parameters to send.
        after_request: Called with the envelope of a success; returns the envelope to read.
        default_return_value: The data to return instead of sending, or a function of the parameters that returns it.
        header_keys: Parameters that are sent as headers, if they are given.
        method_override: The method that the gateway applies instead, sent as a header.
        no_query_params: Whether our request id is left out of the query.
        use_superuser: Whether every call is made as the ``api_user`` of the settings.
        tenant: The BlueKing tenant, or a function of the parameters that returns it; empty means the context's.
        cache_time: Seconds to cache a successful answer, per user; only for GET. 0 disables the cache.
        timeout: Seconds to wait for a connection and for one read; None means the settings' time-outs.
        deadline: Seconds that one call may take, retries included; None means the settings' deadline.
        retry: The retry policy; None means the client's policy.
        pagination_style: The parameters that request a page.
        max_bytes: The largest body of an answer in bytes, compressed or decompressed; None means the transport's
            limit, 1 MiB. A longer answer raises `GatewayAnswerTooLarge`.
        max_query_params_record: The number of characters of the parameters in a log line; None means all.
        max_response_record: The number of characters of the answer's data in a log line; None means all.
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
        """Reject unknown options and suggest the closest match.

        Raises:
            DefinitionError: An option is unknown.
        """
        known = [field.name for field in attrs.fields(cls)]
        for option in options:
            if option not in known:
                near = difflib.get_close_matches(option, known)
                hint = f"did you mean {near[0]}?" if near else f"the options are {', '.join(known)}"
                raise DefinitionError(f"endpoint {options.get('name', '')!r}: unknown option {option!r}; {hint}")
        return object.__new__(cls)

    def __attrs_post_init__(self) -> None:
        """Check every option and report all problems in one error.

        Raises:
            DefinitionError: An option is invalid or contradicts another.
        """
        found = [f"{option} {rule}" for option, rule in _problems(self)]
        if found:
            raise DefinitionError(f"endpoint {self.name!r}: {'; '.join(found)}")


def check_seconds(seconds: object) -> bool:
    """Return whether the value is a time to wait: a finite number above 0."""
    return type(seconds) in {int, float} and math.isfinite(cast("float", seconds)) and cast("float", seconds) > 0


def check_timeout(timeout: object) -> bool:
    """Return whether the value is a pair of seconds: to connect and to read."""
    return isinstance(timeout, tuple) and len(timeout) == 2 and all(map(check_seconds, timeout))  # noqa: PLR2004 - a pair


def _problems(endpoint: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - as it says
    """Yield ``(option, rule)`` for each violated rule; untyped callers may pass any value."""
    if not (isinstance(endpoint.name, str) and endpoint.name and endpoint.name.isprintable()):
        yield "name", "must be a non-empty printable string: logs and errors show it"
    if endpoint.method not in METHODS:
        yield "method", f"must be one of {', '.join(METHODS)}"
    if not isinstance(endpoint.method_override, str) or not _HEADER.fullmatch(endpoint.method_override or "-"):
        yield "method_override", "must be the name of a method, such as PATCH"
    yield from _url_problems(endpoint.url, endpoint.url_keys)
    yield from _header_problems(endpoint.header_keys)
    yield from _hook_problems(endpoint)
    yield from _time_problems(endpoint)
    for option in ("idempotent", "fresh_connection", "no_query_params", "use_superuser"):
        if not isinstance(getattr(endpoint, option), bool):
            yield option, "must be True or False"
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
        yield "tenant", "must be a string, or a function of the parameters"
    if not isinstance(endpoint.retry, RetryPolicy | None):
        yield "retry", "must be a RetryPolicy, or None"
    elif endpoint.retry is not None and endpoint.retry.attempts > 1 and not endpoint.idempotent:
        yield "retry", "is allowed only with idempotent=True: a retry could repeat the effect of the call"


def _time_problems(endpoint: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - as above
    if endpoint.timeout is not None and not check_timeout(endpoint.timeout):
        yield "timeout", "must be a number of seconds above 0, or two: to connect and to read"
    if endpoint.deadline is not None and not check_seconds(endpoint.deadline):
        yield "deadline", "must be a number of seconds above 0"
    if endpoint.cache_time != 0:
        if not check_seconds(endpoint.cache_time):
            yield "cache_time", "must be a number of seconds above 0, or 0 to cache nothing"
        if endpoint.method != "GET" or endpoint.method_override:
            yield "cache_time", "is allowed only for GET without method_override: other calls must always be sent"


def _url_problems(url: Any, url_keys: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - unchecked
    if not isinstance(url, str) or not url or _ODD.search(url):
        yield "url", "must be a path or an address without blanks, backslash, query or fragment"
        return
    if "://" in url:
        yield from (("url", rule) for rule in _address_rules(url))
    elif url.startswith("/"):
        yield "url", "must not start with a slash: it is appended to a root that ends with one"
    if any(part in {".", ".."} for part in url.split("/")):
        yield "url", "must not contain the parts . and .., which lead to another path"
    named = PLACEHOLDER.findall(url)
    if re.search(r"[{}]", PLACEHOLDER.sub("", url)) or not all(name.isidentifier() for name in named):
        yield "url", "must name each parameter in braces, such as {bk_biz_id}"
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
        yield "must not contain a user name or password"
    if set("{}") & set(parts.netloc):
        yield "must not take its host from a parameter: the app secret is sent to that host"


def _header_problems(header_keys: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - unchecked
    if not isinstance(header_keys, tuple):
        yield "header_keys", "must be a tuple of names"
        return
    for name in header_keys:
        if not isinstance(name, str) or not _HEADER.fullmatch(name):
            yield "header_keys", f"{name!r} is not a valid header name"
        elif name.lower() in _OURS:
            yield "header_keys", f"{name!r} is set by the client, from the settings and the context"
