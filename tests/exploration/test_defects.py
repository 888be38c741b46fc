"""Each planted defect is found, and shown by the shortest way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import Exemption, settle
from itsm_workflow.machine import withdrawal
from itsm_workflow.settle import Step
from itsm_workflow.testing.exploration import Act, Bounds, explore, itsm, operator_acts
from itsm_workflow.testing.exploration.invariants import (
    INVARIANTS,
    one_approval_plans_an_effect_once,
    stored_history_stays,
)
from tests.exploration import defects
from tests.support import meanings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.testing.exploration import Exploration
    from itsm_workflow.testing.exploration.itsm import Filed

BOUNDS = Bounds(ticks=1, faults=2, acts=0)
FILED = ["the host applies: the change and the mark of its send are stored", "the gateway files ticket 1"]
HEARD = ": a worker reads the change; the callback is stored as a hint: "
LOOKS = "a worker reads the change, which is due; the worker's claim to read the ticket is stored; "


def found(exploration: Exploration) -> tuple[str, str, list[str]]:
    """Return the promise that was broken, what is wrong, and the steps without how the change stands after each."""
    (finding,) = exploration.violations
    return finding.promise, finding.problem, [step.partition("  [")[0] for step in finding.steps]


def test_a_callback_whose_body_is_trusted() -> None:
    """The flow asked nobody, which the body does not tell."""
    assert found(explore(bounds=BOUNDS, library=defects.TrustsBodies)) == (
        "approval_is_real",
        "the change is approved, but its ticket is finished, approved, without an approver",
        [
            *FILED,
            "ticket 1 ends by itself, without an approver",
            "a worker stores the answer: renumber, record_ticket",
            "the callback of REQ1 arrives (finished, approved)" + HEARD + "approve",
        ],
    )


def test_a_submission_number_that_is_read_once() -> None:
    """Another change of the subject was submitted in between."""
    assert found(explore(bounds=BOUNDS, library=defects.NumbersOnce)) == (
        "number_is_above_the_others",
        "the change is pending as submission 1, and so is another change",
        [*FILED, "a worker stores the answer: record_ticket"],
    )


def test_a_second_create_after_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ticket was filed and its answer lost; then it is filed again."""
    monkeypatch.setattr(settle, "decide", defects.sends_again)
    assert found(explore(bounds=BOUNDS)) == (
        "one_ticket_for_each_send",
        "sent twice: attempt 1 of K1",
        [
            FILED[0],
            "the gateway files ticket 1, its answer is lost",
            "a worker stores the answer: mark_unsent",
            "a step of time passes",
            "a worker reads the change, which is due; the worker's claim to send is stored: mark_sending",
            "the gateway files ticket 2",
        ],
    )


def test_an_approval_without_finished() -> None:
    """The form's field reads "true" while the ticket still runs."""
    assert found(explore(defects.APPROVES_WITHOUT_FINISHED, bounds=BOUNDS)) == (
        "approval_is_real",
        "the change is approved, but its ticket is running, its flow is approving",
        [
            *FILED,
            "a worker stores the answer: renumber, record_ticket",
            "a step of time passes",
            LOOKS + "the gateway shows ticket 1: running",
            "a worker stores the answer: approve",
        ],
    )


def test_an_effect_before_its_commit() -> None:
    """It runs while the approval that plans it is only thought out."""
    assert found(explore(bounds=BOUNDS, library=defects.RunsEffectsAtOnce)) == (
        "effects_follow_their_commit",
        "effect change.start.2.0 ran before it, or the delivery, was stored",
        [
            *FILED,
            "a worker stores the answer: renumber, record_ticket",
            "a step of time passes",
            "ticket 1 is approved",
            LOOKS + "the gateway shows ticket 1: finished, approved",
            "a worker stores the answer: approve",
        ],
    )


def test_a_rejection_at_the_first_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ticket was withdrawn before its flow has started, which revives it."""
    monkeypatch.setattr(settle, "decide", defects.rejects_at_once)
    assert found(explore(defects.REJECTS_AT_FIRST_REVOKED, bounds=BOUNDS)) == (
        "rejection_is_real",
        "the change ended as withdrawn, but its ticket is revoked, its flow has not started",
        [
            *FILED,
            "ticket 1 is withdrawn by its creator",
            "a worker stores the answer: renumber, record_ticket",
            "the callback of REQ1 arrives" + HEARD + "receive_callback",
            LOOKS + "the gateway shows ticket 1: revoked",
            "a worker stores the answer: reject",
        ],
    )


def test_a_foreign_row_of_a_doubled_number() -> None:
    """A stranger's ticket of the same number is approved, ours still runs."""
    assert found(explore(bounds=BOUNDS, itsm=defects.BelievesEveryRow())) == (
        "approval_is_real",
        "the change is approved, but its ticket is running, its flow is approving",
        [
            *FILED,
            "another party's approved ticket has the number of ticket 1",
            "a worker stores the answer: renumber, record_ticket",
            "a step of time passes",
            LOOKS + "the gateway shows ticket 1: finished, approved",
            "a worker stores the answer: approve",
        ],
    )


