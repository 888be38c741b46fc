"""`AsyncWorkflow`: the methods of a `Workflow`, to be awaited in a task of asyncio.

::

    async with AsyncWorkflow(workflow) as awaited:
        change = await awaited.apply(subject="collector-42", title="...", applicant="alice")
        change = await awaited.wait(change.id, timeout=60)
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import logging
import os
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

from itsm_workflow.callbacks.background import Background
from itsm_workflow.callbacks.parse import Incoming, call_receive
from itsm_workflow.runtime.arguments import check_seconds, check_whole
from itsm_workflow.secrets import without_frames
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
    from concurrent.futures import Future

    from itsm_workflow.callbacks.parse import CallbackResponse, Headers
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy

P = ParamSpec("P")
R = TypeVar("R")

_logger: logging.Logger = logging.getLogger("itsm_workflow.async")

_NO_TRANSACTION = (
    "apply(send='on_commit') of AsyncWorkflow was refused, and nothing was stored or sent: its thread has a connection "
    "of its own, so it cannot join the caller's transaction. Call Workflow.apply in the function that opens that"
)
_PAGE = 100
"""The number of changes that `AsyncWorkflow.find` takes from a thread together."""


def _twin_of(
    method: Callable[Concatenate[Workflow, P], R],
) -> Callable[[Callable[..., object]], Callable[Concatenate[AsyncWorkflow, P], Coroutine[object, object, R]]]:
    """Return a decorator that replaces a function by the awaited twin of a method of `Workflow`."""
    name = method.__name__

    def decorate(_: Callable[..., object]) -> Callable[Concatenate[AsyncWorkflow, P], Coroutine[object, object, R]]:
        @functools.wraps(method)
        async def twin(self: AsyncWorkflow, /, *args: P.args, **kwargs: P.kwargs) -> R:
            if kwargs.get("send") == "on_commit" and kwargs.get("within") is None:
                raise RuntimeError(_NO_TRANSACTION)
            # By its name, so that a class derived from `Workflow` may have its own method.
            called: Callable[P, R] = getattr(self.workflow, name)
            return await self.in_thread(called, *args, **kwargs)

        return twin

    return decorate


class AsyncWorkflow:
    """The methods of a `Workflow` for tasks of asyncio: each runs in a thread, so that the event loop is not blocked.

    Every public method of `Workflow` is here under its name, with its parameters, its result and its errors; `wait` is
    `Workflow.wait_async`, and `effect` is left out, since it is used where the workflow is created. The functions that
    a caller passes, such as ``progress``, are called in the thread.

    The task can be cancelled at any time. A call that has not begun is dropped. A call that has begun goes on in its
    thread and ends as if the task had waited for it: the change is stored as after any call, so it is settled, or due
    for the next `reconcile`. An error of such a call is logged.

    A call sees the context variables of its task, but not a transaction that its caller has opened: the thread has a
    connection of its own. So ``apply(send="on_commit")`` is refused without ``within``.

    Args:
        workflow: The workflow. `close` closes it.
        threads: The maximum number of calls that run at the same time; further calls wait for a thread.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: ``threads`` is below 1.
    """

    def __init__(self, workflow: Workflow, *, threads: int = 8) -> None:
        if not isinstance(workflow, Workflow):
            raise TypeError("AsyncWorkflow(workflow) takes a Workflow")
        check_whole("AsyncWorkflow(threads=...)", threads, least=1)
        self.workflow: Workflow = workflow
        self._threads = threads
        self._pool: Background | None = None
        self._pool_lock = threading.Lock()
        self._pool_of = os.getpid()

    @property
    def definition(self) -> WorkflowDefinition:
        """The state machine."""
        return self.workflow.definition

    @property
    def policy(self) -> Policy:
        """All timings."""
        return self.workflow.policy

    async def in_thread(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function in one of the threads, and return its result.

        A host calls its own function this way if it uses the workflow several times, so that it needs one thread once.

        Args:
            function: The function.
            args: Its arguments.
            kwargs: Its keyword arguments.
        """
        context = contextvars.copy_context()
        call: Callable[[], R] = functools.partial(context.run, function, *args, **kwargs)
        del args, kwargs
        future = self._pool_of_process().submit(call)
        del call
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(functools.partial(_log_error, getattr(function, "__name__", "the call")))
            raise

    # ---------------------------------------------------------------- filing

    @_twin_of(Workflow.apply)
    def apply(self) -> None: ...

    @_twin_of(Workflow.apply_many)
    def apply_many(self) -> None: ...

    @_twin_of(Workflow.preview)
    def preview(self) -> None: ...

    @_twin_of(Workflow.draft)
    def draft(self) -> None: ...

    @_twin_of(Workflow.revise)
    def revise(self) -> None: ...

    @_twin_of(Workflow.submit)
    def submit(self) -> None: ...

    @_twin_of(Workflow.adopt)
    def adopt(self) -> None: ...

    @_twin_of(Workflow.shadow)
    def shadow(self) -> None: ...

    # ---------------------------------------------------------------- settling

    async def receive(self, *, method: str, path: str, headers: Headers, body: bytes) -> CallbackResponse:
        """Process a callback from the gateway, and return the response, see `Workflow.receive`."""
        try:
            incoming = without_frames(Incoming, method=method, path=path, headers=headers, body=body)
        finally:
            del path, headers, body  # as in `Workflow.receive`
        return await self.in_thread(call_receive, self.workflow.receive, incoming)

    @_twin_of(Workflow.settle)
    def settle(self) -> None: ...

    @_twin_of(Workflow.reconcile)
    def reconcile(self) -> None: ...

    async def wait(self, change_id: str, *, timeout: float | None, poll: float = 1.0) -> ChangeRequest:  # noqa: ASYNC109 - as in `Workflow.wait`
        """Wait until a change has ended, and return it, approved or not, see `Workflow.wait`.

        A thread is used for each read of the store, not for the time between them.
        """
        return await self.workflow.wait_async(change_id, timeout=timeout, poll=poll)

    # ---------------------------------------------------------------- decisions of people

    @_twin_of(Workflow.fire)
    def fire(self) -> None: ...

    @_twin_of(Workflow.withdraw)
    def withdraw(self) -> None: ...

    @_twin_of(Workflow.accept_after_withdrawal)
    def accept_after_withdrawal(self) -> None: ...

    @_twin_of(Workflow.resend)
    def resend(self) -> None: ...

    @_twin_of(Workflow.abandon)
    def abandon(self) -> None: ...

    @_twin_of(Workflow.record_ticket)
    def record_ticket(self) -> None: ...

    @_twin_of(Workflow.attest_approval)
    def attest_approval(self) -> None: ...

    @_twin_of(Workflow.retry_effect)
    def retry_effect(self) -> None: ...

    @_twin_of(Workflow.clear_attention)
    def clear_attention(self) -> None: ...

    # ---------------------------------------------------------------- reading

    @_twin_of(Workflow.get)
    def get(self) -> None: ...

    @_twin_of(Workflow.resolve)
    def resolve(self) -> None: ...

    @_twin_of(Workflow.newest)
    def newest(self) -> None: ...

    @_twin_of(Workflow.other_workflows)
    def other_workflows(self) -> None: ...

    def find(
        self,
        *,
        states: Iterable[str] | None = None,
        attention: Iterable[str] | None = None,
        subject: str | None = None,
        sn: str | None = None,
        older_than: dt.timedelta | None = None,
        on_damage: Callable[[str, Exception], object] | None = None,
    ) -> AsyncIterator[ChangeRequest]:
        """Return an asynchronous iterator over the changes that match, see `Workflow.find`.

        Nothing is read before the first change is asked for, and then a hundred changes at a time.
        """
        found = self.workflow.find(
            states=states,
            attention=attention,
            subject=subject,
            sn=sn,
            older_than=older_than,
            on_damage=on_damage,
        )

        async def changes() -> AsyncIterator[ChangeRequest]:
            while page := await self.in_thread(lambda: list(islice(found, _PAGE))):
                for change in page:
                    yield change

        return changes()

    @_twin_of(Workflow.find_page)
    def find_page(self) -> None: ...

    @_twin_of(Workflow.counts)
    def counts(self) -> None: ...

    @_twin_of(Workflow.figures)
    def figures(self) -> None: ...

    @_twin_of(Workflow.history)
    def history(self) -> None: ...

    @_twin_of(Workflow.status)
    def status(self) -> None: ...

    @_twin_of(Workflow.why)
    def why(self) -> None: ...

    @_twin_of(Workflow.overview)
    def overview(self) -> None: ...

    @_twin_of(Workflow.allowed)
    def allowed(self) -> None: ...

    @_twin_of(Workflow.graph)
    def graph(self) -> None: ...

    @_twin_of(Workflow.timeline)
    def timeline(self) -> None: ...

    @_twin_of(Workflow.sequence)
    def sequence(self) -> None: ...

    @_twin_of(Workflow.require_approved)
    def require_approved(self) -> None: ...

    def approval_required(
        self, subject_of: Callable[P, str]
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[object, object, R]]]:
        """Return a decorator for a coroutine function, which runs only if `require_approved` accepts its subject.

        Args:
            subject_of: A plain function that takes the decorated function's arguments and returns the subject.

        Raises:
            TypeError: ``subject_of`` is not a function. The decorated function raises it if the subject is not text.
        """
        check = self.workflow.approval_required(subject_of)(_nothing)

        def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[object, object, R]]:
            if not inspect.iscoroutinefunction(function):
                raise TypeError("approval_required of an AsyncWorkflow decorates a coroutine function, `async def`")

            @functools.wraps(function)
            async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
                await self.in_thread(check, *args, **kwargs)
                return await function(*args, **kwargs)

            return guarded

        return decorate

    # ---------------------------------------------------------------- the end

    async def close(self, *, seconds: float | None = None) -> None:
        """Wait for calls that have begun, and then close the workflow, see `Workflow.close`.

        Args:
            seconds: The maximum time to wait for both, `Policy.close_wait` by default. What takes longer is abandoned:
                its change stays due, and another process looks at it.

        Raises:
            TypeError: ``seconds`` is not a number; nothing was closed.
            ValueError: ``seconds`` is below 0, NaN, or longer than a thread can wait; nothing was closed.
        """
        if seconds is not None:
            check_seconds("close(seconds=...)", seconds, most=threading.TIMEOUT_MAX)
        await asyncio.to_thread(self._close, self._close_wait if seconds is None else seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def _close_wait(self) -> float:
        return self.policy.close_wait.total_seconds()

    def _close(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        if self._pool_of == os.getpid():
            with self._pool_lock:
                pool, self._pool = self._pool, None
            if pool is not None and not pool.close(seconds):
                _logger.warning(
                    "Calls did not end within %g s; their changes stay due for the next reconcile.", seconds
                )
        self.workflow.close(seconds=max(until - time.monotonic(), 0.0))

    def _pool_of_process(self) -> Background:
        if self._pool_of != os.getpid():  # a forked child has no threads of its parent, but maybe a held lock
            self._pool, self._pool_lock, self._pool_of = None, threading.Lock(), os.getpid()
        with self._pool_lock:
            if self._pool is None:
                self._pool = Background(self._threads, "itsm-workflow-async", seconds=self._close_wait)
            return self._pool


def _nothing(*_: object, **__: object) -> None:
    """Do nothing: the check that precedes it is all that is wanted."""


def _log_error(name: str, future: Future[object]) -> None:
    """Log the error of a call whose task was cancelled."""
    if not future.cancelled() and (error := future.exception()) is not None:
        _logger.error("%s failed after its task was cancelled", name, exc_info=error)
