"""Encode changes and entries as stored rows, and decode them; only this module knows both shapes.

A row's document holds everything that no column holds. Each entry's document contains the digest of the previous entry.
A change's document contains the digest of its last entry and the digest of its own row. So an entry that was cut,
edited, reordered, damaged or taken from another change is noticed when it is read, even if the store itself does not
notice it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs

from itsm_workflow.change import WITHDRAW, ChangeRequest, EffectStatus, Entry
from itsm_workflow.clock import from_micros, to_micros
from itsm_workflow.errors import InvalidForm, StorageCorrupt, StorageSchemaError
from itsm_workflow.storage.documents import (
    COLUMNS,
    SCHEMA,
    columns_of,
    document_text,
    entry_digest,
    plain_of,
    read_as_written,
    row_digest,
    text_of,
)
from itsm_workflow.storage.protocol import MAX_TEXT_BYTES, EntryRow, Row, Write
from itsm_workflow.strict import explain, parse, stored_text, strict_converter, time_text
from itsm_workflow.text import has_lone_surrogate, texts_in

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Sequence

    from cattrs import Converter

_READABLE = range(1, SCHEMA + 1)

START = "0" * 64
"""The digest that the first entry of a history contains in place of the digest of a previous entry."""

_TIMES = ("created_at", "updated_at")
_INTEGER_TIMES = 1
"""The last schema whose documents have times as integers."""
_KEYS = {"schema", "head", "digest", "change"}

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
        document: The text of everything that no column holds, as it is stored.
        due_at: The time at which it is due, or None.
    """

    change: ChangeRequest
    version: int
    seq: int
    head: str
    form: str
    document: str
    due_at: dt.datetime | None


