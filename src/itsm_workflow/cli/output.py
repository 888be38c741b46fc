"""Printing: data goes to standard output, everything else to standard error.

People write the texts of a form. They are printed on a terminal, so control characters in them are escaped.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

import rich_click as click
from rich.cells import cell_len, set_cell_size

from itsm_workflow.text import escaped, steers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_GAP = "  "
_LEAST = 20


def data(text: str) -> None:
    """Print data."""
    click.echo(text)


def note(text: str) -> None:
    """Print a remark."""
    click.echo(text, err=True)


def as_json(value: object) -> None:
    """Print a JSON value."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    # JSON does not escape every character that terminals obey; its own line breaks stay.
    data("".join(f"\\u{ord(each):04x}" if steers(each) and each != "\n" else each for each in text))


def clean(text: object) -> str:
    """Return a text as one line, with every character escaped that a terminal would obey."""
    return escaped(str(text))


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in aligned columns, wide characters included; the last column is cut at a terminal's edge."""
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(headers, *cells, strict=True)]
    room = None
    if sys.stdout.isatty():
        taken = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
        room = max(_LEAST, shutil.get_terminal_size().columns - taken)
    data(_bold(_aligned(headers, widths, room)))
    for row in cells:
        data(_aligned(row, widths, room))


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Print named values, one on each line; further lines of a value are indented."""
    known = [(name, str(value)) for name, value in pairs if value is not None and value != ""]
    width = max((cell_len(name) for name, _ in known), default=0)
    for name, value in known:
        lines = [clean(line) for line in value.splitlines()]
        data(f"{_bold(set_cell_size(name, width))}{_GAP}" + f"\n{' ' * width}{_GAP}".join(lines))


def colour() -> bool:
    """Return whether standard output may be coloured."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _aligned(cells: Sequence[str], widths: Sequence[int], room: int | None) -> str:
    *firsts, last = cells
    if room is not None and cell_len(last) > room:
        last = set_cell_size(last, room - 1) + "…"
    padded = [set_cell_size(cell, width) for cell, width in zip(firsts, widths[:-1], strict=True)]
    return _GAP.join([*padded, last]).rstrip()


def _bold(text: str) -> str:
    return click.style(text, bold=True) if colour() else text
