"""The form of a collector's change request: the eight fields of the log platform, with their units and checks.

::

    form = CollectorForm.from_mapping(request_json)           # or CollectorForm(expect_access_data="2026-12-01", ...)
    workflow.apply(subject="collector-42", title=form.title("My Space", "nginx", today), applicant="alice",
                   fields=form.fields())
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Self

import attrs

from itsm_workflow.errors import InvalidForm
from itsm_workflow.form import Problem, shown
from itsm_workflow.gateway.bk_itsm.form import KEY_LIMIT, TITLE_LIMIT, title_suffix
from itsm_workflow.text import is_blank, unstorable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from itsm_workflow.change import Form

TITLE_ROOM = TITLE_LIMIT - len(title_suffix("0" * KEY_LIMIT))
"""The maximum length of a title in characters: the limit of BK-ITSM minus the suffix with the key."""

SHARDS = 2
"""The number of shards, a factor in the log platform's calculation of the capacity."""

EXPANSION = Fraction(3, 2)
"""The stored bytes per byte of log, another factor of the calculation."""

_LARGEST = 2**53 - 1  # the largest whole number that every JSON parser reads exactly
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LABELS = {
    "expect_access_data": ("期待接入日期", ""),
    "single_log_size": ("单条日志大小", " bytes"),
    "single_host_peak": ("单机流量峰值", " KB/s"),
    "single_host_log_volume": ("单机增长日志量", " GB/天"),
    "expect_host_size": ("预计接入主机数", " 台"),
    "log_keep_days": ("日志保留天数", " 天"),
    "hot_data_days": ("热数据天数", " 天"),
    "apply_reason": ("申请原因", ""),
}


@attrs.frozen(kw_only=True)
class CollectorForm:
    """The facts that an approver must know before logs are collected from hosts. Checked at construction.

    Attributes:
        expect_access_data: The day on which the collection begins, ``YYYY-MM-DD``. The name is the log platform's.
        single_log_size: The size of one log line in bytes.
        single_host_peak: The peak traffic of one host in KB/s.
        single_host_log_volume: The growth of one host's logs in GB a day.
        expect_host_size: The number of hosts.
        log_keep_days: The number of days for which logs are kept.
        hot_data_days: The number of days for which logs stay on fast disks; at most `log_keep_days`, and 0 without
            fast disks.
        apply_reason: The reason for the request.

    Raises:
        InvalidForm: Some values are invalid; the error lists all of them.
    """

    expect_access_data: str
    single_log_size: int
    single_host_peak: int
    single_host_log_volume: float
    expect_host_size: int
    log_keep_days: int
    hot_data_days: int
    apply_reason: str

    def __attrs_post_init__(self) -> None:
        """Reject invalid values."""
        problems = list(_problems(self.fields()))
        if problems:
            raise InvalidForm(problems)

    @classmethod
    def check(cls, form: Form) -> Sequence[Problem]:
        """Return the problems of a form with these eight fields and perhaps more; for use as a `Workflow`'s check."""
        missing = [(name, "", f"is missing ({_LABELS[name][0]})") for name in _CHECKS if name not in form.fields]
        return [*missing, *_problems(form.fields)]

    @classmethod
    def from_mapping(cls, raw: Mapping[str, object]) -> Self:
        """Return the form of raw JSON values. Values are not converted: ``"10"`` and ``True`` are not numbers.

        Raises:
            InvalidForm: Values are invalid, fields are missing, or keys are unknown; the error lists all of them. Or
                the argument is not an object.
        """
        given: object = raw
        if not isinstance(given, Mapping):
            rule = f"must be an object with the fields {', '.join(_CHECKS)}, not {type(given).__name__}"
            raise InvalidForm([("fields", shown(given), rule)])
        problems = [(name, "", f"is missing ({_LABELS[name][0]})") for name in _CHECKS if name not in raw]
        problems += [
            (str(key), shown(value), f"is not a field; the fields are {', '.join(_CHECKS)}")
            for key, value in raw.items()
            if key not in _CHECKS
        ]
        problems += _problems(raw)
        if problems:
            raise InvalidForm(problems)
        return cls(**raw)  # type: ignore[arg-type]  # the checks have verified the type of each value

    @property
    def capacity(self) -> int:
        """The disk space in GB by the log platform's calculation, rounded up."""
        volume = Fraction(str(self.single_host_log_volume))  # 0.1 means a tenth, not the binary number next to it
        return math.ceil(volume * self.expect_host_size * (self.log_keep_days + 1) * EXPANSION * SHARDS)

    @staticmethod
    def title(space: str, name: str, date: dt.date) -> str:
        """Return the ticket's title, ``【日志采集】space-name-YYYYMMDD``.

        Args:
            space: The display name of the collector's space.
            name: The collector's name.
            date: The day on which the collector was created.

        Raises:
            InvalidForm: A part is empty or cannot be shown in one line, the day is not a date, or the title is too
                long.
        """
        problems = [
            (field, shown(value), rule)
            for field, value in (("space", space), ("name", name))
            if (rule := _one_line(value))
        ]
        day: object = date
        if not isinstance(day, dt.date):
            problems.append(("date", shown(day), f"must be a datetime.date, not {type(day).__name__}"))
        if problems:
            raise InvalidForm(problems)
        title = f"【日志采集】{space}-{name}-{date:%Y%m%d}"
        if len(title) > TITLE_ROOM:
            over = len(title) - TITLE_ROOM
            raise InvalidForm([("title", shown(title), f"must have at most {TITLE_ROOM} characters: {over} too many")])
        return title

    def fields(self, detail: CollectorDetail | None = None) -> dict[str, object]:
        """Return the form's fields by key, for `Workflow.apply`.

        Args:
            detail: If given, the result also has the two pages that the log platform's own service shows,
                ``collector_detail`` and ``capacity_formula``.
        """
        fields: dict[str, object] = {name: getattr(self, name) for name in _CHECKS}
        if detail is None:
            return fields
        return {**fields, "collector_detail": detail.page(), "capacity_formula": self._formula()}

    def content(self) -> str:
        """Return the text for the approver: one line for each field with its unit, and the capacity."""
        lines = [f"{label}：{getattr(self, name)}{unit}" for name, (label, unit) in _LABELS.items()]
        return "\n".join([*lines[:-1], f"预计所需容量：{self.capacity} GB", lines[-1]])

    def _formula(self) -> str:
        words = "单机日志增量 × 主机数量 × 存储转化率 × 分片数 ×（日志保留天数 + 1）"
        numbers = (
            f"{self.single_host_log_volume} × {self.expect_host_size} × {float(EXPANSION)} × {SHARDS} × "
            f"{self.log_keep_days + 1} = {self.capacity} GB"
        )
        return _page([_line("", words), _line("", numbers)])


