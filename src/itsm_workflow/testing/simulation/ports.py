"""The two ports of a process, its store and its gateway. The process can crash at each of their calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TypeVar

import attrs

from itsm_workflow.errors import GatewayTimeout, GatewayUnavailable, StorageUnavailable
from itsm_workflow.gateway.protocol import Created, NotSent, Refused, Unknown
from itsm_workflow.machine.evidence import Withdrawal
from itsm_workflow.storage.protocol import Write
from itsm_workflow.testing.simulation.faults import GATEWAY, STORE, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from itsm_workflow.change import Form, Ticket
    from itsm_workflow.gateway.protocol import (
        CreateAnswer,
        CreateRequest,
        FoundTicket,
        SentTicket,
        Service,
        TicketResult,
    )
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.secrets import Secret
    from itsm_workflow.settings import Settings
    from itsm_workflow.storage.protocol import Conflict, EntryRows, Query, Row, Rows, StorageBackend
    from itsm_workflow.testing.simulation.faults import Struck
    from itsm_workflow.testing.simulation.scheduler import Scheduler
    from itsm_workflow.testing.simulation.ticket_system import TicketSystem
    from itsm_workflow.testing.simulation.timeline import Timeline

AnswerT = TypeVar("AnswerT")

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


class ProcessGateway:
    """One process's connection to the shared ticket system; a `TicketGateway` with BK-ITSM's abilities.

    Args:
        system: The ticket system.
        life: The process.
    """

    def __init__(self, system: TicketSystem, life: Life) -> None:
        self._system = system
        self._inner = system.gateway
        self._life = life
        self.name = system.gateway.name

    @property
    def settings(self) -> Settings:
        """The settings that a workflow takes from its gateway."""
        return self._inner.settings

    def check_form(self, form: Form) -> Sequence[tuple[str, str, str]]:
        """Return the values that would be rejected."""
        return self._inner.check_form(form)

    def service(self) -> str:
        """Return the configured service."""
        return self._inner.service()

    def services(self) -> Sequence[Service]:
        """Return the services."""
        return self._inner.services()

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Return the body of create_ticket."""
        return self._inner.preview(request)

    def create(self, request: CreateRequest) -> CreateAnswer:
        """File a ticket, or fail in one of many ways."""
        struck = self._life.enter("create")
        answer = self._create(request, struck)
        self._life.timeline.note(self._life.name, f"create_ticket: {_told(answer)}")
        self._life.leave("create", struck)
        return answer

    def _create(self, request: CreateRequest, struck: Mapping[Failure, float]) -> CreateAnswer:
        if Failure.NOT_SENT in struck:
            return NotSent(problem="the simulated network refused the connection")
        self._system.count_send(request.attempt)
        if Failure.UNAVAILABLE in struck:
            return Unknown(problem="the simulated request was lost")
        if Failure.REFUSED in struck:
            return Refused(remote_code=_REFUSED_CODE, message="simulated")
        if Failure.BORN_LATE in struck:
            self._system.create_later(request, struck[Failure.BORN_LATE])
            return Unknown(problem="the simulated request is still on its way")
        answer = self._system.create(request)
        if Failure.REFUSED_FILED in struck:
            return Refused(remote_code=_REFUSED_CODE, message="simulated, though it was filed")
        if Failure.ANSWER_LOST in struck:
            return Unknown(problem="the simulated answer was lost")
        return answer

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Read the ticket."""
        return self._ask("read", lambda: self._inner.read(ticket, decision_field=decision_field))

    def results(self, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
        """Return the results by ticket id."""
        return self._ask("results", lambda: self._inner.results(tickets))

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return the tickets that carry the key."""
        return self._ask("find_by_key", lambda: self._inner.find_by_key(sent))

    def find_by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return the tickets of that number."""
        return self._ask("find_by_sn", lambda: self._inner.find_by_sn(sn, sent))

    def withdraw(self, ticket: Ticket, *, operator: str, reason: str) -> Withdrawal:
        """Withdraw the ticket."""
        try:
            return self._ask("withdraw", lambda: self._inner.withdraw(ticket, operator=operator, reason=reason))
        except GatewayTimeout:
            return Withdrawal.UNKNOWN

    def undelivered(self) -> Sequence[str]:
        """Return the numbers of the tickets whose callback was not delivered."""
        return self._ask("undelivered", self._inner.undelivered)

    def verify_token(self, token: Secret) -> bool:
        """Return whether the ticket system issued such a token."""
        return self._ask("verify_token", lambda: self._inner.verify_token(token))

    def _ask(self, point: str, call: Callable[[], AnswerT]) -> AnswerT:
        struck = self._life.enter(point)
        if Failure.UNAVAILABLE in struck:
            raise GatewayUnavailable("simulated", endpoint=point)
        answer = call()
        self._system.catch_up()
        self._life.timeline.note(self._life.name, f"asks {point}: {_told(answer)}", minor=True)
        self._life.leave(point, struck)
        if Failure.ANSWER_LOST in struck:
            raise GatewayTimeout("simulated", endpoint=point)
        return answer


def _told(answer: object) -> str:
    if isinstance(answer, Created):
        return f"answered with {answer.sn}"
    if isinstance(answer, Refused):
        return f"refused, {answer.message}"
    if isinstance(answer, NotSent | Unknown):
        return answer.problem
    return str(answer)
