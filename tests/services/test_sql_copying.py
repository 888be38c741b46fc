"""Copying a store into a database server and back."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from itsm_workflow import open_storage
from itsm_workflow.storage.contents import examine
from itsm_workflow.storage.copying import copy_store
from itsm_workflow.storage.protocol import Query
from tests.support.desk import ASKED, Desk

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow.storage.copying import CopyReport
    from itsm_workflow.storage.protocol import StorageBackend


def copied(source: StorageBackend, target: StorageBackend) -> CopyReport:
    """Copy without a word about the progress."""
    return copy_store(source, target, lambda *_: None)


def test_a_store_is_copied_to_the_server_and_back(store_url: str, tmp_path: Path) -> None:
    """Each column arrives as it was, and the order of the ids is the same, since the digests are equal."""
    desk = Desk()
    workflow = desk.workflow()
    changes = [workflow.apply(subject=f"采集 {number} 🎫", **ASKED) for number in range(5)]
    desk.decide(changes[0])
    workflow.settle(changes[0].id)
    for _ in range(3):
        desk.race(changes[1].id)
    with (
        closing(open_storage(store_url)) as server,
        closing(open_storage(f"json:///{tmp_path / 'changes.jsonl'}")) as json_file,
        closing(open_storage(f"sqlite:///{tmp_path / 'changes.db'}")) as sqlite,
    ):
        for source, target in ((desk.store, sqlite), (sqlite, server), (server, json_file)):
            assert copied(source, target).verified
        workflow.withdraw(changes[2].id, actor="ops", reason="r")
        report = copied(desk.store, server)
        assert (report.before.behind, report.before.same, report.verified) == (1, 4, True)
        desk.workflow(storage=server).withdraw(changes[3].id, actor="ops", reason="r")
        before = examine(server)
        report = copied(desk.store, server)
        assert [one.change_id for one in report.divergent] == [changes[3].id]
        assert examine(server) == before
        assert json_file.find(Query()).rows == sqlite.find(Query()).rows
