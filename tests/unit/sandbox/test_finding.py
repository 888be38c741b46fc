"""Finding and reading tickets of the sandbox: filters, pages, the read that forgets, numbers that two share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.sandbox import DEFAULT_SERVICES, Draft, self_finishing
from tests.support.stage import AT, Cast, Stage, Standing, front

if TYPE_CHECKING:
    from tests.support.recorded import Json

NOWHERE = {"callback_url": "http://127.0.0.1:1/"}


def found(stage: Stage, **body: Json) -> list[str]:
    """Ask get_tickets and return the numbers it lists."""
    return [item["sn"] for item in stage.post("get_tickets", body).json["data"]["items"]]


def test_each_filter_filters(stage: Stage) -> None:
    """Every filter BK-ITSM knows narrows the list; newest first."""
    one = stage.ticket(Standing.APPROVED, Cast(tag="one"))
    two = stage.ticket(Standing.STARTED, Cast(creator="dave", approvers=("carol",)))

    assert [two, one] == found(stage, creator="", sns=[])
    assert [two] == found(stage, creator="dave")
    assert [one] == found(stage, tag="one")
    assert [one] == found(stage, tag="ONE ")  # as the database compares
    assert found(stage, tag="on") == []
    assert [one] == found(stage, sns=[one.lower(), "REQ19990101000001"])
    assert found(stage, sns=one) == []
    assert [one] == found(stage, current_status__in=["FINISHED"])
    assert [two, one] == found(stage, service_id__in=["2"])
    assert found(stage, service_id__in=[3]) == []
    assert [two, one] == found(stage, bk_biz_id__in=[-1])
    assert found(stage, project_key="other") == []
    assert [two] == found(stage, username="carol")
    assert [two, one] == found(stage, title="no such filter")


def test_times_filter_in_local_time_without_a_zone(stage: Stage) -> None:
    """Bounds belong to the window; ``end_at`` finds ended tickets only."""
    sn = stage.ticket(Standing.APPROVED)
    stage.ticket(Standing.STARTED)

    assert len(found(stage, create_at__gte="2026-11-25 02:30", create_at__lte="2026-11-25T03:00:00.5")) == 2
    assert found(stage, create_at__gte="2026-11-26") == []
    assert found(stage, create_at__lte="2026-11-25 02:30:00") == []
    assert [sn] == found(stage, end_at__gte="2026-11-25 02:30:00")
    assert found(stage, end_at__lte="2026-11-25 02:30:00") == []


@pytest.mark.parametrize("text", ["yesterday", "2026-11-24T18:00:00+00:00", "2026-11-24T18:00:00Z", "2026-13-01", 5])
def test_a_time_it_cannot_read_breaks_the_server(stage: Stage, text: object) -> None:
    """A zone or nonsense is SERVER_500_ERROR."""
    assert stage.post("get_tickets", {"create_at__gte": text}).json["code"] == "SERVER_500_ERROR"


def test_pages(stage: Stage) -> None:
    """Size and number come from the query or the body; links keep only the query's."""
    for _ in range(5):
        stage.ticket(Standing.CREATED)
    path = "/v2/itsm/get_tickets/?page_size=2&page=2"
    page = stage.send("POST", path, {**front({}), "Content-Type": "application/json"}, "{}").json["data"]
    last = stage.post("get_tickets", {"page": "last", "page_size": 2}).json["data"]
    root = stage.sandbox.root

    assert (page["page"], page["total_page"], page["count"], len(page["items"])) == (2, 3, 5, 2)
    assert f"{root}/v2/itsm/get_tickets/?page=3&page_size=2" == page["next"]
    assert f"{root}/v2/itsm/get_tickets/?page_size=2" == page["previous"]
    assert (3, None, f"{root}/v2/itsm/get_tickets/?page=2") == (last["page"], last["next"], last["previous"])


@pytest.mark.parametrize("body", [{"page": 99}, {"page": "x"}, {"page": 0}, {"page_size": None}, []])
def test_a_page_that_is_none_breaks_the_server(stage: Stage, body: object) -> None:
    """Past the end, no number, no object: SERVER_500_ERROR."""
    assert stage.post("get_tickets", body).json["code"] == "SERVER_500_ERROR"


@pytest.mark.parametrize("size", [0, -1, "many"])
def test_no_page_size_gives_a_bare_list_that_stays(stage: Stage, size: object) -> None:
    """After it every call without a filter answers the old list, and calls with one are right."""
    old = stage.ticket(Standing.CREATED)
    bare = stage.post("get_tickets", {"page_size": size}).json["data"]
    new = stage.ticket(Standing.CREATED)
    stage.sandbox.withdraw(old)

    stale = stage.post("get_tickets", {}).json["data"]["items"]

    assert [old] == [item["sn"] for item in bare]
    assert [(old, "RUNNING")] == [(item["sn"], item["current_status"]) for item in stale]
    assert [new, old] == found(stage, creator="admin")


