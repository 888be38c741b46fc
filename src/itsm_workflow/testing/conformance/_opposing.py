"""The promise about commits that write the same changes in opposite orders at the same time.

A backend that locks what it writes one after the other, in the order of the writes, lets two such commits wait for each
other without end. That is not left to chance: the second commit begins while the first one is in the middle of a loop
of the backend's own code, each loop in turn.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._judging import judge, read_again
from itsm_workflow.testing.conformance._lines import at_place, middles_of_loops, packages_of
from itsm_workflow.testing.conformance._racing import read, tried
from itsm_workflow.testing.conformance._rows import NOW, claim, create, follow

if TYPE_CHECKING:
    from itsm_workflow.storage.protocol import StorageBackend, Write
    from itsm_workflow.testing.conformance._lines import Turn
    from itsm_workflow.testing.conformance._recording import RecordedBackend

_OF_EACH_KIND = 6
_LEAD = 0.05
"""The seconds that the second commit has before the first one goes on."""
_SECOND = "the second writer"


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
        own = packages_of(backend.bare)
        backend.commit([create(name) for name in _names()])
        turns = middles_of_loops(partial(backend.commit, _batch(backend, 0)), _OF_EACH_KIND - 1, of=own)
        for number, turn in enumerate(turns, start=1):
            _commit_both(backend, number, turn, own)
        judge(backend.recording.calls, read_again(backend, backend.recording.calls), may_refuse=_SECOND)


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


def _commit_both(backend: RecordedBackend, number: int, turn: Turn, own: frozenset[str]) -> None:
    """Commit, and let another thread commit in the opposite order while this one is at that turn of a loop."""
    writes = _batch(backend, number)
    others = [attrs.evolve(write, row=attrs.evolve(write.row, state="rejected")) for write in reversed(writes)]
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
