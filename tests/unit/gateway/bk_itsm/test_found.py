"""What is told of a ticket that a search by our number found, and by whose clock an adapter waits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from itsm_workflow.gateway.bk_itsm.match import _same_value, found_ticket
from itsm_workflow.gateway.protocol import FoundTicket
from tests.support.calls import settings


def test_a_ticket_that_does_not_show_our_key_differs_in_that_first() -> None:
    """Whoever is asked whether it is ours sees why it was not taken for it."""
    row: Any = SimpleNamespace(id=7, sn="REQ7", title="t", creator="alice")
    sent: Any = SimpleNamespace(attempt=SimpleNamespace(key="K1"))
    parts = (("title: sent a, shows b",), ("content",))

    other = found_ticket(row, sent, parts, carries_key=False, url="u")
    ours = found_ticket(row, sent, parts, carries_key=True, url="u")

    assert (other.key, other.differences) == ("", ("key: sent K1, not shown", "title: sent a, shows b"))
    assert (ours.key, ours.differences, ours.unseen) == ("K1", ("title: sent a, shows b",), ("content",))


@pytest.mark.parametrize(
    ("key", "differences", "unseen", "ours"),
    [("K1", (), (), True), ("", (), (), False), ("K1", ("a",), (), False), ("K1", (), ("a",), False)],
)
def test_a_ticket_is_ours_if_it_carries_our_key_and_all_of_it_was_seen(
    key: str,
    differences: tuple[str, ...],
    unseen: tuple[str, ...],
    ours: bool,  # noqa: FBT001 - a case
) -> None:
    """What could not be compared is no proof."""
    found = FoundTicket(
        id="7", sn="REQ7", url="", title="t", creator="a", key=key, differences=differences, unseen=unseen
    )
    assert found.is_ours is ours


@pytest.mark.parametrize("text", ["", "None", "null", "[]", "{}", " None "])
def test_a_value_that_was_left_empty_may_be_shown_as_a_word_for_nothing(text: str) -> None:
    """The server writes what it stores as text in several ways; none of them is a difference."""
    assert _same_value(None, text)
    assert _same_value([], text)
    assert not _same_value(None, f"{text} and more")


def test_an_adapter_s_own_client_goes_by_the_clock_that_it_is_given() -> None:
    """How long a gateway rests is counted by it: one that a test or a host stands still must not end a rest."""

    class Still:
        """A clock that does not move."""

        def elapsed(self) -> float:
            """Return seconds."""
            return 1000.0

        def now(self) -> Any:  # noqa: ANN401 - never asked
            """Return nothing."""

        def boot(self) -> tuple[str, int]:
            """Return no boot."""
            return "", 0

    gateway = BkItsmGateway(settings(breaker_failures=1, breaker_rest=60.0), clock=Still())
    breaker = gateway._client._client.breaker
    breaker.failed("name")

    assert [(each.name, each.seconds) for each in breaker.state] == [("name", 60.0)]
    gateway.close()
