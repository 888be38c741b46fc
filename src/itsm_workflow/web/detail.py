"""The page of one change: what is the case and what can be done, then its picture, its history and its facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import g
from markupsafe import Markup

from itsm_workflow.pictures import Graph
from itsm_workflow.web.presenting import (
    ENTRIES,
    badge,
    deciders_of,
    effect_status,
    form_of,
    outcome_of,
    page_of_ticket,
    steps_of,
    without_name,
)

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from itsm_workflow.web.pages import Site


def change_page(site: Site, change_id: str) -> Response:
    """Return the page of a change."""
    records, reader = site.records(), g.reader
    definition, change = records.definition, records.get(change_id)
    g.workflow = definition.name
    timeline = records.timeline(change_id)
    steps = steps_of(definition, timeline, reader)
    drawn = Graph(definition=definition, path=timeline.path).svg(language=reader.language)
    return site.page(
        "change",
        change.subject,
        change=change,
        badge=badge(definition, change, reader),
        why=without_name(records.why(change_id, language=reader.language), change, reader),
        allowed=[reader.operation(name) for name in records.allowed(change_id)],
        picture=Markup(drawn),  # noqa: S704 - the picture escapes its texts
        steps=steps[:ENTRIES],
        left_out=max(len(steps) - ENTRIES, 0),
        ticket_page=page_of_ticket(records.status(change_id).ticket_url),
        deciders=deciders_of(change, reader),
        form=list(form_of(change, reader)),
        effects=[(one, effect_status(one, reader)) for one in change.effects],
        outcome=outcome_of(change, reader),
    )
