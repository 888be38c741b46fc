"""The reference pages say what the code says."""

from __future__ import annotations

import re

import itsm_workflow
from itsm_workflow.change import AttentionReason
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.runtime.status import ADVICE
from tests.documents.machine_page import PAGE, page

DOCS = PAGE.parents[1]


def test_machine_page_is_what_the_table_gives() -> None:
    """The page of states and triggers is renewed with each change of the table."""
    assert PAGE.read_text(encoding="utf-8") == page(COLLECTOR_CHANGE)


def test_operators_find_every_reason_for_attention_with_its_advice() -> None:
    """Whatever flag a change carries, the page begins with the words that `why` prints."""
    text = (DOCS / "how-to" / "operate.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", text, flags=re.MULTILINE))
    advice = {reason: ADVICE[reason].replace("`", "") for reason in AttentionReason}
    said = {reason: f"{words[0].upper()}{words[1:]}." for reason, words in advice.items()}
    assert {reason: cell.replace("`", "")[: len(said[reason])] for reason, cell in rows.items()} == said


def test_every_public_name_is_in_the_reference() -> None:
    """With its docstring, or in a sentence that says what it is."""
    pages = "\n".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "reference").glob("*.md")))
    modules = set(re.findall(r"automodule:: (\S+)", pages))
    absent = [
        name
        for name in itsm_workflow.__all__
        if getattr(getattr(itsm_workflow, name), "__module__", "") not in modules
        and not re.search(rf"(auto\w+:: itsm_workflow\.|`){name}\b", pages)
    ]
    assert absent == []


def test_every_method_of_a_workflow_is_in_the_table_of_what_it_does() -> None:
    """A reader finds the method by what is to be done."""
    text = (DOCS / "reference" / "workflow.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|.*\|$", text, flags=re.MULTILINE))))
    assert named == {name for name in dir(itsm_workflow.Workflow) if not name.startswith("_")}
