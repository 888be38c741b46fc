"""The page that confirms an act: what it does, to which change, and why. It acts by POST only."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import attrs
from flask import abort, g, redirect, request, url_for
from werkzeug.exceptions import Forbidden

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
from itsm_workflow.errors import InvalidForm, StorageConflict
from itsm_workflow.failures import failures
from itsm_workflow.machine.labels import in_language
from itsm_workflow.machine.messages import rule_of
from itsm_workflow.text import is_blank
from itsm_workflow.web.people import check_origin
from itsm_workflow.web.presenting import badge
from itsm_workflow.web.results import result_of
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

_LOCKS = tuple(threading.Lock() for _ in range(64))
"""Each change has one of them, so that a process compares its entries and acts in one step. Changes may share one."""


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
    workflow = site.records()
    if not site.allow_actions or not isinstance(workflow, Workflow):
        abort(404)
    if request.method != "POST":
        return _act_page(site, workflow, change_id, from_route(route))
    check_origin()
    with _LOCKS[hash(change_id) % len(_LOCKS)]:
        return _act_page(site, workflow, change_id, from_route(route))


def _act_page(site: Site, workflow: Workflow, change_id: str, name: str) -> Response:
    reader, definition = g.reader, workflow.definition
    seen, unknown = seen_by_person(workflow, change_id)
    g.workflow = definition.name
    act = offered(definition, seen.change, seen.allowed).get(name)
    label = label_of(name, reader.language)
    if unknown:
        return site.page("error", reader.words("not_possible", act=label), 503, problem=unknown)
    if act is None:
        return site.page("error", reader.words("not_possible", act=label), 409, problem=seen.why)
    fields = [_field(one, seen.change, reader) for one in act.asks]
    problem, status, holder = "", 200, ""
    if request.method == "POST":
        checked = [_checked(field, reader) for field in fields]
        if not _is_of_this_session(site):
            problem, status = reader.words("old_page"), 403
        elif request.form.get("stand") != f"{len(seen.history)}":
            problem, status = in_language(MOVED, reader.language, ""), 409
        elif any(field.problem for field in checked):
            fields, status = checked, 400
        else:
            given = {field.asked.name: field.value for field in fields}
            problem, status, holder = _carried_out(workflow, seen.change, act, given, label)
            if not problem:
                result = result_of(workflow, seen, name)
                if result.shows:
                    return redirect(url_for("change", change_id=change_id, **result.shows), 303)
                problem, status = result.problem, result.status
    return site.page(
        "act",
        label,
        status,
        change=seen.change,
        badge=badge(definition, seen.change, reader),
        meaning=in_language(act.meaning, reader.language, ""),
        is_dangerous=act.is_dangerous,
        fields=fields,
        stand=f"{len(seen.history)}",
        problem=problem,
        holder=holder,
        longest=LONGEST,
    )


def _is_of_this_session(site: Site) -> bool:
    """Return whether a form has the token of the session, after its origin was checked."""
    try:
        site.people.check_form()
    except Forbidden:
        return False
    return True


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


def _carried_out(
    workflow: Workflow, change: ChangeRequest, act: OperatorAct, given: Mapping[str, str], label: str
) -> tuple[str, int, str]:
    """Carry an act out, and return its problem, the status of its page, and another change that prevents it.

    Without a problem, or without such a change, the text is empty.
    """
    language, actor = g.reader.language, g.person.name
    try:
        act.call(workflow, change, actor, given)
    except InvalidForm as error:
        return "; ".join(f"{field}: {rule_of(rule, language)}" for field, _value, rule in error.problems), 409, ""
    except failures() as error:  # a refusal; or what a function of the host raises, such as its permission hook
        logger.warning("The act %r of %s on change %s was refused: %s", label, actor, change.id, error)
        return reason_of(error, language), 409, error.holder if isinstance(error, StorageConflict) else ""
    return "", 200, ""
