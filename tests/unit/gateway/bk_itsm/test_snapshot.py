"""What a look at a ticket shows, part by part: each from where it is, and nothing where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.change import Decider
from itsm_workflow.errors import GatewayProtocolError, GatewayRefused, GatewayTimeout
from itsm_workflow.machine.evidence import Snapshot, TicketStatus, Withdrawal
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support.gateways import ticket
from tests.support.scripted import asked, refusal, scripted_gateway, success

if TYPE_CHECKING:
    from itsm_workflow.bkapi.transport import HttpRequest
    from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway

TICKET = ticket()
PAGE: dict[str, Any] = {
    "id": 7,
    "sn": TICKET.sn,
    "title": "t",
    "creator": "alice",
    "current_status": "RUNNING",
    "current_steps": [],
    "fields": [],
    "updated_by": ",alice,bob,",
}
ROW = {key: value for key, value in PAGE.items() if key not in {"current_steps", "fields"}}
RESULT = {
    "sn": TICKET.sn,
    "ticket_url": "https://itsm.example.com/#/ticket/detail?id=7",
    "current_status": "RUNNING",
    "approve_result": False,
}
VERDICT = {"type": "RADIO", "name": "审批意见", "value": "true"}
APPROVED = {"operator": "bob", "from_state_type": "APPROVAL", "form_data": [VERDICT]}
ASKS = {"status": "RUNNING", "fields": [{"key": "a", "meta": {"code": "APPROVE_RESULT"}}]}
RUNS = {"name": "n", "status": "RUNNING"}


class Server:
    """Answers by the name of the endpoint; bytes as they are.

    Attributes:
        answers: What is answered.
        asked: What was asked, with what.
    """

    def __init__(self, **answers: Any) -> None:
        usual: dict[str, Any] = {
            "get_ticket_info": PAGE,
            "get_ticket_status": {"current_steps": []},
            "get_ticket_logs": {"logs": []},
            "ticket_approval_result": [RESULT],
        }
        self.answers = {**usual, **answers}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, request: HttpRequest) -> bytes:
        """Answer."""
        self.asked.append((request.endpoint, asked(request)))
        answer = self.answers[request.endpoint]
        return answer if isinstance(answer, bytes) else success(answer)


def ours(**answers: Any) -> BkItsmGateway:
    """Return an adapter of a server that answers so."""
    return scripted_gateway(Server(**answers), clock=ManualClock())[0]


def seen(decision_field: str | None = None, **answers: Any) -> Snapshot:
    """Return a look at the ticket."""
    return ours(**answers).read(TICKET, decision_field=decision_field)


OPEN = Snapshot(
    ticket_id="7",
    sn=TICKET.sn,
    status=TicketStatus.RUNNING,
    word="RUNNING",
    seen_at=ManualClock().now(),
    result_status=TicketStatus.RUNNING,
    approve_result=False,
    approval_step=False,
    step_running=False,
    closed_by="alice,bob",
)


def test_an_open_ticket() -> None:
    """Nobody is asked, and no step runs."""
    assert seen() == OPEN


@pytest.mark.parametrize(
    ("steps", "open_steps", "approval", "running"),
    [
        ([RUNS], [], False, True),
        ([], [ASKS], True, True),
        ([], [{"status": "RUNNING", "fields": [{"key": "a", "meta": {}}]}], False, True),
        ([], [{"status": "FINISHED", "fields": [{"key": "a", "meta": ["code"]}]}], False, False),
        ([{"status": "FINISHED"}, RUNS], [{**ASKS, "status": "WAIT"}], True, True),
        ([{"status": "FINISHED"}], [], False, False),
    ],
)
def test_the_steps_of_an_open_ticket(
    steps: list[dict[str, Any]],
    open_steps: list[dict[str, Any]],
    approval: bool,  # noqa: FBT001 - a case
    running: bool,  # noqa: FBT001 - a case
) -> None:
    """An approval is one that is asked for now; a step runs by the page or by what is open."""
    found = seen(get_ticket_info={**PAGE, "current_steps": steps}, get_ticket_status={"current_steps": open_steps})

    assert found == attrs.evolve(OPEN, approval_step=approval, step_running=running)


def test_a_finished_ticket() -> None:
    """What was done is read of its log; the result is as told."""
    finished = {"current_status": "FINISHED"}
    found = seen(
        get_ticket_info={**PAGE, **finished, "current_steps": [RUNS]},
        get_ticket_logs={"logs": [APPROVED]},
        ticket_approval_result=[{**RESULT, **finished, "approve_result": True}],
    )

    assert found == attrs.evolve(
        OPEN,
        status=TicketStatus.FINISHED,
        word="FINISHED",
        result_status=TicketStatus.FINISHED,
        approve_result=True,
        approval_step=True,
        step_running=True,
        deciders=(Decider(user="bob", approved=True),),
    )


def test_a_log_is_asked_for_with_the_forms_that_were_filled_in() -> None:
    """Without that word, the server leaves them out, and no decision would be seen."""
    server = Server(get_ticket_info={**PAGE, "current_status": "FINISHED"})
    gateway, _ = scripted_gateway(server)
    gateway.read(TICKET)
    gateway.get_ticket_logs(TICKET)

    logs = [told for name, told in server.asked if name == "get_ticket_logs"]
    assert [(told["sn"], told["show_type"]) for told in logs] == [(TICKET.sn, "complex")] * 2


def test_why_it_rests() -> None:
    """In words, once calls in a row were not answered; before, an empty text."""

    def fail(_: HttpRequest) -> bytes:
        raise GatewayTimeout("no answer", endpoint="get_ticket_info")

    gateway, _ = scripted_gateway(fail, breaker_failures=1)
    assert gateway.resting() == ""
    with pytest.raises(GatewayTimeout):
        gateway.show(TICKET)
    assert "get_ticket_info" in gateway.resting() or "127.0.0.1" in gateway.resting()


def test_long_texts_are_cut() -> None:
    """The word of its status, by the page and by the result, and who ended it."""
    long = {"current_status": "x" * 9999, "updated_by": "x" * 9999}
    gateway = ours(get_ticket_info={**PAGE, **long}, ticket_approval_result=[{**RESULT, **long}])

    for shown in (gateway.read(TICKET), gateway.results([TICKET])["7"]):
        assert (len(shown.word), len(shown.closed_by)) == (64, 200)


def test_a_ticket_without_a_result() -> None:
    """The server leaves out what it does not know."""
    assert seen(ticket_approval_result=[]) == attrs.evolve(OPEN, result_status=None, approve_result=None)


@pytest.mark.parametrize(
    ("fields", "decision"),
    [
        ([], None),
        ([{"key": "x", "value": "yes"}], None),
        ([{"key": "verdict", "value": "yes"}, {"key": "x", "value": "no"}], "yes"),
        ([{"key": "verdict", "value": "yes"}, {"key": "verdict", "value": "yes"}], "yes"),
        ([{"key": "verdict", "value": "yes"}, {"key": "verdict", "value": "no"}], None),
        ([{"key": "verdict", "value": 7}], None),
    ],
)
def test_the_decision_field(fields: list[dict[str, Any]], decision: str | None) -> None:
    """Its text, if it is there once, or more than once in one way; and only if it was asked for."""
    page = {**PAGE, "fields": fields}

    assert seen("verdict", get_ticket_info=page) == attrs.evolve(OPEN, decision=decision)
    assert seen(get_ticket_info=page).decision is None


def test_a_number_that_two_tickets_carry() -> None:
    """Ours is read of the list, and is ambiguous; nothing is said of its steps."""
    rows = {"count": 2, "total_page": 1, "items": [ROW, {**ROW, "id": 8}]}
    found = seen("verdict", get_ticket_info=refusal("SERVER_500_ERROR"), get_tickets=rows)

    assert found == attrs.evolve(OPEN, approval_step=None, step_running=None, ambiguous=True)


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (success({"id": "seven"}), "its page cannot be read: the answer is not as agreed"),
        (refusal(3900001), "its page cannot be read: the gateway refuses, code 3900001"),
        (refusal("SERVER_500_ERROR"), "its page cannot be read: the gateway refuses, code SERVER_500_ERROR"),
    ],
)
def test_a_page_that_cannot_be_read(page: bytes, why: str) -> None:
    """Ours is read of the list, and what is missing is said: that is not ambiguous."""
    rows = {"count": 1, "total_page": 1, "items": [ROW]}
    found = seen("verdict", get_ticket_info=page, get_tickets=rows)

    assert found == attrs.evolve(OPEN, approval_step=None, step_running=None, inconclusive=why)


@pytest.mark.parametrize(
    ("status", "endpoint", "why"),
    [
        ("RUNNING", "get_ticket_status", "its status cannot be read: the answer is not as agreed"),
        ("FINISHED", "get_ticket_logs", "its log cannot be read: the answer is not as agreed"),
        ("RUNNING", "ticket_approval_result", "its result cannot be read: the answer is not as agreed"),
    ],
)
def test_a_part_that_cannot_be_read(status: str, endpoint: str, why: str) -> None:
    """The rest was read, and what is missing is said."""
    page = {**PAGE, "current_status": status, "current_steps": [RUNS]}
    answers: dict[str, Any] = {"get_ticket_info": page, endpoint: success("?")}
    found = seen(**answers)

    assert (found.inconclusive, found.step_running, found.closed_by) == (why, True, "alice,bob")


@pytest.mark.parametrize(("sn", "approved"), [("REQ8", None), (TICKET.sn.lower() + " ", True), ("", True)])
def test_the_log_of_another_ticket_shows_no_approver(sn: str, approved: bool | None) -> None:  # noqa: FBT001 - a parameter
    """A proxy can mix up answers; the log itself contains no id, and numbers are equal as the server compares them."""
    page = {**PAGE, "current_status": "FINISHED"}
    gateway = ours(get_ticket_info=page, get_ticket_logs={"sn": sn, "logs": [APPROVED]})

    found = gateway.read(TICKET)

    assert (found.approval_step, len(found.deciders)) == (approved, 1 if approved else 0)
    assert ("its log cannot be read" in found.inconclusive) is (approved is None)
    if approved is None:
        with pytest.raises(GatewayProtocolError, match="names another ticket"):
            gateway.get_ticket_logs(TICKET)


def test_a_code_of_the_gateway_itself_is_no_look() -> None:
    """The ticket is to be looked at later."""
    with pytest.raises(GatewayRefused):
        seen(get_ticket_status=refusal(1302100))


def test_a_number_that_is_not_our_tickets() -> None:
    """Which call it was is told, so that it is found in the gateway's log."""
    rows = {"count": 1, "total_page": 1, "items": [{**ROW, "id": 8}]}
    with pytest.raises(GatewayProtocolError, match="is not the number of ticket 7") as caught:
        ours(get_ticket_info={**PAGE, "id": 8}, get_tickets=rows).show(TICKET)

    assert (caught.value.endpoint, bool(caught.value.request_id)) == ("get_ticket_info", True)


