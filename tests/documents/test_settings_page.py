"""The settings' reference page says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs

from itsm_workflow.settings import SETTINGS, Settings
from tests.unit.settings.test_settings import problems_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def default_of(field: attrs.Attribute[Any]) -> str:
    """Return a field's default as the page writes it; a word stands for an empty one."""
    match field.default:
        case attrs.NOTHING:
            return "required"
        case bool(value):
            return "yes" if value else "no"
        case int(value) | float(value):
            return f"{value:g}"
        case (_, *_) as numbers:
            return " and ".join(f"{number:g}" for number in numbers)
        case value:
            return f"`{value}`" if value else SETTINGS[field.name].unset


def test_the_page_has_one_row_for_each_setting() -> None:
    """With each of its variables in the order in which they are read, its meaning and its default; and no other row."""
    rows = re.findall(r"^\| `\w+` \|.*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    fields = attrs.fields_dict(Settings)
    variables = {name: ", ".join(f"`{variable}`" for variable in one.parsers) for name, one in SETTINGS.items()}
    written = [
        f"| `{name}` | {variables[name]} | {one.help} | {default_of(fields[name])} |" for name, one in SETTINGS.items()
    ]

    assert sorted(rows) == sorted(written)


def test_what_is_required_is_missed() -> None:
    """And nothing else is."""
    required = {
        next(iter(SETTINGS[one.name].parsers)) for one in attrs.fields(Settings) if one.default is attrs.NOTHING
    }

    assert {name.partition(" ")[0] for name in problems_of({})} == required
