"""Read changes whole, each with its history as of one moment, and examine everything that a store holds."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageCorrupt, StorageSchemaError
from itsm_workflow.storage import paging
from itsm_workflow.storage.abilities import TellsDamage
from itsm_workflow.storage.integrity import content_problem, replay_problem
from itsm_workflow.storage.protocol import EntryRow, Query, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from itsm_workflow.storage.protocol import StorageBackend

_PAGE = 100
_ENTRIES = 500


@attrs.frozen(kw_only=True)
class Damaged:
    """Damage that was found in a store.

    Attributes:
        change_id: The change, or None if the store reported the damage and named it in the text.
        problem: The damage, as a clause.
    """

    change_id: str | None
    problem: str


@attrs.frozen(kw_only=True)
class Contents:
    """The changes of a store, counted and checked.

    Attributes:
        changes: The number of changes.
        entries: The number of entries of all histories.
        digest: The SHA-256, in hexadecimal, of all columns of all rows and entries, in the order of the ids. Two stores
            hold the same if their digests are equal, whatever their backends are.
        damaged: The damage that was found; empty if the store is intact.
        newer: The number of changes that a newer version of this library wrote, so that only their histories' order was
            checked.
    """

    changes: int
    entries: int
    digest: str
    damaged: tuple[Damaged, ...] = ()
    newer: int = 0


def whole(storage: StorageBackend, row: Row) -> tuple[Row, tuple[EntryRow, ...]]:
    """Return a change's row and the whole history that leads to it, although other processes write meanwhile.

    Args:
        storage: The store.
        row: The row as it was found. If entries were added since, a newer row is read.

    Returns:
        The row and its entries. They do not fit together only if the store is damaged.
    """
    found: list[EntryRow] = []
    while True:
        found += paging.entries(storage, row.id, after_seq=found[-1].seq if found else 0, limit=_ENTRIES)
        if not found or found[-1].seq <= row.seq:
            return row, tuple(found)
        newer = storage.get(row.id)
        if newer is None or newer.seq <= row.seq:  # the history goes on beyond its row
            return row, tuple(found)
        row = newer


def reported_damage(storage: StorageBackend) -> tuple[Damaged, ...]:
    """Return the damage that the backend itself finds; such damage may hide changes from every query."""
    reported = storage.damage() if isinstance(storage, TellsDamage) else ()
    return tuple(Damaged(change_id=None, problem=one) for one in reported)


def examine(
    storage: StorageBackend,
    rows: Iterable[Row] | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Contents:
    """Read a store, change by change, and check that each history replays to its row.

    The store is not changed. Other processes may use it; each change is checked as of one moment.

    Args:
        storage: The store.
        rows: The rows of the changes that are read, by default all in the order of their ids.
        progress: Called with the number of changes that have been read.

    Raises:
        StorageError: The store cannot be read.
    """
    damaged = list(reported_damage(storage))
    digest, changes, entries, newer = hashlib.sha256(), 0, 0, 0
    history: tuple[EntryRow, ...]
    problem: str | None
    for found in paging.rows(storage, Query(limit=_PAGE)) if rows is None else rows:
        changes += 1
        row, history, problem = found, (), None
        try:
            row, history = whole(storage, found)
            problem = content_problem(row, history)
        except StorageCorrupt as error:
            problem = str(error)
        except StorageSchemaError:
            newer += 1
        problem = problem or replay_problem(row, history)
        if problem is not None:
            damaged.append(Damaged(change_id=row.id, problem=problem))
        entries += len(history)
        for line in (attrs.astuple(row), *map(attrs.astuple, history)):
            digest.update(json.dumps(line).encode("ascii"))  # ASCII, since damaged texts can contain lone surrogates
        progress(changes)
    return Contents(changes=changes, entries=entries, digest=digest.hexdigest(), damaged=tuple(damaged), newer=newer)
