"""The inbox: stores an authentic callback as a durable hint, answers in milliseconds, and looks at the change later."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Literal, get_args

from itsm_workflow.callbacks.background import Background
from itsm_workflow.callbacks.parse import ACCEPTED, CallbackResponse, read_callback, refusal
from itsm_workflow.clock import to_micros
from itsm_workflow.deferred import check_done
from itsm_workflow.errors import (
    CallbackTokenInvalid,
    ChangeNotFound,
    GatewayError,
    ItsmWorkflowError,
    TransitionRefused,
)
from itsm_workflow.exports import lazy_module
from itsm_workflow.failures import failures
from itsm_workflow.gateway.asking import ask
from itsm_workflow.gateway.protocol import SupportsTokenCheck
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.runtime.transact import repeat_on_conflict
from itsm_workflow.settle import Step

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from itsm_workflow.callbacks.parse import Callback, Incoming
    from itsm_workflow.callbacks.signer import CallbackSigner
    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.runtime.executor import Executor
    from itsm_workflow.runtime.journal import Journal, Prepared
    from itsm_workflow.runtime.observers import Observers
    from itsm_workflow.storage import documents
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.storage.protocol import Row
else:
    documents = lazy_module("itsm_workflow.storage.documents")

AfterCallback = Literal["background", "inline", "later"]
AFTER: tuple[str, ...] = get_args(AfterCallback)
"""The times to look at a callback's change: in a thread, before answering, or in the next pass."""

_THREADS = 2
_LATER = "the look after a callback failed; the next reconcile looks at the change"


