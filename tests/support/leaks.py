"""The texts in which a secret could be seen: errors with the frames that they came through, and log records."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator


def frames_of(error: BaseException) -> Iterator[str]:
    """Yield what a report shows of an error, of its causes and of the variables in their frames.

    The frames of our tests are left out.
    """
    waiting: list[BaseException | None] = [error]
    seen: list[BaseException] = []
    while waiting:
        current = waiting.pop()
        if current is None or current in seen:
            continue
        seen.append(current)
        waiting += [current.__cause__, current.__context__]
        yield "".join(traceback.format_exception_only(current))
        yield f"{current!r} {current} {vars(current)!r} {getattr(current, '__notes__', '')}"
        for frame, _ in traceback.walk_tb(current.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                yield f"{frame.f_code.co_qualname} {frame.f_locals!r}"


def shown_by(record: logging.LogRecord) -> str:
    """Return everything that a formatter could write of a record."""
    return f"{record.getMessage()} {vars(record)!r}"
