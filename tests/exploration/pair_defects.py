"""Defects that one change alone does not show: what two changes of a subject share although they must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import EffectStatus, PlannedEffect
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.testing.exploration.library import Library

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.runtime.journal import Prepared
    from itsm_workflow.settle import Step
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.testing.exploration.still import SubjectRow


class FirstApprovedPasses(Library):
    """Opens the gate by any approved change of the subject, the oldest first."""

    def gate(self, changes: Sequence[SubjectRow]) -> str | None:
        """Return the first that grants."""
        for row in changes:
            if row.stored is not None and self.journal.definition.is_granting(row.stored.change.state):
                return row.id
        return None


class KeyOfTheSubject(Library):
    """Makes the key of a ticket from the subject, so that a second submission has the key of the first."""

    def apply(self, key: str, owner: str, number: int = 1) -> Prepared:
        """Submit under the key of the subject."""
        del key
        return super().apply("K1", owner, number)


class KeepsItsTicket(Library):
    """Submits a change for another approval, and keeps the ticket of the one before."""

    def fire(self, stored: Stored, steps: Sequence[Step], *, actor: str) -> Prepared | None:
        """Fire, and put the earlier ticket back."""
        prepared = super().fire(stored, steps, actor=actor)
        if prepared is None or all(step.trigger != Trigger.SUBMIT for step in steps):
            return prepared
        change = attrs.evolve(prepared.stored.change, ticket=stored.change.ticket)
        return attrs.evolve(prepared, stored=attrs.evolve(prepared.stored, change=change))


class SeveralAreOpen(Library):
    """Keeps its changes in a store that does not know which one holds the subject."""

    def one_change_is_open(self) -> bool:
        """Accept each."""
        return False


def effect_of_the_subject(change: ChangeRequest, name: str, now: dt.datetime, actor: str) -> ChangeRequest:
    """Plan an effect whose id has neither the change nor the number of its submission."""
    effect = PlannedEffect(
        id=f"{change.subject}.{name}", name=name, status=EffectStatus.PLANNED, due_at=now, actor=actor
    )
    return attrs.evolve(change, effects=(*change.effects, effect), planned=change.planned + 1)
