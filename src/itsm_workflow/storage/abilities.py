"""What some backends can do for a store besides the port.

Each ability is a protocol that the class behind an entry point fits or not. The command line asks for it, and names the
backends that have it when another one is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

from itsm_workflow.storage.protocol import EntryRow, Row

if TYPE_CHECKING:
    from pathlib import Path

ContentCheck = Callable[[Row, Sequence[EntryRow]], str | None]
"""Says what is wrong with the content of a change and its history, or None: a backend knows its own form alone."""


@attrs.frozen(kw_only=True)
class Repair:
    """What a repair found and did.

    Attributes:
        problems: What was damaged. Empty: nothing was, and nothing was done.
        original: Where the file is kept as it was, or None.
        restored: Changes that are back as of their last write before the damage, with the version of that. They have
            lost at least one later write, so look each one's ticket up before you go on with it. They are due at no
            time, so that nothing acts on them before.
        dropped: Changes of which no whole write is left.
        lost: How many commits are missing without a trace of what they were about; 1 may stand for more. If any, each
            change may have lost its last writes.
    """

    problems: tuple[str, ...] = ()
    original: Path | None = None
    restored: dict[str, int] = attrs.field(factory=dict)
    dropped: tuple[str, ...] = ()
    lost: int = 0


@attrs.frozen(kw_only=True)
class Restored:
    """What a restore did.

    Attributes:
        store: The file of the store, which is the backup now.
        changes: How many changes it holds.
        aside: Where the files are now that were the store before.
    """

    store: Path
    changes: int
    aside: tuple[Path, ...] = ()


@runtime_checkable
class SupportsBackup(Protocol):
    """Copies a store while others use it."""

    def backup(self, url: str, target: str, /) -> None:
        """Write the store as of one moment to a new file, checked and durable, without holding up its writers for long.

        The store is neither changed nor migrated. The file is readable by its owner only, and opens as a store.

        Raises:
            StorageUnavailable: There is no store, something stands at the target, or it cannot be written.
            StorageCorrupt: The store is damaged; no file was made.
        """
        ...


@runtime_checkable
class SupportsRepair(Protocol):
    """Makes a damaged store usable again."""

    def repair(self, path: str | Path, /, *, check: ContentCheck | None = None) -> Repair:
        """Take over what can be read, keep the file as it was beside it, and say what was lost.

        A change whose content the check finds wrong is left out.

        Raises:
            StorageUnavailable: There is no store, or others use it; nothing was changed.
            StorageCorrupt: Nothing of it can be read; nothing was changed.
            StorageSchemaError: A newer version wrote it; nothing was changed.
        """
        ...


@runtime_checkable
class SupportsRestore(Protocol):
    """Brings a backup back."""

    def restore(self, url: str, source: str, /, *, check: ContentCheck | None = None) -> Restored:
        """Put a copy of the backup in the store's place, durably and in one step, and keep what was there beside it.

        The backup is checked first, also for content that the check finds wrong, and is not changed.

        Raises:
            StorageUnavailable: There is no backup, others use the store, or it cannot be written; the store is as it
                was.
            StorageCorrupt: The backup is damaged, or no store; nothing was changed.
            StorageSchemaError: A newer version wrote the backup; nothing was changed.
        """
        ...


@runtime_checkable
class TellsDamage(Protocol):
    """Looks for damage that reading a change does not show."""

    def damage(self) -> Sequence[str]:
        """Return what is damaged of the open store, a clause for each; empty if nothing is found.

        It reads the whole store, unless that was read when it was opened, while others use it, and changes nothing.
        The content of each change has a digest of its own and is not looked into.

        Raises:
            StorageUnavailable: The store cannot be read.
        """
        ...
