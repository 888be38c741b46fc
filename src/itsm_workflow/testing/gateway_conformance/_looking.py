"""Promises about look-ups and reads: they find what is there, and never say that nothing is there without knowing."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.gateway.checked import any_host, checked_found, checked_results
from itsm_workflow.gateway.protocol import Created
from itsm_workflow.machine.evidence import ENDED, TicketStatus
from itsm_workflow.testing.gateway_conformance._faults import (
    BROKEN,
    SLOW,
    UNREAD,
    damaged,
    dropped,
)
from itsm_workflow.testing.gateway_conformance._promises import promise
from itsm_workflow.testing.gateway_conformance._refusals import refusals
from itsm_workflow.testing.gateway_conformance._slowly import slow_answers
from itsm_workflow.testing.gateway_conformance._trial import (
    OTHER,
    SKEW,
    asked,
    damages_within,
    is_approved,
    is_rejected,
    sent,
)
from itsm_workflow.testing.gateway_conformance._verdicts import SkippedPromise, demand
from itsm_workflow.testing.gateway_conformance._wording import found_words, snapshot_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.testing.gateway_conformance._faults import Fault
    from itsm_workflow.testing.gateway_conformance._trial import Trial


_PAGES, _FEWEST_PAGES = 13, 6
"""The pages of the list of one key: a gateway that reads twelve of them at most misses a ticket.

Of large pages there are fewer, since the check would file tickets for minutes.
"""


@promise("a ticket is found by its key among many")
def found_among_many(trial: Trial) -> None:
    """On every page of the server's list; its parts equal what was sent."""
    many = max(trial.many, trial.system.batch)
    filed = [trial.file() for _ in range(many)]
    for criteria, ticket in (filed[0], filed[-1]):
        rows = checked_found(trial.gateway.find_by_key(criteria), any_host)
        demand(
            [row.id for row in rows] == [ticket.id] and rows[0].is_ours,
            f"{many} tickets are filed, and find_by_key found {found_words(rows)} instead of ticket {ticket.id} as "
            "it was sent",
        )
        by_number = checked_found(trial.gateway.find_by_sn(ticket.sn, criteria), any_host)
        demand(
            ticket.id in {row.id for row in by_number if row.is_ours},
            f"{many} tickets are filed, and find_by_sn({ticket.sn!r}) found {found_words(by_number)}, and not ticket "
            f"{ticket.id} as it was sent",
        )


@promise("all tickets with one key are found")
def finds_each_of_one_key(trial: Trial) -> None:
    """On every page of the list of that key: the oldest may be the change's, and the others a person's copies of it.

    Tested if the server files a second ticket with a key.
    """
    request = trial.request()
    criteria, first = trial.file(request)
    ids = {first.id}
    many = max(trial.pages(_FEWEST_PAGES), min(trial.pages(_PAGES), trial.system.batch))
    for _ in range(many - 1):
        again = trial.create(request)
        if not isinstance(again, Created) or again.id in ids:
            raise SkippedPromise(f"the server files no second ticket with one key: create answered {again}")
        ids.add(again.id)
    found = {row.id for row in checked_found(trial.gateway.find_by_key(criteria), any_host)}
    demand(
        found == ids,
        f"{len(ids)} tickets carry one key, and find_by_key found {len(found)} of them, without {sorted(ids - found)}: "
        "it must read every page",
    )


@promise("a ticket that has ended is found by its key")
def found_when_ended(trial: Trial) -> None:
    """It may have been decided before its create was answered; without it, the request would be sent again."""
    for happens, end in {"approved": trial.system.approve, "rejected": trial.system.reject}.items():
        criteria, ticket = trial.file()
        end(ticket.id, "bob")
        rows = checked_found(trial.gateway.find_by_key(criteria), any_host)
        demand(
            [row.id for row in rows] == [ticket.id],
            f"ticket {ticket.id} was {happens}, and find_by_key found {found_words(rows)}",
        )


@promise("a key that no ticket carries finds nothing")
def finds_nothing(trial: Trial) -> None:
    """And neither does a number that no ticket has. Once a ticket carries the key, it is found."""
    request = trial.request(key="ZZ00000000000AB9")
    criteria, _ = trial.file(request)
    other = trial.request()
    rows = trial.gateway.find_by_key(sent(other))
    demand(
        not [row for row in rows if row.key == other.attempt.key or row.is_ours],
        f"find_by_key found {found_words(rows)} for a key of no ticket",
    )
    key = request.attempt.key
    for wanted, what in {key.swapcase(): "in the other case", key[:-1]: "without its last character"}.items():
        absent = attrs.evolve(criteria, attempt=attrs.evolve(criteria.attempt, key=wanted))
        rows = asked("find_by_key", lambda: trial.gateway.find_by_key(absent)) or ()  # noqa: B023
        demand(
            not [row for row in rows if row.is_ours],
            f"find_by_key found {found_words(rows)} as ours for the ticket's key {what}",
        )
    _, late = trial.file(other)
    rows = trial.gateway.find_by_key(sent(other))
    demand(
        [row.id for row in rows] == [late.id],
        f"ticket {late.id} was filed after a look-up that found nothing, and find_by_key found {found_words(rows)}",
    )
    found = asked("find_by_sn", lambda: trial.gateway.find_by_sn(trial.system.missing, criteria))
    demand(not found, f"find_by_sn found {found_words(found or ())} for a number that no ticket has")


