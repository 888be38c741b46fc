"""Answers that are remembered for a while: whole requests in, whole answers out, so that nobody gets another's."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from typing import TYPE_CHECKING

import cachetools

from itsm_workflow.secrets import Secret, without_frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.bkapi.transport import HttpRequest, HttpResponse

MAX_BYTES = 8 << 20
_ENTRY_BYTES = 512  # what an entry costs besides its body
_PER_CALL = frozenset({"x-request-id", "x-data-request-id"})


class AnswerCache:
    """Remembers answers in this process, at most so many bytes; shared by threads.

    It keeps the bytes that came, and each reader makes values of its own from them: what one caller does to an answer,
    no other sees.

    Args:
        max_bytes: Bytes of all remembered answers together.
        monotonic: Seconds that never go back.
    """

    def __init__(self, *, max_bytes: int = MAX_BYTES, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        # A key of this process alone: what an entry's key was made of, which holds secrets, cannot be guessed from it.
        self._salt = os.urandom(32)
        self._kept: cachetools.TLRUCache[bytes, tuple[HttpResponse, float]] = cachetools.TLRUCache(
            self._max_bytes,
            ttu=lambda _, entry, now: now + entry[1],
            timer=self._monotonic,
            getsizeof=lambda entry: len(entry[0].body) + _ENTRY_BYTES,
        )

    def key(self, request: HttpRequest, url: str) -> bytes:
        """Return what tells requests apart: address with query, and all headers, so also user, tenant and language.

        Args:
            request: What would be sent.
            url: Its address without our request id.
        """
        return without_frames(_hashed, request, url, self._salt)

    def get(self, key: bytes) -> HttpResponse | None:
        """Return the answer that is remembered, if one is."""
        self._after_fork()
        with self._lock:
            entry = self._kept.get(key)
        return None if entry is None else entry[0]

    def put(self, key: bytes, answer: HttpResponse, seconds: float) -> None:
        """Remember an answer for that many seconds; one that is too large is not."""
        self._after_fork()
        if len(answer.body) + _ENTRY_BYTES <= self._max_bytes:
            with self._lock:
                self._kept[key] = (answer, seconds)

    def clear(self) -> None:
        """Forget all answers."""
        self._after_fork()
        with self._lock:
            self._kept.clear()

    def _after_fork(self) -> None:
        """Start empty in a new process: the lock may have been held by a thread that the fork left behind."""
        if self._process != os.getpid():
            self._start()


def _hashed(request: HttpRequest, url: str, salt: bytes) -> bytes:
    hashed = hashlib.blake2b(key=salt, digest_size=32)
    for part in (request.method, url, *_named(request)):
        encoded = part.encode()
        hashed.update(b"%d:%b" % (len(encoded), encoded))
    return hashed.digest()


def _named(request: HttpRequest) -> list[str]:
    return [
        f"{name}:{value.reveal() if isinstance(value, Secret) else value}"
        for name, value in sorted(request.headers.items())
        if name.lower() not in _PER_CALL
    ]
