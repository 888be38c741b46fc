"""Who does what on whose behalf: names that are easily taken for one another arrive where they belong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import Effect, EffectCall, State
from itsm_workflow.change import WITHDRAW, EffectStatus
from itsm_workflow.gateway.protocol import Created
from tests.support.world import World

if TYPE_CHECKING:
    from itsm_workflow.gateway.protocol import CreateRequest

FORM: dict[str, Any] = {"title": "接入日志", "applicant": "alice", "approvers": ["carol"]}


@pytest.fixture
def world() -> World:
    """Make a world."""
    return World()


def calls(world: World, name: str) -> list[tuple[Any, ...]]:
    """Return the arguments of the calls of a method of the gateway."""
    return [(*call.args, *call.kwargs.values()) for call in world.faults.calls if call.name == name]


def test_submission_holds_key_creator_service_and_owner(world: World) -> None:
    """Four texts, each in its own place, in the store and in the request."""
    world.gateway.settings = attrs.evolve(world.gateway.settings, key_prefix="bk")
    workflow = world.workflow()
    world.faults.answer("service", "service-9")
    world.faults.answer("create", Created(id="901", sn="REQ-7", url="http://itsm.example.com/#/ticket/901"))
    change = workflow.apply(subject="collector-1", actor="root", **FORM)
    attempt = change.expect_attempt()
    [(request,)] = calls(world, "create")

    assert (attempt.key[:2], attempt.creator, attempt.service) == ("bk", "alice", "service-9")
    assert attempt.owner == workflow._executor.owner
    assert (request.attempt.key, request.attempt.creator, request.form) == (attempt.key, "alice", change.form)
    assert f"/{change.id}/1/" in request.callback_url.reveal()
    assert (request.callback_url, request.callback_headers) == workflow._addresses.make(change.id, 1)


def test_preview_brings_no_credential_even_to_the_gateway(world: World) -> None:
    """A gateway need not know what to hide."""
    workflow = world.workflow()
    requests: list[Any] = []

    def preview(request: CreateRequest) -> dict[str, object]:
        requests.append(request)
        return {}

    world.gateway.preview = preview  # type: ignore[method-assign]  # to see the request
    workflow.preview(subject="collector-1", **FORM)
    change = workflow.apply(subject="collector-1", **FORM)
    [shown], [(sent,)] = requests, calls(world, "create")

    revealed = {name: value.reveal() for name, value in shown.callback_headers.items()}
    assert revealed == dict.fromkeys(sent.callback_headers, "***") != {}
    assert f"/{change.id}/" not in shown.callback_url.reveal()


def test_ticket_is_bound_with_the_facts_of_the_answer(world: World) -> None:
    """Id, number and address; and the gateway by its name."""
    world.faults.answer("create", Created(id="901", sn="REQ-7", url="http://itsm.example.com/#/ticket/901"))
    change = world.workflow().apply(subject="collector-1", **FORM)
    ticket = change.expect_ticket()

    assert (ticket.gateway, ticket.id, ticket.sn) == ("bk_itsm", "901", "REQ-7")
    assert (ticket.url, ticket.channel) == ("http://itsm.example.com/#/ticket/901", "answer")


def test_history_names_who_caused_each_entry(world: World) -> None:
    """A person, the gateway's answer, or the library itself."""
    workflow = world.workflow(effects={State.APPROVED: [Effect("start", lambda _: None)]})
    draft = workflow.draft(subject="collector-1", actor="root", **FORM)
    workflow.revise(draft.id, actor="rita", **FORM | {"title": "接入 nginx 日志"})
    workflow.submit(draft.id, actor="sam")
    world.start_flow()
    world.decide(world.ticket_of(workflow.get(draft.id)), approved=True)
    workflow.settle(draft.id)

    actors = [(entry.trigger, entry.actor) for entry in workflow.history(draft.id)]
    assert actors[:4] == [("draft", "root"), ("revise", "rita"), ("submit", "sam"), ("mark_sending", "sam")]
    assert ("record_ticket", "gateway") in actors
    assert ("approve", "gateway") in actors
    assert actors[-1] == ("deliver_effect", "worker")


