"""The SQL text of the statements, for both servers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.dialects import mysql, postgresql

from itsm_workflow.storage.column_sizes import ENTRY_SIZES, ROW_SIZES, check_sizes
from itsm_workflow.storage.protocol import Cursor, Order, Query
from itsm_workflow.testing.conformance._rows import create
from itsm_workflow_backends.sql._statements import Statements

if TYPE_CHECKING:
    from sqlalchemy import Dialect

    from itsm_workflow.storage.protocol import Write

DIALECTS: dict[str, Dialect] = {"postgresql": postgresql.dialect(), "mysql": mysql.dialect()}  # type: ignore[no-untyped-call]


def text_of(query: Query, name: str) -> str:
    """Return what follows FROM in the statement of a page, on one line and without casts."""
    statement = Statements("p_", is_postgresql=name == "postgresql").page(query)
    assert statement is not None
    text = " ".join(str(statement.compile(dialect=DIALECTS[name])).split()).partition(" FROM ")[2]
    return re.sub(r"p_changes\.|%\(\w+\)s(::\w+(\[\])?)?|%s", lambda found: "" if "." in found[0] else "?", text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "postgresql",
            "WHERE due_at <= ? AND due_at IS NOT NULL AND (due_at, id) > (?, ?) ORDER BY due_at, id LIMIT ?",
        ),
        (
            "mysql",
            (
                "WHERE due_at <= ? AND due_at IS NOT NULL AND due_at >= ? AND (due_at > ? OR id > ?) "
                "ORDER BY due_at, id LIMIT ?"
            ),
        ),
    ],
)
def test_a_due_page_continues_in_the_index(name: str, expected: str) -> None:
    """The condition lets each server begin at the cursor."""
    query = Query(due_before=9, order=Order.DUE_AT, after=Cursor(value=5, id="c"), limit=10)
    assert text_of(query, name) == f"p_changes {expected}"


@pytest.mark.parametrize("name", DIALECTS)
def test_the_newest_submission_comes_first(name: str) -> None:
    """The number descends, and the ids ascend."""
    query = Query(subject="s", order=Order.SUBMISSION, after=Cursor(value=5, id="c"))
    assert text_of(query, name) == (
        "p_changes WHERE subject = ? AND submission IS NOT NULL AND submission <= ? AND (submission < ? OR id > ?) "
        "ORDER BY submission DESC, id LIMIT ?"
    )


def test_many_texts_are_one_parameter_of_postgresql() -> None:
    """A statement has at most 65,535 parameters there."""
    text = text_of(Query(ids=("a", "b", "c")), "postgresql")
    assert text.count("?") == 2
    assert "id = ANY" in text


@pytest.mark.parametrize(
    "query", [Query(ids=()), Query(subject="a\0"), Query(states=("\ud800",)), Query(open_subject="x" * 601)]
)
def test_what_no_row_can_have_needs_no_statement(query: Query) -> None:
    """A text that no row can have matches none; a server would refuse it as a parameter."""
    assert Statements("p_", is_postgresql=True).page(query) is None


def with_text(column: str, text: str) -> Write:
    """Return a write of a change with that text in that column."""
    changed: dict[str, Any] = {} if column == "id" else {column: text}
    return create(text if column == "id" else "c1", **changed)


@pytest.mark.parametrize(("column", "size"), ROW_SIZES.items())
def test_a_text_too_long_for_its_column_is_refused(column: str, size: int) -> None:
    """Before anything is stored; the longest text is accepted."""
    check_sizes([with_text(column, "x" * size)])
    with pytest.raises(ValueError, match=f"{column} has {size + 1} characters, but a database keeps at most {size}"):
        check_sizes([with_text(column, "x" * (size + 1))])


def test_the_sizes_of_an_entry_fit_those_of_a_change() -> None:
    """An id that a change can have, an entry can have as well."""
    assert ENTRY_SIZES["change_id"] == ROW_SIZES["id"]
