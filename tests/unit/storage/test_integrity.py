"""Whether a stored change holds together, for a repair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.errors import StorageSchemaError
from itsm_workflow.storage.integrity import content_problem, replay_problem, row_problem
from itsm_workflow.strict import canonical, parse
from tests.support.desk import ASKED, SUBJECT, Desk

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import EntryRow, Row


def change() -> tuple[Row, tuple[EntryRow, ...]]:
    """Return a change as it is stored, with its history."""
    desk = Desk()
    change_id = desk.workflow().apply(subject=SUBJECT, **ASKED).id
    row = desk.store.get(change_id)
    assert row is not None
    return row, desk.store.history(change_id).entries


def test_what_the_library_wrote_is_sound() -> None:
    """Whatever evidence its workflow has: the types of that are not asked for."""
    assert content_problem(*change()) is None


@pytest.mark.parametrize("column", ["state", "subject", "workflow", "ticket_sn", "document"])
def test_a_row_with_another_value_is_not(column: str) -> None:
    """The digest of the row tells."""
    row, entries = change()
    value = getattr(row, column)
    problem = content_problem(attrs.evolve(row, **{column: value[:-1] + chr(ord(value[-1]) ^ 1)}), entries)
    assert problem is not None
    assert row.id in problem


def test_a_row_is_checked_by_itself() -> None:
    """A row that a newer version wrote is left to that version."""
    row, _ = change()
    document: Any = parse(row.document)

    assert row_problem(row) is None
    spoilt = row_problem(attrs.evolve(row, subject="another"))
    assert spoilt is not None
    assert row.id in spoilt
    assert row_problem(attrs.evolve(row, document=canonical({**document, "schema": 99}))) is None


def test_a_history_with_another_value_is_not() -> None:
    """The chain of digests tells, of the last entry as of the others; and so does one that is missing or too many."""
    row, entries = change()
    for place in range(len(entries)):
        spoilt = [*entries]
        spoilt[place] = attrs.evolve(entries[place], actor="mallory")
        assert content_problem(row, spoilt) is not None, place
    assert content_problem(row, entries[:-1]) == "its last entry does not have the digest that the change names"
    assert content_problem(row, ()) == "its last entry does not have the digest that the change names"
    assert content_problem(row, entries[1:]) is not None


def test_what_a_newer_version_wrote_is_not_judged() -> None:
    """A repair by an older version would throw it away."""
    row, entries = change()
    document: Any = parse(row.document)
    newer = attrs.evolve(row, document=canonical({**document, "schema": 99}))
    with pytest.raises(StorageSchemaError):
        content_problem(newer, entries)


def test_the_history_of_what_the_library_wrote_replays_to_its_row() -> None:
    """Without a look at any digest."""
    assert replay_problem(*change()) is None


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"seq": 9}, "the row is at entry 9 "),
        ({"state": "draft"}, "the row is at entry "),
        ({"created_at": 1}, "the times of the row "),
        ({"updated_at": 1}, "the times of the row "),
    ],
)
def test_a_row_to_which_its_history_does_not_lead_is_reported(columns: dict[str, Any], problem: str) -> None:
    """Whether it was cut off, or its row is of another time."""
    row, entries = change()
    assert str(replay_problem(attrs.evolve(row, **columns), entries)).startswith(problem)


def test_a_history_that_leaps_is_reported() -> None:
    """An entry is missing, another starts elsewhere, or there is none at all."""
    row, entries = change()
    assert str(replay_problem(row, (entries[0], *entries[2:]))).startswith("entry 3 is in the place of entry 2")
    elsewhere = attrs.evolve(entries[1], source="approved")
    assert str(replay_problem(row, (entries[0], elsewhere, *entries[2:]))).startswith("entry 2 starts in 'approved'")
    assert str(replay_problem(row, ())).startswith("the row is at entry ")
