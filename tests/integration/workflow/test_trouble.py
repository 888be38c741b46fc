"""Trouble between the flows: a store that fails, a gateway that lies, workflows that share a store, acts that cross."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE, State
from itsm_workflow.change import WITHDRAW, AttentionReason, EffectStatus, Phase
from itsm_workflow.errors import ChangeNotFound, StorageCorrupt, StorageUnavailable
from itsm_workflow.sandbox import DEFAULT_SERVICES
from itsm_workflow_backends.json_file import JSONFileBackend
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.conformance.json_lines import damage, lines_of
from tests.support.lost import STRICT_SERVICE, use_up_lookups
from tests.support.office import APP_SECRET, CALLBACK_KEY, SUBJECT, Office, asked
from tests.support.places import Witness
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from itsm_workflow.sandbox.envelope import SandboxResponse
    from itsm_workflow.storage.protocol import Write


def fail(_: Sequence[Write]) -> None:
    """Fail as a full disk does."""
    raise StorageUnavailable("the disk is full")


def test_intent_that_cannot_be_stored_is_not_sent(office: Office) -> None:
    """The caller learns of it, and nothing happened."""
    workflow = office.workflow()
    office.store.before = fail

    with pytest.raises(StorageUnavailable):
        workflow.apply(subject=SUBJECT, **asked())

    assert (office.sandbox.calls, list(workflow.find())) == ([], [])


def test_intent_whose_commit_is_unknown_is_not_sent(office: Office) -> None:
    """The store failed after it had stored: the change is looked up in vain, and at last a person decides."""
    workflow = office.workflow()
    office.store.after = fail
    with pytest.raises(StorageUnavailable):
        workflow.apply(subject=SUBJECT, **asked())
    office.store.after = lambda _: None
    change = workflow.resolve(SUBJECT)
    assert (change.state, change.expect_attempt().phase) == (State.APPLYING, Phase.SENDING)

    office.pass_time(31)
    use_up_lookups(office, workflow)

    assert office.sandbox.bodies("create_ticket") == []
    assert [told.reason for told in [workflow.get(change.id).attention] if told] == [AttentionReason.NOT_FOUND]
    assert workflow.resend(change.id, actor="ops").sn == office.only_ticket().sn


def test_ticket_whose_record_fails_is_found_again(office: Office) -> None:
    """The caller learns of the failure; the ticket is bound once the sender's lease has ended."""
    workflow = office.workflow()
    office.sandbox.before["create_ticket"] = lambda: setattr(office.store, "before", fail)
    with pytest.raises(StorageUnavailable):
        workflow.apply(subject=SUBJECT, **asked())
    office.store.before = lambda _: None

    office.pass_time(31)
    workflow.reconcile()

    assert workflow.resolve(SUBJECT).sn == office.only_ticket().sn


def test_answer_that_names_another_changes_ticket_is_not_believed(office: Office) -> None:
    """A ticket belongs to one change: a person is called, and our own is found by its key."""
    workflow = office.workflow()
    other = workflow.apply(subject="another", **asked())

    def lie(answer: SandboxResponse) -> SandboxResponse:
        said = json.loads(answer.body)
        said["data"] |= {"id": int(other.expect_ticket().id), "sn": other.sn}
        return attrs.evolve(answer, body=json.dumps(said).encode())

    office.sandbox.twist["create_ticket"] = lie
    change = workflow.apply(subject=SUBJECT, **asked())
    assert change.attention is not None
    assert (change.state, change.attention.reason) == (State.APPLYING, AttentionReason.DUPLICATE)
    assert change.attention.facts["ticket"] == other.expect_ticket().id

    office.pass_time(31)
    workflow.reconcile()

    ours, theirs = office.sandbox.tickets()[1], office.sandbox.tickets()[0]
    assert workflow.get(change.id).expect_ticket().id == str(ours.id)
    assert workflow.get(other.id).expect_ticket().id == str(theirs.id)


def test_withdrawal_asked_for_before_a_refusal_does_not_hit_the_next_ticket(store_url: str) -> None:
    """Nothing was filed, so the wish is fulfilled; what is filed later with a better form stays."""
    with Office(store_url, services=(*DEFAULT_SERVICES, STRICT_SERVICE)) as office:
        # The list of fields is not shown, so that the server has the first word.
        office.sandbox.faults.refuse("get_service_detail", 1640301, always=True)
        workflow = office.workflow(office.settings(fast_approval=False, service_id="77"))

        def withdraw() -> None:
            office.sandbox.before.clear()
            workflow.withdraw(workflow.resolve(SUBJECT).id, actor="alice")

        office.sandbox.before["create_ticket"] = withdraw
        refused = workflow.apply(subject=SUBJECT, **asked(approvers=(), fields={}))
        assert refused.state == State.DRAFT
        change = workflow.apply(subject=SUBJECT, **asked(approvers=(), fields={"cluster": "gz-1"}))
        assert (change.id, change.state) == (refused.id, State.PENDING)

        for _ in range(3):
            office.pass_time(300)
            workflow.reconcile()

        assert workflow.get(change.id).state == State.PENDING
        assert office.only_ticket().current_status == "RUNNING"


