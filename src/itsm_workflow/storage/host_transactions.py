"""Stores in the host's own database, whose commits can join a transaction of the host.

In such a transaction, only a submission is stored. The library sends its request after the host's commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


class HostTransaction(Protocol):
    """A transaction that the host has open in the database of the store."""

    @property
    def refusal(self) -> str:
        """The begin of a sentence that refuses other work, as in "a transaction is open on the database 'default'"."""
        ...

    @property
    def advice(self) -> str:
        """A sentence that says how to do the other work after the transaction."""
        ...

    def joining(self) -> AbstractContextManager[None]:
        """Let what this thread reads and commits in the block be a part of the transaction.

        A commit in the block is not repeated. A conflict leaves the transaction usable; after an error, the host has to
        undo it.
        """
        ...

    def apart(self) -> AbstractContextManager[None]:
        """Let what this thread reads and commits in the block be a part of no transaction, if the store can do so."""
        ...

    def on_commit(self, call: Callable[[], object], /) -> None:
        """Call a function after the transaction was committed. It raises no error.

        The store may call it although a part of the transaction was undone, or although it does not know whether the
        commit succeeded: the function reads the store.
        """
        ...


@runtime_checkable
class JoinsTransactions(Protocol):
    """A store whose commits can join a transaction of the host."""

    def host_transaction(self) -> HostTransaction | None:
        """Return the transaction of the host in which this thread is, as far as the store knows, or None."""
        ...

    def transaction_to_join(self, within: object, /) -> HostTransaction | None:
        """Return the transaction that a submission joins, or None if no transaction is open.

        Args:
            within: The host's connection or session, or None. A store that finds the transaction itself takes None.

        Raises:
            TypeError: The object is neither a connection nor a session.
            ValueError: The object is missing, superfluous or cannot be joined; the message says what to pass.
            StorageUnavailable: The session cannot give its connection.
        """
        ...
