"""The promises about a unique value that one change holds, and that others take when it was released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itsm_workflow.storage.protocol import ConflictKind
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._rows import NOW, create, follow, present, stored

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import StorageBackend, Write

UNIQUE = {"open_subject": ConflictKind.SUBJECT, "ticket_key": ConflictKind.TICKET}
"""By unique column: the kind of its conflict."""

_OTHERWISE: dict[str, Any] = {
    "workflow": "another",
    "state": "approved",
    "attention": "overdue",
    "subject": "another",
    "open_subject": "another",
    "ticket_key": "another",
    "ticket_sn": "another",
    "submission": 7,
    "due_at": NOW,
    "created_at": NOW - 9,
    "updated_at": NOW + 9,
    "form": '{"title":"another"}',
    "document": '{"another":1}',
}
"""By column, a value that the holder does not have."""


class HoldingPromises(Promises):
    """A value is held by one change until that releases it, and then by the next one."""

    @promise()
    def test_one_open_change_per_subject(self, backend: StorageBackend) -> None:
        """A subject is held until its change releases it, and by one change only, whatever else the changes have.

        Port: "Workflow and subject while the change holds its subject, else None. Unique."
        """
        _check_held(backend, "open_subject")
        _check_handed_on(backend, "open_subject")

    @promise()
    def test_a_ticket_belongs_to_one_change(self, backend: StorageBackend) -> None:
        """Another change cannot bind the same ticket, whatever else it has; its own change can bind it again.

        A ticket that its change let go can be bound by another one.

        Port: "Gateway name and ticket id, or None. Unique."
        """
        _check_held(backend, "ticket_key")
        _check_handed_on(backend, "ticket_key")


def _check_held(backend: StorageBackend, column: str) -> None:
    """Let a change take a value, and then others, which differ from it in no column, in one, or in all."""
    value: dict[str, Any] = {column: "held"}
    held = stored(backend, create("c1"))
    held = stored(backend, follow(held, **value))
    stored(backend, follow(held, **value))
    _check_loses(backend, create("c2", **value), column, "c1")
    plain = {name: {name: other} for name, other in _OTHERWISE.items() if name not in UNIQUE}
    plain |= {"the subject": {"subject": held.subject}}
    plain |= {"all": {name: other for columns in plain.values() for name, other in columns.items()}}
    unique = {name: {name: other} for name, other in _OTHERWISE.items() if name in UNIQUE and name != column}
    stored_before = [create(f"stored with {name}", **columns) for name, columns in plain.items()]
    answer = backend.commit(stored_before)
    assert answer == [None] * len(plain), f"changes that take no unique value are answered {answer}"
    for name, columns in (plain | unique).items():
        _check_loses(backend, create(f"new with {name}", **columns, **value), column, "c1")
    for write in stored_before:
        _check_loses(backend, follow(write.row, **value), column, "c1")


def _check_handed_on(backend: StorageBackend, column: str) -> None:
    """Let a change release a value, another one take it, and the first one write again and take it back."""
    for number, instead in enumerate((None, "instead")):
        value: dict[str, Any] = {column: f"value {number}"}
        former: dict[str, Any] = {column: instead}
        free: dict[str, Any] = {column: None}
        first = stored(backend, create(f"first {number}", **value))
        second = stored(backend, create(f"second {number}"))
        first = stored(backend, follow(first, **former))
        second = stored(backend, follow(second, **value))
        _check_loses(backend, follow(first, **value), column, second.id)
        # What the first one writes from now on leaves the value with the second one.
        first = stored(backend, follow(first, **former))
        _check_loses(backend, create(f"third {number}", **value), column, second.id)
        first = stored(backend, follow(first, **free))
        _check_loses(backend, create(f"third {number}", **value), column, second.id)
        second = stored(backend, follow(second, **former))
        first = stored(backend, follow(first, **value))
        _check_loses(backend, create(f"third {number}", **value), column, first.id)
        stored(backend, follow(second, **free))
        _check_loses(backend, create(f"third {number}", **value), column, first.id)
        stored(backend, follow(first, **free))
        third = stored(backend, create(f"third {number}", **value))
        _check_loses(backend, follow(present(backend, second.id), **value), column, third.id)


def _check_loses(backend: StorageBackend, write: Write, column: str, holder: str) -> None:
    """Commit a write that takes a value which that change holds, alone."""
    answer = backend.commit([write])
    what = f"the write of {write.row.id!r} takes the {column} of {holder!r}, and is answered {answer}"
    (conflict,) = answer
    assert conflict is not None, what
    assert (conflict.kind, conflict.change_id) == (UNIQUE[column], write.row.id), what
    # A backend that cannot name the holder returns None.
    assert conflict.holder in {holder, None}, what
