"""The commands that look after stores."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.cli.office import Office

APPLY = ("apply", "--title", "t", "--applicant", "alice", "--approver", "bob", "--subject")
STORES = pytest.mark.parametrize("url", ["sqlite:///changes.db", "json:///changes.jsonl"])


@STORES
def test_a_backup_is_brought_back(office: Office, url: str) -> None:
    """What was done is told, to people and to programs, and the store is the backup."""
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


def test_a_backup_that_is_copied_over_a_store_in_use_is_told(office: Office) -> None:
    """By each command that opens the store; none applies the log that was left."""
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
def test_an_empty_file_is_told_and_stays_empty(office: Office, url: str) -> None:
    """Whether a command reads or acts: what was in it may be lost, and it must not look like a new store."""
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
