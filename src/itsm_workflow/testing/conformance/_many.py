"""The promises about many values at a time: long lists, large limits, heavy pages, and one bad write among many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._rows import create, entry, follow, found, refused, stored, whole_history

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import StorageBackend, Write

_SEVERAL = {"ids": "id", "states": "state", "attention": "attention", "ticket_sns": "ticket_sn"}
_LISTED = 70_000
_COMBINED = 20_000
_BOUND = (1000, 32_766, 65_535)
"""Numbers of values that one statement of a database takes; the next one is the first that it does not take."""
_LIMITS = (1 << 31, 1 << 32, (1 << 63) - 2)
_MIB = 1 << 20
_HEAVY = 17
_BATCH = 2000
_BAD = 1500
_KIB = 1 << 10
_LARGE = ((40, 64 * _KIB, ("form", "document")), (20, _MIB, ("entry",)), (5, 4 * _MIB, ("document",)))
"""The numbers of writes of three commits, the bytes of their texts, and the columns that have them."""
_CREATES = 4100  # with 16 columns each
_ENTRIES = 8200  # with 8


class ManyPromises(Promises):
    """Calls with many or with large values are answered as those with a few."""

    @promise(in_short=True)
    def test_long_lists_in_every_condition(self, backend: StorageBackend) -> None:
        """A condition may have tens of thousands of values, the last of which counts as the first does.

        Port: "The conditions that rows must meet. None means "any"; an empty tuple means "none"."
        """
        values = tuple(f"v{number:05}" for number in range(_LISTED))
        wanted = [values[0], *(values[number] for number in _BOUND), values[-1]]
        for value in (*wanted, "other"):
            columns: dict[str, Any] = dict.fromkeys(("state", "attention", "ticket_sn"), value)
            stored(backend, create(value, **columns))
        shorter = values[-_COMBINED:]
        several: dict[str, Any] = dict.fromkeys(_SEVERAL, shorter)
        for conditions, expected in (
            *(({name: values}, wanted) for name in _SEVERAL),
            (several, [value for value in wanted if value in shorter]),
        ):
            read = found(backend, **conditions)
            counts = " and ".join(f"{len(listed):,} values in {name}" for name, listed in conditions.items())
            assert read == expected, f"find with {counts} returned {read}, must return {expected}"

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

    @promise(in_short=True)
    def test_a_batch_of_large_writes(self, backend: StorageBackend) -> None:
        """Several writes of up to 4 MiB, each of which a backend stores alone, are stored whole in one commit.

        Port: "Store each write or say why not, and make all that were stored durable before returning."
        """
        for count, size, places in _LARGE:
            batch = [_large(f"{size:,} bytes {number:02}", size, places) for number in range(count)]
            what = f"a commit of {count} writes with texts of {size:,} bytes"
            assert backend.commit(batch) == [None] * count, f"{what} was not answered as stored"
            _check_stored(backend, batch, what)

    @promise(in_short=True)
    def test_a_batch_of_tens_of_thousands_of_values(self, backend: StorageBackend) -> None:
        """A commit may have more rows, and a write more entries, than one statement of a database takes.

        Port: "The answer has the length and the order of the writes: None for a write that was stored, else its
        conflict."
        """
        taken: dict[str, Any] = {"open_subject": "s"}
        holder = stored(backend, create("holder", **taken))
        stale = stored(backend, create(f"c{_CREATES - 2:04}"))
        batch = [create(f"c{number:04}", ticket_sn=f"n{number}") for number in range(_CREATES - 1)]
        batch.append(create(f"c{_CREATES - 1:04}", **taken))
        answer = backend.commit(batch)
        what = f"a commit of {len(batch):,} writes"
        lost = [(place, conflict.kind.value) for place, conflict in enumerate(answer) if conflict is not None]
        assert len(answer) == len(batch), f"{what} has {len(answer):,} answers"
        expected = [(_CREATES - 2, "version"), (_CREATES - 1, "subject")]
        assert lost == expected, f"{what} has conflicts at {lost[:5]}, must have {expected}"
        winners = batch[: _CREATES - 2]
        rows = backend.find(Query(limit=2 * _CREATES)).rows
        right = {write.row.id: write.row for write in winners} | {stale.id: stale, holder.id: holder}
        differing = [row.id for row in rows if right.pop(row.id, None) != row] + [*right]
        assert not differing, f"after {what}, {len(differing):,} rows are missing or differ, such as {differing[0]!r}"
        long = create("long", entries=_ENTRIES)
        assert backend.commit([long]) == [None], f"a write with {_ENTRIES:,} entries was not stored"
        for write in (*winners[:: _CREATES // 10], long):
            name, lines = write.row.id, whole_history(backend, write.row.id)
            count = len(write.entries)
            assert len(lines) == count, f"{name!r} was stored with {count:,} entries, and has {len(lines):,}"
            assert lines == list(write.entries), f"{name!r} has other entries than those that were stored"


def _large(change_id: str, size: int, places: tuple[str, ...]) -> Write:
    """Return a new change with texts of that many bytes, which no other change has."""
    text = f"{change_id} ".ljust(size - 1, "x") + "!"
    columns: dict[str, Any] = {place: text for place in places if place != "entry"}
    write = create(change_id, **columns)
    return attrs.evolve(write, entries=(entry(change_id, 1, document=text),)) if "entry" in places else write


def _check_stored(backend: StorageBackend, batch: list[Write], what: str) -> None:
    """Check each row and each history; a failure does not show the texts."""
    for write in batch:
        name = write.row.id
        row = backend.get(name)
        if row is None:
            raise AssertionError(f"{what} was answered as stored, and get({name!r}) returned None")
        if row != write.row:
            raise AssertionError(f"{what} was answered as stored, and get({name!r}) returned another row")
        if whole_history(backend, name) != list(write.entries):
            raise AssertionError(f"{what} was answered as stored, and history({name!r}) returned other entries")
