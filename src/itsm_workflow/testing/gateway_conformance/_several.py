"""Promises about several tickets in one call: what happens to one of them neither hides nor changes another."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from itsm_workflow.gateway.checked import any_host, checked_found, checked_results
from itsm_workflow.gateway.protocol import Created
from itsm_workflow.machine.evidence import ENDED, TicketStatus
from itsm_workflow.testing.gateway_conformance._faults import SLOW, UNREAD, damaged, one_for_each_place, only
from itsm_workflow.testing.gateway_conformance._promises import promise
from itsm_workflow.testing.gateway_conformance._refusals import known_refusals
from itsm_workflow.testing.gateway_conformance._slowly import slow_answers
from itsm_workflow.testing.gateway_conformance._trial import asked, damages_within
from itsm_workflow.testing.gateway_conformance._verdicts import demand
from itsm_workflow.testing.gateway_conformance._wording import result_differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from itsm_workflow.change import Ticket
    from itsm_workflow.gateway.protocol import SentTicket, TicketGateway, TicketResult
    from itsm_workflow.testing.gateway_conformance._faults import Fault
    from itsm_workflow.testing.gateway_conformance._trial import Trial

    Call: TypeAlias = Callable[[TicketGateway], set[str]]

T = TypeVar("T")

_OF_ONE_KEY = "find_by_key of many tickets with one key"

_SLOW = 6
"""The most requests of one call that are not answered in time."""


@promise("the results of many equal those of one by one")
def batches(trial: Trial) -> None:
    """Unknown tickets are left out; an ended ticket is not. Each result has the status that a read shows."""
    waits, yes, no, gone = (trial.file()[1] for _ in range(4))
    trial.system.approve(yes.id, "bob")
    trial.system.reject(no.id, "bob")
    trial.gateway.withdraw(gone, operator="alice", reason="no longer needed")
    tickets = [waits, trial.missing(), yes, no, gone]
    singly: dict[str, TicketResult] = {}
    for ticket in tickets:
        singly.update(checked_results(trial.gateway.results([ticket]), [ticket]))
    together = checked_results(trial.gateway.results(tickets), tickets)
    demand(
        together == singly,
        f"results of all, compared with those of one by one: {'; '.join(result_differences(singly, together))}",
    )
    demand(
        trial.system.missing not in together,
        f"results returned a ticket with the id {trial.system.missing}, which no ticket has",
    )
    demand(not trial.gateway.results([]), "results of no tickets are not empty")
    approved = [
        key for key, row in together.items() if row.status is TicketStatus.FINISHED and row.approve_result is True
    ]
    demand(approved == [yes.id], f"ticket {yes.id} alone was approved, and the results approve {approved}")
    ends = {waits.id: "is open", yes.id: "was approved", no.id: "was rejected", gone.id: "was withdrawn"}
    for ticket in (waits, yes, no, gone):
        seen, row = trial.seen(ticket), together.get(ticket.id)
        demand(row is not None, f"ticket {ticket.id} {ends[ticket.id]}, and results leaves it out")
        demand(
            row is None or row.status is seen.status,
            f"ticket {ticket.id} {ends[ticket.id]}, and results says the status {row and row.status.name}, and read "
            f"{seen.status.name}",
        )


@promise("the results of hundreds are whole")
def hundreds(trial: Trial) -> None:
    """A server answers for a bounded number of ids; the gateway asks more often, and leaves out none."""
    tickets = [trial.file()[1] for _ in range(trial.system.batch)]
    found = checked_results(trial.gateway.results(tickets), tickets)
    lost = [one.id for one in tickets if one.id not in found]
    demand(
        not lost,
        f"results of {len(tickets)} tickets left out {len(lost)}, of which {', '.join(lost[:3])} are the first",
    )


@promise("a failed request among several hides no ticket")
def hides_none_of_several(trial: Trial) -> None:
    """A batch, or a list of pages, raises or is whole: what it leaves out reads as a ticket that does not exist."""
    shared, *_, (criteria, last) = filed = _filed_of_several(trial)
    refused = known_refusals(trial.system)
    slow: list[tuple[str, str, Fault, Call]] = []
    whole: dict[str, set[str]] = {}
    for name, call in _calls_of_several([filed[0][1], filed[1][1], last], criteria, shared[0]).items():
        trial.renew()
        before = len(trial.line.requests)
        whole[name] = call(trial.gateway)
        requests = len(trial.line.requests) - before
        each = itertools.chain(
            itertools.product(range(requests), UNREAD.items()),
            itertools.product(range(1, requests), refused.items()),  # another promise is about a refused call
        )
        for number, (happens, fault) in _in_turn(requests, {**UNREAD, **refused}) if name == _OF_ONE_KEY else each:
            with trial.during(only(number, fault)):
                answer = asked(name, partial(call, trial.gateway))
            _is_whole(f"{happens}, in request {number + 1} of {requests}", name, answer, whole[name])
        slow += [
            (f"{happens}, in request {number + 1} of {requests}", name, only(number, fault), call)
            for number in _some(requests)  # another promise is about a call of one request
            for happens, fault in SLOW.items()
        ]
    for happens, name, answer in slow_answers(trial, slow):
        _is_whole(happens, name, answer, whole[name])


def _filed_of_several(trial: Trial) -> list[tuple[SentTicket, Ticket]]:
    """File tickets on several pages: all but the last with one key, if the server files a second ticket with a key."""
    request = trial.request()
    filed = [trial.file(request)]
    ids = {filed[0][1].id}
    for _ in range(trial.many - 2):
        again = trial.create(request)
        if not isinstance(again, Created) or again.id in ids:
            break
        ids.add(again.id)
        filed.append((filed[0][0], trial.ticket(again.id, again.sn)))
    return filed + [trial.file() for _ in range(trial.many - len(filed))]


def _calls_of_several(tickets: Sequence[Ticket], criteria: SentTicket, shared: SentTicket) -> dict[str, Call]:
    """Return the calls that may take several requests, each with the ids that it returns."""
    last = tickets[-1]
    return {
        "find_by_key": lambda gateway: {row.id for row in checked_found(gateway.find_by_key(criteria), any_host)},
        "find_by_sn": lambda gateway: {
            row.id for row in checked_found(gateway.find_by_sn(last.sn, criteria), any_host)
        },
        "results": lambda gateway: {
            key for key, row in checked_results(gateway.results(tickets), tickets).items() if row.status not in ENDED
        },
        _OF_ONE_KEY: lambda gateway: {row.id for row in checked_found(gateway.find_by_key(shared), any_host)},
    }


def _in_turn(requests: int, faults: Mapping[str, Fault]) -> Iterator[tuple[int, tuple[str, Fault]]]:
    """Yield each fault for the second request, and one of them for each request, in turn: all for all take too long."""
    if requests > 1:
        yield from ((1, one) for one in faults.items())
    yield from zip(range(requests), itertools.cycle(faults.items()), strict=False)


def _some(requests: int) -> Sequence[int]:
    """Return the requests that are not answered in time: all of a few, or the first ones and the last one."""
    if requests == 1:
        return ()
    return range(requests) if requests <= _SLOW else (*range(_SLOW - 1), requests - 1)


def _is_whole(happens: str, name: str, answer: set[str] | None, whole: set[str]) -> None:
    demand(
        answer is None or answer == whole,
        f"{happens}: {name} returned the open tickets {answer}, and without the fault {whole}",
    )


@promise("a damaged row among several spoils no other")
def spoils_no_other(trial: Trial) -> None:
    """A look-up or a batch raises, or shows each of the other tickets as it is.

    A result that is left out is read again, ticket by ticket; a ticket that a look-up leaves out does not exist for the
    library, so a look-up leaves out none.
    """
    request = trial.request()
    criteria, ticket = trial.file(request)
    ids = {ticket.id}
    again = trial.create(request)
    if isinstance(again, Created):  # some ticket systems file one ticket for each key
        ids.add(again.id)

    def found() -> set[str]:
        return {row.id for row in checked_found(trial.gateway.find_by_key(criteria), any_host)}

    whole = found()
    demand(whole == ids, f"the tickets {sorted(ids)} carry one key, and find_by_key found {sorted(whole)}")
    for shown in _answers(trial, "find_by_key", found):
        demand(
            shown is None or shown == ids,
            f"one damaged value, and find_by_key found the tickets {sorted(shown or ())} instead of {sorted(ids)}",
        )
    (_, waits), (_, yes), (_, no) = (trial.file() for _ in range(3))
    trial.system.approve(yes.id, "bob")
    trial.system.reject(no.id, "bob")
    tickets = [waits, yes, no]

    def results() -> Mapping[str, TicketResult]:
        return checked_results(trial.gateway.results(tickets), tickets)

    right = results()
    absent = [one.id for one in tickets if one.id not in right]
    demand(not absent, f"results of the tickets {[one.id for one in tickets]} left out {absent}")
    for rows in _answers(trial, "results", results):
        if rows is None:
            continue
        others = [one.id for one in tickets if rows.get(one.id) != right[one.id]]
        words = "; ".join(result_differences(right, rows))
        demand(len(others) <= 1, f"one damaged value, and results changed or lost the tickets {others}: {words}")
        demand(
            all(_is_undecided_or(right[one], rows.get(one)) for one in others),
            f"one damaged value, and results decided another way than before: {words}",
        )


def _is_undecided_or(right: TicketResult, row: TicketResult | None) -> bool:
    """Return whether a result is missing, decides nothing, or decides as the right one does."""
    if row is None or row.status not in ENDED:
        return True
    return (row.status, row.approve_result) == (right.status, right.approve_result)


def _answers(trial: Trial, name: str, call: Callable[[], T]) -> Iterator[T | None]:
    """Yield the answer of a call with one value damaged, for each value of each answer that it gets.

    None stands for a GatewayError.
    """
    for request, most in enumerate(damages_within(trial, call)):
        for number in one_for_each_place(most):
            with trial.during(only(request, damaged(number))):
                answer = asked(name, call)
            yield answer
