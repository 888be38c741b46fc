"""What the doctor finds of a store: real files, current, newer, older, damaged, and what waits in them."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import open_storage
from itsm_workflow.doctor import Finding, Level
from itsm_workflow.doctor.storage import LATE, examine_storage
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.testing.manual_clock import START
from itsm_workflow_backends.sqlite import SQLiteBackend, _backend
from itsm_workflow_backends.sqlite._schema import SCHEMA_VERSION
from tests.integration.doctor.places import by_name, levels
from tests.support import workflows as zoo
from tests.support.lost import apply_in_vain
from tests.support.office import Office, asked

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

WELL = dict.fromkeys(
    [
        *("storage.open", "storage.schema", "storage.writable", "storage.damage"),
        *("storage.open_changes", "storage.attention", "storage.due"),
    ],
    "ok",
)


def of_store(url: str, now: dt.datetime = START) -> dict[str, Finding]:
    """Return what is found of a store."""
    return by_name(examine_storage(url, now=now))


@pytest.fixture(params=["sqlite", "json"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that is not there yet."""
    return f"{request.param}:///{tmp_path / 'changes'}"


def set_version(path: Path, number: int) -> None:
    """Let a SQLite store say that another release wrote it."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {number}")
        connection.commit()


class TestOpen:
    """Whether it opens."""

    def test_an_empty_store(self, url: str) -> None:
        """All is well, and nothing is open."""
        open_storage(url).close()
        found = of_store(url)

        assert levels(found) == WELL
        assert found["storage.open_changes"].seen == "none"

    def test_no_store_is_made(self, url: str, tmp_path: Path) -> None:
        """A typing error must not become an empty store."""
        found = of_store(url)

        assert levels(found) == {"storage.open": "warning"}
        assert list(tmp_path.iterdir()) == []

    def test_no_folder(self, url: str) -> None:
        """The first change could not make it either."""
        found = of_store(url.replace("changes", "nowhere/changes"))

        assert levels(found) == {"storage.open": "problem"}
        assert "its directory does not exist" in found["storage.open"].seen

    @pytest.mark.parametrize("url", ["nonsense", "slqite:///changes.db", "sqlite://changes.db"])
    def test_an_invalid_address(self, url: str) -> None:
        """The backend's own message states the problem."""
        assert levels(of_store(url)) == {"storage.open": "problem"}

    def test_a_file_of_something_else(self, tmp_path: Path) -> None:
        """It is left alone."""
        path = tmp_path / "changes"
        path.write_text("no store of anybody\n" * 99, encoding="utf-8")
        before = path.read_bytes()

        for scheme in ("sqlite", "json"):
            assert of_store(f"{scheme}:///{path}")["storage.open"].level == Level.PROBLEM
        assert path.read_bytes() == before

    def test_memory(self) -> None:
        """It has nothing to go wrong."""
        assert levels(of_store("memory://")) == WELL


