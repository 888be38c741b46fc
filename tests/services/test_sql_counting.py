"""Counts on PostgreSQL and MariaDB are those of the rows that are read."""

from __future__ import annotations

from contextlib import closing
from itertools import product

from itsm_workflow import open_storage
from itsm_workflow.storage import Query, SupportsCounts
from tests.support.desk import ASKED, Desk


def test_a_count_is_that_of_the_page(store_url: str) -> None:
    """For each filter, at and below the limit, and for times before, between and after the entries."""
    desk = Desk()
    with closing(open_storage(store_url)) as store:
        assert isinstance(store, SupportsCounts)
        workflow = desk.workflow(storage=store)
        for number in range(4):
            workflow.draft(subject=f"collector-{number}", **ASKED)
            desk.clock.advance(60)
        times = sorted(row.updated_at for row in store.find(Query()).rows)
        ages = (times[0] - 1, times[1], times[-1])
        for states, limit in product((None, ("draft",), ("approved",), ("a\x00b",)), (2, 4, 9)):
            query = Query(workflow="collector_change", states=states, limit=limit)
            rows = store.find(query).rows
            expected = (len(rows), *(sum(row.updated_at <= age for row in rows) for age in ages))
            assert store.count(query, ages) == expected
