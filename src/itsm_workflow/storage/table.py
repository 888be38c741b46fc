"""The storage port over plain dictionaries, for backends that keep all rows in memory.

The backend that uses a table must lock it and make it durable.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.checks import check_follows
from itsm_workflow.storage.protocol import (
    Conflict,
    ConflictKind,
    EntryRow,
    EntryRows,
    Order,
    Query,
    Row,
    Rows,
    Write,
    cursor_at,
    sort_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Key = tuple[int, str]


class Table:
    """Rows, their histories, and an index of the unique values that each row holds.

    Attributes:
        rows: The rows by id.
        hidden: The ids that `find` leaves out, although their rows still hold their unique values.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.hidden: set[str] = set()
        self._entries: dict[str, list[EntryRow]] = {}
        self._held: dict[str, tuple[str | None, str | None]] = {}
        self._subjects: dict[str, str] = {}
        self._tickets: dict[str, str] = {}
        self._by_subject: dict[str, set[str]] = {}
        # The submitted rows of each subject, sorted, so that the newest is found without reading the others.
        self._submitted: dict[str, list[Key]] = {}
        self._by_sn: dict[str, set[str]] = {}
        # An order is built when a query first needs it, and kept sorted after that, so that filling a table is fast.
        self._orders: dict[Order, list[Key]] = {}

    def commit(self, writes: Sequence[Write]) -> list[Conflict | None]:
        """Apply the writes one after the other; the caller has called `check_writes` before.

        Raises:
            ValueError: Entries leave a gap after the stored ones; no write was applied.
        """
        self.check(writes)
        results = []
        for write in writes:
            conflict = self.judge(write)
            if conflict is None:
                self.apply(write)
            results.append(conflict)
        return results

    def check(self, writes: Sequence[Write]) -> None:
        """Refuse writes whose entries leave a gap after the stored ones.

        Raises:
            ValueError: As documented for `StorageBackend.commit`.
        """
        for write in writes:
            old = self.rows.get(write.row.id)
            if old is not None and old.version == write.expected_version:
                check_follows(write, stored_seq=old.seq)

    def as_before(self, before: Mapping[str, Row | None]) -> Table:
        """Return a copy of the table with earlier rows of these changes, to undo a commit that was applied in part.

        Args:
            before: The earlier rows by id; None for a change that did not exist.
        """
        table = Table()
        table.hidden |= self.hidden
        for change_id, row in {**self.rows, **before}.items():
            if row is not None:
                table.put(row)
                # Entries are numbered from 1 and never change, so those of a row are the first ``seq``.
                table._entries[change_id] = self._entries[change_id][: row.seq]
        return table

    def judge(self, write: Write) -> Conflict | None:
        """Return the conflict that the write would have, or None if it can be applied."""
        row = write.row
        old = self.rows.get(row.id)
        if (old.version if old else 0) != write.expected_version:
            return Conflict(kind=ConflictKind.VERSION, change_id=row.id)
        if old is not None and not write.entries:
            return None
        for kind, holder in zip((ConflictKind.SUBJECT, ConflictKind.TICKET), self.holders(row), strict=True):
            if holder is not None and holder != row.id:
                return Conflict(kind=kind, change_id=row.id, holder=holder)
        return None

    def holders(self, row: Row) -> tuple[str | None, str | None]:
        """Return the ids of the changes that hold the row's open subject and its ticket key, or None for each."""
        return (
            None if row.open_subject is None else self._subjects.get(row.open_subject),
            None if row.ticket_key is None else self._tickets.get(row.ticket_key),
        )

    def apply(self, write: Write) -> None:
        """Store a write that has no conflict."""
        row = write.row
        old = self.rows.get(row.id)
        if old is not None and not write.entries:
            self.claim(row.id, row.version, row.due_at)
            return
        if old is not None and row.form is None:
            row = attrs.evolve(row, form=old.form)
        self.put(row)
        self._entries.setdefault(row.id, []).extend(write.entries)

    def put(self, row: Row) -> None:
        """Store the row, in place of the change's previous row if it has one."""
        self.hold(row.id, row.open_subject, row.ticket_key)
        self._index(self.rows.get(row.id), row)
        self.rows[row.id] = row

    def drop(self, change_id: str) -> None:
        """Remove the change, its history, and the unique values that it holds."""
        row = self.rows[change_id]
        self.put(attrs.evolve(row, open_subject=None, ticket_key=None, ticket_sn=None, submission=None))
        self._orders.clear()
        self._by_subject[row.subject].discard(change_id)
        del self.rows[change_id], self._entries[change_id], self._held[change_id]

    def claim(self, change_id: str, version: int, due_at: int | None) -> None:
        """Set the two columns that a write without entries changes."""
        self.put(attrs.evolve(self.rows[change_id], version=version, due_at=due_at))

    def held(self, change_id: str) -> tuple[str | None, str | None]:
        """Return the open subject and the ticket key that the change holds."""
        return self._held.get(change_id, (None, None))

    def hold(self, change_id: str, open_subject: str | None, ticket_key: str | None) -> None:
        """Record that the change holds these two unique values, in place of those that it held before."""
        before = self.held(change_id)
        for old, new, holders in zip(before, (open_subject, ticket_key), (self._subjects, self._tickets), strict=True):
            if old is not None and old != new and holders.get(old) == change_id:
                del holders[old]
            if new is not None:
                holders[new] = change_id
        self._held[change_id] = (open_subject, ticket_key)

    def find(self, query: Query) -> Rows:
        """Return one page of rows, see `StorageBackend.find`."""
        page: list[Row] = []
        for row in self._in_order(query):
            if row.id in self.hidden or not _matches(row, query):
                continue
            if len(page) == query.limit:
                return Rows(rows=tuple(page), next=cursor_at(page[-1], query.order))
            page.append(row)
        return Rows(rows=tuple(page))

    def history(self, change_id: str, after_seq: int, limit: int) -> EntryRows:
        """Return one page of history, see `StorageBackend.history`."""
        entries = self._entries.get(change_id, [])
        # Entries are numbered from 1, so the number of an entry gives its index in the list.
        page = tuple(entries[after_seq : after_seq + limit])
        return EntryRows(entries=page, next_seq=page[-1].seq if page and after_seq + limit < len(entries) else None)

    def writes(self) -> Iterator[Write]:
        """Return each change with its whole history as of this call, as the single write that would create it.

        The table may change while the caller reads them.
        """
        rows, entries = list(self.rows.values()), self._entries
        # Entries are numbered from 1 and never change, so those of a row are the first ``seq``.
        return (
            Write(row=row, expected_version=row.version - 1, entries=tuple(entries[row.id][: row.seq])) for row in rows
        )

    def _in_order(self, query: Query) -> Iterator[Row]:
        keys = self._sorted_keys(query)
        start = bisect_right(keys, sort_key(query.after, query.order)) if query.after else 0
        bound = {Order.DUE_AT: query.due_before, Order.UPDATED_AT: query.updated_before}.get(query.order)
        stop = len(keys) if bound is None else bisect_left(keys, (bound + 1, ""))
        for place in range(start, stop):
            yield self.rows[keys[place][1]]

    def _sorted_keys(self, query: Query) -> list[Key]:
        named = self._named(query)
        if named is not None:
            return sorted(_keys((self.rows[name] for name in named), query.order))
        if query.subject is None:
            return self._order(query.order)
        if query.order is Order.SUBMISSION:
            return self._submitted.get(query.subject, [])
        return sorted(_keys((self.rows[name] for name in self._by_subject.get(query.subject, ())), query.order))

    def _named(self, query: Query) -> Iterable[str] | None:
        """Return the ids to which the query is limited by a unique value or a number, or None if it is not limited."""
        if query.ids is not None:
            return self.rows.keys() & set(query.ids)
        if query.open_subject is not None:
            holder = self._subjects.get(query.open_subject)
            return self.rows.keys() & {holder}
        if query.ticket_sns is not None:
            return {name for sn in query.ticket_sns for name in self._by_sn.get(sn, ())}
        return None

    def _order(self, order: Order) -> list[Key]:
        keys = self._orders.get(order)
        if keys is None:
            keys = self._orders[order] = sorted(_keys(self.rows.values(), order))
        return keys

    def _index(self, old: Row | None, new: Row) -> None:
        for order, keys in self._orders.items():
            _resort(keys, None if old is None else _key(old, order), _key(new, order))
        self._index_submission(old, new)
        _move(self._by_subject, new.id, None if old is None else old.subject, new.subject)
        _move(self._by_sn, new.id, None if old is None else old.ticket_sn, new.ticket_sn)

    def _index_submission(self, old: Row | None, new: Row) -> None:
        after = _key(new, Order.SUBMISSION)
        before = None if old is None else _key(old, Order.SUBMISSION)
        if old is not None and old.subject != new.subject:
            _resort(self._submitted.setdefault(old.subject, []), before, None)
            before = None
        if before is not None or after is not None:
            _resort(self._submitted.setdefault(new.subject, []), before, after)


