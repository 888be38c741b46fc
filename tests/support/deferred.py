"""Functions of each kind whose call runs nothing, and ordinary ones beside them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


async def later(*_: object) -> bool:
    """Return a coroutine."""
    return True


async def stream(*_: object) -> AsyncIterator[int]:
    """Return an async generator."""
    yield 1


def steps(*_: object) -> Iterator[int]:
    """Return a generator."""
    yield 1


def now(*_: object) -> bool:
    """Run."""
    return True


class Later:
    """An object whose call returns a coroutine."""

    async def __call__(self, *_: object) -> bool:
        """Return a coroutine."""
        return True

    async def method(self, *_: object) -> bool:
        """Return a coroutine."""
        return True


class Now:
    """An object that runs when it is called, made of a coroutine function."""

    def __init__(self) -> None:
        functools.update_wrapper(self, later)

    def __call__(self, *_: object) -> bool:
        """Run."""
        return True
