"""A replay of a change's history, entry by entry, next to the workflow that writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import TransitionRefused
from itsm_workflow.machine.engine import fire, open_change
from itsm_workflow.machine.evidence import Drafted, Submission

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.errors import ItsmWorkflowError
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy


@attrs.frozen(kw_only=True)
class Replayed:
    """One entry, and the result of firing its trigger again.

    Attributes:
        entry: The entry as it was written.
        before: The change that the entries before it produce.
        after: The change that it produces.
        refired: The entry that firing produces, or None if it adds nothing.
        repeat: The entry that the same trigger with the same evidence would produce immediately after it; None if it
            adds nothing or is refused, so a repeat writes nothing.
    """

    entry: Entry
    before: ChangeRequest | None
    after: ChangeRequest
    refired: Entry | None
    repeat: Entry | None


class Replay:
    """Observes one change of a workflow, and replays its history.

    Attributes:
        entries: The history so far.
        replayed: The result of the replay.
        problem: The reason for which an entry could not be replayed, or empty.
        effects: The names of the effects to plan when a state is entered, by state.
    """

    def __init__(
        self, definition: WorkflowDefinition, policy: Policy, effects: Mapping[str, Sequence[str]], *, subject: str
    ) -> None:
        self.entries: list[Entry] = []
        self.replayed: list[Replayed] = []
        self.problem = ""
        self._definition = definition
        self._policy = policy
        self.effects = effects
        self._subject = subject

    @property
    def change(self) -> ChangeRequest:
        """The change that the whole history produces."""
        return self.replayed[-1].after

    def on_entry(self, _change: ChangeRequest, entry: Entry) -> None:
        """Keep an entry; `follow` replays it, since an error raised here would not reach the test."""
        self.entries.append(entry)

    def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
        """Ignore errors that the workflow handled."""

    def at_home(self, evidence: object) -> object:
        """Return the evidence, without the names of the host's effects in a submission, which the replay plans itself.

        A submission by a process of another version can name other effects and their states.
        """
        if not isinstance(evidence, Submission):
            return evidence
        own = {name for names in self.effects.values() for name in names}
        kept = {state: tuple(name for name in names if name not in own) for state, names in evidence.effects.items()}
        return attrs.evolve(evidence, effects=kept)

    def follow(self) -> None:
        """Replay the new entries."""
        for entry in self.entries[len(self.replayed) :]:
            if self.problem:
                return
            try:
                self.replayed.append(self._replay(entry))
            except TransitionRefused as refused:
                self.problem = f"entry {entry.seq} was written, but firing it again is refused: {refused}"

    def _replay(self, entry: Entry) -> Replayed:
        if not self.replayed:
            if not isinstance(entry.evidence, Drafted):
                raise TypeError(f"a history must begin with a draft, not with {type(entry.evidence).__name__}")
            opened, first = open_change(
                self._definition,
                change_id=entry.change_id,
                subject=self._subject,
                form=entry.evidence.form,
                now=entry.at,
                actor=entry.actor,
            )
            return Replayed(entry=entry, before=None, after=opened, refired=first, repeat=None)
        before = self.change
        after, refired = self.fire(before, entry, entry.seq)
        try:
            _, repeat = self.fire(after, entry, entry.seq + 1)
        except TransitionRefused:
            repeat = None
        return Replayed(entry=entry, before=before, after=after, refired=refired, repeat=repeat)

    def fire(self, change: ChangeRequest, entry: Entry, seq: int) -> tuple[ChangeRequest, Entry | None]:
        """Fire an entry's trigger on a change, as the workflow would."""
        return fire(
            self._definition,
            change,
            entry.trigger,
            entry.evidence,
            now=entry.at,
            policy=self._policy,
            seq=seq,
            actor=entry.actor,
            effects=self.effects,
        )
