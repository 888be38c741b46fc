"""The collector's form: what it takes, what it refuses, and what it becomes."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow import CollectorForm, Form
from itsm_workflow.errors import InvalidForm
from itsm_workflow.form import make_form
from itsm_workflow.integrations.log_platform import TITLE_ROOM, CollectorDetail

if TYPE_CHECKING:
    from collections.abc import Mapping

GOOD: Mapping[str, Any] = {
    "expect_access_data": "2026-12-01",
    "single_log_size": 512,
    "single_host_peak": 100,
    "single_host_log_volume": 2.5,
    "expect_host_size": 10,
    "log_keep_days": 14,
    "hot_data_days": 7,
    "apply_reason": "接入 nginx 访问日志",
}
EMOJI = "\U0001f600"


def refused(raw: Mapping[str, object]) -> set[str]:
    """Return the fields that a form of these raw values is refused for."""
    with pytest.raises(InvalidForm) as caught:
        CollectorForm.from_mapping(raw)
    return {field for field, _, _ in caught.value.problems}


def test_a_form_gives_back_its_eight_fields() -> None:
    """What was read from JSON is what the ticket gets, by the log platform's keys, of the same types."""
    assert CollectorForm.from_mapping(GOOD).fields() == GOOD
    assert [field.name for field in attrs.fields(CollectorForm)] == list(GOOD)


def test_the_fields_can_be_applied_for() -> None:
    """The library's own form takes them."""
    fields = CollectorForm(**GOOD).fields(CollectorDetail(name="nginx", scenario="行日志"))
    assert make_form(title="t", applicant="alice", fields=fields).fields == fields


@pytest.mark.parametrize("name", [name for name in GOOD if name not in {"expect_access_data", "apply_reason"}])
@pytest.mark.parametrize("value", [True, "10", None, 0, -1, 2**53, float("nan"), float("inf"), [10]])
def test_a_number_is_never_guessed(name: str, value: object) -> None:
    """Neither a flag nor text nor nothing counts as a number, and each number is above 0 and exact in JSON."""
    if (name, value) == ("hot_data_days", 0):
        value = -1  # there may be no fast disks
    assert refused({**GOOD, name: value}) == {name}


@pytest.mark.parametrize("name", ["single_log_size", "single_host_peak", "expect_host_size", "log_keep_days"])
def test_counts_are_whole(name: str) -> None:
    """Half a host is none; only the volume may have a fraction."""
    assert refused({**GOOD, name: 10.0}) == {name}


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-30",
        "2026-13-01",
        "20261201",
        "2026/12/01",
        "2026-12-1",
        " 2026-12-01",
        "2026-12-01T00:00",
        "",
        20261201,
    ],
)
def test_a_day_is_one_of_the_calendar_in_one_form(value: object) -> None:
    """No day that does not exist, and no second way of writing one."""
    assert refused({**GOOD, "expect_access_data": value}) == {"expect_access_data"}


@pytest.mark.parametrize(
    "value", ["", "  \n", "\u200b", "\ufeff \u2060", 7, f"why {EMOJI}", "a\0b", "\x1b[2J", "\ud800"]
)
def test_a_reason_is_text_that_can_be_stored(value: object) -> None:
    """Nothing empty or invisible, nothing the gateway's database refuses, nothing that steers a terminal."""
    assert refused({**GOOD, "apply_reason": value}) == {"apply_reason"}


def test_hot_days_are_among_the_days_that_logs_are_kept() -> None:
    """As many are fine, one more is not."""
    assert CollectorForm.from_mapping({**GOOD, "hot_data_days": 14}).hot_data_days == 14
    assert refused({**GOOD, "hot_data_days": 15}) == {"hot_data_days"}


def test_all_problems_are_told_at_once() -> None:
    """A missing field, an unknown one, wrong values and two that contradict each other come in one error."""
    raw = {**GOOD, "hot_data_days": 99, "single_log_size": True, "expect_access_data": "2026-02-30", "approver": "bob"}
    del raw["apply_reason"]
    wrong = {"hot_data_days", "single_log_size", "expect_access_data", "approver", "apply_reason"}
    assert refused(raw) == wrong


def test_the_constructor_checks_as_well() -> None:
    """There is no other way to a form that was not checked."""
    with pytest.raises(InvalidForm, match="hot_data_days=15: must be at most log_keep_days, which is 14"):
        CollectorForm(**{**GOOD, "hot_data_days": 15})
    with pytest.raises(InvalidForm, match="expect_host_size=0"):
        attrs.evolve(CollectorForm(**GOOD), expect_host_size=0)


@given(
    st.dictionaries(st.one_of(st.sampled_from(list(GOOD)), st.text()), st.one_of(st.none(), st.booleans(), st.text()))
)
def test_whatever_comes_in_is_refused_in_one_way(raw: dict[str, object]) -> None:
    """Raw values lead to a form or to InvalidForm, never to another error."""
    with pytest.raises(InvalidForm):
        CollectorForm.from_mapping(raw)


def test_the_title_follows_the_platforms_pattern() -> None:
    """Space, name and day, in the brackets that people search for."""
    title = CollectorForm.title("蓝鲸", "nginx-access", dt.date(2026, 12, 1))
    assert title == "【日志采集】蓝鲸-nginx-access-20261201"


