"""The facts about a change that a page shows, and one sentence that says what the change waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.bkapi.call_log import masked
from itsm_workflow.change import WITHDRAW, AttentionReason, EffectStatus, Outcome, Phase
from itsm_workflow.machine import advice, self_approval, withdrawal
from itsm_workflow.machine.approval_rule import DOUBTS
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.machine.labels import (
    ATTENTION,
    ATTENTION_FACTS,
    OUTCOMES,
    VALUES,
    in_language,
    labels_of,
    state_label,
)
from itsm_workflow.machine.problems import problem_label, problems_of
from itsm_workflow.machine.sentences import LANGUAGES, Listing, say, text_of
from itsm_workflow.policy import Policy
from itsm_workflow.runtime.arguments import check_known
from itsm_workflow.runtime.operations import allowed_operations, useful_operations
from itsm_workflow.secrets import without_secrets

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from itsm_workflow.change import Attempt, Attention, ChangeRequest, Decider, Form, PlannedEffect, TicketDecision
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.machine.sentences import Sentence
    from itsm_workflow.storage.codec import Stored


@attrs.frozen(kw_only=True)
class Status:
    """The facts about a change that a page shows. The form is a separate attribute and never overwrites other facts.

    Attributes:
        grants: Whether `Workflow.require_approved` accepts the subject of a change in this state.
        labels: The state's display name for the applicant, by language (``zh``, ``en``); with the outcome if the change
            was rejected.
        outcome_labels: The outcome's display name, by language; empty while the change is open.
        attention_labels: The display name of the reason of attention, by language; empty if no person needs to look.
        ticket_url: The ticket's page, or None; also None if the settings do not allow pages of its host.
        iframe_ticket_url: The ticket's page for embedding, or None.
        ticket_status: The ticket's current status at the gateway, such as ``running`` or ``suspended``; None unless the
            gateway was asked for it and answered. It is not stored: a ticket that is suspended has not ended.
        decision: The people who decided the ticket and their verdicts, or None while they are not known.
        effects: A text for each effect that is still to be delivered.
    """

    id: str
    subject: str
    state: str
    grants: bool
    labels: Mapping[str, str]
    sn: str | None
    ticket_url: str | None
    iframe_ticket_url: str | None
    outcome: str | None
    decision: TicketDecision | None
    attention: Attention | None
    form: Form
    effects: tuple[str, ...] = ()
    ticket_status: str | None = None
    outcome_labels: Mapping[str, str] = attrs.field(factory=dict)
    attention_labels: Mapping[str, str] = attrs.field(factory=dict)


def status_of(
    definition: WorkflowDefinition, change: ChangeRequest, iframe_ticket_url: str | None, effects: Sequence[str] = ()
) -> Status:
    """Return the facts about a change that a page shows."""
    return Status(
        id=change.id,
        subject=change.subject,
        state=change.state,
        grants=definition.is_granting(change.state),
        labels=dict(labels_of(definition, change)),
        outcome_labels=dict(OUTCOMES[change.outcome]) if change.outcome else {},
        attention_labels=dict(ATTENTION[change.attention.reason]) if change.attention else {},
        sn=change.sn,
        ticket_url=change.ticket_url or None,
        iframe_ticket_url=iframe_ticket_url,
        outcome=change.outcome.value if change.outcome else None,
        decision=change.decision,
        attention=change.attention,
        form=change.form,
        effects=tuple(effects),
    )


ADVICE = {reason: said["en"] for reason, said in advice.ADVICE.items()}
"""The advice to the operator for each reason of attention."""

_SETTLE = "settle"
"""The operation that is always allowed, so that `allowed_operations` does not list it."""


def why(
    definition: WorkflowDefinition,
    stored: Stored,
    now: dt.datetime,
    knows: Callable[[str], bool] | None = None,
    *,
    policy: Policy = Policy(),  # noqa: B008 - frozen
    ticket_status: TicketStatus | None = None,
    language: str = "en",
) -> str:
    """Return one sentence that says what the change waits for, since when, and when the next look is.

    Args:
        definition: The change's definition.
        stored: The change.
        now: The current time.
        knows: A function that returns whether this process can deliver the named effect; None if it delivers none.
        policy: The timings in force.
        ticket_status: The ticket's current status at the gateway; None if the gateway was not asked.
        language: The language of the sentence, ``zh`` or ``en``.

    Raises:
        ValueError: There are no sentences in the language.
    """
    check_known("why(language=...)", [language], LANGUAGES, "a language")
    said = explained(definition, stored, now, knows, policy=policy, ticket_status=ticket_status)
    return text_of(said, language)


def explained(
    definition: WorkflowDefinition,
    stored: Stored,
    now: dt.datetime,
    knows: Callable[[str], bool] | None = None,
    *,
    policy: Policy = Policy(),  # noqa: B008 - frozen
    ticket_status: TicketStatus | None = None,
) -> Sentence:
    """Return the sentence of `why` before it is put into a language; the arguments are those of `why`."""
    change = stored.change
    waits = _waits_for(definition, change)
    if ticket_status is TicketStatus.SUSPENDED and is_watched(definition, change):
        waits = say("suspended", said=waits)
    parts = [waits]
    if change.state == definition.roles_in(change.state).undelivered:
        parts.append(say("undelivered", ticket=_ticket(change)))
    parts += _decisions_of(change)
    if change.attention is not None:
        found = allowed_operations(definition, change, now=now, policy=policy, actor=None)
        allowed = {*useful_operations(change, found), _SETTLE}
        parts += _attention(change, change.attention, allowed)
    parts += [*_effects_of(change, now, knows), *_parked(change)]
    parts.append(_next_look(stored, now))
    return say("change", subject=change.subject, id=change.id, parts=Listing("between_parts", tuple(parts)))


def _named(change: ChangeRequest, facts: Mapping[str, str]) -> Mapping[str, str]:
    """Return the facts of an attention with the name of an effect, if the change has one of that name, for its id."""
    names = [one.name for one in change.effects]
    known = {one.id: one.name for one in change.effects if names.count(one.name) == 1}
    return {fact: known.get(value, value) if fact == "effect" else value for fact, value in facts.items()}


def _attention(change: ChangeRequest, attention: Attention, allowed: Collection[str]) -> Iterator[Sentence]:
    """Yield what a person should do, and also about an approval by the applicant that another reason has replaced."""
    reasons, facts = self_approval.reasons_of(change), _named(change, attention.facts)
    if len(reasons) == 1:
        yield _reason(attention.reason, facts, allowed)
        return
    fact = AttentionReason.SELF_APPROVED.value
    yield _reason(attention.reason, {name: value for name, value in facts.items() if name != fact}, allowed)
    yield _reason(AttentionReason.SELF_APPROVED, {"approver": facts[fact]}, allowed)


def _reason(why_looked: AttentionReason, facts: Mapping[str, str], allowed: Collection[str]) -> Sentence:
    values = {"reason": ATTENTION[why_looked], "advice": advice.advice_for(why_looked.value, allowed)}
    if not facts:
        return say("attention", **values)
    shown = [_fact(name, value) for name, value in masked(facts).items()]
    return say("attention_with_facts", **values, facts=Listing("between_facts", tuple(shown)))


def _fact(name: str, value: object) -> Sentence:
    """Return a fact with its name; a detail is a clause, which needs none."""
    if name == "detail":
        return say("detail", value=value)
    return say("fact", name=ATTENTION_FACTS.get(name, name), value=value)


def is_watched(definition: WorkflowDefinition, change: ChangeRequest) -> bool:
    """Return whether the change waits for its ticket to be decided."""
    roles = definition.roles_in(change.state)
    return change.state in {roles.waiting, roles.undelivered}


def decisions_of(change: ChangeRequest, language: str = "en") -> Iterator[str]:
    """Yield a text for each person who decided the ticket, and for the attestation with its evidence."""
    return (text_of(one, language) for one in _decisions_of(change))


def _decisions_of(change: ChangeRequest) -> Iterator[Sentence]:
    if change.decision is not None:
        yield from map(_decider, change.decision.deciders)
        if change.decision.attested_by:
            yield say("attested_by", actor=change.decision.attested_by, evidence=change.decision.evidence)


def describe_decider(decider: Decider, language: str = "en") -> str:
    """Return a short text with a person's name, verdict and remark in a step of a ticket."""
    return text_of(_decider(decider), language)


