"""The progress of a command that reads a whole store."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from itsm_workflow.cli.output import note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_EVERY = 1000
"""Where standard error is not a terminal, a line is printed for each of so many changes."""


@contextlib.contextmanager
def store_progress() -> Iterator[Callable[[str, int, int | None], object]]:
    """Yield a function that shows a step, the number of changes it has done, and the number of all, if it is known.

    Standard error shows a bar while it is a terminal, and otherwise lines.
    """
    if not sys.stderr.isatty():
        yield _line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda step, done, total: bar.update(task, description=step, completed=done, total=total)


def _line(step: str, done: int, total: int | None) -> None:
    if done and done % _EVERY == 0:
        note(f"{step}: {done:,}{f' of {total:,}' if total else ''} changes")
