"""The person of a request: the login of the console itself, or the host's own session; and the guard of every form."""

from __future__ import annotations

import hmac
import logging
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs
from flask import abort, g, make_response, redirect, request, url_for

from itsm_workflow.text import short_line
from itsm_workflow.web.sessions import LIFETIME, Logins, Session, Sessions, token_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from werkzeug.wrappers import Response

    from itsm_workflow.web.pages import Site

logger = logging.getLogger("itsm_workflow.web")

COOKIE = "itsm_console"
_SHOWN = 64  # characters of a name in the log


@attrs.frozen(kw_only=True)
class Person:
    """The person who asks.

    Attributes:
        name: The name; empty if the console asks for no login.
        csrf: The token that each form must send back.
        has_own_login: Whether the person logged in here, and can log out here.
    """

    name: str = ""
    csrf: str = ""
    has_own_login: bool = False


class People:
    """Finds the person of each request.

    Args:
        logins: By name, the hash of the password; empty without a login.
        person: The host's function that returns the name of the person whose session it is, or None.
        key: The secret from which the tokens of forms are made if the host has the session.
    """

    def __init__(
        self, *, logins: Mapping[str, str], person: Callable[[], str | None] | None, key: bytes | None
    ) -> None:
        self._logins = Logins(logins) if logins else None
        self._person = person
        self._key = key or secrets.token_bytes(32)
        self._sessions = Sessions()

    def find(self) -> Response | None:
        """Set ``g.person``; return the page to log in if the person is not known, and must be."""
        g.person = Person()
        if request.endpoint == "static":
            return None
        if self._person is not None:
            name = self._person()
            if not name:
                abort(403)
            g.person = Person(name=name, csrf=token_of(self._key, name))
        elif self._logins is not None:
            session = self._session(self._logins)
            if session is not None:
                g.person = Person(name=session.person, csrf=session.csrf, has_own_login=True)
            elif request.endpoint != "login":
                target = request.full_path.rstrip("?") if request.method == "GET" else None
                return redirect(url_for("login", next=target), 303)
        return None

    def check_form(self) -> None:
        """Refuse a form that another site sent, or that was not made for this person."""
        check_origin()
        sent = request.form.get("csrf", "")
        if not g.person.csrf or not hmac.compare_digest(sent.encode(), g.person.csrf.encode()):
            abort(403)

    def login_page(self, site: Site) -> Response:
        """Return the page to log in; a POST with the right password begins a session."""
        if self._logins is None:
            abort(404)
        if request.method != "POST":
            return self._asking(site)
        check_origin()
        name, password, now = request.form.get("name", ""), request.form.get("password", ""), g.reader.now
        address = request.remote_addr or ""
        delay = self._logins.begin(name, address, now)
        if delay.total_seconds() > 0:
            answer = self._asking(site, 429, g.reader.words("wait"))
            answer.headers["Retry-After"] = str(int(delay.total_seconds()) + 1)
            return answer
        hashed = self._logins.check(name, password, address, now)
        if not hashed:
            logger.warning("A login as %s from %s failed.", short_line(name, _SHOWN), address or "an unknown address")
            return self._asking(site, 403, g.reader.words("wrong_password"))
        answer = make_response(redirect(_own_path(request.form.get("next", "")), 303))
        answer.set_cookie(
            COOKIE,
            self._sessions.open(name, hashed, now),
            max_age=int(LIFETIME.total_seconds()),
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
            path=request.script_root or "/",
        )
        return answer

    def logout(self) -> Response:
        """End the session.

        A page that is older than the session has another token, for example in a second tab after a new login. Its form
        ends the session all the same if the browser says that a page of the console sent it: a page of another site
        cannot make a browser say that.
        """
        if not _is_own_page():
            self.check_form()
        self._sessions.close(request.cookies.get(COOKIE, ""))
        answer = make_response(redirect(url_for("login"), 303))
        answer.delete_cookie(COOKIE, path=request.script_root or "/")
        return answer

    def _session(self, logins: Logins) -> Session | None:
        """Return the session of the request; None if the person may not log in any more, or has another password."""
        found = self._sessions.find(request.cookies.get(COOKIE, ""), g.reader.now)
        return found if found is not None and logins.hash_of(found.person) == found.hashed else None

    def _asking(self, site: Site, status: int = 200, problem: str = "") -> Response:
        following = request.values.get("next", "")
        return site.page("login", g.reader.words("log_in"), status, problem=problem, following=following)


def check_origin() -> None:
    """Refuse a request that the page of another site began, as far as the browser says so."""
    if _is_own_page() is False:
        abort(403)


def _is_own_page() -> bool | None:
    """Return whether a page of the console began the request; None if the browser does not say."""
    fetched = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if fetched:
        return fetched == "same-origin"
    return None if origin is None else _netloc(origin) == request.host


def _netloc(address: str) -> str:
    """Return the host and the port of an address; empty for a text that is not one."""
    try:
        return urlsplit(address).netloc
    except ValueError:
        return ""


def _own_path(path: str) -> str:
    """Return a path of the console to go to; its first page instead of any other address."""
    is_own = path.startswith("/") and not path.startswith("//")  # // begins the name of a host
    if not is_own or any(ord(character) <= ord(" ") or character == "\\" for character in path):
        return url_for("overview")
    return f"{request.script_root}{path}"
