"""What can come of a send: whatever is not proven is looked up by key, and nothing is ever sent twice on its own."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import State
from itsm_workflow.change import AttentionReason, Phase
from itsm_workflow.errors import AlreadyApplied, StorageUnavailable
from itsm_workflow.sandbox import DEFAULT_SERVICES
from tests.support.lost import STRICT_SERVICE, file_behind_our_back, lose_every_answer, use_up_lookups
from tests.support.office import SUBJECT, Office, asked, triggers
from tests.support.stores import EVERY_STORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.sandbox.envelope import SandboxResponse
    from itsm_workflow.storage.protocol import Write


@pytest.fixture
def lost(office: Office) -> Iterator[tuple[Workflow, ChangeRequest]]:
    """Apply, with a create that is never carried out and an outcome that is not known."""
    workflow = office.workflow()
    armed = lose_every_answer(office, "502", processed=False)
    change = workflow.apply(subject=SUBJECT, **asked())
    yield workflow, change
    assert armed.hits == 1, "the create was sent again"


@EVERY_STORE
@pytest.mark.parametrize("kind", ["lost", "502", "html"])
def test_ticket_whose_answer_is_lost_is_found_at_once(office: Office, kind: str) -> None:
    """The look-up that follows binds the ticket before apply returns."""
    workflow = office.workflow()
    armed = lose_every_answer(office, kind, processed=True)

    change = workflow.apply(subject=SUBJECT, **asked())

    ticket = office.only_ticket()
    assert (State.PENDING, str(ticket.id), "lookup") == (
        change.state,
        change.expect_ticket().id,
        change.expect_ticket().channel,
    )
    assert triggers(workflow, change) == ["draft", "submit", "mark_sending", "mark_unknown", "record_ticket"]
    assert armed.hits == 1


@pytest.mark.parametrize("kind", ["500", "502", "504", "404", "html", "reset"])
def test_a_create_that_may_have_been_done_is_returned_as_unknown(office: Office, kind: str) -> None:
    """`apply` does not raise; the change is looked up by its key, immediately and then on a schedule."""
    workflow = office.workflow()
    armed = lose_every_answer(office, kind, processed=False)

    change = workflow.apply(subject=SUBJECT, **asked())

    attempt = change.expect_attempt()
    assert (change.state, attempt.phase, attempt.looks) == (State.APPLYING, Phase.UNKNOWN, 1)
    assert [body["tag"] for body in office.sandbox.bodies("get_tickets") if "tag" in body] == [attempt.key]
    with pytest.raises(AlreadyApplied):
        workflow.apply(subject=SUBJECT, **asked())
    assert armed.hits == 1


def test_lost_ticket_is_found_once_the_gateway_can_be_asked(office: Office) -> None:
    """A look-up that fails proves nothing and is tried again."""
    workflow = office.workflow()
    office.sandbox.faults.lose_answer("create_ticket")
    office.sandbox.faults.status("get_tickets", 503, always=True)
    change = workflow.apply(subject=SUBJECT, **asked())
    assert (change.state, change.expect_attempt().phase) == (State.APPLYING, Phase.UNKNOWN)

    office.sandbox.faults.clear()
    office.pass_time(1)
    report = workflow.reconcile()

    assert (report.due, report.moved) == (1, 1)
    assert workflow.get(change.id).expect_ticket().id == str(office.only_ticket().id)


def test_lost_ticket_is_found_by_another_process_in_whatever_order_the_host_gave_the_fields(office: Office) -> None:
    """The ticket shows the fields as the first process sent them, and the second one has read them from the store."""
    office.sandbox.faults.lose_answer("create_ticket")
    office.sandbox.faults.status("get_tickets", 503, always=True)
    change = office.workflow().apply(subject=SUBJECT, **asked(fields={"size": 10, "days": {"keep": 7, "hot": 2}}))
    office.sandbox.faults.clear()
    office.pass_time(1)

    office.workflow().reconcile()

    found = office.workflow().get(change.id)
    assert (found.state, found.attention) == (State.PENDING, None)


def test_refused_create_frees_the_subject_and_keeps_the_reason(store_url: str) -> None:
    """The change is a draft again; applying with what was missing submits that draft."""
    with Office(store_url, services=(*DEFAULT_SERVICES, STRICT_SERVICE)) as office:
        # The list of fields is not shown, so that the server has the first word.
        office.sandbox.faults.refuse("get_service_detail", 1640301, always=True)
        workflow = office.workflow(office.settings(fast_approval=False, service_id="77"))

        refused = workflow.apply(subject=SUBJECT, **asked(approvers=(), fields={}))

        assert (refused.state, office.sandbox.tickets()) == (State.DRAFT, ())
        assert "3900003" in refused.expect_attempt().problem
        assert "cluster" in workflow.why(refused.id)
        assert triggers(workflow, refused) == ["draft", "submit", "mark_sending", "refuse"]

        change = workflow.apply(subject=SUBJECT, **asked(approvers=(), fields={"cluster": "gz-1"}))

        assert (change.id, change.state) == (refused.id, State.PENDING)
        assert change.expect_attempt().key != refused.expect_attempt().key
        assert office.only_ticket().sn == change.sn


def test_refusal_of_a_create_that_was_carried_out_is_not_believed(office: Office) -> None:
    """BK-ITSM also says no when it made the ticket and failed afterwards: one look-up decides."""
    workflow = office.workflow()
    no = b'{"result": false, "code": 3900004, "data": null, "message": "too late"}'
    office.sandbox.twist["create_ticket"] = lambda answer: attrs.evolve(answer, body=no)

    change = workflow.apply(subject=SUBJECT, **asked())

    assert (change.state, change.expect_ticket().id) == (State.PENDING, str(office.only_ticket().id))


def test_a_refusal_that_cannot_be_looked_up_stays_unknown(office: Office) -> None:
    """Without the look-up it is not known whether there is a ticket."""
    workflow = office.workflow()
    no = b'{"result": false, "code": 3900004, "data": null, "message": "too late"}'
    office.sandbox.twist["create_ticket"] = lambda answer: attrs.evolve(answer, body=no)
    office.sandbox.faults.status("get_tickets", 502, always=True)

    change = workflow.apply(subject=SUBJECT, **asked())

    assert (change.state, change.expect_attempt().phase) == (State.APPLYING, Phase.UNKNOWN)


@EVERY_STORE
def test_create_that_cannot_connect_is_queued_and_sent_later_with_its_key(office: Office) -> None:
    """Nothing left, so sending again is safe: one ticket, under the first key."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    offline = office.workflow(office.settings(gateway_url=nobody))
    change = offline.apply(subject=SUBJECT, **asked())
    assert (change.state, change.expect_attempt().phase) == (State.APPLYING, Phase.QUEUED)

    workflow = office.workflow()
    assert workflow.reconcile().due == 0
    office.pass_time(30)
    report = workflow.reconcile()

    sent = workflow.get(change.id)
    assert (report.moved, sent.state, sent.expect_attempt().number) == (1, State.PENDING, 1)
    assert office.only_ticket().tag == change.expect_attempt().key


