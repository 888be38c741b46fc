"""Retries of calls to idempotent endpoints, with exponential back-off and jitter."""

from __future__ import annotations

import contextlib
import contextvars
import email.utils
import logging
import math
from typing import TYPE_CHECKING, Any

import attrs
import tenacity

from itsm_workflow.bkapi.body import MAYBE_DONE
from itsm_workflow.errors import (
    DefinitionError,
    GatewayError,
    GatewayProtocolError,
    GatewayRefused,
    GatewayTimeout,
    GatewayUnavailable,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from itsm_workflow.bkapi.response import DataResponse
    from itsm_workflow.bkapi.transport import HttpResponse

logger = logging.getLogger("itsm_workflow.gateway.retry")

_waiting = contextvars.ContextVar("itsm_workflow_gateway_waiting", default=True)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """The number of attempts and the waits between them. The call's deadline limits all attempts and waits together.

    Attributes:
        attempts: The largest number of attempts; 1 means no retry.
        first_wait: The upper bound of the first wait in seconds; it doubles with each further wait.
        longest_wait: The upper bound of every wait in seconds. Each wait is drawn uniformly up to its bound.
        shortest_wait: The lower bound of every wait in seconds.
        longest_retry_after: The longest ``Retry-After`` in seconds that is obeyed; a longer one ends the retries.
        statuses: HTTP statuses after which a call is retried.
        exceptions: The only errors after which a call is retried.
        results: Functions of a whole answer that return True to retry the call.
        wait: Whether to wait between attempts; False retries immediately.
    """

    attempts: int = 3
    first_wait: float = 0.2
    longest_wait: float = 5.0
    shortest_wait: float = 0.0
    longest_retry_after: float = 10.0
    statuses: frozenset[int] = frozenset({429, 502, 503, 504})
    exceptions: tuple[type[GatewayError], ...] = (GatewayUnavailable, GatewayTimeout)
    results: tuple[Callable[[DataResponse[Any]], bool], ...] = ()
    wait: bool = True

    def __attrs_post_init__(self) -> None:
        """Check every field and report all problems in one error.

        Raises:
            DefinitionError: A field is invalid.
        """
        found = [f"{name} {rule}" for name, rule in _problems(self)]
        if found:
            raise DefinitionError(f"retry policy: {'; '.join(found)}")

    @property
    def looks_inside(self) -> bool:
        """Whether the content of an answer decides if the call is retried."""
        read = (GatewayRefused, GatewayProtocolError)
        return bool(self.results) or any(issubclass(each, kind) for each in read for kind in self.exceptions)


def _problems(policy: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - untyped callers may pass any value
    if type(policy.attempts) is not int or policy.attempts < 1:
        yield "attempts", "must be a whole number of at least 1; 1 means no retry"
    for name in ("first_wait", "longest_wait", "shortest_wait", "longest_retry_after"):
        seconds = getattr(policy, name)
        if not _is_wait(seconds):
            yield name, "must be a number of seconds, 0 or more"
        elif name == "shortest_wait" and _is_wait(policy.longest_wait) and seconds > policy.longest_wait:
            yield name, "must not exceed longest_wait"
    if not isinstance(policy.statuses, frozenset) or any(type(status) is not int for status in policy.statuses):
        yield "statuses", "must be a frozenset of HTTP statuses"
    kinds = policy.exceptions
    if not (
        isinstance(kinds, tuple) and all(isinstance(kind, type) and issubclass(kind, GatewayError) for kind in kinds)
    ):
        yield "exceptions", "must be a tuple of GatewayError classes: only these can be temporary"
    if not isinstance(policy.results, tuple) or not all(map(callable, policy.results)):
        yield "results", "must be a tuple of functions of a DataResponse that return True to retry"
    if not isinstance(policy.wait, bool):
        yield "wait", "must be True or False"


def _is_wait(seconds: Any) -> bool:  # noqa: ANN401 - the same
    return type(seconds) in {int, float} and math.isfinite(seconds) and seconds >= 0


NO_RETRY = RetryPolicy(attempts=1)


@contextlib.contextmanager
def without_waiting() -> Iterator[None]:
    """Retry without waiting inside this block, in this thread or task; for tests of code that calls a gateway."""
    token = _waiting.set(False)
    try:
        yield
    finally:
        _waiting.reset(token)


@attrs.frozen(kw_only=True)
class Pace:
    """The clocks, the sleep function and the random numbers of retries.

    Attributes:
        monotonic: Source of monotonic seconds.
        now: Source of the current time, with a zone; a ``Retry-After`` may be a date.
        sleep: Sleeps for a number of seconds.
        draw: Returns a random number between 0 and its argument.
    """

    monotonic: Callable[[], float]
    now: Callable[[], dt.datetime]
    sleep: Callable[[float], object]
    draw: Callable[[float], float]

    def wait(self, seconds: float) -> None:
        """Sleep, unless there is nothing to wait for."""
        if seconds > 0:
            self.sleep(seconds)


def send_patiently(
    send: Callable[[float], HttpResponse],
    *,
    policy: RetryPolicy,
    seconds: float,
    pace: Pace,
    why: Callable[[HttpResponse], str] = lambda _: "",
    call: str = "",
) -> HttpResponse:
    """Send a request, and retry it as the policy allows.

    Args:
        send: Sends the request once; called with the seconds that are left.
        policy: The number of attempts and the waits between them.
        seconds: The deadline of all attempts and waits together.
        pace: The clocks, the sleep function and the random numbers.
        why: Returns the reason to retry an answer whose status is not a reason; empty if there is no reason.
        call: The name of the call in the log.

    Returns:
        The last answer, whatever its status.

    Raises:
        GatewayError: The error of the last attempt.
    """
    if policy.attempts == 1:
        return send(seconds)
    ends_at = pace.monotonic() + seconds
    reason = ""

    def is_retried(answer: HttpResponse) -> bool:
        nonlocal reason
        reason = f"HTTP {answer.status}" if answer.status in policy.statuses else why(answer)
        return bool(reason)

    def log_retry(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        ended_in = error.code if isinstance(error, GatewayError) else reason
        logger.info(
            "%s: attempt %d of %d ended in %s, the next attempt follows in %.3f s",
            call,
            state.attempt_number,
            policy.attempts,
            ended_in,
            state.upcoming_sleep,
            extra={"itsm_call": call, "itsm_attempt": state.attempt_number, "itsm_reason": ended_in},
        )

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(policy.exceptions) | tenacity.retry_if_result(is_retried),
        stop=tenacity.stop_after_attempt(policy.attempts) | _StopBeforeDeadline(ends_at, pace),
        wait=_Wait(policy, pace),
        sleep=pace.wait,
        before_sleep=log_retry,
        retry_error_callback=_last,
    )
    try:
        return retrying(lambda: send(max(ends_at - pace.monotonic(), 0.001)))
    except (tenacity.RetryError, tenacity.TryAgain):  # not expected, and unknown to this library's callers
        problem = f"no attempt was completed{MAYBE_DONE}"
    raise GatewayTimeout(problem, endpoint=call)


def _last(state: tenacity.RetryCallState) -> HttpResponse:
    if state.outcome is None:  # tenacity calls this only after an attempt
        raise tenacity.TryAgain
    answer: HttpResponse = state.outcome.result()
    return answer


class _StopBeforeDeadline(tenacity.stop.stop_base):
    """Do not wait for an attempt that would begin after the deadline.

    Tenacity's stop_before_delay is the same, and reads a clock of its own.
    """

    def __init__(self, ends_at: float, pace: Pace) -> None:
        self._ends_at = ends_at
        self._pace = pace

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        return self._pace.monotonic() + retry_state.upcoming_sleep >= self._ends_at


class _Wait(tenacity.wait_exponential):
    """Full jitter below the exponential bound, and at least the server's ``Retry-After``.

    Tenacity's wait_random_exponential is the same without ``Retry-After``, and draws from the process's random numbers.
    """

    def __init__(self, policy: RetryPolicy, pace: Pace) -> None:
        super().__init__(multiplier=policy.first_wait, max=policy.longest_wait, min=policy.shortest_wait)
        self._policy = policy
        self._pace = pace

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        if not (self._policy.wait and _waiting.get()):
            return 0.0
        shortest = self._policy.shortest_wait
        drawn = shortest + self._pace.draw(super().__call__(retry_state) - shortest)
        return max(drawn, self._retry_after(retry_state))

    def _retry_after(self, state: tenacity.RetryCallState) -> float:
        """Return the seconds of ``Retry-After``; infinity if they exceed the policy's limit."""
        if state.outcome is None or state.outcome.failed:
            return 0.0
        text = state.outcome.result().headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            seconds = float(text[:10])
        else:
            try:
                seconds = (email.utils.parsedate_to_datetime(text) - self._pace.now()).total_seconds()
            except (ValueError, TypeError):  # not a date, or a date without a zone
                return 0.0
        return math.inf if seconds > self._policy.longest_retry_after else max(seconds, 0.0)
