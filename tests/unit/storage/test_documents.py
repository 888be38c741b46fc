"""The fast way to read a row and the strict one: they agree, and neither accepts what nobody wrote."""

from __future__ import annotations

import contextlib
import datetime as dt
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.storage.codec import Codec
from itsm_workflow.storage.documents import last_callback, read_as_written, row_digest
from itsm_workflow.strict import canonical, parse
from itsm_workflow.testing import strategies as s
from tests.support import examples as x
from tests.unit.storage.test_codec import FULL

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.storage.protocol import Row

CODEC = Codec(COLLECTOR_CHANGE.evidence_types)
DEEP = 100_000
ROOT = Path(__file__).parents[3]


def written(change: ChangeRequest) -> Row:
    """Return the row of a change."""
    return CODEC.write(None, change, [], None, open_subject=None)[0].row


def signed(row: Row) -> Row:
    """Return the row with the digest that its present texts and columns need: the digest proves no origin."""
    document: Any = parse(written(x.DRAFT).document)
    before, mark, after = row.document.rpartition('"digest":"')
    assert mark
    old = after[: len(document["digest"])]
    new = row_digest(row, old)
    return attrs.evolve(row, document=f"{before}{mark}{new}{after[len(old) :]}")


def strictly(row: Row) -> tuple[ChangeRequest, str] | str:
    """Return what the strict way makes of a row: the change and its head, or the error."""
    try:
        return CODEC._read_strictly(row, row.form or "")
    except Exception as error:  # noqa: BLE001 - any error refuses the row
        return f"refused: {error}"


def replaced(row: Row, old: str, new: str) -> Row:
    """Return the row with another text in its document or its form, and the right digest."""
    assert old in row.document + (row.form or "")
    document, form = row.document.replace(old, new, 1), (row.form or "").replace(old, new, 1)
    return signed(attrs.evolve(row, document=document, form=form))


@given(change=s.changes)
def test_what_this_version_writes_is_read_in_the_fast_way(change: ChangeRequest) -> None:
    """And in the strict way, as the same value."""
    row = written(change)

    assert read_as_written(row) == (change, "0" * 64) == strictly(row)


def test_a_change_with_everything_in_it_is_read_in_the_fast_way() -> None:
    """Every field of every part."""
    assert read_as_written(written(FULL)) == (FULL, "0" * 64)


TOKENS = [
    '"',
    "1",
    "-0",
    "1.0",
    "1e16",
    "1e+16",
    "1e400",
    "NaN",
    "null",
    "true",
    "[]",
    "{}",
    " ",
    ",",
    '"a":1,',
    "9" * 30,
    "9" * 5000,
    "\\ud800",
    "\\u0061",
    "\ud800",
    "\0",
    "Z",
    "+08:00",
    "-00:00",
    ".5Z",
    "é",
    '"schema":1',
]


@given(
    change=s.changes | st.just(FULL),
    part=st.sampled_from(["document", "form"]),
    place=st.floats(0, 1, exclude_max=True),
    length=st.integers(0, 12),
    token=st.sampled_from(TOKENS) | s.texts,
)
def test_both_ways_accept_the_same_texts(
    change: ChangeRequest, part: str, place: float, length: int, token: str
) -> None:
    """The fast way accepts no edited and signed text that the strict way refuses or reads as another change."""
    row = written(change)
    text = getattr(row, part)
    at = int(place * len(text))
    edits: dict[str, Any] = {part: text[:at] + token + text[at + length :]}
    row = attrs.evolve(row, **edits)
    with contextlib.suppress(AssertionError, UnicodeEncodeError):  # the digest itself was edited, or there is none
        row = signed(row)

    fast = read_as_written(row)
    assert fast is None or fast == strictly(row)
    if isinstance(strictly(row), str):
        with pytest.raises(StorageCorrupt, match=f"^change {row.id} is not stored as this version wrote it: "):
            CODEC.read(row)
    else:
        assert (CODEC.read(row).change, CODEC.read(row).head) == strictly(row)


COLUMNS = ["id", "workflow", "state", "attention", "seq", "subject", "ticket_key", "ticket_sn", "submission", "form"]


@given(change=s.changes, name=st.sampled_from(COLUMNS), value=st.none() | st.integers() | s.texts | st.binary())
def test_both_ways_accept_the_same_columns(change: ChangeRequest, name: str, value: object) -> None:
    """A column that someone edited and signed."""
    edits: dict[str, Any] = {name: value}
    row = attrs.evolve(written(change), **edits)
    try:
        row = signed(row)
    except TypeError:
        assert isinstance(value, bytes)

    fast = read_as_written(row)
    assert fast is None or fast == strictly(row)


