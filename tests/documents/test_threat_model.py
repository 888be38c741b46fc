"""Pages that name tests name those that exist; the threat model names every defect that is put back on purpose."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.faults.matrix import ROWS
from tests.mutants.defects import read_defects

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "threat-model.md").read_text(encoding="utf-8")
POLICY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ORIGIN = (ROOT / "docs" / "reference" / "log-platform.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", PAGE + POLICY + ORIGIN)))
THREATS, DEFECTS = ([row for row in part.splitlines() if row.startswith("| ")] for part in re.split("\n## Def", PAGE))


def test_the_page_names_tests() -> None:
    """An expression that finds nothing would let the test below pass."""
    assert len(NAMED) > 40


def exists(named: str) -> bool:
    """Return whether a test exists: its file, its class if it has one, and its function in that class."""
    path, *names = named.split("::")
    text = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).exists() else ""
    for depth, name in enumerate(names):
        found = re.search(rf"^{'    ' * depth}(?:def|class) {name}\b", text, flags=re.MULTILINE)
        if found is None:
            return False
        text = text[found.end() :]
    return text != ""


def test_every_test_that_is_named_exists() -> None:
    """A control is as good as the test that shows it."""
    here = "tests/documents/test_threat_model.py"
    assert not exists(f"{here}::test_of_nothing")
    assert not exists("tests/nowhere.py")
    assert [named for named in NAMED if not exists(named)] == []


def test_every_row_of_the_matrix_that_is_named_exists() -> None:
    """By its letter and number, at the beginning of the last column."""
    named = {row for line in THREATS for row in re.findall(r"\b[CSRTGKX]\d+\b", line.split(" | ")[-1].split(";")[0])}
    assert named
    assert sorted(named - set(ROWS)) == []


@pytest.mark.parametrize("rows", [THREATS, DEFECTS], ids=["threats", "defects"])
def test_every_row_is_shown_by_a_test(rows: list[str]) -> None:
    """A control that nothing shows is a hope."""
    assert len(rows) > 10
    assert [row for row in rows[2:] if "`tests/" not in row] == []


def test_the_starred_defects_are_those_that_are_put_back() -> None:
    """`make mutants` and the table agree."""
    starred = {label for row in DEFECTS for label in re.findall(r"([^ ,][^,]*)\*", row.split("|")[1])}
    assert starred == {defect.label for defect in read_defects()}


def test_the_policy_has_what_a_reporter_needs() -> None:
    """A private way, the versions, the time, and the page."""
    assert [
        word for word in ("private", "Supported versions", "90 days", "threat-model.md") if word not in POLICY
    ] == []
