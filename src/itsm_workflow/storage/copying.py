"""Copy the changes of one store into another, over the storage port alone, so between any two backends.

A change is created with its whole history and its row in one write, since no row of an earlier moment is kept anywhere.
The copy has version 1 then. Writes without entries follow until it has the version of the source; before the last of
them it is due at no time, so that no worker acts on it. A copy that was interrupted is therefore an earlier version of
the change, and so is a copy of a change that moved on since. Either is continued from where it is.
"""

from __future__ import annotations

import enum
from itertools import islice
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.storage import paging
from itsm_workflow.storage.contents import Contents, Damaged, examine, reported_damage, whole
from itsm_workflow.storage.protocol import Conflict, ConflictKind, EntryRow, Query, Row, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from itsm_workflow.storage.protocol import StorageBackend

    Progress = Callable[[str, int, int | None], object]

_PAGE = 100
_BATCH = 8 * 1024 * 1024
"""A commit is made when its texts have so many characters; one with a longer history has that change alone."""

_PASSES = 10
_MOST = 100
_CONFLICTS = {
    ConflictKind.VERSION: "it was written in the target while it was copied",
    ConflictKind.SUBJECT: "its subject is held open in the target by change {}",
    ConflictKind.TICKET: "its ticket belongs in the target to change {}",
}


@attrs.frozen(kw_only=True)
class Selection:
    """The changes of a store that are copied, if not all of them are.

    Attributes:
        query: The query that finds them.
        wanted: Returns whether a row that was found is one of them.
    """

    query: Query
    wanted: Callable[[Row], bool]


class Standing(enum.StrEnum):
    """The place of a copy in the line of its change's history."""

    MISSING = "missing"
    BEHIND = "behind"
    SAME = "same"


@attrs.frozen(kw_only=True)
class Divergence:
    """A change in the target that is not an earlier version of the change in the source. It is never overwritten."""

    change_id: str
    reason: str


@attrs.frozen(kw_only=True)
class Comparison:
    """The changes of a source, counted by what a target has of them.

    Attributes:
        missing: The number of changes that the target does not have.
        behind: The number of changes of which the target has an earlier version.
        same: The number of changes that are the same in both.
        divergent: The changes that stand in the way of a copy, the first hundred of them; the comparison ends there.
    """

    missing: int = 0
    behind: int = 0
    same: int = 0
    divergent: tuple[Divergence, ...] = ()


@attrs.frozen(kw_only=True)
class CopyReport:
    """The result of a copy.

    Attributes:
        before: What the target had when the copy began.
        source: The contents of the source, as they were read last.
        target: The contents of the target, read again at the end; None if nothing was written, since the source is
            damaged, a change of the target is divergent, or it was a dry run.
        copied: The number of changes that were written, counted again if they moved on and were copied again.
        refused: The changes that the target refused, because other processes wrote to it or it cannot keep them.
    """

    before: Comparison
    source: Contents
    target: Contents | None = None
    copied: int = 0
    refused: tuple[Divergence, ...] = ()

    @property
    def divergent(self) -> tuple[Divergence, ...]:
        """The changes that stand in the way of the copy."""
        return self.before.divergent or self.refused

    @property
    def damaged(self) -> tuple[Damaged, ...]:
        """The damage in the source, or else in the target."""
        return self.source.damaged or (self.target.damaged if self.target else ())

    @property
    def verified(self) -> bool:
        """Whether both stores were read again, and hold the same."""
        return self.target is not None and self.target.digest == self.source.digest and not self.damaged


def compare(
    source: StorageBackend, target: StorageBackend | None, progress: Progress, only: Selection | None = None
) -> Comparison:
    """Compare the rows of two stores; nothing is written.

    Args:
        source: The store that is to be copied.
        target: The store that may have an earlier copy of it, or None if it does not exist.
        progress: Called with the step, the number of changes that it has done, and the number of all, if known.
        only: The changes that are compared; by default all, also those that only the target has.

    Raises:
        StorageError: One of the stores cannot be read.
    """
    counts = dict.fromkeys(Standing, 0)
    divergent = list(islice(_strangers(source, target), _MOST)) if target and only is None else []
    for page in _pairs(source, target, only):
        for row, copy in page:
            standing = _standing(source, target, row, copy)
            if isinstance(standing, Divergence):
                divergent.append(standing)
            else:
                counts[standing] += 1
        if len(divergent) >= _MOST:
            break
        progress("comparing", sum(counts.values()), None)
    named = {standing.value: count for standing, count in counts.items()}
    return Comparison(**named, divergent=tuple(divergent[:_MOST]))