@promise("a look-up that could not look raises")
def look_up_raises(trial: Trial) -> None:
    """An empty answer would mean that no ticket exists, and the request would be sent again."""
    _each_raises(trial, UNREAD)


@promise("a refused look-up is not answered as none")
def refused_raises(trial: Trial) -> None:
    """A refusal with a code that the gateway does not know says nothing about the ticket.

    Tested if the ticket system says how the server refuses.
    """
    _each_raises(trial, refusals(trial.system))


def _each_raises(trial: Trial, faults: Mapping[str, Fault]) -> None:
    for name, call in _calls(trial).items():
        for happens, fault in faults.items():
            with trial.during(fault):
                answer = asked(name, partial(call, trial.gateway))
            demand(answer is None, f"{happens}: {name} returned {answer} instead of raising a GatewayError")


def _calls(trial: Trial) -> dict[str, Callable[[TicketGateway], object]]:
    """Return each look-up and each read of the port, by its name, for a ticket that is filed."""
    criteria, ticket = trial.file()
    return {
        "find_by_key": lambda gateway: gateway.find_by_key(criteria),
        "find_by_sn": lambda gateway: gateway.find_by_sn(ticket.sn, criteria),
        "read": lambda gateway: gateway.read(ticket),
        "results": lambda gateway: gateway.results([ticket]),
    }


@promise("a look-up and a read end by themselves")
def reads_end(trial: Trial) -> None:
    """Their deadlines bound the whole calls. Without an answer in time, they raise as without a usable one."""
    calls = _calls(trial)
    calls["services"] = lambda gateway: gateway.services() and None  # it may answer what it knows without the server
    slow = [(happens, name, fault, call) for name, call in calls.items() for happens, fault in SLOW.items()]
    for happens, name, answer in slow_answers(trial, slow):
        demand(answer is None, f"{happens}: {name} returned {answer} instead of raising a GatewayError")


@promise("a ticket waits until a person decides")
def decided(trial: Trial) -> None:
    """Then the read says what she decided."""
    (_, waits), (_, yes), (_, no) = (trial.file() for _ in range(3))
    trial.system.approve(yes.id, "bob")
    trial.system.reject(no.id, "bob")
    opened, approved, rejected = (trial.seen(one) for one in (waits, yes, no))
    demand(opened.status not in ENDED, f"ticket {waits.id} was not decided, and read says {snapshot_words(opened)}")
    demand(
        opened.approval_step is not False,
        f"bob has not decided ticket {waits.id}, and read says that no step waits for it: {snapshot_words(opened)}",
    )
    demand(is_approved(approved), f"bob approved ticket {yes.id}, and read says {snapshot_words(approved)}")
    demand(
        not is_approved(rejected) and rejected.status in ENDED,
        f"bob rejected ticket {no.id}, and read says {snapshot_words(rejected)}",
    )
    demand(
        not approved.deciders or [one.user for one in approved.deciders] == ["bob"],
        f"bob alone decided ticket {yes.id}, and read says {snapshot_words(approved)}",
    )


@promise("another person's approval is not reported as an approver's")
def approved_by_other(trial: Trial) -> None:
    """The read reports no approval, or names the person. Tested if the ticket system lets others decide."""
    _, ticket = trial.file()
    try:
        trial.system.approve_by_other(ticket.id, OTHER)
    except NotImplementedError as undefined:
        raise SkippedPromise(str(undefined)) from None
    snapshot = trial.seen(ticket)
    named = {one.user for one in snapshot.deciders}
    demand(named <= {OTHER}, f"{OTHER} alone decided ticket {ticket.id}, and read says {snapshot_words(snapshot)}")
    demand(
        named or not is_approved(snapshot),
        f"{OTHER} approved ticket {ticket.id} and is not one of its approvers, and read reports an approval "
        f"without the name: {snapshot_words(snapshot)}",
    )


