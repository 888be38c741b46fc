"""The gateway port: the protocols that a ticket system implements, and the closed types of its answers.

A gateway never decides and never stores. Reads raise `GatewayError`. A create never raises: it returns one of four
answers, and the workflow handles each of them differently.

Any other exception, and an answer of a type that is not declared here, is treated as an error in the gateway's own
code. Observers are notified of it as a `GatewayMistake`, and the call counts as not answered. The result of such a
create or withdrawal is *unknown*.
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
    """The arguments of a create.

    Attributes:
        form: The form, which `TicketGateway.check_form` has already checked.
        attempt: The attempt. Its key must travel with the ticket and be searchable; its creator becomes the ticket's.
        callback_url: The address that the gateway calls back, or None. A setting decides whether it contains the
            credential.
        callback_headers: The headers that the gateway sends with a callback. They contain the credential if the address
            does not.
    """

    form: Form
    attempt: Attempt
    callback_url: Secret | None = attrs.field(converter=attrs.converters.optional(_sealed))
    callback_headers: Mapping[str, Secret] = attrs.field(converter=_all_sealed)


@attrs.frozen(kw_only=True)
class Created:
    """The ticket that the gateway created.

    Its id alone identifies it: 1 to 64 of the letters A to Z and a to z, the digits, and ``.``, ``_`` and ``-``, first
    a letter or a digit; of digits alone, at most 32, not beginning with 0. With another id, a create counts as
    `Unknown` and a look-up fails.
    """

    id: str
    sn: str
    url: str


@attrs.frozen(kw_only=True)
class NotSent:
    """Proof that the ticket system did not receive the request. A retry with the same key is safe.

    Either no byte was sent (name lookup, connect or TLS failed), or the API gateway in front of the ticket system
    refused the request with a code of its own.
    """

    problem: str


@attrs.frozen(kw_only=True)
class Refused:
    """A refusal by the ticket system itself. It may still have created the ticket, so a look-up decides."""

    remote_code: int
    message: str


@attrs.frozen(kw_only=True)
class Unknown:
    """Any other result. The ticket may exist."""

    problem: str


CreateAnswer = Created | NotSent | Refused | Unknown


@attrs.frozen(kw_only=True)
class SentTicket:
    """The criteria of a look-up for the ticket that a create may have made.

    Attributes:
        form: The form, as the create sent it.
        attempt: The attempt, with the key that travelled with the ticket.
        made_after: The time of the first submission, minus an allowance for the gateway's clock. A ticket that was made
            earlier does not belong to the change.
    """

    form: Form
    attempt: Attempt
    made_after: dt.datetime

    @classmethod
    def of(cls, change: ChangeRequest, skew: dt.timedelta) -> Self:
        """Return the criteria for the ticket of a change.

        Args:
            change: The change that was submitted.
            skew: The time by which the gateway's clock may be slow.

        Raises:
            ValueError: The change was never submitted.
        """
        attempt = change.expect_attempt()
        return cls(form=change.form, attempt=attempt, made_after=attempt.submitted_at - skew)


@attrs.frozen(kw_only=True)
class FoundTicket:
    """A ticket that a look-up found, compared with what was sent.

    Attributes:
        key: The attempt's key if the look-up proved that the ticket carries it, else empty.
        differences: The parts in which the ticket differs from what was sent, with both values, e.g.
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
        """Whether the ticket carries the key and every part of it was shown and equals what was sent."""
        return bool(self.key) and not self.differences and not self.unseen


@attrs.frozen(kw_only=True)
class TicketResult:
    """A row of the results; ``approve_result`` means approved only if ``status`` is finished, otherwise nothing."""

    ticket_id: str
    sn: str
    status: TicketStatus
    word: str
    approve_result: bool
    closed_by: str = ""


@attrs.frozen(kw_only=True)
class Service:
    """A service with which tickets can be filed."""

    id: str
    name: str


