"""The promises about a backend that one thread closes while others are in a commit, or in a read."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._judging import judge, timed
from itsm_workflow.testing.conformance._lines import at_place, packages_of, places_in
from itsm_workflow.testing.conformance._racing import tried
from itsm_workflow.testing.conformance._reports import Shown
from itsm_workflow.testing.conformance._rows import create, follow, present, refused, stored, whole_history
from itsm_workflow.testing.conformance._wording import word

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import StorageBackend, Write
    from itsm_workflow.testing.conformance._lines import Place
    from itsm_workflow.testing.conformance._recording import RecordedBackend, RecordedOpener

_LEAD, _PAUSE = 0.05, 0.1
"""The seconds that the second writer, and the one that closes, have before the first writer goes on."""
_SECOND = "the second writer"
_CLOSER = "the closing thread"
_SECOND_READER = "the second reader"
READS: dict[str, Callable[[StorageBackend], object]] = {
    "get": lambda backend: backend.get("c1"),
    "find": lambda backend: backend.find(Query(limit=2)),
    "history": lambda backend: backend.history("c1", 1, 2),
}
"""By its name, a read of the change ``c1``, or of the first changes."""


class ClosingPromises(Promises):
    """A backend is closed while it works, as when a service ends."""

    @promise()
    def test_a_close_during_a_commit_leaves_whole_writes(self, open_backend: RecordedOpener) -> None:
        """One thread closes the backend while another one is inside of a commit, at lines of the backend's own code.

        The close may wait for the commit, or the commit raises StorageUnavailable. Both return, nothing is stored in
        part, and what was answered as stored is there when the store is opened again. A third thread that commits at
        the same time may be refused.

        Port: "One backend object is shared by the threads of a process; the store behind it is shared by processes."
        """
        with closing(open_backend()) as backend:
            commit = partial(backend.commit, _writes(backend, 0))
            places = places_in(commit, self.profile.points, of=packages_of(backend.bare))
        for number, place in enumerate(places, start=1):
            self._close_at(open_backend, number, place)

    def _close_at(self, open_backend: RecordedOpener, number: int, place: Place) -> None:
        """Close the backend while a thread is at that line of a commit, and judge what is answered and stored."""
        recording = open_backend.recording
        first = len(recording.calls)
        backend = open_backend()
        writes, second = _writes(backend, number), create(f"second{number}", entries=2)
        others = [_thread(_SECOND, partial(tried, backend, second)), _thread(_CLOSER, backend.close)]

        def close_meanwhile() -> None:
            for thread, seconds in zip(others, (_LEAD, _PAUSE), strict=True):
                thread.start()
                thread.join(seconds)  # not longer: it may have to wait for the commit

        with suppress(Exception), at_place(place, close_meanwhile, of=packages_of(backend.bare)):
            backend.commit(writes)  # its error is recorded, and judged
        if not any(thread.ident for thread in others):  # this commit did not come there
            close_meanwhile()
        for thread in others:
            thread.join()
        refused(StorageUnavailable, "a read after the close", partial(backend.get, f"c{number}"))
        if "durable" not in self.abilities:
            judge(recording.calls[first:], may_refuse=_SECOND)
            return
        with closing(open_backend()) as again:
            names = (f"c{number}", f"new{number}", second.row.id)
            held = [row for change_id in names if (row := again.get(change_id)) is not None]
            for row in held:
                whole_history(again, row.id)
            judge(recording.calls[first:], held, may_refuse=_SECOND)
            stored(again, follow(present(again, f"c{number}")))  # the store still accepts writes

    @promise()
    def test_a_close_during_a_read_leaves_right_answers(self, open_backend: RecordedOpener) -> None:
        """One thread closes the backend while another one is inside of a read, at lines of the backend's own code.

        The close may wait for the read, or the read raises StorageUnavailable. Both return. A third thread that begins
        to read while the close waits gets the right answer or StorageUnavailable, too.

        Port: "A read that fails raises: it returns neither nothing nor an older state instead."
        """
        backend, expected, places = _filled(open_backend), {}, {}
        for name, read in READS.items():
            expected[name] = read(backend)
            most = max(1, self.profile.points // len(READS))
            places[name] = places_in(partial(read, backend), most, of=packages_of(backend.bare))
        backend.close()
        for name, read in READS.items():
            for place in places[name]:
                with closing(open_backend() if "durable" in self.abilities else _filled(open_backend)) as closed:
                    _read_while_closed(closed, name, read, expected[name], place)


def _filled(open_backend: RecordedOpener) -> RecordedBackend:
    """Open the store, and commit what the reads return a part of."""
    backend = open_backend()
    answer = backend.commit([create(f"c{number}", entries=4) for number in range(1, 5)])
    assert answer == [None] * 4, f"four new changes are answered {answer!r}"
    return backend


def _read_while_closed(
    backend: RecordedBackend, name: str, read: Callable[[StorageBackend], object], expected: object, place: Place
) -> None:
    """Close the backend while a read is at that line, and check its answer and that of a read which begins then."""
    begun, answers = len(backend.recording.calls), list[object]()

    def read_once() -> None:
        try:
            answers.append(read(backend))
        except Exception as error:  # noqa: BLE001  # judged below
            answers.append(error)

    closer, second = _thread(_CLOSER, backend.close), _thread(_SECOND_READER, read_once)

    def close_meanwhile() -> None:
        closer.start()
        closer.join(_LEAD)  # not longer: it may have to wait for the read
        if closer.is_alive():
            second.start()

    with at_place(place, close_meanwhile, of=packages_of(backend.bare)):
        read_once()
    for thread in (closer, second):
        if thread.ident:
            thread.join()
    for answer in answers:
        if isinstance(answer, StorageUnavailable) or answer == expected:
            continue
        given = f"returned {word(answer)}"
        if isinstance(answer, Exception):
            given = f"raised {type(answer).__name__}: {answer}"
        wrong = f"{name}, while another thread closes the backend, {given}; it must be {word(expected)}"
        calls = backend.recording.calls[begun:]
        raise Shown(wrong, timed(calls, min(call.began for call in calls)))


def _thread(name: str, work: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        with suppress(Exception):  # recorded, and judged
            work()

    return threading.Thread(target=run, name=name, daemon=True)


def _writes(backend: RecordedBackend, number: int) -> list[Write]:
    """Return two writes of one commit: of a change that is there, and of a new one."""
    row = stored(backend, create(f"c{number}"))
    return [follow(row, entries=2), create(f"new{number}", entries=2, open_subject=f"s{number}")]
