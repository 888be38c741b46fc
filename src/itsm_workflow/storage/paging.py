"""Read all rows of a query, or all entries of a change, page by page.

A page is read when its first row is asked for, and an error of the store is raised there. Between two pages the store
may change, also by the caller: a row that matches throughout is never left out, but a row that itself changed can be
met twice or missed. Nothing is decoded, so a damaged row does not stop the iteration.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.storage.protocol import EntryRow, Query, Row, StorageBackend


def pages(storage: StorageBackend, query: Query) -> Iterator[tuple[Row, ...]]:
    """Yield the rows that match, page by page. A page can be empty.

    Args:
        storage: The store.
        query: The query; its limit is the size of a page.
    """
    following: Query | None = query
    while following is not None:
        found = storage.find(following)
        following = attrs.evolve(query, after=found.next) if found.next else None
        yield found.rows


def rows(storage: StorageBackend, query: Query) -> Iterator[Row]:
    """Yield the rows that match one by one; the query's limit is the size of a page."""
    return chain.from_iterable(pages(storage, query))


def entries(storage: StorageBackend, change_id: str, *, after_seq: int = 0, limit: int = 1000) -> Iterator[EntryRow]:
    """Yield the entries ``after_seq + 1`` and on; ``limit`` is the size of a page."""
    following: int | None = after_seq
    while following is not None:
        found = storage.history(change_id, following, limit)
        following = found.next_seq
        yield from found.entries