def test_no_compare_and_swap() -> None:
    """What two workers thought out on the same version is both stored."""
    assert found(explore(bounds=BOUNDS, library=defects.WithoutCompareAndSwap)) == (
        "stored_history_stays",
        "a write that was prepared on an older version replaced a newer one",
        [
            FILED[0],
            "a step of time passes",
            "a worker resumes after a stop and sends nothing",
            "a worker reads the change, which is due",
            "the worker's claim to look for tickets is stored: mark_unknown",
            "a worker stores the answer: mark_unsent",
        ],
    )


@pytest.mark.long
def test_what_no_compare_and_swap_leads_to() -> None:
    """Without the promise that names the cause, its harm is found all the same: a ticket is filed twice."""
    others = [one for one in INVARIANTS if one is not stored_history_stays]
    promise, _, steps = found(explore(bounds=BOUNDS, library=defects.WithoutCompareAndSwap, invariants=others))
    assert promise == "one_ticket_for_each_send"
    assert steps[-1] == "the gateway files ticket 2"


@pytest.mark.long
@pytest.mark.parametrize("definition", [None, "field"])
def test_without_a_defect_nothing_is_found(definition: str | None) -> None:
    """The same walks of the library as it is, with and without a decision field, are complete and find nothing."""
    result = explore(defects.WITH_FIELD, bounds=BOUNDS) if definition else explore(bounds=BOUNDS)
    assert (result.complete, result.violations, result.bad_ends) == (True, (), ())


def test_a_way_is_printed_for_people() -> None:
    """With the promise, what is wrong, and how the change stands after each step."""
    (finding,) = explore(bounds=BOUNDS, library=defects.WithoutCompareAndSwap).violations
    assert str(finding).splitlines() == [
        "stored_history_stays: A write builds on what is stored, and never overwrites it.",
        "  broken after 6 steps: a write that was prepared on an older version replaced a newer one",
        "   1. the host applies: the change and the mark of its send are stored  [applying, sending]",
        "   2. a step of time passes  [applying, sending]",
        "   3. a worker resumes after a stop and sends nothing  [applying, sending]",
        "   4. a worker reads the change, which is due  [applying, sending]",
        "   5. the worker's claim to look for tickets is stored: mark_unknown  [applying, unknown]",
        "   6. a worker stores the answer: mark_unsent  [applying, queued]",
    ]


@pytest.mark.long
def test_a_withdrawal_that_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The withdrawn ticket revives, and its approval counts although the applicant withdrew it."""
    monkeypatch.setattr(withdrawal, "unresolved", lambda _change: None)
    promise, problem, steps = found(explore(bounds=Bounds(ticks=2, faults=1, acts=1, workers=1)))
    assert (promise, problem) == (
        "withdrawals_are_heeded",
        "the change is approved by a ticket that the library withdrew",
    )
    assert "the flow of ticket 1 is slow to start" in steps
    assert "ticket 1 is withdrawn, if it has not ended" in steps


def test_a_ticket_that_is_bound_for_its_key_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The applicant filed it herself under the key, and it is not what was sent."""
    monkeypatch.setattr(itsm, "FORGED", ())
    promise, problem, steps = found(explore(bounds=BOUNDS))
    assert (promise, problem) == (
        "ticket_is_its_own",
        "the change is bound to a ticket that differs from what was sent",
    )
    assert steps[0].endswith("under the key herself, and approves it")


def work(change: ChangeRequest, tickets: tuple[Filed, ...]) -> Iterator[Act]:
    """Yield the acts of an operator, and failed work that is tried again."""
    yield from operator_acts(change, tickets)
    for verb in (meanings.Verb.FAIL, meanings.Verb.RETRY):
        yield Act(f"the host reports {verb}", (Step(verb, meanings.Job(host="db-7")),))


WORK: dict[str, Any] = {"bounds": Bounds(ticks=0, faults=0, acts=2, workers=1), "acts": work}


def test_an_effect_that_a_retry_plans_again() -> None:
    """The same approval orders twice, under two ids, so that the host cannot ignore the second order."""
    promise, problem, steps = found(explore(meanings.that_orders_again(), **WORK))
    assert promise == one_approval_plans_an_effect_once.__name__
    assert problem == "retry planned effect order again: it is planned as change.order.2.0 and as change.order.2.1"
    assert [step.partition(":")[0] for step in steps[-2:]] == ["the host reports fail", "the host reports retry"]


@pytest.mark.long
def test_no_other_promise_finds_an_effect_that_is_planned_again() -> None:
    """So the invariant is needed."""
    others = [one for one in INVARIANTS if one is not one_approval_plans_an_effect_once]
    result = explore(meanings.that_orders_again(), invariants=others, **WORK)
    assert (result.complete, result.violations, result.bad_ends) == (True, (), ())


def test_an_effect_may_be_planned_again_in_an_exempt_state() -> None:
    """The definition gives the reason."""
    exempt = Exemption(check="again", state=meanings.Stage.GRANTED, reason="the host compares orders")
    assert explore(attrs.evolve(meanings.that_orders_again(), exemptions=(exempt,)), **WORK).holds
