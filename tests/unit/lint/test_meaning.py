"""A table that is well formed and means the wrong thing is found, and a right one that looks like it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.errors import DefinitionError
from itsm_workflow.lint import LintFinding, Severity
from itsm_workflow.lint.exempted import sort_out
from itsm_workflow.lint.stuck import stuck_findings
from itsm_workflow.lint.trials import Trials
from itsm_workflow.lint.work import Work
from itsm_workflow.machine.exemption import EXEMPTABLE, Exemption
from tests.support import meanings as zoo
from tests.support import tries, two_approvals
from tests.support.linted import linted
from tests.support.meanings import Stage, Verb
from tests.unit.lint.test_stuck import situation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from itsm_workflow.machine.definition import WorkflowDefinition

ERROR, DOUBT = Severity.ERROR, Severity.DOUBT
OF_THE_WORK = [
    (zoo.that_orders_again, {(ERROR, "again", "granted", ""), (DOUBT, "failed", "granted", "")}),
    (zoo.that_orders_before_the_approval, {(ERROR, "early", "filing", "")}),
    (zoo.that_counts_failed_work, {(DOUBT, "failed", "granted", "")}),
    (
        two_approvals.that_orders_where_the_next_approval_begins,
        {(ERROR, "again", "quoted", ""), (DOUBT, "early", "quoted", "")},
    ),
    (two_approvals.that_deploys_in_an_emergency, {(ERROR, "early", "hotfixed", "")}),
    (two_approvals.that_orders_what_was_refused, {(ERROR, "early", "refused", "")}),
    (two_approvals.that_executes_the_plan, {(DOUBT, "early", "planned", "")}),
    (two_approvals.that_prepares_what_was_planned, set()),
    (zoo.that_keeps_within_bounds, set()),
]
OF_THE_TRIALS = [
    (
        zoo.that_believes_every_ticket,
        {
            (ERROR, "approval", "waiting", "approve"),
            (ERROR, "approval", "undelivered", "approve"),
            (ERROR, "given_up", "waiting", "abandon"),
            (ERROR, "given_up", "undelivered", "abandon"),
        },
    ),
    (
        zoo.that_does_too_much,
        {
            (ERROR, "given_up", "waiting", "stop"),
            (ERROR, "form", "waiting", "revise"),
            (ERROR, "early", "waiting", "order"),
            (ERROR, "again", "waiting", "order"),
            (ERROR, "again", "granted", "order"),
            (ERROR, "growth", "granted", "note"),
        },
    ),
    (
        zoo.that_is_wrong_for_certain_evidence,
        {
            (ERROR, "given_up", "waiting", "stop"),
            (ERROR, "growth", "granted", "note"),
            (ERROR, "overlap", "granted", "check"),
            (ERROR, "overlap", "granted", "spread"),
            (DOUBT, "passed", "granted", "spread"),
        },
    ),
    (
        zoo.that_fails_late_while_it_counts,
        {(ERROR, "guard", "filing", "count"), (ERROR, "guard", "granted", "check")},
    ),
    (tries.that_uses_up_its_tries, {(DOUBT, "stuck", "granted", ""), (DOUBT, "stuck", "failed", "")}),
    (two_approvals.that_counts_in_a_state_without_an_exit, {(DOUBT, "ended", "hotfixed", "quote")}),
    (tries.that_ends_after_its_tries, set()),
    (tries.that_another_person_ends_after_its_tries, set()),
    (tries.that_needs_a_higher_number_each_time, set()),
    (tries.that_asks_a_person_after_its_tries, set()),
    (
        zoo.that_adds_a_key_for_each_report,
        {
            (ERROR, "growth", "granted", "note"),
            (ERROR, "growth", "granted", "count"),
            (ERROR, "growth", "granted", "check"),
            (ERROR, "growth", "granted", "spread"),
            (ERROR, "growth", "granted", "tell"),
        },
    ),
    (zoo.that_keeps_within_bounds, set()),
]
MEANT = {check for _, found in (*OF_THE_WORK, *OF_THE_TRIALS) for _, check, _, _ in found}


def places(findings: Iterable[LintFinding]) -> set[tuple[Severity, str, str, str]]:
    """Return the findings without their messages."""
    return {(one.severity, one.check, one.state, one.trigger) for one in findings}


@pytest.mark.parametrize(("build", "problem"), zoo.refused_when_built())
def test_a_way_past_the_submission_is_refused_when_built(build: Callable[[], WorkflowDefinition], problem: str) -> None:
    """The ticket of an earlier round would approve the change again."""
    with pytest.raises(DefinitionError) as caught:
        build()
    assert problem in str(caught.value)


@pytest.mark.parametrize(("build", "found"), OF_THE_WORK)
def test_work_at_the_wrong_time_is_found(
    build: Callable[[], WorkflowDefinition], found: set[tuple[Severity, str, str, str]]
) -> None:
    """By the shape of the table, without a sample."""
    definition = build()
    assert found == places(sort_out(definition, Work(definition).findings())[0])


def test_an_effect_before_a_later_approval_names_that_approval() -> None:
    """With its states, since the other approvals were passed."""
    (found,) = Work(two_approvals.that_executes_the_plan()).findings()
    assert "before approval 2, which leads from order_waiting to ordered" in found.message


def test_an_effect_that_the_library_plans_again_is_to_follow_the_approval() -> None:
    """The author cannot let a row of the library lead elsewhere."""
    again, _ = sorted(
        Work(two_approvals.that_orders_where_the_next_approval_begins()).findings(), key=lambda one: one.check
    )
    assert again.message == (
        "submit leads from quoted to filing_order and refuse back to it, so that quoted is entered again and plans "
        "effect order once more for the same approval; refuse is the library's own: plan the effect after the "
        "approval, in ordered"
    )
    resumed = {one.check: one.message for one in Work(zoo.order(effects={Stage.WAITING: ("order",)})).findings()}
    assert "resume is the library's own: plan the effect after the approval, in granted" in resumed["again"]


def test_an_effect_that_a_row_of_the_host_plans_again_needs_another_way_back() -> None:
    """Which the host can choose."""
    messages = {one.check: one.message for one in Work(zoo.that_orders_again()).findings()}
    assert "retry back to it" in messages["again"]
    assert messages["again"].endswith("let the way back lead to another state")


@pytest.mark.long
@pytest.mark.parametrize(("build", "found"), OF_THE_TRIALS)
def test_a_row_with_the_wrong_meaning_is_found(
    build: Callable[[], WorkflowDefinition], found: set[tuple[Severity, str, str, str]]
) -> None:
    """By samples that pass a guard; nothing else is found."""
    assert found == places(linted(build()).findings)


@pytest.mark.long
def test_the_messages_give_the_reason_of_the_library() -> None:
    """The author sees what the library's own guard asks for."""
    messages = {one.trigger: one.message for one in linted(zoo.that_believes_every_ticket()).findings}
    assert "without an approval of its ticket: the" in messages["approve"]
    assert "the gateway decides it: a person may decide only with attention" in messages["abandon"]


