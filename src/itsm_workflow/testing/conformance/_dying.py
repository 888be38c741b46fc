"""The promises for a crash of the process, or a power cut, at any moment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageError
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._files import synced_files
from itsm_workflow.testing.conformance._model import Model
from itsm_workflow.testing.conformance._processes import Other, check_prefix, count_lines, write_and_die, write_on
from itsm_workflow.testing.conformance._rows import (
    NOW,
    claim,
    create,
    entry,
    follow,
    found,
    present,
    stored,
    whole_history,
)
from itsm_workflow.testing.conformance._wording import word

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import EntryRow, Row, Write
    from itsm_workflow.testing.conformance._recording import RecordedOpener

_ACKNOWLEDGED = 25
_LONG_COMMITS = 12
_DOCUMENT = f'{{"long":"{"x" * 256 * 1024}"}}'
_CUTS = (1, 2, 3, 4, 5, 6)
"""The numbers of commits after which the power is cut, each time on what the earlier cuts left."""


class DyingPromises(Promises):
    """An acknowledged commit is stored, and no write is stored in part."""

    @promise("durable", "multi_process")
    def test_a_killed_process_loses_no_acknowledged_commit(self, open_backend: RecordedOpener) -> None:
        """After SIGKILL in the middle of writing, each acknowledged commit is there, and no write is there in part.

        Port: "Store each write or say why not, and make all that were stored durable before returning."
        """
        for kill in range(self.profile.kills):
            change_id = f"c{kill}"
            # The first process is killed after its acknowledgement, with no write under way; the others while writing.
            rests_at = _ACKNOWLEDGED + 1 if kill == 0 else None
            writer = Other(write_on, open_backend, change_id, rests_at)
            try:
                acknowledged = [writer.receive() for _ in range(_ACKNOWLEDGED + kill)]
                acknowledged += writer.kill()
            finally:
                writer.close()
            open_backend.recording.add("elsewhere", (f"killed after version {acknowledged[-1]} of {change_id}",))
            backend = open_backend()
            try:
                version, last = check_prefix(backend, change_id), acknowledged[-1]
                assert version in {last, last + 1}, (
                    f"{change_id} has version {version}, but {last} was the last that was answered as stored, and no "
                    f"commit after that of {last + 1} had begun"
                )
                names = {name for name in found(backend) if name.startswith(f"{change_id}-")}
                check_made(names, change_id, last)
                for name in sorted(names):
                    check_prefix(backend, name)
                # The store still accepts writes.
                stored(backend, follow(present(backend, change_id)))
            finally:
                backend.close()

    @promise("durable", "multi_process")
    def test_a_crash_inside_a_commit_leaves_whole_writes(self, open_backend: RecordedOpener) -> None:
        """After a crash at any line of the backend, each write of the commit is there with its entries, or not at all.

        Port: "A write is stored whole, row and entries, or not at all."
        """
        survivor = open_backend()
        try:
            row = stored(survivor, create("c0", open_subject="s0"))
            counter = Other(count_lines, open_backend, [follow(row, entries=2), create("new0", open_subject="n0")])
            try:
                lines = counter.receive()
            finally:
                counter.close()
            step = max(1, lines // self.profile.deaths)
            for line in range(1, lines + 1, step):
                row = present(survivor, "c0")
                new = f"new{line}"
                writes = [follow(row, entries=2), create(new, entries=2, open_subject=new)]
                other = Other(write_and_die, open_backend, [writes], line)
                try:
                    answers = other.remaining_reports()
                finally:
                    other.close()
                after = present(survivor, "c0")
                there = survivor.get(new)
                where = f"crashed at line {line} of {lines} of the commit"
                open_backend.recording.add("elsewhere", (f"commit({word(writes)}), {where}",))
                old, made = whole_history(survivor, "c0"), whole_history(survivor, new)
                held = f"{where}: the store holds {_held('c0', after, old)}, and {_held(new, there, made)}"
                wholes = {(row.version, row.seq), (row.version + 1, row.seq + 2)}
                assert (after.version, after.seq) in wholes, f"{held}, but c0 was {word(row)} before that commit"
                assert old == [entry("c0", seq) for seq in range(1, after.seq + 1)], f"{held}, which is not its history"
                assert made == [entry(new, seq) for seq in range(1, 3 if there else 1)], f"{held}, which is in part"
                if answers:
                    stored_all = (after.version, there is not None) == (row.version + 1, True)
                    assert stored_all, f"{held}, but the commit was answered {word(answers[-1])} before the crash"
                # The unique values of writes that were not stored are free, and the store still accepts writes.
                taken = survivor.commit([create(f"{new} again", open_subject=new)])
                assert [conflict is None for conflict in taken] == [there is None], (
                    f"{held}; then the open subject {new!r} is given to another change: {word(taken)}"
                )
        finally:
            survivor.close()

    @promise("durable", "multi_process", "fsync")
    def test_a_power_cut_loses_no_acknowledged_commit(self, open_backend: RecordedOpener) -> None:
        """Data that was not yet synced to a file is lost in a power cut; no such data had been acknowledged.

        The power is cut after creates, after an approval and after claims, each time after a different last commit;
        then among commits with long documents, of which a backend may remove the obsolete ones.

        Port: "Store each write or say why not, and make all that were stored durable before returning."
        """
        model, known = Model(), set[Path]()
        histories = [(_history(cut)[:place], False) for cut, place in enumerate(_CUTS)]
        for commits, stops in (*histories, (_long_history(), True)):
            other = Other(synced_files, open_backend, open_backend, commits, stops)
            try:
                made, synced = other.receive()
            finally:
                other.close()
            for writes in commits[:made]:
                open_backend.recording.add("elsewhere", (f"commit({word(writes)}) -> {word([None] * len(writes))}",))
                model = model.after(writes, [None] * len(writes))
            lost = _unsynced(synced or {})
            open_backend.recording.add("elsewhere", (f"then the power was cut{lost}",))
            if synced is None:
                raise AssertionError("neither os.fsync nor os.fdatasync was called during the commit")
            _cut_back({Path(path): content for path, content in synced.items()}, known)
            try:
                _check_stored(open_backend, model)
            except StorageError as error:
                raise AssertionError(
                    f"the store cannot be read after the power cut{lost}: {type(error).__name__}: {error}"
                ) from error


def _held(change_id: str, row: Row | None, entries: list[EntryRow]) -> str:
    """Return what the store holds of a change, in words."""
    return f"{word(row) if row else f'no {change_id}'} with {len(entries)} entries"


def _check_stored(open_backend: RecordedOpener, model: Model) -> None:
    """Open the store, and check that it holds what the model holds."""
    backend = open_backend()
    try:
        for change_id, row in model.rows.items():
            lost = f"{change_id}: acknowledged as stored, but lost"
            assert present(backend, change_id) == row, lost
            assert tuple(whole_history(backend, change_id)) == model.entries[change_id], lost
    finally:
        backend.close()


def _unsynced(synced: dict[str, bytes]) -> str:
    """Say of each file that is longer than what was synced of it how much that was."""
    sizes = {path: (len(content), Path(path).stat().st_size) for path, content in synced.items()}
    parts = [f"{kept} of {size} bytes of {Path(path).name}" for path, (kept, size) in sizes.items() if kept < size]
    return f", when only {' and '.join(parts)} were synced" if parts else ""


def check_made(names: set[str], change_id: str, last: int) -> None:
    """Check the changes that the killed process made, one with each version of its change.

    Of the commit that was interrupted each write is there or not, whether or not the other one is.
    """
    stored = {f"{change_id}-{version}" for version in range(1, last)}
    if lost := sorted(stored - names):
        raise AssertionError(f"{lost[0]}: answered as stored, but lost when the process was killed")
    if more := sorted(names - stored - {f"{change_id}-{last}"}):
        raise AssertionError(f"{more[0]}: there, but no process wrote it")


def _history(cut: int) -> list[list[Write]]:
    """Return commits of each kind; at whatever point the power is cut, the last commit is the one not synced."""
    applied, other = create(f"c{cut}", entries=2, due_at=NOW), create(f"d{cut}")
    approved = follow(applied.row, state="approved", form=None)
    claimed = claim(other.row, NOW + 60_000_000)
    moved = attrs.evolve(other.row, version=2, due_at=NOW + 60_000_000)
    kept = attrs.evolve(approved.row, form=applied.row.form)
    return [
        [applied],
        [other],
        [approved],
        [claimed],
        [create(f"e{cut}"), follow(moved, state="pending")],
        [claim(kept, NOW + 60_000_000)],
    ]


def _long_history() -> list[list[Write]]:
    """Return commits to one change that make megabytes of its former documents obsolete."""
    commits = [create("long", document=_DOCUMENT)]
    while len(commits) < _LONG_COMMITS:
        commits.append(follow(commits[-1].row, document=_DOCUMENT))
    return [[write] for write in commits]


def _cut_back(synced: dict[Path, bytes], known: set[Path]) -> None:
    """Reduce each file to its synced content, and empty the files that did not exist before."""
    known |= synced.keys()
    for path in known - synced.keys():
        path.unlink(missing_ok=True)
    for path, content in synced.items():
        with path.open("r+b") as file:
            file.truncate()
            file.write(content)