def test_worker_that_was_stopped_after_its_mark_sends_nothing(office: Office) -> None:
    """Another worker may have taken over meanwhile: the send is queued again, and goes out later, once."""
    workflow = office.workflow()

    def stop(_: Sequence[Write]) -> None:
        office.store.after = lambda _: None
        office.clock.advance(11)

    office.store.after = stop
    change = workflow.apply(subject=SUBJECT, **asked())

    assert (change.expect_attempt().phase, office.sandbox.bodies("create_ticket")) == (Phase.QUEUED, [])
    office.pass_time(30)
    workflow.reconcile()
    assert workflow.get(change.id).sn == office.only_ticket().sn


def test_commit_that_takes_its_time_sends_all_the_same(office: Office) -> None:
    """What counts is that the lease outlasts the call: a slow store must not make a queue that never ends."""
    workflow = office.workflow()

    def delay(_: Sequence[Write]) -> None:
        office.store.after = lambda _: None
        office.clock.advance(2.8)

    office.store.after = delay
    change = workflow.apply(subject=SUBJECT, **asked())

    assert (change.state, len(office.sandbox.bodies("create_ticket"))) == (State.PENDING, 1)


def test_used_up_lookups_call_a_person_and_send_nothing(office: Office, lost: tuple[Workflow, ChangeRequest]) -> None:
    """Absence is believed after the whole schedule only, and even then nothing is sent again."""
    workflow, change = lost
    office.pass_time(479)
    workflow.reconcile()
    assert workflow.get(change.id).attention is None

    use_up_lookups(office, workflow)

    now = workflow.get(change.id)
    attention = now.attention
    assert attention is not None
    assert (now.state, attention.reason) == (State.APPLYING, AttentionReason.NOT_FOUND)
    assert attention.facts["key"] == change.expect_attempt().key
    for _ in range(30):
        office.pass_time(3600)
        workflow.reconcile()
    assert office.sandbox.tickets() == ()