def test_applicant_acts_where_no_one_else_is_named(world: World) -> None:
    """In the history of a draft, a revision and a submission."""
    workflow = world.workflow()
    draft = workflow.draft(subject="collector-1", **FORM)
    workflow.revise(draft.id, **FORM | {"title": "接入 nginx 日志"})
    workflow.submit(draft.id)

    assert [entry.actor for entry in workflow.history(draft.id)][:4] == ["alice"] * 4


def test_effect_is_called_with_its_own_facts(world: World) -> None:
    """Id, name, attempt, change and actor; the second delivery has the same id and another attempt."""
    calls: list[EffectCall] = []

    def start(call: EffectCall) -> None:
        calls.append(call)
        if len(calls) == 1:
            raise OSError("not yet")

    workflow = world.workflow(effects={State.APPROVED: [Effect("start", start)]})
    change = world.approved(workflow)
    workflow.settle(change.id)
    world.clock.advance(3600)
    workflow.settle(change.id)

    [effect] = workflow.get(change.id).effects
    assert [(call.id, call.name, call.attempt, call.change.id, call.actor) for call in calls] == [
        (effect.id, "start", 1, change.id, "gateway"),
        (effect.id, "start", 2, change.id, "gateway"),
    ]
    assert effect.status is EffectStatus.DELIVERED


def test_a_withdrawal_is_made_as_the_creator_and_names_the_person(world: World) -> None:
    """The ticket system accepts only the creator; the person who decided is in the reason and in the history."""
    workflow = world.workflow()
    change = world.apply(workflow)
    world.start_flow()
    world.clock.advance(10)
    workflow.withdraw(change.id, actor="root", reason="not needed")

    assert calls(world, "withdraw") == [(change.expect_ticket(), "alice", "withdrawn by root")]
    entry = next(one for one in workflow.history(change.id) if one.trigger == "request_withdrawal")
    assert entry.actor == "root"
    [effect] = workflow.get(change.id).effects
    assert (effect.name, effect.actor) == (WITHDRAW, "root")


def test_ticket_is_looked_at_right_after_it_was_withdrawn(world: World) -> None:
    """What the withdrawal brought about shows in what `withdraw` returns."""
    workflow = world.workflow()
    change = world.apply(workflow)
    world.start_flow()
    world.clock.advance(10)
    world.faults.calls.clear()
    withdrawn = workflow.withdraw(change.id, actor="alice")

    assert calls(world, "read") == [(change.expect_ticket(), None)]
    assert withdrawn.suspicion is not None


def test_nothing_is_read_after_another_effect(world: World) -> None:
    """The next look comes when it is due."""
    told: list[EffectCall] = []
    workflow = world.workflow(effects={State.PENDING: [Effect("tell", told.append)]})
    workflow.apply(subject="collector-1", **FORM)

    assert [call.name for call in told] == ["tell"]
    assert calls(world, "read") == []


def test_ticket_that_a_person_found_is_asked_for_by_its_number_and_our_key(world: World) -> None:
    """And bound with the gateway's facts."""
    workflow = world.workflow()
    world.faults.time_out("create")
    lost = workflow.apply(subject="collector-1", **FORM)
    attempt = lost.expect_attempt()
    [(request,)] = calls(world, "create")
    filed = world.gateway.create(request)
    assert isinstance(filed, Created)

    ticket = workflow.record_ticket(lost.id, sn=filed.sn, actor="root").expect_ticket()
    [(sn, sent)] = calls(world, "find_by_sn")
    assert (sn, sent.attempt.key) == (filed.sn, attempt.key)
    assert (ticket.gateway, ticket.id, ticket.sn, ticket.channel) == ("bk_itsm", filed.id, filed.sn, "operator")
    assert ticket.url == filed.url
    assert workflow.history(lost.id)[-1].actor == "root"


def test_decision_field_is_read_where_the_rule_wants_one(world: World) -> None:
    """By the name that the rule gives it."""
    workflow = world.workflow()
    rule = attrs.evolve(workflow.definition.approval, decision_field="approval_result")
    workflow = world.workflow(definition=attrs.evolve(workflow.definition, approval=rule))
    change = world.approved(workflow)
    workflow.settle(change.id)

    assert calls(world, "read")[-1] == (change.expect_ticket(), "approval_result")
