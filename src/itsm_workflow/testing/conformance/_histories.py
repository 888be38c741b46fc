"""Promises of `StorageBackend.history`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._rows import claim, create, entry, follow, refused, stored, whole_history

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import StorageBackend


class HistoryPromises(Promises):
    """Each change has its entries, without a gap."""

    @promise()
    def test_entries_are_numbered_without_a_gap(self, backend: StorageBackend) -> None:
        """A write may have any number of entries.

        Port: "The number of entries in the history, which are numbered 1 to ``seq``."
        """
        row = stored(backend, create("c1", entries=3))
        stored(backend, create("c2", entries=2))
        row = stored(backend, follow(row, entries=2))
        row = stored(backend, claim(row, 5))
        row = stored(backend, follow(row, entries=1))
        assert row.seq == 6
        assert [entry("c1", seq) for seq in range(1, 7)] == whole_history(backend, "c1")
        assert [entry("c2", seq) for seq in range(1, 3)] == whole_history(backend, "c2")

    @promise()
    def test_a_change_can_begin_without_entries(self, backend: StorageBackend) -> None:
        """The history of such a change is empty at first, and grows later.

        Port: "The number of entries in the history, which are numbered 1 to ``seq``."
        """
        row = stored(backend, create("c1", entries=0, open_subject="s"))
        assert whole_history(backend, "c1") == []
        assert (row.version, row.seq) == (1, 0)
        stored(backend, follow(row))
        assert [entry("c1", 1)] == whole_history(backend, "c1")

    @promise()
    def test_an_entry_stays_as_it_is(self, backend: StorageBackend) -> None:
        """An entry is never written again.

        Port: "One line of a change's history as it is stored. Never changed, never deleted."
        """
        row = stored(backend, create("c1", entries=2))
        before = whole_history(backend, "c1")
        for state in ("pending", "failed_callback", "pending", "approved"):
            row = stored(backend, follow(row, state=state, open_subject=None))
        assert before == whole_history(backend, "c1")[:2]

    @promise()
    def test_a_page_of_history(self, backend: StorageBackend) -> None:
        """A page begins at any entry, and has as many entries as the limit allows.

        Port: "Return entries ``after_seq + 1`` and on, at most ``limit``. Empty for an unknown id."
        """
        stored(backend, create("c1", entries=5))
        assert [line.seq for line in backend.history("c1").entries] == [1, 2, 3, 4, 5]
        assert [line.seq for line in backend.history("c1", after_seq=2, limit=2).entries] == [3, 4]
        assert [line.seq for line in backend.history("c1", 4, 9).entries] == [5]
        for change_id, after_seq in (("c1", 5), ("c1", 2**70), ("c2", 0), ("", 0)):
            page = backend.history(change_id, after_seq)
            assert (page.entries, page.next_seq) == ((), None)

    @promise()
    def test_pages_of_history_lead_on(self, backend: StorageBackend) -> None:
        """Each page says where the next one begins, or that it is the last one.

        Port: "One page of history, oldest first. ``next_seq`` goes into ``after_seq`` for more, or is None."
        """
        stored(backend, create("c1", entries=6))
        for limit in (1, 2, 3, 4, 6, 7):
            assert [line.seq for line in whole_history(backend, "c1", limit=limit)] == [1, 2, 3, 4, 5, 6], limit
        assert backend.history("c1", limit=6).next_seq is None
        assert backend.history("c1", limit=5).next_seq == 5

    @promise()
    def test_an_invalid_page_is_rejected(self, backend: StorageBackend) -> None:
        """A page has at least one entry, and begins no earlier than the first entry.

        Port: "A limit below 1 or of 2**63 - 1 or more, an ``after_seq`` below 0."
        """
        stored(backend, create("c1"))
        for after_seq, limit in ((0, 0), (0, -1), (-1, 1)):
            call = partial(backend.history, "c1", after_seq, limit)
            refused(ValueError, f"history('c1', {after_seq}, {limit})", call)

    @promise()
    def test_an_id_of_another_type_is_rejected(self, backend: StorageBackend) -> None:
        """The value is rejected instead of treated as an unknown id; so is a text in place of a number.

        Port: "A method raises TypeError for an argument, or a value in it, of another type than declared here, before
        it stores or reads anything; a bool is not a number."
        """
        stored(backend, create("5"))
        ids: list[Any] = [5, None, True, b"5", ("5",)]
        for value in ids:
            refused(TypeError, f"get({value!r})", partial(backend.get, value))
            refused(TypeError, f"history({value!r})", partial(backend.history, value))
        numbers: list[Any] = [0.5, "5", None, True]
        for value in numbers:
            refused(TypeError, f"history('5', after_seq={value!r})", partial(backend.history, "5", value, 1))
            refused(TypeError, f"history('5', limit={value!r})", partial(backend.history, "5", 0, value))
