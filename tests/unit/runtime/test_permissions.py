"""The host's permissions: asked once before each act of a person; a refusal leaves only a line of the log."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import Act, ChangeRequest, NotPermitted, State, Trigger, Workflow
from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import AlreadyApplied, TransitionRefused
from itsm_workflow.machine.evidence import Concern
from itsm_workflow.policy import Policy
from itsm_workflow.testing.ledger_gateway import as_request
from tests.support.deferred import later, steps, stream
from tests.support.desk import ASKED, SUBJECT, Desk

if TYPE_CHECKING:
    from collections.abc import Callable


OTHER = "collector-43"
CONCERN = Concern(reason=AttentionReason.HOST, facts={"disk": "full"})


class Hook:
    """A host's function that records what it is asked, and refuses some acts."""

    def __init__(self, *refused: str) -> None:
        self.asked: list[tuple[str, Act, str | None]] = []
        self.refused = refused

    def __call__(self, actor: str, act: Act, change: ChangeRequest | None) -> bool:
        """Answer."""
        self.asked.append((actor, act, None if change is None else change.id))
        return act.name not in self.refused

    def taken(self) -> list[tuple[str, Act, str | None]]:
        """Return what was asked since the last call."""
        found, self.asked = self.asked, []
        return found


CREATING: dict[str, Callable[[Workflow], object]] = {
    "apply": lambda workflow: workflow.apply(subject=OTHER, **ASKED, actor="bob"),
    "draft": lambda workflow: workflow.draft(subject=OTHER, **ASKED, actor="bob"),
    "adopt": lambda workflow: workflow.adopt(subject=OTHER, sn="REQ1", actor="bob", reason="moved"),
}
DECIDING: dict[str, Callable[[Workflow, str], object]] = {
    "revise": lambda workflow, at: workflow.revise(at, **ASKED, actor="bob"),
    "submit": lambda workflow, at: workflow.submit(at, actor="bob"),
    "withdraw": lambda workflow, at: workflow.withdraw(at, actor="bob"),
    "accept_after_withdrawal": lambda workflow, at: workflow.accept_after_withdrawal(at, actor="bob", reason="it is"),
    "resend": lambda workflow, at: workflow.resend(at, actor="bob"),
    "abandon": lambda workflow, at: workflow.abandon(at, actor="bob"),
    "record_ticket": lambda workflow, at: workflow.record_ticket(at, sn="REQ1", actor="bob"),
    "attest_approval": lambda workflow, at: workflow.attest_approval(
        at, ticket_id="1", approver="carol", evidence="the page", actor="bob"
    ),
    "retry_effect": lambda workflow, at: workflow.retry_effect(at, "E1", actor="bob"),
    "clear_attention": lambda workflow, at: workflow.clear_attention(at, actor="bob"),
    "fire(raise_attention)": lambda workflow, at: workflow.fire(at, Trigger.RAISE_ATTENTION, CONCERN, actor="bob"),
}


def stored(desk: Desk) -> object:
    """Return everything in the store."""
    plain = desk.workflow()
    return [(change, plain.history(change.id), desk.store.get(change.id)) for change in plain.find()]


def unlooked(desk: Desk) -> ChangeRequest:
    """Return a change whose ticket was looked for in vain."""
    desk.faults.time_out("create", always=True)
    plain = desk.workflow(policy=Policy(lookups=(dt.timedelta(),)))
    change = plain.apply(subject=SUBJECT, **ASKED)
    return plain.settle(change.id)


def test_every_method_for_a_person_is_tested_here() -> None:
    """Each has an argument for the actor; `apply_many` has it in each request."""
    methods = {
        name
        for name in dir(Workflow)
        if not name.startswith("_") and "actor" in getattr(getattr(Workflow, name), "__annotations__", {})
    }
    assert methods - {"allowed", "overview"} == {*CREATING, *DECIDING} - {"fire(raise_attention)"} | {"fire"}


