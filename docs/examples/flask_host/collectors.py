"""Collectors in Flask: a collector is enabled when the ticket of its change was approved."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from typing import TYPE_CHECKING

from flask import Flask, abort, redirect, render_template, request
from markupsafe import Markup

from itsm_workflow import (
    AlreadyApplied,
    BkItsmGateway,
    Effect,
    EffectCall,
    Form,
    InvalidForm,
    NotApproved,
    Settings,
    State,
    Workflow,
    open_storage,
)
from itsm_workflow.errors import GatewayError, StorageError
from itsm_workflow.integrations import flask as itsm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.wrappers import Response as Redirect

# ---------------------------------------------------------------- the host's own table

DATABASE = os.environ.get("COLLECTORS_DATABASE", "collectors.db")
TABLE = """
    CREATE TABLE IF NOT EXISTS collector (
        name TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        enabled INTEGER NOT NULL DEFAULT 0,
        runs INTEGER NOT NULL DEFAULT 0
    )
"""


@contextlib.contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """Open the host's database for one transaction."""
    with contextlib.closing(sqlite3.connect(DATABASE, timeout=5)) as connection, connection:
        connection.row_factory = sqlite3.Row
        connection.execute(TABLE)
        yield connection


def find(name: str) -> sqlite3.Row:
    """Return the row of a collector; if there is none, the answer is 404."""
    with database() as connection:
        row: sqlite3.Row | None = connection.execute("SELECT * FROM collector WHERE name = ?", [name]).fetchone()
    return row or abort(404, "There is no such collector.")


# ---------------------------------------------------------------- the workflow


def problems_of(form: Form) -> list[tuple[str, str, str]]:
    """Return the problems of a form, before anything is stored or sent: field, value, rule."""
    hosts = form.fields.get("hosts")
    is_valid = isinstance(hosts, int) and 1 <= hosts <= 1000  # noqa: PLR2004 - the message says it
    return [] if is_valid else [("hosts", repr(hosts), "must be a number from 1 to 1000")]


def enable(call: EffectCall) -> None:
    """Enable the collector after the approval. An effect can run twice; this one then changes nothing."""
    with database() as connection:
        name = call.change.subject.removeprefix("collector-")
        connection.execute("UPDATE collector SET enabled = 1 WHERE name = ?", [name])


settings = Settings.from_env()
# How long a commit waits for a lock: less than gunicorn waits. The URL of a server says it itself: ?statement_timeout=5
waiting = {"timeout": 5} if settings.store.reveal().startswith("sqlite:") else {}
storage = open_storage(settings.store, **waiting)
workflow = Workflow(
    storage=storage,
    gateway=BkItsmGateway(settings),
    effects={State.APPROVED: [Effect("enable", enable)]},
    form_check=problems_of,
)

# ---------------------------------------------------------------- the users

APPROVERS = ["bob"]


def user() -> str | None:
    """Return the user name. The login in front of the host sets the header, and removes one that a client sends."""
    return request.headers.get("X-Forwarded-User")


def may(person: str, action: str, collector: str) -> bool:
    """Permit every user to look, and the owner to apply."""
    return action == "view" or person == find(collector)["owner"]


# ---------------------------------------------------------------- the routes

app = Flask(__name__)
app.register_blueprint(itsm.blueprint(workflow, person=user, permit=may), url_prefix="/itsm")  # with the callback


@app.before_request
def check_request() -> None:
    """Refuse unknown users, and forms that a page of another site sends in the name of a user."""
    if request.blueprint == "itsm_workflow":
        return  # BK-ITSM has a credential, and the other routes ask `user` and `may`
    if not user():
        abort(401, "Log in first.")
    if request.method == "POST" and request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        abort(403, "The form was sent by another site.")


@app.get("/")
def index() -> str:
    """Show the collectors, and the form."""
    with database() as connection:
        rows = connection.execute("SELECT * FROM collector ORDER BY name").fetchall()
    return render_template("index.html", collectors=rows)


@app.post("/")
def apply() -> Redirect:
    """Store the collector, which is not enabled, and file the change that asks for it. It can be sent again."""
    name, person = request.form["name"], user() or ""
    if not re.fullmatch("[a-z0-9-]{1,40}", name):
        abort(400, "The name must consist of 1 to 40 lower-case letters, digits and hyphens.")
    with database() as connection:
        connection.execute("INSERT OR IGNORE INTO collector (name, owner) VALUES (?, ?)", [name, person])
    if not may(person, "apply", name):
        abort(403, "The collector belongs to another user.")
    workflow.apply(
        subject=f"collector-{name}",
        title=f"Collect the logs of {name}",
        applicant=person,
        approvers=APPROVERS,
        fields={"hosts": request.form.get("hosts", type=int), "reason": request.form["reason"]},
    )
    return redirect(f"/collectors/{name}", 303)


@app.get("/collectors/<name>")
def show(name: str) -> str:
    """Show the collector, and where its change is."""
    collector, change = find(name), workflow.newest(f"collector-{name}")
    if change is None:
        return render_template("collector.html", collector=collector)
    return render_template(
        "collector.html",
        collector=collector,
        status=workflow.status(change.id),
        why=workflow.why(change.id),
        picture=Markup(workflow.graph(change.id).svg()),  # noqa: S704 - its texts are escaped
    )


@app.post("/collectors/<name>/collect")
def collect(name: str) -> Redirect:
    """Do the work, which needs the approval."""
    workflow.require_approved(f"collector-{name}")  # raises NotApproved
    with database() as connection:
        connection.execute("UPDATE collector SET runs = runs + 1 WHERE name = ?", [name])
    return redirect(f"/collectors/{name}", 303)


# ---------------------------------------------------------------- the errors


@app.errorhandler(InvalidForm)
@app.errorhandler(AlreadyApplied)
@app.errorhandler(NotApproved)
def refused(error: InvalidForm | AlreadyApplied | NotApproved) -> tuple[str, int]:
    """Show the user why the library refused."""
    status = {InvalidForm: 400, AlreadyApplied: 409, NotApproved: 403}[type(error)]
    return render_template("message.html", message=str(error)), status


@app.errorhandler(StorageError)
@app.errorhandler(GatewayError)
@app.errorhandler(sqlite3.OperationalError)
def unavailable(error: Exception) -> tuple[str, int, dict[str, str]]:
    """Answer while a database or BK-ITSM is not available."""
    app.logger.warning("not available", exc_info=error)
    message = "The service is not available at the moment. Nothing was lost: send it again in a minute."
    return render_template("message.html", message=message), 503, {"Retry-After": "60"}