class Codec:
    """Encodes and decodes the changes of one definition.

    Args:
        evidence: The evidence types by name. Evidence of any other type is read as a plain mapping.
    """

    def __init__(self, evidence: Mapping[str, type]) -> None:
        self._evidence = dict(evidence)

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

        If the change stays as it was read, its text is not encoded again: only the version and the due time move.

        Raises:
            InvalidForm: The form, the evidence or the change is too large to be stored; the error names the largest
                part.
        """
        is_same_form = before is not None and before.change.form is change.form
        form = before.form if before and is_same_form else _checked_size(text_of(change.form), change.form)
        head, rows = (before.head if before else START), []
        for entry in entries:
            rows.append(self._entry_row(entry, head))
            head = entry_digest(rows[-1])
        version = (before.version if before else 0) + 1
        seq = (before.seq if before else 0) + len(entries)
        columns = columns_of(change, seq, form)
        if before is not None and before.change is change and not entries:
            document = before.document
        else:
            document = _checked_size(document_text(change, head, columns), change)
        if before is not None and before.form == form:
            columns["form"] = None
        row = Row(
            **columns,
            version=version,
            open_subject=open_subject,
            due_at=None if due_at is None else to_micros(due_at),
            document=document,
        )
        write = Write(row=row, expected_version=version - 1, entries=tuple(rows))
        stored = Stored(change=change, version=version, seq=seq, head=head, form=form, document=document, due_at=due_at)
        return write, stored

    def read(self, row: Row) -> Stored:
        """Return the change in a row.

        Raises:
            StorageSchemaError: A newer version of this library wrote it.
            StorageCorrupt: The row is not what this library wrote; the error names the change and the field.
        """
        try:
            due_at = None if row.due_at is None else from_micros(row.due_at)
            if not 1 <= row.version <= LAST:  # the digest does not cover it
                raise ValueError(f"version: {row.version} is not from 1 to {LAST}")  # noqa: TRY301 - one way to report
            change, head, form = self._read(row)
        except StorageSchemaError:
            raise
        except Exception as error:  # noqa: BLE001 - every error that a malformed row causes means the same
            raise StorageCorrupt(
                f"change {row.id} is not stored as this version wrote it: {explain(error)}",
                change_id=row.id,
            ) from None
        return Stored(
            change=change,
            version=row.version,
            seq=row.seq,
            head=head,
            form=form,
            document=row.document,
            due_at=due_at,
        )

    def _read(self, row: Row) -> tuple[ChangeRequest, str, str]:
        """Return the change in a row, the digest of its last entry, and the text of its form."""
        if row.form is None:
            raise ValueError("the form is missing")
        written = read_as_written(row)
        return (*(written or self._read_strictly(row, row.form)), row.form)

    def _read_strictly(self, row: Row, form: str) -> tuple[ChangeRequest, str]:
        """Return the same, without the text, of any readable schema; the error names the field that is wrong."""
        document = _checked(parse(row.document), _KEYS, f"change {row.id}")
        head, values = document["head"], document["change"]
        if not isinstance(head, str) or not isinstance(values, dict):
            raise TypeError("head must be a string and change an object")
        whole = _whole(values, document, row, parse(form))
        _check_texts(whole)
        change = _converter_of(document).structure(whole, ChangeRequest)
        for schema in range(cast("int", document["schema"]), SCHEMA):
            change = _UPGRADES[schema](change)
        if row_digest(row, str(document["digest"])) != document["digest"]:
            raise ValueError("a part of it was changed")
        return change, head

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
                previous = entry_digest(row)
            except StorageSchemaError:
                raise
            except Exception as error:  # noqa: BLE001 - as above
                raise StorageCorrupt(
                    f"{where} is not what was written: {explain(error)}", change_id=row.change_id, seq=row.seq
                ) from None
        return found

    def _entry_row(self, entry: Entry, previous: str) -> EntryRow:
        document = {
            "schema": SCHEMA,
            "previous": previous,
            "kind": type(entry.evidence).__name__,
            "evidence": plain_of(entry.evidence),
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
            document=_checked_size(stored_text(document), entry.evidence),
        )

    def _entry(self, row: EntryRow, document: Mapping[str, object]) -> Entry:
        kind, converter = self._evidence.get(str(document["kind"])), _converter_of(document)
        evidence = document["evidence"]
        _check_texts({"evidence": evidence})
        return Entry(
            change_id=row.change_id,
            seq=row.seq,
            at=from_micros(row.at),
            trigger=row.trigger,
            source=row.source,
            dest=row.dest,
            actor=row.actor,
            evidence=evidence if kind is None else _evidence_of(kind, evidence, converter),
            effects=converter.structure(document["effects"], tuple[str, ...]),
        )


def _evidence_of(kind: type, stored: object, converter: Converter) -> object:
    """Return stored evidence as an instance of its class, or as it is stored if the host's class has other fields.

    Another version of the host may have stored it. Damage is found by the digests, which do not depend on the class.
    """
    names = {field.name for field in attrs.fields(kind)}
    is_hosts = not kind.__module__.startswith(f"{__package__.partition('.')[0]}.")
    required = {field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING}
    if is_hosts and isinstance(stored, Mapping) and not required <= set(stored) <= names:
        return stored
    return converter.structure(stored, kind)


def _checked_size(text: str, value: Any) -> str:  # noqa: ANN401 - an instance of any attrs class
    """Return the JSON text of a value.

    The size is checked here, because escapes and characters outside ASCII make the JSON text larger than the value.

    Raises:
        InvalidForm: The text is too large to be stored.
    """
    if len(text) * 4 <= MAX_TEXT_BYTES or len(text.encode()) <= MAX_TEXT_BYTES:
        return text
    parts = {field.name: len(text_of(getattr(value, field.name)).encode()) for field in attrs.fields(type(value))}
    largest = max(parts, key=lambda name: parts[name])
    rule = f"must have at most {MAX_TEXT_BYTES} bytes as JSON, together with the rest of the {type(value).__name__}"
    raise InvalidForm([(largest, f"<{parts[largest]} bytes>", rule)])


def _converter_of(document: Mapping[str, object]) -> Converter:
    return strict_converter(integer_times=_has_integer_times(document))


def _has_integer_times(document: Mapping[str, object]) -> bool:
    return cast("int", document["schema"]) <= _INTEGER_TIMES


def _check_texts(values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if any(map(has_lone_surrogate, texts_in(value))):
            raise ValueError(f"contains a lone surrogate @ $.{name}")


def _whole(values: Mapping[str, object], document: Mapping[str, object], row: Row, form: object) -> dict[str, object]:
    """Return the values of a document together with the values of the columns."""
    columns = {name: getattr(row, name) for name in COLUMNS}
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
        name: columns[name] if _has_integer_times(document) else time_text(from_micros(columns[name]))
        for name in _TIMES
    }
    return {**values, **parts, **columns, **times, "form": form, "submission": row.submission or 0}


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


_UPGRADES: dict[int, Callable[[ChangeRequest], ChangeRequest]] = {1: _without_earlier_withdrawals}
"""By schema: the function that makes a change that was read from a document of it a change of the next schema."""
