"""Files that are sent with a call, as parts of a form."""

from __future__ import annotations

import secrets
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

import attrs

from itsm_workflow.bkapi.outgoing import encode_json, sound
from itsm_workflow.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

MAX_UPLOAD = 32 << 20
"""The largest total size of the files of one call, in bytes."""


@attrs.frozen(kw_only=True)
class File:
    """A file of a form.

    Attributes:
        name: The file name.
        content: The bytes.
        content_type: The media type.
    """

    name: str
    content: bytes = attrs.field(repr=False)
    content_type: str = "application/octet-stream"


def take_files(
    endpoint: str, params: Mapping[str, Any], files: Mapping[str, File | IO[bytes]]
) -> tuple[dict[str, Any], dict[str, File]]:
    """Read the open files, each once, and return the parameters without files and all files.

    Raises:
        ValueError: A file is not a `File` and not open for reading bytes.
    """
    found = {**{key: value for key, value in params.items() if _is_open(value)}, **files}
    taken = {key: _taken(endpoint, key, value) for key, value in found.items()}
    return {key: value for key, value in params.items() if not _is_open(value)}, taken


def _is_open(value: object) -> bool:
    return hasattr(value, "read")


def _taken(endpoint: str, key: str, file: File | IO[bytes]) -> File:
    if isinstance(file, File):
        return file
    if not _is_open(file):
        raise ValueError(f"{endpoint}: the file {key!r} is neither a File nor open for reading")
    content = cast("object", file.read(MAX_UPLOAD + 1))
    if not isinstance(content, bytes):
        raise ValueError(f"{endpoint}: the file {key!r} is open in text mode: open it in mode 'rb'")  # noqa: TRY004 - one kind of error for all bad input
    name = getattr(file, "name", "")
    return File(name=(PurePath(name).name if isinstance(name, str) else "") or key, content=content)


def encode_form(endpoint: str, params: Mapping[str, Any], files: Mapping[str, File]) -> tuple[bytes, str]:
    """Return a multipart body and its content type; a parameter that is not a text is written as JSON.

    Raises:
        ValueError: A name or a value cannot be encoded, or the files are too large.
    """
    size = sum(len(file.content) for file in files.values())
    if size > MAX_UPLOAD:
        raise ValueError(f"{endpoint}: the files have {size} bytes, more than the limit of {MAX_UPLOAD} bytes")
    boundary = secrets.token_hex(16)
    attached = [
        (
            f"Content-Disposition: form-data; name={_quoted(key)}; filename={_quoted(file.name)}\r\n{_type_of(file)}",
            file.content,
        )
        for key, file in files.items()
    ]
    names = {key: _quoted(key) for key, value in params.items() if value is not None}
    # Built last: they hold secrets in clear, and an earlier exception may be shown with its local variables.
    fields = [(f"Content-Disposition: form-data; name={name}", _field(params[key])) for key, name in names.items()]
    return _joined([*fields, *attached], boundary), f"multipart/form-data; boundary={boundary}"


def _joined(parts: Sequence[tuple[str, bytes]], boundary: str) -> bytes:
    return b"".join(
        [
            *(b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary.encode(), head.encode(), body) for head, body in parts),
            b"--%b--\r\n" % boundary.encode(),
        ]
    )


def _field(value: object) -> bytes:
    if isinstance(value, Secret):
        return value.reveal().encode()
    return sound("a form", "a field", value).encode() if isinstance(value, str) else encode_json(value)


def _quoted(name: str) -> str:
    """Return a quoted name, with the three characters that could end it escaped as browsers do."""
    if not name:
        raise ValueError("a part of a form must have a name")
    return '"' + sound("a form", "a name", name).replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A") + '"'


def _type_of(file: File) -> str:
    if not (file.content_type.isascii() and file.content_type.isprintable()):
        raise ValueError(f"the media type {file.content_type!a} cannot be sent in a header")
    return f"Content-Type: {file.content_type}"
