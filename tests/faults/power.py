"""A disk that loses power: any part of the data that was not synced may be there afterwards."""

from __future__ import annotations

import itertools
import os
import stat
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pytest

SECTOR = 512


@attrs.frozen
class Cut:
    """One possible state of a disk after a power cut.

    Attributes:
        what: A description of the loss.
        files: The contents of its files.
        acknowledged: The number of commits that had been acknowledged.
        torn: Whether parts of a write are there without those before them.
    """

    what: str
    files: Mapping[str, bytes]
    acknowledged: int
    torn: bool


class Disk:
    """A folder whose syncs are watched; the power may be cut before each sync, and on request.

    Args:
        folder: The folder.
        acknowledged: Returns the number of commits that were acknowledged so far.
        every: The distance in bytes between the places at which a write can be torn.
    """

    def __init__(self, folder: Path, acknowledged: Callable[[], int], *, every: int) -> None:
        self._folder, self._acknowledged, self._every = folder, acknowledged, every
        self._seen: set[object] = set()
        self._names: dict[str, int] = {}
        self._contents: dict[int, bytes] = {}
        self.cuts: list[Cut] = []
        self._moments = itertools.count()

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Watch the syncs of this process."""
        for name in ("fsync", "fdatasync"):
            patch.setattr(os, name, self._watched(getattr(os, name)))

    def lose_power(self) -> None:
        """Add every possible state of the disk after a power cut at this moment."""
        moment = next(self._moments)
        names, contents = self._found()
        for told, entries in (("names not synced", self._names), ("names synced", names)):
            files = {name: inode for name, inode in entries.items() if not name.endswith(".lock")}
            pending = [name for name, inode in files.items() if contents[inode] != self._durable(inode)]
            safe = {name: self._durable(inode) for name, inode in files.items()}
            self._add(f"{moment}, {told}, nothing of it", safe)
            for name in pending:
                before, after = safe[name], contents[files[name]]
                for size in range(_common(before, after), len(after) + 1, self._every):
                    self._add(f"{moment}, {told}, {name} up to {size}", {**safe, name: after[:size]})
                for there, torn in _torn(before, after):
                    self._add(f"{moment}, {told}, {name} with sectors {there}", {**safe, name: torn}, torn=True)

    def _add(self, what: str, files: Mapping[str, bytes], *, torn: bool = False) -> None:
        cut = Cut(what, files, self._acknowledged(), torn)
        alike = (frozenset(files.items()), cut.acknowledged, torn)
        if alike not in self._seen:
            self._seen.add(alike)
            self.cuts.append(cut)

    def _watched(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        def watched(descriptor: int) -> None:
            found = os.fstat(descriptor)
            self.lose_power()
            sync(descriptor)
            names, contents = self._found()
            if stat.S_ISDIR(found.st_mode):
                self._names = names
            elif found.st_ino in contents:
                self._contents[found.st_ino] = contents[found.st_ino]

        return watched

    def _found(self) -> tuple[dict[str, int], dict[int, bytes]]:
        paths = list(self._folder.iterdir())
        names = {path.name: path.stat().st_ino for path in paths}
        # A name whose replacement is not synced still leads to the old file, which was durable.
        return names, {**self._contents, **{path.stat().st_ino: path.read_bytes() for path in paths}}

    def _durable(self, inode: int) -> bytes:
        return self._contents.get(inode, b"")


def _common(before: bytes, after: bytes) -> int:
    """Return the length of the common prefix."""
    return next((place for place, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))


def _torn(before: bytes, after: bytes) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """Yield the content for each subset of a write's sectors; the file has its new size, and gaps are NUL."""
    sectors = range(len(before) // SECTOR, -(-len(after) // SECTOR))
    for count in range(len(sectors)):
        for there in itertools.combinations(sectors, count):
            content = bytearray(before[: len(after)].ljust(len(after), b"\0"))
            for sector in there:
                part = slice(sector * SECTOR, min((sector + 1) * SECTOR, len(after)))
                content[part] = after[part]
            yield there, bytes(content)
