"""The command that checks everything that a store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.language import spoken
from itsm_workflow.cli.output import as_json, data, facts, table
from itsm_workflow.cli.places import existing_store
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.storage_progress import store_progress
from itsm_workflow.cli.values import store_url
from itsm_workflow.runtime.json_views import plain
from itsm_workflow.storage.contents import examine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.secrets import SecretURL
    from itsm_workflow.storage.contents import Damaged


@click.command()
@click.argument("url", type=store_url)
@json_option
def verify(url: SecretURL, *, in_json: bool) -> Exit:
    """Check that the history of every change in a store replays to its row, without a gap and with the right digests.

    The store is not changed, and other processes may use it. Prints a line for each damaged change, and exits with 4 if
    there is one.
    """
    with existing_store(url) as storage, store_progress() as progress:
        found = examine(storage, progress=lambda done: progress("checking", done, None))
    if in_json:
        as_json(plain(found))
    else:
        newer = f"{found.newer} were written by a newer version and not decoded"
        facts(
            [
                ("changes", found.changes),
                ("entries", found.entries),
                ("digest", found.digest),
                (
                    "newer",
                    spoken(newer) if found.newer else "",
                ),
                ("damaged", len(found.damaged) or spoken("none")),
            ]
        )
        print_damage(found.damaged)
    return Exit.STORAGE if found.damaged else Exit.DONE


def print_damage(damaged: Sequence[Damaged]) -> None:
    """Print a line for each damage, if there is any."""
    if damaged:
        data("")
        table(("change", "what is wrong"), ((one.change_id or "-", one.problem) for one in damaged), whole="change")
