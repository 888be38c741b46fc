"""The files that a backend writes, and the content that would survive a power cut.

Runs in a separate process: it watches every file that Python opens there, and every sync. Writes and syncs by a C
library are not seen. It does not model that a renamed file's new name needs a sync of its directory.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itsm_workflow.testing.conformance._pipes import send
from itsm_workflow.testing.conformance._processes import commit_all, die

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    from itsm_workflow.storage.protocol import StorageBackend, Write

    Identity = tuple[int, int]

_SMALL = 64 * 1024
_TO_WRITE = os.O_WRONLY | os.O_RDWR


class Watch:
    """The files that this process opened for writing, and the content of each when it was last synced."""

    def __init__(self) -> None:
        sys.dont_write_bytecode = True
        self.syncs = 0
        self._paths: dict[str, None] = {}
        self._synced: dict[Identity, bytes] = {}
        sys.addaudithook(self._audit)
        for name in ("fsync", "fdatasync"):
            if hasattr(os, name):
                setattr(os, name, self._noting(getattr(os, name)))
        if sys.platform == "darwin":  # pragma: no cover  # there, fsync leaves the data in the drive's cache
            import fcntl  # noqa: PLC0415  # exists on POSIX only

            fcntl.fcntl = self._noting(fcntl.fcntl, only=fcntl.F_FULLFSYNC)

    def files(self) -> list[str]:
        """Return the paths of the regular files that were opened for writing and exist."""
        return [path for path in self._paths if Path(path).is_file()]

    def synced(self) -> dict[str, bytes]:
        """Return the content of each file that would survive a power cut now."""
        return {path: self._synced.get(_identity(Path(path).stat()), b"") for path in self.files()}

    def is_synced(self) -> bool:
        """Return whether a power cut now would leave every file of some size as it is: a small one may be a note."""
        large = {path: content for path, content in self.synced().items() if Path(path).stat().st_size > _SMALL}
        return all(Path(path).read_bytes() == content for path, content in large.items())

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | os.PathLike) and arguments[2] & _TO_WRITE:
            self._see(os.fspath(arguments[0]))
        elif event in {"os.rename", "os.link"}:
            self._see(os.fspath(arguments[1]))

    def _see(self, path: str | bytes) -> None:
        path = str(Path(os.fsdecode(path)).absolute())
        if path in self._paths:
            return
        self._paths[path] = None
        with suppress(OSError):  # a file that does not exist yet has no content to lose
            found = Path(path).stat()
            if stat.S_ISREG(found.st_mode):
                self._synced.setdefault(_identity(found), Path(path).read_bytes())

    def _noting(self, sync: Callable[..., Any], *, only: int | None = None) -> Callable[..., Any]:
        """Return a function that also records the file's content; of fcntl, only one command is a sync."""

        def noting(descriptor: Any, *rest: Any) -> Any:  # noqa: ANN401  # a number, or an object with a fileno
            done = sync(descriptor, *rest)
            if only is None or rest[:1] == (only,):
                self._note(os.fstat(descriptor if isinstance(descriptor, int) else descriptor.fileno()))
            return done

        return noting

    def _note(self, found: os.stat_result) -> None:
        if stat.S_ISREG(found.st_mode):
            self.syncs += 1
            for path in self.files():
                if _identity(Path(path).stat()) == _identity(found):
                    self._synced[_identity(found)] = Path(path).read_bytes()


def synced_files(
    unused: StorageBackend,
    pipe: Connection,
    opener: Callable[[], StorageBackend],
    commits: Sequence[Sequence[Write]],
    stops: bool,  # noqa: FBT001  # passed on by Other
) -> None:
    """Commit, and report what would survive a power cut.

    The report is the number of commits, and the content of each file, or None if nothing was synced.

    Args:
        unused: The store, opened before anything was watched.
        pipe: For the report.
        opener: Opens the store.
        commits: The writes of each commit.
        stops: Whether to make no further commit after one that leaves a file of some size which is not synced as it is.
    """
    unused.close()
    watch = Watch()
    backend = opener()
    before, made = watch.syncs, 0
    for writes in commits:
        commit_all(backend, writes)
        made += 1
        if stops and not watch.is_synced():
            break
    send(pipe, ("done", (made, watch.synced() if watch.syncs > before else None)))
    die()


def written_files(
    unused: StorageBackend, pipe: Connection, opener: Callable[[], StorageBackend], commits: Sequence[Sequence[Write]]
) -> None:
    """Commit, close the store, and report the paths of the written files, and whether one of them was appended to."""
    unused.close()
    watch = Watch()
    backend = opener()
    before: dict[str, bytes] = {}
    appended = False
    for writes in commits:
        commit_all(backend, writes)
        after = {path: Path(path).read_bytes() for path in watch.files()}
        appended |= any(old and old != new and new.startswith(old) for old, new in _pairs(before, after))
        before = after
    backend.close()
    send(pipe, ("done", (watch.files(), appended)))


def _pairs(before: dict[str, bytes], after: dict[str, bytes]) -> list[tuple[bytes, bytes]]:
    """Return the contents of the files that are in both, before and after."""
    return [(content, after[path]) for path, content in before.items() if path in after]


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino
