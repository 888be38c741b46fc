"""The example hosts of the documentation as processes of real servers, a user at their pages, and their databases."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import attrs
import requests

from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow import Settings

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PREFIX = "BKAPP_ITSM_"
_POLL = 0.1


@attrs.frozen(kw_only=True)
class Kind:
    """The way in which one example is run, as its page says it.

    Attributes:
        folder: The example's folder.
        server: The arguments of the server, with the descriptor of its socket.
        reconcile: The arguments of the pass that cron runs.
        store: The name of the file with the changes.
        prepare: The arguments of the command that makes the tables, if the host does not do it itself.
        add_user: The arguments of the command that adds a user, if the host has a login of its own.
        refusal: The text that a form for 0 hosts gets.
    """

    folder: str
    server: Sequence[str]
    reconcile: Sequence[str]
    store: str = "changes.db"
    prepare: Sequence[str] = ()
    add_user: Sequence[str] = ()
    refusal: str = "hosts=0: must be a number from 1 to 1000"


KINDS: Mapping[str, Kind] = {
    "flask": Kind(
        folder="flask_host",
        server=["gunicorn", "--bind=fd://{fd}", "collectors:app"],
        reconcile=["itsm_workflow", "reconcile", "--app", "collectors:workflow"],
    ),
    "fastapi": Kind(
        folder="fastapi_host",
        server=["uvicorn", "--fd={fd}", "--log-level=warning", "collectors:app"],
        reconcile=["itsm_workflow", "reconcile", "--app", "collectors:workflow"],
    ),
    "django": Kind(
        folder="django_host",
        server=["gunicorn", "--bind=fd://{fd}", "shop.wsgi"],
        reconcile=["manage.py", "itsm", "reconcile"],
        store="collectors.db",
        prepare=["manage.py", "migrate"],
        add_user=["manage.py", "createsuperuser", "--noinput", "--email=", "--username={name}"],
        refusal="Ensure this value is greater than or equal to 1.",
    ),
}


def environment(settings: Settings, folder: Path) -> dict[str, str]:
    """Return the variables of a host."""
    return {
        f"{PREFIX}APP_CODE": settings.app_code,
        f"{PREFIX}APP_SECRET": settings.app_secret.reveal(),
        f"{PREFIX}GATEWAY_URL": settings.gateway_url,
        f"{PREFIX}FAST_APPROVAL": "true",
        f"{PREFIX}CALLBACK_HOST": settings.callback_host,
        f"{PREFIX}CALLBACK_KEYS": ",".join(key.reveal() for key in settings.callback_keys),
        f"{PREFIX}STORE": f"sqlite:///{folder / 'changes.db'}",
        "COLLECTORS_DATABASE": str(folder / "collectors.db"),
        "SECRET_KEY": secrets.token_urlsafe(32),
        "DJANGO_SUPERUSER_PASSWORD": secrets.token_urlsafe(16),
    }


class Database(Protocol):
    """A database that a test disturbs."""

    def away(self) -> contextlib.AbstractContextManager[None]:
        """Take the database away in the block."""

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Lock the host's own table in the block, as a program does that hangs in a transaction."""


@attrs.frozen
class File:
    """A database that is a file of SQLite."""

    path: Path

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Take the file away, as an unmounted disk does; its place cannot be opened meanwhile."""
        kept = self.path.with_name(f"{self.path.name}.away")
        self.path.rename(kept)
        self.path.mkdir()
        try:
            yield
        finally:
            self.path.rmdir()
            kept.rename(self.path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the whole file."""
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None, timeout=PATIENCE)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")