@runtime_checkable
class TicketGateway(Protocol):
    """A ticket system.

    Attributes:
        name: The name that is stored with each ticket, e.g. ``bk_itsm``: 1 to 64 of the letters A to Z and a to z, the
            digits, and ``_``, ``-`` and ``.``. A `Workflow` rejects a gateway with any other name.
    """

    name: str

    def check_form(self, form: Form) -> Sequence[tuple[str, str, str]]:
        """Return a ``(field, value, rule)`` for each value that this gateway would refuse. Sends nothing."""
        ...

    def service(self) -> str:
        """Return the service with which a ticket would be filed now.

        Raises:
            ServiceNotFound: No service is configured, and none can be found.
        """
        ...

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Return the exact body that `create` would send. Sends nothing."""
        ...

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Send the request once, on a fresh connection, and classify the result. Never raises a GatewayError."""
        ...

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Return a snapshot of the ticket with exactly this id: its page and its result.

        To read the result may be destructive: the caller has already stored its intent.

        Raises:
            GatewayError: The gateway could not be asked, or its answer cannot be used.
        """
        ...

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Return the results by ticket id; unknown tickets are left out. A destructive read, like `read`.

        Raises:
            GatewayError: One of the tickets could not be asked for; this does not mean that it does not exist.
        """
        ...

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return all tickets that carry the attempt's key, each compared with what was sent.

        The gateway compares creator, service, title, approvers, the form's fields and the time of creation. It
        compares only what was sent: a value that the service adds is not a difference, nor is another spelling of the
        same value.

        Raises:
            GatewayError: The gateway could not be asked; this does not mean that no ticket exists.
        """
        ...

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return all tickets with that sn, compared in the same way; ``key`` is set on those that carry the attempt's.

        Raises:
            GatewayError: The gateway could not be asked; this does not mean that no ticket exists.
        """
        ...

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Withdraw the ticket on behalf of its creator, and return the result.

        A refusal is ``NOT_YET`` only if the ticket shows that its flow has not reached the approval. A ticket that is
        already withdrawn is ``DONE``. A ticket that ended in another way is not changed, and is ``ENDED``. A returned
        value that is not a `Withdrawal` counts as ``UNKNOWN``.

        Raises:
            GatewayError: The ticket was not withdrawn.
        """
        ...

    def services(self) -> Sequence[Service]:
        """Return the services with which tickets can be filed."""
        ...


@runtime_checkable
class SupportsServiceForm(Protocol):
    """A gateway that lists the fields of a service's form, so that a form can be checked against them."""

    def check_service_form(self, form: Form, service: str) -> Sequence[tuple[str, str, str]]:
        """Return a ``(field, value, rule)`` for each value that the service would refuse or process wrongly.

        The gateway may ask the ticket system, by reads only, and has little time for that. If the list of fields cannot
        be read, the form has no problems.

        Args:
            form: The form, which `TicketGateway.check_form` has already checked.
            service: The service, as `TicketGateway.service` returned it.
        """
        ...


@runtime_checkable
class SupportsUndelivered(Protocol):
    """A gateway that lists the tickets whose callbacks it could not deliver."""

    def undelivered(self) -> Sequence[str]:
        """Return the sns of those tickets, of every calling system. Reading the list does not clear it."""
        ...


@runtime_checkable
class SupportsTokenCheck(Protocol):
    """A gateway that can verify whether it issued a callback's token."""

    def verify_token(self, token: Secret) -> bool:
        """Return whether the gateway issued the token. True proves little, since a token is not bound to a ticket."""
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
        """Return the URL of that page, or an empty string if the gateway has no page that may be shown.

        Raises:
            GatewayError: The gateway could not be asked.
        """
        ...


@attrs.frozen(kw_only=True)
class Standing:
    """A ticket's current status, and its page for embedding; empty if the gateway has no page that may be shown."""

    status: TicketStatus
    iframe_url: str = ""


@runtime_checkable
class SupportsStanding(Protocol):
    """A gateway that can return a ticket's status without a destructive read."""

    def standing(self, ticket: Ticket) -> Standing:
        """Return the status of the ticket with exactly this id.

        Raises:
            GatewayError: The gateway could not be asked, or the number belongs to another ticket.
        """
        ...


@runtime_checkable
class SupportsComparison(Protocol):
    """A gateway that compares an ended ticket with what was sent once more.

    An id and a number are not enough: a test system, or a restored one, has tickets with the same id and number.
    """

    def comparing(self, sent: SentTicket) -> TicketGateway:
        """Return the same gateway with a `read` that fills in the ``differences`` of an ended ticket.

        The gateway compares what identifies the ticket: its title, its creator and its service. It does not compare the
        other fields, since approvers may change them.
        """
        ...


@runtime_checkable
class SupportsBudget(Protocol):
    """A gateway that can bound the total time of several calls."""

    def within(self, budget: Budget) -> TicketGateway:
        """Return the same gateway, with all its calls bounded by one budget.

        Once the budget is used up, a read raises `GatewayNotAsked`, and a create returns `NotSent`. A call that has
        begun may use only the time that is left. So a create, which must not be cut short, begins only while enough
        time is left.
        """
        ...


@runtime_checkable
class SupportsRest(Protocol):
    """A gateway that sends no calls for a while after several calls in a row were not answered.

    During that time a read raises `GatewayNotAsked`, and a create returns `NotSent`.
    """

    def resting(self) -> str:
        """Return the reason why tickets cannot be read now, for people; empty if they can. Sends nothing."""
        ...


@runtime_checkable
class SupportsTime(Protocol):
    """A gateway whose answers show its own clock, which is independent of the clocks of the host's machines."""

    def time(self) -> dt.datetime | None:
        """Return the gateway's time, or None if no answer has shown it yet. Sends nothing."""
        ...


@runtime_checkable
class CarriesSettings(Protocol):
    """A gateway that was built from settings. A workflow takes the callback's address and the key prefix from them."""

    settings: Settings