@promise("the field that decides is read")
def decides_by_a_field(trial: Trial) -> None:
    """A definition may name a field that must be ``true`` for an approval. Tested if the ticket system has one."""
    key = trial.system.decision_field
    _, ticket = trial.file()
    trial.system.approve(ticket.id, "bob")
    for name, expected in {key: "true", "no_such_field": None}.items():
        decision = trial.gateway.read(ticket, decision_field=name).decision if name else "true"
        demand(
            decision == expected,
            f"ticket {ticket.id} has {expected} in {name!r}, and read says the decision {decision!r}",
        )


@promise("a ticket that was read before is read again")
def read_again(trial: Trial) -> None:
    """The workflow acts on the decision at its next look, so an answer that was kept must not hide it.

    The time of a look is that of the call: the workflow compares it with when an ending was seen first.
    """
    _, ticket = trial.file()
    began = dt.datetime.now(dt.UTC)
    seen_at = trial.seen(ticket).seen_at
    demand(
        began - SKEW <= seen_at <= dt.datetime.now(dt.UTC) + SKEW,
        f"ticket {ticket.id} was read at {began:%Y-%m-%d %H:%M}, and read says it was seen at {seen_at}",
    )
    checked_results(trial.gateway.results([ticket]), [ticket])
    trial.system.approve(ticket.id, "bob")
    seen = trial.seen(ticket)
    demand(
        is_approved(seen),
        f"bob approved ticket {ticket.id} after it was read, and read still says {snapshot_words(seen)}",
    )
    found = checked_results(trial.gateway.results([ticket]), [ticket])
    demand(
        ticket.id in found and found[ticket.id].approve_result is True,
        f"bob approved ticket {ticket.id} after its result was read, and results still says {found.get(ticket.id)}",
    )


@promise("the id decides which ticket is read")
def by_id(trial: Trial) -> None:
    """Numbers can be given twice; a ticket of another id never answers, be it older or younger."""
    for is_older in (True, False):
        pair = [trial.file()[1], trial.file()[1]]
        ours, other = pair if is_older else reversed(pair)
        trial.system.approve(other.id, "bob")
        crossed = trial.ticket(ours.id, other.sn)
        snapshot = trial.read(crossed)
        demand(
            snapshot is None or not is_approved(snapshot),
            f"ticket {other.id} was approved, and read says so of ticket {ours.id} with the other one's number",
        )
        found = asked("results", lambda: checked_results(trial.gateway.results([crossed]), [crossed]))  # noqa: B023
        row = (found or {}).get(ours.id)
        demand(
            row is None or not row.approve_result or row.status is not TicketStatus.FINISHED,
            f"ticket {other.id} was approved, and results say so of ticket {ours.id} with the other one's number",
        )
    missing = trial.read(trial.missing())
    demand(
        missing is None,
        f"no ticket has the id {trial.system.missing}, and read returned {missing and snapshot_words(missing)}",
    )


@promise("a damaged answer decides nothing")
def decides_nothing(trial: Trial) -> None:
    """Neither approves it an open ticket, nor rejects it an approved one."""
    (_, waits), (_, yes) = trial.file(), trial.file()
    trial.system.approve(yes.id, "bob")
    for ticket, wrong, word in ((waits, is_approved, "approved"), (yes, is_rejected, "rejected")):
        for number in range(_most(trial, partial(trial.seen, ticket))):
            with trial.during(damaged(number)):
                snapshot = trial.read(ticket)
            demand(
                snapshot is None or not wrong(snapshot),
                f"a damaged answer makes ticket {ticket.id} {word}: {snapshot and snapshot_words(snapshot)}",
            )


@promise("a damaged answer hides no ticket")
def hides_nothing(trial: Trial) -> None:
    """A look-up raises, or finds the ticket with what cannot be compared; it does not say that none exists."""
    criteria, ticket = trial.file()
    for number in range(_most(trial, lambda: trial.gateway.find_by_key(criteria))):
        with trial.during(damaged(number)):
            rows = asked("find_by_key", lambda: checked_found(trial.gateway.find_by_key(criteria), any_host))
        demand(rows is None or rows, f"one damaged value hides ticket {ticket.id}: find_by_key found nothing")


@promise("a call after a failed one works")
def goes_on(trial: Trial) -> None:
    """No connection, lock or half-read answer of the failed call is left."""
    criteria, ticket = trial.file()
    for happens, fault in BROKEN.items():
        for each in (fault, dropped):
            trial.line.fault = each
            asked("read", lambda: trial.gateway.read(ticket))
        trial.line.fault = None
        rows = trial.gateway.find_by_key(criteria)
        demand(
            [row.id for row in rows] == [ticket.id],
            f"after a call in which {happens}, find_by_key found {found_words(rows)}",
        )


def _most(trial: Trial, call: Callable[[], object]) -> int:
    """Return how many damages the longest answer within a call knows."""
    return max(damages_within(trial, call), default=0)
