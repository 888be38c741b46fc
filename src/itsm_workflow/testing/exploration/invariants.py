"""The invariants of every world: small functions, each named for its promise and documented by its sentence.

They follow the invariants of the reliability page. Two of those cannot be checked here and have other tests: that no
secret is written anywhere, and that memory and disk use is bounded. The drains show that every change ends right once
faults stop, see `drain`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import attrs

from itsm_workflow.change import WITHDRAW, EffectStatus, Outcome
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.evidence import Channel, TicketConfirmed, TicketStatus
from itsm_workflow.testing.exploration.ticks import OVERTAKEN_BY
from itsm_workflow.testing.planned_again import work_planned_by

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.testing.exploration.itsm import Desk, Filed


@attrs.frozen(kw_only=True)
class Sight:
    """One world for an invariant to check, with the write that led there, if there was one.

    Attributes:
        definition: The workflow.
        change: The stored change; None before it exists.
        desk: The actual tickets, messages under way, and the host's own log of effects.
        before: The stored change before the write; None if there was no write, or no change.
        base: The change that the writer had read; equal to `before` if the store compares versions.
        entries: The entries that the write added to the history.
    """

    definition: WorkflowDefinition
    change: ChangeRequest | None
    desk: Desk
    before: ChangeRequest | None = None
    base: ChangeRequest | None = None
    entries: tuple[Entry, ...] = ()

    @property
    def ticket(self) -> Filed | None:
        """The actual ticket to which the change is bound."""
        bound = self.change.ticket if self.change else None
        return self.desk.tickets[int(bound.id) - 1] if bound else None


Invariant: TypeAlias = Callable[[Sight], str | None]
"""Returns None, or the problem. Reports show its name and the first line of its docstring."""


def stored_history_stays(sight: Sight) -> str | None:
    """A write builds on what is stored, and never overwrites it."""
    if sight.base is sight.before:
        return None
    return "a write that was prepared on an older version replaced a newer one"


def one_ticket_for_each_send(sight: Sight) -> str | None:
    """No attempt is ever sent twice; only a person's resend makes a second create."""
    ours = [one for one in sight.desk.tickets if one.key and not one.forged]
    sent = [(one.key, one.number) for one in ours] + list(sight.desk.flying)
    twice = sorted({f"attempt {number} of {key}" for key, number in sent if sent.count((key, number)) > 1})
    return f"sent twice: {', '.join(twice)}" if twice else None


def intent_is_durable_first(sight: Sight) -> str | None:
    """A ticket is filed only for a submission that was stored before."""
    keyed = [one for one in sight.desk.tickets if one.key and not one.forged]
    if keyed and (sight.change is None or sight.change.attempt is None):
        return f"ticket {keyed[0].sn} was filed, but no submission is stored"
    return None


def history_is_a_legal_path(sight: Sight) -> str | None:
    """Each entry is a row of the table, and begins where the one before it ended."""
    at = sight.base.state if sight.base else sight.entries[0].dest if sight.entries else None
    for entry in sight.entries if sight.base else sight.entries[1:]:
        rows = sight.definition.rows(entry.source, entry.trigger)
        if entry.source != at or entry.dest not in {row.dest or entry.source for row in rows}:
            return f"{entry.trigger} from {entry.source} to {entry.dest} is not in the table, or does not follow {at}"
        at = entry.dest
    return None


def final_states_are_final(sight: Sight) -> str | None:
    """A change that has ended keeps its state and its outcome."""
    before, change = sight.before, sight.change
    if before is None or change is None or before.state not in sight.definition.final:
        return None
    if (before.state, before.outcome) == (change.state, change.outcome):
        return None
    return f"the change had ended in {before.state} ({before.outcome}) and is now in {change.state} ({change.outcome})"


def number_is_above_the_others(sight: Sight) -> str | None:
    """A submission that was filed, refused or abandoned has a number above all other submissions of its subject."""
    change = sight.change
    if change is None or change.attempt is None or sight.definition.is_asking(change.state):
        return None
    if change.submission > OVERTAKEN_BY:
        return None
    return f"the change is {change.state} as submission {change.submission}, and so is another change"


def approval_is_real(sight: Sight) -> str | None:
    """A change is approved only if its own ticket finished as approved, after an approver was asked."""
    change, ticket = sight.change, sight.ticket
    if change is None or (not _is_granted(sight, change) and change.ticket_outcome is not Outcome.APPROVED):
        return None
    if ticket is not None and ticket.status is TicketStatus.FINISHED and ticket.approved and ticket.asked:
        return None
    return f"the change is approved, but its ticket is {_described(ticket)}"


def ticket_is_its_own(sight: Sight) -> str | None:
    """A change is bound only to a ticket that was filed for it, or that an operator vouches for."""
    ticket = sight.ticket
    bound = [entry.evidence for entry in sight.entries if isinstance(entry.evidence, TicketConfirmed)]
    if ticket is not None and ticket.forged and any(not one.override for one in bound):
        return "the change is bound to a ticket that differs from what was sent"
    return "the change is bound to another party's ticket" if ticket is not None and not ticket.key else None


def ticket_answers_its_submission(sight: Sight) -> str | None:
    """A submission begins without a ticket, and is bound to the one that was filed for it, or by an operator."""
    change, ticket = sight.change, sight.ticket
    if change is None or ticket is None or not sight.entries or change.attempt is None:
        return None
    bound = [entry.evidence for entry in sight.entries if isinstance(entry.evidence, TicketConfirmed)]
    if any(one.channel is Channel.OPERATOR for one in bound):
        return None
    submits = any(entry.trigger == Trigger.SUBMIT for entry in sight.entries)
    if ticket.key == change.attempt.key or not (bound or submits):
        return None
    return f"the submission with key {change.attempt.key} is bound to ticket {ticket.sn}, which has key {ticket.key}"


