"""What must not go unnoticed: failed looks, parked effects, late hints, foreign tables, unreadable rows."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE, Effect, InvalidForm, NotApproved, Policy, State
from itsm_workflow.change import AttentionReason, EffectStatus, Outcome
from itsm_workflow.errors import GatewayRefused, GatewayUnavailable, SettingsError, StorageCorrupt, StorageSchemaError
from itsm_workflow.machine.evidence import Decision, TicketStatus
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from tests.support.limits import PATIENCE
from tests.support.places import Witness
from tests.support.world import World, times

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.change import Ticket
    from itsm_workflow.errors import GatewayError
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.runtime.effects import EffectCall


class Blind(LedgerGateway):
    """A gateway whose tickets cannot be read for a while."""

    error: GatewayError | None = None

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Fail, or read."""
        if self.error is not None:
            raise self.error
        return super().read(ticket, decision_field=decision_field)


GONE = GatewayUnavailable("down", endpoint="get_ticket_info")
DELETED = GatewayRefused("no such ticket", endpoint="get_ticket_info", remote_code=3900022)


def blind(error: GatewayError | None) -> World:
    """Return a world whose tickets cannot be read."""
    world = World(gateway=Blind)
    let_see(world, error)
    return world


def let_see(world: World, error: GatewayError | None = None) -> None:
    """Let reads fail, or no more."""
    assert isinstance(world.gateway, Blind)
    world.gateway.error = error


@pytest.mark.parametrize("error", [GONE, DELETED], ids=["gateway down", "ticket deleted"])
def test_ticket_that_cannot_be_read_for_weeks_is_overdue(error: GatewayError) -> None:
    """A person is told, once, though no look ever brought an answer."""
    world = blind(error)
    workflow = world.workflow()
    change = world.apply(workflow)
    for _ in range(20):
        world.clock.advance(86400)
        workflow.reconcile()
    attention = workflow.get(change.id).attention
    assert attention is not None
    assert attention.reason is AttentionReason.OVERDUE
    assert times(workflow, change, "raise_attention") == 1


def test_parked_effect_keeps_calling_when_something_else_is_settled() -> None:
    """The approval clears what it answers; the effect that failed before is still parked."""
    world = World()

    def fail(_call: EffectCall) -> None:
        raise OSError("no space")

    effects = {State.PENDING: [Effect("announce", fail)]}
    workflow = world.workflow(effects=effects, policy=Policy(effect_attempts=1))
    change = world.apply(workflow)
    workflow.settle(change.id)
    world.start_flow()
    world.decide(world.ticket_of(change), approved=True)
    after = workflow.settle(change.id)
    assert (after.state, after.effects[0].status) == (State.APPROVED, EffectStatus.PARKED)
    assert after.attention is not None
    assert after.attention.reason is AttentionReason.EFFECT_PARKED


@pytest.mark.parametrize("text", ["\udcff.log", "a\x00b", "x" * 10_000, "two\nlines"])
def test_error_of_an_effect_is_kept_whatever_it_says(text: str) -> None:
    """Counted and parked like any other, in one line that a store can keep."""
    world = World()

    def fail(_call: EffectCall) -> None:
        raise OSError(text)

    workflow = world.workflow(effects={State.APPROVED: [Effect("start", fail)]}, policy=Policy(effect_attempts=1))
    change = world.approved(workflow)
    after = workflow.settle(change.id)
    assert after.effects[0].status is EffectStatus.PARKED
    assert after.effects[0].error.startswith("OSError: ")
    assert "\n" not in after.effects[0].error


