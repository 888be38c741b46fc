"""The stores that earlier versions and the present one wrote, in `tests/data`."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
PRESENT = DATA / "schema_2"
"""Four stores with the same contents, one of each kind, with the schema of documents that this version writes."""
DIGEST = "b7022ecda3048f9606f18d55a5b6132d1ae51d7febdebbf229151af112d8b5d0"
"""The digest of their contents, as `storage verify` prints it."""
CHANGES = 12
_NUMBER = re.compile(r"INSERT INTO \S*itsm_workflow_schema`? VALUES \('(\d+)'\)")


def schema_of(path: Path) -> int:
    """Return the schema that a store in `tests/data` has, read without the library."""
    if path.suffix == ".db":
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".sql":
        [number] = _NUMBER.findall(text)
        return int(number)
    return int(json.loads(text.splitlines()[0])["schema"])
