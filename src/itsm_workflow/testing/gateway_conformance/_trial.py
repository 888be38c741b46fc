"""One promise at work: a ticket system, the proxy in front of it, a gateway, and the judgement of what it returns."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import socket
import threading
from typing import TYPE_CHECKING, TypeVar

import attrs

from itsm_workflow.change import Attempt, Phase, Ticket
from itsm_workflow.errors import GatewayError
from itsm_workflow.gateway.checked import any_host, checked_answer, checked_snapshot, wrong_identity
from itsm_workflow.gateway.protocol import Created, CreateRequest, NotSent, Refused, SentTicket, Unknown
from itsm_workflow.machine.evidence import Channel, TicketStatus
from itsm_workflow.testing.gateway_conformance._bounded import bounded
from itsm_workflow.testing.gateway_conformance._faults import damages
from itsm_workflow.testing.gateway_conformance._line import Line
from itsm_workflow.testing.gateway_conformance._reported import reported
from itsm_workflow.testing.gateway_conformance._verdicts import BrokenPromise, UnusableIdentity, demand
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.change import Form
    from itsm_workflow.gateway.protocol import CreateAnswer, TicketGateway
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.testing.gateway_conformance._faults import Fault
    from itsm_workflow.testing.gateway_conformance._line import Exchange
    from itsm_workflow.testing.gateway_conformance._system import TicketSystem

T = TypeVar("T")

CREDENTIAL = "credential-of-a-callback-0123456789"
"""The secret part of the callback's address. The check looks for it in errors, answers and log lines."""

_PAGE = 10
"""The number of tickets that many servers list on one page."""

OTHER = "carol"
"""A person who is not among the approvers of `TicketSystem.form`."""

SKEW = dt.timedelta(minutes=10)
"""The difference between two right clocks."""


