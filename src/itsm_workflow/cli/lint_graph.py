"""The command that checks a definition."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import rich_click as click
from rich.console import Console
from rich.markup import escape

from itsm_workflow.cli.definitions import loaded_definition
from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.output import as_json, data, table
from itsm_workflow.cli.places import existing_store, imported
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.values import Seconds, store_url
from itsm_workflow.clock import SystemClock
from itsm_workflow.errors import DefinitionError
from itsm_workflow.runtime.json_views import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.lint import LintReport, Stranded
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.secrets import SecretURL

_REFUSED = "."


@click.command("lint-graph")
@click.argument("definition", required=False)
@click.option(
    "--against", type=store_url, metavar="URL", help="List the changes in this store that the definition would strand."
)
@click.option(
    "--samples",
    "path",
    metavar="MODULE:NAME",
    help="Evidence to try as well: a list, or a function that returns one.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 on doubts as well as on errors.")
@click.option("--seconds", type=Seconds(0), default=60, show_default=True, help="The longest run time on one core.")
@json_option
def lint_graph(
    definition: str | None, against: SecretURL | None, path: str | None, seconds: float, *, strict: bool, in_json: bool
) -> Exit:
    """Check a workflow's definition: its graph, its guards on sampled evidence, its due rules, the changes in a store.

    DEFINITION names a WorkflowDefinition, a Workflow, or a function that returns one, as module:name. The default is
    the workflow that is shipped.
    """
    from itsm_workflow.lint import lint, refused_report, stranded  # noqa: PLC0415 - to save start-up time

    stuck: list[Stranded] | None = None
    try:
        checked = loaded_definition(definition)
    except DefinitionError as refusal:
        report = refused_report(refusal)
    else:
        given = () if path is None else _samples(checked, path)
        with _progress() as progress:
            report = lint(checked, samples=given, seconds=seconds, progress=progress, interrupt=True)
        if against is not None:
            with existing_store(against) as storage:
                stuck = list(stranded(checked, storage, SystemClock().now()))
    if in_json:
        as_json({**plain_report(report), "stranded": plain(stuck)})
    else:
        _print(report, stuck)
    wrong = report.findings if strict else report.errors
    return Exit.FAILED if wrong or stuck else Exit.DONE


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], object] | None]:
    """Show the function that is tried on standard error while it is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with Console(stderr=True).status("trying") as status:
        yield lambda place: status.update(escape(f"trying {place}"))


def _samples(definition: WorkflowDefinition, path: str) -> tuple[object, ...]:
    from itsm_workflow.lint.report import checked_samples  # noqa: PLC0415 - to save start-up time

    try:
        return checked_samples(definition, imported(path, list, tuple, label=f"--samples {path}"))
    except TypeError as error:
        raise click.UsageError(f"--{error}") from None


def plain_report(report: LintReport) -> dict[str, object]:
    """Return a report as a JSON object; its keys are documented and stable."""
    return {
        "workflow": report.workflow,
        "version": report.version,
        "states": list(report.states),
        "table": plain(report.table),
        "findings": plain(report.findings),
        "exempted": plain(report.exempted),
        "tried": report.tried,
    }


def _print(report: LintReport, stuck: list[Stranded] | None) -> None:
    if report.table:
        data(f"{report.workflow}, version {report.version}: what each trigger does in each state")
        data("")
        table(
            ["trigger", *report.states],
            (
                [trigger, *(" or ".join(leads) or _REFUSED for leads in row.values())]
                for trigger, row in report.table.items()
            ),
        )
        data("")
        data(f"= stays, {_REFUSED} is refused")
        data("")
    if report.findings:
        places = ((one.severity, one.check, one.state, one.trigger, one.message) for one in report.findings)
        table(("severity", "check", "state", "trigger", "what is wrong"), places)
    else:
        data("no problem was found")
    if report.exempted:
        data("")
        allowed = ((one.finding.check, one.finding.state, one.finding.trigger, one.reason) for one in report.exempted)
        table(("exempted", "state", "trigger", "reason"), allowed)
    if stuck:
        data("")
        table(
            ("stranded", "subject", "state", "why"),
            ((one.id, one.subject, one.state, one.reason) for one in stuck),
            whole="stranded",
        )
    elif stuck is not None:
        data("no stored change would be stranded")
