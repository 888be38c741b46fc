"""Calls that a server answers too slowly, all at the same time: each of them takes as long as its deadline."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from itsm_workflow.testing.gateway_conformance._trial import asked, within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.testing.gateway_conformance._faults import Fault
    from itsm_workflow.testing.gateway_conformance._trial import Trial

T = TypeVar("T")

_AT_ONCE = 16


def slow_answers(
    trial: Trial, calls: Sequence[tuple[str, str, Fault, Callable[[TicketGateway], T]]]
) -> list[tuple[str, str, T | None]]:
    """Make calls by a gateway each, behind a proxy each, and return what happened, the call's name and its answer.

    Args:
        trial: The trial whose ticket system is asked.
        calls: For each call what happens, its name, the fault of its proxy, and the call.

    Raises:
        BrokenPromise: A call has not ended within `TicketSystem.patience`, or raised another error than a GatewayError.
    """

    def answered(one: tuple[str, str, Fault, Callable[[TicketGateway], T]]) -> tuple[str, str, T | None]:
        happens, name, fault, call = one
        with trial.beside(fault) as gateway:
            asking = partial(asked, name, partial(call, gateway))
            return happens, name, within(trial.system.patience, f"{happens}: {name}", asking)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(answered, calls))
