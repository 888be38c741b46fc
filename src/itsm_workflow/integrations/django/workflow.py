"""A `Workflow` for Django: closes broken database connections around effects and looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itsm_workflow.integrations.django.connections import fresh_connections, with_fresh_connections
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.runtime.effects import Effect, StateT
    from itsm_workflow.runtime.per_process import Closes


class DjangoWorkflow(Workflow):
    """A `Workflow` for a process of Django.

    Django closes expired and broken connections at the begin and the end of each request. Effects and looks after
    callbacks run outside of requests, so this class does the same around each of them.

    If the store is in Django's own database, ``django://alias``, the methods that write or that ask the gateway raise
    a RuntimeError while the host has a transaction open there, by ``atomic()`` or ``ATOMIC_REQUESTS``. `apply` can
    join it by ``send="on_commit"``, without ``within``.

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
        super().__init__(effects=with_fresh_connections(effects), **arguments)

    def close(self, *, seconds: float | None = None) -> None:
        """Close the workflow, see `Workflow.close`, and then what it owns."""
        super().close(seconds=seconds)
        for one in self._owned:
            one.close()