def test_lookups_that_all_failed_raise_attention(office: Office) -> None:
    """Its reason differs from the reason for a missing ticket."""
    workflow = office.workflow()
    lose_every_answer(office, "502", processed=False)
    office.sandbox.faults.status("get_tickets", 502, always=True)
    change = workflow.apply(subject=SUBJECT, **asked())

    use_up_lookups(office, workflow)

    attention = workflow.get(change.id).attention
    assert attention is not None
    assert attention.reason == AttentionReason.LOOKUP_FAILED


def test_ticket_that_is_born_late_is_adopted(office: Office, lost: tuple[Workflow, ChangeRequest]) -> None:
    """The look-ups go on after a person was called; a match counts whenever it is seen, and clears the attention."""
    workflow, change = lost
    use_up_lookups(office, workflow)
    born = str(file_behind_our_back(office, change))

    office.pass_time(3600)
    workflow.reconcile()

    adopted = workflow.get(change.id)
    assert (adopted.state, adopted.expect_ticket().id, adopted.attention) == (State.PENDING, born, None)


def test_two_tickets_with_one_key_call_a_person(office: Office, lost: tuple[Workflow, ChangeRequest]) -> None:
    """Neither is chosen; both are named."""
    workflow, change = lost
    born = [str(file_behind_our_back(office, change)) for _ in range(2)]

    office.pass_time(1)
    workflow.reconcile()

    attention = workflow.get(change.id).attention
    assert attention is not None
    assert (attention.reason, attention.facts["tickets"]) == (AttentionReason.DUPLICATE, ", ".join(born))


def test_a_ticket_of_another_creator_is_not_adopted(office: Office, lost: tuple[Workflow, ChangeRequest]) -> None:
    """A user who copied the key did not file our ticket."""
    workflow, change = lost
    file_behind_our_back(office, change, creator="mallory")

    office.pass_time(1)
    workflow.reconcile()

    assert workflow.get(change.id).ticket is None


@pytest.mark.parametrize("code", [1640101, 1640301, 1640401, 1642901])
def test_create_that_the_api_gateway_refused_was_not_made(office: Office, code: int) -> None:
    """It waits to be sent, says with which code and words it was refused, and needs no look-up to be given up."""
    workflow = office.workflow()
    armed = office.sandbox.faults.refuse("create_ticket", code)

    change = workflow.apply(subject=SUBJECT, **asked())

    attempt = change.expect_attempt()
    assert (change.state, attempt.phase, attempt.unsent, armed.hits) == (State.APPLYING, Phase.QUEUED, 1, 1)
    assert not office.sandbox.bodies("get_tickets")
    assert f"code {code}" in attempt.problem
    assert attempt.problem in workflow.why(change.id)
    ended = workflow.abandon(change.id, actor="alice", reason="the secret is wrong")
    assert (ended.state, office.sandbox.tickets()) == (State.REJECTED, ())


def test_create_that_the_api_gateway_refused_is_filed_once_it_no_longer_does(office: Office) -> None:
    """With the same key; one ticket."""
    workflow = office.workflow()
    office.sandbox.faults.refuse("create_ticket")
    change = workflow.apply(subject=SUBJECT, **asked())

    office.pass_time(120)
    workflow.reconcile()

    filed = workflow.get(change.id)
    assert (filed.state, filed.expect_attempt().key) == (State.PENDING, change.expect_attempt().key)
    assert len(office.sandbox.tickets()) == 1


def test_the_reason_of_an_unknown_create_outlives_its_look_ups(office: Office) -> None:
    """The gateway's answer to the create is shown first, and the result of each look-up after it."""
    workflow = office.workflow()
    office.sandbox.faults.status("create_ticket", 403)

    change = workflow.apply(subject=SUBJECT, **asked())

    said = "(create_ticket: the gateway answered HTTP 403 (request "
    assert said in workflow.why(change.id)
    assert "; then no ticket carries its key)" in workflow.why(change.id)
    use_up_lookups(office, workflow)
    assert said in workflow.why(change.id)


def test_refusal_in_front_of_a_second_send_leaves_the_first_unknown(office: Office) -> None:
    """The first one may have made a ticket: its key is looked for before anything is sent again."""
    workflow = office.workflow()
    lose_every_answer(office, "502", processed=False)
    change = workflow.apply(subject=SUBJECT, **asked())
    use_up_lookups(office, workflow)
    office.sandbox.faults.clear()
    office.sandbox.faults.refuse("create_ticket")

    resent = workflow.resend(change.id, actor="ops", reason="the proxy's log shows nothing")

    assert resent.expect_attempt().unknown_since is not None
    assert not resent.was_never_sent


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
