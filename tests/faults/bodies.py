"""Malformed callback bodies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from itsm_workflow.callbacks.parse import MAX_BODY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random


def malformed(random: Random, facts: Mapping[str, object]) -> bytes:
    """Return a body with one or more defects."""
    kind = random.randrange(8)
    name = random.choice(list(facts))
    odd: list[Any] = [None, True, 1, -1.5, [], {}, [[]], "", "\x00", "\ud800", "9" * 5000, {"a": {"b": {}}}, "x" * 3000]
    wrong = {**facts, name: random.choice(odd)}
    text = json.dumps(wrong)
    if kind == 0:
        return text.encode()[: random.randrange(len(text) + 1)]
    if kind == 1:
        return bytes(random.randrange(256) for _ in range(random.randrange(64)))
    if kind == 2:
        return text.encode(random.choice(["utf-16", "utf-32", "utf-8-sig"]))
    if kind == 3:
        return b"[" * random.randrange(1, 5000)
    if kind == 4:
        return f'{{"sn": "1", "sn": {random.choice(["NaN", "Infinity", "1e999", "9" * 5000, "-0", "{}"])}}}'.encode()
    if kind == 5:
        return b'"' + b"x" * random.choice([0, MAX_BODY - 2, MAX_BODY, MAX_BODY * 2]) + b'"'
    if kind == 6:
        place = random.randrange(len(text))
        return text[:place].encode() + bytes([random.randrange(256)]) + text[place + 1 :].encode()
    return text.encode()
