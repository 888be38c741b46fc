"""A gateway that answers well-formed and wrong: nothing is believed that was not asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from itsm_workflow.bkapi.transport import BODY_LIMIT
from itsm_workflow.errors import GatewayError, GatewayProtocolError, GatewayRefused
from itsm_workflow.gateway.bk_itsm.wire import MAX_LOG
from itsm_workflow.machine.evidence import TicketStatus
from tests.support.fault_server import Connection, FaultServer, response, success
from tests.support.gateways import gateway, sent, ticket

if TYPE_CHECKING:
    from collections.abc import Callable

    Data = object
    Script = dict[str, Callable[[dict[str, Any]], Data]]

MINE = sent(title="t")
MARK = " #GV755PZN"
SN = "REQ20261125000007"


class Refusal(Exception):
    """Answer with an envelope of this code instead."""


class HttpStatus(Exception):
    """Answer with this HTTP status instead."""


def refusing(code: int | str) -> Callable[[dict[str, Any]], Data]:
    """Return an endpoint that refuses."""

    def refuse(_: dict[str, Any]) -> object:
        raise Refusal(code)

    return refuse


def scripted(script: Script, asked: list[tuple[str, dict[str, Any]]] | None = None) -> Callable[[Connection], None]:
    """Return a server whose endpoints answer with what their function makes of the parameters."""

    def serve(connection: Connection) -> None:
        while request := connection.read_request():
            head, _, body = request.partition(b"\r\n\r\n")
            target, _, query = head.split(b" ")[1].decode().partition("?")
            name = target.removeprefix("/v2/itsm/").rstrip("/")
            params = json.loads(body) if body else {key: values[0] for key, values in parse_qs(query).items()}
            if asked is not None:
                asked.append((name, params))
            try:
                envelope = success(script.get(name, refusing(3900004))(params))
            except Refusal as refusal:
                envelope = {"result": False, "code": refusal.args[0], "data": None, "message": ""}
            except HttpStatus as failed:
                connection.send(response({}, status=failed.args[0]))
                continue
            connection.send(response(envelope))

    return serve


def row(ticket_id: int, *, title: str = f"t{MARK}", creator: str = "alice", sn: str = SN) -> dict[str, Any]:
    """Return a row of get_tickets."""
    return {
        "id": ticket_id,
        "sn": sn,
        "title": title,
        "creator": creator,
        "current_status": "RUNNING",
        "ticket_url": f"https://itsm.example.com/#/ticket/detail?id={ticket_id}",
        "updated_by": ",admin,alice,",
    }


def listed(rows: list[dict[str, Any]], *, count: int | None = None, pages: int = 1) -> dict[str, Any]:
    """Return a page of get_tickets."""
    return {"page": 1, "total_page": pages, "count": len(rows) if count is None else count, "items": rows}


def page(**given: object) -> dict[str, Any]:
    """Return the data of get_ticket_info."""
    fixed = {"id": 7, "sn": SN, "title": f"t{MARK}", "current_status": "FINISHED", "creator": "alice"}
    return {**fixed, "current_steps": [], "fields": [], "updated_by": ",admin,alice,", **given}


def result(ticket_id: int = 7, **given: object) -> dict[str, Any]:
    """Return a row of ticket_approval_result."""
    url = f"https://itsm.example.com/#/ticket/detail?id={ticket_id}"
    return {"sn": SN, "ticket_url": url, "current_status": "FINISHED", "approve_result": True, **given}


VERDICT = {"type": "RADIO", "name": "审批意见", "value": "true"}
APPROVED_LOG = {"logs": [{"operator": "bob", "from_state_type": "APPROVAL", "form_data": [VERDICT]}]}


def reading(**script: Callable[[dict[str, Any]], Data]) -> Script:
    """Return a script for a ticket that was approved, but for what is given."""
    return {
        "get_ticket_info": lambda _: page(),
        "get_ticket_status": lambda _: {"current_status": "RUNNING", "current_steps": []},
        "get_ticket_logs": lambda _: APPROVED_LOG,
        "ticket_approval_result": lambda _: [result()],
        "get_tickets": lambda _: listed([row(7)]),
        **script,
    }


class TestFinding:
    """Rows are ours for what they show, not for having been searched for."""

    def test_a_gateway_that_drops_the_tag(self) -> None:
        """It answers with everybody's tickets; then the creator's own are looked through, in the server's time zone."""
        asked: list[tuple[str, dict[str, Any]]] = []

        def search(params: dict[str, Any]) -> object:
            if "creator" in params:
                return listed([row(7), row(8, title="another of hers")])
            return listed([row(9, title="a stranger's", creator="bob"), row(8, title="another of hers")], pages=900)

        with FaultServer(scripted({"get_tickets": search}, asked)) as server:
            found = gateway(server.url).find_by_key(MINE)

        assert [(one.id, one.key) for one in found] == [("7", MINE.attempt.key)]
        window = asked[2][1]
        assert (window["create_at__gte"], window["create_at__lte"]) == ("2026-11-23 20:00:00", "2026-11-25 20:00:00")
        names = [name for name, _ in asked]
        assert names[:3] == ["get_tickets"] * 3  # one page, one probe, one window
        assert all(params.keys() - {"page", "page_size"} for _, params in asked[:3])

    def test_a_gateway_that_drops_the_tag_and_has_nothing_of_ours(self) -> None:
        """The result is that there is no ticket."""

        def search(params: dict[str, Any]) -> object:
            return listed([] if "creator" in params else [row(9, title="a stranger's", creator="bob")])

        with FaultServer(scripted({"get_tickets": search})) as server:
            assert gateway(server.url).find_by_key(MINE) == []

    def test_a_create_that_lost_its_tag(self) -> None:
        """The search for the tag finds nothing; the title still does."""

        def search(params: dict[str, Any]) -> object:
            return listed([row(7)] if "creator" in params else [])

        with FaultServer(scripted({"get_tickets": search})) as server:
            assert [one.key for one in gateway(server.url).find_by_key(MINE)] == [MINE.attempt.key]

    def test_a_tagged_ticket_whose_title_was_edited(self) -> None:
        """The tag was seen to distinguish, so that it carries the key; it is not what was sent."""

        def search(params: dict[str, Any]) -> object:
            return listed([row(7, title="edited"), row(6)] if params.get("tag") == MINE.attempt.key else [])

        with FaultServer(scripted({"get_tickets": search})) as server:
            found = gateway(server.url).find_by_key(MINE)

        assert {(one.id, one.key) for one in found} == {("7", MINE.attempt.key), ("6", MINE.attempt.key)}
        assert [one.differences for one in found if one.id == "7"] == [("title: sent t #GV755PZN, shows edited",)]

    def test_without_the_key_in_titles_a_dropped_tag_cannot_be_made_up_for(self) -> None:
        """That is not "none": it could not be asked."""
        asked: list[tuple[str, dict[str, Any]]] = []
        any_row = scripted({"get_tickets": lambda _: listed([row(9, title="any")])}, asked)

        with FaultServer(any_row) as server:
            client = gateway(server.url, key_in_title=False)

            with pytest.raises(GatewayProtocolError, match="ignores the search for a tag"):
                client.find_by_key(MINE)
        probed = asked[-1][1]
        assert probed["tag"] != MINE.attempt.key
        assert (int(probed["page"]), int(probed["page_size"])) == (1, 1), "no more is read than the answer needs"

    def test_pages_that_shift_while_they_are_read(self) -> None:
        """A newer ticket pushes rows to the next page: a row is shown twice and returned once."""
        pages = {1: listed([row(3), row(2)], count=3, pages=2), 2: listed([row(2), row(1)], count=4, pages=2)}

        with FaultServer(scripted({"get_tickets": lambda params: pages[params["page"]]})) as server:
            assert [one.id for one in gateway(server.url).find_by_key(MINE)] == ["3", "2", "1"]

    def test_pages_that_repeat_do_not_add_up(self) -> None:
        """A gateway that always shows the first page has not shown all."""
        with FaultServer(scripted({"get_tickets": lambda _: listed([row(3), row(2)], count=4, pages=2)})) as server:
            client = gateway(server.url)

            with pytest.raises(GatewayProtocolError, match="do not add up"):
                client.find_by_key(MINE)

    def test_pages_without_end(self) -> None:
        """Are not read without end."""
        asked: list[tuple[str, dict[str, Any]]] = []
        forever = scripted({"get_tickets": lambda params: listed([row(params["page"])], count=9, pages=10**9)}, asked)

        with FaultServer(forever) as server:
            client = gateway(server.url)
            with pytest.raises(GatewayProtocolError, match="more than 50 pages"):
                client.find_by_key(MINE)
        assert len(asked) == 50

    def test_a_gateway_that_ignores_the_number(self) -> None:
        """Its rows are anybody's."""
        with FaultServer(scripted({"get_tickets": lambda _: listed([row(7), row(8, sn="REQ1")])})) as server:
            client = gateway(server.url)

            with pytest.raises(GatewayProtocolError, match="ignores the search for a number"):
                client.find_by_sn(SN, MINE)


