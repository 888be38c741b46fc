"""The promise about calls of several threads: what one thread asks is not answered to another."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from itsm_workflow.machine.evidence import TicketStatus, Withdrawal
from itsm_workflow.testing.gateway_conformance._promises import promise
from itsm_workflow.testing.gateway_conformance._trial import asked
from itsm_workflow.testing.gateway_conformance._verdicts import demand
from itsm_workflow.testing.gateway_conformance._wording import found_words, snapshot_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from itsm_workflow.change import Ticket
    from itsm_workflow.gateway.protocol import SentTicket
    from itsm_workflow.testing.gateway_conformance._line import Exchange
    from itsm_workflow.testing.gateway_conformance._trial import Trial

    Filed: TypeAlias = tuple[SentTicket, Ticket]

_THREADS = 4

_TOGETHER = 5.0
"""The seconds after which requests are answered although not every thread has sent one: a gateway may use a lock."""


@promise("reads and withdrawals of several threads do not mix")
def does_not_mix(trial: Trial) -> None:
    """One gateway serves all threads of a process. The proxy answers when every thread has sent its request.

    A GatewayError is right while the proxy waits, since the gateway may have a short deadline.
    """
    filed = [trial.file() for _ in range(_THREADS)]
    trial.system.approve(filed[0][1].id, "bob")
    trial.system.reject(filed[1][1].id, "bob")
    for name, call in _calls(trial).items():
        alone = [call(*one) for one in filed]
        with _met(trial) as meeting:
            together = _in_threads(name, call, filed, meeting)
        for answers in (together, _in_threads(name, call, filed)):
            for (_, ticket), right, answer in zip(filed, alone, answers, strict=True):
                demand(
                    answer == right or (answer is None and answers is together),
                    f"{_THREADS} threads call {name} at the same time, and for ticket {ticket.id} it answers "
                    f"{answer or 'with a GatewayError'}, and alone {right}",
                )
    _withdraws(trial)


def _calls(trial: Trial) -> dict[str, Callable[[SentTicket, Ticket], str]]:
    """Return the calls, each with words for the answer that belong to one ticket alone."""

    def read(_: SentTicket, ticket: Ticket) -> str:
        snapshot = trial.gateway.read(ticket)
        return f"ticket {snapshot.ticket_id}: {snapshot_words(snapshot)}"

    return {
        "read": read,
        "results": lambda _, ticket: str(trial.gateway.results([ticket])),
        "find_by_key": lambda criteria, _: found_words(trial.gateway.find_by_key(criteria)),
        "find_by_sn": lambda criteria, ticket: found_words(trial.gateway.find_by_sn(ticket.sn, criteria)),
    }


def _withdraws(trial: Trial) -> None:
    filed = [trial.file() for _ in range(_THREADS)]

    def withdraw(_: SentTicket, ticket: Ticket) -> str:
        return trial.gateway.withdraw(ticket, operator="alice", reason="no longer needed").name

    with _met(trial) as meeting:
        answers = _in_threads("withdraw", withdraw, filed, meeting)
    for (_, ticket), answer in zip(filed, answers, strict=True):
        demand(
            answer != Withdrawal.DONE.name or trial.seen(ticket).status is TicketStatus.REVOKED,
            f"{_THREADS} threads call withdraw at the same time, and for ticket {ticket.id} it answers DONE, and the "
            "ticket is open",
        )


def _in_threads(
    name: str, call: Callable[[SentTicket, Ticket], str], filed: Sequence[Filed], meeting: _Meeting | None = None
) -> list[str | None]:
    def one(pair: Filed) -> str | None:
        try:
            return asked(name, partial(call, *pair))
        finally:
            if meeting is not None:
                meeting.leave()

    with ThreadPoolExecutor(len(filed)) as pool:
        return list(pool.map(one, filed))


@contextlib.contextmanager
def _met(trial: Trial) -> Iterator[_Meeting]:
    """Let the proxy answer the requests of several threads only when each of them has sent one."""
    meeting = _Meeting(_THREADS)

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        meeting.wait()
        exchange.reply(answer)

    with trial.during(fault):
        yield meeting


class _Meeting:
    """A barrier that a thread can leave: those whose calls have ended are not waited for."""

    def __init__(self, members: int) -> None:
        self._members = members
        self._waiting = 0
        self._round = 0
        self._is_over = False
        self._changed = threading.Condition()

    def wait(self) -> None:
        """Wait until all members wait, or for as long as a gateway with a lock may take."""
        with self._changed:
            mine = self._round
            self._waiting += 1
            self._open_if_all_wait()
            if not self._changed.wait_for(lambda: self._round > mine or self._is_over, _TOGETHER):
                self._is_over = True
                self._changed.notify_all()

    def leave(self) -> None:
        """Count one member less."""
        with self._changed:
            self._members -= 1
            self._open_if_all_wait()

    def _open_if_all_wait(self) -> None:
        if self._waiting >= self._members:
            self._waiting = 0
            self._round += 1
            self._changed.notify_all()