def test_a_bare_list_with_a_filter_leaves_no_trace(stage: Stage) -> None:
    """Only the list without a filter is kept."""
    stage.ticket(Standing.CREATED)
    stage.post("get_tickets", {"page_size": 0, "creator": "admin"})
    stage.ticket(Standing.CREATED)

    assert len(found(stage)) == 2


def test_a_form_is_read_too(stage: Stage) -> None:
    """A form body filters like JSON."""
    sn = stage.ticket(Standing.CREATED, Cast(tag="t"))
    stage.ticket(Standing.CREATED)
    headers = {**front({}), "Content-Type": "application/x-www-form-urlencoded"}
    page = stage.send("POST", "/openapi/ticket/get_tickets/", headers, "tag=t").json["data"]

    assert [sn] == [item["sn"] for item in page["items"]]


def test_reading_results_forgets_failures(stage: Stage) -> None:
    """ticket_approval_result takes what it was asked for off the failed list, in exactly that spelling."""
    one, two = (stage.ticket(Standing.APPROVED, Cast(meta=NOWHERE)) for _ in range(2))
    seen = [stage.get("callback_failed_ticket").json["data"] for _ in range(2)]
    lower = stage.post("ticket_approval_result", {"sn": [one.lower()]}).json["data"]
    kept = stage.get("callback_failed_ticket").json["data"]
    stage.post("ticket_approval_result", {"sn": [one, "REQ19990101000001"]})

    assert [[one, two]] * 2 == seen
    assert ([one], [one, two]) == ([row["sn"] for row in lower], kept)
    assert [two] == stage.get("callback_failed_ticket").json["data"]


def test_results_come_newest_first_and_once(stage: Stage) -> None:
    """The order asked and doubles do not count; unknown numbers are left out."""
    one, two = stage.ticket(Standing.STARTED), stage.ticket(Standing.REJECTED)
    rows = stage.post("ticket_approval_result", {"sn": [one, two, one, "REQ19990101000001"]}).json["data"]

    assert [(two, "FINISHED", False), (one, "RUNNING", False)] == [
        (row["sn"], row["current_status"], row["approve_result"]) for row in rows
    ]


@pytest.mark.parametrize(
    ("sn", "expected"),
    [
        ("REQ20261125000001", 0),
        ([], "SERVER_500_ERROR"),
        (None, "SERVER_500_ERROR"),
        ("", "SERVER_500_ERROR"),
        (5, "SERVER_500_ERROR"),
        ([1, None], "SERVER_500_ERROR"),
        (["REQ20261125000001", ["x"]], "SERVER_500_ERROR"),
        ([1, "REQ19990101000001"], 0),
    ],
)
def test_odd_numbers_to_read(stage: Stage, sn: object, expected: object) -> None:
    """A text is a silent miss; nothing, null and a number break the server."""
    stage.ticket(Standing.STARTED)
    envelope = stage.post("ticket_approval_result", {"sn": sn}).json

    assert (expected, [] if expected == 0 else None) == (envelope["code"], envelope["data"])


def test_a_read_that_breaks_forgets_nothing(stage: Stage) -> None:
    """The list of failed callbacks keeps what was asked for beside a null."""
    sn = stage.ticket(Standing.APPROVED, Cast(meta=NOWHERE))
    stage.post("ticket_approval_result", {"sn": [sn, None]})

    assert stage.get("callback_failed_ticket").json["data"] == [sn]


@pytest.mark.parametrize("endpoint", ["get_ticket_status", "get_ticket_info", "get_ticket_logs"])
def test_numbers_match_without_case_and_trailing_blanks(stage: Stage, endpoint: str) -> None:
    """As the database compares; blanks in front count, and so does a missing number."""
    sn = stage.ticket(Standing.STARTED)
    asked = [f"sn={sn.lower()}", f"sn={sn}%20", f"sn=%20{sn}", "", "sn="]

    assert [stage.get(endpoint, query).json["code"] for query in asked] == [0, 0, 3900022, 3900022, 3900022]


