"""The page that shows which changes are due, and runs one bounded pass over them."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import attrs
from flask import abort, g, redirect, request, url_for

from itsm_workflow.web.listing import COUNTED
from itsm_workflow.web.overview import due_text, is_late, number_text
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from werkzeug.wrappers import Response

    from itsm_workflow.runtime.reconciler import Report
    from itsm_workflow.web.pages import Site
    from itsm_workflow.web.presenting import Reader

logger = logging.getLogger("itsm_workflow.web")

LIMIT = 100
"""The number of changes that a pass of this page looks at."""

SECONDS = 20.0
"""The time after which a pass of this page begins nothing more."""

_KINDS = ("moved", "unchanged", "busy", "failed", "unreadable", "undelivered")


@attrs.frozen(kw_only=True)
class Pass:
    """A pass that this page has run.

    Attributes:
        at: The time at which it ended.
        person: The person who ran it.
        report: Its result.
    """

    at: dt.datetime
    person: str
    report: Report


class Passes:
    """The passes of this process: at most one runs, and the last one is remembered."""

    def __init__(self) -> None:
        self.running = threading.Lock()
        self.last: Pass | None = None


def reconcile_page(site: Site, passes: Passes) -> Response:
    """Return the page; a POST runs a pass, and leads back to the page with its report."""
    records, reader = site.records(), g.reader
    g.workflow = records.definition.name
    problem, status = "", 200
    if request.method == "POST":
        if not site.allow_actions or not isinstance(records, Workflow):
            abort(404)
        site.people.check_form()
        if _run(records, site, passes):
            return redirect(url_for("reconcile"), 303)
        problem, status = reader.words("pass_running"), 409
    counts = records.counts(limit=COUNTED)
    last = passes.last
    return site.page(
        "reconcile",
        reader.words("reconcile"),
        status,
        problem=problem,
        number=number_text(counts.due),
        due=due_text(counts.earliest_due, reader),
        is_late=is_late(counts.earliest_due, reader),
        last=last,
        facts=list(_facts(last.report, reader)) if last else (),
        can_run=site.allow_actions and isinstance(records, Workflow),
        limit=LIMIT,
        seconds=f"{SECONDS:g}",
    )


def _run(workflow: Workflow, site: Site, passes: Passes) -> bool:
    """Run a pass; return False if one runs already."""
    if not passes.running.acquire(blocking=False):
        return False
    try:
        report = workflow.reconcile(limit=LIMIT, seconds=SECONDS)
    finally:
        passes.running.release()
    logger.info("%s ran a pass: %s", g.person.name, report)
    passes.last = Pass(at=site.now(), person=g.person.name, report=report)
    return True


def _facts(report: Report, reader: Reader) -> Iterator[tuple[str, str]]:
    yield reader.words("pass_due"), f"{report.due:,}"
    for kind in _KINDS:
        yield reader.words(f"pass_{kind}"), f"{getattr(report, kind):,}"
    yield reader.words("pass_seconds"), reader.words("seconds", seconds=f"{report.seconds:.1f}")
