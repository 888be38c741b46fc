"""What the racers of a race do: a reader reads often enough to see a defect, and not without bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.testing.conformance import _racing
from itsm_workflow.testing.conformance._racing import look_on
from itsm_workflow.testing.conformance._rows import create, follow
from itsm_workflow_backends.memory import MemoryBackend

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import Row


@attrs.define
class Pauses:
    """A clock that the pauses of a reader move, and a meeting to which the writer comes at its end."""

    end: float
    now: float = 0.0

    @property
    def n_waiting(self) -> int:
        """Whether the writer waits there."""
        return int(self.now >= self.end)

    def wait(self) -> int:
        """Go on."""
        return 0

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class Read(MemoryBackend):
    """Notes when it was read; each commit of its change takes a given time."""

    def __init__(self, pauses: Pauses, commit: float) -> None:
        super().__init__()
        self.commit([create("c1")])
        self.reads: list[float] = []
        self._pauses, self._takes = pauses, commit

    def get(self, change_id: str, /) -> Row | None:
        """Return the row, of which another version is stored now and then."""
        row = super().get(change_id)
        if change_id != "c1" or row is None:
            return row
        self.reads.append(self._pauses.now)
        if self._pauses.now >= row.version * self._takes:
            self.commit([follow(row)])
            row = super().get(change_id)
        return row


@pytest.mark.parametrize(
    ("commit", "least", "most"),
    [
        pytest.param(0.0005, 4_000, 21_000, id="a fast store is read between any two commits"),
        pytest.param(0.2, 100, 200, id="a slow store is not read thousands of times for each"),
    ],
)
def test_a_reader_reads_as_often_as_there_is_something_new(
    monkeypatch: pytest.MonkeyPatch, commit: float, least: int, most: int
) -> None:
    """Each call is kept and judged, so a slow store would cost minutes and much memory."""
    pauses = Pauses(end=1.0)
    store = Read(pauses, commit)
    monkeypatch.setattr(_racing, "time", pauses)
    look_on(store, None, pauses, "c1")
    assert least <= len(store.reads) <= most


def test_a_reader_looks_again_at_once_after_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is visible before its entries is so for a moment only."""
    pauses = Pauses(end=1.0)
    store = Read(pauses, 0.2)
    monkeypatch.setattr(_racing, "time", pauses)
    look_on(store, None, pauses, "c1")
    after = [later - one for one, later in zip(store.reads, store.reads[1:], strict=False) if later - one < 0.0002]
    assert len(after) >= 5
