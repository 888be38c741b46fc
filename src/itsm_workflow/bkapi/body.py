"""The body of an answer, read within a bound: never more than the limit is held, packed or unpacked.

What goes wrong is a value, so that no traceback passes through frames that hold what a server sent.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

import attrs

from itsm_workflow.errors import GatewayAnswerTooLarge, GatewayError, GatewayProtocolError, GatewayTimeout

if TYPE_CHECKING:
    from collections.abc import Mapping

BROKE = "the connection broke before the answer was complete"
CHUNK = 1 << 14
"""Bytes that are read or written in one go."""
_BODILESS = frozenset({*range(100, 200), 204, 304})  # whatever length they state
_GZIP = 31  # zlib's word for "a gzip header must be there"


@attrs.frozen
class Failure:
    """Why there is no answer, as a value.

    Attributes:
        kind: The error to raise.
        problem: Its message.
        status: The HTTP status, if there was one.
    """

    kind: type[GatewayError]
    problem: str
    status: int | None = None


class Readable(Protocol):
    """The reading end of a response, as urllib3 has it."""

    def read(self, amt: int, *, decode_content: bool) -> bytes:
        """Return at most that many bytes, still packed; none at the end."""
        ...


def read_body(raw: Readable, status: int, headers: Mapping[str, str], limit: int) -> bytes | Failure:
    """Return the body, unpacked, or why it cannot be used.

    Args:
        raw: Where it comes from.
        status: The HTTP status.
        headers: The answer's headers by lower-case name.
        limit: Bytes that are held, packed or unpacked.
    """
    packed = _read_packed(raw, status, headers, limit)
    found = packed if isinstance(packed, Failure) else unpack(packed, headers.get("content-encoding", ""), limit)
    return attrs.evolve(found, status=status) if isinstance(found, Failure) else found


def _read_packed(raw: Readable, status: int, headers: Mapping[str, str], limit: int) -> bytes | Failure:
    stated = headers.get("content-length", "")
    expected = int(stated) if stated.isascii() and stated.isdigit() and "transfer-encoding" not in headers else 0
    if expected > limit:
        return too_large(limit)
    parts, size = [], 0
    # Read as packed: the library would unpack a whole chunk at once, whatever comes out of it.
    while part := raw.read(CHUNK, decode_content=False):
        parts.append(part)
        size += len(part)
        if size > limit:
            return too_large(limit)
    if size < expected and status not in _BODILESS:  # older urllib3 does not look
        return Failure(GatewayTimeout, f"{BROKE}; it may have been done")
    return b"".join(parts)


def unpack(packed: bytes, encoding: str, limit: int) -> bytes | Failure:
    """Return the body of a packed one; unpacking stops one byte after the limit."""
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"} or not packed:
        return packed
    if encoding not in {"gzip", "x-gzip"}:
        return Failure(GatewayProtocolError, "the answer is packed in a way that was not asked for")
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        body = unpacker.decompress(packed, limit + 1)
    except zlib.error:
        return Failure(GatewayProtocolError, "the answer cannot be unpacked; it may have been done")
    if len(body) > limit:
        return too_large(limit)
    if not unpacker.eof or unpacker.unused_data:
        return Failure(GatewayProtocolError, "the answer cannot be unpacked; it may have been done")
    return body


def too_large(limit: int) -> Failure:
    """Return the failure of a body over the limit."""
    return Failure(GatewayAnswerTooLarge, f"the answer is larger than {limit} bytes; it may have been done")
