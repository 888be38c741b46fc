"""What the sandbox's create_ticket accepts and refuses, row by row of what BK-ITSM was seen to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.sandbox import FieldSpec, Service
from tests.contract.stage import Stage, front

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.recorded import Json

AT = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)
GOOD = {"title": "a change", "APPROVER": "alice,bob", "APPROVAL_CONTENT": "please"}


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A sandbox in which time stands still."""
    with Stage(AT) as running:
        yield running


def body(**changes: Json) -> dict[str, Json]:
    """Make a create's body; a value of None in ``values`` leaves that field out."""
    values = {**GOOD, **changes.pop("values", {})}
    fields = [{"key": key, "value": value} for key, value in values.items() if value is not None]
    return {"fast_approval": True, "creator": "admin", "fields": fields, **changes}


def code(stage: Stage, content: object) -> Json:
    """Send a create and return the envelope's code."""
    return stage.post("create_ticket", content).json["code"]


@pytest.mark.parametrize(
    ("expected", "content"),
    [
        pytest.param(0, body(), id="plain"),
        pytest.param(0, body(values={"title": "t" * 128}), id="title of 128, past the 120 the text claims"),
        pytest.param(3900003, body(values={"title": "t" * 129}), id="title of 129"),
        pytest.param(0, body(values={"title": "  padded "}), id="title with blanks around"),
        pytest.param(3900003, body(values={"title": ""}), id="title empty"),
        pytest.param(3900004, body(values={"title": None}), id="title missing"),
        pytest.param(3900003, body(values={"title": 5}), id="title no text"),
        pytest.param(3900004, body(values={"title": "rocket \U0001f680"}), id="title with four-byte UTF-8"),
        pytest.param(3900003, body(values={"APPROVAL_CONTENT": "\U0001f680"}), id="content with four-byte UTF-8"),
        pytest.param(3900003, body(values={"APPROVER": None}), id="approver missing"),
        pytest.param(3900003, body(values={"APPROVER": ""}), id="approver empty"),
        pytest.param(3900003, body(values={"APPROVAL_CONTENT": None}), id="content missing"),
        pytest.param(3900003, body(values={"APPROVAL_CONTENT": ""}), id="content empty"),
        pytest.param(3900003, body(values={"extra": "x"}), id="unknown field"),
        pytest.param(3900004, body(creator=""), id="creator empty"),
        pytest.param(3900004, body(creator=None), id="creator null"),
        pytest.param(3900004, body(fields=[{"key": "title"}]), id="field without value"),
        pytest.param(3900004, body(fields=[{"value": "x"}]), id="field without key"),
        pytest.param(3900004, body(fields=["title"]), id="field no object"),
        pytest.param(3900004, body(fields={"title": "x"}), id="fields no list"),
        pytest.param(3900004, body(fields=None), id="fields null"),
        pytest.param(3900004, body(fields=[]), id="fields empty"),
        pytest.param(3900004, body(meta="http://x"), id="meta no object"),
        pytest.param(0, body(meta={"callback_url": "not a url"}), id="callback_url no URL"),
        pytest.param(0, body(tag="x" * 32), id="tag of 32"),
        pytest.param(3900004, body(tag="x" * 33), id="tag of 33"),
        pytest.param(3900004, body(tag=""), id="tag empty"),
        pytest.param(3900004, {"service_id": 999999, "fields": []}, id="service unknown"),
        pytest.param(3900004, {"service_id": "abc", "fields": []}, id="service no number"),
        pytest.param(3900004, {"service_id": [], "fields": []}, id="service a list"),
        pytest.param(3900004, {}, id="nothing"),
        pytest.param(3900004, [], id="a list"),
        pytest.param(0, body(dynamic_fields=[{"name": "n", "type": "INT", "value": "5"}]), id="dynamic field"),
        pytest.param(3900004, body(dynamic_fields=[{"name": "n", "type": "DATE", "value": "5"}]), id="dynamic kind"),
        pytest.param(
            3900004, body(dynamic_fields=[{"name": "n" * 33, "type": "INT", "value": "5"}]), id="dynamic name"
        ),
        pytest.param(3900004, body(dynamic_fields=[{"name": "n", "type": "INT"}]), id="dynamic value missing"),
        pytest.param(3900004, body(dynamic_fields=["n"]), id="dynamic field no object"),
    ],
)
def test_create_answers_as_seen(stage: Stage, expected: int, content: object) -> None:
    """Each input gets the code BK-ITSM gave, over HTTP 200."""
    answer = stage.post("create_ticket", content)

    assert (200, expected) == (answer.status, answer.json["code"])
    assert (expected == 0) == (len(stage.sandbox.tickets()) == 1)


