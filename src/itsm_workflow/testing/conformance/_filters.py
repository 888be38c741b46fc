"""The promise about conditions that are given together: few of them and nearly all, in every order and page."""

from __future__ import annotations

import random
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.protocol import Order, Query, cursor_at
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._model import Model
from itsm_workflow.testing.conformance._rows import claim, create, follow
from itsm_workflow.testing.conformance._wording import word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.storage.protocol import StorageBackend, Write

_SEED = 7
_ROWS = 60
_HELD = ("row 01", "row 02")
_NAMES = tuple(f"row {number:02}" for number in range(_ROWS - 1, 0, -3))
_CONDITIONS: tuple[tuple[str, Any], ...] = (
    ("ids", (*_NAMES, *_NAMES, "of no row")),
    ("workflow", "log%"),
    ("states", ("draft", "pending", "draft")),
    ("attention", ("overdue", "not_found", "overdue")),
    ("subject", "s"),
    ("open_subject", _HELD[0]),
    ("open_subject", _HELD[1]),
    ("ticket_sns", ("REQ1", "REQ2", "REQ1")),
    ("due_before", 5),
    ("updated_before", 5),
)
_TOGETHER = (
    *(("workflow", "subject", "states"), ("workflow", "subject", "ticket_sns"), ("workflow", "states", "attention")),
    *(("workflow", "due_before", "states"), ("ids", "states", "due_before"), ("ids", "workflow", "ticket_sns")),
    ("workflow", "states", "attention", "subject", "ticket_sns", "updated_before"),
)
"""Conditions that the library gives together, and a few more."""

_MEETS_ALL: dict[str, Any] = {"workflow": "log%", "state": "draft", "attention": "overdue", "subject": "s"}
_MEETS_ALL |= {"ticket_sn": "REQ1", "due_at": 5, "updated_at": 5, "submission": 1}
_MISSES: dict[str, tuple[int, dict[str, Any]]] = {
    "workflow": (5, {"workflow": "logs"}),
    "ids": (6, {}),
    "states": (8, {"state": "approved"}),
    "attention": (11, {"attention": "stuck"}),
    "subject": (14, {"subject": "t"}),
    "ticket_sns": (17, {"ticket_sn": "REQ3"}),
    "due_before": (20, {"due_at": 9}),
    "updated_before": (23, {"updated_at": 9}),
}
"""By condition: the number of the row that meets every other one, and its value that does not meet this one."""

_LAST = 26
"""The number of a row that meets all conditions and, by its id, comes after those that miss one."""

_MOVED = ("workflow", "state", "attention", "subject", "ticket_sn", "submission", "due_at", "updated_at")
"""Columns by which a query finds or orders rows, and which a write can change."""

_LISTS = ("ids", "states", "attention", "ticket_sns")
_LIMIT = 2


class FilterPromises(Promises):
    """Each condition of a query limits the rows, whatever else the query asks for."""

    @promise()
    def test_conditions_are_combined(self, backend: StorageBackend) -> None:
        """A row is found if it meets all conditions, as it is now, once, in the query's order and on its page.

        Port: "The conditions that rows must meet. None means "any"; an empty tuple means "none"."
        """
        model = Model()
        for what, writes in zip(("new rows", "rows of which one column changes"), combined_rows(), strict=True):
            answer = backend.commit(writes)
            assert answer == [None] * _ROWS, f"the commit of {_ROWS} {what} is answered {word(answer)}"
            model = model.after(writes, answer)
            _check(model, Query(limit=_ROWS), backend)
        for conditions in _combinations():
            for order in Order:
                query = Query(**conditions, order=order, limit=_ROWS)
                for page in (query, *_pages(model, query)):
                    _check(model, page, backend)
                for empty in _with_an_empty_list(model, query):
                    _check(model, empty, backend)
        for query in _nearly_all(model):
            _check(model, query, backend)


