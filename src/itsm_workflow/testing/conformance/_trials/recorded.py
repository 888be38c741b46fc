"""The recorded calls of a trial: the files that they made, and the calls of each step of its story."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._trials.calls import NAMED, Kind, decoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from itsm_workflow.testing.conformance._trials.calls import Operation

MADE = NAMED | Kind.WRITE | Kind.TRUNCATE


def recorded(record: Path) -> list[Operation]:
    """Return the calls that a file records; none if it does not exist."""
    return list(decoded(record.read_bytes())) if record.exists() else []


def made_paths(operations: Iterable[Operation]) -> set[Path]:
    """Return the files that these calls made or wrote to."""
    made = [operation for operation in operations if operation.kind & MADE and not operation.failed]
    return {Path(operation.other or operation.path) for operation in made}


def opened_beside(operations: Iterable[Operation], made: Iterable[Path]) -> set[Path]:
    """Return the files that were opened and that made ones are named after: a trial may be the first to write to them.

    Other files of the folder can be a person's own, and are left alone.
    """
    opened = {Path(one.path) for one in operations if one.kind is Kind.OPEN and not one.failed}
    return {path for path in opened for one in made if one.parent == path.parent and one.name.startswith(path.name)}


def numbered(operations: Sequence[Operation], kinds: Kind) -> list[list[tuple[int, Operation]]]:
    """Return the numbered calls of each step of the story; the record has a note before each."""
    steps: list[list[tuple[int, Operation]]] = [[]]
    at = 0
    for operation in operations:
        if operation.kind is Kind.NOTE:
            steps.append([])
        elif operation.kind & kinds:
            at += 1
            steps[-1].append((at, operation))
    return [step for step in steps if step]


def telling(step: Sequence[tuple[int, Operation]]) -> list[tuple[int, Operation]]:
    """Return the first and the last call of each run of calls of one kind on one file."""
    runs = [list(run) for _, run in itertools.groupby(step, lambda one: (one[1].kind, one[1].path))]
    return [one for run in runs for one in (run[:1] if len(run) == 1 else (run[0], run[-1]))]