def _decider(decider: Decider) -> Sentence:
    codes = {True: "approved_by", False: "refused_by", None: "decided_by"}
    said = say(codes[decider.approved], user=decider.user)
    return say("with_remark", said=said, remark=decider.remark) if decider.remark else said


def _waits_for(definition: WorkflowDefinition, change: ChangeRequest) -> Sentence:
    roles, attempt = definition.roles_in(change.state), change.attempt
    is_draft, is_between = change.state == definition.initial, definition.is_submitted_in(change.state)
    if is_draft or (is_between and change.outcome is None):
        said = say("draft" if is_draft else "next_approval")
        problem = attempt.problem if attempt else ""
        return say("with_problem", said=said, problem=problem_label(problem)) if problem else said
    if change.state == roles.asking and attempt is not None:
        return _filing(attempt, change.attention)
    if change.outcome is not None and not is_watched(definition, change):
        return _decided(definition, change, change.outcome)
    return _waits_for_ticket(change)


_ERRORS = ("problem", "differences", "unseen")
"""The facts of an attention with which a problem of the attempt ends: the sentence shows them with the attention."""


def _filing(attempt: Attempt, attention: Attention | None) -> Sentence:
    """Return what a change without a ticket waits for, after it was submitted."""
    codes = {Phase.QUEUED: "queued", Phase.SENDING: "sending", Phase.UNKNOWN: "unknown"}
    said = say(codes[attempt.phase], number=attempt.number)
    shown = [attention.facts[name] for name in _ERRORS if name in attention.facts] if attention else []
    left = [one for one in problems_of(attempt) if one and not any(fact and one.endswith(fact) for fact in shown)]
    problems = tuple(problem_label(one) for one in left)
    if not problems:
        return said
    # Such a request did not reach the ticket system: the connection failed, or the credentials were refused.
    is_advised = attention is not None and attention.reason is AttentionReason.UNSENT
    to_check = attempt.phase is Phase.QUEUED and not is_advised
    code = "with_problems_to_check" if to_check else "with_problems"
    return say(code, said=said, problems=Listing("between_problems", problems))


