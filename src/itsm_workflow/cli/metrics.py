"""The command that prints figures of a store for monitoring."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.output import as_json, data, note
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.values import Whole, not_written
from itsm_workflow.runtime.json_views import plain

if TYPE_CHECKING:
    from itsm_workflow.runtime.figures import Figures


@click.command()
@click.option(
    "--limit",
    type=Whole(1),
    default=10_000,
    show_default=True,
    help="Count at most this many changes in each state that is not final, and for each reason for attention.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=pathlib.Path),
    help="Replace this file in one step instead of printing, for the textfile collector of the node exporter.",
)
@json_option
@placed
def metrics(place: Place, limit: int, output: pathlib.Path | None, *, in_json: bool) -> Exit:
    """Print figures of the store in the text format of Prometheus."""
    with place.records() as records:
        workflow, figures = records.definition.name, records.figures(limit=limit)
    if in_json:
        as_json({"workflow": workflow, "figures": plain(figures)})
    else:
        text = _text_format(workflow, figures)
        if output is None:
            data(text.rstrip("\n"))
        else:
            _replace(output, text)
    if figures.unreadable:
        note(f"itsm-workflow: {figures.unreadable} of the changes cannot be read and were not examined")
    return Exit.PARTLY if figures.unreadable else Exit.DONE


def _text_format(workflow: str, figures: Figures) -> str:
    try:
        from itsm_workflow.integrations.metrics import text_of  # noqa: PLC0415 - imported here: it needs an extra
    except ImportError as error:
        raise click.UsageError(f"{error}; --json needs no further package") from error
    return text_of(workflow, figures)


def _replace(target: pathlib.Path, text: str) -> None:
    """Replace a file in one step: the node exporter may read it at any time, and reads only names that end in .prom."""
    new = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(target)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise not_written("--output", target, error) from error
