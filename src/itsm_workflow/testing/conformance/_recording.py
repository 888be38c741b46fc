"""The calls and their answers: the counterexample of a failing promise."""

from __future__ import annotations

import functools
import pickle
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs

from itsm_workflow.testing.conformance._answers import check_answer, plain
from itsm_workflow.testing.conformance._pace import Pace
from itsm_workflow.testing.conformance._profiles import QUICK
from itsm_workflow.testing.conformance._stacks import stack_of_thread
from itsm_workflow.testing.conformance._threads import THE_TEST
from itsm_workflow.testing.conformance._wording import asked, said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.storage.protocol import Conflict, EntryRows, Query, Row, Rows, StorageBackend, Write

Answer = TypeVar("Answer")

_MOST = 12
_MOST_HANGING = 3
_WRITING = frozenset({"open", "commit", "close", "elsewhere"})


class Pulse(Protocol):
    """A receiver of the beginning and the end of each call, so that another process can see how long it takes."""

    def begin(self, call: Call) -> None:
        """Note the beginning of a call."""
        ...

    def end(self, call: Call) -> None:
        """Note that the call returned; its outcome is in it, or its text."""
        ...


@attrs.frozen
class Call:
    """One call and its outcome: the answer, or the error that was raised.

    Attributes:
        name: The method.
        arguments: Its arguments.
        outcome: The answer, or the error.
        by: The thread or process that made the call.
        began: The time at which it was made, in nanoseconds of the monotonic clock, which all processes share.
        ended: The time at which it returned; None if it never did.
        text: The call in one line, if the values themselves are not kept.
        thread: The identifier of the thread in its process.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    outcome: object = None
    by: str = ""
    began: int = 0
    ended: int | None = 0
    text: str = ""
    thread: int = attrs.field(default=0, eq=False)

    def __str__(self) -> str:
        """Return the call in one line."""
        return self.text or said(self.name, self.arguments, self.outcome)


class CheckEnded(BaseException):
    """A signal has ended the check, so a promise that still runs makes no more calls.

    It is not an `Exception`, so that no racer takes it for an error of the backend and goes on.
    """


@attrs.define
class Recording:
    """The calls of one test, in the order in which they returned.

    Attributes:
        calls: The calls.
        pending: The calls that have not returned yet.
        pace: The time limits of the test.
        by: The name of this process; if empty, the name of the calling thread.
        pulse: Notified of every call.
        in_short: Whether only the text of each call is kept, for calls with large values.
        has_ended: Whether no call is made any more.
    """

    calls: list[Call] = attrs.field(factory=list)
    pending: dict[int, Call] = attrs.field(factory=dict)
    pace: Pace = attrs.field(factory=lambda: Pace(QUICK.patience))
    by: str = ""
    pulse: Pulse | None = None
    in_short: bool = False
    has_ended: bool = False

    def of(self, name: str, value: Any) -> Any:  # noqa: ANN401  # a backend or what opens one
        """Return the same backend, or the same opener, with its calls recorded here."""
        return RecordedBackend(self, value) if name == "backend" else RecordedOpener(self, value)

    def add(self, name: str, arguments: tuple[Any, ...] = (), outcome: object = None) -> None:
        """Record an act that is not a call of this process."""
        self.calls.append(Call(name, arguments, outcome))

    def end_all(self) -> None:
        """Let no call begin any more; those that have begun go on."""
        self.has_ended = True

    def begin(self, name: str, arguments: tuple[Any, ...]) -> Call:
        """Record the beginning of a call.

        Raises:
            CheckEnded: No call is made any more.
        """
        if self.has_ended:
            raise CheckEnded
        thread = threading.current_thread()
        by, began = self.by or thread.name, time.monotonic_ns()
        call = Call(name, arguments, by=by, began=began, thread=thread.ident or 0)
        self.pending[id(call)] = call
        if self.pulse is not None:
            self.pulse.begin(call)
        return call

    def end(self, call: Call, outcome: object) -> None:
        """Record the end of a call, with its answer or its error."""
        ended = time.monotonic_ns()
        del self.pending[id(call)]
        self.pace.note(call.name, call.began, ended)
        if self.in_short:
            text = said(call.name, call.arguments, outcome)
            returned = attrs.evolve(call, arguments=(), ended=ended, text=text)
        else:
            returned = attrs.evolve(call, outcome=outcome, ended=ended)
        self.calls.append(returned)
        if self.pulse is not None:
            self.pulse.end(returned)

    def hanging(self) -> list[str]:
        """Return the calls that have not returned yet: each in a line, and where it waits in the next ones."""
        lines, pending = list[str](), list(self.pending.values())
        for call in pending[:_MOST_HANGING]:
            by = "" if call.by == THE_TEST else f"{call.by}: "
            seconds = (time.monotonic_ns() - call.began) / 1e9
            lines.append(f"{by}{asked(call.name, call.arguments)} has not returned for {seconds:.1f} s; it waits in")
            lines += stack_of_thread(call.thread)
        more = len(pending) - _MOST_HANGING
        return [*lines, f"({more} more calls have not returned)"] if more > 0 else lines

    def longest_pending(self) -> float:
        """Return how many seconds the longest of the calls that have not returned has taken so far; 0 without any.

        The time in which this process could not work does not count.
        """
        began = min((call.began for call in list(self.pending.values())), default=None)
        return 0.0 if began is None else self.pace.seconds(began, time.monotonic_ns())

    def shown(self) -> list[Call]:
        """Return the relevant calls: those that write, and the last one."""
        last = self.calls[-1:]
        return [call for call in self.calls[:-1] if call.name in _WRITING] + last

    def as_text(self) -> str:
        """Return the relevant calls as text, one call a line."""
        shown = self.shown()
        lines = [str(call) for call in shown[-_MOST:]]
        if len(shown) > _MOST:
            lines.insert(0, f"({len(shown) - _MOST} earlier calls)")
        return "\n  ".join(["Calls:", *lines])


class RecordedBackend:
    """A backend whose calls are recorded."""

    def __init__(self, recording: Recording, backend: StorageBackend) -> None:
        self.recording = recording
        self._backend = backend

    @property
    def bare(self) -> StorageBackend:
        """The backend without the recording."""
        return self._backend

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Pass the call on."""
        # A copy, so that later changes of the list do not show; a value of another type is passed as it is.
        return self._pass_on(self._backend.commit, list(writes) if isinstance(writes, list) else writes)

    def get(self, change_id: str, /) -> Row | None:
        """Pass the call on."""
        return self._pass_on(self._backend.get, change_id)

    def find(self, query: Query, /) -> Rows:
        """Pass the call on."""
        return self._pass_on(self._backend.find, query)

    def history(self, change_id: str, /, *given: int, **named: int) -> EntryRows:
        """Pass the call on as it was made, by the port's names and with the backend's own defaults."""
        bounds = {"after_seq": 0, "limit": 1000} | dict(zip(("after_seq", "limit"), given, strict=False)) | named
        made = functools.partial(self._backend.history, change_id, *given, **named)
        return self._recorded("history", (change_id, *bounds.values()), made)

    def close(self) -> None:
        """Pass the call on."""
        self._pass_on(self._backend.close)

    def _pass_on(self, method: Callable[..., Answer], *arguments: Any) -> Answer:  # of each of them
        return self._recorded(method.__name__, arguments, functools.partial(method, *arguments))

    def _recorded(self, name: str, arguments: tuple[Any, ...], made: Callable[[], Answer]) -> Answer:
        call = self.recording.begin(name, arguments)
        try:
            answer: Any = plain(made())
        except BaseException as error:
            self.recording.end(call, error)
            raise
        self.recording.end(call, answer)
        check_answer(name, answer)
        return answer  # type: ignore[no-any-return]  # checked above


