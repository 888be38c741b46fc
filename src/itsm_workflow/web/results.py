"""The result of an act, as its page and the page of its change show it: its entry, the new entries, or a problem."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

import attrs
from flask import g, request

from itsm_workflow.acts import SETTLE
from itsm_workflow.machine.evidence import EffectResult, EffectRetry, LookupNoted, TicketStatus
from itsm_workflow.machine.labels import VALUES, in_language
from itsm_workflow.pictures import reading
from itsm_workflow.pictures.measure import visible
from itsm_workflow.pictures.words import details_of, headline_of
from itsm_workflow.secrets import without_secrets
from itsm_workflow.web.sessions import token_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.runtime.overview import Overview
    from itsm_workflow.web.presenting import Reader
    from itsm_workflow.workflow import Workflow


@attrs.frozen(kw_only=True)
class Result:
    """The result of an act.

    Attributes:
        shows: The parameters with which the page of the change shows the result; empty if there is a problem.
        problem: Why the act is not done, in one sentence.
        status: The status of the page with the problem.
    """

    shows: Mapping[str, Any] = attrs.field(factory=dict)
    problem: str = ""
    status: int = 200


def result_of(workflow: Workflow, before: Overview, name: str) -> Result:
    """Return the result of an act that raised no error.

    An act may record nothing, since another process did the same first. So the entry of the person is looked for.

    Args:
        workflow: The workflow.
        before: The change as it was before the act.
        name: The act.
    """
    words, actor, count = g.reader.words, g.person.name, len(before.history)
    made = workflow.history(before.change.id)[count:]
    if name == SETTLE:  # its entries are those of the ticket system and of the process
        after = workflow.get(before.change.id)
        seen = _seen_by_look(workflow, after)
        problem = _no_answer(workflow, after, seen, has_entries=bool(made))
        if problem:
            return Result(problem=problem, status=503)
        saw = {"saw": seen, "mark": _mark(after.id, count, seen)} if seen else {}
        return Result(shows={"since": count, **saw, **_failure_of(made)})
    seq = next((entry.seq for entry in made if entry.actor == actor), None)
    if seq is not None:
        followed = [entry for entry in made if entry.seq > seq]
        return Result(shows={"made": seq, **_failure_of(followed), "_anchor": f"entry-{seq}"})
    if made:
        return Result(problem=words("overtaken", seq=made[0].seq, actor=made[0].actor), status=409)
    return Result(problem=words("changed_nothing"))


def _failure_of(made: Sequence[Entry]) -> Mapping[str, int]:
    """Return the parameter that names the last entry of an act that records a failure; empty if none does."""
    failed = [entry.seq for entry in made if _is_failure(entry)]
    return {"failed": failed[-1]} if failed else {}


def _is_failure(entry: Entry) -> bool:
    return reading.result_of(entry) is reading.Result.FAILED


@attrs.frozen
class Shown:
    """The sentence about an act on the page of its change.

    Attributes:
        text: The sentence; empty if the address names no act.
        is_failure: Whether what the act began failed.
    """

    text: str = ""
    is_failure: bool = False


def shown_result(change_id: str, history: Sequence[Entry]) -> Shown:
    """Return the sentence about the act that the address of a change's page names.

    A link with any number can be sent to a person, so the sentence says only what the history shows, and what a look in
    the same session saw, which is marked with the token of the session.
    """
    words = g.reader.words
    for entry in history:
        failed = next((one for one in history if _is_named_failure(one, entry)), None)
        if request.args.get("made") == f"{entry.seq}" and g.person.name and entry.actor == g.person.name:
            if failed is None:
                return Shown(words("made", seq=entry.seq))
            return Shown(_failed_again(entry, failed) or _failed(failed), is_failure=True)
        if request.args.get("since") == f"{entry.seq}":
            count = history[-1].seq - entry.seq
            shown = words("entries_since" if count else "no_entry_since", seq=entry.seq, count=count)
            saw = _saw(change_id, entry.seq) or _look_up_since(history, entry)
            shown = words("between", first=shown, second=saw).strip()
            shown = shown if failed is None else words("between", first=shown, second=_failed(failed))
            return Shown(shown, is_failure=failed is not None)
    return Shown()


def _is_named_failure(one: Entry, before: Entry) -> bool:
    """Return whether an entry records a failure, is later than another one, and is the one that the address names."""
    return request.args.get("failed") == f"{one.seq}" and one.seq > before.seq and _is_failure(one)


def _failed_again(entry: Entry, failed: Entry) -> str:
    """Return the sentence about an effect that a person retried and that failed again; empty for anything else."""
    asked, result = entry.evidence, failed.evidence
    if not isinstance(asked, EffectRetry) or not isinstance(result, EffectResult) or asked.effect != result.effect:
        return ""
    reader: Reader = g.reader
    return reader.words("failed_again", error=visible(without_secrets(result.error)), seq=failed.seq)


def _failed(failed: Entry) -> str:
    """Return what failed, with its cause."""
    reader: Reader = g.reader
    cause = details_of(failed, (), reader.language)
    return reader.words("act_failed", seq=failed.seq, what=headline_of(failed, reader.language), cause=cause)


def _seen_by_look(workflow: Workflow, change: ChangeRequest) -> str:
    """Return the status in which the ticket system shows the ticket of an open change; empty if it does not answer.

    A look that finds nothing new stores nothing and raises no error, so the ticket system is asked once more.
    """
    if change.outcome is not None or change.ticket is None:
        return ""
    return workflow.status(change.id, live=True).ticket_status or ""


def status_just_seen(change_id: str, history: Sequence[Entry]) -> str:
    """Return the ticket's status that a look in this session saw after the newest entry; empty if there was no look."""
    return _seen(change_id, history[-1].seq) if request.args.get("since") == f"{history[-1].seq}" else ""


