"""One page of the changes that match, and the token of the next one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import State
from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.storage.protocol import Order, Query, Rows, StorageBackend
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.places import WatchedStore
from tests.unit.runtime.test_journal import spoil

if TYPE_CHECKING:
    from itsm_workflow import Workflow

HOUR = dt.timedelta(hours=1)


class CountedStore(WatchedStore):
    """A store that records the queries."""

    def __init__(self, inner: StorageBackend) -> None:
        super().__init__(inner)
        self.queries: list[Query] = []

    def find(self, query: Query, /) -> Rows:
        """Return one page of rows."""
        self.queries.append(query)
        return super().find(query)


def filed(desk: Desk, count: int = 5) -> list[str]:
    """File changes, one an hour, and return their ids."""
    workflow, found = desk.workflow(), []
    for number in range(count):
        found.append(workflow.apply(subject=f"collector-{number}", **ASKED).id)
        desk.clock.advance(3600)
    return found


def turned_over(workflow: Workflow, **filters: Any) -> list[list[str]]:
    """Return the ids on each page."""
    pages, after = [], None
    while True:
        page = workflow.find_page(after=after, **filters)
        pages.append([change.id for change in page.changes])
        after = page.next
        if after is None:
            return pages


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("filters", [{}, {"older_than": HOUR / 2}, {"older_than": HOUR / 2, "states": ["pending"]}])
def test_the_pages_hold_every_change_once(filters: dict[str, Any], *, sparse: bool) -> None:
    """In each order, from every kind of store; the last page has no token, even if it is full."""
    desk = Desk()
    ids = filed(desk)
    workflow = desk.sparse() if sparse else desk.workflow()
    assert turned_over(workflow, limit=2, **filters) == [ids[:2], ids[2:4], ids[4:]]
    assert turned_over(workflow, limit=5, **filters) == [ids]


def test_a_page_reads_no_more_rows_than_it_shows_and_one() -> None:
    """Whatever the size of the store; the one shows whether there is another page."""
    desk = Desk()
    filed(desk)
    store = CountedStore(desk.store.inner)
    desk.workflow(storage=store).find_page(limit=2)
    assert [query.limit for query in store.queries] == [3]


def test_old_changes_are_found_by_the_time_of_their_last_entry() -> None:
    """The order of ids would read through all the others; a more selective filter has an index of its own."""
    desk = Desk()
    filed(desk)
    store = CountedStore(desk.store.inner)
    workflow = desk.workflow(storage=store)
    workflow.find_page(older_than=HOUR)
    workflow.find_page(older_than=HOUR, states=[State.PENDING])
    workflow.find_page(older_than=HOUR, drafted_within=HOUR)
    assert [query.order for query in store.queries] == [Order.UPDATED_AT, Order.ID, Order.ID]


def test_the_changes_drafted_lately_begin_there() -> None:
    """On every page, whatever token is passed."""
    desk = Desk()
    ids = filed(desk)
    assert turned_over(desk.workflow(), limit=2, drafted_within=3 * HOUR) == [ids[2:4], ids[4:]]
    [early] = desk.workflow().find_page(limit=1).changes
    page = desk.workflow().find_page(drafted_within=3 * HOUR, after=early.id)
    assert [change.id for change in page.changes] == ids[2:]


def test_a_span_of_all_times_begins_with_the_first_change() -> None:
    """Also one from before the first id that can be."""
    desk = Desk()
    ids = filed(desk, 1)
    assert turned_over(desk.workflow(), drafted_within=dt.timedelta(days=36_500)) == [ids]


def test_filters_are_those_of_find() -> None:
    """By state, attention, subject and number."""
    desk = Desk()
    workflow = desk.workflow()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.clock.advance(1)
    other = workflow.apply(subject="other", **ASKED)
    for filters in ({"subject": SUBJECT}, {"sn": change.sn}):
        assert turned_over(workflow, **filters) == [[change.id]]
    assert turned_over(workflow, states=[State.DRAFT]) == turned_over(workflow, attention=["overdue"]) == [[]]
    assert turned_over(workflow, states=[State.PENDING]) == [[change.id, other.id]]


def test_a_damaged_change_takes_its_place_on_the_page() -> None:
    """With its error; a page of damaged changes has a next page."""
    desk = Desk()
    ids = filed(desk)
    spoil(desk, ids[1])
    page = desk.workflow().find_page(limit=2)
    assert [change.id for change in page.changes] == ids[:1]
    assert {name: type(error) for name, error in page.unreadable.items()} == {ids[1]: StorageCorrupt}
    assert [one for one, _ in desk.witness.troubles] == [ids[1]]
    following = desk.workflow().find_page(limit=2, after=page.next)
    assert [change.id for change in following.changes] == ids[2:4]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"limit": 0}, ValueError, "limit"),
        ({"limit": True}, TypeError, "limit"),
        ({"after": 7}, TypeError, "after"),
        ({"after": "1@x"}, ValueError, "the same filters"),
        ({"after": "x", "older_than": HOUR}, ValueError, "the same filters"),
        ({"after": "-1@x", "older_than": HOUR}, ValueError, "the same filters"),
        ({"after": f"{'9' * 30}@x", "older_than": HOUR}, ValueError, "64"),
        ({"after": "\x00"}, ValueError, "cursor"),
        ({"drafted_within": 7}, TypeError, "drafted_within"),
        ({"drafted_within": -HOUR}, ValueError, "drafted_within"),
        ({"states": "pending"}, TypeError, r"find_page\(states"),
        ({"states": ["nowhere"]}, ValueError, r"find_page\(states"),
        ({"sn": 7}, TypeError, r"find_page\(sn"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    """Before anything is read."""
    with pytest.raises(error, match=message):
        Desk().workflow().find_page(**arguments)


def test_a_page_is_plain_data() -> None:
    """It can be compared, and changed into another one."""
    page = Desk().workflow().find_page()
    assert page == attrs.evolve(page, next=None)
