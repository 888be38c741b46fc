"""The command that exports a stored change as a test."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli.output import data, note
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.show import resolved
from itsm_workflow.cli.values import not_written
from itsm_workflow.policy import Policy

if TYPE_CHECKING:
    from itsm_workflow.runtime.records import Records


@click.command("export-case")
@click.argument("name", metavar="ID")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=pathlib.Path),
    help="Write to this file instead of standard output.",
)
@placed
def export_case(place: Place, name: str, output: pathlib.Path | None) -> None:
    """Write a change's history as a pytest file that replays it. Names, texts, addresses and keys are redacted."""
    from itsm_workflow.testing.simulation.case_file import case_file  # noqa: PLC0415 - to save start-up time

    if output is not None and output.exists():
        raise click.UsageError(f"{output} exists already, and is not overwritten: give --output another name")
    with place.records() as records:
        history = records.history(resolved(records, name).id)
        text = case_file(history, definition=records.definition, policy=_policy(records))
    if output is None:
        data(text.rstrip("\n"))
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise not_written("--output", output, error) from error
    note(f"wrote {output}")


def _policy(records: Records) -> Policy:
    """Return the policy of an application's workflow; a store alone has none, so the default applies."""
    policy = getattr(records, "policy", None)
    return policy if isinstance(policy, Policy) else Policy()