def _seen(change_id: str, seq: int) -> str:
    """Return the status in the address; empty if the address has none, or another session made it."""
    status = request.args.get("saw", "")
    is_ours = hmac.compare_digest(request.args.get("mark", "").encode(), _mark(change_id, seq, status))
    return status if is_ours else ""


def _saw(change_id: str, seq: int) -> str:
    """Return what a look saw, in words; empty if there was no look."""
    reader: Reader = g.reader
    status = _seen(change_id, seq)
    if not status:
        return ""
    if status == TicketStatus.SUSPENDED:
        return reader.words("saw_suspended")
    return reader.words("saw", status=in_language(VALUES.get(status, {}), reader.language, status))


def _mark(change_id: str, seq: int, status: str) -> bytes:
    """Return the mark of what a look saw, which only this session can make."""
    return token_of(g.person.csrf.encode(), f"{change_id} {seq} {status}").encode()


def _look_up_since(history: Sequence[Entry], before: Entry) -> str:
    """Return what the last look-up after an entry found out, in words; empty if there was none, or no answer."""
    noted = _noted([entry for entry in history if entry.seq > before.seq])
    return "" if noted is None or not noted.answered else _in_words("looked_up", noted.problem)


def _noted(entries: Sequence[Entry]) -> LookupNoted | None:
    """Return the last look-up without a ticket; None if no entry records one."""
    found = (entry.evidence for entry in reversed(entries) if isinstance(entry.evidence, LookupNoted))
    return next(found, None)


def _in_words(code: str, problem: str) -> str:
    reader: Reader = g.reader
    return reader.words(code, problem=without_secrets(reader.problem(problem)))


def _no_answer(workflow: Workflow, change: ChangeRequest, seen: str, *, has_entries: bool) -> str:
    """Return a sentence if a look got no answer about the ticket; empty if it did, or none was needed."""
    words, sentence = g.reader.words, ""
    if change.outcome is not None:
        return ""
    if change.ticket is None:
        noted = _noted(workflow.history(change.id))
        if change.attempt and change.attempt.look_problem and noted is not None and not noted.answered:
            sentence = _in_words("look_failed", change.attempt.look_problem)
    elif not has_entries and not seen:
        sentence = words("unanswered")
    return sentence
