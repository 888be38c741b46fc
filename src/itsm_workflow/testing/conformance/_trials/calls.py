"""The calls of a process that change, read and lock its files: their kinds, their faults, and the record of them."""

from __future__ import annotations

import errno
import struct
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_HEAD = struct.Struct("<7q")


class Kind(IntFlag):
    """The kinds of calls; the numbers equal those of the C source in ``shim``."""

    NOTE = 0
    WRITE = 1
    SYNC = 2
    TRUNCATE = 4
    UNLINK = 8
    RENAME = 16
    CREATE = 32
    LINK = 64
    CLOSE = 128
    OPEN = 256
    READ = 512
    STAT = 1024
    LOCK = 2048
    MAP = 4096
    FLUSH_MAP = 8192
    IMPLIED_SYNC = 16384


CHANGES = Kind.WRITE | Kind.SYNC | Kind.TRUNCATE | Kind.UNLINK | Kind.RENAME | Kind.CREATE | Kind.LINK | Kind.CLOSE
READS = Kind.OPEN | Kind.READ | Kind.STAT
LOCKS = Kind.LOCK
NAMED = Kind.CREATE | Kind.RENAME | Kind.LINK
COUNTED = CHANGES | READS | LOCKS
WORDS = {
    Kind.WRITE: "write to",
    Kind.SYNC: "sync of",
    Kind.TRUNCATE: "truncation of",
    Kind.UNLINK: "removal of",
    Kind.RENAME: "rename of",
    Kind.CREATE: "creation of",
    Kind.LINK: "link from",
    Kind.CLOSE: "closing of",
    Kind.OPEN: "opening of",
    Kind.READ: "read of",
    Kind.STAT: "stat of",
    Kind.LOCK: "lock of",
    Kind.MAP: "memory map of",
    Kind.FLUSH_MAP: "sync of the memory map of",
    Kind.IMPLIED_SYNC: "write with a sync to",
}
"""The kinds of calls, in the words of a report; the path of the file follows."""


class Act(IntEnum):
    """The action on a call; the numbers equal those of the C source in ``shim``."""

    NOTHING = 0
    FAIL = 1
    SHORT = 2
    KILL_BEFORE = 3
    KILL_AFTER = 4
    TORN = 5
    """A write is cut short, and the write of its rest fails; another call fails."""
    STOP = 6
    """The process is stopped before the call."""
    TORN_AT_END = 7
    """A write leaves its last byte out, and the write of that byte fails; another call fails."""
    KILL_WITHIN = 8
    """A write leaves its last byte out, and the process is killed; it is killed before another call."""
    ALL_BUT_ONE = 9
    """A write leaves its last byte out."""
    INTERRUPT = 10
    """The process gets a signal during the call, whose handler raises; the call is made."""


class Interrupted(KeyboardInterrupt):
    """Raised by the handler of a signal during a call."""


class Cancelled(BaseException):
    """The same, of a class as a library of green threads has."""


@attrs.frozen
class Fault:
    """The fault of a call.

    Attributes:
        words: What happens to the call, in the words of a report.
        act: The action.
        error: The error number of a call that fails.
        every_time: Whether all later calls fail as well.
        raises: The exception that the handler of a signal raises.
        beside: The fault of each lock of another process that works meanwhile; None for no fault.
    """

    words: str
    act: Act
    error: int = 0
    every_time: bool = False
    raises: type[BaseException] | None = None
    beside: Fault | None = None


NO_FAULT = Fault("no fault", Act.NOTHING)
EIO = Fault("fails with EIO", Act.FAIL, errno.EIO)
EIO_FROM_THEN_ON = Fault("and each later one fails with EIO", Act.FAIL, errno.EIO, every_time=True)
ENOSPC = Fault("fails with ENOSPC", Act.FAIL, errno.ENOSPC)
ENOSPC_FROM_THEN_ON = Fault("and each later one fails with ENOSPC", Act.FAIL, errno.ENOSPC, every_time=True)
EINTR = Fault("fails with EINTR", Act.FAIL, errno.EINTR)
ENOLCK = Fault("fails with ENOLCK", Act.FAIL, errno.ENOLCK)
EACCES_ALWAYS, ESTALE_ALWAYS, EMFILE_ALWAYS, EIO_ALWAYS, ENOLCK_ALWAYS, EAGAIN_ALWAYS = (
    Fault(f"fails with {name}, and so does each later one of its kind on this file", Act.FAIL, number, every_time=True)
    for name, number in (
        ("EACCES", errno.EACCES),
        ("ESTALE", errno.ESTALE),
        ("EMFILE", errno.EMFILE),
        ("EIO", errno.EIO),
        ("ENOLCK", errno.ENOLCK),
        ("EAGAIN", errno.EAGAIN),
    )
)
INTERRUPTED = Fault("is interrupted by a KeyboardInterrupt", Act.INTERRUPT, raises=Interrupted)
CANCELLED = Fault("is interrupted by an exception that is not an Exception", Act.INTERRUPT, raises=Cancelled)
KILLED_BEFORE = Fault("is not made, since the process is killed", Act.KILL_BEFORE)
KILLED_AFTER = Fault("is the last one of the process, which is killed", Act.KILL_AFTER)
SHORT = Fault("writes half of it", Act.SHORT)
TORN = Fault("writes half of it and fails with ENOSPC", Act.TORN, errno.ENOSPC)
TORN_AT_END = Fault("writes all but its last byte and fails with ENOSPC", Act.TORN_AT_END, errno.ENOSPC)
KILLED_WITHIN = Fault("writes all but its last byte, and the process is killed", Act.KILL_WITHIN)
KILLS = {KILLED_BEFORE: "before", KILLED_WITHIN: "in the middle of"}
STOP = Fault("is not made, since the process is stopped", Act.STOP)
STOPS_BESIDE = tuple(attrs.evolve(STOP, beside=fault) for fault in (ENOLCK_ALWAYS, EAGAIN_ALWAYS, EINTR))


