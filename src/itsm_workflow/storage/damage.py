"""Damage that does not stop a backend: the backend logs it and works with the intact part of the store."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def logged_damage() -> Iterator[list[str]]:
    """Collect the warnings and errors that are logged while a store is opened or read.

    Logging is the only way in which a backend reports damage that does not stop it.
    """
    messages: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    listener, root = Listener(logging.WARNING), logging.getLogger()
    root.addHandler(listener)
    try:
        yield messages
    finally:
        root.removeHandler(listener)
