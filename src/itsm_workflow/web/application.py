"""The application: its addresses, and what a host decides about it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from flask import Flask

from itsm_workflow.clock import SystemClock
from itsm_workflow.runtime.arguments import check_function
from itsm_workflow.runtime.records import Records
from itsm_workflow.web.detail import change_page
from itsm_workflow.web.listing import list_page
from itsm_workflow.web.overview import overview_page
from itsm_workflow.web.pages import Site, prepare, same_page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from werkzeug.wrappers import Response

    from itsm_workflow.clock import Clock


def console(
    workflow: Records | Callable[[], Records],
    *,
    zone: dt.tzinfo = dt.UTC,
    hosts: Collection[str] = (),
    clock: Clock | None = None,
) -> Flask:
    """Return the console of a workflow, an application of WSGI that only reads.

    A server runs it, or a host mounts it below a path of its own. It asks for no login: every person who can reach it
    can read every change, so the host guards it.

    Args:
        workflow: The workflow, or a function that returns that of this process.
        zone: The zone of the times on the pages.
        hosts: The names, without a port, by which browsers may ask for the pages, such as ``itsm.example.com``; by
            default any. Name them if the console is reached without a login: otherwise a page elsewhere could read it
            through a name that leads to this machine.
        clock: Source of the current time, for the ages on the pages.

    Raises:
        TypeError: ``workflow`` is neither a workflow nor a function.
    """
    if not isinstance(workflow, Records):
        check_function("console(workflow)", workflow)
    site = Site(
        records=(lambda: workflow) if isinstance(workflow, Records) else workflow,
        zone=zone,
        now=(clock or SystemClock()).now,
        hosts=frozenset(host.lower() for host in hosts),
    )
    app = Flask("itsm_workflow.web", static_url_path="/static")
    app.url_map.strict_slashes = True
    app.add_template_global(same_page)
    prepare(app, site)

    def overview() -> Response:
        return overview_page(site)

    def changes() -> Response:
        return list_page(site)

    def change(change_id: str) -> Response:
        return change_page(site, change_id)

    app.add_url_rule("/", "overview", overview)
    app.add_url_rule("/changes/", "changes", changes)
    app.add_url_rule("/changes/<change_id>/", "change", change)
    return app
