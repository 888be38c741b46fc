"""The spellings of a secret: the text itself, and what the usual encodings make of it."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

_SHORTEST = 8
"""The fewest characters of base64 that are searched: fewer occur by chance."""

_BITS_OF_BYTE, _BITS_OF_CHARACTER, _BYTES_OF_GROUP = 8, 6, 3
_URL_SAFE = str.maketrans("+/", "-_")


def spellings(secret: str) -> dict[str, str]:
    """Return each text that contains a secret, with the name of its encoding; the name is empty for the secret itself.

    Base64 is searched wherever the secret begins in what was encoded, such as ``user:password``.
    """
    raw = secret.encode()
    quoted = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    named = {
        "escaped": {json.dumps(secret)[1:-1], repr(secret)[1:-1], html.escape(secret)},
        "URL-quoted": quoted | {_lower_quoted(one) for one in quoted},
        "in hexadecimal": {raw.hex(), raw.hex().upper()},
        "in base64": {text for before in range(_BYTES_OF_GROUP) for text in _base64(raw, before)},
    }
    found = {secret: ""}
    for name, texts in named.items():
        for text in texts:
            found.setdefault(text, name)
    return found


def _lower_quoted(text: str) -> str:
    """Return a quoted text with the digits after each percent sign in lower case."""
    first, *others = text.split("%")
    return "%".join([first, *(one[:2].lower() + one[2:] for one in others)])


def _base64(raw: bytes, before: int) -> set[str]:
    """Return the base64 of bytes after a number of others, without the characters that depend on their neighbours."""
    whole = base64.b64encode(bytes(before) + raw).decode()
    first = -(-before * _BITS_OF_BYTE // _BITS_OF_CHARACTER)
    last = (before + len(raw)) * _BITS_OF_BYTE // _BITS_OF_CHARACTER
    text = whole[first:last]
    return {text, text.translate(_URL_SAFE)} if len(text) >= _SHORTEST else set()
