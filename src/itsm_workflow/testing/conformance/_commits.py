"""Promises of `StorageBackend.commit` and `StorageBackend.get`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.storage.protocol import Conflict, ConflictKind, Write
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._rows import (
    NOW,
    claim,
    create,
    entry,
    follow,
    present,
    refused,
    stored,
    whole_history,
)
from itsm_workflow.testing.conformance._threads import DidNotReturn, within

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import Row, StorageBackend


class CommitPromises(Promises):
    """Commits of one writer at a time."""

    @promise()
    def test_every_column_is_read_back(self, backend: StorageBackend) -> None:
        """Each column is read back as it was written.

        Port: "Return the row of that id as of the last commit, with its form, or None."
        """
        columns: dict[str, Any] = {
            "attention": "overdue",
            "open_subject": "o",
            "ticket_key": "k",
            "ticket_sn": "n",
            "submission": 3,
        }
        write = create("c1", **columns, due_at=NOW + 9)
        assert backend.get("c1") is None
        assert backend.commit([write]) == [None]
        assert backend.get("c1") == write.row
        assert whole_history(backend, "c1") == list(write.entries)

    @promise()
    def test_the_last_commit_is_read(self, backend: StorageBackend) -> None:
        """A second write replaces every column.

        Port: "Return the row of that id as of the last commit, with its form, or None."
        """
        write = create(
            "c1", attention="overdue", open_subject="o", ticket_key="k", ticket_sn="n", submission=3, due_at=NOW
        )
        first = stored(backend, write)
        columns: dict[str, Any] = {
            "workflow": "another",
            "state": "pending",
            "attention": None,
            "subject": "another",
            "open_subject": "another",
            "ticket_key": "another",
            "ticket_sn": "m",
            "submission": 4,
            "due_at": None,
            "created_at": NOW - 1,
        }
        second = follow(first, **columns, form='{"title":"b"}', document='{"d":1}')
        assert backend.commit([second]) == [None]
        assert backend.get("c1") == second.row

    @promise()
    def test_the_answer_fits_the_writes(self, backend: StorageBackend) -> None:
        """Each write has its answer at its place, and an empty commit has no answers.

        Port: "The answer has the length and the order of the writes: None for a write that was stored, else its
        conflict."
        """
        stored(backend, create("c2"))
        assert backend.commit([]) == []
        answer = backend.commit([create("c3"), create("c2"), create("c1")])
        assert answer == [None, Conflict(kind=ConflictKind.VERSION, change_id="c2"), None]

    @promise()
    def test_all_of_a_batch_is_stored(self, backend: StorageBackend) -> None:
        """A batch of any number of writes is stored.

        Port: "Store each write or say why not, and make all that were stored durable before returning."
        """
        writes = [create(f"c{number:03}") for number in range(120)]
        assert backend.commit(writes) == [None] * 120
        assert [backend.get(write.row.id) for write in writes] == [write.row for write in writes]
        following = [follow(write.row, state="pending") for write in reversed(writes)]
        assert backend.commit(following) == [None] * 120
        assert [backend.get(write.row.id) for write in following] == [write.row for write in following]

    @promise()
    def test_a_stale_version_loses(self, backend: StorageBackend) -> None:
        """A writer that has read an older version gets a conflict.

        Port: "0 creates; otherwise the version that the writer has read."
        """
        first = stored(backend, create("c1"))
        second = stored(backend, follow(first, state="pending"))
        lost = [Conflict(kind=ConflictKind.VERSION, change_id="c1")]
        assert backend.commit([follow(first, state="rejected")]) == lost
        assert backend.commit([create("c1", state="rejected")]) == lost
        assert backend.commit([follow(attrs.evolve(second, version=7))]) == lost
        assert backend.commit([claim(first, NOW)]) == lost
        assert backend.get("c1") == second

    @promise()
    def test_only_a_creating_write_creates(self, backend: StorageBackend) -> None:
        """A write to a missing change loses on its version.

        Port: "0 creates; otherwise the version that the writer has read."
        """
        unknown = create("c1").row
        lost = [Conflict(kind=ConflictKind.VERSION, change_id="c1")]
        assert backend.commit([follow(unknown)]) == lost
        assert backend.commit([claim(unknown, NOW)]) == lost
        assert backend.get("c1") is None
        assert whole_history(backend, "c1") == []

    @promise()
    def test_a_lost_write_leaves_no_trace(self, backend: StorageBackend) -> None:
        """After a lost write, the row, the history and the unique values are unchanged.

        Port: "The result of a write that conflicts with the store; nothing of it was stored."
        """
        stored(backend, create("holder", open_subject="taken", ticket_key="taken"))
        first = stored(backend, create("c1", entries=2))
        losers = (
            create("c1", open_subject="free", ticket_key="free"),
            follow(first, open_subject="taken", ticket_key="free"),
            follow(first, open_subject="free", ticket_key="taken"),
            create("new", open_subject="taken", ticket_key="free"),
            create("new", open_subject="free", ticket_key="taken"),
        )
        for write in losers:
            assert [write.row.id] == [conflict.change_id for conflict in backend.commit([write]) if conflict]
        assert backend.get("c1") == first
        assert [line.seq for line in whole_history(backend, "c1")] == [1, 2]
        assert backend.get("new") is None
        assert whole_history(backend, "new") == []
        # The values that the losers asked for are free.
        assert backend.commit([create("c2", open_subject="free", ticket_key="free")]) == [None]

    @promise()
    def test_winners_and_losers_of_one_commit(self, backend: StorageBackend) -> None:
        """A losing write does not affect the other writes of its commit.

        Port: "Each write succeeds or conflicts independently of the others, in any order the backend likes."
        """
        stale = stored(backend, create("stale"))
        stored(backend, follow(stale))
        stored(backend, create("holder", open_subject="s", ticket_key="t"))
        batch = [
            create("a"),
            follow(stale),
            create("b", open_subject="s"),
            create("c", ticket_key="t"),
            create("d"),
        ]
        kinds = [conflict and conflict.kind for conflict in backend.commit(batch)]
        assert kinds == [None, ConflictKind.VERSION, ConflictKind.SUBJECT, ConflictKind.TICKET, None]
        assert [backend.get(name) is not None for name in "abcd"] == [True, False, False, True]
        # Nothing of a write that lost is stored, so its values are free for the writes after it.
        batch = [
            *(create("e", open_subject="u", ticket_key="t"), create("f", open_subject="s", ticket_key="v")),
            *(follow(stale, open_subject="w", ticket_key="w"), create("g", open_subject="u", ticket_key="v")),
            create("h", open_subject="w", ticket_key="w"),
        ]
        kinds = [conflict and conflict.kind for conflict in backend.commit(batch)]
        assert kinds == [ConflictKind.TICKET, ConflictKind.SUBJECT, ConflictKind.VERSION, None, None]

    @promise()
    def test_one_sn_can_name_two_tickets(self, backend: StorageBackend) -> None:
        """The ticket's number is not unique.

        Port: "The ticket's number, or None. Indexed, **not** unique: one sn can name two tickets."
        """
        writes = [create("c1", ticket_key="g/1", ticket_sn="REQ1"), create("c2", ticket_key="g/2", ticket_sn="REQ1")]
        assert backend.commit(writes) == [None, None]

    @promise()
    def test_two_changes_may_have_one_submission_number(self, backend: StorageBackend) -> None:
        """The submission number is not unique; the library alone decides what a tie means.

        Port: "The number of the subject's submission that this change was last submitted as, or None if it was never
        submitted. Indexed with the subject, **not** unique."
        """
        writes = [create(name, subject="s", submission=1) for name in ("c1", "c2")]
        assert backend.commit(writes) == [None, None]

    @promise()
    def test_a_conflict_reports_the_first_reason(self, backend: StorageBackend) -> None:
        """The version is checked before the subject, and the subject before the ticket.

        Port: "If several reasons apply, the first in the order version, subject, ticket is reported."
        """
        stored(backend, create("s", open_subject="s"))
        stored(backend, create("t", ticket_key="t"))
        stale = stored(backend, create("c1"))
        stored(backend, follow(stale))
        (conflict,) = backend.commit([follow(stale, open_subject="s", ticket_key="t")])
        _assert_lost(conflict, ConflictKind.VERSION, "c1", None)
        (conflict,) = backend.commit([create("c2", ticket_key="t", open_subject="s")])
        _assert_lost(conflict, ConflictKind.SUBJECT, "c2", "s")

    @promise()
    def test_a_write_without_entries_moves_only_the_due_time(self, backend: StorageBackend) -> None:
        """Claiming and polling leave no trace on the change.

        Port: "May be empty: then only ``due_at`` and ``version`` move, and ``updated_at`` stays, whatever else the row
        says."
        """
        row = stored(backend, create("c1", due_at=NOW, open_subject="s"))
        moved = stored(backend, claim(row, NOW + 60_000_001))
        assert moved == attrs.evolve(row, version=2, due_at=NOW + 60_000_001)
        other = attrs.evolve(moved, updated_at=1, state="approved", form=None, document="[]", submission=2)
        careless = claim(other, None)
        moved = stored(backend, careless)
        assert moved == attrs.evolve(row, version=3, due_at=None)
        with_a_form = claim(attrs.evolve(moved, form='{"title":"another"}'), None)
        assert stored(backend, with_a_form) == attrs.evolve(row, version=4, due_at=None)
        assert [line.seq for line in whole_history(backend, "c1")] == [1]
        # The row's subject and ticket are not checked for conflicts either, and not stored.
        row = stored(backend, create("holder", open_subject="taken", ticket_key="taken"))
        for place, (subject, ticket) in enumerate([("taken", None), (None, "taken"), ("free", "free")], start=4):
            careless = claim(attrs.evolve(present(backend, "c1"), open_subject=subject, ticket_key=ticket), NOW + place)
            assert backend.commit([careless]) == [None]
            assert (present(backend, "c1").version, present(backend, "c1").open_subject) == (place + 1, "s")
        assert backend.get("holder") == row
        assert backend.commit([create("c2", open_subject="free", ticket_key="free")]) == [None]

    @promise()
    def test_a_write_without_a_form_keeps_the_form(self, backend: StorageBackend) -> None:
        """The form is written only when it changes.

        Port: "The form, as canonical JSON. In a write, None leaves the stored text as it is."
        """
        row = stored(backend, create("c1", form='{"title":"a"}'))
        row = stored(backend, follow(row, form=None, state="pending"))
        assert (row.form, row.state) == ('{"title":"a"}', "pending")
        assert stored(backend, follow(row, form='{"title":"b"}')).form == '{"title":"b"}'

    @promise()
    def test_a_bad_write_stores_nothing(self, backend: StorageBackend) -> None:
        """A batch with an invalid write is rejected as a whole.

        Port: "Checked before anything is stored, so that one bad write cannot fail a batch half-way."
        """
        row = stored(backend, create("c1", entries=2))
        for name, batch in _bad_batches(row).items():
            try:
                backend.commit([create("good"), *batch])
            except ValueError:
                pass
            else:
                raise AssertionError(f"{name}: no ValueError was raised")
            assert self._in_another_thread(backend, "good") is None, name
            assert backend.get("c1") == row, name
        assert [line.seq for line in whole_history(backend, "c1")] == [1, 2]
        assert backend.commit([create("good"), follow(row)]) == [None, None]

    def _in_another_thread(self, backend: StorageBackend, change_id: str) -> Row | None:
        """Read in another thread: a lock that was kept would let this one pass."""
        try:
            return within(self.pace.blocked, partial(backend.get, change_id))
        except DidNotReturn:
            raise AssertionError("after a commit that was refused, a get in another thread does not return") from None

    @promise()
    def test_a_commit_rejects_anything_but_writes(self, backend: StorageBackend) -> None:
        """An iterator is not accepted as an empty batch, and no value is stored as another type.

        Port: "A method raises TypeError for an argument, or a value in it, of another type than declared here, before
        it stores or reads anything; a bool is not a number."
        """
        row = stored(backend, create("c1"))
        wrong: dict[str, Any] = {name: [create("good"), write] for name, write in _wrong_writes(row).items()}
        wrong |= {"a generator": (write for write in [create("good")]), "one write": create("good"), "None": None}
        for name, batch in wrong.items():
            refused(TypeError, f"commit with {name}", partial(backend.commit, batch))
            assert backend.get("good") is None, name
            assert backend.get("c1") == row, name
        assert backend.commit((create("good"), follow(row))) == [None, None]
        assert backend.commit(_Batch((create("other"),))) == [None], "a sequence of another class was not stored"


class _Batch(Sequence[Write]):
    """A sequence that is neither a list nor a tuple."""

    def __init__(self, writes: tuple[Write, ...]) -> None:
        self._writes = writes

    def __len__(self) -> int:
        return len(self._writes)

    def __getitem__(self, place: Any) -> Any:  # noqa: ANN401  # a number or a slice
        return self._writes[place]


def _wrong_writes(row: Row) -> dict[str, Any]:
    good = follow(row)
    columns: dict[str, Any] = {
        "state": None,
        "subject": 5,
        "document": b"{}",
        "attention": True,
        "due_at": 5.0,
        "submission": "1",
        "version": "2",
        "updated_at": None,
    }
    columns |= {"seq": True, "form": {}}
    lines: dict[str, Any] = {"at": 5.0, "actor": None, "document": b"{}", "seq": "2"}
    parts: dict[str, Any] = {"row": None, "entries": [*good.entries], "expected_version": 1.0}
    return {
        **{f"{name} {value!r}": follow(row, **{name: value}) for name, value in columns.items()},
        **{
            f"an entry's {name} {value!r}": attrs.evolve(
                good, entries=(attrs.evolve(entry(row.id, 2), **{name: value}),)
            )
            for name, value in lines.items()
        },
        **{f"{name} {value!r}": attrs.evolve(good, **{name: value}) for name, value in parts.items()},
        "a row for a write": row,
    }


def _assert_lost(conflict: Conflict | None, kind: ConflictKind, change_id: str, holder: str | None) -> None:
    assert conflict is not None
    assert (kind, change_id) == (conflict.kind, conflict.change_id)
    # A backend that cannot name the holder returns None.
    assert conflict.holder in {holder, None}


def _bad_batches(row: Row) -> dict[str, list[Write]]:
    good = follow(row)
    return {
        "two writes of one id": [good, good],
        "a version too high": [attrs.evolve(good, row=attrs.evolve(good.row, version=5))],
        "a gap in the entries": [attrs.evolve(good, entries=(entry(row.id, 3), entry(row.id, 5)))],
        "entries of another change": [attrs.evolve(good, entries=(entry("c2", 3),))],
        "a seq without its entry": [attrs.evolve(good, entries=())],
        "entries that do not follow the stored ones": [follow(attrs.evolve(row, seq=7))],
        "a new change without its form": [create("c3", form=None)],
        "a new change without its first entry": [attrs.evolve(create("c3", entries=2), entries=(entry("c3", 2),))],
        "NUL": [create("c3", subject="a\0b")],
        "a lone surrogate": [create("c3", document='"\ud800"')],
        "a text of 5 MiB": [create("c3", document=f'"{"x" * (5 << 20)}"')],
        "a number of 65 bits": [create("c3", due_at=1 << 64)],
        "a submission of 65 bits": [create("c3", submission=1 << 64)],
    }