class Inbox:
    """Receives callbacks.

    Args:
        journal: The changes.
        executor: The executor that looks at the callback's change.
        gateway: The gateway, which checks the server's own token if it can.
        observers: Notified of a token that is not the server's, and of errors.
        signer: Verifies the library's own credentials; None if the workflow takes no callbacks.
        after: When to look: ``background``, ``inline``, ``later``, or a function that queues the change's id.
        around: Returns the context in which each look is made.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        executor: Executor,
        gateway: TicketGateway,
        observers: Observers,
        signer: CallbackSigner | None,
        after: AfterCallback | Callable[[str], object],
        around: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._journal = journal
        self._executor = executor
        self._gateway = gateway
        self._observers = observers
        self._signer = signer
        self._after = after
        self._around = around
        self._pool: Background | None = None
        self._pool_lock = threading.Lock()
        self._pool_of = os.getpid()
        self._current = threading.local()  # of a thread: whether it is in a look of this inbox

    def receive(self, incoming: Incoming) -> CallbackResponse:
        """Make an authentic callback's change due, durably, and answer. Asks the gateway only if ``inline``."""
        if self._signer is None:
            return refusal(401, "not a callback of this application")
        callback = read_callback(self._signer, incoming)
        if isinstance(callback, CallbackResponse):
            return callback
        try:
            hinted = self._store_hint(callback)
        except ChangeNotFound:
            return refusal(401, "not a callback of this application")
        except TransitionRefused as refused:
            if refused.state == self._journal.definition.initial:
                return ACCEPTED  # the gateway refused its submission, so no look is needed
            self._observers.on_trouble(callback.change_id, refused)
            return refusal(503, "the callback was not stored: list it as not delivered")
        except failures() as error:  # the store, or a host's due rule, may raise anything
            self._observers.on_trouble(callback.change_id, error, doing="the callback could not be stored")
            return refusal(503, "the callback was not stored: list it as not delivered")
        if hinted is not None:
            self._look(callback, hinted)
        return ACCEPTED

    def close(self, seconds: float | None = None) -> None:
        """Wait for looks in the background.

        Args:
            seconds: The maximum time to wait, `Policy.close_wait` by default. Changes that were not looked at by then
                stay due.

        Raises:
            RuntimeError: The caller is in such a look; nothing was closed.
        """
        if getattr(self._current, "is_looking", False):
            raise RuntimeError(
                "close was called by an effect or an observer in a look after a callback: it would wait for itself, so "
                "nothing was closed; call it outside of the look"
            )
        with self._pool_lock:
            pool, self._pool = self._pool, None
        if pool is not None and not pool.close(seconds):
            late = "looks after callbacks did not end in time; their changes stay due for the next reconcile"
            self._observers.on_trouble("", ItsmWorkflowError(late))

    def _store_hint(self, callback: Callback) -> Stored | None:
        """Store the hint, and return the change with it if the hint is new and needs a look."""
        heard = ev.CallbackHeard(sn=callback.sn, digest=callback.digest, number=callback.number)

        def once() -> Stored | None:
            row = self._journal.row(callback.change_id)
            if self._repeats_the_last_while_due(row, callback):
                return None
            stored = self._journal.read(row)
            prepared = self._journal.prepare(stored, [Step(Trigger.RECEIVE_CALLBACK, heard)], actor="callback")
            if prepared.is_news:
                return self._journal.commit_one(prepared)
            last = stored.change.heard
            if (last is None or last.digest != callback.digest) and not self._is_soon_due(stored):
                self._journal.commit_one(self._due_soon(stored))
            return None

        return repeat_on_conflict(once)  # another writer may have stored a duplicate of this callback

    def _repeats_the_last_while_due(self, row: Row, callback: Callback) -> bool:
        """Return whether the change is due now and this callback is its last: then nothing else of it is decoded."""
        definition = self._journal.definition
        if row.due_at is None or row.due_at > to_micros(self._journal.clock.now()):
            return False
        number, digest = documents.last_callback(row) or (0, "")
        is_known = digest == callback.digest and 1 <= callback.number <= number
        return is_known and bool(definition.rows(row.state, Trigger.RECEIVE_CALLBACK))

    def _is_soon_due(self, stored: Stored) -> bool:
        """Return whether the change is due soon anyway: then nothing is stored, so a look in progress stays valid."""
        policy, now = self._journal.policy, self._journal.clock.now()
        return stored.due_at is not None and stored.due_at <= now + max(policy.soon, policy.read_lease)

    def _due_soon(self, stored: Stored) -> Prepared:
        """Prepare a commit that makes a change which stores no more hints due after `Policy.soon`."""
        until = self._journal.clock.now() + self._journal.policy.soon
        return self._journal.prepare_claim(stored, (), until=until, actor="callback")

    def _look(self, callback: Callback, hinted: Stored) -> None:
        if callable(self._after):
            self._queue(self._after, callback.change_id)
        elif self._after == "inline":
            self._look_into(callback, hinted)
        elif self._after == "background":
            try:
                self._threads().submit(self._look_into, callback)
            except RuntimeError as error:  # this process is being stopped; the hint is stored
                self._observers.on_trouble(callback.change_id, error, doing=_LATER)

    def _threads(self) -> Background:
        if self._pool_of != os.getpid():  # a forked child has no threads of its parent, but maybe a held lock
            self._pool, self._pool_lock, self._pool_of = None, threading.Lock(), os.getpid()
        with self._pool_lock:
            if self._pool is None:
                seconds = self._journal.policy.close_wait.total_seconds()
                self._pool = Background(_THREADS, "itsm-workflow-callback", seconds=seconds)
            return self._pool

    def _queue(self, enqueue: Callable[[str], object], change_id: str) -> None:
        try:
            check_done(enqueue(change_id))
        except failures() as error:  # a host's queue may raise anything; the hint is stored
            queueing = "the change could not be queued; the next reconcile looks at it"
            self._observers.on_trouble(change_id, error, doing=queueing)

    def _look_into(self, callback: Callback, hinted: Stored | None = None) -> None:
        is_nested, self._current.is_looking = getattr(self._current, "is_looking", False), True
        try:
            with self._around():
                self._check_token(callback)
                if hinted is None:
                    self._executor.advance(callback.change_id)
                else:  # not read again: if another worker moved the change meanwhile, the claim of the look is refused
                    self._executor.advance_stored(hinted)
        except failures() as error:  # a thread has no caller to raise it to; the hint is stored
            self._observers.on_trouble(callback.change_id, error, doing=_LATER)
        finally:
            self._current.is_looking = is_nested

    def _check_token(self, callback: Callback) -> None:
        """Notify observers if the server does not recognize the token. The look that follows decides in any case."""
        gateway = self._gateway
        if not isinstance(gateway, SupportsTokenCheck):
            return
        try:
            passed = ask("verify_token", lambda: gateway.verify_token(callback.token))
        except GatewayError as error:
            self._observers.on_trouble(callback.change_id, error)
            return
        if not passed:
            wrong = CallbackTokenInvalid(
                "the callback has a valid credential, but the ticket system does not recognize the token in its body"
            )
            self._observers.on_trouble(callback.change_id, wrong)
