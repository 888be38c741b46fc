"""Damage that a backend can go on with: it logs what is damaged, and answers from the rest."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def logged_damage() -> Iterator[list[str]]:
    """Collect what backends log of a store that they can open all the same: the port has no other word for it."""
    told: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    listener, root = Listener(logging.WARNING), logging.getLogger()
    root.addHandler(listener)
    try:
        yield told
    finally:
        root.removeHandler(listener)
