"""What a gateway answers about the tickets of other programs is checked where it enters."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from itsm_workflow.errors import GatewayMistake, GatewayProtocolError
from itsm_workflow.gateway.adoption import KnownTicket, SupportsAdoption
from itsm_workflow.gateway.asking import known_ticket, peek_ticket
from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from itsm_workflow.gateway.checked import any_host, checked_known
from itsm_workflow.machine.evidence import TicketStatus
from tests.support import examples as x
from tests.support.desk import Desk
from tests.unit.gateway.test_checked import NO_IDS, NO_SNS

KNOWN = KnownTicket(
    id="7", sn="REQ7", url="", status=TicketStatus.RUNNING, word="RUNNING", title="t", creator="alice", service="5"
)


def test_a_valid_ticket_stays_as_it_is() -> None:
    """Also one that names no service, if it says why no change can be bound to it."""
    foreign = attrs.evolve(KNOWN, id="8", service="", problem="it is another service's")
    assert checked_known([KNOWN, foreign], any_host) == (KNOWN, foreign)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"id": value} for value in NO_IDS),
        *({"sn": value} for value in NO_SNS),
        {"status": "RUNNING"},
        {"service": ""},
        {"service": 5},
    ],
    ids=repr,
)
def test_a_ticket_that_is_not_valid_is_an_error_of_the_gateway(wrong: dict[str, Any]) -> None:
    """A change must not be bound to it."""
    with pytest.raises(GatewayProtocolError):
        checked_known([attrs.evolve(KNOWN, **wrong)], any_host)


@pytest.mark.parametrize("answer", [None, 7, "REQ7", {"id": "7"}, [{"id": "7"}]], ids=repr)
def test_an_answer_that_is_not_a_list_of_tickets(answer: object) -> None:
    """It names what was returned."""
    with pytest.raises(GatewayProtocolError, match=r"^known_tickets: .*(not a list|it is)"):
        checked_known(answer, any_host)


def test_a_text_is_cleaned_and_an_address_checked() -> None:
    """Both may be shown to people."""
    [one] = checked_known([attrs.evolve(KNOWN, url="javascript:alert(1)", word="RUN\x1b[2J")], any_host)
    assert (one.url, "\x1b" in one.word) == ("", False)


def test_the_ability_is_optional() -> None:
    """BK-ITSM has it; a gateway without it is named, and not asked."""
    gateway = Desk().gateway
    assert not isinstance(gateway, SupportsAdoption)
    assert known_ticket(gateway, "REQ7", None, any_host) == (
        "the gateway of this process cannot show tickets of other programs: it has no known_tickets()"
    )
    with pytest.raises(GatewayMistake, match=r"it has no peek\(\)"):
        peek_ticket(gateway, x.PENDING.expect_ticket(), decision_field=None)
    assert issubclass(BkItsmGateway, SupportsAdoption)
