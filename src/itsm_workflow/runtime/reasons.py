"""The rows of a query by reasons for attention: a change can have a second reason, which no column holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.machine.self_approval import reasons_of
from itsm_workflow.storage import paging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.storage.protocol import Query, Row, StorageBackend

_SECOND = AttentionReason.SELF_APPROVED
_PAGE = 500


def pages_of(storage: StorageBackend, query: Query, read: Callable[[Row], Stored]) -> Iterator[Sequence[Row]]:
    """Yield the rows that match, page by page; a change matches by each of its reasons for attention.

    The second reason can only be ``self_approved``, so it is looked for in the rows with another reason, if it is asked
    for. An index has these rows, and they are few: a person should look at each.

    Args:
        storage: The store.
        query: The query; its limit is the size of a page.
        read: Returns the change of a row.
    """
    wanted = query.attention
    if wanted is None or _SECOND not in wanted or set(wanted) == set(AttentionReason):
        return paging.pages(storage, query)
    every = tuple(reason.value for reason in AttentionReason)
    wider = attrs.evolve(query, attention=every, limit=max(query.limit, _PAGE))
    return (
        [row for row in page if row.attention in wanted or _has_second(row, read)]
        for page in paging.pages(storage, wider)
    )


def _has_second(row: Row, read: Callable[[Row], Stored]) -> bool:
    if f'"{_SECOND}"' not in row.document:
        return False
    try:
        return _SECOND in reasons_of(read(row).change)
    except StorageUnavailable:
        raise
    except Exception:  # noqa: BLE001 - a change that cannot be read is found by the reason in its column
        return False
