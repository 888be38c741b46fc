"""The calls of the gateway that answer a plan's question: send a request, read a ticket, look a ticket up, withdraw it.

Nothing here is stored: the executor commits the claim before a call, and what the answer decides after it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

import attrs

from itsm_workflow.errors import GatewayError, GatewayMistake, SettingsError
from itsm_workflow.gateway.asking import ask, bounded, create_ticket, read_ticket, standing_of, time_of
from itsm_workflow.gateway.checked import any_host, checked_found, checked_withdrawal
from itsm_workflow.gateway.protocol import CreateRequest, NotSent, Refused, SentTicket, Unknown
from itsm_workflow.machine import evidence as ev
from itsm_workflow.settle import Lookup, LookupAnswer, Read, ReadAnswer, Send, SendAnswer, Sweep
from itsm_workflow.text import describe

if TYPE_CHECKING:
    import datetime as dt

    from itsm_workflow.budget import Budget
    from itsm_workflow.change import Attempt, ChangeRequest, Moment, Ticket
    from itsm_workflow.gateway.checked import PageRule
    from itsm_workflow.gateway.protocol import CreateAnswer, FoundTicket, TicketGateway
    from itsm_workflow.runtime.journal import Journal
    from itsm_workflow.runtime.observers import Observers
    from itsm_workflow.secrets import Secret
    from itsm_workflow.settle import Question


_PROBLEMS = {
    ev.Withdrawal.NOT_YET: "the ticket's flow has not reached its approval, so it cannot be withdrawn yet",
    ev.Withdrawal.UNKNOWN: "the gateway did not answer whether the ticket was withdrawn",
}


class AddressMaker(Protocol):
    """Makes the callback addresses that requests carry; `callbacks.addresses.CallbackAddresses` implements it."""

    def check(self) -> None:
        """Check that an address can be made, or is not wanted.

        Raises:
            SettingsError: A setting for callbacks is missing.
        """
        ...

    def make(self, change_id: str, number: int) -> tuple[Secret | None, dict[str, Secret]]:
        """Return the URL and the headers for callbacks about an attempt of a change; None if none are wanted.

        Raises:
            SettingsError: A setting for callbacks is missing.
        """
        ...


@attrs.frozen(kw_only=True)
class GatewayCalls:
    """Asks the gateway, and returns facts; `settle.decide` decides.

    Attributes:
        journal: Source of the policy, the definition and the time; nothing is read from it or committed to it.
        gateway: The gateway.
        addresses: Makes the callback address of a request.
        observers: Notified of errors that become a part of an answer.
        deadline: The time that one call of the gateway may take.
        shows: A function that decides which hosts' ticket pages may be shown.
        budget: The limit on the total time of the calls; None if there is no limit.
    """

    journal: Journal
    gateway: TicketGateway
    addresses: AddressMaker
    observers: Observers
    deadline: dt.timedelta
    shows: PageRule = any_host
    budget: Budget | None = None

    def within(self, budget: Budget) -> GatewayCalls:
        """Return the same calls with a limit on their total time."""
        gateway = bounded(self.gateway, budget, partial(self.observers.on_trouble, ""))
        return attrs.evolve(self, gateway=gateway, budget=budget)

    def send(self, change: ChangeRequest, question: Send, since: float) -> SendAnswer:
        """Send the request once, and look its ticket up if the gateway refused it.

        Args:
            change: The change as stored by the claim.
            question: The question.
            since: The clock's `elapsed` when the claim was begun; too late in its lease, nothing is sent.
        """
        attempt = change.expect_attempt()
        answer = self._create(change, attempt, since)
        found = self._find(change)[0] if isinstance(answer, Refused) else None
        return SendAnswer(
            number=question.number,
            owner=question.owner,
            key=attempt.key,
            creator=attempt.creator,
            answer=answer,
            found=found,
            at=self._moment(change),
        )

    def look(self, change: ChangeRequest, question: Question | None) -> list[ReadAnswer | LookupAnswer]:
        """Return the gateway's answers to a question that only reads. Any thread may call it."""
        answers: list[ReadAnswer | LookupAnswer] = []
        if isinstance(question, Read) or (isinstance(question, Sweep) and question.read):
            answers.append(self._read(change))
        if isinstance(question, Lookup) or (isinstance(question, Sweep) and question.lookup):
            answers.append(self._look_up(change, question.sn if isinstance(question, Lookup) else None))
        return answers

    def withdraw(self, change: ChangeRequest, result: ev.EffectResult, actor: str) -> ev.EffectResult:
        """Ask the gateway to withdraw a change's ticket, and return the result of that delivery.

        Args:
            change: The change.
            result: The number of the effect and of its delivery.
            actor: The person who asked for the withdrawal.
        """
        ticket = change.expect_ticket()
        wrong = self.wrong_gateway_error(ticket)
        if wrong is not None:
            return attrs.evolve(result, error=describe(wrong))
        operator, reason = change.expect_attempt().creator, f"withdrawn by {actor or 'the applicant'}"
        try:
            withdrawal = ask(
                "withdraw", lambda: checked_withdrawal(self.gateway.withdraw(ticket, operator=operator, reason=reason))
            )
        except GatewayMistake as error:
            self.observers.on_trouble(change.id, error)
            return attrs.evolve(result, withdrawal=ev.Withdrawal.UNKNOWN, error=describe(error))
        except GatewayError as error:
            return attrs.evolve(result, error=describe(error))
        return attrs.evolve(result, withdrawal=withdrawal, error=_PROBLEMS.get(withdrawal, ""))

    def standing(self, change: ChangeRequest) -> tuple[ev.TicketStatus | None, str]:
        """Return the status of a change's ticket and its page to embed, as far as the gateway answers."""
        if change.ticket is None:
            return None, ""
        error = self.wrong_gateway_error(change.ticket)
        if error is None:
            try:
                return standing_of(self.gateway, change.ticket, self.shows)
            except GatewayError as failed:
                error = failed
        self.observers.on_trouble(change.id, error)
        return None, ""

    def wrong_gateway_error(self, ticket: Ticket) -> GatewayError | None:
        """Return the error for a ticket of another gateway, or None; ours may have another ticket with the same id."""
        if ticket.gateway == self.gateway.name:
            return None
        return GatewayError(
            f"ticket {ticket.id} was filed by the gateway {ticket.gateway!r}, but this process uses the gateway "
            f"{self.gateway.name!r}: open the store with the gateway that filed its changes",
            endpoint="read",
        )

    def _create(self, change: ChangeRequest, attempt: Attempt, since: float) -> CreateAnswer:
        late = self._too_late_to_send(since)
        if late is not None:
            return late
        try:
            url, headers = self.addresses.make(change.id, attempt.number)
        except SettingsError as error:
            return NotSent(problem=describe(error))
        if attempt.unknown_since is not None:
            if self._find(change)[0]:
                return Unknown(problem="a ticket with its key was found before the request was sent again")
            late = self._too_late_to_send(since)
            if late is not None:
                return late
        request = CreateRequest(form=change.form, attempt=attempt, callback_url=url, callback_headers=headers)
        return create_ticket(self.gateway, request, self.shows, partial(self.observers.on_trouble, change.id))

    def _too_late_to_send(self, since: float) -> NotSent | None:
        """Return the refusal to send if too little time is left, or None."""
        return self._past_budget() or self._past_lease(since)

    def _past_budget(self) -> NotSent | None:
        if self.budget is None or self.budget.left >= self.journal.policy.send_least.total_seconds():
            return None
        return NotSent(problem="too little time was left to send the request; a later pass sends it")

    def _past_lease(self, since: float) -> NotSent | None:
        """Return the refusal to send if the lease may end before the call does, or None.

        The lease counts from before the commit that marked the send, so a worker that is suspended there sends nothing.
        """
        taken = self.journal.clock.elapsed() - since
        left = self.journal.policy.send_lease.total_seconds() - taken
        if left >= self.deadline.total_seconds():
            return None
        return NotSent(
            problem=f"this worker took {taken:.1f} s before it could send, and its lease may end before the call does"
        )

    def _look_up(self, change: ChangeRequest, sn: str | None) -> LookupAnswer:
        channel = ev.Channel.LOOKUP
        found, problem = self._find(change)
        if sn and found is not None and not any(one.is_ours for one in found):
            named, problem = self._find(change, sn)
            channel = ev.Channel.CALLBACK
            found = tuple({one.id: one for one in (*found, *(named or ()))}.values()) if found else named
        return LookupAnswer(
            number=change.expect_attempt().number,
            found=found,
            channel=channel,
            problem=problem,
            at=self._moment(change),
        )

    def _moment(self, change: ChangeRequest) -> Moment:
        return self.journal.moment(time_of(self.gateway, partial(self.observers.on_trouble, change.id)))

    def _find(self, change: ChangeRequest, sn: str | None = None) -> tuple[tuple[FoundTicket, ...] | None, str]:
        sent = SentTicket.of(change, self.journal.policy.clock_skew)
        try:
            find = partial(self.gateway.find_by_sn, sn) if sn else self.gateway.find_by_key
            found = ask("look_up", lambda: checked_found(find(sent), self.shows))
            return tuple(one for one in found if one.key), ""
        except GatewayError as error:
            if isinstance(error, GatewayMistake):
                self.observers.on_trouble(change.id, error)
            return None, describe(error)

    def _read(self, change: ChangeRequest) -> ReadAnswer:
        if change.ticket is None:
            return ReadAnswer(snapshot=None)
        if (wrong_gateway := self.wrong_gateway_error(change.ticket)) is not None:
            self.observers.on_trouble(change.id, wrong_gateway)
            return ReadAnswer(snapshot=None)
        field, skew = self.journal.definition.approval.decision_field, self.journal.policy.clock_skew
        try:
            snapshot = read_ticket(self.gateway, change.ticket, change, decision_field=field, skew=skew)
            return ReadAnswer(snapshot=snapshot)
        except GatewayError as error:
            self.observers.on_trouble(change.id, error)
            return ReadAnswer(snapshot=None)
