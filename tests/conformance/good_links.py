"""A correct backend without a lock: a folder with a file for each commit, whose name only one commit can take."""

# ruff: noqa: D102  # the port says what each method is for

from __future__ import annotations

import hashlib
import os
import pickle
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage import checks
from itsm_workflow.storage.files import sync_directory, unavailable
from tests.conformance.good import PlainDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow.storage.protocol import Conflict, Write
    from tests.conformance.good import Changes

_DIGEST = 32


class LinkedCommits(PlainDict):
    """Changes in numbered files, one for each commit; a file is synced before it is linked to the next number."""

    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process", "fsync", "checksums"})
    _doubtful = False

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = Path(path)
        with unavailable("make", self._path):
            self._path.mkdir(exist_ok=True)
            sync_directory(self._path.parent)

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        checks.check_writes(writes)
        while True:
            self._check_open()
            changes, number = self._replayed()
            answer = [self._put(changes, write) for write in writes]
            names = [write.row.id for write, conflict in zip(writes, answer, strict=True) if conflict is None]
            if not names or self._is_linked(number, {name: changes[name] for name in names}):
                return answer

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        self._check_open()
        yield self._replayed()[0]

    def _replayed(self) -> tuple[Changes, int]:
        """Return the changes, and the number of the last commit."""
        changes: Changes = {}
        number = 0
        while True:
            file = self._path / str(number + 1)
            with unavailable("read", file):
                try:
                    data = file.read_bytes()
                except FileNotFoundError:
                    return changes, number
            if hashlib.sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
                raise StorageCorrupt(f"{file} is damaged", path=str(file))
            changes |= pickle.loads(data[_DIGEST:])  # noqa: S301  # its own
            number += 1

    def _is_linked(self, number: int, stored: Changes) -> bool:
        """Store a commit after that of a number, and return False if another one has taken its place."""
        content = pickle.dumps(stored)
        new = self._path / f"new-{uuid.uuid4().hex}"
        with unavailable("write to", self._path):
            self._sync()  # the names that this commit follows, which other processes may not have synced yet
            try:
                with new.open("xb") as file:
                    file.write(hashlib.sha256(content).digest() + content)
                    file.flush()
                    os.fsync(file.fileno())
                os.link(new, self._path / str(number + 1))
            except FileExistsError:
                return False
            finally:
                new.unlink(missing_ok=True)
            self._sync()
        return True

    def _sync(self) -> None:
        if self._doubtful:
            raise StorageUnavailable(f"a sync of {self._path} has failed, and is not repeated: open it again")
        try:
            sync_directory(self._path)
        except OSError:
            self._doubtful = True
            raise
