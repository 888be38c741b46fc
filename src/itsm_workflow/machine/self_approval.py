"""The review of an approval by the applicant alone, which stays due until another person clears its attention.

A change has one attention. While another reason of the library replaces ``self_approved``, the facts of that attention
name the applicant who approved. A person who clears that attention has seen this fact, so the review is done, unless
the person is the applicant. If the applicant clears it, or it is resolved, ``self_approved`` is raised again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import Attention, AttentionReason
from itsm_workflow.machine.approval_rule import applicant_of
from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.text import is_same_user

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from itsm_workflow.change import ChangeRequest

_FACT = AttentionReason.SELF_APPROVED.value
"""The fact of an attention that has replaced ``self_approved``: the applicant who approved."""


def with_review(
    before: ChangeRequest, after: ChangeRequest, now: dt.datetime, *, cleared_by: str | None
) -> ChangeRequest:
    """Return the change after a trigger, with the review that was due before it.

    Args:
        before: The change before the trigger.
        after: The change as the update of the trigger returned it.
        now: The time at which the trigger fires.
        cleared_by: The person who clears the attention by the trigger, or None if the trigger does something else.
    """
    attention, replacing = before.attention, after.attention
    if attention is None or replacing is attention or not _is_due(before) or after.round != before.round:
        return after
    if replacing is not None and AttentionReason.HOST is replacing.reason is not attention.reason:
        return after  # it waits for this attention, and does not replace it
    by_another = cleared_by is not None and not is_same_user(cleared_by, applicant_of(before))
    is_reviewed = replacing is None and (by_another or attention.reason is AttentionReason.SELF_APPROVED)
    if is_reviewed or (replacing is not None and replacing.reason is AttentionReason.SELF_APPROVED):
        return after
    approver, ticket = applicant_of(before), before.ticket
    if replacing is None:
        facts = {"approver": approver} if ticket is None else {"ticket": ticket.id, "approver": approver}
        return _with_attention(after, AttentionReason.SELF_APPROVED, now, facts)
    facts = {**replacing.facts, _FACT: approver}
    if (replacing.reason, facts) == (attention.reason, dict(attention.facts)):
        return attrs.evolve(after, attention=attention)  # the same concern was raised again
    return _with_attention(after, replacing.reason, replacing.since, facts)


def reasons_of(change: ChangeRequest) -> tuple[AttentionReason, ...]:
    """Return why a person should look: the reason of the attention, then ``self_approved`` if that replaced it."""
    if change.attention is None:
        return ()
    reason = change.attention.reason
    is_replaced = reason is not AttentionReason.SELF_APPROVED and _is_due(change)
    return (reason, AttentionReason.SELF_APPROVED) if is_replaced else (reason,)


def _is_due(change: ChangeRequest) -> bool:
    """Return whether only the applicant approved the change, and no other person has reviewed that."""
    attention, decision = change.attention, change.decision
    if attention is None or decision is None:
        return False
    approvers = [one.user for one in decision.deciders if one.approved]
    by_applicant = bool(approvers) and all(is_same_user(one, applicant_of(change)) for one in approvers)
    return by_applicant and (attention.reason is AttentionReason.SELF_APPROVED or _FACT in attention.facts)


def _with_attention(
    change: ChangeRequest, reason: AttentionReason, since: dt.datetime, facts: Mapping[str, str]
) -> ChangeRequest:
    attention = Attention(reason=reason, since=since, facts=ReadOnlyDict(facts))
    return attrs.evolve(change, attention=attention)
