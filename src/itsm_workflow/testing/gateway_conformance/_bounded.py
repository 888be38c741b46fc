"""A gateway whose calls are bounded: one that hangs is reported, and does not hang the check."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
import weakref
from concurrent.futures import Future, wait
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from itsm_workflow.testing.gateway_conformance._verdicts import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.testing.gateway_conformance._line import Line

_PATIENCES = 2
"""A call that sends no request for so many times `TicketSystem.patience` hangs. The promises about slow answers, which
are stricter, report it earlier."""

_FOR_EACH = 20
"""The requests that one call may send for each ticket of `TicketSystem.batch`."""

_threads = threading.local()


def bounded(gateway: TicketGateway, line: Line, *, patience: float, batch: int) -> TicketGateway:
    """Return a gateway that reports a call which hangs, or which sends requests without an end, as a broken promise."""
    return cast("TicketGateway", _Bounded(gateway, line, seconds=_PATIENCES * patience, requests=_FOR_EACH * batch))


def unbounded(gateway: TicketGateway) -> TicketGateway:
    """Return the gateway itself, whose calls are made in the calling thread."""
    return gateway.gateway if isinstance(gateway, _Bounded) else gateway


class _Bounded:
    """A gateway whose calls are made in another thread, always the same one for one calling thread.

    A gateway may keep a connection for each thread, so a thread of its own for each call would never use one twice.
    """

    def __init__(self, gateway: TicketGateway, line: Line, *, seconds: float, requests: int) -> None:
        self.gateway = gateway
        self._line = line
        self._seconds = seconds
        self._requests = requests

    def __repr__(self) -> str:
        return repr(self.gateway)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a gateway
        value = getattr(self.gateway, name)
        return partial(self._call, name, value) if callable(value) else value

    def _call(self, name: str, call: Callable[..., object], *arguments: object, **options: object) -> object:
        answer = _thread().begin(partial(call, *arguments, **options))
        began = time.monotonic()
        first = before = len(self._line.requests)
        while not wait([answer], self._seconds).done:
            sent = len(self._line.requests)
            if sent == before:
                how = f", and sent no request for {self._seconds:g} s, {_PATIENCES} times TicketSystem.patience"
            elif sent - first > self._requests:
                how = f" and {sent - first} requests"
            else:
                before = sent
                continue
            del _threads.one  # the call is left to itself
            took = time.monotonic() - began
            raise BrokenPromise(f"{name} had not ended after {took:.0f} s{how}: each call must end by itself")
        return answer.result()


def _thread() -> _Thread:
    """Return the thread that makes the calls of the calling thread."""
    if not hasattr(_threads, "one"):
        _threads.one = _Thread()
    one: _Thread = _threads.one
    return one


class _Thread:
    """A thread that makes one call after another, until nothing refers to this object."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Future[object], Callable[[], object]] | None] = queue.SimpleQueue()
        threading.Thread(target=_work, args=(self._waiting,), daemon=True).start()
        weakref.finalize(self, self._waiting.put, None)

    def begin(self, call: Callable[[], object]) -> Future[object]:
        """Begin a call, in the context of the caller."""
        answer = Future[object]()
        self._waiting.put((answer, partial(contextvars.copy_context().run, call)))
        return answer


def _work(waiting: queue.SimpleQueue[tuple[Future[object], Callable[[], object]] | None]) -> None:
    while (item := waiting.get()) is not None:
        answer, call = item
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            answer.set_exception(error)
        del item, answer, call  # an answer is not kept until the next call
