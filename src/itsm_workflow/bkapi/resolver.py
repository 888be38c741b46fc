"""Looking up names in bounded time and with a bounded number of threads.

A look-up by the system cannot be interrupted, so each runs in a thread, which is left behind when its caller's time is
over. Callers that ask for the same name share one look-up, and no more than a few run in a process.
"""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Addresses = Sequence[tuple[Any, ...]]

THREADS = 4


class ResolverHangs(socket.gaierror):
    """The name resolver of this machine gives no answer. Its message is for people, and quotes only the host's name."""

    def __init__(self, words: str) -> None:
        super().__init__(socket.EAI_AGAIN, words)
        self.words = words


@attrs.define(eq=False)
class _LookUp:
    host: str
    port: int
    outcome: Addresses | OSError | None = None
    is_left: bool = False  # a caller waited in vain for it: nobody waits for it again


class Resolver:
    """Looks up the addresses of names. Shared by threads, usable after a fork.

    Args:
        threads: How many look-ups may run; those that hang count.
    """

    def __init__(self, *, threads: int = THREADS) -> None:
        if type(threads) is not int or threads < 1:
            raise ValueError(f"threads must be a whole number from 1 on, not {threads!r}")
        self._threads = threads
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._running: list[_LookUp] = []

    def resolve(self, host: str, port: int, patience: Callable[[], float]) -> Addresses:
        """Return the addresses of a name.

        Args:
            host: The name.
            port: The port that the addresses are to have.
            patience: Returns for how many seconds the next wait may last, or raises TimeoutError.

        Raises:
            ResolverHangs: No answer came in time; or all threads are taken by look-ups that hang.
            OSError: The name has no address.
        """
        if self._process != os.getpid():  # a forked child has none of its parent's threads, but maybe a held lock
            self._start()
        with self._changed:
            look_up = self._share(host, port, patience)
            while look_up.outcome is None:
                if not self._wait(patience):
                    look_up.is_left = True
                    self._changed.notify_all()
                    raise ResolverHangs(f"the name resolver of this machine gave no answer for {host} in time")
        if isinstance(look_up.outcome, OSError):  # raised in several threads, so each gets its own
            raise type(look_up.outcome)(*look_up.outcome.args)
        return look_up.outcome

    def _share(self, host: str, port: int, patience: Callable[[], float]) -> _LookUp:
        """Return the look-up of the name that is running, or start one as soon as there is a thread for it."""
        while True:
            for each in self._running:
                if (each.host, each.port) == (host, port) and not each.is_left:
                    return each
            if len(self._running) < self._threads:
                return self._begin(_LookUp(host=host, port=port))
            if all(each.is_left for each in self._running) or not self._wait(patience):
                raise ResolverHangs(
                    f"the name resolver of this machine does not answer: {len(self._running)} look-ups hang, so none "
                    f"was begun for {host}"
                )

    def _wait(self, patience: Callable[[], float]) -> bool:
        try:
            return self._changed.wait(min(patience(), threading.TIMEOUT_MAX))
        except TimeoutError:
            return False

    def _begin(self, look_up: _LookUp) -> _LookUp:
        thread = threading.Thread(target=self._run, args=(look_up,), name="itsm-workflow-lookup", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the process has too many, or is about to end
            raise ResolverHangs(f"no thread could be started to look up {look_up.host}: {error}") from None
        self._running.append(look_up)
        return look_up

    def _run(self, look_up: _LookUp) -> None:
        outcome: Addresses | OSError = socket.gaierror(socket.EAI_FAIL, f"the look-up of {look_up.host} failed")
        try:
            outcome = tuple(socket.getaddrinfo(look_up.host, look_up.port, 0, socket.SOCK_STREAM))
        except OSError as error:
            outcome = error.with_traceback(None)
        except UnicodeError:  # a label that is empty or too long
            outcome = socket.gaierror(f"{look_up.host} is not a host name")
        finally:
            with self._changed:
                look_up.outcome = outcome
                self._running = [each for each in self._running if each is not look_up]
                self._changed.notify_all()


RESOLVER = Resolver()
"""The resolver of this process: threads belong to a process, not to a client."""
