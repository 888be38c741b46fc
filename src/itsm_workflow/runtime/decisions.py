"""Decisions of people about changes: each fires a trigger of the machine, with an actor and a reason."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import InvalidForm, TransitionRefused
from itsm_workflow.form import check_name, check_person, check_shown
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.declared_types import plain_texts
from itsm_workflow.runtime.operations import METHODS, host_triggers
from itsm_workflow.runtime.outside import outside_transactions
from itsm_workflow.runtime.permissions import Act
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
    from itsm_workflow.runtime.permissions import Permissions
    from itsm_workflow.storage.codec import Stored


class Decisions(Records):
    """Fires triggers on a workflow's changes on behalf of people.

    Args:
        journal: The changes.
        executor: The executor that advances a change after a decision.
        filing: The filing that compares a ticket which a person found with what was sent.
        permissions: The host's permissions.
    """

    def __init__(self, journal: Journal, executor: Executor, filing: Filing, permissions: Permissions) -> None:
        super().__init__(journal, executor.knows, permissions)
        self._executor = executor
        self._filing = filing

    @outside_transactions
    def fire(self, change_id: str, trigger: str, evidence: object, *, actor: str) -> ChangeRequest:
        """Fire a trigger of the host's own transitions, or ``raise_attention``, and deliver the effects due after it.

        The library's other triggers carry facts from the gateway, or have a separate method. A `Concern` must have the
        reason `AttentionReason.HOST`. The other reasons state what the library itself found, and some of them let a
        person decide in place of the gateway. While one of them is raised, it stays: the concern's facts are added to
        its own, and the concern is raised when it is resolved. `clear_attention` clears both.

        Raises:
            InvalidForm: The actor or the reason contains characters that cannot be stored, or the evidence is too large
                to store.
            DefinitionError: A guard or an update of the host returned an invalid value; nothing was changed.
            TransitionRefused: The machine refused the trigger, or the trigger or a concern's reason is reserved for the
                library; nothing was changed.
            ChangeNotFound: The workflow has no change with this id.
            NotPermitted: The host refuses it.
        """
        named = plain(trigger)
        trigger = named if isinstance(named, str) else str(trigger)  # the name that the engine uses
        actor = self._permitted(change_id, f"fire({trigger})", actor, getattr(evidence, "reason", ""))
        return self._fire(change_id, trigger, evidence, actor=actor, is_host=True)

    def _permitted(self, change_id: str, act: str, actor: str, reason: object = "") -> str:
        """Return the checked name of a person, if the host permits the act.

        Raises:
            InvalidForm: The actor or the reason contains characters that cannot be stored.
            NotPermitted: The host refuses the act.
        """
        actor = checked_person(actor, actor, reason)
        if self._permissions.are_asked:  # otherwise the change is not read
            change = self.get(change_id)
            self._permissions.check(actor, Act(act, change.subject), change)
        return actor

    def _decide(self, change_id: str, trigger: Trigger, evidence: object, *, actor: str) -> ChangeRequest:
        """Fire a trigger of the library, if the host permits the act whose method is named after it."""
        actor = self._permitted(change_id, METHODS[trigger], actor, getattr(evidence, "reason", ""))
        return self._fire(change_id, trigger, evidence, actor=actor)

    def _fire(
        self, change_id: str, trigger: str, evidence: object, *, actor: str, is_host: bool = False
    ) -> ChangeRequest:
        """Fire a trigger for a person whose name and permission were checked, and advance the change."""
        if type(evidence) in self.definition.evidence_types.values():
            evidence = plain_texts(evidence)

        def build(stored: Stored) -> Prepared:
            if is_host:
                self._check_fired_by_host(stored.change.state, trigger, evidence)
            return self._journal.prepare(stored, [Step(trigger, evidence)], actor=actor)

        with self._listing_operations(change_id, actor, operation=trigger if is_host else ""):
            stored = transact(self._journal, change_id, build)
        return self._executor.advance_stored(stored).change

    def _check_fired_by_host(self, state: str, trigger: str, evidence: object) -> None:
        """Refuse a trigger or a reason for attention that is reserved for the library."""
        if trigger not in host_triggers(self.definition, state) and self.definition.rows(state, trigger):
            raise _library_trigger(state, trigger)
        if isinstance(evidence, ev.Concern) and _is_of_library(evidence.reason):
            raise _library_reason(state, trigger, evidence.reason)

    @contextlib.contextmanager
    def _listing_operations(self, change_id: str, actor: str, *, operation: str = "") -> Iterator[None]:
        """Add to a refusal the operations that the actor may carry out on the change now.

        Args:
            change_id: The change.
            actor: The person who decides.
            operation: The refused operation, as the caller named it; by default the method that fires the trigger.
        """
        try:
            yield
        except TransitionRefused as refused:
            named = operation or METHODS.get(refused.trigger, refused.trigger)
            allowed = self.allowed(change_id, actor=actor)
            raise refused.to_caller(operation=named, allowed=allowed) from refused.__cause__

    @outside_transactions
    def withdraw(self, change_id: str, *, actor: str, reason: str = "") -> ChangeRequest:
        """Ask the gateway to withdraw the ticket, as soon as the ticket exists and is old enough.

        The change ends when the gateway shows the ticket as withdrawn, and shows this again a minute later. If nothing
        was sent yet, the change is abandoned instead, so that no ticket is filed only to be withdrawn. If the ticket is
        decided before the withdrawal reaches it, that decision counts.

        Raises:
            TransitionRefused: The change is a draft, which `abandon` gives up, or has ended.
            NotPermitted: The host refuses it.
        """
        actor = self._permitted(change_id, "withdraw", actor, reason)
        change = self.get(change_id)
        # A draft that the gateway refused was never sent either: its form can be corrected.
        if self.definition.is_asking(change.state) and change.was_never_sent:
            with contextlib.suppress(TransitionRefused):  # another worker has begun to send it
                return self._fire(change_id, Trigger.ABANDON, ev.Decision(reason=reason), actor=actor)
        return self._fire(change_id, Trigger.REQUEST_WITHDRAWAL, ev.Decision(reason=reason), actor=actor)

    @outside_transactions
    def accept_after_withdrawal(self, change_id: str, *, actor: str, reason: str) -> ChangeRequest:
        """Let the ticket decide the change although its withdrawal was requested, and look at the ticket.

        A withdrawn ticket can become active again. Such a ticket does not approve the change until an operator accepts
        it.

        Args:
            change_id: The change.
            actor: The operator who accepts the ticket.
            reason: The reason to continue the change although its withdrawal was requested.

        Raises:
            TransitionRefused: The change has no delivered withdrawal that is unresolved, or the reason is empty.
            NotPermitted: The host refuses it.
        """
        self._decide(change_id, Trigger.ACCEPT_AFTER_WITHDRAWAL, ev.Decision(reason=reason), actor=actor)
        return self._executor.advance(change_id, forced=True).change

    @outside_transactions
    def resend(self, change_id: str, *, actor: str, reason: str = "", evidence: str = "") -> ChangeRequest:
        """Send the request again with the same key, after the look-ups found no ticket.

        If the look-ups failed, attention ``lookup_failed``, an operator's evidence replaces them, and is required. If a
        ticket exists after all, the request may create a duplicate with the same key.

        Args:
            change_id: The change.
            actor: The operator who decides it.
            reason: The reason to send the request again.
            evidence: Where the operator looked in the ticket system itself, and the result; stored in the history.

        Raises:
            InvalidForm: The actor, the reason or the evidence cannot be stored, or shown on one line.
            TransitionRefused: A ticket may exist.
            NotPermitted: The host refuses it.
        """
        decided: ev.Decision | ev.AbsenceAttested = ev.Decision(reason=reason)
        if evidence != "":
            problems = check_shown("evidence", evidence)
            if problems:
                raise InvalidForm(problems)
            decided = ev.AbsenceAttested(reason=reason, evidence=evidence)
        return self._decide(change_id, Trigger.RESEND, decided, actor=actor)

    @outside_transactions
    def abandon(self, change_id: str, *, actor: str, reason: str = "") -> ChangeRequest:
        """Abandon a draft, a submission that was never sent or whose ticket was not found, or an unproven approval.

        A change with attention ``not_started`` can be abandoned, too. The ticket is read again before that,
        since its flow may have begun, and is withdrawn as soon as the ticket system allows it.

        Raises:
            TransitionRefused: The ticket is known and the gateway decides it, or the look-ups have not ended yet. When
                they have ended, `attention` says that a person decides, and its facts say whether the gateway answered.
            NotPermitted: The host refuses it.
        """
        actor = self._permitted(change_id, "abandon", actor, reason)
        attention = self.get(change_id).attention
        if attention is not None and attention.reason is AttentionReason.NOT_STARTED:
            self._executor.advance(change_id, forced=True)
        return self._fire(change_id, Trigger.ABANDON, ev.Decision(reason=reason), actor=actor)

    @outside_transactions
    def record_ticket(
        self, change_id: str, *, sn: str, actor: str, ticket_id: str | None = None, override: str = ""
    ) -> ChangeRequest:
        """Bind the change to a ticket that a person found.

        The ticket must match what the change would have sent: key, creator, service, title, approvers and fields. It
        must have been created after the change was submitted.

        Args:
            change_id: The change.
            sn: The ticket's number.
            actor: The operator who found the ticket.
            ticket_id: The ticket's id, needed if several tickets have that number.
            override: The reason to bind a ticket that differs, or that the gateway does not show completely. Stored in
                the history with the differences. The actor must then not be the applicant, in any spelling.

        Raises:
            InvalidForm: The number, the id, the actor or the reason for the override cannot be stored.
            TransitionRefused: The gateway shows no such ticket, several, or one that does not match what was sent.
            StorageConflict: Another change is bound to the ticket.
            GatewayError: The gateway failed.
            NotPermitted: The host refuses it.
        """
        given = {"sn": sn} if ticket_id is None else {"sn": sn, "ticket_id": ticket_id}
        problems = [problem for field, value in given.items() for problem in check_name(field, value)]
        problems += check_person(plain(actor), override, field="override")
        if problems:
            raise InvalidForm(problems)
        actor = self._permitted(change_id, "record_ticket", actor)
        with self._listing_operations(change_id, actor):
            confirmed = self._filing.confirm_ticket(change_id, sn=sn, ticket_id=ticket_id, override=override)
        return self._fire(change_id, Trigger.RECORD_TICKET, confirmed, actor=actor)

    @outside_transactions
    def attest_approval(
        self, change_id: str, *, ticket_id: str, approver: str, evidence: str, actor: str
    ) -> ChangeRequest:
        """Approve a change whose ticket was approved, if the gateway does not show the approver.

        This is possible only after a look left the approval in doubt: several tickets have the number, a part of the
        ticket cannot be read, its log shows no approval by a person, or only one by the applicant that does not count.

        Args:
            change_id: The change.
            ticket_id: The id of its ticket, as the ticket system's own page shows it.
            approver: The user who approved the ticket.
            evidence: A description of what shows the approval.
            actor: The operator who attests it: neither the applicant nor the approver, in any spelling.

        Raises:
            InvalidForm: An argument cannot be stored, or shown on one line, or the approver or the actor is not a
                valid user name.
            TransitionRefused: The id is another ticket's, the actor may not attest it, or the approval is not in doubt.
            NotPermitted: The host refuses it.
        """
        problems = [
            *check_name("ticket_id", ticket_id),
            *self._filing.check_users(self.get(change_id).form, {"approver": approver}),
            *check_shown("evidence", evidence),
            *self._filing.check_users(self.get(change_id).form, {"actor": actor}),
        ]
        if problems:
            raise InvalidForm(problems)
        attested = ev.ApprovalAttested(ticket_id=ticket_id, approver=approver, evidence=evidence)
        return self._decide(change_id, Trigger.ATTEST_APPROVAL, attested, actor=actor)

    @outside_transactions
    def retry_effect(self, change_id: str, effect_id: str, *, actor: str, reason: str = "") -> ChangeRequest:
        """Deliver a parked effect again.

        Args:
            change_id: The change.
            effect_id: The effect's id, as `ChangeRequest.effects` and `Status.effects` show it.
            actor: The operator who decides it.
            reason: The reason to deliver it again.

        Raises:
            InvalidForm: The id, the actor or the reason cannot be stored.
            TransitionRefused: The change has no such effect, or it is not parked.
            NotPermitted: The host refuses it.
        """
        problems = [*check_name("effect_id", effect_id), *check_person(plain(actor), reason)]
        if problems:
            raise InvalidForm(problems)
        evidence = ev.EffectRetry(effect=effect_id, reason=reason)
        return self._decide(change_id, Trigger.RETRY_EFFECT, evidence, actor=actor)

    @outside_transactions
    def clear_attention(self, change_id: str, *, actor: str, reason: str = "") -> ChangeRequest:
        """Mark the change as reviewed: clear its attention.

        Raises:
            TransitionRefused: The change has no attention, or it is ``self_approved`` and the actor is the applicant,
                in any spelling: another person has to review it.
            NotPermitted: The host refuses it.
        """
        return self._decide(change_id, Trigger.CLEAR_ATTENTION, ev.Decision(reason=reason), actor=actor)


def _library_trigger(state: str, trigger: str) -> TransitionRefused:
    """Return the refusal of a trigger that is reserved for the library; the reason names the method to call."""
    method = METHODS.get(trigger)
    reason = f"this trigger is reserved for the library; call Workflow.{method} instead"
    if method is None:
        reason = "this trigger is reserved for the library, which fires it itself; call Workflow.settle instead"
    return TransitionRefused(state=state, trigger=trigger, reason=reason)


def _is_of_library(reason: object) -> bool:
    """Return whether a reason is reserved for the library: some let a person resend, abandon or attest a change."""
    return isinstance(reason, AttentionReason) and reason is not AttentionReason.HOST


def _library_reason(state: str, trigger: str, reason: str) -> TransitionRefused:
    problem = f"the reason {reason} is reserved for the library; use AttentionReason.HOST, with facts that say why"
    return TransitionRefused(state=state, trigger=trigger, reason=problem)


def checked_person(actor: str | None, applicant: str, reason: object = "") -> str:
    """Return the name of the person who decides: the actor, or the applicant if the actor is None.

    Raises:
        InvalidForm: The actor or the reason contains characters that cannot be stored.
    """
    who = plain(applicant if actor is None else actor)
    problems = check_person(who, reason)
    if problems or not isinstance(who, str):
        raise InvalidForm(problems)
    return who