@attrs.frozen(kw_only=True)
class CollectorDetail:
    """The collected logs, as a page of the ticket. Checked at construction.

    Attributes:
        name: The collector's name.
        description: The purpose of the collector; may be empty.
        scenario: The kind of log, for people.
        encoding: The character set of the log.
        paths: The files that are read; empty for logs that are not files.

    Raises:
        InvalidForm: Some values are invalid; the error lists all of them.
    """

    name: str
    description: str = ""
    scenario: str
    encoding: str = "UTF-8"
    paths: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Reject invalid values."""
        lines = [(field, getattr(self, field)) for field in ("name", "scenario", "encoding")]
        problems = [(field, shown(value), rule) for field, value in lines if (rule := _one_line(value))]
        if self.description != "" and (rule := _text(self.description)):
            problems.append(("description", shown(self.description), rule))
        paths: object = self.paths
        if isinstance(paths, tuple | list):
            rules = [(f"paths[{number}]", path, _one_line(path)) for number, path in enumerate(paths)]
            problems += [(field, shown(path), rule) for field, path, rule in rules if rule]
        else:
            problems.append(("paths", shown(paths), 'must be a list of paths, e.g. ["/data/nginx/*.log"]'))
        if problems:
            raise InvalidForm(problems)
        object.__setattr__(self, "paths", tuple(self.paths))

    def page(self) -> str:
        """Return the page as the JSON text that BK-ITSM renders in a field of the kind "custom form"."""
        lines = [
            _line("名称：", self.name),
            _line("备注说明：", self.description),
            _line("日志类型：", self.scenario),
            _line("日志字符集：", self.encoding),
            *(_line(f"日志路径-{number}：", path) for number, path in enumerate(self.paths, 1)),
        ]
        return _page([{**_line("", self.name), "children": lines}])


def _line(label: str, value: str) -> dict[str, object]:
    return {"label": label, "scheme": "base_text_scheme", "value": value}


def _page(lines: list[dict[str, object]]) -> str:
    styles = {"label": ["border"], "value": ["highlight", "border"]}
    schemes = {"base_text_scheme": {"type": "text", "attrs": {"styles": styles}}}
    return json.dumps({"config": {}, "schemes": schemes, "form_data": lines}, ensure_ascii=False)


def _problems(raw: Mapping[str, object]) -> Iterator[Problem]:
    """Yield the problems of the fields that are present."""
    valid = set()
    for name, check in _CHECKS.items():
        if name not in raw:
            continue
        rule = check(raw[name])
        if rule:
            yield name, shown(raw[name]), rule
        else:
            valid.add(name)
    hot, keep = raw.get("hot_data_days"), raw.get("log_keep_days")
    if {"hot_data_days", "log_keep_days"} <= valid and isinstance(hot, int) and isinstance(keep, int) and hot > keep:
        yield "hot_data_days", shown(hot), f"must be at most log_keep_days, which is {keep}"


def _whole(value: object, least: int = 1) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        return f"must be a whole number, not {type(value).__name__}"
    return "" if least <= value <= _LARGEST else f"must be from {least} to {_LARGEST}"


def _whole_or_none(value: object) -> str:
    return _whole(value, 0)


def _number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be a number, not {type(value).__name__}"
    return "" if 0 < value <= _LARGEST else f"must be above 0, at most {_LARGEST}"  # also rejects NaN


def _date(value: object) -> str:
    rule = 'must be a day written as YYYY-MM-DD, e.g. "2026-12-01"'
    if not isinstance(value, str):
        return f"{rule}, not {type(value).__name__}"
    if not _DATE.fullmatch(value):
        return rule
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        return "must be a day that exists in the calendar"
    return ""


def _text(value: object) -> str:
    if not isinstance(value, str):
        return f"must be text, not {type(value).__name__}"
    if not value.strip():
        return "must not be empty"
    if is_blank(value):
        return "must not be empty: none of its characters is visible"
    if any(unicodedata.category(each) == "Cc" and each not in "\n\r\t" for each in value):
        return "must not contain control characters"
    return unstorable(value, four_bytes=False)


def _one_line(value: object) -> str:
    rule = _text(value)
    if rule or not isinstance(value, str):
        return rule
    return "must be one line" if value.splitlines() != [value] or "\t" in value else ""


_CHECKS: Mapping[str, Callable[[object], str]] = {
    "expect_access_data": _date,
    "single_log_size": _whole,
    "single_host_peak": _whole,
    "single_host_log_volume": _number,
    "expect_host_size": _whole,
    "log_keep_days": _whole,
    "hot_data_days": _whole_or_none,
    "apply_reason": _text,
}
