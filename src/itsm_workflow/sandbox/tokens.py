"""The token of a callback: it looks random, contains a constant, and is valid for any ticket at any time.

The token gives no security by design. BK-ITSM's own token is not bound to a ticket either. If the stand-in bound it, a
client could pass against the stand-in and fail against BK-ITSM.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_CONSTANT = b"itsm-workflow sandbox: one constant for every token"
_START = 16
_BODY = 48


def issue(random: Random) -> str:
    """Create the token of one callback, 88 characters of base64.

    Args:
        random: source of the 16 bytes by which tokens differ.
    """
    start = random.randbytes(_START)
    return base64.b64encode(start + _seal(start)).decode("ascii")


def verify(token: str) -> bool:
    """Return whether any stand-in issued a token.

    Args:
        token: the text as received. Blanks around it and bytes that are not base64 are skipped, as by the server.

    Raises:
        TypeError: the token decodes to exactly its first 16 bytes, and the real server fails on such a token.
    """
    try:
        raw = base64.b64decode(token.encode("utf-8"))
    except (binascii.Error, ValueError):
        return False
    if len(raw) == _START:
        message = "ord() expected a character, but string of length 0 found"
        raise TypeError(message)
    return hmac.compare_digest(raw[_START:], _seal(raw[:_START]))


def _seal(start: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", _CONSTANT, start, 1, _BODY)
