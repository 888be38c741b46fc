"""From the lines of the file to its rows, and what cannot be read of them.

A damaged line whose names are intact quarantines the changes that it names: they are known to be other than the last
rows read. Damage that cannot be laid to a change may concern each of them. Bytes at the end that are no whole line are
what a crash left of a commit that nobody was told of; the next commit overwrites them.
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
from itsm_workflow_backends.json_file._rewrite import entry_bytes, row_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from itsm_workflow.storage.protocol import Conflict, Query, Row, Write

_MARK = 64


@attrs.define
class Replay:
    """What the file says up to an offset.

    Attributes:
        path: The file, for messages.
        schema: The schema that the first line gives.
        store: The store's name that the first line gives, or "" if it gives none or is damaged.
        generation: Which of the store's files this is.
        end: The offset behind the last whole line; 0 before the first line was read.
        mark: The last bytes before `end`, by which the file is known again.
        live: About how many bytes a file would have that holds nothing obsolete.
        next_number: What the next commit is numbered.
        lost: How many commits are missing as a whole.
        quarantined: For each change that cannot be read, why.
        unattributed: Damage that may concern any change.
        table: The rows, those in quarantine as they were before the damage.
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

    def feed(self, data: bytes) -> None:
        """Read on from `end`.

        Raises:
            StorageCorrupt: Neither the first line of the file nor any other is one of ours.
            StorageSchemaError: A newer version wrote the file.
        """
        # A crash of the machine can leave a file longer than what was written to it, filled up with NUL.
        data = data.rstrip(b"\0")
        offset = self.end
        start = self._begin(data) if offset == 0 else 0
        while (start := skip_blank(data, start)) < len(data) and (line := decode_line(data, start)) is not None:
            self._read(line, offset + start)
            start = line.end
        self.moved_to(offset + start, data[:start])

    def check_end(self, acknowledged: int) -> None:
        """Note which commits are missing at the end of the file, which was read to its end.

        Args:
            acknowledged: The number of the last commit that is known to be acknowledged.
        """
        missing = acknowledged - self.next_number + 1
        if missing > 0 and self.store:
            self.lost += missing
            self.unattributed.append(f"{missing} commit(s) that were acknowledged are missing at its end")

    def next_header(self, *, continues: tuple[int, int] | None = None) -> Header:
        """Return the first line of the file that replaces this one and holds each change in a line."""
        known = attrs.evolve(new_header(), generation=self.generation + 1, continues=continues)
        # Numbered backwards, so that the next commit has the number that it would have had.
        first = self.next_number - len(self.table.rows)
        return attrs.evolve(known, first=first, store=self.store or known.store)

    def moved_to(self, end: int, last: bytes) -> None:
        """Note how far the file was read or written, and the last bytes of that."""
        self.mark = (self.mark + last[-_MARK:])[-_MARK:]
        self.end = end

    def commit(self, writes: Sequence[Write]) -> list[Conflict | None]:
        """Take the writes in, see `Table.commit`."""
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
                f"{self.path} was written with schema {header.schema}, this version of itsm-workflow knows {SCHEMA} "
                "and left it as it is: install a newer itsm-workflow",
                path=str(self.path),
                found=header.schema,
                known=SCHEMA,
            )
        self.schema, self.store, self.generation = header.schema, header.store, header.generation
        self.next_number = header.first
        return first_end

    def hide(self) -> None:
        """Leave what is in quarantine out of what the table finds."""
        self.table.hidden = set(self.quarantined)

    def check(self, change_id: str) -> None:
        """Refuse to tell anything of a change in quarantine.

        Raises:
            StorageCorrupt: It is.
        """
        if change_id in self.quarantined:
            raise StorageCorrupt(
                f"change {change_id} cannot be read: {self.quarantined[change_id]}; {self.advice()}",
                path=str(self.path),
                change_id=change_id,
            )

    def check_newest(self, query: Query) -> None:
        """Refuse to name the newest submission of a subject, or its holder, where that may be a change in quarantine.

        Left out like elsewhere, it would let an older submission pass for the newest.

        Raises:
            StorageCorrupt: As said.
        """
        if query.order is not Order.SUBMISSION and query.open_subject is None:
            return
        if self.unattributed:
            message = f"{self.path} cannot say which change of a subject is the newest: {self.unattributed[0]}"
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
        """Refuse to write to changes in quarantine, or at all if any change may be other than it seems.

        Raises:
            StorageCorrupt: As said; nothing was stored.
        """
        if self.unattributed:
            raise StorageCorrupt(
                f"{self.path} can only be read: {self.unattributed[0]}; {self.advice()}", path=str(self.path)
            )
        for change_id in changes:
            self.check(change_id)

    def problems(self) -> tuple[str, ...]:
        """Return everything that is damaged, one sentence each."""
        return (*self.unattributed, *(f"change {name}: {why}" for name, why in self.quarantined.items()))

    def advice(self) -> str:
        """Return what a person should do about damage."""
        return f"restore {self.path} from a copy, or run `itsm-workflow storage repair`, which keeps the original"

    def _without_header(self, data: bytes, first_end: int) -> Header:
        line = decode_line(data, first_end) if first_end else None
        if line is None or line.names is None:
            raise StorageCorrupt(
                f"{self.path} is not a store of this library, or nothing of it is left: it was left as it is, restore "
                "it from a copy or give another path",
                path=str(self.path),
            )
        self.unattributed.append("its first line is damaged")
        return Header(schema=SCHEMA, first=line.names.number)

    def _read(self, line: Line, offset: int) -> None:
        names = line.names
        if names is None:
            self.unattributed.append(f"the line at byte {offset} is damaged beyond telling which change it was about")
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
            conflict = self.table.judge(attrs.evolve(change, expected_version=self._version(change_id)))
            if conflict is not None and conflict.holder is not None:
                # That one must have let go of it, in a line that is missing.
                self.quarantined.setdefault(conflict.holder, f"a write before the line at byte {offset} is missing")
            self.table.apply(change)
            self._count(change, old)

    def _count(self, write: Write, old: Row | None) -> None:
        """Keep `live` up to a write that was taken in: entries stay for good, the row before is obsolete."""
        if old is None or write.entries:
            self.live += row_bytes(self.table.rows[write.row.id]) - (0 if old is None else row_bytes(old))
            self.live += sum(map(entry_bytes, write.entries))

    def _follows(self, change: Write | Claim) -> bool:
        row = self.table.rows.get(change.id if isinstance(change, Claim) else change.row.id)
        if isinstance(change, Claim):
            return row is not None and change.version == row.version + 1
        first = change.row.seq - len(change.entries) + 1
        if row is None:
            return first == 1 and change.row.form is not None
        return change.row.version == row.version + 1 and first == row.seq + 1

    def _version(self, change_id: str) -> int:
        row = self.table.rows.get(change_id)
        return row.version if row else 0

    def _hold(self, names: Names) -> None:
        """Let changes in quarantine hold what they are known to hold, so that nobody else is given it."""
        for change_id, open_subject, ticket_key in names.holds:
            if change_id in self.quarantined:
                self.table.hold(change_id, open_subject, ticket_key)
