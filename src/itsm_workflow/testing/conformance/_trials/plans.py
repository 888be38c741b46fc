"""The trials of a promise about errors: one for each call of a process on its files."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from itsm_workflow.testing.conformance._trials import calls
from itsm_workflow.testing.conformance._trials.calls import Kind
from itsm_workflow.testing.conformance._trials.proxy import Interference, Proxy
from itsm_workflow.testing.conformance._trials.server_stage import LineBreaker, ReachesServer, ServerStage
from itsm_workflow.testing.conformance._trials.stage import FileStage, Point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from itsm_workflow.storage.protocol import StorageBackend
    from itsm_workflow.testing.conformance._trials.calls import Fault, Watch
    from itsm_workflow.testing.conformance._trials.stage import Stage
    from itsm_workflow.testing.conformance._trials.trial import Trial

    Story = Callable[[Any, Point], Trial]  # the stage is a FileStage if the promise is about files
    Judge = Callable[[Trial], str]
    Findings = dict[Judge, "Finding | None"]
    """Of each judge whose outcome is known, what breaks its promise, or None if no trial does."""

T = TypeVar("T")

_MOST_WAITS = 3
"""The trials in which a call may wait without end, where that is allowed: each costs seconds and shows nothing."""


@attrs.frozen
class Finding:
    """A trial that breaks a promise.

    Attributes:
        wrong: How it does.
        lines: The trial, one call a line.
    """

    wrong: str
    lines: tuple[str, ...]


@attrs.frozen(kw_only=True, eq=False)
class Plan:
    """The trials of one promise, or of several that need the same trials.

    Attributes:
        story: What happens in each.
        judges: For each promise, a function that returns how a trial breaks it, or an empty text; and the calls of the
            story that a report of it shows, by their places, or none for all.
        kinds: The kinds of calls at which an error is injected.
        recorded: The kinds of calls that are recorded beside those.
        faults: Returns the faults to inject into a call of a kind; of several, the quick profile takes the first ones.
        least: The number of those.
        interferences: What happens to the messages to a server; empty if the promise is about files.
        every_call: Whether each call of a run of calls of one kind on one file is a point, and not only the first and
            the last of it.
        every_fault: Whether every fault is injected, and not only the first, whatever the profile.
        lasting: Returns the faults of all calls of a kind on one file, from the first one on; each is injected into
            each file, whatever the profile; None for no such fault.
        times: The number of trials, as a multiple of what the profile says; more if a trial is cheap.
    """

    story: Story
    judges: Mapping[Judge, frozenset[str]]
    kinds: Kind
    recorded: Kind = Kind.NOTE
    faults: Callable[[Kind], Sequence[Fault]]
    least: int = 1
    interferences: tuple[Interference, ...] = (
        Interference.SWALLOWED,
        Interference.CUT,
        Interference.HALVED,
        Interference.REFUSED,
        Interference.TRICKLED,
    )
    every_call: bool = False
    every_fault: bool = False
    lasting: Callable[[Kind], Sequence[Fault]] | None = None
    times: int = 1


@attrs.frozen
class Measure:
    """The number of trials, and their limits.

    Attributes:
        most: The number of points.
        every_fault: Whether every fault of the plan is injected there, instead of the first.
        limit: The number of seconds after which a call counts as one that does not return.
    """

    most: int
    every_fault: bool = attrs.field(kw_only=True)
    limit: float = attrs.field(kw_only=True)


def failing(kind: Kind) -> Sequence[Fault]:
    """Return the ways in which a call of that kind fails."""
    if kind is Kind.LOCK:
        return (calls.ENOLCK,)
    if kind & calls.READS:
        return (calls.EIO, calls.EIO_FROM_THEN_ON)
    if kind is Kind.CLOSE:
        return (calls.EIO,)
    return (calls.EIO, calls.ENOSPC, calls.EIO_FROM_THEN_ON, calls.ENOSPC_FROM_THEN_ON)


def hiding(kind: Kind) -> Sequence[Fault]:
    """Return the ways in which all calls of that kind on a file fail, so that the file may seem not to exist."""
    if kind is Kind.OPEN:
        return (calls.EACCES_ALWAYS, calls.ESTALE_ALWAYS, calls.EIO_ALWAYS, calls.EMFILE_ALWAYS)
    return (calls.EACCES_ALWAYS, calls.ESTALE_ALWAYS, calls.EIO_ALWAYS)


def interrupting(_kind: Kind) -> Sequence[Fault]:
    """Return the exceptions that are not an `Exception` and that a signal during a call raises."""
    return (calls.CANCELLED, calls.INTERRUPTED)


def tearing(kind: Kind) -> Sequence[Fault]:
    """Return the ways in which a write is made in part, or another call fails."""
    return (calls.TORN, calls.TORN_AT_END, calls.SHORT) if kind is Kind.WRITE else failing(kind)


def failing_with_the_undo(_kind: Kind) -> Sequence[Fault]:
    """Return the ways in which only this call fails, and one in which all calls fail up to the end of the commit."""
    return (calls.EIO, calls.ENOSPC, calls.EIO_FROM_THEN_ON)


def stopping_before(_kind: Kind) -> Sequence[Fault]:
    """Return the fault that stops the process."""
    return (calls.STOP,)


def killing(kind: Kind) -> Sequence[Fault]:
    """Return the faults that kill the process: before the call, or in the middle of a write."""
    return (calls.KILLED_BEFORE, calls.KILLED_WITHIN) if kind is Kind.WRITE else (calls.KILLED_BEFORE,)


def findings(stage: Stage, plan: Plan, judge: Judge, measure: Measure) -> Findings:
    """Make the trials of a plan until one breaks the promise of this judge, and return the findings of all judges.

    Args:
        stage: The place of the trials.
        plan: The plan.
        judge: One of its judges.
        measure: The number and the limits of the trials.
    """
    found: Findings = {}
    for trial in _trials(stage, plan, measure):
        for each, shown in plan.judges.items():
            trial.wrong_at = ""
            if each not in found and (wrong := each(trial)):
                found[each] = Finding(wrong, tuple(trial.lines(shown)))
        if judge in found:
            return found
    return dict.fromkeys(plan.judges) | found


def _trials(stage: Stage, plan: Plan, measure: Measure) -> Iterator[Trial]:
    """Yield the trial without an error, then one for each point."""
    yield plan.story(stage, Point())
    waited = 0
    steps, lasting = stage.steps(plan, every_fault=measure.every_fault), stage.lasting(plan)
    most = max(1, plan.times * measure.most // max(1, len(steps)))
    for point in itertools.chain(*(sample(points, most) for points in steps), lasting):
        trial = plan.story(stage, point)
        yield trial
        waited += trial.silent is not None
        if waited == _MOST_WAITS:
            return


def findings_in_files(
    watch: Watch,
    folder: Path,
    opener: Callable[[], StorageBackend],
    plan: Plan,
    judge: Judge,
    *,
    measure: Measure,
    strict: bool,
) -> Findings:
    """Make the trials of a plan on the calls of a process on its files, see `findings`.

    Args:
        watch: The view of the calls.
        folder: A folder for the record of the calls.
        opener: Opens the store.
        plan: The plan.
        judge: One of its judges.
        measure: The number and the limits of the trials.
        strict: Whether a power cut loses names whose directory was not synced.
    """
    kinds = plan.kinds | plan.recorded
    stage = FileStage(watch, folder, opener, kinds=kinds, limit=measure.limit, names_are_kept=not strict)
    return findings(stage, plan, judge, measure)


def findings_at_a_server(
    server: Callable[[], StorageBackend], through: ReachesServer, plan: Plan, judge: Judge, measure: Measure
) -> Findings:
    """Make the trials of a plan on the messages to a server, see `findings`."""
    assert through.address is not None
    with Proxy(*through.address) as proxy:
        stage = ServerStage(server, through.through(*proxy.address), proxy, limit=measure.limit)
        return findings(stage, plan, judge, measure)


def findings_at_lines(opener: Callable[[], StorageBackend], plan: Plan, judge: Judge, measure: Measure) -> Findings:
    """Make the trials of a plan on a backend that breaks its own connection, see `findings`."""
    stage = ServerStage(opener, opener, LineBreaker(), limit=measure.limit)
    broken = attrs.evolve(plan, interferences=(Interference.BROKEN,))
    return findings(stage, broken, judge, measure)


def sample(values: Sequence[T], most: int) -> Sequence[T]:
    """Return that many of the values, at equal distances; the last one is among them."""
    last = len(values) - 1
    return values if last < most else [values[last - place * last // max(1, most - 1)] for place in range(most)][::-1]
