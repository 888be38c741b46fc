"""When a call may be tried again, and how long to wait before. Only for endpoints that are marked idempotent."""

from __future__ import annotations

import contextlib
import contextvars
import email.utils
import math
from typing import TYPE_CHECKING

import attrs
import tenacity

from itsm_workflow.errors import GatewayTimeout, GatewayUnavailable

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from itsm_workflow.gateway.transport import Answer

_waiting = contextvars.ContextVar("itsm_workflow_gateway_waiting", default=True)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often and how patiently. The call's deadline bounds all attempts and waits together.

    Attributes:
        attempts: How many times a call is sent at most.
        first_wait: Seconds that the first wait lasts at most; each later one up to twice the one before.
        longest_wait: Seconds that no wait exceeds. Each is drawn evenly between 0 and its bound.
        longest_retry_after: Seconds of ``Retry-After`` that are obeyed; a server that asks for more is not tried again.
        statuses: HTTP statuses after which a call is tried again.
        wait: False to try again at once.
    """

    attempts: int = 3
    first_wait: float = 0.2
    longest_wait: float = 5.0
    longest_retry_after: float = 10.0
    statuses: frozenset[int] = frozenset({429, 502, 503, 504})
    wait: bool = True


NO_RETRY = RetryPolicy(attempts=1)


@contextlib.contextmanager
def without_waiting() -> Iterator[None]:
    """Try again at once inside this block, in this thread or task; for tests of what surrounds the gateway."""
    token = _waiting.set(False)
    try:
        yield
    finally:
        _waiting.reset(token)


@attrs.frozen(kw_only=True)
class Pace:
    """What retrying asks of time and chance.

    Attributes:
        monotonic: Seconds that never go back.
        now: The wall-clock time, aware; a ``Retry-After`` may be a date.
        sleep: Waits for that many seconds.
        draw: Returns a number between 0 and its argument.
    """

    monotonic: Callable[[], float]
    now: Callable[[], dt.datetime]
    sleep: Callable[[float], object]
    draw: Callable[[float], float]


def send_patiently(send: Callable[[float], Answer], *, policy: RetryPolicy, seconds: float, pace: Pace) -> Answer:
    """Send, and send again while that makes sense.

    Args:
        send: Sends once; is given the seconds that are left.
        policy: How often and how patiently.
        seconds: How long all of it may take.
        pace: Time and chance.

    Returns:
        The last answer, whatever its status.

    Raises:
        GatewayError: The last attempt's.
    """
    schedule = _Schedule(policy, seconds, pace)
    retrying = tenacity.Retrying(
        stop=schedule.stop,
        wait=schedule.wait,
        sleep=schedule.sleep,
        retry=tenacity.retry_any(
            tenacity.retry_if_exception_type((GatewayUnavailable, GatewayTimeout)),
            tenacity.retry_if_result(lambda answer: answer.status in policy.statuses),
        ),
        retry_error_callback=_last,
    )
    return retrying(lambda: send(schedule.left))


def _last(state: tenacity.RetryCallState) -> Answer:
    if state.outcome is None:  # tenacity asks after an attempt only
        raise tenacity.TryAgain
    answer: Answer = state.outcome.result()
    return answer


class _Schedule:
    """One call's attempts. Newer tenacity asks for the wait before it asks whether to stop: both see the same draw."""

    def __init__(self, policy: RetryPolicy, seconds: float, pace: Pace) -> None:
        self._policy = policy
        self._pace = pace
        self._ends_at = pace.monotonic() + seconds
        self._drawn_for = 0
        self._drawn = 0.0

    @property
    def left(self) -> float:
        return max(self._ends_at - self._pace.monotonic(), 0.001)

    def stop(self, state: tenacity.RetryCallState) -> bool:
        if state.attempt_number >= self._policy.attempts:
            return True
        # No attempt is waited for that could not end in time.
        return self._pace.monotonic() + self.wait(state) >= self._ends_at

    def wait(self, state: tenacity.RetryCallState) -> float:
        if self._drawn_for != state.attempt_number:
            self._drawn_for, self._drawn = state.attempt_number, self._draw(state)
        return self._drawn

    def _draw(self, state: tenacity.RetryCallState) -> float:
        if not (self._policy.wait and _waiting.get()):
            return 0.0
        bound = min(self._policy.first_wait * 2 ** (state.attempt_number - 1), self._policy.longest_wait)
        return max(self._pace.draw(bound), self._retry_after(state))

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._pace.sleep(seconds)

    def _retry_after(self, state: tenacity.RetryCallState) -> float:
        """Return the seconds that the server asked for; infinity if they are more than is obeyed."""
        if state.outcome is None or state.outcome.failed:
            return 0.0
        text = state.outcome.result().headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            seconds = float(text[:10])
        else:
            try:
                seconds = (email.utils.parsedate_to_datetime(text) - self._pace.now()).total_seconds()
            except (ValueError, TypeError):  # no date, or one without a zone
                return 0.0
        return math.inf if seconds > self._policy.longest_retry_after else max(seconds, 0.0)
