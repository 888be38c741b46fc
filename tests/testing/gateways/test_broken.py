"""Each promise of the gateway port can be broken, and the check says so: one defect, one promise, in one gateway."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import sys
import threading
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

import attrs
import msgspec
import pytest

from docs.examples import issue_tracker as tracker
from docs.examples.issue_tracker import Issue, Page, TrackerGateway
from docs.examples.issue_tracker_system import Tracker
from itsm_workflow.cli import main
from itsm_workflow.cli.exits import Exit
from itsm_workflow.errors import GatewayError, GatewayProtocolError, GatewayRefused, GatewayTimeout, GatewayUnavailable
from itsm_workflow.gateway import Created, NotSent, Refused, Service, TicketResult, Unknown
from itsm_workflow.machine.evidence import Snapshot, TicketStatus, Withdrawal
from itsm_workflow.testing.gateway_conformance import PROMISES, GatewayConformance, TicketSystem, check_gateway

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import Form, Ticket
    from itsm_workflow.gateway import CreateAnswer, CreateRequest, FoundTicket, SentTicket, TicketGateway

THREADS = 8


class FilesTwo(TrackerGateway):
    """To be sure."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Send it twice."""
        super().create(request)
        return super().create(request)


class AsksBefore(TrackerGateway):
    """Lists the issues to show what it would send."""

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Ask first."""
        self._calls.call(Page, "GET", "/issues")
        return super().preview(request)


class NeverNotSent(TrackerGateway):
    """Takes a refused connection for an answer that was lost."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Answer Unknown."""
        answer = super().create(request)
        return Unknown(problem=answer.problem) if isinstance(answer, NotSent) else answer


class LostIsNotSent(TrackerGateway):
    """Takes a lost answer for a request that was not sent."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Answer NotSent."""
        answer = super().create(request)
        return NotSent(problem=answer.problem) if isinstance(answer, Unknown) else answer


class LostIsRefused(TrackerGateway):
    """Takes an answer that it cannot read for a refusal."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Answer Refused."""
        answer = super().create(request)
        return Refused(remote_code=500, message=answer.problem) if isinstance(answer, Unknown) else answer


class ShowsThePlainForm(TrackerGateway):
    """Shows the form without what it adds to it."""

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Leave out the reviewers."""
        return {**super().preview(request), "reviewers": []}

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Send them."""
        with mock.patch.object(type(self), "preview", TrackerGateway.preview):
            return super().create(request)


class NoStepWaits(TrackerGateway):
    """Does not look whether a reviewer is asked."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Say that none is asked while the issue is open."""
        snapshot = super().read(ticket, decision_field=decision_field)
        return attrs.evolve(snapshot, approval_step=False) if snapshot.step_running else snapshot


class IgnoresTheField(TrackerGateway):
    """Reads no field of the form."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """As if the definition named none."""
        return super().read(ticket)


class MissingIsWithdrawn(TrackerGateway):
    """Takes an issue that does not exist for one that was withdrawn."""

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """As it wishes."""
        try:
            return super().withdraw(ticket, operator=operator, reason=reason)
        except GatewayRefused:
            return Withdrawal.DONE


class Raises(TrackerGateway):
    """Lets the error of the call out."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Raise it."""
        issue = self._calls.call(Issue, "POST", "/issues", json=self.preview(request))
        return Created(id=str(issue.id), sn=str(issue.id), url="")


class Repeats(TrackerGateway):
    """Sends a request again whose answer was lost."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Try once more."""
        answer = super().create(request)
        return super().create(request) if isinstance(answer, Unknown) else answer


class RepeatsAfterATimeOut(TrackerGateway):
    """Sends a request again that was not answered in time."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Try once more."""
        answer = super().create(request)
        return super().create(request) if isinstance(answer, Unknown) and "in time" in answer.problem else answer


class Follows(TrackerGateway):
    """Follows redirects, as its HTTP library does by itself."""

    def __init__(self, url: str, token: str, *, deadline: float) -> None:
        super().__init__(url, token, deadline=deadline)
        session: Any = self._calls._session
        send = session.request
        session.request = lambda *args, **options: send(*args, **{**options, "allow_redirects": True})


class WaitsForEver(TrackerGateway):
    """Has no deadline."""

    def __init__(self, url: str, token: str, *, deadline: float) -> None:
        super().__init__(url, token, deadline=1000 * deadline)


class WaitsForEachByte(TrackerGateway):
    """Bounds the wait for the next byte only."""

    def __init__(self, url: str, token: str, *, deadline: float) -> None:
        super().__init__(url, token, deadline=deadline)
        pieces = self._calls._pieces
        calls: Any = self._calls
        calls._pieces = lambda answer, _until, path: pieces(answer, float("inf"), path)


class GuessesTheId(TrackerGateway):
    """Takes the first issue for the one that it could not read."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Answer with number 1."""
        answer = super().create(request)
        return Created(id="1", sn="1", url="") if isinstance(answer, Unknown) else answer


class Shares(TrackerGateway):
    """Keeps the request in the object, which all threads share."""

    def __init__(self, url: str, token: str, *, deadline: float) -> None:
        super().__init__(url, token, deadline=deadline)
        self._all = threading.Barrier(THREADS)

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Send whatever request was kept last."""
        self._request = request
        self._all.wait()
        return super().create(self._request)


class Uninterrupted(TrackerGateway):
    """Takes Ctrl-C for an answer."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Catch everything."""
        try:
            return super().create(request)
        except BaseException as error:  # noqa: BLE001 - the defect
            return Unknown(problem=repr(error))


class FirstPage(TrackerGateway):
    """Looks for the key on the first page only."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """List all issues, and filter."""
        shown = self._calls.call(Page, "GET", "/issues", page=1)
        return [tracker.compared(one, sent) for one in shown.items if one.external_id == sent.attempt.key]


class FindsAll(TrackerGateway):
    """Does not look whether an issue carries the key."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """List all issues."""
        shown = self._calls.call(Page, "GET", "/issues", page=1)
        return [attrs.evolve(tracker.compared(one, sent), key=sent.attempt.key) for one in shown.items]


class TrustsTheKey(TrackerGateway):
    """Compares nothing but the key."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Forget the differences."""
        return [attrs.evolve(row, differences=()) for row in super().find_by_key(sent)]


class ComparesTheBeginning(TrackerGateway):
    """Compares as much of the title as its list shows."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Forget the difference if the titles begin in the same way."""
        return [
            attrs.evolve(row, differences=tuple(one for one in row.differences if not one.startswith("title")))
            if row.title[:20] == sent.form.title[:20]
            else row
            for row in super().find_by_key(sent)
        ]


class EmptyAfterAnError(TrackerGateway):
    """Finds nothing when it cannot look."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Answer with an empty list."""
        try:
            return super().find_by_key(sent)
        except GatewayError:
            return []


class EndlessLook(WaitsForEver):
    """The same without a deadline, judged by its look-ups."""


class RejectionIsApproval(TrackerGateway):
    """Takes every end for an approval."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Approve."""
        return attrs.evolve(super().read(ticket, decision_field=decision_field), approve_result=True)


class ReadsByNumber(TrackerGateway):
    """Reads the issue with the number, whatever its id is."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Ask by the number."""
        other = super().read(attrs.evolve(ticket, id=ticket.sn), decision_field=decision_field)
        return attrs.evolve(other, ticket_id=ticket.id)


class LeavesOutTheLast(TrackerGateway):
    """Loses the last ticket of a batch."""

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Read all but one."""
        return super().results(tickets[:-1] if len(tickets) > 1 else tickets)


class UnknownIsRejected(TrackerGateway):
    """Takes whatever is not approved for rejected."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Read loosely."""
        issue = self._calls.call(dict, "GET", f"/issues/{ticket.id}")
        state = "open" if issue.get("state") == "open" else "rejected"
        state = "approved" if issue.get("state") == "approved" else state
        snapshot = super().read(ticket, decision_field=decision_field) if state == "open" else None
        if snapshot is not None:
            return snapshot
        return Snapshot(
            ticket_id=ticket.id,
            sn=ticket.sn,
            status=tracker.STATUSES[state],
            word=state,
            seen_at=dt.datetime.now(dt.UTC),
            approve_result=state == "approved",
            approval_step=True,
        )


