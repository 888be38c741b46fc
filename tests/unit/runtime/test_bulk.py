"""Many changes in one call: stored together, sent one at a time, each with a result of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE, State, Trigger
from itsm_workflow.change import Phase
from itsm_workflow.errors import (
    AlreadyApplied,
    DefinitionError,
    InvalidForm,
    ItsmWorkflowError,
    StorageConflict,
    StorageUnavailable,
)
from itsm_workflow.gateway.protocol import NotSent, Refused
from itsm_workflow.machine.evidence import CallbackHeard
from itsm_workflow.runtime import bulk
from itsm_workflow.runtime.effects import Effect
from itsm_workflow.settle import Step
from tests.support.desk import ASKED, Desk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow import Act, ChangeRequest, Workflow
    from itsm_workflow.machine.definition import Facts
    from itsm_workflow.storage.protocol import Write


def wanted(*numbers: int, **more: Any) -> list[Any]:
    """Return requests for collectors, with further arguments, valid or not."""
    return [{"subject": f"collector-{number}", **ASKED, **more} for number in numbers]


def kinds(results: Sequence[ChangeRequest | ItsmWorkflowError]) -> list[str]:
    """Return the state of each change, or the name of its error."""
    return [type(one).__name__ if isinstance(one, ItsmWorkflowError) else one.state for one in results]


def creates(desk: Desk) -> int:
    """Return the number of creates that were sent."""
    return [call.name for call in desk.faults.calls].count("create")


class Batches:
    """The writes of each commit of a desk."""

    def __init__(self, desk: Desk) -> None:
        self.sizes: list[int] = []
        desk.store.before = self

    def __call__(self, writes: Sequence[Write]) -> None:
        """Record a commit."""
        self.sizes.append(len(writes))


# ---------------------------------------------------------------- storing and sending


def test_a_page_is_stored_in_one_commit_and_sent_one_by_one() -> None:
    """Each create is claimed before it is sent, and its outcome stored before the next claim."""
    desk = Desk()
    workflow = desk.workflow()
    batches = Batches(desk)
    before: list[int] = []
    desk.faults.meanwhile("create", lambda: before.append(desk.store.commits), always=True)
    results = workflow.apply_many(wanted(1, 2, 3))

    assert kinds(results) == ["pending"] * 3
    assert batches.sizes == [3, 1, 1, 1, 1, 1, 1]
    assert before == [2, 4, 6]
    changes = [one for one in results if not isinstance(one, ItsmWorkflowError)]
    assert [one.subject for one in changes] == ["collector-1", "collector-2", "collector-3"]
    assert [workflow.get(one.id) for one in changes] == changes
    for change in changes:
        triggers = [entry.trigger for entry in workflow.history(change.id)]
        assert triggers == ["draft", "submit", "mark_sending", "record_ticket"]
        assert (change.submission, change.form.applicant) == (1, "alice")
    assert len(desk.ledger.tickets()) == 3


def test_nothing_is_marked_as_being_sent_before_its_turn() -> None:
    """A lease that began with the page would end before the last send."""
    desk = Desk()
    workflow = desk.workflow()
    phases: list[list[Phase]] = []

    def look() -> None:
        changes = sorted(workflow.find(), key=lambda change: change.subject)
        phases.append([change.expect_attempt().phase for change in changes if change.ticket is None])

    desk.faults.meanwhile("create", look, always=True)
    workflow.apply_many(wanted(1, 2, 3))
    sending, queued = Phase.SENDING, Phase.QUEUED
    assert phases == [[sending, queued, queued], [sending, queued], [sending]]


def test_requests_are_stored_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page is sent before the next one is stored; a generator is read once."""
    monkeypatch.setattr(bulk, "PAGE", 2)
    desk = Desk()
    batches = Batches(desk)
    results = desk.workflow().apply_many(one for one in wanted(1, 2, 3))

    assert kinds(results) == ["pending"] * 3
    assert batches.sizes == [2, 1, 1, 1, 1, 1, 1, 1]
    assert bulk.PAGE < 100


def test_no_request_is_no_result() -> None:
    """And no commit."""
    desk = Desk()
    assert desk.workflow().apply_many([]) == []
    assert desk.store.commits == 0


def test_a_draft_of_the_subject_is_revised_and_submitted() -> None:
    """As `apply` does."""
    workflow = Desk().workflow()
    draft = workflow.draft(subject="collector-1", title="old", applicant="bob", approvers=["carol"])
    (change,) = workflow.apply_many(wanted(1, actor="dora"))

    assert not isinstance(change, ItsmWorkflowError)
    assert (change.id, change.form.title, change.state) == (draft.id, ASKED["title"], State.PENDING)
    revised = workflow.history(change.id)[1:3]
    assert [(entry.trigger, entry.actor) for entry in revised] == [("revise", "dora"), ("submit", "dora")]


