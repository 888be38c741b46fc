"""The counting of the matrix: a broken promise fails the test, and does not stop the cases after it."""

from __future__ import annotations

import pytest

from tests.faults.cases import Faults


def run_three(faults: Faults) -> None:
    """Run three cases, of which the second breaks a promise."""
    for key in faults.cases(range(3)):
        with faults.case(key):
            assert key != 1, "one ticket too many"


def test_broken_promise_fails_the_test_after_all_cases_were_run() -> None:
    """The failure reports the number, the violation, and the command that runs the case alone."""
    faults = Faults(row="C1", profile="full")
    run_three(faults)
    with pytest.raises(pytest.fail.Exception) as failed:
        faults.verdict()
    assert faults.ran == 3
    assert "1 violations of 3 cases" in str(failed.value)
    assert "one ticket too many" in str(failed.value)
    assert "python -m tests.faults C1 --case '1' --profile full" in str(failed.value)


def test_case_that_is_asked_for_is_run_alone() -> None:
    """It is counted whether it passes or fails."""
    passing, failing = Faults(row="C1", only="0"), Faults(row="C1", only="1")
    run_three(passing)
    passing.verdict()
    run_three(failing)
    assert (passing.ran, failing.ran, len(failing.violations)) == (1, 1, 1)


@pytest.mark.parametrize(("found", "ran"), [(3, 2), (None, 0)])
def test_cases_that_were_not_run_fail_the_test(found: int | None, ran: int) -> None:
    """Every enumerated case must be run, and at least one case."""
    faults = Faults(row="C1", found=found)
    for key in range(ran):
        with faults.case(key):
            pass
    with pytest.raises(pytest.fail.Exception):
        faults.verdict()


def test_error_in_a_case_is_no_violation_but_an_error() -> None:
    """It ends the test, since the case itself is defective."""
    faults = Faults(row="C1")
    with pytest.raises(ZeroDivisionError), faults.case(0):
        _ = 1 / 0
