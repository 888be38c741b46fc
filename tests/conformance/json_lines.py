"""A JSON store of a few lines, and how a test looks at them and damages them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._rows import (
    NOW,
    claim,
    create,
    follow,
    stored,
)
from itsm_workflow_backends.json_file import JSONFileBackend

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow.storage.protocol import Row


def small_store(tmp_path: Path) -> Path:
    """Return the path of a store with three changes and five commits in it, closed.

    By line: 1 header, 2 creates c1, 3 creates c2, 4 writes c1, 5 claims c2, 6 creates c3 and writes c1.
    """
    path = tmp_path / "store.jsonl"
    backend = JSONFileBackend(path)
    c1 = stored(backend, create("c1", open_subject="one"))
    c2 = stored(backend, create("c2", open_subject="two", due_at=NOW))
    c1 = stored(backend, follow(c1, state="pending", ticket_key="t1"))
    stored(backend, claim(c2, NOW + 5))
    assert backend.commit([create("c3", open_subject="three"), follow(c1, state="approved", open_subject=None)]) == [
        None,
        None,
    ]
    backend.close()
    return path


def unacknowledge(path: Path) -> None:
    """Let nobody have been told of the last commits, so that a file without them is one that a crash left."""
    path.with_name(f"{path.name}.end").unlink()


def lines_of(path: Path) -> list[bytes]:
    """Return the lines of a file, with their ends."""
    return path.read_bytes().splitlines(keepends=True)


def rewrite(path: Path, line: int, new: bytes) -> None:
    """Replace one line, numbered from 1."""
    lines = lines_of(path)
    lines[line - 1] = new
    path.write_bytes(b"".join(lines))


def damage(path: Path, line: int, where: bytes) -> None:
    """Change one character of a line, numbered from 1, there where it says this."""
    old = lines_of(path)[line - 1]
    at = old.index(where)
    rewrite(path, line, old[:at] + b"#" + old[at + 1 :])


def rows_of(backend: JSONFileBackend) -> list[Row]:
    """Return all rows of a store."""
    return list(backend.find(Query()).rows)
