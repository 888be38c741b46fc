"""Faults of a sandbox: each kind does what it says, for the call it was armed for."""

from __future__ import annotations

import http.client
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.sandbox import Fault, FaultKind, Faults, Sandbox, Status
from tests.support.limits import PATIENCE
from tests.support.receiver import Receiver
from tests.support.stage import AT, Cast, Stage, Standing
from tests.unit.sandbox.test_acting import operate

if TYPE_CHECKING:
    from tests.support.recorded import Json

FIELDS = [{"key": key, "value": "alice"} for key in ("title", "APPROVER", "APPROVAL_CONTENT")]
CREATE = {"fast_approval": True, "creator": "admin", "fields": FIELDS}


def create(stage: Stage, **meta: Json) -> Json:
    """File a ticket over HTTP and return the envelope."""
    return stage.post("create_ticket", {**CREATE, "meta": meta}).json


def test_a_lost_answer_leaves_a_ticket(stage: Stage) -> None:
    """The work is done, the connection closed; the next create is answered."""
    armed = stage.sandbox.faults.lose_answer("create_ticket")
    with pytest.raises(http.client.RemoteDisconnected):
        create(stage)

    assert create(stage)["result"]
    assert len(stage.sandbox.tickets()) == 2
    assert armed.answer is not None
    assert armed.spent


def test_a_reset_leaves_nothing(stage: Stage) -> None:
    """The peer sees a reset and nothing was done."""
    stage.sandbox.faults.reset("create_ticket")
    with pytest.raises(ConnectionResetError):
        create(stage)

    assert stage.sandbox.tickets() == ()
    assert stage.sandbox.ledger.requests["create_ticket"] == 0


@pytest.mark.parametrize("dropped", [False, True])
def test_a_held_answer_waits(stage: Stage, dropped: bool) -> None:  # noqa: FBT001 - a parameter
    """The ticket is stored by the time the hold is reached; the answer goes out or never."""
    hold = stage.sandbox.faults.hold("create_ticket")
    answers: list[Json] = []

    def call() -> None:
        try:
            answers.append(create(stage)["result"])
        except http.client.RemoteDisconnected:
            answers.append("nothing")

    caller = threading.Thread(target=call)
    caller.start()
    assert hold.wait_reached(PATIENCE)
    stored = len(stage.sandbox.tickets())
    waiting = list(answers)
    (hold.drop if dropped else hold.release)()
    caller.join(PATIENCE)

    assert (1, [], ["nothing" if dropped else True]) == (stored, waiting, answers)


@pytest.mark.parametrize("processed", [False, True])
def test_an_error_page_comes_before_or_after_the_work(stage: Stage, processed: bool) -> None:  # noqa: FBT001
    """An HTTP 5xx or a page of HTML says nothing of what was done."""
    stage.sandbox.faults.status("create_ticket", 503, processed=processed)
    error = stage.post("create_ticket", CREATE)
    stage.sandbox.faults.html("create_ticket", processed=processed)
    page = stage.post("create_ticket", CREATE)

    assert (error.status, page.status) == (503, 200)
    assert page.body.startswith(b"<!DOCTYPE html")
    assert 2 * processed == len(stage.sandbox.tickets())


def test_an_unusual_status_is_sent_too(stage: Stage) -> None:
    """Also one that HTTP does not name."""
    stage.sandbox.faults.status("get_tickets", 599)

    assert stage.post("get_tickets", {}).status == 599


@pytest.mark.parametrize("processed", [False, True])
def test_a_delay_delays(stage: Stage, processed: bool) -> None:  # noqa: FBT001 - a parameter
    """Before the work or after it; the answer is the right one."""
    stage.sandbox.faults.delay("create_ticket", 0.15, processed=processed)
    begun = time.monotonic()

    assert create(stage)["result"]
    assert time.monotonic() - begun >= 0.15


def test_the_nth_call_and_every_later_one(stage: Stage) -> None:
    """Counted per endpoint from arming; other endpoints are left alone."""
    stage.sandbox.faults.status("get_tickets", nth=2, always=True)
    stage.sandbox.faults.status("get_services", nth=2)
    tickets = [stage.post("get_tickets", {}).status for _ in range(4)]
    services = [stage.get("get_services").status for _ in range(4)]

    assert (tickets, services) == ([200, 502, 502, 502], [200, 502, 200, 200])


def test_the_fault_armed_first_wins(stage: Stage) -> None:
    """One fault per call; a second of the same call has missed its chance."""
    stage.sandbox.faults.status("get_tickets", 500)
    stage.sandbox.faults.status("get_tickets", 503, always=True)

    assert [stage.post("get_tickets", {}).status for _ in range(2)] == [500, 503]


def test_clearing_disarms_and_releases(stage: Stage) -> None:
    """Everything is as before."""
    stage.sandbox.faults.status("get_tickets", always=True)
    hold = stage.sandbox.faults.hold("create_ticket")
    answers: list[bool] = []
    caller = threading.Thread(target=lambda: answers.append(create(stage)["result"]))
    caller.start()
    hold.wait_reached(PATIENCE)
    stage.sandbox.faults.clear()
    caller.join(PATIENCE)

    assert answers == [True]
    assert stage.post("get_tickets", {}).status == 200
    assert stage.sandbox.faults.armed() == ()