class TestSchema:
    """Which release wrote it."""

    def test_current(self, tmp_path: Path) -> None:
        """With its number."""
        SQLiteBackend(tmp_path / "changes").close()

        assert (
            of_store(f"sqlite:///{tmp_path / 'changes'}")["storage.schema"].seen
            == f"schema {SCHEMA_VERSION} is current"
        )

    def test_newer(self, tmp_path: Path) -> None:
        """This release cannot open it."""
        SQLiteBackend(tmp_path / "changes").close()
        set_version(tmp_path / "changes", 99)
        found = of_store(f"sqlite:///{tmp_path / 'changes'}")

        assert levels(found) == {"storage.schema": "problem"}
        assert "99" in found["storage.schema"].seen

    def test_older(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Opening would migrate it, so it is not opened."""
        SQLiteBackend(tmp_path / "changes").close()
        before = (tmp_path / "changes").read_bytes()
        monkeypatch.setattr(_backend, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
        found = of_store(f"sqlite:///{tmp_path / 'changes'}")

        assert levels(found) == {"storage.schema": "warning"}
        assert "back up the store" in found["storage.schema"].advice
        assert (tmp_path / "changes").read_bytes() == before


class TestDamage:
    """A JSON store of which a part cannot be read."""

    def damage(self, tmp_path: Path, text: bytes) -> dict[str, Finding]:
        """Return what is found once a text in the store's last line was made another one."""
        path = tmp_path / "changes"
        with Office(f"json:///{path}") as office:
            workflow = office.workflow()
            workflow.apply(subject="one", **asked())
            workflow.apply(subject="two", **asked())
        head, last = path.read_bytes().rstrip(b"\n").rsplit(b"\n", 1)
        assert text in last
        path.write_bytes(head + b"\n" + last.replace(text, b"?" * len(text), 1) + b"\n")
        return of_store(f"json:///{path}")

    def test_of_a_change(self, tmp_path: Path) -> None:
        """The store opens without it, which must not look as if all were well."""
        found = self.damage(tmp_path, b'"pending"')

        assert found["storage.open"].level == Level.PROBLEM
        assert "is damaged" in found["storage.open"].seen
        assert "itsm-workflow storage repair" in found["storage.open"].advice

    def test_of_an_unknown_kind(self, tmp_path: Path) -> None:
        """The store can only be read."""
        found = self.damage(tmp_path, b'"number"')

        assert found["storage.open"].level == Level.PROBLEM
        assert found["storage.writable"].level == Level.PROBLEM

    def test_is_found_without_touching_it(self, tmp_path: Path) -> None:
        """What is left is all that a repair has."""
        self.damage(tmp_path, b'"pending"')
        before = (tmp_path / "changes").read_bytes()
        of_store(f"json:///{tmp_path / 'changes'}")

        assert (tmp_path / "changes").read_bytes() == before


class TestDamageOfSQLite:
    """A SQLite store with one flipped bit."""

    def flip(self, tmp_path: Path, text: bytes, page_of: str) -> dict[str, Finding]:
        """Return what is found once a bit of a text was flipped in the page of a table or index."""
        path = tmp_path / "changes"
        with Office(f"sqlite:///{path}") as office:
            workflow = office.workflow()
            for subject in ("one", "two", "three"):
                workflow.apply(subject=subject, **asked())
        with contextlib.closing(sqlite3.connect(path)) as connection:
            (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (page_of,)).fetchone()
        content = bytearray(path.read_bytes())
        content[content.index(text, (page - 1) * 4096, page * 4096)] ^= 1
        path.write_bytes(content)
        return of_store(f"sqlite:///{path}")

    @pytest.mark.parametrize(
        ("index", "text"),
        [
            ("changes_subject_submission", b"three"),
            ("second_subject_submission", b"three"),
            ("changes_open_subject", b"collector_change:two"),
            ("second_open_subject", b"collector_change:two"),
            ("changes_ticket_key", b"bk_itsm"),
            ("changes_ticket_sn", b"REQ"),
            ("changes_due_at", b"01K"),
            ("changes_updated_at", b"01K"),
            ("sqlite_autoindex_changes_1", b"01K"),
        ],
    )
    def test_of_an_index(self, tmp_path: Path, index: str, text: bytes) -> None:
        """It may hide a change from every reader that uses the index, so that no other check finds it."""
        found = self.flip(tmp_path, text, index)

        assert found["storage.damage"].level == Level.PROBLEM
        assert index in found["storage.damage"].seen
        assert "itsm-workflow storage repair" in found["storage.damage"].advice

    def test_of_a_row(self, tmp_path: Path) -> None:
        """SQLite sees nothing wrong with it; the digest does, and the other rows are counted."""
        found = self.flip(tmp_path, b"pending", "changes")

        assert found["storage.damage"].level == Level.PROBLEM
        assert "is not stored as this version wrote it" in found["storage.damage"].seen
        assert found["storage.open_changes"].seen == "collector_change: 2 pending"

    def test_long_lists_of_damage_are_shortened(self, tmp_path: Path) -> None:
        """The first problems are shown, and the number of the others."""
        path = tmp_path / "changes"
        with Office(f"sqlite:///{path}") as office:
            workflow = office.workflow()
            for number in range(8):
                workflow.apply(subject=f"s{number}", **asked())
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE changes SET document = '{}'")
            connection.commit()
        assert of_store(f"sqlite:///{path}")["storage.damage"].seen.endswith("; and 3 more")


class TestWaiting:
    """What is in it."""

    def test_open_changes_are_counted(self, url: str) -> None:
        """By state; those that ended are not, and a draft holds no subject yet."""
        with Office(url) as office:
            workflow = office.workflow()
            for number in range(3):
                workflow.apply(subject=f"s{number}", **asked())
            workflow.draft(subject="s9", **asked())
            office.approve(workflow.apply(subject="s3", **asked()))
            found = of_store(url, office.clock.now())

        assert levels(found) == WELL
        assert found["storage.open_changes"].seen == "collector_change: 3 pending"

    def test_changes_of_every_workflow_are_counted_whatever_its_states_are_called(self, url: str) -> None:
        """What was approved and goes on is open too."""
        with Office(url) as office:
            office.workflow().apply(subject="s", **asked())
            shop = office.workflow(definition=zoo.deployment())
            office.approve(shop.apply(subject="r1", **asked()))
            shop.apply(subject="r2", **asked())
            found = of_store(url, office.clock.now())["storage.open_changes"]

        assert found.seen == "collector_change: 1 pending; deployment: 1 granted, 1 waiting"

    def test_more_changes_than_a_page(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each is counted once."""
        monkeypatch.setattr("itsm_workflow.doctor.storage._PAGE", 2)
        with Office(url) as office:
            for number in range(5):
                office.workflow().apply(subject=f"s{number}", **asked())
            found = of_store(url, office.clock.now() + LATE * 2)

        assert found["storage.open_changes"].seen == "collector_change: 5 pending"
        assert found["storage.due"].seen.startswith("overdue changes: 5 (5 collector_change), the first ")

    def test_what_waits_for_a_person(self, url: str) -> None:
        """With the reasons, and how to find them."""
        with Office(url) as office:
            apply_in_vain(office, office.workflow())
            found = of_store(url, office.clock.now())["storage.attention"]

        assert found.level == Level.WARNING
        assert found.seen == "changes that wait for a person: 1 not_found"
        assert "itsm-workflow list --attention" in found.advice

    def test_no_process_reconciles(self, url: str) -> None:
        """Changes that have been due for long show it."""
        with Office(url) as office:
            office.workflow().apply(subject="s", **asked())
            office.pass_time(LATE.total_seconds() * 2)
            found = of_store(url, office.clock.now())["storage.due"]

        assert found.level == Level.WARNING
        assert "itsm-workflow reconcile --app module:name" in found.advice
        assert "with the application of collector_change: " in found.advice

    def test_no_process_reconciles_another_workflow(self, url: str) -> None:
        """The advice names the application; a pass of the other one would find nothing due."""
        with Office(url) as office:
            office.workflow(definition=attrs.evolve(COLLECTOR_CHANGE, name="release")).apply(subject="s", **asked())
            office.pass_time(LATE.total_seconds() * 2)
            found = of_store(url, office.clock.now())["storage.due"]

        assert found.seen.startswith("overdue changes: 1 (1 release), the first since ")
        assert "with the application of release: " in found.advice
