"""Broken backends that take a file which cannot be reached for one that does not exist."""

# ruff: noqa: D102  # a class says what is broken, the port says what each method is for

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import EntryRows
from itsm_workflow_backends.json_file import JSONFileBackend
from tests.conformance.caught import Caught
from tests.conformance.good import FilePerChange, OneFile

if TYPE_CHECKING:
    from tests.conformance.good import Changes


class TakesAForbiddenFileForNone(OneFile):
    """Takes a file that it may not open for a store that was not made yet."""

    def _data(self) -> bytes | None:
        try:
            return super()._data()
        except PermissionError:
            return None


class LooksWhetherItsFileExists(OneFile):
    """Looks whether its file exists by a function that answers no if it cannot look."""

    def _data(self) -> bytes | None:
        return super()._data() if os.path.exists(self._path) else None  # noqa: PTH110  # it takes each error for no


class SkipsStaleFiles(FilePerChange):
    """Skips files whose handle is stale, as if another process had just removed them."""

    def _read(self) -> Changes:
        changes: Changes = {}
        for file in self._files():
            try:
                row, entries = self._change(file)
                changes[row.id] = row, entries
            except OSError as error:
                if error.errno != errno.ESTALE:
                    raise
        return changes


class HasNoHistoryWithoutAFileToOpen(JSONFileBackend):
    """Answers that a change has no history if the process has too many files open."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        try:
            return super().history(change_id, after_seq, limit)
        except StorageUnavailable as error:
            if getattr(error.__cause__, "errno", None) != errno.EMFILE:
                raise
            return EntryRows(entries=())


ZOO: dict[type, Caught] = {
    TakesAForbiddenFileForNone: Caught(
        "a failed read does not find nothing",
        "A read that fails raises",
        "All changes are reported as unknown after an administrator has copied the store, and the next commit erases "
        "them.",
    ),
    LooksWhetherItsFileExists: Caught(
        "a failed read does not find nothing",
        "A read that fails raises",
        "All changes are gone after one was stored while the network drive did not answer.",
    ),
    SkipsStaleFiles: Caught(
        "a failed read does not find nothing",
        "A read that fails raises",
        "A gate refuses what was approved, because the file server was restarted.",
    ),
    HasNoHistoryWithoutAFileToOpen: Caught(
        "a failed read does not find nothing",
        "A read that fails raises",
        "A change is reported as damaged while a server has too many connections.",
    ),
}
"""By broken backend: the promise that catches it, and no other promise about errors does."""
