"""A gateway of one's own that is wrong in one place: the question was not answered, and nothing else ends with it."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import State, Workflow
from itsm_workflow.change import EffectStatus, Phase
from itsm_workflow.errors import GatewayMistake, GatewayUnavailable, InvalidForm, StorageUnavailable
from itsm_workflow.machine.evidence import Withdrawal
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.world import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow import ChangeRequest
    from itsm_workflow.gateway.protocol import CreateRequest

SECRET = "a text that quotes our credential"


def raising(error: BaseException) -> Callable[..., Any]:
    """Return a method that raises."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def returning(value: object) -> Callable[..., Any]:
    """Return a method that returns what is no answer."""
    return lambda *_, **__: value


class Breaks:
    """A list that breaks while it is read."""

    def __iter__(self) -> Iterator[object]:
        raise ValueError("the rows ended")


def bug(*_: object, **__: object) -> None:
    """Stand for a method that is wrong."""
    raise KeyError("rows")


cancelled = raising(asyncio.CancelledError("a task of the gateway's own event loop"))
ENDINGS = [StorageUnavailable("the store is gone"), KeyboardInterrupt(), SystemExit(1), GeneratorExit()]
NO_LISTS = [bug, cancelled, *map(returning, (None, 5, "text", b"1", {"7": 7}, Breaks()))]


def pending(count: int = 3) -> tuple[Desk, Workflow, list[ChangeRequest]]:
    """Return changes whose tickets were approved, and nobody has looked since."""
    desk = Desk()
    workflow = desk.workflow(policy=TOGETHER)
    changes = [workflow.apply(subject=f"{SUBJECT}-{number}", **ASKED) for number in range(count)]
    for change in changes:
        desk.decide(change)
    desk.pass_time(400)
    return desk, workflow, changes


def spoil(desk: Desk, **methods: Callable[..., Any]) -> None:
    """Give the gateway methods that are wrong."""
    for name, method in methods.items():
        setattr(desk.gateway, name, method)


def told(desk: Desk) -> list[tuple[str, type[Exception]]]:
    """Return what observers were told of mistakes."""
    return [(change_id, type(error)) for change_id, error in desk.witness.troubles]


# ---------------------------------------------------------------- a pass


@pytest.mark.parametrize(
    ("name", "method"),
    [
        *(("undelivered", method) for method in NO_LISTS),
        *(("results", method) for method in (bug, cancelled, *map(returning, (None, 5, [1], "text")))),
        *(("resting", method) for method in (bug, cancelled, returning(None), returning(7))),
        *(("within", method) for method in (bug, cancelled, returning(None))),
    ],
)
def test_one_wrong_answer_stops_no_pass(name: str, method: Callable[..., Any]) -> None:
    """Every change is looked into all the same, and observers are told."""
    desk, workflow, changes = pending()
    spoil(desk, **{name: method})

    report = workflow.reconcile()

    assert (report.moved, report.finished) == (3, True)
    assert {workflow.get(change.id).state for change in changes} == {State.APPROVED}
    assert set(told(desk)) == {("", GatewayMistake)}
    assert {str(error).partition(":")[0] for _, error in desk.witness.troubles} == {name}


@pytest.mark.parametrize("method", [bug, cancelled, returning(None)])
def test_a_ticket_that_a_mistake_keeps_from_being_read_is_read_later(method: Callable[..., Any]) -> None:
    """By a pass as by a call; neither raises."""
    desk, workflow, [change] = pending(1)
    spoil(desk, read=method)

    assert workflow.reconcile().failed == 1
    assert workflow.settle(change.id).state == State.PENDING
    assert {change_id for change_id, _ in told(desk)} == {change.id}

    del desk.gateway.read
    assert workflow.settle(change.id).state == State.APPROVED


@pytest.mark.parametrize("name", ["undelivered", "results", "read", "resting"])
@pytest.mark.parametrize("error", ENDINGS)
def test_a_store_that_is_gone_and_an_exit_end_the_pass(name: str, error: BaseException) -> None:
    """Neither is about one question."""
    desk, workflow, _ = pending()
    spoil(desk, **{name: raising(error)})

    with pytest.raises(type(error)):
        workflow.reconcile()


def test_a_gateway_that_cannot_be_asked_says_so_itself() -> None:
    """Its own errors are told as they are."""
    desk, workflow, _ = pending()
    spoil(desk, results=raising(GatewayUnavailable("no route", endpoint="results")))
    workflow.reconcile()

    assert told(desk) == [("", GatewayUnavailable)]


# ---------------------------------------------------------------- filing


@pytest.mark.parametrize("method", NO_LISTS)
def test_a_look_up_that_is_wrong_raises_nothing_after_filing(method: Callable[..., Any]) -> None:
    """Whether there is a ticket is not known, which is not "none": it is looked up again."""
    desk = Desk()
    workflow = desk.workflow(policy=TOGETHER)
    desk.faults.lose_answer("create")
    spoil(desk, find_by_key=method)

    change = workflow.apply(subject=SUBJECT, **ASKED)
    assert (change.state, change.expect_attempt().phase, len(desk.ledger.tickets())) == (
        State.APPLYING,
        Phase.UNKNOWN,
        1,
    )
    desk.pass_time(3)
    workflow.reconcile()
    assert set(told(desk)) == {(change.id, GatewayMistake)}

    del desk.gateway.find_by_key
    desk.pass_time(400)
    workflow.reconcile()
    assert workflow.get(change.id).state == State.PENDING


