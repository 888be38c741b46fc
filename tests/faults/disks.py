"""Small, full and read-only disks."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import shutil
import subprocess
from typing import TYPE_CHECKING

from itsm_workflow.cli import main
from tests.faults.cases import CannotRunHereError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """Mount a file system of this size in bytes at a new folder, until the block ends.

    Raises:
        CannotRunHereError: This user may not mount.
    """
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))
    try:
        yield place
    finally:
        run("umount", str(place))


@contextlib.contextmanager
def bound(file: Path, place: Path) -> Iterator[None]:
    """Mount a file at a second path, until the block ends.

    Raises:
        CannotRunHereError: This user may not mount.
    """
    place.touch()
    run("mount", "--bind", str(file), str(place))
    try:
        yield
    finally:
        run("umount", str(place))


@contextlib.contextmanager
def filled(disk: Path, *, left: int) -> Iterator[None]:
    """Fill a disk until only ``left`` bytes are free, until the block ends."""
    file = disk / "somebody-elses"
    found = os.statvfs(disk)
    with file.open("wb") as writing:
        os.posix_fallocate(writing.fileno(), 0, max(found.f_bavail * found.f_frsize - left, 1))
    try:
        yield
    finally:
        file.unlink()


@contextlib.contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Limit the files of this process to this size in bytes, until the block ends."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))


@contextlib.contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """Remount a file system read-only, until the block ends."""
    run("mount", "-o", "remount,ro", str(disk))
    try:
        yield
    finally:
        run("mount", "-o", "remount,rw", str(disk))


@contextlib.contextmanager
def immutable(folder: Path) -> Iterator[None]:
    """Make a folder's files immutable, also for the superuser, until the block ends."""
    run("chattr", "-R", "+i", str(folder))
    try:
        yield
    finally:
        run("chattr", "-R", "-i", str(folder))


def run(*command: str) -> None:
    """Run a command of the system.

    Raises:
        CannotRunHereError: The command does not exist, or this user may not run it.
    """
    if shutil.which(command[0]) is None:
        raise CannotRunHereError(f"it needs {command[0]}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRunHereError(f"{command[0]}: {done.stderr.strip()}")


def told_by_list(url: str) -> tuple[int, str]:
    """Run `itsm-workflow list` on a store, and return its exit code and its output."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(["list", "--store", url])
    return int(code or 0), said.getvalue()
