"""The words in which the kit says what is wrong, where the defect is easily overlooked."""

from __future__ import annotations

import os
import pickle
import unicodedata
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance._wording import said
from itsm_workflow_backends.memory import MemoryBackend
from tests.conformance.good import OneFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from itsm_workflow.storage.protocol import Conflict, Row, Write
    from tests.conformance.good import Changes


class Misspelt(OneFile):
    """Has an error of programming in one method."""

    def get(self, change_id: str, /) -> Row | None:
        """Fail."""
        return self._misspelt(change_id)  # type: ignore[attr-defined,no-any-return]  # as meant


class ReportsDamage(OneFile):
    """Says in the port's words that its file cannot be read."""

    def _read(self) -> Changes:
        try:
            return super()._read()
        except (EOFError, pickle.UnpicklingError) as error:
            raise StorageCorrupt("the file is damaged") from error


class SyncsTooEarly(ReportsDamage):
    """Syncs the file before Python has written to it."""

    def _store(self, after: Changes, _stored: Sequence[str]) -> None:
        new = self._path.with_name("new")
        with new.open("wb") as file:
            pickle.dump(after, file)
            os.fsync(file.fileno())
        new.replace(self._path)


class WritesInPlace(ReportsDamage):
    """Writes over the content of its file; an empty file is an empty store."""

    def _data(self) -> bytes | None:
        return super()._data() or None

    def _store(self, after: Changes, _stored: Sequence[str]) -> None:
        with self._path.open("r+b" if self._path.exists() else "wb") as file:
            pickle.dump(after, file)
            file.flush()
            os.fsync(file.fileno())


def wrong(backend: type[OneFile], tmp_path: Path, only: str) -> str:
    """Return what the check says is wrong with one promise."""
    number = count()
    report = check_storage(
        lambda: partial(backend, tmp_path / f"store{next(number)}"), abilities=backend.abilities, only=only
    )
    (broken,) = report.broken.values()
    return broken.reason


def test_an_error_of_programming_names_its_line(tmp_path: Path) -> None:
    """With its file."""
    line = Misspelt.get.__code__.co_firstlineno + 2
    said = f"AttributeError: 'Misspelt' object has no attribute '_misspelt' ({__file__}, line {line})"
    assert wrong(Misspelt, tmp_path, "every column") == said


def test_a_sync_of_a_file_that_is_not_written_yet_is_explained(tmp_path: Path) -> None:
    """By the number of bytes that were synced."""
    said = wrong(SyncsTooEarly, tmp_path, "power cut loses")
    assert said.startswith("the store cannot be read after the power cut, when only 0 of ")
    assert said.endswith(" bytes of store1 were synced: StorageCorrupt: the file is damaged")


class TakesAnyClaim(OneFile):
    """Does not compare the version of a write without entries."""

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        if not write.entries and write.row.id in changes:
            write = attrs.evolve(write, expected_version=changes[write.row.id][0].version)
        return super()._put(changes, write)


def test_a_claim_with_a_stale_version_is_named(tmp_path: Path) -> None:
    """It has no entries, so nothing is said of their numbers."""
    assert wrong(TakesAnyClaim, tmp_path, "a stale version loses").startswith(
        "ValueError: change 'c1': a write without entries has the seq 1, but the last stored entry has number 2; "
        "compare the versions first, since that of such a write can be stale ("
    )


class FindsNormalForms(MemoryBackend):
    """Looks for a change by the normal form of its id if there is none of its id."""

    def get(self, change_id: str, /) -> Row | None:
        """Return the row of either."""
        return super().get(change_id) or super().get(unicodedata.normalize("NFC", change_id))


def test_texts_that_look_alike_are_told_apart() -> None:
    """Both are printed in ASCII, and the reason says that they are two texts."""
    (result,) = check_storage(lambda: FindsNormalForms, only="another spelling").broken.values()
    assert result.reason.startswith("'l\\xf3g' was found for 'lo\\u0301g', which is another text; it is ")
    assert result.calls[-1].startswith("get('lo\\u0301g') -> 'l\\xf3g' v1 ")
    assert all(line.isascii() for line in result.calls)


def test_the_end_of_a_path_is_shown() -> None:
    """It names the file of the store; the folders before it are those of the check."""
    path = f"/srv/somewhere/trial.check-3i00y36b/4/changes/{'55b5a0f0' * 8}"
    error = OSError(f"cannot write to {path}: the file does not exist")
    shown = "OSError: 'cannot write to …/changes/55b5a0f0…a0f055b5a0f0: the file does not exist'"
    assert said("get", ("a",), error) == f"get('a') raised {shown}"
    assert said("get", ("a",), OSError("no /srv/x: busy")) == "get('a') raised OSError: 'no /srv/x: busy'"


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the trials fork processes")
def test_a_torn_write_is_named(tmp_path: Path) -> None:
    """Where the whole write, or nothing of it, would be right."""
    said = wrong(WritesInPlace, tmp_path, "at any moment")
    assert said == "a write that was torn by the power cut is not made good: StorageCorrupt: the file is damaged"
