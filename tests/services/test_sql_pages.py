"""A page of PostgreSQL reads no more rows than it shows."""

from __future__ import annotations

import secrets
from contextlib import closing
from itertools import islice
from typing import Any

from sqlalchemy import create_engine, event, make_url

from itsm_workflow import open_storage
from itsm_workflow.storage import Query
from itsm_workflow_backends.sql._url import DRIVERS
from tests.benchmarks.lists import copies
from tests.services.servers import POSTGRESQL, new_store


def test_the_page_of_a_state_is_read_from_its_index() -> None:
    """It has the order of the ids. Otherwise the other changes are read and left out, or those of the state sorted."""
    statements: list[tuple[str, dict[str, Any]]] = []
    with new_store(POSTGRESQL, f"test_{secrets.token_hex(4)}") as url, closing(open_storage(url)) as store:
        store.commit(list(islice(copies(3000), 3000)))
        engine = create_engine(make_url(POSTGRESQL.url).set(drivername=DRIVERS["postgresql"]))
        event.listen(engine, "before_cursor_execute", lambda *given: statements.append((given[2], given[3])))
        prefix = str(make_url(url).query["prefix"])
        with closing(open_storage(engine, prefix=prefix)) as watched:
            assert len(watched.find(Query(workflow="collector_change", states=("pending",), limit=100)).rows) == 100
            statement, parameters = statements[-1]
            with engine.connect() as connection:
                connection.exec_driver_sql(f"ANALYZE {prefix}changes")
                plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
        engine.dispose()
    assert f"Index Scan using {prefix}changes_state" in plan
    assert "Sort" not in plan