def test_two_tickets_under_one_number(stage: Stage) -> None:
    """Single reads break, acts are refused, the results show both, and the sandbox wants the id."""
    sn = stage.ticket(Standing.STARTED)
    foreign = stage.sandbox.duplicate_sn(sn)
    codes = [
        stage.get(name, f"sn={sn}").json["code"] for name in ("get_ticket_status", "get_ticket_info", "get_ticket_logs")
    ]
    act = {"sn": sn, "operator": "admin", "action_type": "WITHDRAW", "action_message": "x"}
    rows = stage.post("ticket_approval_result", {"sn": [sn]}).json["data"]

    assert codes == ["SERVER_500_ERROR"] * 3
    assert stage.post("operate_ticket", act).json["code"] == 3900004
    assert stage.get("get_approver", f"sn={sn}&state_id=15").json["code"] == 3900004
    assert [sn, sn] == [row["sn"] for row in rows] == found(stage, sns=[sn])
    with pytest.raises(LookupError, match="id"):
        stage.sandbox.approve(sn)
    stage.sandbox.approve(foreign.id)
    stage.pass_time()
    assert [ticket.approve_result for ticket in stage.sandbox.tickets()] == [False, True]
    assert foreign.foreign


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("user=alice&view_type=my_todo", 1),
        ("user=alice&view_type=my_approval", 1),
        ("user=alice&view_type=my_history", 1),
        ("user=alice", 2),
        ("username=admin&view_type=my_created", 2),
        ("user=mallory", 0),
    ],
)
def test_one_persons_tickets(stage: Stage, query: str, count: int) -> None:
    """Each view shows what concerns the person in that way."""
    stage.ticket(Standing.STARTED)
    stage.ticket(Standing.APPROVED)

    assert count == stage.get("get_tickets_by_user", query).json["data"]["count"]


def test_meta_comes_back_without_address_and_headers(stage: Stage) -> None:
    """Own keys only; and nowhere else."""
    stage.ticket(Standing.STARTED, Cast(meta={**NOWHERE, "headers": {"X": "1"}, "own": 5}))
    bare = stage.get("get_tickets_by_user", "user=admin&page_size=0").json["data"]

    assert [item["meta"] for item in bare] == [{"own": 5}]


def test_a_person_must_be_named(stage: Stage) -> None:
    """Without a user: 3900005."""
    assert stage.get("get_tickets_by_user").json["code"] == 3900005


@pytest.mark.parametrize("endpoint", ["get_approver", "get_approve_node_result"])
def test_asking_about_a_step(stage: Stage, endpoint: str) -> None:
    """Unknown tickets are 3900005; unknown steps are refused too."""
    sn = stage.ticket(Standing.STARTED)
    unknown_step = 3900004 if endpoint == "get_approver" else 3900005

    assert stage.get(endpoint, "sn=REQ19990101000001&state_id=15").json["code"] == 3900005
    assert unknown_step == stage.get(endpoint, f"sn={sn}&state_id=99").json["code"]


def test_steps_show_as_the_flow_gets_there(stage: Stage) -> None:
    """No step, the submit step, the approval step; status RUNNING all the while."""
    sn = stage.ticket(Standing.CREATED)
    shown = []
    for _ in range(3):
        status = stage.get("get_ticket_status", f"sn={sn}").json["data"]
        shown.append((status["current_status"], [step["state_id"] for step in status["current_steps"]]))
        stage.pass_time(0.5)

    assert shown == [("RUNNING", []), ("RUNNING", [14]), ("RUNNING", [15])]


def test_a_flow_without_approval_finishes_by_itself() -> None:
    """FINISHED with approve_result true, and nobody approved."""
    with Stage(AT, services=(*DEFAULT_SERVICES, self_finishing(14))) as stage:
        with stage.sandbox.locked() as ledger:
            sn = ledger.file(Draft(title="t", creator="admin", service=ledger.services[14], values={"title": "t"})).sn
        stage.pass_time()
        row = stage.post("ticket_approval_result", {"sn": [sn]}).json["data"][0]
        info = stage.get("get_ticket_info", f"sn={sn}").json["data"]
        roles = stage.get("get_service_roles", "service_id=14").json["data"]

    assert (row["current_status"], row["approve_result"], row["updated_by"]) == ("FINISHED", True, "admin")
    assert "审批意见" not in {field["name"] for field in info["fields"]}
    assert roles == []


def test_the_catalogue_is_one_projects(stage: Stage) -> None:
    """Another project has no services and no catalogue; a service nobody has is refused."""
    assert stage.get("get_services", "project_key=other").json["data"] == []
    assert stage.get("get_service_catalogs", "project_key=other").json["data"] == []
    assert stage.get("get_service_roles", "service_id=999").json["code"] == 3900004
    assert stage.get("get_service_detail", "service_id=").json["code"] == 3900404


def test_times_are_cut_to_seconds_of_shanghai(stage: Stage) -> None:
    """update_at moves with a suspension, not with the start of the step; end_at is null until the end."""
    sn = stage.ticket(Standing.STARTED)
    running = stage.get("get_ticket_info", f"sn={sn}").json["data"]
    stage.sandbox.suspend(sn)
    suspended = stage.get("get_ticket_info", f"sn={sn}").json["data"]

    assert (running["create_at"], running["update_at"], running["end_at"]) == (
        "2026-11-25 02:30:00",
        "2026-11-25 02:30:00",
        None,
    )
    assert suspended["update_at"] == "2026-11-25 02:30:01"
