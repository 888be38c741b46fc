"""How things are printed, and what stores and demonstrations are looked after by."""

from __future__ import annotations

import contextlib
import functools
import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import demo
from itsm_workflow.cli.exits import exit_of
from itsm_workflow.cli.output import as_json, clean, facts, table
from itsm_workflow.demo.scenarios import SCENARIOS
from itsm_workflow.errors import (
    GatewayTimeout,
    ItsmWorkflowError,
    ServiceNotFound,
    SettingsError,
    StorageConflict,
    StorageError,
    StorageSchemaError,
    StorageUnavailable,
)

if TYPE_CHECKING:
    from tests.integration.cli.office import Office


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("接入 nginx", "接入 nginx"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("csi\x9b1m", "csi\\x9b1m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_nothing_in_a_text_steers_a_terminal(text: str, expected: str) -> None:
    """Controls, line breaks and changes of direction show as escapes."""
    assert clean(text) == expected


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), "\x7f", "\x9b", *"\u061c\u200e\u2028\u202e\u2069\ud800"])
def test_nothing_that_is_printed_steers_a_terminal(capsys: pytest.CaptureFixture[str], character: str) -> None:
    """Whatever was stored before it was refused: for people as a literal, for programs as JSON that reads the same."""
    as_json({"reason": f"a{character}b"})
    printed = capsys.readouterr().out

    assert json.loads(printed) == {"reason": f"a{character}b"}
    assert printed.replace("\n", "").isprintable()
    assert printed.count("\n") == 3
    assert clean(f"a{character}b").isprintable()


def test_columns_are_as_wide_as_their_widest_cell(capsys: pytest.CaptureFixture[str]) -> None:
    """A wide character counts twice, and no line ends in blanks."""
    table(("a", "b"), [("采集", "x"), ("abcde", "")])
    assert capsys.readouterr().out.splitlines() == ["a      b", "采集   x", "abcde"]


def test_facts_leave_out_what_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    """Names align, and a value of several lines is indented under its name."""
    facts([("id", 7), ("none", None), ("empty", ""), ("content", "one\ntwo")])
    assert capsys.readouterr().out.splitlines() == ["id       7", "content  one", "         two"]


def test_json_is_safe_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    """It says the same, without a byte that a terminal obeys."""
    as_json({"title": "接入\x9b1m\x7f"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"title": "接入\x9b1m\x7f"}
    assert "接入\\u009b1m\\u007f" in out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ItsmWorkflowError("x"), 1),
        (StorageConflict(change_id="x", kind="version"), 1),
        (SettingsError("x"), 2),
        (StorageError("a URL that is none"), 2),
        (GatewayTimeout("x", endpoint="e"), 3),
        (ServiceNotFound("x"), 3),
        (StorageUnavailable("x"), 4),
        (StorageSchemaError("x"), 4),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: ItsmWorkflowError, code: int) -> None:
    """A script can tell whom to call."""
    assert exit_of(error) == code


def test_a_damaged_store_is_repaired_and_the_original_kept(office: Office) -> None:
    """It tells what was damaged, and which change has lost a write."""
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


def test_a_repair_is_told_to_people_as_well(office: Office) -> None:
    """In lines that name the file that was kept."""
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
def test_what_cannot_be_repaired_is_told(office: Office, path: str, code: int, said: str) -> None:
    """No file, or a backend without that ability."""
    done = office.run("storage", "repair", path)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


@pytest.mark.parametrize("written", ["changes.db", "json:///changes.db"])
def test_a_sqlite_store_that_is_named_as_a_json_store_is_told_its_url(office: Office, written: str) -> None:
    """What was typed is nearly right: the URL can be copied from the refusal, and no lock is left beside the file."""
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


def test_the_demonstration_is_run_and_its_figures_are_json(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines go to standard error then, and its folder and exit code are as asked."""
    monkeypatch.setattr(demo, "run", functools.partial(demo.run, scenarios=SCENARIOS[:1]))
    done = office.run("demo", "--folder", "kept", "--json")
    assert done.code == 0, done.err
    assert (done.json["requests"], done.json["duplicate_tickets"]) == (1, 0)
    assert done.err
    again = office.run("demo", "--folder", "kept")
    assert again.code == 2
    assert "starts with an empty store" in again.err
