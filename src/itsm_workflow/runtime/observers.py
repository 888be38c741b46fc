"""What happens, told to whoever wants to know: one log line per entry, and observers.

The audit trail is the stored history; this is for logs, metrics and alarms. An observer is told after the commit and
cannot undo it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from itsm_workflow.errors import ItsmWorkflowError, describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.change import ChangeRequest, Entry

logger = logging.getLogger("itsm_workflow")
logger.addHandler(logging.NullHandler())


class Observer(Protocol):
    """Is told of each committed entry and of each trouble that the library handled by itself."""

    def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
        """Hear of an entry; ``change`` is as it was stored in the same commit."""
        ...

    def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
        """Hear of an error that did not reach a caller; ``change_id`` is empty if it is about no single change."""
        ...


class Observers:
    """Tells several observers; one that fails is logged and harms nobody else."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = tuple(observers)

    def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
        """Log the entry in one line with flat extras, and tell everybody."""
        logger.info(
            "%s of %s: %s -> %s",
            entry.trigger,
            entry.change_id,
            entry.source or "new",
            entry.dest,
            extra={
                "itsm_request_id": entry.change_id,
                "itsm_sn": change.sn or "",
                "itsm_trigger": entry.trigger,
                "itsm_from": entry.source,
                "itsm_to": entry.dest,
                "itsm_actor": entry.actor,
            },
        )
        for observer in self._observers:
            try:
                observer.on_entry(change, entry)
            except Exception:  # the entry is committed: whoever listens must not make it look otherwise
                logger.exception("observer %s failed on %s", type(observer).__name__, entry.trigger)

    def on_trouble(self, change_id: str, error: Exception, *, doing: str = "") -> None:
        """Log the trouble in one line, and tell everybody; an error from elsewhere is told as one of ours.

        Args:
            change_id: The change; empty if it is about no single one.
            error: What went wrong.
            doing: What failed and what follows, for an error that does not say so itself.
        """
        if not isinstance(error, ItsmWorkflowError):
            error = ItsmWorkflowError(f"{doing}: {describe(error)}")
        logger.warning("%s: %s", change_id or "no change", error, extra={"itsm_request_id": change_id})
        for observer in self._observers:
            try:
                observer.on_trouble(change_id, error)
            except Exception:  # as above
                logger.exception("observer %s failed on %s", type(observer).__name__, error.code)
