"""A hundred thousand answers that nobody should give: each ends in a documented result or in an error of ours.

They are made from the recorded ones, by a seed: the same in each run, on each machine. A failure names its seed and its
number, so that it can be made again alone.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections import Counter
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.bkapi.transport import HttpResponse
from itsm_workflow.errors import GatewayError, ServiceNotFound
from itsm_workflow.gateway.bk_itsm.page import LogEntry, ShownTicket
from itsm_workflow.gateway.bk_itsm.services import ItsmService
from itsm_workflow.gateway.protocol import Created, FoundTicket, NotSent, Refused, TicketResult, Unknown
from itsm_workflow.machine.evidence import Snapshot, Withdrawal
from tests.support.gateways import create_request, sent, ticket
from tests.support.long import long_after
from tests.support.scripted import scripted_gateway
from tests.unit.gateway.bk_itsm.test_recordings import BY_PATH, EXCHANGES, answer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.bkapi.call_log import CallRecord
    from itsm_workflow.bkapi.transport import HttpRequest
    from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway

    Kinds = type | tuple[type, ...]
    Errors = type[Exception] | tuple[type[Exception], ...]

SEEDS = 40
ANSWERS = 2_500  # of each seed
LARGEST = 3_000  # bytes of a recorded answer that is made others from
TICKET = ticket()
NO_HEADERS: MappingProxyType[str, str] = MappingProxyType({})
STATUSES = (200,) * 300 + (0, 100, 204, 206, 301, 400, 401, 403, 404, 429, 500, 502, 503, 504, 599, 999)
OURS: dict[object, tuple[Any, ...]] = {
    "sn": (TICKET.sn,),
    "id": (int(TICKET.id),),
    "ticket_url": (f"https://itsm.example.com/#/ticket/detail?id={TICKET.id}",),
    "current_status": ("RUNNING", "SUSPENDED", "FINISHED", "TERMINATED", "REVOKED", "NEW", "finished", ""),
}
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 7, 7.0, 1e308, -0.0, 10**30, 10**120, "", "7", "true", "false", "\x00", "\ud800"),
    *("\u202ex", "😀", "x" * 300, [], {}, [[]], {"": None}, [None], [7], ["7"], {"id": 7}, [{"id": 7}]),
    *(TICKET.sn, TICKET.sn.lower(), f"{TICKET.sn} ", "javascript:x", "https://e.com/#/ticket/detail?id=7"),
)
BYTES = (
    b"\x00",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"-",
)
TEXTS = (
    b"NaN",
    b"Infinity",
    b"1e999",
    b"9" * 200,
    b"null",
    b"true",
    b'"result":true',
    b"[" * 70,
    b"{}",
    b"<html>",
    b" ",
)


def recorded() -> dict[str, list[tuple[bytes, Any]]]:
    """Return what was recorded of each endpoint: bodies and, where they are JSON, what they hold."""
    found: dict[str, list[tuple[bytes, Any]]] = {endpoint.name: [] for endpoint in BY_PATH.values()}
    for recording in EXCHANGES.values():
        endpoint = BY_PATH.get(recording.endpoint)
        body = answer_of(recording).body
        if endpoint is not None and len(body) <= LARGEST:
            found[endpoint.name].append((body, recording.envelope))
    return found


RECORDED = recorded()
OTHERS = [each for bodies in RECORDED.values() for each in bodies]


class Fuzzer:
    """Answers each request with what nobody should.

    Args:
        seed: Decides everything.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.answers = 0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer."""
        self.answers += 1
        random = self.random
        # Mostly an answer to what was asked, or it would never get past the first look.
        pool = RECORDED[request.endpoint] if random.random() < 0.9 else OTHERS
        body, envelope = random.choice(pool)
        chance = random.random()
        if chance < 0.8 and envelope is not None:
            body = self._values(envelope)
        elif chance < 0.97:
            for _ in range(random.choice((1, 1, 1, 2, 5))):
                body = self._bytes(body)
        elif chance < 0.99:
            body = random.randbytes(random.randrange(64))
        return HttpResponse(status=random.choice(STATUSES), headers=NO_HEADERS, body=body, elapsed=0.0)

    def _values(self, envelope: Any) -> bytes:  # noqa: ANN401 - JSON
        """Return the envelope with our ticket in it, and with a few values that do not belong."""
        random = self.random
        changed = json.loads(json.dumps(envelope))
        places = list(_places(changed))
        for where, key in places:
            if key in OURS and random.random() < 0.8:
                where[key] = random.choice(OURS[key])
        for _ in range(random.choice((0, 0, 1, 1, 1, 2, 3))):
            self._displace(*random.choice(places))
        return json.dumps(changed, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")

    def _displace(self, where: Any, key: Any) -> None:  # noqa: ANN401 - JSON
        """Change a value, take it away, rename it or double it."""
        act = self.random.random()
        if act < 0.7:
            where[key] = self.random.choice(VALUES)
        elif isinstance(where, dict) and key in where:
            moved = where.pop(key)
            if act < 0.85:
                where[f"{key}_"] = moved
        elif isinstance(where, list):
            where[key:key] = where[key : key + 1]

    def _bytes(self, body: bytes) -> bytes:
        """Return the body with one place of it changed."""
        random = self.random
        start = random.randrange(len(body) + 1)
        end = min(len(body), start + random.choice((0, 1, 1, 4, 30)))
        act = random.randrange(6)
        if act == 0:
            return body[:start]
        if act == 1:
            return body[:start] + body[end:]
        if act == 2:
            return body[:end] + body[start:end] + body[end:]
        if act == 3:
            return body[:start] + random.choice(TEXTS) + body[end:]
        if act == 4:
            return body[:start] + random.randbytes(end - start) + body[end:]
        return body[:start] + random.choice(BYTES) + body[end:]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - JSON
    """Yield every place of a JSON value, as its container and its key or index."""
    waiting = [value]
    while waiting:
        outer = waiting.pop()
        for key, each in list(outer.items() if isinstance(outer, dict) else enumerate(outer)):
            yield outer, key
            if isinstance(each, dict | list) and each:
                waiting.append(each)


ASKED: dict[str, tuple[Callable[[BkItsmGateway], Any], Kinds, Errors]] = {
    "create": (lambda itsm: itsm.create(create_request()), (Created, NotSent, Refused, Unknown), ()),
    "read": (lambda itsm: itsm.read(TICKET, decision_field="title"), Snapshot, GatewayError),
    "results": (lambda itsm: list(itsm.results([TICKET, ticket("8")]).values()), TicketResult, GatewayError),
    "find_by_key": (lambda itsm: itsm.find_by_key(sent()), FoundTicket, GatewayError),
    "find_by_sn": (lambda itsm: itsm.find_by_sn(TICKET.sn, sent()), FoundTicket, GatewayError),
    "show": (lambda itsm: itsm.show(TICKET), ShownTicket, GatewayError),
    "get_ticket_logs": (lambda itsm: itsm.get_ticket_logs(TICKET), LogEntry, GatewayError),
    "iframe_url": (lambda itsm: itsm.iframe_url(TICKET), str, GatewayError),
    "undelivered": (lambda itsm: itsm.undelivered(), str, GatewayError),
    "get_services": (lambda itsm: itsm.get_services(display_type="API"), ItsmService, GatewayError),
    "service": (lambda itsm: itsm.service(), str, (GatewayError, ServiceNotFound)),
    "verify_token": (lambda itsm: itsm.verify_token("token"), bool, GatewayError),
    "withdraw": (lambda itsm: itsm.withdraw(TICKET, operator="alice", reason="r"), Withdrawal, GatewayError),
    "suspend": (lambda itsm: itsm.suspend(TICKET, operator="bob", reason="r"), type(None), GatewayError),
    "resume": (lambda itsm: itsm.resume(TICKET, operator="bob", reason="r"), type(None), GatewayError),
}
"""Each method that asks the server: what it returns, one or several of, and what it may raise."""


def ask(itsm: BkItsmGateway, method: str) -> str:
    """Ask, check the kind of what came of it, and return its name."""
    act, results, errors = ASKED[method]
    try:
        found = act(itsm)
    except errors as error:
        return type(error).__name__
    assert all(isinstance(each, results) for each in (found if isinstance(found, list | tuple) else [found])), found
    return "a result"


@pytest.mark.parametrize("seed", long_after(1, range(SEEDS)))
def test_nothing_but_documented_results_and_our_errors(caplog: pytest.LogCaptureFixture, seed: int) -> None:
    """Whatever the gateway answers to whatever is asked."""
    caplog.set_level(logging.CRITICAL, logger="itsm_workflow")  # a hundred thousand lines would only take time
    fuzzer = Fuzzer(seed)
    records: list[CallRecord] = []  # each call's record is made of foreign words as well
    itsm, transport = scripted_gateway(
        fuzzer, observers=[records.append], fast_approval=False, service_role="LOG_SEARCH"
    )
    ended: Counter[str] = Counter()
    for method in itertools.cycle(ASKED):
        if fuzzer.answers >= ANSWERS:
            break
        asked = len(transport.requests)
        try:
            ended[ask(itsm, method)] += 1
        except Exception as error:
            error.add_note(f"{method} after {asked} answers of seed {seed}")
            raise
        itsm._services.forget()

    assert ANSWERS <= fuzzer.answers == len(records) == len(transport.requests)
    # A fuzzer whose answers are all refused at the door would find nothing behind it.
    assert {"a result", "GatewayProtocolError", "GatewayRefused"} <= set(ended)
    assert ended["a result"] > sum(ended.values()) / 5