def test_a_callback_twice(stage: Stage) -> None:
    """The same body twice, byte for byte."""
    stage.sandbox.faults.callback_twice()
    with Receiver() as receiver:
        sn = stage.ticket(Standing.APPROVED, Cast(meta={"callback_url": receiver.url}))

        assert len(receiver.seen) == 2
        assert receiver.seen[0] == receiver.seen[1]
    assert [callback.times_sent for callback in stage.sandbox.ticket(sn).callbacks] == [2]


@pytest.mark.parametrize("listed", [False, True])
def test_a_lost_callback(stage: Stage, listed: bool) -> None:  # noqa: FBT001 - a parameter
    """Never sent; on the failed list, or without a trace."""
    armed = stage.sandbox.faults.callback_lost(listed=listed)
    with Receiver() as receiver:
        sn = stage.ticket(Standing.APPROVED, Cast(meta={"callback_url": receiver.url}))

        assert receiver.seen == []
    assert armed.reached.is_set()
    assert [sn] * listed == stage.get("callback_failed_ticket").json["data"]


def test_a_late_callback_does_not_hold_up_a_withdrawal(stage: Stage) -> None:
    """The API call answers first."""
    stage.sandbox.faults.callback_late(0.5)
    with Receiver() as receiver:
        sn = stage.ticket(Standing.STARTED, Cast(meta={"callback_url": receiver.url}))

        assert operate(stage, sn, "WITHDRAW", "admin") == 0
        assert receiver.seen == []
        assert receiver.wait(1)[0].json["current_status"] == "REVOKED"


def test_a_late_callback_dies_with_its_sandbox() -> None:
    """Closing does not wait for it; it is lost."""
    with Receiver() as receiver:
        with Stage(AT) as stage:
            stage.sandbox.faults.callback_late(3600)
            sn = stage.ticket(Standing.APPROVED, Cast(meta={"callback_url": receiver.url}))
        assert receiver.seen == []

    assert [callback.outcome for callback in stage.sandbox.ticket(sn).callbacks] == ["lost"]


def test_an_early_callback_comes_before_the_answer(stage: Stage) -> None:
    """Approved by the first approver and told before the create is answered."""
    stage.sandbox.faults.early_callback()
    with Receiver() as receiver:
        envelope = create(stage, callback_url=receiver.url)
        seen = receiver.seen[0].json

    assert (envelope["data"]["sn"], "FINISHED", "alice") == (seen["sn"], seen["current_status"], seen["last_approver"])
    assert (stage.sandbox.tickets()[0].current_status, stage.sandbox.tickets()[0].approve_result) == (
        Status.FINISHED,
        True,
    )


def test_an_early_callback_of_a_refused_create_is_none(stage: Stage) -> None:
    """What is not created calls nobody."""
    stage.sandbox.faults.early_callback()

    assert stage.post("create_ticket", {}).json["code"] == 3900004


@pytest.mark.parametrize(
    ("kind", "endpoint"),
    [
        (FaultKind.HOLD, "callback"),
        (FaultKind.CALLBACK_TWICE, "create_ticket"),
        (FaultKind.EARLY_CALLBACK, "get_tickets"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(kind: FaultKind, endpoint: str) -> None:
    """Callbacks and requests have their own kinds."""
    with pytest.raises(ValueError, match=r"cannot apply to|can only apply to create_ticket"):
        Fault(kind=kind, endpoint=endpoint)


def test_numbers_out_of_range_are_refused() -> None:
    """There is no call before the first and no time before now."""
    wrong: tuple[tuple[str, float], ...] = (("nth", 0), ("seconds", -1.0), ("seconds", float("nan")))
    for field, value in wrong:
        changes: dict[str, Any] = {field: value}
        with pytest.raises(ValueError, match=f"^Fault.{field} must be at least"):
            Fault(kind=FaultKind.DELAY, endpoint="get_tickets", **changes)


@pytest.mark.parametrize("flag", ["always", "processed"])
def test_a_flag_that_is_not_a_bool_is_refused(flag: str) -> None:
    """The text no is true."""
    changes: dict[str, Any] = {flag: "no"}
    with pytest.raises(ValueError, match=f"^Fault.{flag} must be True or False, not 'no'$"):
        Fault(kind=FaultKind.DELAY, endpoint="get_tickets", **changes)


def test_an_unknown_fault_is_not_found() -> None:
    """Numbers start at 1 and go up."""
    faults = Faults()
    armed = faults.reset("approve")

    assert armed is faults.find(1)
    with pytest.raises(LookupError, match="2"):
        faults.find(2)


def test_closing_a_sandbox_drops_what_it_holds() -> None:
    """A client in a held call sees its connection end, and close comes back."""
    ended: list[str] = []
    with Sandbox() as sandbox:
        hold = sandbox.faults.hold("get_services")
        port = int(sandbox.root.rsplit(":", 1)[1])

        def call() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            try:
                headers = {"X-Bkapi-Authorization": '{"access_token": "t"}'}
                connection.request("GET", "/v2/itsm/get_services/", headers=headers)
                connection.getresponse()
            except (http.client.HTTPException, ConnectionError):
                ended.append("broken off")
            finally:
                connection.close()

        caller = threading.Thread(target=call)
        caller.start()
        hold.wait_reached(PATIENCE)
    caller.join(PATIENCE)

    assert ended == ["broken off"]