class FiltersQuietly(TrackerGateway):
    """Leaves out issues whose key it cannot read."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Filter by the key."""
        shown = self._calls.call(dict, "GET", "/issues", external_id=sent.attempt.key, page=1)
        rows = [one for one in shown["items"] if one.get("external_id") == sent.attempt.key]
        if not rows:
            return []
        return super().find_by_key(sent)


class StaysBroken(TrackerGateway):
    """Keeps a broken connection."""

    _broken = False

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Remember that it failed."""
        try:
            return super().read(ticket, decision_field=decision_field)
        except GatewayError:
            self._broken = True
            raise

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Fail from then on."""
        if self._broken:
            raise GatewayUnavailable("the connection is closed", endpoint="/issues")
        return super().find_by_key(sent)


class WithdrawsOnce(TrackerGateway):
    """Does not know a repeated withdrawal."""

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Take every refusal for another end."""
        answer = super().withdraw(ticket, operator=operator, reason=reason)
        return answer if self._first(ticket) else Withdrawal.ENDED

    def _first(self, ticket: Ticket) -> bool:
        self._known: set[str] = getattr(self, "_known", set())
        new = ticket.id not in self._known
        self._known.add(ticket.id)
        return new


class EndedIsDone(TrackerGateway):
    """Says done of a ticket that was approved."""

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Say done."""
        answer = super().withdraw(ticket, operator=operator, reason=reason)
        return Withdrawal.DONE if answer is Withdrawal.ENDED else answer


class WithdrawsByNumber(TrackerGateway):
    """Withdraws the issue with the number, whatever its id is."""

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Close by the number."""
        return super().withdraw(attrs.evolve(ticket, id=ticket.sn), operator=operator, reason=reason)


class HopefullyDone(TrackerGateway):
    """Says done when it does not know."""

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Hope."""
        answer = super().withdraw(ticket, operator=operator, reason=reason)
        return Withdrawal.DONE if answer is Withdrawal.UNKNOWN else answer


class ShowsItsHeaders(TrackerGateway):
    """Quotes the request in its errors."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Add the headers."""
        try:
            return super().read(ticket, decision_field=decision_field)
        except GatewayError as error:
            headers = dict(self._calls._session.headers)
            raise GatewayProtocolError(f"{error} (sent {headers})", endpoint="/issues") from None


class ShowsItsHeadersWhenAlone(TrackerGateway):
    """Quotes the request when it reached no server."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Add the headers."""
        answer = super().create(request)
        if isinstance(answer, NotSent):
            return NotSent(problem=f"{answer.problem} (sent {dict(self._calls._session.headers)})")
        return answer