class Host:
    """An example under its server. The socket is this process's, so connections wait while the server is restarted.

    Args:
        kind: The example.
        folder: The folder of the databases that are files.

    Attributes:
        store: The database with the changes.
        table: The database with the host's own table.
        environment: The variables of the host.
    """

    def __init__(self, kind: Kind, folder: Path) -> None:
        self._kind = kind
        self.store: Database = File(folder / kind.store)
        self.table: Database = File(folder / "collectors.db")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._server: subprocess.Popen[bytes] | None = None
        self.environment: Mapping[str, str] = {}

    @property
    def url(self) -> str:
        """The address of the host."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def refusal(self) -> str:
        """The text that a form for 0 hosts gets."""
        return self._kind.refusal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.kill()
        finally:
            self._listener.close()

    def _command(self, arguments: Sequence[str], **values: object) -> list[str]:
        script = [] if arguments[0].endswith(".py") else ["-m"]
        return [sys.executable, *script, *(part.format(**values) for part in arguments)]

    @property
    def _place(self) -> Mapping[str, object]:
        return {"cwd": EXAMPLES / self._kind.folder, "env": {**os.environ, **self.environment}}

    def start(self) -> None:
        """Start the server, with a process group of its own."""
        fd = self._listener.fileno()
        self._server = subprocess.Popen(  # type: ignore[call-overload]  # the keywords are collected above
            self._command(self._kind.server, fd=fd), pass_fds=[fd], start_new_session=True, **self._place
        )

    def kill(self) -> None:
        """Kill the server and its workers, without any notice."""
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
            self._server = None

    def _run(self, arguments: Sequence[str], **values: object) -> None:
        if arguments:
            command = self._command(arguments, **values)
            subprocess.run(command, check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL, **self._place)  # type: ignore[call-overload]  # as above

    def prepare(self) -> None:
        """Make the tables, if the host does not do it itself."""
        self._run(self._kind.prepare)

    def reconcile(self) -> None:
        """Run a pass, as cron does."""
        self._run(self._kind.reconcile)

    def log_in(self, session: requests.Session, name: str) -> None:
        """Log a new user in, by the login of the host, or by the header of the login in front of the host."""
        if not self._kind.add_user:
            session.headers["X-Forwarded-User"] = name
            return
        self._run(self._kind.add_user, name=name)
        page = f"{self.url}/login/"
        session.get(page, timeout=PATIENCE).raise_for_status()
        form = {"username": name, "password": self.environment["DJANGO_SUPERUSER_PASSWORD"]}
        answer = session.post(page, data=form, headers=token_of(session), timeout=PATIENCE)
        assert answer.url == f"{self.url}/", "the login was refused"


def token_of(session: requests.Session) -> Mapping[str, str]:
    """Return the token that a form of the host holds, if the host has such tokens."""
    token = session.cookies.get("csrftoken")
    return {} if token is None else {"X-CSRFToken": token}


class Visitor:
    """A user who is logged in, at the pages of a host."""

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._session = requests.Session()
        host.log_in(self._session, name)

    def get(self, path: str) -> requests.Response:
        """Open a page."""
        return self._session.get(f"{self._host.url}{path}", timeout=PATIENCE)

    def post(self, path: str, form: Mapping[str, object] | None = None) -> requests.Response:
        """Send a form, and follow the redirect to the page that shows the result."""
        token = token_of(self._session)
        return self._session.post(f"{self._host.url}{path}", data=form or {}, headers=token, timeout=PATIENCE)

    def from_another_site(self, path: str) -> requests.Response:
        """Send a form as the user's browser does from a page of another site."""
        headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example.com"}
        return self._session.post(f"{self._host.url}{path}", headers=headers, timeout=PATIENCE)

    def logged_out(self, path: str) -> requests.Response:
        """Open a page as a visitor who is not logged in, without following a redirect."""
        return requests.get(f"{self._host.url}{path}", timeout=PATIENCE, allow_redirects=False)

    def apply(self, name: str, *, hosts: object = 10) -> requests.Response:
        """Ask for a collector."""
        return self.post("/", {"name": name, "hosts": hosts, "reason": "to find errors"})

    def page(self, name: str) -> str:
        """Return the page of a collector."""
        answer = self.get(f"/collectors/{name}")
        answer.raise_for_status()
        return answer.text

    def until(
        self, name: str, is_reached: Callable[[str], object], meanwhile: Callable[[], object] = lambda: None
    ) -> str:
        """Open the page of a collector until it shows something; the limit of the test ends this.

        Args:
            name: The collector.
            is_reached: Whether the page shows it.
            meanwhile: Called before each further look.
        """
        pause = threading.Event()
        while not is_reached(page := self.page(name)):
            pause.wait(_POLL)
            meanwhile()
        return page


def current(page: str) -> str:
    """Return the state that the picture on a page shows as the current one, without the smaller letters of its time."""
    (box,) = re.findall(r'<g class="itsm-state itsm-current">(.*?)</g>', page)
    return " ".join(re.findall(r'<text[^>]* font-size="12"[^>]*>([^<]*)</text>', box))
