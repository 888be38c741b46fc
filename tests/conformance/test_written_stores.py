"""The stores that were kept as they were written: one for each schema, and those of the present one read unchanged."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import open_storage
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.storage import codec
from itsm_workflow.storage.contents import examine
from itsm_workflow.storage.documents import SCHEMA, read_as_written
from itsm_workflow.storage.protocol import Query
from itsm_workflow_backends.json_file import _format
from itsm_workflow_backends.sql import _schema as sql_schema
from itsm_workflow_backends.sqlite import _schema as sqlite_schema
from tests.support.written import CHANGES, DATA, DIGEST, PRESENT, schema_of

if TYPE_CHECKING:
    from pathlib import Path

CODEC = codec.Codec({**COLLECTOR_CHANGE.evidence_types, "Drafted": ev.Drafted, "EffectNames": ev.EffectNames})
KNOWN = {
    "*.db": sqlite_schema.SCHEMA_VERSION,
    "*.jsonl": _format.SCHEMA,
    "postgresql.sql": sql_schema.KNOWN,
    "mariadb.sql": sql_schema.KNOWN,
}


@pytest.mark.parametrize("names", KNOWN)
def test_each_schema_has_a_store_that_was_written_with_it(names: str) -> None:
    """A release that raises a number keeps a store that it wrote: `python -m tests.services.write_data`."""
    assert {schema_of(path) for path in DATA.glob(f"*/{names}")} == set(range(1, KNOWN[names] + 1))


def test_each_schema_of_documents_is_upgraded_to_the_next() -> None:
    """And has a folder of its own."""
    assert set(codec._UPGRADES) == set(range(1, SCHEMA))
    assert {f"schema_{number}" for number in range(1, SCHEMA + 1)} <= {folder.name for folder in DATA.iterdir()}


@pytest.mark.parametrize("name", ["store.db", "store.jsonl"])
def test_a_store_of_the_present_schema_reads_as_it_was_written(tmp_path: Path, name: str) -> None:
    """A change of the stored form needs a new schema number: this version would write each row letter for letter."""
    shutil.copy(PRESENT / name, tmp_path)
    scheme = "sqlite" if name.endswith(".db") else "json"
    with closing(open_storage(f"{scheme}:///{tmp_path / name}")) as store:
        found = examine(store)
        assert (found.changes, found.damaged, found.newer, found.digest) == (CHANGES, (), 0, DIGEST)
        rows = store.find(Query(limit=100)).rows
        histories = {row.id: store.history(row.id).entries for row in rows}
    assert all(read_as_written(row) for row in rows)
    for row in rows:
        entries = CODEC.entries(histories[row.id])
        again, _ = CODEC.write(None, CODEC.read(row).change, entries, None, open_subject=row.open_subject)
        assert [entry.document for entry in again.entries] == [entry.document for entry in histories[row.id]]
        # Of what a claim moves, only the text of the row is compared.
        assert attrs.evolve(again.row, version=row.version, due_at=row.due_at) == row
