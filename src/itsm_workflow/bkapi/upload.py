"""Files that travel with a call, as the parts of a form."""

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
"""Bytes of all files of one call together."""


@attrs.frozen(kw_only=True)
class File:
    """A file of a form.

    Attributes:
        name: Its file name.
        content: Its bytes.
        content_type: Its media type.
    """

    name: str
    content: bytes = attrs.field(repr=False)
    content_type: str = "application/octet-stream"


def take_files(
    endpoint: str, params: Mapping[str, Any], files: Mapping[str, File | IO[bytes]]
) -> tuple[dict[str, Any], dict[str, File]]:
    """Return the parameters without the open files among them, and all files, read; a file can be read only once.

    Raises:
        ValueError: A file is open for text, or too large.
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
        raise ValueError(f"{endpoint}: the file {key!r} is open for text, open it in mode 'rb'")  # noqa: TRY004 - one kind of error for all bad input
    name = getattr(file, "name", "")
    return File(name=(PurePath(name).name if isinstance(name, str) else "") or key, content=content)


def encode_form(endpoint: str, params: Mapping[str, Any], files: Mapping[str, File]) -> tuple[bytes, str]:
    """Return a multipart body and its content type; a parameter that is no text is written as JSON.

    Raises:
        ValueError: A name or a value cannot be written, or the files are too large.
    """
    size = sum(len(file.content) for file in files.values())
    if size > MAX_UPLOAD:
        raise ValueError(f"{endpoint}: the files have {size} bytes, more than the {MAX_UPLOAD} that are sent at once")
    boundary = secrets.token_hex(16)
    attached = [
        (
            f"Content-Disposition: form-data; name={_quoted(key)}; filename={_quoted(file.name)}\r\n{_type_of(file)}",
            file.content,
        )
        for key, file in files.items()
    ]
    names = {key: _quoted(key) for key, value in params.items() if value is not None}
    # Last: they hold secrets in clear, and a traceback of what fails may be shown with its variables.
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
    """Return a name as browsers write it: the three characters that could end it are escaped."""
    if not name:
        raise ValueError("a part of a form must have a name")
    return '"' + sound("a form", "a name", name).replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A") + '"'


def _type_of(file: File) -> str:
    if not (file.content_type.isascii() and file.content_type.isprintable()):
        raise ValueError(f"the media type {file.content_type!a} cannot stand in a header")
    return f"Content-Type: {file.content_type}"
