"""The view of this process's calls without a C compiler: the functions of Python that make them are replaced.

The calls of a library in C, such as SQLite's, are not seen, nor are functions that a module imported by name before.
"""

from __future__ import annotations

import builtins
import io
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itsm_workflow.testing.conformance._trials.calls import NAMED, NO_FAULT, Act, Fault, Kind, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import SupportsFloat

    from _typeshed import ReadableBuffer

_LONGER = 50
_SIGNALS = {Act.KILL_BEFORE: signal.SIGKILL, Act.STOP: signal.SIGSTOP}
_TO_WRITE = os.O_WRONLY | os.O_RDWR


class Patched:
    """The view of this process's calls through Python's own functions, see `Watch`. It is never taken back."""

    sees_libraries = False

    def __init__(self) -> None:
        self._folders: tuple[str, ...] = ()
        self._kinds, self._fault, self._at, self._only = Kind(0), NO_FAULT, 0, ""
        self._calls, self._struck, self._torn = 0, "", -1
        self._record = -1
        self._paths: dict[int, str] = {}
        self._writable: set[int] = set()
        self._ahead = 0.0
        self._unsynced = False
        self._real = {name: getattr(os, name) for name in ("open", "write", "fstat", "lstat", "close", "kill")}
        self._patch()

    def arm(
        self,
        folders: Sequence[Path],
        kinds: Kind,
        fault: Fault = NO_FAULT,
        at: int = 0,
        *,
        only: Path | None = None,
    ) -> None:
        """Count calls from now on, see `Watch.arm`."""
        self._folders = tuple("" if str(folder) == "/" else str(folder) for folder in folders)
        self._kinds, self._fault, self._at, self._only = kinds, fault, at, "" if only is None else str(only)
        self._calls, self._struck, self._torn = 0, "", -1

    def disarm(self) -> None:
        """Stop counting, see `Watch.disarm`."""
        self._folders = ()

    def record(self, descriptor: int) -> None:
        """Record the counted calls, see `Watch.record`."""
        self._record = descriptor

    def note(self, text: str) -> None:
        """Add a note to the record, see `Watch.note`."""
        self._add(Operation(Kind.NOTE, text))

    def count(self) -> int:
        """Return the number of calls, see `Watch.count`."""
        return self._calls

    def struck(self) -> str:
        """Return the call with the fault, see `Watch.struck`."""
        return self._struck

    def skip_syncs(self) -> None:
        """Do not make the syncs, see `Watch.skip_syncs`."""
        self._unsynced = True

    def set_clock(self, seconds: int) -> None:
        """Let the wall clock stand still, see `Watch.set_clock`; that of `datetime` goes on."""
        time.time = lambda: float(seconds)
        time.time_ns = lambda: seconds * 10**9

    def skip_sleeps(self) -> None:
        """Let the clocks advance instead of waiting, see `Watch.skip_sleeps`."""

        def sleep(seconds: SupportsFloat, /) -> None:
            self._ahead += float(seconds) * _LONGER

        time.sleep = sleep  # type: ignore[assignment]  # it takes more types than these
        for name in ("monotonic", "time", "perf_counter"):
            setattr(time, name, self._shifted(getattr(time, name)))

    def _shifted(self, clock: Callable[[], float]) -> Callable[[], float]:
        return lambda: clock() + self._ahead

    # ---------------------------------------------------------------- which calls count

    def _watched(self, path: str) -> bool:
        inside = any(path == folder or path.startswith(f"{folder}/") for folder in self._folders)
        return inside and not path.startswith(("/proc/", "/dev/"))

    def _path(self, name: Any) -> str:  # noqa: ANN401  # whatever the function takes: a path or a descriptor
        if isinstance(name, int):
            return self._paths.get(name, "")
        return str(Path(os.fsdecode(name)).absolute())

    def _due(self, kind: Kind, call: str, path: str, descriptor: int = -1) -> Act:
        if not kind & self._kinds or not self._watched(path) or self._only not in {"", path}:
            return Act.NOTHING
        self._calls += 1
        act = Act.NOTHING
        if self._at and (self._calls == self._at or (self._fault.every_time and self._calls > self._at)):
            act = self._fault.act
        if act is Act.KILL_WITHIN and kind is not Kind.WRITE:
            act = Act.KILL_BEFORE
        if act in {Act.TORN, Act.TORN_AT_END}:
            self._torn = descriptor if kind is Kind.WRITE else -1
            part = Act.SHORT if act is Act.TORN else Act.ALL_BUT_ONE
            act = part if kind is Kind.WRITE else Act.FAIL
        else:
            if kind is Kind.WRITE and descriptor >= 0 and descriptor == self._torn:
                act = Act.FAIL
            self._torn = -1
        if act is not Act.NOTHING and not self._struck:
            self._struck = f"{call} of {path}"
        if act in _SIGNALS:
            self._real["kill"](os.getpid(), _SIGNALS[act])
        return act

    def _add(self, operation: Operation) -> None:
        if self._record >= 0 and (operation.kind is Kind.NOTE or operation.kind & (self._kinds | NAMED)):
            self._real["write"](self._record, operation.encoded())

    def _inode(self, descriptor: int) -> int:
        with suppress(OSError):
            return int(self._real["fstat"](descriptor).st_ino)
        return 0

    def _made(self, kind: Kind, call: str, path: str, make: Callable[[], Any], **about: Any) -> Any:  # noqa: ANN401
        """Make a call that is not a write, or fail it, and record it."""
        act = self._due(kind, call, path)
        seen = bool(kind & (self._kinds | NAMED)) and self._watched(path)
        if act is Act.FAIL:
            self._add(Operation(kind, path, failed=1, **about))
            raise OSError(self._fault.error, os.strerror(self._fault.error), path)
        try:
            result = make()
        except OSError:
            if seen:
                self._add(Operation(kind, path, failed=2, **about))
            raise
        if seen:
            if kind is Kind.CREATE:
                about["inode"] = self._inode(result)
            self._add(Operation(kind, path, **about))
        if act is Act.KILL_AFTER:
            self._real["kill"](os.getpid(), signal.SIGKILL)
        if act is Act.INTERRUPT:
            self._real["kill"](os.getpid(), signal.SIGINT)
        return result

    def written(self, descriptor: int, data: ReadableBuffer, write: Callable[[Any], int], at: int | None) -> int:
        """Write to a descriptor, or fail."""
        path = self._paths.get(descriptor, "")
        act = self._due(Kind.WRITE, "write", path, descriptor)
        inode = self._inode(descriptor)
        if act is Act.FAIL:
            self._add(Operation(Kind.WRITE, path, inode=inode, failed=1))
            raise OSError(self._fault.error, os.strerror(self._fault.error), path)
        whole = memoryview(data).cast("B")
        part = whole
        if act is Act.SHORT and len(whole) > 1:
            part = whole[: len(whole) // 2]
        elif act in {Act.ALL_BUT_ONE, Act.KILL_WITHIN} and len(whole) > 1:
            part = whole[:-1]
        done = write(part)
        if self._watched(path):
            place = os.lseek(descriptor, 0, os.SEEK_CUR) - done if at is None else at
            self._add(Operation(Kind.WRITE, path, inode=inode, at=place, data=bytes(part[:done])))
        if act in {Act.KILL_AFTER, Act.KILL_WITHIN}:
            self._real["kill"](os.getpid(), signal.SIGKILL)
        if act is Act.INTERRUPT:
            self._real["kill"](os.getpid(), signal.SIGINT)
        return done

    # ---------------------------------------------------------------- the functions that are replaced

    def _patch(self) -> None:
        real_open, real_read, real_close = self._real["open"], os.read, self._real["close"]
        real_write, real_pwrite = self._real["write"], os.pwrite

        def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:  # noqa: ANN401
            place = self._path(path) if dir_fd is None else str(Path(self._paths.get(dir_fd, "")) / os.fsdecode(path))
            kind, was = self._opening(place, flags)
            name = "open" if kind is Kind.OPEN else "creation"
            descriptor = self._made(kind, name, place, lambda: real_open(path, flags, mode, dir_fd=dir_fd), at=was)
            self.remember(descriptor, place, writable=bool(flags & _TO_WRITE))
            return int(descriptor)

        def closed(fd: int) -> None:
            self.closed(fd, lambda: real_close(fd))

        os.open, os.close = opened, closed
        os.write = lambda fd, data: self.written(fd, data, lambda part: real_write(fd, part), None)
        os.pwrite = lambda fd, data, at: self.written(fd, data, lambda part: real_pwrite(fd, part, at), at)
        os.read = lambda fd, size: self._made(Kind.READ, "read", self._paths.get(fd, ""), lambda: real_read(fd, size))
        for name in ("fsync", "fdatasync"):
            if hasattr(os, name):
                setattr(os, name, self._syncing(name, getattr(os, name)))
        for name, kind in (("unlink", Kind.UNLINK), ("remove", Kind.UNLINK), ("rmdir", Kind.UNLINK)):
            setattr(os, name, self._of_a_path(name, kind, getattr(os, name)))
        for name, kind in (("stat", Kind.STAT), ("lstat", Kind.STAT), ("listdir", Kind.OPEN), ("scandir", Kind.OPEN)):
            setattr(os, name, self._of_a_path(name, kind, getattr(os, name)))
        for name, kind in (("rename", Kind.RENAME), ("replace", Kind.RENAME), ("link", Kind.LINK)):
            setattr(os, name, self._of_two_paths(name, kind, getattr(os, name)))
        for name in ("truncate", "ftruncate"):
            setattr(os, name, self._truncating(getattr(os, name)))
        builtins.open = io.open = self._open
        os.fdopen = lambda fd, mode="r", *rest, **options: self._open(fd, mode, *rest, **options)

    def _opening(self, path: str, flags: int) -> tuple[Kind, int]:
        """Return the kind of call that opens a path, and 1 if it cuts a file that is there."""
        if not self._watched(path):
            return Kind.OPEN, 0
        try:
            was = self._real["lstat"](path).st_size
        except OSError:
            return (Kind.CREATE, 0) if flags & os.O_CREAT else (Kind.OPEN, 0)
        return (Kind.CREATE, 1) if flags & os.O_TRUNC and was else (Kind.OPEN, 0)

    def _open(self, file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        """Open a file as ``open`` does, with raw calls that are seen."""
        raw_mode = "".join(letter for letter in mode if letter in "rwax+")
        raw = _WatchedFile(self, file, raw_mode, options.pop("closefd", True), options.pop("opener", None))
        if buffering == 0:
            return raw
        size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
        kind = io.BufferedRandom if "+" in mode else io.BufferedReader if "r" in mode else io.BufferedWriter
        buffered = kind(raw, size)
        if "b" in mode:
            return buffered
        return io.TextIOWrapper(buffered, *rest, **{**options, "line_buffering": buffering == 1})

    def remember(self, descriptor: int, path: str, *, writable: bool) -> None:
        """Remember the path of a descriptor that was opened."""
        self._paths[descriptor] = path
        if writable:
            self._writable.add(descriptor)

    def read(self, descriptor: int, read: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Read from a descriptor, or fail."""
        return self._made(Kind.READ, "read", self._paths.get(descriptor, ""), read)

    def truncated(self, descriptor: int, size: int, truncate: Callable[[], int]) -> int:
        """Truncate a file, or fail."""
        path, inode = self._paths.get(descriptor, ""), self._inode(descriptor)
        return int(self._made(Kind.TRUNCATE, "ftruncate", path, truncate, inode=inode, at=size))

    def closed(self, descriptor: int, close: Callable[[], None]) -> None:
        """Close a descriptor, and fail afterwards if that is the fault."""
        path, writable = self._paths.pop(descriptor, ""), descriptor in self._writable
        self._writable.discard(descriptor)
        act = self._due(Kind.CLOSE, "close", path) if writable else Act.NOTHING
        close()
        if writable and self._watched(path):
            self._add(Operation(Kind.CLOSE, path, failed=int(act is Act.FAIL)))
        if act is Act.FAIL:
            raise OSError(self._fault.error, os.strerror(self._fault.error), path)

    def _syncing(self, name: str, real: Callable[[Any], None]) -> Callable[[Any], None]:
        def sync(file: Any) -> None:  # noqa: ANN401  # a descriptor, or an object that has one
            descriptor = file if isinstance(file, int) else file.fileno()
            path, inode = self._paths.get(descriptor, ""), self._inode(descriptor)
            self._made(Kind.SYNC, name, path, lambda: None if self._unsynced else real(file), inode=inode)

        return sync

    def _of_a_path(self, name: str, kind: Kind, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any = ".", *rest: Any, **options: Any) -> Any:  # noqa: ANN401
            return self._made(kind, name, self._path(path), lambda: real(path, *rest, **options))

        return call

    def _of_two_paths(self, name: str, kind: Kind, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(old: Any, new: Any, **options: Any) -> None:  # noqa: ANN401
            other = self._path(new)
            self._made(kind, name, self._path(old), lambda: real(old, new, **options), other=other)

        return call

    def _truncating(self, real: Callable[[Any, int], None]) -> Callable[[Any, int], None]:
        def truncate(file: Any, size: int) -> None:  # noqa: ANN401
            inode = self._inode(file) if isinstance(file, int) else self._real["lstat"](file).st_ino
            make = lambda: real(file, size)  # noqa: E731
            self._made(Kind.TRUNCATE, "ftruncate", self._path(file), make, inode=inode, at=size)

        return truncate


class _WatchedFile(io.FileIO):
    """A raw file whose calls are seen."""

    def __init__(self, watch: Patched, file: Any, mode: str, closefd: bool, opener: Any) -> None:  # noqa: ANN401, FBT001
        self._watch = watch
        own = opener or (lambda path, flags: os.open(path, flags, 0o666))
        if isinstance(file, int):
            super().__init__(file, mode, closefd)
        else:
            super().__init__(file, mode, closefd, opener=own)
            watch.remember(self.fileno(), str(Path(os.fsdecode(file)).absolute()), writable=mode != "r")

    def write(self, data: ReadableBuffer) -> int:
        return self._watch.written(self.fileno(), data, super().write, None)

    def truncate(self, size: int | None = None) -> int:
        size = self.tell() if size is None else size
        return self._watch.truncated(self.fileno(), size, lambda: io.FileIO.truncate(self, size))

    def read(self, size: int | None = -1) -> Any:  # noqa: ANN401
        return self._watch.read(self.fileno(), lambda: io.FileIO.read(self, -1 if size is None else size))

    def readall(self) -> Any:  # noqa: ANN401
        return self._watch.read(self.fileno(), lambda: io.FileIO.readall(self))

    def readinto(self, buffer: Any) -> Any:  # noqa: ANN401
        return self._watch.read(self.fileno(), lambda: io.FileIO.readinto(self, buffer))

    def close(self) -> None:
        if not self.closed:
            self._watch.closed(self.fileno(), super().close) if self.closefd else super().close()
