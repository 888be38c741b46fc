"""What the doctor finds of a gateway that takes its time: which setting is too short, and what to set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.clock import SystemClock
from itsm_workflow.doctor import Finding, Level
from itsm_workflow.doctor.gateway import examine_gateway
from itsm_workflow.doctor.refusals import THEM
from itsm_workflow.doctor.speed import longer_times, speed
from itsm_workflow.sandbox import Sandbox
from itsm_workflow.settings import Settings
from tests.integration.doctor.places import by_name, of_gateway, settings
from tests.support.fault_server import Connection, FaultServer, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A stand-in of BK-ITSM in which nothing is filed."""
    with Sandbox() as running:
        yield running


def test_a_gateway_that_is_silent_too_long_names_the_setting_and_a_value() -> None:
    """It may be slow rather than broken: with more time, the answer comes."""
    with FaultServer(in_turn(Connection.hold)) as server:
        found = of_gateway(settings(server.url, TIMEOUT="2,0.2", DEADLINE="5"))["gateway.answer"]

    assert found.level == Level.PROBLEM
    assert "no complete answer within" in found.seen
    assert found.advice == (
        "if the gateway is only slow, set BKAPP_ITSM_TIMEOUT=2,1; otherwise ask the administrators of BK-ITSM and its "
        "gateway"
    )


def test_a_connection_that_breaks_is_not_taken_for_a_slow_gateway() -> None:
    """A longer time-out does not help."""
    with FaultServer(in_turn(Connection.reset)) as server:
        finding = of_gateway(settings(server.url))["gateway.answer"]

    assert "the connection broke" in finding.seen
    assert finding.advice == THEM


def test_a_deadline_that_is_too_short_is_named_as_well() -> None:
    """A longer read within a call that ends before would change nothing."""
    with FaultServer(in_turn(Connection.hold)) as server:
        found = of_gateway(settings(server.url, TIMEOUT="1,3", DEADLINE="0.3"))["gateway.answer"]

    assert "set BKAPP_ITSM_DEADLINE=2;" in found.advice


def test_an_answer_that_nearly_used_the_time_up_is_a_warning(sandbox: Sandbox) -> None:
    """Here any answer is as slow as that."""
    wanted = settings(sandbox.url, TIMEOUT="2,0.9", DEADLINE="20")
    found = by_name(examine_gateway(wanted, clock=SystemClock(), near=1e-6))

    assert found["gateway.speed"].level == Level.WARNING
    assert "of its limit of 0.9 s" in found["gateway.speed"].seen
    assert found["gateway.speed"].advice == "set BKAPP_ITSM_TIMEOUT=2,1"
    assert "gateway.speed" not in by_name(examine_gateway(wanted, clock=SystemClock()))


@pytest.mark.parametrize(
    ("times", "took", "advice"),
    [
        ({}, 7.9, ""),
        ({}, 8.0, "set BKAPP_ITSM_TIMEOUT=3.05,16"),
        ({}, 9.9, "set BKAPP_ITSM_TIMEOUT=3.05,20 and BKAPP_ITSM_DEADLINE=24"),
        ({"timeout": (1.0, 60.0), "deadline": 5.0}, 4.5, "set BKAPP_ITSM_DEADLINE=10"),
    ],
)
def test_twice_the_time_that_it_took_is_advised(times: dict[str, object], took: float, advice: str) -> None:
    """A value that can be copied, for whichever of the two is too short; below four fifths nothing is said."""
    found: Finding | None = speed(took, Settings.from_env(NAMED, **times), near=0.8)

    assert (found.advice if found else "") == advice


def test_the_variable_that_was_read_is_the_one_to_change() -> None:
    """Every finding names it."""
    assert longer_times(Settings.from_env({**NAMED, "BKAPP_ITSM_TIMEOUT": "4"}), 4.0) == "set BKAPP_ITSM_TIMEOUT=4,8"


def test_a_deadline_that_the_usual_policy_has_no_room_for_says_so() -> None:
    """The workflow would refuse it."""
    said = longer_times(Settings.from_env(NAMED, timeout=(1.0, 5000.0), deadline=5000.0), 5000.0)

    assert said.startswith(
        "set BKAPP_ITSM_TIMEOUT=1,10000 and BKAPP_ITSM_DEADLINE=10001, and give the workflow a policy with longer "
        "leases: Policy.send_lease is "
    )


NAMED = {
    "BKAPP_ITSM_APP_CODE": "host",
    "BKAPP_ITSM_APP_SECRET": "made-up-for-this-test",
    "BKAPP_ITSM_GATEWAY_URL": "http://127.0.0.1:9/",
    "BKAPP_ITSM_FAST_APPROVAL": "true",
}