class RecordedOpener:
    """A recorded opener of a backend; another process gets the opener without the recording."""

    def __init__(self, recording: Recording, opener: Callable[[], StorageBackend]) -> None:
        self.recording = recording
        self._opener = opener

    def __call__(self) -> RecordedBackend:
        """Open the store."""
        call = self.recording.begin("open", ())
        try:
            backend = self._opener()
        except BaseException as error:
            self.recording.end(call, error)
            raise
        self.recording.end(call, None)
        return RecordedBackend(self.recording, backend)

    @property
    def bare(self) -> Callable[[], StorageBackend]:
        """The opener without the recording."""
        return self._opener

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the recorded opener without the recording."""
        return _itself, (self._opener,)


def _itself(opener: Callable[[], StorageBackend]) -> Callable[[], StorageBackend]:
    return opener


def portable(call: Call) -> Call:
    """Return the call with an outcome that can be sent to another process."""
    try:
        pickle.loads(pickle.dumps(call.outcome))  # noqa: S301  # of this process
    except Exception as error:  # noqa: BLE001  # an error of a driver may be of any type
        what = f"{type(call.outcome).__name__}: {call.outcome}" if isinstance(call.outcome, BaseException) else error
        return attrs.evolve(call, outcome=RuntimeError(str(what)))
    return call
