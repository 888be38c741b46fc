"""A second ticket system behind the gateway port: an issue tracker over HTTP, whose reviewers approve issues."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec
import requests
import urllib3

from itsm_workflow.change import Decider
from itsm_workflow.errors import GatewayError, GatewayProtocolError, GatewayRefused, GatewayTimeout, GatewayUnavailable
from itsm_workflow.gateway import Created, FoundTicket, NotSent, Refused, Service, TicketResult, Unknown
from itsm_workflow.machine import Snapshot, TicketStatus, Withdrawal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow import Form
    from itsm_workflow.change import Ticket
    from itsm_workflow.gateway import CreateAnswer, CreateRequest, SentTicket

T = TypeVar("T")

# --- what the tracker answers


class Issue(msgspec.Struct):
    """One issue. `msgspec` refuses an answer in which a value has another type."""

    id: int
    external_id: str
    title: str
    author: str
    reviewers: list[str]
    fields: dict[str, Any]
    created_at: dt.datetime
    state: Literal["open", "approved", "rejected", "closed"]
    decided_by: str | None


class Page(msgspec.Struct):
    """One page of a list."""

    total: int
    items: list[Issue]


class Problem(msgspec.Struct):
    """The answer to a request that the tracker refuses; every refusal of its own has a code."""

    code: int
    message: str


NOT_FOUND, ENDED_ALREADY, NOT_VALID = 4040, 4090, 4220
"""The codes of `Problem` for an issue that does not exist, one that cannot be closed any more, and a refused form."""

STATUSES = {
    "open": TicketStatus.RUNNING,
    "approved": TicketStatus.FINISHED,
    "rejected": TicketStatus.FINISHED,
    "closed": TicketStatus.REVOKED,
}

# --- one call


class TrackerCalls:
    """Calls to the tracker: each is sent once, ends by its deadline, and follows no redirect.

    Args:
        url: The root of the tracker.
        token: The token of the application.
        deadline: The longest time of one call, in seconds.
    """

    def __init__(self, url: str, token: str, deadline: float) -> None:
        self._url = url
        self._deadline = deadline
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def call(self, kind: type[T], method: str, path: str, *, json: object = None, **query: str | int) -> T:
        """Send one request and return its answer, in the type that the caller expects.

        Raises:
            GatewayUnavailable: No connection could be made, so nothing was sent.
            GatewayTimeout: No complete answer came in time.
            GatewayRefused: The tracker refused the request with a code of its own.
            GatewayProtocolError: The answer is not one of the tracker's.
        """
        until = time.monotonic() + self._deadline
        try:
            with self._session.request(
                method,
                self._url + path,
                params=query,
                json=json,
                stream=True,
                allow_redirects=False,
                timeout=self._deadline,
            ) as answer:
                body = b"".join(self._pieces(answer, until, path))
        except requests.ConnectTimeout:
            raise GatewayUnavailable("the tracker could not be reached in time", endpoint=path) from None
        except requests.Timeout:
            raise GatewayTimeout("the tracker did not answer in time", endpoint=path) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            if "NewConnectionError" in repr(error):
                raise GatewayUnavailable("the tracker could not be reached", endpoint=path) from None
            raise GatewayProtocolError("the connection broke", endpoint=path) from None
        return self._decoded(kind, answer.status_code, body, path)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _pieces(self, answer: requests.Response, until: float, path: str) -> Any:  # noqa: ANN401 - bytes
        """Yield the body piece by piece: the time-out of `requests` bounds only the wait for the next piece."""
        while piece := answer.raw.read1(65536, decode_content=True):
            if time.monotonic() > until:
                raise GatewayTimeout("the tracker did not answer in time", endpoint=path)
            yield piece

    def _decoded(self, kind: type[T], status: int, body: bytes, path: str) -> T:
        try:
            if status == requests.codes.ok:
                return msgspec.json.decode(body, type=kind)
            problem = msgspec.json.decode(body, type=Problem)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise GatewayProtocolError("the answer is not the tracker's", endpoint=path, status=status) from None
        raise GatewayRefused(
            "the tracker refused", endpoint=path, remote_code=problem.code, remote_message=problem.message
        )


# --- the gateway


def utc() -> dt.datetime:
    """Return the current time."""
    return dt.datetime.now(dt.UTC)


class TrackerGateway:
    """A `TicketGateway` for the tracker. An issue's number is its id."""

    name = "tracker"

    def __init__(self, url: str, token: str, *, deadline: float = 10.0, now: Callable[[], dt.datetime] = utc) -> None:
        self._now = now
        self._calls = TrackerCalls(url, token, deadline)

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()

    def check_form(self, form: Form) -> Sequence[tuple[str, str, str]]:
        """An issue needs a reviewer."""
        return () if form.approvers else [("approvers", "()", "name at least one approver")]

    def service(self) -> str:
        """All changes are issues of one project."""
        return "changes"

    def services(self) -> Sequence[Service]:
        """That project."""
        return (Service(id="changes", name="Changes"),)

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """The body of the request that makes the issue."""
        url = request.callback_url
        return {
            "external_id": request.attempt.key,
            "title": request.form.title,
            "author": request.attempt.creator,
            "reviewers": list(request.form.approvers),
            "fields": dict(request.form.fields),
            "callback_url": None if url is None else url.reveal(),
        }

    # --- filing

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Make an issue. What is not known is `Unknown`: a look-up for the key decides."""
        try:
            issue = self._calls.call(Issue, "POST", "/issues", json=self.preview(request))
        except GatewayUnavailable as error:
            return NotSent(problem=str(error))
        except GatewayRefused as error:
            return Refused(remote_code=int(error.remote_code or 0), message=error.remote_message)
        except GatewayError as error:
            return Unknown(problem=str(error))
        if issue.external_id != request.attempt.key:
            return Unknown(problem="the tracker answered with another issue")
        return Created(id=str(issue.id), sn=str(issue.id), url="")

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Read every page of the list of issues with the key, to one that shows nothing new."""
        issues: dict[int, Issue] = {}
        page = 1
        while True:
            shown = self._calls.call(Page, "GET", "/issues", external_id=sent.attempt.key, page=page)
            known = len(issues)
            issues.update((issue.id, issue) for issue in shown.items)
            if len(issues) == known:
                break
            page += 1
        # A look-up that missed an issue, or got others, must not say that there is none.
        if len(issues) != shown.total or any(one.external_id != sent.attempt.key for one in issues.values()):
            raise GatewayProtocolError("the list of issues contradicts itself", endpoint="/issues")
        return [compared(issue, sent) for issue in issues.values()]

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Read the issue with that number."""
        try:
            return [compared(self._issue(sn), sent)]
        except GatewayRefused as error:
            if error.remote_code == NOT_FOUND:
                return []
            raise

    # --- following

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Read the issue. An approval counts if a reviewer gave it."""
        issue = self._issue(ticket.id)
        decision = None if decision_field is None else issue.fields.get(decision_field)
        ended = issue.state != "open"
        by = issue.decided_by or ""
        return Snapshot(
            ticket_id=ticket.id,
            sn=ticket.sn,
            status=STATUSES[issue.state],
            word=issue.state,
            seen_at=self._now(),
            result_status=STATUSES[issue.state],
            approve_result=issue.state == "approved",
            approval_step=by in issue.reviewers if ended else True,
            step_running=not ended,
            decision=decision if isinstance(decision, str) else None,
            closed_by=by,
            deciders=(Decider(user=by, approved=issue.state == "approved"),) if by else (),
        )

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Read the issues one by one: the tracker has no list by ids."""
        found = {}
        for ticket in tickets:
            try:
                issue = self._issue(ticket.id)
            except GatewayRefused as error:
                if error.remote_code != NOT_FOUND:
                    raise
            else:
                found[ticket.id] = TicketResult(
                    ticket_id=ticket.id,
                    sn=ticket.sn,
                    status=STATUSES[issue.state],
                    word=issue.state,
                    approve_result=issue.state == "approved",
                    closed_by=issue.decided_by or "",
                )
        return found

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Close the issue. A refusal is read, since it may be that of a repeated request."""
        try:
            self._calls.call(Issue, "POST", f"/issues/{ticket.id}/close", json={"by": operator, "reason": reason})
        except GatewayRefused as error:
            if error.remote_code != ENDED_ALREADY:
                raise
            return Withdrawal.DONE if self._issue(ticket.id).state == "closed" else Withdrawal.ENDED
        except (GatewayTimeout, GatewayProtocolError):
            return Withdrawal.UNKNOWN
        return Withdrawal.DONE

    def _issue(self, number: str) -> Issue:
        issue = self._calls.call(Issue, "GET", f"/issues/{number}")
        if str(issue.id) != number:
            raise GatewayProtocolError("the tracker answered with another issue", endpoint="/issues")
        return issue


# --- comparing


def compared(issue: Issue, sent: SentTicket) -> FoundTicket:
    """Return an issue with what differs between it and what was sent."""
    pairs = {
        "title": (sent.form.title, issue.title),
        "creator": (sent.attempt.creator, issue.author),
        "approvers": (sorted(sent.form.approvers), sorted(issue.reviewers)),
        "fields": (dict(sent.form.fields), {key: issue.fields.get(key) for key in sent.form.fields}),
    }
    differences = [f"{part}: sent {ours}, shows {theirs}" for part, (ours, theirs) in pairs.items() if ours != theirs]
    if issue.created_at.tzinfo is None or issue.created_at < sent.made_after:
        differences.append(f"created: sent after {sent.made_after}, shows {issue.created_at}")
    return FoundTicket(
        id=str(issue.id),
        sn=str(issue.id),
        url="",
        title=issue.title,
        creator=issue.author,
        key=issue.external_id if issue.external_id == sent.attempt.key else "",
        differences=tuple(differences),
        unseen=(),
    )
