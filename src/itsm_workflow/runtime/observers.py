"""Notifications of entries and errors: one log line for each, and calls of the host's observers.

The audit trail is the stored history; observers are for logs, metrics and alerts. They are called after the commit, so
they cannot undo it.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from itsm_workflow.errors import ItsmWorkflowError
from itsm_workflow.failures import failures
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.change import ChangeRequest, Entry

logger = logging.getLogger("itsm_workflow")
logger.addHandler(logging.NullHandler())


class Observer(Protocol):
    """An object that is notified of each committed entry and of each error that the library handled itself.

    Several threads may call it at the same time. An exception that it raises is logged, and changes nothing,
    unless it ends the process.
    """

    def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
        """Handle an entry after its commit, in the thread that committed it.

        Args:
            change: The change as stored in the same commit, which may hold further entries.
            entry: The entry.
        """
        ...

    def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
        """Handle an error that was not raised to a caller, in the thread that caught it.

        Args:
            change_id: The change; empty if the error concerns no single change.
            error: The error. An error that is not of this library is wrapped in an `ItsmWorkflowError`.
        """
        ...


@runtime_checkable
class SuppliesTrace(Protocol):
    """An observer that knows the trace in which a request is handled."""

    def traceparent(self) -> str:
        """Return the W3C ``traceparent`` to store with a submission, or an empty text."""
        ...


_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Observers:
    """Notifies several observers. If one raises, the error is logged, and the others are notified all the same."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = tuple(observers)

    def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
        """Log the entry in one line with flat extras, and notify the observers."""
        if logger.isEnabledFor(logging.INFO):
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
            except failures():  # the entry is committed, so an observer's error must not reach the caller
                logger.exception("observer %s failed on %s", type(observer).__name__, entry.trigger)

    def traceparent(self) -> str:
        """Return the ``traceparent`` of the first observer that supplies one, or an empty text."""
        for observer in self._observers:
            if not isinstance(observer, SuppliesTrace):
                continue
            try:
                trace: object = observer.traceparent()
            except failures():  # the request is filed without a trace
                logger.exception("observer %s failed on %s", type(observer).__name__, "traceparent")
                continue
            if isinstance(trace, str) and _TRACEPARENT.fullmatch(trace):
                return trace  # anything else is not a trace, and the empty text is not one either
        return ""

    def on_trouble(self, change_id: str, error: BaseException, *, doing: str = "") -> None:
        """Log an error in one line, and notify the observers.

        Args:
            change_id: The change; empty if the error concerns no single change.
            error: The error. One that is not an `ItsmWorkflowError` is wrapped in one.
            doing: The beginning of the wrapper's message: what failed, and what happens next.
        """
        if not isinstance(error, ItsmWorkflowError):
            error = ItsmWorkflowError(f"{doing}: {describe(error)}")
        facts = {"itsm_request_id": change_id, "itsm_error": error, "itsm_error_code": error.code}
        if change_id:
            logger.warning("%s: %s", change_id, error, extra=facts)
        else:
            logger.warning("%s", error, extra=facts)
        for observer in self._observers:
            try:
                observer.on_trouble(change_id, error)
            except failures():  # as above
                logger.exception("observer %s failed on %s", type(observer).__name__, error.code)
