"""The promises about files that were damaged outside of the backend."""

from __future__ import annotations

import base64
import random
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageCorrupt, StorageError, StorageUnavailable
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._files import written_files
from itsm_workflow.testing.conformance._model import Model
from itsm_workflow.testing.conformance._processes import Other
from itsm_workflow.testing.conformance._rows import claim, create, entry, follow, whole_history
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from itsm_workflow.storage.protocol import EntryRow, Row, StorageBackend, Write
    from itsm_workflow.testing.conformance._recording import RecordedOpener

    State = tuple[Row | None, list[EntryRow]]
    Files = dict[Path, bytes]
    Damage = tuple[Path, str, bytes]
    """A file, what happened to it, and its content then."""

_SEED = 7
_STRETCH = 40
_IN_LONG_TEXTS = 12
_HELD = "collector:s"
_LONG = 1 << 20


class DamagePromises(Promises):
    """Damage to a store is detected."""

    @promise("durable", "multi_process", "checksums")
    def test_damage_is_reported_and_never_read(self, open_backend: RecordedOpener) -> None:
        """After any damage to its bytes, committed data is read, or StorageCorrupt is raised before a write.

        Damage that cannot be attributed to a change may have hit the last write of any change. Then an older version
        may be read, but nothing is written on top of it, and no other change takes what the damaged one may hold.

        A file is also emptied, unless the backend appends to one: there an empty file is what was before the first
        commit.

        Port: "Every method may raise ``StorageUnavailable`` or ``StorageCorrupt``."
        """
        _damage(open_backend, _commits(), self._scattered)
        _damage(open_backend, _large_commits(), _spread)

    def _scattered(self, whole: Files, appended: bool) -> list[Damage]:  # noqa: FBT001  # passed on
        """Damage places at random, and empty the files of a backend that appends to none."""
        # Damage that includes the last byte looks like a commit that was never acknowledged.
        places = [(path, place) for path, content in whole.items() for place in range(len(content) - 1)]
        dice = random.Random(_SEED)  # noqa: S311  # not for secrets
        damages = [(path, f"{path.name} was emptied", b"") for path in ([] if appended else whole)]
        for number, (path, place) in enumerate(dice.sample(places, min(self.profile.damages, len(places)))):
            width = 1 if number % 2 else min(_STRETCH, len(whole[path]) - 1 - place)
            damages.append(_damaged(path, whole[path], place, [1 << dice.randrange(8) for _ in range(width)]))
        return damages


def _spread(whole: Files, _: bool) -> Iterator[Damage]:  # noqa: FBT001  # passed on
    """Damage one byte each at equal distances of all files together, so that each of the long texts is damaged."""
    total = sum(len(content) - 1 for content in whole.values())
    for number in range(_IN_LONG_TEXTS):
        place = (2 * number + 1) * total // (2 * _IN_LONG_TEXTS)
        for path, content in whole.items():
            if place < len(content) - 1:
                yield _damaged(path, content, place, [1])  # the lowest bit: a letter stays a letter or a sign
                break
            place -= len(content) - 1


def _damage(
    open_backend: RecordedOpener, commits: list[list[Write]], damages: Callable[[Files, bool], Iterable[Damage]]
) -> None:
    """Commit in another process, damage the files that it has written in each of these ways, and look each time."""
    other = Other(written_files, open_backend, open_backend, commits)
    try:
        paths, appended = other.receive()
    finally:
        other.close()
    files = [Path(path) for path in paths if Path(path).stat().st_size]
    assert files, "Python wrote no file, but the ability checksums is about files that Python writes"
    states = _states(commits)
    whole = {path: path.read_bytes() for path in files}
    for path, what, content in damages(whole, appended):
        open_backend.recording.calls.clear()
        open_backend.recording.add("elsewhere", (what,))
        path.write_bytes(content)
        try:
            _look(open_backend, states)
        finally:
            for each, before in whole.items():
                each.write_bytes(before)


def _damaged(path: Path, content: bytes, place: int, masks: list[int]) -> Damage:
    """Change the bytes of a file from a place on, by a mask each."""
    damaged = bytearray(content)
    for spoiled, mask in enumerate(masks, start=place):
        damaged[spoiled] ^= mask
    width = len(masks)
    what = f"{counted(width, 'byte')} at {place} of {path.name} {'was' if width == 1 else 'were'} damaged"
    return path, what, bytes(damaged)


def _commits() -> list[list[Write]]:
    first = create("c1", entries=2, open_subject=_HELD)
    second = follow(first.row, state="pending")
    return [
        [first],
        [create("c2", due_at=5)],
        [second],
        [claim(create("c2").row, 9), create("c3")],
        [follow(second.row, open_subject=_HELD)],
    ]


def _large_commits() -> list[list[Write]]:
    """Return commits whose rows and entries have texts of a MiB each, which no compression makes much shorter."""
    dice = random.Random(_SEED)  # noqa: S311  # not for secrets
    texts = [f'"{base64.b64encode(dice.randbytes(_LONG * 3 // 4)).decode()}"' for _ in range(3)]
    line = create("l3")
    long = attrs.evolve(line, entries=(entry("l3", 1, document=texts[2]),))
    return [[create("l1", document=texts[0])], [create("l2", form=texts[1]), long]]


def _states(commits: list[list[Write]]) -> list[dict[str, State]]:
    """Return the contents before each commit, and after the last one."""
    names = {write.row.id: None for writes in commits for write in writes}
    model = Model()
    states = []
    for writes in [[], *commits]:
        model = model.after(writes, [None] * len(writes))
        states.append({name: (model.get(name), list(model.entries.get(name, ()))) for name in names})
    return states


def _look(open_backend: Callable[[], StorageBackend], states: list[dict[str, State]]) -> None:
    try:
        backend = open_backend()
    except StorageError:
        return
    try:
        for name in states[-1]:
            _look_at(backend, name, states)
        _look_for_the_holder(backend)
    finally:
        backend.close()


def _look_at(backend: StorageBackend, name: str, states: list[dict[str, State]]) -> None:
    """Check what get and find read of a change, and that nothing is written on top of an older version."""
    for read in (_got, _found):
        try:
            row, entries = read(backend, name)
        except StorageCorrupt:
            continue
        by = "get" if read is _got else "find"
        known = [state[name] for state in states]
        fits = [row == then and entries in (None, lines) for then, lines in known]
        assert any(fits), f"{name} was read by {by} with contents that were never committed"
        if not fits[-1]:
            _must_refuse(
                backend,
                create(name) if row is None else follow(row),
                f"{name}, which was read by {by} as it was before its last write",
            )


def _got(backend: StorageBackend, name: str) -> tuple[Row | None, list[EntryRow] | None]:
    return backend.get(name), whole_history(backend, name)


def _found(backend: StorageBackend, name: str) -> tuple[Row | None, list[EntryRow] | None]:
    rows = backend.find(Query(ids=(name,))).rows
    return (rows[0] if rows else None), None


def _must_refuse(backend: StorageBackend, write: Write, what: str) -> None:
    try:
        backend.commit([write])
    except StorageCorrupt:
        return
    except StorageUnavailable as error:
        raise AssertionError(
            f"StorageUnavailable was raised, not StorageCorrupt, for a write to {what}: {error}"
        ) from None
    raise AssertionError(f"a write was accepted to {what}")


def _look_for_the_holder(backend: StorageBackend) -> None:
    """Check that no change takes the subject that `c1` holds, whether or not that can still be read."""
    try:
        conflicts = backend.commit([create("c4", open_subject=_HELD)])
    except StorageError:
        return
    assert conflicts != [None], "c4 was stored with the subject that c1 holds"
