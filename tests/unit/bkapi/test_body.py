"""The body of an answer, whatever the library below it checks."""

from __future__ import annotations

import io

import pytest

from itsm_workflow.bkapi.body import _BODILESS, CHUNK, MAYBE_DONE, Failure, read_body
from itsm_workflow.errors import GatewayAnswerTooLarge, GatewayTimeout


class Raw(io.BytesIO):
    """The reading end of a response that looks at no length itself."""

    def read(self, amt: int | None = -1, *, decode_content: bool = True) -> bytes:
        """Return what is there."""
        assert not decode_content, "a whole chunk would be unpacked at once"
        assert amt == CHUNK
        return super().read(amt)


@pytest.mark.parametrize("stated", ["6", "5000"])
def test_a_body_that_is_shorter_than_stated_broke_off(stated: str) -> None:
    """It may have been done: no part of it is taken for the whole."""
    broken = read_body(Raw(b"12345"), 200, {"content-length": stated}, 10_000)

    assert isinstance(broken, Failure)
    assert (broken.kind, broken.status) == (GatewayTimeout, 200)
    assert broken.problem == f"the connection broke before the answer was complete{MAYBE_DONE}"
    assert MAYBE_DONE == "; the request may have been carried out"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {}),
        (200, {"content-length": "5"}),
        (200, {"content-length": "4"}),
        (200, {"content-length": "six"}),
        (200, {"content-length": "6", "transfer-encoding": "chunked"}),
        (204, {"content-length": "6"}),
        (304, {"content-length": "6"}),
    ],
)
def test_a_body_of_no_stated_length_ends_where_it_ends(status: int, headers: dict[str, str]) -> None:
    """So does one whose length is none, and one of a status that has no body whatever it states."""
    assert read_body(Raw(b"12345"), status, headers, 6) == b"12345"


def test_the_statuses_that_have_no_body() -> None:
    """By HTTP: whatever length they state, nothing follows."""
    assert {status for status in range(600) if status in _BODILESS} == {*range(100, 200), 204, 304}


@pytest.mark.parametrize("headers", [{}, {"content-length": "6"}, {"content-length": "4"}])
def test_a_body_over_the_limit_is_not_held(headers: dict[str, str]) -> None:
    """Whether its length is stated or not; the status is kept."""
    refused = read_body(Raw(b"123456"), 503, headers, 5)

    assert isinstance(refused, Failure)
    assert (refused.kind, refused.status) == (GatewayAnswerTooLarge, 503)
