"""Adoption: changes for tickets that another program filed, such as the handler that the library replaces.

A change and the ticket that it adopts are stored in one commit, from the draft to the waiting state. So no process ever
sees a submission of it that could be sent, and a process that is stopped leaves either nothing or the whole change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import AlreadyApplied, InvalidForm, StorageConflict, TransitionRefused
from itsm_workflow.form import check_name, check_shown, make_form, normal_subject
from itsm_workflow.gateway.asking import known_ticket, peek_ticket, read_ticket
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.runtime.arguments import check_flag
from itsm_workflow.runtime.bulk import BulkFiling
from itsm_workflow.runtime.decisions import checked_person
from itsm_workflow.runtime.outside import outside_transactions
from itsm_workflow.runtime.permissions import Act
from itsm_workflow.runtime.status import describe_decider
from itsm_workflow.settle import Step, foresee
from itsm_workflow.storage.protocol import Query, ticket_key
from itsm_workflow.text import is_same_user

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.gateway.adoption import KnownTicket
    from itsm_workflow.runtime.journal import Prepared
    from itsm_workflow.storage.codec import Stored

_SHADOW = "the ticket is compared with the handler that filed it; nothing is stored"


@attrs.frozen(kw_only=True)
class Adoption:
    """The result of `Workflow.adopt`.

    Attributes:
        change: The change of the ticket; with ``dry_run`` and `is_new`, as it would be stored, without a valid id.
        is_new: Whether this call adopted the ticket, or would adopt it; False if an earlier call did.
    """

    change: ChangeRequest
    is_new: bool


@attrs.frozen(kw_only=True)
class Shadowed:
    """The result of `Workflow.shadow`: the decision of the library about a ticket that it did not file.

    Attributes:
        change: The change as it would be, if the ticket were adopted and looked at. It is not stored.
        is_decided: Whether the facts were enough. They are not if the ticket has finished and its result was not read.
        why: The facts that decide, in one sentence.
    """

    change: ChangeRequest
    is_decided: bool
    why: str


class Adopting(BulkFiling):
    """Adopts tickets that another program filed; the rest is in `BulkFiling`."""

    @outside_transactions
    def adopt(
        self,
        *,
        subject: str,
        sn: str,
        actor: str,
        reason: str,
        ticket_id: str | None = None,
        dry_run: bool = False,
    ) -> Adoption:
        """Store a change for an open ticket that another program filed, and wait for its decision from now on.

        The form is read from the ticket. The change is stored in one commit, already bound to its ticket, so that
        nothing is ever sent for it. The ticket carries neither the change's key nor its callback address, so only
        `reconcile` and `settle` find its decision. A ticket that was adopted before, for the same subject, is not
        adopted again: its change is returned as it is now.

        Args:
            subject: The thing that the ticket is about.
            sn: The ticket's number.
            actor: The operator who adopts the ticket; not its applicant, in any spelling.
            reason: The reason, for the history.
            ticket_id: The id that the ticket must have; by default the id that the gateway shows.
            dry_run: Whether to check everything and store nothing.

        Raises:
            InvalidForm: An argument, or a part of the ticket's form, cannot be stored.
            NotPermitted: The host refuses it.
            AlreadyApplied: The subject has another open change.
            TransitionRefused: The gateway shows no such ticket, or several; the ticket has ended, is one of another
                service, or belongs to the change of another subject; or the actor is its applicant.
            DefinitionError: As for `apply`.
            GatewayError: The gateway failed.
            ServiceNotFound: The gateway does not have the service in which this process files tickets.
        """
        check_flag("adopt(dry_run=...)", dry_run)
        subject, known_as = _checked(subject, sn, ticket_id), checked_person(actor, actor)
        problems = check_shown("reason", reason)
        if problems:
            raise InvalidForm(problems)
        self._permissions.check(known_as, Act("adopt", subject), None)
        ticket = self._known(sn, ticket_id)
        held = self._adopted(subject, ticket)
        if held is not None:
            return Adoption(change=held.change, is_new=False)
        self._check_adoptable(ticket, known_as)
        if not dry_run:
            self._filing.check_names()
        for row in self._journal.rows(Query(open_subject=self._journal.held(subject))):
            raise AlreadyApplied(subject=subject, change_id=row.id)
        number = self._journal.highest_submission(subject) + 1
        prepared = self._bound(subject, ticket, known_as, reason, number=number, is_kept=not dry_run)
        if dry_run:
            return Adoption(change=prepared.stored.change, is_new=True)
        try:
            return Adoption(change=self._journal.commit_one(prepared).change, is_new=True)
        except (AlreadyApplied, StorageConflict):
            held = self._adopted(subject, ticket)  # another process may have adopted it at the same time
            if held is None:
                raise
            return Adoption(change=held.change, is_new=False)

    @outside_transactions
    def shadow(self, *, subject: str, sn: str, ticket_id: str | None = None, results: bool = False) -> Shadowed:
        """Return what the library would decide about a ticket that another program filed. Nothing is stored or sent.

        Two looks at the ticket are assumed, which both show what the gateway shows now.

        Args:
            subject: The thing that the ticket is about.
            sn: The ticket's number.
            ticket_id: The id that the ticket must have; by default the id that the gateway shows.
            results: Whether to read the result of a ticket that has ended. That removes the ticket from the gateway's
                list of undelivered callbacks, which the other program may need.

        Raises:
            InvalidForm: An argument, or a part of the ticket's form, cannot be stored.
            TransitionRefused: The gateway shows no such ticket, or several, or the ticket is one of another service.
            GatewayError: The gateway failed.
            ServiceNotFound: The gateway does not have the service in which this process files tickets.
        """
        check_flag("shadow(results=...)", results)
        subject, ticket = _checked(subject, sn, ticket_id), self._known(sn, ticket_id)
        if ticket.problem:
            raise self._not_adopted(ticket.problem)
        who = f"not {ticket.creator}"
        change = self._bound(subject, ticket, who, _SHADOW, number=1, is_kept=False).stored.change
        calls, definition, policy = self._executor.calls, self.definition, self._journal.policy
        field, bound = definition.approval.decision_field, change.expect_ticket()
        if results and ticket.status in ev.ENDED:
            seen = read_ticket(calls.gateway, bound, change, decision_field=field, skew=policy.clock_skew)
        else:
            seen = peek_ticket(calls.gateway, bound, decision_field=field)
        now, name = self._journal.clock.now(), calls.gateway.name
        after = foresee(definition, change, seen, now, policy, gateway=name)
        is_decided = results or seen.status is not ev.TicketStatus.FINISHED
        return Shadowed(change=after, is_decided=is_decided, why=_why(after, seen, is_decided=is_decided))

    def _known(self, sn: str, ticket_id: str | None) -> KnownTicket:
        calls = self._executor.calls
        found = known_ticket(calls.gateway, sn, ticket_id, calls.shows)
        if isinstance(found, str):
            raise self._not_adopted(found)
        return found

    def _adopted(self, subject: str, ticket: KnownTicket) -> Stored | None:
        """Return the subject's change that is bound to the ticket, or None if no change is.

        Raises:
            TransitionRefused: The change of another subject is bound to the ticket.
        """
        key = ticket_key(self._executor.calls.gateway.name, ticket.id)
        for row in self._journal.rows(Query(ticket_sns=(ticket.sn,))):
            if row.ticket_key == key and (row.workflow, row.subject) == (self.definition.name, subject):
                return self._journal.read(row)
            if row.ticket_key == key:
                holder = f"change {row.id}, whose subject is {row.subject!r}"
                raise self._not_adopted(f"the ticket belongs to {holder}: correct the subject, or leave the row out")
        return None

    def _check_adoptable(self, ticket: KnownTicket, actor: str) -> None:
        if ticket.problem:
            raise self._not_adopted(ticket.problem)
        if ticket.status in ev.ENDED:
            raise self._not_adopted(
                f"the ticket has ended ({ticket.word}): let the handler that filed it store the result, and leave the "
                "row out"
            )
        if is_same_user(actor, ticket.creator):
            raise self._not_adopted(f"{ticket.creator} filed the ticket: another person must adopt it")

    def _bound(
        self, subject: str, ticket: KnownTicket, actor: str, reason: str, *, number: int, is_kept: bool
    ) -> Prepared:
        """Prepare the one commit of an adoption: a draft that is submitted and bound to the ticket, and never sent."""
        form = make_form(
            title=ticket.title,
            applicant=ticket.creator,
            approvers=ticket.approvers,
            content=ticket.content,
            fields=ticket.fields,
        )
        submission = self._filing.submission(form, number=number, service=ticket.service, is_kept=is_kept)
        confirmed = ev.TicketConfirmed(
            gateway=self._executor.calls.gateway.name,
            id=ticket.id,
            sn=ticket.sn,
            url=ticket.url,
            key="",
            creator=ticket.creator,
            channel=ev.Channel.OPERATOR,
            differences=("key: another program filed the ticket, so it carries none",),
            override=reason,
        )
        return self._journal.prepare_draft(
            change_id=self._filing.new_id(),
            subject=subject,
            form=form,
            actor=actor,
            steps=[submission, Step(Trigger.RECORD_TICKET, confirmed)],
        )

    def _not_adopted(self, reason: str) -> TransitionRefused:
        state = self.definition.initial.value
        return TransitionRefused(state=state, trigger=Trigger.RECORD_TICKET, reason=reason, operation="adopt")


def _checked(subject: object, sn: object, ticket_id: object) -> str:
    """Return the subject in its stored spelling.

    Raises:
        InvalidForm: The subject, the number or the id cannot be stored.
    """
    given = {"sn": sn} if ticket_id is None else {"sn": sn, "ticket_id": ticket_id}
    problems = [problem for field, value in given.items() for problem in check_name(field, value)]
    try:
        normal = normal_subject(subject)
    except InvalidForm as error:
        raise InvalidForm([*error.problems, *problems]) from None
    if problems:
        raise InvalidForm(problems)
    return normal


def _why(change: ChangeRequest, seen: ev.Snapshot, *, is_decided: bool) -> str:
    parts = [f"ticket {seen.ticket_id} is {seen.word}"]
    if seen.approve_result is not None and seen.result_status in ev.ENDED:
        parts.append(f"its result is {str(seen.approve_result).lower()}")
    parts += map(describe_decider, seen.deciders)
    if not is_decided:
        parts.append("its result was not read, since that removes it from the list of undelivered callbacks")
    elif change.outcome is not None:
        parts.append(f"so the change ends as {change.outcome.value}")
    else:
        attention = change.attention
        parts.append("so the change waits" + (f", with attention {attention.reason.value}" if attention else ""))
    return "; ".join(parts)