@pytest.mark.parametrize("method", [bug, *map(returning, ("now", 5, dt.datetime(2026, 1, 1)))])  # noqa: DTZ001 - without a zone
@pytest.mark.parametrize("loses", [True, False])
def test_a_clock_that_is_wrong_raises_nothing_after_filing(method: Callable[..., Any], *, loses: bool) -> None:
    """The moment is kept without it."""
    desk = Desk()
    workflow = desk.workflow()
    if loses:
        desk.faults.lose_answer("create")
    spoil(desk, time=method)

    change = workflow.apply(subject=SUBJECT, **ASKED)

    assert (change.state, len(desk.ledger.tickets())) == (State.PENDING, 1)
    assert set(told(desk)) == {(change.id, GatewayMistake)}


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError(SECRET),
        asyncio.CancelledError(SECRET),
        GatewayUnavailable(SECRET, endpoint="create_ticket"),
    ],
)
def test_a_create_that_raises_is_unknown(error: BaseException) -> None:
    """It may have filed the ticket before; nothing of what it says is told, since it was given our credential."""
    desk = Desk()
    workflow = desk.workflow()
    create = desk.gateway.create

    def filed_in_vain(request: CreateRequest) -> object:
        create(request)
        raise error

    spoil(desk, create=filed_in_vain)
    change = workflow.apply(subject=SUBJECT, **ASKED)

    assert (change.state, len(desk.ledger.tickets())) == (State.PENDING, 1)
    [(change_id, mistake)] = desk.witness.troubles
    assert (change_id, type(mistake)) == (change.id, GatewayMistake)
    assert type(error).__name__ in str(mistake)
    assert SECRET not in f"{mistake}{workflow.history(change.id)}"
    assert mistake.__cause__ is mistake.__context__ is None


@pytest.mark.parametrize("error", ENDINGS)
def test_a_store_that_is_gone_and_an_exit_end_a_create(error: BaseException) -> None:
    """The mark of the send is stored, so that it is looked up later."""
    desk = Desk()
    workflow = desk.workflow()
    spoil(desk, create=raising(error))
    with pytest.raises(type(error)):
        workflow.apply(subject=SUBJECT, **ASKED)
    [change] = workflow.find()
    assert change.expect_attempt().phase is Phase.SENDING


def test_a_budget_that_is_not_taken_keeps_nothing_from_being_sent() -> None:
    """The gateway's own deadline holds."""
    desk = Desk()
    workflow = desk.workflow()
    spoil(desk, within=bug)

    assert workflow.apply(subject=SUBJECT, **ASKED).state == State.PENDING
    assert set(told(desk)) == {("", GatewayMistake)}


@pytest.mark.parametrize("method", [*NO_LISTS, returning([("fields.a", 5, "rule")]), returning(["text"])])
def test_a_service_form_that_cannot_be_checked_keeps_nothing_from_being_sent(method: Callable[..., Any]) -> None:
    """It forbids nothing, and observers are told."""
    desk = Desk()
    workflow = desk.workflow()
    spoil(desk, check_service_form=method)

    assert workflow.apply(subject=SUBJECT, **ASKED).state == State.PENDING
    assert told(desk) == [("", GatewayMistake)]


def test_what_a_gateway_of_ones_own_forbids_is_told() -> None:
    """Any gateway that knows the form of a service may say what is wrong; nothing was stored."""
    desk = Desk()
    workflow = desk.workflow()
    spoil(desk, check_service_form=returning([("fields.a", "5", "is no field")]))

    with pytest.raises(InvalidForm, match=r"fields\.a=5: is no field"):
        workflow.apply(subject=SUBJECT, **ASKED)
    assert list(workflow.find()) == []


# ---------------------------------------------------------------- withdrawals


@pytest.mark.parametrize("method", [bug, *map(returning, (None, True, "done", 5, []))])
def test_a_withdrawal_without_an_answer_is_unknown(method: Callable[..., Any]) -> None:
    """It is stored with its error and told, tried again, and the ticket may not approve the change meanwhile."""
    desk = Desk()
    workflow = desk.workflow()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.pass_time(60)
    spoil(desk, withdraw=method)

    workflow.withdraw(change.id, actor="alice")

    [effect] = workflow.get(change.id).effects
    assert (effect.status, effect.attempts, effect.unsure) == (EffectStatus.PLANNED, 1, True)
    assert effect.error.startswith("GatewayMistake: withdraw: ")
    assert told(desk) == [(change.id, GatewayMistake)]
    result: Any = next(entry.evidence for entry in workflow.history(change.id) if entry.trigger == "fail_effect")
    assert result.withdrawal is Withdrawal.UNKNOWN

    del desk.gateway.withdraw
    desk.pass_time(400)
    workflow.reconcile()
    assert workflow.get(change.id).effects[0].status is EffectStatus.DELIVERED


# ---------------------------------------------------------------- what a person asks


def test_a_ticket_that_a_person_found_is_refused_by_an_error_of_the_gateway() -> None:
    """As if it could not be asked."""
    desk = Desk()
    workflow = desk.workflow()
    desk.hide_tickets()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    for method in NO_LISTS:
        spoil(desk, find_by_sn=method)
        with pytest.raises(GatewayMistake):
            workflow.record_ticket(change.id, sn="REQ7", actor="ops")
    assert workflow.get(change.id).state == State.APPLYING


def test_a_page_that_cannot_be_had_leaves_the_status_as_it_is() -> None:
    """Without an address."""
    desk, workflow, [change] = pending(1)
    spoil(desk, iframe_url=bug)
    assert workflow.status(change.id, live=True).iframe_ticket_url is None
