"""Callbacks over a listening port: authenticated by our credential, kept as hints, believed in nothing else."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import State
from itsm_workflow.callbacks.signer import HEADER
from itsm_workflow.change import Outcome
from itsm_workflow.errors import CallbackTokenInvalid, StorageUnavailable
from itsm_workflow.secrets import Secret
from tests.support.limits import PATIENCE
from tests.support.office import SUBJECT, Office, asked, together, triggers
from tests.support.stores import EVERY_STORE
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.storage.protocol import Write
    from tests.support.places import Knock


def called_back(office: Office, workflow: Workflow) -> tuple[ChangeRequest, Knock]:
    """Apply, approve, and return the change with its callback."""
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)
    return change, office.door.knocks[-1]


@EVERY_STORE
def test_callback_of_an_approval_approves(office: Office) -> None:
    """The decision is in the store before the callback is answered."""
    workflow = office.workflow()

    change, _ = called_back(office, workflow)

    approved = workflow.get(change.id)
    assert (approved.state, approved.outcome) == (State.APPROVED, Outcome.APPROVED)
    assert triggers(workflow, change)[-2:] == ["receive_callback", "approve"]
    assert [one.outcome for one in office.only_ticket().callbacks] == ["delivered"]


def test_callback_of_a_rejection_rejects(office: Office) -> None:
    """As for an approval."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())

    office.reject(change)

    rejected = workflow.get(change.id)
    assert (rejected.state, rejected.outcome) == (State.REJECTED, Outcome.REJECTED)


def test_callback_is_answered_without_asking_the_gateway(office: Office) -> None:
    """Later is when it is reconciled; the server must not wait for itself."""
    workflow = office.workflow(after_callback="later")
    calls = len(office.sandbox.calls)

    change, _ = called_back(office, workflow)

    assert len(office.sandbox.calls) == calls + 1  # the create
    assert workflow.get(change.id).state == State.PENDING
    assert workflow.reconcile().moved == 1
    assert workflow.get(change.id).state == State.APPROVED


def test_callback_in_the_background_settles_soon(office: Office) -> None:
    """A thread looks, while the server has its answer already."""
    workflow = office.workflow(after_callback="background")
    asked_again = threading.Event()
    office.sandbox.before["get_ticket_info"] = lambda: asked_again.wait(PATIENCE)

    change, knock = called_back(office, workflow)

    assert (knock.path, workflow.get(change.id).state) == (f"/itsm/callback/{change.id}/1/", State.PENDING)
    asked_again.set()
    office.witness.wait_for("approve")
    assert workflow.get(change.id).state == State.APPROVED


@EVERY_STORE
def test_a_callback_repeated_sixteen_times_is_stored_once(office: Office) -> None:
    """All repeats are acknowledged; the history has one hint and one decision."""
    workflow = office.workflow()
    change, knock = called_back(office, workflow)
    commits = office.store.commits

    replies = together(*[lambda: office.door.knock(knock)] * 16)

    assert [(reply.status, reply.code) for reply in replies if not isinstance(reply, Exception)] == [(200, 0)] * 16
    assert triggers(workflow, change)[4:] == ["receive_callback", "approve"]
    assert office.store.commits == commits


@EVERY_STORE
def test_a_first_callback_may_come_sixteen_times_together(office: Office) -> None:
    """Whichever is first: one hint is stored, and one decision is made."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    office.door.receive = None
    office.approve(change)
    assert office.sandbox.ledger.failed_callbacks() == [change.sn]
    office.door.receive = workflow.receive

    replies = together(*[lambda: office.door.knock(office.door.knocks[0])] * 16)

    assert [reply.status for reply in replies if not isinstance(reply, Exception)] == [200] * 16
    assert triggers(workflow, change)[4:] == ["receive_callback", "approve"]


def test_forged_callbacks_are_refused_alike(office: Office) -> None:
    """No, a wrong or another change's credential, an unknown change: the same bytes, no write, no gateway call."""
    workflow = office.workflow(after_callback="later")
    change, true = called_back(office, workflow)
    other = workflow.apply(subject="another", **asked())
    known, path = dict(true.headers), true.path
    without = {name: value for name, value in known.items() if name.lower() != HEADER.lower()}
    forged = [
        attrs.evolve(true, headers=without),
        attrs.evolve(true, headers={**without, HEADER: ""}),
        attrs.evolve(true, headers={**without, HEADER: "A" * 43}),
        attrs.evolve(true, path=path.replace(change.id, other.id)),
        attrs.evolve(true, path=path.replace(change.id, "0" * 26)),
        attrs.evolve(true, path=path.replace("/1/", "/2/")),
        attrs.evolve(true, path="/itsm/callback/", body=b"{}"),
        attrs.evolve(true, headers={**without, HEADER: "A" * 43}, body=b"\xff not json"),
    ]
    commits, calls = office.store.commits, len(office.sandbox.calls)

    replies = [office.door.knock(knock) for knock in forged]

    assert {(one.status, tuple(one.headers.items()), one.body) for one in replies} == {
        (401, tuple(replies[0].headers.items()), replies[0].body)
    }
    assert replies[0].code != 0
    assert (office.store.commits, len(office.sandbox.calls)) == (commits, calls)


