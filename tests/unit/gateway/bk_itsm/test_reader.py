"""The order in which a ticket is read, and what a reading means that something happened in between."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.bkapi.response import Reply
from itsm_workflow.change import Ticket
from itsm_workflow.gateway.bk_itsm.reader import TicketReader
from itsm_workflow.gateway.bk_itsm.wire import LogLine, ResultRow, TicketLogs, TicketPage, TicketStatusPage
from itsm_workflow.gateway.protocol import TicketResult
from itsm_workflow.machine.approval_rule import ApprovalPolicy, Doubt, Verdict
from itsm_workflow.machine.evidence import TicketStatus

if TYPE_CHECKING:
    from itsm_workflow.bkapi.endpoint import Endpoint

NOW = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
TICKET = Ticket(gateway="bk_itsm", id="12", sn="REQ20261125000012", url="", channel="answer", recorded_at=NOW)
URL = "http://itsm.example.com/#/ticket/detail?id=12"


class Script:
    """Stands for the client: answers page reads from a list, results with the last word."""

    def __init__(self, pages: list[str], result: str, *, updated_by: str = "bob") -> None:
        self.pages = pages
        self.result = result
        self.updated_by = updated_by
        self.asked: list[str] = []

    def exchange(self, endpoint: Endpoint[object], _params: object) -> Reply[object]:
        """Answer with the next page."""
        self.asked.append(endpoint.name)
        page = TicketPage(
            id=12,
            sn=TICKET.sn,
            title="t",
            current_status=self.pages.pop(0),
            creator="alice",
            current_steps=(),
            fields=(),
        )
        return Reply(data=page, request_id="r")

    def call(self, endpoint: Endpoint[object], _params: object) -> object:
        """Answer with the log of an approval, no open steps, or the result."""
        self.asked.append(endpoint.name)
        if endpoint.name == "get_ticket_logs":
            verdict = {"type": "RADIO", "name": "审批意见", "value": "true"}
            return TicketLogs(logs=(LogLine(operator="bob", from_state_type="APPROVAL", form_data=[verdict]),))
        if endpoint.name == "get_ticket_status":
            return TicketStatusPage(current_steps=())
        return [
            ResultRow(
                sn=TICKET.sn,
                ticket_url=URL,
                current_status=self.result,
                approve_result=True,
                updated_by=self.updated_by,
            )
        ]


def read(script: Script) -> tuple[list[str], Verdict | Doubt]:
    """Read the ticket; return what was asked, and what the snapshot says."""
    reader = TicketReader(script, None, now=lambda: NOW)  # type: ignore[arg-type]  # stands for both
    return script.asked, ApprovalPolicy().judge(reader.read(TICKET, decision_field=None))


def test_a_ticket_that_ends_between_page_and_result_is_read_again() -> None:
    """The page was older than the result: no disagreement is alarmed, the second page decides."""
    asked, verdict = read(Script(["RUNNING", "FINISHED"], "FINISHED"))
    assert asked.count("get_ticket_info") == 2
    assert verdict is Verdict.APPROVED


def test_a_page_that_goes_on_to_disagree_is_a_disagreement() -> None:
    """The result says ended, the page read after it says running: a person is told."""
    _, verdict = read(Script(["RUNNING", "RUNNING"], "FINISHED"))
    assert isinstance(verdict, Doubt)


@pytest.mark.parametrize("word", ["RUNNING", "SUSPENDED"])
def test_an_open_ticket_is_read_once(word: str) -> None:
    """Page and result agree that the ticket is open: nothing is asked twice."""
    asked, verdict = read(Script([word], word))
    assert asked == ["get_ticket_info", "get_ticket_status", "ticket_approval_result"]
    assert verdict is Verdict.OPEN


def test_a_result_says_who_ended_the_ticket() -> None:
    """Without the commas that the server puts around names, and with nothing that would steer a terminal."""
    script = Script([], "REVOKED", updated_by=",alice,bob\x1b[2J,")
    reader = TicketReader(script, None, now=lambda: NOW)  # type: ignore[arg-type]  # stands for both

    assert reader.results([TICKET])[TICKET.id] == TicketResult(
        ticket_id="12",
        sn=TICKET.sn,
        status=TicketStatus.REVOKED,
        word="REVOKED",
        approve_result=True,
        closed_by="alice,bob [2J",
    )
