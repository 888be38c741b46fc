"""The tables of the pages in Chinese leave nothing out, and say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from itsm_workflow.settings import SETTINGS, Settings
from tests.documents.test_settings_page import default_of

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
    return [[cell.strip() for cell in line[2:-2].split(" | ")] for line in lines]


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
