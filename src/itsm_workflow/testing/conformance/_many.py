"""The promises about many values at a time: long lists, large limits, heavy pages, and one bad write among many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._rows import create, entry, follow, found, refused, stored

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import StorageBackend, Write

_SEVERAL = {"ids": "id", "states": "state", "attention": "attention", "ticket_sns": "ticket_sn"}
_LISTED = 2500
_LIMITS = (1 << 31, 1 << 32, (1 << 63) - 2)
_MIB = 1 << 20
_HEAVY = 17
_BATCH = 2000
_BAD = 1500


class ManyPromises(Promises):
    """Calls with many or with large values are answered as those with a few."""

    @promise(in_short=True)
    def test_long_lists_in_every_condition(self, backend: StorageBackend) -> None:
        """A condition may have thousands of values, the last of which counts as the first does.

        Port: "The conditions that rows must meet. None means "any"; an empty tuple means "none"."
        """
        values = tuple(f"v{number:05}" for number in range(_LISTED))
        wanted = [values[0], values[_LISTED // 2], values[-1]]
        for value in (*wanted, "other"):
            columns: dict[str, Any] = dict.fromkeys(("state", "attention", "ticket_sn"), value)
            stored(backend, create(value, **columns))
        several: dict[str, Any] = dict.fromkeys(_SEVERAL, values)
        for conditions in (*({name: values} for name in _SEVERAL), several):
            read = found(backend, **conditions)
            names = " and ".join(conditions)
            assert read == wanted, f"find with {_LISTED:,} values in {names} returned {read}, must return {wanted}"

    @promise()
    def test_large_limits(self, backend: StorageBackend) -> None:
        """A limit and the number of an entry may be larger than 32 bits hold.

        Port: "The maximum number of rows, at least 1 and less than 2**63 - 1."
        """
        row = stored(backend, create("c1", entries=2))
        for limit in _LIMITS:
            page = backend.find(Query(limit=limit))
            assert (page.rows, page.next) == ((row,), None), f"find(limit={limit})"
            lines = backend.history("c1", limit=limit)
            assert ([line.seq for line in lines.entries], lines.next_seq) == ([1, 2], None), f"history(limit={limit})"
            lines = backend.history("c1", after_seq=limit)
            assert (lines.entries, lines.next_seq) == ((), None), f"history(after_seq={limit})"

    @promise(in_short=True)
    def test_heavy_pages_are_whole(self, backend: StorageBackend) -> None:
        """A page has as many rows or entries as were asked for, whatever their size.

        Port: "Each page but the last has as many rows as the query's limit."
        """
        text = "x" * _MIB
        names = [f"c{number:02}" for number in range(_HEAVY)]
        for name in names:
            assert backend.commit([create(name, document=text)]) == [None], f"{name} was not stored"
        page = backend.find(Query(limit=_HEAVY))
        read = [(row.id, len(row.document)) for row in page.rows]
        assert read == [(name, _MIB) for name in names], f"a page of {_HEAVY} rows of 1 MiB has {len(read)} rows"
        assert page.next is None, "the last page says that there are more rows"
        write = create("long", entries=_HEAVY)
        heavy = tuple(attrs.evolve(line, document=text) for line in write.entries)
        assert backend.commit([attrs.evolve(write, entries=heavy)]) == [None], "the long history was not stored"
        lines = backend.history("long", limit=_HEAVY)
        sizes = [(line.seq, len(line.document)) for line in lines.entries]
        expected = [(seq, _MIB) for seq in range(1, _HEAVY + 1)]
        assert sizes == expected, f"a page of {_HEAVY} entries of 1 MiB has {len(sizes)} entries"
        assert lines.next_seq is None, "the last page says that there are more entries"

    @promise(in_short=True)
    def test_a_bad_write_late_in_a_big_batch(self, backend: StorageBackend) -> None:
        """A bad write after 1,500 good ones fails the batch before any of them is stored.

        Port: "Checked before anything is stored, so that one bad write cannot fail a batch half-way."
        """
        row = stored(backend, create("stored", entries=2))
        bad: dict[str, Write] = {
            "with NUL": create("bad", subject="a\0b"),
            "whose entries leave a gap": attrs.evolve(create("bad", entries=2), entries=(entry("bad", 2),)),
            "whose entries do not follow the stored ones": follow(attrs.evolve(row, seq=7)),
        }
        batch = [create(f"c{number:04}") for number in range(_BATCH)]
        for what, write in bad.items():
            call = [*batch[:_BAD], write, *batch[_BAD + 1 :]]
            where = f"a commit of {_BATCH:,} writes, of which number {_BAD + 1:,} is one {what},"
            refused(ValueError, where, lambda call=call: backend.commit(call))  # type: ignore[misc]  # bound here
            read = found(backend, limit=_BATCH)
            assert read == ["stored"], f"{where} raised, but {len(read) - 1:,} of its writes are stored"
        assert backend.commit(batch) == [None] * _BATCH, "the batch without the bad write was not stored"
