"""The author's ticket system, checked and with an error of one of its methods named after the method."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, cast

from itsm_workflow.testing.gateway_conformance._verdicts import BrokenPromise
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from itsm_workflow.testing.gateway_conformance._system import TicketSystem


def check_system(system: TicketSystem) -> None:
    """Check the attributes with which a promise would test something else than it says.

    Raises:
        TypeError: `TicketSystem.secrets` is not a list of texts.
        ValueError: One of the secrets is empty, so that every text would contain it.
    """
    name, secrets = type(system).__name__, cast("object", system.secrets)
    if not isinstance(secrets, list | tuple | set | frozenset) or not all(isinstance(one, str) for one in secrets):
        raise TypeError(f"{name}.secrets: must be a list or tuple of texts, such as (TOKEN,), not {_kind(secrets)}")
    if "" in secrets:
        raise ValueError(f"{name}.secrets: one of them is empty, and every text contains it; leave it out")


def reported(system: TicketSystem) -> TicketSystem:
    """Return a ticket system that reports an error of one of its methods as a broken promise, with the name."""
    return cast("TicketSystem", _Reported(system))


def raised_words(system: TicketSystem, method: str, error: Exception) -> str:
    """Return the words for an error of a method of the ticket system."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(system).__name__}.{method} raised {describe(error)} ({place.filename}, line {place.lineno}), so the "
        "gateway could not be tested: it is a method of the ticket system, not of the gateway"
    )


class _Reported:
    def __init__(self, system: TicketSystem) -> None:
        self._system = system

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a ticket system
        value = getattr(self._system, name)
        if not callable(value):
            return value

        def call(*arguments: object, **options: object) -> object:
            try:
                return value(*arguments, **options)
            except NotImplementedError:
                raise  # the promise is skipped
            except Exception as error:
                raise BrokenPromise(raised_words(self._system, name, error)) from error

        return call


def _kind(secrets: object) -> str:
    if isinstance(secrets, list | tuple | set | frozenset):
        return f"a {type(secrets).__name__} with another value"
    return f"a {type(secrets).__name__}"  # its value may be the secret
