"""The command that resends changes in bulk, for example after an outage of the gateway."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.change import AttentionReason
from itsm_workflow.cli.decide import actor_option, reason_option
from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.language import spoken
from itsm_workflow.cli.output import as_json, note, table
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.troubles import troubles
from itsm_workflow.cli.values import Whole
from itsm_workflow.errors import NotPermitted, StorageUnavailable, TransitionRefused
from itsm_workflow.failures import failures
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.workflow import Workflow


@click.command("resend-all")
@actor_option
@reason_option
@click.option(
    "--attention",
    type=click.Choice([one.value for one in AttentionReason]),
    default=AttentionReason.NOT_FOUND.value,
    show_default=True,
    help="Resend the changes with attention for this reason.",
)
@click.option("--limit", type=Whole(1), default=100, show_default=True, help="Resend at most this many.")
@click.option("--yes", is_flag=True, help="Resend; without it, print what would be resent.")
@json_option
@placed
def resend_all(place: Place, actor: str, reason: str, attention: str, limit: int, *, yes: bool, in_json: bool) -> Exit:
    """Resend every change whose ticket the look-ups did not find. Without --yes, only print these changes."""
    with troubles(), place.workflow() as workflow:
        found = workflow.find(states=[roles.asking for roles in workflow.definition.rounds], attention=[attention])
        changes = list(itertools.islice(found, limit))
        resent = [_resent(workflow, change, actor, reason) if yes else _planned(change) for change in changes]
    if in_json:
        as_json(resent)
    elif resent:
        rows = [[*list(one.values())[:-1], spoken(str(one["result"]))] for one in resent]
        table(["id", "subject", "attempt", "sn", "result"], rows, whole="id")
    if not changes:
        note("no change matches")
    elif not yes:
        one = len(changes) == 1
        note("nothing was sent: --yes resends it" if one else "nothing was sent: --yes resends these")
    return Exit.DONE if all(one["result"] in {"would be sent", "sent"} for one in resent) else Exit.PARTLY


def _planned(change: ChangeRequest) -> dict[str, object]:
    return _row(change, "would be sent")


def _resent(workflow: Workflow, change: ChangeRequest, actor: str, reason: str) -> dict[str, object]:
    try:
        after = workflow.resend(change.id, actor=actor, reason=reason)
    except TransitionRefused as refused:
        return _row(workflow.get(change.id), f"refused: {refused.reason}")
    except NotPermitted:
        return _row(change, f"refused: {actor} is not permitted to resend it")
    except StorageUnavailable:
        raise  # it concerns all changes
    except failures() as error:  # an error of one change; or what a function of the host raises
        return _row(change, f"failed: {describe(error)}")
    return _row(after, "sent" if after.sn else "it is not known yet whether there is a ticket")


def _row(change: ChangeRequest, result: str) -> dict[str, object]:
    attempt = change.expect_attempt()
    return {
        "id": change.id,
        "subject": change.subject,
        "attempt": attempt.number,
        "sn": change.sn or "",
        "result": result,
    }
