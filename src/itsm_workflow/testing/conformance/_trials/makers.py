"""The course of a trial in which processes make a store, and one of them is killed, stopped, or meets an error."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.conformance._base import NotRun
from itsm_workflow.testing.conformance._trials.calls import KILLS
from itsm_workflow.testing.conformance._trials.crash import History
from itsm_workflow.testing.conformance._trials.runner import Died, Stopped
from itsm_workflow.testing.conformance._trials.stories import SHORTLY, A, B, C, disarm, staged
from itsm_workflow.testing.conformance._trials.trial import Ended, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.testing.conformance._trials.stage import Actor, FileActor, FileStage, Point


def creating(stage: FileStage, point: Point) -> Trial:
    """Kill a process that makes the store at one of its calls on a file, and let another one open and use the store."""
    trial = Trial(script := stage.reset(), point)
    stage.put({})
    with staged(stage, trial) as start:
        a = start(A, spoiled=True)
        a.arm(point)
        try:
            made = trial.make("open", a, "open")
            if not point.at and made.error.startswith("StorageSchemaError"):
                raise NotRun("it is about a store that is made when it is opened, and opening this one makes none")
            trial.make("close", a, "close")
            a.disarm()
        except Died:
            trial.fault = f"process 1 is killed {KILLS[point.fault]} its step {point.at}"  # type: ignore[index]
    with staged(stage, trial) as start:
        c = start(C)
        if not trial.make("reopen", c, "open").error:
            trial.make("made", c, "commit", script.base[0])
            trial.read("after", c)
            trial.make("close after", c, "close")
    return trial


def making_beside(stage: FileStage, point: Point) -> Trial:
    """Stop a process that makes the store, and let another one make and use it; then the first one goes on."""
    trial = Trial(script := stage.reset(), point)
    stage.put({})
    with staged(stage, trial) as start:
        a, b = start(A, spoiled=True), start(B, hurried=True, limit=SHORTLY)
        a.arm(point)
        with _stopped(trial, a):
            _make(trial, a)
        with suppress(Ended):  # it waits for the first one
            if not trial.make("open elsewhere", b, "open").error:
                trial.make("elsewhere", b, "commit", script.base[1])
        if _go_on(trial, a) == "open":
            trial.make("made", a, "commit", script.base[0])
    with staged(stage, trial) as start:
        _read(trial, start(C))
    return trial


def opening_beside(stage: FileStage, point: Point) -> Trial:
    """Stop a process in a commit, and let another one open the store, read and close it; then the first one goes on."""
    trial = Trial(script := stage.reset(), point)
    with staged(stage, trial) as start:
        a, b = start(A, spoiled=True), start(B, hurried=True, limit=SHORTLY)
        trial.make("open", a, "open")
        a.arm(point)
        with _stopped(trial, a):
            trial.make("first", a, "commit", script.first)
        with suppress(Ended):  # it waits for the first one
            if not trial.make("open elsewhere", b, "open").error:
                trial.make("read elsewhere", b, "get", script.named("c1"))
                trial.make("close elsewhere", b, "close")
        _go_on(trial, a)
        trial.make("second", a, "commit", script.second)
    with staged(stage, trial) as start:
        _read(trial, start(C))
    return trial


@contextmanager
def _stopped(trial: Trial, actor: FileActor) -> Iterator[None]:
    """Let the process stop in the block, and inject nothing if it does not."""
    try:
        yield
        actor.disarm()
    except Stopped:
        trial.fault = f"process 1 stops before {trial.point.step}"


def _go_on(trial: Trial, actor: FileActor) -> str:
    """Let the process go on if it was stopped, and return the place of that call, whose outcome comes last so far."""
    place = trial.interrupted
    if place:
        stopped, trial.interrupted = trial.steps.pop(place), ""
        trial.steps[place] = attrs.evolve(stopped, outcome=actor.go_on())
    return place


def failing_sync_of_a_new_store(stage: FileStage, point: Point) -> Trial:
    """Make a store while a sync fails, then cut the power: what was not synced is gone."""
    trial = Trial(stage.reset(), point)
    stage.put({})
    with staged(stage, trial) as start:
        a = start(A, spoiled=True)
        a.arm(point)
        _make(trial, a)
        trial.make("elsewhere", a, "commit", trial.script.base[1])
        disarm(trial, a)
    history = History({}, {}, stage.operations(), names_are_kept=stage.names_are_kept)
    trial.cut = True
    stage.put(history.files(history.moments[-1], ()))
    with staged(stage, trial) as start:
        _read(trial, start(C))
    return trial


def _make(trial: Trial, actor: Actor) -> None:
    """Open the store, and commit to it."""
    if not trial.make("open", actor, "open").error:
        trial.make("made", actor, "commit", trial.script.base[0])


def _read(trial: Trial, actor: Actor) -> None:
    if not trial.make("reopen", actor, "open").error:
        trial.read("after", actor)
        trial.make("close after", actor, "close")
