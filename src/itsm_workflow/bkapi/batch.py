"""Batched calls: a long list sent in chunks, or all pages of a search fetched, concurrently and in order.

The first failure stops the batch. Calls that have not begun are cancelled, calls in progress are waited for, and the
error names its chunk. Each call runs in a copy of the caller's context variables.
"""

from __future__ import annotations

import contextlib
import contextvars
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from itsm_workflow.bkapi.endpoint import PaginationStyle
from itsm_workflow.errors import GatewayError, GatewayProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from itsm_workflow.bkapi.client import ApiClient
    from itsm_workflow.bkapi.endpoint import Endpoint
    from itsm_workflow.bkapi.request import CallOptions

    Progress = Callable[[int, int], object]

T = TypeVar("T")
R = TypeVar("R")

CHUNK_SIZE = 50
PAGE_SIZE = 100
CONCURRENCY = 8
MAX_PAGES = 1000


def batch_request(
    client: ApiClient,
    endpoint: Endpoint[T],
    items_key: str,
    items: Sequence[object],
    *,
    get_data: Callable[[T], Iterable[R]],
    params: Mapping[str, Any] | None = None,
    chunk_size: int = CHUNK_SIZE,
    concurrency: int = CONCURRENCY,
    progress: Progress | None = None,
    **options: Unpack[CallOptions],
) -> list[R]:
    """Call an endpoint once per chunk of a list, and return all rows in the list's order.

    Args:
        client: The client that sends the calls.
        endpoint: The endpoint to call.
        items_key: The parameter that receives a chunk.
        items: The list to split into chunks.
        get_data: Returns the rows of one answer; pass `list` if the answer itself is the rows.
        params: The other parameters of each call.
        chunk_size: The largest number of items in one call.
        concurrency: The largest number of concurrent calls; the client's connections limit it further.
        progress: Called in the caller's thread with the number of finished items and the number of all items.
        options: ``context``, ``timeout``, ``deadline``, ``retry`` and ``tenant`` of each call, and the ``budget`` that
            all calls share; each as in `ApiClient.call`.

    Raises:
        ValueError: A size is not a positive integer, or ``params`` already contains ``items_key``.
        GatewayError: The first failure; its ``chunk`` is the `range` of the items in the failed call.
        Exception: Any exception of a hook, ``get_data`` or ``progress``, unchanged.
    """
    _at_least_one(chunk_size=chunk_size, concurrency=concurrency)
    fixed = dict(params or {})
    if items_key in fixed:
        raise ValueError(
            f"{endpoint.name}: {items_key!r} receives the items of each call, so params must not contain it"
        )

    def ask(chunk: range) -> list[R]:
        given = {**fixed, items_key: list(items[chunk.start : chunk.stop])}
        return list(get_data(client.call(endpoint, given, **options)))

    chunks = [range(start, min(start + chunk_size, len(items))) for start in range(0, len(items), chunk_size)]
    report = _progress_reporter(progress, sum(map(len, chunks)))
    found = _in_parallel(ask, chunks, report, workers=min(concurrency, client.concurrency))
    return [row for rows in found for row in rows]