def test_withdrawal_asked_for_while_the_create_is_on_its_way_is_done(office: Office) -> None:
    """It waits for the ticket."""
    workflow = office.workflow()

    def withdraw() -> None:
        office.sandbox.before.clear()
        workflow.withdraw(workflow.resolve(SUBJECT).id, actor="alice")

    office.sandbox.before["create_ticket"] = withdraw
    change = workflow.apply(subject=SUBJECT, **asked())
    assert (change.state, [one.name for one in change.effects]) == (State.PENDING, [WITHDRAW])

    office.pass_time(6)
    workflow.reconcile()

    assert office.only_ticket().current_status == "REVOKED"
    assert [one.status for one in workflow.get(change.id).effects] == [EffectStatus.DELIVERED]


def test_workflows_that_share_a_store_see_their_own_changes_only(office: Office) -> None:
    """Neither reads, moves nor settles the other's, and one subject may be open in both."""
    workflow = office.workflow()
    other = office.workflow(definition=attrs.evolve(COLLECTOR_CHANGE, name="other_change"))
    ours, theirs = (one.apply(subject=SUBJECT, **asked()) for one in (workflow, other))

    for look in (workflow.get, workflow.history, workflow.why, workflow.status, workflow.settle, workflow.resolve):
        with pytest.raises(ChangeNotFound):
            look(theirs.id)
    with pytest.raises(ChangeNotFound):
        workflow.withdraw(theirs.id, actor="eve")

    assert [change.id for change in workflow.find()] == [ours.id]
    assert [change.id for change in other.find()] == [theirs.id]
    office.pass_time(301)
    assert (workflow.reconcile().due, other.reconcile().due) == (1, 1)


def test_no_secret_is_stored_logged_or_told(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the application's secret, nor the key of the credentials, nor a credential, nor the server's token."""
    caplog.set_level(0)
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)
    knock = office.door.knocks[-1]
    (sent,) = office.sandbox.bodies("create_ticket")
    secrets = [APP_SECRET, CALLBACK_KEY, json.loads(knock.body)["token"], *sent["meta"]["headers"].values()]

    kept = repr(office.store.get(change.id)) + repr(office.store.history(change.id))
    told = "\n".join(f"{record.getMessage()} {vars(record)!r}" for record in caplog.records)
    shown = repr(workflow.get(change.id)) + repr(workflow.history(change.id)) + repr(office.witness.entries)

    assert [secret for secret in secrets if secret in kept + told + shown] == []
    assert len(secrets) == 4


def test_store_that_was_repaired_is_worked_with_again(tmp_path: Path) -> None:
    """The line that ended a change is damaged, and its subject has been applied for anew since."""
    path, world = tmp_path / "changes.json", World()
    world.store = JSONFileBackend(path)
    workflow = world.workflow()
    first = world.apply(workflow)
    world.start_flow()
    world.decide(world.ticket_of(first), approved=False)
    workflow.reconcile()
    workflow.settle(first.id)
    second = world.apply(workflow)
    workflow.close()
    line = max(number for number, text in enumerate(lines_of(path), start=1) if b'"reject"' in text)
    damage(path, line, b'reject"')
    assert first.id in JSONFileBackend.repair(path).restored

    world.store = JSONFileBackend(path)
    again = world.workflow()
    assert again.get(first.id).state == State.PENDING
    assert again.settle(first.id).state == State.REJECTED
    world.start_flow()
    world.decide(world.ticket_of(second), approved=True)
    again.settle(second.id)
    assert again.require_approved(first.subject).id == second.id
    again.close()


def test_change_with_a_due_time_that_is_none_holds_up_no_other(tmp_path: Path) -> None:
    """One damaged number in a table: the pass goes on, and tells of it."""
    path, world, witness = tmp_path / "changes.db", World(), Witness()
    world.store = SQLiteBackend(path)
    workflow = world.workflow(observers=(witness,))
    damaged, sound = world.apply(workflow, "collector-1"), world.apply(workflow, "collector-2")
    world.start_flow()
    world.decide(world.ticket_of(sound), approved=True)
    for due_at in (-(2**62), 2**62):
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE changes SET due_at = ? WHERE id = ?", (due_at, damaged.id))
        world.clock.advance(600)
        workflow.reconcile()

    assert workflow.get(sound.id).state == State.APPROVED
    assert {change_id for change_id, error in witness.troubles if isinstance(error, StorageCorrupt)} == {damaged.id}
    workflow.close()
