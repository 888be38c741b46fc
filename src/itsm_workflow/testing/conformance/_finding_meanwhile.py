"""Finds in the middle of which another thread commits: in each loop of the code that a find executes."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from itsm_workflow.storage.protocol import Order, Query
from itsm_workflow.testing.conformance._insistent import Insistent
from itsm_workflow.testing.conformance._lines import at_place, middles_of_loops, packages_of
from itsm_workflow.testing.conformance._racing import read, tried
from itsm_workflow.testing.conformance._rows import NOW, create, follow
from itsm_workflow.testing.conformance._wording import word

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import Rows, StorageBackend
    from itsm_workflow.testing.conformance._lines import Place
    from itsm_workflow.testing.conformance._recording import RecordedBackend

_ROWS = 12
_LEAD = 0.05
"""The seconds that the writer has before the find goes on."""
_THE_LIBRARY = frozenset({"itsm_workflow"})
"""Its table may be what a backend looks through."""
_SHARED: dict[str, Any] = {
    "workflow": "shared",
    "state": "shared",
    "attention": "shared",
    "subject": "shared",
    "ticket_sn": "shared",
    "submission": 1,
    "due_at": NOW,
}
_OTHER: dict[str, Any] = dict.fromkeys(_SHARED, "other") | {"submission": None, "due_at": None}
_MOVING = "meanwhile-moving"
_STEADY = [f"meanwhile{number:02}" for number in range(_ROWS)]
_ONE_OF = {"states": ("shared",), "attention": ("shared",), "ticket_sns": ("shared",), "ids": (*_STEADY, _MOVING)}
_QUERIES: list[dict[str, Any]] = [
    {"workflow": "shared"},
    {"subject": "shared"},
    *({name: values} for name, values in _ONE_OF.items()),
    {"due_before": NOW, "order": Order.DUE_AT},
    {"updated_before": NOW + 1, "order": Order.UPDATED_AT},
    {"order": Order.SUBMISSION},
]


def find_while_others_write(backend: RecordedBackend) -> None:
    """Find by each condition and in each order; meanwhile a change begins to match, and another one no longer does.

    Raises:
        AssertionError: A find left out a change that matched throughout.
    """
    own = packages_of(backend.bare) | _THE_LIBRARY
    insistent = Insistent(backend)
    insistent.commit([create(name, **_SHARED) for name in (*_STEADY, _MOVING)])
    guarded: set[Place] = set()
    number = 0
    for conditions in _QUERIES:
        query = Query(**conditions, limit=1000)
        for place, turn in middles_of_loops(partial(insistent.find, query), _ROWS, of=own):
            if place not in guarded:
                number += 1
                writer = _writer(insistent, number)
                with at_place(place, partial(_begin, writer, place, guarded), of=own, turn=turn):
                    page = insistent.find(query)
                if writer.ident:  # else this find did not come there
                    writer.join()
                _check_found(query, page)


def _writer(backend: StorageBackend, number: int) -> threading.Thread:
    """Return a thread that makes a change, and moves another one into the queries or out of them."""
    moved = follow(read(backend, _MOVING), **(_OTHER if number % 2 else _SHARED))
    write = partial(tried, backend, moved, create(f"meanwhile-new{number}", **_SHARED))
    return threading.Thread(target=write, name="the writer", daemon=True)


def _begin(writer: threading.Thread, place: Place, guarded: set[Place]) -> None:
    """Let the writer commit; if it has to wait for the find, a lock guards the place in every query."""
    writer.start()
    writer.join(_LEAD)
    if writer.is_alive():
        guarded.add(place)


def _check_found(query: Query, page: Rows) -> None:
    names = [row.id for row in page.rows if row.id in _STEADY]
    assert names == _STEADY, f"find({word(query)}), while another thread commits, returned of {_STEADY} only {names}"
