"""The two ports of a process, its store and its gateway. The process can crash at each of their calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import attrs

from itsm_workflow.errors import DefinitionError, StorageUnavailable
from itsm_workflow.gateway.protocol import Created, NotSent, Refused, Unknown
from itsm_workflow.storage.protocol import Write
from itsm_workflow.testing.gateway_faults import GatewayFaults
from itsm_workflow.testing.simulation.faults import GATEWAY, STORE, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from itsm_workflow.errors import ItsmWorkflowError
    from itsm_workflow.storage.protocol import Conflict, EntryRows, Query, Row, Rows, StorageBackend
    from itsm_workflow.testing.faulty_gateway import GatewayCall
    from itsm_workflow.testing.simulation.faults import Struck
    from itsm_workflow.testing.simulation.other_system import OtherSystem
    from itsm_workflow.testing.simulation.scheduler import Scheduler
    from itsm_workflow.testing.simulation.ticket_system import TicketSystem
    from itsm_workflow.testing.simulation.timeline import Timeline

_REFUSED_CODE = 3900003
_SLOWEST = {**dict.fromkeys(STORE, 0.02), **dict.fromkeys(GATEWAY, 0.4), "effect": 1.0}
"""The longest time that a call takes, in seconds, without a fault."""


class Crash(BaseException):
    """The process has crashed."""


class Life:
    """One process from its start to its crash.

    Args:
        name: The name of the process.
        scheduler: Lets time pass.
        struck: Returns the faults that strike.
        timeline: Records crashes.
        random: Determines the length of calls.
        turn_clock: Sets the wall clock.
    """

    def __init__(
        self,
        name: str,
        *,
        scheduler: Scheduler,
        struck: Struck,
        timeline: Timeline,
        random: Random,
        turn_clock: Callable[[float], object],
    ) -> None:
        self.name = name
        self.alive = True
        self.timeline = timeline
        self._scheduler = scheduler
        self._struck = struck
        self._random = random
        self._turn_clock = turn_clock

    def enter(self, point: str) -> dict[Failure, float]:
        """Let the time before a call pass, and return the faults that strike it.

        Raises:
            Crash: The process crashed before the call was made.
        """
        self._pass(self._random.random() * _SLOWEST[point])
        struck = self._struck.at(point)
        turned = self._struck.at("call").get(Failure.CLOCK_JUMP)
        if turned is not None:
            self._turn_clock(turned)
        if Failure.CRASH_BEFORE in struck:
            self._die(f"before {point}")
        if Failure.STOPPED_BEFORE in struck:
            self._pass(struck[Failure.STOPPED_BEFORE])
        return struck

    def leave(self, point: str, struck: Mapping[Failure, float]) -> None:
        """Let the time after a call pass.

        Raises:
            Crash: The process crashed before it got the answer.
        """
        if Failure.CRASH_AFTER in struck:
            self._die(f"after {point}")
        if Failure.STOPPED_AFTER in struck:
            self._pass(struck[Failure.STOPPED_AFTER])
        if point not in STORE:
            self._pass(self._random.random() * _SLOWEST[point])

    def _pass(self, seconds: float) -> None:
        self._scheduler.pause(seconds)
        if not self.alive:
            raise Crash  # another task of this process crashed it in the meantime

    def _die(self, when: str) -> NoReturn:
        self.alive = False
        self.timeline.note(self.name, f"DIES {when}")
        raise Crash


class ProcessStorage:
    """One process's connection to the shared store.

    Args:
        inner: The store.
        life: The process.
        committed: Called with the stored writes.
    """

    def __init__(self, inner: StorageBackend, life: Life, committed: Callable[[Life, Sequence[Write]], object]) -> None:
        self._inner = inner
        self._life = life
        self._committed = committed

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store the writes, see `StorageBackend.commit`."""
        struck = self._enter("commit")
        if Failure.CONFLICT in struck:
            for write in writes:
                self._touch(write)
        conflicts = self._inner.commit(writes)
        self._committed(self._life, [write for write, lost in zip(writes, conflicts, strict=True) if lost is None])
        for conflict in filter(None, conflicts):
            self._life.timeline.note(self._life.name, f"loses on {conflict.kind.value}", minor=True)
        self._life.leave("commit", struck)
        if Failure.ANSWER_LOST in struck:
            raise StorageUnavailable("the simulated store failed after it had stored the commit")
        return conflicts

    def get(self, change_id: str, /) -> Row | None:
        """Return the row of that id, see `StorageBackend.get`."""
        struck = self._enter("get")
        row = self._inner.get(change_id)
        self._life.leave("get", struck)
        return row

    def find(self, query: Query, /) -> Rows:
        """Return one page of rows, see `StorageBackend.find`."""
        struck = self._enter("find")
        rows = self._inner.find(query)
        self._life.leave("find", struck)
        return rows

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return one page of history, see `StorageBackend.history`."""
        struck = self._enter("history")
        entries = self._inner.history(change_id, after_seq, limit)
        self._life.leave("history", struck)
        return entries

    def close(self) -> None:
        """Keep the store open, since the other processes use it as well."""

    def _enter(self, point: str) -> dict[Failure, float]:
        struck = self._life.enter(point)
        if Failure.UNAVAILABLE in struck:
            raise StorageUnavailable(f"the simulated store failed before {point}")
        return struck

    def _touch(self, write: Write) -> None:
        """Act as another worker that claims the change first."""
        row = self._inner.get(write.row.id)
        if row is not None and row.version == write.expected_version:
            other = attrs.evolve(row, version=row.version + 1)
            self._inner.commit([Write(row=other, expected_version=row.version)])


class ProcessFaults(GatewayFaults):
    """The connection of one process to the shared ticket system, with the faults that strike it.

    Args:
        system: The ticket system.
        life: The process.
    """

    def __init__(self, system: TicketSystem | OtherSystem, life: Life) -> None:
        super().__init__()
        self._system = system
        self._life = life

    def carry_out(self, call: GatewayCall) -> object:
        """Carry out a call with the faults that strike it, and let the time before and after it pass."""
        if call.name not in GATEWAY:
            return call.deliver()
        struck = self._life.enter(call.name)
        self.clear()
        for kind, arm in _ARMED.items():
            if kind in struck:
                arm(self, call.name, struck[kind])
        return self._create(call, struck) if call.name == "create" else self._ask(call, struck)

    def later(self, seconds: float, call: GatewayCall) -> None:
        """File a ticket later."""
        self._system.create_later(call.args[0], seconds)

    def _create(self, call: GatewayCall, struck: Mapping[Failure, float]) -> object:
        [request] = call.args
        if Failure.NOT_SENT not in struck:
            self._system.count_send(request.attempt)
        answer = super().carry_out(attrs.evolve(call, deliver=lambda: self._system.create(request)))
        self._life.timeline.note(self._life.name, f"create_ticket: {_described(answer)}")
        self._life.leave("create", struck)
        return answer

    def _ask(self, call: GatewayCall, struck: Mapping[Failure, float]) -> object:
        def deliver() -> object:
            answer = call.deliver()
            self._system.catch_up()
            self._life.timeline.note(self._life.name, f"asks {call.name}: {_described(answer)}", minor=True)
            self._life.leave(call.name, struck)
            return answer

        return super().carry_out(attrs.evolve(call, deliver=deliver))


def _fail(faults: GatewayFaults, call: str, _seconds: float) -> None:
    """Lose a create, whose caller cannot know that; let any other call find no connection."""
    (faults.time_out if call == "create" else faults.unreachable)(call)


_ARMED: Mapping[Failure, Callable[[GatewayFaults, str, float], object]] = {
    Failure.NOT_SENT: lambda faults, call, _: faults.unreachable(call),
    Failure.UNAVAILABLE: _fail,
    Failure.REFUSED: lambda faults, call, _: faults.refuse(call, _REFUSED_CODE),
    Failure.BORN_LATE: lambda faults, call, seconds: faults.deliver_late(call, seconds),
    Failure.REFUSED_FILED: lambda faults, call, _: faults.refuse(call, _REFUSED_CODE, processed=True),
    Failure.ANSWER_LOST: lambda faults, call, _: faults.lose_answer(call),
}
"""What arms each kind of faults for a call; the first that strikes applies."""


def _described(answer: object) -> str:
    if isinstance(answer, Created):
        return f"answered with {answer.sn}"
    if isinstance(answer, Refused):
        return f"refused: {answer.message}"
    if isinstance(answer, NotSent | Unknown):
        return answer.problem
    return str(answer)


class Listener:
    """Records the errors that a process handled by itself.

    Args:
        life: The process.
        problems: Where an error of the definition is added, such as a due rule that failed: it breaks a rule, although
            the process goes on.
    """

    def __init__(self, life: Life, problems: list[str]) -> None:
        self._life = life
        self._problems = problems

    def on_entry(self, change: object, entry: object) -> None:
        """Ignore entries, since the store records them."""

    def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
        """Record the error."""
        del change_id
        if isinstance(error, DefinitionError):
            self._problems.append(f"raised: {type(error).__name__}: {error}")
        self._life.timeline.note(self._life.name, f"trouble: {type(error).__name__}: {error}", minor=True)
