"""The promises about commits that write the same changes in opposite orders at the same time.

A backend that locks what it writes one after the other, in the order of the writes, lets two such commits wait for each
other without end. That is not left to chance: the second commit begins while the first one is inside of a loop of the
backend's own code, each loop in turn.
"""

from __future__ import annotations

import threading
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._judging import judge, read_again
from itsm_workflow.testing.conformance._lines import at_place, middles_of_loops, packages_of
from itsm_workflow.testing.conformance._pipes import receive, send
from itsm_workflow.testing.conformance._processes import Other
from itsm_workflow.testing.conformance._racing import read, tried
from itsm_workflow.testing.conformance._rows import NOW, claim, create, follow

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from itsm_workflow.storage.protocol import StorageBackend, Write
    from itsm_workflow.testing.conformance._lines import Turn
    from itsm_workflow.testing.conformance._recording import RecordedBackend, RecordedOpener

_OF_EACH_KIND = 6
_LEAD = 0.05
"""The seconds that the second commit has before the first one goes on."""
_SECOND = "the second writer"
_INSIDE = "inside of a loop"


class OpposingPromises(Promises):
    """Two commits of the same changes, one of which has the order of the other turned round."""

    @promise()
    def test_commits_of_opposite_orders_return(self, backend: RecordedBackend) -> None:
        """Two commits write the same changes and take the same values, one from the first to the last, one back.

        Both return. One of the two may raise StorageUnavailable, and neither is answered with a conflict that the other
        one does not explain.

        Port: "A lock that is not given in time, a deadlock that the store gives up and a lost answer raise as well;
        none of them is answered as a conflict."
        """
        for number, turn in enumerate(_turns(backend), start=1):
            _commit_both(backend, number, turn, packages_of(backend.bare))
        judge(backend.recording.calls, read_again(backend, backend.recording.calls), may_refuse=_SECOND)

    @promise("multi_process")
    def test_commits_of_processes_of_opposite_orders_return(self, open_backend: RecordedOpener) -> None:
        """The same with two processes, since a backend may keep its threads apart by other means.

        Port: "A lock that is not given in time, a deadlock that the store gives up and a lost answer raise as well;
        none of them is answered as a conflict."
        """
        recording, others = open_backend.recording, list[Other]()
        with closing(open_backend()) as backend:
            turns = _turns(backend)
            try:
                for name in ("the first writer", _SECOND):
                    others.append(Other(commit_at_turns, open_backend, name=name, witnessed=True))
                for other in others:
                    other.watch(others)
                for number, turn in enumerate(turns, start=1):
                    _commit_in_both(backend, number, turn, *others)
                for other in others:
                    other.send(None)
                    recording.calls += other.receive()
            finally:
                for other in others:
                    other.close(kill=True)
            judge(recording.calls, read_again(backend, recording.calls), may_refuse=_SECOND)


def _turns(backend: RecordedBackend) -> list[Turn]:
    """Create the changes, and return turns of the loops of a commit that writes to them: the middle, and one before.

    A backend with few locks for many changes has, in the middle, almost all of them.
    """
    backend.commit([create(name) for name in _names()])
    own = packages_of(backend.bare)
    middles = middles_of_loops(partial(backend.commit, _batch(backend, 0)), _OF_EACH_KIND - 1, of=own)
    return [(place, times) for place, middle in middles for times in (middle, (middle + 1) // 2)]


def _names() -> list[str]:
    return [f"{kind}{number}" for number in range(_OF_EACH_KIND) for kind in ("followed", "claimed")]


def _batch(backend: StorageBackend, number: int) -> list[Write]:
    """Return writes of each kind: to changes that are there, claims of others, and new changes that take values."""
    writes: list[Write] = []
    for place in range(_OF_EACH_KIND):
        value = f"{number}-{place}"
        followed, claimed = (read(backend, f"{kind}{place}") for kind in ("followed", "claimed"))
        writes += [
            follow(followed, open_subject=f"followed {value}", ticket_key=f"followed {value}"),
            claim(claimed, NOW + number),
            create(f"new {value}", open_subject=f"new {value}", ticket_key=f"new {value}"),
        ]
    return writes


def _opposite(writes: list[Write]) -> list[Write]:
    return [attrs.evolve(write, row=attrs.evolve(write.row, state="rejected")) for write in reversed(writes)]


def _commit_both(backend: RecordedBackend, number: int, turn: Turn, own: frozenset[str]) -> None:
    """Commit, and let another thread commit in the opposite order while this one is at that turn of a loop."""
    writes = _batch(backend, number)
    others = _opposite(writes)
    other = threading.Thread(target=partial(tried, backend, *others), name=_SECOND, daemon=True)

    def begin() -> None:
        other.start()
        other.join(_LEAD)  # not longer: it may have to wait for the first one

    place, times = turn
    with at_place(place, begin, of=own, turn=times):
        tried(backend, *writes)
    if not other.ident:  # this commit did not come there
        other.start()
    other.join()


def _commit_in_both(backend: RecordedBackend, number: int, turn: Turn, first: Other, second: Other) -> None:
    """Let one process commit, and the second in the opposite order while the first is at that turn of a loop."""
    writes = _batch(backend, number)
    first.send((writes, turn))
    is_inside = first.receive() == _INSIDE
    second.send((_opposite(writes), None))
    if is_inside:
        second.pipe.poll(_LEAD)  # not longer: it may have to wait for the first one
        first.send(None)
        first.receive()
    second.receive()


def commit_at_turns(backend: RecordedBackend, pipe: Connection) -> None:
    """Commit the batches that arrive, waiting for another message at that turn of a loop; then report the calls."""

    def wait() -> None:
        send(pipe, ("done", _INSIDE))
        receive(pipe)

    own = packages_of(backend.bare)
    while (order := receive(pipe)) is not None:
        writes, turn = order
        place, times = turn or (("", 0), 1)
        with at_place(place, wait, of=own, turn=times):
            tried(backend, *writes)
        send(pipe, ("done", ""))
