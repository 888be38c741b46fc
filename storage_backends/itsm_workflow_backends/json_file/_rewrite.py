"""Convert writes and rows to the lines that store them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.protocol import EntryRow, Row, Write
from itsm_workflow_backends.json_file._format import (
    SCHEMA,
    Claim,
    Header,
    Names,
    decode_header,
    encode_commit,
    encode_header,
    new_header,
    skip_blank,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from itsm_workflow.storage.table import Table


def encode_writes(table: Table, number: int, writes: Sequence[Write]) -> bytes:
    """Return the line for writes that were applied to the table."""
    changes = [write if write.entries or write.expected_version == 0 else Claim.of(write.row) for write in writes]
    names = Names(number, tuple((write.row.id, *table.held(write.row.id)) for write in writes))
    return encode_commit(names, changes)


def rewritten(header: Header, writes: Iterable[Write]) -> Iterator[bytes]:
    """Yield the bytes of a file that holds these changes, one line for each."""
    yield encode_header(header)
    for number, write in enumerate(writes, header.first):
        row = write.row
        yield encode_commit(Names(number, ((row.id, row.open_subject, row.ticket_key),)), [write])


def with_current_header(data: bytes) -> Iterator[bytes]:
    """Yield the bytes of a file with an intact first line raised to the current schema, which allows older lines."""
    header, rest = _split(data)
    if header is None:
        yield data
    else:
        known = attrs.evolve(header, schema=SCHEMA) if header.store else attrs.evolve(new_header(), first=header.first)
        yield encode_header(known)
        yield rest


def with_another_name(data: bytes) -> Iterator[bytes]:
    """Yield the bytes of a file with a new store name, so that a process with the old store open does not accept it."""
    header, rest = _split(data)
    if header is None or not header.store:
        yield data
    else:
        yield encode_header(attrs.evolve(header, store=new_header().store, continues=None))
        yield rest


def _split(data: bytes) -> tuple[Header | None, bytes]:
    """Return the header in the first line, or None if it is damaged, and the bytes after that line."""
    start = skip_blank(data, 0)
    end = data.find(b"\n", start) + 1
    return decode_header(data[start:end]), data[end:]


def row_bytes(row: Row) -> int:
    """Return the estimated length of a change's line in a compacted file, without its entries."""
    held = (row.id, row.open_subject, row.ticket_key)  # in the row and among the names of its line
    texts = (row.workflow, row.state, row.subject, row.document, row.attention, row.ticket_sn, row.form)
    return _EMPTY_ROW + _bytes(*held, *held, *texts)


def entry_bytes(entry: EntryRow) -> int:
    """Return the estimated length that an entry adds to a line."""
    return _EMPTY_ENTRY + _bytes(entry.trigger, entry.source, entry.dest, entry.actor, entry.document)


def _bytes(*texts: str | None) -> int:
    joined = "".join(filter(None, texts))
    return len(joined) if joined.isascii() else len(joined.encode())


_DIGITS_OF_TIMES = 45
_ROW = Row(
    id="",
    workflow="",
    state="",
    attention=None,
    version=1,
    seq=1,
    subject="",
    open_subject=None,
    ticket_key=None,
    ticket_sn=None,
    submission=None,
    due_at=0,
    created_at=0,
    updated_at=0,
    form="",
    document="",
)
_ENTRY = EntryRow(change_id="", seq=1, at=10**15, trigger="", source="", dest="", actor="", document="")
_NAMES = Names(100_000, (("", None, None),))
_EMPTY_ROW = _DIGITS_OF_TIMES + len(encode_commit(_NAMES, [Write(row=_ROW, expected_version=0)]))
_EMPTY_ENTRY = (
    len(encode_commit(_NAMES, [Write(row=_ROW, expected_version=0, entries=(_ENTRY,))])) + _DIGITS_OF_TIMES - _EMPTY_ROW
)
