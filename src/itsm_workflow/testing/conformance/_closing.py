"""The promise about a backend that one thread closes while others are in a commit."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._judging import judge
from itsm_workflow.testing.conformance._lines import at_place, packages_of, places_in
from itsm_workflow.testing.conformance._racing import tried
from itsm_workflow.testing.conformance._rows import create, follow, present, refused, stored, whole_history

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import Write
    from itsm_workflow.testing.conformance._lines import Place
    from itsm_workflow.testing.conformance._recording import RecordedBackend, RecordedOpener

_LEAD, _PAUSE = 0.05, 0.1
"""The seconds that the second writer, and the one that closes, have before the first writer goes on."""
_SECOND = "the second writer"
_CLOSER = "the closing thread"


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


def _thread(name: str, work: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        with suppress(Exception):  # recorded, and judged
            work()

    return threading.Thread(target=run, name=name, daemon=True)


def _writes(backend: RecordedBackend, number: int) -> list[Write]:
    """Return two writes of one commit: of a change that is there, and of a new one."""
    row = stored(backend, create(f"c{number}"))
    return [follow(row, entries=2), create(f"new{number}", entries=2, open_subject=f"s{number}")]