FAILED_BY_ITSELF = 2
"""The value of `Operation.failed` of a call that the system made fail."""


@attrs.frozen
class Operation:
    """One recorded call.

    Attributes:
        kind: Its kind.
        path: The absolute path of the file; for a note, its text.
        other: The new path of a rename or a link.
        inode: The file's number on its disk.
        at: The offset of a write, the new size of a truncation; for a creation, 1 if the file was there and was cut.
        data: The bytes that were written.
        failed: Whether it changed nothing: 1 if the fault made it fail, `FAILED_BY_ITSELF` if the system did.
    """

    kind: Kind
    path: str
    other: str = ""
    inode: int = 0
    at: int = 0
    data: bytes = b""
    failed: int = 0

    def encoded(self) -> bytes:
        """Return the operation as the C source writes it."""
        path, other = os_encoded(self.path), os_encoded(self.other)
        numbers = (self.kind, self.failed, self.inode, self.at, len(path), len(other), len(self.data))
        return _HEAD.pack(*numbers) + path + other + self.data


def decoded(record: bytes) -> Iterator[Operation]:
    """Yield the operations of a record; an incomplete one at its end is left out."""
    at = 0
    while at + _HEAD.size <= len(record):
        kind, failed, inode, offset, *sizes = _HEAD.unpack_from(record, at)
        at += _HEAD.size
        if at + sum(sizes) > len(record):
            return
        path, other, data = (record[at + sum(sizes[:n]) : at + sum(sizes[: n + 1])] for n in range(3))
        at += sum(sizes)
        path = path.removesuffix(b" (deleted)")
        yield Operation(Kind(kind), os_decoded(path), os_decoded(other), inode, offset, data, failed)


def os_encoded(path: str) -> bytes:
    """Return a path as the system has it."""
    return path.encode(errors="surrogateescape")


def os_decoded(path: bytes) -> str:
    """Return a path of the system as text."""
    return path.decode(errors="surrogateescape")


class Watch(Protocol):
    """The view of the calls of this process, which can make one of them fail.

    Attributes:
        sees_libraries: Whether the calls of libraries in C are seen as well.
    """

    sees_libraries: bool

    def arm(
        self,
        folders: Sequence[Path],
        kinds: Kind,
        fault: Fault = NO_FAULT,
        at: int = 0,
        *,
        only: Path | None = None,
    ) -> None:
        """Count the calls of these kinds on files below the folders from now on.

        Args:
            folders: The folders; none to stop counting.
            kinds: The kinds of calls.
            fault: The fault of one call.
            at: The number of the call with the fault, from 1; 0 for no fault.
            only: The only file whose calls are counted.
        """
        ...

    def disarm(self) -> None:
        """Stop counting, and let every call pass."""
        ...

    def record(self, descriptor: int) -> None:
        """Record the calls of these kinds, and those that name a file, in this open file, which is in no folder."""
        ...

    def note(self, text: str) -> None:
        """Add a note to the record."""
        ...

    def count(self) -> int:
        """Return the number of calls since `arm`."""
        ...

    def struck(self) -> str:
        """Return the call with the fault, as in ``fsync of /path``; empty if it was not reached."""
        ...

    def skip_syncs(self) -> None:
        """Count the syncs of this process, but do not make them."""
        ...

    def set_clock(self, seconds: int) -> None:
        """Let the wall clock of this process stand still at this time, in seconds."""
        ...

    def skip_sleeps(self) -> None:
        """Let the clocks of this process advance instead of waiting."""
        ...
