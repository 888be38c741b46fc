"""Broken backends that detect damage to their files, and do the wrong thing then."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import pickle
from contextlib import suppress
from typing import TYPE_CHECKING
from unittest import mock

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow_backends.json_file import JSONFileBackend
from itsm_workflow_backends.json_file._replay import Replay
from tests.conformance.caught import Caught
from tests.conformance.good import FilePerChange

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from itsm_workflow.storage.protocol import Conflict, EntryRow, Row, Write
    from tests.conformance.good import Changes


class TrustsDamagedLines(JSONFileBackend):
    """Knows of the damage, and works on."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        with mock.patch.multiple(Replay, check=mock.DEFAULT, check_writable=mock.DEFAULT):
            return super().commit(writes)

    def get(self, change_id: str, /) -> Row | None:
        with mock.patch.multiple(Replay, check=mock.DEFAULT, check_writable=mock.DEFAULT):
            return super().get(change_id)


class LooksPastDamagedFiles(FilePerChange):
    """Skips damaged files when it looks for a row or for the holder of a subject, and reports them by id only."""

    def get(self, change_id: str, /) -> Row | None:
        super()._read()
        return super().get(change_id)

    def _read(self) -> Changes:
        found = {}
        for file in self._files():
            with suppress(StorageCorrupt):
                row, entries = self._change(file)
                found[row.id] = row, entries
        return found


class TakesAnEmptyFileForNothing(FilePerChange):
    """Takes an empty file for a change that does not exist."""

    def _files(self) -> list[Path]:
        return [file for file in super()._files() if file.stat().st_size]


class TrustsLargeRows(FilePerChange):
    """Compares the digest of a file of 64 KiB at most, and reads a larger one as it is, to save time."""

    def _change(self, file: Path) -> tuple[Row, tuple[EntryRow, ...]]:
        if file.stat().st_size <= 1 << 16:
            return super()._change(file)
        change: tuple[Row, tuple[EntryRow, ...]] = pickle.loads(file.read_bytes()[32:])  # noqa: S301  # its own
        return change


ZOO = {
    TrustsDamagedLines: Caught(
        "damage is reported and never read",
        "may raise ``StorageUnavailable`` or ``StorageCorrupt``",
        "A change is written on top of a state that was never approved.",
    ),
    LooksPastDamagedFiles: Caught(
        "damage is reported and never read",
        "may raise ``StorageUnavailable`` or ``StorageCorrupt``",
        "A second ticket is filed for a collector, since the file of the open change is damaged.",
    ),
    TakesAnEmptyFileForNothing: Caught(
        "damage is reported and never read",
        "may raise ``StorageUnavailable`` or ``StorageCorrupt``",
        "A change whose file was emptied is reported as unknown, and is applied for once more.",
    ),
    TrustsLargeRows: Caught(
        "damage is reported and never read",
        "may raise ``StorageUnavailable`` or ``StorageCorrupt``",
        "A long form is applied with other words than were approved.",
    ),
}
"""By broken backend: the promise that catches it, words of the quoted sentence, and the harm to a user."""
