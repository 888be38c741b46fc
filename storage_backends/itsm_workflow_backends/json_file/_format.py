"""The format of the lines of the file.

The first line is the header; each further line is one commit::

    {"format":"itsm-workflow changes","schema":2,"first":1,"store":"…","generation":1,"check":"…"}
    {"names":{"number":1,"bytes":2345,"holds":[["id","open subject","ticket key"]]},"names_check":"…",
     "changes":[{"row":{…},"entries":[…]}, {"id":"…","version":7,"due_at":…}],"check":"…"}

``check`` is a digest of the line up to itself. ``names`` has a digest of its own, so that damage to the rest of a line,
including its end, can still be attributed to the changes in it. ``bytes`` is the length of the text after
``names_check``. Commits are numbered without a gap, starting with ``first``. When a file is compacted, its lines are
numbered so that the next commit keeps its number, so ``first`` can be below 1. A change is a row with its new entries,
or only the columns that a write without entries changes.

``store`` is the same in all files that have held the store, and ``generation`` counts these files. With them, a process
that has the store open decides whether another file at its path continues the one that it has read. In a compacted
file, ``"continues":[before,after]`` means that its first ``after`` bytes replace the first ``before`` bytes of the
previous file, and that the same bytes follow in both. So a process that has read that part of the previous file can go
on in the new one.

Blank lines are ignored everywhere, because an editor or a shell easily adds one.

Schema 1 had no ``submission`` in its rows and no ``store`` in its first line. Lines of schema 1 are still read. The
schema in the first line is raised before a line is appended, so that an older version refuses the file as newer instead
of reading the new lines as damaged ones.
"""

from __future__ import annotations

import json
import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING, Self, cast

import attrs

from itsm_workflow.storage.checks import check_writes
from itsm_workflow.storage.protocol import EntryRow, Row, Write
from itsm_workflow_backends.json_file._embedding import embed, extract, write

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = "itsm-workflow changes"
SCHEMA = 2

_DIGITS = 16
_NAMES = b'{"names":'
_NAMES_CHECK = b',"names_check":"'
_CHANGES = b'","changes":'
CHECK = b',"check":"'
END = b'"}\n'
FOOT = len(CHECK) + _DIGITS + len(END)


@attrs.frozen
class Header:
    """The first line.

    Attributes:
        first: The number of the first commit in the file.
        store: The random name of the store, or "" in a file that was written before stores had one.
        generation: The number of the file: one higher than that of the file of the same store that it replaced.
        continues: In a compacted file, the size of the part of the previous file that it replaces, and the size of its
            own part that replaces it; otherwise None.
    """

    schema: int
    first: int
    store: str = ""
    generation: int = 0
    continues: tuple[int, int] | None = None


