"""The library's journal in the explored worlds: it prepares commits at one moment, and has no store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from itsm_workflow.runtime.journal import Journal, Prepared
from itsm_workflow.runtime.observers import Observers
from itsm_workflow.storage.codec import Codec, Stored
from itsm_workflow.storage.protocol import Order
from itsm_workflow.testing.exploration.ticks import COMMITTING, OVERTAKEN_BY

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy
    from itsm_workflow.storage.protocol import Query, Row, Write


class StillClock:
    """Always shows the moment of committing, a little after everything stored in this step of time."""

    def now(self) -> dt.datetime:
        """Return that moment."""
        return COMMITTING

    def elapsed(self) -> float:
        """Return 0: the explorer decides whether a send is still fresh."""
        return 0.0

    def boot(self) -> tuple[str, int]:
        """Return no boot: the walk's policies never resend automatically, so no second clock is needed."""
        return "", 0


class Silence(Observers):
    """An observer that ignores everything."""

    def on_trouble(self, change_id: str, error: BaseException, *, doing: str = "") -> None:
        """Log nothing: a refused trigger changes nothing, which the explored world shows."""


class _Uncoded(Codec):
    """Keeps changes as objects, since nothing is written."""

    def write(
        self,
        before: Stored | None,
        change: ChangeRequest,
        entries: Sequence[Entry],
        due_at: dt.datetime | None,
        *,
        open_subject: str | None,
    ) -> tuple[Write, Stored]:
        """Return the change to store, without a write."""
        del open_subject
        seq = (before.seq if before else 0) + len(entries)
        after = Stored(change=change, version=1, seq=seq, head="", form="", document="", due_at=due_at)
        return None, after  # type: ignore[return-value]  # no write


class SubjectRow(NamedTuple):
    """As much of a stored row as the numbers of submissions and the gate depend on.

    Attributes:
        id: The id of the change.
        submission: Its number; 0 before the first submission.
        is_open: Whether it holds the subject.
        stored: The change; None where only its number is read.
    """

    id: str
    submission: int
    is_open: bool
    stored: Stored | None = None


class StillJournal(Journal):
    """The library's journal at the one moment: it prepares commits, and has no store.

    Args:
        definition: The workflow.
        policy: All waits.
        effects: The names of the effects to plan, by state.

    Attributes:
        others: The stored changes of the subject besides the explored one; None in a walk of one change, where another
            change always has the same number.
    """

    def __init__(self, definition: WorkflowDefinition, policy: Policy, effects: Mapping[str, Sequence[str]]) -> None:
        super().__init__(
            storage=None,  # type: ignore[arg-type] # nothing is stored
            definition=definition,
            policy=policy,
            clock=StillClock(),
            effects={state: tuple(names) for state, names in effects.items()},
            observers=Silence(),
        )
        self._codec = _Uncoded({})
        self.prepared: Prepared | None = None
        self.others: tuple[SubjectRow, ...] | None = None

    def highest_submission(self, subject: str, *, besides: str | None = None) -> int:
        """Return the number of another submission, between this one's read of the number and its commit."""
        if self.others is None:
            return OVERTAKEN_BY
        return super().highest_submission(subject, besides=besides)

    def rows(self, query: Query) -> Iterator[Row]:
        """Yield what the store answers to a question about the subject: the other changes of a walk of several."""
        found = self.others or ()
        if query.open_subject is not None:
            found = tuple(one for one in found if one.is_open)
        if query.order is Order.SUBMISSION:
            found = tuple(sorted((one for one in found if one.submission), key=lambda one: -one.submission))
        yield from found  # type: ignore[misc]  # as much of a row as is read

    def read(self, row: Row) -> Stored:
        """Return the change of a row."""
        return row.stored  # type: ignore[attr-defined,no-any-return]  # see `rows`

    def commit_one(self, prepared: Prepared, *, announced: bool = True) -> Stored:
        """Keep the change that would be stored now; None if it adds nothing."""
        del announced
        news = prepared.before is None or prepared.is_news
        self.prepared = prepared if news else None
        return prepared.stored
