"""The host's transaction on this thread's connection of Django, which a submission can join."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import attrs
from django.db import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Joined(threading.local):
    """The number of blocks of this thread that let its commits join the host's transaction."""

    def __init__(self) -> None:
        self.depth = 0


@attrs.frozen
class DjangoTransaction:
    """A transaction of the host, see `HostTransaction`.

    Attributes:
        alias: The name of the database.
        joined: The store's record of the threads that join.
    """

    alias: str
    joined: Joined

    @property
    def refusal(self) -> str:
        """See `HostTransaction.refusal`."""
        return f"a transaction is open on the database {self.alias!r}"

    @property
    def advice(self) -> str:
        """See `HostTransaction.advice`."""
        return (
            "Call it after the transaction, for example by transaction.on_commit, or take the view out of "
            "ATOMIC_REQUESTS by transaction.non_atomic_requests; a new change may join the transaction by "
            "apply(..., send='on_commit')"
        )

    @contextlib.contextmanager
    def joining(self) -> Iterator[None]:
        """Let the commits of this thread in the block join the transaction."""
        self.joined.depth += 1
        try:
            yield
        finally:
            self.joined.depth -= 1

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """Change nothing: Django has one connection in a thread."""
        yield

    def on_commit(self, call: Callable[[], object], /) -> None:
        """Call a function after the commit, and not if a part of the transaction with this call is undone."""
        transaction.on_commit(call, using=self.alias, robust=True)
