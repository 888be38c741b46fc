"""Stores whose files were damaged outside the library, and the checks of what may be read of them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from itsm_workflow import COLLECTOR_CHANGE
from itsm_workflow.errors import StorageCorrupt, StorageError
from itsm_workflow.storage.protocol import EntryRow, Query, Row, Write
from tests.faults.stores import opened
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.storage.protocol import Conflict, StorageBackend
    from tests.faults.power import Cut

State = dict[str, tuple[Row, tuple[EntryRow, ...]]]


def state_of(store: StorageBackend) -> State:
    """Return every row of a store with its history."""
    return {row.id: (row, store.history(row.id).entries) for row in store.find(Query()).rows}


class Remembering:
    """A store that records its state after each commit."""

    def __init__(self, store: StorageBackend, states: list[State]) -> None:
        self._store, self._states = store, states

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Commit, and record the state."""
        told = self._store.commit(writes)
        self._states.append(state_of(self._store))
        return told

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


@attrs.frozen
class Whole:
    """A store of three changes before it was damaged.

    Attributes:
        url: The URL of the store.
        files: The contents of its files.
        states: Its state after each commit; the last one is its present state.
    """

    url: str
    files: Mapping[str, bytes]
    states: Sequence[State]

    @property
    def path(self) -> Path:
        """The store's file."""
        return Path("/" + self.url.partition("////")[2])

    @property
    def now(self) -> State:
        """The present state."""
        return self.states[-1]

    @property
    def changes(self) -> list[str]:
        """The ids of its changes, without the rows that the library stores for itself."""
        return [name for name, (row, _) in self.now.items() if row.workflow == COLLECTOR_CHANGE.name]

    @contextlib.contextmanager
    def damaged(self, files: Mapping[str, bytes]) -> Iterator[None]:
        """Replace the store's files with these until the block ends."""
        self._put(files)
        yield
        self._put({})

    def _put(self, files: Mapping[str, bytes]) -> None:
        for path in self.path.parent.iterdir():
            path.unlink()
        for name, content in files.items():
            (self.path.parent / name).write_bytes(content)


def whole(url: str, *, seed: int = 0, closed: bool = True) -> Whole:
    """Make a store with an approved change, a waiting change and a draft.

    Args:
        url: The URL of the store.
        seed: The seed of the store's ids.
        closed: Whether the store is closed before its files are read, which merges SQLite's log.
    """
    store = opened(url)
    states: list[State] = [{}]
    world = World(seed, store=Remembering(store, states))  # type: ignore[arg-type] # it delegates the other methods
    workflow = world.workflow()
    world.approved(workflow)
    world.gateway.deliver(workflow.receive)
    world.apply(workflow, "collector-2")
    workflow.draft(subject="collector-3", title="t", applicant="alice", approvers=["carol"])
    if closed:
        store.close()
    path = Path("/" + url.partition("////")[2])
    files = {one.name: one.read_bytes() for one in path.parent.iterdir()}
    store.close()
    return Whole(url, files, states)


def read(url: str, ids: Sequence[str]) -> dict[str, tuple[Row, tuple[EntryRow, ...]] | StorageError | None]:
    """Return each change as it is read, or the error that reading it raises."""
    try:
        store = opened(url)
    except StorageError as error:
        return dict.fromkeys(ids, error)
    found: dict[str, tuple[Row, tuple[EntryRow, ...]] | StorageError | None] = {}
    try:
        for change_id in ids:
            try:
                row = store.get(change_id)
                found[change_id] = None if row is None else (row, store.history(change_id).entries)
            except StorageError as error:
                found[change_id] = error
    finally:
        store.close()
    return found


def read_by_workflow(whole: Whole) -> dict[str, tuple[ChangeRequest, list[Entry]] | StorageError]:
    """Return each change of a store as a workflow reads it, or the error that reading it raises."""
    try:
        store = opened(whole.url)
    except StorageError as error:
        return dict.fromkeys(whole.changes, error)
    workflow = World(store=store).workflow()
    found: dict[str, tuple[ChangeRequest, list[Entry]] | StorageError] = {}
    try:
        for change_id in whole.changes:
            try:
                found[change_id] = workflow.get(change_id), workflow.history(change_id)
            except StorageError as error:
                found[change_id] = error
    finally:
        store.close()
    return found


def must_refuse_writes(url: str, row: Row) -> None:
    """Fail unless a write based on this row is refused."""
    with contextlib.suppress(StorageCorrupt):
        store = opened(url)
        try:
            store.commit([Write(row=attrs.evolve(row, version=row.version + 1), expected_version=row.version)])
        finally:
            store.close()
        raise AssertionError(f"change {row.id} was read as it was at version {row.version}, and written to")


PAGE = 4096


def spoiled(content: bytes, random: Random) -> bytes:
    """Return a SQLite file with one damage."""
    pages = [content[start : start + PAGE] for start in range(0, len(content), PAGE)]
    place = random.randrange(len(pages))
    match random.randrange(5):
        case 0:
            pages[place] = bytes(PAGE)
        case 1:
            pages[place] = random.randbytes(PAGE)
        case 2:
            pages[place] = pages[random.randrange(len(pages))]
        case 3:
            return content[: random.randrange(1, len(content))]
        case _:
            start, length = random.randrange(len(content)), random.choice([1, 16, 100])
            return content[:start] + random.randbytes(length) + content[start + length :]
    return b"".join(pages)


def ids_in(url: str) -> list[str] | StorageError:
    """Return the ids that a store finds, or the error that finding them raises."""
    try:
        store = opened(url)
    except StorageError as error:
        return error
    try:
        return [row.id for row in store.find(Query()).rows]
    except StorageError as error:
        return error
    finally:
        store.close()


def check_cut(folder: Path, cut: Cut, states: Sequence[State]) -> bool:
    """Fail unless a store holds what was acknowledged before the power cut, and return whether a change is set aside.

    One further commit may be there as a whole. A write of which a later part is there without an earlier one cannot be
    distinguished from damage: its changes may be set aside, and all others must be there.
    """
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, content in cut.files.items():
        (folder / name).write_bytes(content)
    known = states[cut.acknowledged : cut.acknowledged + 2]
    found = read(f"json:///{folder}/changes.json", list({name for state in known for name in state}))
    for name, one in found.items():
        if cut.torn and isinstance(one, StorageCorrupt):
            continue
        assert one in [state.get(name) for state in known], f"{cut.what}: {name} is not what was acknowledged: {one}"
    return any(isinstance(one, StorageCorrupt) for one in found.values())
