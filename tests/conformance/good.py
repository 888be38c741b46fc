"""Correct backends of other builds than those that ship: a dictionary, one file, two journals, many files, two tables.

Those with files are slow: each call reads everything, and each commit of the first of them writes everything anew.
"""

# ruff: noqa: D102  # the port says what each method is for

from __future__ import annotations

import hashlib
import os
import pickle
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import attrs
from filelock import FileLock

from itsm_workflow.errors import StorageCorrupt, StorageUnavailable
from itsm_workflow.storage import checks
from itsm_workflow.storage.files import sync_directory, unavailable
from itsm_workflow.storage.protocol import (
    PROTOCOL_VERSION,
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
    from collections.abc import Iterator, Sequence
    from io import FileIO

    Changes = dict[str, tuple[Row, tuple[EntryRow, ...]]]

Own = TypeVar("Own")

_POLL = 0.002
_LENGTH = 8
_DIGEST = 32
_NEW = "new"


class PlainDict:
    """Changes in a dictionary, which one lock guards."""

    protocol_version: ClassVar[int] = PROTOCOL_VERSION
    abilities: ClassVar[frozenset[str]] = frozenset()
    unique: ClassVar[tuple[tuple[ConflictKind, str], ...]] = (
        (ConflictKind.SUBJECT, "open_subject"),
        (ConflictKind.TICKET, "ticket_key"),
    )

    def __init__(self) -> None:
        self._mutex = threading.RLock()
        self._changes: Changes = {}
        self._closed = False

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        checks.check_writes(writes)
        with self._opened() as changes:
            after = dict(changes)
            answer = [self._put(after, write) for write in writes]
            stored = [write.row.id for write, conflict in zip(writes, answer, strict=True) if conflict is None]
            if stored:
                self._store(after, stored)
        return answer

    def get(self, change_id: str, /) -> Row | None:
        checks.check_id(change_id)
        with self._opened() as changes:
            return changes[change_id][0] if change_id in changes else None

    def find(self, query: Query, /) -> Rows:
        checks.check_query(query)
        with self._opened() as changes:
            matching = [row for row, _ in changes.values() if matches(row, query)]
        keyed = sorted((sort_key(cursor_at(row, query.order), query.order), row.id) for row in matching)
        after = None if query.after is None else sort_key(query.after, query.order)
        names = [name for key, name in keyed if after is None or key > after]
        page = tuple(changes[name][0] for name in names[: query.limit])
        return Rows(rows=page, next=cursor_at(page[-1], query.order) if len(names) > len(page) else None)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        checks.check_history(change_id, after_seq, limit)
        with self._opened() as changes:
            entries = changes[change_id][1][after_seq:] if change_id in changes else ()
        return EntryRows(entries=entries[:limit], next_seq=entries[limit - 1].seq if len(entries) > limit else None)

    def close(self) -> None:
        self._closed = True

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        """Yield all changes, which stay as they are until the end of the block."""
        with self._mutex:
            self._check_open()
            yield self._changes

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("the store was closed")

    def _store(self, after: Changes, _stored: Sequence[str]) -> None:
        """Replace the changes, of which these differ; they were written in this order."""
        self._changes = after

    def _put(self, changes: Changes, write: Write) -> Conflict | None:
        row = write.row
        old, entries = changes.get(row.id, (None, ()))
        if write.expected_version != (old.version if old else 0):
            return Conflict(kind=ConflictKind.VERSION, change_id=row.id)
        if old:
            checks.check_follows(write, stored_seq=old.seq)
        if old and not write.entries:
            changes[row.id] = attrs.evolve(old, version=row.version, due_at=row.due_at), entries
            return None
        for kind, column in self.unique:
            value = getattr(row, column)
            for other, _ in changes.values() if value is not None else ():
                if other.id != row.id and getattr(other, column) == value:
                    return Conflict(kind=kind, change_id=row.id, holder=other.id)
        form = old.form if old and row.form is None else row.form
        changes[row.id] = attrs.evolve(row, form=form), entries + write.entries
        return None


class OneFile(PlainDict):
    """Changes in one file, which every call reads, and which every commit writes again and syncs."""

    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process", "fsync"})
    wait: ClassVar[float] = -1
    """The seconds that a call waits for the lock: as long as it takes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = Path(path)

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        # A new lock each time, which also keeps the threads apart: one that was made before a fork, or that a thread
        # held meanwhile, cannot be used after it.
        lock = FileLock(f"{self._path}.lock")
        with unavailable("use", self._path), lock.acquire(self.wait, poll_interval=_POLL):
            self._check_open()
            yield self._read()

    def _read(self) -> Changes:
        data = self._data()
        changes: Changes = {} if data is None else pickle.loads(data)  # noqa: S301  # its own
        return changes

    def _data(self) -> bytes | None:
        """Return the content of the file, or None if it does not exist; not to be able to look is an error."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def _store(self, after: Changes, _stored: Sequence[str]) -> None:
        new = self._path.with_name(f"{self._path.name}.new")
        with new.open("wb") as file:
            pickle.dump(after, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        sync_directory(self._path.parent)


class NeverWaits(OneFile):
    """Changes in one file; a call raises StorageUnavailable if another thread or process is in one."""

    wait: ClassVar[float] = 0


class PidLock(OneFile):
    """Changes in one file, locked by a file with the number of the process; the lock of a dead one is taken over."""

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        lock = Path(f"{self._path}.pid")
        with unavailable("use", self._path):
            while not (_is_made(lock) or self._take_over(lock)):
                time.sleep(_POLL)
            try:
                self._check_open()
                yield self._read()
            finally:
                lock.unlink(missing_ok=True)

    def _take_over(self, lock: Path) -> bool:
        """Return whether this process has the lock of a dead one now; only one process at a time looks for that."""
        with FileLock(f"{self._path}.turn"):
            if is_left(lock):
                _write_number(lock)
                return True
        return False


def _is_made(lock: Path) -> bool:
    """Make the file of a lock with the number of this process, in one step; return False if there is one."""
    own = lock.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    _write_number(own)
    try:
        lock.hardlink_to(own)
    except FileExistsError:
        return False
    finally:
        own.unlink()
    return True


def _write_number(lock: Path) -> None:
    """Write the number of this process durably: after a power cut, an empty file would be a lock without an end."""
    with lock.open("w", encoding="ascii") as file:
        file.write(str(os.getpid()))
        file.flush()
        os.fsync(file.fileno())


def is_left(lock: Path) -> bool:
    """Return whether the process that has made the file of a lock is dead."""
    try:
        os.kill(int(lock.read_text(encoding="ascii")), 0)
    except ProcessLookupError:
        return True
    except (FileNotFoundError, ValueError):  # removed in this moment, or being written over
        return False
    return False


class OwnRow(Row):
    """A row with methods of its backend."""


class OwnEntryRow(EntryRow):
    """An entry with methods of its backend."""


class OwnRows(Rows):
    """A page with methods of its backend."""


class OwnEntryRows(EntryRows):
    """A page of history with methods of its backend."""


class OwnConflict(Conflict):
    """A conflict with methods of its backend."""


class OwnClasses(OneFile):
    """Changes in one file, answered in subclasses of the port's classes."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        return [conflict and _own(OwnConflict, conflict) for conflict in super().commit(writes)]

    def get(self, change_id: str, /) -> Row | None:
        row = super().get(change_id)
        return row and _own(OwnRow, row)

    def find(self, query: Query, /) -> Rows:
        page = super().find(query)
        return _own(OwnRows, page, rows=tuple(_own(OwnRow, row) for row in page.rows))

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        page = super().history(change_id, after_seq, limit)
        return _own(OwnEntryRows, page, entries=tuple(_own(OwnEntryRow, line) for line in page.entries))


class Journal(OneFile):
    """Changes in a file to which every commit appends, and of which every call replays every line."""

    _doubtful = False

    def _read(self) -> Changes:
        changes, _ = self._replayed()
        return changes

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        if self._doubtful:
            raise StorageUnavailable(f"a failed write to {self._path} could not be undone: open it again")
        _, end = self._replayed()
        entry = self._encoded(pickle.dumps({name: after[name] for name in stored}))
        with self._path.open("r+b" if end else "wb", buffering=0) as file:
            self._cut(file, end)  # what a crash left of a commit
            file.seek(end)
            try:
                if not end:
                    self._place()
                self._write(file, memoryview(entry))
                os.fsync(file.fileno())
            except OSError:
                # What was not synced must not be followed by a commit that is: no later sync reports its loss.
                self._doubtful = True
                self._cut(file, end)
                self._doubtful = False
                raise

    def _place(self) -> None:
        """Make the name of a new file durable, before its first commit: another process may go on with that."""
        try:
            sync_directory(self._path.parent)
        except OSError:
            self._path.unlink()  # no later sync reports its loss
            raise

    def _cut(self, file: FileIO, end: int) -> None:
        file.truncate(end)

    def _write(self, file: FileIO, entry: memoryview) -> None:
        while entry:
            entry = entry[file.write(entry) :]

    def _encoded(self, content: bytes) -> bytes:
        return len(content).to_bytes(_LENGTH, "big") + hashlib.sha256(content).digest() + content

    def _replayed(self) -> tuple[Changes, int]:
        """Return the changes, and the place where the last whole commit ends."""
        data = self._data() or b""
        changes: Changes = {}
        end = 0
        while True:
            start = end + _LENGTH + _DIGEST
            stop = start + int.from_bytes(data[end : end + _LENGTH], "big")
            content = data[start:stop]
            if not content or hashlib.sha256(content).digest() != data[end + _LENGTH : start]:
                return changes, end
            changes |= pickle.loads(content)  # noqa: S301  # its own
            end = stop


class CheckedJournal(Journal):
    """A journal that tells a commit whose end is missing from one that was damaged, and reports the latter."""

    abilities: ClassVar[frozenset[str]] = Journal.abilities | {"checksums"}

    def _encoded(self, content: bytes) -> bytes:
        length = len(content).to_bytes(_LENGTH, "big")
        return length + hashlib.sha256(length).digest() + hashlib.sha256(content).digest() + content

    def _replayed(self) -> tuple[Changes, int]:
        data = self._data() or b""
        changes: Changes = {}
        end = 0
        while len(data) >= (start := end + _LENGTH + 2 * _DIGEST):
            length, digests = data[end : end + _LENGTH], data[end + _LENGTH : start]
            stop = start + int.from_bytes(length, "big")
            content = data[start:stop]
            is_torn = len(data) < stop
            right = hashlib.sha256(length).digest() + (b"" if is_torn else hashlib.sha256(content).digest())
            if not digests.startswith(right):
                raise StorageCorrupt(f"{self._path} is damaged from byte {end} on", path=str(self._path))
            if is_torn:
                break
            changes |= pickle.loads(content)  # noqa: S301  # its own
            end = stop
        return changes, end


class FilePerChange(OneFile):
    """A folder with a file for each change, named after the digest of its id."""

    abilities: ClassVar[frozenset[str]] = OneFile.abilities | {"checksums"}

    def _read(self) -> Changes:
        return {row.id: (row, entries) for row, entries in map(self._change, self._files())}

    def _files(self) -> list[Path]:
        """Return the files of the changes; a folder that does not exist has none."""
        try:
            return [file for file in self._path.iterdir() if file.name != _NEW]
        except FileNotFoundError:
            return []

    def _change(self, file: Path) -> tuple[Row, tuple[EntryRow, ...]]:
        data = file.read_bytes()
        if hashlib.sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
            raise StorageCorrupt(f"{file} is damaged", path=str(file))
        change: tuple[Row, tuple[EntryRow, ...]] = pickle.loads(data[_DIGEST:])  # noqa: S301  # its own
        return change

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        if not self._path.exists():
            self._path.mkdir()
            sync_directory(self._path.parent)
        for name in stored:
            content = pickle.dumps(after[name])
            new = self._path / _NEW
            with new.open("wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path / self._file_name(name))
            # Before the next change, which may hold what this one has released.
            sync_directory(self._path)

    def _file_name(self, change_id: str) -> str:
        return hashlib.sha256(change_id.encode()).hexdigest()


class TwoTables(OneFile):
    """Changes in a SQLite file that has no log: rows in one table, and entries in another."""

    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process"})
    journal: ClassVar[str] = "DELETE"

    @contextmanager
    def _opened(self) -> Iterator[Changes]:
        try:
            with super()._opened() as changes:
                yield changes
        except sqlite3.Error as error:
            raise StorageUnavailable(f"cannot use {self._path}: {error}", path=str(self._path)) from error

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as connection:
            yield connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False)
        connection.execute(f"PRAGMA journal_mode = {self.journal}")
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("CREATE TABLE IF NOT EXISTS changes (id TEXT PRIMARY KEY, data BLOB)")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS entries (id TEXT, seq INTEGER, data BLOB, PRIMARY KEY (id, seq))"
        )
        return connection

    def _read(self) -> Changes:
        with self._connected() as connection:
            rows = {name: pickle.loads(data) for name, data in connection.execute("SELECT * FROM changes")}  # noqa: S301  # its own
            entries: dict[str, list[EntryRow]] = {name: [] for name in rows}
            for name, data in connection.execute("SELECT id, data FROM entries ORDER BY seq"):
                entries[name].append(pickle.loads(data))  # noqa: S301  # its own
        return {name: (row, tuple(entries[name])) for name, row in rows.items()}

    def _store(self, after: Changes, stored: Sequence[str]) -> None:
        rows = [(name, pickle.dumps(after[name][0])) for name in stored]
        entries = [(name, line.seq, pickle.dumps(line)) for name in stored for line in after[name][1]]
        with self._connected() as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO changes VALUES (?, ?)", rows)
            connection.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?, ?)", entries)


def _own(kind: type[Own], value: Any, **changes: Any) -> Own:  # noqa: ANN401  # of one of the port's classes
    return kind(**{name: getattr(value, name) for name in attrs.fields_dict(type(value))} | changes)


def matches(row: Row, query: Query) -> bool:
    """Return whether the row meets the conditions of the query."""
    one_of = (
        *((query.ids, row.id), (query.states, row.state)),
        *((query.attention, row.attention), (query.ticket_sns, row.ticket_sn)),
    )
    equal = [(getattr(query, name), getattr(row, name)) for name in ("workflow", "subject", "open_subject")]
    latest = ((query.due_before, row.due_at), (query.updated_before, row.updated_at))
    return (
        all(wanted is None or value in wanted for wanted, value in one_of)
        and all(wanted is None or value == wanted for wanted, value in equal)
        and all(wanted is None or (value is not None and value <= wanted) for wanted, value in latest)
        and (query.order is Order.ID or getattr(row, query.order.value) is not None)
    )
