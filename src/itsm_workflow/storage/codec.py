"""Encode changes and entries as stored rows, and decode them; only this module knows both shapes.

A row's document holds everything that no column holds. Each entry's document contains the digest of the previous entry.
A change's document contains the digest of its last entry and the digest of its own row. So an entry that was cut,
edited, reordered, damaged or taken from another change is noticed when it is read, even if the store itself does not
notice it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.change import WITHDRAW, ChangeRequest, EffectStatus, Entry
from itsm_workflow.clock import from_micros, to_micros
from itsm_workflow.errors import InvalidForm, StorageCorrupt, StorageSchemaError
from itsm_workflow.storage.protocol import MAX_TEXT_BYTES, EntryRow, Row, Write
from itsm_workflow.storage.strict import canonical, explain, parse, strict_converter, time_text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from cattrs import Converter

    from itsm_workflow.change import Ticket

SCHEMA = 2
"""The version of the documents that are written. Documents of an older schema are read, newer ones are refused."""

_READABLE = range(1, SCHEMA + 1)

START = "0" * 64
"""The digest that the first entry of a history contains in place of the digest of a previous entry."""

_COLUMNS = ("id", "workflow", "state", "subject", "form", "created_at", "updated_at")
_TIMES = ("created_at", "updated_at")
_KEYS = {"schema", "head", "digest", "change"}
# A claim changes the version and the due time only. A repair clears the open subject if another change holds it by now.
_FREE = {"version", "due_at", "open_subject", "document", "submission"}
_BOUND = tuple(field.name for field in attrs.fields(Row) if field.name not in _FREE)

LAST = 2**63 - 2
"""The highest version or submission number that still has a successor within the 64 bits of a column."""


@attrs.frozen(kw_only=True)
class Stored:
    """A change as it was read, with the values of its row.

    Attributes:
        version: The version that the next write must expect (compare-and-swap).
        seq: The number of its last entry.
        head: The digest of its last entry.
        form: The text of its form, as it is stored.
        due_at: The time at which it is due, or None.
    """

    change: ChangeRequest
    version: int
    seq: int
    head: str
    form: str
    due_at: dt.datetime | None


class Codec:
    """Encodes and decodes the changes of one definition.

    Args:
        evidence: The evidence types by name. Evidence of any other type is read as a plain mapping.
    """

    def __init__(self, evidence: Mapping[str, type]) -> None:
        self._evidence = dict(evidence)
        self._converter = strict_converter()
        self._older = strict_converter(integer_times=True)

    def write(
        self,
        before: Stored | None,
        change: ChangeRequest,
        entries: Sequence[Entry],
        due_at: dt.datetime | None,
        *,
        open_subject: str | None,
    ) -> tuple[Write, Stored]:
        """Return the write that stores the change, and the `Stored` that results from it.

        Raises:
            InvalidForm: The form, the evidence or the change is too large to be stored; the error names the largest
                part.
        """
        form = self._text(self._converter.unstructure(change.form), change.form)
        head, rows = (before.head if before else START), []
        for entry in entries:
            rows.append(self._entry_row(entry, head))
            head = digest(rows[-1])
        document: dict[str, object] = {"schema": SCHEMA, "head": head, "change": self._document(change)}
        version = (before.version if before else 0) + 1
        seq = (before.seq if before else 0) + len(entries)
        row = Row(
            id=change.id,
            workflow=change.workflow,
            state=change.state,
            attention=change.attention.reason.value if change.attention else None,
            version=version,
            seq=seq,
            subject=change.subject,
            open_subject=open_subject,
            ticket_key=ticket_key(change.ticket) if change.ticket else None,
            ticket_sn=change.sn,
            submission=change.submission or None,
            due_at=None if due_at is None else to_micros(due_at),
            created_at=to_micros(change.created_at),
            updated_at=to_micros(change.updated_at),
            form=form,
            document="",
        )
        document["digest"] = _row_digest(row, document)
        unchanged = before is not None and before.form == form
        row = attrs.evolve(row, form=None if unchanged else form, document=self._text(document, change))
        write = Write(row=row, expected_version=version - 1, entries=tuple(rows))
        return write, Stored(change=change, version=version, seq=seq, head=head, form=form, due_at=due_at)

    def read(self, row: Row) -> Stored:
        """Return the change in a row.

        Raises:
            StorageSchemaError: A newer version of this library wrote it.
            StorageCorrupt: The row is not what this library wrote; the error names the change and the field.
        """
        try:
            due_at = None if row.due_at is None else from_micros(row.due_at)
            document = _checked(parse(row.document), _KEYS, f"change {row.id}")
            written, head, values = document.pop("digest"), document["head"], document["change"]
            if not isinstance(head, str) or not isinstance(values, dict):
                raise TypeError("head must be a string and change an object")  # noqa: TRY301 - one way to report
            if row.form is None:
                raise ValueError("the form is missing")  # noqa: TRY301 - as above
            found = _row_digest(row, document)
            whole = _whole(values, document, row, parse(row.form))
            change = self._converter_of(document).structure(whole, ChangeRequest)
            if document["schema"] != SCHEMA:
                change = _without_earlier_withdrawals(change)
            if found != written:
                raise ValueError("a part of it was changed")  # noqa: TRY301 - as above
            if not 1 <= row.version <= LAST:  # the digest does not cover it
                raise ValueError(f"version: {row.version} is not from 1 to {LAST}")  # noqa: TRY301 - as above
        except StorageSchemaError:
            raise
        except Exception as error:  # noqa: BLE001 - every error that a malformed row causes means the same
            raise StorageCorrupt(
                f"change {row.id} is not stored as this version wrote it: {explain(error)}",
                change_id=row.id,
            ) from None
        return Stored(change=change, version=row.version, seq=row.seq, head=head, form=row.form, due_at=due_at)

    def entries(self, rows: Iterable[EntryRow], *, previous: str = START) -> list[Entry]:
        """Return consecutive entries of a history, after a check of their digests from ``previous`` on.

        Raises:
            StorageCorrupt: An entry was cut out, edited or reordered; the error names the first such entry.
        """
        found = []
        for row in rows:
            where = f"entry {row.seq} of change {row.change_id}"
            try:
                document = _checked(parse(row.document), {"schema", "previous", "kind", "evidence", "effects"}, where)
                if document["previous"] != previous:
                    raise ValueError("it does not continue the entry before it")  # noqa: TRY301 - one way to report
                found.append(self._entry(row, document))
                previous = digest(row)
            except StorageSchemaError:
                raise
            except Exception as error:  # noqa: BLE001 - as above
                raise StorageCorrupt(
                    f"{where} is not what was written: {explain(error)}", change_id=row.change_id, seq=row.seq
                ) from None
        return found

    def _text(self, document: object, value: Any) -> str:  # noqa: ANN401 - an instance of any attrs class
        """Return the JSON text that is stored for a value.

        The size is checked here, because escapes and characters outside ASCII make the JSON text larger than the value.

        Raises:
            InvalidForm: The text is too large to be stored.
        """
        text = canonical(document)
        if len(text.encode()) <= MAX_TEXT_BYTES:
            return text
        parts = {
            field.name: len(canonical(self._converter.unstructure(getattr(value, field.name))).encode())
            for field in attrs.fields(type(value))
        }
        largest = max(parts, key=lambda name: parts[name])
        rule = f"must have at most {MAX_TEXT_BYTES} bytes as JSON, together with the rest of the {type(value).__name__}"
        raise InvalidForm([(largest, f"<{parts[largest]} bytes>", rule)])

    def _converter_of(self, document: Mapping[str, object]) -> Converter:
        return self._converter if document["schema"] == SCHEMA else self._older

    def _document(self, change: ChangeRequest) -> dict[str, object]:
        every: dict[str, object] = self._converter.unstructure(change)
        values = {key: value for key, value in every.items() if key not in _COLUMNS and key != "submission"}
        for part, columns in (("ticket", ("gateway", "id", "sn")), ("attention", ("reason",))):
            held = values.get(part)
            if isinstance(held, dict):
                values[part] = {key: value for key, value in held.items() if key not in columns}
        return values

    def _entry_row(self, entry: Entry, previous: str) -> EntryRow:
        document = {
            "schema": SCHEMA,
            "previous": previous,
            "kind": type(entry.evidence).__name__,
            "evidence": self._converter.unstructure(entry.evidence),
            "effects": list(entry.effects),
        }
        return EntryRow(
            change_id=entry.change_id,
            seq=entry.seq,
            at=to_micros(entry.at),
            trigger=entry.trigger,
            source=entry.source,
            dest=entry.dest,
            actor=entry.actor,
            document=self._text(document, entry.evidence),
        )

    def _entry(self, row: EntryRow, document: Mapping[str, object]) -> Entry:
        kind, converter = self._evidence.get(str(document["kind"])), self._converter_of(document)
        evidence = document["evidence"]
        return Entry(
            change_id=row.change_id,
            seq=row.seq,
            at=from_micros(row.at),
            trigger=row.trigger,
            source=row.source,
            dest=row.dest,
            actor=row.actor,
            evidence=evidence if kind is None else converter.structure(evidence, kind),
            effects=converter.structure(document["effects"], tuple[str, ...]),
        )


def _whole(values: Mapping[str, object], document: Mapping[str, object], row: Row, form: object) -> dict[str, object]:
    """Return the values of a document together with the values of the columns."""
    columns = {name: getattr(row, name) for name in _COLUMNS}
    gateway, _, ticket_id = str(row.ticket_key).partition(":")
    ticket = {"gateway": gateway, "id": ticket_id, "sn": row.ticket_sn}
    parts: dict[str, object] = {}
    for part, column, held in (
        ("ticket", row.ticket_key, ticket),
        ("attention", row.attention, {"reason": row.attention}),
    ):
        value = values.get(part)
        if (value is None) != (column is None):
            raise ValueError(f"only one of the row's columns and its document has a value for {part}")
        parts[part] = {**value, **held} if isinstance(value, dict) else value
    times = {
        name: columns[name] if document["schema"] != SCHEMA else time_text(from_micros(columns[name]))
        for name in _TIMES
    }
    return {**values, **parts, **columns, **times, "form": form, "submission": row.submission or 0}


def ticket_key(ticket: Ticket) -> str:
    """Return the unique key of a ticket: its gateway's name, which contains no colon, and its id."""
    return f"{ticket.gateway}:{ticket.id}"


