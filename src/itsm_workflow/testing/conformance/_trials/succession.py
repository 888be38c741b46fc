"""A process is killed before what it has written is durable, and another one goes on with what it finds."""

from __future__ import annotations

from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.conformance._rows import follow
from itsm_workflow.testing.conformance._trials.calls import CHANGES, KILLED_BEFORE, KILLS, WORDS, Kind
from itsm_workflow.testing.conformance._trials.crash import History, states
from itsm_workflow.testing.conformance._trials.recorded import numbered
from itsm_workflow.testing.conformance._trials.runner import Died
from itsm_workflow.testing.conformance._trials.stage import Point
from itsm_workflow.testing.conformance._trials.stories import A, B, committing, staged
from itsm_workflow.testing.conformance._trials.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow.testing.conformance._trials.crash import Loss
    from itsm_workflow.testing.conformance._trials.crash import State as Cut
    from itsm_workflow.testing.conformance._trials.session import State
    from itsm_workflow.testing.conformance._trials.stage import FileStage

_NAMES = Kind.CREATE | Kind.RENAME | Kind.LINK | Kind.UNLINK


@attrs.frozen
class Succession:
    """The work of two processes on one store, of which the first was killed.

    Attributes:
        trial: The calls of both processes.
        history: The recorded calls on files of both.
        since: The moment at which the second process began to commit.
        states: By change, its row and its entries after the commit of the second process.
        meanwhile: By change, those that it may have after a power cut during that commit; the last is after the commit.
    """

    trial: Trial
    history: History
    since: int
    states: Mapping[str, State]
    meanwhile: Mapping[str, tuple[State, ...]]

    def overtaken(self) -> Iterator[Cut]:
        """Yield the states that a power cut during that commit could leave, without all that was not synced before."""
        before = frozenset(self.history.pending(self.since))
        what = "of all that was not synced, only the calls of this commit are there"

        def losses(_: object, pending: Sequence[int]) -> Iterator[Loss]:
            if not before.isdisjoint(pending):
                yield what, frozenset(pending) - before, {}

        return states(self.history, self.since, losses)


def points(stage: FileStage, *, of_making: bool) -> list[Point]:
    """Return the calls after which a name may not be durable, of a process that makes a store or commits to one.

    These are the syncs, before which the process is killed, and the calls that follow one which names a file.
    """
    operations = stage.making
    if not of_making:
        committing(stage)
        operations = [*takewhile(lambda operation: operation.path != "begin third", stage.operations())]
    calls = [call for step in numbered(operations, CHANGES) for call in step]
    return [
        Point(at, KILLED_BEFORE, stage.short(f"{WORDS[operation.kind]} {operation.path}"))
        for (_, before), (at, operation) in pairwise(calls)
        if operation.kind & Kind.SYNC or (before.kind & _NAMES and not before.failed)
    ]


def succeeding(stage: FileStage, point: Point, *, of_making: bool) -> Succession | None:
    """Kill a process at a point; another one writes to every change that is there, creates one, and is killed, too.

    What the first one had acknowledged is there whatever happens during the commit of the second.

    Return None if the first process came to its end, or if the second could not commit: that is found elsewhere.
    """
    trial = Trial(script := stage.reset(), point)
    if of_making:
        stage.put({})
    acknowledged: set[str] = set()
    base, inodes = ({}, {}) if of_making else (stage.base, stage.inodes())
    with staged(stage, trial) as start:
        a, b = start(A, spoiled=True), start(B)
        a.arm(point)
        try:
            trial.make("open", a, "open")
            for number, writes in enumerate(script.base if of_making else (script.first, script.second), start=1):
                trial.make(f"commit {number}", a, "commit", writes)
                acknowledged |= {write.row.id for write in writes}
        except Died:
            trial.fault = f"process 1 is killed {KILLS[point.fault]} {point.step}"  # type: ignore[index]  # it was
        b.arm(Point())  # to record its calls
        trial.make("open elsewhere", b, "open")
        trial.read("read elsewhere", b)
        contents = trial.contents("read elsewhere")
        if not trial.fault or contents is None:
            return None
        made = script.created("n8")
        writes = [*(follow(row) for row, _ in contents.states.values() if row), made]
        if trial.make("elsewhere", b, "commit", writes).answer != [None] * len(writes):
            return None
    operations = stage.operations()
    history = History(base, inodes, operations, names_are_kept=stage.names_are_kept)
    since = max(moment for moment, operation in enumerate(operations, start=1) if operation.kind is Kind.NOTE)
    stored = {write.row.id: (write.row, (*contents[write.row.id][1], *write.entries)) for write in writes}
    after = {**contents.states, **stored}
    former = {} if of_making else {name: script.before(name) for name in script.names}
    meanwhile = {
        name: (*(() if name in acknowledged else (former.get(name, (None, ())),)), contents[name], state)
        for name, state in after.items()
    }
    return Succession(trial, history, since, after, meanwhile)
