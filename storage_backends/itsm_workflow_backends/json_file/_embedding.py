"""Embed JSON texts in JSON lines: as JSON values if that restores the identical text, otherwise as strings.

A reader of the file sees ``"document": {"title": ...}``. A text that differs from what `json` would write (other
spacing, numbers like ``1E2``, a duplicate key, escapes) is stored as the string ``document_text`` instead.
"""

from __future__ import annotations

import json
import re

_MAX_DEPTH = 100
_BRACKETS_AND_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def embed(fields: dict[str, object], name: str, text: str) -> None:
    """Add the text to the fields, under its name as a JSON value or under ``<name>_text`` as a string."""
    try:
        value = json.loads(text) if _is_shallow(text) else None
        identical = write(value) == text
    except (ValueError, RecursionError):
        identical = False
    if identical:
        fields[name] = value
    else:
        fields[f"{name}_text"] = text


def extract(fields: dict[str, object], name: str) -> str | None:
    """Remove the text from the fields and return it as it was passed to `embed`, or None if it is missing."""
    if name in fields:
        return write(fields.pop(name))
    text = fields.pop(f"{name}_text", None)
    if text is None or isinstance(text, str):
        return text
    raise TypeError(f"{name}_text is not a string")


def write(value: object, *, ascii_only: bool = False) -> str:
    """Return the JSON text of a value on one line."""
    return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"), allow_nan=False)


def _is_shallow(text: str) -> bool:
    """Return whether the text has so few nested levels that every JSON parser can read it."""
    if text.count("[") + text.count("{") <= _MAX_DEPTH:
        return True
    depth = 0
    for found in _BRACKETS_AND_STRINGS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > _MAX_DEPTH:
            return False
    return True
