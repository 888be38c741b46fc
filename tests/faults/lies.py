"""Gateways with well-formed but wrong answers, and gateways that are down at times; by a seed, without a socket."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import attrs

from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.bkapi.transport import HttpResponse
from itsm_workflow.change import AttentionReason
from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from itsm_workflow.gateway.bk_itsm.services import BUILTIN_NAME
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from tests.integration.gateway.test_lies import APPROVED_LOG, SN, listed, page, reading, result, row
from tests.support.fault_server import CREATED
from tests.support.gateways import settings
from tests.support.scripted import URL, ScriptedTransport, asked, refusal, success

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from itsm_workflow.bkapi.transport import HttpRequest, Transport
    from itsm_workflow.change import Ticket
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.testing.manual_clock import ManualClock

ODD_WORDS: tuple[Any, ...] = (
    "已完成",
    "finished",
    "DONE",
    "FINISHED ",
    "",
    None,
    5,
    True,
    ["FINISHED"],
    "NEW",
    "RESOLVED",
)
"""Status words that BK-ITSM's list does not have, or that do not end a ticket."""
_WITHDRAWN = ["TERMINATED", "REVOKED"]
BUILTIN = {"id": 2, "name": BUILTIN_NAME}
FOREIGN = "REQ20261125000099"


class Liar:
    """A gateway with one running ticket of the change, number 7, that gives wrong answers about it and others.

    It claims an end on at most one of the two sides that must agree, and a withdrawal on the ticket's page at most
    once, so its answers never prove an end.

    Args:
        random: Source of the random answers.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.key = ""
        self.answers_create = random.random() < 0.6
        self.shows_ours = self.answers_create or random.random() < 0.5
        self.side = random.choice(["page", "result", "neither"])
        self._withdrawn_yet = False
        self.destroyed: list[str] = []
        self.before_destroying: Callable[[], object] = int
        self._script: dict[str, Callable[[dict[str, Any]], object]] = {
            "get_tickets": self._search,
            "get_ticket_info": lambda _: self._page(),
            "ticket_approval_result": self._results,
            "get_ticket_status": lambda _: {"current_status": self._word(), "current_steps": []},
            "get_ticket_logs": lambda _: random.choice([APPROVED_LOG, {"logs": []}]),
            "get_services": lambda _: random.choice([[BUILTIN], [BUILTIN], [], [BUILTIN, {**BUILTIN, "id": 3}]]),
            "callback_failed_ticket": lambda _: random.choice([[], [FOREIGN], [SN, FOREIGN], [SN, SN]]),
        }

    def __call__(self, request: HttpRequest) -> bytes | HttpResponse:
        """Answer a request."""
        params = asked(request)
        if request.endpoint == "create_ticket":
            self.key = params["tag"]
            return success(CREATED) if self.answers_create else _down(502, {})
        if self.random.random() < 0.03:
            return refusal(3900022)
        return success(self._script[request.endpoint](params))

    def _word(self, *, may_claim: bool = False) -> Any:  # noqa: ANN401 - some are not texts
        if may_claim and self.random.random() < 0.6:
            return self.random.choice(["FINISHED", "TERMINATED", "REVOKED"])
        return self.random.choice(["RUNNING", "SUSPENDED", *ODD_WORDS])

    def _search(self, params: dict[str, Any]) -> object:
        random = self.random
        ours = row(7, title=f"t #{self.key[-8:]}")
        others = [
            row(8, title=f"t #{self.key[-8:]}", creator="mallory", sn=FOREIGN),
            row(9, title="another of hers", sn=FOREIGN),
            row(10, title=f"t #{'0' * 8}", sn="../../etc"),
            {**ours, "id": "7"},
            {**ours, "sn": 5},
            {**ours, "title": None},
        ]
        rows = random.choices(others[:3], k=random.randrange(3))
        if self.shows_ours:
            rows += [ours] * random.choice([1, 1, 2])
        if random.random() < 0.1:
            rows.append(random.choice(others[3:]))
        random.shuffle(rows)
        pages = random.choice([1, 1, 1, 2, 900])
        if int(params.get("page", 1)) > 1 and random.random() < 0.7:
            rows = []  # the rows have moved to another page meanwhile
        return listed(rows, count=random.choice([len(rows), len(rows), 0, 10_000]), pages=pages)

    def _page(self) -> object:
        random = self.random
        status = self._word(may_claim=self.side == "page")
        if status in _WITHDRAWN:  # a second withdrawal, a minute later, would confirm the end
            self._withdrawn_yet, status = True, "RUNNING" if self._withdrawn_yet else status
        given: dict[str, Any] = {"current_status": status, "title": f"t #{self.key[-8:]}"}
        steps = random.choice([[], [{"id": 1, "status": "RUNNING"}], [{"id": None}], "none"])
        wrong: list[dict[str, Any]] = [{}, {}, {"id": 8}, {"sn": FOREIGN}, {"creator": "mallory"}, {"id": None}]
        return page(**given, **random.choice(wrong), **{"current_steps": steps} if steps else {})

    def _results(self, params: dict[str, Any]) -> object:
        self.before_destroying()
        asked_for = params["sn"]
        self.destroyed += asked_for if isinstance(asked_for, list) else [asked_for]
        random = self.random
        ours = result(
            7, current_status=self._word(may_claim=self.side == "result"), approve_result=random.choice([True, False])
        )
        other = result(8, current_status="FINISHED", approve_result=True)  # with the change's sn, and approved
        foreign = {**other, "sn": FOREIGN}
        return random.choice([[ours], [ours], [ours, other], [other, ours], [other], [foreign], [ours, ours], []])


class Flapping:
    """A gateway that is down at random, with odd values of Retry-After, until it is mended.

    Args:
        random: Decides when it is down, and its answers then.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.mended = False
        self.asked: list[str] = []
        self._script = reading(
            create_ticket=lambda _: CREATED, callback_failed_ticket=lambda _: [], get_services=lambda _: []
        )
        self._script["get_tickets"] = lambda _: listed([])
        self._script["get_ticket_info"] = lambda _: page(title=self._title)
        self._title = ""

    def __call__(self, request: HttpRequest) -> bytes | HttpResponse:
        """Answer a request."""
        self.asked.append(request.endpoint)
        if not self.mended and self.random.random() < 0.8:
            advice = self.random.choice(_ADVICE)
            return _down(self.random.choice([429, 500, 502, 503, 504]), {"retry-after": advice} if advice else {})
        params = asked(request)
        if request.endpoint == "create_ticket":
            [self._title] = [field["value"] for field in params["fields"] if field["key"] == "title"]
        data = self._script[request.endpoint](params)
        if not self.mended and request.endpoint == "get_ticket_info":
            data = page(current_status="RUNNING")
        if not self.mended and request.endpoint == "ticket_approval_result":
            data = [result(current_status="RUNNING", approve_result=False)]
        return success(data)


