"""The kit itself: it quotes the port, and it catches backends that break a promise."""

from __future__ import annotations

import inspect
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.storage import protocol
from itsm_workflow.storage.protocol import Conflict, ConflictKind, Cursor, EntryRow, Query, Row, Rows, Write
from itsm_workflow.testing import StorageConformance, broken_promises
from itsm_workflow.testing.conformance._base import quoted
from itsm_workflow.testing.conformance._processes import count_up, together
from itsm_workflow_backends.memory import MemoryBackend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.storage.protocol import StorageBackend

TESTS = {name: getattr(StorageConformance, name) for name in dir(StorageConformance) if name.startswith("test_")}


@pytest.mark.parametrize("name", TESTS)
def test_each_test_quotes_the_port(name: str) -> None:
    """The sentence in the test's docstring stands word for word in the port."""
    port = " ".join(inspect.getsource(protocol).split())
    assert quoted(TESTS[name]) in port


class IgnoresVersions(MemoryBackend):
    """Writes over what it has not read."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes as if each had read the latest version."""
        return super().commit([self._as_latest(write) for write in writes])

    def _as_latest(self, write: Write) -> Write:
        row = self.get(write.row.id)
        if row is None:
            return write
        entries = tuple(attrs.evolve(e, seq=row.seq + place) for place, e in enumerate(write.entries, start=1))
        latest = attrs.evolve(write.row, version=row.version + 1, seq=row.seq + len(entries))
        return Write(row=latest, expected_version=row.version, entries=entries)


class LosesHistoryOnConflict(MemoryBackend):
    """Clears away more than the write that lost."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes, and forget the entries of those that lose."""
        answer = super().commit(writes)
        for conflict in filter(None, answer):
            self._open_table()._entries.pop(conflict.change_id, None)
        return answer


class PagesByOffset(MemoryBackend):
    """Counts rows instead of remembering the last one."""

    def find(self, query: Query, /) -> Rows:
        """Return the page that begins after so many rows."""
        start = int(query.after.id) if query.after else 0
        rows = super().find(attrs.evolve(query, after=None, limit=10_000)).rows
        page = rows[start : start + query.limit]
        end = start + len(page)
        value = None if query.order is protocol.Order.ID else 0
        return Rows(rows=page, next=Cursor(value=value, id=str(end)) if end < len(rows) else None)


class FoldsCase(MemoryBackend):
    """Compares names as some databases do by default."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes under lower-case ids."""
        return super().commit([self._lowered(write) for write in writes])

    def get(self, change_id: str, /) -> Row | None:
        """Return the row of the lower-case id."""
        return super().get(change_id.lower())

    def _lowered(self, write: Write) -> Write:
        entries: tuple[EntryRow, ...] = tuple(attrs.evolve(e, change_id=e.change_id.lower()) for e in write.entries)
        return attrs.evolve(write, row=attrs.evolve(write.row, id=write.row.id.lower()), entries=entries)


class MovesUpdatedAtOnAClaim(MemoryBackend):
    """Takes a claim for news."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes, and touch what was claimed."""
        answer = super().commit(writes)
        for write, conflict in zip(writes, answer, strict=True):
            row = self._open_table().rows.get(write.row.id)
            if conflict is None and not write.entries and row is not None:
                self._open_table().put(attrs.evolve(row, updated_at=row.updated_at + 1))
        return answer


class TellsTheLastReason(MemoryBackend):
    """Says ticket where it should have said subject."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes, and look for a taken ticket first."""
        tickets = {row.ticket_key: row.id for row in self._open_table().rows.values() if row.ticket_key}
        answer = super().commit(writes)
        return [
            attrs.evolve(conflict, kind=ConflictKind.TICKET, holder=tickets[write.row.ticket_key])
            if conflict and write.row.ticket_key in tickets
            else conflict
            for write, conflict in zip(writes, answer, strict=True)
        ]


class LetsOneLoserFailAll(MemoryBackend):
    """Rolls the whole commit back when one write loses."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store all writes or none."""
        verdicts = [self._open_table().judge(write) for write in writes]
        return verdicts if any(verdicts) else super().commit(writes)


