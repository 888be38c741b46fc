"""The numbers that the reference tells of the API client are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from itsm_workflow.gateway import api, batch, body, breaker, endpoint, envelope, outgoing, resolver, transport
from itsm_workflow.gateway.audit import SLOW
from itsm_workflow.gateway.bk_itsm_form import KEY_LIMIT, NAME_LIMIT, TITLE_LIMIT
from itsm_workflow.gateway.bk_itsm_wire import APP_CODES, MAX_LOG
from itsm_workflow.gateway.checked import MOST_DECIDERS
from itsm_workflow.gateway.retry import RetryPolicy
from itsm_workflow.gateway.upload import MAX_UPLOAD
from tests.unit.gateway.calls import endpoint as an_endpoint

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "api-client.md"
USUAL = an_endpoint()
SAID = [
    f"At most {resolver.THREADS} run in a process",
    f"when all {resolver.THREADS} hang",
    f"It holds at most {transport.BODY_LIMIT / (1 << 20):g} MiB of an answer",
    f"A ticket's log is read up to {MAX_LOG / (1 << 20):g} MiB.",
    f"one with more than {envelope.MAX_VALUES:,} JSON values",
    f"After {breaker.FAILURES} calls in a row that were not answered",
    f"after {breaker.REST:g} seconds one call is let through",
    f"shared by threads, {transport.Transport().pool_size} at most",
    f"as long as `slow` ({SLOW:g} seconds unless told otherwise)",
    f"at most {endpoint.MAX_RECORD:,} characters, {USUAL.max_response_record:,} by default",
    f"{RetryPolicy().attempts} by default, for idempotent endpoints only",
    f"chunk_size={batch.CHUNK_SIZE}, concurrency={batch.CONCURRENCY},",
    f"page_size={batch.PAGE_SIZE}, max_pages={batch.MAX_PAGES}, ",
    "or HTTP {}, {}, {} or {}.".format(*sorted(api._ABSENT)),
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
    assert usual.statuses == api._ABSENT == {429, 502, 503, 504}
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
    assert (MAX_UPLOAD, endpoint.MAX_BODY, outgoing._MAX_URL) == (32 << 20, 64 << 20, 8192)
    assert (envelope.MAX_DEPTH, envelope.MAX_DIGITS, envelope.MAX_MESSAGE) == (64, 100, 200)
