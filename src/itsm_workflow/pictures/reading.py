"""A change's history, read for a picture: what each entry is about, and when a person had to look."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import DefinitionError, TransitionRefused
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.engine import fire, open_change
from itsm_workflow.machine.labels import change_label
from itsm_workflow.pictures.words import details_of, effect_name, headline_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.change import Attention, ChangeRequest, Decider, Entry
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy

_PROGRAMS = frozenset({"gateway", "worker", "callback"})
"""The actors of the entries that the library writes by itself."""

_LEAST_OF_A_RUN = 4
_REQUEST = re.compile("(?:request|请求) [^\\s,;)，；）]+")


class Lane(enum.StrEnum):
    """The subject of an entry."""

    REQUEST = "request"
    CALLBACKS = "callbacks"
    LOOKS = "looks"
    EFFECTS = "effects"
    PEOPLE = "people"


class Result(enum.StrEnum):
    """The result of the act that an entry records."""

    DONE = "done"
    EMPTY = "empty"
    """A look that found nothing."""
    FAILED = "failed"
    """It failed, or its result is unknown."""


@attrs.frozen(kw_only=True)
class Step:
    """An entry of the history, or a run of entries that say the same but for the ids of their requests.

    Attributes:
        entry: The entry, or the first of the run.
        last: The last entry of the run.
        count: The number of entries.
        headline: What the entry records, in words.
        details: Its facts, in words.
        person: The user who acted; empty if a program did.
        deciders: The decisions of approvers that are known since this entry.
        state: The label of the state after the entry.
        before: The reason why a person should look, before the entry.
        after: The reason after it.
    """

    entry: Entry
    last: Entry
    count: int = 1
    headline: str
    details: str
    lane: Lane
    result: Result
    person: str
    deciders: tuple[Decider, ...]
    state: str
    before: Attention | None
    after: Attention | None

    @property
    def is_move(self) -> bool:
        """Whether the change entered another state."""
        return self.entry.source != self.entry.dest

    @property
    def changes_attention(self) -> bool:
        """Whether a person has to look since the entry, for another reason, or no longer."""
        return (self.before and self.before.reason) != (self.after and self.after.reason)


def read(
    definition: WorkflowDefinition,
    path: Sequence[Entry],
    policy: Policy,
    language: str,
    attention: Attention | None = None,
) -> Sequence[Step]:
    """Return the steps of a history; runs of four or more entries, or pairs, that say the same are one step.

    Args:
        definition: The workflow.
        path: The history.
        policy: The timings with which it was written.
        language: The language of the words, ``zh`` or ``en``.
        attention: The attention that is stored with the change. It is shown since its time if the history, read with
            these timings, raises none.
    """
    steps: list[Step] = []
    known: set[Decider] = set()
    before: Attention | None = None
    for entry, change in zip(path, _changes(definition, path, policy), strict=True):
        after = None if change is None else change.attention
        deciders = tuple(one for one in _deciders(entry) if one not in known)
        known.update(deciders)
        steps.append(
            Step(
                entry=entry,
                last=entry,
                headline=headline_of(entry, language),
                details=details_of(entry, deciders, language),
                lane=_lane(entry),
                result=result_of(entry),
                person="" if entry.actor in _PROGRAMS else entry.actor,
                deciders=deciders,
                state=_state(definition, entry, change, language),
                before=before,
                after=after,
            )
        )
        before = after
    if attention is not None and steps and steps[-1].after is None:
        steps = list(_raised(steps, attention))
    return list(_folded(steps))


def _raised(steps: Sequence[Step], attention: Attention) -> Iterator[Step]:
    """Yield the steps, with the attention since the last entry that is not later than it."""
    begin = max((number for number, step in enumerate(steps) if step.entry.at <= attention.since), default=0)
    for number, step in enumerate(steps):
        before = attention if number > begin else step.before
        yield attrs.evolve(step, before=before, after=attention if number >= begin else step.after)


def planned_names(entry: Entry) -> list[str]:
    """Return the names of the effects that were planned with an entry."""
    return [effect_name(entry, effect) for effect in entry.effects]


def _changes(definition: WorkflowDefinition, path: Sequence[Entry], policy: Policy) -> Iterator[ChangeRequest | None]:
    """Yield the change after each entry: the machine goes through the history again."""
    change: ChangeRequest | None = None
    for entry in path:
        change = _opened(definition, entry) if change is None else _moved(definition, change, entry, policy)
        yield change


def _state(definition: WorkflowDefinition, entry: Entry, change: ChangeRequest | None, language: str) -> str:
    """Return the label of the state after an entry; its name if the definition does not have it."""
    if change is None or entry.dest not in {state.value for state in definition.states}:
        return entry.dest
    return change_label(definition, change, language)


def _opened(definition: WorkflowDefinition, entry: Entry) -> ChangeRequest | None:
    if not isinstance(entry.evidence, ev.Drafted):
        return None
    form = entry.evidence.form
    return open_change(definition, change_id=entry.change_id, subject="", form=form, now=entry.at, actor=entry.actor)[0]


def _moved(definition: WorkflowDefinition, change: ChangeRequest, entry: Entry, policy: Policy) -> ChangeRequest:
    planned = {entry.dest: planned_names(entry)} if entry.source != entry.dest else {}
    try:
        moved, _ = fire(
            definition,
            change,
            entry.trigger,
            entry.evidence,
            now=entry.at,
            policy=policy,
            seq=entry.seq,
            actor=entry.actor,
            effects=planned,
        )
    except (TransitionRefused, DefinitionError):  # another version of the workflow wrote it
        moved = change
    return moved if moved.state == entry.dest else attrs.evolve(moved, state=entry.dest)


def _deciders(entry: Entry) -> Sequence[Decider]:
    return entry.evidence.deciders if isinstance(entry.evidence, ev.Snapshot) else ()


def _lane(entry: Entry) -> Lane:
    match entry.evidence:
        case ev.CallbackHeard() | ev.Undelivered() | ev.TicketConfirmed(channel=ev.Channel.CALLBACK):
            return Lane.CALLBACKS
        case ev.LookupNoted() | ev.Snapshot() | ev.LateTicket() | ev.TicketConfirmed(channel=ev.Channel.LOOKUP):
            return Lane.LOOKS
        case ev.EffectStart() | ev.EffectResult():
            return Lane.EFFECTS
        case ev.AttemptMark() | ev.Refusal() | ev.SubmissionNumber() | ev.TicketConfirmed(channel=ev.Channel.ANSWER):
            return Lane.REQUEST
    return Lane.PEOPLE if entry.actor not in _PROGRAMS else Lane.LOOKS


def result_of(entry: Entry) -> Result:
    """Return the result of the act that an entry records."""
    match entry.evidence:
        case ev.LookupNoted(answered=answered):
            return Result.EMPTY if answered else Result.FAILED
        case ev.AttemptMark(problem=problem) if problem:
            return Result.FAILED
        case ev.EffectResult(error=error) if error:
            return Result.FAILED
        case ev.Refusal() | ev.Undelivered():
            return Result.FAILED
    return Result.DONE


def _folded(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the steps, with runs of steps, or of pairs of steps, that say the same as one step or pair.

    A send that is refused is a pair: the start of the request, and its result.
    """
    start = 0
    while start < len(steps):
        of_one, of_two = (_repeats(steps, start, period) for period in (1, 2))
        period, count = (1, of_one) if of_one >= _LEAST_OF_A_RUN else (2, of_two)
        if count < _LEAST_OF_A_RUN:
            period = count = 1
        end = start + period * count
        for first in range(start, start + period):
            last = steps[end - period + first - start]
            yield attrs.evolve(steps[first], last=last.entry, count=count)
        start = end


def _repeats(steps: Sequence[Step], start: int, period: int) -> int:
    """Return how many times in a row the steps from a place say the same, as many steps at a time as the period has."""
    end = start + period
    while end < len(steps) and _says_the_same(steps[end - period], steps[end]):
        end += 1
    return (end - start) // period


def _says_the_same(one: Step, other: Step) -> bool:
    return not (one.is_move or other.is_move or one.changes_attention or other.changes_attention) and (
        (one.entry.trigger, _without_request(one.details), one.entry.actor)
        == (other.entry.trigger, _without_request(other.details), other.entry.actor)
    )


def _without_request(details: str) -> str:
    """Return the details without the id of a request, which is another one each time."""
    return _REQUEST.sub("", details)
