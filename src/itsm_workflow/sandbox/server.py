"""A BK-ITSM stand-in that speaks real HTTP on this machine.

::

    with Sandbox() as sandbox:
        gateway = BkItsmGateway(sandbox.settings())
        sandbox.approve("REQ20261125000001")
        sandbox.wait(lambda ledger: ledger.tickets()[0].approve_result)
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

from itsm_workflow.sandbox import acting
from itsm_workflow.sandbox.behaviour import Behaviour
from itsm_workflow.sandbox.connection import settings_for
from itsm_workflow.sandbox.delivery import Courier, Sending
from itsm_workflow.sandbox.endpoints import Api
from itsm_workflow.sandbox.faults import CALLBACK, FaultKind, Faults
from itsm_workflow.sandbox.http_side import Listener
from itsm_workflow.sandbox.ledger import Ledger
from itsm_workflow.sandbox.services import DEFAULT_SERVICES
from itsm_workflow.sandbox.ticket import CallbackOutcome, Flow
from itsm_workflow.sandbox.times import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from types import TracebackType

    from itsm_workflow.sandbox.behaviour import Ways
    from itsm_workflow.sandbox.envelope import SandboxResponse
    from itsm_workflow.sandbox.request import Request
    from itsm_workflow.sandbox.services import Service
    from itsm_workflow.sandbox.ticket import Outgoing, Ticket, TicketView
    from itsm_workflow.settings import Settings

Found = TypeVar("Found")

LOOK_AGAIN = 0.25
ACCEPT_POLL = 0.02


class Sandbox:
    """A running BK-ITSM 2 for tests and for trying things by hand.

    Use it as a context manager, or call :meth:`start` and :meth:`close`. Every method may be called from any thread.
    Where a ticket is named, text is its number and an integer is its id; a number that two tickets share is refused
    with a LookupError.

    Args:
        host: address to listen on; the control surface answers this machine only, whatever it says.
        port: TCP port, 0 for a free one.
        clock: tells the time as an aware UTC datetime.
        seed: decides tokens, field keys and chances.
        services: what tickets can be filed under.
        require_authorization: refuse requests without a gateway's credentials with HTTP 403.
        callback_timeout: seconds without a byte after which a callback's receiver is given up. The real server has
            no such limit.
        drive: let time pass by itself; False leaves it to :meth:`run_due`, as a test with its own clock wants.
        ways: delays and chances by the names of :class:`~itsm_workflow.sandbox.behaviour.Behaviour`; ``**LOADED`` is a
            server under load.

    Attributes:
        ledger: the model behind it; read it inside :meth:`locked` while the sandbox runs.
        faults: what it is told to do wrong.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], datetime] = utc_now,
        seed: int = 0,
        services: Iterable[Service] = DEFAULT_SERVICES,
        require_authorization: bool = True,
        callback_timeout: float = 60.0,
        drive: bool = True,
        **ways: Unpack[Ways],
    ) -> None:
        random = Random(seed)  # noqa: S311 - must replay, protects nothing
        self.ledger = Ledger(clock=clock, random=random, behaviour=Behaviour(**ways), services=services)
        self.faults = Faults()
        self._api = Api(self.ledger, require_authorization=require_authorization)
        self._courier = Courier(timeout=callback_timeout)
        self._changed = threading.Condition(threading.RLock())
        self._closing = threading.Event()
        self._address = (host, port)
        self._drive = drive
        self._listener: Listener | None = None
        self._threads: set[threading.Thread] = set()

    # --- Life ----------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Begin to listen.

        Raises:
            RuntimeError: it was started before.
            OSError: the port is taken.
        """
        if self._listener is not None:
            raise RuntimeError("A sandbox starts once.")
        self._listener = Listener(self._address, self)
        self._spawn("listen", partial(self._listener.serve_forever, ACCEPT_POLL))
        if self._drive:
            self._spawn("drive", self._run)
        return self

    def close(self) -> None:
        """Stop: break off what is open, and come back when every thread has ended. Closing twice does nothing."""
        if self._closing.is_set() or self._listener is None:
            return
        self._closing.set()
        self.faults.close()
        self._listener.hang_up()
        self._courier.close()
        self._listener.shutdown()
        # Again: the last connections may have come in meanwhile.
        self._listener.hang_up()
        self._listener.server_close()
        with self._changed:
            self._changed.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def root(self) -> str:
        """The server's address, such as ``http://127.0.0.1:8901``: its ``/openapi/...`` paths hang here.

        Raises:
            RuntimeError: it was not started.
        """
        if self._listener is None:
            raise RuntimeError("A sandbox has an address once it is started.")
        host, port = self._listener.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def url(self) -> str:
        """The gateway root for a client's settings, such as ``http://127.0.0.1:8901/v2/itsm/``.

        Append an endpoint to it: ``sandbox.url + "create_ticket/"``.
        """
        return f"{self.root}/v2/itsm/"

    def settings(self, **given: object) -> Settings:
        """Return a client's settings for this sandbox; ``given`` are fields of `Settings` that shall be otherwise."""
        return settings_for(self.url, **given)

    # --- Looking -------------------------------------------------------------------------------------------------

    @contextmanager
    def locked(self) -> Iterator[Ledger]:
        """Hold the ledger still, to read several things of one moment."""
        with self._changed:
            yield self.ledger

    def tickets(self) -> tuple[TicketView, ...]:
        """Copy every ticket, oldest first."""
        with self._changed:
            return self.ledger.tickets()

    def ticket(self, sn: str | int) -> TicketView:
        """Copy one ticket.

        Raises:
            LookupError: there is none, or several.
        """
        with self._changed:
            return self._find(sn).view()

    def wait(self, predicate: Callable[[Ledger], Found], timeout: float = 10.0) -> Found:
        """Wait until the ledger is as wanted, by looking whenever it changes.

        Args:
            predicate: looks at the ledger; truthy ends the waiting.
            timeout: seconds.

        Returns:
            What the predicate found.

        Raises:
            TimeoutError: it was not so in time.
        """
        with self._changed:
            found = self._changed.wait_for(lambda: predicate(self.ledger), timeout)
        if not found:
            raise TimeoutError(f"The sandbox's ledger did not come to what was waited for within {timeout} s.")
        return found

    # --- Acting as people do --------------------------------------------------------------------------------------

    def approve(
        self, sn: str | int, *, approver: str | None = None, remark: str = "", timeout: float = 10.0
    ) -> TicketView:
        """Approve a ticket, waiting for its approval step first.

        The decision is taken when this returns; its effect and callback follow after the decision delay.

        Args:
            sn: which ticket.
            approver: who; the first of its approvers unless named.
            remark: what they say.
            timeout: seconds to wait for the step.

        Raises:
            Refusal: BK-ITSM would say no.
            LookupError: there is no such ticket, or several.
        """
        return self._decide(sn, approver, remark, timeout, approved=True)

    def reject(
        self, sn: str | int, *, approver: str | None = None, remark: str = "", timeout: float = 10.0
    ) -> TicketView:
        """Reject a ticket; else as :meth:`approve`."""
        return self._decide(sn, approver, remark, timeout, approved=False)

    def withdraw(self, sn: str | int, *, operator: str | None = None) -> TicketView:
        """Withdraw a ticket, by its creator unless somebody is named; its callback was sent when this returns."""
        return self._operate(sn, lambda ticket: acting.withdraw(self.ledger, ticket, operator or ticket.draft.creator))

    def terminate(self, sn: str | int, *, operator: str | None = None) -> TicketView:
        """Terminate a ticket, by its first approver unless somebody is named; its callback was sent then."""
        return self._operate(
            sn, lambda ticket: acting.terminate(self.ledger, ticket, operator or ticket.first_approver)
        )

    def suspend(self, sn: str | int, *, operator: str | None = None) -> TicketView:
        """Suspend a ticket, by its first approver unless somebody is named."""
        return self._operate(sn, lambda ticket: acting.suspend(self.ledger, ticket, operator or ticket.first_approver))

    def resume(self, sn: str | int, *, operator: str | None = None) -> TicketView:
        """Resume a suspended ticket, by its first approver unless somebody is named."""
        return self._operate(sn, lambda ticket: acting.resume(self.ledger, ticket, operator or ticket.first_approver))

    def jam(self, sn: str | int, *, approver: str | None = None) -> TicketView:
        """Leave a ticket as two simultaneous approvals by one person can: RUNNING, and nobody can decide it."""
        return self._operate(sn, lambda ticket: acting.jam(self.ledger, ticket, approver or ticket.first_approver))

    def begin(self, sn: str | int) -> TicketView:
        """Start a ticket's flow now, also one that a fault keeps from starting."""
        return self._operate(sn, self.ledger.begin)

    def duplicate_sn(self, sn: str | int, *, title: str = "somebody else's", creator: str = "stranger") -> TicketView:
        """Give a ticket's number to a second, foreign ticket, as BK-ITSM does after losing its day counter."""
        with self._changed:
            ticket = self.ledger.duplicate(self._find(sn), title=title, creator=creator)
            self._changed.notify_all()
            return ticket.view()

    def run_due(self) -> int:
        """Let everything happen that is due by the clock, and deliver the callbacks before returning.

        Returns:
            How many callbacks there were.
        """
        delivered = 0
        while True:
            with self._changed:
                outgoing = self.ledger.run_due()
                self._changed.notify_all()
            if not outgoing:
                return delivered
            for callback in outgoing:
                self._deliver(callback)
            delivered += len(outgoing)

    # --- For the HTTP side ----------------------------------------------------------------------------------------

    def serve(self, request: Request, *, flow: Flow = Flow.SOON) -> SandboxResponse:
        """Serve one API request, with the callbacks that belong before its answer."""
        with self._changed:
            reply = self._api.handle(request, flow=flow)
            self._changed.notify_all()
        for outgoing in reply.later:
            self._deliver_soon(outgoing)
        for outgoing in reply.before:
            self._deliver(outgoing)
        return reply.answer

    def _find(self, sn: str | int) -> Ticket:
        if isinstance(sn, int):
            return self.ledger.by_id(sn)
        found = self.ledger.by_sn(sn)
        if len(found) != 1:
            known = ", ".join(str(ticket.id) for ticket in found) or "none"
            raise LookupError(f"The number {sn} must name one ticket; it names {known}. Use the ticket's id.")
        return found[0]

    def _decide(
        self, sn: str | int, approver: str | None, remark: str, timeout: float, *, approved: bool
    ) -> TicketView:
        with self._changed:
            ticket = self._find(sn)
            if self._drive:
                self._changed.wait_for(lambda: ticket.step_running or ticket.ended, timeout)
            acting.decide(self.ledger, ticket, approver or ticket.first_approver, approved=approved, remark=remark)
            self._changed.notify_all()
            return ticket.view()

    def _operate(self, sn: str | int, act: Callable[[Ticket], list[Outgoing] | None]) -> TicketView:
        with self._changed:
            ticket = self._find(sn)
            outgoing = act(ticket) or []
            self._changed.notify_all()
        for callback in outgoing:
            self._deliver(callback)
        with self._changed:
            return ticket.view()

    def _run(self) -> None:
        while not self._closing.is_set():
            with self._changed:
                outgoing = self.ledger.run_due()
                self._changed.notify_all()
                if not outgoing:
                    self._changed.wait(self._pause())
            for callback in outgoing:
                self._deliver_soon(callback)

    def _pause(self) -> float:
        due = self.ledger.schedule.next_due()
        if due is None:
            return LOOK_AGAIN
        # Never longer than a moment: a clock that a test moves tells nobody.
        return max(0.0, min(LOOK_AGAIN, (due - self.ledger.now()).total_seconds()))

    def _deliver_soon(self, outgoing: Outgoing, delay: float = 0.0) -> None:
        def deliver() -> None:
            if delay and self._closing.wait(delay):
                self._record(outgoing, Sending(CallbackOutcome.LOST, "the sandbox closed first"), times=0)
            elif delay:
                self._record(outgoing, self._courier.send(outgoing))
            else:
                self._deliver(outgoing)

        self._spawn("callback", deliver)

    def _deliver(self, outgoing: Outgoing) -> None:
        armed = self.faults.take(CALLBACK)
        kind = armed.fault.kind if armed else None
        if armed is not None and kind is FaultKind.CALLBACK_LATE:
            self._deliver_soon(outgoing, armed.fault.seconds)
        elif kind is FaultKind.CALLBACK_LOST:
            self._record(outgoing, Sending(CallbackOutcome.LOST, "never sent"), times=0)
        elif kind is FaultKind.CALLBACK_LOST_LISTED:
            self._record(outgoing, Sending(CallbackOutcome.FAILED, "never sent"), times=0)
        elif kind is FaultKind.CALLBACK_TWICE:
            self._courier.send(outgoing)
            self._record(outgoing, self._courier.send(outgoing), times=2)
        else:
            self._record(outgoing, self._courier.send(outgoing))
        if armed is not None:
            armed.reached.set()

    def _record(self, outgoing: Outgoing, delivery: Sending, *, times: int = 1) -> None:
        with self._changed:
            self.ledger.record_delivery(outgoing, delivery.outcome, note=delivery.note, times_sent=times)
            self._changed.notify_all()

    def _spawn(self, name: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._changed:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name=f"itsm-sandbox-{name}", daemon=True)
        with self._changed:
            self._threads.add(thread)
            thread.start()  # under the lock: who closes must not find a thread that has not begun
