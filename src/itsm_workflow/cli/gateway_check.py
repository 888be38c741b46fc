"""The command that tests a gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.output import as_json, clean, data
from itsm_workflow.cli.places import imported
from itsm_workflow.cli.show import json_option
from itsm_workflow.runtime.json_views import plain

if TYPE_CHECKING:
    from itsm_workflow.testing.gateway_conformance import PromiseResult

_OUTCOME = len("skipped")


@click.group(no_args_is_help=False)
def gateway() -> None:
    """Check gateways to other ticket systems."""


@gateway.command()
@click.argument("system", required=False)
@click.option("--list", "listing", is_flag=True, help="Print the promises, and test none.")
@click.option("--only", multiple=True, metavar="TEXT", help="Test only promises that contain one of these texts.")
@json_option
def check(system: str | None, *, listing: bool, only: tuple[str, ...], in_json: bool) -> Exit:
    """Test every promise of the gateway port, each on a ticket system without tickets.

    SYSTEM names a class or a function that returns a TicketSystem, as module:name. It says how to start a server to
    test with, how to connect the gateway to it, and how its people decide.
    """
    from itsm_workflow.testing.gateway_conformance import PROMISES, TicketSystem, check_gateway  # noqa: PLC0415 - to save start-up time

    if listing:
        as_json(list(PROMISES)) if in_json else data("\n".join(PROMISES))
        return Exit.DONE
    if system is None:
        raise click.UsageError("name the ticket system to test with, or give --list")

    def show(result: PromiseResult) -> None:
        if not in_json:
            outcome = result.outcome.upper() if result.outcome == "broken" else result.outcome
            data(
                f"{outcome:{_OUTCOME}}  {result.promise}"
                + (f"\n        {clean(result.reason)}" if result.reason else "")
            )

    try:
        report = check_gateway(lambda: imported(system, TicketSystem, label=f"SYSTEM {system}"), only=only, ended=show)
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    broken, skipped = len(report.broken), len(report.skipped)
    if in_json:
        as_json({"broken": broken, "skipped": skipped, "results": plain(report.results)})
    else:
        kept = len(report.results) - broken - skipped
        data(f"\n{kept} kept, {broken} broken" + (f", {skipped} skipped" if skipped else ""))
    return Exit.FAILED if broken else Exit.DONE