def test_credential_of_the_key_before_is_believed_and_of_the_one_before_that_is_not(office: Office) -> None:
    """Keys are rotated while callbacks are on their way."""
    first, second, third = (Secret(f"{number}-callback-key-0123456789-0123456789") for number in range(3))
    change, knock = called_back(office, office.workflow(office.settings(callback_keys=(first,))))

    office.workflow(office.settings(callback_keys=(second, first)))
    assert office.door.knock(knock).status == 200
    office.workflow(office.settings(callback_keys=(third, second)))
    assert office.door.knock(knock).status == 401
    assert office.store.get(change.id) is not None


def test_body_that_lies_decides_nothing(office: Office) -> None:
    """It says approved, the gateway says running: the change stays pending."""
    workflow = office.workflow()
    change, true = called_back(office, workflow)
    second = workflow.apply(subject="another", **asked())
    office.pass_time()
    headers = {**true.headers, HEADER: office.sandbox.bodies("create_ticket")[-1]["meta"]["headers"][HEADER]}
    lie = attrs.evolve(true, path=true.path.replace(change.id, second.id), headers=headers).saying(sn=second.sn)

    reply = office.door.knock(lie)

    assert (reply.status, workflow.get(second.id).state) == (200, State.PENDING)
    assert triggers(workflow, second)[-1] == "receive_callback"
    assert second.sn in [asked["sn"] for asked in office.sandbox.bodies("get_ticket_info")]


@EVERY_STORE
def test_callback_may_come_before_the_answer_to_the_create(office: Office) -> None:
    """The ticket is adopted by its key, the answer then says nothing new."""
    workflow = office.workflow()
    office.sandbox.faults.early_callback()

    change = workflow.apply(subject=SUBJECT, **asked())

    assert (change.expect_ticket().id, len(office.sandbox.tickets())) == (str(office.only_ticket().id), 1)
    assert triggers(workflow, change)[:4] == ["draft", "submit", "mark_sending", "receive_callback"]
    assert workflow.get(change.id).state == State.APPROVED


@EVERY_STORE
def test_callback_that_is_lost_is_made_up_for_by_reconciling(office: Office) -> None:
    """The gateway lists it as not delivered; one pass marks the change, reads its ticket and settles it."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    office.sandbox.faults.callback_lost(listed=True)
    office.approve(change)
    assert workflow.get(change.id).state == State.PENDING

    report = workflow.reconcile()

    assert (report.undelivered, report.moved) == (1, 1)
    assert workflow.get(change.id).state == State.APPROVED
    assert triggers(workflow, change)[-2:] == ["fail_callback", "approve"]
    assert office.sandbox.ledger.failed_callbacks() == []


def test_callback_that_is_lost_without_a_trace_is_made_up_for_by_polling(office: Office) -> None:
    """A server whose worker died lists nothing; the change is looked at every few minutes all the same."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    office.sandbox.faults.callback_lost(listed=False)
    office.approve(change)

    office.pass_time(300)
    workflow.reconcile()

    assert workflow.get(change.id).state == State.APPROVED


def test_a_wrong_server_token_is_reported_and_the_gateway_decides(office: Office) -> None:
    """Our credential was valid, so the callback counts as a hint."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    office.door.receive = None
    office.approve(change)
    office.door.receive = workflow.receive

    reply = office.door.knock(office.door.knocks[-1].saying(token="AAAA"))

    assert [(named, type(error)) for named, error in office.witness.troubles] == [(change.id, CallbackTokenInvalid)]
    assert (reply.status, workflow.get(change.id).state) == (200, State.APPROVED)


def test_callback_that_cannot_be_stored_is_not_acknowledged(office: Office) -> None:
    """The gateway then lists it as not delivered, and reconciling makes up for it."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())

    def fail(_: Sequence[Write]) -> None:
        raise StorageUnavailable("the disk is full")

    office.store.before = fail
    office.approve(change)
    office.store.before = lambda _: None

    reply_codes = [one.outcome for one in office.only_ticket().callbacks]
    assert (reply_codes, office.sandbox.ledger.failed_callbacks()) == (["failed"], [change.sn])
    assert [type(error) for _, error in office.witness.troubles] == [StorageUnavailable]
    workflow.reconcile()
    assert workflow.get(change.id).state == State.APPROVED


def test_late_repeat_of_a_callback_changes_nothing(office: Office) -> None:
    """Also after the end."""
    workflow = office.workflow()
    change, knock = called_back(office, workflow)
    before = triggers(workflow, change)
    office.pass_time(3600)

    assert office.door.knock(knock).status == 200
    assert triggers(workflow, change) == before


@pytest.mark.parametrize("body", [b"", b"[]", b'{"sn": 1}', b"\xff", b"{" * 50])
def test_an_authentic_callback_with_an_invalid_body_is_refused(office: Office, body: bytes) -> None:
    """A sender with the credential must also send a valid message; nothing is stored."""
    workflow = office.workflow()
    _, knock = called_back(office, workflow)
    commits = office.store.commits

    reply = office.door.knock(attrs.evolve(knock, body=body))

    assert (reply.status, office.store.commits) == (400, commits)


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
