"""A process that commits while its locks fail, beside one that is stopped in its commit and goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._trials.calls import LOCKS, Fault
from itsm_workflow.testing.conformance._trials.runner import Stopped
from itsm_workflow.testing.conformance._trials.session import Step
from itsm_workflow.testing.conformance._trials.stage import FileActor, Point
from itsm_workflow.testing.conformance._trials.stories import A, B, C, look, staged
from itsm_workflow.testing.conformance._trials.trial import Trial
from itsm_workflow.testing.conformance._trials.verdicts import said

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import Write
    from itsm_workflow.testing.conformance._trials.stage import FileStage

_BRIEFLY = 0.5
"""The seconds for the commit of a process whose locks fail; it may wait without end."""


def without_a_lock(stage: FileStage, point: Point) -> Trial:
    """Stop a process in a commit, let another one commit whose locks fail, and let the first one go on."""
    trial = Trial(script := stage.reset(), point)
    with staged(stage, trial) as start:
        a, b = start(A, spoiled=True), start(B, hurried=True, limit=_BRIEFLY)
        trial.make("open", a, "open")
        trial.make("open elsewhere", b, "open")
        trial.read("read elsewhere", b)
        a.arm(point)
        try:
            trial.make("first", a, "commit", script.first)
            a.disarm()
        except Stopped:
            assert isinstance(point.fault, Fault)
            failing = point.fault.beside
            assert failing is not None
            trial.fault = f"process 1 stops in its commit, before {point.step}, and a lock of process 2 {failing.words}"
            b.arm(Point(1, failing, kinds=LOCKS))
            trial.make("competing", b, "commit", script.competing)
            b.disarm()
            stopped = trial.steps.pop("first")
            assert isinstance(a, FileActor)
            trial.steps["first"] = Step(stopped.who, stopped.name, stopped.arguments, a.go_on())
            trial.interrupted = ""
    with staged(stage, trial) as start:
        look(trial, start(C))
    return trial


def lost_between_two(trial: Trial) -> str:
    """Return what two commits have lost of each other, or why the store cannot be used after them."""
    script = trial.script
    stored: dict[str, list[Write]] = {}
    for place in ("first", "competing"):
        for write, conflict in zip(getattr(script, place), trial.answer(place) or (), strict=False):
            if conflict is None:
                stored.setdefault(write.row.id, []).append(write)
    for name, writes in stored.items():
        if len(writes) > 1:
            return f"{name}: two writes of version {writes[0].row.version} were answered as stored"
    for place in ("reopen", "after", "last", "at the end"):
        outcome = trial.outcome(place)
        if outcome is not None and outcome.error:
            return f"after the two commits, the store cannot be used: {outcome.error}"
    after = trial.contents("after")
    for write in (*script.first, *script.competing) if after is not None else ():
        name = write.row.id
        both = [script.after(each) for each in (*script.first, *script.competing) if each.row.id == name]
        allowed = [script.after(stored[name][0])] if name in stored else [script.before(name), *both]
        if after is not None and after[name] not in allowed:
            return f"{name}: the store has {said(after[name])}, must have {said(allowed[-1])}"
    return ""
