"""Backends so broken that they could break the kit: each is reported, with a reason, and in time."""

# ruff: noqa: ANN401  # an answer of another type than the port's is what these backends have

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.cli import main
from itsm_workflow.storage import registry
from itsm_workflow.storage.checks import check_writes
from itsm_workflow.storage.protocol import EntryRows, Query
from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance import QUICK, PromiseOutcome, _machine, _shortest, _stopping
from itsm_workflow.testing.conformance._check import _shortened
from itsm_workflow.testing.conformance._kit import Kit
from itsm_workflow.testing.conformance._recording import Call, RecordedOpener, Recording
from itsm_workflow.testing.conformance._rows import create, follow
from itsm_workflow_backends.memory import MemoryBackend
from tests.conformance.zoo import ReturnsAConflictAsSuccess
from tests.support.long import long_after

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import Conflict, Row, Write


class AnswersTrue(MemoryBackend):
    """Says of each write whether it was stored."""

    def commit(self, writes: Sequence[Write], /) -> Any:
        """Answer bools."""
        return [conflict is None for conflict in super().commit(writes)]


class AnswersATuple(MemoryBackend):
    """Has the right answers in another type."""

    def commit(self, writes: Sequence[Write], /) -> Any:
        """Answer a tuple."""
        return tuple(super().commit(writes))


class FindsNone(MemoryBackend):
    """Finds no page at all."""

    def find(self, _query: Query, /) -> Any:
        """Answer None."""


class FindsAList(MemoryBackend):
    """Has the right rows in another type."""

    def find(self, query: Query, /) -> Any:
        """Answer a list in the page."""
        return attrs.evolve(super().find(query), rows=list(super().find(query).rows))  # type: ignore[arg-type]


class FindsIds(MemoryBackend):
    """Leaves it to the reader to get the rows."""

    def find(self, query: Query, /) -> Any:
        """Answer names."""
        names: Any = tuple(row.id for row in super().find(query).rows)
        return attrs.evolve(super().find(query), rows=names)


class RemembersEntries(MemoryBackend):
    """Answers no page of history."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> Any:
        """Answer a list."""
        return list(super().history(change_id, after_seq, limit).entries)


class PagesByName(MemoryBackend):
    """Names the next page of history."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Answer a text for a number."""
        return attrs.evolve(super().history(change_id, after_seq, limit), next_seq="next")  # type: ignore[arg-type]


class GetsADictionary(MemoryBackend):
    """Answers a row in parts."""

    def get(self, change_id: str, /) -> Any:
        """Answer a dictionary."""
        row = super().get(change_id)
        return row and attrs.asdict(row)


class CannotBeClosed(MemoryBackend):
    """Loses a change, and fails again when it is closed."""

    def get(self, _change_id: str, /) -> Row | None:
        """Answer None."""
        return None

    def close(self) -> None:
        """Fail."""
        raise OSError("already gone")


class KeepsItsLock(MemoryBackend):
    """Waits for ever once it has refused a write."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Leave the lock held when a write is bad."""
        if writes:
            self._lock.acquire()
            check_writes(writes)
            self._lock.release()
        return super().commit(writes)


BLOCKED = r"blocked: a call did not return within [\d.]+ s; the promises after it were not tested"


CASES: list[tuple[type[MemoryBackend], str]] = [
    (AnswersTrue, "commit returned [True]: each element must be a Conflict or None, not bool"),
    (AnswersATuple, "commit returned (None,): it must be a list, not tuple"),
    (FindsNone, "find returned None: it must be Rows, not NoneType"),
    (FindsAList, "find returned []: its rows must be a tuple, not list"),
    (FindsIds, "each of its rows must be a Row, not str"),
    (RemembersEntries, "it must be EntryRows, not list"),
    (PagesByName, "next_seq must be a number or None, not str"),
    (GetsADictionary, "it must be a Row or None, not dict"),
]


