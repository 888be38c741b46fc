"""File operations that all backends with a file share: check a path, make a new file, make writes durable.

A store is a regular file with one name, readable by its owner only. Links are refused, so that another user who can
write to the directory cannot redirect the store's writes to another file.
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

# Not every system defines all of these flags. Without O_NONBLOCK, opening a FIFO would wait for a writer.
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
    errno.ENOTDIR: "a part of its path is a file, not a directory: give another path",
    errno.EACCES: "this user may not write there: check the owner and the mode of the file and of its directory",
    errno.EPERM: "the system does not permit it: check the attributes of the file and of its directory",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the quota is used up: free some space",
    errno.EFBIG: "it would exceed the maximum size of a file: check the limits of this user and of the file system",
    errno.ELOOP: "it is a symbolic link: give the path that it leads to",
}


@contextmanager
def unavailable(doing: str, path: Path) -> Iterator[None]:
    """Raise an OSError of the block as StorageUnavailable, with advice on what to do.

    Args:
        doing: The act, such as ``write to``.
        path: The file of the store. If the error is about another file, such as a temporary one, that is named too.
    """
    try:
        yield
    except OSError as error:
        raise _unavailable_error(doing, path, error) from error


def _unavailable_error(doing: str, path: Path, error: OSError) -> StorageUnavailable:
    advice = _ADVICE.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))
    other = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else str(path)
    about_another = other not in {str(path), str(path.parent)}
    if error.errno == errno.ENOENT and os.path.isdir(path.parent):  # noqa: PTH112  # which Path.is_dir may raise
        advice = f"{other} does not exist" if about_another else "the file does not exist"
    elif error.errno == errno.EACCES and doing == "read":
        advice = "this user may not read it: check the owner and the mode of the file and of its directory"
    elif about_another:
        advice = f"{advice} (the error is about {other})"
    return StorageUnavailable(f"cannot {doing} {path}: {advice}", path=str(path))


def look_at(path: Path) -> os.stat_result | None:
    """Return the status of the file at the path, or None if the path does not exist.

    Raises:
        StorageUnavailable: The path is not a regular file, or the file has several names.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unavailable_error("look at", path, error) from error
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, "not a regular file")
        raise StorageUnavailable(f"cannot use {path}: it is {what}, but a store is a regular file", path=str(path))
    if found.st_nlink > 1:
        # The log and the lock have names derived from one of the names, and a rename would replace only that one.
        raise StorageUnavailable(
            f"cannot use {path}: the file has {found.st_nlink} names (hard links), but a store has only one: remove "
            "the other names or give another path",
            path=str(path),
        )
    return found


def check_exists(path: Path, what: str = "store") -> None:
    """Refuse a path at which there is no file.

    Raises:
        StorageUnavailable: The path does not exist, or `look_at` refuses it.
    """
    if look_at(path) is None:
        raise StorageUnavailable(f"there is no {what} at {path}: check the path", path=str(path))


def check_backup(source: Path, path: Path) -> None:
    """Refuse a backup that does not exist, or that is itself the store that it is to replace.

    Raises:
        StorageUnavailable: The backup cannot replace the store.
    """
    check_exists(source, "backup")
    if look_at(path) is not None and source.samefile(path):
        raise StorageUnavailable(
            f"cannot restore {path}: it is the same file as the backup: give the path of another backup", path=str(path)
        )


def check_writable(path: Path) -> None:
    """Refuse a path that this user cannot write to, before a file is opened or made there.

    Args:
        path: The path of the file, which need not exist yet.

    Raises:
        StorageUnavailable: The file or its directory cannot be written, the directory does not exist, or the file is
            a mount point.
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
                f"cannot use {path}: it is itself a mount point: mount its directory instead, because the log and lock "
                "files in the directory are part of the store, and all processes must open a store by the same path",
                path=str(path),
            )


def _is_mount_point(path: Path, found: os.stat_result, directory: os.stat_result) -> bool:
    """Return whether the file itself is a mount point, as in a container into which a single file is mounted."""
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:  # not Linux
        return found.st_dev != directory.st_dev
    place = os.fsencode(path.parent.resolve() / path.name)
    return any(_ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), line.split()[4]) == place for line in lines)


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Yield the path of an empty file to write; when the block succeeds, move the file to the target, durably.

    Raises:
        StorageUnavailable: The target exists, which is never overwritten, or it cannot be written.
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
    """Give a new file the owner and the mode of the file that it is to replace."""
    with unavailable("give the owner of the old file to", new):
        found = old.stat()
        if hasattr(os, "chown"):
            with suppress(PermissionError):  # only the superuser may give files away
                os.chown(new, found.st_uid, found.st_gid)
        new.chmod(found.st_mode & 0o777)


def _check_free(target: Path) -> None:
    if os.path.lexists(target):
        raise StorageUnavailable(
            f"cannot write {target}: the path exists already, and nothing is overwritten: give another path",
            path=str(target),
        )


def sync(descriptor: int) -> None:
    """Flush everything that was written to the file to the storage medium."""
    if sys.platform == "darwin":  # pragma: no cover  # there, fsync leaves the data in the drive's cache
        import fcntl  # noqa: PLC0415  # exists on POSIX only

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:  # pragma: no cover  # Windows
        os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Make the creations and renames in the directory durable."""
    if os.name == "nt":  # pragma: no cover  # a directory cannot be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
