"""An intact line of a JSON store is read in one pass, with the result of the long way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.storage.protocol import MAX_TEXT_BYTES, Write
from itsm_workflow.testing.conformance._rows import claim, create, follow
from itsm_workflow_backends.json_file._format import CHECK, END, Claim, Names, decode_line, digest, encode_commit
from itsm_workflow_backends.json_file._reading import decode_intact_line

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = (
    "{}",
    '{"a":1}',
    '{"a": 1}',
    '{"a":1,"a":2}',
    "null",
    "1E2",
    "NaN",
    "words",
    '"接入\\u2028\U0001f600"',
    '"\\u0000"',
    '"\\ud800"',
    '"\\"}"',
    "[" * 100 + "]" * 100,
    "[" * 101 + "]" * 101,
    str(2**70),
)


def line_of(*changes: Write | Claim) -> bytes:
    """Return the line of these changes."""
    holds = tuple(
        (one.id, None, None) if isinstance(one, Claim) else (one.row.id, one.row.open_subject, one.row.ticket_key)
        for one in changes
    )
    return encode_commit(Names(7, holds), list(changes))


def edited(edit: Callable[[dict[str, Any]], object]) -> bytes:
    """Return the line of a new change with another shape, and with the right digest."""
    line = line_of(create("c1", entries=2))
    fields = json.loads(line)
    edit(fields["changes"][0])
    text = line[: line.index(b'"changes":')]
    text += b'"changes":' + json.dumps(fields["changes"], ensure_ascii=False, separators=(",", ":")).encode()
    return text + CHECK + digest(text) + END


@pytest.mark.parametrize("text", TEXTS)
def test_each_text_is_read_as_it_was_written(text: str) -> None:
    """Whether it stands in the line as a value or as a string."""
    new = create("c1", document=text, form=text, entries=2, subject=text, due_at=-5, submission=3, open_subject="w:接")
    later = follow(new.row, document=text, form=None)
    line = line_of(new, later, Claim.of(claim(later.row, None).row))
    data = b"before\n" + line + b"after"
    found = decode_line(data, 7)
    assert found is not None
    assert found.changes == (new, later, Claim("c1", 3, None))
    assert decode_intact_line(data, 7) == (None if "u0000" in text else found)


def test_a_line_that_is_not_intact_is_left_to_the_long_way() -> None:
    """Each flipped byte, each cut, each line that is too long, and what is no line of changes."""
    line = line_of(create("c1"))
    for place in range(len(line)):
        flipped = line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :]
        assert decode_intact_line(flipped, 0) is None, place
        assert decode_intact_line(line[:place], 0) is None, place
    for other in (b"", b"\n", b"words\n", b" " + line, line_of(create("c1", document="x" * MAX_TEXT_BYTES))):
        assert decode_intact_line(other, 0) is None
    assert decode_intact_line(line, 0) is not None


@pytest.mark.parametrize(
    "edit",
    [
        lambda change: change["row"].update(version=0),
        lambda change: change["row"].update(version=True),
        lambda change: change["row"].update(version=1.0),
        lambda change: change["row"].update(version=2**63),
        lambda change: change["row"].update(state=None),
        lambda change: change["row"].update(other=1),
        lambda change: change["row"].update(document_text="twice"),
        lambda change: change["row"].pop("document"),
        lambda change: change["row"].pop("form"),
        lambda change: change["row"].pop("due_at"),
        lambda change: change["row"].update(seq=3),
        lambda change: change["entries"].pop(0),
        lambda change: change["entries"].reverse(),
        lambda change: change["entries"][0].pop("document"),
        lambda change: change["entries"][0].update(actor=1),
        lambda change: change.pop("row"),
        lambda change: change.update(row=None),
        lambda change: (change.clear(), change.update(id="c1", version=2)),
        lambda change: (change.clear(), change.update(id="c1", version="2", due_at=None)),
    ],
)
def test_a_wrong_shape_with_the_right_digest_is_damage(edit: Callable[[dict[str, Any]], object]) -> None:
    """Written by hand or by a defect: neither way takes it for a change."""
    line = edited(edit)
    assert decode_intact_line(line, 0) is None
    # The length among the names is that of the line before it was edited.
    found = decode_line(line, 0)
    assert found is None or found.changes is None


def test_a_line_of_schema_1_has_no_submission() -> None:
    """It is read as None."""
    line = edited(lambda change: change["row"].pop("submission"))
    found = decode_intact_line(line, 0)
    assert found is not None
    assert found.changes == (create("c1", entries=2),)
