"""Measures how long a JSON store takes to open, beside the bare reading of its lines by `json`."""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from itsm_workflow.testing.conformance._rows import create, follow
from itsm_workflow_backends.json_file import JSONFileBackend, _log
from tests.benchmarks.changes import ratio
from tests.benchmarks.rounds import compare

if TYPE_CHECKING:
    from tests.benchmarks.table import Row

CHANGES = 1000
WRITES = 4
DOCUMENT = json.dumps({"text": "x" * 360, "items": [{"a": 1, "b": "two"}] * 12, "none": None}, separators=(",", ":"))
MOST = 2.5


def fill(path: Path) -> None:
    """Make a store of changes that were written several times each; the last lines are the newest ones."""
    with mock.patch.object(_log, "sync"), closing(JSONFileBackend(path, compact_at=10**9)) as store:
        writes = [create(f"c{number}", document=DOCUMENT) for number in range(CHANGES)]
        for _ in range(WRITES):
            for write in writes:
                store.commit([write])
            writes = [follow(write.row, document=DOCUMENT) for write in writes]


def rows() -> list[Row]:
    """Measure it."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "store.jsonl"
        fill(path)
        lines = path.read_bytes().splitlines()

        def bare() -> None:
            for line in lines:
                json.loads(line)

        def ours() -> None:
            JSONFileBackend(path).close()

        found = compare(bare, ours, rounds=7, times=3)
    return [ratio(f"open a JSON store of {len(lines):,} lines", "json.loads", "JSONFileBackend", found, MOST)]
