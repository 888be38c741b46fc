"""The page about `lint-graph` shows what the command prints, and names every check."""

from __future__ import annotations

import re

import pytest

from itsm_workflow.lint import CHECKS
from tests.testing.lint_page import PAGE, renewed


@pytest.mark.long
def test_the_outputs_on_the_page_are_those_of_the_command() -> None:
    """Whoever types the same sees the same."""
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("```console\n$ itsm-workflow lint-graph") == 2
    assert renewed(page) == page


def test_the_page_names_every_check_with_what_it_wants() -> None:
    """In the order of the code, with its words."""
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert dict(rows) == dict(CHECKS)
