"""A workflow whose effects and looks in the background take care of Django's database connections."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import attrs
from django.db import close_old_connections

from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow.runtime.effects import Effect, EffectCall, StateT
    from itsm_workflow.runtime.per_process import Closes


class DjangoWorkflow(Workflow):
    """A `Workflow` for a process of Django.

    Django closes expired and broken connections at the begin and the end of each request. Effects and looks after
    callbacks run outside of requests, so this class does the same around each of them.

    The arguments are those of `Workflow`, and one more.

    Args:
        effects: As for `Workflow`.
        owned: Objects that `close` closes after the workflow, such as its gateway.
        arguments: The other arguments of `Workflow`.
    """

    def __init__(
        self,
        *,
        effects: Mapping[StateT, Sequence[Effect]] | None = None,
        owned: Sequence[Closes] = (),
        **arguments: Any,
    ) -> None:
        self._around_look = fresh_connections
        self._owned = tuple(owned)
        super().__init__(effects=_with_fresh_connections(effects), **arguments)

    def close(self, *, seconds: float | None = None) -> None:
        """Close the workflow, see `Workflow.close`, and then what it owns."""
        super().close(seconds=seconds)
        for one in self._owned:
            one.close()


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


def _with_fresh_connections(
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
    def with_fresh_connections(call: EffectCall) -> object:
        with fresh_connections():
            return run(call)

    return with_fresh_connections