def _decided(definition: WorkflowDefinition, change: ChangeRequest, outcome: Outcome) -> Sentence:
    """Return how a change was decided that does not wait for its ticket any more."""
    roles, ticket, at = definition.roles_in(change.state), _ticket(change), change.ended_at
    on = {"at": at} if at else {}
    state = {language: state_label(definition, change.state, language) for language in LANGUAGES}
    if outcome is Outcome.WAS_APPROVED:
        is_between = definition.is_submitted_in(change.state)
        stands = say("next_approval") if is_between else say("grants_no_more", state=state)
        return say("was_approved_on" if at else "was_approved", ticket=ticket, now=stands, **on)
    name = {"zh": OUTCOMES[outcome]["zh"], "en": outcome.value}
    result = say("outcome_on" if at else "outcome", outcome=name, **on)
    if change.ticket:
        result = say("with_ticket" if outcome is Outcome.ABANDONED else "by_ticket", result=result, ticket=ticket)
    if change.state in definition.final and change.state in {roles.granted, roles.refused}:
        return say("ended", result=result)
    # The change continues after its approval, or ended in a state that the host added.
    return say("goes_on", state=state, result=result)


def _waits_for_ticket(change: ChangeRequest) -> Sentence:
    """Return what a change waits for whose ticket was filed."""
    ticket, reason = _ticket(change), change.attention.reason if change.attention else None
    if reason is AttentionReason.DECISION_REFUSED:
        return say("decision_refused", ticket=ticket)
    if reason in DOUBTS:
        return say("in_doubt", ticket=ticket)
    if change.suspicion is not None:
        seen = change.suspicion
        status = {"zh": in_language(VALUES.get(seen.status, {}), "zh", seen.status), "en": seen.status}
        return say("second_look", ticket=ticket, status=status, at=seen.since)
    withdrawn = withdrawal.unresolved(change)
    if withdrawn is not None:
        is_known = withdrawn.status is EffectStatus.DELIVERED
        return say("withdrawn", ticket=ticket, at=withdrawn.due_at if is_known else say("unknown_time"))
    if reason is AttentionReason.NOT_STARTED:
        return say("not_started", ticket=ticket)
    approvers = change.form.approvers
    named = Listing("between_names", tuple(approvers)) if any(approvers) else say("its_approvers")
    if change.ticket:
        return say("waits_since", ticket=ticket, approvers=named, at=change.ticket.recorded_at)
    return say("waits", ticket=ticket, approvers=named)


