"""The course of a trial: the calls of a process that meets an error, and those of other processes after it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._trials.calls import KILLS
from itsm_workflow.testing.conformance._trials.crash import History
from itsm_workflow.testing.conformance._trials.runner import Died, Stopped
from itsm_workflow.testing.conformance._trials.stage import Point, check_undisturbed
from itsm_workflow.testing.conformance._trials.trial import Ended, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from itsm_workflow.testing.conformance._trials.session import Contents
    from itsm_workflow.testing.conformance._trials.stage import Actor, FileStage, Stage

A, B, C = "process 1", "process 2", "process 3"

SHORTLY = 2.0
"""The seconds for a call of a process that waits for a lock, whose clocks advance instead; it may wait without end."""


@contextmanager
def staged(stage: Stage, trial: Trial) -> Iterator[Callable[..., Any]]:
    """Yield a function that starts processes, and end them after the block, which ends if one does not return."""
    actors: list[Actor] = []

    def start(name: str, *, spoiled: bool = False, hurried: bool = False, limit: float | None = None) -> Any:  # noqa: ANN401  # as the stage returns it
        actors.append(stage.actor(name, spoiled=spoiled, hurried=hurried, limit=limit))
        return actors[-1]

    try:
        yield start
    except Ended:
        with suppress(Exception):  # the process that was spoiled may be the one that was killed
            disarm(trial, actors[0])
    finally:
        for actor in actors:
            actor.end()


def writing(stage: Stage, point: Point) -> Trial:
    """Commit twice with an error on the way; then the same process goes on, another one works, and a third reads."""
    trial = Trial(script := stage.reset(), point)
    with staged(stage, trial) as start:
        a = start(A, spoiled=True)
        a.arm(point)
        _commit_twice(trial, a)
        disarm(trial, a)
        if trial.answer("open") is None and trial.steps["open"].outcome.error:  # type: ignore[union-attr]  # it returned
            trial.make("open again", a, "open")
        trial.read("read", a)
        b = start(B, hurried=True)
        opened = not trial.make("open elsewhere", b, "open").error
        if opened:
            trial.read("read elsewhere", b)
            _take_instead(trial, a, b)
        for place in ("first", "second"):
            if trial.answer(place) is None:
                trial.make(f"{place} again", a, "commit", getattr(script, place))
        trial.make("third", a, "commit", script.third)
        if opened:
            trial.make("elsewhere", b, "commit", script.elsewhere)
            trial.make("rival", b, "commit", script.rival)
            trial.make("close elsewhere", b, "close")
        trial.read("read at last", a)
        trial.make("close", a, "close")
    with staged(stage, trial) as start:
        look(trial, start(C))
    return trial


def calling(stage: Stage, point: Point) -> Trial:
    """Make every call once with an error on the way."""
    trial = Trial(script := stage.reset(), point)
    with staged(stage, trial) as start:
        a = start(A, spoiled=True, hurried=True)
        a.arm(point)
        if not trial.make("open", a, "open").error:
            trial.make("first", a, "commit", script.first)
            trial.make("get", a, "get", script.named("c1"))
            trial.make("find", a, "find", script.query)
            trial.make("history", a, "history", script.named("c1"))
            trial.make("second", a, "commit", script.second)
            trial.make("close", a, "close")
        disarm(trial, a)
    return trial


def reading(stage: Stage, point: Point) -> Trial:
    """Read, and commit, with an error on the way, also what another process has just committed, or too late for it."""
    trial = Trial(script := stage.reset(), point)
    with staged(stage, trial) as start:
        a, b = start(A, spoiled=True, hurried=True), start(B, hurried=True)
        trial.make("open elsewhere", b, "open")
        a.arm(point)
        if not trial.make("open", a, "open").error:
            _read_each(trial, a, "")
            for place, query in script.further.items():
                trial.make(place, a, "find", query)
            trial.make("end of history", a, "history", script.named("c1"), 1)
            trial.make("elsewhere", b, "commit", script.first)
            _read_each(trial, a, " again")
            trial.make("late", a, "commit", script.late)
            trial.make("second", a, "commit", script.second)
            trial.make("get at last", a, "get", script.named("c3"))
        disarm(trial, a)
    with staged(stage, trial) as start:
        look(trial, start(C))
    return trial


def stopping(stage: Stage, point: Point) -> Trial:
    """Stop a process in a commit, and let another one commit; then the first one is killed."""
    trial = Trial(script := stage.reset(), point)
    with staged(stage, trial) as start:
        a, b = start(A, spoiled=True), start(B, hurried=True, limit=SHORTLY)
        trial.make("open", a, "open")
        trial.make("open elsewhere", b, "open")
        trial.read("read elsewhere", b)
        a.arm(point)
        try:
            trial.make("first", a, "commit", script.first)
            a.disarm()
        except Stopped:
            trial.fault = f"process 1 stops in its commit, before {point.step}"
        trial.make("competing", b, "commit", script.competing)
        for place, writes in script.alone.items():
            trial.make(place, b, "commit", writes)
    with staged(stage, trial) as start:
        look(trial, start(C))
    return trial


def reading_while_stopped(stage: Stage, point: Point) -> Trial:
    """Stop a process in a commit, and let another one read, which has read before; then the first one is killed."""
    trial = Trial(script := stage.reset(), point)
    with staged(stage, trial) as start:
        a, b = start(A, spoiled=True), start(B, hurried=True, limit=SHORTLY)
        trial.make("open", a, "open")
        trial.make("open elsewhere", b, "open")
        trial.read("read elsewhere", b)
        a.arm(point)
        try:
            trial.make("first", a, "commit", script.first)
            a.disarm()
        except Stopped:
            trial.fault = f"process 1 stops in its commit, before {point.step}"
        _read_each(trial, b, "")
    return trial


def killing(stage: FileStage, point: Point) -> Trial:
    """Kill a process at one of its calls on a file, and let another one open the store, read and commit."""
    trial = Trial(script := stage.reset(), point)
    with staged(stage, trial) as start:
        a = start(A, spoiled=True)
        a.arm(point)
        try:
            _commit_twice(trial, a)
            trial.make("third", a, "commit", script.third)
            trial.make("moving", a, "commit", script.moving)
            trial.make("close", a, "close")
            a.disarm()
        except Died:
            trial.fault = f"process 1 is killed {KILLS[point.fault]} {point.step}"  # type: ignore[index]  # it was
    with staged(stage, trial) as start:
        c = start(C)
        look(trial, c)
        _write_otherwise(trial, c)
    return trial


def _commit_twice(trial: Trial, actor: Actor) -> None:
    if not trial.make("open", actor, "open").error:
        trial.make("first", actor, "commit", trial.script.first)
        trial.make("second", actor, "commit", trial.script.second)


def _take_instead(trial: Trial, actor: Actor, other: Actor) -> None:
    """Give the unique values of a first commit that stored nothing to another change, and release them."""
    script, elsewhere = trial.script, trial.contents("read elsewhere")
    made = script.first[1].row.id
    if trial.answer("first") is None and elsewhere is not None and elsewhere[made] == script.before(made):
        if trial.make("instead", actor, "commit", script.instead).answer == [None]:
            trial.make("released", actor, "commit", script.released)
        else:
            trial.make("holder", other, "find", Query(open_subject=script.named("s1"), workflow=script.workflow))


def disarm(trial: Trial, actor: Actor) -> None:
    """Inject nothing more, and put down the call that was spoiled."""
    struck = actor.disarm()
    trial.fault = f"{struck} {trial.point.fault.words}" if struck else ""


def _read_each(trial: Trial, actor: Actor, which: str) -> None:
    script = trial.script
    trial.make(f"get{which}", actor, "get", script.named("c1"))
    trial.make(f"find{which}", actor, "find", script.query)
    trial.make(f"history{which}", actor, "history", script.named("c1"))
    trial.make(f"holder{which}", actor, "find", Query(open_subject=script.named("s"), workflow=script.workflow))


def look(trial: Trial, actor: Actor) -> None:
    """Open the store again, read it, and commit."""
    if not trial.make("reopen", actor, "open").error:
        trial.read("after", actor)
        trial.make("last", actor, "commit", trial.script.last)
        trial.read("at the end", actor)
        _take_what_is_taken(trial, actor, trial.contents("at the end"))
        trial.make("close after", actor, "close")


def _take_what_is_taken(trial: Trial, actor: Actor, contents: Contents | None) -> None:
    """Create changes with the unique values that others have, each of which must be answered with a conflict."""
    if contents is not None and (writes := trial.script.taken(contents)):
        trial.make("taken", actor, "commit", writes)


def _write_otherwise(trial: Trial, actor: Actor) -> None:
    """Write again what was not stored, but with other entries: the same ones would hide what is left of the first."""
    script, end = trial.script, trial.contents("at the end")
    missing = {name for name in script.names if end is not None and end[name] == script.before(name)}
    writes = script.otherwise(missing)
    if trial.interrupted and writes and not trial.make("open once more", actor, "open").error:
        trial.make("otherwise", actor, "commit", writes)
        trial.read("read otherwise", actor)
        trial.make("close once more", actor, "close")


def failing_sync(stage: FileStage, point: Point) -> Trial:
    """Commit while a sync fails, then cut the power: what was not synced is gone.

    A fault of all calls from the sync on ends with the commit, which may have tried to undo what it had written.
    """
    trial = Trial(script := stage.reset(), point)
    inodes = stage.inodes()
    with staged(stage, trial) as start:
        a = start(A, spoiled=True)
        a.arm(point)
        opened = not trial.make("open", a, "open").error
        for place in ("first", "second", "third") if opened else ():
            failed = trial.make(place, a, "commit", getattr(script, place)).error
            if failed and point.fault.every_time and not trial.fault:  # type: ignore[union-attr]  # of a call on a file
                disarm(trial, a)
                a.arm(Point())  # the calls are recorded on
        if not trial.fault:
            disarm(trial, a)
    history = History(stage.base, inodes, stage.operations(), names_are_kept=stage.names_are_kept)
    trial.cut = True
    stage.put(history.files(history.moments[-1], ()))
    with staged(stage, trial) as start:
        look(trial, start(C))
    return trial


_COMMITS = (("first", "second", "third", "elsewhere"), ("last",))


def committing(stage: FileStage, commits: Sequence[Sequence[str]] = _COMMITS) -> dict[int, Path]:
    """Commit, close and open the store, with a note before and after each commit; return the files before by numbers.

    The numbers are those of `FileStage.inodes` after the last reset: another reset may exchange those of two files.

    Args:
        stage: The place of the trials.
        commits: The commits of the script by name, of each time at which the store is open.
    """
    stage.reset()
    inodes = stage.inodes()
    for places in commits:
        actor = stage.actor(A)
        actor.arm(Point())
        outcomes = [actor.perform("open")]
        for place in places:
            actor.note(f"begin {place}")
            outcomes.append(actor.perform("commit", getattr(stage.script, place)))
            actor.note(f"end {place}")
        outcomes.append(actor.perform("close"))
        actor.end()
        check_undisturbed(outcomes)
    return inodes


def looking(stage: FileStage) -> Trial:
    """Open the store as it is, read it, and commit."""
    trial = Trial(stage.script, Point())
    with staged(stage, trial) as start:
        a = start(C)
        if not trial.make("open", a, "open").error:
            trial.read("read", a)
            _take_what_is_taken(trial, a, trial.contents("read"))
            trial.make("competing", a, "commit", trial.script.competing[1:])
            trial.read("read again", a)
            trial.make("close", a, "close")
    return trial
