"""The application: its addresses, and what a host decides about it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from flask import Flask

from itsm_workflow.clock import SystemClock
from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.runtime.arguments import check_function
from itsm_workflow.runtime.records import Records
from itsm_workflow.secrets import without_secrets
from itsm_workflow.web.acting import act_page
from itsm_workflow.web.detail import change_page
from itsm_workflow.web.listing import list_page
from itsm_workflow.web.overview import overview_page
from itsm_workflow.web.pages import Site, prepare, same_page
from itsm_workflow.web.people import People
from itsm_workflow.web.presenting import in_lines, raw
from itsm_workflow.web.reconciling import Passes, reconcile_page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from werkzeug.wrappers import Response

    from itsm_workflow.clock import Clock


_KEY, _FORM = 32, 64 * 1024


def console(
    workflow: Records | Callable[[], Records],
    *,
    zone: dt.tzinfo = dt.UTC,
    hosts: Collection[str] = (),
    logins: Mapping[str, str] = ReadOnlyDict(),
    person: Callable[[], str | None] | None = None,
    allow_actions: bool = False,
    key: bytes | None = None,
    clock: Clock | None = None,
) -> Flask:
    """Return the console of a workflow, an application of WSGI.

    A server runs it, or a host mounts it below a path of its own. With ``logins`` it asks for a login, and with
    ``person`` the host says who it is. With neither, every person who can reach it can read every change, and it does
    not act.

    Args:
        workflow: The workflow, or a function that returns that of this process.
        zone: The zone of the times on the pages.
        hosts: The names, without a port, by which browsers may ask for the pages, such as ``itsm.example.com``; by
            default any. Name them if the console is reached without a login: otherwise a page elsewhere could read it
            through a name that leads to this machine.
        logins: By name, the hash of the password of each person who may log in, as ``itsm-workflow web-password``
            prints it. A session ends with the process, after eight hours, and when the mapping no longer has the
            hash with which it began.
        person: Called in the context of a request of Flask; returns the name of the person whose session of the host
            it is, or None to refuse.
        allow_actions: Whether the pages act: every act that `Workflow.allowed` lists for the person, who becomes its
            actor.
        key: The secret from which the tokens of the forms are made with ``person``, at least 32 bytes; by default a
            random one, so several processes of a host need to pass the same.
        clock: Source of the current time, for the ages on the pages.

    Raises:
        TypeError: ``workflow`` is neither a workflow nor a function, or ``person`` is not a function.
        ValueError: The pages would act without knowing the person, both ``logins`` and ``person`` are given, or the
            key is too short.
    """
    if not isinstance(workflow, Records):
        check_function("console(workflow)", workflow)
    _check(logins, person, key, allow_actions=allow_actions)
    people = People(logins=logins, person=person, key=key)
    site = Site(
        records=(lambda: workflow) if isinstance(workflow, Records) else workflow,
        zone=zone,
        now=(clock or SystemClock()).now,
        hosts=frozenset(host.lower() for host in hosts),
        people=people,
        allow_actions=allow_actions,
    )
    app = Flask("itsm_workflow.web", static_url_path="/static")
    app.url_map.strict_slashes = True
    app.config["MAX_CONTENT_LENGTH"] = _FORM
    app.add_template_global(same_page)
    app.add_template_filter(without_secrets, "masked")
    app.add_template_filter(raw, "raw")
    app.add_template_filter(in_lines, "in_lines")
    prepare(app, site)

    def overview() -> Response:
        return overview_page(site)

    def changes() -> Response:
        return list_page(site)

    def change(change_id: str) -> Response:
        return change_page(site, change_id)

    def act(change_id: str, route: str) -> Response:
        return act_page(site, change_id, route)

    passes = Passes()

    def reconcile() -> Response:
        return reconcile_page(site, passes)

    def login() -> Response:
        return people.login_page(site)

    app.add_url_rule("/", "overview", overview)
    app.add_url_rule("/changes/", "changes", changes)
    app.add_url_rule("/changes/<change_id>/", "change", change)
    app.add_url_rule("/changes/<change_id>/<route>/", "act", act, methods=["GET", "POST"])
    app.add_url_rule("/reconcile/", "reconcile", reconcile, methods=["GET", "POST"])
    app.add_url_rule("/login/", "login", login, methods=["GET", "POST"])
    app.add_url_rule("/logout/", "logout", people.logout, methods=["POST"])
    return app


def _check(
    logins: Mapping[str, str], person: Callable[[], str | None] | None, key: bytes | None, *, allow_actions: bool
) -> None:
    if person is not None:
        check_function("console(person=...)", person)
    if logins and person is not None:
        raise ValueError("console(logins=..., person=...) takes one of the two: its own login, or the host's")
    if allow_actions and not logins and person is None:
        raise ValueError("console(allow_actions=True) needs logins=... or person=...: each act has an actor")
    if key is not None and len(key) < _KEY:
        raise ValueError(f"console(key=...) takes at least {_KEY} random bytes")
