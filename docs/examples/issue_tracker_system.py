"""The issue tracker for the check of its gateway: a server in this process, and people who decide."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import attrs

from docs.examples.issue_tracker import ENDED_ALREADY, NOT_FOUND, NOT_VALID, STATUSES, TrackerGateway, utc
from itsm_workflow.testing import TicketRecord, TicketSystem

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from itsm_workflow import Form
    from itsm_workflow.gateway import TicketGateway

TOKEN = "token-of-the-tracker-for-tests"  # noqa: S105 - it protects nothing
PAGE = 10
UNKNOWN_REVIEWER = "nobody"


class Tracker(TicketSystem):
    """An issue tracker whose issues are in memory."""

    name = TrackerGateway.name
    patience = 30.0
    secrets = (TOKEN,)
    callbacks = True

    def __init__(self, now: Callable[[], dt.datetime] = utc, deadline: float = 2.0) -> None:
        self._now = now
        self._deadline = deadline
        self.issues: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"answer": self.answer})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()

    # --- what the check asks for

    def gateway(self, url: str) -> TicketGateway:
        """Return a gateway; the check needs a short deadline."""
        return TrackerGateway(url, TOKEN, deadline=self._deadline, now=self._now)

    def tickets(self) -> Sequence[str]:
        """Return the ids of the issues."""
        return [str(issue["id"]) for issue in self.issues]

    def approve(self, ticket_id: str, user: str) -> None:
        """Let a reviewer approve an issue."""
        self.issues[int(ticket_id) - 1].update(state="approved", decided_by=user)

    def reject(self, ticket_id: str, user: str) -> None:
        """Let a reviewer reject an issue."""
        self.issues[int(ticket_id) - 1].update(state="rejected", decided_by=user)

    def approve_by_other(self, ticket_id: str, user: str) -> None:
        """Let another person approve an issue: the tracker compares no names."""
        self.approve(ticket_id, user)

    def refused_form(self, title: str) -> Form:
        """Return a form with a reviewer whom the tracker does not know."""
        return attrs.evolve(self.form(title), approvers=(UNKNOWN_REVIEWER,))

    def refusals(self) -> Sequence[tuple[int, object]]:
        """Return the answer to a token that must not read issues; the gateway does not know its code."""
        return [(403, {"code": 4031, "message": "the token may not read issues"})]

    # --- what a simulation and an audit ask for

    def records(self) -> Sequence[TicketRecord]:
        """Return the issues as they are, without the gateway."""
        return [
            TicketRecord(
                id=str(issue["id"]),
                tag=issue["external_id"],
                title=issue["title"],
                current_status=STATUSES[issue["state"]],
                approve_result=issue["state"] == "approved",
            )
            for issue in self.issues
        ]

    # --- the server

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, object]:
        """Answer one request with a status and a document."""
        place = urlsplit(path)
        steps = place.path.strip("/").split("/")[1:]
        with self._lock:
            if method == "POST" and not steps and UNKNOWN_REVIEWER in body["reviewers"]:
                return 422, {"code": NOT_VALID, "message": "no such reviewer"}
            if method == "POST" and not steps:
                return 200, self._new(body)
            if not steps:
                return 200, self._page(**{key: values[0] for key, values in parse_qs(place.query).items()})
            found = [issue for issue in self.issues if str(issue["id"]) == steps[0]]
            if not found:
                return 404, {"code": NOT_FOUND, "message": "no such issue"}
            if method == "POST" and found[0]["state"] != "open":
                return 409, {"code": ENDED_ALREADY, "message": f"the issue is {found[0]['state']}"}
            if method == "POST":
                found[0].update(state="closed")
            return 200, found[0]

    def _new(self, body: dict[str, Any]) -> object:
        kept = {key: body[key] for key in ("external_id", "title", "author", "reviewers", "fields")}
        made = {"id": len(self.issues) + 1, "created_at": self._now().isoformat()}
        self.issues.append({**kept, **made, "state": "open", "decided_by": None})
        return self.issues[-1]

    def _page(self, external_id: str = "", page: str = "1") -> object:
        rows = [issue for issue in self.issues if external_id in {"", issue["external_id"]}]
        return {"total": len(rows), "items": rows[(int(page) - 1) * PAGE : int(page) * PAGE]}


def simulated(now: Callable[[], dt.datetime]) -> Tracker:
    """Return a tracker for one run of a simulation, whose results must not depend on how busy the machine is."""
    return Tracker(now, deadline=600.0)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # the check connects with many threads at once


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is written in two parts
    answer: Any

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, document = type(self).answer(self.command, self.path, json.loads(body or b"{}"))
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = _serve  # noqa: N815 - the names that the base class looks up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Print nothing."""
