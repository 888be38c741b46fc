"""Make a damaged file usable again, when an operator asks for it."""

from __future__ import annotations

from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.abilities import Repair
from itsm_workflow.storage.files import look_at
from itsm_workflow_backends.json_file._acknowledged import last_acknowledged, note_acknowledged
from itsm_workflow_backends.json_file._lock import Lock
from itsm_workflow_backends.json_file._log import Log, replace
from itsm_workflow_backends.json_file._replay import Replay
from itsm_workflow_backends.json_file._rewrite import rewritten

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from itsm_workflow.storage.abilities import ContentCheck
    from itsm_workflow.storage.table import Table


def repair(path: Path, *, timeout: float, check: ContentCheck | None) -> Repair:
    """Rewrite the file without its damaged parts; the implementation of `JSONFileBackend.repair`."""
    if look_at(path) is None:
        raise StorageUnavailable(f"there is no store at {path}: check the path", path=str(path))
    with Lock(path, timeout=timeout).held() as deadline, closing(Log.open(path)) as log:
        log.lock(deadline)
        if not log.is_at_path(look_at(path)):
            raise StorageUnavailable(
                f"cannot repair {path}: another process replaced or removed it meanwhile: try again", path=str(path)
            )
        data = log.read(0)
        replay = Replay(path)
        replay.feed(data)
        replay.check_end(last_acknowledged(path, replay.store))
        wrong = dict(wrong_content(replay, check))
        problems = (*replay.problems(), *(f"change {name}: {why}" for name, why in wrong.items()))
        if not problems:
            return Repair()
        original = _free_name(path)
        replace(original, [data])
        dropped = tuple(name for name in replay.quarantined if name not in replay.table.rows)
        restored = {name: _restore(replay.table, name) for name in replay.quarantined if name not in dropped}
        for name in wrong:
            replay.table.drop(name)
        header = replay.next_header()
        replace(path, rewritten(header, replay.table.writes()))
        # From now on, the lost commits are no longer reported as missing.
        note_acknowledged(path, header.store, replay.next_number - 1)
    return Repair(problems=problems, original=original, restored=restored, dropped=(*dropped, *wrong), lost=replay.lost)


def wrong_content(replay: Replay, check: ContentCheck | None) -> Iterator[tuple[str, str]]:
    """Yield the ids of the changes that have intact lines but wrong content, each with what is wrong."""
    for write in replay.table.writes():
        if write.row.id not in replay.quarantined and check is not None:
            why = check(write.row, write.entries)
            if why is not None:
                yield write.row.id, why


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in count(1))
    return next(name for name in names if look_at(name) is None)


def _restore(table: Table, change_id: str) -> int:
    """Restore the change to its last complete write, and return the version of that write."""
    row = table.rows[change_id]
    # A subject or ticket that another change holds by now was released by this change in a write that is lost.
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
