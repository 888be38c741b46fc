"""The questions that the library plans, with all parts of the change that they depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow import settle
from itsm_workflow.testing.exploration.world import Deliver, Lookup, Question, Read, Send

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest


def question_of(question: settle.Question, change: ChangeRequest) -> Question:
    """Return the question, with all parts of the claimed change that it depends on."""
    attempt, ticket = change.attempt, change.ticket
    key, number = (attempt.key, attempt.number) if attempt else ("", 0)
    bound = ticket.id if ticket else ""
    if isinstance(question, settle.Send):
        return Send(question.number, key, question.owner)
    if isinstance(question, settle.Deliver):
        effect = next(one for one in change.effects if one.id == question.effect)
        return Deliver(effect.id, effect.name, effect.attempts, bound)
    if isinstance(question, settle.Lookup):
        return Lookup(number, key, sn=question.sn or "")
    if isinstance(question, settle.Sweep) and question.lookup:
        return Lookup(number, key, read=bound if question.read else "", late=True)
    return Read(bound, late=isinstance(question, settle.Sweep))


def purpose_of(question: Question) -> str:
    """Return what a worker does with a question, for people."""
    if isinstance(question, Deliver):
        return f"deliver effect {question.name}"
    return {Send: "send", Lookup: "look for tickets", Read: "read the ticket"}[type(question)]