def test_change_that_cannot_be_looked_into_holds_nobody_up() -> None:
    """Whatever goes wrong with one, the pass goes on to the next, counts it as failed, and tells."""
    world, witness = World(gateway=Blind), Witness()
    workflow = world.workflow(observers=(witness,))
    first, second = world.apply(workflow, "collector-1"), world.apply(workflow, "collector-2")
    world.start_flow()
    for change in (first, second):
        world.decide(world.ticket_of(change), approved=True)
    assert isinstance(world.gateway, Blind)
    read: Callable[..., Snapshot] = world.gateway.read

    def stumble(ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        if ticket.id == first.expect_ticket().id:
            raise ZeroDivisionError("a bug")
        return read(ticket, decision_field=decision_field)

    world.gateway.read = stumble  # type: ignore[method-assign] # a gateway with a bug
    world.clock.advance(301)
    report = workflow.reconcile()
    assert (report.due, report.moved, report.failed) == (2, 1, 1)
    assert workflow.get(second.id).state == State.APPROVED
    assert [(name, "a bug" in str(error)) for name, error in witness.troubles] == [(first.id, True)]


def test_what_others_must_do_uses_up_no_limit() -> None:
    """A pass with a limit gets to what is its own, however much of others' stands before it."""
    world = World()

    def fail(_call: EffectCall) -> None:
        raise OSError("not yet")

    owner = world.workflow(effects={State.APPROVED: [Effect("start", fail)]})
    other = world.workflow(effects={})
    for number in range(5):
        change = world.apply(owner, f"collector-{number}")
        world.start_flow()
        world.decide(world.ticket_of(change), approved=True)
        assert owner.settle(change.id).state == State.APPROVED
    world.apply(owner, "collector-9")
    asked = world.ledger.requests["get_ticket_info"]
    world.clock.advance(301)

    report = other.reconcile(limit=1)

    assert (report.due, report.unchanged, report.finished) == (6, 6, False)
    assert world.ledger.requests["get_ticket_info"] == asked + 1


def test_late_hint_is_looked_into_when_the_gateway_can_be_asked_again() -> None:
    """A look that failed has not used it up; one that succeeded has."""
    world = blind(None)
    workflow = world.workflow()
    change = world.approved(workflow)
    workflow.settle(change.id)
    let_see(world, GONE)
    assert world.knock(workflow, change, current_status="TERMINATED", approve_result=False) == 200
    for _ in range(3):
        world.clock.advance(301)
        assert workflow.reconcile().failed == 1
    let_see(world)
    world.clock.advance(301)
    assert (workflow.reconcile().unchanged, workflow.reconcile().due) == (1, 0)


def test_open_change_outranks_an_old_approval_though_the_clock_was_turned_back() -> None:
    """The gate never answers with an approval that something newer has replaced."""
    world = World()
    workflow = world.workflow()
    old = world.approved(workflow)
    workflow.settle(old.id)
    assert workflow.require_approved("collector-1").id == old.id
    world.clock.set_wall(world.clock.peek() - dt.timedelta(hours=2))
    newer = world.apply(workflow)
    assert newer.state == State.PENDING
    with pytest.raises(NotApproved):
        workflow.require_approved("collector-1")


def test_change_of_a_newer_table_is_refused() -> None:
    """Where it stands may not exist here, and what may happen to it is not known."""
    world, witness = World(), Witness()
    newer = world.workflow(definition=attrs.evolve(COLLECTOR_CHANGE, version=COLLECTOR_CHANGE.version + 1))
    change = world.apply(newer)
    older = world.workflow(observers=(witness,))
    with pytest.raises(StorageSchemaError, match="version"):
        older.get(change.id)
    assert list(older.find()) == []
    assert [name for name, _ in witness.troubles] == [change.id]


def test_unreadable_row_hides_no_other() -> None:
    """Lists leave it out and tell; the change itself, and the gate for its subject, say what is wrong."""
    world, witness = World(), Witness()
    workflow = world.workflow(observers=(witness,))
    broken, whole = world.apply(workflow, "collector-1"), world.apply(workflow, "collector-2")
    row = world.store.get(broken.id)
    assert row is not None
    world.store._open_table().rows[broken.id] = attrs.evolve(row, document="{}")  # type: ignore[attr-defined] # the one in memory
    assert [change.id for change in workflow.find()] == [whole.id]
    assert workflow.resolve("collector-2").id == whole.id
    with pytest.raises(StorageCorrupt, match=broken.id):
        workflow.require_approved("collector-1")
    assert [name for name, _ in witness.troubles] == [broken.id]


@pytest.mark.parametrize("actor", ["", " ", "\udcff", "a\x00b", "x" * 201, 5])
def test_actor_that_cannot_be_kept_is_named(actor: str) -> None:
    """As every other wrong value: field, value and rule, and nothing was stored."""
    world = World()
    workflow = world.workflow()
    with pytest.raises(InvalidForm, match="actor"):
        workflow.apply(subject="collector-1", title="t", applicant="alice", approvers=["carol"], actor=actor)
    assert list(workflow.find()) == []
    change = world.apply(workflow)
    with pytest.raises(InvalidForm, match="actor"):
        workflow.withdraw(change.id, actor=actor, reason="r")


def test_reason_that_cannot_be_kept_is_named() -> None:
    """In whatever evidence it comes."""
    world = World()
    workflow = world.workflow()
    change = world.apply(workflow)
    with pytest.raises(InvalidForm, match="reason"):
        workflow.fire(change.id, "request_withdrawal", Decision(reason="\udcff"), actor="alice")


def test_lease_that_is_shorter_than_a_call_is_refused() -> None:
    """Otherwise a send that is still under way would be looked up as if its sender were dead."""
    with pytest.raises(SettingsError, match="send_lease"):
        World().workflow(policy=Policy(send_lease=dt.timedelta(seconds=20)))


def test_forked_child_looks_into_the_callbacks_that_it_gets() -> None:
    """Its parent's threads are not there; it makes its own."""
    world = World()
    workflow = world.workflow(after_callback="background")
    change = world.approved(workflow)
    assert world.knock(workflow, change, current_status="RUNNING") == 200
    workflow._inbox.close()
    workflow._inbox._threads()
    pid = os.fork()
    if pid == 0:  # what a child does must not reach the test's runner
        code = 1
        try:
            workflow._inbox._threads().submit(os.getpid).result(PATIENCE)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    workflow._inbox.close()


def test_status_that_is_not_known_keeps_the_change_open_and_is_told_each_time() -> None:
    """So that whoever counts troubles sees that the gateway has learned a word."""
    world, witness = World(gateway=Strange), Witness()
    workflow = world.workflow(observers=(witness,))
    change = world.approved(workflow)
    for _ in range(3):
        assert workflow.settle(change.id).state == State.PENDING
    assert [(name, "'ARCHIVED'" in str(error)) for name, error in witness.troubles] == [(change.id, True)] * 3


class Strange(LedgerGateway):
    """A gateway with a status of its own."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Read, and call it otherwise."""
        found = super().read(ticket, decision_field=decision_field)
        return attrs.evolve(found, status=TicketStatus.OTHER, word="ARCHIVED", result_status=None, approve_result=None)


def test_two_quiet_looks_with_a_doubtful_one_between_them_are_not_consecutive() -> None:
    """Whether the doubt is told for the first time or again, the second quiet look has to come after it."""
    world = World(gateway=Wavering)
    workflow = world.workflow()
    change = world.apply(workflow)
    assert isinstance(world.gateway, Wavering)
    for word in ("revoked", "doubt", "revoked", "doubt", "revoked"):
        world.gateway.word = word
        assert workflow.settle(change.id).state == State.PENDING
        world.clock.advance(61)
    after = workflow.settle(change.id)
    assert (after.state, after.outcome) == (State.REJECTED, Outcome.WITHDRAWN)


class Wavering(LedgerGateway):
    """A gateway that says that a ticket was withdrawn, and at times says two things at once."""

    word = "revoked"

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Tell what it likes."""
        found = super().read(ticket, decision_field=decision_field)
        found = attrs.evolve(found, step_running=False, approve_result=False, approval_step=True)
        if self.word == "revoked":
            status = TicketStatus.REVOKED
            return attrs.evolve(found, status=status, word="REVOKED", result_status=status)
        running = TicketStatus.RUNNING
        return attrs.evolve(found, status=TicketStatus.FINISHED, word="FINISHED", result_status=running)
