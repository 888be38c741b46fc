"""The token of a callback: looks random, holds a constant, verifies for any ticket and at any time.

It is no security and is not meant to be: BK-ITSM's own token is bound to nothing either, and a stand-in that bound
it would let a client pass here and fail there.
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
    """Make the token of one callback, 88 characters of base64.

    Args:
        random: source of the 16 bytes in which tokens differ.
    """
    start = random.randbytes(_START)
    return base64.b64encode(start + _seal(start)).decode("ascii")


def verify(token: str) -> bool:
    """Tell whether a token is one that some sandbox issued.

    Args:
        token: text as received; blanks around it and bytes that are not base64 are skipped, as the server does.

    Raises:
        TypeError: the token decodes to exactly its first 16 bytes, over which the real server stumbles.
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
