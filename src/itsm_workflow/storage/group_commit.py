"""Group commit: threads that commit at the same time share one transaction, and so one sync.

There is no thread for it. The first caller becomes the *leader*: it stores its own batch together with the batches of
the callers that are waiting, the *followers*, and hands each of them its results. The callers that arrive meanwhile
wait, and one of them is the next leader. A caller that is alone waits for nothing.
"""

from __future__ import annotations

import enum
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from itsm_workflow.storage.protocol import Conflict, Write

    Batch = Sequence[Write]
    Results = list[Conflict | None]

MOST_WRITES = 256
"""A group with this many writes takes no further batch, so that its leader is not kept for long."""

# After a fork, several threads of the child may notice it at the same time.
_AFTER_FORK = threading.Lock()


class _Turn(enum.Enum):
    """The state of a caller."""

    WAITING = enum.auto()
    LEADING = enum.auto()
    TAKEN = enum.auto()
    """A leader is storing its batch."""
    STORED = enum.auto()
    ALONE = enum.auto()
    """Nothing of its group was stored: it stores its batch by itself."""
    UNKNOWN = enum.auto()
    """Its leader failed when the batch may have been stored."""
    TOO_LATE = enum.auto()
    """Its time was over before a leader took its batch."""


@attrs.define(eq=False)
class _Caller:
    batch: Batch
    deadline: float
    turn: _Turn = _Turn.WAITING
    results: Results = attrs.field(factory=list)
    error: Exception | None = None
    woken: threading.Event | None = None
    group: Group | None = None

    def wake(self, turn: _Turn) -> None:
        self.turn = turn
        if self.woken is not None:
            self.woken.set()


class Group:
    """The batches to store in one transaction: an iterable that takes waiting batches until none is left.

    No batch may be durable before the iteration has ended. An error that is raised earlier means that nothing was
    stored; an error that is raised later makes the outcome of all batches unknown.

    Attributes:
        deadline: The time, by `time.monotonic`, until which the leader may wait for the locks of the store.
        has_waited: Whether the leader has waited for another leader, so that less than the time-out is left.
    """

    def __init__(self, leader: _Caller, take: Callable[[set[str]], _Caller | None]) -> None:
        """Make a group of the leader's batch, and of those that are taken."""
        self._take = take
        self.callers = [leader]
        self.deadline = leader.deadline
        self.has_waited = leader.woken is not None
        self.has_ended = False
        self.results: list[Results] | None = None
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[Batch]:
        """Yield the leader's batch, then each waiting batch that has no change in common with those before."""
        yield self.callers[0].batch
        ids = {write.row.id for write in self.callers[0].batch}
        while len(ids) < MOST_WRITES and (caller := self._take(ids)) is not None:
            self.callers.append(caller)
            yield caller.batch
        self.has_ended = True

    @property
    def turn(self) -> _Turn:
        """The state of each caller, once the leader has stored the group or has failed."""
        if self.results is not None:
            return _Turn.STORED
        return _Turn.UNKNOWN if self.has_ended else _Turn.ALONE

    def hand_out(self) -> None:
        """Hand each caller its results, and wake the followers; doing it twice does no harm."""
        for place, caller in enumerate(self.callers):
            caller.error = self.error
            if self.results is not None:
                caller.results = self.results[place]
            if place:
                caller.wake(self.turn)


