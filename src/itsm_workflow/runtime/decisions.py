"""What people decide about changes: each a trigger of the machine, with an actor and a reason."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import InvalidForm, TransitionRefused
from itsm_workflow.form import check_person, check_shown
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.declared import plain_texts
from itsm_workflow.runtime.records import Records
from itsm_workflow.runtime.transact import transact
from itsm_workflow.settle import Step
from itsm_workflow.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.runtime.executor import Executor
    from itsm_workflow.runtime.filing import Filing
    from itsm_workflow.runtime.journal import Journal, Prepared
    from itsm_workflow.storage.codec import Stored


_METHODS = {
    Trigger.REVISE: "revise",
    Trigger.SUBMIT: "submit",
    Trigger.RECORD_TICKET: "record_ticket",
    Trigger.RESEND: "resend",
    Trigger.RECEIVE_CALLBACK: "receive",
    Trigger.ATTEST_APPROVAL: "attest_approval",
    Trigger.REQUEST_WITHDRAWAL: "withdraw",
    Trigger.ACCEPT_AFTER_WITHDRAWAL: "accept_after_withdrawal",
    Trigger.ABANDON: "abandon",
    Trigger.CLEAR_ATTENTION: "clear_attention",
    Trigger.RETRY_EFFECT: "retry_effect",
}
"""The method of `Workflow` that fires each of the library's triggers which people decide."""


