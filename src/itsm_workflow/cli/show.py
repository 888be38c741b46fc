"""The commands that read. They need a store, and no gateway."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import attrs
import rich_click as click

from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.language import language, language_of, spoken
from itsm_workflow.cli.operations import commands_of
from itsm_workflow.cli.output import as_json, clean, data, facts, is_terminal, note, table
from itsm_workflow.cli.output import entries as listed
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.troubles import troubles
from itsm_workflow.cli.views import (
    attention_fact,
    change_view,
    evidence_text,
    moment,
    state_text,
    trigger_text,
    value_text,
)
from itsm_workflow.errors import AmbiguousChange, StorageCorrupt, StorageSchemaError
from itsm_workflow.machine.labels import ATTENTION, EFFECTS, OUTCOMES, in_language, labels_of
from itsm_workflow.machine.problems import problem_label, problems_of
from itsm_workflow.runtime.json_views import entry_view
from itsm_workflow.runtime.status import decisions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from itsm_workflow.change import Attention, ChangeRequest, Entry, PlannedEffect
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.runtime.records import Records

live_option = click.option(
    "--live", "is_live", is_flag=True, help="Ask the gateway for the ticket's present status; the answer is not stored."
)
json_option = click.option("--json", "in_json", is_flag=True, help="Print JSON; its keys are documented and stable.")


@attrs.frozen(kw_only=True)
class _View:
    """The facts that are shown of one change.

    Attributes:
        ticket_status: The ticket's present status; None if the gateway was not asked or did not answer.
        exit: `Exit.GATEWAY` if the gateway was asked and did not answer.
    """

    records: Records
    change: ChangeRequest
    why: str
    ticket_status: str | None = None
    exit: Exit = Exit.DONE


@contextlib.contextmanager
def _viewed(place: Place, name: str, *, is_live: bool, spoken: str) -> Iterator[_View]:
    if not is_live:
        with place.records() as records:
            change = resolved(records, name)
            yield _View(records=records, change=change, why=records.why(change.id, language=spoken))
        return
    with troubles() as shown, place.workflow() as workflow:
        change = resolved(workflow, name)
        now = workflow.status(change.id, live=True).ticket_status
        sentence = workflow.why(change.id, live=now is not None, language=spoken)
        is_missing = change.ticket is not None and now is None
        if is_missing:
            failed = "itsm-workflow: the ticket's present status is not known; what is stored is printed"
            lacking = (
                "itsm-workflow: the ticket's present status is not shown by this gateway; what is stored is printed"
            )
            note(failed if shown.gateway else lacking)
        code = Exit.GATEWAY if is_missing else Exit.DONE
        yield _View(records=workflow, change=change, why=sentence, ticket_status=now, exit=code)


@click.command()
@click.argument("name", metavar="ID")
@live_option
@json_option
@placed
def show(place: Place, name: str, *, is_live: bool, in_json: bool) -> Exit:
    """Show one change, by its id, its subject or its ticket's sn."""
    with _viewed(place, name, is_live=is_live, spoken=language_of(in_json=in_json)) as view:
        change, definition, allowed = view.change, view.records.definition, view.records.allowed(view.change.id)
        if in_json:
            now = {"ticket_status": view.ticket_status} if is_live else {}
            as_json({**change_view(definition, change), "allowed": list(allowed), "why": view.why, **now})
        else:
            facts(_described(definition, change, allowed, view.why, view.ticket_status or ""))
    return view.exit


@click.command()
@click.argument("name", metavar="ID")
@json_option
@placed
def history(place: Place, name: str, in_json: bool) -> None:  # noqa: FBT001 - click passes by name
    """Show a change's history, oldest entry first; its chain of digests is checked."""
    with place.records() as records:
        definition, entries = records.definition, records.history(resolved(records, name).id)
    if in_json:
        as_json([entry_view(entry) for entry in entries])
        return
    if is_terminal():
        listed(("seq", "UTC", "state", "trigger", "actor"), [_in_lines(definition, entry) for entry in entries])
        return
    table(
        ("seq", "at (UTC)", "from", "trigger", "to", "actor", "facts"),
        [
            (
                entry.seq,
                moment(entry.at),
                state_text(definition, entry.source),
                trigger_text(entry),
                state_text(definition, entry.dest),
                entry.actor,
                evidence_text(entry.evidence),
            )
            for entry in entries
        ],
    )


