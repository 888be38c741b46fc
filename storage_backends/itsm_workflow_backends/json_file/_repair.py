"""Making a damaged file usable again, on a person's word."""

from __future__ import annotations

from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.files import look_at
from itsm_workflow_backends.json_file._lock import Lock
from itsm_workflow_backends.json_file._log import Log, replace
from itsm_workflow_backends.json_file._replay import Replay
from itsm_workflow_backends.json_file._rewrite import rewritten

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow.storage.table import Table


@attrs.frozen(kw_only=True)
class Repair:
    """What a repair found and did.

    Attributes:
        problems: What was damaged. Empty: nothing was, and nothing was done.
        original: Where the file is kept as it was, or None.
        restored: Changes that are back as of their last write before the damage, with the version of that. They have
            lost at least one later write, so look each one's ticket up before you go on with it. They are due at no
            time, so that nothing acts on them before.
        dropped: Changes of which no whole write is left.
        lost: How many commits are missing without a trace of what they were about. If any, each change may have lost
            its last writes.
    """

    problems: tuple[str, ...] = ()
    original: Path | None = None
    restored: dict[str, int] = attrs.field(factory=dict)
    dropped: tuple[str, ...] = ()
    lost: int = 0


def repair(path: Path, *, timeout: float) -> Repair:
    """Rewrite the file with what is certain in it; `JSONFileBackend.repair` is the door to this."""
    if look_at(path) is None:
        raise StorageUnavailable(f"there is no store at {path}", path=str(path))
    with Lock(path, timeout=timeout).held() as patience, closing(Log.open(path)) as log:
        log.lock(patience)
        if not log.is_at_path(look_at(path)):
            raise StorageUnavailable(
                f"cannot repair {path}: it was replaced or removed meanwhile: try again", path=str(path)
            )
        data = log.read(0)
        replay = Replay(path)
        replay.feed(data)
        problems = replay.problems()
        if not problems:
            return Repair()
        original = _free_name(path)
        replace(original, [data])
        dropped = tuple(name for name in replay.quarantined if name not in replay.table.rows)
        restored = {name: _restore(replay.table, name) for name in replay.quarantined if name not in dropped}
        first = replay.next_number - len(replay.table.rows)
        lines = rewritten(replay.table.writes(), first, store=replay.store, generation=replay.generation + 1)
        replace(path, lines)
    return Repair(problems=problems, original=original, restored=restored, dropped=dropped, lost=replay.lost)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in count(1))
    return next(name for name in names if look_at(name) is None)


def _restore(table: Table, change_id: str) -> int:
    """Put the change back as of its last whole write, and return the version of that."""
    row = table.rows[change_id]
    # What another change holds by now, this one has let go of in a write that is lost.
    subject_holder, ticket_holder = table.holders(row)
    table.put(
        attrs.evolve(
            row,
            due_at=None,
            open_subject=row.open_subject if subject_holder in {None, change_id} else None,
            ticket_key=row.ticket_key if ticket_holder in {None, change_id} else None,
        )
    )
    return row.version
