"""Two versions of a host's workflow on one store, in processes of their own: an old web process, a new reconciler."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.host_process import HostProcess
from tests.support.places import WatchedSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.long

LATER = 7200.0
DEPLOYED = json.dumps({"host": "a", "region": "north"})
MEASURED = json.dumps({"size": 3})


class Both:
    """An old web process, and a reconciler and a later one of the new version.

    Args:
        url: The URL of the store.
        log: The file of delivered effects.
        opened: Closes what is opened.
    """

    def __init__(self, url: str, log: Path, opened: ExitStack) -> None:
        self.url, self.log, self._opened = url, log, opened
        self.sandbox = opened.enter_context(WatchedSandbox(start_delay=0.0, decision_delay=0.0))
        self.old = self.process("old", "web")
        self.new = self.process("new", "reconciler")

    def process(self, version: str, part: str, ahead: float = 0.0) -> HostProcess:
        """Start another process."""
        process = HostProcess(version, part, self.url, self.sandbox.url, str(self.log), ahead)
        return self._opened.enter_context(process)

    def approve(self, change: dict[str, str]) -> None:
        """Let a person approve the ticket."""
        self.sandbox.run_due()
        self.sandbox.approve(change["sn"])
        self.sandbox.run_due()

    @property
    def delivered(self) -> list[str]:
        """The effects that ran, by name, each as often as it did."""
        lines = self.log.read_text(encoding="utf-8").split() if self.log.exists() else []
        assert len(lines) == len(set(lines)), "an effect ran twice"
        return sorted(line.split(".")[1] for line in lines)


@pytest.fixture(params=["sqlite", "json"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Both]:
    """Return the processes on a store."""
    with ExitStack() as opened:
        yield Both(f"{request.param}:///{tmp_path / 'store'}", tmp_path / "effects", opened)


def test_a_change_of_the_old_version_goes_on_in_the_new_one(both: Both) -> None:
    """The new version adds data and an effect that only it knows; the old one keeps both."""
    change = both.old.do("apply", "a")
    both.approve(change)
    assert both.new.do("settle", change["id"])["state"] == "granted"
    assert both.delivered == ["notify", "start"]
    assert both.new.do("fire", change["id"], "measure", MEASURED)["data"] == {"size": 3}

    # The state is known to both, so the old version may go on, with what the new one stored.
    assert both.old.do("get", change["id"])["data"] == {"size": 3}
    assert both.old.do("history", change["id"])[-1] == ["measure", "dict"]
    moved = both.old.do("fire", change["id"], "deploy", json.dumps({"host": "b"}))
    assert (moved["state"], moved["data"]) == ("live", {"size": 3, "host": "b"})
    assert both.new.do("history", change["id"])[-1] == ["deploy", "Deployed"]
    assert both.new.do("gate", "a")["id"] == both.old.do("gate", "a")["id"] == change["id"]
    assert both.delivered == ["notify", "start"]


def test_evidence_with_a_field_that_only_the_new_version_has_is_not_damage(both: Both) -> None:
    """The old version reads the history, and shows the evidence as it is stored."""
    change = both.old.do("apply", "a")
    both.approve(change)
    both.new.do("settle", change["id"])
    both.new.do("fire", change["id"], "deploy", DEPLOYED)
    assert both.old.do("history", change["id"])[-1] == ["deploy", "dict"]
    assert both.new.do("history", change["id"])[-1] == ["deploy", "Deployed"]


def test_a_state_that_only_the_new_version_has_is_left_alone(both: Both) -> None:
    """Nothing is moved, forged or delivered twice, and each refusal says what to do."""
    change = both.old.do("apply", "a")
    both.approve(change)
    both.new.do("settle", change["id"])
    both.new.do("fire", change["id"], "check", MEASURED)
    told = "it is in state 'checking' of rollout version 1, and this process has version 1, which has no such state"
    for operation in ("get", "why", "settle", "history", "withdraw"):
        answer = both.old.do(operation, change["id"])
        assert answer.startswith("StorageSchemaError")
        assert told in answer
        assert "update this process if it is the older one" in answer
    assert both.old.do("gate", "a").startswith("StorageSchemaError")
    assert both.old.do("apply", "a").startswith("AlreadyApplied")
    assert both.old.do("callback", change["id"], change["sn"]) == 503
    assert any(told in shown for shown in both.old.do("troubles"))
    report = both.process("old", "old reconciler", LATER).do("reconcile")
    assert (report["moved"], report["failed"]) == (0, 0)

    assert both.new.do("fire", change["id"], "deploy", DEPLOYED)["state"] == "live"
    assert both.old.do("gate", "a")["data"] == {"size": 3, "host": "a"}
    assert both.delivered == ["notify", "start"]


def test_a_change_of_the_new_version_waits_for_the_new_version(both: Both) -> None:
    """The old web process answers 503, so that BK-ITSM lists the callback, and a pass of the new version reads it."""
    change = both.process("new", "web").do("apply", "a")
    assert "version 2, and this process has version 1. Update the process" in both.old.do("get", change["id"])
    both.approve(change)
    assert both.old.do("callback", change["id"], change["sn"]) == 503
    report = both.process("old", "old reconciler", LATER).do("reconcile")
    assert (report["unreadable"], report["moved"]) == (1, 0)
    both.process("new", "reconciler", LATER).do("reconcile")
    assert both.new.do("get", change["id"])["state"] == "granted"
    assert both.delivered == ["notify", "start"]
    assert len(both.sandbox.bodies("create_ticket")) == 1


def test_an_approval_that_the_old_version_stores_plans_what_it_knows(both: Both) -> None:
    """The new reconciler delivers that once. Its own effect is not planned for this change."""
    change = both.old.do("apply", "a")
    both.approve(change)
    assert both.old.do("callback", change["id"], change["sn"]) == 200
    assert both.old.do("settle", change["id"])["state"] == "granted"
    assert "effect start is due, and this process has no function for it" in both.old.do("why", change["id"])
    assert both.delivered == []
    both.new.do("reconcile")
    assert both.delivered == ["start"]
    assert both.old.do("settle", change["id"]) == both.new.do("settle", change["id"])
    assert both.delivered == ["start"]


def test_an_effect_that_an_old_reconciler_lacks_waits_for_a_new_one(both: Both) -> None:
    """It stays due, and is delivered once."""
    change = both.old.do("apply", "a")
    both.approve(change)
    web = both.process("new", "web")
    assert web.do("settle", change["id"])["state"] == "granted"
    old = both.process("old", "old reconciler")
    old.do("reconcile")
    assert both.delivered == ["start"]
    assert "effect notify is due, and this process has no function for it" in old.do("why", change["id"])
    both.new.do("reconcile")
    assert both.delivered == ["notify", "start"]


def test_a_version_that_was_not_raised_is_refused_where_it_would_lose_an_effect(both: Both) -> None:
    """An old process submits nothing once a process of the same number has declared more effects."""
    change = both.process("unraised", "web").do("apply", "a")
    assert change["state"] == "waiting"
    answer = both.old.do("apply", "b")
    assert answer.startswith("DefinitionError")
    assert "the store has effect names that the process lacks (notify of state granted)" in answer
    assert len(both.sandbox.bodies("create_ticket")) == 1


def test_a_state_that_the_new_version_took_away_is_kept_for_its_changes(both: Both) -> None:
    """A process without the state leaves the change alone, and the message says how to go on."""
    change = both.process("unraised", "reconciler").do("apply", "a")
    both.approve(change)
    newer = both.process("unraised", "reconciler")
    newer.do("settle", change["id"])
    newer.do("fire", change["id"], "check", MEASURED)
    assert "otherwise keep the state in the definition until no change is in it" in both.old.do("get", change["id"])
