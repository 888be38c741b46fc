"""Fresh database connections around work outside of requests."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

import attrs
from django.db import close_old_connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow.runtime.effects import Effect, EffectCall, StateT


@contextlib.contextmanager
def fresh_connections() -> Iterator[None]:
    """Close this thread's expired and broken database connections before and after the block.

    A connection in a transaction stays open.
    """
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()


def with_fresh_connections(
    effects: Mapping[StateT, Sequence[Effect]] | None,
) -> Mapping[StateT, Sequence[Effect]] | None:
    """Return effects whose functions run with fresh connections; values of other types are returned unchanged."""
    if not hasattr(effects, "items") or effects is None:
        return effects  # `Workflow` reports the wrong type
    return {state: _wrapped(listed) for state, listed in effects.items()}


def _wrapped(listed: Sequence[Effect]) -> Sequence[Effect]:
    if not isinstance(listed, list | tuple):
        return listed
    return [attrs.evolve(one, run=_fresh(one.run)) if callable(getattr(one, "run", None)) else one for one in listed]


def _fresh(run: Callable[[EffectCall], object]) -> Callable[[EffectCall], object]:
    @functools.wraps(run)
    def with_fresh(call: EffectCall) -> object:
        with fresh_connections():
            return run(call)

    return with_fresh