class KeepsMilliseconds(MemoryBackend):
    """Rounds times."""

    def get(self, change_id: str, /) -> Row | None:
        """Return the row with its times rounded."""
        row = super().get(change_id)
        return row and attrs.evolve(row, updated_at=row.updated_at // 1000 * 1000)


BROKEN = {
    IgnoresVersions: ("test_a_stale_version_loses", "0 creates; otherwise the version that the writer has read."),
    LosesHistoryOnConflict: ("test_what_loses_leaves_no_trace", "A write that lost; nothing of it was stored."),
    PagesByOffset: ("test_nothing_is_left_out_while_others_change", "a row that matches throughout is never left out"),
    FoldsCase: ("test_ids_are_case_sensitive", "Ids are case-sensitive."),
    MovesUpdatedAtOnAClaim: ("test_a_write_without_entries_only_moves_when_it_is_due", "``updated_at`` stays"),
    TellsTheLastReason: ("test_the_first_reason_is_told", "Where several hold, the first in this order is told."),
    LetsOneLoserFailAll: ("test_winners_and_losers_of_one_commit", "Each write succeeds or conflicts independently"),
    KeepsMilliseconds: ("test_times_are_exact", "Times are integer microseconds"),
}


@pytest.mark.parametrize("backend", BROKEN, ids=lambda backend: backend.__name__)
def test_a_broken_backend_is_caught(backend: type[MemoryBackend]) -> None:
    """The test of the broken promise fails, and quotes it."""
    name, sentence = BROKEN[backend]
    broken = broken_promises(lambda: backend, only=name)
    assert list(broken) == [name]
    assert sentence in broken[name].__notes__[-1]


@pytest.mark.parametrize("backend", [IgnoresVersions, LosesHistoryOnConflict])
def test_the_walk_at_random_catches_it_as_well(backend: type[MemoryBackend]) -> None:
    """Hypothesis finds the defect without having been told where to look."""
    assert "test_it_does_what_a_dictionary_would" in broken_promises(lambda: backend, only="dictionary")


def test_a_store_that_forgets_is_caught() -> None:
    """A backend that claims to be durable is opened anew."""
    broken = broken_promises(lambda: MemoryBackend, abilities=frozenset({"durable"}), only="_e")
    assert {"test_opened_anew_everything_is_there", "test_two_objects_see_each_others_commits"} <= set(broken)


def test_an_honest_backend_breaks_nothing() -> None:
    """Without pytest, too."""
    assert broken_promises(lambda: MemoryBackend) == {}


def test_a_backend_is_asked_only_for_what_it_claims() -> None:
    """Tests that need an ability are not part of the class of a backend without it; nothing is skipped."""

    class Modest(StorageConformance):
        abilities = frozenset({"durable"})

    named = {name for name in dir(Modest) if name.startswith("test_") and getattr(Modest, name) is not None}
    left_out = {name for name, test in TESTS.items() if "multi_process" in test.needs}
    assert named == set(TESTS) - left_out
    assert len(left_out) == 4


def test_a_subclass_without_its_fixture_is_told() -> None:
    """Whoever forgets the one fixture learns what to write."""
    with pytest.raises(TypeError, match="StorageConformance needs a fixture open_backend"):
        inspect.unwrap(StorageConformance.open_backend)(StorageConformance())


def test_importing_the_kit_loads_neither_pytest_nor_hypothesis() -> None:
    """A host that imports the package, or a library module beside it, pays for nothing."""
    code = """
        import sys

        before = set(sys.modules)
        import itsm_workflow.testing

        print(sorted({"pytest", "hypothesis", "requests", "filelock", "sqlite3"} & (set(sys.modules) - before)))
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The lazy module behaves as any other."""
    import itsm_workflow.testing  # noqa: PLC0415  # the module itself is what is tested

    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        itsm_workflow.testing.Nothing  # noqa: B018


def _no_store() -> StorageBackend:
    message = "nothing can be opened here"
    raise OSError(message)


def test_what_fails_in_another_process_is_told() -> None:
    """With its traceback, and without waiting for what will not come."""
    with pytest.raises(AssertionError, match="OSError: nothing can be opened here"):
        together(count_up, _no_store, [("c1", 1), ("c1", 1)])
