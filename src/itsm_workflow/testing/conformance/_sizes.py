"""The promises about large values and large numbers: long texts, many rows, long histories, big batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.protocol import MAX_TEXT_BYTES, Order, Query
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._rows import (
    claim,
    create,
    entry,
    follow,
    found,
    kept_or_refused,
    pages,
    present,
    stored,
    whole_history,
)

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import Row, StorageBackend, Write
    from itsm_workflow.testing.conformance._recording import RecordedOpener

_ROW_TEXTS = (
    *("workflow", "state", "attention", "subject", "open_subject", "ticket_key", "ticket_sn"),
    *("form", "document"),
)
_ENTRY_TEXTS = ("trigger", "source", "dest", "actor", "document")
_KIB_64 = 1 << 16
_PIECE = "日志 log "
_BATCH = 2000
_ROWS = 10_500
_STRIDE = 4801  # has no divisor in common with the number of rows
_PAGE = 3000
_ENTRIES = 5000
_MORE_ENTRIES = 7000
_TWO_BYTES = 1 << 15
_BLOCK = 1 << 12
_OFF_BY = (1 << 8, 1 << 15, 1 << 16, 1 << 31, 1 << 32, 1 << 53, 1 << 62)
_ENTRY_EVERY = 50
_LOOKS = 5


class SizePromises(Promises):
    """Nothing is cut, rounded or left out because it is large."""

    @promise(in_short=True)
    def test_long_texts_are_whole(self, backend: StorageBackend) -> None:
        """A text of 64 KiB, and one of the port's 4 MiB, is kept to its last character or refused, in every column.

        Port: "No text of a row or an entry may be longer than this, in UTF-8."
        """
        _check_whole(backend, create(_text(_KIB_64)), "id")
        for number, name in enumerate(_ROW_TEXTS):
            columns: dict[str, Any] = {name: _text(_KIB_64)}
            _check_whole(backend, create(f"row {number}", **columns), name)
        for number, name in enumerate(_ENTRY_TEXTS):
            write = create(f"entry {number}")
            long = entry(write.row.id, 1, **{name: _text(_KIB_64)})
            _check_whole(backend, attrs.evolve(write, entries=(long,)), f"an entry's {name}")
        longest = _text(MAX_TEXT_BYTES)
        for name in ("document", "form"):
            columns = {name: longest}
            _check_whole(backend, create(f"longest {name}", **columns), name)
        columns, lines = dict.fromkeys(_ROW_TEXTS, longest), dict.fromkeys(_ENTRY_TEXTS, longest)
        write = attrs.evolve(create("longest", **columns), entries=(entry("longest", 1, **lines),))
        _check_whole(backend, write, "every column")

    @promise(in_short=True)
    def test_more_than_ten_thousand_rows(self, backend: StorageBackend) -> None:
        """Pages, orders and names are as with few rows.

        Port: "Read page by page, a row that matches throughout is never left out; only a row that itself changed
        between two pages can be met twice or missed."
        """
        names = [f"c{number:05}" for number in range(_ROWS)]
        place = {name: number * _STRIDE % _ROWS for number, name in enumerate(names)}
        writes = [
            create(name, due_at=place[name], updated_at=-place[name], submission=place[name], ticket_sn=name[-2:])
            for name in names
        ]
        for first in range(0, _ROWS, _BATCH):
            batch = writes[first : first + _BATCH]
            _same("answers to new rows", backend.commit(batch), [None] * len(batch))
        by_place = sorted(names, key=place.__getitem__)
        orders = {Order.ID: names, Order.DUE_AT: by_place}
        orders |= {Order.UPDATED_AT: by_place[::-1], Order.SUBMISSION: by_place[::-1]}
        for order, expected in orders.items():
            read = [[row.id for row in page.rows] for page in pages(backend, Query(order=order, limit=_PAGE))]
            _same(f"rows ordered by {order}", [name for page in read for name in page], expected)
            sizes = [len(page) for page in read]
            _same(f"sizes of pages ordered by {order}", sizes, [_PAGE] * (_ROWS // _PAGE) + [_ROWS % _PAGE])
        _same("rows found by their ids", found(backend, ids=tuple(reversed(names)), limit=_ROWS + 1), names)
        _same("rows of one number", found(backend, ticket_sns=("07",)), names[7::100])
        due = found(backend, due_before=99, order=Order.DUE_AT, limit=60)
        _same("due rows", due, by_place[:100])
        for name in (names[0], names[_ROWS // 2], names[-1]):
            row = stored(backend, follow(present(backend, name), state="approved"))
            assert row.version == 2, f"the second write of {name!r} has version {row.version}"
        _same("approved rows", found(backend, states=("approved",)), [names[0], names[_ROWS // 2], names[-1]])

    @promise(in_short=True)
    def test_thousands_of_entries(self, backend: StorageBackend) -> None:
        """One write may have 5,000 entries, and a history more than a number of two bytes can count.

        Port: "The number of entries in the history, which are numbered 1 to ``seq``."
        """
        row = stored(backend, create("c1", entries=_ENTRIES))
        stored(backend, create("c2", entries=3))
        while row.seq <= self.profile.entries:
            row = stored(backend, follow(row, entries=_MORE_ENTRIES))
        expected = [entry("c1", seq) for seq in range(1, row.seq + 1)]
        for limit in (_ENTRIES, _BLOCK, row.seq):
            _same(f"entries in pages of {limit:,}", whole_history(backend, "c1", limit=limit), expected)
        page = backend.history("c1", row.seq - 7)
        assert (list(page.entries), page.next_seq) == (expected[-7:], None)
        page = backend.history("c1", _TWO_BYTES, 2)
        assert (list(page.entries), page.next_seq) == (expected[_TWO_BYTES : _TWO_BYTES + 2], _TWO_BYTES + 2)
        assert whole_history(backend, "c2") == [entry("c2", seq) for seq in (1, 2, 3)]

    @promise(in_short=True)
    def test_a_batch_of_two_thousand(self, backend: StorageBackend) -> None:
        """Each write of a big batch has its own answer: creates, claims, stale writes and taken values in one commit.

        Port: "The answer has the length and the order of the writes: None for a write that was stored, else its
        conflict."
        """
        first = [create(f"c{number:04}", open_subject=f"s{number}") for number in range(_BATCH)]
        _same("answers to new rows", backend.commit(first), [None] * _BATCH)
        planned = [_planned(number, write.row) for number, write in enumerate(first)]
        answer = backend.commit([write for write, _ in planned])
        _same("answers", [conflict and conflict.kind.value for conflict in answer], [kind for _, kind in planned])
        _same("ids", [c and c.change_id for c in answer], [w.row.id if kind else None for w, kind in planned])
        expected = [write.row if number % 4 < 2 else first[number].row for number, (write, _) in enumerate(planned)]
        _same("rows", list(backend.find(Query(limit=2 * _BATCH)).rows), expected)

    @promise()
    def test_a_version_is_compared_as_a_whole(self, backend: StorageBackend) -> None:
        """A version that differs by a power of two, as if it had been cut to fewer bits or rounded, is another one.

        Port: "0 creates; otherwise the version that the writer has read."
        """
        row = stored(backend, follow(stored(backend, create("c1"))))
        for off in _OFF_BY:
            stale = attrs.evolve(row, version=row.version + off)
            for write in (follow(stale, state="approved"), claim(stale, 5)):
                kinds = [conflict and conflict.kind.value for conflict in backend.commit([write])]
                assert kinds == ["version"], f"the stored version is {row.version}, and the write expected it + {off}"
        assert backend.get("c1") == row

    @promise(in_short=True)
    def test_thousands_of_commits(self, open_backend: RecordedOpener) -> None:
        """The version counts every write, and nothing is lost when a file is compacted or a number gets longer.

        Port: "Starts at 1, one higher with each write."
        """
        backend: StorageBackend = open_backend()
        try:
            row = create("c1", open_subject="s", ticket_key="t").row
            assert backend.commit([create("c1", open_subject="s", ticket_key="t")]) == [None]
            for number in range(1, self.profile.commits + 1):
                write = claim(row, number) if number % _ENTRY_EVERY else follow(row, form=None)
                assert backend.commit([write]) == [None], f"commit {number:,} of one writer had a conflict"
                row = attrs.evolve(write.row, form=row.form)
                if number % (self.profile.commits // _LOOKS) == 0:
                    if "durable" in self.abilities:
                        backend.close()
                        backend = open_backend()
                    _check_counted(backend, row)
        finally:
            backend.close()


def _planned(number: int, row: Row) -> tuple[Write, str | None]:
    """Return one of four kinds of writes, and the kind of its conflict."""
    return (
        (follow(row, state="pending"), None),
        (claim(row, number), None),
        (follow(attrs.evolve(row, version=9)), "version"),
        (create(f"n{number:04}", open_subject=f"s{number}"), "subject"),
    )[number % 4]


def _text(size: int) -> str:
    """Return a text of that many bytes in UTF-8, most of which are of characters of three bytes."""
    text = _PIECE * (size // len(_PIECE.encode()))
    return text + "x" * (size - len(text.encode()) - 1) + "!"


def _check_whole(backend: StorageBackend, write: Write, what: str) -> None:
    row = write.row
    if not kept_or_refused(backend, write):
        return
    # Not asserted by ==, since an explanation of the difference would be as long as the texts.
    for name, read in (("get", backend.get(row.id)), ("find", backend.find(Query(ids=(row.id,))).rows[:1])):
        if read not in (row, (row,)):
            raise AssertionError(f"{what} was cut or changed: {name} {_differing(read, row)}")
    if whole_history(backend, row.id) != list(write.entries):
        raise AssertionError(f"{what} was cut or changed: history returned another entry")


def _differing(read: Row | tuple[Row, ...] | None, row: Row) -> str:
    found_row = read[0] if isinstance(read, tuple) and read else read
    if not found_row or isinstance(found_row, tuple):
        return "found no row"
    names = [name for name in attrs.fields_dict(type(row)) if getattr(found_row, name) != getattr(row, name)]
    sizes = [(name, getattr(found_row, name), getattr(row, name)) for name in names]
    return "; ".join(f"{name} has {_size(now)}, must have {_size(right)}" for name, now, right in sizes)


def _size(value: object) -> str:
    return f"{len(value.encode()):,} bytes" if isinstance(value, str) else repr(value)


def _same(what: str, read: list[Any], expected: list[Any]) -> None:
    """Compare two long lists; a failure shows the first difference, not the lists."""
    if read == expected:
        return
    if len(read) != len(expected):
        raise AssertionError(f"{what}: there are {len(read):,}, must be {len(expected):,}")
    place = next(place for place, pair in enumerate(zip(read, expected, strict=True)) if pair[0] != pair[1])
    raise AssertionError(f"{what}: at place {place:,} there is {read[place]!r}, must be {expected[place]!r}")


def _check_counted(backend: StorageBackend, row: Row) -> None:
    if (read := backend.get(row.id)) != row:
        raise AssertionError(f"after {row.version:,} writes, get returned {read}, must return {row}")
    lines = whole_history(backend, row.id)
    _same("entries", lines, [entry(row.id, seq) for seq in range(1, row.seq + 1)])
    kinds = [c and c.kind.value for c in backend.commit([create("c2", open_subject="s"), create("c3", ticket_key="t")])]
    assert kinds == ["subject", "ticket"], f"after {row.version:,} writes, the change no longer holds its values"
