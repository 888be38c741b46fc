"""The command that checks everything that a store holds."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.cli.office import Office

STORES = pytest.mark.parametrize("url", ["sqlite:///changes.db", "json:///changes.jsonl"])


@STORES
def test_an_intact_store_is_reported_for_people_and_for_programs(office: Office, url: str) -> None:
    """Nothing is written."""
    office.run("apply", "--title", "t", "--applicant", "alice", "--approver", "bob", "--subject", "s", "--store", url)
    file = office.folder / url.partition(":///")[2]
    before = file.read_bytes()
    done = office.run("storage", "verify", url, "--json")
    assert done.code == 0, done.err
    assert (done.json["changes"], done.json["damaged"], done.json["newer"]) == (1, [], 0)
    printed = office.run("storage", "verify", url)
    assert [line.split() for line in printed.out.splitlines()] == [
        ["changes", "1"],
        ["entries", str(done.json["entries"])],
        ["digest", done.json["digest"]],
        ["damaged", "none"],
    ]
    assert file.read_bytes() == before


def test_a_line_is_printed_for_each_damaged_change(office: Office) -> None:
    """The store was edited by a person, which SQLite does not notice."""
    edited, torn, _ = (office.apply(subject)["id"] for subject in "abc")
    with contextlib.closing(sqlite3.connect(office.folder / "changes.db", isolation_level=None)) as connection:
        connection.execute("UPDATE changes SET state = 'approved' WHERE id = ?", (edited,))
        connection.execute(
            'INSERT INTO entries SELECT change_id, 99, at, "trigger", source, dest, actor, document FROM entries '
            "WHERE change_id = ? AND seq = 1",
            (torn,),
        )
    done = office.run("storage", "verify", "sqlite:///changes.db")
    assert done.code == 4
    assert {line.split()[0] for line in done.out.partition("what is wrong\n")[2].splitlines()} == {edited, torn}
    found = office.run("storage", "verify", "sqlite:///changes.db", "--json").json
    assert {one["change_id"] for one in found["damaged"]} == {edited, torn}


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("sqlite:///none.db", 4, "there is no store at"),
        ("json:///none.jsonl", 4, "there is no store at"),
        ("none", 2, "a storage URL begins with"),
        ("nowhere:///x", 2, "no storage backend is installed for nowhere://"),
        ("sqlite:///\x1b[2J", 4, "there is no store at"),
    ],
)
def test_a_store_that_is_not_there_is_not_made(office: Office, url: str, code: int, words: str) -> None:
    """A typing error does not look like an empty store."""
    done = office.run("storage", "verify", url)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "\x1b" not in done.err
    assert [one.name for one in office.folder.iterdir()] == []


def test_a_terminal_shows_a_bar(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the step and the number of changes that it has done."""
    office.apply("a")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    done = office.run("storage", "verify", "sqlite:///changes.db")
    assert done.code == 0
    assert "checking" in done.err
    assert "1/?" in done.err


def test_progress_goes_to_standard_error(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines where it is not a terminal."""
    office.apply("a")
    office.apply("b")
    monkeypatch.setattr("itsm_workflow.cli.storage_progress._EVERY", 2)
    done = office.run("storage", "verify", "sqlite:///changes.db")
    assert done.err == "checking: 2 changes\n"
