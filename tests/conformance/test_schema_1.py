"""Stores that were written with schema 1 open, read, move on, and are then of the present schema, change by change."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import Workflow, open_storage
from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.storage.codec import Codec
from itsm_workflow.storage.documents import SCHEMA
from itsm_workflow.storage.protocol import Query
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.storage.protocol import StorageBackend

WRITTEN = Path(__file__).parents[1] / "data" / "schema_1"
STORES = {"sqlite": "store.db", "json": "store.jsonl"}
CHANGES = 32


@pytest.fixture(params=sorted(STORES))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a copy of the store."""
    name = STORES[request.param]
    shutil.copy(WRITTEN / name, tmp_path)
    return f"{request.param}:///{tmp_path / name}"


@pytest.fixture
def store(url: str) -> Iterator[StorageBackend]:
    """Open the store."""
    with contextlib.closing(open_storage(url)) as opened:
        yield opened


@pytest.fixture
def workflow(store: StorageBackend) -> Workflow:
    """Open a workflow over the store."""
    world = World(9, store=store)
    world.gateway.name = "another_itsm"  # its tickets have the ids of those in the store
    return world.workflow()


def schema_of(text: str) -> int:
    """Return the schema number of a document."""
    return int(json.loads(text)["schema"])


def test_every_change_and_its_history_is_read(store: StorageBackend, workflow: Workflow) -> None:
    """With the digests of schema 1 checked."""
    changes = list(workflow.find())

    assert len(changes) == CHANGES
    assert {"draft", "applying", "pending", "approved", "rejected"} == {change.state for change in changes}
    assert all(workflow.history(change.id)[-1].dest == change.state for change in changes)
    assert {1} == {schema_of(row.document) for row in store.find(Query(limit=100)).rows}


def test_a_change_that_moves_is_of_the_present_schema(store: StorageBackend, workflow: Workflow) -> None:
    """Its history is then of both, and is one chain."""
    draft = next(change for change in workflow.find() if change.subject == "draft")
    workflow.submit(draft.id, actor="alice")
    row = store.get(draft.id)
    entries = store.history(draft.id).entries

    assert row is not None
    assert schema_of(row.document) == SCHEMA
    assert [1] + [SCHEMA] * (len(entries) - 1) == [schema_of(entry.document) for entry in entries]
    assert workflow.history(draft.id)[-1].dest == "pending"
    assert workflow.get(draft.id).form.fields == {"n": 1.5, "tags": ["a", {"b": None}]}


def test_a_damaged_change_of_schema_1_is_noticed(store: StorageBackend) -> None:
    """The older digest covers the whole row as well."""
    codec = Codec(COLLECTOR_CHANGE.evidence_types)
    row = next(row for row in store.find(Query(limit=100)).rows if row.subject == "pending")
    damaged = [
        attrs.evolve(row, document=row.document.replace('"creator":"alice"', '"creator":"alicf"')),
        attrs.evolve(row, document=row.document.replace('"schema":1', '"schema":2')),
        attrs.evolve(row, subject="other"),
        attrs.evolve(row, updated_at=row.updated_at + 1),
    ]

    assert codec.read(row).change.subject == "pending"
    for one in damaged:
        assert one != row
        with pytest.raises(StorageCorrupt):
            codec.read(one)
