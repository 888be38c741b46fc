"""The tables of the pages in Chinese leave nothing out, and say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from itsm_workflow import COLLECTOR_CHANGE, Workflow, errors
from itsm_workflow.integrations import CollectorStatus, collector_status
from itsm_workflow.settings import SETTINGS, Settings
from itsm_workflow_backends.sql._url import Options
from tests.documents import test_migrate_page as migrate
from tests.documents.test_settings_page import default_of
from tests.support import examples as x

DOCS = Path(__file__).parents[2] / "docs"
DEFAULTS = {
    "required": "必填",
    "yes": "是",
    "no": "否",
    "none": "无",
    "required for callbacks": "收回调时必填",
    "the usual ones": "系统证书",
    "the service names its own": "由流程服务指定",
    "those of the gateway, of the callback, and of their domains": "ITSM 与回调地址的域名及其上级域",
}
"""The defaults that are words, in Chinese."""


def page(name: str) -> str:
    """Return the text of a page in Chinese."""
    return (DOCS / "zh" / f"{name}.md").read_text(encoding="utf-8")


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the cells of every row in the tables whose first column has that heading."""
    tables = re.findall(rf"^\| {re.escape(heading)} \|.*\n\| ---.*\n((?:\|.*\n)+)", text, flags=re.MULTILINE)
    lines = [line for table in tables for line in table.splitlines()]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]


def test_every_setting_has_one_row_with_its_variables_and_its_default() -> None:
    """In the order in which the variables are read; and no row is left of a setting that there is not."""
    fields = attrs.fields_dict(Settings)
    written = sorted((row[0].strip("`"), row[1], row[3]) for row in rows(page("settings"), "字段"))
    expected = []
    for name, one in SETTINGS.items():
        default = default_of(fields[name])
        variables = ", ".join(f"`{variable}`" for variable in one.parsers)
        expected.append((name, variables, DEFAULTS.get(default, default.replace(" and ", " 和 "))))
    assert written == sorted(expected)


def test_every_variable_of_the_settings_page_is_read() -> None:
    """Also those in its examples and sentences."""
    known = {variable for one in SETTINGS.values() for variable in one.parsers}
    named = set(re.findall(r"\b(?:BKAPP|BKPAAS|BK)_[A-Z_0-9]+\b", page("settings")))
    assert named - known - {"BK_ITSM4_"} == set()


def test_every_status_of_the_log_platform_has_its_label_and_the_states_that_it_covers() -> None:
    """The words are the same as the library's, and mean something else."""
    found = {
        row[0].strip("`"): (row[1], set(re.findall(r"`(\w+)`", row[2]))) for row in rows(page("migrate"), "日志平台")
    }
    covered: dict[CollectorStatus, set[str]] = {}
    for change in (x.DRAFT, x.QUEUED, x.PENDING, x.FAILED_CALLBACK, x.APPROVED, x.REJECTED):
        covered.setdefault(collector_status(change), set()).add(str(change.state))
    assert found == {one.value: (one.label, covered[one]) for one in CollectorStatus}


def test_every_method_endpoint_and_setting_of_the_old_handler_has_a_row() -> None:
    """A reader finds the old call by its name."""
    text = page("migrate")
    assert {row[0].strip("`").partition("(")[0] for row in rows(text, "`ItsmHandler`")} == set(migrate.HANDLER)
    assert {row[0].strip("`") for row in rows(text, "`BkItsmApi`")} == set(migrate.API)
    named = " ".join(row[0] for row in rows(text, "日志平台的配置"))
    assert [name for name in migrate.SETTINGS if f"`{name}`" not in named] == []


def test_every_number_of_the_log_platform_has_the_error_that_carries_it() -> None:
    """The number is the error's `platform_code`."""
    numbered = {
        int(row[1]): re.findall(r"`(\w+)`", row[2])[0]
        for row in rows(page("migrate"), "日志平台的异常")
        if row[1].isdecimal()
    }
    assert {code: getattr(errors, name).platform_code for code, name in numbered.items()} == {
        code: code for code in (501, 502, 503, 504)
    }


def test_every_promise_of_the_comparison_names_a_test_that_exists() -> None:
    """Each is also in the table of the README."""
    shown_by = [row[2].strip("`").split("::") for row in rows(page("migrate"), "手写 handler")]
    assert len(shown_by) >= 6
    readme = (DOCS.parent / "README.zh-CN.md").read_text(encoding="utf-8")
    assert [name for _, name in shown_by if f"[`{name}`]" not in readme] == []
    assert [name for file, name in shown_by if f"def {name}(" not in (DOCS.parent / file).read_text("utf-8")] == []


def test_the_commands_of_a_move_are_those_that_a_test_runs() -> None:
    """The page in English has the same, and a test moves a ticket by them."""
    commands = re.findall(r"^\$ itsm-workflow (.*)$", page("migrate"), flags=re.MULTILINE)
    moving, run = (
        [one for one in each if one.startswith(("shadow", "adopt"))] for each in (commands, migrate.COMMANDS)
    )
    assert moving == run


def test_every_parameter_of_the_address_of_a_server_has_its_default() -> None:
    """And no other row."""
    written = {row[0].strip("`"): row[1].strip("`") for row in rows(page("production-storage"), "参数")}
    defaults = {one.name: one.default for one in attrs.fields(Options)}
    assert written == {
        name: str(value).lower() if isinstance(value, bool | str) else f"{value:g}" for name, value in defaults.items()
    }


def test_the_glossary_has_one_row_for_each_word_and_its_english_name_is_used() -> None:
    """In the glossary in English, or in the code of a workflow: a reader of a message finds it."""
    words = rows(page("glossary"), "中文")
    assert len({row[0] for row in words}) == len({row[1] for row in words}) == len(words) > 0
    used = set(re.findall(r"[a-z_]+(?:-in)?", (DOCS / "glossary.md").read_text(encoding="utf-8").lower()))
    used |= {*dir(Workflow), *dir(COLLECTOR_CHANGE)}
    assert [row[1] for row in words if row[1] not in used] == []