def copy_store(
    source: StorageBackend,
    target: StorageBackend | None,
    progress: Progress,
    only: Selection | None = None,
    *,
    dry_run: bool = False,
) -> CopyReport:
    """Copy every change that the target does not have, or has in an earlier version, and read both stores again.

    The source is not changed. If it is written meanwhile, the copy is repeated for what is newer, at most ten times.

    Args:
        source: The store that is copied; it is checked first.
        target: A store that is empty, or an earlier copy. With ``dry_run`` also None, for one that does not exist.
        progress: As for `compare`.
        only: The changes that are copied, by default all. If it is given, the target may have other changes as well,
            and the report covers the chosen ones.
        dry_run: Whether to check and compare only.

    Raises:
        StorageCorrupt: The target reports damage; nothing was written.
        StorageError: One of the stores failed. What was written before is kept, and another call continues.
    """
    if target is not None and (damaged := reported_damage(target)):
        raise StorageCorrupt(f"the target is damaged, and nothing was written: {_joined(damaged)}")
    contents = examine(source, _chosen(source, only), lambda done: progress("checking the source", done, None))
    if contents.damaged:
        return CopyReport(before=Comparison(), source=contents)
    before = compare(source, target, progress, only)
    if before.divergent or dry_run or target is None:
        return CopyReport(before=before, source=contents)
    copied, refused = 0, list[Divergence]()

    def step(name: str) -> Callable[[int], object]:
        return lambda done: progress(name, done, contents.changes)

    for _ in range(_PASSES):
        written, refused = _pass(source, target, only, step("copying"))
        copied += written
        if not written:
            break
    report = CopyReport(
        before=before,
        source=examine(source, _chosen(source, only), step("reading the source again")),
        target=examine(target, _copies(source, target, only), step("reading the target again")),
        copied=copied,
    )
    if report.verified:
        return report
    after = {one.change_id: one for one in (*refused, *compare(source, target, progress, only).divergent)}
    return attrs.evolve(report, refused=tuple(after.values()))


# ---------------------------------------------------------------- comparing


def _chosen(source: StorageBackend, only: Selection | None) -> Iterator[Row]:
    """Yield the rows that are copied."""
    if only is None:
        return paging.rows(source, Query(limit=_PAGE))
    return filter(only.wanted, paging.rows(source, attrs.evolve(only.query, limit=_PAGE)))


def _copies(source: StorageBackend, target: StorageBackend, only: Selection | None) -> Iterator[Row]:
    """Yield the rows of the target that a copy of the chosen rows, and of nothing else, would have."""
    if only is None:
        return paging.rows(target, Query(limit=_PAGE))
    return (copy for page in _pairs(source, target, only) for _, copy in page if copy is not None)


def _pairs(
    source: StorageBackend, target: StorageBackend | None, only: Selection | None
) -> Iterator[list[tuple[Row, Row | None]]]:
    """Yield the chosen rows of the source with the rows of the same ids in the target, page by page."""
    chosen = _chosen(source, only)
    while page := list(islice(chosen, _PAGE)):
        copies = {row.id: row for row in _of_ids(target, page)} if target else {}
        yield [(row, copies.get(row.id)) for row in page]


def _of_ids(storage: StorageBackend, page: Sequence[Row]) -> Iterator[Row]:
    return paging.rows(storage, Query(ids=tuple(row.id for row in page), limit=_PAGE))


def _strangers(source: StorageBackend, target: StorageBackend) -> Iterator[Divergence]:
    """Yield the changes of the target that the source does not have."""
    for page in paging.pages(target, Query(limit=_PAGE)):
        known = {row.id for row in _of_ids(source, page)}
        yield from (
            Divergence(change_id=row.id, reason="the source does not have it") for row in page if row.id not in known
        )


def _standing(
    source: StorageBackend, target: StorageBackend | None, row: Row, copy: Row | None
) -> Standing | Divergence:
    if target is None or copy is None:
        return Standing.MISSING
    if copy == row:
        return Standing.SAME
    if copy.version >= row.version:
        reason = (
            f"it has version {copy.version} and {copy.seq} entries in the target, version {row.version} and {row.seq} "
            "entries in the source"
        )
        return Divergence(change_id=row.id, reason=reason)
    if copy.seq == row.seq and _content(copy) != _content(row):
        return Divergence(change_id=row.id, reason="its history is as long in both stores, but its rows differ")
    # Each entry carries the digest of the one before it, so one entry stands for all before it.
    if _entry(source, row.id, copy.seq) != _entry(target, row.id, copy.seq):
        return Divergence(change_id=row.id, reason=f"its histories differ at entry {copy.seq} or before")
    return Standing.BEHIND


