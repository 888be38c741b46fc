"""The commands that act on a change, for a console that only reads."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from itsm_workflow.acts import RETRY_EFFECT, SETTLE, parked
from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import ItsmWorkflowError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.runtime.records import Records
    from itsm_workflow.web.presenting import Reader

_DECIDED = ("actor", "reason")

OPTIONS: Mapping[str, Sequence[str]] = {
    SETTLE: (),
    "record_ticket": ("sn", "actor"),
    "resend": _DECIDED,
    "attest_approval": ("ticket_id", "approver", "evidence", "actor"),
    "withdraw": _DECIDED,
    "accept_after_withdrawal": _DECIDED,
    "abandon": _DECIDED,
    "fire(raise_attention)": _DECIDED,
    "clear_attention": _DECIDED,
    RETRY_EFFECT: _DECIDED,
}
"""By act, the options that its command needs; an act without a command is carried out in the host."""

_NEEDED_FOR: Mapping[tuple[str, str], str] = {
    ("record_ticket", AttentionReason.MISMATCH): "override",
    ("resend", AttentionReason.LOOKUP_FAILED): "evidence",
}
"""By act and reason for attention, one more option, without which the machine refuses the act."""


def name_of(records: Records, change: ChangeRequest) -> str:
    """Return the subject if it names this change alone, and reads as one word of a command line; otherwise the id."""
    subject = change.subject
    if subject.startswith("-"):
        return change.id
    try:
        found = records.resolve(subject)
    except ItsmWorkflowError:  # another change has this subject, id or number
        return change.id
    return subject if found.id == change.id else change.id


def live_command(name: str) -> str:
    """Return the command that asks the ticket system for the status of a change's ticket."""
    return f"itsm-workflow why {shlex.quote(name)} --live"


def commands_of(change: ChangeRequest, act: str, name: str, reader: Reader) -> Sequence[str]:
    """Return the commands of an act, one for each parked effect, and otherwise one; none if only the host can do it.

    What a person must fill in is in angle brackets, so that a shell refuses a line in which something is missing.

    Args:
        change: The change.
        act: The act, as `Workflow.allowed` names it.
        name: The subject or the id, from `name_of`.
        reader: The reader of the page.
    """
    if act not in OPTIONS:
        return ()
    reason = change.attention.reason if change.attention else ""
    needed = _NEEDED_FOR.get((act, reason))
    options = (*OPTIONS[act], needed) if needed else OPTIONS[act]
    given = "".join(f" --{one.replace('_', '-')} <{reader.words(f'give_{one}')}>" for one in options)
    names = [effect for _id, effect in parked(change)]
    effects = [shlex.quote(effect if names.count(effect) == 1 else one) for one, effect in parked(change)]
    command = act.removeprefix("fire(").removesuffix(")").replace("_", "-")
    begin = f"itsm-workflow {command} {shlex.quote(name)}"
    return [f"{begin} {effect}{given}" for effect in effects] if act == RETRY_EFFECT else [f"{begin}{given}"]
