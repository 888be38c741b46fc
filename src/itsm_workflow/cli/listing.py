"""The command that lists changes, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.change import AttentionReason
from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.language import language
from itsm_workflow.cli.output import as_json, clean, entries, note, table, width
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.values import Whole, age
from itsm_workflow.cli.views import change_view, moment
from itsm_workflow.machine.labels import ATTENTION, change_label, in_language
from itsm_workflow.runtime.arguments import check_states
from itsm_workflow.storage.damage import logged_damage

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition

_WIDE = 120
"""The columns of a terminal on which a change takes one line."""


@click.command("list")
@click.option("--state", "states", multiple=True, metavar="STATE", help="Only changes in this state; may be repeated.")
@click.option("--attention", is_flag=True, help="Only changes that a person should look at.")
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="REASON",
    type=click.Choice([one.value for one in AttentionReason]),
    help="Only changes with attention for this reason, such as overdue; may be repeated.",
)
@click.option("--subject", help="Only changes of this subject.")
@click.option("--sn", help="Only changes whose ticket has this number.")
@click.option(
    "--older-than",
    type=age,
    metavar="AGE",
    help="Only changes whose last entry is at least this old, such as 30m, 1h or 2d.",
)
@click.option("--limit", type=Whole(1), default=100, show_default=True, help="Print at most this many.")
@click.option("--after", metavar="TOKEN", help="Print the next page: the token that the page before printed.")
@json_option
@placed
def list_changes(  # noqa: PLR0917 - click passes by name
    place: Place,
    states: tuple[str, ...],
    attention: bool,  # noqa: FBT001 - click passes by name
    reasons: tuple[str, ...],
    subject: str | None,
    sn: str | None,
    older_than: dt.timedelta | None,
    limit: int,
    after: str | None,
    in_json: bool,  # noqa: FBT001 - the same
) -> Exit:
    """List changes, oldest first."""
    with logged_damage() as logged, place.records() as records:
        try:
            check_states("--state", states, records.definition)
            page = records.find_page(
                states=states or None,
                attention=reasons or (tuple(AttentionReason) if attention else None),
                subject=subject,
                sn=sn,
                older_than=older_than,
                after=after,
                limit=limit,
            )
        except ValueError as error:
            # The words of an argument are those of its option, which has the same name.
            raise click.UsageError(str(error).replace("find_page(", "--").replace("=...)", "")) from error
        if in_json:
            as_json([change_view(records.definition, change) for change in page.changes])
        elif page.changes:
            _print_changes(records.definition, page.changes)
        else:
            note("no change matches")
            if others := records.other_workflows():
                note(f"the store holds changes of {', '.join(others)}: name the application of that workflow (--app)")
    if page.next is not None:
        note(f"there are more changes: a higher --limit shows more, --after {page.next} the next page")
    for change_id, damage in page.unreadable.items():
        note(f"itsm-workflow: change {change_id} cannot be read: {clean(damage)}")
    return Exit.PARTLY if page.unreadable or logged else Exit.DONE


def _print_changes(definition: WorkflowDefinition, changes: Sequence[ChangeRequest]) -> None:
    """Print a line for each change; on a narrow terminal, what people wrote stands below it."""
    first = [(change.id, _state_text(definition, change), _attention_text(change)) for change in changes]
    written = [(change.subject, change.sn or "", change.form.title) for change in changes]
    if width() >= _WIDE:
        times = [(moment(change.updated_at),) for change in changes]
        rows = [sum(cells, ()) for cells in zip(first, times, written, strict=True)]
        table(("id", "state", "attention", "last entry (UTC)", "subject", "sn", "title"), rows, whole="id")
    else:
        short = [(*cells, moment(change.updated_at)[5:-3]) for cells, change in zip(first, changes, strict=True)]
        below = ["  ".join(filter(None, texts)) for texts in written]
        entries(("id", "state", "attention", "UTC"), list(zip(short, below, strict=True)))


def _attention_text(change: ChangeRequest) -> str:
    if change.attention is None:
        return ""
    reason = change.attention.reason
    return reason.value if language() == "en" else in_language(ATTENTION[reason], language(), reason.value)


def _state_text(definition: WorkflowDefinition, change: ChangeRequest) -> str:
    if language() != "en":
        return change_label(definition, change, language())
    outcome = change.outcome.value if change.outcome else change.state
    return change.state if outcome == change.state else f"{change.state} ({outcome})"
