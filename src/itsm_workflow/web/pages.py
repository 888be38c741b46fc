"""The frame of every page: its language, its headers, and the pages of errors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlencode

import attrs
from flask import Flask, Response, g, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException, SecurityError

from itsm_workflow.errors import ChangeNotFound, ItsmWorkflowError
from itsm_workflow.runtime.records import Records
from itsm_workflow.text import short
from itsm_workflow.web.people import Person
from itsm_workflow.web.presenting import Reader
from itsm_workflow.web.words import LANGUAGES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping

    from flask.typing import ResponseReturnValue

    from itsm_workflow.web.people import People

logger = logging.getLogger("itsm_workflow.web")

Source: TypeAlias = Callable[[], Records]

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""The headers of every answer: no script runs on the pages, nothing comes from elsewhere, and no page frames them."""

_COOKIE = "itsm_language"
_REASONS: Mapping[int, str] = {
    400: "wrong_request",
    403: "not_allowed",
    404: "no_page",
    405: "wrong_method",
    413: "too_large",
    500: "in_log",
}
"""By status, the code of the words that say why a request was refused."""
_NAME = 40  # characters of a name that no change has; an id has 26
_YEAR = 365 * 86_400


@attrs.frozen(kw_only=True)
class Site:
    """The parts that all pages share.

    Attributes:
        records: Returns the changes.
        zone: The zone of the times.
        now: Returns the current time.
        hosts: The names by which the pages may be asked for; empty for any.
        people: Finds the person of each request.
        allow_actions: Whether the pages act.
    """

    records: Source
    zone: dt.tzinfo
    now: Callable[[], dt.datetime]
    hosts: Collection[str]
    people: People
    allow_actions: bool

    def reader(self) -> Reader:
        """Return the reader of the current request."""
        return Reader(language=_language(), zone=self.zone, now=self.now())

    def page(self, template: str, title: str, status: int = 200, **context: object) -> Response:
        """Return a page.

        Args:
            template: The name of the template, without its suffix.
            title: The title of the page.
            status: The status of HTTP.
            context: What the template shows besides what every page shows.
        """
        reader: Reader = g.reader
        person: Person = g.get("person") or Person()
        shared = {
            "title": title,
            "reader": reader,
            "t": reader.words,
            "language": reader.language,
            "request_person": person.name,
            "csrf": person.csrf,
            "has_own_login": person.has_own_login,
        }
        text = render_template(f"{template}.html", workflow=g.get("workflow", ""), **shared, **context)
        return make_response(text, status)


def prepare(app: Flask, site: Site) -> None:
    """Give every answer its headers and its language, and every error a page."""

    @app.before_request
    def begin() -> ResponseReturnValue | None:
        g.reader = site.reader()
        if site.hosts and _host() not in site.hosts:
            # The name of another site may lead to this machine, and its pages could read the answer.
            raise SecurityError(f"the console does not answer to the name {_host()}")
        answer = site.people.find()
        if answer is not None and request.endpoint == "act" and request.method == "POST":
            # The form is lost, since its token was that of the ended session; the page of the act has a new one.
            return redirect(url_for("login", next=request.path), 303)
        return answer

    app.after_request(_complete)

    @app.errorhandler(ItsmWorkflowError)
    def refused(error: ItsmWorkflowError) -> Response:
        words = g.reader.words
        if isinstance(error, ChangeNotFound):
            return site.page(
                "error", words("not_found"), 404, problem=words("no_change", name=short(error.name, _NAME))
            )
        logger.error("The page %s failed.", request.path, exc_info=error)
        return site.page("error", words("failed"), 503, problem=words("in_log"))  # the message may name files and hosts

    @app.errorhandler(HTTPException)
    def wrong(error: HTTPException) -> Response:
        code = error.code or 500
        title = {404: "not_found", 500: "broken"}.get(code, "refused")
        reason = g.reader.words(_REASONS.get(code, "cannot_be_answered"))
        answer = site.page("error", g.reader.words(title), code, problem=reason)
        for name, value in error.get_headers(request.environ):
            if name.lower() not in {"content-type", "content-length"}:
                answer.headers[name] = value
        return answer


def _complete(answer: Response) -> Response:
    """Set the headers that every answer has, and remember the language that the address chose."""
    for name, value in HEADERS.items():
        answer.headers[name] = value
    if request.endpoint != "static":
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Vary"] = "Accept-Language, Cookie"
    chosen = request.args.get("language")
    if chosen in LANGUAGES:
        answer.set_cookie(
            _COOKIE,
            str(chosen),
            max_age=_YEAR,
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
            path=request.script_root or "/",
        )
    return answer


def same_page(language: str) -> str:
    """Return the address of the current page in another language, with its filters."""
    return "?" + urlencode({**request.args.to_dict(), "language": language})


def _language() -> str:
    """Return the language that the reader chose; otherwise the one that the browser prefers."""
    for chosen in (request.args.get("language"), request.cookies.get(_COOKIE)):
        if chosen in LANGUAGES:
            return str(chosen)
    return request.accept_languages.best_match(sorted(LANGUAGES), "en") or "en"


def _host() -> str:
    """Return the name by which the page was asked for, without its port."""
    name, separator, port = request.host.rpartition(":")
    return (name if separator and port.isdecimal() else request.host).lower()
