"""The ticket system to test with, which the author of a gateway writes: a server, and how its people act."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Self

from itsm_workflow.change import Form

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.gateway.records import TicketRecord


class TicketSystem(abc.ABC):
    """A ticket system over HTTP, without tickets at its start, for one promise of the check.

    It is a server of the test's own, or a test installation. The check puts a proxy between the gateway and the server,
    and lets the proxy lose, cut, delay and damage what passes.

    Attributes:
        url: The address of the server, without a path's last slash, such as ``http://127.0.0.1:8001/api``.
        name: The name of its gateway, for `simulate` and `audit`.
        decision_field: The key of a field of the tickets that is ``true`` once a ticket is approved; empty if none is.
        patience: The seconds within which a gateway of `gateway` ends each call, whatever the server does. Twice as
            long without a request, any call is reported as one that hangs, and the check goes on.
        secrets: The texts that must appear in no error, answer, preview, log line or printed line, such as a password
            of the gateway. They are also searched escaped, URL-quoted, in hexadecimal and in base64.
        missing: An id and number that no ticket has, in the form that the server's have.
        page_size: The greatest number of tickets that the server lists on one page; 0 if it is not known. The check
            files enough tickets for three pages, or 30. With one key it files enough for thirteen pages, or 130; if
            that is more than `batch`, it files `batch`, and at least enough for six pages.
        batch: The number of tickets whose results the check asks for in one call, and among which it looks for one.
        callbacks: Whether the server calls the address that a create passes. If not, the promise about it is skipped.
    """

    url: str
    name: str = ""
    decision_field: str = ""
    patience: float = 10.0
    secrets: Sequence[str] = ()
    missing: str = "999999999"
    page_size: int = 0
    batch: int = 250
    callbacks: bool = False

    @abc.abstractmethod
    def gateway(self, url: str) -> TicketGateway:
        """Return a new gateway to the server at an address, which is `url` or that of a proxy in front of it."""

    @abc.abstractmethod
    def tickets(self) -> Sequence[str]:
        """Return the ids of all tickets on the server."""

    @abc.abstractmethod
    def approve(self, ticket_id: str, user: str) -> None:
        """Let an approver approve a ticket, and return when that has taken effect."""

    @abc.abstractmethod
    def reject(self, ticket_id: str, user: str) -> None:
        """Let an approver reject a ticket, and return when that has taken effect."""

    def approve_by_other(self, ticket_id: str, user: str) -> None:
        """Let a person who is not among the approvers of the form approve a ticket; return when that has taken effect.

        Raises:
            NotImplementedError: The class does not define it, since only approvers can decide. The promise about other
                persons is then skipped.
        """
        raise NotImplementedError(
            f"{type(self).__name__}.approve_by_other is not defined: define it if others than the approvers can decide"
        )

    def records(self) -> Sequence[TicketRecord]:
        """Return all tickets as the server itself has them, oldest first, for `simulate` and `audit`.

        Raises:
            NotImplementedError: The class does not define it.
        """
        raise NotImplementedError(
            f"{type(self).__name__}.records: simulate and audit need it; return a TicketRecord each"
        )

    def form(self, title: str) -> Form:
        """Return a valid form with a title; ``alice`` applies, and ``bob`` approves."""
        return Form(title=title, applicant="alice", approvers=("bob",), fields={"name": "access-log"})

    def refused_form(self, title: str) -> Form:
        """Return a form with a title that `TicketGateway.check_form` accepts and the server refuses, without a ticket.

        Raises:
            NotImplementedError: The class does not define it. The promise about refused creates is then skipped.
        """
        raise NotImplementedError(
            f"{type(self).__name__}.refused_form is not defined: define it if the server can refuse a form"
        )

    def refusals(self) -> Sequence[tuple[int, object]]:
        """Return answers of the server to requests that it refuses, each as an HTTP status and a JSON document.

        The proxy gives them to look-ups, reads and withdrawals. Their codes must be ones that the gateway does not
        know, such as those of a missing permission: after a code that means that no ticket has the number, the gateway
        is right to find none.

        Raises:
            NotImplementedError: The class does not define it. The promise about refused look-ups is then skipped.
        """
        raise NotImplementedError(
            f"{type(self).__name__}.refusals is not defined: return what the server answers to a request that it "
            'refuses, such as [(403, {"code": 4030, "message": "not permitted"})]'
        )

    @abc.abstractmethod
    def close(self) -> None:
        """Stop the server."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