class Decisions(Records):
    """Fires triggers on a workflow's changes on behalf of people.

    Args:
        journal: The changes.
        loop: Moves a change on after a decision.
        filing: Compares a ticket that a person found with what was sent.
    """

    def __init__(self, journal: Journal, loop: Executor, filing: Filing) -> None:
        super().__init__(journal, loop.knows)
        self._loop = loop
        self._filing = filing

    def fire(self, change_id: str, trigger: str, evidence: object, *, actor: str) -> ChangeRequest:
        """Fire a trigger of the host's own rows, or ``raise_attention``, and deliver what it made due.

        The library's other triggers bring facts that it reads from the gateway, or have a method of their own. A
        `Concern` takes the reason `AttentionReason.HOST`: the others say what the library itself found, and some let a
        person decide what the gateway would.

        Raises:
            InvalidForm: The actor or the reason is no text that can be kept, or the evidence is too large to be stored.
            DefinitionError: A guard or an update of the host's own returned what it may not; nothing was changed.
            TransitionRefused: Nothing was changed; also where the trigger, or a concern's reason, is the library's.
            ChangeNotFound: There is no such change.
        """
        named = plain(trigger)
        trigger = named if isinstance(named, str) else str(trigger)  # the name that the engine goes by
        return self._fire(change_id, trigger, evidence, actor=actor, is_host=True)

    def _fire(
        self, change_id: str, trigger: str, evidence: object, *, actor: str, is_host: bool = False
    ) -> ChangeRequest:
        actor = checked_person(actor, actor, getattr(evidence, "reason", ""))
        if type(evidence) in self.definition.evidence_types.values():
            evidence = plain_texts(evidence)

        def build(stored: Stored) -> Prepared:
            state = stored.change.state
            allowed = self._fired_by_hosts(state) if is_host else self._fired_by_people(state)
            if is_host and trigger not in allowed and self.definition.rows(state, trigger):
                raise _library_trigger(state, trigger, allowed)
            if is_host and isinstance(evidence, ev.Concern) and _is_of_library(evidence.reason):
                raise _library_reason(state, trigger, evidence.reason, allowed)
            try:
                return self._journal.fire(stored, [Step(trigger, evidence)], actor=actor)
            except TransitionRefused as refused:
                raise refused.with_allowed(allowed) from refused.__cause__

        stored = transact(self._journal, change_id, build)
        return self._loop.advance(change_id).change if self._loop.is_due(stored) else stored.change

    def _fired_by_hosts(self, state: str) -> tuple[str, ...]:
        """Return the triggers of a state that `fire` takes."""
        rows = [row for row in self.definition.transitions if state in row.sources]
        library = {row.trigger.value for row in rows if isinstance(row.trigger, Trigger)} - {Trigger.RAISE_ATTENTION}
        return tuple(dict.fromkeys(row.trigger.value for row in rows if row.trigger.value not in library))

    def _fired_by_people(self, state: str) -> tuple[str, ...]:
        """Return the triggers of a state that a method of a workflow fires on behalf of a person."""
        takes = {*self._fired_by_hosts(state), *_METHODS} - {Trigger.RECEIVE_CALLBACK}
        return tuple(trigger for trigger in self.definition.triggers(state) if trigger in takes)

    @contextlib.contextmanager
    def _allowing_people(self) -> Iterator[None]:
        """Let a refusal list what people can fire."""
        try:
            yield
        except TransitionRefused as refused:
            raise refused.with_allowed(self._fired_by_people(refused.state)) from refused.__cause__

    def withdraw(self, change_id: str, *, actor: str, reason: str = "") -> ChangeRequest:
        """Ask the gateway to withdraw the ticket, as soon as there is one that is old enough.

        The change ends when the gateway shows the ticket withdrawn, and shows it again a minute later. One of which
        nothing was sent yet is abandoned instead, so that no ticket is filed only to be withdrawn. A ticket that is
        decided before the withdrawal reaches it decides the change.

        Raises:
            TransitionRefused: It is a draft, or has ended.
        """
        if self.get(change_id).was_never_sent:
            with contextlib.suppress(TransitionRefused):  # it is being sent by now
                return self.abandon(change_id, actor=actor, reason=reason)
        return self._fire(change_id, Trigger.REQUEST_WITHDRAWAL, ev.Decision(reason=reason), actor=actor)

    def accept_after_withdrawal(self, change_id: str, *, actor: str, reason: str) -> ChangeRequest:
        """Let the ticket decide the change although it was withdrawn for it, and look at the ticket.

        A withdrawn ticket can revive. Until an operator accepts it, such a ticket does not approve the change.

        Args:
            change_id: The change.
            actor: Who accepts it.
            reason: Why the change goes on although its withdrawal was asked for.

        Raises:
            TransitionRefused: No withdrawal that was delivered is unresolved, or no reason is given.
        """
        self._fire(change_id, Trigger.ACCEPT_AFTER_WITHDRAWAL, ev.Decision(reason=reason), actor=actor)
        return self._loop.advance(change_id, forced=True).change

    def resend(self, change_id: str, *, actor: str, reason: str = "", evidence: str = "") -> ChangeRequest:
        """Send once more with the same key, after the look-ups showed that there is no ticket.

        Where the look-ups could not be asked, attention ``lookup_failed``, a person's word takes their place: then the
        evidence is wanted. If there is a ticket after all, a second one may be made, with the same key.

        Args:
            change_id: The change.
            actor: Who decides it.
            reason: Why it is sent once more.
            evidence: Where the actor looked in the ticket system itself, and what that showed; stored in the history.

        Raises:
            InvalidForm: The actor, the reason or the evidence is not text that can be stored and shown on one line.
            TransitionRefused: There may be a ticket.
        """
        decided: ev.Decision | ev.AbsenceAttested = ev.Decision(reason=reason)
        if evidence != "":
            problems = check_shown("evidence", evidence)
            if problems:
                raise InvalidForm(problems)
            decided = ev.AbsenceAttested(reason=reason, evidence=evidence)
        return self._fire(change_id, Trigger.RESEND, decided, actor=actor)

    def abandon(self, change_id: str, *, actor: str, reason: str = "") -> ChangeRequest:
        """Give up a draft, a submission that was never sent, one whose ticket was not found, or an unproven approval.

        Also one whose ticket's flow has not begun, by attention ``not_started``: the ticket is looked at once more
        before, since the flow may have begun, and withdrawn as soon as the ticket system lets it.

        Raises:
            TransitionRefused: A ticket is known and the gateway decides it, or its look-ups have not ended yet. Once
                they have, `attention` says that a person decides, and the facts, whether the gateway answered them.
        """
        attention = self.get(change_id).attention
        if attention is not None and attention.reason is AttentionReason.NOT_STARTED:
            problems = check_person(plain(actor), reason)
            if problems:
                raise InvalidForm(problems)
            self._loop.advance(change_id, forced=True)
        return self._fire(change_id, Trigger.ABANDON, ev.Decision(reason=reason), actor=actor)

    def record_ticket(
        self, change_id: str, *, sn: str, actor: str, ticket_id: str | None = None, override: str = ""
    ) -> ChangeRequest:
        """Bind the change to a ticket that a person found.

        The ticket must be what the change would have sent: key, creator, service, title, approvers, fields, and made
        after the change was submitted.

        Args:
            change_id: The change.
            sn: The ticket's number.
            actor: Who found it.
            ticket_id: The ticket's id, needed if several tickets have that number.
            override: Why a ticket that differs, or that the gateway does not show in full, is the change's own all the
                same. Stored in the history with the differences.

        Raises:
            InvalidForm: The number, the id, the actor or the reason for the override is not text that can be stored.
            TransitionRefused: The gateway shows no such ticket, several, or one that is not what was sent.
            StorageConflict: Another change is bound to that ticket.
            GatewayError: The gateway could not be asked.
        """
        given = {"sn": sn} if ticket_id is None else {"sn": sn, "ticket_id": ticket_id}
        problems = [problem for field, value in given.items() for problem in check_shown(field, value)]
        problems += check_person(plain(actor), override, field="override")
        if problems:
            raise InvalidForm(problems)
        with self._allowing_people():
            confirmed = self._filing.confirm_ticket(change_id, sn=sn, ticket_id=ticket_id, override=override)
        return self._fire(change_id, Trigger.RECORD_TICKET, confirmed, actor=actor)

    def attest_approval(
        self, change_id: str, *, ticket_id: str, approver: str, evidence: str, actor: str
    ) -> ChangeRequest:
        """Approve a change whose ticket was approved, where the gateway cannot show by whom.

        Possible only after a look left the approval in doubt: several tickets carry the number, a part of the ticket
        cannot be read, its log shows no approval by a person, or only one by the applicant that does not count.

        Args:
            change_id: The change.
            ticket_id: The id of its ticket, as the ticket system's own page shows it.
            approver: The user who approved the ticket.
            evidence: What shows the approval, in words.
            actor: Who attests it: neither the applicant nor the approver, in any spelling.

        Raises:
            InvalidForm: One of these is not text that can be stored and shown on one line, or the approver or the
                actor is a name that a form would not take for a user.
            TransitionRefused: It is another ticket, the actor may not attest it, or nothing is in doubt.
        """
        problems = [
            *check_shown("ticket_id", ticket_id),
            *self._filing.check_users(self.get(change_id).form, {"approver": approver}),
            *check_shown("evidence", evidence),
            *self._filing.check_users(self.get(change_id).form, {"actor": actor}),
        ]
        if problems:
            raise InvalidForm(problems)
        attested = ev.ApprovalAttested(ticket_id=ticket_id, approver=approver, evidence=evidence)
        return self._fire(change_id, Trigger.ATTEST_APPROVAL, attested, actor=actor)

    def retry_effect(self, change_id: str, effect_id: str, *, actor: str, reason: str = "") -> ChangeRequest:
        """Deliver a parked effect once more.

        Raises:
            TransitionRefused: It is not parked.
        """
        evidence = ev.EffectRetry(effect=effect_id, reason=reason)
        return self._fire(change_id, Trigger.RETRY_EFFECT, evidence, actor=actor)

    def clear_attention(self, change_id: str, *, actor: str, reason: str = "") -> ChangeRequest:
        """Note that a person has looked.

        Raises:
            TransitionRefused: No attention is raised, or it is ``self_approved`` and the actor is the applicant, in any
                spelling: another person has to look.
        """
        return self._fire(change_id, Trigger.CLEAR_ATTENTION, ev.Decision(reason=reason), actor=actor)


