"""The numbers that the reference tells of the API client are those of the code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from itsm_workflow.bkapi import batch, body, breaker, cache, client, endpoint, envelope, outgoing, resolver, transport
from itsm_workflow.bkapi.call_log import SLOW, secrets_of, shown
from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.bkapi.upload import MAX_UPLOAD
from itsm_workflow.change import Decider
from itsm_workflow.gateway.bk_itsm import match
from itsm_workflow.gateway.bk_itsm.form import KEY_LIMIT, NAME_LIMIT, TITLE_LIMIT, title_suffix
from itsm_workflow.gateway.bk_itsm.match import MAX_PAGES_READ
from itsm_workflow.gateway.bk_itsm.reader import BATCH
from itsm_workflow.gateway.bk_itsm.wire import APP_CODES, MAX_LOG
from itsm_workflow.gateway.checked import (
    MOST_DECIDERS,
    any_host,
    checked_found,
    checked_resting,
    checked_service,
    checked_snapshot,
    page_url,
)
from itsm_workflow.gateway.protocol import FoundTicket
from itsm_workflow.secrets import Secret
from tests.support import examples as x
from tests.support.calls import endpoint as an_endpoint

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "api-client.md"
USUAL = an_endpoint()
SAID = [
    f"At most {resolver.THREADS} run in a process",
    f"when all {resolver.THREADS} hang",
    f"It holds at most {transport.BODY_LIMIT / (1 << 20):g} MiB of an answer",
    f"A ticket's log is read up to {MAX_LOG / (1 << 20):g} MiB.",
    f"one with more than {envelope.MAX_VALUES:,} JSON values",
    f"After {breaker.FAILURES} calls in a row without an answer",
    f"after {breaker.REST:g} seconds one call is let through",
    f"shared by threads, {transport.Transport().pool_size} at most",
    f"as long as `slow` ({SLOW:g} seconds by default)",
    f"at most {endpoint.MAX_RECORD:,} characters, {USUAL.max_response_record:,} by default",
    f"{RetryPolicy().attempts} by default, for idempotent endpoints only",
    f"chunk_size={batch.CHUNK_SIZE}, concurrency={batch.CONCURRENCY},",
    f"page_size={batch.PAGE_SIZE}, max_pages={batch.MAX_PAGES}, ",
    "or HTTP {}, {}, {} or {}.".format(*sorted(client._ABSENT)),
]


@pytest.mark.parametrize("words", SAID)
def test_what_the_reference_says(words: str) -> None:
    """Whoever plans with a number finds it there."""
    assert words in PAGE.read_text(encoding="utf-8")


def test_waits_are_as_their_names_say() -> None:
    """A call that is tried again by default ends within seconds; the same statuses count as an absent gateway's."""
    usual = RetryPolicy()

    assert (usual.first_wait, usual.longest_wait, usual.shortest_wait) == (0.2, 5.0, 0.0)
    assert usual.longest_retry_after == 10.0
    assert usual.statuses == client._ABSENT == {429, 502, 503, 504}
    assert (USUAL.cache_time, USUAL.max_query_params_record, USUAL.max_response_record) == (0.0, 1000, 1000)


def test_bodies_that_are_known_to_be_empty() -> None:
    """By HTTP: whatever length they state, nothing follows."""
    assert {status for status in range(600) if status in body._BODILESS} == {*range(100, 200), 204, 304}


def test_codes_of_bk_itsm() -> None:
    """Seven digits that begin with 39; any other number is the gateway's."""
    assert (APP_CODES[0], APP_CODES[-1], len(APP_CODES)) == (3_900_000, 3_999_999, 100_000)


def test_what_may_be_sent_and_kept() -> None:
    """What BK-ITSM's columns and our own stores hold; a form's files, an answer, an address."""
    assert (TITLE_LIMIT, NAME_LIMIT, KEY_LIMIT, MOST_DECIDERS) == (120, 64, 32, 20)
    assert (BATCH, MAX_PAGES_READ, cache.MAX_BYTES) == (50, 8, 8 << 20)
    assert (MAX_UPLOAD, endpoint.MAX_BODY, outgoing._MAX_URL) == (32 << 20, 64 << 20, 8192)
    assert (envelope.MAX_DEPTH, envelope.MAX_DIGITS, envelope.MAX_MESSAGE) == (64, 100, 200)


def nested(depth: int, inner: object) -> object:
    """Return something in so many lists."""
    return nested(depth - 1, [inner]) if depth else inner


def test_what_a_log_line_shows() -> None:
    """Of a text, of a list, of all together, of a number; and how deep a secret is looked for."""
    told = json.loads(shown({"text": "x" * 999, "list": list(range(99)), "n": 1 << 255, "m": 1 << 256}, [], limit=9999))

    assert (len(told["text"]), len(told["list"]), told["n"], told["m"]) == (200, 20, 1 << 255, "<int>")
    assert len(json.loads(shown({str(key): 0 for key in range(99)}, [], limit=9999))) == 20
    assert shown([[0] * 20] * 20, [], limit=99_999).count("0") == 189
    for depth, found in ((32, 1), (33, 0)):
        assert len(secrets_of(RequestContext(), Secret(""), {"a": nested(depth - 1, Secret("s"))})) == found


def test_what_is_kept_of_what_a_gateway_says() -> None:
    """Of an address, of a word, of a text, of a service's name."""
    start = "https://itsm.example.com/"
    addresses = [start + "x" * (length - len(start)) for length in (2048, 2049)]
    assert [bool(page_url(each, any_host)) for each in addresses] == [True, False]

    row = FoundTicket(
        id="7", sn="REQ7", url="", title="x" * 999, creator="a", key="", differences=("x" * 999,), unseen=()
    )
    (found,) = checked_found([row], any_host)
    assert (len(found.title), len(found.differences[0])) == (500, 500)
    assert len(checked_resting("x" * 999)) == 500

    seen = checked_snapshot(x.snapshot(word="x" * 999, deciders=(Decider(user="x" * 999),)), x.PENDING.expect_ticket())
    assert (len(seen.word), len(seen.deciders[0].user)) == (64, 64)
    assert checked_service("x" * 200)


def test_what_is_told_of_a_difference() -> None:
    """Of long texts, from a little before where they begin to differ; of many parts, the first."""
    one, other = "a" * 200 + "b" * 200, "a" * 200 + "c" * 200
    told = match._both("title", one, other)

    assert told == f"title: sent …{'a' * 20}{'b' * 58}…, shows …{'a' * 20}{'c' * 58}…"
    assert match._both("title", "a" * 80, "a" * 79 + "b") == f"title: sent {'a' * 80}, shows {'a' * 79}b"
    assert match._both("field", {"名": 1}, None) == 'field: sent {"名": 1}, shows nothing'
    parts = [str(number) for number in range(22)]
    assert match._capped(parts) == (*parts[:8], "and 14 more")
    assert match._capped(parts[:8]) == tuple(parts[:8])


def test_how_a_title_ends() -> None:
    """With the last of the key, which changes fastest."""
    assert title_suffix("0123456789") == " #23456789"
