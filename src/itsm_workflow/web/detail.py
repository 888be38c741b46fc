"""The page of one change: what is the case and what can be done, then its picture, its history and its facts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask import g
from markupsafe import Markup

from itsm_workflow.acts import SETTLE, label_of
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.machine.problems import problems_of
from itsm_workflow.machine.self_approval import reasons_of
from itsm_workflow.pictures import Graph
from itsm_workflow.policy import Policy
from itsm_workflow.runtime.status import is_watched
from itsm_workflow.web.acting import buttons, seen_by_person
from itsm_workflow.web.commands import commands_of, live_command, name_of
from itsm_workflow.web.presenting import (
    ENTRIES,
    badge,
    deciders_of,
    effect_status,
    form_of,
    is_quietly_parked,
    outcome_of,
    page_of_ticket,
    parked_since,
    seen_of,
    status_of,
    steps_of,
    way_of,
    without_name,
)
from itsm_workflow.web.results import Shown, shown_result, status_just_seen
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from itsm_workflow.web.pages import Site


_CURRENT = re.compile(r'<g class="itsm-state itsm-current"><rect x="([\d.]+)"')


_LEAD = 90  # pixels of the move into the current state that are shown as well


def change_page(site: Site, change_id: str) -> Response:
    """Return the page of a change."""
    records, reader = site.records(), g.reader
    seen, unknown = seen_by_person(records, change_id)
    definition = records.definition
    change = seen.change
    g.workflow = definition.name
    name, last, waits = name_of(records, change), seen_of(change, seen.history), is_watched(definition, change)
    suspended = ""
    if waits and site.allow_actions and status_just_seen(change_id, seen.history) == TicketStatus.SUSPENDED:
        suspended = reader.words("saw_suspended")
    elif waits and last is not None and last.status is TicketStatus.SUSPENDED:
        suspended = reader.words("was_suspended", at=reader.exactly(last.seen_at))
    possible = (SETTLE, *seen.allowed)
    policy = records.policy if isinstance(records, Workflow) else Policy()
    steps = steps_of(definition, seen, policy, reader)
    graph = Graph(definition=definition, path=seen.history, policy=policy, attention=change.attention)
    drawn = graph.svg(language=reader.language, zone=site.zone)
    return site.page(
        "change",
        change.subject,
        change=change,
        badge=badge(definition, change, reader),
        why=without_name(seen.why, change, reader),
        problem=unknown,
        reasons=[reader.reason(one) for one in reasons_of(change)],
        suspended=suspended,
        live="" if site.allow_actions or not waits else live_command(name),
        status_seen=status_of(last, reader) if last else "",
        allowed=[(label_of(one, reader.language), commands_of(change, one, name, reader)) for one in possible],
        buttons=list(buttons(definition, change, seen.allowed, reader)) if site.allow_actions else None,
        result=shown_result(change_id, seen.history) if site.allow_actions else Shown(),
        picture=Markup(drawn),  # noqa: S704 - the picture escapes its texts
        begin=begin_of(drawn),
        way=way_of(definition, seen.history, reader),
        steps=steps[:ENTRIES],
        left_out=max(len(steps) - ENTRIES, 0),
        ticket_page=page_of_ticket(seen.status.ticket_url),
        deciders=deciders_of(change, reader),
        form=list(form_of(change, reader)),
        is_parked=is_quietly_parked(change),
        effects=[(one, effect_status(one, reader), parked_since(one, seen.history)) for one in change.effects],
        outcome=outcome_of(change, reader),
        problems=[reader.problem(one) for one in problems_of(change.attempt)] if change.attempt else ["", ""],
    )


def begin_of(drawn: str) -> int:
    """Return the place, in pixels from the left, at which a box that is narrower than a picture begins to show it."""
    found = _CURRENT.search(drawn)
    return 0 if found is None else max(round(float(found[1])) - _LEAD, 0)