def test_a_submission_has_the_next_number_of_its_subject() -> None:
    """The newest one decides at the gate."""
    desk = Desk()
    workflow = desk.workflow()
    first = workflow.apply(subject="collector-1", **ASKED)
    desk.decide(first)
    workflow.settle(first.id)
    (second,) = workflow.apply_many(wanted(1))
    assert not isinstance(second, ItsmWorkflowError)
    assert (second.submission, second.state) == (2, State.PENDING)


# ---------------------------------------------------------------- results of their own


def test_one_bad_request_does_not_stop_the_others() -> None:
    """Each has its error in its place, and progress is reported after each, in order."""
    desk = Desk()
    workflow = desk.workflow()
    held = workflow.apply(subject="collector-2", **ASKED)
    seen: list[ChangeRequest | ItsmWorkflowError] = []
    requests = [*wanted(1, 2), {"subject": "collector-3", **ASKED, "title": ""}, *wanted(4), *wanted(5, actor="")]
    results = workflow.apply_many(requests, progress=seen.append)

    assert kinds(results) == ["pending", "AlreadyApplied", "InvalidForm", "pending", "InvalidForm"]
    assert seen == results
    taken, wrong, person = results[1], results[2], results[4]
    assert isinstance(taken, AlreadyApplied)
    assert (taken.subject, taken.change_id) == ("collector-2", held.id)
    assert isinstance(wrong, InvalidForm)
    assert [field for field, _, _ in wrong.problems] == ["title"]
    assert isinstance(person, InvalidForm)
    assert [field for field, _, _ in person.problems] == ["actor"]
    assert creates(desk) == 3


def test_progress_is_reported_when_a_request_was_sent() -> None:
    """Not when its page is stored."""
    desk = Desk()
    sent: list[int] = []
    desk.workflow().apply_many(wanted(1, 2), progress=lambda _: sent.append(creates(desk)))
    assert sent == [1, 2]


@pytest.mark.parametrize("page", [1, 100])
def test_the_second_request_for_a_subject_is_refused(monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """It names the change of the first, also if the gateway refused that one, and in any spelling of the subject."""
    monkeypatch.setattr(bulk, "PAGE", page)
    desk = Desk()
    desk.faults.answer("create", Refused(remote_code=3900003, message="no"))
    requests = wanted(1, 1, 2)
    for request, subject in zip(requests, ["caf\u00e9", "cafe\u0301", "collector-2"], strict=True):
        request["subject"] = subject
    first, second, third = desk.workflow().apply_many(requests)

    assert kinds([first, second, third]) == ["draft", "AlreadyApplied", "pending"]
    assert not isinstance(first, ItsmWorkflowError)
    assert isinstance(second, AlreadyApplied)
    assert (second.subject, second.change_id) == ("caf\u00e9", first.id)
    assert creates(desk) == 2


def test_a_request_is_filed_if_the_one_before_for_its_subject_was_bad() -> None:
    """Nothing was stored for that one."""
    requests = [*wanted(1, title=""), *wanted(1), *wanted(1)]
    assert kinds(Desk().workflow().apply_many(requests)) == ["InvalidForm", "pending", "AlreadyApplied"]


def test_a_subject_that_another_process_takes_meanwhile_is_refused_by_the_store() -> None:
    """The others of the page are stored; the holder is named."""
    desk = Desk()
    workflow, other = desk.workflow(), desk.workflow()
    held: list[ChangeRequest] = []
    desk.before_next_write(lambda: held.append(other.apply(subject="collector-1", **ASKED)))
    results = workflow.apply_many(wanted(1, 1, 2))

    assert kinds(results) == ["AlreadyApplied", "AlreadyApplied", "pending"]
    assert [one.change_id for one in results if isinstance(one, AlreadyApplied)] == [held[0].id] * 2
    assert creates(desk) == 2


def test_a_draft_that_is_moved_meanwhile_is_read_again() -> None:
    """Only its request is repeated."""
    desk = Desk()
    workflow = desk.workflow()
    draft = workflow.draft(subject="collector-1", **ASKED)
    desk.race_once(draft.id)
    results = workflow.apply_many(wanted(1, 2, actor="dora"))

    assert kinds(results) == ["pending"] * 2
    assert isinstance(results[0], type(draft))
    assert results[0].id == draft.id
    assert [entry.actor for entry in workflow.history(draft.id) if entry.trigger == "submit"] == ["dora"]


def test_a_draft_that_is_moved_again_and_again_is_a_conflict() -> None:
    """For its request alone."""
    desk = Desk()
    workflow = desk.workflow()
    draft = workflow.draft(subject="collector-1", **ASKED)
    other = workflow.draft(subject="collector-2", **ASKED)
    desk.store.before = lambda writes: desk.race(draft.id) if writes[0].row.id == draft.id else None
    results = workflow.apply_many(wanted(1, 2))

    assert kinds(results) == ["StorageConflict", "pending"]
    assert isinstance(results[0], StorageConflict)
    assert (results[0].change_id, workflow.get(other.id).state) == (draft.id, State.PENDING)


# ---------------------------------------------------------------- sends


def test_an_unknown_outcome_is_no_error_and_is_not_sent_again() -> None:
    """The change waits for its look-ups; the next request is sent."""
    desk = Desk()
    workflow = desk.workflow()
    desk.faults.time_out("create")
    results = workflow.apply_many(wanted(1, 2))

    assert kinds(results) == ["applying", "pending"]
    assert isinstance(results[0], type(results[1]))
    workflow.reconcile()
    assert creates(desk) == 2


def test_a_request_that_was_not_sent_is_due_later() -> None:
    """As after `apply`."""
    desk = Desk()
    workflow = desk.workflow()
    desk.faults.answer("create", NotSent(problem="no route"))
    results = workflow.apply_many(wanted(1, 2))
    assert kinds(results) == ["applying", "pending"]
    desk.clock.advance(60)
    workflow.reconcile()
    assert [change.state for change in workflow.find()] == [State.PENDING] * 2


def test_a_change_that_another_worker_sends_first_is_left_to_it() -> None:
    """It is sent once, and returned as the other worker has stored it."""
    desk = Desk()
    workflow, other = desk.workflow(), desk.workflow()

    def meanwhile(_: object) -> None:
        other.reconcile()

    results = workflow.apply_many(wanted(1, 2, 3), progress=meanwhile)
    assert kinds(results) == ["pending"] * 3
    assert (creates(desk), len(desk.ledger.tickets())) == (3, 3)


def test_a_stored_request_whose_callback_has_arrived_is_not_sent() -> None:
    """The gateway has its ticket already, so the next pass looks it up."""
    desk = Desk()
    workflow = desk.workflow()
    filing, journal = workflow._filing, workflow._journal
    subject, form = filing.check("collector-1", ASKED)
    stored = journal.commit_one(filing.prepare_queued(subject, form, "alice"))
    hint = Step(Trigger.RECEIVE_CALLBACK, CallbackHeard(sn="REQ7", digest="d", number=1))
    heard = journal.commit_one(journal.prepare(stored, [hint], actor="callback"))

    assert filing.send_queued(heard) == heard == journal.load(heard.change.id)
    assert creates(desk) == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StorageUnavailable("gone")], ids=["Ctrl-C", "store"])