_ADVICE = (
    *("", "0", "1", "9", "86400", "99999999999999999999", "-5", "1e9", "soon", "\u0663", "1.5"),
    *("Wed, 25 Nov 2099 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "Wed, 99 Nov 2026 00:00:00 GMT", "26-11-25"),
)


def patient_gateway(
    answer: Callable[[HttpRequest], bytes | HttpResponse], clock: ManualClock, random: Random
) -> BkItsmGateway:
    """Return a gateway with the library's retries, whose back-off advances the clock."""
    wanted = settings(URL, deadline=20.0)
    client = ApiClient(
        wanted,
        transport=cast("Transport", ScriptedTransport(answer)),
        retry=RetryPolicy(),
        clock=clock,
        monotonic=clock.elapsed,
        sleep=clock.advance,
        draw=lambda bound: random.uniform(0, bound),
    )
    return BkItsmGateway(wanted, client=client, clock=clock)


def _down(status: int, headers: dict[str, str]) -> HttpResponse:
    return HttpResponse(status=status, headers=MappingProxyType(headers), body=b"<html>", elapsed=0.0)


def meaning(status: int, body: bytes) -> str:
    """Return the meaning of an answer to a create, by the rules alone and without the library's parser."""
    try:
        envelope = json.loads(body)
    except ValueError:
        return "unknown"
    if status != 200 or not isinstance(envelope, dict):
        return "unknown"
    data, code = envelope.get("data"), envelope.get("code")
    if envelope.get("result") is True and isinstance(data, dict):
        named = type(data.get("id")) is int and isinstance(data.get("sn"), str)
        return "created" if named else "unknown"
    own = envelope.get("result") is False and type(code) is int and 3_900_000 <= code < 4_000_000
    return "refused" if own else "unknown"


ODD_ENDS = {
    "no approval step": AttentionReason.NO_APPROVAL_STEP,
    "no log": AttentionReason.INCONCLUSIVE,
    "no result": AttentionReason.INCONCLUSIVE,
    "no end": AttentionReason.OVERDUE,
    "an unknown status": AttentionReason.OVERDUE,
}
"""Defects of a ticket's end, and the reason of the attention for each."""


class OddGateway(LedgerGateway):
    """A gateway that shows tickets with a defective end.

    Attributes:
        kind: One of `ODD_ENDS`.
    """

    kind = "no end"

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Return a snapshot with the defect."""
        shown, over = super().read(ticket, decision_field=decision_field), TicketStatus.FINISHED
        ended = attrs.evolve(shown, status=over, word="FINISHED", result_status=over, approve_result=True)
        if self.kind == "no approval step":
            return attrs.evolve(ended, approval_step=False)
        if self.kind == "no log":
            return attrs.evolve(ended, approval_step=None, inconclusive="its log is too large to be read")
        if self.kind == "no result":
            return attrs.evolve(ended, result_status=None, approve_result=None)
        return attrs.evolve(shown, status=TicketStatus.OTHER, word="已完成") if "unknown" in self.kind else shown