def test_an_exempted_finding_is_listed_with_its_reason() -> None:
    """It is no finding any more."""
    definition = zoo.that_is_exempt()
    remaining, exempted = sort_out(definition, Work(definition).findings())
    assert not remaining
    assert {
        ("early", "filing", "the effect only sends a message to the applicant"),
        ("failed", "granted", "a failed order is placed again by hand"),
    } == {(one.finding.check, one.finding.state, one.reason) for one in exempted}


def test_a_change_that_stays_on_purpose_is_exempted() -> None:
    """A person may be asked by other means than attention, which the library does not see."""
    reason = "a task in another system asks a person"
    definition = attrs.evolve(
        tries.that_uses_up_its_tries(),
        exemptions=tuple(Exemption(check="stuck", state=one, reason=reason) for one in (Stage.GRANTED, Stage.FAILED)),
    )
    trials = Trials(definition, Work(definition))
    trials.situations["granted"] += [situation(0), situation(3)]
    trials.situations["failed"].append(situation(0, "failed"))
    remaining, exempted = sort_out(definition, stuck_findings(definition, trials))
    assert remaining == []
    assert [(one.finding.check, one.finding.state, one.reason) for one in exempted] == [
        ("stuck", "granted", reason),
        ("stuck", "failed", reason),
    ]


def test_an_exemption_covers_its_own_state_and_trigger_alone() -> None:
    """An exemption that covers nothing is a finding, since it would hide the next defect."""
    finding = LintFinding(check="growth", severity=ERROR, state="granted", trigger="note", message="it grows")
    for exemption, left in (
        (Exemption(check="growth", state=Stage.GRANTED, reason="few"), set()),
        (Exemption(check="growth", state=Stage.GRANTED, trigger=Verb.DEPLOY, reason="few"), {"growth", "exempted"}),
        (Exemption(check="growth", state=Stage.FAILED, reason="few"), {"growth", "exempted"}),
        (Exemption(check="again", state=Stage.GRANTED, reason="few"), {"growth", "exempted"}),
    ):
        remaining, _ = sort_out(zoo.order(exemptions=[exemption]), [finding])
        assert left == {one.check for one in remaining}


@pytest.mark.parametrize(
    ("exemption", "problem"),
    [
        (
            Exemption(check="approval", state=Stage.GRANTED, reason="no"),
            "'approval' is not a check that can be exempted; these are again, early, ended, failed, given_up, growth",
        ),
        (Exemption(check="early", state=Stage.FILING, reason=" "), "exemptions[0]: it has no reason"),
        (Exemption(check="early", state=Verb.NOTE, reason="no"), "state note is not a member of Stage"),
        (
            Exemption(check="early", state=Stage.FILING, trigger=Verb.TELL, reason="no"),
            "machines has no trigger tell",
        ),
        ("early", "exemptions[0]: a str is not an Exemption"),
    ],
)
def test_an_exemption_that_says_nothing_is_refused(exemption: Exemption, problem: str) -> None:
    """A wrong name, or no reason."""
    with pytest.raises(DefinitionError) as caught:
        zoo.order(exemptions=[exemption])
    assert problem in str(caught.value)


def test_exemptions_are_a_list() -> None:
    """One exemption alone is no list, and neither is a name."""
    with pytest.raises(TypeError, match="takes a list of Exemption"):
        zoo.order(exemptions=Exemption(check="early", state=Stage.FILING, reason="one"))
    with pytest.raises(DefinitionError, match="exemptions: an int is not a tuple of Exemption"):
        attrs.evolve(zoo.order(), exemptions=7)  # type: ignore[arg-type]  # which is refused


def test_each_check_that_can_be_exempted_exists() -> None:
    """And is one of those about the meaning."""
    assert set(EXEMPTABLE) <= MEANT
