"""The work of the threads and processes of a race; each call is recorded, and judged when all have ended.

A busy store may raise StorageUnavailable, so a racer makes its call again, within a time limit. A commit that raised
may have been stored, and the judgement knows that.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import Order, Query
from itsm_workflow.testing.conformance._insistent import Insistent
from itsm_workflow.testing.conformance._rows import claim, create, follow, pages
from itsm_workflow.testing.conformance._threads import at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.storage.protocol import Row, StorageBackend, Write

    Work = Callable[..., None]

_PAUSES = 1000
_SHORTEST, _LONGEST = 1 / 20_000, 1 / 100
"""The seconds between two readings: after a commit was seen, and the most."""
_TRIES = 1000
_FEW = 3


class Meeting(Protocol):
    """A barrier of threads or of processes."""

    @property
    def n_waiting(self) -> int:
        """The number of those that wait."""
        ...

    def wait(self) -> Any:  # noqa: ANN401  # a number
        """Wait for all others."""
        ...


def in_threads(work: Work, backend: StorageBackend, arguments: Sequence[tuple[object, ...]]) -> None:
    """Run the work in one thread per argument tuple at the same time, on one backend object.

    Raises:
        Exception: The error of the thread that failed first.
    """
    meeting = threading.Barrier(len(arguments))

    def run(args: tuple[object, ...]) -> None:
        try:
            work(backend, None, meeting, *args)
        except BaseException:
            meeting.abort()  # the others would wait for this thread
            raise

    at_once([partial(run, args) for args in arguments])


def tried(backend: StorageBackend, *writes: Write) -> None:
    """Commit once; a commit whose outcome is not known is left at that."""
    with suppress(StorageUnavailable):
        backend.commit([*writes])


def read(backend: StorageBackend, change_id: str) -> Row:
    """Return a row that must exist, reading again while the store is unavailable."""
    row = Insistent(backend).get(change_id)
    assert row is not None, f"get({change_id!r}) returned None, but the change was stored"
    return row


def created(backend: StorageBackend, change_id: str) -> None:
    """Create a change, and try again while the store is unavailable."""
    Insistent(backend).commit([create(change_id)])


def bind(backend: StorageBackend, _pipe: object, meeting: Meeting, column: str, me: int, rounds: int) -> None:
    """In each round, give the contested value to a change of this racer: to a new one, or to one that it has."""
    own = f"own-{me}"
    created(backend, own)
    for number in range(rounds):
        value: dict[str, Any] = {column: f"{column} {number}"}
        write = follow(read(backend, own), **value) if number % 2 else create(f"{number}-{me}", **value)
        meeting.wait()
        Insistent(backend).commit([write])


def overwrite(backend: StorageBackend, _pipe: object, meeting: Meeting, change_id: str, rounds: int) -> None:
    """In each round, read the change that all have read, and write to it or claim it."""
    for number in range(rounds):
        meeting.wait()
        row = read(backend, change_id)
        meeting.wait()
        Insistent(backend).commit([claim(row, number) if number % 2 else follow(row)])


def count_up(backend: StorageBackend, _pipe: object, meeting: Meeting, change_id: str, rounds: int) -> None:
    """Write to one change until that many writes were stored, reading again after each that was not."""
    meeting.wait()
    won = 0
    for _ in range(rounds * _TRIES):
        with suppress(StorageUnavailable):
            won += backend.commit([follow(read(backend, change_id))]) == [None]
        if won == rounds:
            return
    raise AssertionError(f"only {won} of {rounds * _TRIES:,} writes to {change_id!r} were stored")


def claim_due(backend: StorageBackend, _pipe: object, meeting: Meeting, now: int) -> None:
    """Postpone due changes, page by page, until none is left."""
    meeting.wait()
    insistent = Insistent(backend)
    for _ in range(_TRIES):
        seen = 0
        for page in pages(insistent, Query(due_before=now, order=Order.DUE_AT, limit=7)):
            seen += len(page.rows)
            insistent.commit([claim(row, now + 60_000_000) for row in page.rows])
        if not seen:
            return
    raise AssertionError(f"after {_TRIES:,} passes there are changes that were claimed and are still due")


def write_while_read(backend: StorageBackend, _pipe: object, meeting: Meeting, change_id: str, rounds: int) -> None:
    """Write to a change, move its open subject, and create others, while readers look on; they end with this."""
    dice = random.Random(rounds)  # noqa: S311  # not for secrets
    meeting.wait()
    for number in range(rounds):
        time.sleep(dice.random() / _PAUSES)  # a fast writer would end before the readers begin
        row = read(backend, change_id)
        new = create(f"{change_id}-{number}", entries=2)
        subject, form = f"{change_id} {number % 2}", f'{{"turn":{number}}}'
        Insistent(backend).commit([follow(row, entries=3, open_subject=subject, form=form), new])
    meeting.wait()


def look_on(backend: StorageBackend, _pipe: object, meeting: Meeting, change_id: str) -> None:
    """Read the change, the newest of the others and their histories until the writer has ended, and once more.

    It reads again without a pause after a commit was seen, and more and more rarely until the next: a store with slow
    commits would be read thousands of times between two of them, and each call is recorded and judged.
    """
    meeting.wait()
    ended, newest, version, pause = False, 0, 0, _SHORTEST
    while not ended:
        ended = meeting.n_waiting > 0
        with suppress(StorageUnavailable):
            row = read(backend, change_id)
            pause = _SHORTEST if row.version != version else min(2 * pause, _LONGEST)
            version = row.version
            backend.history(change_id, max(0, row.seq - _FEW), 100)
            backend.find(Query(ids=(change_id,)))
            backend.find(Query(open_subject=f"{change_id} 0"))
            for new in backend.find(Query(ids=(f"{change_id}-{newest}",))).rows:
                backend.history(new.id)
                newest += 1
        time.sleep(pause)
    meeting.wait()


def mix(backend: StorageBackend, _pipe: object, meeting: Meeting, me: int, steps: int) -> None:
    """Make calls of every kind on a few changes, subjects and tickets, at random but the same in each run."""
    dice = random.Random(me)  # noqa: S311  # not for secrets
    shared = [f"c{place}" for place in range(_FEW)]
    own: list[str] = []
    meeting.wait()
    for number in range(steps):
        time.sleep(dice.random() / _PAUSES)  # otherwise one racer may end before the others begin
        new = f"{me}-{number}"
        with suppress(StorageUnavailable):
            # Changes that it has created itself release their subjects and tickets sooner or later.
            if _step(backend, dice, [*shared, *own[-_FEW:]], new):
                own.append(new)


def mix_to_the_end(backend: StorageBackend, _pipe: object, meeting: Meeting, me: int, steps: int) -> None:
    """Make calls as `mix` does, and then one commit that the store must take, however often it refused the others."""
    mix(backend, None, meeting, me, steps)
    created(backend, f"{me}-end")


def _step(backend: StorageBackend, dice: random.Random, names: list[str], new: str) -> bool:
    """Make one or two calls; return whether the new change may have been created."""
    values = [None, *(f"v{place}" for place in range(_FEW))]
    columns: dict[str, Any] = {"open_subject": dice.choice(values), "ticket_key": dice.choice(values)}
    name = dice.choice(names)
    act = dice.randrange(8)
    row = backend.get(name)
    if act == 0:
        backend.history(name, dice.randrange(3), 1000)
    elif act == 1:
        backend.find(Query(open_subject=dice.choice(values[1:])))
    elif act == 2:
        backend.find(Query(ids=(*names, new)))
    elif act == 3:
        backend.commit([create(new, **columns)])
    elif row is None:
        backend.commit([create(name, **columns)])
    elif act == 4:
        backend.commit([claim(row, dice.randrange(9))])
    elif act == 5:
        form = f'{{"by":"{new}"}}'
        backend.commit([follow(row, entries=2, form=form, **columns), create(new, open_subject=dice.choice(values))])
    else:
        backend.commit([follow(row, form=None, **columns)])
    return act in {3, 5}