def _content(row: Row) -> Row:
    """Return a row without the two values that a write without entries moves."""
    return attrs.evolve(row, version=0, due_at=None)


def _entry(storage: StorageBackend, change_id: str, seq: int) -> tuple[EntryRow, ...]:
    return storage.history(change_id, seq - 1, 1).entries


# ---------------------------------------------------------------- copying


def _pass(
    source: StorageBackend, target: StorageBackend, only: Selection | None, progress: Callable[[int], object]
) -> tuple[int, list[Divergence]]:
    """Copy what is missing or behind; return the number of changes that were written, and those that could not be."""
    written, seen, divergent = 0, 0, list[Divergence]()
    for page in _pairs(source, target, only):
        to_copy = []
        for row, copy in page:
            standing = _standing(source, target, row, copy)
            if isinstance(standing, Divergence):
                divergent.append(standing)
            elif standing is not Standing.SAME:
                to_copy.append((row, copy))
        refused = _copied(target, (_first_write(source, row, copy) for row, copy in to_copy))
        divergent += refused
        written += len(to_copy) - len(refused)
        seen += len(page)
        progress(seen)
    return written, divergent


def _first_write(source: StorageBackend, row: Row, copy: Row | None) -> tuple[Row, Write]:
    """Return the row to be copied, and the write that brings its content and the entries that the copy lacks."""
    if copy is not None and copy.seq == row.seq:
        return row, _write(row, copy.version)
    row, entries = whole(source, row)
    if [one.seq for one in entries] != list(range(1, row.seq + 1)):
        raise StorageCorrupt(f"change {row.id} has {row.seq} entries, but its history has {len(entries)}")
    has = copy or attrs.evolve(row, version=0, seq=0)
    return row, _write(row, has.version, entries[has.seq :])


def _write(row: Row, version: int, entries: tuple[EntryRow, ...] = ()) -> Write:
    """Return the write that raises a copy by one version; only the last one makes it due."""
    due_at = row.due_at if version + 1 == row.version else None
    return Write(row=attrs.evolve(row, version=version + 1, due_at=due_at), expected_version=version, entries=entries)


def _copied(target: StorageBackend, writes: Iterable[tuple[Row, Write]]) -> list[Divergence]:
    """Store each write, and then raise its version to that of the row; return the changes that were refused."""
    refused: list[Divergence] = []
    behind: list[tuple[Row, int]] = []

    def commit(batch: Sequence[tuple[Row, Write]]) -> None:
        results = _committed(target, [write for _, write in batch])
        for (row, write), divergence in zip(batch, results, strict=True):
            if divergence is not None:
                refused.append(divergence)
            elif write.row.version < row.version:
                behind.append((row, write.row.version))

    for batch in _batches(writes):
        commit(batch)
    while behind:
        following = [(row, _write(row, version)) for row, version in behind]
        behind.clear()
        commit(following)
    return refused


def _committed(target: StorageBackend, writes: Sequence[Write]) -> list[Divergence | None]:
    """Store the writes, and return the reason for each that was refused."""
    try:
        conflicts = target.commit(writes)
    except ValueError as error:  # nothing was stored, because of one write that this backend cannot keep
        if len(writes) > 1:
            return [found for write in writes for found in _committed(target, [write])]
        return [Divergence(change_id=writes[0].row.id, reason=f"the target cannot keep it: {error}")]
    return [None if conflict is None else _divergence(conflict) for conflict in conflicts]


def _batches(writes: Iterable[tuple[Row, Write]]) -> Iterator[list[tuple[Row, Write]]]:
    """Yield the writes in batches whose texts fit into memory."""
    batch: list[tuple[Row, Write]] = []
    size = 0
    for row, write in writes:
        batch.append((row, write))
        size += len(row.document) + len(row.form or "") + sum(len(one.document) for one in write.entries)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _divergence(conflict: Conflict) -> Divergence:
    reason = _CONFLICTS[conflict.kind].format(conflict.holder or "that is not known")
    return Divergence(change_id=conflict.change_id, reason=reason)


def _joined(damaged: Iterable[Damaged]) -> str:
    return "; ".join(one.problem for one in damaged)
