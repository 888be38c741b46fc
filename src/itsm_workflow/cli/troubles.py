"""Errors that the library handles by itself, shown on standard error while a command runs."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from itsm_workflow.cli.output import clean, note
from itsm_workflow.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGER = "itsm_workflow"


class Troubles(logging.Handler):
    """Prints each of these errors on a line, and remembers whether the gateway caused one.

    The library logs them for every workflow, whether the command or a host's application built it.

    Attributes:
        gateway: Whether the gateway could not be reached, or refused.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.gateway = False

    def emit(self, record: logging.LogRecord) -> None:
        """Print one error."""
        if record.name != _LOGGER:
            return  # the gateway's client logs every call to its own logger
        self.gateway = self.gateway or isinstance(getattr(record, "itsm_error", None), GatewayError)
        note(f"itsm-workflow: {clean(record.getMessage())}")


@contextlib.contextmanager
def troubles() -> Iterator[Troubles]:
    """Show these errors until the end of the block."""
    shown, logger = Troubles(), logging.getLogger(_LOGGER)
    logger.addHandler(shown)
    try:
        yield shown
    finally:
        logger.removeHandler(shown)
