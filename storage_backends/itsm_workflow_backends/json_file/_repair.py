"""Make a damaged file usable again, when an operator asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.abilities import Repair
from itsm_workflow_backends.json_file._acknowledged import note_acknowledged
from itsm_workflow_backends.json_file._log import replace
from itsm_workflow_backends.json_file._rewrite import rewritten
from itsm_workflow_backends.json_file._whole import free_name, whole_file, wrong_content

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow.storage.abilities import ContentCheck
    from itsm_workflow.storage.table import Table


def repair(path: Path, *, timeout: float, check: ContentCheck | None) -> Repair:
    """Rewrite the file without its damaged parts; the implementation of `JSONFileBackend.repair`."""
    with whole_file(path, "repair", timeout=timeout) as (data, replay):
        wrong = dict(wrong_content(replay, check))
        problems = (*replay.problems(), *(f"change {name}: {why}" for name, why in wrong.items()))
        if not problems:
            return Repair()
        original = free_name(path, "damaged")
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
