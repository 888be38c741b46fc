"""The states that a power cut could leave of recorded calls on files.

Only what was synced is sure to be there: the content of a file after a sync of the file, a name after a sync of its
directory. Of the other calls any part may be there, whatever their order, and any part of one write. Of these states
the telling ones are made, not all.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.conformance._base import NotRun
from itsm_workflow.testing.conformance._trials.calls import FAILED_BY_ITSELF, WORDS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from itsm_workflow.testing.conformance._trials.calls import Operation

    Files = dict[Path, bytes]
    Loss = tuple[str, frozenset[int], Mapping[int, "Torn"]]
    """What is lost, in words; the effects that are there although they are not durable; and the parts of writes."""

SECTOR = 512
_MOST_EDGES = 256
_CONTENT = Kind.WRITE | Kind.TRUNCATE
_NAMES = Kind.CREATE | Kind.RENAME | Kind.LINK | Kind.UNLINK
_NEVER = 1 << 60


@attrs.frozen
class Effect:
    """The change that a call made.

    Attributes:
        kind: WRITE or TRUNCATE for content; CREATE, RENAME, LINK or UNLINK for names.
        what: The call, for a report.
        file: The number of the file.
        path: The name that it has from then on, or no longer has.
        former: The name that it no longer has, of a rename.
        at: The offset of a write, or the new size.
        data: The bytes that were written.
    """

    kind: Kind
    what: str
    file: int
    path: Path
    former: Path | None = None
    at: int = 0
    data: bytes = b""


@attrs.frozen
class Torn:
    """A part of one write: these bytes of it, and whether the bytes before them are missing."""

    start: int
    end: int

    @property
    def has_a_gap(self) -> bool:
        """Whether later bytes are there without earlier ones."""
        return self.start > 0


@attrs.frozen
class State:
    """A possible state of the files after a power cut.

    Attributes:
        what: The description of the loss.
        files: The contents of the files.
        notes: The notes of the record before the cut.
        has_a_gap: Whether later bytes of a write are there without earlier ones.
        is_torn: Whether a part of one write is there, and the rest is not.
    """

    what: str
    files: Files
    notes: tuple[str, ...]
    has_a_gap: bool = False
    is_torn: bool = False


class History:
    """The recorded calls on files, and which of their effects are durable at what moment.

    Args:
        base: The files before, all of them durable.
        inodes: The path of each of these files, by its number on the disk.
        operations: The recorded calls.
        names_are_kept: Whether names are durable without a sync of their directory, as file systems with a journal
            keep them in practice.

    Raises:
        NotRun: The files are changed through a memory map, which the record does not show.
    """

    def __init__(
        self,
        base: Mapping[Path, bytes],
        inodes: Mapping[int, Path],
        operations: Iterable[Operation],
        *,
        names_are_kept: bool = False,
    ) -> None:
        self.effects: list[Effect] = []
        self._moments: list[int] = []  # of each effect
        self._durable: list[int] = []  # the moment from which on the effect is durable
        self._notes: list[tuple[int, str]] = []
        self._now = 0
        self._base = dict(enumerate(base.values()))
        self._base_names = {path: number for number, path in enumerate(base)}
        self._names = dict(self._base_names)
        self._by_inode = {inode: self._base_names[path] for inode, path in inodes.items()}
        self._count = len(base)
        self._names_are_kept = names_are_kept
        operations = list(operations)
        self._folder = _common_folder(base, operations)
        for operation in operations:
            self._now += 1
            self._follow(operation)

    @property
    def moments(self) -> range:
        """The moments at which the power can be cut: before the first call, and after each."""
        return range(self._now + 1)

    def notes(self, moment: int) -> tuple[str, ...]:
        """Return the notes before a moment."""
        return tuple(text for when, text in self._notes if when <= moment)

    def pending(self, moment: int) -> list[int]:
        """Return the effects before a moment that are not durable then."""
        return [
            number for number, when in enumerate(self._moments) if when <= moment and self._durable[number] > moment
        ]

    def files(self, moment: int, kept: Collection[int], torn: Mapping[int, Torn] | None = None) -> Files:
        """Return the files if, of the effects that are not durable at a moment, these are there."""
        contents = {number: bytearray(content) for number, content in self._base.items()}
        names = dict(self._base_names)
        for number, effect in enumerate(self.effects):
            if self._moments[number] > moment or not (self._durable[number] <= moment or number in kept):
                continue
            if effect.kind & _CONTENT:
                _write(contents.setdefault(effect.file, bytearray()), effect, (torn or {}).get(number))
            elif effect.kind is Kind.UNLINK:
                names.pop(effect.path, None)
            else:
                names[effect.path] = effect.file
                if effect.former is not None and names.get(effect.former) == effect.file:
                    del names[effect.former]
        return {path: bytes(contents.get(file, b"")) for path, file in names.items()}

    def _follow(self, operation: Operation) -> None:
        kind = operation.kind
        if kind is Kind.NOTE:
            self._notes.append((self._now, operation.path))
        elif kind is Kind.FLUSH_MAP:
            raise NotRun("the files are changed through a memory map, which the record of the calls does not show")
        elif kind in {Kind.SYNC, Kind.IMPLIED_SYNC}:
            if operation.failed != FAILED_BY_ITSELF:
                self._sync(operation)
        elif operation.failed:
            return
        elif kind & _CONTENT or (kind is Kind.CREATE and operation.at):
            self._change_content(operation)
        elif kind & _NAMES:
            self._change_name(operation)

    def _change_content(self, operation: Operation) -> None:
        file = self._file(operation)
        if file is None:  # it never had a name that is known
            return
        path = Path(operation.path)
        if operation.kind is Kind.CREATE:
            self._add(Effect(Kind.TRUNCATE, f"truncation of {self._called(path)}", file, path))
        else:
            what = f"{WORDS[operation.kind]} {self._called(path)}"
            self._add(Effect(operation.kind, what, file, path, at=operation.at, data=operation.data))

    def _change_name(self, operation: Operation) -> None:
        path, kind = Path(operation.path), operation.kind
        what = f"{WORDS[kind]} {self._called(path)}"
        if kind is Kind.CREATE:
            self._by_inode[operation.inode] = self._names[path] = self._count
            self._add(Effect(kind, what, self._count, path))
            self._count += 1
            return
        file = self._names.get(path) if kind is Kind.LINK else self._names.pop(path, None)
        if file is None:
            return
        if kind is Kind.UNLINK:
            self._add(Effect(kind, what, file, path))
            return
        self._names[new := Path(operation.other)] = file
        former = path if kind is Kind.RENAME else None
        self._add(Effect(kind, f"{what} to {self._called(new)}", file, new, former=former))

    def _called(self, path: Path) -> str:
        """Return the path from the folder that all files are in: two files in different folders may have one name."""
        return path.relative_to(self._folder).as_posix()

    def _file(self, operation: Operation) -> int | None:
        return self._by_inode.get(operation.inode, self._names.get(Path(operation.path)))

    def _add(self, effect: Effect) -> None:
        self.effects.append(effect)
        self._moments.append(self._now)
        is_name = not effect.kind & _CONTENT
        self._durable.append(self._now if is_name and self._names_are_kept else _NEVER)

    def _sync(self, operation: Operation) -> None:
        file, path = self._file(operation), Path(operation.path)
        for number, effect in enumerate(self.effects):
            reached = effect.file == file if effect.kind & _CONTENT else effect.path.parent == path
            if reached and self._durable[number] == _NEVER:
                # After a sync that failed, a later one does not show whether the data is on the disk.
                self._durable[number] = _NEVER + 1 if operation.failed else self._now


def _common_folder(base: Iterable[Path], operations: Iterable[Operation]) -> str:
    """Return the innermost folder that contains all files."""
    changes = [operation for operation in operations if operation.kind & (_CONTENT | _NAMES)]
    changed = [Path(path) for operation in changes for path in (operation.path, operation.other) if path]
    folders = {str(path.parent) for path in (*base, *changed)}
    return os.path.commonpath(folders) if folders else ""


def joined(operations: Iterable[Operation]) -> list[Operation]:
    """Return the calls with one write for each run of writes that continue each other, as of a large text in blocks.

    The states between them are left out: of so many, most show the same.
    """
    found: list[Operation] = []
    for operation in operations:
        last = found[-1] if found else None
        if (
            last is not None
            and (last.kind, last.inode, last.failed) == (operation.kind, operation.inode, operation.failed)
            and operation.kind is Kind.WRITE
            and last.at + len(last.data) == operation.at
        ):
            found[-1] = attrs.evolve(last, data=last.data + operation.data)
        else:
            found.append(operation)
    return found


def states(
    history: History,
    since: int = 0,
    losses: Callable[[Sequence[Effect], Sequence[int]], Iterator[Loss]] | None = None,
) -> Iterator[State]:
    """Yield different states that a power cut could leave, moment by moment from one on.

    Args:
        history: The recorded calls.
        since: The first moment.
        losses: Returns the ways to lose a part of those of the effects that are not durable; by default, the telling
            ones.
    """
    seen: set[object] = set()
    for moment in history.moments[since:]:
        notes, pending = history.notes(moment), history.pending(moment)
        for what, kept, torn in (losses or _losses)(history.effects, pending):
            files = history.files(moment, kept, torn)
            has_a_gap = any(part.has_a_gap for part in torn.values()) or _has_a_gap(history.effects, pending, kept)
            # Digests, since the states of a large file together would not fit into memory.
            contents = frozenset((path, hashlib.sha256(content).digest()) for path, content in files.items())
            alike = (contents, notes, has_a_gap)
            if alike not in seen:
                seen.add(alike)
                yield State(what, files, notes, has_a_gap, is_torn=bool(torn))


def _has_a_gap(effects: Sequence[Effect], pending: Sequence[int], kept: Collection[int]) -> bool:
    """Return whether a later write of a file is there without an earlier one."""
    missing: set[int] = set()
    for number in pending:
        effect = effects[number]
        if effect.kind & _CONTENT:
            if number in kept and effect.file in missing:
                return True
            if number not in kept:
                missing.add(effect.file)
    return False


def _losses(effects: Sequence[Effect], pending: Sequence[int]) -> Iterator[Loss]:
    """Yield ways to lose a part of the effects that are not durable: the rest of them, and parts of writes."""
    everything = frozenset(pending)
    yield "nothing that was not synced is there", frozenset(), {}
    yield "everything is there", everything, {}
    for place, number in enumerate(pending):
        what = effects[number].what
        yield f"everything before the {what} is there", frozenset(pending[:place]), {}
        yield f"of all that was not synced, only the {what} is missing", everything - {number}, {}
        yield f"of all that was not synced, only the {what} is there", frozenset({number}), {}
        if effects[number].kind is Kind.WRITE:
            for part in _parts(effects[number]):
                share = f"bytes {part.start} to {part.end} of the {what}"
                yield f"everything before it, and {share}, is there", frozenset(pending[: place + 1]), {number: part}


def _parts(write: Effect) -> Iterator[Torn]:
    """Yield parts of a write: up to each sector, up to a byte in the middle, and from each sector on.

    Of a large write, there are parts up to the first, the middle and the last sector only, and from them on.
    """
    size = len(write.data)
    first = SECTOR - write.at % SECTOR
    edges = list(range(first, size, SECTOR))
    if len(edges) > _MOST_EDGES:
        edges = [edges[0], edges[len(edges) // 2], edges[-1]]
    for end in sorted({1, size // 2, size - 1, *edges} - {0, size}):
        if 0 < end < size:
            yield Torn(0, end)
    for start in edges:
        yield Torn(start, size)


def _write(content: bytearray, effect: Effect, torn: Torn | None) -> None:
    if effect.kind is Kind.TRUNCATE:
        del content[effect.at :]
        content.extend(bytes(effect.at - len(content)))
        return
    part = torn or Torn(0, len(effect.data))
    start, end = effect.at + part.start, effect.at + part.end
    content.extend(bytes(max(0, start - len(content))))
    content[start:end] = effect.data[part.start : part.end]