def test_a_title_leaves_room_for_the_key() -> None:
    """The longest title is taken by the whole library, and one more character is refused with the number over."""
    rest = len("【日志采集】s--20261201")
    longest = CollectorForm.title("s", "n" * (TITLE_ROOM - rest), dt.date(2026, 12, 1))
    assert len(longest) == TITLE_ROOM
    with pytest.raises(InvalidForm, match="1 too many"):
        CollectorForm.title("s", "n" * (TITLE_ROOM - rest + 1), dt.date(2026, 12, 1))


@pytest.mark.parametrize(
    ("space", "name"), [("", "n"), ("s", " "), ("s", f"n{EMOJI}"), ("a\nb", "n"), ("s\u2028", "n")]
)
def test_a_title_has_sound_parts(space: str, name: str) -> None:
    """A part that is empty, cannot be stored or breaks the line is refused."""
    with pytest.raises(InvalidForm):
        CollectorForm.title(space, name, dt.date(2026, 12, 1))


def test_the_approver_reads_each_field_with_its_unit() -> None:
    """One line for each field, and the capacity that follows from them."""
    assert CollectorForm(**GOOD).content().splitlines() == [
        "期待接入日期：2026-12-01",
        "单条日志大小：512 bytes",
        "单机流量峰值：100 KB/s",
        "单机增长日志量：2.5 GB/天",
        "预计接入主机数：10 台",
        "日志保留天数：14 天",
        "热数据天数：7 天",
        "预计所需容量：1125 GB",
        "申请原因：接入 nginx 访问日志",
    ]


@pytest.mark.parametrize(("volume", "capacity"), [(2.5, 1125), (0.1, 45), (0.001, 1), (1, 450)])
def test_the_capacity_is_reckoned_exactly(volume: float, capacity: int) -> None:
    """Volume x hosts x 1.5 x 2 x (days + 1), rounded up, and a tenth is a tenth."""
    assert attrs.evolve(CollectorForm(**GOOD), single_host_log_volume=volume).capacity == capacity


def test_the_largest_values_have_a_capacity() -> None:
    """No value that is taken overflows."""
    largest = dict.fromkeys([name for name, value in GOOD.items() if isinstance(value, int | float)], 2**53 - 1)
    form = CollectorForm.from_mapping({**GOOD, **largest})
    assert form.capacity == (2**53 - 1) ** 2 * 2**53 * 3


def test_a_detail_becomes_the_pages_of_the_ticket() -> None:
    """The log platform's own service shows the collector and the formula as forms of their own."""
    detail = CollectorDetail(name="nginx", description="", scenario="行日志", paths=("/a/*.log", "/b.log"))
    fields = CollectorForm(**GOOD).fields(detail)
    assert list(fields) == [*GOOD, "collector_detail", "capacity_formula"]
    page = json.loads(str(fields["collector_detail"]))
    assert [(line["label"], line["value"]) for line in page["form_data"][0]["children"]] == [
        ("名称：", "nginx"),
        ("备注说明：", ""),
        ("日志类型：", "行日志"),
        ("日志字符集：", "UTF-8"),
        ("日志路径-1：", "/a/*.log"),
        ("日志路径-2：", "/b.log"),
    ]
    formula = json.loads(str(fields["capacity_formula"]))
    assert formula["form_data"][1]["value"] == "2.5 × 10 × 1.5 × 2 × 15 = 1125 GB"


def test_a_detail_tells_all_its_problems() -> None:
    """Each wrong value is listed, each path by its place."""
    with pytest.raises(InvalidForm) as caught:
        CollectorDetail(name="", scenario=f"x{EMOJI}", description="a\0", paths=("/ok", ""))
    assert [field for field, _, _ in caught.value.problems] == ["name", "scenario", "description", "paths[1]"]
    with pytest.raises(InvalidForm, match="must be a list of paths"):
        CollectorDetail(name="n", scenario="s", paths="/data/*.log")  # type: ignore[arg-type]  # what it is about


def test_check_finds_missing_and_wrong_fields_and_leaves_others_alone() -> None:
    """As a workflow's check, over whatever else the form holds."""
    fields = {**CollectorForm(**GOOD).fields(), "hot_data_days": 99, "expect_host_size": True, "pages": "more"}
    del fields["apply_reason"]
    problems = CollectorForm.check(Form(title="t", applicant="alice", fields=fields))
    assert [name for name, _, _ in problems] == ["apply_reason", "expect_host_size", "hot_data_days"]
    assert CollectorForm.check(Form(title="t", applicant="alice", fields=CollectorForm(**GOOD).fields())) == []


@pytest.mark.parametrize("raw", [[], "text", 5, None, True, [["log_keep_days", 7]]])
def test_what_is_no_object_is_refused(raw: Any) -> None:  # noqa: ANN401 - whatever JSON holds
    """JSON may hold anything; the error is the one that a host catches anyway."""
    with pytest.raises(InvalidForm, match=f"must be an object with the fields .*, not {type(raw).__name__}"):
        CollectorForm.from_mapping(raw)


@pytest.mark.parametrize("date", ["2026-12-01", None, 5, dt.time(1)])
def test_a_title_needs_a_day(date: Any) -> None:  # noqa: ANN401 - whatever a host passes
    """Told together with what else is wrong."""
    with pytest.raises(InvalidForm) as caught:
        CollectorForm.title("", "nginx", date)
    assert [field for field, _, _ in caught.value.problems] == ["space", "date"]
    assert CollectorForm.title("s", "n", dt.datetime(2026, 12, 1, tzinfo=dt.UTC)) == "【日志采集】s-n-20261201"


def test_there_may_be_no_fast_disks() -> None:
    """Then no day is spent on them."""
    assert CollectorForm(**{**GOOD, "hot_data_days": 0}).hot_data_days == 0