def test_what_was_stored_before_an_interrupt_is_sent_by_the_next_pass(error: BaseException) -> None:
    """Nothing is lost, and nothing is sent twice; a repeated call finds each subject taken."""
    desk = Desk()
    workflow = desk.workflow()

    def interrupt(_: object) -> None:
        raise error

    with pytest.raises(type(error)):
        workflow.apply_many(wanted(1, 2, 3), progress=interrupt)
    assert creates(desk) == 1
    states = {change.subject: change.state for change in workflow.find()}
    assert states == {"collector-1": "pending", "collector-2": "applying", "collector-3": "applying"}

    desk.workflow().reconcile()
    assert [change.state for change in workflow.find()] == [State.PENDING] * 3
    assert kinds(workflow.apply_many(wanted(1, 2, 3))) == ["AlreadyApplied"] * 3
    assert (creates(desk), len(desk.ledger.tickets())) == (3, 3)


def test_a_store_that_fails_stops_the_call() -> None:
    """It concerns all requests."""
    desk = Desk()
    workflow = desk.workflow()

    def fail(_: object) -> None:
        raise StorageUnavailable("the disk is full")

    desk.store.before = fail
    with pytest.raises(StorageUnavailable, match="the disk is full"):
        workflow.apply_many(wanted(1, 2))
    assert creates(desk) == 0


# ---------------------------------------------------------------- the call as a whole


@pytest.mark.parametrize(
    ("requests", "rule"),
    [
        (None, r"apply_many\(requests\) takes a list of dictionaries with the arguments of apply, not None"),
        ("collector-1", r"apply_many\(requests\) takes a list of dictionaries .*, not 'collector-1'"),
        (wanted(1)[0], r"apply_many\(requests\) takes a list of dictionaries .*, not \{'subject'"),
        ([*wanted(1), "collector-2"], r"apply_many\(requests\[1\]\) takes a dictionary .*, not 'collector-2'"),
        ([*wanted(1), ASKED], r"apply_many\(requests\[1\]\) lacks the argument subject of apply"),
        (wanted(1, titel="x"), r"apply_many\(requests\[0\]\) has 'titel', which is not an argument of apply: actor, "),
        (wanted(1, form_check="check"), r"apply_many\(requests\[0\]\): form_check takes a function, not 'check'"),
    ],
)
def test_a_list_that_is_wrong_is_refused_as_a_whole(requests: Any, rule: str) -> None:  # noqa: ANN401 - of any type
    """Nothing is stored, not even for the requests before."""
    desk = Desk()
    workflow: Workflow = desk.workflow()
    with pytest.raises(TypeError, match=f"^{rule}"):
        workflow.apply_many(requests)
    assert desk.store.commits == 0