@pytest.mark.parametrize(
    ("kind", "raw"), [("text/plain", "{}"), ("application/json", '{"a'), ("application/json", "no")]
)
def test_a_body_that_is_no_json_is_refused(stage: Stage, kind: str, raw: str) -> None:
    """Wrong type, cut or no JSON: 3900004 over HTTP 200."""
    answer = stage.send("POST", "/v2/itsm/create_ticket/", {**front({}), "Content-Type": kind}, raw)

    assert (answer.status, answer.json["code"]) == (200, 3900004)


def test_the_gateway_user_creates_when_nobody_is_named(stage: Stage) -> None:
    """Without ``creator`` the ticket is the gateway user's; with one, that name is taken unchecked."""
    unnamed = {key: value for key, value in body().items() if key != "creator"}
    headers = front({"X-Bkapi-Authorization": '{"bk_username": "carol"}', "Content-Type": "application/json"})
    for content in (unnamed, body(creator="dave")):
        stage.send("POST", "/v2/itsm/create_ticket/", headers, json.dumps(content))

    assert [ticket.creator for ticket in stage.sandbox.tickets()] == ["carol", "dave"]


def test_the_same_body_twice_makes_two_tickets(stage: Stage) -> None:
    """Nothing is idempotent, not even with the same tag."""
    answers = [stage.post("create_ticket", body(tag="corr-1")).json["data"] for _ in range(2)]

    assert [(one["sn"], one["id"]) for one in answers] == [("REQ20261125000001", 1), ("REQ20261125000002", 2)]


def test_a_create_refused_by_the_database_costs_a_number(stage: Stage) -> None:
    """Numbers have gaps where ids have none."""
    code(stage, body(tag="x" * 33))
    made = stage.post("create_ticket", body()).json["data"]

    assert (made["sn"], made["id"]) == ("REQ20261125000002", 1)


def test_the_day_counter_starts_again_with_the_local_day(stage: Stage) -> None:
    """The day of a number is Shanghai's, which is ahead of UTC."""
    first = stage.post("create_ticket", body()).json["data"]["sn"]
    stage.pass_time(24 * 3600)
    second = stage.post("create_ticket", body()).json["data"]["sn"]

    assert (first, second) == ("REQ20261125000001", "REQ20261126000001")


@pytest.mark.parametrize(
    ("approvers", "names", "stranger"),
    [
        ("alice, bob", ("alice", " bob"), "bob"),
        ("alice;bob", ("alice;bob",), "alice"),
        (",alice,bob,", ("alice", "bob"), "carol"),
    ],
)
def test_approvers_are_split_at_commas_only(
    stage: Stage, approvers: str, names: tuple[str, ...], stranger: str
) -> None:
    """A blank or a semicolon is accepted and makes an approver whom nobody is."""
    sn = stage.post("create_ticket", body(values={"APPROVER": approvers})).json["data"]["sn"]
    stage.pass_time()
    act = {"sn": sn, "state_id": 15, "approver": stranger, "action": "true", "remark": "x"}

    assert names == stage.sandbox.ticket(sn).approvers
    assert stage.post("approve", act).json["code"] == 3900004


def test_a_service_of_ones_own_brings_its_form_and_approvers() -> None:
    """A sandbox takes further services; an optional field may stay empty, unknown ones count as text."""
    form = (
        FieldSpec(id=61, key="title", type="STRING", name="标题"),
        FieldSpec(id=62, key="hosts", type="STRING", name="主机", required=False),
    )
    own = Service(id=77, name="own", form=form, approvers=("carol",))
    fields = [{"key": "title", "value": "t"}, {"key": "hosts", "value": ""}, {"key": "free", "value": "x"}]
    with Stage(AT, services=(own,)) as stage:
        sn = stage.post("create_ticket", {"service_id": "77", "fields": fields}).json["data"]["sn"]
        stage.pass_time()
        info = stage.get("get_ticket_info", f"sn={sn}").json["data"]
        detail = stage.get("get_service_detail", "service_id=77").json["data"]
        roles = stage.get("get_service_roles", "service_id=77&all=1").json["data"]

    assert info["current_steps"][0]["processors"] == "carol"
    assert {"title", "hosts", "free"} <= {field["key"] for field in info["fields"]}
    assert [field["validate_type"] for field in detail["fields"]] == ["REQUIRE", "OPTION"]
    assert [(role["processors_type"], role["processors"]) for role in roles] == [("OPEN", ""), ("PERSON", "carol")]
