"""The chain of a history: any damage to it is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from hypothesis import assume, given
from hypothesis import strategies as st

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.storage.codec import Codec
from itsm_workflow.storage.documents import entry_digest
from itsm_workflow.testing import strategies as s
from tests.support import examples as x

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import EntryRow

CODEC = Codec({**COLLECTOR_CHANGE.evidence_types, "Drafted": ev.Drafted})

# ---------------------------------------------------------------- the chain


@given(data=st.data())
def test_any_damage_to_a_history_is_noticed(data: st.DataObject) -> None:
    """An edit, a removal, a swap, a repeat: noticed by the chain, or at its end by the digest in the change's row."""
    made = data.draw(st.lists(s.entries, min_size=2, max_size=5))
    entries = [attrs.evolve(entry, seq=number) for number, entry in enumerate(made, start=1)]
    write, stored = CODEC.write(None, x.DRAFT, entries, None, open_subject=None)
    rows = list(write.entries)
    damaged = data.draw(st.one_of(edits(rows), removals(rows), swaps(rows), repeats(rows)), label="damaged")
    assume(damaged != rows)
    try:
        CODEC.entries(damaged)
    except StorageCorrupt as error:
        assert vars(error)["seq"] in {row.seq for row in damaged}  # noqa: PT017 - either outcome notices it
        return
    assert damaged == [] or entry_digest(damaged[-1]) != stored.head


def edits(rows: list[EntryRow]) -> st.SearchStrategy[list[EntryRow]]:
    """Return a strategy of the rows with one column of one of them changed."""
    columns = {
        "at": st.integers(0, 10**15),
        "trigger": s.texts,
        "source": s.texts,
        "dest": s.texts,
        "actor": s.texts,
        "seq": st.integers(1, 9),
        "change_id": s.texts,
        "document": st.sampled_from(
            [rows[0].document.replace('"effects":[', '"effects":["x",'), "{}", rows[1].document]
        ),
    }
    return st.tuples(st.integers(0, len(rows) - 1), st.sampled_from(sorted(columns))).flatmap(
        lambda where: columns[where[1]].map(
            lambda value: [
                attrs.evolve(row, **{where[1]: value}) if number == where[0] else row  # type: ignore[arg-type]
                for number, row in enumerate(rows)
            ]
        )
    )


def removals(rows: list[EntryRow]) -> st.SearchStrategy[list[EntryRow]]:
    """Return a strategy of the rows without some."""
    return st.sets(st.integers(0, len(rows) - 1), min_size=1).map(
        lambda gone: [row for number, row in enumerate(rows) if number not in gone]
    )


def swaps(rows: list[EntryRow]) -> st.SearchStrategy[list[EntryRow]]:
    """Return a strategy of the rows in another order."""
    return st.permutations(rows).map(list)


def repeats(rows: list[EntryRow]) -> st.SearchStrategy[list[EntryRow]]:
    """Return a strategy of the rows with one of them twice."""
    return st.integers(0, len(rows) - 1).map(lambda number: [*rows[: number + 1], *rows[number:]])
