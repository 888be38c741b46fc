"""A change's history as messages between the host, the library, the store, the gateway and the approvers."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import WITHDRAW
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.labels import VALUES, in_language
from itsm_workflow.machine.problems import problem_label, was_answered
from itsm_workflow.pictures.reading import Lane, Step
from itsm_workflow.pictures.words import decision_text, effect_name, phrase

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from itsm_workflow.change import Decider, Entry

_RESULTS = frozenset({Trigger.MARK_UNSENT, Trigger.MARK_UNKNOWN, Trigger.RECORD_TICKET, Trigger.REFUSE})
"""The triggers that record the result of a request for a ticket."""


class Party(enum.StrEnum):
    """A sender and receiver of messages, from left to right."""

    HOST = "host"
    LIBRARY = "library"
    STORE = "store"
    GATEWAY = "gateway"
    APPROVER = "approver"


class Kind(enum.StrEnum):
    """The kind of a message."""

    CALL = "call"
    ANSWER = "answer"
    LOST = "lost"
    """It was not sent, did not arrive, or its fate is unknown."""


@attrs.frozen
class Message:
    """A message, with its words."""

    source: Party
    dest: Party
    words: str
    kind: Kind = Kind.CALL


@attrs.frozen(kw_only=True)
class Block:
    """The messages around one entry of the history, or around a decision that a later entry reports.

    Attributes:
        at: The time of the entry, or of the decision.
        step: The entry, or the run of entries that say the same; None for a decision.
    """

    at: dt.datetime
    messages: Sequence[Message]
    step: Step | None = None


def blocks_of(steps: Sequence[Step], language: str) -> Sequence[Block]:
    """Return the messages of a change, in the order of time.

    A decision is placed by the time that the ticket system shows, and before the callbacks that follow it.
    """
    blocks: list[Block] = []
    for number, step in enumerate(steps):
        for decider in step.deciders:
            words = decision_text(decider, language)
            place = _place(blocks, decider)
            at = blocks[place].at if place < len(blocks) else step.entry.at
            message = Message(Party.APPROVER, Party.GATEWAY, words)
            blocks.insert(place, Block(at=decider.at or at, messages=[message]))
        result = next((one.entry for one in steps[number + 1 :] if one.entry.trigger in _RESULTS), None)
        messages = _messages(step, language, is_unsent=result is not None and _is_unsent(result))
        blocks.append(Block(at=step.entry.at, messages=list(messages), step=step))
    return blocks


def _is_unsent(result: Entry) -> bool:
    """Return whether an entry records that a request did not reach the gateway; a refused one was answered."""
    mark = result.evidence
    is_answered = isinstance(mark, ev.AttemptMark) and was_answered(mark.problem)
    return result.trigger == Trigger.MARK_UNSENT and not is_answered


def _place(blocks: Sequence[Block], decider: Decider) -> int:
    """Return where a decision belongs: after the last move of the change, and before the callbacks about it."""
    place = len(blocks)
    while place and not _precedes(blocks[place - 1], decider):
        place -= 1
    return place


def _precedes(block: Block, decider: Decider) -> bool:
    if block.step is None or block.step.is_move:
        return True
    return block.step.lane is not Lane.CALLBACKS if decider.at is None else block.at <= decider.at


def _messages(step: Step, language: str, *, is_unsent: bool) -> Iterator[Message]:
    """Yield the messages before the commit of an entry, the commit, and the call that follows it."""
    entry = step.entry
    is_of_person = step.lane is Lane.PEOPLE or (bool(step.person) and step.lane is Lane.EFFECTS)
    if is_of_person:
        words = f"{step.headline} {step.details}".strip()
        yield Message(Party.HOST, Party.LIBRARY, phrase("named", language, step.person, words))
    else:
        yield from _found(step, language)
    commit = phrase("entry", language, entry.seq) if is_of_person else f"#{entry.seq} {step.headline}"
    yield Message(Party.LIBRARY, Party.STORE, commit)
    if entry.trigger == Trigger.MARK_SENDING:
        kind = Kind.LOST if is_unsent else Kind.CALL
        yield Message(Party.LIBRARY, Party.GATEWAY, phrase("create", language), kind)
    if isinstance(entry.evidence, ev.EffectStart):
        if effect_name(entry, entry.evidence.effect) == WITHDRAW:
            yield Message(Party.LIBRARY, Party.GATEWAY, phrase("withdraw", language))
        else:
            yield Message(Party.LIBRARY, Party.HOST, phrase("run", language, step.details))


def _found(step: Step, language: str) -> Iterator[Message]:  # noqa: C901 - a table
    """Yield the messages from which the library learned an entry's facts."""
    match step.entry.evidence:
        case ev.AttemptMark(problem=problem) if step.entry.trigger == Trigger.MARK_UNKNOWN:
            yield _reply(
                phrase("named", language, phrase("no_answer", language), _in_words(problem, language)), Kind.LOST
            )
        case ev.AttemptMark(problem=problem) if problem and was_answered(problem):
            yield _reply(phrase("named", language, phrase("refused", language), _in_words(problem, language)))
        case ev.AttemptMark(problem=problem) if problem:
            words = phrase("named", language, phrase("unsent", language), _in_words(problem, language))
            yield _reply(words, Kind.LOST)
        case ev.Refusal(looked_up=looked_up):
            yield _reply(step.details)
            if looked_up:
                yield from (_ask("look_up", language), _reply(phrase("answered", language)))
        case ev.LookupNoted(answered=answered):
            yield from (_ask("look_up", language), _reply(step.details, Kind.ANSWER if answered else Kind.LOST))
        case ev.TicketConfirmed(channel=ev.Channel.ANSWER, sn=sn):
            yield _reply(phrase("ticket", language, sn))
        case ev.TicketConfirmed(sn=sn) | ev.LateTicket(sn=sn):
            yield from (_ask("look_up", language), _reply(phrase("ticket", language, sn)))
        case ev.CallbackHeard(sn=sn):
            yield _reply(phrase("callback", language, sn), Kind.CALL)
        case ev.Undelivered(sn=sn):
            yield _reply(phrase("callback", language, sn), Kind.LOST)
            yield from (_ask("list_undelivered", language), _reply(phrase("ticket", language, sn)))
        case ev.Snapshot(status=status):
            yield from (_ask("read", language), _reply(in_language(VALUES[status], language, status)))
        case ev.EffectResult() as result:
            is_unknown = result.withdrawal is ev.Withdrawal.UNKNOWN
            is_ours = effect_name(step.entry, result.effect) == WITHDRAW
            source = Party.GATEWAY if is_ours else Party.HOST
            done = (
                in_language(VALUES[result.withdrawal], language, "") if result.withdrawal else phrase("done", language)
            )
            words = phrase("named", language, phrase("went_wrong", language), result.error) if result.error else done
            yield Message(source, Party.LIBRARY, words, Kind.LOST if is_unknown else Kind.ANSWER)


def _in_words(problem: str, language: str) -> str:
    return in_language(problem_label(problem), language, problem)


def _ask(name: str, language: str) -> Message:
    return Message(Party.LIBRARY, Party.GATEWAY, phrase(name, language))


def _reply(words: str, kind: Kind = Kind.ANSWER) -> Message:
    return Message(Party.GATEWAY, Party.LIBRARY, words, kind)
