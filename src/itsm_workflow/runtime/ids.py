"""Identifiers: sortable by time, unique without a server, safe in URLs, file names and ticket tags."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from itsm_workflow.clock import to_micros
from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U
_TIME_BYTES, _RANDOM_BYTES, _LENGTH = 6, 10, 26


def ulid(now: dt.datetime, entropy: Callable[[int], bytes] = os.urandom) -> str:
    """Return a ULID: 26 characters of ``[0-9A-Z]``, 48 bits of milliseconds, then 80 random bits.

    Args:
        now: An aware time at or after 1970.
        entropy: A function that returns the given number of random bytes; a seeded function makes the ids repeatable.

    Raises:
        TypeError: The function returned something else: ids could be equal.
    """
    random: object = entropy(_RANDOM_BYTES)
    if not isinstance(random, bytes) or len(random) != _RANDOM_BYTES:
        returned = f"{len(random)} bytes" if isinstance(random, bytes) else kind_of(random)
        raise TypeError(f"entropy({_RANDOM_BYTES}) must return {_RANDOM_BYTES} random bytes, but returned {returned}")
    milliseconds = to_micros(now) // 1000
    number = int.from_bytes(milliseconds.to_bytes(_TIME_BYTES, "big") + random, "big")
    return "".join([_ALPHABET[(number >> shift) & 31] for shift in range(5 * (_LENGTH - 1), -1, -5)])
