"""Measures the API client beside the library below it, its batches, and calls that a server holds."""

from __future__ import annotations

import io
import json
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests

from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.endpoint import Endpoint
from itsm_workflow.secrets import Secret
from itsm_workflow.settings import Settings
from tests.benchmarks.rounds import Comparison, compare
from tests.benchmarks.server import Gateway
from tests.benchmarks.table import Row, both, micro
from tests.support.fault_server import FaultServer
from tests.support.server_faults import AFTER_SENDING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

APP_SECRET = "s" * 50
SNS = [f"REQ20261124{number:06}" for number in range(1000)]
CHUNK = 50
DEADLINE = 0.3
HOLDING = (
    "silence",
    "dripping status line",
    "dripping headers",
    "dripping body",
    "dripping chunks",
    "dripping trailers",
)
RESULTS: Endpoint[Any] = Endpoint(
    name="ticket_approval_result", method="POST", url="ticket_approval_result/", idempotent=True
)
INFO: Endpoint[Any] = Endpoint(name="get_ticket_info", method="GET", url="get_ticket_info/", idempotent=True)


def client(url: str) -> ApiClient:
    """Return a client as a host makes one: with its limits on, and its audit line written."""
    return ApiClient(Settings(app_code="bk_flow", app_secret=Secret(APP_SECRET), gateway_url=url, fast_approval=True))


@contextmanager
def listening() -> Iterator[io.StringIO]:
    """Write each audit line, with all its fields, to memory."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(message)s %(itsm_url)s %(itsm_params)s %(itsm_answer)s")
    )
    logger = logging.getLogger("itsm_workflow.gateway")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield lines
    finally:
        logger.propagate = True
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def overhead(name: str, ours: Callable[[], object], bare: Callable[[], object]) -> Row:
    """Compare a call with the same request by the library below, on a kept connection without latency."""
    found = compare(bare, ours, rounds=200, times=25)
    low, high = found.quartiles
    return Row(
        name=name,
        first=f"requests.Session: {both(found.first, found.cpu_first)}",
        second=f"ApiClient.call: {both(found.second, found.cpu_second)}",
        value=f"{found.ratio:.2f} times as long ({low:.2f} to {high:.2f})",
        bound="at most 1.5",
        kept=found.ratio <= 1.5,
    )


def calls() -> list[Row]:
    """Measure single calls."""
    with Gateway() as gateway, requests.Session() as session:
        made, params = client(gateway.url), {"sn": SNS[:1]}
        claims = {"bk_app_code": "bk_flow", "bk_app_secret": APP_SECRET, "bk_username": "admin"}
        headers = {"X-Bkapi-Authorization": json.dumps(claims), "X-Request-Id": "0" * 32}

        def posted() -> object:
            answer = session.post(gateway.url + RESULTS.url, json=params, headers=headers, timeout=(3.05, 10.0))
            answer.raise_for_status()
            return answer.json()["data"]

        def got() -> object:
            answer = session.get(gateway.url + INFO.url, params=params, headers=headers, timeout=(3.05, 10.0))
            answer.raise_for_status()
            return answer.json()["data"]

        found = [
            overhead("one POST", lambda: made.call(RESULTS, params), posted),
            overhead("one GET", lambda: made.call(INFO, params), got),
        ]
        made.close()
    return found


def batches() -> Row:
    """Compare a long list read at once with the same chunks read one after the other, at 20 ms of latency."""
    with Gateway(latency=0.02) as gateway:
        made = client(gateway.url)

        def loop() -> list[object]:
            return [
                row
                for start in range(0, len(SNS), CHUNK)
                for row in made.call(RESULTS, {"sn": SNS[start : start + CHUNK]})
            ]

        def batch() -> list[object]:
            return made.batch_request(RESULTS, "sn", SNS, get_data=list, chunk_size=CHUNK)

        if loop() != batch():
            raise RuntimeError("the two ways do not read the same")
        found: Comparison = compare(batch, loop, rounds=15, times=1)
        made.close()
    low, high = found.quartiles
    return Row(
        name=f"{len(SNS):,} numbers, {CHUNK} a call",
        first=f"a loop: {both(found.second, found.cpu_second)}",
        second=f"batch_request: {both(found.first, found.cpu_first)}",
        value=f"{found.ratio:.2f} times as fast ({low:.2f} to {high:.2f})",
        bound="at least 4",
        kept=found.ratio >= 4,
    )


def held() -> Row:
    """Measure by how much a call outlasts its deadline when a server holds it, in each way that a server can."""
    longest, count = 0.0, 0
    for name in HOLDING:
        with FaultServer(AFTER_SENDING[name][0]) as server:
            made = client(server.url)
            for _ in range(5):
                started = time.perf_counter()
                made.call(RESULTS, {"sn": SNS[:1]}, deadline=DEADLINE, raise_exception=False)
                longest, count = max(longest, time.perf_counter() - started), count + 1
            made.close()
    over = longest - DEADLINE
    return Row(
        name=f"{count} calls that a server holds",
        first=f"their deadline: {micro([DEADLINE])} µs",
        second=f"the longest: {micro([longest])} µs",
        value=f"{over:.3f} s over",
        bound="at most 0.5 s",
        kept=over <= 0.5,
    )


def rows() -> list[Row]:
    """Measure calls, a batch and held calls, each with its audit line."""
    with listening() as lines:
        found = [*calls(), batches(), held()]
    if not lines.getvalue():
        raise RuntimeError("no audit line was written")
    return found
