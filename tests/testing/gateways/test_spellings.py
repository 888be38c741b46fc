"""The check of a gateway finds a secret in the usual encodings, and takes no other text for one."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from itsm_workflow.testing.gateway_conformance._spellings import spellings

SECRET = "pass word/+ü'\"\\0123456789"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (f"sent {SECRET}!", ""),
        *((base64.b64encode((before + SECRET).encode()).decode(), "in base64") for before in ("", "a", "ab", "abc:")),
        *((base64.b64encode((before + SECRET + ":x").encode()).decode(), "in base64") for before in ("", "a", "ab")),
        (base64.urlsafe_b64encode(f">{SECRET}".encode()).decode(), "in base64"),
        (quote(SECRET), "URL-quoted"),
        (quote(SECRET, safe=""), "URL-quoted"),
        (quote_plus(SECRET), "URL-quoted"),
        (quote(SECRET).replace("%C3%BC", "%c3%bc").replace("%5C", "%5c").replace("%2B", "%2b"), "URL-quoted"),
        (SECRET.encode().hex(), "in hexadecimal"),
        (SECRET.encode().hex().upper(), "in hexadecimal"),
        (json.dumps({"key": SECRET}), "escaped"),
        (repr(ValueError(SECRET)), "escaped"),
    ],
)
def test_a_secret_is_found(text: str, encoding: str) -> None:
    """In each encoding, wherever it begins."""
    assert encoding in {name for spelling, name in spellings(SECRET).items() if spelling in text}


def test_a_short_secret_is_not_searched_in_base64() -> None:
    """A few characters occur by chance."""
    assert "in base64" not in spellings("abc").values()


def test_another_secret_is_not_found() -> None:
    """The characters of base64 that depend on the neighbours are left out, and no others."""
    other = base64.b64encode(f"user:{SECRET[:-1]}x".encode()).decode()
    assert not [spelling for spelling in spellings(SECRET) if spelling in other]