def combined_rows() -> tuple[list[Write], list[Write]]:
    """Return the two writes of each of some rows whose columns do not depend on each other, the same on every run.

    The second write changes one column, another one in each of eight rows; a claim moves every other due time.
    """
    dice = random.Random(_SEED)  # noqa: S311  # not for secrets
    columns: dict[str, tuple[Any, ...]] = {
        "workflow": ("log%", "log%", "logs"),
        "state": ("draft", "pending", "approved"),
        "attention": (None, "overdue", "not_found", "stuck"),
        "subject": ("s", "s", "t"),
        "ticket_sn": (None, "REQ1", "REQ2", "REQ3"),
        "submission": (None, 1, 2, 3),
        "due_at": (None, *range(10)),
        "updated_at": tuple(range(10)),
    }
    rows = [{name: dice.choice(values) for name, values in columns.items()} for _ in range(_ROWS)]
    # The first of the two rows that hold an open subject meets no other condition, and the second one meets all.
    rows[1] |= dict.fromkeys(("due_at", "updated_at"), 9) | dict.fromkeys(("attention", "ticket_sn"))
    rows[1] |= {"workflow": "logs", "state": "approved", "subject": "t", "open_subject": _HELD[0], "submission": 1}
    rows[2] |= _MEETS_ALL | {"open_subject": _HELD[1]}
    rows[_LAST] |= _MEETS_ALL
    for number, missing in _MISSES.values():
        rows[number] |= _MEETS_ALL | missing | {"open_subject": f"row {number:02}"}
    first, second = [], []
    for number, row in enumerate(rows):
        column = _MOVED[number % len(_MOVED)]
        before = dice.choice([value for value in columns[column] if value != row[column]])
        new = create(f"row {number:02}", **row | {column: before})
        is_claim = column == "due_at" and number // len(_MOVED) % 2
        first.append(new)
        second.append(claim(new.row, row["due_at"]) if is_claim else follow(new.row, **row))
    return first, second


def _combinations() -> Iterator[dict[str, Any]]:
    """Yield each condition on its own, each pair, and those that are given together."""
    yield {}
    for condition in _CONDITIONS:
        yield dict([condition])
    for pair in combinations(_CONDITIONS, 2):
        if pair[0][0] != pair[1][0]:
            yield dict(pair)
    every = dict(_CONDITIONS)
    for names in _TOGETHER:
        yield {name: every[name] for name in names}


def _nearly_all(model: Model) -> Iterator[Query]:
    """Yield a further page of all conditions but two, one or none, and of all with an open subject that misses one."""
    every = {name: value for name, value in _CONDITIONS if name != "open_subject"}
    (first,) = model.find(Query(ids=(_HELD[1],), limit=1))
    for order in Order:
        query = Query(order=order, after=cursor_at(first, order), limit=_ROWS)
        for left_out in chain.from_iterable(combinations(every, count) for count in range(3)):
            yield attrs.evolve(query, **{name: value for name, value in every.items() if name not in left_out})
        for number, _ in _MISSES.values():
            yield attrs.evolve(query, **every, open_subject=f"row {number:02}")


def _pages(model: Model, query: Query) -> Iterator[Query]:
    """Yield the query with a small limit: from the beginning, from the middle, and after the last row."""
    yield attrs.evolve(query, limit=_LIMIT)
    matching = model.find(query)
    for row in (matching[len(matching) // 2], matching[-1]) if matching else ():
        yield attrs.evolve(query, limit=_LIMIT, after=cursor_at(row, query.order))


def _with_an_empty_list(model: Model, query: Query) -> Iterator[Query]:
    """Yield a query of one condition or none with an empty list as well: from the beginning and from the middle."""
    given = [name for name, _ in _CONDITIONS if getattr(query, name) is not None]
    if len(given) > 1:
        return
    matching = model.find(query)
    for name in _LISTS:
        if name in given:
            continue
        none: dict[str, Any] = {name: ()}
        empty = attrs.evolve(query, **none)
        yield empty
        if matching:
            yield attrs.evolve(empty, limit=_LIMIT, after=cursor_at(matching[len(matching) // 2], query.order))


def _check(model: Model, query: Query, backend: StorageBackend) -> None:
    try:
        model.after_call("find", (query,), backend.find(query))
    except AssertionError as error:
        raise AssertionError(f"find({word(query)}): {error}") from error