def digest(row: EntryRow) -> str:
    """Return the SHA-256 of an entry's whole row, in hexadecimal."""
    return hashlib.sha256(canonical(list(attrs.astuple(row))).encode()).hexdigest()


def _row_digest(row: Row, document: Mapping[str, object]) -> str:
    """Return the SHA-256, in hexadecimal, of a change's row and of the rest of its document."""
    # A draft has no submission. A row of schema 1 has none either, and its digest does not cover that column.
    bound = _BOUND if row.submission is None else (*_BOUND, "submission")
    return hashlib.sha256(canonical([*(getattr(row, name) for name in bound), document]).encode()).hexdigest()


def _checked(document: object, keys: set[str], where: str) -> dict[str, object]:
    if not isinstance(document, dict):
        raise TypeError("the document must be an object")
    schema = document.get("schema")
    if type(schema) is int and schema > SCHEMA:
        raise StorageSchemaError(
            f"{where} was written by a newer version of itsm-workflow (schema {schema}; this version reads schemas up "
            f"to {SCHEMA}): upgrade itsm-workflow before you open this store",
            found=schema,
            known=SCHEMA,
        )
    if type(schema) is not int or schema not in _READABLE or set(document) != keys:
        raise ValueError(
            f"the document must have a schema from 1 to {SCHEMA} and exactly these keys: {', '.join(sorted(keys))}"
        )
    return document


def _without_earlier_withdrawals(change: ChangeRequest) -> ChangeRequest:
    """Return a change of schema 1 with the delivered withdrawals of earlier submissions marked as superseded.

    Schema 1 stored a withdrawal as delivered if the gateway had refused the submission, so there was no ticket.
    """
    since = change.attempt.submitted_at if change.attempt and change.ticket else None
    effects = tuple(
        attrs.evolve(one, status=EffectStatus.SUPERSEDED)
        if (one.name, one.status) == (WITHDRAW, EffectStatus.DELIVERED) and (since is None or one.due_at < since)
        else one
        for one in change.effects
    )
    return attrs.evolve(change, effects=effects)
