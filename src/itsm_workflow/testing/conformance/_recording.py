"""The calls and their answers: the counterexample of a failing promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from itsm_workflow.testing.conformance._answers import check_answer
from itsm_workflow.testing.conformance._wording import asked, said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.storage.protocol import Conflict, EntryRows, Query, Row, Rows, StorageBackend, Write

Answer = TypeVar("Answer")

_MOST = 12
_WRITING = frozenset({"open", "commit", "close", "elsewhere"})


@attrs.frozen
class Call:
    """One call and its outcome: the answer, or the error that was raised."""

    name: str
    arguments: tuple[Any, ...] = ()
    outcome: object = None

    def __str__(self) -> str:
        """Return the call in one line."""
        return said(self.name, self.arguments, self.outcome)


@attrs.define
class Recording:
    """The calls of one test, in the order in which they returned."""

    calls: list[Call] = attrs.field(factory=list)
    pending: dict[int, Call] = attrs.field(factory=dict)
    """The calls that have not returned yet."""

    def of(self, name: str, value: Any) -> Any:  # noqa: ANN401  # a backend or what opens one
        """Return the same backend, or the same opener, with its calls recorded here."""
        return RecordedBackend(self, value) if name == "backend" else RecordedOpener(self, value)

    def add(self, name: str, arguments: tuple[Any, ...] = (), outcome: object = None) -> None:
        """Record one call."""
        self.calls.append(Call(name, arguments, outcome))

    def hanging(self) -> list[str]:
        """Return the calls that have not returned yet, one call a line."""
        return [f"{asked(call.name, call.arguments)} does not return" for call in list(self.pending.values())]

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
        self._recording = recording
        self._backend = backend

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

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Pass the call on."""
        return self._pass_on(self._backend.history, change_id, after_seq, limit)

    def close(self) -> None:
        """Pass the call on."""
        self._pass_on(self._backend.close)

    def _pass_on(self, method: Callable[..., Answer], *arguments: Any) -> Answer:  # of each of them
        name = method.__name__
        begun = Call(name, arguments)
        self._recording.pending[id(begun)] = begun
        try:
            answer = method(*arguments)
        except BaseException as error:
            self._recording.add(name, arguments, error)
            raise
        finally:
            del self._recording.pending[id(begun)]
        self._recording.add(name, arguments, answer)
        check_answer(name, answer)
        return answer


class RecordedOpener:
    """A recorded opener of a backend; another process gets the opener without the recording."""

    def __init__(self, recording: Recording, opener: Callable[[], StorageBackend]) -> None:
        self.recording = recording
        self._opener = opener

    def __call__(self) -> RecordedBackend:
        """Open the store."""
        backend = RecordedBackend(self.recording, self._opener())
        self.recording.add("open")
        return backend

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the recorded opener without the recording."""
        return _itself, (self._opener,)


def _itself(opener: Callable[[], StorageBackend]) -> Callable[[], StorageBackend]:
    return opener
