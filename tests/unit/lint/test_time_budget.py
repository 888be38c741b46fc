"""A lint ends within its time, and says where it was and what was not tried."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.cli import main
from itsm_workflow.lint import Severity, lint
from itsm_workflow.lint.findings import few
from tests.support.workflows import DEPLOYMENT, Deployed, deploy, deployment

if TYPE_CHECKING:
    from itsm_workflow import Facts, WorkflowDefinition


def with_a_guard_that_does_not_return() -> WorkflowDefinition:
    """A guard matches an expression that takes exponential time."""

    def is_named(facts: Facts) -> str | None:
        name = "a" * 60 if facts.expect(Deployed).size else ""
        return None if re.fullmatch(r"([a-z]+)+!", name) else "it has no name"

    return deployment(deploy(guard=is_named))


def test_without_time_nothing_is_tried() -> None:
    """It is a doubt, which names what was not tried."""
    (found,) = lint(DEPLOYMENT, seconds=0).findings
    assert (found.check, found.severity) == ("time", Severity.DOUBT)
    assert found.message.startswith("the time of 0 seconds ended at ")
    assert "states not reached: filing, waiting, undelivered, granted, live, refused" in found.message
    assert "the due rules, and what may be stuck, were not tried" in found.message


@pytest.mark.long
def test_a_guard_that_does_not_return_is_interrupted_and_named() -> None:
    """By a signal, in the main thread."""
    found = {one.check: one for one in lint(with_a_guard_that_does_not_return(), seconds=3, interrupt=True).findings}
    assert set(found) == {"time"}
    assert "ended at guard is_named of deploy in granted; states not reached: live" in found["time"].message


def test_each_function_is_named_before_it_is_called() -> None:
    """For a progress display."""
    places = list[str]()
    lint(DEPLOYMENT, seconds=0.3, progress=places.append)
    assert places[0].startswith("guard ")
    assert any(one.startswith("update ") for one in places)


def test_the_command_ends_within_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    """A doubt, so the exit code is 1 with --strict alone."""
    command = ["lint-graph", "tests.support.workflows:DEPLOYMENT", "--seconds", "0"]
    assert main(command) == 0
    assert main([*command, "--strict"]) == 1
    assert "the time of 0 seconds ended" in capsys.readouterr().out


def test_the_message_names_ten_and_counts_the_others() -> None:
    """There may be hundreds."""
    assert few([str(number) for number in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