def rejection_is_real(sight: Sight) -> str | None:
    """A change ends unapproved only if its ticket did and stays so for a wait, or a person abandoned it."""
    change, ticket = sight.change, sight.ticket
    if change is None or ticket is None or not _is_refused(sight, change) or not sight.entries:
        return None
    if change.outcome is Outcome.REJECTED:
        real = ticket.status is TicketStatus.FINISHED and not ticket.approved
    elif change.outcome is Outcome.ABANDONED:
        real = any(entry.trigger == Trigger.ABANDON for entry in sight.entries)
    else:
        ended = {Outcome.WITHDRAWN: TicketStatus.REVOKED, Outcome.TERMINATED: TicketStatus.TERMINATED}
        real = ticket.revoked or (change.outcome is not None and ticket.status is ended.get(change.outcome))
        # If a flow starts later than the library waits, the sweep finds it and a person is notified. The same holds for
        # a flow whose steps could not be read because another ticket has the number.
        shared = sum(one.sn == ticket.sn for one in sight.desk.tickets) > 1
        real = real and (ticket.phase == "over" or ticket.slow or shared)
    return (
        None
        if real or _was_refused(sight) or _was_refused_by_the_host(sight, change)
        else f"the change ended as {change.outcome}, but its ticket is {_described(ticket)}"
    )


def withdrawals_are_heeded(sight: Sight) -> str | None:
    """A ticket that the library withdrew approves its change only after an operator accepted it."""
    change, ticket = sight.change, sight.ticket
    if change is None or ticket is None or not ticket.taken or sight.desk.accepted:
        return None
    is_approved = _is_granted(sight, change) or change.outcome is Outcome.APPROVED
    return "the change is approved by a ticket that the library withdrew" if is_approved else None


def effects_follow_their_commit(sight: Sight) -> str | None:
    """An effect runs only after the commit that planned it and the commit that counted the delivery."""
    early = [effect for effect, planned in sight.desk.runs if not planned]
    return f"effect {early[0]} ran before it, or the delivery, was stored" if early else None


def delivered_effects_ran(sight: Sight) -> str | None:
    """An effect counts as delivered only if the host's work was done, under one id."""
    if sight.change is None:
        return None
    ran = {effect for effect, _ in sight.desk.runs}
    hosts = [one for one in sight.change.effects if one.name != WITHDRAW]
    lost = [one.id for one in hosts if one.status is EffectStatus.DELIVERED and one.id not in ran]
    return f"effect {lost[0]} counts as delivered, but never ran" if lost else None


def one_approval_plans_an_effect_once(sight: Sight) -> str | None:
    """An approval plans each effect under one id, unless the workflow is exempt from `again` in that state."""
    if sight.change is None:
        return None
    for entry in sight.entries:
        for effect, name in work_planned_by(sight.definition, entry).items():
            submission = effect.rpartition(".")[0]  # the id without the number that each planning adds
            ids = [one.id for one in sight.change.effects if one.id.rpartition(".")[0] == submission]
            if len(ids) > 1:
                return f"{entry.trigger} planned effect {name} again: it is planned as {' and as '.join(ids)}"
    return None


def facts_are_recorded_once(sight: Sight) -> str | None:
    """Repeats add nothing to a change: each contradiction and each effect is recorded once."""
    if sight.change is None:
        return None
    facts = [*sight.change.contradictions, *(one.id for one in sight.change.effects)]
    twice = sorted({fact for fact in facts if facts.count(fact) > 1})
    return f"recorded twice: {', '.join(twice)}" if twice else None


INVARIANTS: tuple[Invariant, ...] = (
    stored_history_stays,
    one_ticket_for_each_send,
    intent_is_durable_first,
    history_is_a_legal_path,
    final_states_are_final,
    number_is_above_the_others,
    approval_is_real,
    ticket_is_its_own,
    ticket_answers_its_submission,
    rejection_is_real,
    withdrawals_are_heeded,
    effects_follow_their_commit,
    delivered_effects_ran,
    one_approval_plans_an_effect_once,
    facts_are_recorded_once,
)
"""The invariants of the shipped workflow."""


def _was_refused(sight: Sight) -> bool:
    return sight.before is not None and _is_refused(sight, sight.before)


def _was_refused_by_the_host(sight: Sight, change: ChangeRequest) -> bool:
    """Return whether a trigger of the host led there, and not from a state of the ticket, such as after failed work."""
    under_way = {state for one in sight.definition.rounds for state in (one.asking, one.waiting, one.undelivered)}
    entered = [one for one in sight.entries if one.dest == change.state and one.source != one.dest]
    return bool(entered) and entered[-1].trigger not in set(Trigger) and entered[-1].source not in under_way


def _is_refused(sight: Sight, change: ChangeRequest) -> bool:
    return change.state == sight.definition.roles_in(change.state).refused


def _is_granted(sight: Sight, change: ChangeRequest) -> bool:
    """Return whether the change is in a state that its ticket's approval leads to, and has not dropped that ticket."""
    is_dropped = change.ticket is None and bool(change.earlier_tickets)
    return change.state == sight.definition.roles_in(change.state).granted and not is_dropped


def _described(ticket: Filed | None) -> str:
    if ticket is None:
        return "unknown"
    if ticket.status is TicketStatus.FINISHED:
        return (
            f"finished, {'approved' if ticket.approved else 'refused'}{'' if ticket.asked else ', without an approver'}"
        )
    return f"{ticket.status.value}, its flow {'has not started' if ticket.phase == 'new' else 'is ' + ticket.phase}"
