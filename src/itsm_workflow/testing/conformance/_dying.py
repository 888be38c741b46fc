"""Promises to those whose process dies, or whose machine loses power, at any moment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

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
    from itsm_workflow.storage.protocol import Write
    from itsm_workflow.testing.conformance._recording import RecordedOpener

_ACKNOWLEDGED = 25
_CUTS = (1, 2, 3, 4, 5, 6)
"""After how many commits the power is cut, each time on what the cuts before have left."""


class DyingPromises(Promises):
    """What was told to be stored is stored, and nothing is by half."""

    @promise("durable", "multi_process")
    def test_a_killed_process_loses_nothing_that_it_was_told(self, open_backend: RecordedOpener) -> None:
        """After SIGKILL in the midst of writing, each commit that had returned is there, and none is there by half.

        Port: "Store each write or say why not, and make all that were stored durable before returning."
        """
        for kill in range(self.profile.kills):
            change_id = f"c{kill}"
            # The first one is killed right after it was told, so that nothing more is on its way; the others at work.
            rests_at = _ACKNOWLEDGED + 1 if kill == 0 else None
            writer = Other(write_on, open_backend, change_id, rests_at)
            try:
                told = [writer.hear() for _ in range(_ACKNOWLEDGED + kill)]
                told += writer.kill()
            finally:
                writer.close()
            open_backend.recording.add("elsewhere", (f"told up to version {told[-1]} of {change_id}, and killed",))
            backend = open_backend()
            try:
                version = check_prefix(backend, change_id)
                # One more may have been stored before anybody was told.
                assert version in {told[-1], told[-1] + 1}
                names = [name for name in found(backend) if name.startswith(f"{change_id}-")]
                assert len(names) == version - 1
                for name in names:
                    assert len(whole_history(backend, name)) == present(backend, name).seq
                # And the store works on.
                stored(backend, follow(present(backend, change_id)))
            finally:
                backend.close()

    @promise("durable", "multi_process")
    def test_dying_inside_a_commit_leaves_whole_writes(self, open_backend: RecordedOpener) -> None:
        """Wherever in its code the backend dies, each write of the commit is there with its entries, or not at all.

        Port: "A write is stored whole, row and entries, or not at all."
        """
        survivor = open_backend()
        try:
            row = stored(survivor, create("c0", open_subject="s0"))
            counter = Other(count_lines, open_backend, [follow(row, entries=2), create("new0", open_subject="n0")])
            try:
                lines = counter.hear()
            finally:
                counter.close()
            step = max(1, lines // self.profile.deaths)
            for line in range(1, lines + 1, step):
                row = present(survivor, "c0")
                new = f"new{line}"
                writes = [follow(row, entries=2), create(new, entries=2, open_subject=new)]
                other = Other(write_and_die, open_backend, [writes], line)
                try:
                    answers = other.last_words()
                finally:
                    other.close()
                after = present(survivor, "c0")
                there = survivor.get(new)
                where = f"died at line {line} of {lines} of the commit"
                open_backend.recording.add("elsewhere", (f"commit({word(writes)}), {where}",))
                assert after.version in {row.version, row.version + 1}, where
                assert after.seq == row.seq + 2 * (after.version - row.version), where
                assert whole_history(survivor, "c0") == [entry("c0", seq) for seq in range(1, after.seq + 1)], where
                assert len(whole_history(survivor, new)) == (2 if there else 0), where
                if answers:
                    assert (after.version, there is not None) == (row.version + 1, True), where
                # Nobody holds what was not stored, and the store works on.
                taken = survivor.commit([create(f"{new} again", open_subject=new)])
                assert [conflict is None for conflict in taken] == [there is None], where
        finally:
            survivor.close()

    @promise("durable", "multi_process", "fsync")
    def test_a_power_cut_loses_nothing_that_was_told(self, open_backend: RecordedOpener) -> None:
        """What stood in no file when it was last synced is lost in a power cut; nothing of it was told to be stored.

        The power is cut after creates, after an approval and after claims, each time with another commit as the last.

        Port: "Store each write or say why not, and make all that were stored durable before returning."
        """
        model, known = Model(), set[Path]()
        for cut, place in enumerate(_CUTS):
            commits = _history(cut)[:place]
            other = Other(synced_files, open_backend, open_backend, commits)
            try:
                synced = other.hear()
            finally:
                other.close()
            for writes in commits:
                open_backend.recording.add("elsewhere", (f"commit({word(writes)}) -> {word([None] * len(writes))}",))
                model = model.after(writes, [None] * len(writes))
            open_backend.recording.add("elsewhere", ("then the power was cut",))
            if synced is None:
                raise AssertionError("no os.fsync and no os.fdatasync was called while it committed")
            _cut_back({Path(path): content for path, content in synced.items()}, known)
            backend = open_backend()
            try:
                for change_id, row in model.rows.items():
                    lost = f"{change_id}: told to be stored, but lost"
                    assert present(backend, change_id) == row, lost
                    assert tuple(whole_history(backend, change_id)) == model.entries[change_id], lost
            finally:
                backend.close()


def _history(cut: int) -> list[list[Write]]:
    """Return commits of each kind; whatever place the power is cut at, the last one is what was not synced."""
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


def _cut_back(synced: dict[Path, bytes], known: set[Path]) -> None:
    """Leave of each file what was synced, and nothing of those that were not there yet."""
    known |= synced.keys()
    for path in known - synced.keys():
        path.unlink(missing_ok=True)
    for path, content in synced.items():
        with path.open("r+b") as file:
            file.truncate()
            file.write(content)
