"""What the sandbox's create_ticket accepts and refuses, row by row of what BK-ITSM was seen to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.sandbox import FieldSpec, Service
from tests.support.stage import AT, Stage, front

if TYPE_CHECKING:
    from tests.support.recorded import Json

GOOD = {"title": "a change", "APPROVER": "alice,bob", "APPROVAL_CONTENT": "please"}


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
        pytest.param(3900003, body(values={"title": 5}), id="title a number"),
        pytest.param(0, body(values={"title": ["a", "b"]}), id="title a list"),
        pytest.param(0, body(values={"APPROVER": 5}), id="approver a number"),
        pytest.param(0, body(values={"APPROVER": ["alice"]}), id="approver a list"),
        *[
            pytest.param(0, body(values={"APPROVAL_CONTENT": value}), id=f"content {value!r}")
            for value in (5, ["x"], {"x": 1}, True)
        ],
        pytest.param(0, body(creator="x" * 64), id="creator of 64"),
        pytest.param(3900004, body(creator="x" * 65), id="creator of 65"),
        pytest.param(3900004, body(creator=["admin"]), id="creator a list"),
        pytest.param(3900004, body(tag=None), id="tag null"),
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


@pytest.mark.parametrize("key", ["APPROVER", "APPROVAL_CONTENT"])
def test_a_null_of_the_built_in_form_is_accepted(stage: Stage, key: str) -> None:
    """It is no empty text, and nothing else is looked at."""
    content = body()
    next(field for field in content["fields"] if field["key"] == key)["value"] = None

    assert code(stage, content) == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tag": None}, ["'tag'", "该字段不能为 null。", "code='null'"]),
        ({"creator": None}, ["'creator'", "该字段不能为 null。", "code='null'"]),
        ({"creator": ["admin"]}, ["'creator'", "Not a valid string.", "code='invalid'"]),
        ({"creator": ""}, ["'creator'", "该字段不能为空。", "code='blank'"]),
        ({"creator": "x" * 65}, ["1406", "'creator'"]),
        ({"fields": [{"key": "title", "value": None}]}, ["缺少参数", "APPROVER"]),
        ({"values": {"title": 5}}, ["object of type 'int' has no len()"]),
        ({"values": {"extra": "x"}}, ["【extra】字段不存在"]),
    ],
)
def test_the_words_of_a_refusal(stage: Stage, changes: dict[str, Json], words: list[str]) -> None:
    """People read them, and the change's ``why`` shows them."""
    message = stage.post("create_ticket", body(**changes)).json["message"]

    assert [word for word in words if word not in message] == []


def test_a_title_that_is_null(stage: Stage) -> None:
    """Where the server measures it, it fails."""
    content = body()
    content["fields"][0]["value"] = None
    answer = stage.post("create_ticket", content).json

    assert (answer["code"], answer["message"]) == (3900003, "提单失败: object of type 'NoneType' has no len()")


COLLECTOR: dict[str, Json] = {
    "title": "a collector",
    "bk_biz_id": 2,
    "expect_access_data": "2026-12-01",
    "single_log_size": 512,
    "single_host_peak": 100,
    "single_host_log_volume": 2.5,
    "expect_host_size": 10,
    "log_keep_days": 14,
    "hot_data_days": 7,
}


class TestLogPlatformService:
    """The service 5: it takes its own twelve fields and no other, and nine of them must be there."""

    def ask(self, stage: Stage, *without: str, **changes: Json) -> tuple[Json, str]:
        """Create a ticket of it; return code and message."""
        values = {**COLLECTOR, **changes}
        fields = [{"key": key, "value": value} for key, value in values.items() if key not in without]
        answer = stage.post("create_ticket", {"service_id": 5, "creator": "admin", "fields": fields}).json
        return answer["code"], answer["message"]

    def test_what_it_requires(self, stage: Stage) -> None:
        """Nine fields; the reason and the two pages may be left out."""
        detail = stage.get("get_service_detail", "service_id=5").json["data"]["fields"]

        assert {field["key"] for field in detail if field["validate_type"] == "REQUIRE"} == set(COLLECTOR)
        assert {field["key"] for field in detail} - set(COLLECTOR) == {
            "apply_reason",
            "collector_detail",
            "capacity_formula",
        }
        assert {field["key"] for field in detail if field["type"] == "INT"} == {
            "single_log_size",
            "single_host_peak",
            "single_host_log_volume",
            "expect_host_size",
            "log_keep_days",
        }
        assert [(field["type"], field["source_type"], field["choice"]) for field in detail[:2]] == [
            ("STRING", "CUSTOM", []),
            ("SELECT", "API", []),
        ]

    def test_a_whole_form(self, stage: Stage) -> None:
        """It makes a ticket, which admin decides."""
        code_, _ = self.ask(stage, apply_reason="接入", collector_detail="{}")

        assert code_ == 0
        assert stage.sandbox.tickets()[0].approvers == ("admin",)

    @pytest.mark.parametrize("key", [key for key in COLLECTOR if key != "title"])
    def test_a_field_that_is_missing(self, stage: Stage, key: str) -> None:
        """It is named."""
        assert self.ask(stage, key) == (3900003, f"提单失败: 单据创建失败，缺少参数：['{key}']")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"single_log_size": ""}, "【单条日志大小(Bytes)】为必填项"),
            ({"extra": 1}, "【extra】字段不存在，请联系管理员"),
            ({"bk_biz_id": 3}, "【关联业务】选项不匹配，请重新选择"),
            ({"bk_biz_id": "two"}, "【关联业务】选项不匹配，请重新选择"),
        ],
    )
    def test_a_value_that_is_refused(self, stage: Stage, changes: dict[str, Json], words: str) -> None:
        """Empty, of no field, or no choice."""
        assert self.ask(stage, **changes) == (3900003, f"提单失败: {words}")
        assert stage.sandbox.tickets() == ()

    @pytest.mark.parametrize("value", ["512", 512.5])
    def test_a_value_that_is_taken(self, stage: Stage, value: Json) -> None:
        """The type of a number is not looked at when the ticket is made."""
        assert self.ask(stage, single_log_size=value)[0] == 0

    def test_an_optional_field_may_be_empty(self, stage: Stage) -> None:
        """As the log platform sends it."""
        assert self.ask(stage, apply_reason="")[0] == 0


def test_own_choices_are_shown_and_checked() -> None:
    """A service of one's own may have a field of choices: one, or several joined by commas."""
    choices = (("a", "甲"), ("b", "乙"))
    form = (
        FieldSpec(id=61, key="title", type="STRING", name="标题"),
        FieldSpec(id=62, key="one", type="RADIO", name="一", choices=choices, required=False),
        FieldSpec(id=63, key="more", type="CHECKBOX", name="多", choices=choices, required=False),
    )

    def answer(stage: Stage, **values: Json) -> Json:
        fields = [{"key": key, "value": value} for key, value in {"title": "t", **values}.items()]
        return stage.post("create_ticket", {"service_id": 77, "fields": fields}).json["code"]

    with Stage(AT, services=(Service(id=77, name="own", form=form),)) as stage:
        shown = stage.get("get_service_detail", "service_id=77").json["data"]["fields"][1]["choice"]
        assert shown == [{"key": "a", "name": "甲"}, {"key": "b", "name": "乙"}]
        assert [answer(stage, one=value) for value in ("a", "", "c", None)] == [0, 0, 3900003, 3900003]
        assert [answer(stage, more=value) for value in ("a,b", "a,c", ["a"])] == [0, 3900003, 3900003]


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
