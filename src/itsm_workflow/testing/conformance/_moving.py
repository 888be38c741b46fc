"""The promises about unique values that several writes of one commit take or release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._comparing import look_through
from itsm_workflow.testing.conformance._holding import UNIQUE
from itsm_workflow.testing.conformance._rows import create, follow, present, stored

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import Row, StorageBackend, Write
    from itsm_workflow.testing.conformance._recording import RecordedOpener


class MovingPromises(Promises):
    """The writes of one commit are checked against each other, and what one of them releases another one can hold."""

    @promise()
    def test_one_commit_cannot_open_a_subject_twice(self, backend: StorageBackend) -> None:
        """Of three writes that take one subject, one is stored, be the changes new or not.

        Port: "Workflow and subject while the change holds its subject, else None. Unique."
        """
        _take_at_once(backend, "open_subject")

    @promise()
    def test_one_commit_cannot_bind_a_ticket_twice(self, backend: StorageBackend) -> None:
        """Of three writes that bind one ticket, one is stored, be the changes new or not.

        Port: "Gateway name and ticket id, or None. Unique."
        """
        _take_at_once(backend, "ticket_key")

    @promise(alone=True)
    def test_a_value_that_moves_in_one_commit_is_held(self, open_backend: RecordedOpener) -> None:
        """A change releases a value in the commit in which another one takes it, in either order, alone and in a row.

        Port: "Each write succeeds or conflicts independently of the others, in any order the backend likes."
        """
        backend = open_backend()
        try:
            for columns in (("open_subject",), ("ticket_key",), tuple(UNIQUE)):
                for order in (1, -1):
                    value = f"{'+'.join(columns)} {order}"
                    held: dict[str, Any] = dict.fromkeys(columns, value)
                    first = stored(backend, create(f"{value} a", **held))
                    second = stored(backend, create(f"{value} b"))
                    for _ in range(2):  # and back
                        _move(backend, (first, second), held, order)
                        first, second = present(backend, second.id), present(backend, first.id)
                        _check_held(backend, first, held)
                    if "durable" in self.abilities:
                        backend.close()
                        backend = open_backend()
                        _check_held(backend, first, held)
            look_through(backend)
        finally:
            backend.close()


def _take_at_once(backend: StorageBackend, column: str) -> None:
    """Let three new changes take a value in one commit, and three stored ones another value."""
    names = ("c1", "c2", "c3")
    taken: dict[str, Any] = {column: "new"}
    _check_one_wins(backend, [create(name, **taken) for name in names], column)
    rows = [stored(backend, create(f"{name} stored")) for name in names]
    taken = {column: "stored"}
    _check_one_wins(backend, [follow(row, **taken) for row in rows], column)


def _check_one_wins(backend: StorageBackend, writes: list[Write], column: str) -> None:
    answer = backend.commit(writes)
    winners = [write.row for write, conflict in zip(writes, answer, strict=True) if conflict is None]
    kinds = [conflict.kind for conflict in answer if conflict]
    assert (len(winners), kinds) == (1, [UNIQUE[column]] * 2), f"three writes of one value are answered {answer}"
    held = [getattr(backend.get(write.row.id), column, None) for write in writes]
    expected = [getattr(write.row, column) if write.row in winners else None for write in writes]
    assert held == expected, f"{column} of the three changes is {held}, must be {expected}"


def _move(backend: StorageBackend, pair: tuple[Row, Row], held: dict[str, Any], order: int) -> None:
    """Release and take the values in one commit; a backend that took them first may do so in the next commit."""
    holder, other = pair
    free: dict[str, Any] = dict.fromkeys(held)
    writes = [follow(holder, **free), follow(other, **held)][::order]
    answer = backend.commit(writes)[::order]
    assert answer[0] is None, f"the write that releases {held} is answered {answer[0]}"
    if answer[1] is None:
        return
    assert answer[1].kind is UNIQUE[next(iter(held))], f"the write that takes {held} is answered {answer[1]}"
    again = backend.commit([follow(other, **held)])
    assert again == [None], f"{held} was released by the last commit, and the write that takes it is answered {again}"


def _check_held(backend: StorageBackend, holder: Row, held: dict[str, Any]) -> None:
    """Check that a third change cannot take any of the values."""
    for column, value in held.items():
        name = f"{value} {column} third"
        taken: dict[str, Any] = {column: value}
        (conflict,) = backend.commit([create(name, **taken)])
        what = f"{column} {value!r} moved to {holder.id!r}, and the write of a third change"
        assert conflict is not None, f"{what} that takes it was stored"
        assert conflict.kind is UNIQUE[column], f"{what} is answered {conflict}"
        assert conflict.holder in {holder.id, None}, f"{what} is answered {conflict}"
        assert backend.get(name) is None, f"{what} had a conflict, and was stored"
    assert {column: getattr(present(backend, holder.id), column) for column in held} == held
