"""Printing: data goes to standard output, everything else to standard error.

People write the texts of a form. They are printed on a terminal, so control characters in them are escaped.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import rich_click as click
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from itsm_workflow.cli.language import spoken
from itsm_workflow.text import escaped, steers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

_GAP = (0, 2, 0, 0)
"""The padding of a cell: two columns on its right."""

_UNBOUNDED = 1 << 20
"""The width, in columns, of an output that is not a terminal: more than any row takes."""


def data(text: str) -> None:
    """Print data."""
    click.echo(text)


def line(text: str) -> None:
    """Print a line of data for people, in their language."""
    data(spoken(text))


def note(text: str) -> None:
    """Print a remark, in the reader's language."""
    click.echo(spoken(text), err=True)


def as_json(value: object) -> None:
    """Print a JSON value."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    # JSON does not escape every character that terminals obey; its own line breaks stay.
    data("".join(f"\\u{ord(each):04x}" if steers(each) and each != "\n" else each for each in text))


def clean(text: object) -> str:
    """Return a text as one line, with every character escaped that a terminal would obey."""
    return escaped(str(text))


def is_terminal() -> bool:
    """Return whether a person reads the output on a terminal."""
    return sys.stdout.isatty()


def width() -> int:
    """Return the columns of the terminal; more than any row takes if the output is not a terminal."""
    return Console().width if is_terminal() else _UNBOUNDED


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, whole: str = "") -> None:
    """Print rows in aligned columns, wide characters included.

    Where the output is not a terminal, each row is one line. A terminal that is too narrow shows long cells on several
    lines.

    Args:
        headers: The column names.
        rows: The cells of each row.
        whole: The column whose cells are never broken, so that they can be copied from a terminal.
    """
    grid = Table(box=None, pad_edge=False, padding=_GAP, header_style="bold")
    for name in headers:
        grid.add_column(Text(spoken(name)), no_wrap=name == whole, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(clean(cell)) for cell in row))
    _print(grid)


def entries(headers: Sequence[str], rows: Iterable[tuple[Sequence[str], str]]) -> None:
    """Print rows in aligned columns on a narrow terminal, each with a text on further lines below it, indented."""
    headers = [spoken(name) for name in headers]
    cleaned = [([clean(cell) for cell in cells], clean(text)) for cells, text in rows]
    widths = [max(map(cell_len, column)) for column in zip(headers, *(cells for cells, _ in cleaned), strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(set_cell_size(cell, width) for cell, width in zip(cells, widths, strict=True))

    _print(Text(line(headers), style="bold"))
    for cells, text in cleaned:
        below = [Padding(Text(text, overflow="fold"), (0, 0, 0, 2))] if text else []
        _print(Text(line(cells), overflow="fold"), *below)


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Print named values, one on each line; further lines of a value are indented."""
    grid = Table.grid(padding=_GAP)
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None and value != "":
            grid.add_row(Text(clean(spoken(name))), Text("\n".join(map(clean, str(value).splitlines()))))
    _print(grid)


def _print(*parts: RenderableType) -> None:
    is_read = is_terminal()
    is_bold = is_read and not os.environ.get("NO_COLOR")
    console = Console(width=None if is_read else _UNBOUNDED, color_system="auto" if is_bold else None)
    with console.capture() as shown:
        console.print(*parts, sep="\n")
    for line in shown.get().splitlines():
        data(line.rstrip())  # the cells of the last column are padded
