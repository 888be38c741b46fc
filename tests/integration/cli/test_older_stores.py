"""A store of an older schema: what only reads changes no byte of it, and an upgrade is a step of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.linted import linted

if TYPE_CHECKING:
    from tests.integration.cli.office import Office

WRITTEN = Path(__file__).parents[2] / "data" / "schema_1"
READING = {
    "list": ("list",),
    "why": ("why", "pending"),
    "show": ("show", "pending"),
    "history": ("history", "pending"),
    "graph": ("graph", "--request", "pending"),
    "export-case": ("export-case", "pending"),
    "callback-keys": ("callback-keys", "--rotate", "--output", "keys"),
}


@pytest.fixture(params=["sqlite:///store.db", "json:///store.jsonl"])
def url(request: pytest.FixtureRequest, office: Office, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of an older store, which is the one that commands use."""
    url = str(request.param)
    shutil.copy(WRITTEN / name_of(url), office.folder)
    monkeypatch.setenv("BKAPP_ITSM_STORE", url)
    monkeypatch.setenv("BKAPP_ITSM_CALLBACK_KEYS", "k" * 64)
    return url


def name_of(url: str) -> str:
    """Return the name of a store's file."""
    return url.rpartition("/")[2]


def untouched(office: Office, url: str) -> bool:
    """Return whether the store is as it was written, without another file next to it."""
    there = {file.name: file.read_bytes() for file in office.folder.iterdir()}
    return there == {name_of(url): (WRITTEN / name_of(url)).read_bytes()}


@pytest.mark.parametrize("command", READING.values(), ids=READING)
def test_what_reads_says_that_the_store_is_older(office: Office, url: str, command: tuple[str, ...]) -> None:
    """It names both schemas and the command that upgrades, and changes nothing."""
    done = office.run(*command)
    assert done.code == 4
    for said in (
        "has schema 1, but this release writes schema ",
        "older release",
        f"itsm-workflow storage upgrade {url}",
    ):
        assert said in done.err
    assert untouched(office, url)


@pytest.mark.long
def test_lint_graph_only_reads(office: Office, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its documentation says."""
    monkeypatch.setattr("itsm_workflow.lint.lint", linted)
    done = office.run("lint-graph", "--against", url)
    assert (done.code, done.out) == (4, "")
    assert "itsm-workflow storage upgrade" in done.err
    assert untouched(office, url)


def test_the_doctor_changes_nothing(office: Office, url: str) -> None:
    """It reports that the store is older, and does not open it."""
    done = office.run("doctor")
    assert "the store has schema 1" in done.out
    assert "itsm-workflow storage upgrade" in done.out
    assert untouched(office, url)


def test_a_check_of_the_backend_changes_nothing(office: Office, url: str) -> None:
    """An older store has data in it, whether or not it was opened."""
    done = office.run("storage", "check", url)
    assert done.code != 0
    assert "nothing was done" in done.err
    assert untouched(office, url)


def test_a_backup_and_an_interrupted_look_change_nothing(office: Office, url: str) -> None:
    """A backup is the first step of an upgrade, and can be brought back as the older store that it is."""
    assert office.run("storage", "backup", url, "kept").code == 0
    assert (office.folder / name_of(url)).read_bytes() == (WRITTEN / name_of(url)).read_bytes()
    assert office.run("storage", "upgrade", url).code == 0
    assert office.run("storage", "restore", "kept", url).code == 0
    assert "has schema 1" in office.run("list").err


def test_an_upgrade_is_a_step_of_its_own(office: Office, url: str) -> None:
    """It says from what to what; after that the store is read like any other, and there is nothing more to upgrade."""
    done = office.run("storage", "upgrade", url, "--json")
    assert done.code == 0, done.err
    assert (done.json["from"], done.json["to"] > 1) == (1, True)
    assert len(office.run("list", "--json").json) == 32
    again = office.run("storage", "upgrade", url)
    assert again.out == f"the store has schema {done.json['to']}, which is current; nothing was done\n"


def test_what_acts_upgrades_by_opening(office: Office, url: str) -> None:
    """A process of this release that writes needs no step before it."""
    office.run("reconcile")
    assert not untouched(office, url)
    assert len(json.loads(office.run("list", "--json").out)) == 32


def test_an_upgrade_creates_no_store(office: Office) -> None:
    """A misspelt path is reported; a store in memory has no schema."""
    for url in ("sqlite:///nowhere.db", "json:///nowhere.jsonl"):
        done = office.run("storage", "upgrade", url)
        assert (done.code, done.out) == (4, "")
        assert "there is no store at" in done.err
    assert not list(office.folder.iterdir())
    assert "no schema" in office.run("storage", "upgrade", "memory://").out
