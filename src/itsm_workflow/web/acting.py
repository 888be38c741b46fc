"""The page that confirms an act: what it does, to which change, and why. It acts by POST only."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs
from flask import abort, g, redirect, request, url_for

from itsm_workflow.acts import (
    LONGEST,
    MOVED,
    from_route,
    in_route,
    label_of,
    offered,
    overview_of,
    permissions_unknown,
    reason_of,
)
from itsm_workflow.errors import InvalidForm
from itsm_workflow.failures import failures
from itsm_workflow.machine.labels import in_language
from itsm_workflow.machine.messages import rule_of
from itsm_workflow.text import is_blank
from itsm_workflow.web.presenting import badge
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from werkzeug.wrappers import Response

    from itsm_workflow.acts import Asked, OperatorAct
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.runtime.overview import Overview
    from itsm_workflow.runtime.records import Records
    from itsm_workflow.web.pages import Site
    from itsm_workflow.web.presenting import Reader

logger = logging.getLogger("itsm_workflow.web")


@attrs.frozen(kw_only=True)
class Button:
    """An act that is possible now."""

    route: str
    label: str
    is_dangerous: bool


@attrs.frozen(kw_only=True)
class _Field:
    asked: Asked
    label: str
    help: str
    value: str
    choices: Sequence[tuple[str, str]]
    problem: str = ""


def buttons(
    definition: WorkflowDefinition, change: ChangeRequest, allowed: Sequence[str], reader: Reader
) -> Iterator[Button]:
    """Yield the acts that a person can carry out on a page, of those that are allowed."""
    for name, act in offered(definition, change, allowed).items():
        yield Button(route=in_route(name), label=label_of(name, reader.language), is_dangerous=act.is_dangerous)


def seen_by_person(records: Records, change_id: str) -> tuple[Overview, str]:
    """Return what a page shows of a change, and why it is not known what the person may do; empty if it is known."""
    reader, actor = g.reader, g.person.name
    seen, error = overview_of(records, change_id, actor=actor or None, language=reader.language)
    if error is None:
        return seen, ""
    logger.error("The permissions of %s for change %s could not be asked.", actor, change_id, exc_info=error)
    return seen, permissions_unknown(error, reader.language)


def act_page(site: Site, change_id: str, route: str) -> Response:
    """Return the page that confirms an act; a POST with every text that it needs carries it out."""
    workflow, reader, name = site.records(), g.reader, from_route(route)
    if not site.allow_actions or not isinstance(workflow, Workflow):
        abort(404)
    definition, actor = workflow.definition, g.person.name
    seen, unknown = seen_by_person(workflow, change_id)
    g.workflow = definition.name
    act = offered(definition, seen.change, seen.allowed).get(name)
    label = label_of(name, reader.language)
    if unknown:
        return site.page("error", reader.words("not_possible", act=label), 503, problem=unknown)
    if act is None:
        return site.page("error", reader.words("not_possible", act=label), 409, problem=seen.why)
    stand = f"{len(seen.history)}"
    fields = [_field(one, seen.change, reader) for one in act.asks]
    problem = ""
    if request.method == "POST":
        site.people.check_form()
        given = {field.asked.name: field.value for field in fields}
        fields = [_checked(field, reader) for field in fields]
        if request.form.get("stand") != stand:
            problem = in_language(MOVED, reader.language, "")
        elif not any(field.problem for field in fields):
            problem, made = _carried_out(workflow, seen.change, act, actor, given, label)
            if not problem:
                latest = made if made > len(seen.history) else 0
                return redirect(url_for("change", change_id=change_id, made=latest, _anchor=f"entry-{latest}"), 303)
    status = 409 if problem else 400 if any(field.problem for field in fields) else 200
    return site.page(
        "act",
        label,
        status,
        change=seen.change,
        badge=badge(definition, seen.change, reader),
        meaning=in_language(act.meaning, reader.language, ""),
        is_dangerous=act.is_dangerous,
        fields=fields,
        stand=stand,
        problem=problem,
        longest=LONGEST,
    )


def _field(asked: Asked, change: ChangeRequest, reader: Reader) -> _Field:
    return _Field(
        asked=asked,
        label=in_language(asked.label, reader.language, asked.name),
        help=in_language(asked.help, reader.language, ""),
        value=request.form.get(asked.name, "").replace("\r\n", "\n").strip(),
        choices=asked.choices(change) if asked.choices else (),
    )


def _checked(field: _Field, reader: Reader) -> _Field:
    """Return the field with its problem, if it has one."""
    if field.asked.is_required and is_blank(field.value):
        return attrs.evolve(field, problem=reader.words("required"))
    if len(field.value) > LONGEST:
        return attrs.evolve(field, problem=reader.words("too_long", longest=LONGEST))
    if field.asked.choices and field.value not in {value for value, _text in field.choices}:
        return attrs.evolve(field, problem=reader.words("required"))
    return field


def _carried_out(  # noqa: PLR0917 - private
    workflow: Workflow, change: ChangeRequest, act: OperatorAct, actor: str, given: Mapping[str, str], label: str
) -> tuple[str, int]:
    """Carry an act out, and return its problem, and the number of the last entry."""
    language = g.reader.language
    try:
        act.call(workflow, change, actor, given)
    except InvalidForm as error:
        return "; ".join(f"{field}: {rule_of(rule, language)}" for field, _value, rule in error.problems), 0
    except failures() as error:  # a refusal; or what a function of the host raises, such as its permission hook
        logger.warning("The act %r of %s on change %s was refused: %s", label, actor, change.id, error)
        return reason_of(error, language), 0
    return "", len(workflow.history(change.id))
