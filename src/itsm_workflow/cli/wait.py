"""The command that waits until a change has ended."""

from __future__ import annotations

import rich_click as click

from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.language import language
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.show import json_option, print_change, resolved
from itsm_workflow.cli.values import Seconds
from itsm_workflow.errors import WaitTimeout
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
        change_id = resolved(records, name).id
        try:
            change = records.wait(change_id, timeout=timeout, poll=poll)
        except WaitTimeout as error:
            if language() == "en":
                raise
            sentence = records.why(change_id, language=language())
            limit = f"{timeout:g}" if timeout is not None else ""
            message = f"change {change_id} did not end within {limit} s and is in state {error.state}: {sentence}"
            raise WaitTimeout(message, change_id=change_id, state=error.state) from error
        print_change(records, change, in_json=in_json)
        return Exit.DONE if records.definition.is_granting(change.state) else Exit.FAILED
