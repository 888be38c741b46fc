"""The gateway port: what a ticket system must answer, in closed types.

A gateway never decides and never stores. Reads raise `GatewayError`; a create never raises, since every way it can end
is one of four answers that the workflow must tell apart.

Whatever else a gateway raises, and an answer of another type than declared here, is taken for a mistake of its own, and
told to observers as a `GatewayMistake`: the question was not answered. A create or a withdrawal is *unknown* then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import attrs

from itsm_workflow.secrets import Secret

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from itsm_workflow.budget import Budget
    from itsm_workflow.change import Attempt, ChangeRequest, Form, Ticket
    from itsm_workflow.machine.evidence import Snapshot, TicketStatus, Withdrawal
    from itsm_workflow.settings import Settings


def _sealed(text: Secret | str) -> Secret:
    return Secret.of(text)


def _all_sealed(headers: Mapping[str, Secret | str]) -> Mapping[str, Secret]:
    return {name: Secret.of(text) for name, text in headers.items()}


@attrs.frozen(kw_only=True)
class CreateRequest:
    """What to create.

    Attributes:
        form: What was asked; already checked by `TicketGateway.check_form`.
        attempt: Its key must travel with the ticket and be searchable; its creator is the ticket's creator.
        callback_url: Where the gateway is asked to call back, or None; by a setting it holds our credential.
        callback_headers: Headers that it is asked to send then; otherwise they hold our credential.
    """

    form: Form
    attempt: Attempt
    callback_url: Secret | None = attrs.field(converter=attrs.converters.optional(_sealed))
    callback_headers: Mapping[str, Secret] = attrs.field(converter=_all_sealed)


@attrs.frozen(kw_only=True)
class Created:
    """The gateway answered with the ticket."""

    id: str
    sn: str
    url: str


@attrs.frozen(kw_only=True)
class NotSent:
    """Proven: the ticket system did not get the request. Safe to send again with the same key.

    No byte of it left (name lookup, connect, TLS), or a gateway in front refused it by a code of its own.
    """

    problem: str


@attrs.frozen(kw_only=True)
class Refused:
    """The ticket system itself answered no. It may still have created the ticket: one look-up decides."""

    remote_code: int
    message: str


@attrs.frozen(kw_only=True)
class Unknown:
    """Everything else. There may be a ticket."""

    problem: str


CreateAnswer = Created | NotSent | Refused | Unknown


@attrs.frozen(kw_only=True)
class SentTicket:
    """What a look-up looks for: the ticket that a create may have made.

    Attributes:
        form: The form, as the create sent it.
        attempt: The attempt, with the key that travelled with the ticket.
        made_after: The first submission, minus an allowance for the gateway's clock. A ticket made earlier is not ours.
    """

    form: Form
    attempt: Attempt
    made_after: dt.datetime

    @classmethod
    def of(cls, change: ChangeRequest, skew: dt.timedelta) -> Self:
        """Return what a change's create may have made, by a gateway whose clock may be that far behind ours.

        Raises:
            ValueError: The change was never submitted.
        """
        attempt = change.expect_attempt()
        return cls(form=change.form, attempt=attempt, made_after=attempt.submitted_at - skew)


@attrs.frozen(kw_only=True)
class FoundTicket:
    """A ticket that a look-up brought, compared with what was sent.

    Attributes:
        key: The attempt's key if the ticket was seen to carry it, else empty.
        differences: The parts in which the ticket differs from what was sent, with both sides, e.g.
            ``approvers: sent bob, shows alice``; cleaned and capped.
        unseen: The parts that the gateway did not show, or that cannot be read.
    """

    id: str
    sn: str
    url: str
    title: str
    creator: str
    key: str
    differences: tuple[str, ...]
    unseen: tuple[str, ...]

    @property
    def is_ours(self) -> bool:
        """Whether the ticket carries the key and every part of it was seen to be what was sent."""
        return bool(self.key) and not self.differences and not self.unseen


@attrs.frozen(kw_only=True)
class TicketResult:
    """One row of the results: how a ticket stands and whether it was approved.

    Attributes:
        approve_result: Means approved only together with ``status`` finished; else it says nothing.
    """

    ticket_id: str
    sn: str
    status: TicketStatus
    word: str
    approve_result: bool
    closed_by: str = ""


@attrs.frozen(kw_only=True)
class Service:
    """A service that tickets can be filed with."""

    id: str
    name: str


@runtime_checkable
class TicketGateway(Protocol):
    """A ticket system.

    Attributes:
        name: Stored with each ticket, e.g. ``bk_itsm``: 1 to 64 of the letters A to Z and a to z, the digits, and
            ``_``, ``-`` and ``.``. A `Workflow` refuses a gateway of any other name.
    """

    name: str

    def check_form(self, form: Form) -> Sequence[tuple[str, str, str]]:
        """Return every ``(field, value, rule)`` that this gateway would refuse in the form. Sends nothing."""
        ...

    def service(self) -> str:
        """Return the service that a ticket would be filed with now.

        Raises:
            ServiceNotFound: None is configured and none can be found.
        """
        ...

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Return the exact body that `create` would send. Sends nothing."""
        ...

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Send the request once, on a fresh connection, and classify what came of it. Never raises a GatewayError."""
        ...

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Return what the gateway says of exactly this ticket id: its page and its result.

        The result may be a destructive read: the caller has stored its intent.

        Raises:
            GatewayError: It could not be asked, or answered something else.
        """
        ...

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Return the results by ticket id, without those that the gateway does not know. Destructive like `read`."""
        ...

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return all tickets that carry the attempt's key, each compared with what was sent.

        Creator, service, title, approvers, the form's fields and the time of its making are compared, and only what
        was sent: a value that the service adds is not a difference, nor is another spelling of the same value.

        Raises:
            GatewayError: It could not be asked; that is not "none".
        """
        ...

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return all tickets of that sn, compared in the same way; ``key`` is set on those that carry the attempt's.

        Raises:
            GatewayError: It could not be asked; that is not "none".
        """
        ...

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Withdraw the ticket on behalf of its creator, and return what became of it.

        A refusal is ``NOT_YET`` only if the ticket shows that its flow has not reached the approval. A ticket that is
        withdrawn already is ``DONE``; one that ended otherwise is left alone, and is ``ENDED``. What is no `Withdrawal`
        counts as ``UNKNOWN``.

        Raises:
            GatewayError: It was not withdrawn.
        """
        ...

    def services(self) -> Sequence[Service]:
        """Return the services that tickets can be filed with."""
        ...


