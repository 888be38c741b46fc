"""A function whose call runs nothing is known in each of its forms, and what it returns is closed."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.deferred import check_done, close_deferred, deferred_kind, why_deferred
from tests.support.deferred import Later, Now, later, now, steps, stream

if TYPE_CHECKING:
    from collections.abc import Callable

ASYNC, STREAM, STEPS = "an async function", "an async generator function", "a generator function"


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (later, ASYNC),
        (stream, STREAM),
        (steps, STEPS),
        (Later(), ASYNC),
        (Later().method, ASYNC),
        (functools.partial(functools.partial(later, 1), 2), ASYNC),
        (functools.partial(Later(), 1), ASYNC),
        (functools.partial(steps, 1), STEPS),
        (now, ""),
        (Now(), ""),
        (functools.partial(now, 1), ""),
        (Later, ""),
        (print, ""),
        (None, ""),
    ],
)
def test_the_kind_of_a_function_is_known(function: object, kind: str) -> None:
    """Also behind a partial and in an object; a wrapper that runs an async function is an ordinary one."""
    assert deferred_kind(function) == kind
    assert why_deferred(function).startswith(f"{kind}, whose call runs nothing: " if kind else "")
    assert bool(why_deferred(function)) == bool(kind)


def test_a_generator_function_is_fine_where_it_is_read() -> None:
    """And only a plain one."""
    assert not why_deferred(steps, may_yield=True)
    assert why_deferred(stream, may_yield=True)


@pytest.mark.parametrize("function", [later, stream, steps])
def test_what_has_yet_to_run_is_refused(function: Callable[[], object]) -> None:
    """The coroutine is closed: pytest would report one that was never awaited."""
    returned = function()
    with pytest.raises(TypeError, match=r"which has yet to run: run it with asyncio\.run"):
        check_done(returned)
    if inspect.iscoroutine(returned):
        assert inspect.getcoroutinestate(returned) == inspect.CORO_CLOSED
    if inspect.isgenerator(returned):
        assert inspect.getgeneratorstate(returned) == inspect.GEN_CLOSED


@pytest.mark.parametrize("returned", [None, True, "done", [1], iter([1]), now])
def test_every_other_result_is_fine(returned: object) -> None:
    """A host may return what it likes."""
    check_done(returned)
    assert not close_deferred(returned)
