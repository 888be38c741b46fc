"""The last calls of a stand-in and how each was answered, for the person who watches it."""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from datetime import datetime

    from itsm_workflow.sandbox.envelope import SandboxResponse

MOST = 200
_LONGEST = 200


@attrs.frozen
class Call:
    """One call of the API: when it came, the endpoint, and the answer in a few words; no value of the request."""

    at: datetime
    endpoint: str
    answer: str


class CallLog:
    """The last calls, newest first. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=MOST)

    def note(self, at: datetime, endpoint: str, answer: SandboxResponse | None, fault: str = "") -> None:
        """Add a call; without an answer the connection was closed."""
        summary = "no answer" if answer is None else _summary(answer)
        with self._lock:
            self._calls.appendleft(Call(at, endpoint, f"{summary} (fault: {fault})" if fault else summary))

    def latest(self) -> tuple[Call, ...]:
        """Return the calls."""
        with self._lock:
            return tuple(self._calls)


def _summary(answer: SandboxResponse) -> str:
    """Return the HTTP status, and the message of a refusal."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return f"{answer.status}, not JSON"
    if isinstance(body, dict) and body.get("result") is False:
        return f"{answer.status}, refused: {str(body.get('message', ''))[:_LONGEST]}"
    return str(answer.status)
