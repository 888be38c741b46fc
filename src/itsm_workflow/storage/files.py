"""What every backend that keeps a file asks of the file system before it trusts a path.

A store is a regular file under one name, readable by its owner only. Links are refused, so that nobody who can write to
the directory can make the store write elsewhere.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

# Not every system has each of them. Without O_NONBLOCK, opening a FIFO would wait for a writer.
SAFE_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))

_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(rb"\\([0-7]{3})")

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

_ADVICE = {
    errno.ENOENT: "its directory does not exist: create that first",
    errno.ENOTDIR: "something on the way to it is a file, not a directory",
    errno.EACCES: "this user may not write there: check the owner and the mode of the file and of its directory",
    errno.EPERM: "the system does not permit it: check the attributes of the file and of its directory",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the quota is used up: free some space",
    errno.EFBIG: "it would grow beyond the largest size that is allowed",
    errno.ELOOP: "it is a symbolic link: give the path that it leads to",
}


@contextmanager
def unavailable(doing: str, path: Path) -> Iterator[None]:
    """Turn what the operating system says into StorageUnavailable with an advice."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))
        raise StorageUnavailable(f"cannot {doing} {path}: {advice}", path=str(path)) from error


def look_at(path: Path) -> os.stat_result | None:
    """Return what stands at the path if it is a regular file with one name, or None if nothing stands there.

    Raises:
        StorageUnavailable: It is something else.
    """
    with unavailable("look at", path):
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, "no regular file")
        raise StorageUnavailable(f"cannot use {path}: it is {what}, a store is a regular file", path=str(path))
    if found.st_nlink > 1:
        # A rename or a companion file beside one of the names would leave the other one behind.
        raise StorageUnavailable(f"cannot use {path}: the file has {found.st_nlink} names (hard links)", path=str(path))
    return found


def check_writable(path: Path) -> None:
    """Refuse a place where this user cannot write, before anything is opened or made there.

    Args:
        path: The file, which need not exist yet.

    Raises:
        StorageUnavailable: The file or its directory cannot be written, there is no such directory, or the file is a
            mount point.
    """
    real = os.access in os.supports_effective_ids
    with unavailable("write to", path):
        found = look_at(path)
        directory = path.parent.stat()
        for place, status, mode in ((path, found, os.R_OK | os.W_OK), (path.parent, directory, os.W_OK | os.X_OK)):
            if status is not None and not os.access(place, mode, effective_ids=real):
                read_only = hasattr(os, "statvfs") and os.statvfs(place).f_flag & os.ST_RDONLY
                raise OSError(errno.EROFS if read_only else errno.EACCES, "not writable", str(place))
        if found is not None and _is_mount_point(path, found, directory):
            raise StorageUnavailable(
                f"cannot use {path}: it is itself a mount point: mount its directory instead, since the files beside a "
                "store (logs, locks) are part of it, and a store must be opened by one path",
                path=str(path),
            )


def _is_mount_point(path: Path, found: os.stat_result, directory: os.stat_result) -> bool:
    """Tell whether the file alone was mounted there, as a container may be given one."""
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:  # not Linux
        return found.st_dev != directory.st_dev
    place = os.fsencode(path.parent.resolve() / path.name)
    return any(_ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), line.split()[4]) == place for line in lines)


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Give the path of an empty file to write; it is put at the target, durably, when the block ends well.

    Raises:
        StorageUnavailable: Something stands at the target, which is never overwritten, or it cannot be written there.
    """
    check_writable(target)
    with unavailable("write", target):
        _check_free(target)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(descriptor)
        try:
            yield Path(name)
            with Path(name).open("r+b") as written:
                sync(written.fileno())
            try:
                os.link(name, target)
            except FileExistsError:
                _check_free(target)
            except OSError:  # a file system without links
                _check_free(target)
                Path(name).rename(target)
            sync_directory(target.parent)
        finally:
            Path(name).unlink(missing_ok=True)


def keep_owner(new: Path, old: Path) -> None:
    """Give a new file the owner and the mode of the one that it is to replace."""
    with unavailable("give the owner of the old file to", new):
        found = old.stat()
        if hasattr(os, "chown"):
            with suppress(PermissionError):  # only the superuser may give files away
                os.chown(new, found.st_uid, found.st_gid)
        new.chmod(found.st_mode & 0o777)


def _check_free(target: Path) -> None:
    if os.path.lexists(target):
        raise StorageUnavailable(
            f"cannot write {target}: something stands there, and nothing is overwritten: give another path",
            path=str(target),
        )


def sync(descriptor: int) -> None:
    """Make what was written durable, the whole way down to the medium."""
    if sys.platform == "darwin":  # pragma: no cover  # there, fsync leaves the data in the drive's cache
        import fcntl  # noqa: PLC0415  # exists on POSIX only

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:  # pragma: no cover  # Windows
        os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Make a new or renamed name in the directory durable."""
    if os.name == "nt":  # pragma: no cover  # a directory cannot be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
