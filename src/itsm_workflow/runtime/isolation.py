"""What goes wrong with one change of a pass is reported, and holds no other change up.

A store that cannot be reached is no such trouble: it is raised, and ends the pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, Unpack

import attrs

from itsm_workflow.errors import StorageConflict, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.runtime.journal import Journal, Prepared
    from itsm_workflow.runtime.observers import Observers
    from itsm_workflow.storage.codec import Stored

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

POISON = "the change could not be looked into, and is due again"


@attrs.frozen(kw_only=True)
class Isolation:
    """Keeps the changes of a pass apart. Outcomes are the names of a `Report`'s counts."""

    journal: Journal
    observers: Observers

    def prepared(self, change_id: str, prepare: Callable[[], T]) -> T | None:
        """Return what was prepared of one change, or None if that failed; observers are notified then."""
        try:
            return prepare()
        except StorageUnavailable:
            raise  # for all of them
        except Exception as error:  # noqa: BLE001 - refused by the machine, or a host's rule failed in any way
            self.observers.on_trouble(change_id, error, doing=POISON)
            return None

    def commit(self, claims: Sequence[Prepared]) -> list[str]:
        """Commit several claims, and return for each what it lost on; empty if it was stored.

        One change whose rows are damaged, or that no backend stores, can fail the commit of all of them. Then each is
        committed by itself.
        """
        try:
            return ["busy" if conflict else "" for conflict in self.journal.commit(claims)]
        except StorageUnavailable:
            raise
        except Exception:  # noqa: BLE001 - a refused value is a ValueError; which change it is about shows below
            return [self._commit_alone(claim) for claim in claims]

    def _commit_alone(self, claim: Prepared) -> str:
        try:
            return "busy" if self.journal.commit([claim])[0] else ""
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self.observers.on_trouble(claim.stored.change.id, error, doing=POISON)
            return "unreadable"

    def outcome(self, before: Stored, act: Callable[[Unpack[Ts]], tuple[Stored, bool]], *args: *Ts) -> str:
        """Do one change's part, and return what became of it."""
        try:
            after, answered = act(*args)
        except StorageConflict:
            return "busy"
        except StorageUnavailable:
            raise  # for all of them
        except Exception as error:  # noqa: BLE001 - whatever it is, the next change has nothing to do with it
            self.observers.on_trouble(before.change.id, error, doing=POISON)
            return "unreadable"
        if not answered:
            return "failed"
        return "moved" if after.seq > before.seq else "unchanged"
