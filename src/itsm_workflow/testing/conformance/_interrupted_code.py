"""The promises about a signal that reaches a call in the backend's own code, whatever it keeps its changes in."""

from __future__ import annotations

from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._interruptible import is_interruptible
from itsm_workflow.testing.conformance._judging import judge
from itsm_workflow.testing.conformance._lines import at_place, packages_of, places_in
from itsm_workflow.testing.conformance._rows import create, follow, present, stored, whole_history
from itsm_workflow.testing.conformance._threads import at_once
from itsm_workflow.testing.conformance._trials.calls import Cancelled, Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from itsm_workflow.storage.protocol import StorageBackend, Write
    from itsm_workflow.testing.conformance._lines import Place
    from itsm_workflow.testing.conformance._recording import RecordedBackend, RecordedOpener, Recording

_READS: Mapping[str, Callable[[StorageBackend, str], object]] = {
    "get": lambda backend, change_id: backend.get(change_id),
    "find": lambda backend, change_id: backend.find(Query(ids=(change_id,), limit=2)),
    "history": lambda backend, change_id: backend.history(change_id, 0, 2),
}
"""By its name, a read of one change."""
_SHARED = frozenset({"itsm_workflow"})
"""Backends are built of parts of this library, too."""
_AFTER = "thread 1"
"""The name of the thread that goes on after the interrupt."""


class InterruptedCodePromises(Promises):
    """A signal between two lines of the backend leaves neither a lock nor a part of a write."""

    @promise()
    def test_a_commit_can_be_interrupted_in_its_code(self, open_backend: RecordedOpener) -> None:
        """A KeyboardInterrupt, or another exception that is not an `Exception`, is raised in the code of a commit.

        Another thread goes on with the same object: the writes are there whole or not at all, their unique values are
        held or free, and nothing keeps the thread waiting. The object may refuse it with StorageUnavailable. A line
        that begins a ``with`` or a ``try`` is not interrupted, nor is any clean-up.

        Port: "After an error, the object reads what a newly opened store would read, or raises again; it holds no
        lock."
        """
        with closing(open_backend()) as backend:
            # Not recorded: the look at each line makes it slow, and the time limits follow from the first calls.
            commit = partial(backend.bare.commit, _writes(backend, 0))
            own = packages_of(backend.bare) | _SHARED
            places = places_in(commit, self.profile.points, of=own, chosen=is_interruptible)
        for number, place in enumerate(places, start=1):
            self._interrupt_at(open_backend, number, place)

    @promise()
    def test_a_read_can_be_interrupted_in_its_code(self, open_backend: RecordedOpener) -> None:
        """The same in the code of a get, a find and a history.

        Port: "After an error, the object reads what a newly opened store would read, or raises again; it holds no
        lock."
        """
        recording = open_backend.recording
        with closing(open_backend()) as backend:
            stored(backend, create("c0", entries=4))
            own = packages_of(backend.bare) | _SHARED
            each = max(1, self.profile.points // len(_READS))
            read: list[tuple[str, Place]] = []
            for name, call in _READS.items():
                places = places_in(partial(call, backend.bare, "c0"), each, of=own, chosen=is_interruptible)
                read += [(name, place) for place in places]
        for number, (name, place) in enumerate(read, start=1):
            first = len(recording.calls)
            with closing(open_backend()) as backend:
                _writes(backend, number)
                begun = len(recording.calls)
                with (
                    suppress(Exception, Interrupted, Cancelled),
                    at_place(place, (_interrupt, _cancel)[number % 2], of=own, chosen=is_interruptible),
                ):
                    _READS[name](backend, f"c{number}")
                _mark_interrupted(recording, begun, place)
                at_once([partial(_go_on, backend, number)])
            judge(recording.calls[first:], may_refuse=_AFTER)

    def _interrupt_at(self, open_backend: RecordedOpener, number: int, place: Place) -> None:
        """Interrupt a commit at that line of code, and judge what follows."""
        recording = open_backend.recording
        first = len(recording.calls)
        with closing(open_backend()) as backend:
            writes = _writes(backend, number)
            signal, own = (_interrupt, _cancel)[number % 2], packages_of(backend.bare) | _SHARED
            with (
                suppress(Exception, Interrupted, Cancelled),
                at_place(place, signal, of=own, chosen=is_interruptible),
            ):
                backend.commit(writes)
            _mark_interrupted(recording, len(recording.calls) - 1, place)
            at_once([partial(_go_on, backend, number)])
        judge(recording.calls[first:], may_refuse=_AFTER)
        if "durable" in self.abilities:
            with closing(open_backend()) as again:
                _read(again, number)
                stored(again, follow(present(again, f"c{number}")))  # the store still accepts writes
            judge(recording.calls[first:], may_refuse=_AFTER)


def _mark_interrupted(recording: Recording, since: int, place: Place) -> None:
    """Take the calls since then that were interrupted for calls that raised, whose outcome is unknown."""
    where = f"at line {place[1]} of {Path(place[0]).name}"
    for number, call in enumerate(recording.calls[since:], since):
        if isinstance(call.outcome, BaseException):
            unknown = StorageUnavailable(f"interrupted {where}")
            recording.calls[number] = attrs.evolve(call, outcome=unknown, text=f"{call} {where}")


def _interrupt() -> None:
    raise Interrupted


def _cancel() -> None:
    raise Cancelled


def _go_on(backend: RecordedBackend, number: int) -> None:
    """Read what is stored, give the unique values to other changes, and write on; each error is judged."""
    with suppress(Exception):
        _read(backend, number)
        backend.commit(
            [create(f"other{number}", open_subject=f"s{number}"), create(f"another{number}", ticket_key=f"t{number}")]
        )
        backend.commit([create(f"third{number}", open_subject=f"old{number}")])
        backend.commit([follow(present(backend, f"c{number}"))])
        _read(backend, number)


def _read(backend: RecordedBackend, number: int) -> None:
    names = (f"c{number}", f"new{number}", f"other{number}", f"another{number}", f"third{number}")
    for change_id in names:
        backend.get(change_id)
        whole_history(backend, change_id)
    backend.find(Query(ids=names))
    backend.find(Query(open_subject=f"s{number}"))


def _writes(backend: RecordedBackend, number: int) -> list[Write]:
    """Return two writes of one commit: of a change that is there, and of a new one; they take and release values."""
    row = stored(backend, create(f"c{number}", open_subject=f"old{number}"))
    return [
        follow(row, entries=2, open_subject=f"s{number}"),
        create(f"new{number}", entries=2, ticket_key=f"t{number}"),
    ]
