"""Acts that lose a race against another worker are judged again or raise an error; they are never done twice."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import Effect, State
from itsm_workflow.change import Phase
from itsm_workflow.errors import AlreadyApplied, GatewayUnavailable, InvalidForm, StorageConflict, TransitionRefused
from itsm_workflow.sandbox.connection import settings_for
from itsm_workflow.testing.ledger_gateway import NOWHERE, LedgerGateway
from tests.support.desk import ASKED, SUBJECT, Desk, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.storage.protocol import Write


def drafted() -> tuple[Desk, Workflow, ChangeRequest]:
    """Return a draft."""
    desk = Desk()
    workflow = desk.workflow()
    return desk, workflow, workflow.draft(subject=SUBJECT, **ASKED)


ACTS: dict[str, Callable[[Workflow, ChangeRequest], ChangeRequest]] = {
    "revise": lambda workflow, draft: workflow.revise(draft.id, **ASKED | {"title": "another"}),
    "submit": lambda workflow, draft: workflow.submit(draft.id),
    "apply": lambda workflow, _: workflow.apply(subject=SUBJECT, **ASKED),
    "abandon": lambda workflow, draft: workflow.abandon(draft.id, actor="alice"),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_an_act_that_loses_a_race_is_judged_anew(act: Callable[[Workflow, ChangeRequest], ChangeRequest]) -> None:
    """The draft is still a draft, so it is done, once."""
    desk, workflow, draft = drafted()
    desk.race_once(draft.id)
    done = act(workflow, draft)

    assert done.id == draft.id
    assert len(desk.ledger.tickets()) == (1 if done.state == State.PENDING else 0)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_an_act_that_loses_every_race_raises_an_error(act: Callable[[Workflow, ChangeRequest], ChangeRequest]) -> None:
    """Nothing was stored or sent; the error names the change."""
    desk, workflow, draft = drafted()
    desk.race_always(draft.id)
    with pytest.raises(StorageConflict, match=f"change {draft.id} was not written: it lost a race on its version"):
        act(workflow, draft)

    assert (workflow.get(draft.id), desk.ledger.tickets()) == (draft, ())


@pytest.mark.parametrize("name", ["revise", "submit"])
def test_an_act_on_a_draft_that_was_submitted_meanwhile_is_refused(name: str) -> None:
    """One ticket is filed, with the form that the winner saw."""
    desk, workflow, draft = drafted()
    desk.before_next_write(lambda: workflow.submit(draft.id))
    with pytest.raises(TransitionRefused, match=f"{name} was refused in state pending"):
        ACTS[name](workflow, draft)

    [ticket] = desk.ledger.tickets()
    assert workflow.get(draft.id).form == draft.form
    assert workflow.get(draft.id).expect_ticket().id == str(ticket.id)


def test_a_draft_that_was_submitted_meanwhile_is_not_applied_again() -> None:
    """The subject is taken."""
    desk, workflow, draft = drafted()
    desk.before_next_write(lambda: workflow.submit(draft.id))
    with pytest.raises(AlreadyApplied) as caught:
        workflow.apply(subject=SUBJECT, **ASKED)

    assert caught.value.change_id == draft.id
    assert len(desk.ledger.tickets()) == 1


def test_a_subject_that_is_taken_costs_no_write() -> None:
    """It is seen before anything is prepared; only a race is left to the store."""
    desk = Desk()
    workflow = desk.workflow()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    commits = desk.store.commits
    with pytest.raises(AlreadyApplied) as caught:
        workflow.apply(subject=SUBJECT, **ASKED)

    assert (caught.value.change_id, desk.store.commits) == (change.id, commits)


def test_a_draft_that_the_gateway_would_refuse_by_now_is_not_submitted() -> None:
    """Its settings may have changed since; the draft stays, and every problem is listed."""
    desk = Desk()
    lenient = LedgerGateway(desk.ledger, clock=desk.clock, settings=settings_for(NOWHERE, service_id="77"))
    draft = desk.workflow(gateway=lenient).draft(subject=SUBJECT, title="接入 nginx 日志", applicant="alice")
    workflow = desk.workflow()
    with pytest.raises(InvalidForm) as caught:
        workflow.submit(draft.id)

    assert [field for field, _, _ in caught.value.problems] == ["approvers"]
    assert (workflow.get(draft.id), desk.ledger.tickets()) == (draft, ())


def test_a_wrong_subject_and_a_wrong_form_are_reported_together() -> None:
    """One attempt shows every problem."""
    workflow = Desk().workflow()
    wrong: Any = {"title": "", "applicant": 7}
    with pytest.raises(InvalidForm) as caught:
        workflow.apply(subject="", **wrong)

    assert [field for field, _, _ in caught.value.problems] == ["subject", "title", "applicant", "approvers"]


def test_parts_of_an_invalid_value_are_not_reported_as_well() -> None:
    """They would describe the placeholder that is checked in its place."""
    needed = [("fields[cluster]", "", "is needed"), ("approvers[0]", "", "is away")]
    workflow = Desk().workflow(form_check=lambda _: needed)
    wrong: Any = {**ASKED, "fields": "cluster=7"}
    with pytest.raises(InvalidForm) as caught:
        workflow.apply(subject=SUBJECT, **wrong)

    assert [field for field, _, _ in caught.value.problems] == ["fields", "approvers[0]"]


@pytest.mark.parametrize("is_bound", ["before", "meanwhile"])
def test_a_ticket_that_another_change_holds_cannot_be_bound(is_bound: str) -> None:
    """Nothing is written if that is known before; if it turns out at the commit, no repeat helps, so none is tried."""
    desk = Desk()
    workflow = desk.workflow()
    desk.hide_tickets()
    other, change = (workflow.apply(subject=subject, **ASKED) for subject in ("another", SUBJECT))
    ticket, _ = desk.ledger.tickets()
    commits: list[Sequence[Write]] = []

    def bind() -> None:
        workflow.record_ticket(other.id, sn=ticket.sn, actor="ops", override="its own")
        desk.store.before = commits.append

    if is_bound == "before":
        bind()
    else:
        desk.before_next_write(bind)
    with pytest.raises(StorageConflict) as caught:
        workflow.record_ticket(change.id, sn=ticket.sn, actor="ops", override="it looks alike")

    assert (caught.value.change_id, caught.value.kind, commits) == (change.id, "ticket", [])
    assert (caught.value.holder, other.id in str(caught.value)) == (other.id, True)
    assert workflow.get(change.id).ticket is None


def test_an_error_is_raised_if_the_gateway_cannot_be_asked_for_the_ticket() -> None:
    """It differs from the error for a missing ticket."""
    desk = Desk()
    workflow = desk.workflow()
    desk.hide_tickets()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.faults.unreachable("find_by_sn")

    with pytest.raises(GatewayUnavailable):
        workflow.record_ticket(change.id, sn="REQ1", actor="ops")


def test_a_draft_has_no_ticket_to_be_bound_to() -> None:
    """It has no key, so that nothing is asked."""
    desk, workflow, draft = drafted()
    with pytest.raises(
        TransitionRefused, match="the gateway shows 0 tickets with number REQ1; ids with that number: none"
    ):
        workflow.record_ticket(draft.id, sn="REQ1", actor="ops")

    assert desk.ledger.requests["get_tickets"] == 0


# ---------------------------------------------------------------- passes


def test_a_send_that_another_worker_marks_first_is_left_to_it() -> None:
    """Both saw it queued; one ticket is filed."""
    desk = Desk()
    workflow, other = desk.workflow(), desk.workflow()
    desk.store.after = lambda _: desk.clock.advance(11)  # the worker is stopped after its mark
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.store.after = lambda _: None
    assert (change.expect_attempt().phase, desk.ledger.tickets()) == (Phase.QUEUED, ())
    desk.pass_time(31)
    desk.before_next_write(lambda: other.settle(change.id))

    report = workflow.reconcile()

    assert (report.due, report.busy) == (1, 1)
    assert len(desk.ledger.tickets()) == 1


def approved(work: Work) -> tuple[Desk, Workflow, ChangeRequest]:
    """Return a change whose effect was planned and is due in a moment."""
    desk = Desk()
    workflow = desk.workflow(effects={State.APPROVED: [Effect("start", work)]})
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.decide(change)
    work.meanwhile = fail
    workflow.settle(change.id)
    work.meanwhile = int
    desk.pass_time(10)
    return desk, workflow, change


def fail() -> None:
    """Fail as a host's work does."""
    raise ConnectionError("no answer")


