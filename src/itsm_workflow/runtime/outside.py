"""The methods that are refused while the host has a transaction open in the database of the store.

What such a method stores could be undone after the gateway was asked, and the locks of the transaction would be held
while the gateway is asked.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from itsm_workflow.storage.host_transactions import JoinsTransactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import StorageBackend


class _HasStorage(Protocol):
    @property
    def storage(self) -> StorageBackend: ...


class _HasJournal(Protocol):
    @property
    def _journal(self) -> _HasStorage: ...


SelfT = TypeVar("SelfT", bound=_HasJournal)
P = ParamSpec("P")
R = TypeVar("R")


def check_outside(storage: StorageBackend, method: str) -> None:
    """Refuse a method in a transaction of the host.

    Raises:
        RuntimeError: The host has a transaction open in the database of the store.
    """
    transaction = storage.host_transaction() if isinstance(storage, JoinsTransactions) else None
    if transaction is not None:
        raise RuntimeError(
            f"{method} was refused, and nothing was stored or sent: {transaction.refusal}. It could be undone after "
            f"the gateway was asked, and its locks would be held meanwhile. {transaction.advice}"
        )


def outside_transactions(method: Callable[Concatenate[SelfT, P], R]) -> Callable[Concatenate[SelfT, P], R]:
    """Return a method of `Workflow` that is refused in a transaction of the host, see `check_outside`."""

    @functools.wraps(method)
    def checked(self: SelfT, /, *args: P.args, **arguments: P.kwargs) -> R:
        check_outside(self._journal.storage, method.__name__)
        return method(self, *args, **arguments)

    return checked
