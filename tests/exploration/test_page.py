"""The page about `verify` shows what the command and the example print, and every promise."""

from __future__ import annotations

import re

import pytest

from itsm_workflow.testing.exploration import PAIR_INVARIANTS
from tests.exploration.verify_page import PAGE, example, promises, renewed, without_seconds


@pytest.mark.long
def test_what_the_page_shows_is_what_is_printed() -> None:
    """Whoever types the same sees the same, but for the seconds."""
    page = PAGE.read_text(encoding="utf-8")
    assert without_seconds(renewed(page, whole=False)) == without_seconds(page)


def test_the_page_shows_something_of_each() -> None:
    """The comparison is about two commands, an example, and all promises."""
    page = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^\$ itsm-workflow (.*)\nchanges ", page, flags=re.MULTILINE) == [
        "verify --ticks 1 --faults 1 --acts 1",
        "verify",
        "verify --changes 2 --ticks 0 --faults 0",
        "verify --grow --workers 1 --states 200000",
    ]
    assert example(page).startswith("deployed_what_was_approved: ")
    assert promises() in page
    assert promises(PAIR_INVARIANTS) in page


def test_everything_was_walked() -> None:
    """The page claims the whole space for the bounds that the command has by default."""
    page = PAGE.read_text(encoding="utf-8")
    (whole,) = re.findall(r"^\$ itsm-workflow verify\n(.*?)```", page, flags=re.MULTILINE | re.DOTALL)
    facts = dict(line.split(maxsplit=1) for line in whole.splitlines())
    assert facts["bounds"] == "3 ticks, 2 faults, 1 act, 2 workers"
    assert facts["verdict"] == "holds: 0 violations, 0 bad ends; everything within the bounds was walked"
    assert int(facts["states"].replace(",", "")) > 450_000
