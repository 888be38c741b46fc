"""The promises about files that were damaged outside of the backend."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageCorrupt, StorageError
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._files import written_files
from itsm_workflow.testing.conformance._model import Model
from itsm_workflow.testing.conformance._processes import Other
from itsm_workflow.testing.conformance._rows import claim, create, follow, whole_history

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import EntryRow, Row, StorageBackend, Write
    from itsm_workflow.testing.conformance._recording import RecordedOpener

    State = tuple[Row | None, list[EntryRow]]

_SEED = 7
_STRETCH = 40
_NAMES = ("c1", "c2", "c3")


class DamagePromises(Promises):
    """Damage to a store is detected."""

    @promise("durable", "multi_process", "checksums")
    def test_damage_is_told_and_never_read(self, open_backend: RecordedOpener) -> None:
        """After any damage to its bytes, committed data is read, or StorageCorrupt is raised before a write.

        Damage that cannot be attributed to a change may have hit the last write of any change. Then an older version
        may be read, but nothing is written on top of it.

        Port: "Every method may raise ``StorageUnavailable`` or ``StorageCorrupt``."
        """
        commits = _commits()
        other = Other(written_files, open_backend, open_backend, commits)
        try:
            files = [Path(path) for path in other.receive() if Path(path).stat().st_size]
        finally:
            other.close()
        assert files, "Python wrote no file, but the ability checksums is about files that Python writes"
        states = _states(commits)
        whole = {path: path.read_bytes() for path in files}
        # Damage that includes the last byte looks like a commit that was never acknowledged.
        places = [(path, place) for path, content in whole.items() for place in range(len(content) - 1)]
        dice = random.Random(_SEED)  # noqa: S311  # not for secrets
        for number, (path, place) in enumerate(dice.sample(places, min(self.profile.damages, len(places)))):
            open_backend.recording.calls.clear()
            damaged = bytearray(whole[path])
            width = 1 if number % 2 else min(_STRETCH, len(damaged) - 1 - place)
            for spoiled in range(place, place + width):
                damaged[spoiled] ^= 1 << dice.randrange(8)
            open_backend.recording.add("elsewhere", (f"{width} bytes at {place} of {path.name} damaged",))
            path.write_bytes(damaged)
            try:
                _look(open_backend, states)
            finally:
                for each, content in whole.items():
                    each.write_bytes(content)


def _commits() -> list[list[Write]]:
    first = create("c1", entries=2, open_subject="s")
    second = follow(first.row, state="pending")
    return [
        [first],
        [create("c2", due_at=5)],
        [second],
        [claim(create("c2").row, 9), create("c3")],
        [follow(second.row)],
    ]


def _states(commits: list[list[Write]]) -> list[dict[str, State]]:
    """Return the contents before each commit, and after the last one."""
    model = Model()
    states = []
    for writes in [[], *commits]:
        model = model.after(writes, [None] * len(writes))
        states.append({name: (model.get(name), list(model.entries.get(name, ()))) for name in _NAMES})
    return states


def _look(open_backend: Callable[[], StorageBackend], states: list[dict[str, State]]) -> None:
    try:
        backend = open_backend()
    except StorageError:
        return
    try:
        for name in _NAMES:
            try:
                read: State = backend.get(name), whole_history(backend, name)
            except StorageCorrupt:
                continue
            assert read in [state[name] for state in states], f"{name} was read with contents that were never committed"
            if read != states[-1][name]:
                _must_refuse(backend, name, read[0])
    finally:
        backend.close()


def _must_refuse(backend: StorageBackend, name: str, row: Row | None) -> None:
    try:
        backend.commit([create(name) if row is None else follow(row)])
    except StorageCorrupt:
        return
    raise AssertionError(f"{name} was read as it was before its last write, and a write to it was accepted")