class QuotesTheToken(TrackerGateway):
    """Adds its headers to the errors of one class, in a spelling."""

    failure: type[GatewayError]

    def __init__(self, url: str, token: str, *, deadline: float) -> None:
        super().__init__(url, token, deadline=deadline)
        calls: Any = self._calls
        call = calls.call

        def quoting(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the call that it wraps
            try:
                return call(*args, **options)
            except self.failure as error:
                raise self.failure(
                    f"{error} (sent {self.spelled(token)})", endpoint="/issues", remote_code=error.remote_code
                ) from self.cause(token)

        calls.call = quoting

    def spelled(self, token: str) -> str:
        """As it is."""
        return token

    def cause(self, _token: str) -> Exception | None:
        """None."""
        return None


class QuotesAfterATimeOut(QuotesTheToken):
    """When the server does not answer in time."""

    failure = GatewayTimeout


class QuotesWhenRefused(QuotesTheToken):
    """When the server refuses."""

    failure = GatewayRefused


class QuotesInBase64(QuotesTheToken):
    """With a user before it, as in the header of a basic authorization."""

    failure = GatewayUnavailable

    def spelled(self, token: str) -> str:
        """Encode it."""
        return base64.b64encode(f"user:{token}".encode()).decode()


class QuotesInTheCause(QuotesTheToken):
    """In an attribute of the exception before the error."""

    failure = GatewayProtocolError

    def spelled(self, _token: str) -> str:
        """Nothing."""
        return "the headers"

    def cause(self, token: str) -> Exception:
        """Keep the headers."""
        cause = ValueError("the connection broke")
        cause.headers = {"Authorization": f"Bearer {token}"}  # type: ignore[attr-defined]  # as libraries do
        return cause


class ShowsTheTokenInThePreview(TrackerGateway):
    """Sends the token in the body, too."""

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Show it."""
        return {**super().preview(request), "token": self._calls._session.headers["Authorization"]}


class Prints(TrackerGateway):
    """Prints the headers of its requests."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """To look for a mistake."""
        print(self._calls._session.headers, file=sys.stderr)  # noqa: T201 - the defect
        return super().read(ticket, decision_field=decision_field)


class Warns(TrackerGateway):
    """Warns of the headers of its requests."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """As of an old header."""
        warnings.warn(f"an old header: {self._calls._session.headers}", DeprecationWarning, stacklevel=1)
        return super().read(ticket, decision_field=decision_field)


class RaisesWhenRefused(TrackerGateway):
    """Lets a refusal out, and no other error."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Raise it."""
        answer = super().create(request)
        if isinstance(answer, Refused):
            raise GatewayRefused("the tracker refused", endpoint="/issues", remote_code=answer.remote_code)
        return answer


class RefusedIsNotSent(TrackerGateway):
    """Takes a refusal for proof that nothing was made."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Answer NotSent."""
        answer = super().create(request)
        return NotSent(problem=answer.message) if isinstance(answer, Refused) else answer


class RaisesWithoutAConnection(TrackerGateway):
    """Lets the error of a refused connection out."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Raise it."""
        answer = super().create(request)
        if isinstance(answer, NotSent):
            raise GatewayUnavailable("the tracker could not be reached", endpoint="/issues")
        return answer


class RefusesTheSecondWithdrawal(TrackerGateway):
    """Lets out the refusal of a withdrawal that is repeated."""

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Close the issue, and read nothing."""
        self._calls.call(Issue, "POST", f"/issues/{ticket.id}/close", json={"by": operator, "reason": reason})
        return Withdrawal.DONE


class TakesAnyIssue(TrackerGateway):
    """Does not compare the id of the issue that was answered."""

    def _issue(self, number: str) -> Issue:
        return self._calls.call(Issue, "GET", f"/issues/{number}")


class TakesAnyResult(TakesAnyIssue):
    """The same in its results alone."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Compare the id."""
        with mock.patch.object(type(self), "_issue", TrackerGateway._issue):
            return super().read(ticket, decision_field=decision_field)


class FirstPageOfTheKey(TrackerGateway):
    """Reads the first page of the issues with the key."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """And no other."""
        shown = self._calls.call(Page, "GET", "/issues", external_id=sent.attempt.key, page=1)
        return [tracker.compared(one, sent) for one in shown.items]


class TwoHundred(TrackerGateway):
    """Asks for the first 200 issues of a batch."""

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Forget the others."""
        return super().results(tickets[:200])


class LeavesOutTheWithdrawn(TrackerGateway):
    """Has no result for a closed issue."""

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Leave it out."""
        return {key: row for key, row in super().results(tickets).items() if row.word != "closed"}


class WithdrawnIsTerminated(TrackerGateway):
    """Has another status for a closed issue in its results."""

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Change it."""
        return {
            key: attrs.evolve(row, status=TicketStatus.TERMINATED) if row.word == "closed" else row
            for key, row in super().results(tickets).items()
        }


class SharesNumbers(TrackerGateway):
    """Gives each number to two issues, as a server does that has lost its counter."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Give the number of the older one."""
        answer = super().create(request)
        return attrs.evolve(answer, sn=older(answer.id)) if isinstance(answer, Created) else answer


class WithdrawsTheOlder(SharesNumbers):
    """Withdraws the older one of two issues with a number."""

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Close by the number."""
        return super().withdraw(attrs.evolve(ticket, id=ticket.sn), operator=operator, reason=reason)


class ReadsTheOlder(SharesNumbers):
    """Reads the older one of two issues with a number."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Ask by the number."""
        other = super().read(attrs.evolve(ticket, id=ticket.sn), decision_field=decision_field)
        return attrs.evolve(other, ticket_id=ticket.id)


class ResultsOfTheOlder(SharesNumbers):
    """Has the results of the older one of two issues with a number."""

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Ask by the numbers."""
        found = super().results([attrs.evolve(one, id=one.sn) for one in tickets])
        return {one.id: attrs.evolve(found[one.sn], ticket_id=one.id) for one in tickets if one.sn in found}


def older(number: str) -> str:
    """Return the number that the issue has in common with the one before or after it."""
    return str((int(number) - 1) // 2 * 2 + 1)


class OnlyOpen(TrackerGateway):
    """Looks among the open issues alone."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Leave out the others."""
        return [row for row in super().find_by_key(sent) if self._issue(row.id).state == "open"]


class Remembers(TrackerGateway):
    """Reads a ticket again only after a minute."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._seen: dict[str, Snapshot] = {}

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Answer as before."""
        seen = self._seen.get(ticket.id)
        if seen is None or self._now() - seen.seen_at > dt.timedelta(minutes=1):
            seen = self._seen[ticket.id] = super().read(ticket, decision_field=decision_field)
        return seen


class RemembersResults(TrackerGateway):
    """Keeps the results that it has read."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._found: dict[str, TicketResult] = {}

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Ask for those alone that it has not read."""
        self._found |= super().results([one for one in tickets if one.id not in self._found])
        return {one.id: self._found[one.id] for one in tickets if one.id in self._found}


class HidesTheDecider(TrackerGateway):
    """Takes the verdict, whoever gave it."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Say that a reviewer decided, and name nobody."""
        return attrs.evolve(super().read(ticket, decision_field=decision_field), approval_step=True, deciders=())


class NamesTheReviewer(TrackerGateway):
    """Takes the first reviewer for the person who decided."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Give the verdict to the reviewer."""
        snapshot = super().read(ticket, decision_field=decision_field)
        reviewer = self._issue(ticket.id).reviewers[0]
        deciders = tuple(attrs.evolve(one, user=reviewer) for one in snapshot.deciders)
        return attrs.evolve(snapshot, approval_step=True, deciders=deciders)


class NamesTheReviewerAlone(NamesTheReviewer):
    """Compares the decider with the reviewers, and then names the first reviewer."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Report no approval."""
        step = TrackerGateway.read(self, ticket, decision_field=decision_field).approval_step
        return attrs.evolve(super().read(ticket, decision_field=decision_field), approval_step=step)


class LeavesOutTheFailed(TrackerGateway):
    """Returns the results that it could read, and raises only if there is none."""

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Leave out those that could not be read."""
        found: dict[str, TicketResult] = {}
        failed: GatewayError | None = None
        for ticket in tickets:
            try:
                found |= super().results([ticket])
            except GatewayError as error:
                failed = error
        if failed is not None and not found:
            raise failed
        return found


class FailedIsRevoked(TrackerGateway):
    """Takes a ticket of a batch that it could not read for a withdrawn one."""

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Read them one by one."""
        found: dict[str, TicketResult] = {}
        for ticket in tickets:
            try:
                found |= super().results([ticket])
            except GatewayError:
                if len(tickets) == 1:
                    raise
                found[ticket.id] = TicketResult(
                    ticket_id=ticket.id,
                    sn=ticket.sn,
                    status=TicketStatus.REVOKED,
                    word="closed",
                    approve_result=False,
                )
        return found


class StopsAtABrokenPage(TrackerGateway):
    """Lists all issues, and takes an error after the first page for the end of the list."""

    end: type[GatewayError] = GatewayError

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Filter what was listed."""
        shown = self._calls.call(Page, "GET", "/issues", page=1)
        issues, page = list(shown.items), 1
        try:
            while shown.items:
                page += 1
                shown = self._calls.call(Page, "GET", "/issues", page=page)
                issues += shown.items
        except self.end:
            pass
        if any(len(one.external_id) > len(sent.attempt.key) or not one.external_id for one in issues):
            raise GatewayProtocolError("a key cannot be read", endpoint="/issues")
        return [tracker.compared(one, sent) for one in issues if one.external_id == sent.attempt.key]


class ReadsTheList(TrackerGateway):
    """Reads the results from the list of all issues, which a subclass goes through row by row."""

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Read every page, and then the rows."""
        rows: list[object] = []
        page = 1
        while shown := self._calls.call(dict, "GET", "/issues", page=page)["items"]:
            rows += shown
            page += 1
        return self._results(rows, tickets)

    def _results(self, rows: Sequence[object], tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        raise NotImplementedError


class DropsTheBatch(ReadsTheList):
    """Finds none of the results if one of the rows is damaged."""

    def _results(self, rows: Sequence[object], tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        try:
            issues = msgspec.convert(rows, list[Issue])
        except msgspec.ValidationError:
            return {}
        return {one.id: result_of(issue, one) for one in tickets for issue in issues if str(issue.id) == one.id}


class PairsByPlace(ReadsTheList):
    """Skips a damaged row, and takes the n-th of those that remain for the result of the n-th ticket."""

    def _results(self, rows: Sequence[object], tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        numbers = {int(one.id) for one in tickets}
        issues = [one for one in readable(rows) if one.id in numbers]
        issues.sort(key=lambda issue: issue.id)
        places = [one for one in sorted(tickets, key=lambda one: int(one.id)) if int(one.id) <= len(rows)]
        return {ticket.id: result_of(issue, ticket) for ticket, issue in zip(places, issues, strict=False)}


class DamagedIsRejected(ReadsTheList):
    """Takes a ticket whose row is damaged for a rejected one."""

    def _results(self, rows: Sequence[object], tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        found = {str(issue.id): issue for issue in readable(rows)}
        return {
            one.id: result_of(found[one.id], one)
            if one.id in found
            else TicketResult(
                ticket_id=one.id, sn=one.sn, status=TicketStatus.FINISHED, word="damaged", approve_result=False
            )
            for one in tickets
            if int(one.id) <= len(rows)
        }


class SkipsTheDamaged(TrackerGateway):
    """Finds the issues whose rows it can read, and raises only if there is none."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Leave out the others."""
        rows = self._calls.call(dict, "GET", "/issues", external_id=sent.attempt.key, page=1)["items"]
        found = [tracker.compared(one, sent) for one in readable(rows) if one.external_id == sent.attempt.key]
        if rows and not found:
            raise GatewayProtocolError("no row can be read", endpoint="/issues")
        return found


def readable(rows: Sequence[object]) -> list[Issue]:
    """Return the rows that can be read."""
    found = []
    for row in rows:
        with contextlib.suppress(msgspec.ValidationError):
            found.append(msgspec.convert(row, Issue))
    return found


def result_of(issue: Issue, ticket: Ticket) -> TicketResult:
    """Return the result of a ticket from a row of the list."""
    return TicketResult(
        ticket_id=ticket.id,
        sn=ticket.sn,
        status=tracker.STATUSES[issue.state],
        word=issue.state,
        approve_result=issue.state == "approved",
        closed_by=issue.decided_by or "",
    )


class KeepsAnEmptyLookUp(TrackerGateway):
    """Does not look again for a key that it has not found."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._absent: set[str] = set()

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Look once."""
        if sent.attempt.key in self._absent:
            return []
        found = super().find_by_key(sent)
        if not found:
            self._absent.add(sent.attempt.key)
        return found


class OthersMayReview(TrackerGateway):
    """Looks whether the reviewers who were asked are among those of the issue."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Forget the difference if they are."""
        return [
            without_differences_of("approvers", row)
            if set(sent.form.approvers) <= set(self._issue(row.id).reviewers)
            else row
            for row in super().find_by_key(sent)
        ]


class FewerMayReview(TrackerGateway):
    """Looks whether the reviewers of the issue are among those who were asked."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Forget the difference if they are."""
        return [
            without_differences_of("approvers", row)
            if set(self._issue(row.id).reviewers) <= set(sent.form.approvers)
            else row
            for row in super().find_by_key(sent)
        ]


def without_differences_of(part: str, row: FoundTicket) -> FoundTicket:
    """Return a found ticket without what differs in one part."""
    return attrs.evolve(row, differences=tuple(one for one in row.differences if not one.startswith(part)))


class PlainLetters(TrackerGateway):
    """Replaces the letters that ASCII does not have, and compares what remains."""

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Replace them."""
        return {**super().preview(request), "title": self.written(request.form.title)}

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Compare what was written."""
        form = attrs.evolve(sent.form, title=self.written(sent.form.title))
        return super().find_by_key(attrs.evolve(sent, form=form))

    def written(self, title: str) -> str:
        """Return the title as it is sent."""
        return title.encode("ascii", "replace").decode()


class ShortTitles(PlainLetters):
    """Cuts titles, and compares what remains."""

    def written(self, title: str) -> str:
        """Return the beginning."""
        return title[:60]


class AnHourBack(TrackerGateway):
    """Looks for the issues of the last hour."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Leave out the others."""
        shown = self._calls.call(Page, "GET", "/issues", external_id=sent.attempt.key, page=1)
        since = self._now() - dt.timedelta(hours=1)
        return [tracker.compared(one, sent) for one in shown.items if one.created_at > since]


class IgnoresTheCase(TrackerGateway):
    """Looks for the key in any case."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """List all issues, and filter."""
        shown = self._calls.call(Page, "GET", "/issues", page=1)
        key = sent.attempt.key
        return [attrs.evolve(tracker.compared(one, sent), key=key) for one in shown.items if self.carries(one, key)]

    def carries(self, issue: Issue, key: str) -> bool:
        """Return whether the issue carries the key."""
        return issue.external_id.casefold() == key.casefold()


class BeginsWithTheKey(IgnoresTheCase):
    """Looks for issues whose key begins with the key."""

    def carries(self, issue: Issue, key: str) -> bool:
        """Return whether the issue carries the key."""
        return issue.external_id.startswith(key)


class ErrorIsNothing(TrackerGateway):
    """Takes an error that has the status of a success for an empty list."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Read what is there."""
        shown = self._calls.call(dict, "GET", "/issues", external_id=sent.attempt.key, page=1)
        return [tracker.compared(one, sent) for one in msgspec.convert(shown.get("items", []), list[Issue])]


class SeesTomorrow(TrackerGateway):
    """Writes the time of a look in another zone than it says."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Take eight hours for UTC."""
        snapshot = super().read(ticket, decision_field=decision_field)
        return attrs.evolve(snapshot, seen_at=snapshot.seen_at + dt.timedelta(hours=8))


class RefusedIsNothing(TrackerGateway):
    """Takes every refusal for that of a number that no issue has."""

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Do not look at the code."""
        try:
            return [tracker.compared(self._issue(sn), sent)]
        except GatewayRefused:
            return []


class RefusedIsAnotherEnd(TrackerGateway):
    """Takes every refusal of a withdrawal for that of an issue that has ended."""

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Do not look at the code, unless it is that of an issue that does not exist."""
        try:
            return super().withdraw(ticket, operator=operator, reason=reason)
        except GatewayRefused as error:
            if error.remote_code == tracker.NOT_FOUND:
                raise
            return Withdrawal.ENDED


class RefusedIsTheLastPage(TrackerGateway):
    """Lists all issues, and takes a refusal after the first page for the end of the list."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Filter what was listed."""
        shown = self._calls.call(Page, "GET", "/issues", page=1)
        issues, page = list(shown.items), 1
        with contextlib.suppress(GatewayRefused):
            while shown.items:
                page += 1
                shown = self._calls.call(Page, "GET", "/issues", page=page)
                issues += shown.items
        return [tracker.compared(one, sent) for one in issues if one.external_id == sent.attempt.key]


class FivePages(TrackerGateway):
    """Lists all issues, and reads five pages at most."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Filter what was listed."""
        issues = [one for page in range(1, 6) for one in self._calls.call(Page, "GET", "/issues", page=page).items]
        return [tracker.compared(one, sent) for one in issues if one.external_id == sent.attempt.key]


class FivePagesOfTheKey(TrackerGateway):
    """Lists the issues with the key, and reads five pages at most."""

    most = 5

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Stop there."""
        key = sent.attempt.key
        pages = [self._calls.call(Page, "GET", "/issues", external_id=key, page=1 + page) for page in range(self.most)]
        return [tracker.compared(one, sent) for shown in pages for one in shown.items]


class TwelvePagesOfTheKey(FivePagesOfTheKey):
    """Reads twelve pages at most."""

    most = 12


class LateHasNoResult(TrackerGateway):
    """Takes a single result that did not come in time for that of an issue that does not exist."""

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Raise for several."""
        try:
            return super().results(tickets)
        except GatewayTimeout:
            if len(tickets) > 1:
                raise
            return {}


class LeavesOutTheLate(TrackerGateway):
    """Leaves out the results of several that did not come in time."""

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Go on with the next ticket."""
        if len(tickets) == 1:
            return super().results(tickets)
        found: dict[str, TicketResult] = {}
        for ticket in tickets:
            with contextlib.suppress(GatewayTimeout):
                found |= super().results([ticket])
        return found


class LateIsNothing(TrackerGateway):
    """Takes an answer that did not come in time for that of a number that no issue has."""

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Answer with an empty list."""
        try:
            return super().find_by_sn(sn, sent)
        except GatewayTimeout:
            return []


class LateIsDone(TrackerGateway):
    """Takes a withdrawal that was not answered in time for one that was carried out."""

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Look only at other errors."""
        try:
            self._issue(ticket.id)
            return super().withdraw(ticket, operator=operator, reason=reason)
        except GatewayTimeout:
            return Withdrawal.DONE


class StopsAtALatePage(StopsAtABrokenPage):
    """Takes a page that did not come in time for the end of the list."""

    end = GatewayTimeout


class StopsAtABrokenPageOfTheKey(TrackerGateway):
    """Lists the issues with the key, and takes an error after the first page for the end of the list."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return what was listed."""
        key = sent.attempt.key
        shown = self._calls.call(Page, "GET", "/issues", external_id=key, page=1)
        issues, page = list(shown.items), 1
        with contextlib.suppress(GatewayError):
            while shown.items:
                page += 1
                shown = self._calls.call(Page, "GET", "/issues", external_id=key, page=page)
                issues += shown.items
        return [tracker.compared(one, sent) for one in issues]


class SharesWhatItRead(TrackerGateway):
    """Keeps what it has read in the object, which all threads share, while it asks for more."""

    def __init__(self, url: str, token: str, *, deadline: float) -> None:
        super().__init__(url, token, deadline=3 * deadline)  # the requests of all threads meet

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Read the issue, and then its page in the list."""
        self._snapshot = super().read(ticket, decision_field=decision_field)
        self._calls.call(Page, "GET", "/issues", page=1)
        return attrs.evolve(self._snapshot, ticket_id=ticket.id)


class SharesItsResults(SharesWhatItRead):
    """The same in its results alone."""

    read = TrackerGateway.read

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Return those of the tickets that were kept last."""
        self._tickets = tickets
        found = super().results(tickets)
        return {one.id: found[one.id] for one in self._tickets if one.id in found}


class SharesWhatWasSent(SharesWhatItRead):
    """Keeps what was sent in the object, and compares with it."""

    read = TrackerGateway.read

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Compare with what was kept last."""
        self._sent = sent
        rows = super().find_by_key(sent)
        return [attrs.evolve(row, differences=("title: another",)) if self._sent is not sent else row for row in rows]


class SharesTheTicket(SharesWhatItRead):
    """Keeps the ticket to withdraw in the object."""

    read = TrackerGateway.read

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Look whether it is there, and withdraw the one that was kept last."""
        self._ticket = ticket
        self._issue(ticket.id)
        return super().withdraw(self._ticket, operator=operator, reason=reason)


class TrustsTheNumber(TrackerGateway):
    """Compares nothing of the issue that has the number."""

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Forget the differences."""
        return [attrs.evolve(row, differences=()) for row in super().find_by_sn(sn, sent)]


class WaitsForTheServices(TrackerGateway):
    """Asks for the services without a deadline."""

    def services(self) -> Sequence[Service]:
        """Ask, and then answer what it knows."""
        patient = tracker.TrackerCalls(self._calls._url, "", 1000.0)
        with contextlib.closing(patient), contextlib.suppress(GatewayError):
            patient.call(Page, "GET", "/issues", page=1)
        return super().services()


class DropsTheOffset(TrackerGateway):
    """Reads the local times of a server in UTC+8 as if they were in UTC."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Compare such a time."""
        zone = dt.timezone(dt.timedelta(hours=8))
        issues = [self._issue(row.id) for row in super().find_by_key(sent)]
        for one in issues:
            one.created_at = one.created_at.astimezone(zone).replace(tzinfo=dt.UTC)
        return [tracker.compared(one, sent) for one in issues]


class DropsTheAddress(TrackerGateway):
    """Sends no address to call back."""

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Leave it out."""
        return {**super().preview(request), "callback_url": None}


class KeepsTheAddress(TrackerGateway):
    """Sends the address of an earlier create if it gets none."""

    _address: object = None

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Keep it."""
        body = super().preview(request)
        self._address = body["callback_url"] or self._address
        return {**body, "callback_url": self._address}


class IgnoresTheCaseOfTheTitle(TrackerGateway):
    """Compares titles in any case."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Forget the difference if the letters are the same."""
        return [
            without_differences_of("title", row) if row.title.casefold() == sent.form.title.casefold() else row
            for row in super().find_by_key(sent)
        ]


class WithdrawnIsRejected(TrackerGateway):
    """Reads a closed issue as one that was rejected."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Take it for decided."""
        snapshot = super().read(ticket, decision_field=decision_field)
        return attrs.evolve(snapshot, status=TicketStatus.FINISHED) if snapshot.word == "closed" else snapshot


BROKEN: Mapping[type[TrackerGateway], tuple[str, str]] = {
    FilesTwo: ("a create files one ticket, and answers with its id and number", "the server has ['1', '2'], not ['2']"),
    AsksBefore: ("a form is checked and shown without a request", "check_form or preview sent a request"),
    NeverNotSent: (
        "a create that could not connect was not sent",
        "nothing listens at the address, and create answered Unknown(",
    ),
    LostIsNotSent: (
        "a create whose answer is lost or unusable is unknown",
        "create answered NotSent(problem='/issues: the connection broke'), but the server may have made",
    ),
    LostIsRefused: (
        "a create whose answer is lost or unusable is unknown",
        "create answered Refused(remote_code=500, message='/issues: the connection broke'), but the server",
    ),
    ShowsThePlainForm: ("a create sends what was previewed", "'reviewers': [], 'fields'"),
    NoStepWaits: (
        "a ticket waits until a person decides",
        "bob has not decided ticket 1, and read says that no step waits for it",
    ),
    IgnoresTheField: (
        "the field that decides is read",
        "ticket 1 has true in 'agreed', and read says the decision None",
    ),
    MissingIsWithdrawn: (
        "a withdrawal says done only if it is",
        "no ticket has the id 999999999, and its withdrawal answered done",
    ),
    Raises: (
        "a create whose answer is lost or unusable is unknown",
        "create raised GatewayProtocolError: /issues: the connection broke: it must answer Unknown",
    ),
    Repeats: ("a create sends its request once", "the connection ends before the answer: one create made 2 tickets"),
    RepeatsAfterATimeOut: (
        "a create ends by itself, and is not sent again",
        "the server never answers: one create sent POST /issues more than once",
    ),
    Follows: ("a create follows no redirect", "create followed a redirect (HTTP 301) to another address"),
    WaitsForEver: (
        "a create ends by itself, and is not sent again",
        "the server never answers: create had not ended after 4 s",
    ),
    WaitsForEachByte: (
        "a create ends by itself, and is not sent again",
        "the answer comes byte by byte without an end: create had not ended after 4 s",
    ),
    GuessesTheId: (
        "a damaged answer to a create names no other ticket",
        "create answered with ticket 1, and the server made ['2']",
    ),
    Shares: ("creates of several threads do not mix", ", and the ticket with that key is"),
    Uninterrupted: ("Ctrl-C ends a create", "create was interrupted by Ctrl-C, and answered Unknown("),
    FirstPage: (
        "a ticket is found by its key among many",
        "250 tickets are filed, and find_by_key found nothing instead of ticket 250",
    ),
    OnlyOpen: ("a ticket that has ended is found by its key", "ticket 1 was approved, and find_by_key found nothing"),
    Remembers: (
        "a ticket that was read before is read again",
        "after it was read, and read still says status RUNNING, approve_result False, approval_step True",
    ),
    RemembersResults: (
        "a ticket that was read before is read again",
        "after its result was read, and results still says",
    ),
    FindsAll: (
        "a key that no ticket carries finds nothing",
        "find_by_key found ticket 1 (title: sent Open a port 2, shows Open a port 1) for a key of no ticket",
    ),
    TrustsTheKey: (
        "another ticket with our key is not ours",
        "the ticket's title differ from what was sent, and find_by_key says it is ours",
    ),
    ComparesTheBeginning: (
        "another ticket with our key is not ours",
        "the ticket's last words of the title differ from what was sent, and find_by_key says",
    ),
    EmptyAfterAnError: (
        "a look-up that could not look raises",
        "the connection ends before the answer: find_by_key returned []",
    ),
    EndlessLook: (
        "a look-up and a read end by themselves",
        "the server never answers: find_by_key had not ended after 4 s",
    ),
    RejectionIsApproval: ("a ticket waits until a person decides", "bob rejected ticket 3, and read says"),
    ReadsByNumber: (
        "the id decides which ticket is read",
        "ticket 2 was approved, and read says so of ticket 1 with the other one's number",
    ),
    LeavesOutTheLast: ("the results of many equal those of one by one", "those of one by one: ticket 4 is left out"),
    UnknownIsRejected: ("a damaged answer decides nothing", "a damaged answer makes ticket 2 rejected"),
    FiltersQuietly: ("a damaged answer hides no ticket", "one damaged value hides ticket 1: find_by_key found nothing"),
    StaysBroken: ("a call after a failed one works", "the connection is closed was raised although nothing failed"),
    WithdrawsOnce: (
        "a withdrawal ends the ticket, also the second time",
        "the second withdrawal of the open ticket 1 answered ENDED; it must answer DONE",
    ),
    EndedIsDone: (
        "a withdrawal changes no ticket that has ended",
        "ticket 1 was approved, and its withdrawal answered DONE; it must answer ENDED",
    ),
    WithdrawsByNumber: (
        "a withdrawal withdraws by the id",
        "ticket 1 was withdrawn with the number 2, and ticket 2 ended",
    ),
    HopefullyDone: (
        "a withdrawal says done only if it is",
        "the connection ends before the answer: withdraw answered done",
    ),
    ShowsItsHeaders: (
        "no secret is shown",
        "read of a ticket that does not exist shows TicketSystem.secrets[0] in its answer or error",
    ),
    ShowsItsHeadersWhenAlone: (
        "no secret is shown",
        "nothing listens at the address: create shows TicketSystem.secrets[0] in its answer or error",
    ),
    RaisesWhenRefused: (
        "a create that the server refuses is refused",
        "create raised GatewayRefused: /issues: the tracker refused (code 4220): it must answer Refused",
    ),
    RefusedIsNotSent: (
        "a create that the server refuses is refused",
        "the server refused the form, and create answered NotSent(",
    ),
    RaisesWithoutAConnection: (
        "a create that could not connect was not sent",
        "could not be reached: it must answer NotSent",
    ),
    RefusesTheSecondWithdrawal: (
        "a withdrawal ends the ticket, also the second time",
        "the second withdrawal of the open ticket 1 raised GatewayRefused: /issues/1/close: the tracker refused",
    ),
    TakesAnyIssue: (
        "an answer about another ticket is not taken",
        "the server answered with ticket 2, which is approved, and read says so of ticket 1",
    ),
    TakesAnyResult: (
        "an answer about another ticket is not taken",
        "the server answered with ticket 2, which is approved, and results says so of ticket 1",
    ),
    FirstPageOfTheKey: (
        "all tickets with one key are found",
        "130 tickets carry one key, and find_by_key found 10 of them, without ['100', '101'",
    ),
    TwoHundred: (
        "the results of hundreds are whole",
        "results of 250 tickets left out 50, of which 201, 202, 203 are the first",
    ),
    LeavesOutTheWithdrawn: (
        "the results of many equal those of one by one",
        "ticket 4 was withdrawn, and results leaves it out",
    ),
    WithdrawnIsTerminated: (
        "the results of many equal those of one by one",
        "ticket 4 was withdrawn, and results says the status TERMINATED, and read REVOKED",
    ),
    WithdrawsTheOlder: (
        "a withdrawal withdraws by the id",
        "ticket 4 was withdrawn with the number 3, and ticket 3 ended",
    ),
    ReadsTheOlder: (
        "the id decides which ticket is read",
        "ticket 3 was approved, and read says so of ticket 4 with the other one's number",
    ),
    ResultsOfTheOlder: (
        "the id decides which ticket is read",
        "ticket 3 was approved, and results say so of ticket 4 with the other one's number",
    ),
    QuotesAfterATimeOut: (
        "no secret is shown",
        "the server never answers: ",
    ),
    QuotesWhenRefused: (
        "no secret is shown",
        "nothing failed: read of a ticket that does not exist shows TicketSystem.secrets[0] in its answer or error",
    ),
    QuotesInBase64: (
        "no secret is shown",
        "nothing listens at the address: create shows TicketSystem.secrets[0] in base64 in its answer or error",
    ),
    QuotesInTheCause: (
        "no secret is shown",
        "the answer is a redirect: find_by_key shows TicketSystem.secrets[0] in its answer or error",
    ),
    ShowsTheTokenInThePreview: (
        "no secret is shown",
        "nothing failed: preview shows TicketSystem.secrets[0] in its text",
    ),
    Prints: ("no secret is shown", "shows TicketSystem.secrets[0] in what it prints"),
    Warns: ("no secret is shown", "shows TicketSystem.secrets[0] in a log line"),
    HidesTheDecider: (
        "another person's approval is not reported as an approver's",
        "is not one of its approvers, and read reports an approval without the name",
    ),
    NamesTheReviewer: (
        "another person's approval is not reported as an approver's",
        "carol alone decided ticket 1, and read says status FINISHED, approve_result True",
    ),
    NamesTheReviewerAlone: (
        "another person's approval is not reported as an approver's",
        "carol alone decided ticket 1, and read says status FINISHED, approve_result True",
    ),
    LeavesOutTheFailed: (
        "a failed request among several hides no ticket",
        "the connection ends before the answer, in request 1 of 3: results returned the open tickets",
    ),
    FailedIsRevoked: (
        "a failed request among several hides no ticket",
        "the connection ends before the answer, in request 1 of 3: results returned the open tickets",
    ),
    StopsAtABrokenPage: (
        "a failed request among several hides no ticket",
        "in request 2 of 4: find_by_key returned the open tickets set(), and without the fault {'30'}",
    ),
    DropsTheBatch: (
        "a damaged row among several spoils no other",
        "results changed or lost the tickets ['3', '4', '5']: ticket 3 is left out; ticket 4 is left out; ticket 5 is",
    ),
    PairsByPlace: (
        "a damaged row among several spoils no other",
        "results changed or lost the tickets ['3', '4', '5']: ticket 5 is left out; ticket 3 differs: status FINISHED",
    ),
    DamagedIsRejected: (
        "a damaged row among several spoils no other",
        "results decided another way than before: ticket 3 differs: status FINISHED instead of RUNNING, word 'damaged'",
    ),
    SkipsTheDamaged: (
        "a damaged row among several spoils no other",
        "find_by_key found the tickets ['2'] instead of ['1', '2']",
    ),
    KeepsAnEmptyLookUp: (
        "a key that no ticket carries finds nothing",
        "ticket 2 was filed after a look-up that found nothing, and find_by_key found nothing",
    ),
    OthersMayReview: (
        "another ticket with our key is not ours",
        "the ticket asks carol besides the approvers who were sent, and find_by_key says it is ours",
    ),
    FewerMayReview: (
        "another ticket with our key is not ours",
        "the ticket's approvers, without one of those who were sent, differ from what was sent",
    ),
    PlainLetters: (
        "a title of any letters is filed and found whole",
        "and find_by_key found ticket 1 with the title '?? 443 ??",
    ),
    ShortTitles: (
        "a title of any letters is filed and found whole",
        "the shop and the shop and the'",
    ),
    AnHourBack: (
        "a ticket is found by its key days later",
        "ticket 1 was filed 2 days ago, by the times in the answers, and find_by_key found nothing",
    ),
    IgnoresTheCase: (
        "a key that no ticket carries finds nothing",
        "find_by_key found ticket 1 as ours for the ticket's key in the other case",
    ),
    BeginsWithTheKey: (
        "a key that no ticket carries finds nothing",
        "find_by_key found ticket 1 as ours for the ticket's key without its last character",
    ),
    ErrorIsNothing: (
        "a look-up that could not look raises",
        'the answer is HTTP 200 with the error {"error": {"code": 500, "message": "internal error"}}: find_by_key',
    ),
    SeesTomorrow: ("a ticket that was read before is read again", ", and read says it was seen at 20"),
    RefusedIsNothing: (
        "a refused look-up is not answered as none",
        '"the token may not read issues"}: find_by_sn returned [] instead of raising a GatewayError',
    ),
    RefusedIsAnotherEnd: (
        "a withdrawal says done only if it is",
        '{"code": 4031, "message": "the token may not read issues"}: withdraw answered ended',
    ),
    RefusedIsTheLastPage: (
        "a failed request among several hides no ticket",
        '"the token may not read issues"}, in request 2 of 4: find_by_key returned the open tickets set()',
    ),
    FivePages: (
        "a ticket is found by its key among many",
        "250 tickets are filed, and find_by_key found nothing instead of ticket 250",
    ),
    FivePagesOfTheKey: (
        "all tickets with one key are found",
        "130 tickets carry one key, and find_by_key found 50 of them, without ['100', '101'",
    ),
    TwelvePagesOfTheKey: (
        "all tickets with one key are found",
        "130 tickets carry one key, and find_by_key found 120 of them, without ['121', '122'",
    ),
    LateHasNoResult: (
        "a look-up and a read end by themselves",
        "the server never answers: results returned {} instead of raising a GatewayError",
    ),
    LeavesOutTheLate: (
        "a failed request among several hides no ticket",
        "the server never answers, in request 1 of 3: results returned the open tickets",
    ),
    LateIsNothing: (
        "a look-up and a read end by themselves",
        "the server never answers: find_by_sn returned [] instead of raising a GatewayError",
    ),
    LateIsDone: ("a withdrawal says done only if it is", "the server never answers: withdraw answered done"),
    StopsAtALatePage: (
        "a failed request among several hides no ticket",
        "the server never answers, in request 2 of 4: find_by_key returned the open tickets set()",
    ),
    StopsAtABrokenPageOfTheKey: (
        "a failed request among several hides no ticket",
        "in request 2 of 4: find_by_key of many tickets with one key returned the open tickets",
    ),
    SharesWhatItRead: (
        "reads and withdrawals of several threads do not mix",
        "4 threads call read at the same time, and for ticket ",
    ),
    SharesItsResults: (
        "reads and withdrawals of several threads do not mix",
        "4 threads call results at the same time, and for ticket ",
    ),
    SharesWhatWasSent: (
        "reads and withdrawals of several threads do not mix",
        "4 threads call find_by_key at the same time, and for ticket ",
    ),
    SharesTheTicket: (
        "reads and withdrawals of several threads do not mix",
        "4 threads call withdraw at the same time, and for ticket ",
    ),
    TrustsTheNumber: (
        "another ticket with our key is not ours",
        "the ticket's title differ from what was sent, and find_by_sn says it is ours",
    ),
    WaitsForTheServices: (
        "a look-up and a read end by themselves",
        "the server never answers: services had not ended after 4 s",
    ),
    DropsTheOffset: (
        "another ticket with our key is not ours",
        "ticket 1 is older than the submission, by 0:14:00, and find_by_key says it is ours",
    ),
    DropsTheAddress: (
        "a create sends the address to call back",
        "nothing that create sent contains the address https://host.example.com/callback/",
    ),
    KeepsTheAddress: (
        "a create sends the address to call back",
        "no address was passed, and create sent https://host.example.com/callback/",
    ),
    IgnoresTheCaseOfTheTitle: (
        "another ticket with our key is not ours",
        "the ticket's title, in the case of its letters, differ from what was sent, and find_by_key says it is ours",
    ),
    WithdrawnIsRejected: (
        "a withdrawal ends the ticket, also the second time",
        "ticket 1 was withdrawn, and read says status FINISHED",
    ),
}
"""By gateway, the promise that it breaks, and a part of the reason that its defect alone gives."""


class TrackerOf(Tracker):
    """The tracker with another gateway."""

    decision_field = "agreed"
    patience = 4.0

    def __init__(self, kind: type[TrackerGateway]) -> None:
        super().__init__()
        self._kind = kind

    def form(self, title: str) -> Form:
        """Return a form whose field is the one that decides."""
        form = super().form(title)
        return attrs.evolve(form, fields={**form.fields, self.decision_field: "true"})

    def gateway(self, url: str) -> TicketGateway:
        """Return the broken gateway."""
        return self._kind(url, self.secrets[0], deadline=1.0)


PATIENT = {
    EndlessLook,
    LateIsDone,
    LateHasNoResult,
    LateIsNothing,
    LeavesOutTheLate,
    QuotesAfterATimeOut,
    RepeatsAfterATimeOut,
    StopsAtALatePage,
    TwoHundred,
    WaitsForEachByte,
    WaitsForEver,
    WaitsForTheServices,
}
"""The check takes a second or more for each of these, mostly since it waits for what does not end."""


@pytest.mark.parametrize(
    ("kind", "promise", "reason"),
    [
        pytest.param(kind, *found, id=kind.__name__, marks=[pytest.mark.long] if kind in PATIENT else [])
        for kind, found in BROKEN.items()
    ],
)
def test_the_defect_is_found(kind: type[TrackerGateway], promise: str, reason: str) -> None:
    """By the promise that names it, and for the reason that its defect gives."""
    report = check_gateway(partial(TrackerOf, kind), only=[promise])
    assert list(report.broken) == [promise]
    assert reason in report.broken[promise]


def test_each_promise_can_be_broken() -> None:
    """A promise that no gateway breaks would test nothing."""
    assert {promise for promise, _ in BROKEN.values()} == set(PROMISES)


class NamedIds(TrackerGateway):
    """Writes the id of an issue in another form, and turns it back when it asks."""

    form = "PRJ-{}"

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Write the id."""
        answer = super().create(request)
        return attrs.evolve(answer, id=self.form.format(answer.id)) if isinstance(answer, Created) else answer

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """The same."""
        return [attrs.evolve(row, id=self.form.format(row.id)) for row in super().find_by_key(sent)]

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """The same."""
        return [attrs.evolve(row, id=self.form.format(row.id)) for row in super().find_by_sn(sn, sent)]

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Ask by the number in the id."""
        snapshot = super().read(self._asked(ticket), decision_field=decision_field)
        return attrs.evolve(snapshot, ticket_id=ticket.id)

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """The same."""
        found = super().results([self._asked(one) for one in tickets])
        return {self.form.format(key): attrs.evolve(row, ticket_id=self.form.format(key)) for key, row in found.items()}

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """The same."""
        return super().withdraw(self._asked(ticket), operator=operator, reason=reason)

    def _asked(self, ticket: Ticket) -> Ticket:
        return attrs.evolve(ticket, id=ticket.id[4:])


class SlashedIds(NamedIds):
    """Writes it in a form that the library does not store."""

    form = "PRJ/{}"


class NamedTracker(TrackerOf):
    """A tracker whose issues have a project before their number."""

    missing = "PRJ-999999999"
    _form = "PRJ-{}"

    def tickets(self) -> Sequence[str]:
        """Return the ids with the project."""
        return [self._form.format(one) for one in super().tickets()]

    def approve(self, ticket_id: str, user: str) -> None:
        """Approve by the number."""
        super().approve(ticket_id[4:], user)

    def reject(self, ticket_id: str, user: str) -> None:
        """Reject by the number."""
        super().reject(ticket_id[4:], user)


NEED_A_TICKET = ["a create files one ticket", "a withdrawal withdraws by the id", "the id decides", "one by one"]
"""Promises that file tickets, by a part of each."""


def test_an_id_is_any_plain_text() -> None:
    """A tracker whose ids are not numbers needs no numbers of its own."""
    report = check_gateway(partial(NamedTracker, NamedIds), only=NEED_A_TICKET)
    assert [str(one.outcome) for one in report.results] == ["kept"] * len(NEED_A_TICKET)


def test_an_id_that_cannot_be_stored_is_reported_once() -> None:
    """With what to do; the other promises that file a ticket are skipped, and the rest is tested."""
    report = check_gateway(partial(NamedTracker, SlashedIds), only=[*NEED_A_TICKET, "could not connect"])
    first, connects, *others = report.results
    assert str(connects.outcome) == "kept"
    assert list(report.broken) == [first.promise]
    assert first.reason.startswith(
        "create answered with the id 'PRJ/1' and the number '1', but its id is not 1 to 64 of the letters A to Z"
    )
    assert first.reason.endswith(
        "let the gateway write it in this form wherever it returns a ticket, and turn it back when it asks the server"
    )
    assert {one.reason for one in others} == {
        "no ticket can be filed with an id that the library stores: see the broken promise above"
    }
    assert {str(one.outcome) for one in others} == {"skipped"}


PAGES = "all tickets with one key are found"


class OneForEachKey(TrackerGateway):
    """A tracker that files one issue for each key."""

    def create(self, request: CreateRequest) -> CreateAnswer:
        """Answer with the issue that is there."""
        shown = self._calls.call(Page, "GET", "/issues", external_id=request.attempt.key, page=1)
        if shown.items:
            return Created(id=str(shown.items[0].id), sn=str(shown.items[0].id), url="")
        return super().create(request)


def test_pages_of_one_key_are_skipped_if_there_are_none() -> None:
    """A ticket system may file one ticket for each key."""
    report = check_gateway(partial(TrackerOf, OneForEachKey), only=[PAGES])
    assert report.skipped[PAGES].startswith("the server files no second ticket with one key: create answered Created(")


class SmallPages(TrackerOf):
    """A tracker that says how many issues it lists on one page."""

    page_size = 10


def test_a_known_page_size_bounds_the_tickets() -> None:
    """Enough for thirteen pages."""
    report = check_gateway(partial(SmallPages, FirstPageOfTheKey), only=[PAGES])
    assert report.broken[PAGES].startswith("121 tickets carry one key, and find_by_key found 10 of them")


def test_a_failed_request_is_tested_if_the_server_files_one_ticket_for_each_key() -> None:
    """The list of all tickets has several pages then, too."""
    report = check_gateway(partial(TrackerOf, OneForEachKey), only=["a failed request among several"])
    assert [str(one.outcome) for one in report.results] == ["kept"]


class OneAtATime(TrackerGateway):
    """Makes one request after the other, in whichever thread."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        calls, lock = cast("Any", self._calls), threading.Lock()
        call = self._calls.call

        def alone(*arguments: Any, **options: Any) -> object:
            with lock:
                return call(*arguments, **options)

        calls.call = alone


@pytest.mark.long
def test_a_gateway_with_a_lock_does_not_mix() -> None:
    """Its threads cannot all send a request before the first one is answered."""
    report = check_gateway(partial(TrackerOf, OneAtATime), only=["reads and withdrawals of several threads"])
    assert [str(one.outcome) for one in report.results] == ["kept"]


@pytest.mark.parametrize("hours", [8, -8])
def test_a_server_in_another_time_zone_is_no_defect(hours: int) -> None:
    """Its times have their offset."""
    zone = dt.timezone(dt.timedelta(hours=hours))
    report = check_gateway(partial(Tracker, lambda: dt.datetime.now(zone)), only=["another ticket with", "days later"])
    assert [str(one.outcome) for one in report.results] == ["kept", "kept"]


def test_the_address_is_tested_if_the_server_calls_back() -> None:
    """The reason names what to set."""
    address = "a create sends the address to call back"
    report = check_gateway(type("System", (Tracker,), {"callbacks": False}), only=[address])
    assert report.skipped == {address: "TicketSystem.callbacks is False: set it if the server calls an address back"}


class LargePages(SmallPages):
    """A tracker of which thirteen pages would be too many tickets for the check."""

    batch = 100


def test_large_pages_bound_the_tickets() -> None:
    """At the size of a batch, or at enough for six pages."""
    report = check_gateway(partial(LargePages, FirstPageOfTheKey), only=[PAGES])
    assert report.broken[PAGES].startswith("100 tickets carry one key, and find_by_key found 10 of them")
    system = type("System", (LargePages,), {"batch": 1})
    report = check_gateway(partial(system, FirstPageOfTheKey), only=[PAGES])
    assert report.broken[PAGES].startswith("51 tickets carry one key, and find_by_key found 10 of them")


NO_REFUSALS = "a create that the server refuses is refused"


class RefusesNothing(TrackerOf):
    """A tracker that takes every form."""

    refused_form = TicketSystem.refused_form


class RefusesByMistake(TrackerOf):
    """Names a form that the tracker takes."""

    def refused_form(self, title: str) -> Form:
        """Return a valid one."""
        return self.form(title)


def test_a_refusal_is_tested_if_there_is_one() -> None:
    """The reason names what to define, and a form that is not refused is not the gateway's defect alone."""
    skipped = check_gateway(partial(RefusesNothing, TrackerGateway), only=[NO_REFUSALS]).skipped
    assert skipped[NO_REFUSALS] == (
        "RefusesNothing.refused_form is not defined: define it if the server can refuse a form"
    )
    broken = check_gateway(partial(RefusesByMistake, TrackerGateway), only=[NO_REFUSALS]).broken
    assert "TicketSystem.refused_form returned: return one that it refuses" in broken[NO_REFUSALS]


REFUSED = "a refused look-up is not answered as none"


class RefusesByNoForm(Tracker):
    """A tracker whose author does not say how it refuses."""

    refusals = TicketSystem.refusals

    def __init__(self) -> None:
        super().__init__(deadline=2.0)


def test_a_refused_look_up_is_tested_if_the_form_of_a_refusal_is_known() -> None:
    """The reason shows what to return."""
    report = check_gateway(RefusesByNoForm, only=[REFUSED])
    assert report.broken == {}
    assert report.skipped == {
        REFUSED: "RefusesByNoForm.refusals is not defined: return what the server answers to a request that it "
        'refuses, such as [(403, {"code": 4030, "message": "not permitted"})]'
    }


@pytest.mark.long
def test_a_withdrawal_is_tested_without_the_form_of_a_refusal() -> None:
    """Its other failures need none."""
    system = type("System", (Tracker,), {"refusals": TicketSystem.refusals})
    report = check_gateway(partial(system, deadline=5.0), only=["says done only if it is"])
    assert [str(one.outcome) for one in report.results] == ["kept"]


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ((403, {"code": 4030}), "not 403 in it"),
        ({"code": 4030}, "not {'code': 4030}"),
        ([("403", {"code": 4030})], "not ('403', {'code': 4030}) in it"),
        ([(403, {"code": 4030}, {})], "not (403, {'code': 4030}, {}) in it"),
        ([(99, {"code": 4030})], "not (99, {'code': 4030}) in it"),
        ([(403, b"no")], "b'no' is not JSON (Object of type bytes is not JSON serializable)"),
        ([(403, {"code": float})], "is not JSON"),
    ],
)
def test_a_refusal_of_another_form_is_explained(returned: object, reason: str) -> None:
    """A slip of the author is not the gateway's defect."""
    system = type("System", (Tracker,), {"refusals": lambda _self: returned})
    report = check_gateway(system, only=[REFUSED])
    assert report.broken[REFUSED].startswith("TicketSystem.refusals must return a list of pairs of an HTTP status")
    assert reason in report.broken[REFUSED]


def test_no_refusal_skips() -> None:
    """An empty list tests nothing."""
    system = type("System", (Tracker,), {"refusals": lambda _self: []})
    assert check_gateway(system, only=[REFUSED]).skipped == {REFUSED: "TicketSystem.refusals returned an empty list"}


class Nameless(Tracker):
    """A tracker whose answers to a read do not show the id."""

    patience = 4.0

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, object]:
        """Leave it out."""
        status, shown = super().answer(method, path, body)
        if method == "GET" and isinstance(shown, dict) and "id" in shown:
            shown = {key: value for key, value in shown.items() if key != "id"}
        return status, shown

    def gateway(self, url: str) -> TicketGateway:
        """Return a gateway that needs none."""
        return ReadsWithoutAnId(url, self.secrets[0], deadline=1.0)


class ReadsWithoutAnId(TrackerGateway):
    """Reads issues whose answers have no id."""

    def _issue(self, number: str) -> Issue:
        shown = self._calls.call(dict, "GET", f"/issues/{number}")
        return msgspec.convert({**shown, "id": int(number)}, Issue)


def test_an_answer_without_an_id_cannot_be_compared() -> None:
    """The gateway is not blamed for it."""
    swapped = "an answer about another ticket is not taken"
    report = check_gateway(Nameless, only=[swapped])
    assert report.skipped == {swapped: "no answer to a read shows the id of its ticket, so none can be compared"}


class OnlyApprovers(TrackerOf):
    """A tracker in which nobody but a reviewer can decide."""

    approve_by_other = TicketSystem.approve_by_other


PROMISE_ABOUT_OTHERS = "another person's approval is not reported as an approver's"


def test_a_promise_that_cannot_be_tested_is_skipped() -> None:
    """It counts neither as kept nor as broken, and the reason names what to define."""
    report = check_gateway(partial(OnlyApprovers, TrackerGateway), only=[PROMISE_ABOUT_OTHERS])
    reason = "OnlyApprovers.approve_by_other is not defined: define it if others than the approvers can decide"
    assert report.broken == {}
    assert report.skipped == {PROMISE_ABOUT_OTHERS: reason}


def test_a_promise_that_cannot_be_tested_is_a_skipped_test() -> None:
    """With pytest, too."""
    with OnlyApprovers(TrackerGateway) as system, pytest.raises(pytest.skip.Exception, match="approve_by_other"):
        GatewayConformance().test_promise(PROMISE_ABOUT_OTHERS, system)


def test_the_command_says_what_it_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    """Its line gives the reason, and its sum the number."""
    arguments = ["gateway", "check", f"{__name__}:only_approvers", "--only", PROMISE_ABOUT_OTHERS]
    assert main(arguments) == Exit.DONE
    first, second, *_, last = capsys.readouterr().out.splitlines()
    assert first == f"skipped  {PROMISE_ABOUT_OTHERS}"
    assert second.strip().startswith("OnlyApprovers.approve_by_other is not defined")
    assert last == "0 kept, 0 broken, 1 skipped"
    assert main([*arguments, "--json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["skipped"] == 1


def only_approvers() -> OnlyApprovers:
    """Return the system for the command."""
    return OnlyApprovers(TrackerGateway)


def test_the_page_lists_each_promise_and_counts_the_gateways() -> None:
    """The page about the port, and the last line of the check in the page about writing a gateway."""
    docs = Path(__file__).parents[3] / "docs"
    page = (docs / "reference/gateway.md").read_text("utf-8")
    listed = page.partition("| promise |\n| --- |\n")[2].partition("\n\n")[0].splitlines()
    assert listed == [f"| {promise} |" for promise in PROMISES]
    assert f"A collection of {len(BROKEN)} broken gateways" in page
    assert f"\n{len(PROMISES)} kept, 0 broken\n" in (docs / "how-to/write-a-gateway.md").read_text("utf-8")
