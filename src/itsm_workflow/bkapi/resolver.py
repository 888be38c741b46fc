"""Name look-ups with a deadline and a limited number of threads.

A look-up by the system cannot be interrupted, so each runs in a thread, which its caller abandons at the deadline.
Callers that look up the same name share one look-up, and a process runs only a few at the same time.
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
    """The name resolver of this machine does not answer. The message is for people and quotes only the host's name."""

    def __init__(self, words: str) -> None:
        super().__init__(socket.EAI_AGAIN, words)
        self.words = words


@attrs.define(eq=False)
class _LookUp:
    host: str
    port: int
    outcome: Addresses | OSError | None = None
    is_abandoned: bool = False  # a caller reached its deadline: later callers do not wait for this look-up


class Resolver:
    """Looks up the addresses of names. Thread-safe, and usable after a fork.

    Args:
        threads: The largest number of concurrent look-ups; look-ups that hang count.
    """

    def __init__(self, *, threads: int = THREADS) -> None:
        if type(threads) is not int or threads < 1:
            raise ValueError(f"threads must be a whole number of at least 1, not {threads!r}")
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
            port: The port of the addresses.
            patience: Returns the number of seconds that the next wait may last, or raises TimeoutError.

        Raises:
            ResolverHangs: The look-up did not end in time, or look-ups that hang occupy all threads.
            OSError: The name has no address.
        """
        if self._process != os.getpid():  # a forked child has no thread of its parent, but may inherit a held lock
            self._start()
        with self._changed:
            look_up = self._share(host, port, patience)
            while look_up.outcome is None:
                if not self._wait(patience):
                    look_up.is_abandoned = True
                    self._changed.notify_all()
                    raise ResolverHangs(f"the name resolver of this machine gave no answer for {host} in time")
        if isinstance(look_up.outcome, OSError):  # raised in several threads, so each raises a copy
            raise type(look_up.outcome)(*look_up.outcome.args)
        return look_up.outcome

    def _share(self, host: str, port: int, patience: Callable[[], float]) -> _LookUp:
        """Return the running look-up of the name, or start one as soon as a thread is free."""
        while True:
            for each in self._running:
                if (each.host, each.port) == (host, port) and not each.is_abandoned:
                    return each
            if len(self._running) < self._threads:
                return self._begin(_LookUp(host=host, port=port))
            if all(each.is_abandoned for each in self._running) or not self._wait(patience):
                raise ResolverHangs(
                    f"the name resolver of this machine does not answer: {len(self._running)} look-ups hang, so "
                    f"the look-up of {host} was not started"
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
        except RuntimeError as error:  # the process has too many threads, or is about to end
            raise ResolverHangs(f"no thread could be started to look up {look_up.host}: {error}") from None
        self._running.append(look_up)
        return look_up

    def _run(self, look_up: _LookUp) -> None:
        outcome: Addresses | OSError = socket.gaierror(socket.EAI_FAIL, f"the look-up of {look_up.host} failed")
        try:
            outcome = tuple(socket.getaddrinfo(look_up.host, look_up.port, 0, socket.SOCK_STREAM))
        except OSError as error:
            outcome = error.with_traceback(None)
        except UnicodeError:  # a label is empty or too long
            outcome = socket.gaierror(f"{look_up.host} is not a host name")
        finally:
            with self._changed:
                look_up.outcome = outcome
                self._running = [each for each in self._running if each is not look_up]
                self._changed.notify_all()


RESOLVER = Resolver()
"""The resolver of this process, shared by all clients, so that the limit of threads holds for the process."""
