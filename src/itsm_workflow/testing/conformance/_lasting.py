"""The promises about data that outlives the backend object."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import Order, Query
from itsm_workflow.testing.conformance._base import NotRun, Promises, promise
from itsm_workflow.testing.conformance._pipes import send
from itsm_workflow.testing.conformance._processes import Other
from itsm_workflow.testing.conformance._recording import RecordedOpener
from itsm_workflow.testing.conformance._rows import (
    NOW,
    claim,
    create,
    follow,
    found,
    present,
    refused,
    stored,
    whole_history,
)
from itsm_workflow.testing.conformance._wording import word

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from itsm_workflow.storage.protocol import StorageBackend
    from itsm_workflow.testing.conformance._recording import RecordedBackend

_FILES = Path("/dev/fd")
_TIMES = 8

_QUERIES = (
    *(Query(), Query(ids=("c1",)), Query(ticket_sns=("n",)), Query(open_subject="s"), Query(states=("applying",))),
    Query(subject="subject of c1", order=Order.SUBMISSION, limit=2),
    *(Query(due_before=NOW, order=Order.DUE_AT), Query(workflow="collector", order=Order.UPDATED_AT)),
)
"""Queries as the library makes them; a backend may answer each in a way of its own."""


class LastingPromises(Promises):
    """Closing a store and opening it again."""

    @promise(alone=True)
    def test_a_closed_backend_does_nothing(self, open_backend: Callable[[], StorageBackend]) -> None:
        """Each call raises StorageUnavailable.

        Port: "Closing twice is fine; any other call afterwards raises StorageUnavailable."
        """
        open_backend().close()  # one that was never used
        backend = open_backend()
        stored(backend, create("c1"))
        assert len(whole_history(backend, "c1")) == 1
        backend.close()
        backend.close()
        calls: dict[str, Callable[[], object]] = {
            "commit": lambda: backend.commit([create("c2")]),
            "get": lambda: backend.get("c1"),
            "find": lambda: backend.find(Query()),
            "history": lambda: backend.history("c1"),
            # Calls that a backend can answer without its store.
            "commit of no writes": lambda: backend.commit([]),
            "get of an impossible id": lambda: backend.get("\0"),
            "find of no ids": lambda: backend.find(Query(ids=())),
            "history of an impossible id": lambda: backend.history("\0"),
        }
        for name, call in calls.items():
            refused(StorageUnavailable, f"{name}, after close,", call)

    @promise("durable", "multi_process")
    def test_a_closed_backend_leaves_no_file_open(self, open_backend: RecordedOpener) -> None:
        """Another process opens the store many times, uses it in two threads, and has no more open files afterwards.

        Port: "Release files and connections."
        """
        if not _FILES.is_dir():
            raise NotRun("this system does not show which files a process has open")
        other = Other(open_many_times, open_backend, open_backend.bare, witnessed=True)
        try:
            left = sorted(other.receive())
            open_backend.recording.calls += other.receive()
        finally:
            other.close()
        assert len(left) < _TIMES, (
            f"{_TIMES} objects were closed, and these are still open: {', '.join(dict.fromkeys(left))}"
        )

    @promise(waits=True)
    def test_nothing_expires(self, backend: StorageBackend) -> None:
        """Rows, entries and unique values are there after a while, also those of a change that was due long ago.

        Port: "One line of a change's history as it is stored. Never changed, never deleted."
        """
        writes = [
            create("held", open_subject="s", ticket_key="t", due_at=1, entries=2),
            create("ended", state="approved", updated_at=-1, created_at=-1),
            create("claimed", due_at=NOW),
        ]
        assert backend.commit(writes) == [None] * len(writes)
        claimed = stored(backend, claim(present(backend, "claimed"), NOW + 1))
        self.rest(self.profile.rest)
        for write in writes:
            expected = claimed if write.row.id == "claimed" else write.row
            assert backend.get(write.row.id) == expected, f"{write.row.id!r} changed while nothing was written"
            assert whole_history(backend, write.row.id) == list(write.entries), f"history({write.row.id!r})"
        assert found(backend) == ["claimed", "ended", "held"]
        assert found(backend, open_subject="s") == ["held"]
        answer = backend.commit([create("c2", open_subject="s"), create("c3", ticket_key="t")])
        kinds = [conflict and conflict.kind.value for conflict in answer]
        assert kinds == ["subject", "ticket"], "the change no longer holds its values"

    @promise("durable", alone=True)
    def test_a_reopened_store_has_everything(self, open_backend: Callable[[], StorageBackend]) -> None:
        """Rows, history, order and uniqueness are the same after the store is opened again.

        Port: "Store each write or say why not, and make all that were stored durable before returning."
        """
        backend = open_backend()
        row = stored(backend, create("c1", open_subject="s", ticket_key="t", due_at=7))
        row = stored(backend, follow(row, entries=2, form='{"title":"b"}'))
        row = stored(backend, claim(row, 9))
        history = whole_history(backend, "c1")
        backend.close()
        backend = open_backend()
        try:
            assert backend.get("c1") == row
            assert whole_history(backend, "c1") == history
            assert found(backend, due_before=9) == ["c1"]
            kinds = [
                c and c.kind for c in backend.commit([create("c2", open_subject="s"), create("c3", ticket_key="t")])
            ]
            assert kinds == ["subject", "ticket"]
        finally:
            backend.close()

    @promise("durable", alone=True)
    def test_two_objects_see_each_others_commits(self, open_backend: Callable[[], StorageBackend]) -> None:
        """As soon as a commit has returned, every reader sees it.

        Port: "Return the row of that id as of the last commit, with its form, or None."
        """
        one, other = open_backend(), open_backend()
        try:
            row = stored(one, create("c1", open_subject="s", ticket_sn="n", submission=1, due_at=NOW))
            for number in range(20):
                # Not in turns: a writer reads its own commit, which would hide that it misses the other's.
                writer, reader = (one, other) if number % 4 < 2 else (other, one)
                row = stored(writer, follow(row))
                for query in _QUERIES:
                    assert reader.find(query).rows == (row,), f"find({word(query)}) missed a commit"
                assert reader.get("c1") == row
                assert len(whole_history(reader, "c1")) == row.seq
        finally:
            one.close()
            other.close()


def open_many_times(backend: RecordedBackend, pipe: Connection, opener: Callable[[], StorageBackend]) -> None:
    """Open the store, use it in two threads and close it, many times; report which files are open since then."""
    open_backend, closed, before = RecordedOpener(backend.recording, opener), [], dict[str, str]()
    with ThreadPoolExecutor(1) as other_thread:  # which goes on, as that of a server does
        for number in range(_TIMES + 1):
            before = before or (_open_files() if number else {})
            opened = open_backend()
            stored(opened, create(f"c{number}"))
            other_thread.submit(opened.get, "c0").result()
            _make_each_call(opened, number)
            opened.close()
            closed.append(opened)  # the garbage collector does not close what the backend leaves open
        left = [name for number, name in _open_files().items() if number not in before]
    send(pipe, ("done", left))


def _make_each_call(backend: StorageBackend, number: int) -> None:
    """Read in each way, and make commits that lose, store nothing, or are refused."""
    backend.find(Query())
    whole_history(backend, "c0")
    (conflict,) = backend.commit([create(f"c{number}")])
    assert conflict is not None, f"c{number} was created twice"
    backend.commit([])
    refused(ValueError, "a commit with a NUL", lambda: backend.commit([create("\0")]))


def _open_files() -> dict[str, str]:
    """Return the names of the open files of this process, as far as the system shows them, by their numbers."""
    names = {}
    for number in _FILES.iterdir():
        names[number.name] = "a file"
        with suppress(OSError):  # the one by which the folder is read is closed
            names[number.name] = str(number.readlink())
    return names