class GroupCommit:
    """The commits of the threads of this process to one store."""

    def __init__(self, store: Callable[[Group], list[Results]], *, where: str, timeout: float) -> None:
        """Make the place where the threads meet.

        Args:
            store: Stores the batches of a group in one transaction and returns the results of each, in order. It may be
                called by several threads at the same time. If a batch raises an error, each batch of the group is
                stored by itself.
            where: The name of the store in messages.
            timeout: The number of seconds that a caller waits for others.
        """
        self._store = store
        self._where = where
        self._timeout = timeout
        self._start()

    def _start(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[_Caller] = deque()
        self._leader: _Caller | None = None
        self._pid = os.getpid()

    def commit(self, batch: Batch) -> Results:
        """Store the batch, by itself or together with those of other threads, see `StorageBackend.commit`.

        Raises:
            StorageUnavailable: The others took too long, so that nothing was stored; or the thread that stored the
                batch failed, or does not end, so that the outcome is unknown.
        """
        self._reset_after_fork()
        me = _Caller(batch, time.monotonic() + self._timeout)
        try:
            try:
                self._act(me)
            finally:
                self._leave(me)
        finally:
            self._leave(me)  # again, because an interrupt such as Ctrl-C may have ended the first call
        if me.turn is _Turn.ALONE:
            return self._store(Group(me, lambda _: None))[0]
        if me.turn is _Turn.STORED:
            return me.results
        raise self._error_of(me)

    def _act(self, me: _Caller) -> None:
        """Lead if no other caller does; else wait, and then lead if it is this caller's turn."""
        with self._mutex:
            if self._leader is None:
                me.turn = _Turn.LEADING
                self._leader = me
            else:
                me.woken = threading.Event()
                self._waiting.append(me)
        if me.woken is not None:
            self._wait(me, me.woken)
        if me.turn is _Turn.LEADING:
            self._lead(me)

    def _wait(self, me: _Caller, woken: threading.Event) -> None:
        """Wait until a leader has stored the batch, or this caller is to store it, or the time is over."""
        woken.wait(max(0.0, me.deadline - time.monotonic()))
        if me.turn is _Turn.TAKEN:
            # Its leader has the locks, so it waits no longer for others, but for its own batch.
            woken.wait(self._timeout)

    def _take(self, ids: set[str]) -> _Caller | None:
        """Take the first waiting caller whose batch has none of the ids, and add the ids of its batch to them."""
        if not self._waiting:
            return None
        with self._mutex:
            for caller in self._waiting:
                its = {write.row.id for write in caller.batch}
                if ids.isdisjoint(its):
                    self._waiting.remove(caller)
                    caller.turn = _Turn.TAKEN
                    ids |= its
                    return caller
        return None

    def _lead(self, me: _Caller) -> None:
        me.group = group = Group(me, self._take)
        try:
            group.results = self._store(group)
        except Exception as error:
            group.error = error
            if group.has_ended or len(group.callers) == 1:
                raise
            # Nothing was stored, and the error may be that of another batch.

    def _leave(self, me: _Caller) -> None:
        """Withdraw a caller that still waits. For a leader, hand out the results and pass the lead on."""
        if me.turn is not _Turn.WAITING and me.turn is not _Turn.LEADING:
            return
        self._reset_after_fork()
        with self._mutex:
            if me.turn is _Turn.WAITING:
                if me in self._waiting:  # not in a forked child
                    self._waiting.remove(me)
                me.turn = _Turn.TOO_LATE
            elif me.turn is _Turn.LEADING:
                if me.group is not None:
                    me.group.hand_out()
                if self._leader is me:
                    self._leader = self._waiting.popleft() if self._waiting else None
                    if self._leader is not None:
                        self._leader.wake(_Turn.LEADING)
                me.turn = _Turn.TOO_LATE if me.group is None else me.group.turn

    def _error_of(self, me: _Caller) -> StorageUnavailable:
        if me.turn is _Turn.TOO_LATE:
            why = f"other threads kept it busy for {self._timeout} s; nothing was stored: try again"
        elif me.turn is _Turn.TAKEN:
            why = "the thread that stores it together with its own data does not end; whether it was stored is unknown"
        else:
            why = "the thread that stored it together with its own data failed; whether it was stored is unknown"
        again = "" if me.turn is _Turn.TOO_LATE else ": read again"
        error = StorageUnavailable(f"cannot write to {self._where}: {why}{again}", path=self._where)
        error.__cause__ = me.error
        return error

    def _reset_after_fork(self) -> None:
        if self._pid != os.getpid():
            with _AFTER_FORK:
                if self._pid != os.getpid():
                    self._start()
