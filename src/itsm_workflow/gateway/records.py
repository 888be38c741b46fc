"""The records that a ticket system itself has of its tickets, for checks that do not trust the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    import enum
    from collections.abc import Sequence

    from itsm_workflow.machine.evidence import TicketStatus


class RecordedTicket(Protocol):
    """A ticket as its ticket system has it; see `TicketRecord` for the attributes."""

    @property
    def id(self) -> str | int:
        """The id."""

    @property
    def tag(self) -> str | None:
        """The correlation key."""

    @property
    def title(self) -> str:
        """The title."""

    @property
    def current_status(self) -> enum.StrEnum:
        """The status."""

    @property
    def approve_result(self) -> bool:
        """Whether it was approved."""


@attrs.frozen(kw_only=True)
class TicketRecord:
    """A ticket as its ticket system has it.

    Attributes:
        id: The id, as text, by which the gateway reads the ticket.
        tag: The correlation key with which it was filed; None if the system does not show it.
        current_status: The status.
        approve_result: Whether it was approved.
        title: The title.
    """

    id: str
    tag: str | None
    current_status: TicketStatus
    approve_result: bool
    title: str = ""


class TicketLedger(Protocol):
    """The ticket system's own record of its tickets, e.g. a `Sandbox`."""

    def tickets(self) -> Sequence[RecordedTicket]:
        """Return all tickets, oldest first."""
        ...


@runtime_checkable
class KeepsRecords(Protocol):
    """A ticket system that knows the name of its gateway, e.g. a `TicketSystem`, and shows its own records.

    Attributes:
        name: The name of the gateway, with which changes store their tickets.
    """

    name: str

    def records(self) -> Sequence[RecordedTicket]:
        """Return all tickets, oldest first."""
        ...


def recorded(system: TicketLedger | KeepsRecords) -> tuple[str, Sequence[RecordedTicket]]:
    """Return the name of the gateway of a ticket system, and its tickets; a ledger is one of BK-ITSM."""
    if isinstance(system, KeepsRecords):
        return system.name, system.records()
    return "bk_itsm", system.tickets()