def bulk_request(
    client: ApiClient,
    endpoint: Endpoint[T],
    params: Mapping[str, Any] | None = None,
    *,
    get_data: Callable[[T], Iterable[R]],
    get_count: Callable[[T], int],
    page_size: int = PAGE_SIZE,
    max_pages: int = MAX_PAGES,
    size_key: str = "pagesize",
    concurrency: int = CONCURRENCY,
    progress: Progress | None = None,
    **options: Unpack[CallOptions],
) -> list[R]:
    """Fetch the first page, then the other pages concurrently, and return all rows in order.

    Args:
        client: The client that sends the calls.
        endpoint: The endpoint to call; its ``pagination_style`` decides how a page is requested.
        params: The parameters of the search.
        get_data: Returns the rows of one page.
        get_count: Returns the total number of rows, read from one page.
        page_size: Rows per page; not more than the gateway allows.
        max_pages: The largest number of pages; a search with more rows raises an error.
        size_key: The parameter that receives the page size if pages are requested by number.
        concurrency: The largest number of concurrent calls; the client's connections limit it further.
        progress: Called in the caller's thread with the number of finished pages and the number of all pages.
        options: ``context``, ``timeout``, ``deadline``, ``retry`` and ``tenant`` of each call, and the ``budget`` that
            all calls share; each as in `ApiClient.call`.

    Raises:
        ValueError: A size is not a positive integer, or ``params`` already selects a page.
        GatewayProtocolError: The count is not a number or exceeds the page limit, or the first page has too few rows.
        GatewayError: The first failure; its ``chunk`` is the `range` of the rows in the failed call.
        Exception: Any exception of a hook, ``get_data``, ``get_count`` or ``progress``, unchanged.
    """
    _at_least_one(page_size=page_size, max_pages=max_pages, concurrency=concurrency)
    fixed = dict(params or {})
    taken = sorted(set(fixed) & set(page_params(endpoint, 0, page_size, size_key)))
    if taken:
        raise ValueError(f"{endpoint.name}: {taken[0]!r} selects the page of each call, so params must not contain it")

    def ask(number: int) -> T:
        page = page_params(endpoint, number, page_size, size_key)
        return client.call(endpoint, {**fixed, **page}, **options)

    with _name_chunk_in_errors(range(page_size)):
        first = ask(0)
        rows = list(get_data(first))
        count = get_count(first)
        problem = _page_problem(len(rows), count, page_size, max_pages)
        if problem:
            raise GatewayProtocolError(problem, endpoint=endpoint.name)
    chunks = [range(start, min(start + page_size, count)) for start in range(page_size, count, page_size)]
    report = _progress_reporter(progress, len(chunks) + 1, by=lambda _: 1)
    report(range(page_size))
    later = _in_parallel(
        lambda chunk: list(get_data(ask(chunk.start // page_size))),
        chunks,
        report,
        workers=min(concurrency, client.concurrency),
    )
    return [*rows, *(row for page in later for row in page)]


def page_params(endpoint: Endpoint[Any], number: int, size: int, size_key: str) -> dict[str, object]:
    """Return the parameters that request a page; ``number`` counts from 0 even if the endpoint counts from 1."""
    if endpoint.pagination_style is PaginationStyle.PAGE_NUMBER:
        return {"page": number + 1, size_key: size}
    if endpoint.method == "GET":
        return {"offset": number * size, "limit": size}
    return {"page": {"start": number * size, "limit": size}}


def _page_problem(rows: int, count: object, page_size: int, max_pages: int) -> str:
    if type(count) is not int or count < 0:
        return "the count of rows is not a whole number"
    if count > page_size * max_pages:
        return f"the search finds {count} rows, more than {max_pages} pages of {page_size}: narrow the search"
    if rows < min(page_size, count):
        return f"the first page has {rows} of {count} rows, not {page_size}: set page_size to at most {rows or 1}"
    return ""


def _at_least_one(**sizes: int) -> None:
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, not {size!r}")


def _progress_reporter(
    progress: Progress | None, total: int, by: Callable[[range], int] = len
) -> Callable[[range], None]:
    done = 0

    def report(chunk: range) -> None:
        nonlocal done
        done += by(chunk)
        if progress is not None:
            progress(done, total)

    return report


def _in_parallel(
    ask: Callable[[range], list[R]], chunks: Sequence[range], done: Callable[[range], None], *, workers: int
) -> list[list[R]]:
    """Call ``ask`` for all chunks and return the answers in the order of the chunks."""
    found: dict[range, list[R]] = {}
    if len(chunks) <= 1 or workers == 1:
        for chunk in chunks:
            with _name_chunk_in_errors(chunk):
                found[chunk] = ask(chunk)
            done(chunk)
        return [found[chunk] for chunk in chunks]
    with ThreadPoolExecutor(min(workers, len(chunks)), thread_name_prefix="itsm-workflow-batch") as pool:
        try:
            # A context cannot be entered twice at the same time, so each chunk needs its own copy.
            waiting: dict[Future[list[R]], range] = {
                pool.submit(contextvars.copy_context().run, ask, chunk): chunk for chunk in chunks
            }
            for future in as_completed(waiting):
                with _name_chunk_in_errors(waiting[future]):
                    found[waiting[future]] = future.result()
                done(waiting[future])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # leaving the block waits for calls in progress
            raise
    return [found[chunk] for chunk in chunks]


@contextlib.contextmanager
def _name_chunk_in_errors(chunk: range) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"in the chunk of items {chunk.start} to {chunk.stop - 1}")
        if isinstance(error, GatewayError):
            error.chunk = chunk
        raise
