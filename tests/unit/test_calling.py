"""Whether a function takes the arguments with which it is called."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.calling import why_not_called
from tests.support.deferred import Now

if TYPE_CHECKING:
    from collections.abc import Callable


def none() -> None:
    """Take nothing."""


def one(call: object) -> None:
    """Take one argument."""


def two(actor: object, *, change: object) -> None:
    """Need an argument that is never passed."""


class Unfindable:
    """A callable whose annotation cannot be read."""

    @property
    def __signature__(self) -> object:
        """Raise, as an annotation with a name for type checkers only does on Python 3.14."""
        raise NameError("EffectCall")

    def __call__(self) -> None:
        """Run."""


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (none, ("call",), "is called with (call), which it does not take: too many positional arguments"),
        (one, (), "is called with (), which it does not take: missing a required argument: 'call'"),
        (two, ("actor", "act"), "is called with (actor, act), which it does not take: "),
        (functools.partial(one, 1), ("call",), "is called with (call), which it does not take: "),
        (none, (), ""),
        (one, ("call",), ""),
        (functools.partial(two, change=1), ("actor",), ""),
        (Now(), ("call",), ""),
        (print, ("call",), ""),
        (dict, ("call",), ""),
        (Unfindable(), ("call",), ""),
    ],
)
def test_a_function_that_does_not_take_its_arguments_is_found(
    function: Callable[..., object], arguments: tuple[str, ...], words: str
) -> None:
    """One whose parameters are not known is believed."""
    found = why_not_called(function, *arguments)
    assert found.startswith(words)
    assert bool(found) == bool(words)
