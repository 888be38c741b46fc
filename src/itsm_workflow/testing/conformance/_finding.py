"""Promises of `StorageBackend.find`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.protocol import Cursor, Order, Query
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._rows import NOW, create, follow, found, pages, present, refused, stored
from itsm_workflow.testing.conformance._wording import word

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import StorageBackend

_NAMES = tuple("abcdefghij")
_SEVERAL = ("ids", "states", "attention", "ticket_sns")
_MANY = 1100
_MOVING = ("due_at", "updated_at", "submission")


class FindPromises(Promises):
    """The rows that a query finds, their order, and their pages."""

    @promise()
    def test_none_means_any_and_empty_means_none(self, backend: StorageBackend) -> None:
        """The conditions of a query must all hold.

        Port: "The conditions that rows must meet. None means "any"; an empty tuple means "none"."
        """
        backend.commit(
            [
                create("a", workflow="w", state="draft", subject="s", ticket_sn="n"),
                create("b", workflow="w", state="pending", subject="t", attention="overdue", ticket_sn="n"),
                create("c", workflow="v", state="pending", subject="s", attention="not_found"),
                create("d", workflow="v", state="approved", subject="t"),
            ]
        )
        assert list("abcd") == found(backend)
        assert list("ad") == found(backend, ids=("d", "a", "nobody", "a"))
        assert list("ab") == found(backend, workflow="w")
        assert list("abc") == found(backend, states=("draft", "pending"))
        assert list("bc") == found(backend, attention=("overdue", "not_found"))
        assert list("ac") == found(backend, subject="s")
        assert list("ab") == found(backend, ticket_sns=("n", "m"))
        assert found(backend, workflow="w", states=("pending",), subject="t", ticket_sns=("n",)) == ["b"]
        assert found(backend, workflow="w", subject="nothing") == []
        for field in _SEVERAL:
            assert found(backend, **{field: ()}) == [], field

    @promise()
    def test_due_before(self, backend: StorageBackend) -> None:
        """A row is due at its due time, to the microsecond.

        Port: "Rows with ``due_at`` at or before this time. Rows without ``due_at`` never match."
        """
        backend.commit([create("late", due_at=NOW - 1), create("now", due_at=NOW), create("soon", due_at=NOW + 1)])
        backend.commit([create("never")])
        assert found(backend, due_before=NOW) == ["late", "now"]
        assert found(backend, due_before=NOW, order=Order.DUE_AT) == ["late", "now"]
        assert found(backend, due_before=NOW, order=Order.UPDATED_AT) == ["late", "now"]
        assert found(backend, due_before=2**63 - 1) == ["late", "now", "soon"]

    @promise()
    def test_updated_before(self, backend: StorageBackend) -> None:
        """Rows that were not updated since then are found.

        Port: "Rows with ``updated_at`` at or before this time."
        """
        backend.commit([create(name, updated_at=NOW + step) for name, step in (("a", 1), ("b", 0), ("c", -1))])
        assert found(backend, updated_before=NOW) == ["b", "c"]
        assert found(backend, updated_before=NOW, order=Order.UPDATED_AT) == ["c", "b"]

    @promise()
    def test_the_four_orders(self, backend: StorageBackend) -> None:
        """The order is by time, or newest submission first; ties are broken by ascending id.

        Port: "The four orders in which a query can be read; ties are broken by id."
        """
        backend.commit([create("b", due_at=5, updated_at=8, submission=2), create("c", due_at=5, updated_at=9)])
        backend.commit([create("a", due_at=5, updated_at=9, submission=1), create("d", due_at=-4, updated_at=10)])
        backend.commit([follow(present(backend, "c"), updated_at=9, submission=3)])
        backend.commit([follow(present(backend, "d"), updated_at=10, submission=1)])
        for limit in (1, 2, 3, 100):
            assert list("abcd") == found(backend, limit=limit)
            assert list("dabc") == found(backend, order=Order.DUE_AT, limit=limit)
            assert list("bacd") == found(backend, order=Order.UPDATED_AT, limit=limit)
            assert list("cbad") == found(backend, order=Order.SUBMISSION, limit=limit)

    @promise()
    def test_rows_without_a_due_time_are_left_out(self, backend: StorageBackend) -> None:
        """A row without a time is not part of an order by time.

        Port: "Ordered by due_at, rows without one are left out."
        """
        backend.commit([create("never"), create("once", due_at=0)])
        assert found(backend, order=Order.DUE_AT) == ["once"]

    @promise()
    def test_the_newest_submission_of_a_subject_comes_first(self, backend: StorageBackend) -> None:
        """The order does not depend on ids and times, also after a change was submitted again; ties are broken by id.

        Port: "the newest submission comes first, and ties by ascending id."
        """
        times = {"updated_at": NOW, "due_at": NOW}
        backend.commit([create(name, subject="s", submission=n, **times) for name, n in (("b", 1), ("a", 2), ("c", 3))])
        backend.commit([create("z", subject="t", submission=9), create("d", subject="s", workflow="w", submission=4)])
        ask: dict[str, Any] = {"order": Order.SUBMISSION, "subject": "s"}
        for limit in (1, 2, 100):
            assert found(backend, **ask, limit=limit) == ["d", "c", "a", "b"], limit
            assert found(backend, **ask, workflow="collector", limit=limit) == ["c", "a", "b"], limit
        assert [row.id for row in backend.find(Query(**ask, limit=2)).rows] == ["d", "c"]
        backend.commit([follow(present(backend, "b"), submission=5, updated_at=1)])
        backend.commit([follow(present(backend, "a"), submission=4)])
        assert found(backend, **ask) == ["b", "a", "d", "c"]
        backend.commit([follow(present(backend, "b"), subject="t"), create("new", subject="s", submission=2**63 - 1)])
        assert found(backend, **ask) == ["new", "a", "d", "c"]
        assert found(backend, order=Order.SUBMISSION, subject="nothing") == []

    @promise()
    def test_drafts_are_not_found_among_submissions(self, backend: StorageBackend) -> None:
        """A draft is not a submission, and 0 is a valid number.

        Port: "Ordered by submission, rows that were never submitted are left out."
        """
        backend.commit([create("draft", subject="s"), create("once", subject="s", submission=0)])
        backend.commit([create("before", subject="s", submission=-1), create("back", subject="s", submission=7)])
        backend.commit([follow(present(backend, "back"), submission=None)])
        queries: list[dict[str, Any]] = [{}, {"subject": "s"}, {"ids": ("draft", "once", "before", "back")}]
        for query in queries:
            assert found(backend, order=Order.SUBMISSION, **query) == ["once", "before"], query
        assert found(backend, subject="s") == ["back", "before", "draft", "once"]

    @promise()
    def test_an_open_subject_names_its_holder(self, backend: StorageBackend) -> None:
        """The query finds the change that holds the subject now, or nothing; a former holder is not found.

        Port: "Only the row that holds this open subject, so at most one."
        """
        first = stored(backend, create("c1", subject="s", open_subject="w:s", submission=1, due_at=NOW))
        backend.commit([create("c2", subject="s"), create("c3", subject="s", open_subject="v:s")])
        for order in (Order.ID, Order.SUBMISSION, Order.DUE_AT, Order.UPDATED_AT):
            assert found(backend, open_subject="w:s", order=order) == ["c1"], order
        assert found(backend, open_subject="s") == []
        assert found(backend, open_subject="w:s", states=("approved",)) == []
        assert found(backend, open_subject="w:s", workflow="other") == []
        stored(backend, follow(first, open_subject=None))
        assert found(backend, open_subject="w:s") == []
        stored(backend, follow(present(backend, "c2"), open_subject="w:s"))
        assert found(backend, open_subject="w:s") == ["c2"]

    @promise()
    def test_pages_end(self, backend: StorageBackend) -> None:
        """The last page is marked as the last one, also when it is full.

        Port: "One page of rows. ``next`` is the cursor for the following page, or None if this was the last."
        """
        assert backend.find(Query(limit=1)).next is None
        backend.commit([create(name, due_at=NOW, submission=3) for name in _NAMES])
        values = {Order.ID: None, Order.DUE_AT: NOW, Order.UPDATED_AT: NOW + 1, Order.SUBMISSION: 3}
        for order, value in values.items():
            sizes = [len(page.rows) for page in pages(backend, Query(order=order, limit=5))]
            assert sizes == [5, 5], order
            sizes = [len(page.rows) for page in pages(backend, Query(order=order, limit=4))]
            assert sizes == [4, 4, 2], order
            assert backend.find(Query(order=order, limit=4)).next == Cursor(value=value, id="d"), order

    @promise()
    def test_a_page_is_as_large_as_asked_for(self, backend: StorageBackend) -> None:
        """Only the query's own limit leaves out rows, names or entries, even of more than a thousand.

        Port: "One page of rows. ``next`` is the cursor for the following page, or None if this was the last."
        """
        names = [f"c{number:04}" for number in range(_MANY)]
        assert backend.commit([create(name, due_at=NOW) for name in names]) == [None] * _MANY
        stored(backend, create("long", entries=_MANY))
        for query in (Query(limit=2 * _MANY), Query(ids=tuple(reversed([*names, "long"])), limit=_MANY + 1)):
            page = backend.find(query)
            assert [row.id for row in page.rows] == [*names, "long"]
            assert page.next is None
        page = backend.find(Query(order=Order.DUE_AT, limit=_MANY - 1))
        assert ([row.id for row in page.rows], page.next) == (names[:-1], Cursor(value=NOW, id=names[-2]))
        lines = backend.history("long", limit=2 * _MANY)
        assert ([line.seq for line in lines.entries], lines.next_seq) == (list(range(1, _MANY + 1)), None)
        assert backend.history("long", limit=_MANY - 1).next_seq == _MANY - 1
        lines = backend.history("long")
        read = f"history without a limit returned {len(lines.entries):,} entries and next_seq {lines.next_seq}"
        assert (len(lines.entries), lines.next_seq) == (1000, 1000), read

    @promise()
    def test_rows_are_whole(self, backend: StorageBackend) -> None:
        """Found rows are complete, so they need not be read again.

        Port: "Rows come whole, as `get` returns them."
        """
        row = stored(backend, create("a", due_at=NOW, submission=1))
        row = stored(backend, follow(row, form=None, attention="overdue"))
        for order in Order:
            assert (row,) == backend.find(Query(order=order)).rows

    @promise()
    def test_no_row_is_left_out_while_others_change(self, backend: StorageBackend) -> None:
        """Rows that are created, removed or moved between two pages push no other row off its page.

        Port: "Read page by page, a row that matches throughout is never left out; only a row that itself changed
        between two pages can be met twice or missed."
        """
        for order in Order:
            # Every second row changes between the reader's pages; the others, at even places, stay as they are.
            names = [f"{order.value}{place:02}" for place in range(12)]
            numbers = {name: dict.fromkeys(_MOVING, place) for place, name in enumerate(names)}
            writes = [create(name, **numbers[name]) for name in names]
            backend.commit([attrs.evolve(w, row=attrs.evolve(w.row, workflow=order.value)) for w in writes])
            met: list[str] = []
            query = Query(workflow=order.value, states=("applying",), order=order, limit=2)
            for page_number, page in enumerate(pages(backend, query)):
                met += [row.id for row in page.rows]
                self._disturb(backend, order, names[1::2], page_number)
            steady = names[::2] if order is not Order.SUBMISSION else names[::-1][1::2]
            assert steady == [name for name in met if name in steady], order

    def _disturb(self, backend: StorageBackend, order: Order, names: list[str], number: int) -> None:
        """Move one row out of the query, one to the front, one to the end, and add one at the front."""
        gone, front, end = (present(backend, names[(number + step) % len(names)]) for step in (0, 2, 4))
        backend.commit(
            [
                follow(gone, state="approved", updated_at=gone.updated_at),
                follow(front, **dict.fromkeys(_MOVING, -1000), state="applying"),
                follow(end, **dict.fromkeys(_MOVING, 1000), state="applying"),
                create(f"{order.value}!{number}", workflow=order.value, **dict.fromkeys(_MOVING, -number)),
            ]
        )

    @promise()
    def test_an_invalid_query_is_rejected(self, backend: StorageBackend) -> None:
        """An invalid query raises an error.

        Port: "A limit below 1 or of 2**63 - 1 or more, a cursor that another order gave or whose id no row can have,
        a number over 64 bits."
        """
        stored(backend, create("a", due_at=NOW))
        for query in (
            Query(limit=0),
            Query(limit=-1),
            Query(due_before=2**63),
            Query(updated_before=-(2**63) - 1),
            Query(after=Cursor(value=5, id="a")),
            Query(after=Cursor(value=None, id="A\0")),
            Query(order=Order.DUE_AT, after=Cursor(value=5, id="\ud800")),
            Query(order=Order.DUE_AT, after=Cursor(value=None, id="a")),
            Query(order=Order.SUBMISSION, after=Cursor(value=None, id="a")),
            Query(order=Order.SUBMISSION, after=Cursor(value=2**63, id="a")),
            Query(order=Order.DUE_AT, after=Cursor(value=2**63, id="a")),
        ):
            refused(ValueError, f"find({word(query)})", partial(backend.find, query))

    @promise()
    def test_a_query_of_other_types_is_rejected(self, backend: StorageBackend) -> None:
        """A text in place of a number is not compared with numbers, and a text in place of a tuple is not split.

        Port: "A method raises TypeError for an argument, or a value in it, of another type than declared here, before
        it stores or reads anything; a bool is not a number."
        """
        stored(backend, create("a", due_at=NOW))
        fields: list[tuple[str, Any]] = [
            *((name, value) for name in ("workflow", "subject", "open_subject") for value in (5, b"a", ("a",))),
            *((name, value) for name in _SEVERAL for value in ("a", ["a"], {"a"}, ("a", 5))),
            *((name, value) for name in ("due_before", "updated_before") for value in (0.5, "5", True)),
            *(("order", value) for value in ("id", "due_at", None)),
            *(("after", value) for value in ("a", (None, "a"))),
            *(("after", Cursor(value=value, id="a")) for value in (0.5, "5", True)),  # type: ignore[arg-type]  # wrong
            ("after", Cursor(value=None, id=5)),  # type: ignore[arg-type]  # on purpose
            *(("limit", value) for value in (0.5, 5.0, "5", True, None)),
        ]
        for name, value in fields:
            query = attrs.evolve(Query(order=Order.DUE_AT), **{name: value})
            refused(TypeError, f"find({name}={value!r})", partial(backend.find, query))
        others: list[Any] = [None, {}, "a"]
        for other in others:
            refused(TypeError, f"find({other!r})", partial(backend.find, other))

    @promise()
    def test_an_impossible_name_finds_nothing(self, backend: StorageBackend) -> None:
        """A name from outside may contain anything; an impossible one finds nothing, and is not an error.

        Port: "Return the row of that id as of the last commit, with its form, or None."
        """
        stored(backend, create("a", state="a", attention="a", subject="a", ticket_sn="a"))
        for name in ("a\0b", "a\0", "\0", "\ud800", "a' OR ''='", "a%", "_", '["a"]'):
            assert backend.get(name) is None
            assert backend.history(name).entries == ()
            assert found(backend, subject=name) == []
            assert found(backend, open_subject=name) == []
            assert found(backend, workflow=name) == []
            assert found(backend, states=(name,), workflow=name) == []
            for field in _SEVERAL:
                assert found(backend, **{field: (name,)}) == [], field
                assert found(backend, **{field: (name, "a")}) == ["a"], field