@pytest.mark.parametrize("name", sorted({*CREATING, *DECIDING} - {"fire(raise_attention)"} | {"fire"}))
def test_the_docstring_of_every_method_for_a_person_names_the_refusal(name: str) -> None:
    """Under its errors."""
    assert "NotPermitted: " in (getattr(Workflow, name).__doc__ or "").partition("Raises:")[2]


@pytest.mark.parametrize("name", [*CREATING, *DECIDING])
def test_a_refused_act_leaves_a_line_of_the_log_and_nothing_else(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The host is asked once, before the store is written and before the gateway is asked."""
    desk = Desk()
    change = unlooked(desk)
    before, requests, hook = stored(desk), desk.ledger.requests.copy(), Hook(name)
    workflow = desk.workflow(authorize=hook)

    with caplog.at_level(logging.WARNING, "itsm_workflow"), pytest.raises(NotPermitted) as refused:
        CREATING[name](workflow) if name in CREATING else DECIDING[name](workflow, change.id)

    subject, change_id = (OTHER, "") if name in CREATING else (SUBJECT, change.id)
    assert hook.asked == [("bob", Act(name, subject), change_id or None)]
    assert stored(desk) == before
    assert desk.ledger.requests == requests
    error = refused.value
    assert (error.actor, error.act, error.subject, error.change_id) == ("bob", name, subject, change_id)
    [record] = [one for one in caplog.records if one.name == "itsm_workflow.permissions"]
    assert (record.levelname, record.getMessage()) == ("WARNING", str(error))
    facts = {"itsm_request_id": change_id, "itsm_actor": "bob", "itsm_act": name, "itsm_subject": subject}
    assert vars(record).items() >= facts.items()


def test_a_permitted_act_is_asked_for_once() -> None:
    """With the change as it is then, and also where an act leads to another one of the library."""
    desk, hook = Desk(), Hook()
    workflow = desk.workflow(authorize=hook)
    draft = workflow.draft(subject=SUBJECT, **ASKED)
    assert hook.taken() == [("alice", Act("draft", SUBJECT), None)]
    workflow.revise(draft.id, title="revised", applicant="alice", approvers=["carol"], actor="bob")
    assert hook.taken() == [("bob", Act("revise", SUBJECT), draft.id)]
    assert workflow.submit(draft.id).state == State.PENDING
    assert hook.taken() == [("alice", Act("submit", SUBJECT), draft.id)]
    workflow.fire(draft.id, "raise_attention", CONCERN, actor="robot")
    assert hook.taken() == [("robot", Act("fire(raise_attention)", SUBJECT), draft.id)]
    workflow.clear_attention(draft.id, actor="olga")
    assert hook.taken() == [("olga", Act("clear_attention", SUBJECT), draft.id)]
    workflow.withdraw(draft.id, actor="alice")
    assert hook.taken() == [("alice", Act("withdraw", SUBJECT), draft.id)]

    desk.faults.unreachable("create", always=True)
    unsent = workflow.apply(subject=OTHER, **ASKED)
    assert hook.taken() == [("alice", Act("apply", OTHER), None)]
    assert workflow.withdraw(unsent.id, actor="alice").state == State.REJECTED
    assert hook.taken() == [("alice", Act("withdraw", OTHER), unsent.id)]


def test_a_conflict_with_another_writer_asks_no_second_time() -> None:
    """The commit is repeated, the question is not."""
    desk, hook = Desk(), Hook()
    workflow = desk.workflow(authorize=hook)
    change = workflow.apply(subject=SUBJECT, **ASKED)
    hook.taken()
    desk.race_once(change.id)
    workflow.withdraw(change.id, actor="alice")
    assert hook.taken() == [("alice", Act("withdraw", SUBJECT), change.id)]


def test_what_no_person_does_is_not_asked_for() -> None:
    """Callbacks, looks, passes and effects go on whoever may do what."""
    desk = Desk()

    def refuse(*_: object) -> bool:
        raise AssertionError("asked")

    change = desk.workflow().apply(subject=SUBJECT, **ASKED)
    workflow = desk.workflow(authorize=refuse)
    callback = desk.decide(change)
    assert workflow.receive(**as_request(callback)).status == 200
    workflow.reconcile()
    assert workflow.settle(change.id).state == State.APPROVED


def test_an_error_of_the_host_is_raised_and_nothing_is_stored() -> None:
    """The host has not permitted the act; `apply_many` returns it as the result of the request."""
    desk = Desk()

    def fail(*_: object) -> bool:
        raise LookupError("no such group")

    workflow = desk.workflow(authorize=fail)
    for call in (CREATING["apply"], CREATING["draft"]):
        with pytest.raises(LookupError, match="no such group"):
            call(workflow)
    requests: list[Any] = [{"subject": SUBJECT, **ASKED}]
    [result] = workflow.apply_many(requests)
    assert str(result) == "the request failed: LookupError: no such group"
    assert (list(workflow.find()), desk.ledger.tickets()) == ([], ())


@pytest.mark.parametrize("answer", ["no", None, 1, []])
def test_an_answer_that_is_not_a_bool_is_an_error_that_names_the_function(answer: Any) -> None:  # noqa: ANN401 - of any type
    """The text "no" is true."""
    desk = Desk()

    def may(*_: object) -> Any:  # noqa: ANN401 - as above
        return answer

    workflow = desk.workflow(authorize=may)
    with pytest.raises(
        TypeError, match=r"the function .*may of Workflow\(authorize=...\) must return True or False, not"
    ):
        workflow.apply(subject=SUBJECT, **ASKED)
    assert (list(workflow.find()), desk.ledger.tickets()) == ([], ())


def test_a_refusal_of_one_request_of_many_is_its_result() -> None:
    """The others are filed, and its subject is free."""
    desk = Desk()
    asked: list[str] = []

    def may(actor: str, act: Act, change: ChangeRequest | None) -> bool:
        asked.append(f"{actor} {act.name} {act.subject} {change}")
        return actor != "bob"

    workflow = desk.workflow(authorize=may)
    requests: list[Any] = [
        {"subject": "c-1", **ASKED},
        {"subject": "c-2", **ASKED, "actor": "bob"},
        {"subject": "c-2", **ASKED},
        {"subject": "c-1", **ASKED},
    ]
    first, refused, third, again = workflow.apply_many(requests)
    assert isinstance(first, ChangeRequest)
    assert isinstance(third, ChangeRequest)
    assert isinstance(refused, NotPermitted)
    assert isinstance(again, AlreadyApplied)
    assert (refused.actor, refused.act, refused.subject, refused.change_id) == ("bob", "apply", "c-2", "")
    assert asked == [
        f"{actor} apply {subject} None"
        for actor, subject in (("alice", "c-1"), ("bob", "c-2"), ("alice", "c-2"), ("alice", "c-1"))
    ]
    assert len(desk.ledger.tickets()) == 2


def test_the_operations_of_an_actor_are_those_that_the_host_permits() -> None:
    """In `allowed` and in refusals; without an actor, all of them."""
    desk = Desk()
    change = unlooked(desk)
    every = desk.workflow().allowed(change.id)
    workflow = desk.workflow(authorize=Hook("resend", "fire(raise_attention)"))
    left = tuple(name for name in every if name not in {"resend", "fire(raise_attention)"})

    assert {"resend", "fire(raise_attention)", "abandon"} <= set(every)
    assert workflow.allowed(change.id) == every
    assert workflow.allowed(change.id, actor="bob") == left
    assert workflow.overview(change.id, actor="bob").allowed == left
    with pytest.raises(TransitionRefused) as refused:
        workflow.submit(change.id, actor="bob")
    assert refused.value.allowed == left


@pytest.mark.parametrize("returned", [later, stream, steps])
def test_an_answer_that_has_yet_to_run_permits_nothing(returned: Callable[[], object]) -> None:
    """A coroutine is true; it is closed, and the act is not carried out."""
    desk = Desk()
    with pytest.raises(TypeError, match="must return True or False, not "):
        desk.workflow(authorize=lambda *_: returned()).apply(subject=SUBJECT, **ASKED)
    assert stored(desk) == []
