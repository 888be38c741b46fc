"""The result of an act, as its page and the page of its change show it: its entry, the new entries, or a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from flask import g, request

from itsm_workflow.acts import SETTLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.runtime.overview import Overview
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
        problem = _no_answer(workflow, workflow.get(before.change.id), has_entries=bool(made))
        return Result(problem=problem, status=503) if problem else Result(shows={"since": count})
    seq = next((entry.seq for entry in made if entry.actor == actor), None)
    if seq is not None:
        return Result(shows={"made": seq, "_anchor": f"entry-{seq}"})
    if made:
        return Result(problem=words("overtaken", seq=made[0].seq, actor=made[0].actor), status=409)
    return Result(problem=words("changed_nothing"))


def shown_result(history: Sequence[Entry]) -> str:
    """Return the sentence about the act that the address of a change's page names; empty if it names none.

    A link with any number can be sent to a person, so the sentence says only what the history shows.
    """
    words = g.reader.words
    for entry in history:
        shown: str = ""
        if request.args.get("made") == f"{entry.seq}" and g.person.name and entry.actor == g.person.name:
            shown = words("made", seq=entry.seq)
        elif request.args.get("since") == f"{entry.seq}":
            count = history[-1].seq - entry.seq
            shown = words("entries_since" if count else "no_entry_since", seq=entry.seq, count=count)
        if shown:
            return shown
    return ""


def _no_answer(workflow: Workflow, change: ChangeRequest, *, has_entries: bool) -> str:
    """Return a sentence if a look found out nothing about the ticket; empty if it did, or none was needed."""
    words, sentence = g.reader.words, ""
    if change.outcome is not None:
        return ""
    if change.ticket is None:
        if change.attempt and change.attempt.look_problem:
            sentence = words("look_failed", problem=change.attempt.look_problem)
    elif not has_entries and workflow.status(change.id, live=True).ticket_status is None:
        # A failed look at a ticket is neither stored nor raised, so the gateway is asked for the ticket's status.
        sentence = words("unanswered")
    return sentence