@pytest.mark.parametrize(("backend", "words"), CASES)
def test_an_answer_of_another_type_is_told_as_such(backend: type[MemoryBackend], words: str) -> None:
    """The promise says what is wrong instead of failing at it."""
    (broken,) = check_storage(lambda: backend, only="ids are case sensitive").broken.values()
    assert words in broken.reason


class NamesKindsByText(MemoryBackend):
    """Answers the kind of a conflict as a text."""

    def commit(self, writes: Sequence[Write], /) -> Any:
        """Answer with a text."""
        answer = super().commit(writes)
        return [conflict and attrs.evolve(conflict, kind=conflict.kind.value) for conflict in answer]  # type: ignore[arg-type]  # wrong


def test_a_kind_of_another_type_is_told_as_such() -> None:
    """A text equals the kind that it names, but has no value."""
    (broken,) = check_storage(lambda: NamesKindsByText, only="a lost write").broken.values()
    assert broken.reason.endswith("each conflict's kind must be a ConflictKind, not str")


def test_an_error_of_a_rival_thread_is_recorded_and_not_printed() -> None:
    """It is judged with the other calls; a thread that ends with it would print a traceback."""

    def opener() -> MemoryBackend:
        raise RuntimeError("no connection")

    recording = Recording()
    _stopping._commit(recording, RecordedOpener(Recording(), opener), create("c1"))
    assert [str(call) for call in recording.calls] == ["open() raised RuntimeError: 'no connection'"]


@pytest.mark.parametrize(("backend", "words"), long_after(1, CASES))
def test_the_whole_kit_runs_to_its_end_whatever_is_answered(backend: type[MemoryBackend], words: str) -> None:
    """Each broken promise has a reason."""
    short = attrs.evolve(QUICK, walks=2, rounds=2)
    report = check_storage(lambda: backend, profile=short)
    assert any(words in result.reason for result in report.broken.values())
    assert len(report.results) == len(Kit.all_promises())
    assert all(result.reason for result in report.broken.values())


def test_an_answer_of_another_type_fails_where_it_is_given() -> None:
    """Under pytest too, where nothing is shortened, and whatever the promise compares."""
    with pytest.raises(AssertionError, match=r"find returned \[\]: its rows must be a tuple, not list"):
        Recording().of("backend", FindsAList()).find(Query())


def test_what_fails_first_is_told() -> None:
    """Not that the store could not be closed after it."""
    (broken,) = check_storage(lambda: CannotBeClosed, only="last commit").broken.values()
    assert broken.reason.startswith("get('c1') returned None")
    assert broken.calls[-1] == "get('c1') -> None"


def test_a_call_that_does_not_return_ends_the_check() -> None:
    """The promise is broken, its last call is shown, and what comes behind is said not to have been tried."""
    report = check_storage(lambda: KeepsItsLock, patience=3)
    (broken,) = report.broken.values()
    assert broken.promise == "a bad write stores nothing"
    # The limit grows with the cost of the first calls, which a busy machine decides.
    assert re.fullmatch(BLOCKED, broken.reason)
    waits, where = broken.calls[-2:]
    assert re.fullmatch(r"get\('good'\) has not returned for [\d.]+ s; it waits in", waits)
    assert re.fullmatch(r"  \S+memory\S+, line \d+, in get: with self\._lock.*", where)
    assert report.stopped == broken.promise
    behind = report.results[report.results.index(broken) + 1 :]
    assert {result.outcome for result in behind} == {PromiseOutcome.NOT_RUN, PromiseOutcome.NOT_DECLARED}
    assert {result.reason for result in behind if result.outcome is PromiseOutcome.NOT_RUN} == {
        "not tested: a call of 'a bad write stores nothing' never returned"
    }


@attrs.frozen
class Entry:
    """An entry point of a package that is not installed."""

    found: type

    def load(self) -> type:
        """Return the class."""
        return self.found


