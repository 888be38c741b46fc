"""A good backend that lies at exactly one call; `lies_of_commits` and `lies_of_reads` have what it says then.

A lie is a pure function of a call and its true answer: it returns another answer, other contents of the store, or both.
"""

# ruff: noqa: D102  # the port says what each method is for

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs

from itsm_workflow.storage.protocol import (
    Conflict,
    EntryRow,
    EntryRows,
    Query,
    Row,
    Rows,
    Write,
)
from tests.conformance.good import PlainDict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.conformance.good import Changes


@attrs.frozen(kw_only=True)
class Truth:
    """A call, as a good backend answers it.

    Attributes:
        arguments: Its arguments.
        answer: The answer, or the error that is raised.
        past: The contents of the store before the last commit that changed them.
        before: The contents before this call.
        after: The contents after it.
    """

    arguments: tuple[Any, ...]
    answer: Any
    past: Changes
    before: Changes
    after: Changes

    def answered(self, answer: object) -> Truth:
        """Return the same with another answer."""
        return attrs.evolve(self, answer=answer)

    def having(self, change_id: str, row: Row | None, entries: tuple[EntryRow, ...] = ()) -> Truth:
        """Return the same with other contents of one change afterwards; without a row, the change does not exist."""
        others = {name: change for name, change in self.after.items() if name != change_id}
        return attrs.evolve(self, after=others if row is None else {**others, change_id: (row, entries)})

    def writes(self, *, won: bool) -> list[tuple[int, Write]]:
        """Return the writes of a commit that were stored, or those that were not, with their places."""
        if not isinstance(self.answer, list):
            return []
        return [(n, w) for n, w in enumerate(self.arguments[0]) if (self.answer[n] is None) == won]


@attrs.frozen
class Lie:
    """A way to lie.

    Attributes:
        method: The method whose call is answered with it.
        tell: Returns what is said instead of the truth, or None if there is nothing to lie about.
        promise: The promise of the kit that is about it.
        about: A further argument, for example the column.
    """

    method: str
    tell: Callable[..., Truth | None]
    promise: str
    about: Any = None

    def __str__(self) -> str:
        """Return the name."""
        about = getattr(self.about, "__name__", self.about)
        return "-".join(filter(None, (self.method, self.tell.__name__, about)))

    def told(self, truth: Truth) -> Truth | None:
        """Return what is said instead of the truth, or None if that is the truth."""
        said = self.tell(truth) if self.about is None else self.tell(truth, self.about)
        return None if said == truth else said


@attrs.define
class Chances:
    """Counts the calls at which a lie could be told, and chooses one of them.

    Attributes:
        place: The number of the call at which it is told, from 1; 0 for none.
        count: The number of such calls so far.
    """

    place: int
    count: int = 0

    def take(self) -> bool:
        """Count a call, and return whether to lie there."""
        self.count += 1
        return self.count == self.place


class Liar(PlainDict):
    """A good backend, which lies at one call."""

    def __init__(self, lie: Lie, chances: Chances) -> None:
        super().__init__()
        self._lie, self._chances = lie, chances
        self._past: Changes = {}

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        return cast("list[Conflict | None]", self._say("commit", super().commit, writes))

    def get(self, change_id: str, /) -> Row | None:
        return cast("Row | None", self._say("get", super().get, change_id))

    def find(self, query: Query, /) -> Rows:
        return cast("Rows", self._say("find", super().find, query))

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        return cast("EntryRows", self._say("history", super().history, change_id, after_seq, limit))

    def _say(self, method: str, call: Callable[..., object], *arguments: Any) -> object:  # of the call
        with self._mutex:
            before = self._changes
            try:
                answer = call(*arguments)
            except Exception as error:  # noqa: BLE001  # raised again below
                answer = error
            said = truth = Truth(
                arguments=arguments, answer=answer, past=self._past, before=before, after=self._changes
            )
            lie = self._lie.told(truth) if method == self._lie.method else None
            if lie is not None and self._chances.take():
                said = lie
            if said.after is not before:
                self._past, self._changes = before, said.after
        if isinstance(said.answer, Exception):
            raise said.answer
        return said.answer


def altered(value: Any) -> Any:  # noqa: ANN401  # of any column
    """Return another value of the same type; a text for None."""
    return value + 1 if isinstance(value, int) else f"{value or ''}'"


_NOTHING = {"get": None, "find": Rows(rows=()), "history": EntryRows(entries=())}


def answers_what_must_be_refused(truth: Truth, method: str) -> Truth | None:
    """One call that must raise an error is answered with nothing, or as stored."""
    if not isinstance(truth.answer, Exception):
        return None
    if method != "commit":
        return truth.answered(_NOTHING[method])
    writes = truth.arguments[0]
    return truth.answered([None] * len(writes) if isinstance(writes, (list, tuple)) else [])


def raises(truth: Truth, error: type[Exception]) -> Truth | None:
    """One call raises an error although nothing is wrong, and stores nothing."""
    if isinstance(truth.answer, Exception):
        return None
    return attrs.evolve(truth, answer=error("nothing is wrong"), after=truth.before)


ROW_COLUMNS = tuple(name for name in attrs.fields_dict(Row) if name != "id")
ENTRY_COLUMNS = tuple(attrs.fields_dict(EntryRow))
