"""A ticket system in one file: processes file tickets without a server, and a test counts them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from itsm_workflow.clock import SystemClock
from itsm_workflow.gateway.protocol import Created, FoundTicket, Service
from itsm_workflow.machine.evidence import Snapshot, TicketStatus, Withdrawal
from itsm_workflow.sandbox.ticket import Status, TicketView

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from itsm_workflow.change import Form, Ticket
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest, SentTicket, TicketResult


class TicketFile:
    """A `TicketGateway` whose tickets never end, and the ledger of an audit.

    Args:
        path: The file, to which each create appends one line in one write.
    """

    name = "bk_itsm"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._clock = SystemClock()

    def check_form(self, form: Form) -> Sequence[tuple[str, str, str]]:
        """Return no problems."""
        return ()

    def service(self) -> str:
        """Return the only service."""
        return "1"

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Return an empty body."""
        return {}

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Append a ticket, even if its key is already there."""
        number = int.from_bytes(os.urandom(6), "big")
        attempt = request.attempt
        line = {"id": number, "key": attempt.key, "title": request.form.title, "creator": attempt.creator}
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)
        return Created(id=str(number), sn=_sn(number), url="")

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Return a snapshot of a running ticket."""
        running = TicketStatus.RUNNING
        return Snapshot(
            ticket_id=ticket.id,
            sn=ticket.sn,
            status=running,
            word="RUNNING",
            seen_at=self._clock.now(),
            result_status=running,
            approve_result=False,
        )

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Return no results, so that each ticket is read."""
        return {}

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return the tickets with this key."""
        return [_found(line) for line in self._lines() if line["key"] == sent.attempt.key]

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return the tickets with this number."""
        return [_found(line) for line in self._lines() if _sn(line["id"]) == sn]

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Do nothing, and return that it is done."""
        return Withdrawal.DONE

    def services(self) -> Sequence[Service]:
        """Return the only service."""
        return [Service(id="1", name="one")]

    def tickets(self) -> Sequence[TicketView]:
        """Return every ticket, oldest first."""
        now = self._clock.now()
        return [
            TicketView(
                id=line["id"],
                sn=_sn(line["id"]),
                tag=line["key"],
                title=line["title"],
                creator=line["creator"],
                service_id=1,
                approvers=(),
                created_at=now,
                update_at=now,
                end_at=None,
                current_status=Status.RUNNING,
                approve_result=False,
                step_running=True,
                stuck=False,
                foreign=False,
                transitions=(),
                callbacks=(),
            )
            for line in self._lines()
        ]

    def _lines(self) -> Iterator[Any]:
        if self._path.exists():
            yield from map(json.loads, self._path.read_text(encoding="utf-8").splitlines())


def _sn(number: int) -> str:
    return f"REQ{number:020}"


def _found(line: Mapping[str, object]) -> FoundTicket:
    return FoundTicket(
        id=str(line["id"]),
        sn=_sn(int(str(line["id"]))),
        url="",
        title=str(line["title"]),
        creator=str(line["creator"]),
        key=str(line["key"]),
        differences=(),
        unseen=(),
    )
