"""What a host passes is checked before anything is done, and the error names the argument."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import Workflow

LONG = dt.timedelta.max

WRONG: dict[str, tuple[str, list[Any], list[Any]]] = {
    "limit": ("reconcile", [2.5, "3", True, b"1"], [-1]),
    "seconds": ("reconcile", ["5", True, dt.timedelta(1)], [-1, -0.5, math.nan, -math.inf]),
    "readers": ("reconcile", [None, 1.0, "4", True], [0, -2]),
    "progress": ("reconcile", [5, "print"], []),
    "states": ("find", ["pending", 5, [5], [None]], []),
    "attention": ("find", ["overdue", 5, [b"overdue"]], []),
    "subject": ("find", [5, b"collector-1"], []),
    "sn": ("find", [5, ["REQ1"]], []),
    "older_than": ("find", [5, "1 day"], [dt.timedelta(seconds=-1), LONG]),
    "on_damage": ("find", [5], []),
}
CASES = [
    (method, argument, value, error)
    for argument, (method, types, values) in WRONG.items()
    for error, given in ((TypeError, types), (ValueError, values))
    for value in given
]
CLOSING = [("close", "seconds", value, TypeError) for value in ("1", True)] + [
    ("close", "seconds", value, ValueError) for value in (-1, math.nan, math.inf)
]


@pytest.mark.parametrize(("method", "argument", "value", "error"), [*CASES, *CLOSING])
def test_argument_of_no_use_is_named(method: str, argument: str, value: object, error: type[Exception]) -> None:
    """The error says what the argument takes; the store and the gateway are not asked."""
    world = World()
    workflow = world.workflow()
    world.apply(workflow)
    world.clock.advance(301)
    before = world.store.get(next(workflow.find()).id)

    with pytest.raises(error, match=rf"^{method}\({argument}=\.\.\.\) takes .*"):
        getattr(workflow, method)(**{argument: value})

    assert world.store.get(next(workflow.find()).id) == before


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda workflow: workflow.settle(5), "settle(change_id)"),
        (lambda workflow: workflow.resolve(5), "resolve(name)"),
        (lambda workflow: workflow.resolve(None), "resolve(name)"),
    ],
)
def test_name_that_is_not_text_is_refused(call: Callable[[Workflow], object], named: str) -> None:
    """It names nothing."""
    with pytest.raises(TypeError, match=f"^{re.escape(named)} takes text, not "):
        call(World().workflow())


def test_numbers_that_make_sense_are_taken() -> None:
    """Infinity is no bound, and 0 is a pass that begins nothing."""
    world = World()
    workflow = world.workflow()
    world.apply(workflow)
    world.clock.advance(301)

    assert workflow.reconcile(limit=0).due == workflow.reconcile(seconds=0).due == 0
    assert workflow.reconcile(limit=10**30, seconds=math.inf, readers=1000).due == 1
    assert [change.subject for change in workflow.find(states=iter(["pending"]), older_than=dt.timedelta())] == [
        "collector-1"
    ]
    workflow.close(seconds=0)
