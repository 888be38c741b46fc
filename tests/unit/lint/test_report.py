"""What is wrong with a definition is found and named, also where it could be built all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.errors import DefinitionError
from itsm_workflow.lint import CHECKS, Severity, lint, refused_report
from itsm_workflow.lint.shape import shape_findings
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from tests.support import exits, impure, meanings
from tests.support import workflows as zoo
from tests.support.limits import PATIENCE
from tests.support.linted import linted
from tests.unit.lint.test_meaning import MEANT
from tests.unit.machine.table import LEADS, STATES

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.machine.definition import WorkflowDefinition


def without_approval(state: str, culprit: str) -> str:
    """Return what is said of a state that grants and can be reached without an approval."""
    return (
        f"grants: state {state} can be reached without an approval, so it cannot grant: {culprit}. "
        "Only the rows of approve and attest_approval that approval_workflow makes, with their guards, lead from a "
        "waiting ticket to granted; let other triggers lead to a state that does not grant, or start from the state of "
        "an approved ticket"
    )


REFUSED = [
    (zoo.with_an_unreachable_state, "state live is unreachable from draft"),
    (zoo.with_a_dead_end, "state granted is a dead end: it has no way out and is not final"),
    (zoo.with_a_way_out_of_an_end, "final state live has a way out: pause"),
    (zoo.without_a_due_rule, "state waiting is not final and has no due rule, so no worker would ever look at it"),
    (zoo.with_two_rows_that_always_hold, "trigger deploy has two transitions in granted whose guards can both hold"),
    (zoo.with_a_grant_without_an_approval, without_approval("live", "pause leads there from draft")),
    (zoo.with_a_host_that_approves, without_approval("granted", "pause leads there from waiting")),
    (zoo.with_a_part_that_grants, "grants: state waiting plays the part waiting, in which no change is approved"),
    (
        zoo.with_nothing_that_grants,
        "grants: state granted does not grant, and no other state does: no change could ever be approved",
    ),
    (zoo.with_a_grant_in_words, "grants: state live: 'no' is neither True nor False"),
    (
        zoo.with_what_is_granted_also_refused,
        "grants: state granted plays the part refused, in which no change is approved",
    ),
    (
        zoo.with_an_effect_in_two_states,
        (
            "effect 'tell' is named in two states, live and refused, but a name belongs to one state: "
            "give it another name in refused, such as 'tell_refused', and the same function"
        ),
    ),
    (zoo.with_evidence_that_is_no_attrs_class, "evidence type date is not an attrs class, so it cannot be stored"),
]
OF_THE_SHAPE = {"trap", "library", "roles", "grants"}
ERRORS = [
    (zoo.with_guards_that_overlap, "overlap", "granted", "deploy", "to live by is_large and to refused by is_small"),
    (zoo.with_a_trap, "trap", "paused", "", "no final state can be reached from paused"),
    (zoo.with_a_trap, "trap", "parked", "", "no final state can be reached from parked"),
    (zoo.without_suspicion, "library", "waiting", "suspect_ending", "waiting has no suspect_ending"),
    (
        zoo.with_an_approval_that_leads_elsewhere,
        "library",
        "undelivered",
        "approve",
        "approve in undelivered leads to waiting, but the library relies on granted",
    ),
    (zoo.with_one_state_in_two_parts, "roles", "undelivered", "", "state undelivered is both undelivered and refused"),
    (zoo.with_a_host_that_grants_again, "grants", "parked", "deploy", "deploy leads from parked to granted, but only"),
    (zoo.with_a_state_of_which_nothing_is_said, "grants", "live", "", "live is not declared in grants"),
    (zoo.with_a_guard_that_answers_yes_or_no, "guard", "granted", "deploy", "returns False"),
    (zoo.with_a_guard_that_raises, "guard", "granted", "deploy", "is_of_the_asked_size raises KeyError: 'size'"),
    (zoo.with_a_guard_that_counts, "guard", "granted", "deploy", "is_its_turn returns different values"),
    (zoo.with_a_guard_that_counts_to_three, "guard", "granted", "deploy", "returns different values"),
    (zoo.with_an_update_that_sets_the_state, "update", "granted", "deploy", "sets state"),
    (zoo.with_an_update_that_returns_nothing, "update", "granted", "deploy", "returns None; it must return a change"),
    (zoo.with_an_update_that_cannot_be_stored, "update", "granted", "deploy", "cannot be stored"),
    (zoo.with_a_waiting_state_that_never_falls_due, "due", "waiting", "", "no worker would ever look at it"),
    (zoo.with_a_waiting_state_that_is_always_due, "due", "waiting", "", "asked without end"),
    (zoo.with_a_due_time_without_a_zone, "due", "granted", "", "it must return None or an aware time"),
    (zoo.with_a_due_rule_that_goes_by_another_clock, "due", "granted", "", "returns different values"),
    (exits.with_a_guard_that_exits, "guard", "granted", "deploy", "is_large raises SystemExit for Deployed("),
    (exits.with_an_update_that_exits, "update", "granted", "deploy", "noted raises SystemExit: it failed for"),
    (exits.with_a_due_rule_that_exits, "due", "granted", "", "raises SystemExit: 3"),
    (impure.with_a_guard_that_keeps_the_largest, "guard", "granted", "deploy", "is_no_step_back returns different"),
    (
        impure.with_a_guard_that_remembers,
        "remembered",
        "granted",
        "deploy",
        "guard was_refused refuses Deployed(size=2), and passes the same facts after others",
    ),
    (
        impure.with_a_guard_that_fails_on_the_31st,
        "guard",
        "granted",
        "deploy",
        "is_not_planned_for_later raises ValueError: day is out of range for month on 31 January 2027 for Deployed(",
    ),
    (
        impure.with_an_update_that_fails_on_29_february,
        "update",
        "granted",
        "deploy",
        "for_a_year raises ValueError: day is out of range for month on 29 February 2028 for Deployed(",
    ),
    (
        impure.with_a_due_rule_that_fails_on_31_december,
        "due",
        "granted",
        "",
        "raises ValueError: month must be in 1..12 at 12:00 on 31 December 2027",
    ),
]
DOUBTS = [
    (meanings.that_forgets_the_host, "dropped", "granted", "count", "update counted drops host from the data, which "),
    (impure.with_a_guard_that_reads_the_clock, "clock", "granted", "deploy", "is_later calls dt.datetime.now, which"),
    (zoo.with_a_guard_that_never_holds, "passed", "granted", "deploy", "deploy never leads from granted to live"),
    (
        zoo.with_a_guard_that_never_holds,
        "reached",
        "live",
        "",
        "no sample leads to state live: none passes deploy in",
    ),
    (zoo.with_evidence_that_cannot_be_made_up, "sampled", "", "deploy", "its field opaque"),
]


@pytest.mark.long
def test_nothing_is_wrong_with_the_shipped_workflow() -> None:
    """Neither an error nor a doubt: every row was passed, every state reached."""
    assert linted(COLLECTOR_CHANGE).findings == ()


def test_the_table_says_of_every_trigger_in_every_state_what_it_does() -> None:
    """As the table that is written by hand does."""
    assert linted(COLLECTOR_CHANGE).table == {
        trigger: {state: (LEADS[trigger][state],) if state in LEADS[trigger] else () for state in STATES}
        for trigger in LEADS
    }


@pytest.mark.long
def test_a_second_run_says_the_same() -> None:
    """Nothing is drawn at random, so that a finding stays until it is repaired."""
    assert lint(COLLECTOR_CHANGE) == linted(COLLECTOR_CHANGE)


@pytest.mark.long
def test_nothing_is_wrong_with_a_host_that_goes_on_after_the_approval() -> None:
    """The broken ones below differ from it in one thing each."""
    assert linted(zoo.DEPLOYMENT).findings == ()


@pytest.mark.long
def test_values_that_go_on_for_ever_come_to_an_end() -> None:
    """A count that a host keeps makes each change another one; enough of them are tried."""
    assert lint(zoo.counting()).findings == ()


def test_two_states_that_name_an_effect_each_are_accepted() -> None:
    """The name that the refusal of one name in two states proposes is one of these."""
    assert zoo.with_an_effect_for_each_state().effects[zoo.Stage.REFUSED] == ("tell_refused",)


@pytest.mark.parametrize(("build", "told"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_refused_when_built_is_reported(build: Callable[[], WorkflowDefinition], told: str) -> None:
    """The report has all problems of the refusal as findings."""
    with pytest.raises(DefinitionError) as caught:
        build()
    findings = refused_report(caught.value).errors
    assert told in [one.message for one in findings]
    assert {one.check for one in findings} == {"definition"}


@pytest.mark.parametrize(
    ("build", "check", "state", "trigger", "told"), [error for error in ERRORS if error[1] in OF_THE_SHAPE]
)
def test_what_is_wrong_with_the_shape_of_a_table_is_an_error(
    build: Callable[[], WorkflowDefinition], check: str, state: str, trigger: str, told: str
) -> None:
    """It is found without firing any trigger."""
    found = list(shape_findings(build()))
    assert (check, state, trigger) in [(one.check, one.state, one.trigger) for one in found]
    assert any(told in one.message for one in found)
    assert {one.severity for one in found} == {Severity.ERROR}


@pytest.mark.long
@pytest.mark.parametrize(("build", "check", "state", "trigger", "told"), ERRORS)
def test_what_is_broken_is_an_error(
    build: Callable[[], WorkflowDefinition], check: str, state: str, trigger: str, told: str
) -> None:
    """With the state and trigger that are the culprits, and no error of another kind."""
    errors = linted(build()).errors
    assert (check, state, trigger) in [(one.check, one.state, one.trigger) for one in errors]
    assert any(told in one.message for one in errors)
    assert {one.check for one in errors} <= {check, "library"}


@pytest.mark.long
@pytest.mark.parametrize(("build", "check", "state", "trigger", "told"), DOUBTS)
def test_what_no_sample_shows_is_a_doubt(
    build: Callable[[], WorkflowDefinition], check: str, state: str, trigger: str, told: str
) -> None:
    """Sampling proves nothing, so that these are no errors."""
    report = linted(build())
    found = [one for one in report.findings if (one.check, one.state, one.trigger) == (check, state, trigger)]
    assert [one.severity for one in found] == [Severity.DOUBT]
    assert told in found[0].message
    assert report.errors == ()


@pytest.mark.long
def test_an_update_that_clears_attention_is_an_error() -> None:
    """Only an operator clears it, also if the host raised it."""
    row = zoo.deploy(update=lambda facts: attrs.evolve(facts.change, attention=None))
    errors = linted(zoo.deployment(row)).errors
    assert [(one.check, one.state, one.trigger) for one in errors] == [("update", "granted", "deploy")]
    assert "sets attention to None, which clears it" in errors[0].message


def test_every_check_has_an_animal_in_the_zoo() -> None:
    """A check that no broken definition shows to bite is none."""
    assert {"definition", "exempted", "time", *MEANT, *(each[1] for each in ERRORS + DOUBTS)} == set(CHECKS)


@pytest.mark.long
def test_the_evidence_that_passes_two_guards_is_shown() -> None:
    """A person can try it by hand."""
    (found,) = linted(zoo.with_guards_that_overlap()).errors
    assert "for example with Deployed(size=31" in found.message


@pytest.mark.long
def test_the_report_is_the_same_in_any_process() -> None:
    """Neither the order of hashes nor the time zone of a machine reaches it."""
    script = (
        "from itsm_workflow.lint import lint\n"
        "from tests.support import meanings, workflows\n"
        "for build in (meanings.that_is_wrong_for_certain_evidence, workflows.with_guards_that_overlap):\n"
        "    print(lint(build()))\n"
    )
    reports = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
            cwd=Path(__file__).parents[3],
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        ).stdout
        for seed, zone in (("1", "UTC"), ("77", "Asia/Shanghai"))
    }
    assert len(reports) == 1
    assert "two rows pass together" in reports.pop()
