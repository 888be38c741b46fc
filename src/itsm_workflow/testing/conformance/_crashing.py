"""The promises about power cuts: the calls on files are recorded, and what they could leave is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._reports import Shown
from itsm_workflow.testing.conformance._trials.calls import CHANGES
from itsm_workflow.testing.conformance._trials.crash import History, State, joined, states
from itsm_workflow.testing.conformance._trials.plans import Finding, sample
from itsm_workflow.testing.conformance._trials.runner import run_where_calls_are_seen
from itsm_workflow.testing.conformance._trials.stage import FileStage
from itsm_workflow.testing.conformance._trials.stories import committing, looking
from itsm_workflow.testing.conformance._trials.succession import points, succeeding
from itsm_workflow.testing.conformance._trials.verdicts import not_unique
from itsm_workflow.testing.conformance._wording import word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from itsm_workflow.storage.protocol import StorageBackend, Write
    from itsm_workflow.testing.conformance._recording import RecordedOpener
    from itsm_workflow.testing.conformance._trials.calls import Watch
    from itsm_workflow.testing.conformance._trials.script import Script
    from itsm_workflow.testing.conformance._trials.session import State as ChangeState
    from itsm_workflow.testing.conformance._trials.trial import Trial

    Allowed = Mapping[str, tuple[ChangeState, ...]]
    """By change: the rows and entries that it may have; the last is the one that it should have."""

_STATES_AFTER_A_DEATH = 8
_TORN = 4


class CrashPromises(Promises):
    """Every state of the files that a power cut could leave is a whole store."""

    @promise("durable", "multi_process", "fsync", apart="power cuts")
    def test_a_power_cut_at_any_moment_leaves_whole_commits(self, open_backend: RecordedOpener) -> None:
        """With any part of what was not synced, acknowledged commits are there, and no write is there in part.

        A write of which later bytes are there without earlier ones looks like damage; with the ability checksums it
        may be reported as such. Last comes a commit of more than a MiB, which a backend may store in another way.

        Port: "A power cut or a crash at any moment leaves every acknowledged write, and every other write whole or not
        at all."
        """
        found = run_where_calls_are_seen(
            _finding,
            open_backend,
            most=self.profile.states,
            checksums="checksums" in self.abilities,
            limit=self.pace.blocked,
        )
        if found is not None:
            raise Shown(found.wrong, found.lines)

    @promise("durable", "multi_process", "fsync", apart="power cuts after a death")
    def test_a_power_cut_leaves_what_was_built_on_a_dead_process(self, open_backend: RecordedOpener) -> None:
        """A process is killed after a call that names a file, before it has synced its directory; another one commits.

        Then the power is cut, during that commit or after it. What the second process has committed is there, with all
        that it had read before; what it was committing is there whole or not at all, also after a further commit.

        Port: "Store each write or say why not, and make all that were stored durable before returning."
        """
        found = run_where_calls_are_seen(
            _finding_after_a_death,
            open_backend,
            most=self.profile.states,
            checksums="checksums" in self.abilities,
            limit=self.pace.blocked,
        )
        if found is not None:
            raise Shown(found.wrong, found.lines)


def _finding(
    watch: Watch, folder: Path, opener: Callable[[], StorageBackend], *, most: int, checksums: bool, limit: float
) -> Finding | None:
    """Make the states of a new store, and of one in use; return the first that is not whole."""
    stage = FileStage(watch, folder, opener, kinds=CHANGES, limit=limit)
    script = stage.script
    made = History({}, {}, stage.making)
    commits = {str(number): writes for number, writes in enumerate(script.base)}
    for state in sample(list(states(made)), most // 3):
        allowed = _allowed(script, state, commits, used=False)
        if found := _judged(stage, state, allowed, _acts(state, commits), checksums=checksums):
            return found
    inodes = committing(stage)
    used = History(stage.base, inodes, stage.operations())
    followed = {name: getattr(script, name) for name in ("first", "second", "third", "elsewhere", "last")}
    for state in sample(list(states(used)), most - most // 3):
        allowed = _allowed(script, state, followed, used=True)
        if found := _judged(stage, state, allowed, _acts(state, followed), checksums=checksums):
            return found
    return _finding_of_a_large_commit(stage, most // 2, checksums=checksums)


def _finding_of_a_large_commit(stage: FileStage, most: int, *, checksums: bool) -> Finding | None:
    """Make the states of a commit with large texts, which a backend may store otherwise; parts of a write only few."""
    inodes = committing(stage, (("large",),))
    history = History(stage.base, inodes, joined(stage.operations()))
    commits = {"large": stage.script.large}
    are_torn = [state.is_torn for state in states(history)]  # not the states, which are large
    whole = [number for number, is_torn in enumerate(are_torn) if not is_torn]
    torn = [number for number, is_torn in enumerate(are_torn) if is_torn]
    chosen = {*sample(whole, most), *sample(torn, _TORN)}
    for number, state in enumerate(states(history)):
        if number in chosen:
            allowed = _allowed(stage.script, state, commits, used=True)
            if found := _judged(stage, state, allowed, _acts(state, commits), checksums=checksums):
                return found
    return None


def _finding_after_a_death(
    watch: Watch, folder: Path, opener: Callable[[], StorageBackend], *, most: int, checksums: bool, limit: float
) -> Finding | None:
    """Kill a process that makes a store, or one that commits; return the first state after another one's commit."""
    stage = FileStage(watch, folder, opener, kinds=CHANGES, limit=limit)
    for of_making in (True, False):
        for point in sample(points(stage, of_making=of_making), most // _STATES_AFTER_A_DEATH // 2):
            succession = succeeding(stage, point, of_making=of_making)
            if succession is None:
                continue
            acts = succession.trial.lines()
            for state in sample(list(succession.overtaken()), _STATES_AFTER_A_DEATH):
                cut_short = (*acts[:-1], f"{acts[-1].rpartition(' -> ')[0]} is interrupted")
                if found := _judged(stage, state, succession.meanwhile, cut_short, checksums=checksums):
                    return found
            last = list(states(succession.history, since=succession.history.moments[-1]))
            allowed: Allowed = {name: (state,) for name, state in succession.states.items()}
            for state in sample(last, _STATES_AFTER_A_DEATH):
                if found := _judged(stage, state, allowed, acts, checksums=checksums):
                    return found
    return None


def _judged(
    stage: FileStage, state: State, allowed: Allowed, acts: Sequence[str], *, checksums: bool
) -> Finding | None:
    """Open the store in a state, and return how it breaks the promise."""
    stage.put(state.files)
    trial = looking(stage)
    wrong = _wrong(trial, allowed)
    if wrong.startswith("StorageCorrupt") and state.has_a_gap and checksums:
        return None
    if not wrong:
        return None
    cut = f"the power is cut: {state.what}"
    if state.is_torn:
        wrong = f"a write that was torn by the power cut is not made good: {wrong}"
    return Finding(wrong, (*acts, cut, *trial.lines()))


def _wrong(trial: Trial, allowed: Allowed) -> str:
    for place in ("open", "read", "taken", "competing", "read again"):
        outcome = trial.outcome(place)
        if outcome is None and place == "taken" and place not in trial.steps:
            continue  # no change has a unique value
        if outcome is None or outcome.error:
            return outcome.error if outcome else f"{place} does not return"
    contents = trial.contents("read")
    assert contents is not None
    for name, may_be in allowed.items():
        if contents[name] not in may_be:
            must = word(may_be[-1][0]) if may_be[-1][0] else "nothing"
            return f"{name}: the store has {_held(contents[name])}, but must have {must}"
    if wrong := not_unique(trial, "read"):
        return wrong
    made = trial.script.competing[1]
    again = trial.contents("read again")
    assert again is not None
    if again[made.row.id] != trial.script.after(made):
        return f"{made.row.id}: stored after the power cut, but it cannot be read"
    for name, held in contents.states.items():
        if name != made.row.id and again[name] != held:
            return f"{name}: the store had {_held(held)}, but has {_held(again[name])} since {made.row.id} was stored"
    return ""


def _held(state: ChangeState) -> str:
    row, entries = state
    return f"{word(row)} with {len(entries)} entries" if row or entries else "nothing"


def _allowed(script: Script, state: State, commits: Mapping[str, list[Write]], *, used: bool) -> Allowed:
    """Return the states that each change may have."""
    allowed: dict[str, tuple[ChangeState, ...]] = {
        name: (script.before(name) if used else (None, ()),) for name in script.names
    }
    for name, writes in commits.items():
        for write in writes:
            old = allowed[write.row.id]
            if f"end {name}" in state.notes:
                allowed[write.row.id] = (script.after(write),)
            elif f"begin {name}" in state.notes:
                allowed[write.row.id] = (*old, script.after(write))
    return allowed


def _acts(state: State, commits: Mapping[str, list[Write]]) -> list[str]:
    acts = []
    for name, writes in commits.items():
        if f"end {name}" in state.notes:
            acts.append(f"process 1: commit({word(writes)}) -> {word([None] * len(writes))}")
        elif f"begin {name}" in state.notes:
            acts.append(f"process 1: commit({word(writes)}) is interrupted")
    return acts