class TestWithdrawal:
    """A ticket is withdrawn, or what became of it is read."""

    @pytest.mark.parametrize(
        ("word", "became"),
        [("REVOKED", Withdrawal.DONE), ("FINISHED", Withdrawal.ENDED), ("TERMINATED", Withdrawal.ENDED)],
    )
    def test_one_that_ended_is_left_alone(self, word: str, became: Withdrawal) -> None:
        """Nothing is sent."""
        server = Server(get_ticket_info={**PAGE, "current_status": word})
        gateway, _ = scripted_gateway(server)

        assert gateway.withdraw(TICKET, operator="alice", reason="r") is became
        assert [name for name, _ in server.asked] == ["get_ticket_info"]

    def test_what_is_sent(self) -> None:
        """By number, in the operator's name, and with a reason in any case."""
        for reason, said in (("not wanted", "not wanted"), (" ", "by alice")):
            server = Server(operate_ticket={})
            gateway, _ = scripted_gateway(server)

            assert gateway.withdraw(TICKET, operator="alice", reason=reason) is Withdrawal.DONE
            sent = server.asked[-1][1]
            assert {key: sent[key] for key in ("sn", "operator", "action_type", "action_message")} == {
                "sn": TICKET.sn,
                "operator": "alice",
                "action_type": "WITHDRAW",
                "action_message": said,
            }

    @pytest.mark.parametrize(
        ("word", "status", "logs", "became"),
        [
            ("REVOKED", [], [], Withdrawal.DONE),
            ("FINISHED", [], [], Withdrawal.ENDED),
            ("RUNNING", [], [], Withdrawal.NOT_YET),
            ("RUNNING", [ASKS], [], None),
            ("RUNNING", [], [APPROVED], None),
            ("SUSPENDED", [], [], None),
        ],
    )
    def test_after_a_refusal_the_ticket_is_read(
        self, word: str, status: list[object], logs: list[object], became: Withdrawal | None
    ) -> None:
        """It ended meanwhile, does not take it yet, or the refusal counts."""
        server = Server(operate_ticket=refusal(3900001), get_ticket_status={"current_steps": status})
        server.answers["get_ticket_logs"] = {"logs": logs}
        pages = iter([PAGE, {**PAGE, "current_status": word}])
        gateway, _ = scripted_gateway(
            lambda request: success(next(pages)) if request.endpoint == "get_ticket_info" else server(request)
        )
        if became is None:
            with pytest.raises(GatewayRefused):
                gateway.withdraw(TICKET, operator="alice", reason="r")
        else:
            assert gateway.withdraw(TICKET, operator="alice", reason="r") is became

    def test_no_answer_leaves_it_unknown(self) -> None:
        """It may have been withdrawn."""
        server = Server()

        def answer(request: HttpRequest) -> bytes:
            if request.endpoint == "operate_ticket":
                raise GatewayTimeout("no answer", endpoint="operate_ticket")
            return server(request)

        assert scripted_gateway(answer)[0].withdraw(TICKET, operator="alice", reason="r") is Withdrawal.UNKNOWN