class Trial:
    """A gateway behind a proxy, for one promise.

    Attributes:
        system: The ticket system.
        line: The proxy in front of it.
        gateway: The gateway, which reaches the ticket system through the proxy; a call that hangs is reported.
    """

    def __init__(self, system: TicketSystem, line: Line) -> None:
        self.system = system
        self.line = line
        self.gateway = self._made(line.url)
        self._numbers = itertools.count(1)

    def _made(self, url: str, line: Line | None = None) -> TicketGateway:
        gateway = self.system.gateway(url)
        return bounded(gateway, line or self.line, patience=self.system.patience, batch=self.system.batch)

    @contextlib.contextmanager
    def during(self, fault: Fault | None) -> Iterator[None]:
        """Let the proxy act by a fault, if any, on each request in the block; afterwards the gateway is a new one.

        A gateway may rest after several calls that were not answered.
        """
        self.line.fault = fault
        try:
            yield
        finally:
            self.line.fault = None
            self.renew()

    def renew(self) -> None:
        """Replace the gateway by a new one."""
        closed(self.gateway)
        self.gateway = self._made(self.line.url)

    @contextlib.contextmanager
    def unreachable(self) -> Iterator[TicketGateway]:
        """Return a gateway to an address at which nothing listens."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            path = self.line.url.partition("://")[2].partition("/")[2]
            gateway = self._made(f"http://127.0.0.1:{taken.getsockname()[1]}/{path}".rstrip("/"))
            try:
                yield gateway
            finally:
                closed(gateway)

    @contextlib.contextmanager
    def another(self) -> Iterator[TicketGateway]:
        """Return one more gateway behind the proxy."""
        gateway = self._made(self.line.url)
        try:
            yield gateway
        finally:
            closed(gateway)

    @contextlib.contextmanager
    def beside(self, fault: Fault) -> Iterator[TicketGateway]:
        """Return one more gateway, behind a proxy of its own that acts by a fault on each request."""
        with Line(self.system.url) as line:
            line.fault = fault
            gateway = self._made(line.url, line)
            try:
                yield gateway
            finally:
                closed(gateway)

    def request(self, *, title: str = "", key: str = "", form: Form | None = None) -> CreateRequest:
        """Return a request with a key of its own."""
        number = next(self._numbers)
        key = key or f"ZZ{number:014d}"
        attempt = Attempt(
            key=key,
            number=1,
            phase=Phase.SENDING,
            creator="alice",
            service=self.gateway.service(),
            owner="check",
            submitted_at=dt.datetime.now(dt.UTC),
        )
        return CreateRequest(
            form=form or self.system.form(title or f"Open a port {number}"),
            attempt=attempt,
            callback_url=f"https://host.example.com/callback/?token={CREDENTIAL}",
            callback_headers={},
        )

    def file(self, request: CreateRequest | None = None) -> tuple[SentTicket, Ticket]:
        """File a ticket without a fault."""
        request = request or self.request()
        raw = self._created(request, self.gateway, "Created")
        wrong = wrong_identity(raw.id, raw.sn) if isinstance(raw, Created) else ""
        if isinstance(raw, Created) and wrong:
            raise UnusableIdentity(
                f"create answered with the id {raw.id!r} and the number {raw.sn!r}, but {wrong}: let the gateway write "
                "it in this form wherever it returns a ticket, and turn it back when it asks the server"
            )
        answer = checked_answer(raw, any_host)
        if not isinstance(answer, Created):
            raise BrokenPromise(f"create answered {type(answer).__name__} although nothing failed: {answer}")
        return sent(request), self.ticket(answer.id, answer.sn, answer.url)

    def create(
        self, request: CreateRequest, gateway: TicketGateway | None = None, *, instead: str = "Unknown"
    ) -> CreateAnswer:
        """Create a ticket; report an exception, with what it must answer instead, and an answer of another type."""
        return checked_answer(self._created(request, gateway or self.gateway, instead), any_host)

    def _created(self, request: CreateRequest, gateway: TicketGateway, instead: str) -> CreateAnswer:
        try:
            raw = gateway.create(request)
        except BrokenPromise:
            raise
        except Exception as error:
            raise BrokenPromise(f"create raised {describe(error)}: it must answer {instead}") from error
        demand(
            isinstance(raw, Created | NotSent | Refused | Unknown),
            f"create answered {type(raw).__name__}: it must answer Created, NotSent, Refused or Unknown",
        )
        return raw

    def ticket(self, ticket_id: str, sn: str, url: str = "") -> Ticket:
        """Return a ticket as a change would have stored it."""
        now = dt.datetime.now(dt.UTC)
        return Ticket(gateway=self.gateway.name, id=ticket_id, sn=sn, url=url, channel=Channel.ANSWER, recorded_at=now)

    @property
    def many(self) -> int:
        """A number of tickets that the server does not list on one page; on three pages, if their size is known."""
        return self.pages(3)

    def pages(self, number: int) -> int:
        """Return a number of tickets that the server lists on so many pages; with a size that many have, if unknown."""
        return (number - 1) * self.system.page_size + 1 if self.system.page_size else number * _PAGE

    def missing(self) -> Ticket:
        """Return a ticket that the server does not have."""
        return self.ticket(self.system.missing, self.system.missing)

    def read(self, ticket: Ticket) -> Snapshot | None:
        """Read a ticket; None if the gateway raised GatewayError, as it does when it cannot be asked."""
        snapshot = asked("read", lambda: self.gateway.read(ticket))
        if snapshot is None:
            return None
        try:
            return checked_snapshot(snapshot, ticket)
        except GatewayError:
            return None

    def seen(self, ticket: Ticket) -> Snapshot:
        """Read a ticket without a fault."""
        try:
            return checked_snapshot(self.gateway.read(ticket), ticket)
        except GatewayError as error:
            raise BrokenPromise(f"read raised {describe(error)} although nothing failed") from error


def sent(request: CreateRequest) -> SentTicket:
    """Return what a look-up for the ticket of a request compares with."""
    return SentTicket(form=request.form, attempt=request.attempt, made_after=request.attempt.submitted_at - SKEW)


def asked(name: str, call: Callable[[], T]) -> T | None:
    """Return the answer of a read, or None if it raised GatewayError; report any other exception."""
    try:
        return call()
    except GatewayError:
        return None
    except BrokenPromise:
        raise
    except Exception as error:
        raise BrokenPromise(f"{name} raised {describe(error)}: it must raise a GatewayError") from error


def is_approved(snapshot: Snapshot) -> bool:
    """Return whether the library would take the ticket for approved."""
    return snapshot.status is TicketStatus.FINISHED and bool(snapshot.approve_result and snapshot.approval_step)


def is_rejected(snapshot: Snapshot) -> bool:
    """Return whether the library would take the ticket for rejected."""
    return snapshot.status is TicketStatus.FINISHED and snapshot.approve_result is False


def within(seconds: float, name: str, call: Callable[[], T]) -> T:
    """Return the answer of a call; report one that has not ended after a time."""
    answers: list[Callable[[], T]] = []

    def work() -> None:
        try:
            answer = call()
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            answers.append(attrs.evolve(_Raised(), error=error))
        else:
            answers.append(lambda: answer)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(seconds)
    demand(answers, f"{name} had not ended after {seconds:g} s (TicketSystem.patience): it needs a deadline of its own")
    return answers[0]()


@attrs.frozen(kw_only=True)
class _Raised:
    error: BaseException = attrs.field(factory=BaseException)

    def __call__(self) -> T:  # type: ignore[type-var]  # it never returns
        raise self.error


def damages_within(trial: Trial, call: Callable[[], object]) -> list[int]:
    """Return how many damages each answer within a call knows."""
    found: list[int] = []

    def measure(exchange: Exchange) -> None:
        answer = exchange.forward()
        found.append(0)
        with contextlib.suppress(ValueError):
            found[-1] = damages(answer.body)
        exchange.reply(answer)

    with trial.during(measure):
        call()
    return found


@contextlib.contextmanager
def trial_of(system: TicketSystem) -> Iterator[Trial]:
    """Put a proxy in front of a ticket system, and a gateway in front of the proxy."""
    with Line(system.url) as line:
        trial = Trial(reported(system), line)
        try:
            yield trial
        finally:
            closed(trial.gateway)


def closed(gateway: object) -> None:
    """Close a gateway that can be closed."""
    close = getattr(gateway, "close", None)
    if close is not None:
        close()
