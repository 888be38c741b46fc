"""The settings' reference page says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from itsm_workflow.settings import VARIABLES, Settings
from tests.unit.settings.test_settings import make, problems_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def rows() -> dict[str, tuple[str, str]]:
    """Return what the page says of each field: the cell of its variables, and the cell of its default."""
    found = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {field: (variables, default) for field, variables, default in found}


class TestPage:
    """The reference page says what the code does."""

    def test_each_field_with_each_of_its_variables(self) -> None:
        """In the order in which they are read; no other field and no other variable is listed."""
        listed = {field: tuple(re.findall(r"`([A-Z][A-Z0-9_]+)`", cell)) for field, (cell, _) in rows().items()}

        assert listed == dict(VARIABLES)
        assert set(listed) == {field.name for field in attrs.fields(Settings)} - {"sources"}

    def test_each_default(self) -> None:
        """By its value, or by the word that stands for it."""
        words = {True: "yes", False: "no", (3.05, 10.0): "3.05 and 10", 20.0: "20", 5: "5", 30.0: "30"}
        said = {
            "ticket_hosts": "those of the gateway, of the callback, and of their domains",
            "approver_field": "the service names its own",
            "tenant": "none is named",
            "ca_bundle": "the usual ones",
            **dict.fromkeys(("callback_host", "callback_keys"), "required for callbacks"),
            **dict.fromkeys(("app_code", "app_secret", "gateway_url"), "required"),
        }
        for field, (_, default) in rows().items():
            value = getattr(make(), field)
            expected = said.get(field) or words.get(value) or (f"`{value}`" if value else "none")
            assert (field, default) == (field, expected)

    def test_what_is_required_is_missed(self) -> None:
        """And nothing else is."""
        required = {field for field, (_, default) in rows().items() if default == "required"}

        assert {name.partition(" ")[0] for name in problems_of({})} == {VARIABLES[field][0] for field in required}
