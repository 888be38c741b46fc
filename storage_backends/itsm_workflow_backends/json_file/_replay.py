"""Read the lines of the file into a table of rows, and record the damage found in them.

A damaged line with intact names puts the changes that it names in quarantine, because their last rows are unknown.
Damage that cannot be attributed to a change may concern any change. An incomplete line at the end is the rest of a
commit that was interrupted by a crash and never acknowledged; the next commit overwrites it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageCorrupt, StorageSchemaError
from itsm_workflow.storage.protocol import Order
from itsm_workflow.storage.table import Table
from itsm_workflow_backends.json_file._format import (
    SCHEMA,
    Claim,
    Header,
    Line,
    Names,
    decode_header,
    decode_line,
    new_header,
    skip_blank,
)
from itsm_workflow_backends.json_file._reading import decode_intact_line
from itsm_workflow_backends.json_file._rewrite import entry_bytes, row_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from itsm_workflow.storage.protocol import Conflict, Query, Row, Write

_MARK = 64


@attrs.define
class Replay:
    """The content of the file up to an offset.

    Attributes:
        path: The file, for messages.
        schema: The schema in the first line.
        store: The name of the store in the first line, or "" if the line has no name or is damaged.
        generation: The generation in the first line.
        end: The offset after the last complete line; 0 before the first line was read.
        mark: The last bytes before `end`, by which the file is recognized.
        live: The estimated size in bytes of the file without obsolete lines.
        next_number: The number of the next commit.
        lost: The number of missing commits.
        quarantined: The reason for each change that cannot be read, by its id.
        unattributed: Damage that may concern any change.
        table: The rows. Those in quarantine are as they were before the damage.
    """

    path: Path
    schema: int = SCHEMA
    store: str = ""
    generation: int = 0
    end: int = 0
    mark: bytes = b""
    live: int = 0
    next_number: int = 1
    lost: int = 0
    quarantined: dict[str, str] = attrs.field(factory=dict)
    unattributed: list[str] = attrs.field(factory=list)
    table: Table = attrs.field(factory=Table)
    _sizes: dict[str, int] = attrs.field(factory=dict)

    def feed(self, data: bytes) -> None:
        """Read the data that follows `end` in the file.

        Raises:
            StorageCorrupt: Neither the first line nor the second line is in the format of this backend.
            StorageSchemaError: A newer version wrote the file.
        """
        # After a crash, the machine can leave NUL bytes after the end of what was written.
        data = data.rstrip(b"\0")
        offset = self.end
        start = self._begin(data) if offset == 0 else 0
        while start < len(data):
            line = decode_intact_line(data, start)
            if line is None:
                start = skip_blank(data, start)
                line = decode_line(data, start) if start < len(data) else None
                if line is None:
                    break
            self._read(line, offset + start)
            start = line.end
        self.moved_to(offset + start, data[:start])

    def check_end(self, acknowledged: int) -> None:
        """Record the commits that are missing at the end of the file; call it after the whole file was read.

        Args:
            acknowledged: The number of the last commit that is known to be acknowledged.
        """
        missing = acknowledged - self.next_number + 1
        if missing > 0 and self.store:
            self.lost += missing
            self.unattributed.append(f"{missing} commit(s) that were acknowledged are missing at its end")

    def next_header(self, *, continues: tuple[int, int] | None = None) -> Header:
        """Return the header of a file that replaces this one and contains one line for each change."""
        known = attrs.evolve(new_header(), generation=self.generation + 1, continues=continues)
        # Numbered backwards from the next commit, so that its number stays the same.
        first = self.next_number - len(self.table.rows)
        return attrs.evolve(known, first=first, store=self.store or known.store)

    def moved_to(self, end: int, last: bytes) -> None:
        """Set the offset up to which the file was read or written, given the last bytes before it."""
        self.mark = (self.mark + last[-_MARK:])[-_MARK:]
        self.end = end

    def commit(self, writes: Sequence[Write]) -> list[Conflict | None]:
        """Apply the writes, see `Table.commit`."""
        before = [self.table.rows.get(write.row.id) for write in writes]
        results = self.table.commit(writes)
        for write, old, conflict in zip(writes, before, results, strict=True):
            if conflict is None:
                self._count(write, old)
        return results

    @property
    def is_sound(self) -> bool:
        """Whether everything in the file can be read."""
        return not (self.unattributed or self.quarantined)

    def _begin(self, data: bytes) -> int:
        """Read the first line and return where the next one begins."""
        start = skip_blank(data, 0)
        first_end = data.find(b"\n", start) + 1
        header = decode_header(data[start:first_end])
        if header is None:
            header = self._without_header(data, first_end)
        if header.schema > SCHEMA:
            raise StorageSchemaError(
                f"{self.path} was written with schema {header.schema}, this version of itsm-workflow knows {SCHEMA}. "
                "Nothing was changed: install a newer itsm-workflow",
                path=str(self.path),
                found=header.schema,
                known=SCHEMA,
            )
        self.schema, self.store, self.generation = header.schema, header.store, header.generation
        self.next_number = header.first
        return first_end

    def hide(self) -> None:
        """Hide the changes in quarantine from the queries of the table."""
        self.table.hidden = set(self.quarantined)

    def check(self, change_id: str) -> None:
        """Refuse a change in quarantine.

        Raises:
            StorageCorrupt: The change is in quarantine.
        """
        if change_id in self.quarantined:
            raise StorageCorrupt(
                f"change {change_id} cannot be read: {self.quarantined[change_id]}; {self.advice()}",
                path=str(self.path),
                change_id=change_id,
            )

    def check_newest(self, query: Query) -> None:
        """Refuse a query for the newest submission or the holder of a subject that may be a change in quarantine.

        If the change were left out, as in other queries, an older submission would be taken for the newest.

        Raises:
            StorageCorrupt: The result may be a change in quarantine.
        """
        if query.order is not Order.SUBMISSION and query.open_subject is None:
            return
        if self.unattributed:
            message = f"cannot find the newest change of a subject in {self.path}: {self.unattributed[0]}"
            raise StorageCorrupt(f"{message}; {self.advice()}", path=str(self.path))
        for change_id in self.quarantined:
            row, held = self.table.rows.get(change_id), self.table.held(change_id)[0]
            subject = row.subject if row is not None else held and held.partition(":")[2]
            if query.open_subject is not None:
                concerned = held == query.open_subject
            else:
                concerned = subject is None or query.subject in {None, subject}
            if concerned:
                self.check(change_id)

    def check_writable(self, changes: Iterable[str]) -> None:
        """Refuse writes to changes in quarantine, and all writes if there is damage that may concern any change.

        Raises:
            StorageCorrupt: The writes are refused; nothing was stored.
        """
        if self.unattributed:
            raise StorageCorrupt(
                f"{self.path} can only be read: {self.unattributed[0]}; {self.advice()}", path=str(self.path)
            )
        for change_id in changes:
            self.check(change_id)

    def problems(self) -> tuple[str, ...]:
        """Return all damage, one clause each."""
        return (*self.unattributed, *(f"change {name}: {why}" for name, why in self.quarantined.items()))

    def advice(self) -> str:
        """Return what the operator should do about the damage."""
        return f"restore {self.path} from a backup, or run `itsm-workflow storage repair`, which keeps the original"

    def _without_header(self, data: bytes, first_end: int) -> Header:
        line = decode_line(data, first_end) if first_end else None
        if line is None or line.names is None:
            raise StorageCorrupt(
                f"{self.path} is not a store of this library, or is entirely unreadable. Nothing was changed: restore "
                "it from a backup or give another path",
                path=str(self.path),
            )
        self.unattributed.append("its first line is damaged")
        return Header(schema=SCHEMA, first=line.names.number)

    def _read(self, line: Line, offset: int) -> None:
        names = line.names
        if names is None:
            self.unattributed.append(f"the line at byte {offset} is damaged, and the changes in it are unknown")
            return
        if names.number < self.next_number:
            self.unattributed.append(f"the line at byte {offset} repeats commit {names.number}")
            return
        if names.number > self.next_number:
            missing = names.number - self.next_number
            self.lost += missing
            self.unattributed.append(f"{missing} commit(s) before byte {offset} are missing")
        self.next_number = names.number + 1
        if line.changes is None:
            for change_id, _, _ in names.holds:
                self.quarantined.setdefault(change_id, f"the line at byte {offset} is damaged")
        else:
            for change in line.changes:
                self._apply(change, offset)
        self._hold(names)

    def _apply(self, change: Write | Claim, offset: int) -> None:
        change_id = change.id if isinstance(change, Claim) else change.row.id
        if change_id in self.quarantined:
            return
        if not self._follows(change):
            self.quarantined[change_id] = f"a write before the line at byte {offset} is missing"
        elif isinstance(change, Claim):
            self.table.claim(change_id, change.version, change.due_at)
        else:
            old = self.table.rows.get(change_id)
            if old is None or change.entries:
                for holder in self.table.holders(change.row):
                    if holder is not None and holder != change_id:
                        # The holder must have released the value in a line that is missing.
                        self.quarantined.setdefault(holder, f"a write before the line at byte {offset} is missing")
                        break
            self.table.apply(change)
            self._count(change, old)

    def _count(self, write: Write, old: Row | None) -> None:
        """Add a write that was applied to `live`: its entries are never obsolete, the previous row is."""
        if old is None or write.entries:
            size, change_id = row_bytes(self.table.rows[write.row.id]), write.row.id
            self.live += size - self._sizes.get(change_id, 0) + sum(map(entry_bytes, write.entries))
            self._sizes[change_id] = size

    def _follows(self, change: Write | Claim) -> bool:
        row = self.table.rows.get(change.id if isinstance(change, Claim) else change.row.id)
        if isinstance(change, Claim):
            return row is not None and change.version == row.version + 1
        first = change.row.seq - len(change.entries) + 1
        if row is None:
            return first == 1 and change.row.form is not None
        return change.row.version == row.version + 1 and first == row.seq + 1

    def _hold(self, names: Names) -> None:
        """Record the unique values of changes in quarantine, so that no other change can take them."""
        for change_id, open_subject, ticket_key in names.holds:
            if change_id in self.quarantined:
                self.table.hold(change_id, open_subject, ticket_key)
