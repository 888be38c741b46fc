"""The command that waits until a change has ended."""

from __future__ import annotations

import rich_click as click

from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.show import json_option, print_change, resolved
from itsm_workflow.cli.values import Seconds
from itsm_workflow.runtime.waits import POLL_LEAST, POLL_MOST


@click.command()
@click.argument("name", metavar="ID")
@click.option("--timeout", type=Seconds(0), metavar="SECONDS", help="Wait at most this long; by default without limit.")
@click.option(
    "--poll",
    type=Seconds(POLL_LEAST, POLL_MOST),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Read the store this often.",
)
@json_option
@placed
def wait(place: Place, name: str, timeout: float | None, poll: float, *, in_json: bool) -> Exit:
    """Wait until a change has ended, and print it; something else must reconcile meanwhile.

    Exits with 0 only if the change is approved.
    """
    with place.records() as records:
        change = records.wait(resolved(records, name).id, timeout=timeout, poll=poll)
        print_change(records, change, in_json=in_json)
        return Exit.DONE if records.definition.is_granting(change.state) else Exit.FAILED
