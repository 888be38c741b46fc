"""Files as the parts of a form."""

from __future__ import annotations

import email.parser
import email.policy
import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.bkapi import upload
from itsm_workflow.bkapi.upload import MAX_UPLOAD, File, encode_form, take_files
from itsm_workflow.secrets import Secret

if TYPE_CHECKING:
    from email.message import EmailMessage

NAME = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\\u2028\u2029\x85'), min_size=1)


def parts(body: bytes, kind: str) -> list[tuple[str, str, object]]:
    """Read a form with another reader: name, file name and bytes of each part."""
    message: EmailMessage = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        f"Content-Type: {kind}\r\n\r\n".encode() + body
    )
    found = []
    for part in message.iter_parts():
        told = part["Content-Disposition"].params
        found.append((told["name"], told.get("filename", ""), part.get_payload(decode=True)))
    return found


@given(st.binary(max_size=200))
def test_any_bytes_arrive_as_they_are(content: bytes) -> None:
    """The boundary is drawn anew for each form, so that nothing in a file can end its part."""
    body, kind = encode_form("e", {}, {"f": File(name="a.bin", content=content)})
    boundary = kind.partition("boundary=")[2].encode()
    head = b'--%b\r\nContent-Disposition: form-data; name="f"; filename="a.bin"\r\n' % boundary

    assert body == head + b"Content-Type: application/octet-stream\r\n\r\n%b\r\n--%b--\r\n" % (content, boundary)


def test_a_file_is_bytes_unless_its_type_is_given() -> None:
    """By the name that HTTP has for them; they are not shown."""
    file = File(name="a", content=b"canary")

    assert file.content_type == "application/octet-stream"
    assert "canary" not in repr(file)


def test_another_reader_finds_the_same() -> None:
    """Fields first, then the files."""
    body, kind = encode_form(
        "e", {"a": "text", "b": [1]}, {"f": File(name="x.txt", content=b"c", content_type="text/x")}
    )

    assert parts(body, kind) == [("a", "", b"text"), ("b", "", b"[1]"), ("f", "x.txt", b"c")]


@pytest.mark.parametrize(
    ("name", "written"), [('a"b', b'"a%22b"'), ("a\r\nX: y", b'"a%0D%0AX: y"'), ("名", '"名"'.encode())]
)
def test_a_name_cannot_end_its_header(name: str, written: bytes) -> None:
    """As browsers write it."""
    body, _ = encode_form("e", {}, {"f": File(name=name, content=b"")})

    assert b"filename=" + written in body
    assert body.count(b"\r\n\r\n") == 1


def test_a_sealed_field_is_opened_and_none_left_out() -> None:
    """As in JSON."""
    body, _ = encode_form("e", {"a": Secret("s-1"), "b": None}, {})

    assert b"s-1" in body
    assert b'name="b"' not in body


@pytest.mark.parametrize(
    ("params", "files", "words"),
    [
        ({}, {"": File(name="a", content=b"")}, "must have a name"),
        ({"": "a"}, {}, "must have a name"),
        ({"a": "\ud800"}, {}, "holds a lone surrogate"),
        ({"a": {1}}, {}, "cannot be written as JSON"),
        ({}, {"f": File(name="a", content=b"", content_type="a\r\nb")}, "cannot be sent in a header"),
    ],
)
def test_what_cannot_be_written(params: dict[str, Any], files: dict[str, File], words: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match=words):
        encode_form("e", params, files)


class TestTaking:
    """Files that are given open."""

    def test_open_files_are_taken_out_of_the_parameters(self) -> None:
        """By what they can do, as the platform's framework does; the name is the parameter's if they have none."""
        params, files = take_files("e", {"a": 1, "f": io.BytesIO(b"x")}, {"g": File(name="g.txt", content=b"y")})

        assert params == {"a": 1}
        assert files == {"f": File(name="f", content=b"x"), "g": File(name="g.txt", content=b"y")}

    def test_a_file_that_is_open_for_text(self) -> None:
        """Its bytes are not known."""
        with pytest.raises(ValueError, match="search: the file 'f' is open in text mode: open it in mode 'rb'"):
            take_files("search", {}, {"f": io.StringIO("x")})  # type: ignore[dict-item] # the point

    def test_a_file_whose_name_is_a_number(self) -> None:
        """As that of a file that was opened by its descriptor: the parameter's name is taken."""

        class Numbered(io.BytesIO):
            """Such a file."""

            name = 7

        _, files = take_files("e", {}, {"f": Numbered(b"x")})
        assert files["f"].name == "f"

    def test_what_is_no_file(self) -> None:
        """A path is none."""
        with pytest.raises(ValueError, match="search: the file 'f' is neither a File nor open"):
            take_files("search", {}, {"f": "a.txt"})  # type: ignore[dict-item] # the point

    def test_the_most_that_a_form_holds(self) -> None:
        """In bytes."""
        assert MAX_UPLOAD == 32 << 20

    def test_files_that_are_too_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """All together; a file without end is read up to the limit only."""
        monkeypatch.setattr(upload, "MAX_UPLOAD", 10)

        class Endless(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                return b"x" * (size or 0)

        _, files = take_files("e", {}, {"f": Endless()})
        assert len(files["f"].content) == 11
        assert encode_form("search", {}, {"g": File(name="g", content=b"y" * 10)})
        with pytest.raises(ValueError, match="search: the files have 12 bytes, more than the limit of 10"):
            encode_form("search", {}, {**files, "g": File(name="g", content=b"y")})
