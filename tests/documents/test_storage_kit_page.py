"""The page about the defects that the storage check catches lists the collection of broken backends."""

from __future__ import annotations

from pathlib import Path

from itsm_workflow.testing.conformance._kit import Kit
from tests.conformance.collection import ALL, table

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "storage-kit.md").read_text(encoding="utf-8")


def test_the_page_has_every_broken_backend() -> None:
    """With its defect, its harm and its promise; `python -m tests.conformance.collection` prints the tables."""
    lines = list(table())
    assert PAGE.splitlines()[-len(lines) :] == lines


def test_each_harm_is_one_sentence() -> None:
    """It begins with a capital letter and ends with a full stop."""
    harms = [caught.harm for members in ALL.values() for caught in members.values()]
    assert [harm for harm in harms if not (harm[0].isupper() and harm.endswith(".") and ". " not in harm)] == []


def test_each_promise_has_a_broken_backend() -> None:
    """A promise that catches nothing could be left out, and a renamed promise is renamed in the collection."""
    named = {caught.promise for members in ALL.values() for caught in members.values()}
    assert named == {name.removeprefix("test_").replace("_", " ") for name in Kit.all_promises()}