def test_progress_must_be_a_function() -> None:
    """It is refused before anything is stored."""
    desk = Desk()
    with pytest.raises(TypeError, match=r"^apply_many\(progress=\.\.\.\) takes a function, not True"):
        desk.workflow().apply_many(wanted(1), progress=True)  # type: ignore[arg-type]  # as a host may
    assert desk.store.commits == 0


def failing(*_: object) -> Any:  # noqa: ANN401 - of any type
    """Fail as a host's function may."""
    raise KeyError("collector")


def cancelled(_: object) -> list[Any]:
    """Fail as a task that is cancelled in an event loop of the host's own."""
    raise asyncio.CancelledError("the task")


def refuses_two(_: str, act: Act, __: object) -> bool:
    """Fail on the second subject."""
    return act.subject != "collector-2" or failing()


def guarded_two(facts: Facts) -> str | None:
    """Fail on the second subject, as the guard of a row of the library's."""
    return None if facts.change.subject != "collector-2" else failing()


def guarding(trigger: Trigger) -> dict[str, Any]:
    """Return a workflow whose host has a guard of its own on a trigger of the library."""
    rows = [
        attrs.evolve(row, guard=guarded_two) if row.trigger is trigger else row for row in COLLECTOR_CHANGE.transitions
    ]
    return {"definition": attrs.evolve(COLLECTOR_CHANGE, transitions=tuple(rows))}


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({}, {"form_check": failing}),
        ({}, {"form_check": lambda _: None}),
        ({"authorize": refuses_two}, {}),
        ({"authorize": lambda _, act, __: act.subject != "collector-2" or "yes"}, {}),
        (guarding(Trigger.SUBMIT), {}),
        ({}, {"form_check": cancelled}),
    ],
)
def test_a_function_of_the_host_that_fails_on_one_request_fails_that_one(
    options: dict[str, Any], more: dict[str, Any]
) -> None:
    """The others are filed; the error names what happened, and has the host's own as its cause."""
    desk = Desk()
    results = desk.workflow(**options).apply_many([*wanted(1), *wanted(2, **more), *wanted(3)])

    assert kinds(results) == ["pending", "ItsmWorkflowError", "pending"]
    assert isinstance(results[1], ItsmWorkflowError)
    assert str(results[1]).startswith(f"the request failed: {type(results[1].__cause__).__name__}: ")
    assert isinstance(results[1].__cause__, KeyError | TypeError | asyncio.CancelledError)
    assert {change.subject for change in desk.workflow().find()} == {"collector-1", "collector-3"}


def test_a_function_of_the_host_that_fails_in_the_middle_of_one_send_fails_that_one() -> None:
    """Its change is stored, and due."""
    desk = Desk()
    workflow = desk.workflow(**guarding(Trigger.MARK_SENDING))

    assert kinds(workflow.apply_many(wanted(1, 2, 3))) == ["pending", "ItsmWorkflowError", "pending"]
    states = {change.subject: change.state for change in workflow.find()}
    assert states == {"collector-1": "pending", "collector-2": "applying", "collector-3": "pending"}


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(3), StorageUnavailable("the host's own store")])
def test_what_ends_the_process_or_the_store_ends_the_call(stop: BaseException) -> None:
    """Nothing is stored before every request was checked."""

    def end(_: object) -> list[Any]:
        raise stop

    desk = Desk()
    with pytest.raises(type(stop)):
        desk.workflow().apply_many([*wanted(1), *wanted(2, form_check=end)])
    assert desk.store.commits == 0


def test_a_form_check_of_one_request_is_applied_to_it_alone() -> None:
    """As that of `apply`."""
    check = wanted(1, form_check=lambda _: [("title", "x", "is not allowed")])
    assert kinds(Desk().workflow().apply_many([*check, *wanted(2)])) == ["InvalidForm", "pending"]


def test_a_process_without_the_workflows_effects_files_nothing() -> None:
    """The effects would be lost."""
    desk = Desk()
    desk.workflow(effects={State.APPROVED: [Effect("start", print)]}).apply(subject="collector-9", **ASKED)
    with pytest.raises(DefinitionError, match="effect names that the process lacks"):
        desk.workflow().apply_many(wanted(1))
    assert [change.subject for change in desk.workflow().find()] == ["collector-9"]
