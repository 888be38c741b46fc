"""The promises about the values: each is read back as it was written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._rows import NOW, create, entry, follow, found, present, stored, whole_history
from itsm_workflow.testing.conformance._wording import word
from itsm_workflow.testing.conformance._zones import TWICE, summer_time

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import StorageBackend

TEXTS = (
    "",
    "接入 nginx 日志 — naïve café",
    "👩\u200d🚒 🏳️\u200d🌈 \U0010ffff",
    "line\nbreaks\r\nand\ttabs \u2028\u2029\x7f\x01",
    "quotes ' \" ` ; -- % \\ \\u0041 {} []",
    "e\u0301 is not \u00e9",
    "  spaces  ",
)

_COLUMNS = ("workflow", "state", "subject", "form", "document", "attention", "open_subject", "ticket_key", "ticket_sn")

DOCUMENTS = (
    "{}",
    "[]",
    "null",
    '"text"',
    '{"b":1,"a":2}',
    '{ "spaced" : [ 1, 2 ] }',
    '{"same":1,"same":2}',
    '{"big":123456789012345678901234567890,"bigger":' + "9" * 5000 + "}",
    '{"floats":[1.0,1.10,1e2,1E400,-0.0,0.1]}',
    '{"escaped":"\\u63a5\\u5165 \\ud800 \\/"}',
    '{"no":NaN}',
    '{\r"line\r\nends":\n"\r\r\n\u0085\u2028",\v\f}\r',
    "[" * 300 + "]" * 300,
    "[" + ",".join(['{"[":[]}'] * 101) + "]",
    json.dumps({text: [text] for text in TEXTS}, ensure_ascii=False),
)


class ValuePromises(Promises):
    """Values are read back as they were written, to the last character."""

    @promise()
    def test_ids_are_case_sensitive(self, backend: StorageBackend) -> None:
        """Names that differ in case, accents, spaces or variants of an emoji are different names.

        Port: "Times are integer microseconds since the Unix epoch, UTC. Ids are case-sensitive."
        """
        names = [
            "A",
            "a",
            "a ",
            "A\u030a",
            "\u00c4",
            "\u00e4",
            "\u00c5",
            "\u212b",
            "\uff41",
            "👩",
            "👩\u200d🚒",
            "❤",
            "❤\ufe0f",
        ]
        for name in names:
            assert backend.get(name) is None, f"get({name!a}) found another name"
            assert backend.commit([create(name, open_subject=name, ticket_key=name)]) == [None]
        for name in names:
            assert present(backend, name).id == name
            assert [name] == [line.change_id for line in whole_history(backend, name)]
            assert [name] == found(backend, ids=(name,))
        assert found(backend) == sorted(names)

    @promise()
    def test_times_are_exact(self, backend: StorageBackend) -> None:
        """Times are exact to the microsecond, also a thousand years from now, and in an hour that a zone has twice.

        Port: "Times are integer microseconds since the Unix epoch, UTC. Ids are case-sensitive."
        """
        with summer_time():
            for number, at in enumerate((NOW, NOW + 1, 0, -1, 33_000_000_000_000_001, 2**63 - 1, -(2**63), *TWICE)):
                row = create(f"c{number}", created_at=at, updated_at=at, due_at=at, submission=at).row
                lines = (entry(row.id, 1, at=at),)
                assert stored(backend, attrs.evolve(create(row.id), row=row, entries=lines)) == row
                assert whole_history(backend, row.id) == list(lines)

    @promise()
    def test_texts_are_exact(self, backend: StorageBackend) -> None:
        """Any text that people type or paste is read back.

        Port: "A backend never receives an object of this library other than the values below, which consist of strings,
        integers and None."
        """
        for number, text in enumerate(TEXTS):
            row = create(
                f"c{number}",
                workflow=text,
                state=text,
                attention=text,
                subject=text,
                open_subject=text,
                ticket_key=text,
            ).row
            row = attrs.evolve(row, ticket_sn=text, submission=number)
            line = entry(row.id, 1, trigger=text, source=text, dest=text, actor=text)
            assert stored(backend, attrs.evolve(create(row.id), row=row, entries=(line,))) == row
            assert whole_history(backend, row.id) == [line]
            assert [row.id] == found(backend, subject=text, workflow=text, states=(text,), ticket_sns=(text,))
            assert [row.id] == found(backend, open_subject=text)

    @promise()
    def test_text_that_cannot_be_stored_is_rejected(self, backend: StorageBackend) -> None:
        """A NUL or a lone surrogate in an id or another text: the error names the change, and nothing is stored.

        Port: "Two writes of one id, a version that is not ``expected_version + 1``, entries that do not number on to
        ``row.seq`` (or, where the version fits, from the stored one), a size or character the backend cannot keep."
        """
        for text in ("a\0b", "\0", "\ud83d", "\udc80 half"):
            plain = create("c1")
            writes = [create(text), attrs.evolve(plain, entries=(entry("c1", 1, actor=text),))]
            for column in _COLUMNS:
                spoiled: dict[str, Any] = {column: text}
                writes.append(create("c1", **spoiled))
            for write in writes:
                try:
                    backend.commit([write])
                except UnicodeError as error:
                    raise AssertionError(f"{word(write)} raised an encoding error, not a ValueError") from error
                except ValueError as error:
                    if repr(write.row.id) not in str(error):
                        raise AssertionError(f"{error} does not name the change {write.row.id!a}") from error
                else:
                    raise AssertionError(f"{word(write)} was not refused")
        assert found(backend) == []

    @promise()
    def test_documents_are_exact(self, backend: StorageBackend) -> None:
        """A document is an opaque text: it is not parsed, reformatted or rounded.

        Port: "Everything that no column holds, as canonical JSON."
        """
        for number, text in enumerate(DOCUMENTS):
            write = create(f"c{number}", form=text, document=text)
            write = attrs.evolve(write, entries=(entry(write.row.id, 1, document=text),))
            assert stored(backend, write) == write.row
            assert whole_history(backend, write.row.id) == list(write.entries)

    @promise()
    def test_a_long_document(self, backend: StorageBackend) -> None:
        """A backend must accept a document of one mebibyte.

        Port: "Everything that no column holds, as canonical JSON."
        """
        text = json.dumps({"paths": ["/var/log/接入/" + "x" * 1000] * 1024}, ensure_ascii=False)
        row = stored(backend, create("c1", document=text, form=text))
        assert (text, text) == (row.document, row.form)
        assert stored(backend, follow(row, state="pending")).document == text
