"""The promise about an answer that is about another ticket than the request."""

from __future__ import annotations

import contextlib
import json
from functools import partial
from typing import TYPE_CHECKING

from itsm_workflow.gateway.checked import checked_results
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.testing.gateway_conformance._promises import promise
from itsm_workflow.testing.gateway_conformance._trial import asked, is_approved
from itsm_workflow.testing.gateway_conformance._verdicts import SkippedPromise, demand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from itsm_workflow.change import Ticket
    from itsm_workflow.testing.gateway_conformance._faults import Fault
    from itsm_workflow.testing.gateway_conformance._line import Answer, Exchange
    from itsm_workflow.testing.gateway_conformance._trial import Trial


@promise("an answer about another ticket is not taken")
def compares_the_id(trial: Trial) -> None:
    """A cache between the gateway and the server, or a mistake of either, answers with another ticket's page.

    The answers to a read of an approved ticket are sent to a read of an open one, all of them or one. Tested with each
    answer that shows the ticket's id; the gateway compares it.
    """
    (_, ours), (_, other) = trial.file(), trial.file()
    trial.system.approve(other.id, "bob")
    calls: dict[str, Callable[[Ticket], bool]] = {
        "read": partial(_reads_as_approved, trial),
        "results": partial(_results_as_approved, trial),
    }
    tested = False
    for name, call in calls.items():
        right, wrong = _answers(trial, partial(call, ours)), _answers(trial, partial(call, other))
        naming = [
            place for place, (one, two) in enumerate(zip(right, wrong, strict=False)) if _name(one, two, ours, other)
        ]
        tested = tested or bool(naming)
        for places in ([*range(len(wrong))] if naming else [], *([one] for one in naming)):
            with trial.during(_sending(wrong, places)):
                approved = call(ours)
            demand(
                not approved,
                f"the server answered with ticket {other.id}, which is approved, and {name} says so of ticket "
                f"{ours.id}: compare the id that the answer shows",
            )
    if not tested:
        raise SkippedPromise("no answer to a read shows the id of its ticket, so none can be compared")


def _reads_as_approved(trial: Trial, ticket: Ticket) -> bool:
    snapshot = trial.read(ticket)
    return snapshot is not None and is_approved(snapshot)


def _results_as_approved(trial: Trial, ticket: Ticket) -> bool:
    found = asked("results", lambda: checked_results(trial.gateway.results([ticket]), [ticket]))
    row = (found or {}).get(ticket.id)
    return row is not None and row.status is TicketStatus.FINISHED and row.approve_result


def _answers(trial: Trial, call: Callable[[], object]) -> list[Answer]:
    """Return the answers that the server sends within a call."""
    found: list[Answer] = []

    def keep(exchange: Exchange) -> None:
        found.append(exchange.forward())
        exchange.reply(found[-1])

    with trial.during(keep):
        call()
    return found


def _sending(answers: Sequence[Answer], places: Sequence[int]) -> Fault:
    """Send kept answers instead of those of the server, to the requests at these places."""
    waiting = iter(range(1_000_000))

    def fault(exchange: Exchange) -> None:
        place = next(waiting)
        exchange.reply(answers[place] if place in places else exchange.forward())

    return fault


def _name(right: Answer, wrong: Answer, ours: Ticket, other: Ticket) -> bool:
    """Return whether two answers show the ids of two tickets at the same place."""
    with contextlib.suppress(ValueError):
        return (ours.id, other.id) in set(_pairs(json.loads(right.body), json.loads(wrong.body)))
    return False


def _pairs(one: object, two: object) -> Iterator[tuple[str, str]]:
    """Yield the values at the same place of two documents, as text."""
    if isinstance(one, dict) and isinstance(two, dict):
        for name in one.keys() & two.keys():
            yield from _pairs(one[name], two[name])
    elif isinstance(one, list) and isinstance(two, list):
        for each, its in zip(one, two, strict=False):
            yield from _pairs(each, its)
    else:
        yield str(one), str(two)