def test_an_effect_of_another_process_is_left_to_it() -> None:
    """A pass does not do the work, and the change stays due for who can."""
    desk, workflow, change = approved(Work())
    other = desk.workflow()

    for _ in range(2):
        assert other.reconcile().unchanged == 1
        desk.pass_time(1)
    assert [one.attempts for one in other.get(change.id).effects] == [1]
    assert workflow.reconcile().moved == 1


def test_a_change_about_which_there_is_nothing_more_to_ask_is_put_to_rest_once() -> None:
    """By whichever worker is first; to the other one it is busy, and later passes do not meet it."""
    desk = Desk()
    workflow = desk.workflow()
    desk.faults.lose_answer("create", always=True)
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.decide(change)
    assert workflow.settle(change.id).state == State.APPROVED
    desk.pass_time(timedelta(days=8).total_seconds())
    desk.race_once(change.id)

    assert (workflow.reconcile().busy, workflow.reconcile().unchanged, workflow.reconcile().due) == (1, 1, 0)


def test_a_delivery_whose_record_loses_every_race_counts_as_busy() -> None:
    """The pass goes on; the effect is delivered again under its id when its lease has ended."""
    work = Work()
    desk, workflow, change = approved(work)
    work.meanwhile = lambda: desk.race_always(change.id)
    report = workflow.reconcile()
    desk.store.before, work.meanwhile = (lambda _: None), int

    assert (report.due, report.busy) == (1, 1)
    desk.pass_time(301)
    assert workflow.reconcile().moved == 1
    assert [(call.id, call.attempt) for call in work.calls[1:]] == [(work.calls[0].id, 2), (work.calls[0].id, 3)]
