"""What comes of a creation: one of four answers, whatever the server says."""

from __future__ import annotations

import pytest

from itsm_workflow.errors import GatewayError, GatewayProtocolError, GatewayTimeout, GatewayUnavailable
from itsm_workflow.gateway.protocol import Created, NotSent, Refused, Unknown
from tests.support.gateways import attempt, create_request
from tests.support.scripted import refusal, scripted_gateway, success
from tests.unit.gateway.bk_itsm.test_recordings import EXCHANGES, NO_ENVELOPE, answer_of

GOOD = {"id": 7, "sn": "REQ20261125000007", "ticket_url": None}


@pytest.mark.parametrize("name", [name for name in EXCHANGES if name.startswith("create_ticket.")])
def test_a_recorded_answer(name: str) -> None:
    """Created with the recorded ticket, refused by a code of the ticket system's own, or unknown."""
    recording = EXCHANGES[name]
    itsm, _ = scripted_gateway(lambda _: answer_of(recording))

    answer = itsm.create(create_request())

    if name in NO_ENVELOPE or not (recording.succeeded or isinstance(recording.envelope["code"], int)):
        assert isinstance(answer, Unknown)
    elif recording.succeeded:
        assert isinstance(answer, Created)
        assert (answer.id, answer.sn) == (str(recording.data["id"]), recording.data["sn"])
    else:
        assert isinstance(answer, Refused)
        assert answer.remote_code == recording.envelope["code"]
        assert answer.message


@pytest.mark.parametrize(
    ("error", "answer"), [(GatewayUnavailable, NotSent), (GatewayTimeout, Unknown), (GatewayProtocolError, Unknown)]
)
def test_no_answer(error: type[GatewayError], answer: type) -> None:
    """Only what is proven not to have left may be sent again."""

    def fail(_: object) -> bytes:
        raise error("it broke", endpoint="create_ticket")

    itsm, transport = scripted_gateway(fail)

    assert itsm.create(create_request()) == answer(problem="create_ticket: it broke")
    assert len(transport.requests) == 1


@pytest.mark.parametrize("code", ["METHOD_NOT_ALLOWED", "3900004", 3899999, 4000000, 0, -1])
def test_a_refusal_by_somebody_else(code: int | str) -> None:
    """A gateway in between says nothing of what the ticket system did."""
    itsm, _ = scripted_gateway(lambda _: refusal(code))

    assert isinstance(itsm.create(create_request()), Unknown)


@pytest.mark.parametrize("code", [3900000, 3900004, 3999999])
def test_a_refusal_by_the_ticket_system(code: int) -> None:
    """With its code, and its words made harmless."""
    itsm, _ = scripted_gateway(lambda _: refusal(code, "no\x1b[2J\nway"))

    assert itsm.create(create_request()) == Refused(remote_code=code, message="no [2J way")


@pytest.mark.parametrize(
    "given",
    [{"id": 0}, {"id": -7}, {"sn": ""}, {"sn": "7"}, {"sn": "REQ2026112500000\uff17"}, {"sn": "req20261125000007"}],
)
def test_a_success_that_names_no_ticket(given: dict[str, object]) -> None:
    """There may be one all the same."""
    itsm, _ = scripted_gateway(lambda _: success({**GOOD, **given}))

    assert isinstance(itsm.create(create_request()), Unknown)


@pytest.mark.parametrize("service", ["", "-1", "seven", "\uff17"])
def test_a_request_that_cannot_be_written(service: str) -> None:
    """Nothing is sent."""
    itsm, transport = scripted_gateway(lambda _: success(GOOD))

    answer = itsm.create(create_request(attempt(service=service)))

    assert isinstance(answer, NotSent)
    assert transport.requests == []
