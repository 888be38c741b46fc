"""Telling a sandbox to misbehave: per endpoint, for the n-th call, once or always.

``faults.lose_answer("create_ticket")`` arms a fault for the next create; ``nth=3`` for the third from now;
``always=True`` for every one from the n-th on. At most one fault applies to a call: the one armed first.

Faults of requests: the answer is lost after the work was done, held until released, delayed, replaced by an HTTP
error or a page of HTML, the API gateway in front refuses the call, or the connection is reset before anything was
done. Faults of callbacks: sent twice, sent late, never sent (with or without an entry in callback_failed_ticket), or
sent before the create's answer. And the flow of a new ticket may never start.
"""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.sandbox.envelope import IN_FRONT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from itsm_workflow.sandbox.envelope import SandboxResponse

CALLBACK = "callback"
DEFAULT_DELAY = 1.0
WRONG_SECRET = 1640101


class FaultKind(StrEnum):
    """What goes wrong."""

    LOSE_ANSWER = "lose_answer"
    HOLD = "hold"
    DELAY = "delay"
    STATUS = "status"
    HTML = "html"
    REFUSE = "refuse"
    RESET = "reset"
    EARLY_CALLBACK = "early_callback"
    FLOW_NEVER_STARTS = "flow_never_starts"
    CALLBACK_TWICE = "callback_twice"
    CALLBACK_LATE = "callback_late"
    CALLBACK_LOST = "callback_lost"
    CALLBACK_LOST_LISTED = "callback_lost_listed"


OF_CREATES = frozenset({FaultKind.EARLY_CALLBACK, FaultKind.FLOW_NEVER_STARTS})
OF_CALLBACKS = frozenset(
    {FaultKind.CALLBACK_TWICE, FaultKind.CALLBACK_LATE, FaultKind.CALLBACK_LOST, FaultKind.CALLBACK_LOST_LISTED}
)


@attrs.frozen(kw_only=True)
class Fault:
    """One thing to go wrong.

    Attributes:
        kind: what.
        endpoint: which calls it concerns, by name such as "create_ticket" or "token/verify"; ``"callback"`` for the
            callbacks themselves.
        nth: which of these calls, counted from arming, from 1.
        always: also every call after the n-th.
        seconds: how long a delayed answer or a late callback waits.
        status: the HTTP status of a STATUS fault.
        code: the API gateway's code of a REFUSE fault: 1640101 for a wrong app secret, 1640301 for no permission, and
            others of `itsm_workflow.sandbox.envelope.IN_FRONT`.
        processed: the work is done before things go wrong; False for a server that never got to it. LOSE_ANSWER and
            HOLD always do the work first, RESET and REFUSE never.
    """

    kind: FaultKind
    endpoint: str
    nth: int = 1
    always: bool = False
    seconds: float = DEFAULT_DELAY
    status: int = 502
    code: int = WRONG_SECRET
    processed: bool = True

    def __attrs_post_init__(self) -> None:
        if not self.nth >= 1:
            raise ValueError(f"Fault.nth must be at least 1, not {self.nth!r}")
        if not self.seconds >= 0:
            raise ValueError(f"Fault.seconds must be at least 0, not {self.seconds!r}")
        if self.code not in IN_FRONT:
            raise ValueError(f"Fault.code must be one of {', '.join(map(str, IN_FRONT))}, not {self.code!r}")
        if (self.kind in OF_CALLBACKS) != (self.endpoint == CALLBACK):
            raise ValueError(f"A fault of kind {self.kind.value} cannot concern {self.endpoint!r}.")
        if self.kind in OF_CREATES and self.endpoint != "create_ticket":
            raise ValueError(f"A fault of kind {self.kind.value} can only concern create_ticket.")


class Armed:
    """A fault that waits for its call, and what a test may learn and do about it.

    Attributes:
        number: its name on the control surface.
        fault: what goes wrong.
        reached: set once the fault applied to a call; for a HOLD the work is done by then (the ticket is stored).
        answer: the answer of the last call it applied to, as it would have been sent; None if none was made.
    """

    def __init__(self, number: int, fault: Fault) -> None:
        self.number = number
        self.fault = fault
        self.reached = threading.Event()
        self.answer: SandboxResponse | None = None
        self.calls = 0
        self.hits = 0
        self._let_go = threading.Event()
        self._drop = False

    @property
    def spent(self) -> bool:
        """It can apply to no further call."""
        return self.hits > 0 and not self.fault.always

    def release(self) -> None:
        """Let every held answer go out, now and from here on."""
        self._let_go.set()

    def drop(self) -> None:
        """Close every held connection without an answer, now and from here on."""
        self._drop = True
        self._let_go.set()

    def wait_reached(self, timeout: float) -> bool:
        """Wait until the fault applied to a call.

        Args:
            timeout: seconds.

        Returns:
            Whether it did in time.
        """
        return self.reached.wait(timeout)

    def hold(self) -> bool:
        """Wait for somebody to release or drop the answer.

        Returns:
            Whether the answer is to be sent.
        """
        self._let_go.wait()
        return not self._drop

    def describe(self) -> dict[str, Any]:
        """Show the fault and how often it met its calls, as JSON."""
        return {
            "id": self.number,
            **attrs.asdict(self.fault),
            "kind": self.fault.kind.value,
            "calls": self.calls,
            "hits": self.hits,
            "reached": self.reached.is_set(),
        }


