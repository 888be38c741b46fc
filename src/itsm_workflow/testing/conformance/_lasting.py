"""The promises about data that outlives the backend object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._rows import claim, create, follow, found, stored, whole_history

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import StorageBackend


class LastingPromises(Promises):
    """Closing a store and opening it again."""

    @promise()
    def test_a_closed_backend_does_nothing(self, open_backend: Callable[[], StorageBackend]) -> None:
        """Each call raises StorageUnavailable.

        Port: "Closing twice is fine; any other call afterwards raises StorageUnavailable."
        """
        backend = open_backend()
        stored(backend, create("c1"))
        backend.close()
        backend.close()
        for call in (
            lambda: backend.commit([create("c2")]),
            lambda: backend.get("c1"),
            lambda: backend.find(Query()),
            lambda: backend.history("c1"),
        ):
            try:
                call()
            except StorageUnavailable:
                continue
            raise AssertionError("a call on a closed backend did not raise StorageUnavailable")

    @promise("durable")
    def test_opened_anew_everything_is_there(self, open_backend: Callable[[], StorageBackend]) -> None:
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

    @promise("durable")
    def test_two_objects_see_each_others_commits(self, open_backend: Callable[[], StorageBackend]) -> None:
        """As soon as a commit has returned, every reader sees it.

        Port: "Return the row of that id as of the last commit, with its form, or None."
        """
        one, other = open_backend(), open_backend()
        try:
            row = stored(one, create("c1"))
            for number in range(20):
                # Not in turns: a writer reads its own commit, which would hide that it misses the other's.
                writer, reader = (one, other) if number % 4 < 2 else (other, one)
                row = stored(writer, follow(row))
                assert reader.find(Query()).rows == (row,)
                assert reader.get("c1") == row
                assert len(whole_history(reader, "c1")) == row.seq
        finally:
            one.close()
            other.close()
