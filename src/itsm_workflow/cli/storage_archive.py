"""The command that copies changes that ended long ago into an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.storage_copy import copied
from itsm_workflow.cli.values import age, store_url
from itsm_workflow.clock import SystemClock
from itsm_workflow.storage.archiving import ended_before

if TYPE_CHECKING:
    import datetime as dt

    from itsm_workflow.cli.exits import Exit
    from itsm_workflow.secrets import SecretURL


@click.command()
@click.argument("source", metavar="FROM", type=store_url)
@click.argument("target", metavar="TO", type=store_url)
@click.option("--older-than", type=age, required=True, metavar="AGE", help="Like 90d, by the last entry.")
@click.option("--dry-run", is_flag=True, help="Count what would be copied, and change nothing.")
@json_option
def archive(source: SecretURL, target: SecretURL, older_than: dt.timedelta, *, dry_run: bool, in_json: bool) -> Exit:
    """Copy the changes that ended long ago from the store FROM into the store TO, and compare both copies at the end.

    Copied are changes that have ended, need no attention, are not due, and whose effects are all delivered. TO may have
    changes from before. Nothing is removed from FROM: the newest change of each subject decides about the subject.
    """
    only = ended_before(SystemClock().now() - older_than)
    return copied(source, target, only, dry_run=dry_run, in_json=in_json)
