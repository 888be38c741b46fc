"""What the operating system refuses at one call or another is told as an error of the store: what failed, and where."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.abilities import Repair
from itsm_workflow.testing.conformance._rows import create, stored
from itsm_workflow_backends.json_file import JSONFileBackend, _log
from itsm_workflow_backends.json_file._lock import Lock, LockDeadline, directory_locked, try_lock
from itsm_workflow_backends.sqlite import SQLiteBackend, _connections, _marking, _repair, _salvage
from itsm_workflow_backends.sqlite._companions import check_companions
from itsm_workflow_backends.sqlite._connections import Connections
from itsm_workflow_backends.sqlite._opening import close_without_checkpoint, prepare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NOBODYS = 10**6
"""The number of a file that no process has open."""


class Gone:
    """Stands in for an open file of a disk that was pulled out."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        return _refuse


def _refuse(*_: object, **__: object) -> NoReturn:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def _pulled_out(path: Path) -> _log.Log:
    log: Any = _log.Log.open(path)
    log.close()
    log._file = Gone()
    return log  # type: ignore[no-any-return]  # made a stand-in above


def _hold_beside(path: Path) -> None:
    lock: Any = Lock(path, timeout=0.0)
    lock._lock = Gone()
    with lock.held():
        pass


def _hold_directory(path: Path) -> None:
    with directory_locked(path / "gone", LockDeadline(0.0)):
        pass


def _repair_over_a_directory(path: Path) -> None:
    database = path.with_name("store.db")
    SQLiteBackend(database).close()
    path.with_name("store.db.repaired").mkdir()
    SQLiteBackend.repair(database)


def _move_nothing(path: Path) -> None:
    _repair._put_in_place(path.with_name("store.db"), path.with_name("store.db.repaired"))


PLACES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "the lock beside the log": ("cannot lock {}/store.jsonl.lock: Input/output error", _hold_beside),
    "the lock of the log": ("cannot lock {}/store.jsonl: Bad file", lambda path: try_lock(_NOBODYS, path)),
    "the lock of a directory": ("cannot lock {}/store.jsonl/gone: a part of its path is a file", _hold_directory),
    "opening": ("cannot open {}/gone: ", lambda path: _log.Log.open(path.with_name("gone"))),
    "the size": ("cannot read {}/store.jsonl: Input/output error", lambda path: _pulled_out(path).size()),
    "reading": ("cannot read {}/store.jsonl: Input/output error", lambda path: _pulled_out(path).read(0)),
    "moving": ("cannot replace {}/store.jsonl: Input/output error", lambda path: _pulled_out(path).move(path)),
    "a rest of a repair": ("cannot remove {}/store.db.repaired: ", _repair_over_a_directory),
    "the end of a repair": ("cannot replace {0}/store.db: {0}/store.db.repaired does not exist", _move_nothing),
}


@pytest.mark.parametrize(("told", "act"), PLACES.values(), ids=PLACES)
def test_it_is_told_what_could_not_be_done_and_with_which_file(
    told: str, act: Callable[[Path], object], tmp_path: Path
) -> None:
    """A bare OSError would pass by everybody who handles the errors of a store."""
    path = tmp_path / "store.jsonl"
    JSONFileBackend(path).close()
    with pytest.raises(StorageUnavailable, match=re.escape(told.format(tmp_path))):
        act(path)


def test_a_file_that_cannot_be_made_beside_a_store_leaves_it_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told as what it was for: the store's own file could not be replaced."""
    path = tmp_path / "store.jsonl"
    path.write_bytes(b"as it is")
    monkeypatch.setattr(_log.Log, "create", _refuse)
    with pytest.raises(StorageUnavailable, match=r"cannot replace .*store\.jsonl: Input/output error"):
        _log.replace(path, [b"new"])
    assert path.read_bytes() == b"as it is"


