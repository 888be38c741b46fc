"""The story of a rolling update: processes of this release and of the next one on one store, at the same time."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from itsm_workflow import open_storage
from itsm_workflow.storage.protocol import Query
from tests.support.places import WatchedSandbox
from tests.support.release import NEXT, PRESENT, Release

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import EntryRow, Row, StorageBackend

_ALL = Query(limit=100)
REFUSED = "StorageSchemaError"
LATER = 7200.0
_NAMES = "abcd"


def as_stored(store: StorageBackend, change_id: str) -> tuple[Row, tuple[EntryRow, ...]]:
    """Return a change and its history, letter for letter."""
    row = store.get(change_id)
    assert row is not None
    return row, store.history(change_id).entries


def schemas(store: StorageBackend, change_id: str) -> list[int]:
    """Return the schemas of a change's entries in their order, and that of its row."""
    row, entries = as_stored(store, change_id)
    texts = [*(entry.document for entry in entries), row.document]
    return [json.loads(text)["schema"] for text in texts]


def update_in_turns(store_url: str) -> None:
    """Let both releases move changes of one store, and check what each does with those of the other."""
    with ExitStack() as opened:
        sandbox = opened.enter_context(WatchedSandbox(start_delay=0.0, decision_delay=0.0))
        store = opened.enter_context(closing(open_storage(store_url)))
        this, after, later = (
            opened.enter_context(Release(schema, store_url, sandbox.url, ahead=ahead))
            for schema, ahead in ((PRESENT, 0.0), (NEXT, 0.0), (PRESENT, LATER))
        )
        a, b, c, d = (this.do("apply", name) for name in _NAMES)
        e = after.do("apply", "e")
        for change in (b, c):
            sandbox.run_due()
            sandbox.approve(change["sn"])
            sandbox.run_due()
        assert after.do("settle", b["id"])["state"] == "approved"
        assert set(schemas(store, b["id"])) == {PRESENT, NEXT}
        written = [as_stored(store, change["id"]) for change in (b, e)]

        _refuses(this, b["id"], e, subjects=("b", "e"))
        report = later.do("reconcile")
        assert (report["unreadable"], report["moved"], report["failed"]) == (1, 1, 0)
        assert [as_stored(store, change["id"]) for change in (b, e)] == written
        assert sandbox.bodies("withdraw_ticket") == sandbox.bodies("operate_ticket") == []
        assert len(sandbox.tickets()) == 5

        # Everything else went on, and the next release reads all of it.
        assert this.do("gate", "c")["id"] == c["id"]
        assert set(schemas(store, c["id"])) == {PRESENT}
        untouched = as_stored(store, c["id"])
        assert after.do("find") == ["a", "b", "c", "d", "e"]
        assert after.do("gate", "c")["id"] == c["id"]
        assert after.do("history", c["id"]) == this.do("history", c["id"])
        assert as_stored(store, c["id"]) == untouched
        assert after.do("withdraw", d["id"])["state"] in {"pending", "rejected"}
        assert set(schemas(store, d["id"])) == {PRESENT, NEXT}
        assert this.do("get", d["id"]) == REFUSED
        assert this.do("get", a["id"]) == a


def _refuses(release: Release, ended: str, waiting: dict[str, str], *, subjects: tuple[str, str]) -> None:
    """Try every operation of this release on changes that the next one wrote."""
    for change_id in (ended, waiting["id"]):
        for name in ("get", "settle", "history", "withdraw", "abandon"):
            assert release.do(name, change_id) == REFUSED, name
    for subject in subjects:
        assert release.do("gate", subject) == REFUSED
    assert release.do("apply", subjects[1]) == "AlreadyApplied"
    assert release.do("callback", waiting["id"], waiting["sn"]) == 503
    assert release.do("find") == ["a", "c", "d"]


def update_during_a_send(store_url: str) -> None:
    """Let the next release move a change while this one waits for the gateway to create its ticket."""
    with ExitStack() as opened:
        sandbox = opened.enter_context(WatchedSandbox(start_delay=0.0, decision_delay=0.0))
        store = opened.enter_context(closing(open_storage(store_url)))
        this, after, later = (
            opened.enter_context(Release(schema, store_url, sandbox.url, ahead=ahead))
            for schema, ahead in ((PRESENT, 0.0), (NEXT, 0.0), (NEXT, LATER))
        )
        moved: list[dict[str, str]] = []

        def move() -> None:
            [row] = [row for row in store.find(_ALL).rows if row.subject == "a"]
            moved.append(after.do("withdraw", row.id))

        sandbox.before["create_ticket"] = move
        assert this.do("apply", "a") == REFUSED
        [change] = moved
        stored = as_stored(store, change["id"])
        assert this.do("settle", change["id"]) == REFUSED
        assert as_stored(store, change["id"]) == stored
        assert len(sandbox.bodies("create_ticket")) == 1

        # The ticket carries the change's key, so the next release finds it and goes on.
        later.do("reconcile")
        [ticket] = sandbox.tickets()
        assert after.do("get", change["id"])["sn"] == ticket.sn
        assert len(sandbox.bodies("create_ticket")) == 1
