"""The sentences of the port about errors, each as a function that returns how a trial breaks it, or an empty text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.protocol import Conflict, ConflictKind, EntryRow
from itsm_workflow.testing.conformance._wording import asked, word

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.testing.conformance._trials.session import State
    from itsm_workflow.testing.conformance._trials.trial import Trial

_UNDER_FAULT = ("first", "second")
_AFTER_FAULT = {
    "first again": "first",
    "second again": "second",
    "third": "third",
    "elsewhere": "elsewhere",
    "last": "last",
}


def other_error(trial: Trial) -> str:
    """Return the first error of a class that the port does not allow."""
    for step in trial.steps.values():
        if step.outcome is not None and not step.outcome.in_port:
            return f"{step.name} raised {step.outcome.error}, which is neither StorageUnavailable nor StorageCorrupt"
    return ""


def not_stored(trial: Trial) -> str:
    """Return a write that was answered as stored, or is there in part, if the reopened store does not have it."""
    after = trial.contents("after")
    if after is None:
        return ""
    committed = [place for place in ("third", "moving") if place in trial.steps and (trial.interrupted or trial.cut)]
    for place in (*_UNDER_FAULT, *committed):
        answer = trial.answer(place)
        for number, write in enumerate(getattr(trial.script, place)):
            acknowledged = answer is not None and answer[number] is None
            old, new = trial.script.before(write.row.id), trial.script.after(write)
            found = after[write.row.id]
            if acknowledged and found != new:
                return f"{write.row.id}: answered as stored, but the store has {said(found)} when it is opened again"
            if found not in (old, new):
                return f"{write.row.id}: stored in part: the store has {said(found)}"
    return ""


def stored_too_late(trial: Trial) -> str:
    """Return a write that was answered as stored although another process had written its change before."""
    if trial.answer("elsewhere") is None or trial.answer("late") != [None]:
        return ""
    (write,) = trial.script.late
    return f"{write.row.id}: answered as stored, but another process had stored version {write.row.version} before"


def not_durable(trial: Trial) -> str:
    """Return a write that was answered as stored and is lost in the power cut, or why the store cannot be read."""
    for place in ("reopen", "after"):
        outcome = trial.outcome(place)
        if outcome is not None and outcome.error:
            return f"after the power cut, the store cannot be read: {outcome.error}"
    return not_stored(trial) or not_unique(trial, "at the end")


def not_unique(trial: Trial, place: str) -> str:
    """Return a unique value that two changes got, or the conflict of a change that does not have the value.

    Args:
        trial: The trial.
        place: The place of the reading before another change tried to take each value.
    """
    step, contents = trial.steps.get("taken"), trial.contents(place)
    if step is None or step.outcome is None or contents is None:
        return ""
    if step.outcome.error:
        return f"the store cannot be used: {step.outcome.error}"
    for write, conflict in zip(*step.arguments, step.outcome.answer, strict=True):
        column = "ticket_key" if write.row.open_subject is None else "open_subject"
        value = getattr(write.row, column)
        held = f"the {column} {value!r}"
        holders = [row.id for row, _ in contents.states.values() if row is not None and getattr(row, column) == value]
        trial.wrong_at = "taken"
        if len(holders) > 1:
            return f"{' and '.join(holders)} both have {held}"
        if conflict is None:
            return f"{write.row.id}: stored with {held}, which {holders[0]} has"
        if conflict.holder is not None and conflict.holder not in holders:
            return f"{write.row.id}: refused because {conflict.holder!r} has {held}, but {holders[0]} has it"
    trial.wrong_at = ""
    return ""


def not_whole(trial: Trial) -> str:
    """Return why the store cannot be used after a process was killed, or a write that is lost or there in part."""
    if (silent := trial.silent) is not None:
        return f"{silent.name} of {silent.who} does not return after process 1 was killed"
    for place in ("reopen", "after", "last", "at the end"):
        outcome = trial.outcome(place)
        if outcome is not None and outcome.error:
            return f"after a process was killed, the store cannot be used: {outcome.error}"
    if wrong := not_stored(trial) or not_unique(trial, "at the end"):
        return wrong
    (write,), end = trial.script.last, trial.contents("at the end")
    if end is not None and trial.answer("last") == [None] and end[write.row.id] != trial.script.after(write):
        return f"{write.row.id}: stored after a process was killed, but the store has {said(end[write.row.id])}"
    return _mixed(trial)


def _mixed(trial: Trial) -> str:
    """Return a change that has something of the interrupted commit after it was written in another way."""
    step, end = trial.steps.get("otherwise"), trial.contents("read otherwise")
    for place in ("open once more", "otherwise", "read otherwise"):
        outcome = trial.outcome(place)
        if outcome is not None and outcome.error:
            return f"after a process was killed, the store cannot be used: {outcome.error}"
    if step is None or end is None:
        return ""
    for write, conflict in zip(*step.arguments, trial.answer("otherwise") or (), strict=True):
        name, right = write.row.id, trial.script.after(write)
        if conflict is not None:
            return f"{name}: answered with a {conflict.kind} conflict, but nothing of it was stored before the kill"
        if end[name] != right:
            return f"{name}: written again after a process was killed, but the store has {_differs(end[name], right)}"
    return ""


def _differs(state: State, right: State) -> str:
    """Return a state in words, with the first column of an entry that is not the right one."""
    for line, must in zip(state[1], right[1], strict=False):
        for name in attrs.fields_dict(EntryRow):
            found, wanted = getattr(line, name), getattr(must, name)
            if found != wanted:
                return f"{said(state)}; entry {must.seq} has the {name} {found!r}, must have {wanted!r}"
    return said(state)


def not_made(trial: Trial) -> str:
    """Return why a store cannot be used if the process that made it was killed."""
    if (silent := trial.silent) is not None:
        return f"{silent.name} of {silent.who} does not return after the process that made the store was killed"
    for place in ("reopen", "made", "after"):
        outcome = trial.outcome(place)
        if outcome is not None and outcome.error:
            return f"after the process that made the store was killed, the store cannot be used: {outcome.error}"
    (write,), after = trial.script.base[0], trial.contents("after")
    if trial.answer("made") != [None]:
        return f"{write.row.id}: answered with a conflict in a new store"
    if after is not None and after[write.row.id] != trial.script.after(write):
        return f"{write.row.id}: stored in a new store, which has {said(after[write.row.id])}"
    return ""


def not_kept(trial: Trial) -> str:
    """Return a write that was answered as stored and is not there, or why the store cannot be read."""
    for place in ("reopen", "after"):
        outcome = trial.outcome(place)
        if outcome is not None and outcome.error:
            return f"the store cannot be read: {outcome.error}"
    after = trial.contents("after")
    for place in ("made", "first", "second", "elsewhere") if after else ():
        answer = trial.answer(place) or ()
        for write, conflict in zip(trial.steps[place].arguments[0] if answer else (), answer, strict=True):
            if conflict is not None:
                return f"{write.row.id}: answered with a {conflict.kind} conflict, but no other writer was there"
            if after is not None and after[write.row.id] != trial.script.after(write):
                return f"{write.row.id}: answered as stored, but the store has {said(after[write.row.id])}"
    return ""


def lost_later(trial: Trial) -> str:
    """Return a commit after the error that is missing in the reopened store, or the reason why it cannot be read."""
    for place in ("reopen", "after", "last", "at the end"):
        outcome = trial.outcome(place)
        if outcome is not None and outcome.error:
            return f"after the error, the store cannot be used when it is opened again: {outcome.error}"
    end = trial.contents("at the end")
    if end is None:
        return ""
    for place, name in _AFTER_FAULT.items():
        answer = trial.answer(place)
        for number, write in enumerate(getattr(trial.script, name)):
            if answer is not None and answer[number] is None and end[write.row.id] != trial.script.after(write):
                return f"{write.row.id}: stored after the error, but the reopened store has {said(end[write.row.id])}"
    if end[trial.script.named("c7")] != trial.script.before(trial.script.named("c7")):
        return f"{trial.script.named('c7')} was not written, but the store has {said(end[trial.script.named('c7')])}"
    return not_unique(trial, "at the end")


def memory_ahead(trial: Trial) -> str:
    """Return a change whose commit raised, and which the process reads in another state than a newly opened store."""
    raised = [place for place in _UNDER_FAULT if (outcome := trial.outcome(place)) is not None and outcome.error]
    names = [write.row.id for place in raised for write in getattr(trial.script, place)]
    for ours, theirs in (("read", "read elsewhere"), ("read at last", "after")):
        here, there = trial.contents(ours), trial.contents(theirs)
        if here is None or there is None:
            continue
        for name in names:
            if here[name] != there[name]:
                return f"{name}: the process reads {said(here[name])}, a newly opened store {said(there[name])}"
            if here.found.get(name) != there.found.get(name):
                return f"{name}: find of the process differs from that of a newly opened store"
    return ""


def kept_lock(trial: Trial) -> str:
    """Return the call that other calls keep from its end, although the call that met the error has ended."""
    if (silent := trial.silent) is not None:
        return f"{silent.name} of {silent.who} does not return after the error"
    if trial.contents("at the end") is None or trial.answer("last") is None:
        return ""  # the store is beyond use, whatever its locks
    for place in ("open elsewhere", "read elsewhere", "elsewhere", "rival"):
        outcome = trial.outcome(place)
        if outcome is not None and outcome.error:
            step = trial.steps[place]
            return f"{step.name} of another process raised {outcome.error}, until the first process had ended"
    return ""


def false_conflict(trial: Trial) -> str:
    """Return a conflict that is answered although no other writer was there, or its write was stored."""
    if kept := _kept_value(trial):
        return kept
    after = trial.contents("at the end") or trial.contents("after")
    # If it is unknown whether the values were taken and released, the first commit may have a conflict.
    skipped = {"first again"} if "instead" in trial.steps and trial.answer("released") != [None] else set[str]()
    for place in (*_UNDER_FAULT, *_AFTER_FAULT):
        if place in skipped:
            continue
        writes = getattr(trial.script, _AFTER_FAULT.get(place, place))
        for write, conflict in zip(writes, trial.answer(place) or [None] * len(writes), strict=True):
            if conflict is None:
                continue
            # Repeated after an error, a write that was stored conflicts with itself.
            repeated = place.endswith("again") and conflict.kind is ConflictKind.VERSION
            if not repeated or (after is not None and after[write.row.id] != trial.script.after(write)):
                return f"{write.row.id}: answered with a {conflict.kind} conflict, but no other writer was there"
    return ""


def _kept_value(trial: Trial) -> str:
    """Return a unique value that a failed commit keeps as taken, although no change has it, or a release that lost."""
    answer, holder, released = trial.answer("instead"), trial.answer("holder"), trial.answer("released")
    for conflict in (*(answer or ()), *(released or ())):
        if conflict is not None and (released or (holder is not None and not holder.rows)):
            return f"{conflict.change_id}: answered with a {conflict.kind} conflict, but no other change has its values"
    return ""


def conflict_for_a_lock(trial: Trial) -> str:
    """Return a conflict that was answered although the other process had stored nothing."""
    for place in trial.script.alone:
        if conflict := next(iter(trial.answer(place) or ()), None):
            return (
                f"{conflict.change_id}: answered with a {conflict.kind} conflict while another process was stopped, "
                "which was writing other changes"
            )
    answer, after = trial.answer("competing"), trial.contents("after")
    if answer is None or after is None:
        return ""
    won = after[trial.script.named("c1")] == trial.script.after(trial.script.first[0])
    for conflict, write in zip(answer, trial.script.competing, strict=True):
        if isinstance(conflict, Conflict) and not (won and write.row.id == trial.script.named("c1")):
            return (
                f"{write.row.id}: answered with a {conflict.kind} conflict while another process was stopped, which "
                "had stored nothing"
            )
    return ""


def wrong_read_at_a_lock(trial: Trial) -> str:
    """Return an answer that is neither that before the commit of the stopped process nor that after it."""
    script = trial.script
    name = script.named("c1")
    states = (script.before(name), script.after(script.first[0]))
    rows, least = [row for row, _ in states], len(script.base[1]) + 1
    right: dict[str, Callable[[Any], bool]] = {
        "get": lambda row: row in rows,
        "history": lambda page: page.entries in [entries for _, entries in states],
        "find": lambda page: len(page.rows) >= least and any(row in rows for row in page.rows),
        "holder": lambda page: [row.id for row in page.rows] == [name],
    }
    for place, is_right in right.items():
        outcome = trial.outcome(place)
        if outcome is not None and not outcome.error and not is_right(outcome.answer):
            call = "find" if place == "holder" else place
            found = word(outcome.answer)
            return f"{call} returned {found} while another process was stopped, but {name} was there before its commit"
    return ""


def wrong_read(trial: Trial) -> str:
    """Return an answer that is wrong although a read failed on the way, or what was lost because of it."""
    script = trial.script
    old, new = script.before(script.named("c1")), script.after(script.first[0])
    for which, (row, entries) in (("", old), (" again", new if trial.answer("elsewhere") else old)):
        for place, right in ((f"get{which}", row), (f"history{which}", entries)):
            outcome = trial.outcome(place)
            if outcome is None or outcome.error:
                continue
            read = outcome.answer.entries if place.startswith("history") else outcome.answer
            if read != right:
                return _returned(trial, place, read, f"the store has {word(right)}")
        listed = trial.answer(f"find{which}")
        if listed is not None and (row not in listed.rows or len(listed.rows) < len(script.base[1]) + 1):
            return _returned(trial, f"find{which}", listed, f"the store has {word(row)} and others")
        holder = trial.answer(f"holder{which}")
        held = row is not None and row.open_subject is not None
        if holder is not None and [one.id for one in holder.rows] != ([row.id] if held and row else []):
            return _returned(trial, f"holder{which}", holder, f"{script.named('c1')} holds the subject")
    for place, query in script.further.items():
        page, expected = trial.answer(place), script.model.find(query)[: query.limit]
        if page is not None and list(page.rows) != expected:
            return _returned(trial, place, page, f"the store has {word(expected)}")
    page = trial.answer("end of history")
    if page is not None and page.entries != old[1][1:]:
        return _returned(trial, "end of history", page, f"the store has {word(old[1][1:])}")
    return _lost_by_reading(trial)


def _returned(trial: Trial, place: str, answer: object, right: str) -> str:
    """Return that the call at a place returned something else than what is right, and let the report end with it."""
    trial.wrong_at, step = place, trial.steps[place]
    return trial.script.short(f"{asked(step.name, step.arguments)} returned {word(answer)}, but {right}")


def _lost_by_reading(trial: Trial) -> str:
    after, script = trial.contents("after"), trial.script
    if after is None:
        return ""
    expected: dict[str, tuple[State, ...]] = {name: (script.before(name),) for name in script.names}
    for place, writes in (("elsewhere", script.first), ("second", script.second)):
        answer = trial.answer(place)
        for number, write in enumerate(writes):
            old, new = script.before(write.row.id), script.after(write)
            if place not in trial.steps:
                expected[write.row.id] = (old,)
            elif answer is None:
                expected[write.row.id] = (old, new)
            else:
                expected[write.row.id] = (new,) if answer[number] is None else (old,)
    for name, states in expected.items():
        if after[name] not in states:
            trial.wrong_at = "after"
            return f"{name}: after a read that failed, the store has {said(after[name])}, not {said(states[-1])}"
    return ""


def said(state: State) -> str:
    """Return the state of a change in the words of a report."""
    row, entries = state
    return f"{word(row)} with {len(entries)} entries" if row is not None or entries else "nothing"
