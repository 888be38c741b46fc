"""What a host passes is checked before anything is done, and the error names the argument."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import InvalidForm
from itsm_workflow.machine.evidence import Decision
from itsm_workflow.storage.protocol import Query
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
    "states": ("find", ["pending", 5, [5], [None]], [["aproved"], ["pending", "Pending"], [""]]),
    "attention": ("find", ["overdue", 5, [b"overdue"]], [["overdu"]]),
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


def test_unknown_name_in_a_filter_is_refused_with_the_known_ones() -> None:
    """The filter would match nothing, which looks like an answer."""
    workflow = World().workflow()
    with pytest.raises(ValueError, match=r"the states of collector_change: draft, applying, .*; not 'aproved'$"):
        workflow.find(states=["aproved"])
    with pytest.raises(ValueError, match=r"the reasons of attention: not_found, .*; not 'overdu'$"):
        workflow.find(attention=["overdu"])


@pytest.mark.parametrize("query", ["collector_change", None, ["collector_change"]])
def test_other_workflows_takes_a_query(query: Any) -> None:  # noqa: ANN401 - wrong on purpose
    """The name of a workflow is not one."""
    with pytest.raises(TypeError, match=r"^other_workflows\(query\) takes a Query, not "):
        World().workflow().other_workflows(query)


@pytest.mark.parametrize(("limit", "error"), [("x", TypeError), (0, ValueError), (-1, ValueError)])
def test_other_workflows_checks_its_query(limit: Any, error: type[Exception]) -> None:  # noqa: ANN401 - wrong on purpose
    """As a store does, although the limit is used before a store is asked."""
    with pytest.raises(error, match=r"^Query\.limit must be "):
        World().workflow().other_workflows(Query(limit=limit))


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


@pytest.mark.parametrize("value", ["no", "", 1, 0, None])
@pytest.mark.parametrize("method", ["status", "why"])
def test_flag_that_is_not_a_bool_is_refused(method: str, value: object) -> None:
    """The text no is true."""
    world = World()
    workflow = world.workflow()
    change = world.apply(workflow)

    with pytest.raises(TypeError, match=rf"^{method}\(live=\.\.\.\) takes True or False, not "):
        getattr(workflow, method)(change.id, live=value)


class Unshowable:
    """A value whose representation fails."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("value", [["x"] * 1_000_000, Unshowable(), -(10**5000)], ids=["long", "unshowable", "huge"])
def test_a_wrong_value_is_shown_briefly(value: object) -> None:
    """Whatever its representation is: the error is about the argument."""
    workflow = World().workflow()
    calls: list[tuple[str, Callable[[], object]]] = [
        ("form_check", lambda: workflow.preview(subject="s", title="t", applicant="a", form_check=value)),  # type: ignore[arg-type] # wrong on purpose
        ("reconcile(limit=...)", lambda: workflow.reconcile(limit=value)),  # type: ignore[arg-type] # wrong on purpose
        ("reconcile(seconds=...)", lambda: workflow.reconcile(seconds=value)),  # type: ignore[arg-type] # wrong on purpose
        ("settle(change_id)", lambda: workflow.settle(value)),  # type: ignore[arg-type] # wrong on purpose
        ("find(older_than=...)", lambda: list(workflow.find(older_than=value))),  # type: ignore[arg-type] # wrong on purpose
        ("find(states=...)", lambda: list(workflow.find(states=[value]))),  # type: ignore[list-item] # wrong on purpose
    ]
    for argument, call in calls:
        with pytest.raises((TypeError, ValueError), match=f"^{re.escape(argument)} takes ") as refused:
            call()
        assert len(str(refused.value)) < 200


def test_valid_numbers_are_accepted() -> None:
    """Infinity means no limit, and 0 is a pass that begins nothing."""
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


@pytest.mark.parametrize("actor", ["", " ", "\udcff", "a\x00b", "x" * 201, 5])
def test_actor_that_cannot_be_kept_is_named(actor: str) -> None:
    """As every other wrong value: field, value and rule, and nothing was stored."""
    world = World()
    workflow = world.workflow()
    with pytest.raises(InvalidForm, match="actor"):
        workflow.apply(subject="collector-1", title="t", applicant="alice", approvers=["carol"], actor=actor)
    assert list(workflow.find()) == []
    change = world.apply(workflow)
    with pytest.raises(InvalidForm, match="actor"):
        workflow.withdraw(change.id, actor=actor, reason="r")


def test_reason_that_cannot_be_kept_is_named() -> None:
    """In whatever evidence it comes."""
    world = World()
    workflow = world.workflow()
    change = world.apply(workflow)
    with pytest.raises(InvalidForm, match="reason"):
        workflow.fire(change.id, "request_withdrawal", Decision(reason="\udcff"), actor="alice")
