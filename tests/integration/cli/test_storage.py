"""The commands that maintain stores: repair, backup, restore."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.cli.office import Office

APPLY = ("apply", "--title", "t", "--applicant", "alice", "--approver", "bob", "--subject")
STORES = pytest.mark.parametrize("url", ["sqlite:///changes.db", "json:///changes.jsonl"])


@STORES
def test_a_backup_is_restored(office: Office, url: str) -> None:
    """The result is printed for people and for programs, and the store equals the backup."""
    store = ("--store", url, "--app", "none")
    file = office.folder / url.partition(":///")[2]
    office.run(*APPLY, "s", *store)
    office.run("storage", "backup", url, "kept")
    office.run(*APPLY, "t", *store)
    done = office.run("storage", "restore", "kept", url)
    assert done.code == 0, done.err
    assert [line.split(maxsplit=1)[0] for line in done.out.splitlines()][:4] == ["store", "is", "changes", "set"]
    assert f"set aside  {file}.replaced-1" in done.out
    assert [one["subject"] for one in office.run("list", "--json", *store).json] == ["s"]
    assert len(office.run("list", "--json", "--store", f"{url}.replaced-1").json) == 2
    again = office.run("storage", "restore", "kept", url, "--json")
    assert again.json == {
        "backup": str(office.folder / "kept"),
        "store": str(file),
        "changes": 1,
        "aside": [f"{file}.replaced-2"],
    }


@STORES
def test_a_backup_with_a_change_that_was_edited_is_not_brought_back(office: Office, url: str) -> None:
    """Its digest does not hold, although the file is whole; the store is left alone."""
    store = ("--store", url, "--app", "none")
    office.run(*APPLY, "s", *store)
    office.run("storage", "backup", url, "kept")
    kept = office.folder / "kept"
    kept.write_bytes(kept.read_bytes().replace(b"alice", b"alicf"))
    done = office.run("storage", "restore", "kept", url)
    assert (done.code, done.out) == (4, "")
    assert "nothing was changed" in done.err
    assert office.run("show", "s", "--json", *store).json["applicant"] == "alice"


def test_a_server_restores_by_its_own_means(office: Office) -> None:
    """The backends that can are named."""
    done = office.run("storage", "restore", "kept", "memory://")
    assert (done.code, done.out) == (2, "")
    assert "able are: json, sqlite" in done.err


def test_a_backup_that_was_copied_over_a_store_in_use_is_reported(office: Office) -> None:
    """Each command that opens the store reports it, and none applies the old log."""
    office.run(*APPLY, "s")
    office.run("storage", "backup", "sqlite:///changes.db", "kept")
    shutil.copyfile(office.folder / "kept", office.folder / "changes.db")
    (office.folder / "changes.db-wal").write_bytes(b"left by a process that was killed")
    before = (office.folder / "changes.db").read_bytes()
    for command in (("list",), ("reconcile",), ("doctor",), ("storage", "repair", "sqlite:///changes.db")):
        done = office.run(*command)
        assert done.code != 0
        assert (
            "changes.db-wal next to it is the write-ahead log of the store that was there before" in done.out + done.err
        )
    assert (office.folder / "changes.db").read_bytes() == before


@STORES
def test_an_empty_file_is_reported_and_stays_empty(office: Office, url: str) -> None:
    """Every command reports it: the content may be lost, and it must not look like a new store."""
    file = office.folder / url.partition(":///")[2]
    file.touch()
    store = ("--store", url, "--app", "none")
    for command in (("list", *store), (*APPLY, "s", *store), ("storage", "backup", url, "kept")):
        done = office.run(*command)
        assert (done.code, done.out) == (4, "")
        assert "Nothing was changed" in done.err
    doctor = office.run("doctor", "--store", url)
    assert doctor.code == 1
    assert "Nothing was changed" in doctor.out
    assert file.read_bytes() == b""


def test_a_damaged_store_is_repaired_and_the_original_kept(office: Office) -> None:
    """The command prints the damage, and the change that has lost a write."""
    store = ("--store", "json:///changes.jsonl")
    done = office.run(
        "apply", "--subject", "s", "--title", "t", "--applicant", "alice", "--approver", "bob", *store, "--json"
    )
    file = office.folder / "changes.jsonl"
    assert office.run("storage", "repair", "changes.jsonl").out == "the store is not damaged, and nothing was done\n"

    damaged = file.read_text(encoding="utf-8").replace('"pending"', '"approved"')
    file.write_text(damaged, encoding="utf-8")
    repaired = office.run("storage", "repair", "json:///changes.jsonl", "--json")
    assert repaired.code == 5
    assert list(repaired.json) == ["problems", "original", "restored", "dropped", "lost"]
    assert list(repaired.json["restored"]) == [done.json["id"]]
    assert (office.folder / "changes.jsonl.damaged-1").read_text(encoding="utf-8") == damaged
    assert office.run("show", "s", *store, "--json").json["state"] == "applying"


def test_a_damaged_sqlite_store_is_repaired(office: Office) -> None:
    """A flipped bit in a document, which SQLite itself does not notice, and a stray entry; the ticket is named."""
    for subject in ("s", "t", "u"):
        office.run("apply", "--subject", subject, "--title", "t", "--applicant", "alice", "--approver", "bob")
    names = {one: office.run("show", one, "--json").json for one in "stu"}
    with contextlib.closing(sqlite3.connect(office.folder / "changes.db", isolation_level=None)) as connection:
        connection.execute("UPDATE changes SET state = 'approved' WHERE subject = 's'")
        connection.execute(
            'INSERT INTO entries SELECT change_id, 99, at, "trigger", source, dest, actor, document FROM entries '
            "WHERE change_id = ? AND seq = 1",
            (names["t"]["id"],),
        )
    repaired = office.run("storage", "repair", "sqlite:///changes.db", "--json")
    assert repaired.code == 5
    assert repaired.json["dropped"] == [names["s"]["id"]]
    assert list(repaired.json["restored"]) == [names["t"]["id"]]
    assert repaired.json["original"] == f"{office.folder / 'changes.db'}.damaged-1"
    assert names["s"]["sn"] in "".join(repaired.json["problems"])
    assert [one["subject"] for one in office.run("list", "--json").json] == ["t", "u"]
    assert office.run("history", "t", "--json").code == 0
    assert (
        office.run("storage", "repair", "sqlite:///changes.db").out
        == "the store is not damaged, and nothing was done\n"
    )


def test_a_repair_is_printed_for_people_as_well(office: Office) -> None:
    """The lines name the file that was kept."""
    store = ("--store", "json:///changes.jsonl")
    office.run("apply", "--subject", "s", "--title", "t", "--applicant", "alice", "--approver", "bob", *store)
    file = office.folder / "changes.jsonl"
    file.write_text(file.read_text(encoding="utf-8").replace('"pending"', '"approved"'), encoding="utf-8")
    out = office.run("storage", "repair", "changes.jsonl").out
    assert f"original  {file}.damaged-1" in out
    assert "as of version 1" in out


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("none.jsonl", 4, "there is no store at"),
        ("memory:///x", 2, "able are: json, sqlite"),
        ("sqlite:///none.db", 4, "there is no store at"),
        ("json:///", 2, "must name a file"),
    ],
)
def test_a_store_that_cannot_be_repaired_is_reported(office: Office, path: str, code: int, said: str) -> None:
    """There is no file, or the backend does not have the ability."""
    done = office.run("storage", "repair", path)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


@pytest.mark.parametrize("written", ["changes.db", "json:///changes.db"])
def test_a_sqlite_store_that_is_opened_as_json_is_refused_with_its_url(office: Office, written: str) -> None:
    """The URL can be copied from the message, and no lock file is left."""
    office.apply("collector-42")
    before = sorted(one.name for one in office.folder.iterdir())
    done = office.run("storage", "repair", written)
    assert (done.code, done.out) == (2, "")
    url = f"sqlite:///{office.folder / 'changes.db'}"
    assert f"changes.db is a SQLite database: give the URL of a SQLite store, {url}\n" in done.err
    assert sorted(one.name for one in office.folder.iterdir()) == before
    assert office.run("storage", "repair", url).out == "the store is not damaged, and nothing was done\n"


def test_a_store_is_backed_up_by_its_url(office: Office) -> None:
    """To a file that opens; a second backup by the same name is refused."""
    office.run("apply", "--subject", "s", "--title", "t", "--applicant", "alice", "--approver", "bob")
    done = office.run("storage", "backup", "sqlite:///changes.db", "kept.db")
    assert (done.code, done.out) == (0, "the store was copied to kept.db\n")
    assert office.run("show", "s", "--store", "sqlite:///kept.db", "--json").json["subject"] == "s"
    again = office.run("storage", "backup", "sqlite:///changes.db", "kept.db")
    assert (again.code, again.out) == (4, "")
    assert "nothing is overwritten" in again.err
    as_json = office.run("storage", "backup", "sqlite:///changes.db", "more.db", "--json")
    assert as_json.json == {"target": str(office.folder / "more.db")}
    refused = office.run("storage", "backup", "memory://", "kept.db")
    assert (refused.code, refused.out) == (2, "")
    assert "able are: json, sqlite" in refused.err