def test_the_command_names_the_promise_that_hangs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stderr, also where no terminal shows which promise is tried."""
    monkeypatch.setattr(registry, "_entry_point", lambda _: Entry(KeepsItsLock))
    assert main(["storage", "check", "blocks://", "--only", "bad write", "--patience", "1"]) == 1
    printed = capsys.readouterr()
    *waits, last = printed.err.splitlines()
    assert re.fullmatch(f"a bad write stores nothing: {BLOCKED}", last)
    assert waits
    assert all(line.startswith("a bad write stores nothing: still ") for line in waits)
    assert re.search(f"wrong     {BLOCKED}", printed.out)


def test_threads_that_hang_do_not_hold_up_the_end() -> None:
    """Of the check; the races' own threads are left behind as well."""

    class BlocksInARace(MemoryBackend):
        def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
            if writes[0].expected_version == 1:
                self._lock.acquire()
            return super().commit(writes)

    report = check_storage(lambda: BlocksInARace, only="one thread wins", patience=0.5)
    assert report.stopped == "one thread wins each version"
    calls = report.broken[report.stopped].calls
    waiting = [line for line in calls if "has not returned" in line]
    assert all(re.match(r"thread \d: commit\(", line) for line in waiting)
    assert [line for line in calls if line.startswith("  ") and "self._lock.acquire()" in line]
    assert len(waiting) == 3
    assert re.fullmatch(r"\(\d more calls have not returned\)", calls[-1])


def test_shortening_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the store is, and however many calls were made."""

    class Slow(MemoryBackend):
        def __init__(self) -> None:
            super().__init__()
            clock[0] += 2.0

        def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
            clock[0] += 1.0
            return super().commit(writes)

        def get(self, _change_id: str, /) -> Row | None:
            return None

    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    commits = [Call("commit", ([create(f"c{number}")],), [None]) for number in range(5)]
    found = _shortest.shortest([*commits, Call("get", ("c0",), None)], lambda: Slow)
    assert found is not None
    assert found.wrong.startswith("it is None, must be 'c0' v1")
    assert not found.is_shortest
    assert clock[0] <= 13
    with pytest.raises(TimeoutError, match="cannot be repeated in time"):
        _shortest.shortest([*commits, *commits, *commits, Call("get", ("c0",), None)], lambda: Slow)


def test_hypothesis_says_nothing_when_it_ends_early(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it would print stood in the middle of a report as JSON."""
    monkeypatch.setattr(_machine, "_SHRINKING", 0)
    report = check_storage(lambda: ReturnsAConflictAsSuccess, only="dictionary")
    assert list(report.broken) == ["it behaves like a dictionary"]
    assert capsys.readouterr() == ("", "")


def test_of_many_calls_the_middle_is_left_out() -> None:
    """A race is as long as it was; a reader sees how it began and how it ended."""
    calls = [f"call {number}" for number in range(1400)]
    shown = _shortened(calls)
    assert len(shown) == 20
    assert (shown[0], shown[4], shown[-1]) == ("call 0", "… 1,381 calls left out", "call 1399")
    assert _shortened(calls[:20]) == tuple(calls[:20])


def test_of_many_writes_the_middle_is_left_out() -> None:
    """A line of a thousand writes is read by nobody."""
    told = str(Call("commit", ([create(f"c{number}") for number in range(1100)],), [None] * 1100))
    assert told.startswith("commit([create 'c0', create 'c1', ")
    assert "create 'c11', … 1,084 left out, create 'c1096', " in told
    assert len(told) < 500


def test_a_tuple_is_shown_as_one() -> None:
    """Or a list would be said to be none."""
    write = follow(create("c1").row)
    assert str(Call("commit", ([write],), (None,))) == "commit([follow 'c1' v1]) -> (None,)"
    assert str(Call("commit", ([write],), (None, None))) == "commit([follow 'c1' v1]) -> (None, None)"
