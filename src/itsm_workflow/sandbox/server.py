"""A stand-in for BK-ITSM that serves real HTTP on this machine.

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

from itsm_workflow.runtime.arguments import check_flag, check_function, check_seconds, check_whole
from itsm_workflow.sandbox import acting
from itsm_workflow.sandbox.behaviour import Behaviour
from itsm_workflow.sandbox.connection import settings_for
from itsm_workflow.sandbox.delivery import CallbackSender, Sending
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

    from itsm_workflow.sandbox.behaviour import BehaviourOptions
    from itsm_workflow.sandbox.envelope import SandboxResponse
    from itsm_workflow.sandbox.request import Request
    from itsm_workflow.sandbox.services import Service
    from itsm_workflow.sandbox.ticket import Outgoing, Ticket, TicketView
    from itsm_workflow.settings import Settings

Found = TypeVar("Found")

LOOK_AGAIN = 0.25
ACCEPT_POLL = 0.02


class Sandbox:
    """A running stand-in for BK-ITSM 2, for tests and experiments.

    Use it as a context manager, or call :meth:`start` and :meth:`close`. Every method is thread-safe. A ticket is given
    by its number as text or by its id as an integer; a number of two tickets raises a LookupError.

    Args:
        host: the address to listen on; the control endpoints always accept requests from this machine only.
        port: the TCP port, 0 for a free one.
        clock: returns the time as an aware UTC datetime.
        seed: the seed of tokens, field keys and chances.
        services: the services with which tickets can be filed.
        require_authorization: whether requests without a gateway's credentials are refused with HTTP 403.
        callback_timeout: the time-out in seconds without a byte from a callback's receiver. The real server has no
            time-out.
        drive: whether events run by themselves. With False the caller runs them by :meth:`run_due`, for a test with its
            own clock.
        behaviour: delays and chances by the names of :class:`~itsm_workflow.sandbox.behaviour.Behaviour`; ``**LOADED``
            is a server under load.

    Attributes:
        ledger: the model; read it inside :meth:`locked` while the stand-in runs.
        faults: the faults that a test can inject.
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
        **behaviour: Unpack[BehaviourOptions],
    ) -> None:
        check_whole("Sandbox(port=...)", port, least=0)
        check_function("Sandbox(clock=...)", clock)
        check_whole("Sandbox(seed=...)", seed, least=0)
        check_seconds("Sandbox(callback_timeout=...)", callback_timeout)
        check_flag("Sandbox(require_authorization=...)", require_authorization)
        check_flag("Sandbox(drive=...)", drive)
        random = Random(seed)  # noqa: S311 - must replay, protects nothing
        self.ledger: Ledger = Ledger(clock=clock, random=random, behaviour=Behaviour(**behaviour), services=services)
        self.faults: Faults = Faults()
        self._api = Api(self.ledger, require_authorization=require_authorization)
        self._sender = CallbackSender(timeout=callback_timeout)
        self._changed = threading.Condition(threading.RLock())
        self._closing = threading.Event()
        self._address = (host, port)
        self._drive = drive
        self._listener: Listener | None = None
        self._threads: set[threading.Thread] = set()

    # --- Life ----------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start to listen.

        Raises:
            RuntimeError: the stand-in was started before.
            OSError: the port is in use.
        """
        if self._listener is not None:
            raise RuntimeError("A Sandbox can be started only once: create another one.")
        self._listener = Listener(self._address, self)
        self._spawn("listen", partial(self._listener.serve_forever, ACCEPT_POLL))
        if self._drive:
            self._spawn("drive", self._run)
        return self

    def close(self) -> None:
        """Abort open connections and wait until every thread has ended. A second close has no effect."""
        if self._closing.is_set() or self._listener is None:
            return
        self._closing.set()
        self.faults.close()
        self._listener.hang_up()
        self._sender.close()
        self._listener.shutdown()
        # A second time, since connections may have been accepted before the shutdown.
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
        """The server's address, such as ``http://127.0.0.1:8901``, the root of its ``/openapi/...`` paths.

        Raises:
            RuntimeError: the stand-in was not started.
        """
        if self._listener is None:
            raise RuntimeError("The Sandbox has no address before it is started: call start().")
        host, port = self._listener.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def url(self) -> str:
        """The gateway root for a client's settings, such as ``http://127.0.0.1:8901/v2/itsm/``.

        Append an endpoint to it: ``sandbox.url + "create_ticket/"``.
        """
        return f"{self.root}/v2/itsm/"

    def settings(self, **given: object) -> Settings:
        """Return a client's settings for this stand-in; ``given`` are other values for fields of `Settings`."""
        return settings_for(self.url, **given)

    # --- Looking -------------------------------------------------------------------------------------------------

    @contextmanager
    def locked(self) -> Iterator[Ledger]:
        """Lock the ledger, to read several values in a consistent state."""
        with self._changed:
            yield self.ledger

    def tickets(self) -> tuple[TicketView, ...]:
        """Return a copy of every ticket, oldest first."""
        with self._changed:
            return self.ledger.tickets()

    def ticket(self, sn: str | int) -> TicketView:
        """Return a copy of one ticket.

        Raises:
            LookupError: no ticket or several tickets have the number.
        """
        with self._changed:
            return self._find(sn).view()

    def wait(self, predicate: Callable[[Ledger], Found], timeout: float = 10.0) -> Found:
        """Wait until the ledger meets a condition, which is checked after every change.

        Args:
            predicate: the condition; a truthy result ends the wait.
            timeout: seconds.

        Returns:
            The result of the predicate.

        Raises:
            TimeoutError: the condition was not met in time.
        """
        with self._changed:
            found = self._changed.wait_for(lambda: predicate(self.ledger), timeout)
        if not found:
            raise TimeoutError(f"The sandbox's ledger did not meet the condition within {timeout} s.")
        return found

    # --- Acting as people do --------------------------------------------------------------------------------------

    def approve(
        self, sn: str | int, *, approver: str | None = None, remark: str = "", timeout: float = 10.0
    ) -> TicketView:
        """Approve a ticket after a wait for its approval step.

        The decision is stored when this method returns; its effect and callback follow after the decision delay.

        Args:
            sn: the ticket's number or id.
            approver: the approver; by default the ticket's first one.
            remark: the approver's remark.
            timeout: seconds to wait for the step.

        Raises:
            Refusal: BK-ITSM would refuse the decision.
            LookupError: no ticket or several tickets have the number.
        """
        return self._decide(sn, approver, remark, timeout, approved=True)

    def reject(
        self, sn: str | int, *, approver: str | None = None, remark: str = "", timeout: float = 10.0
    ) -> TicketView:
        """Reject a ticket; otherwise like :meth:`approve`."""
        return self._decide(sn, approver, remark, timeout, approved=False)

    def withdraw(self, sn: str | int, *, operator: str | None = None) -> TicketView:
        """Withdraw a ticket, by default by its creator. The callback is sent before this method returns."""
        return self._operate(sn, lambda ticket: acting.withdraw(self.ledger, ticket, operator or ticket.draft.creator))

    def terminate(self, sn: str | int, *, operator: str | None = None) -> TicketView:
        """Terminate a ticket, by default by its first approver. The callback is sent before this method returns."""
        return self._operate(
            sn, lambda ticket: acting.terminate(self.ledger, ticket, operator or ticket.first_approver)
        )

    def suspend(self, sn: str | int, *, operator: str | None = None) -> TicketView:
        """Suspend a ticket, by default by its first approver."""
        return self._operate(sn, lambda ticket: acting.suspend(self.ledger, ticket, operator or ticket.first_approver))

    def resume(self, sn: str | int, *, operator: str | None = None) -> TicketView:
        """Resume a suspended ticket, by default by its first approver."""
        return self._operate(sn, lambda ticket: acting.resume(self.ledger, ticket, operator or ticket.first_approver))

    def jam(self, sn: str | int, *, approver: str | None = None) -> TicketView:
        """Make a ticket stuck, as by two simultaneous approvals of one user: it is RUNNING and cannot be decided."""
        return self._operate(sn, lambda ticket: acting.jam(self.ledger, ticket, approver or ticket.first_approver))

    def begin(self, sn: str | int) -> TicketView:
        """Start a ticket's flow now, even if a fault prevents its start."""
        return self._operate(sn, self.ledger.begin)

    def duplicate_sn(self, sn: str | int, *, title: str = "somebody else's", creator: str = "stranger") -> TicketView:
        """File another user's ticket with the same number, as BK-ITSM does after a loss of its day counter."""
        with self._changed:
            ticket = self.ledger.duplicate(self._find(sn), title=title, creator=creator)
            self._changed.notify_all()
            return ticket.view()

    def run_due(self) -> int:
        """Run every event that is due by the clock, and deliver the resulting callbacks.

        Returns:
            The number of callbacks.
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
        """Serve one API request, and send the callbacks that precede its answer."""
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
            raise LookupError(f"The number {sn} must name exactly one ticket, but names {known}: use the ticket's id.")
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
        # The pause is always short: a clock that a test moves does not send a notification.
        return max(0.0, min(LOOK_AGAIN, (due - self.ledger.now()).total_seconds()))

    def _deliver_soon(self, outgoing: Outgoing, delay: float = 0.0) -> None:
        def deliver() -> None:
            if delay and self._closing.wait(delay):
                self._record(outgoing, Sending(CallbackOutcome.LOST, "the sandbox closed first"), times=0)
            elif delay:
                self._record(outgoing, self._sender.send(outgoing))
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
            self._sender.send(outgoing)
            self._record(outgoing, self._sender.send(outgoing), times=2)
        else:
            self._record(outgoing, self._sender.send(outgoing))
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
            thread.start()  # under the lock: close() must not join a thread that has not started