def _library_trigger(state: str, trigger: str, allowed: tuple[str, ...]) -> TransitionRefused:
    """Return the refusal of a trigger that is the library's, with what to call instead."""
    method = next((method for known, method in _METHODS.items() if known == trigger), None)
    reason = f"the library fires it; call Workflow.{method} instead"
    if method is None:
        reason = "the library fires it by what it reads from the gateway or does itself; call Workflow.settle instead"
    return TransitionRefused(state=state, trigger=trigger, reason=reason, allowed=allowed)


def _is_of_library(reason: object) -> bool:
    """Tell a reason that guards believe: some let a person resend, abandon or attest what would be refused else."""
    return isinstance(reason, AttentionReason) and reason is not AttentionReason.HOST


def _library_reason(state: str, trigger: str, reason: str, allowed: tuple[str, ...]) -> TransitionRefused:
    told = f"reason {reason} says what the library itself found: raise AttentionReason.HOST, with facts that say why"
    return TransitionRefused(state=state, trigger=trigger, reason=told, allowed=allowed)


def checked_person(actor: str | None, applicant: str, reason: object = "") -> str:
    """Return who decides: the actor, or the applicant if none is named.

    Raises:
        InvalidForm: It, or the reason, is no text that can be kept.
    """
    who = plain(applicant if actor is None else actor)
    problems = check_person(who, reason)
    if problems or not isinstance(who, str):
        raise InvalidForm(problems)
    return who
