"""From writes and rows to the lines that store them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow_backends.json_file._format import Claim, Names, decode_header, encode_commit, encode_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.storage.protocol import Write
    from itsm_workflow.storage.table import Table


def encode_writes(table: Table, number: int, writes: Sequence[Write]) -> bytes:
    """Return the line for writes that the table has taken in."""
    changes = [write if write.entries or write.expected_version == 0 else Claim.of(write.row) for write in writes]
    return encode_commit(_names(table, number, writes), changes)


def rewritten(table: Table, number: int) -> Iterator[bytes]:
    """Yield a whole file that holds what the table holds: one line for each change, numbered from ``number`` on."""
    yield encode_header(number)
    for offset, write in enumerate(table.writes()):
        yield encode_commit(_names(table, number + offset, [write]), [write])


def with_current_header(data: bytes) -> Iterator[bytes]:
    """Yield a whole file as it is, but for an intact first line of an older schema: lines of any schema may follow it.

    The new first line has the length of the old one, so every offset stays.
    """
    first_end = data.find(b"\n") + 1
    header = decode_header(data[:first_end])
    yield data[:first_end] if header is None else encode_header(header.first)
    yield data[first_end:]


def _names(table: Table, number: int, writes: Sequence[Write]) -> Names:
    ids = [write.row.id for write in writes]
    return Names(number, tuple((change_id, *table.held(change_id)) for change_id in ids))
