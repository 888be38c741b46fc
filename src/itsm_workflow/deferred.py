"""Functions whose call runs nothing: async functions and generator functions, and what such a call returns.

Where a host's function has to do or to answer something, its call would return an object that has yet to run: the work
would count as done, and the object, which is true, could count as an answer.
"""

from __future__ import annotations

import functools
import inspect

from itsm_workflow.text import kind_of

ADVICE = "run it with asyncio.run or asgiref's async_to_sync inside an ordinary function"
"""What a host does with an async function."""


def deferred_kind(function: object) -> str:
    """Return ``an async function`` or the like, if a call of a function runs nothing; empty for an ordinary function.

    It looks through `functools.partial`, and at ``__call__`` of an object.
    """
    while isinstance(function, functools.partial):
        function = function.func
    kinds = (
        ("an async function", inspect.iscoroutinefunction),
        ("an async generator function", inspect.isasyncgenfunction),
        ("a generator function", inspect.isgeneratorfunction),
    )
    called: object = getattr(type(function), "__call__", None)  # noqa: B004 - the method itself is looked at
    return next((kind for kind, is_one in kinds if is_one(function) or is_one(called)), "")


def why_deferred(function: object, *, may_yield: bool = False) -> str:
    """Return what is wrong with a function whose call runs nothing, and what to do; empty for an ordinary function.

    Args:
        function: The function.
        may_yield: Whether a generator function is fine, because what it yields is read.
    """
    kind = deferred_kind(function)
    if not kind or (may_yield and kind == "a generator function"):
        return ""
    advice = ADVICE if kind == "an async function" else "write an ordinary function, without yield"
    return f"{kind}, whose call runs nothing: {advice}"


def close_deferred(returned: object) -> bool:
    """Return whether what a function returned has yet to run; a coroutine or a generator is closed."""
    if inspect.iscoroutine(returned) or inspect.isgenerator(returned):
        returned.close()  # a coroutine that is not awaited would warn when it is freed
        return True
    return inspect.isawaitable(returned) or inspect.isasyncgen(returned)


def check_done(returned: object) -> None:
    """Refuse what a function returned if it has yet to run; a coroutine or a generator is closed.

    Raises:
        TypeError: It is an awaitable, a generator or an async generator.
    """
    if close_deferred(returned):
        raise TypeError(f"the function returned {kind_of(returned)}, which has yet to run: {ADVICE}")