class TestReading:
    """Our id, or nothing."""

    def test_the_page_is_read_before_the_result(self) -> None:
        """So that an end met by a result is a result made after it, and what forgets comes last."""
        asked: list[tuple[str, dict[str, Any]]] = []
        with FaultServer(scripted(reading(), asked)) as server:
            snapshot = gateway(server.url).read(ticket())

        assert [name for name, _ in asked] == ["get_ticket_info", "get_ticket_logs", "ticket_approval_result"]
        assert (snapshot.approve_result, snapshot.approval_step, snapshot.closed_by) == (True, True, "admin,alice")

    @pytest.mark.parametrize("code", [3900022, 3900004, "SERVER_500_ERROR"])
    def test_a_missing_ticket_keeps_the_refusal(self, code: int | str) -> None:
        """Neither page nor list shows it: the refusal is raised, and the result is not read."""
        asked: list[tuple[str, dict[str, Any]]] = []
        script = reading(get_ticket_info=refusing(code), get_tickets=lambda _: listed([]))
        with FaultServer(scripted(script, asked)) as server, pytest.raises(GatewayRefused):
            gateway(server.url).read(ticket())
        assert {name for name, _ in asked} == {"get_ticket_info", "get_tickets"}

    def test_a_refusal_by_the_api_gateway_says_nothing_about_the_ticket(self) -> None:
        """One example is an exhausted quota: the ticket is looked at later, and nothing else is read."""
        asked: list[tuple[str, dict[str, Any]]] = []
        with (
            FaultServer(scripted(reading(get_ticket_info=refusing(1642902)), asked)) as server,
            pytest.raises(GatewayRefused),
        ):
            gateway(server.url).read(ticket())
        assert [name for name, _ in asked] == ["get_ticket_info"]

    @pytest.mark.parametrize(
        ("code", "why"),
        [
            (3900004, "its page cannot be read: the gateway refuses, code 3900004"),
            ("SERVER_500_ERROR", "its page cannot be read: the gateway refuses, code SERVER_500_ERROR"),
        ],
    )
    def test_a_ticket_whose_page_cannot_be_read_is_read_by_its_rows(self, code: int | str, why: str) -> None:
        """They show its status and its result by id; the snapshot records that nothing else could be read."""
        with FaultServer(scripted(reading(get_ticket_info=refusing(code)))) as server:
            snapshot = gateway(server.url).read(ticket(), decision_field="x")

        assert (snapshot.status, snapshot.result_status) == (TicketStatus.RUNNING, TicketStatus.FINISHED)
        assert (snapshot.approval_step, snapshot.step_running, snapshot.decision) == (None, None, None)
        assert (snapshot.ambiguous, snapshot.inconclusive) == (False, why)

    def test_a_page_of_another_ticket(self) -> None:
        """Whatever it says, it is not about ours."""
        script = reading(get_ticket_info=lambda _: page(id=8), get_tickets=lambda _: listed([row(8)]))
        with FaultServer(scripted(script)) as server:
            client = gateway(server.url)
            with pytest.raises(GatewayProtocolError, match="is not the number of ticket 7"):
                client.read(ticket())

    @pytest.mark.parametrize(
        "rows",
        [
            [],
            [result(8)],
            [result(sn="REQ20261125000008")],
            [result(ticket_url="")],
            [result(ticket_url="https://itsm.example.com/#/ticket/detail?id=77")],
            [result(ticket_url="https://itsm.example.com/#/ticket/8/?id=7")],
            [result(), result(approve_result=False)],
        ],
    )
    def test_a_result_that_is_not_clearly_ours_is_ignored(self, rows: list[dict[str, Any]]) -> None:
        """It is missing, has another id or number, has no id, or occurs with two values."""
        with FaultServer(scripted(reading(ticket_approval_result=lambda _: rows))) as server:
            snapshot = gateway(server.url).read(ticket())

        assert (snapshot.result_status, snapshot.approve_result) == (None, None)

    @pytest.mark.parametrize(
        "url",
        [
            "https://itsm.example.com/#/ticket/detail?id=7",
            "https://itsm.example.com/o/bk_itsm/#/ticket/detail?project=0&id=7&from=x",
            "https://itsm.example.com/weixin/#/ticket/7/",
            "https://itsm.example.com/weixin/#/ticket/7",
        ],
    )
    def test_ours_among_others_twice_and_in_any_order(self, url: str) -> None:
        """It is found by the id in the page's address, of either kind."""
        rows = [result(8, approve_result=False), result(ticket_url=url), result(ticket_url=url)]
        with FaultServer(scripted(reading(ticket_approval_result=lambda _: rows))) as server:
            assert gateway(server.url).read(ticket()).approve_result is True

    @pytest.mark.parametrize("word", ["NEW", "RESOLVED", "finished", "FINISHED ", "", "完成"])
    def test_an_unknown_status_word_is_not_final(self, word: str) -> None:
        """Only the five exact words have a meaning."""
        with FaultServer(scripted(reading(get_ticket_info=lambda _: page(current_status=word)))) as server:
            assert gateway(server.url).read(ticket()).status is TicketStatus.OTHER

    @pytest.mark.parametrize(
        ("logs", "seen"),
        [
            ([], False),
            ([{"from_state_type": "NORMAL", "form_data": {}}], False),
            ([{"message": "alice 已处理【内置审批节点】(通过)"}], False),
            ([{"operator": "bob", "from_state_type": "APPROVAL", "form_data": []}], False),
            ([{"operator": "bob", "form_data": [VERDICT]}], False),
            ([{"operator": "bob", "from_state_type": "APPROVAL", "form_data": [{**VERDICT, "value": "false"}]}], False),
            ([{"operator": "bob", "from_state_type": "APPROVAL", "form_data": [VERDICT]}], True),
        ],
    )
    def test_an_approval_step_is_seen_in_what_was_done(self, logs: list[dict[str, Any]], seen: bool) -> None:  # noqa: FBT001 - a case
        """By its step and its form, never by words; the page's own fields prove nothing, nor does a transfer."""
        fields = [{"key": "x", "type": "RADIO", "name": "审批意见", "value": "true"}]
        script = reading(get_ticket_info=lambda _: page(fields=fields), get_ticket_logs=lambda _: {"logs": logs})
        with FaultServer(scripted(script)) as server:
            assert gateway(server.url).read(ticket()).approval_step is seen

    def test_a_log_over_the_usual_limit_is_read(self) -> None:
        """Each step repeats the form it was given: the approval at the end of two mebibytes is seen."""
        form = [{"type": "TEXT", "name": "说明", "value": "x" * 1000}]
        logs = {"logs": [{"form_data": form} for _ in range(BODY_LIMIT // 500)] + APPROVED_LOG["logs"]}
        with FaultServer(scripted(reading(get_ticket_logs=lambda _: logs))) as server:
            snapshot = gateway(server.url, deadline=30.0, timeout=(10.0, 10.0)).read(ticket())

        assert snapshot.approval_step is True

    def test_a_log_over_its_own_limit_is_said_to_be_missing(self) -> None:
        """Asking again does not help: the rest is read, and the snapshot says why it cannot conclude."""
        logs = {"logs": [{"form_data": "x" * MAX_LOG}]}
        with FaultServer(scripted(reading(get_ticket_logs=lambda _: logs))) as server:
            snapshot = gateway(server.url, deadline=30.0, timeout=(10.0, 10.0)).read(ticket())

        assert (snapshot.status, snapshot.approve_result) == (TicketStatus.FINISHED, True)
        assert (snapshot.approval_step, snapshot.inconclusive) == (None, "its log is too large to be read")

    @pytest.mark.parametrize(
        ("broken", "part"),
        [
            ({"get_ticket_logs": lambda _: {"logs": [7]}}, "log"),
            ({"get_ticket_logs": lambda _: None}, "log"),
            ({"ticket_approval_result": lambda _: [{"sn": 7}]}, "result"),
            ({"get_ticket_info": lambda _: {"id": 7}}, "page"),
        ],
    )
    def test_a_part_that_is_not_as_agreed_is_said_to_be_missing(
        self, broken: dict[str, Callable[[dict[str, Any]], Data]], part: str
    ) -> None:
        """Whichever it is: a look that cannot conclude says so, in the same words each time."""
        with FaultServer(scripted(reading(**broken))) as server:
            client = gateway(server.url)
            why = {client.read(ticket()).inconclusive for _ in range(2)}

        assert why == {f"its {part} cannot be read: the answer is not as agreed"}

    @pytest.mark.parametrize("endpoint", ["get_ticket_logs", "ticket_approval_result"])
    def test_a_part_that_cannot_be_read_now_is_read_later(self, endpoint: str) -> None:
        """An outage of the gateway is not a fact about the ticket."""

        def busy(_: dict[str, Any]) -> object:
            raise HttpStatus(503)

        with FaultServer(scripted(reading(**{endpoint: busy}))) as server, pytest.raises(GatewayError):
            gateway(server.url).read(ticket())

    def test_logs_that_are_refused_leave_the_step_open(self) -> None:
        """Not seen is not the same as not there."""
        with FaultServer(scripted(reading(get_ticket_logs=refusing("SERVER_500_ERROR")))) as server:
            snapshot = gateway(server.url).read(ticket())

        assert snapshot.approval_step is None
        assert snapshot.inconclusive == "its log cannot be read: the gateway refuses, code SERVER_500_ERROR"

    def test_open_steps_that_are_refused_leave_the_step_open(self) -> None:
        """The same for a ticket that has not ended."""
        script = reading(
            get_ticket_info=lambda _: page(current_status="RUNNING"), get_ticket_status=refusing("SERVER_500_ERROR")
        )
        script["ticket_approval_result"] = lambda _: [result(current_status="RUNNING", approve_result=False)]
        with FaultServer(scripted(script)) as server:
            assert gateway(server.url).read(ticket()).approval_step is None

    def test_a_withdrawn_ticket_whose_step_runs(self) -> None:
        """The page may miss it; what is open is asked for separately."""
        step = {"status": "RUNNING", "fields": [{"key": "x", "meta": {"code": "APPROVE_RESULT"}}]}
        script = reading(
            get_ticket_info=lambda _: page(current_status="REVOKED"),
            get_ticket_status=lambda _: {"current_status": "REVOKED", "current_steps": [step]},
        )
        with FaultServer(scripted(script)) as server:
            snapshot = gateway(server.url).read(ticket())

        assert (snapshot.status, snapshot.step_running, snapshot.approval_step) == (TicketStatus.REVOKED, True, True)

    @pytest.mark.parametrize(
        ("values", "decision"),
        [
            (["true"], "true"),
            (["true", "true"], "true"),
            (["true", "false"], None),
            ([True], None),
            ([None], None),
            ([], None),
        ],
    )
    def test_a_decision_is_one_text(self, values: list[object], decision: str | None) -> None:
        """A boolean is not a text, and two values are not a decision."""
        fields = [{"key": "approval_result", "value": value} for value in values]
        with FaultServer(scripted(reading(get_ticket_info=lambda _: page(fields=fields)))) as server:
            assert gateway(server.url).read(ticket(), decision_field="approval_result").decision == decision


class TestActing:
    """Only on our own ticket."""

    def test_a_number_that_is_another_ticket_s_is_not_withdrawn(self) -> None:
        """The server would withdraw whichever carries it."""
        asked: list[tuple[str, dict[str, Any]]] = []
        script = reading(get_ticket_info=lambda _: page(id=8), get_tickets=lambda _: listed([row(8)]))
        with FaultServer(scripted(script, asked)) as server, pytest.raises(GatewayProtocolError):
            gateway(server.url).withdraw(ticket(), operator="alice", reason="r")
        assert "operate_ticket" not in [name for name, _ in asked]

    def test_a_refused_withdrawal_of_an_ended_ticket_is_not_an_error(self) -> None:
        """Another user was faster."""
        pages = iter([page(current_status="RUNNING"), page(current_status="TERMINATED")])

        def refuse(_: dict[str, Any]) -> object:
            raise Refusal(3900004)

        script = reading(get_ticket_info=lambda _: next(pages), operate_ticket=refuse)
        with FaultServer(scripted(script)) as server:
            gateway(server.url).withdraw(ticket(), operator="alice", reason="r")

    def test_a_reason_is_always_given(self) -> None:
        """The server does nothing without one."""
        asked: list[tuple[str, dict[str, Any]]] = []
        script = reading(get_ticket_info=lambda _: page(current_status="RUNNING"), operate_ticket=lambda _: [])
        with FaultServer(scripted(script, asked)) as server:
            gateway(server.url).withdraw(ticket(), operator="alice", reason=" ")

        assert asked[-1] == (
            "operate_ticket",
            {"sn": SN, "operator": "alice", "action_type": "WITHDRAW", "action_message": "by alice"},
        )


class TestToken:
    """A token is the server's own, or it is not, or that could not be asked."""

    def test_an_application_error_is_a_no(self) -> None:
        """The server answers some malformed tokens so."""

        def refuse(_: dict[str, Any]) -> object:
            raise Refusal(3900004)

        with FaultServer(scripted({"token/verify": refuse})) as server:
            assert gateway(server.url).verify_token("t") is False

    @pytest.mark.parametrize("code", [1, "METHOD_NOT_ALLOWED"])
    def test_another_refusal_is_not_a_verdict(self, code: object) -> None:
        """A refusal of the call says nothing about the token."""

        def refuse(_: dict[str, Any]) -> object:
            raise Refusal(code)

        with FaultServer(scripted({"token/verify": refuse})) as server, pytest.raises(GatewayRefused):
            gateway(server.url).verify_token("t")