def _ticket(change: ChangeRequest) -> Sentence:
    return say("ticket", sn=change.ticket.sn) if change.ticket else say("its_ticket")


def effects_of(
    change: ChangeRequest, now: dt.datetime, knows: Callable[[str], bool] | None, language: str = "en"
) -> list[str]:
    """Return a text for each effect that is still to be delivered.

    Raises:
        ValueError: There are no sentences in the language.
    """
    check_known("status(language=...)", [language], LANGUAGES, "a language")
    return [text_of(one, language) for one in _effects_of(change, now, knows)]


def _effects_of(change: ChangeRequest, now: dt.datetime, knows: Callable[[str], bool] | None) -> list[Sentence]:
    undone = [one for one in change.effects if one.status in {EffectStatus.PLANNED, EffectStatus.STARTED}]
    return [_effect(one, now, is_known=knows is None or knows(one.name)) for one in undone]


def _parked(change: ChangeRequest) -> Iterator[Sentence]:
    """Yield a text for each parked effect that the attention does not name, such as one whose attention was cleared."""
    attention = change.attention
    is_named = attention is not None and attention.reason is AttentionReason.EFFECT_PARKED
    named = attention.facts.get("effect") if attention is not None and is_named else None
    for one in change.parked_effects:
        if one.id != named:
            error = without_secrets(one.error) or say("unknown_error")
            yield say("effect_parked", name=one.name, times=one.tries, error=error)


def _effect(effect: PlannedEffect, now: dt.datetime, *, is_known: bool) -> Sentence:
    name = effect.name
    if effect.claimed_until is not None and effect.is_in_delivery(now):
        return say("effect_in_delivery", name=name, at=effect.claimed_until, number=effect.attempts)
    due = say("due") if effect.due_at <= now else say("due_at", at=effect.due_at)
    if not is_known:
        return say("effect_without_function", name=name, due=due)
    if effect.status is EffectStatus.STARTED:
        return say("effect_without_result", name=name, due=due, number=effect.attempts)
    if name == WITHDRAW and effect.error:
        return say("effect_with_error", name=name, due=due, error=without_secrets(effect.error))
    if not effect.tries:
        return say("effect", name=name, due=due)
    said = say("effect_failed_once", name=name, due=due)
    if effect.tries > 1:
        said = say("effect_failed", name=name, due=due, times=effect.tries)
    return say("effect_failed_by", said=said, error=without_secrets(effect.error)) if effect.error else said


def _next_look(stored: Stored, now: dt.datetime) -> Sentence:
    if stored.due_at is None:
        return say("nothing_due")
    return say("due_now") if stored.due_at <= now else say("next_look", at=stored.due_at)
