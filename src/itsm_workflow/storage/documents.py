"""The texts that are stored for a change, and the digests that bind them to the columns of their rows.

A text that this version wrote is decoded by msgspec, which takes a fraction of the time of the strict converter.
msgspec also accepts what this version never writes: a key that occurs twice, a time in another zone, another spelling
of a number. So `read_as_written` encodes the change again, and accepts only the same text. Every other text, such as
one of schema 1, is left to the strict converter, which names what is wrong.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from operator import attrgetter, contains
from typing import TYPE_CHECKING, Any, cast, get_args, get_type_hints

import attrs
import msgspec
from cattrs.gen import make_dict_unstructure_fn, override

from itsm_workflow.change import (
    Attempt,
    Attention,
    AttentionReason,
    ChangeRequest,
    Form,
    LastCallback,
    Outcome,
    PlannedEffect,
    Suspicion,
    Ticket,
    TicketDecision,
)
from itsm_workflow.clock import from_micros, to_micros
from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.storage.protocol import EntryRow, Row, ticket_key
from itsm_workflow.strict import make_writer, stored_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cattrs import Converter

SCHEMA = 2
"""The version of the documents that are written. Documents of an older schema are read, newer ones are refused."""

COLUMNS = ("id", "workflow", "state", "subject", "form", "created_at", "updated_at")
"""The fields of a change that the columns of the same name hold."""

# A claim changes the version and the due time only. A repair clears the open subject if another change holds it by now.
_FREE = {"version", "due_at", "open_subject", "document", "submission"}
_BOUND = (*(field.name for field in attrs.fields(Row) if field.name not in _FREE), "submission")
_bound_columns = cast("Callable[[Row], tuple[object, ...]]", attrgetter(*_BOUND))
_entry_columns = cast(
    "Callable[[EntryRow], tuple[object, ...]]", attrgetter(*(field.name for field in attrs.fields(EntryRow)))
)
_BOUND_TYPES = [get_args(kind) or (kind,) for kind in map(get_type_hints(Row).get, _BOUND)]
_COLUMN_TYPES = {str, int, type(None)}


# ---------------------------------------------------------------- writing


def columns_of(change: ChangeRequest, seq: int, form: str) -> dict[str, Any]:
    """Return the columns of a change's row that its digest covers, in the order in which it covers them.

    Args:
        change: The change.
        seq: The number of its last entry.
        form: The text of its form.
    """
    ticket, attention = change.ticket, change.attention
    return {
        "id": change.id,
        "workflow": change.workflow,
        "state": change.state,
        "attention": attention.reason.value if attention else None,
        "seq": seq,
        "subject": change.subject,
        "ticket_key": ticket_key(ticket.gateway, ticket.id) if ticket else None,
        "ticket_sn": ticket.sn if ticket else None,
        "created_at": to_micros(change.created_at),
        "updated_at": to_micros(change.updated_at),
        "form": form,
        "submission": change.submission or None,
    }


def text_of(value: object) -> str:
    """Return the text that is stored for a form or for evidence: JSON with sorted keys, without defaults."""
    return stored_text(plain_of(value))


def plain_of(value: object) -> Any:  # noqa: ANN401 - what an encoder takes
    """Return an instance of an attrs class as the value that is encoded for it."""
    return _writer().unstructure(value)


def document_text(change: ChangeRequest, head: str, columns: Mapping[str, object]) -> str:
    """Return the document of a change's row: everything that no column holds, and the digest of the row.

    Args:
        change: The change.
        head: The digest of its last entry.
        columns: The columns that `columns_of` returned.
    """
    plain = _change_writer()(change)
    start, end = f'{{"change":{stored_text(plain)}', f'"head":{stored_text(head)},"schema":{SCHEMA}}}'
    return f'{start},"digest":"{_digest(columns.values(), f"{start},{end}")}",{end}'


def row_digest(row: Row, written: str) -> str:
    """Return the SHA-256, in hexadecimal, of a change's row and of the rest of its document.

    Args:
        row: The row.
        written: The digest that the document contains.

    Raises:
        TypeError: A column is neither text nor a whole number.
        UnicodeEncodeError: A text has a lone surrogate.
    """
    start, _, end = row.document.rpartition(f',"digest":"{written}"')
    return _digest(_bound_columns(row), start + end)


def entry_digest(row: EntryRow) -> str:
    """Return the SHA-256, in hexadecimal, of an entry's whole row.

    Raises:
        TypeError: A column is neither text nor a whole number.
        UnicodeEncodeError: A text has a lone surrogate.
    """
    return hashlib.sha256(_columns_text(_entry_columns(row)).encode()).hexdigest()


def _digest(columns: Iterable[object], document: str) -> str:
    # A draft has no submission. A row of schema 1 has none either, and its digest does not cover that column.
    *bound, submission = columns
    text = _columns_text(bound if submission is None else [*bound, submission])
    return hashlib.sha256(f"{text[:-1]},{document}]".encode()).hexdigest()


def _columns_text(columns: Iterable[object]) -> str:
    values = tuple(columns)
    if not _COLUMN_TYPES.issuperset(map(type, values)):
        raise TypeError("a column is neither text nor a whole number")
    return stored_text(values)


@functools.cache
def _writer() -> Converter:
    return make_writer()


@functools.cache
def _change_writer() -> Callable[[ChangeRequest], dict[str, object]]:
    """Return the function that unstructures a change without the values that columns hold."""
    converter = make_writer()
    converter.register_unstructure_hook(Ticket, _without(Ticket, converter, "gateway", "id", "sn"))
    converter.register_unstructure_hook(Attention, _without(Attention, converter, "reason"))
    return _without(ChangeRequest, converter, *COLUMNS, "submission")


def _without(kind: Any, converter: Converter, *names: str) -> Callable[[Any], dict[str, object]]:  # noqa: ANN401 - a class
    attrs.resolve_types(kind)
    omitted: dict[str, Any] = {name: override(omit=True) for name in names}
    return make_dict_unstructure_fn(kind, converter, _cattrs_omit_if_default=True, **omitted)


# ---------------------------------------------------------------- reading


class _Shape(msgspec.Struct, forbid_unknown_fields=True):
    """The shape of a JSON object that this version writes."""


class _Ticket(_Shape):
    url: str
    channel: str
    recorded_at: dt.datetime


class _Attention(_Shape):
    since: dt.datetime
    facts: dict[str, str] = {}


class _Change(_Shape):
    """The fields of a change that no column holds, with the same defaults."""

    definition_version: int
    attempt: Attempt | None = None
    ticket: _Ticket | None = None
    attention: _Attention | None = None
    outcome: Outcome | None = None
    ended_at: dt.datetime | None = None
    suspicion: Suspicion | None = None
    heard: LastCallback | None = None
    effects: tuple[PlannedEffect, ...] = ()
    round: int = 0
    planned: int = 0
    effect_names: dict[str, tuple[str, ...]] = {}
    decision: TicketDecision | None = None
    contradictions: tuple[str, ...] = ()
    earlier_tickets: dict[str, str] = {}
    data: dict[str, object] = {}


class _Document(_Shape):
    schema: int
    head: str
    digest: str
    change: _Change


class _Form(_Shape):
    title: str
    applicant: str
    approvers: tuple[str, ...] = ()
    content: str = ""
    fields: dict[str, object] = {}


_DOCUMENT, _FORM = msgspec.json.Decoder(_Document), msgspec.json.Decoder(_Form)
"""Made by the thread that imports this module: msgspec crashes while two threads make decoders of one class."""


def read_as_written(row: Row) -> tuple[ChangeRequest, str] | None:
    """Return the change in a row and the digest of its last entry, or None if this version would write another row."""
    try:
        document = _DOCUMENT.decode(row.document)
        change = _change(row, document.change, _FORM.decode(row.form or ""))
        columns = columns_of(change, row.seq, text_of(change.form))
        is_same = (
            document.schema == SCHEMA
            and tuple(columns.values()) == (stored := _bound_columns(row))
            and all(map(contains, _BOUND_TYPES, map(type, stored)))
            and document_text(change, document.head, columns) == row.document
        )
    except Exception:  # noqa: BLE001 - whatever is wrong with the row, the strict converter says it
        return None
    return (change, document.head) if is_same else None


class _Number(msgspec.Struct):
    number: int


class _Digest(msgspec.Struct):
    digest: str


class _Heard(msgspec.Struct):
    attempt: _Number | None = None
    heard: _Digest | None = None


class _HeardPart(msgspec.Struct):
    """The part of a document that shows its last callback; all other keys are skipped."""

    schema: int
    digest: str
    change: _Heard


_HEARD_PART = msgspec.json.Decoder(_HeardPart)


def last_callback(row: Row) -> tuple[int, str] | None:
    """Return the number of a change's attempt and the digest of its last callback, without decoding the rest.

    The digest of the row is checked. The result is None if no callback was stored, and if the row has another schema or
    is damaged.
    """
    try:
        document = _HEARD_PART.decode(row.document)
        attempt, heard = document.change.attempt, document.change.heard
        is_whole = document.schema == SCHEMA and row_digest(row, document.digest) == document.digest
    except Exception:  # noqa: BLE001 - as above
        return None
    return (attempt.number, heard.digest) if is_whole and attempt and heard else None


def _change(row: Row, values: _Change, form: _Form) -> ChangeRequest:
    return ChangeRequest(
        id=row.id,
        workflow=row.workflow,
        definition_version=values.definition_version,
        subject=row.subject,
        state=row.state,
        form=Form(
            title=form.title,
            applicant=form.applicant,
            approvers=form.approvers,
            content=form.content,
            fields=ReadOnlyDict(form.fields),
        ),
        created_at=from_micros(row.created_at),
        updated_at=from_micros(row.updated_at),
        attempt=values.attempt,
        ticket=None if values.ticket is None else _ticket(row, values.ticket),
        attention=None if values.attention is None else _attention(row, values.attention),
        outcome=values.outcome,
        ended_at=values.ended_at,
        suspicion=values.suspicion,
        heard=values.heard,
        effects=values.effects,
        submission=row.submission or 0,
        round=values.round,
        planned=values.planned,
        effect_names=ReadOnlyDict(values.effect_names),
        decision=values.decision,
        contradictions=values.contradictions,
        earlier_tickets=ReadOnlyDict(values.earlier_tickets),
        data=ReadOnlyDict(values.data),
    )


def _ticket(row: Row, values: _Ticket) -> Ticket:
    gateway, _, ticket_id = (row.ticket_key or "").partition(":")
    sn = row.ticket_sn or ""
    return Ticket(
        gateway=gateway, id=ticket_id, sn=sn, url=values.url, channel=values.channel, recorded_at=values.recorded_at
    )


def _attention(row: Row, values: _Attention) -> Attention:
    reason = AttentionReason(row.attention or "")
    return Attention(reason=reason, since=values.since, facts=ReadOnlyDict(values.facts))
