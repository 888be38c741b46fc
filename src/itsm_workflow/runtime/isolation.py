"""Poison records: an error in one change of a pass is reported, and does not stop the others.

An unavailable store concerns all changes, so its error is raised and ends the pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, Unpack

import attrs

from itsm_workflow.errors import StorageConflict, StorageUnavailable
from itsm_workflow.failures import failures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.runtime.journal import Journal, Prepared
    from itsm_workflow.runtime.observers import Observers
    from itsm_workflow.storage.codec import Stored

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

POISON = "the change could not be processed, and falls due again"


@attrs.frozen(kw_only=True)
class Isolation:
    """Catches the errors of single changes. Outcomes are the names of a `Report`'s counts."""

    journal: Journal
    observers: Observers

    def prepare(self, change_id: str, prepare: Callable[[], T]) -> T | None:
        """Return the result of preparing one change, or None if that failed; observers are notified of the error."""
        try:
            return prepare()
        except StorageUnavailable:
            raise  # it concerns all changes
        except failures() as error:  # refused by the machine, or a host's rule may raise anything
            self.observers.on_trouble(change_id, error, doing=POISON)
            return None

    def commit(self, writes: Sequence[Prepared]) -> list[str]:
        """Commit several prepared writes, and return an outcome for each; empty if it was stored.

        One change whose rows are damaged, or that the backend rejects, can fail the commit of all of them. Then each
        write is committed separately.
        """
        if not writes:
            return []
        try:
            return ["busy" if conflict else "" for conflict in self.journal.commit(writes)]
        except StorageUnavailable:
            raise
        except failures():  # for example a ValueError for a value of one of the changes
            return [self._commit_separately(write) for write in writes]

    def _commit_separately(self, write: Prepared) -> str:
        try:
            return "busy" if self.journal.commit([write])[0] else ""
        except StorageUnavailable:
            raise
        except failures() as error:  # as above
            self.observers.on_trouble(write.stored.change.id, error, doing=POISON)
            return "unreadable"

    def process(self, before: Stored, act: Callable[[Unpack[Ts]], tuple[Stored, bool]], *args: *Ts) -> str:
        """Process one change, and return the outcome.

        Args:
            before: The change as it was read.
            act: A function that processes it, and returns the change as stored and whether the gateway answered.
            args: The arguments of ``act``.
        """
        try:
            after, answered = act(*args)
        except StorageConflict:
            return "busy"
        except StorageUnavailable:
            raise  # it concerns all changes
        except failures() as error:  # any error of one change must not stop the next one
            self.observers.on_trouble(before.change.id, error, doing=POISON)
            return "unreadable"
        if not answered:
            return "failed"
        return "moved" if after.seq > before.seq else "unchanged"
