"""The tickets of a handler that the library replaces, as rows of a CSV file."""

from __future__ import annotations

import csv
import pathlib
from typing import TYPE_CHECKING

import attrs
import rich_click as click

from itsm_workflow.integrations.log_platform import CollectorStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NEEDED = ("subject", "sn", "status")
MOST = 100_000
"""The largest number of rows that are read."""

_ID = "id"
_STATUSES = ", ".join(CollectorStatus)


@attrs.frozen(kw_only=True)
class HandlerRow:
    """One row of the file.

    Attributes:
        line: The number of its last line in the file.
        ticket_id: The ticket's id; None if the file does not name it.
        status: The status that the handler holds; None if it is not one of the log platform's.
        problem: The reason why the row cannot be used, and what to do; empty if it can.
    """

    line: int
    subject: str
    sn: str
    ticket_id: str | None
    status: CollectorStatus | None
    problem: str


csv_option = click.option(
    "--csv",
    "rows",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    callback=lambda _ctx, _param, path: read_rows(path),
    metavar="FILE",
    help="The handler's tickets in UTF-8, with the columns subject, sn and status, and if wanted id.",
)


def read_rows(path: str) -> Sequence[HandlerRow]:
    """Return the rows of a file.

    Raises:
        BadParameter: The file is not a CSV file in UTF-8 with the needed columns.
    """
    try:
        with pathlib.Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = [(name or "").strip() for name in reader.fieldnames or ()]
            _check_columns(columns)
            reader.fieldnames = columns
            rows: list[HandlerRow] = []
            for cells in reader:
                if len(rows) >= MOST:
                    raise click.BadParameter(f"the file has more than {MOST} rows: split it")
                rows.append(_row(reader.line_num, cells))
            return _without_doubled(rows)
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"the file is not in UTF-8: save it as UTF-8 ({error.reason})") from None
    except csv.Error as error:
        raise click.BadParameter(f"the file is not a valid CSV file: {error}") from None


def _check_columns(columns: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        named = ", ".join(columns) or "none"
        raise click.BadParameter(f"the first line must name the columns {', '.join(NEEDED)}; it names {named}")
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    if doubled:
        raise click.BadParameter(f"the first line names {doubled[0]!r} more than once")


def _without_doubled(rows: Sequence[HandlerRow]) -> Sequence[HandlerRow]:
    """Refuse each of several open tickets with one subject or one number: nothing says which of them is right."""
    lines: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        for named in _named(row):
            lines.setdefault(named, []).append(row.line)
    return [attrs.evolve(row, problem=row.problem or _doubled(row, lines)) for row in rows]


def _named(row: HandlerRow) -> Sequence[tuple[str, str]]:
    is_open = row.status is CollectorStatus.APPLYING and not row.problem
    return (("subject", row.subject), ("number", row.sn)) if is_open else ()


def _doubled(row: HandlerRow, lines: Mapping[tuple[str, str], Sequence[int]]) -> str:
    found = ((name, line) for name, value in _named(row) for line in lines[name, value] if line != row.line)
    name, other = next(found, ("", 0))
    return f"line {other} has the same {name}: leave one of them out" if name else ""


def _row(line: int, cells: dict[str | None, object]) -> HandlerRow:
    subject, sn, word, ticket_id = (str(cells.get(name) or "").strip() for name in (*NEEDED, _ID))
    status = CollectorStatus(word) if word in set(CollectorStatus) else None
    problem = ""
    if None in cells:
        problem = "the row has more cells than the first line: quote a cell that contains a comma"
    elif empty := [name for name, cell in zip(NEEDED, (subject, sn, word), strict=True) if not cell]:
        problem = f"the cell {empty[0]} is empty: fill it in, or leave the row out"
    elif status is None:
        problem = f"the status {word!r} is not known: write one of {_STATUSES}"
    return HandlerRow(line=line, subject=subject, sn=sn, ticket_id=ticket_id or None, status=status, problem=problem)