@attrs.frozen
class Claim:
    """A write without entries."""

    id: str
    version: int
    due_at: int | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return the claim that stores a write of this row without entries."""
        return cls(row.id, row.version, row.due_at)


@attrs.frozen
class Names:
    """The part of a line that has a digest of its own.

    Attributes:
        number: The number of the commit.
        holds: The id of each change in the line, and the open subject and the ticket key that it holds afterwards.
    """

    number: int
    holds: tuple[tuple[str, str | None, str | None], ...]


@attrs.frozen
class Line:
    """A line of the file after the first.

    Attributes:
        end: The offset after the line.
        names: The names, or None if they are damaged, so that the changes in the line are unknown.
        changes: The changes, or None if the line is damaged.
    """

    end: int
    names: Names | None
    changes: tuple[Write | Claim, ...] | None


def encode_header(header: Header) -> bytes:
    """Return the first line of a file as bytes; their number does not depend on the numbers in ``continues``."""
    fields = attrs.asdict(header, filter=lambda field, _: field.name != "continues")
    text = write({"format": FORMAT, **fields}).encode()[:-1]
    if header.continues is not None:
        text += b',"continues":[%20d,%20d]' % header.continues
    return text + CHECK + digest(text) + END


def new_header() -> Header:
    """Return the header of a new store."""
    return Header(schema=SCHEMA, first=1, store=secrets.token_hex(8), generation=1)


def decode_header(line: bytes) -> Header | None:
    """Return the header in the first line, or None if the line is not an intact header of any schema."""
    text = line[:-FOOT]
    if not line.endswith(CHECK + digest(text) + END):
        return None
    try:
        fields = json.loads(line)
        known = fields["format"] == FORMAT
        header = Header(
            schema=int(fields["schema"]),
            first=int(fields.get("first", 1)),
            store=str(fields.get("store", "")),
            generation=int(fields.get("generation", 0)),
            continues=_two_numbers(fields.get("continues")),
        )
    except (ValueError, KeyError, TypeError):
        return None
    return header if known else None


def _two_numbers(value: object) -> tuple[int, int] | None:
    match value:
        case [int() as before, int() as after]:
            return before, after
    return None


def skip_blank(data: bytes, start: int) -> int:
    """Return the offset after all blank lines that begin at the offset."""
    while data[start : start + 1].isspace():
        newline = data.find(b"\n", start)
        if newline < 0 or data[start:newline].strip():
            break
        start = newline + 1
    return start


def encode_commit(names: Names, changes: Sequence[Write | Claim]) -> bytes:
    """Return one commit as a line."""
    tail = _CHANGES + write([_encode_change(change) for change in changes]).encode()
    fields = {"number": names.number, "bytes": len(tail) + FOOT, "holds": names.holds}
    # In ASCII, so that the names of a damaged line are never undecodable UTF-8.
    head = _NAMES + write(fields, ascii_only=True).encode()
    text = head + _NAMES_CHECK + digest(head) + tail
    return text + CHECK + digest(text) + END


def decode_line(data: bytes, start: int) -> Line | None:
    """Return the line at the offset, or None if its end is missing."""
    head = _decode_names(data, start)
    if head is None:
        newline = data.find(b"\n", start)
        return None if newline < 0 else Line(newline + 1, None, None)
    names, changes_at, end = head
    if end > len(data):
        return None
    foot = end - FOOT
    changes = None
    if data[foot:end] == CHECK + digest(data[start:foot]) + END:
        changes = _decode_changes(data[changes_at + len(_CHANGES) : foot])
    return Line(end, names, changes)


def digest(data: bytes) -> bytes:
    """Return the digest by which damage to a part of a line is noticed."""
    return blake2b(data, digest_size=_DIGITS // 2).hexdigest().encode()


def _decode_names(data: bytes, start: int) -> tuple[Names, int, int] | None:
    """Return the names and the offsets of the changes and of the end of the line, or None if they are damaged."""
    if not data.startswith(_NAMES, start):
        return None
    mark = data.find(_NAMES_CHECK, start)
    check_at = mark + len(_NAMES_CHECK)
    changes_at = check_at + _DIGITS
    if mark < 0 or data[check_at:changes_at] != digest(data[start:mark]):
        return None
    try:
        fields = json.loads(data[start + len(_NAMES) : mark])
        names = Names(int(fields["number"]), tuple((a, b, c) for a, b, c in fields["holds"]))
        return names, changes_at, changes_at + int(fields["bytes"])
    except (ValueError, KeyError, TypeError):
        return None


def _encode_change(change: Write | Claim) -> dict[str, object]:
    if isinstance(change, Claim):
        return attrs.asdict(change)
    row = {field.name: getattr(change.row, field.name) for field in attrs.fields(Row)}
    form, document = row.pop("form"), row.pop("document")
    if form is not None:
        embed(row, "form", form)
    embed(row, "document", document)
    return {"row": row, "entries": [_encode_entry(entry) for entry in change.entries]}


def _encode_entry(entry: EntryRow) -> dict[str, object]:
    fields = {field.name: getattr(entry, field.name) for field in attrs.fields(EntryRow)}
    del fields["change_id"]
    embed(fields, "document", fields.pop("document"))
    return fields


def _decode_changes(text: bytes) -> tuple[Write | Claim, ...] | None:
    # With the right digest, a wrong shape was written by hand or by a defect; it is treated as damage all the same.
    try:
        return tuple(_decode_change(fields) for fields in json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _decode_change(fields: dict[str, object]) -> Write | Claim:
    if "row" not in fields:
        match fields:
            case {"id": str(change_id), "version": int(version), "due_at": int() | None as due_at}:
                return Claim(change_id, version, due_at)
        raise TypeError("the change is neither a row nor a claim")
    columns = cast("dict[str, object]", fields["row"])
    columns.setdefault("submission", None)
    row = Row(form=extract(columns, "form"), document=extract(columns, "document"), **columns)  # type: ignore[arg-type]
    entries = tuple(
        EntryRow(change_id=row.id, document=extract(entry, "document"), **entry)  # type: ignore[arg-type]
        for entry in cast("list[dict[str, object]]", fields["entries"])  # check_writes checks each of them
    )
    change = Write(row=row, expected_version=row.version - 1, entries=entries)
    check_writes([change])
    return change
