"""A cache of answers, keyed by the whole request, so that no user gets the answer of another user."""

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
_ENTRY_BYTES = 512  # the memory of an entry besides its body
_PER_CALL = frozenset({"x-request-id", "x-data-request-id"})


class AnswerCache:
    """A cache of answers in this process, with a size limit in bytes. Thread-safe.

    The cache keeps the received bytes, and each reader decodes them again. So a change that one caller makes to an
    answer is not visible to other callers.

    Args:
        max_bytes: The largest total size of all cached answers.
        monotonic: Source of monotonic seconds.
    """

    def __init__(self, *, max_bytes: int = MAX_BYTES, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        # A key of this process only: the request, which holds secrets, cannot be guessed from an entry's key.
        self._salt = os.urandom(32)
        self._kept: cachetools.TLRUCache[bytes, tuple[HttpResponse, float]] = cachetools.TLRUCache(
            self._max_bytes,
            ttu=lambda _, entry, now: now + entry[1],
            timer=self._monotonic,
            getsizeof=lambda entry: len(entry[0].body) + _ENTRY_BYTES,
        )

    def key(self, request: HttpRequest, url: str) -> bytes:
        """Return the key of a request: a hash of its address, query and headers, so also of user, tenant and language.

        Args:
            request: The request to look up.
            url: The address of the request, without our request id.
        """
        return without_frames(_hashed, request, url, self._salt)

    def get(self, key: bytes) -> HttpResponse | None:
        """Return the cached answer, or None."""
        self._after_fork()
        with self._lock:
            entry = self._kept.get(key)
        return None if entry is None else entry[0]

    def put(self, key: bytes, answer: HttpResponse, seconds: float) -> None:
        """Cache an answer for ``seconds``; an answer larger than the cache is ignored."""
        self._after_fork()
        if len(answer.body) + _ENTRY_BYTES <= self._max_bytes:
            with self._lock:
                self._kept[key] = (answer, seconds)

    def clear(self) -> None:
        """Remove all answers."""
        self._after_fork()
        with self._lock:
            self._kept.clear()

    def _after_fork(self) -> None:
        """Start with an empty cache after a fork: a thread of the parent may have held the lock."""
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
