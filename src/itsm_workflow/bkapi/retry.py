"""When a call may be tried again, and how long to wait before. Only for endpoints that are marked idempotent."""

from __future__ import annotations

import contextlib
import contextvars
import email.utils
import logging
import math
from typing import TYPE_CHECKING, Any

import attrs
import tenacity

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

logger = logging.getLogger("itsm_workflow.bkapi.retry")

_waiting = contextvars.ContextVar("itsm_workflow_gateway_waiting", default=True)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often and how patiently. The call's deadline bounds all attempts and waits together.

    Attributes:
        attempts: How many times a call is sent at most.
        first_wait: Seconds that the first wait lasts at most; each later one up to twice the one before.
        longest_wait: Seconds that no wait exceeds. Each is drawn evenly between the shortest and its bound.
        shortest_wait: Seconds that each wait lasts at least.
        longest_retry_after: Seconds of ``Retry-After`` that are obeyed; a server that asks for more is not tried again.
        statuses: HTTP statuses after which a call is tried again.
        exceptions: The errors after which a call is tried again, and no others.
        results: Functions of a whole answer that return True if the call shall be tried again.
        wait: False to try again at once.
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
        """Check every field; all problems are told at once.

        Raises:
            DefinitionError: A field cannot be.
        """
        found = [f"{name} {rule}" for name, rule in _problems(self)]
        if found:
            raise DefinitionError(f"retry policy: {'; '.join(found)}")

    @property
    def looks_inside(self) -> bool:
        """Whether an answer must be read to tell if the call is tried again."""
        read = (GatewayRefused, GatewayProtocolError)
        return bool(self.results) or any(issubclass(each, kind) for each in read for kind in self.exceptions)


def _problems(policy: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - untyped callers may have given anything
    if type(policy.attempts) is not int or policy.attempts < 1:
        yield "attempts", "must be a whole number from 1 on; 1 is no retry"
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
        yield "exceptions", "must be a tuple of GatewayError classes: a call raises nothing else that may pass"
    if not isinstance(policy.results, tuple) or not all(map(callable, policy.results)):
        yield "results", "must be a tuple of functions of a DataResponse that return True to try again"


def _is_wait(seconds: Any) -> bool:  # noqa: ANN401 - the same
    return type(seconds) in {int, float} and math.isfinite(seconds) and seconds >= 0


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


def send_patiently(
    send: Callable[[float], HttpResponse],
    *,
    policy: RetryPolicy,
    seconds: float,
    pace: Pace,
    why: Callable[[HttpResponse], str] = lambda _: "",
    call: str = "",
) -> HttpResponse:
    """Send, and send again while that makes sense.

    Args:
        send: Sends once; is given the seconds that are left.
        policy: How often and how patiently.
        seconds: How long all of it may take.
        pace: Time and chance.
        why: Returns for which of the policy's reasons besides its statuses an answer is not the last; empty: it is.
        call: What the log calls it.

    Returns:
        The last answer, whatever its status.

    Raises:
        GatewayError: The last attempt's.
    """
    if policy.attempts == 1:
        return send(seconds)
    schedule = _Schedule(policy, seconds, pace, why, call)
    retrying = tenacity.Retrying(
        stop=schedule.stop,
        wait=schedule.wait,
        sleep=schedule.sleep,
        retry=schedule.again,
        before_sleep=schedule.tell,
        retry_error_callback=_last,
    )
    try:
        return retrying(lambda: send(schedule.left))
    except (tenacity.RetryError, tenacity.TryAgain):  # it has no cause to; and nobody outside knows it
        problem = "no attempt was brought to its end; it may have been done"
    raise GatewayTimeout(problem, endpoint=call)


def _last(state: tenacity.RetryCallState) -> HttpResponse:
    if state.outcome is None:  # tenacity asks after an attempt only
        raise tenacity.TryAgain
    answer: HttpResponse = state.outcome.result()
    return answer


class _Schedule:
    """One call's attempts. Newer tenacity asks for the wait before it asks whether to stop: both see the same draw."""

    def __init__(
        self, policy: RetryPolicy, seconds: float, pace: Pace, why: Callable[[HttpResponse], str], call: str
    ) -> None:
        self._policy = policy
        self._pace = pace
        self._why = why
        self._call = call
        self._reason = ""
        self._ends_at = pace.monotonic() + seconds
        self._drawn_for = 0
        self._drawn = 0.0

    @property
    def left(self) -> float:
        return max(self._ends_at - self._pace.monotonic(), 0.001)

    def again(self, state: tenacity.RetryCallState) -> bool:
        self._reason = "" if state.outcome is None else self._reason_in(state.outcome)
        return bool(self._reason)

    def _reason_in(self, outcome: tenacity.Future) -> str:
        error = outcome.exception()
        if error is not None:
            return error.code if isinstance(error, GatewayError) and isinstance(error, self._policy.exceptions) else ""
        answer: HttpResponse = outcome.result()
        return f"HTTP {answer.status}" if answer.status in self._policy.statuses else self._why(answer)

    def tell(self, state: tenacity.RetryCallState) -> None:
        logger.info(
            "%s: attempt %d of %d ended in %s, the next one follows in %.3f s",
            self._call,
            state.attempt_number,
            self._policy.attempts,
            self._reason,
            self._drawn,
            extra={"itsm_call": self._call, "itsm_attempt": state.attempt_number, "itsm_reason": self._reason},
        )

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
        shortest = self._policy.shortest_wait
        return max(shortest + self._pace.draw(max(bound - shortest, 0.0)), self._retry_after(state))

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
