"""The values of the gateway port."""

from __future__ import annotations

import pytest

from itsm_workflow.gateway.protocol import FoundTicket, TicketResult
from itsm_workflow.machine.evidence import TicketStatus
from tests.support.defaults import set_defaults


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


def test_a_result_is_unambiguous_by_default() -> None:
    """And nobody closed the ticket."""
    given = {"ticket_id": "7", "sn": "REQ7", "status": TicketStatus.RUNNING, "word": "RUNNING", "approve_result": True}
    assert set_defaults(TicketResult, given) == {}
