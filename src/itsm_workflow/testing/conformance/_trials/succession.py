"""A process is killed before what it has written is durable, and another one goes on with what it finds."""

from __future__ import annotations

from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.conformance._rows import follow
from itsm_workflow.testing.conformance._trials.calls import CHANGES, KILLED_BEFORE, KILLS, WORDS, Kind
from itsm_workflow.testing.conformance._trials.crash import History
from itsm_workflow.testing.conformance._trials.recorded import numbered
from itsm_workflow.testing.conformance._trials.runner import Died
from itsm_workflow.testing.conformance._trials.stage import Point
from itsm_workflow.testing.conformance._trials.stories import A, B, committing, staged
from itsm_workflow.testing.conformance._trials.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.testing.conformance._trials.session import State
    from itsm_workflow.testing.conformance._trials.stage import FileStage

_NAMES = Kind.CREATE | Kind.RENAME | Kind.LINK | Kind.UNLINK


@attrs.frozen
class Succession:
    """The work of two processes on one store, of which the first was killed.

    Attributes:
        trial: The calls of both processes.
        history: The recorded calls on files of both.
        states: By change, its row and its entries after the commit of the second process.
    """

    trial: Trial
    history: History
    states: Mapping[str, State]


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

    Return None if the first process came to its end, or if the second could not commit: that is found elsewhere.
    """
    trial = Trial(script := stage.reset(), point)
    if of_making:
        stage.put({})
    base, inodes = ({}, {}) if of_making else (stage.base, stage.inodes())
    with staged(stage, trial) as start:
        a, b = start(A, spoiled=True), start(B)
        a.arm(point)
        try:
            trial.make("open", a, "open")
            for number, writes in enumerate(script.base if of_making else (script.first, script.second), start=1):
                trial.make(f"commit {number}", a, "commit", writes)
        except Died:
            trial.fault = f"process 1 is killed {KILLS[point.fault]} {point.step}"  # type: ignore[index]  # it was
        b.arm(Point())  # to record its calls
        trial.make("open elsewhere", b, "open")
        trial.read("read elsewhere", b)
        contents = trial.contents("read elsewhere")
        if not trial.fault or contents is None:
            return None
        made = script.competing[1]
        writes = [*(follow(row) for row, _ in contents.states.values() if row), made]
        if trial.make("elsewhere", b, "commit", writes).answer != [None] * len(writes):
            return None
    history = History(base, inodes, stage.operations(), names_are_kept=stage.names_are_kept)
    stored = {write.row.id: (write.row, (*contents[write.row.id][1], *write.entries)) for write in writes}
    return Succession(trial, history, {**contents.states, **stored})
