"""The command that copies a store into another."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.cli import storage_progress
from itsm_workflow.storage import open_storage
from itsm_workflow.storage.protocol import Query
from tests.support.killed_copy import kill_copy

if TYPE_CHECKING:
    from tests.integration.cli.office import Office

SQLITE, JSON, THIRD = "sqlite:///changes.db", "json:///copy.jsonl", "sqlite:///third.db"


def digest_of(office: Office, url: str) -> str:
    """Return the digest that the command prints of a store."""
    return str(office.run("storage", "verify", url, "--json").json["digest"])


def fill(office: Office) -> None:
    """File changes, and let two of them be decided."""
    sns = [office.apply(subject)["sn"] for subject in "abcde"]
    office.decide(sns[0], approve=True)
    office.decide(sns[1], approve=False)
    for sn in sns[:3]:
        assert office.run("settle", sn).code == 0


def test_a_store_is_moved_there_and_back(office: Office) -> None:
    """The digests of all three are equal, and the commands that read show the same."""
    fill(office)
    there = office.run("storage", "copy", SQLITE, JSON)
    assert there.code == 0, there.err
    assert there.err == "itsm-workflow: the changes were read again from both stores and are the same\n"
    back = office.run("storage", "copy", JSON, THIRD, "--json")
    assert back.code == 0, back.err
    assert (back.json["verified"], back.json["missing"], back.json["copied"]) == (True, 5, 5)
    assert (back.json["conflicts"], back.json["damaged"]) == ([], [])
    assert back.json["digests"] == {"from": digest_of(office, SQLITE), "to": digest_of(office, THIRD)}
    assert len({digest_of(office, url) for url in (SQLITE, JSON, THIRD)}) == 1
    assert len({office.run("list", "--json", "--store", url).out for url in (SQLITE, JSON, THIRD)}) == 1


def test_a_dry_run_makes_no_file(office: Office) -> None:
    """It counts what would be copied."""
    fill(office)
    before = sorted(one.name for one in office.folder.iterdir())
    done = office.run("storage", "copy", SQLITE, JSON, "--dry-run", "--json")
    assert (done.code, done.json["missing"], done.json["copied"], done.json["verified"]) == (0, 5, 0, False)
    assert sorted(one.name for one in office.folder.iterdir()) == before
    assert office.run("storage", "copy", SQLITE, JSON).code == 0
    office.apply("f")
    done = office.run("storage", "copy", SQLITE, JSON, "--dry-run")
    assert [line.split() for line in done.out.splitlines()[2:5]] == [["missing", "1"], ["behind", "0"], ["same", "5"]]


@pytest.mark.long
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("target", [THIRD, JSON])
def test_a_copy_that_was_killed_is_continued(office: Office, target: str, when: str) -> None:
    """At its first, second and third commit, each time on what the run before has left."""
    fill(office)
    for number in (1, 2, 3):
        kill_copy(office.folder, number, when, "copy", SQLITE, target)
    done = office.run("storage", "copy", SQLITE, target)
    assert done.code == 0, done.err
    assert digest_of(office, SQLITE) == digest_of(office, target)


def test_a_conflict_is_named_and_nothing_is_written(office: Office) -> None:
    """The copy was used after it was made."""
    fill(office)
    assert office.run("storage", "copy", SQLITE, THIRD).code == 0
    [change] = [one for one in office.run("list", "--json").json if one["subject"] == "c"]
    office.run("withdraw", "c", "--actor", "ops", "--reason", "r", "--store", THIRD)
    before = digest_of(office, THIRD)
    office.apply("f")
    for options in ([], ["--dry-run"]):
        done = office.run("storage", "copy", SQLITE, THIRD, *options)
        assert done.code == 1
        assert done.out.splitlines()[-1].startswith(f"{change['id']}  it has version ")
        assert "TO has changes that are not earlier versions of those in FROM: nothing was written" in done.err
    assert digest_of(office, THIRD) == before


def test_a_damaged_store_is_not_copied(office: Office) -> None:
    """The change is named."""
    fill(office)
    with contextlib.closing(sqlite3.connect(office.folder / "changes.db", isolation_level=None)) as connection:
        connection.execute("UPDATE changes SET state = 'approved' WHERE subject = 'c'")
    done = office.run("storage", "copy", SQLITE, THIRD)
    assert done.code == 4
    assert "FROM is damaged, and nothing was written" in done.err
    assert "what is wrong" in done.out
    with contextlib.closing(open_storage(f"sqlite:///{office.folder / 'third.db'}")) as store:
        assert store.find(Query()).rows == ()


@pytest.mark.parametrize(
    ("source", "target", "code", "words"),
    [
        ("memory://", THIRD, 2, "a store in memory is empty when the command begins"),
        (SQLITE, "memory://", 2, "a store in memory is empty when the command begins"),
        (SQLITE, SQLITE, 2, "FROM and TO name the same store"),
        (SQLITE, "sqlite:///./x/../changes.db", 2, "FROM and TO name the same store"),
        (SQLITE, "json:///changes.db", 2, "FROM and TO name the same store"),
        ("sqlite:///none.db", THIRD, 4, "there is no store at"),
        ("none", THIRD, 2, "a storage URL begins with"),
        (SQLITE, "nowhere://u:geheim-7@h/x", 2, "no storage backend is installed for nowhere://"),
        (SQLITE, "sqlite:///\x1b[2J/third.db", 4, "third.db"),
        (SQLITE, "sqlite:///no/such/folder/third.db", 4, "third.db"),
        (SQLITE, "sqlite:///third.db?mode=memory", 2, "takes no parameters"),
    ],
)
def test_hostile_arguments_are_refused(office: Office, source: str, target: str, code: int, words: str) -> None:
    """No file is made, and no secret or control character is printed."""
    office.apply("a")
    before = sorted(one.name for one in office.folder.iterdir())
    done = office.run("storage", "copy", source, target)
    assert (done.code, done.out) == (code, ""), done.err
    assert words in done.err
    assert "\x1b" not in done.err
    assert "geheim" not in done.err
    assert sorted(one.name for one in office.folder.iterdir()) == before


def test_changes_that_ended_are_archived(office: Office) -> None:
    """By their age; the store stays as it is."""
    fill(office)
    before = digest_of(office, SQLITE)
    young = office.run("storage", "archive", SQLITE, JSON, "--older-than", "90d", "--json")
    assert (young.code, young.json["changes"], young.json["verified"]) == (0, 0, True)
    done = office.run("storage", "archive", SQLITE, JSON, "--older-than", "0s", "--dry-run", "--json")
    assert (done.code, done.json["missing"], done.json["copied"]) == (0, 2, 0)
    done = office.run("storage", "archive", SQLITE, JSON, "--older-than", "0s")
    assert done.code == 0, done.err
    assert {one["subject"] for one in office.run("list", "--json", "--store", JSON).json} == {"a", "b"}
    assert digest_of(office, SQLITE) == before


@pytest.mark.long
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_archive_that_was_killed_is_continued(office: Office, when: str) -> None:
    """No change that is open was brought meanwhile, and the store stays as it is."""
    fill(office)
    before = digest_of(office, SQLITE)
    for number in (1, 2):
        kill_copy(office.folder, number, when, "archive", SQLITE, JSON, "--older-than", "0s")
    done = office.run("storage", "archive", SQLITE, JSON, "--older-than", "0s", "--json")
    assert (done.code, done.json["verified"], done.json["changes"]) == (0, True, 2), done.err
    assert {one["subject"] for one in office.run("list", "--json", "--store", JSON).json} == {"a", "b"}
    assert digest_of(office, SQLITE) == before


def test_an_archive_shows_its_progress(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each so many changes of each step, where standard error is no terminal."""
    fill(office)
    monkeypatch.setattr(storage_progress, "_EVERY", 2)
    done = office.run("storage", "archive", SQLITE, JSON, "--older-than", "0s")
    assert done.code == 0, done.err
    shown = [line for line in done.err.splitlines() if line.endswith("2 changes")]
    assert [line.partition(":")[0] for line in shown].count("checking the source") >= 1
    assert len(shown) == 6  # each of both stores is read before, copied, and read again


@pytest.mark.parametrize("age", ["90", "-1d", "1e9d", "", "99999d", "d"])
def test_an_age_that_is_none_is_refused(office: Office, age: str) -> None:
    """Before a file is made."""
    office.apply("a")
    done = office.run("storage", "archive", SQLITE, JSON, "--older-than", age)
    assert (done.code, done.out) == (2, "")
    assert not (office.folder / "copy.jsonl").exists()