def test_a_file_that_cannot_be_put_in_its_place_is_told_and_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever replaces a file goes on as if it were there, so it must not fail in silence."""
    path = tmp_path / "store.jsonl"
    path.write_bytes(b"as it is")
    monkeypatch.setattr(_log.Log, "move", _refuse)
    with pytest.raises(StorageUnavailable, match=r"cannot replace .*store\.jsonl: Input/output error"):
        _log.replace(path, [b"new"])
    assert path.read_bytes() == b"as it is"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_a_link_in_place_of_a_file_that_sqlite_makes_is_refused(tmp_path: Path, end: str) -> None:
    """SQLite would follow it, and write into whatever it leads to."""
    path = tmp_path / "store.db"
    SQLiteBackend(path).close()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    path.with_name(f"store.db{end}").symlink_to(elsewhere)
    with pytest.raises(StorageUnavailable, match=f"store.db{end}: it is a symbolic link"):
        check_companions(path, path.stat())
    with pytest.raises(StorageUnavailable, match=f"store.db{end}: it is a symbolic link"):
        SQLiteBackend(path)
    assert elsewhere.read_bytes() == b"precious"


def test_a_database_that_goes_before_it_is_opened_is_told(tmp_path: Path) -> None:
    """A copy is made of what is there: nothing is made in its place."""
    with pytest.raises(StorageUnavailable, match=r"store\.db was removed while it was open"):
        Connections(tmp_path / "store.db", timeout=0.0, as_it_is=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_bears_no_mark(tmp_path: Path) -> None:
    """Whoever asks goes on to mark it, and is told then what is wrong with it."""
    (tmp_path / "text").write_text("no database at all, although it is long enough for one's header" * 9)
    assert not _marking.is_marked(tmp_path / "gone")
    assert not _marking.is_marked(tmp_path / "text")


def test_a_copy_and_a_store_without_changes_are_no_damage(tmp_path: Path) -> None:
    """A backup has no log beside it, and an empty store has no rows; neither is missing anything."""
    path, copy = tmp_path / "store.db", tmp_path / "copy.db"
    SQLiteBackend(path).close()
    assert SQLiteBackend.repair(path) == Repair()
    SQLiteBackend.backup(f"sqlite:///{path}", str(copy))
    assert SQLiteBackend.repair(copy) == Repair()


def test_a_connection_that_is_closed_without_its_checkpoint_is_closed_at_once(tmp_path: Path) -> None:
    """Not when it becomes garbage: its locks would keep others from the file."""
    connection = sqlite3.connect(tmp_path / "store.db")
    close_without_checkpoint(connection)
    if hasattr(connection, "setconfig"):  # before, it is kept for good
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def test_an_index_that_was_made_in_another_way_is_damage(tmp_path: Path) -> None:
    """SQLite finds nothing wrong with it, and what is asked of it is answered from another order."""
    path = tmp_path / "store.db"
    backend = SQLiteBackend(path)
    assert backend.damage() == ()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX changes_updated_at")
        connection.execute("CREATE INDEX changes_updated_at ON changes (updated_at DESC, id)")
    assert backend.damage() == ("its index changes_updated_at was changed",)
    backend.close()


def test_rows_are_looked_for_in_the_gaps_between_those_that_are_found(tmp_path: Path) -> None:
    """They are numbered without gaps; a number that is far too high is itself damage, and not counted up to."""
    path = tmp_path / "store.db"
    backend = SQLiteBackend(path)
    for number in range(3):
        stored(backend, create(f"c{number}", open_subject=None))
    backend.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM changes WHERE id = 'c1'")
        assert {1, 2, 3} < _salvage._all_rowids(connection)
        connection.execute("UPDATE changes SET rowid = 1000000 WHERE id = 'c2'")
        assert _salvage._all_rowids(connection) == {1, 1000000}


def test_a_connection_whose_log_goes_while_it_is_opened_is_not_lent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would be committed through it could be found by nobody."""
    path = tmp_path / "store.db"

    def overtaken(*args: Any, **given: Any) -> None:  # as it is called
        prepare(*args, **given)
        path.with_name("store.db-wal").unlink()

    monkeypatch.setattr(_connections, "prepare", overtaken)
    with pytest.raises(StorageUnavailable, match=r"store\.db-wal was removed while the store was open"):
        SQLiteBackend(path)


def test_only_the_superuser_can_give_a_file_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To anybody else a store stays usable with its own files: a compacted one keeps the mode alone."""

    def refuse(*_: object) -> NoReturn:
        raise PermissionError(errno.EPERM, "not permitted")

    path = tmp_path / "store.jsonl"
    backend = JSONFileBackend(path)
    stored(backend, create("c1"))
    path.chmod(0o640)
    monkeypatch.setattr(os, "fchown", refuse)
    backend.compact()
    backend.close()
    assert path.stat().st_mode & 0o777 == 0o640


def test_the_lines_that_are_whole_end_behind_the_last_line_feed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the blocks begin in which a large file is searched, also with a line feed at the start of one."""
    monkeypatch.setattr(_log, "_BLOCK", 4)
    path = tmp_path / "lines"
    for text in (b"", b"\n", b"\nabc", b"a\n", b"ab\ncdefghi", b"abcd\nefg", b"abcdefghij", b"abc\n\nefg", b"ab\n" * 5):
        path.write_bytes(text)
        log = _log.Log.open(path)
        assert log.whole_end() == text.rfind(b"\n") + 1, text
        log.close()
