"""Pages of tickets: size and number come from the query string or the body; links omit the body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from itsm_workflow.sandbox.refusals import Unforeseen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Item = TypeVar("Item")

DEFAULT_SIZE = 10
LARGEST_SIZE = 10_000


def page_of(
    tickets: Sequence[Item], show: Callable[[Item], dict[str, Any]], *, url: str, query: str, body: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return one page of a list.

    Args:
        tickets: all tickets that match, newest first.
        show: returns the data of one ticket.
        url: the absolute address of the endpoint, without a query.
        query: the query string as sent.
        body: the parsed body; its page and page_size apply if the query does not have them.

    Returns:
        The page; None if the size is 0 or not a number, which turns paging off.

    Raises:
        Unforeseen: the page does not exist.
    """
    asked = dict(parse_qsl(query, keep_blank_values=True))
    size = _size(asked.get("page_size", body.get("page_size", DEFAULT_SIZE)))
    if size is None:
        return None
    total = max(1, -(-len(tickets) // size))
    number = _number(asked.get("page", body.get("page", 1)), total)
    start = (number - 1) * size
    return {
        "page": number,
        "total_page": total,
        "count": len(tickets),
        "next": _link(url, asked, number + 1) if number < total else None,
        "previous": _link(url, asked, number - 1) if number > 1 else None,
        "items": [show(ticket) for ticket in tickets[start : start + size]],
    }


def _size(value: object) -> int | None:
    try:
        size = int(value)  # type: ignore[call-overload]  # any value of a client
    except ValueError:
        return None
    except TypeError as error:
        message = "int() argument must be a string, a bytes-like object or a number"
        raise Unforeseen(message) from error
    return min(size, LARGEST_SIZE) if size > 0 else None


def _number(value: object, total: int) -> int:
    message = "无效页。"
    if value == "last":
        return total
    try:
        number = int(value)  # type: ignore[call-overload]  # any value of a client
    except (TypeError, ValueError) as error:
        raise Unforeseen(message) from error
    if not 1 <= number <= total:
        raise Unforeseen(message)
    return int(number)


def _link(url: str, asked: Mapping[str, str], number: int) -> str:
    kept = {name: value for name, value in asked.items() if name != "page"}
    if number > 1:
        kept["page"] = str(number)
    return f"{url}?{urlencode(sorted(kept.items()))}" if kept else url
