"""Collectors in FastAPI: a collector is enabled when the ticket of its change was approved."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, FastAPI, Form, Header, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from markupsafe import Markup

from itsm_workflow import (
    AlreadyApplied,
    AsyncWorkflow,
    BkItsmGateway,
    Effect,
    EffectCall,
    InvalidForm,
    NotApproved,
    Settings,
    State,
    Workflow,
    open_storage,
)
from itsm_workflow import Form as ChangeForm
from itsm_workflow.errors import GatewayError, StorageError
from itsm_workflow.integrations import fastapi as itsm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

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
    if row is None:
        raise HTTPException(404, "There is no such collector.")
    return row


# ---------------------------------------------------------------- the workflow


def problems_of(form: ChangeForm) -> list[tuple[str, str, str]]:
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
# How long a commit waits for a lock: less than a user waits. The URL of a server says it itself: ?statement_timeout=5
waiting = {"timeout": 5} if settings.store.reveal().startswith("sqlite:") else {}
storage = open_storage(settings.store, **waiting)
workflow = Workflow(
    storage=storage,
    gateway=BkItsmGateway(settings),
    effects={State.APPROVED: [Effect("enable", enable)]},
    form_check=problems_of,
)
changes = AsyncWorkflow(workflow)


@contextlib.asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Close the workflow and then its store when the server is shut down."""
    with contextlib.closing(storage):
        async with changes:
            yield


# ---------------------------------------------------------------- the users

APPROVERS = ["bob"]


def user(x_forwarded_user: Annotated[str | None, Header()] = None) -> str | None:
    """Return the user name. The login in front of the host sets the header, and removes one that a client sends."""
    return x_forwarded_user


def logged_in(person: Annotated[str | None, Depends(user)]) -> str:
    """Return the user name, or refuse the request."""
    if not person:
        raise HTTPException(401, "Log in first.")
    return person


def from_this_site(request: Request) -> None:
    """Refuse a form that a page of another site sends in the name of a user."""
    if request.method == "POST" and request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise HTTPException(403, "The form was sent by another site.")


def may(person: str, action: str, collector: str) -> bool:
    """Permit every user to look, and the owner to apply."""
    return action == "view" or person == find(collector)["owner"]


# ---------------------------------------------------------------- the routes

pages = APIRouter(dependencies=[Depends(logged_in), Depends(from_this_site)], default_response_class=HTMLResponse)
templates = Jinja2Templates(Path(__file__).parent / "templates")


@pages.get("/")
def index(request: Request) -> Response:
    """Show the collectors, and the form."""
    with database() as connection:
        rows = connection.execute("SELECT * FROM collector ORDER BY name").fetchall()
    return templates.TemplateResponse(request, "index.html", {"collectors": rows})


@pages.post("/")
def apply(
    person: Annotated[str, Depends(logged_in)],
    name: Annotated[str, Form(pattern="^[a-z0-9-]{1,40}$")],
    hosts: Annotated[int, Form()],
    reason: Annotated[str, Form()],
) -> Response:
    """Store the collector, which is not enabled, and file the change that asks for it. It can be sent again."""
    with database() as connection:
        connection.execute("INSERT OR IGNORE INTO collector (name, owner) VALUES (?, ?)", [name, person])
    if not may(person, "apply", name):
        raise HTTPException(403, "The collector belongs to another user.")
    workflow.apply(
        subject=f"collector-{name}",
        title=f"Collect the logs of {name}",
        applicant=person,
        approvers=APPROVERS,
        fields={"hosts": hosts, "reason": reason},
    )
    return RedirectResponse(f"/collectors/{name}", 303)


@pages.get("/collectors/{name}")
def show(request: Request, name: str) -> Response:
    """Show the collector, and where its change is."""
    shown: dict[str, object] = {"collector": find(name)}
    if change := workflow.newest(f"collector-{name}"):
        shown["status"] = workflow.status(change.id)
        shown["why"] = workflow.why(change.id)
        shown["picture"] = Markup(workflow.graph(change.id).svg())  # noqa: S704 - its texts are escaped
    return templates.TemplateResponse(request, "collector.html", shown)


@pages.post("/collectors/{name}/collect")
def collect(name: str) -> Response:
    """Do the work, which needs the approval."""
    workflow.require_approved(f"collector-{name}")  # raises NotApproved
    with database() as connection:
        connection.execute("UPDATE collector SET runs = runs + 1 WHERE name = ?", [name])
    return RedirectResponse(f"/collectors/{name}", 303)


app = FastAPI(lifespan=lifespan)
app.include_router(itsm.router(changes, person=user, permit=may), prefix="/itsm")  # with the callback
app.include_router(pages)

# ---------------------------------------------------------------- the errors

log = logging.getLogger("collectors")


@app.exception_handler(InvalidForm)
@app.exception_handler(AlreadyApplied)
@app.exception_handler(NotApproved)
def refused(request: Request, error: Exception) -> Response:
    """Show the user why the library refused."""
    status = {InvalidForm: 400, AlreadyApplied: 409, NotApproved: 403}[type(error)]
    return templates.TemplateResponse(request, "message.html", {"message": str(error)}, status)


@app.exception_handler(StorageError)
@app.exception_handler(GatewayError)
@app.exception_handler(sqlite3.OperationalError)
def unavailable(request: Request, error: Exception) -> Response:
    """Answer while a database or BK-ITSM is not available."""
    log.warning("not available", exc_info=error)
    message = "The service is not available at the moment. Nothing was lost: send it again in a minute."
    return templates.TemplateResponse(request, "message.html", {"message": message}, 503, {"Retry-After": "60"})
