"""The SQLite file: whose it is, which version wrote it, how it is written, and what happens when it is damaged."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.errors import StorageCorrupt, StorageSchemaError, StorageUnavailable
from itsm_workflow.storage.protocol import Cursor, Order, Query, Schema
from itsm_workflow.testing.conformance._rows import NOW, create, entry, follow, found, present, stored, whole_history
from itsm_workflow.testing.conformance._wording import word
from itsm_workflow_backends.sqlite import SQLiteBackend, _connections, _opening, _queries, _schema
from tests.conformance.children import child
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a store with one change in it, closed."""
    path = tmp_path / "store.db"
    backend = SQLiteBackend(path)
    stored(backend, create("c1", entries=2))
    backend.close()
    return path


def _execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def _files(path: Path) -> dict[str, bytes]:
    return {found.name: found.read_bytes() for found in path.parent.iterdir()}


def test_each_commit_is_synced(path: Path) -> None:
    """Write-ahead log, and a sync per commit, on every connection, whatever SQLite was built with."""
    backend = SQLiteBackend(path)
    with backend._connections.reading() as one, backend._connections.writing() as other:
        assert one is not other
        for connection in (one, other):
            settings = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
            assert settings == ["wal", 2]
    backend.close()


def test_closing_leaves_one_file(path: Path) -> None:
    """The log is folded in, so the file can be copied by itself."""
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_newer_schema_is_refused_and_left_alone(path: Path, mode: str) -> None:
    """Not one byte changes, not even the journal mode."""
    _execute(path, f"PRAGMA journal_mode = {mode}", "PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StorageSchemaError, match="schema 99, this version of itsm-workflow knows 4") as refused:
        SQLiteBackend(path)
    assert (refused.value.found, refused.value.known) == (99, 4)
    assert path.read_bytes() == before


def test_a_newer_schema_in_the_log_is_refused_and_left_alone(path: Path) -> None:
    """A newer version that died has its last commits in the log; they are neither missed nor folded in."""
    child(
        """
        import sqlite3
        connection = sqlite3.connect(sys.argv[1], isolation_level=None)
        connection.execute("PRAGMA user_version = 99")
        os._exit(0)
        """,
        path,
    )
    before = _files(path)
    assert len(before["store.db-wal"]) > 0
    with pytest.raises(StorageSchemaError, match="schema 99"):
        SQLiteBackend(path)
    after = _files(path)
    assert {name: after[name] for name in ("store.db", "store.db-wal")} == {
        name: before[name] for name in ("store.db", "store.db-wal")
    }


def test_a_store_that_a_newer_version_upgrades_while_it_is_open_is_refused_from_then_on(path: Path) -> None:
    """Without a new start: what this version would write could lack a column that decides in the newer one."""
    with closing(SQLiteBackend(path)) as backend:
        row = present(backend, "c1")
        _execute(path, "PRAGMA user_version = 99")
        for call in (
            lambda: backend.commit([create("c9")]),
            lambda: backend.commit([follow(row)]),
            lambda: backend.get("c1"),
            lambda: backend.find(Query()),
            lambda: backend.history("c1"),
        ):
            with pytest.raises(StorageSchemaError, match="schema 99, this version of itsm-workflow knows 4"):
                call()
        _execute(path, "PRAGMA user_version = 4")
        assert (present(backend, "c1"), backend.get("c9")) == (row, None)


def test_a_store_that_a_newer_version_upgrades_first_is_not_set_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two versions meet an older store: the older one waits for the lock, and then finds a newer schema."""
    _execute(path, "PRAGMA user_version = 3")
    read_first = _schema.stored_version

    def outrun(connection: sqlite3.Connection, where: Path) -> int:
        version = read_first(connection, where)
        _execute(path, "PRAGMA user_version = 99")
        return version

    monkeypatch.setattr(_schema, "stored_version", outrun)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(StorageSchemaError, match="schema 99"):
            _schema.migrate(connection, path)
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)


def test_an_older_schema_is_migrated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stored stays; the version that wrote it then refuses the file."""
    with monkeypatch.context() as newer:
        newer.setattr(_schema, "MIGRATIONS", (*_schema.MIGRATIONS, ("ALTER TABLE changes ADD COLUMN extra TEXT",)))
        newer.setattr(_schema, "SCHEMA_VERSION", 5)
        backend = SQLiteBackend(path)
        row = stored(backend, follow(present(backend, "c1")))
        assert len(whole_history(backend, "c1")) == row.seq == 3
        backend.close()
    with pytest.raises(StorageSchemaError, match="schema 5"):
        SQLiteBackend(path)


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """Return the path of a store as the first version left it, with one change that holds its subject."""
    path = tmp_path / "version_1.db"
    row = create("c1", subject="s", open_subject="w:s").row
    values = {name: value for name, value in attrs.asdict(row).items() if name != "submission"}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in (*_schema.MIGRATIONS[0], f"PRAGMA application_id = {_schema.APPLICATION_ID}"):
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 1")
        columns, places = ", ".join(values), ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO changes ({columns}) VALUES ({places})", tuple(values.values()))  # noqa: S608
        connection.execute(_queries.INSERT_ENTRY, _queries.entry_values(entry("c1", 1)))
    return path


def test_a_store_of_version_1_gets_submissions(version_1: Path) -> None:
    """Its changes count as never submitted; each can be given a number with its next write."""
    backend = SQLiteBackend(version_1)
    row = present(backend, "c1")
    assert (row, len(whole_history(backend, "c1"))) == (create("c1", subject="s", open_subject="w:s").row, 1)
    assert found(backend, open_subject="w:s") == ["c1"]
    assert found(backend, subject="s", order=Order.SUBMISSION) == []
    stored(backend, follow(row, submission=1))
    assert found(backend, subject="s", order=Order.SUBMISSION) == ["c1"]
    backend.close()
    assert SQLiteBackend.schema_of(f"sqlite:///{version_1}") == Schema(found=4, known=4)


def test_only_writing_migrates(version_1: Path) -> None:
    """A question about its schema leaves an older store as it is, to the byte."""
    before = version_1.read_bytes()
    assert SQLiteBackend.schema_of(f"sqlite:///{version_1}") == Schema(found=1, known=4)
    assert version_1.read_bytes() == before


def test_a_migrated_store_is_a_new_one(version_1: Path, path: Path) -> None:
    """The same tables, indexes and triggers, so that a defect cannot hide in stores that were migrated."""
    SQLiteBackend(version_1).close()
    schemas = []
    for store in (version_1, path):
        with closing(sqlite3.connect(store)) as connection:
            schemas.append(sorted(connection.execute("SELECT type, name, sql FROM sqlite_schema").fetchall(), key=str))
    assert schemas[0] == schemas[1]


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one transaction."""
    before = path.read_bytes()
    with monkeypatch.context() as newer:
        broken = ("ALTER TABLE changes ADD COLUMN extra TEXT", "ALTER TABLE missing ADD COLUMN extra TEXT")
        newer.setattr(_schema, "MIGRATIONS", (*_schema.MIGRATIONS, broken))
        newer.setattr(_schema, "SCHEMA_VERSION", 5)
        with pytest.raises(StorageCorrupt, match="no such table"):
            SQLiteBackend(path)
    assert path.read_bytes() == before
    SQLiteBackend(path).close()


def test_another_applications_database_is_refused(tmp_path: Path) -> None:
    """And left as it is, whichever sign of it there is."""
    signs = ("CREATE TABLE t (x)", "PRAGMA application_id = 7", "PRAGMA user_version = 1", "CREATE VIEW v AS SELECT 1")
    for number, sign in enumerate(signs):
        path = tmp_path / f"{number}.db"
        _execute(path, sign)
        before = path.read_bytes()
        with pytest.raises(StorageCorrupt, match="of another application"):
            SQLiteBackend(path)
        assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """And left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n" * 1000)
    with pytest.raises(StorageCorrupt, match="file is not a database"):
        SQLiteBackend(path)
    assert path.read_text() == "buy milk\n" * 1000


def test_an_empty_file_beside_its_log_does_not(path: Path) -> None:
    """What was there is lost; that must not look like a new store."""
    path.with_name("store.db-wal").write_bytes(b"x" * 100)
    path.write_bytes(b"")
    with pytest.raises(StorageCorrupt, match="empty although its write-ahead log is not"):
        SQLiteBackend(path)


def test_damaged_pages_are_told(path: Path) -> None:
    """Reading and writing say so; nothing is made up."""
    backend = SQLiteBackend(path)
    for number in range(50):
        stored(backend, create(f"more{number}", document='"' + "x" * 3000 + '"'))
    backend.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with pytest.raises(StorageCorrupt, match="damaged"):
        found(SQLiteBackend(path))


def test_damage_that_a_look_for_one_change_meets_names_it(path: Path) -> None:
    """Whoever can do without that change goes on; about others nothing is known."""
    backend = SQLiteBackend(path)
    for number in range(50):
        stored(backend, create(f"more{number}", document='"' + "x" * 3000 + '"'))
    backend.close()
    content = path.read_bytes()
    page = next(
        at for at in range(8192, len(content), 4096) if content[at] == 13 and b"more17" in content[at : at + 4096]
    )
    path.write_bytes(content[:page] + b"\xa5" * 4096 + content[page + 4096 :])
    backend = SQLiteBackend(path)
    with pytest.raises(StorageCorrupt, match="damaged") as refused:
        backend.get("more17")
    assert refused.value.__dict__["change_id"] == "more17"
    assert present(backend, "c1").id == "c1"
    backend.close()


def test_damage_to_the_statements_of_the_schema_is_told(path: Path) -> None:
    """SQLite's own message quotes bytes that are no text then."""
    damaged = path.read_bytes().replace(b"changes_updated_at ON", b"changes_updated_at \xb0N")
    path.write_bytes(damaged)
    with pytest.raises(StorageCorrupt, match="damaged"):
        SQLiteBackend(path)
    with pytest.raises(StorageCorrupt, match="damaged"):
        SQLiteBackend.schema_of(f"sqlite:///{path}")
    assert path.read_bytes() == damaged


def test_a_file_cut_short_is_told(path: Path) -> None:
    """Half a database is none."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(StorageCorrupt, match="damaged"):
        whole_history(SQLiteBackend(path), "c1")


def test_tables_that_are_not_ours_are_told(path: Path) -> None:
    """Somebody dropped one."""
    _execute(path, "DROP TABLE entries")
    backend = SQLiteBackend(path)
    with pytest.raises(StorageCorrupt, match="no such table"):
        backend.commit([create("c2")])
    assert [row.id for row in backend.find(Query()).rows] == ["c1"]
    backend.close()


def test_text_that_is_none_hides_no_other_row(path: Path) -> None:
    """A pass over all changes reads the others; the one is read as what it is, which is not what was stored."""
    backend = SQLiteBackend(path)
    rows = [stored(backend, create(name)) for name in ("a", "d")]
    _execute(path, "UPDATE changes SET document = CAST(x'ff41' AS TEXT) WHERE id = 'c1'")
    page = backend.find(Query())
    assert [row.id for row in page.rows] == found(backend, limit=1) == ["a", "c1", "d"]
    assert [row for row in page.rows if row.id != "c1"] == rows
    assert present(backend, "c1") == page.rows[1]
    assert page.rows[1].document == "\udcffA"
    assert backend.get("a") == rows[0]
    backend.close()


def test_a_change_that_is_gone_is_told(path: Path) -> None:
    """A damaged index hides a row; its history shows that there was one. What never was is just not there."""
    _execute(path, "DELETE FROM changes")
    backend = SQLiteBackend(path)
    with pytest.raises(StorageCorrupt, match="cannot read change c1: it has a history but no row"):
        backend.get("c1")

    assert backend.get("c2") is None
    backend.close()


def test_history_cannot_be_edited(path: Path) -> None:
    """Not even by a statement typed into a shell."""
    for statement in ("UPDATE entries SET actor = 'eve'", "DELETE FROM entries"):
        with pytest.raises(sqlite3.IntegrityError, match="an entry is never"):
            _execute(path, statement)


def test_a_lock_that_is_never_freed_is_told(path: Path) -> None:
    """After the timeout; nothing was stored, and afterwards all goes on."""
    backend = SQLiteBackend(path, timeout=0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match=r"held it locked for too long: try again; nothing was stored$"):
            backend.commit([create("c2")])
        assert present(backend, "c1").version == 1
        other.execute("ROLLBACK")
    assert backend.commit([create("c2")]) == [None]
    backend.close()


@pytest.mark.parametrize(
    ("action", "statement", "outcome"),
    [
        (sqlite3.SQLITE_TRANSACTION, "BEGIN", "nothing was stored"),
        (sqlite3.SQLITE_INSERT, "entries", "nothing was stored"),
        (sqlite3.SQLITE_TRANSACTION, "COMMIT", "whether it was stored is unknown: read again"),
    ],
    ids=["begin", "insert", "commit"],
)
def test_only_a_commit_that_fails_leaves_its_outcome_unknown(
    path: Path, action: int, statement: str, outcome: str
) -> None:
    """What fails before the last statement is undone when the connection is closed."""
    backend = SQLiteBackend(path)
    stored(backend, create("c0"))  # the first commit marks the file before it begins
    with backend._connections.reading() as connection:
        connection.set_authorizer(
            lambda *of: sqlite3.SQLITE_DENY if of[:2] == (action, statement) else sqlite3.SQLITE_OK
        )
    with pytest.raises(StorageUnavailable, match=f"cannot write to {path}: not authorized; {outcome}$"):
        backend.commit([create("c2")])
    assert backend.get("c2") is None
    assert backend.commit([create("c2")]) == [None]
    backend.close()


def test_a_thread_that_never_returns_is_told(path: Path) -> None:
    """The queue of this process's writers has the same timeout."""
    backend = SQLiteBackend(path, timeout=0.05)
    with backend._connections.writing(), pytest.raises(StorageUnavailable, match="nothing was stored"):
        backend.commit([create("c2")])
    assert backend.commit([create("c2")]) == [None]
    backend.close()


def test_a_connection_that_failed_is_not_lent_again(path: Path) -> None:
    """After a failed commit it would read what is not true any more."""
    backend = SQLiteBackend(path)
    with backend._connections.reading() as lent:
        pass
    with pytest.raises(StorageCorrupt), backend._connections.writing() as failed:
        failed.execute("SELECT * FROM nothing")
    assert failed is lent
    with backend._connections.reading() as fresh:
        assert fresh is not failed
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        failed.execute("SELECT 1")
    backend.close()


def test_an_error_that_is_kept_holds_no_lock(path: Path) -> None:
    """Its traceback holds a statement whose rows were not all read; SQLite keeps a connection that has one."""

    def interrupted(backend: SQLiteBackend) -> None:
        with backend._connections.writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            rows = connection.execute("SELECT id FROM changes UNION ALL SELECT id FROM changes")
            raise KeyboardInterrupt(next(rows))

    with closing(SQLiteBackend(path, timeout=0.2)) as backend, pytest.raises(KeyboardInterrupt) as kept:
        interrupted(backend)
    assert kept.traceback
    with closing(SQLiteBackend(path, timeout=0.2)) as backend:
        assert stored(backend, create("later")).version == 1


def test_idle_connections_are_few(path: Path) -> None:
    """Sixty-four threads at once leave no sixty-four open files."""
    backend = SQLiteBackend(path)
    all_reading = threading.Barrier(20)

    def read() -> None:
        with backend._connections.reading() as connection:
            connection.execute("SELECT count(*) FROM changes").fetchone()
            all_reading.wait(PATIENCE)

    threads = [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(backend._connections._idle) == 8
    backend.close()


def test_what_is_lent_while_closing_is_closed_on_return(path: Path) -> None:
    """Closing waits for nobody, and forgets nobody."""
    backend = SQLiteBackend(path)
    with backend._connections.reading() as connection:
        backend.close()
        assert connection.execute("SELECT count(*) FROM changes").fetchone() == (1,)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_file_that_was_replaced_is_told(path: Path, tmp_path: Path) -> None:
    """What is written to the old one could be found by nobody."""
    backend = SQLiteBackend(path)
    row = present(backend, "c1")
    new = tmp_path / "new.db"
    new.write_bytes(path.read_bytes())
    new.replace(path)
    with pytest.raises(StorageUnavailable, match="replaced by another file"):
        backend.commit([follow(row)])
    backend.close()


QUERIES = {
    "changes_due_at": Query(due_before=NOW, order=Order.DUE_AT, after=Cursor(value=5, id="a")),
    "changes_updated_at": Query(updated_before=NOW, order=Order.UPDATED_AT, states=("pending",)),
    "changes_ticket_sn": Query(ticket_sns=("REQ1", "REQ2")),
    "sqlite_autoindex_changes_1": Query(ids=("a", "b")),
    "changes_state": Query(states=("pending",), after=Cursor(value=None, id="a")),
    "changes_attention": Query(workflow="w", attention=("overdue",)),
}


@pytest.mark.parametrize("index", QUERIES)
def test_frequent_questions_have_an_index(path: Path, index: str) -> None:
    """A million changes are not read to find ten."""
    selected = _queries.select_page(QUERIES[index])
    assert selected is not None
    backend = SQLiteBackend(path)
    with backend._connections.reading() as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {selected[0]}", selected[1])]
        assert any(f"SEARCH changes USING INDEX {index} (" in step for step in plan), plan
        if index in {"changes_state", "changes_attention"}:
            assert len(plan) == 1, plan  # nothing is sorted
    backend.close()


@pytest.mark.parametrize("which", _queries.SELECT_HOLDER, ids=":".join)
def test_who_holds_a_value_is_found_by_either_index(path: Path, which: tuple[str, str]) -> None:
    """The time must not depend on how many changes there are."""
    column, index = which
    backend = SQLiteBackend(path)
    with backend._connections.reading() as connection:
        statement = f"EXPLAIN QUERY PLAN {_queries.SELECT_HOLDER[which]}"
        plan = [row[3] for row in connection.execute(statement, ("x", "y"))]
    assert [step.replace("COVERING ", "") for step in plan] == [f"SEARCH changes USING INDEX {index} ({column}=?)"]
    backend.close()


@pytest.mark.parametrize(
    "query",
    [
        Query(subject="s", order=Order.SUBMISSION, limit=2),
        Query(subject="s", workflow="w", order=Order.SUBMISSION, limit=2),
        Query(subject="s", order=Order.SUBMISSION, after=Cursor(value=5, id="a")),
        Query(open_subject="w:s"),
    ],
    ids=word,
)
@pytest.mark.parametrize("place", [0, 1], ids=["first", "second"])
def test_the_gates_questions_are_answered_in_the_order_of_an_index(path: Path, query: Query, place: int) -> None:
    """The newest of a thousand submissions is read, and the others are neither read nor sorted."""
    index = _queries.indexes_of(query)[place]
    selected = _queries.select_page(query, index=index, columns=("id", "submission"))
    assert selected is not None
    assert index == ("changes_", "second_")[place] + ("subject_submission" if query.subject else "open_subject")
    backend = SQLiteBackend(path)
    with backend._connections.reading() as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {selected[0]}", selected[1])]
    assert len(plan) == 1, plan
    assert f"SEARCH changes USING INDEX {index} (" in plan[0].replace("COVERING ", "")
    assert not query.after or "submission<?" in plan[0]
    backend.close()


def test_a_crash_in_rollback_mode_is_healed(path: Path) -> None:
    """A file that somebody took out of its log's mode, and died on, is rolled back as SQLite would, then used."""
    _execute(path, "PRAGMA journal_mode = DELETE")
    child(
        """
        import sqlite3
        connection = sqlite3.connect(sys.argv[1], isolation_level=None)
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("UPDATE changes SET subject = 'half'")
        for number in range(50):
            connection.execute("CREATE TABLE t%d (x)" % number)
        os._exit(0)
        """,
        path,
    )
    assert path.with_name("store.db-journal").stat().st_size > 0
    backend = SQLiteBackend(path)
    assert present(backend, "c1").subject == "subject of c1"
    backend.close()


def test_a_lock_while_the_log_is_begun_is_waited_for(path: Path) -> None:
    """SQLite does not wait there by itself; whoever opens the store at the same time as another does not see it."""
    _execute(path, "PRAGMA journal_mode = DELETE")
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match="held it locked for too long"):
            SQLiteBackend(path, timeout=0.05)
        opening = threading.Thread(target=lambda: opened.append(SQLiteBackend(path)))
        opened: list[SQLiteBackend] = []
        opening.start()
        opening.join(0.1)
        assert opened == []
        other.execute("ROLLBACK")
        opening.join(PATIENCE)
    assert present(opened[0], "c1").version == 1
    opened[0].close()


def test_a_place_without_shared_memory_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its log, SQLite would be slow and its readers would block its writers; say so at once."""
    connect = sqlite3.connect

    def on_such_a_file_system(name: str, **options: Any) -> object:  # as they are given
        return connect(f"{name}&vfs=unix-dotfile", **options)

    _execute(path, "PRAGMA journal_mode = DELETE")
    monkeypatch.setattr(sqlite3, "connect", on_such_a_file_system)
    with pytest.raises(StorageUnavailable, match="does not support the shared memory of a write-ahead log"):
        SQLiteBackend(path)


@pytest.mark.parametrize("what", ["reading or writing failed", "was replaced by another file while it was open"])
def test_a_file_that_changes_while_it_is_opened_is_told(path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Between the look at the path and SQLite's opening of it."""
    connect = _opening.connect

    def too_late(path: Path, mode: str, *, timeout: float) -> sqlite3.Connection:
        connection = connect(path, mode, timeout=timeout)
        if mode == "rw":
            path.rename(path.with_name("old"))
            if "replaced" in what:
                path.write_bytes(b"")
        return connection

    monkeypatch.setattr(_connections, "connect", too_late)
    with pytest.raises(StorageUnavailable, match=what):
        SQLiteBackend(path)


def _salts_of_the_log(path: Path) -> bytes:
    return path.with_name(f"{path.name}-wal").read_bytes()[16:24]


def _fail_to_sync(_connections: object, _connection: object) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    raise StorageUnavailable("the commit failed") from error


def test_after_a_failed_sync_the_log_is_begun_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a later commit would depend on log content that may be in the cache only; no later sync reports that."""
    backend, other = SQLiteBackend(path), SQLiteBackend(path)
    stored(backend, create("c2"))
    before = _salts_of_the_log(path)
    stored(backend, create("c3"))
    assert _salts_of_the_log(path) == before
    with monkeypatch.context() as patch:
        patch.setattr(_connections.Connections, "commit", _fail_to_sync)
        with pytest.raises(StorageUnavailable, match="the commit failed"):
            backend.commit([create("c4")])
    stored(backend, create("c5"))
    after = _salts_of_the_log(path)
    assert after != before
    stored(backend, create("c6"))
    assert _salts_of_the_log(path) == after
    assert found(other) == ["c1", "c2", "c3", "c5", "c6"]
    backend.close()
    other.close()


def test_a_log_that_is_read_cannot_be_begun_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit says so, and that nothing was stored; after the reader has ended, commits are stored."""
    backend, other = SQLiteBackend(path, timeout=0.1), SQLiteBackend(path)
    stored(backend, create("c2"))
    with monkeypatch.context() as patch:
        patch.setattr(_connections.Connections, "commit", _fail_to_sync)
        with pytest.raises(StorageUnavailable):
            backend.commit([create("c3")])
    with other._connections.reading() as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM changes").fetchone()
        with pytest.raises(StorageUnavailable, match="while it is read; nothing was stored: try again"):
            backend.commit([create("c4")])
        reader.execute("ROLLBACK")
    stored(backend, create("c5"))
    assert found(other) == ["c1", "c2", "c5"]
    backend.close()
    other.close()
