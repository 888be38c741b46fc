"""The reference pages say what the code says."""

from __future__ import annotations

import re

from itsm_workflow.change import AttentionReason
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.settings import VARIABLES
from tests.documents.machine_page import PAGE, page

DOCS = PAGE.parents[1]


def test_machine_page_is_what_the_table_gives() -> None:
    """The page of states and triggers is renewed with each change of the table."""
    assert PAGE.read_text(encoding="utf-8") == page(COLLECTOR_CHANGE)


def test_settings_page_lists_each_field_with_its_variables_in_their_order() -> None:
    """A user finds every setting, and which of its variables wins."""
    text = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", text, flags=re.MULTILINE)
    listed = {field: tuple(re.findall(r"`([A-Z][A-Z0-9_]+)`", cell)) for field, cell in rows}
    assert listed == dict(VARIABLES)


def test_operators_find_every_reason_for_attention() -> None:
    """Whatever flag a change carries, the page says what to do."""
    text = (DOCS / "how-to" / "operate.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)) == set(AttentionReason)