def _in_lines(definition: WorkflowDefinition, entry: Entry) -> tuple[Sequence[str], str]:
    """Return the cells of an entry on a terminal, and the facts below them, of which the cause may be long."""
    source, dest = state_text(definition, entry.source), state_text(definition, entry.dest)
    state = dest if entry.source in {"", entry.dest} else f"{source} → {dest}"
    cells = (f"{entry.seq}", moment(entry.at)[5:], state, trigger_text(entry), entry.actor)
    return cells, evidence_text(entry.evidence)


@click.command()
@click.argument("name", metavar="ID")
@live_option
@json_option
@placed
def why(place: Place, name: str, *, is_live: bool, in_json: bool) -> Exit:
    """Print what a change waits for, since when, the next look, and what a person can do."""
    with _viewed(place, name, is_live=is_live, spoken=language_of(in_json=in_json)) as view:
        if in_json:
            as_json({"id": view.change.id, "why": view.why})
        else:
            data(clean(view.why))
    return view.exit


def resolved(records: Records, name: str) -> ChangeRequest:
    """Return the one change with this id, subject or sn; if there are several, the error lists them."""
    try:
        return records.resolve(name)
    except AmbiguousChange as error:
        lines = [_candidate(records, change_id) for change_id in error.candidates]
        head = f"{name!r} names {len(lines)} changes, give the id of one:"
        raise click.UsageError("\n".join([head, *lines])) from error


def _candidate(records: Records, change_id: str) -> str:
    """Return the line of a change that shares its name with others; a damaged one is listed as well."""
    try:
        one = records.get(change_id)
    except (StorageCorrupt, StorageSchemaError):
        return f"  {change_id}  {spoken('cannot be read')}"
    made = f"{spoken('made')} {moment(one.created_at)}"
    return f"  {one.id}  {one.state}  {one.sn or spoken('no ticket')}  {made}"


def print_change(records: Records, change: ChangeRequest, *, in_json: bool) -> None:
    """Print a change after a command acted on it."""
    if in_json:
        as_json(change_view(records.definition, change))
    else:
        data(clean(records.why(change.id, language=language())))


def _status(effect: PlannedEffect) -> str:
    code = effect.status.value
    return code if language() == "en" else in_language(EFFECTS[effect.status], language(), code)


def _problem(problem: str) -> str:
    return in_language(problem_label(problem), language(), problem)


def _named(value: str, labels: Mapping[str, Mapping[str, str]]) -> str:
    return f"{value} {in_language(labels[value], language(), '')}".strip()


def _since(attention: Attention) -> str:
    return {"en": "since", "zh": "自"}[language()] + f" {moment(attention.since)} UTC"


def _described(
    definition: WorkflowDefinition, change: ChangeRequest, allowed: Iterable[str], sentence: str, status: str
) -> list[tuple[str, object]]:
    form, attention = change.form, change.attention
    label = in_language(labels_of(definition, change, for_operators=True), language(), "")
    known = attention.facts if attention else {}
    problems = problems_of(change.attempt) if change.attempt else ("", "")
    reasons = ", ".join(f"{attention_fact(key)} {value_text(value, key)}" for key, value in known.items())
    return [
        ("id", change.id),
        ("subject", change.subject),
        ("state", f"{change.state} {label}".strip()),
        ("outcome", _named(change.outcome, OUTCOMES) if change.outcome else ""),
        ("decided", "; ".join(decisions_of(change, language()))),
        (
            "attention",
            f"{_named(attention.reason, ATTENTION)} {_since(attention)} {reasons}".strip() if attention else "",
        ),
        ("title", form.title),
        ("applicant", form.applicant),
        ("approvers", ", ".join(form.approvers)),
        ("content", form.content),
        *((f"  {key}", value_text(value, key)) for key, value in form.fields.items()),
        ("ticket", f"{change.sn} (id {change.ticket.id})" if change.ticket else ""),
        ("ticket now", status),
        ("ticket page", change.ticket_url),
        ("last problem", _problem(problems[0])),
        ("last look-up", _problem(problems[1])),
        *(
            (f"effect {effect.name}", f"{_status(effect)}, {effect.id} {effect.error}".strip())
            for effect in change.effects
        ),
        ("made", f"{moment(change.created_at)} UTC"),
        ("last entry", f"{moment(change.updated_at)} UTC"),
        ("allowed", ", ".join(commands_of(allowed))),
        ("why", sentence),
    ]