def _resort(keys: list[Key], before: Key | None, after: Key | None) -> None:
    if before == after:
        return
    if before is not None:
        del keys[bisect_left(keys, before)]
    if after is not None:
        insort(keys, after)


def _move(index: dict[str, set[str]], change_id: str, before: str | None, after: str | None) -> None:
    if before == after:
        return
    if before is not None:
        index[before].discard(change_id)
    if after is not None:
        index.setdefault(after, set()).add(change_id)


def _key(row: Row, order: Order) -> Key | None:
    cursor = cursor_at(row, order)
    return sort_key(cursor, order) if order is Order.ID or cursor.value is not None else None


def _keys(rows: Iterable[Row], order: Order) -> Iterator[Key]:
    return (key for row in rows if (key := _key(row, order)) is not None)


def _matches(row: Row, query: Query) -> bool:
    return (
        (query.ids is None or row.id in query.ids)
        and (query.workflow is None or row.workflow == query.workflow)
        and (query.states is None or row.state in query.states)
        and (query.attention is None or row.attention in query.attention)
        and (query.subject is None or row.subject == query.subject)
        and (query.open_subject is None or row.open_subject == query.open_subject)
        and (query.ticket_sns is None or row.ticket_sn in query.ticket_sns)
        and (query.due_before is None or (row.due_at is not None and row.due_at <= query.due_before))
        and (query.updated_before is None or row.updated_at <= query.updated_before)
    )