@runtime_checkable
class SupportsServiceForm(Protocol):
    """A gateway that shows which fields the form of a service has, so that a form can be held against them."""

    def check_service_form(self, form: Form, service: str) -> Sequence[tuple[str, str, str]]:
        """Return every ``(field, value, rule)`` of the form that the service would refuse, or accept and get wrong.

        It may ask the ticket system, by reads alone, and is given little time for that. A list of fields that cannot be
        read forbids nothing.

        Args:
            form: What was asked; already checked by `TicketGateway.check_form`.
            service: As `TicketGateway.service` returned it.
        """
        ...


@runtime_checkable
class SupportsUndelivered(Protocol):
    """A gateway that lists the callbacks it could not deliver."""

    def undelivered(self) -> Sequence[str]:
        """Return the sns of such tickets, of whatever system. Reading clears nothing."""
        ...


@runtime_checkable
class SupportsTokenCheck(Protocol):
    """A gateway that can say whether a callback's token is its own."""

    def verify_token(self, token: Secret) -> bool:
        """Return whether it is. The token is not bound to a ticket, so True proves little and False something."""
        ...


@runtime_checkable
class SupportsSuspend(Protocol):
    """A gateway whose tickets can be suspended and resumed."""

    def suspend(self, ticket: Ticket, *, operator: str, reason: str) -> None:
        """Suspend the ticket."""
        ...

    def resume(self, ticket: Ticket, *, operator: str, reason: str) -> None:
        """Resume the ticket."""
        ...


@runtime_checkable
class SupportsPages(Protocol):
    """A gateway whose tickets have a page that can be embedded."""

    def iframe_url(self, ticket: Ticket) -> str:
        """Return the URL of that page, or an empty text if the gateway names none that may be shown.

        Raises:
            GatewayError: It could not be asked.
        """
        ...


@attrs.frozen(kw_only=True)
class Standing:
    """How a ticket stands now: its status, and its page for embedding, empty if the gateway names none to be shown."""

    status: TicketStatus
    iframe_url: str = ""


@runtime_checkable
class SupportsStanding(Protocol):
    """A gateway that says how a ticket stands, without clearing anything at the ticket system as `read` may."""

    def standing(self, ticket: Ticket) -> Standing:
        """Return how exactly this ticket stands.

        Raises:
            GatewayError: It could not be asked, or the number is another ticket's.
        """
        ...


@runtime_checkable
class SupportsComparison(Protocol):
    """A gateway that compares a ticket that ended with what was sent once more.

    An id and a number say little of themselves: a test system, or one that was restored, has tickets of the same.
    """

    def comparing(self, sent: SentTicket) -> TicketGateway:
        """Return the same gateway, whose `read` shows the ``differences`` of a ticket that ended.

        Compared is what makes the ticket this one: its title, its creator and its service. Not its other fields, since
        those who decide about a ticket may change them.
        """
        ...


@runtime_checkable
class SupportsBudget(Protocol):
    """A gateway that can bound the time of several calls together."""

    def within(self, budget: Budget) -> TicketGateway:
        """Return the same gateway, all of whose calls together end with the budget.

        Once it is used up, a read raises `GatewayNotAsked`, and a create returns `NotSent`. What a call that was begun
        may still take is cut to what is left, so a create that must not be cut short is begun only while enough is
        left.
        """
        ...


@runtime_checkable
class SupportsRest(Protocol):
    """A gateway that is left alone for a while when several calls in a row were not answered.

    Meanwhile a read raises `GatewayNotAsked`, and a create returns `NotSent`.
    """

    def resting(self) -> str:
        """Return why tickets would not be read now, in words for people; empty: they would be. Asks nothing."""
        ...


@runtime_checkable
class SupportsTime(Protocol):
    """A gateway whose answers show its own clock, which is independent of the clocks of our machines."""

    def time(self) -> dt.datetime | None:
        """Return the gateway's time, or None if no answer has shown one yet. Asks nothing."""
        ...


@runtime_checkable
class CarriesSettings(Protocol):
    """A gateway that was made from settings; a workflow takes the callback's address and the key prefix from there."""

    settings: Settings
