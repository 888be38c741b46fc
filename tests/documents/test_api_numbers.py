"""The numbers on the page of the API client are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from itsm_workflow.bkapi import batch, breaker, client, endpoint, envelope, resolver, transport
from itsm_workflow.bkapi.call_log import SLOW
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.gateway.bk_itsm.wire import MAX_LOG
from tests.support.calls import endpoint as an_endpoint

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "api-client.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        f"At most {resolver.THREADS} run in a process",
        f"when all {resolver.THREADS} hang",
        f"It holds at most {transport.BODY_LIMIT / (1 << 20):g} MiB of an answer",
        f"A ticket's log is read up to {MAX_LOG / (1 << 20):g} MiB.",
        f"one with more than {envelope.MAX_VALUES:,} JSON values",
        f"After {breaker.FAILURES} calls in a row without an answer",
        f"after {breaker.REST:g} seconds one call is let through",
        f"shared by threads, {transport.Transport().pool_size} at most",
        f"as long as `slow` ({SLOW:g} seconds by default)",
        f"at most {endpoint.MAX_RECORD:,} characters, {an_endpoint().max_response_record:,} by default",
        f"{RetryPolicy().attempts} by default, for idempotent endpoints only",
        f"chunk_size={batch.CHUNK_SIZE}, concurrency={batch.CONCURRENCY},",
        f"page_size={batch.PAGE_SIZE}, max_pages={batch.MAX_PAGES}, ",
        "or HTTP {}, {}, {} or {}.".format(*sorted(client._ABSENT)),
    ],
)
def test_the_page_has_the_number(words: str) -> None:
    """A reader who plans with one finds it there."""
    assert words in PAGE