HOSTILE: dict[str, tuple[str, str, str]] = {
    "an unknown key": ('"round":1', '"colour":1,"round":1', "colour @ $"),
    "a repeated key": ('"round":1', '"round":1,"round":1', "the duplicate key 'round'"),
    "a repeated key that is escaped": ('"round":1', '"round":1,"\\u0072ound":1', "the duplicate key 'round'"),
    "a text for a number": ('"round":1', '"round":"1"', "must be of type int, not str @ $.round"),
    "a fraction for a number": ('"round":1', '"round":1.0', "must be of type int, not float @ $.round"),
    "truth for a number": ('"round":1', '"round":true', "must be of type int, not bool @ $.round"),
    "NaN": ('"round":1', '"round":NaN', "NaN is not JSON"),
    "a number of 5000 digits": ('"round":1', f'"round":{"9" * 5000}', "Exceeds the limit"),
    "a naive time": (
        '"recorded_at":"2024-05-17T08:00:01Z"',
        '"recorded_at":"2024-05-17T08:00:01"',
        "@ $.ticket.recorded",
    ),
    "another zone": (
        '"submitted_at":"2024-05-17T08:00:00Z"',
        '"submitted_at":"2024-05-17T16:00:00+08:00"',
        "must be an RFC 3339 time in UTC, such as 2026-03-02T08:00:00Z @ $.attempt.submitted_at",
    ),
    "a lone surrogate": ('"creator":"alice"', '"creator":"\\ud800"', "contains a lone surrogate @ $.attempt"),
    "a lone surrogate in the form": ('"title":"Collect', '"title":"\\udfff', "contains a lone surrogate @ $.form"),
    "a list that is too deep": ('"round":1', f'"round":{"[" * DEEP}{"]" * DEEP}', "nested too deeply"),
    "an unknown phase": ('"phase":"sending"', '"phase":"lost"', "@ $.attempt.phase"),
    "a part that is a list": ('"attempt":{', '"suspicion":[],"attempt":{', "must be an object, not list @ $.suspicion"),
}


@pytest.mark.parametrize(("old", "new", "problem"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_corrupt_although_its_digest_is_right(old: str, new: str, problem: str) -> None:
    """The error names the field."""
    row = replaced(written(x.PENDING), old, new)

    assert read_as_written(row) is None
    with pytest.raises(StorageCorrupt) as caught:
        CODEC.read(row)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"round":1', '"planned":0,"round":1'), ('"data":{"n":1e16}', '"data":{"n":1e+16}'), ('{"change"', '{ "change"')],
    ids=["a default", "another spelling", "a space"],
)
def test_another_spelling_of_the_same_change_is_read_in_the_strict_way(old: str, new: str) -> None:
    """An older version may have written it so; its digest covers the text as it is."""
    change = attrs.evolve(x.PENDING, data={"n": 1e16})
    row = replaced(written(change), old, new)

    assert read_as_written(row) is None
    assert CODEC.read(row).change == change


def test_a_time_in_another_zone_is_written_in_utc() -> None:
    """So it is one text, and one that is read in the fast way."""
    zone = dt.timezone(dt.timedelta(hours=8))
    row = written(attrs.evolve(x.PENDING, ended_at=x.NOW.astimezone(zone)))

    assert '"ended_at":"2024-05-17T08:00:00Z"' in row.document
    assert read_as_written(row) == (attrs.evolve(x.PENDING, ended_at=x.NOW), "0" * 64)


def test_a_naive_time_is_not_written() -> None:
    """It would be read in the time zone of the reader."""
    with pytest.raises(ValueError, match="has no time zone"):
        written(attrs.evolve(x.PENDING, ended_at=dt.datetime(2024, 5, 17)))  # noqa: DTZ001 - the wrong value


def test_the_head_of_a_hostile_row_is_written_as_json() -> None:
    """A digest that is none stays one text."""
    row = replaced(written(x.PENDING), f'"head":"{"0" * 64}"', '"head":"a\\",\\"x"')
    stored = CODEC.read(row)
    again = CODEC.write(stored, stored.change, [], None, open_subject=None)[0].row

    document: Any = parse(again.document)
    assert document["head"] == 'a","x'
    assert again.document == canonical(document)


@given(change=s.changes)
def test_the_last_callback_is_read_alone(change: ChangeRequest) -> None:
    """It is the one that the whole change has."""
    row = written(change)
    expected = (change.attempt.number, change.heard.digest) if change.attempt and change.heard else None

    assert last_callback(row) == expected
    assert last_callback(attrs.evolve(row, subject=f"{row.subject}x")) is None
    assert last_callback(attrs.evolve(row, document=row.document[:-1])) is None


def test_the_last_callback_of_another_schema_is_left_to_the_strict_way() -> None:
    """Its digest covers other columns."""
    row = written(FULL)

    assert last_callback(row) == (FULL.expect_attempt().number, "0" * 64)
    assert last_callback(signed(attrs.evolve(row, document=row.document.replace('"schema":2', '"schema":1')))) is None


def test_a_claim_keeps_the_text_as_it_is_stored() -> None:
    """Only the version and the due time move, so nothing is encoded; also after an older schema was read."""
    row = replaced(written(x.PENDING), '"round":1', '"planned":0,"round":1')
    stored = CODEC.read(row)
    write, after = CODEC.write(stored, stored.change, [], x.later(60), open_subject="a:b")

    assert (write.row.document, after.document, after.head) == (row.document, row.document, stored.head)
    assert (write.row.version, after.version, write.row.form) == (2, 2, None)
    assert CODEC.read(attrs.evolve(write.row, form=row.form)) == after


def test_no_decoder_is_made_while_threads_read() -> None:
    """The interpreter crashes if two threads make decoders of one class, so the import makes them."""
    code = """
        import msgspec
        from itsm_workflow.storage import documents
        from tests.unit.storage.test_documents import FULL, written

        row = written(FULL)
        msgspec.json.Decoder = None
        print(documents.read_as_written(row) is not None, documents.last_callback(row) is not None)
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "True True\n"
