"""Processes whose clocks stand still or differ, and files whose times say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._rows import NOW, claim, follow
from itsm_workflow.testing.conformance._trials.stage import FileActor
from itsm_workflow.testing.conformance._trials.stories import A, B, C, staged
from itsm_workflow.testing.conformance._trials.trial import Trial
from itsm_workflow.testing.conformance._trials.verdicts import said
from itsm_workflow.testing.conformance._wording import word

if TYPE_CHECKING:
    from itsm_workflow.testing.conformance._model import Model
    from itsm_workflow.testing.conformance._trials.stage import FileStage, Point

_SECOND = NOW // 1_000_000
_HOUR = 3600
_TIMES = range(1, 5)
_CLOCKS = {A: _SECOND, B: _SECOND, C: _SECOND - _HOUR}
"""Of each process that commits: the time of its clock, which stands still."""


def within_a_tick(stage: FileStage, point: Point) -> Trial:
    """Let a process read what another one stores, in writes of one size, on a disk whose files all have one time."""
    trial = Trial(script := stage.reset(), point)
    trial.fault = "all files of the store have the same time of change"
    with staged(stage, trial) as start:
        a, b = start(A), start(B)
        row = script.old("c2")
        for place, actor in (("open", a), ("open elsewhere", b)):
            trial.make(place, actor, "open")
        for number in _TIMES:
            write = claim(row, NOW + number)
            row = write.row
            trial.make(f"commit {number}", b, "commit", [write])
            stage.set_times(_SECOND)
            trial.make(f"get {number}", a, "get", row.id)
            trial.make(f"find {number}", a, "find", script.query)
    return trial


def read_too_old(trial: Trial) -> str:
    """Return a read that has not found the last commit."""
    model = trial.script.model.copy()
    for number in _TIMES:
        if wrong := _not_stored(trial, f"commit {number}", model):
            return wrong
        place, right = f"get {number}", model.get(trial.script.named("c2"))
        row = trial.outcome(place)
        if row is not None and (row.error or row.answer != right):
            return _wrong(trial, place, f"the store has {word(right)}")
        place, rows = f"find {number}", model.find(trial.script.query)
        page = trial.outcome(place)
        if page is not None and (page.error or list(page.answer.rows) != rows):
            return _wrong(trial, place, f"the store has {word(rows)}")
    return ""


def of_many_clocks(stage: FileStage, point: Point) -> Trial:
    """Commit in three processes one after the other, whose clocks stand still, and in the last one are an hour late."""
    trial = Trial(script := stage.reset(), point)
    trial.fault = "the clock of each process stands still, and that of process 3 an hour before the others"
    row = script.old("c1")
    for who, seconds in _CLOCKS.items():
        with staged(stage, trial) as start:
            actor = start(who)
            assert isinstance(actor, FileActor)
            actor.set_clock(seconds)
            trial.make(f"open {who}", actor, "open")
            for number in (1, 2):
                write = follow(row, state=f"{number} of {who}")
                row = write.row
                trial.make(f"commit {number} {who}", actor, "commit", [write, script.created(f"{number} of {who}")])
            trial.make(f"read {who}", actor, "contents", _names(trial), script.query)
            trial.make(f"close {who}", actor, "close")
    with staged(stage, trial) as start:
        actor = start("process 4")
        if not trial.make("reopen", actor, "open").error:
            trial.make("after", actor, "contents", _names(trial), script.query)
    return trial


def lost_by_a_clock(trial: Trial) -> str:
    """Return a commit that is not there, or not in its order."""
    model = trial.script.model.copy()
    for who in _CLOCKS:
        for number in (1, 2):
            if wrong := _not_stored(trial, f"commit {number} {who}", model):
                return wrong
        if wrong := _differs(trial, f"read {who}", model):
            return wrong
    return _differs(trial, "after", model)


def _names(trial: Trial) -> tuple[str, ...]:
    made = (f"{number} of {who}" for who in _CLOCKS for number in (1, 2))
    return (trial.script.named("c1"), *map(trial.script.named, made))


def _not_stored(trial: Trial, place: str, model: Model) -> str:
    """Return why a commit was not answered as stored, and store it in the model."""
    step = trial.steps.get(place)
    if step is None or step.outcome is None:
        return f"{place.split(maxsplit=1)[0]} was not made, since the store could not be opened" if step is None else ""
    if step.outcome.error or any(step.outcome.answer):
        return _wrong(trial, place, "no other process was in a call")
    for write in step.arguments[0]:
        model.write(write)
    return ""


def _differs(trial: Trial, place: str, model: Model) -> str:
    contents, rows = trial.contents(place), {row.id: row for row in model.find(trial.script.query)}
    if contents is None:
        return _wrong(trial, place if place in trial.steps else "reopen", "no other process was in a call")
    for name in _names(trial):
        right = model.get(name), model.entries.get(name, ())
        if contents[name] != right:
            trial.wrong_at = place
            return f"{name}: the store has {said(contents[name])}, must have {said(right)}"
    if contents.found != rows:
        return _wrong(trial, place, f"find must find {word([*rows.values()])}")
    return ""


def _wrong(trial: Trial, place: str, right: str) -> str:
    """Return that the call at a place had a wrong outcome, and let the report end with it."""
    trial.wrong_at, step = place, trial.steps[place]
    outcome = step.outcome
    assert outcome is not None
    happened = f"raised {outcome.error}" if outcome.error else f"returned {word(outcome.answer)}"
    return f"{step.name} {happened}, but {right}"
