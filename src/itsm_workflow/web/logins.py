"""The file of the people who may log in: a line for each, with the name and the hash of the password."""

from __future__ import annotations

import logging
import os
import re
import stat
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from itsm_workflow.text import short_line

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

logger = logging.getLogger("itsm_workflow.web")

# Costs from which a guess is slow and a login is not: those of `web-password`, and up to four times of it.
_HASH = re.compile(r"scrypt:(?:32768|65536|131072):8:[1-3]\$[A-Za-z0-9]{8,64}\$[0-9a-f]{128}")
_LARGEST = 1 << 20
_OTHERS = 0o077


class LoginFileError(ValueError):
    """The file cannot be read, other users can read it, or a line is not one of `itsm-workflow web-password`."""


class LoginFile(Mapping[str, str]):
    """The hash of each password by name, as the file has them now.

    The file is read again when it has changed. While it is not as it must be, it has no names, so that a person who
    was removed cannot stay logged in; the reason is logged.

    Args:
        path: The file.

    Raises:
        LoginFileError: The file is not as it must be. The message names the line, and does not show it.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp = _stamp_of(path)  # before the file is read, so that no later change is missed
        self._hashes = _read(path)

    def __getitem__(self, name: str) -> str:
        """Return the hash of a name."""
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter(self._now())

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self._now())

    def _now(self) -> Mapping[str, str]:
        with self._lock:
            stamp = _stamp_of(self._path)
            if stamp != self._stamp:
                try:
                    self._hashes = _read(self._path)
                except LoginFileError as error:
                    self._hashes = {}
                    logger.error("No login is possible until the file is right: %s.", error)  # noqa: TRY400 - no defect
                self._stamp = stamp
            return self._hashes


def _stamp_of(path: pathlib.Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _read(path: pathlib.Path) -> Mapping[str, str]:
    """Return the hashes by name.

    Raises:
        LoginFileError: The file is not as it must be.
    """
    shown = short_line(str(path))
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            raise LoginFileError(f"{shown} is not a file of lines that `itsm-workflow web-password` prints")
        if os.name == "posix" and found.st_mode & _OTHERS:
            raise LoginFileError(f"other users can read or change {shown}: type `chmod 600 {shown}`")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LoginFileError(f"cannot read {shown}: {error.strerror or type(error).__name__}") from error
    except UnicodeDecodeError as error:
        raise LoginFileError(f"{shown} is not a text in UTF-8") from error
    hashes: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, hashed = line.strip().partition(":")
        if not name or not _HASH.fullmatch(hashed):
            raise LoginFileError(f"line {number} of {shown} is not one that `itsm-workflow web-password` prints")
        if name in hashes:
            raise LoginFileError(f"line {number} of {shown} repeats the name {short_line(name)}: leave one line of it")
        hashes[name] = hashed
    if not hashes:
        raise LoginFileError(f"{shown} has no line: make one with `itsm-workflow web-password NAME >> {shown}`")
    return hashes
