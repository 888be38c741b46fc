"""The statements of a commit: few, whatever the number of its writes, and exact in every column."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from sqlalchemy import event, make_url, text

from itsm_workflow import open_storage
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._rows import claim, create, follow
from itsm_workflow_backends.sql import SQLBackend, _together
from tests.services.servers import MARIADB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.storage.protocol import Row, Write
    from tests.services.servers import Server

COUNT = 100
TEXTS = ("", "a", "A", "a ", "é", "é", "采集 🎫", "% %s %(id)s :id", "' \" \\ \\n", "\n\t", "NULL", "0")


@pytest.fixture
def backend(store_url: str) -> Iterator[SQLBackend]:
    """An empty store with one connection."""
    url = make_url(store_url).update_query_dict({"pool_size": "1", "max_overflow": "0"})
    with closing(open_storage(url.render_as_string(hide_password=False))) as opened:
        assert isinstance(opened, SQLBackend)
        yield opened


@pytest.fixture
def statements(backend: SQLBackend) -> Iterator[list[str]]:
    """The statements that are executed from now on."""
    seen: list[str] = []

    def record(*arguments: Any) -> None:
        seen.append(arguments[2].split()[0])

    event.listen(backend._engine, "before_cursor_execute", record)
    yield seen
    event.remove(backend._engine, "before_cursor_execute", record)


def created(backend: SQLBackend, count: int = COUNT) -> list[Row]:
    """Create changes, and return their rows."""
    writes = [create(f"c{number:03}", subject=TEXTS[number % len(TEXTS)]) for number in range(count)]
    assert set(backend.commit(writes)) == {None}
    return [write.row for write in writes]


def moved(row: Row, number: int) -> Write:
    """Return a transition that changes every column."""
    some = TEXTS[number % len(TEXTS)]
    return follow(
        row,
        entries=number % 3 + 1,
        workflow=f"w{some}",
        state=some,
        attention=some if number % 2 else None,
        subject=some,
        open_subject=f"{number} {some}" if number % 3 else None,
        ticket_key=f"itsm:{number}{some}" if number % 4 else None,
        ticket_sn=some if number % 5 else None,
        submission=2**62 + number if number % 2 else None,
        due_at=None if number % 2 else -number,
        form=None if number % 2 else f'{{"title":"{number}"}}',
        document=f"{some}{number}",
    )


def test_a_group_of_moves_and_claims_is_four_statements(backend: SQLBackend, statements: list[str]) -> None:
    """Each of which the driver sends at once; the rows and the entries are what was written."""
    rows = created(backend)
    statements.clear()
    writes = [moved(row, number) if number % 4 else claim(row, number or None) for number, row in enumerate(rows)]
    assert set(backend.commit(writes)) == {None}
    assert statements == ["SELECT", "UPDATE", "UPDATE", "INSERT"]
    expected = [
        attrs.evolve(write.row, form=row.form) if write.row.form is None else write.row
        for write, row in zip(writes, rows, strict=True)
    ]
    assert list(backend.find(Query(limit=COUNT)).rows) == expected
    for row, write in zip(rows, writes, strict=True):
        assert backend.history(row.id).entries[row.seq :] == write.entries


def test_a_group_of_large_texts_is_sent_in_parts(
    backend: SQLBackend, statements: list[str], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MariaDB limits the size of a statement; psycopg sends each row by itself."""
    monkeypatch.setattr(_together, "_MOST_CHARACTERS", 1000)
    rows = created(backend, 10)
    statements.clear()
    writes = [follow(row, document=f"{number}" * 400) for number, row in enumerate(rows)]
    assert set(backend.commit(writes)) == {None}
    assert statements.count("UPDATE") == (4 if server is MARIADB else 1)
    assert [row.document for row in backend.find(Query()).rows] == [write.row.document for write in writes]


def test_one_conflict_in_a_group_leaves_the_others(backend: SQLBackend) -> None:
    """A version that moved on, a subject and a ticket that are held, among writes that are stored."""
    rows = created(backend, 6)
    first = follow(rows[0], open_subject="s", ticket_key="t")
    assert backend.commit([first]) == [None]
    writes = [follow(row) for row in rows]
    writes[2] = follow(rows[2], open_subject="s")
    writes[3] = follow(rows[3], ticket_key="t")
    answers = backend.commit(writes)
    kinds = [answer and (answer.kind.value, answer.holder) for answer in answers]
    assert kinds == [("version", None), None, ("subject", "c000"), ("ticket", "c000"), None, None]
    assert [row.version for row in backend.find(Query()).rows] == [2, 2, 1, 1, 2, 2]


@pytest.mark.parametrize("server", [MARIADB], ids=["mysql"])
def test_a_transition_is_no_more_than_its_statements(backend: SQLBackend) -> None:
    """MariaDB gets UPDATE, INSERT and COMMIT, and nothing before or after them. PostgreSQL does not count them."""
    [row] = created(backend, 1)

    def questions() -> int:
        with backend._engine.connect() as connection:
            return int(connection.execute(text("SHOW SESSION STATUS LIKE 'Questions'")).one()[1])

    before = questions()
    between = questions() - before
    assert backend.commit([follow(row)]) == [None]
    assert questions() - before - 2 * between == 3
