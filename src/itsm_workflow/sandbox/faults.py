"""Faults that a test can inject into a stand-in: per endpoint, for the n-th call, once or always.

``faults.lose_answer("create_ticket")`` arms a fault for the next create, ``nth=3`` for the third create from now, and
``always=True`` for every create from the n-th on. At most one fault applies to a call: the one that was armed first.

Faults of requests: the answer is lost after the request was processed, held until it is released, delayed, or replaced
by an HTTP error or a page of HTML; the API gateway refuses the call; or the connection is reset before the request is
processed. Faults of callbacks: a callback is sent twice, late, never (with or without an entry in
callback_failed_ticket), or before the create's answer. Also, the flow of a new ticket may never start.
"""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.sandbox.envelope import IN_FRONT

if TYPE_CHECKING:
    from itsm_workflow.sandbox.envelope import SandboxResponse

CALLBACK = "callback"
DEFAULT_DELAY = 1.0
LONGEST = 86_400
"""The longest delay, in seconds: a day."""
WRONG_SECRET = 1640101


class FaultKind(StrEnum):
    """The kinds of faults."""

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
    """One fault.

    Attributes:
        kind: the kind of fault.
        endpoint: the name of the endpoint, such as "create_ticket" or "token/verify"; ``"callback"`` for the callbacks
            themselves.
        nth: the number of the affected call, counted from 1 since the fault was armed.
        always: whether every call after the n-th is affected as well.
        seconds: the delay of a delayed answer or a late callback.
        status: the HTTP status of a STATUS fault.
        code: the API gateway's code of a REFUSE fault: 1640101 for a wrong app secret, 1640301 for no permission, and
            others of `itsm_workflow.sandbox.envelope.IN_FRONT`.
        processed: whether the request is processed before the fault. LOSE_ANSWER and HOLD always process the request
            first, RESET and REFUSE never process it.
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
        for name in ("always", "processed"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"Fault.{name} must be True or False, not {getattr(self, name)!r}")  # noqa: TRY004 - as below
        if not self.nth >= 1:
            raise ValueError(f"Fault.nth must be at least 1, not {self.nth!r}")
        if not 0 <= self.seconds <= LONGEST:
            raise ValueError(f"Fault.seconds must be at least 0 and at most {LONGEST}, not {self.seconds!r}")
        if not 100 <= self.status <= 599:  # noqa: PLR2004 - what HTTP can say
            raise ValueError(f"Fault.status must be from 100 to 599, not {self.status!r}")
        if self.code not in IN_FRONT:
            raise ValueError(f"Fault.code must be one of {', '.join(map(str, IN_FRONT))}, not {self.code!r}")
        if (self.kind in OF_CALLBACKS) != (self.endpoint == CALLBACK):
            raise ValueError(f"A fault of kind {self.kind.value} cannot apply to {self.endpoint!r}.")
        if self.kind in OF_CREATES and self.endpoint != "create_ticket":
            raise ValueError(f"A fault of kind {self.kind.value} can only apply to create_ticket.")


class Armed:
    """A fault that waits for its call, with methods by which a test observes and controls it.

    Attributes:
        number: the fault's id at the control endpoints.
        fault: the fault.
        reached: an event that is set once the fault has applied to a call. With HOLD the request is processed by then,
            so a create has stored its ticket.
        answer: the answer of the last affected call, as it would have been sent; None without an answer.
    """

    def __init__(self, number: int, fault: Fault) -> None:
        self.number = number
        self.fault = fault
        self.reached: threading.Event = threading.Event()
        self.answer: SandboxResponse | None = None
        self.calls = 0
        self.hits = 0
        self._let_go = threading.Event()
        self._drop = False

    @property
    def spent(self) -> bool:
        """Whether the fault cannot apply to any further call."""
        return self.hits > 0 and not self.fault.always

    def release(self) -> None:
        """Send every held answer, now and in future."""
        self._let_go.set()

    def drop(self) -> None:
        """Close every held connection without an answer, now and in future."""
        self._drop = True
        self._let_go.set()

    def wait_reached(self, timeout: float) -> bool:
        """Wait until the fault has applied to a call.

        Args:
            timeout: seconds.

        Returns:
            Whether the fault applied before the time-out.
        """
        return self.reached.wait(timeout)

    def hold(self) -> bool:
        """Wait until the answer is released or dropped.

        Returns:
            Whether the answer is to be sent.
        """
        self._let_go.wait()
        return not self._drop

    def describe(self) -> dict[str, Any]:
        """Return the fault and its number of calls as JSON values."""
        return {
            "id": self.number,
            **attrs.asdict(self.fault),
            "kind": self.fault.kind.value,
            "calls": self.calls,
            "hits": self.hits,
            "reached": self.reached.is_set(),
        }


class Faults:
    """The faults of one stand-in. Thread-safe."""

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
        """Process the request, then close the connection without an answer."""
        return self.add(Fault(kind=FaultKind.LOSE_ANSWER, endpoint=endpoint, nth=nth, always=always))

    def hold(self, endpoint: str, *, nth: int = 1, always: bool = False) -> Armed:
        """Process the request, then hold the answer until it is released or dropped."""
        return self.add(Fault(kind=FaultKind.HOLD, endpoint=endpoint, nth=nth, always=always))

    def delay(
        self, endpoint: str, seconds: float, *, processed: bool = True, nth: int = 1, always: bool = False
    ) -> Armed:
        """Wait before the answer, or with ``processed=False`` before the request is processed."""
        return self.add(
            Fault(kind=FaultKind.DELAY, endpoint=endpoint, seconds=seconds, processed=processed, nth=nth, always=always)
        )

    def status(
        self, endpoint: str, status: int = 502, *, processed: bool = False, nth: int = 1, always: bool = False
    ) -> Armed:
        """Answer with an HTTP error and a page of HTML, as a proxy does: 502, 503 and 504 are the usual codes."""
        return self.add(
            Fault(kind=FaultKind.STATUS, endpoint=endpoint, status=status, processed=processed, nth=nth, always=always)
        )

    def html(self, endpoint: str, *, processed: bool = False, nth: int = 1, always: bool = False) -> Armed:
        """Answer with HTTP 200 and a page of HTML."""
        return self.add(Fault(kind=FaultKind.HTML, endpoint=endpoint, processed=processed, nth=nth, always=always))

    def refuse(self, endpoint: str, code: int = WRONG_SECRET, *, nth: int = 1, always: bool = False) -> Armed:
        """Refuse the call as the API gateway does; the server does not process it.

        The codes are 1640101 for a wrong app secret, with HTTP 401; 1640102 for an unknown user, with 401; 1640301 for
        an app without permission, with 403; 1640401 for an unknown path, with 404; and 1642901 for too many calls,
        with 429.

        Raises:
            ValueError: The code is not one of these.
        """
        fault = Fault(kind=FaultKind.REFUSE, endpoint=endpoint, code=code, processed=False, nth=nth, always=always)
        return self.add(fault)

    def reset(self, endpoint: str, *, nth: int = 1, always: bool = False) -> Armed:
        """Reset the connection before the body is read; the request is not processed."""
        return self.add(Fault(kind=FaultKind.RESET, endpoint=endpoint, processed=False, nth=nth, always=always))

    def early_callback(self, *, nth: int = 1, always: bool = False) -> Armed:
        """End a create's flow, approved by its first approver, and send the callback before the answer."""
        return self.add(Fault(kind=FaultKind.EARLY_CALLBACK, endpoint="create_ticket", nth=nth, always=always))

    def flow_never_starts(self, *, nth: int = 1, always: bool = False) -> Armed:
        """Answer a create with success but never start its flow: no step runs, and withdrawals are refused.

        `Sandbox.begin` starts it later.
        """
        return self.add(Fault(kind=FaultKind.FLOW_NEVER_STARTS, endpoint="create_ticket", nth=nth, always=always))

    def callback_twice(self, *, nth: int = 1, always: bool = False) -> Armed:
        """Send a callback twice."""
        return self.add(Fault(kind=FaultKind.CALLBACK_TWICE, endpoint=CALLBACK, nth=nth, always=always))

    def callback_late(self, seconds: float, *, nth: int = 1, always: bool = False) -> Armed:
        """Send a callback some seconds late; the API call of a withdrawal then does not wait for it."""
        return self.add(Fault(kind=FaultKind.CALLBACK_LATE, endpoint=CALLBACK, seconds=seconds, nth=nth, always=always))

    def callback_lost(self, *, listed: bool, nth: int = 1, always: bool = False) -> Armed:
        """Never send a callback.

        Args:
            listed: whether callback_failed_ticket lists the number; False for a worker that crashed without a trace.
            nth: the number of the affected callback, counted from now.
            always: whether every later callback is affected as well.
        """
        kind = FaultKind.CALLBACK_LOST_LISTED if listed else FaultKind.CALLBACK_LOST
        return self.add(Fault(kind=kind, endpoint=CALLBACK, nth=nth, always=always))

    def take(self, endpoint: str | None) -> Armed | None:
        """Count one call and return the fault that applies to it."""
        chosen: Armed | None = None
        with self._lock:
            for armed in self._armed:
                if armed.spent or armed.fault.endpoint != endpoint:
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
            LookupError: no armed fault has the number.
        """
        with self._lock:
            for armed in self._armed:
                if armed.number == number:
                    return armed
        raise LookupError(f"No fault has the number {number}.")

    def armed(self) -> tuple[Armed, ...]:
        """Return every fault that was armed since the last clear, including spent faults."""
        with self._lock:
            return tuple(self._armed)

    def clear(self) -> None:
        """Disarm all faults; held answers are sent."""
        with self._lock:
            armed, self._armed = self._armed, []
        for fault in armed:
            fault.release()

    def close(self) -> None:
        """Disarm all faults; held connections are closed without an answer."""
        with self._lock:
            armed, self._armed = self._armed, []
        for fault in armed:
            fault.drop()
