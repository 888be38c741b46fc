"""A ticket answers one submission only: the record of a change's earlier tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.machine.earlier_tickets import answered_earlier, with_the_ticket
from tests.support.examples import confirmed, opened
from tests.support.gateways import ticket

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest, Ticket


def change(earlier: dict[str, str], bound: Ticket | None = None) -> ChangeRequest:
    """Return a change with these earlier tickets, bound to a ticket or to none."""
    return attrs.evolve(opened()[0], earlier_tickets=earlier, ticket=bound)


def test_the_ticket_joins_the_earlier_ones_under_its_gateway_and_id() -> None:
    """The number is kept for people; it identifies nothing."""
    bound = change({"bk_itsm:6": "REQ6"}, ticket("7", "REQ7"))
    assert with_the_ticket(bound) == {"bk_itsm:6": "REQ6", "bk_itsm:7": "REQ7"}


def test_without_a_ticket_the_earlier_ones_stay() -> None:
    """A submission that ended without a ticket adds none."""
    assert with_the_ticket(change({"bk_itsm:6": "REQ6"})) == {"bk_itsm:6": "REQ6"}


def test_an_earlier_ticket_is_refused_with_its_number() -> None:
    """It would answer a second question by the first approval."""
    asked = change({"bk_itsm:7": "REQ7"})
    assert answered_earlier(asked, confirmed(gateway="bk_itsm", id="7", sn="REQ7")) == (
        "ticket REQ7 answered an earlier submission of this change, and cannot answer this one"
    )


@pytest.mark.parametrize(("gateway", "ticket_id"), [("bk_itsm", "8"), ("tracker", "7"), ("7", "bk_itsm")])
def test_another_ticket_or_another_gateway_is_not_an_earlier_one(gateway: str, ticket_id: str) -> None:
    """Two ticket systems may give the same id."""
    asked = change({"bk_itsm:7": "REQ7"})
    assert answered_earlier(asked, confirmed(gateway=gateway, id=ticket_id, sn="REQ7")) is None
