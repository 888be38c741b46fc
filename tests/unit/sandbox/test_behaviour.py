"""How long the sandbox takes: as an idle server by default, as a loaded one where that is asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from itsm_workflow.sandbox import LOADED, Behaviour, Sandbox
from tests.support.stage import Cast, Stage, Standing

AT = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)


def test_an_idle_server_takes_no_chances() -> None:
    """Its delays are fixed, and nothing is drawn for them: a seed still replays its run."""
    random = Random(7)
    before = random.getstate()
    idle = Behaviour()

    assert 0.9 <= idle.draw_start(random) <= 1.0
    assert 0.65 <= idle.draw_decision(random) <= 1.8
    assert random.getstate() == before


def test_a_loaded_server_keeps_people_waiting() -> None:
    """Within what was seen, and not each time the same."""
    random, loaded = Random(7), Behaviour(**LOADED)
    starts = [loaded.draw_start(random) for _ in range(200)]
    decisions = [loaded.draw_decision(random) for _ in range(200)]

    assert (round(min(starts)), round(max(starts))) == (16, 25)
    assert (round(min(decisions), 1), round(max(decisions), 1)) == (0.7, 1.8)
    assert 16 <= min(starts) <= max(starts) <= 25
    assert 0.65 <= min(decisions) <= max(decisions) <= 1.8


def test_tickets_of_a_loaded_server() -> None:
    """No step runs for 16 seconds, a decision is without effect for a while; a seed replays it all."""
    seen = []
    for _ in range(2):
        with Stage(AT, **LOADED) as stage:
            sns = [stage.ticket(Standing.CREATED, Cast(title=title)) for title in "abc"]
            stage.pass_time(15.9)
            assert not any(ticket.step_running for ticket in stage.sandbox.tickets())
            waited: dict[str, int] = {}
            for tenths in range(100):
                stage.pass_time(0.1)
                for ticket in stage.sandbox.tickets():
                    if ticket.step_running:
                        waited.setdefault(ticket.sn, tenths)
            stage.sandbox.approve(sns[0])
            stage.pass_time(0.6)
            assert not stage.sandbox.ticket(sns[0]).approve_result
            stage.pass_time(1.2)
            assert stage.sandbox.ticket(sns[0]).approve_result
            seen.append(waited)

    assert len(seen[0]) == len(set(seen[0].values())) == 3
    assert seen[0] == seen[1]


def test_a_sandbox_takes_each_way_by_its_name() -> None:
    """What is not named is as it is by default."""
    assert Sandbox(start_delay=3.0, jam_chance=0.5).ledger.behaviour == Behaviour(start_delay=3.0, jam_chance=0.5)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("start_delay", "1", r"takes a number of seconds from 0 to \d+, not '1'$"),
        ("start_spread", True, r"not True$"),
        ("decision_delay", None, r"not None$"),
        ("decision_spread", [], r"not \[\]$"),
        ("race_window", "0", r"not '0'$"),
        ("revive_chance", "1", r"takes a number from 0 to 1, not '1'$"),
        ("early_refusal_chance", False, r"not False$"),
        ("jam_chance", None, r"not None$"),
    ],
)
def test_a_value_that_is_not_a_number_is_refused(name: str, value: Any, message: str) -> None:  # noqa: ANN401 - of any type
    """When it is passed, not when a ticket is filed."""
    with pytest.raises(TypeError, match=rf"^Behaviour\({name}=\.\.\.\) .*{message}"):
        Behaviour(**{name: value})


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["start_delay", "revive_chance"])
def test_a_number_out_of_bounds_is_refused(name: str, value: float) -> None:
    """A chance above 1 is as wrong as a delay below 0."""
    with pytest.raises(ValueError, match=rf"^Behaviour\({name}=\.\.\.\) takes a number"):
        Behaviour(**{name: value})  # type: ignore[arg-type]  # both are numbers