class Faults:
    """The faults of one sandbox. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Armed] = []
        self._number = 0

    def add(self, fault: Fault) -> Armed:
        """Arm a fault."""
        with self._lock:
            self._number += 1
            armed = Armed(self._number, fault)
            self._armed.append(armed)
            return armed

    def lose_answer(self, endpoint: str, *, nth: int = 1, always: bool = False) -> Armed:
        """Do the work, then close the connection without an answer."""
        return self.add(Fault(kind=FaultKind.LOSE_ANSWER, endpoint=endpoint, nth=nth, always=always))

    def hold(self, endpoint: str, *, nth: int = 1, always: bool = False) -> Armed:
        """Do the work, then keep the answer until it is released or dropped."""
        return self.add(Fault(kind=FaultKind.HOLD, endpoint=endpoint, nth=nth, always=always))

    def delay(
        self, endpoint: str, seconds: float, *, processed: bool = True, nth: int = 1, always: bool = False
    ) -> Armed:
        """Wait before the answer, or with ``processed=False`` before the work."""
        return self.add(
            Fault(kind=FaultKind.DELAY, endpoint=endpoint, seconds=seconds, processed=processed, nth=nth, always=always)
        )

    def status(
        self, endpoint: str, status: int = 502, *, processed: bool = False, nth: int = 1, always: bool = False
    ) -> Armed:
        """SandboxResponse an HTTP error, as a proxy in between does."""
        return self.add(
            Fault(kind=FaultKind.STATUS, endpoint=endpoint, status=status, processed=processed, nth=nth, always=always)
        )

    def html(self, endpoint: str, *, processed: bool = False, nth: int = 1, always: bool = False) -> Armed:
        """SandboxResponse HTTP 200 with a page of HTML."""
        return self.add(Fault(kind=FaultKind.HTML, endpoint=endpoint, processed=processed, nth=nth, always=always))

    def refuse(self, endpoint: str, code: int = WRONG_SECRET, *, nth: int = 1, always: bool = False) -> Armed:
        """Refuse the call in front of the server, as the API gateway does; nothing is done."""
        fault = Fault(kind=FaultKind.REFUSE, endpoint=endpoint, code=code, processed=False, nth=nth, always=always)
        return self.add(fault)

    def reset(self, endpoint: str, *, nth: int = 1, always: bool = False) -> Armed:
        """Reset the connection before the body is read; nothing is done."""
        return self.add(Fault(kind=FaultKind.RESET, endpoint=endpoint, processed=False, nth=nth, always=always))

    def early_callback(self, *, nth: int = 1, always: bool = False) -> Armed:
        """Run a create's flow to its end, approved by its first approver, and send the callback before the answer."""
        return self.add(Fault(kind=FaultKind.EARLY_CALLBACK, endpoint="create_ticket", nth=nth, always=always))

    def flow_never_starts(self, *, nth: int = 1, always: bool = False) -> Armed:
        """SandboxResponse a create with success and never start its flow: no step runs, and withdrawals are refused.

        `Sandbox.begin` starts it later.
        """
        return self.add(Fault(kind=FaultKind.FLOW_NEVER_STARTS, endpoint="create_ticket", nth=nth, always=always))

    def callback_twice(self, *, nth: int = 1, always: bool = False) -> Armed:
        """Send a callback twice."""
        return self.add(Fault(kind=FaultKind.CALLBACK_TWICE, endpoint=CALLBACK, nth=nth, always=always))

    def callback_late(self, seconds: float, *, nth: int = 1, always: bool = False) -> Armed:
        """Send a callback some seconds late; a withdrawal's API call does not wait for it then."""
        return self.add(Fault(kind=FaultKind.CALLBACK_LATE, endpoint=CALLBACK, seconds=seconds, nth=nth, always=always))

    def callback_lost(self, *, listed: bool, nth: int = 1, always: bool = False) -> Armed:
        """Never send a callback.

        Args:
            listed: the number enters callback_failed_ticket; False for a worker that died, which leaves no trace.
            nth: which callback from now.
            always: also every later one.
        """
        kind = FaultKind.CALLBACK_LOST_LISTED if listed else FaultKind.CALLBACK_LOST
        return self.add(Fault(kind=kind, endpoint=CALLBACK, nth=nth, always=always))

    def take(self, endpoint: str | None) -> Armed | None:
        """Count one call and tell which fault applies to it."""
        chosen: Armed | None = None
        with self._lock:
            for armed in self._concerning(endpoint):
                if armed.spent:
                    continue
                armed.calls += 1
                due = armed.calls == armed.fault.nth or (armed.fault.always and armed.calls > armed.fault.nth)
                if due and chosen is None:
                    chosen = armed
                    armed.hits += 1
        return chosen

    def find(self, number: int) -> Armed:
        """Find an armed fault by its number.

        Raises:
            LookupError: there is none.
        """
        with self._lock:
            for armed in self._armed:
                if armed.number == number:
                    return armed
        raise LookupError(f"No fault has the number {number}.")

    def armed(self) -> tuple[Armed, ...]:
        """List every fault armed since the last clear, spent ones included."""
        with self._lock:
            return tuple(self._armed)

    def clear(self) -> None:
        """Disarm everything; held answers go out."""
        with self._lock:
            armed, self._armed = self._armed, []
        for fault in armed:
            fault.release()

    def close(self) -> None:
        """Disarm everything; held connections are closed without an answer."""
        with self._lock:
            armed, self._armed = self._armed, []
        for fault in armed:
            fault.drop()

    def _concerning(self, endpoint: str | None) -> Iterable[Armed]:
        return (armed for armed in self._armed if armed.fault.endpoint == endpoint)
