"""Optional abilities of a backend, beyond the storage port.

Each ability is a protocol. A backend has the ability if the class that its entry point names implements the protocol.
If a backend lacks an ability that a command needs, the command line lists the backends that have it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

from itsm_workflow.storage.protocol import EntryRow, Query, Row, Schema

if TYPE_CHECKING:
    from pathlib import Path

ContentCheck = Callable[[Row, Sequence[EntryRow]], str | None]
"""A function that returns what is wrong with the content of a change and its history, or None.

The caller of a backend passes it, because a backend knows its own format only.
"""


@attrs.frozen(kw_only=True)
class Repair:
    """The result of a repair.

    Attributes:
        problems: The damage that was found. If it is empty, the store was intact and was not changed.
        original: The path at which the damaged file was kept, or None.
        restored: The changes that were restored to their last write before the damage, each with the version of that
            write. Each of them has lost at least one later write, so check its ticket before you continue with it.
            They have no due time, so that no worker acts on them before that.
        dropped: The ids of the changes of which no complete write is left.
        lost: The number of missing commits of which the changes are unknown; 1 may mean more than one. If it is not
            0, any change may have lost its last writes.
    """

    problems: tuple[str, ...] = ()
    original: Path | None = None
    restored: dict[str, int] = attrs.field(factory=dict)
    dropped: tuple[str, ...] = ()
    lost: int = 0


@attrs.frozen(kw_only=True)
class Restored:
    """The result of a restore.

    Attributes:
        store: The path of the store, which now holds a copy of the backup.
        changes: The number of changes in it.
        aside: The paths to which the files of the previous store were moved.
    """

    store: Path
    changes: int
    aside: tuple[Path, ...] = ()


@runtime_checkable
class SupportsBackup(Protocol):
    """A backend that can copy a store while other processes use it."""

    def backup(self, url: str, target: str, /) -> None:
        """Write a consistent copy of the store to a new file.

        The copy is checked and durable, and can be opened as a store. Only its owner can read it. Writers are not
        blocked for long. The store is neither changed nor migrated.

        Raises:
            StorageUnavailable: The store does not exist, the target exists already, or it cannot be written.
            StorageCorrupt: The store is damaged; no file was made.
        """
        ...


@runtime_checkable
class SupportsCounts(Protocol):
    """A backend that can count rows without returning them."""

    def count(self, query: Query, before: Sequence[int] = (), /) -> tuple[int, ...]:
        """Count the rows of a page: those that `StorageBackend.find` would return.

        The cost is bounded by the query's limit if an index lists the rows that match, as for a state.

        Args:
            query: The query.
            before: Times in microseconds.

        Returns:
            The number of rows, and for each time the number of those whose last entry is not later.

        Raises:
            StorageUnavailable: The store cannot be read.
        """
        ...


@runtime_checkable
class SupportsMigration(Protocol):
    """A backend that changes the tables of a server by a command of its own, not when a store is opened."""

    def migrate(self, url: str, /) -> Schema:
        """Create or upgrade the tables of a store.

        Returns:
            The schema that was found before, 0 if there was no store, and the newest schema, which the store has now.

        Raises:
            StorageUnavailable: The server cannot be reached, or refused the account.
            StorageSchemaError: A newer version wrote the store; nothing was changed.
        """
        ...

    def migration_sql(self, url: str, /) -> str:
        """Return the SQL statements that `migrate` would execute, or an empty text; nothing is changed.

        Raises:
            StorageError: As `migrate`.
        """
        ...


@runtime_checkable
class SupportsRepair(Protocol):
    """A backend that can make a damaged store usable again."""

    def repair(self, path: str | Path, /, *, check: ContentCheck | None = None) -> Repair:
        """Keep everything that can be read, keep the damaged file under another name, and report what was lost.

        A change is dropped if the check finds its content wrong.

        Raises:
            StorageUnavailable: The store does not exist, or other processes use it; nothing was changed.
            StorageCorrupt: The store is entirely unreadable; nothing was changed.
            StorageSchemaError: A newer version wrote it; nothing was changed.
        """
        ...


@runtime_checkable
class SupportsRestore(Protocol):
    """A backend that can replace a store by a backup."""

    def restore(self, url: str, source: str, /, *, check: ContentCheck | None = None) -> Restored:
        """Replace the store by a copy of the backup, and keep the previous files under other names.

        The copy is put in place durably and in one step. The backup is checked first, including the content of each
        change, and is not changed itself.

        Raises:
            StorageUnavailable: The backup does not exist, other processes use the store, or the store cannot be
                written; it was not changed.
            StorageCorrupt: The backup is damaged, or is not a store; nothing was changed.
            StorageSchemaError: A newer version wrote the backup; nothing was changed.
        """
        ...


@runtime_checkable
class TellsDamage(Protocol):
    """A backend that can find damage that reading a change does not reveal."""

    def damage(self) -> Sequence[str]:
        """Return the damage of the open store, one clause each; empty if the store is intact.

        The backend reads the whole store, unless it did so when it opened the store, and changes nothing. Other
        processes may use the store meanwhile. The content of each change has its own digest and is not checked here.

        Raises:
            StorageUnavailable: The store cannot be read.
        """
        ...
