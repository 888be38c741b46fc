"""Reading an answer's body within a size limit, which applies to the compressed and the decompressed bytes.

Failures are returned as values, so that no traceback holds frames with the server's bytes.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

import attrs

from itsm_workflow.errors import GatewayAnswerTooLarge, GatewayError, GatewayProtocolError, GatewayTimeout

if TYPE_CHECKING:
    from collections.abc import Mapping

BROKE = "the connection broke before the answer was complete"
MAYBE_DONE = "; the request may have been carried out"
CHUNK = 1 << 14
"""Bytes per read or write."""
_BODILESS = frozenset({*range(100, 200), 204, 304})  # they have no body, even if they state a length
_GZIP = 31  # the value with which zlib requires a gzip header


@attrs.frozen
class Failure:
    """The reason why a request has no usable answer, as a value.

    Attributes:
        kind: The exception class to raise.
        problem: The exception's message.
        status: The HTTP status, if one was received.
    """

    kind: type[GatewayError]
    problem: str
    status: int | None = None


class Readable(Protocol):
    """The raw response of urllib3, of which only ``read`` is used."""

    def read(self, amt: int, *, decode_content: bool) -> bytes:
        """Return at most ``amt`` bytes, not decompressed; an empty result marks the end."""
        ...


def read_body(raw: Readable, status: int, headers: Mapping[str, str], limit: int) -> bytes | Failure:
    """Return the decompressed body, or the failure that makes it unusable.

    Args:
        raw: The response to read from.
        status: The HTTP status.
        headers: The answer's headers by lower-case name.
        limit: The largest number of bytes, both compressed and decompressed.
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
    # Read without decoding: the library would decompress a whole chunk, however large the result is.
    while part := raw.read(CHUNK, decode_content=False):
        parts.append(part)
        size += len(part)
        if size > limit:
            return too_large(limit)
    if size < expected and status not in _BODILESS:  # older versions of urllib3 do not check the length
        return Failure(GatewayTimeout, f"{BROKE}{MAYBE_DONE}")
    return b"".join(parts)


def unpack(packed: bytes, encoding: str, limit: int) -> bytes | Failure:
    """Decompress a body; stop one byte after the limit."""
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"} or not packed:
        return packed
    if encoding not in {"gzip", "x-gzip"}:
        return Failure(GatewayProtocolError, "the answer has a content encoding that was not requested")
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        body = unpacker.decompress(packed, limit + 1)
    except zlib.error:
        return Failure(GatewayProtocolError, f"the answer cannot be decompressed{MAYBE_DONE}")
    if len(body) > limit:
        return too_large(limit)
    if not unpacker.eof or unpacker.unused_data:
        return Failure(GatewayProtocolError, f"the answer cannot be decompressed{MAYBE_DONE}")
    return body


def too_large(limit: int) -> Failure:
    """Return the failure for a body that exceeds the limit."""
    return Failure(GatewayAnswerTooLarge, f"the answer is larger than {limit} bytes{MAYBE_DONE}")
