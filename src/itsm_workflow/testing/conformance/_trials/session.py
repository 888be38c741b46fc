"""The calls of one process on a store, each with its outcome, whatever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.errors import StorageCorrupt, StorageError, StorageUnavailable
from itsm_workflow.testing.conformance._answers import check_answer, plain
from itsm_workflow.testing.conformance._reports import place_of
from itsm_workflow.testing.conformance._rows import pages, whole_history
from itsm_workflow.testing.conformance._trials.calls import Cancelled, Interrupted
from itsm_workflow.testing.conformance._wording import asked, word

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import EntryRow, Query, Row, StorageBackend

    State = tuple[Row | None, tuple[EntryRow, ...]]

_MOST = 300


@attrs.frozen
class Outcome:
    """The outcome of a call.

    Attributes:
        answer: Its answer.
        error: The error that it raised, in one line; otherwise empty.
        in_port: Whether the port allows an error of this class.
    """

    answer: Any = None
    error: str = ""
    in_port: bool = True

    def __str__(self) -> str:
        """Return the outcome in one line."""
        if self.error:
            return f"raised {self.error}"
        return f"-> {self.answer if isinstance(self.answer, Contents) else word(self.answer)}"


@attrs.frozen
class Contents:
    """All that a store returns about some changes.

    Attributes:
        states: The row of each change, and its entries.
        found: The rows that a query without conditions finds, by id.
    """

    states: dict[str, State]
    found: dict[str, Row]

    def __str__(self) -> str:
        """Return the ids and versions of the changes that are there."""
        return ", ".join(f"{name} v{row.version}" for name, (row, _) in self.states.items() if row is not None)

    def __getitem__(self, name: str) -> State:
        """Return the row of a change and its entries."""
        return self.states[name]


@attrs.frozen
class Step:
    """One call of one process.

    Attributes:
        who: The process.
        name: The name of the call.
        arguments: Its arguments.
        outcome: Its outcome, or None if it did not return.
    """

    who: str
    name: str
    arguments: tuple[Any, ...]
    outcome: Outcome | None

    def __str__(self) -> str:
        """Return the step in one line."""
        call = self.name if self.name in {"open", "close", "contents"} else asked(self.name, self.arguments)
        call = "read everything" if self.name == "contents" else call
        if self.outcome is None:
            return f"{self.who}: {call} does not return"
        if self.name in {"open", "close"} and not self.outcome.error:
            return f"{self.who}: {call}"
        return f"{self.who}: {call} {self.outcome}"


class Session:
    """A backend object in this process, opened by the first call.

    Args:
        opener: Opens the store.
    """

    def __init__(self, opener: Callable[[], StorageBackend]) -> None:
        self._opener = opener
        self.backend: StorageBackend | None = None

    def perform(self, name: str, *arguments: Any) -> Outcome:  # of each of the calls
        """Make a call, and return its outcome; an error of any class is an outcome."""
        try:
            answer = getattr(self, f"_{name}")(*arguments)
            check_answer(name, answer)
        except (Exception, Interrupted, Cancelled) as error:  # noqa: BLE001  # a broken backend may raise anything
            allowed = StorageError if name == "open" else (StorageUnavailable, StorageCorrupt)
            line = " ".join(f"{type(error).__name__}: {error}".split())
            return Outcome(error=line[:_MOST] + place_of(error), in_port=isinstance(error, allowed))
        return Outcome(answer)

    def _open(self) -> None:
        self.backend = self._opener()

    def _close(self) -> None:
        self._opened().close()

    def _commit(self, writes: Any) -> Any:  # noqa: ANN401  # checked by check_answer
        answer = plain(self._opened().commit(writes))
        check_answer("commit", answer)
        assert len(answer) == len(writes), f"commit of {len(writes)} writes returned {word(answer)}"
        return answer

    def _get(self, change_id: str) -> Any:  # noqa: ANN401  # the same
        return plain(self._opened().get(change_id))

    def _find(self, query: Query) -> Any:  # noqa: ANN401  # the same
        return plain(self._opened().find(query))

    def _history(self, change_id: str, after_seq: int = 0) -> Any:  # noqa: ANN401  # the same
        return plain(self._opened().history(change_id, after_seq))

    def _contents(self, names: tuple[str, ...], query: Query) -> Contents:
        backend = self._opened()
        states = {name: (plain(backend.get(name)), tuple(plain(whole_history(backend, name)))) for name in names}
        found = {row.id: plain(row) for page in pages(backend, query) for row in page.rows}
        return Contents(states, found)

    def _opened(self) -> StorageBackend:
        assert self.backend is not None, "the store was not opened"
        return self.backend
