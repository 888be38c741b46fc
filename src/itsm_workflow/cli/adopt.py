"""The commands for moving from a handler that filed its tickets without the library: `shadow` and `adopt`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import attrs
import rich_click as click

from itsm_workflow.cli.decide import actor_option, reason_option
from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.handler_rows import csv_option
from itsm_workflow.cli.language import language, spoken
from itsm_workflow.cli.option_phrases import SEEN
from itsm_workflow.cli.output import as_json, note, table
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.troubles import troubles
from itsm_workflow.errors import (
    GatewayError,
    InvalidForm,
    ItsmWorkflowError,
    ServiceNotFound,
    StorageError,
    TransitionRefused,
)
from itsm_workflow.integrations.log_platform import CollectorStatus, collector_status
from itsm_workflow.machine.phrases import Phrasebook
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from itsm_workflow.cli.handler_rows import HandlerRow
    from itsm_workflow.workflow import Workflow

ADOPTED, ALREADY, WOULD = "adopted", "already adopted", "would be adopted"
REFUSED, NOT_ASKED = "refused", "gateway failed"
AGREES, DIFFERS, UNDECIDED = "agrees", "differs", "undecided"
_SEEN = Phrasebook(SEEN)
_PARTS = "; "
"""Between the parts of the reason of `Workflow.shadow`."""
_FAILED = frozenset({REFUSED, DIFFERS, UNDECIDED})


@attrs.frozen(kw_only=True)
class _Result:
    """The result of one row, as it is printed."""

    line: int
    subject: str
    sn: str
    result: str
    why: str = ""
    id: str | None = None
    old: str | None = None
    new: str | None = None


@click.command()
@csv_option
@actor_option
@reason_option
@click.option("--yes", is_flag=True, help="Adopt; without it, print what would be adopted, and store nothing.")
@json_option
@placed
def adopt(place: Place, rows: Sequence[HandlerRow], actor: str, reason: str, *, yes: bool, in_json: bool) -> Exit:
    """Take over open tickets that another program filed. Without --yes, only print what would be adopted."""

    def one(workflow: Workflow, row: HandlerRow) -> _Result:
        if row.status is not CollectorStatus.APPLYING:
            only = f"only tickets with {CollectorStatus.APPLYING} can be adopted: leave it out"
            return _result(row, REFUSED, f"the handler holds it as {row.status}, and {only}")
        adoption = workflow.adopt(
            subject=row.subject, sn=row.sn, ticket_id=row.ticket_id, actor=actor, reason=reason, dry_run=not yes
        )
        if adoption.is_new and not yes:
            return _result(row, WOULD)
        return attrs.evolve(_result(row, ADOPTED if adoption.is_new else ALREADY), id=adoption.change.id)

    with (
        troubles(),
        place.workflow(making=yes) as workflow,
        _printing(["line", "subject", "sn", "result", "id", "why"], in_json=in_json) as results,
    ):
        _each(workflow, rows, one, results)
    if not yes:
        ready = sum(each.result == WOULD for each in results)
        note(f"nothing was stored: --yes adopts {counted(ready, 'ticket')}" if ready else "nothing was stored")
    return _exit_of(results)


@click.command()
@csv_option
@click.option(
    "--results",
    is_flag=True,
    help="Read the results of ended tickets, which removes them from the gateway's list of undelivered callbacks.",
)
@json_option
@placed
def shadow(place: Place, rows: Sequence[HandlerRow], *, results: bool, in_json: bool) -> Exit:
    """Compare the statuses of another handler with what the library would decide. Nothing is stored or sent."""

    def one(workflow: Workflow, row: HandlerRow) -> _Result:
        # The handler has stored the result of a ticket that it holds as ended: it does not need the list any more.
        is_read = results or row.status in {CollectorStatus.SUCCESS_APPLY, CollectorStatus.FAIL_APPLY}
        seen = workflow.shadow(subject=row.subject, sn=row.sn, ticket_id=row.ticket_id, results=is_read)
        new = collector_status(seen.change, workflow.definition)
        attention = seen.change.attention
        word = AGREES if new == row.status and attention is None else DIFFERS
        return attrs.evolve(
            _result(row, word if seen.is_decided else UNDECIDED, seen.why), new=new if seen.is_decided else None
        )

    with (
        troubles(),
        place.workflow(stored=False) as workflow,
        _printing(["line", "subject", "sn", "result", "old", "new", "why"], in_json=in_json) as results_,
    ):
        _each(workflow, rows, one, results_)
    agreeing = sum(each.result == AGREES for each in results_)
    note(f"{agreeing} of {counted(len(results_), 'row')} agree; nothing was stored")
    return _exit_of(results_)


def _each(
    workflow: Workflow,
    rows: Sequence[HandlerRow],
    one: Callable[[Workflow, HandlerRow], _Result],
    results: list[_Result],
) -> None:
    """Add the result of each row to a list; a row that fails does not stop the others.

    Raises:
        StorageError: The store failed; the results so far are in the list.
    """
    for row in rows:
        if row.problem:
            results.append(_result(row, REFUSED, row.problem))
            continue
        try:
            results.append(one(workflow, row))
        except StorageError:
            raise
        except (GatewayError, ServiceNotFound) as error:
            results.append(_result(row, NOT_ASKED, str(error)))
        except TransitionRefused as refused:
            results.append(_result(row, REFUSED, refused.reason))
        except InvalidForm as error:
            listed = "; ".join(f"{field} {rule}" for field, _, rule in error.problems)
            results.append(_result(row, REFUSED, listed))
        except ItsmWorkflowError as error:
            results.append(_result(row, REFUSED, str(error)))


@contextlib.contextmanager
def _printing(columns: Sequence[str], *, in_json: bool) -> Iterator[list[_Result]]:
    """Print the results at the end of the block, also if it ends with an error."""
    results: list[_Result] = []
    try:
        yield results
    finally:
        listed = [{name: getattr(each, name) for name in columns} for each in results]
        if in_json:
            as_json(listed)
        elif listed:
            cells = [[_cell(name, cell) for name, cell in each.items()] for each in listed]
            table(columns, cells, whole="sn")
        else:
            note("the file has no rows")


def _cell(name: str, cell: object) -> object:
    """Return the cell of a table, in the language of what people read if the text is the library's."""
    if name not in {"result", "why"}:
        return "" if cell is None else cell
    text = str(cell or "")
    known = spoken(text)
    if known != text or language() == "en":
        return known
    return _PARTS.join(map(_SEEN.in_chinese, text.split(_PARTS)))


def _result(row: HandlerRow, result: str, why: str = "") -> _Result:
    return _Result(line=row.line, subject=row.subject, sn=row.sn, result=result, why=why, old=row.status)


def _exit_of(results: Sequence[_Result]) -> Exit:
    if any(each.result in _FAILED for each in results):
        return Exit.FAILED
    return Exit.GATEWAY if any(each.result == NOT_ASKED for each in results) else Exit.DONE
