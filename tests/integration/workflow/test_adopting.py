"""Tickets that another program filed are adopted in one commit each, and nothing is ever sent for them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import AlreadyApplied, InvalidForm, NotApproved, NotPermitted, State, TransitionRefused, Trigger
from itsm_workflow.errors import GatewayError
from itsm_workflow.machine.evidence import TicketConfirmed
from tests.support.desk import Desk
from tests.support.office import SUBJECT, Office, asked, together, triggers
from tests.support.old_handler import CONTENT, TITLE, file_ticket
from tests.support.stores import EVERY_STORE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from itsm_workflow import Act, ChangeRequest, Workflow
    from itsm_workflow.gateway.bk_itsm.wire import CreatedTicket
    from itsm_workflow.runtime.adopting import Adoption
    from itsm_workflow.sandbox.envelope import SandboxResponse
    from itsm_workflow.storage.protocol import Write

WHY: dict[str, Any] = {"actor": "olive", "reason": "moved from the old handler"}
COLLECTING = 5
FORM = {
    "bk_biz_id": "2",
    "expect_access_data": "2026-03-09",
    "single_log_size": 100,
    "single_host_peak": 10,
    "single_host_log_volume": 1,
    "expect_host_size": 3,
    "log_keep_days": 7,
    "hot_data_days": "1",
    "apply_reason": "新业务",
}


def filed(office: Office, **options: Any) -> CreatedTicket:
    """Let the old handler file a ticket whose flow has begun."""
    ticket = file_ticket(office.settings(), **options)
    office.pass_time()
    return ticket


def adopt(workflow: Workflow, ticket: CreatedTicket, **options: Any) -> Adoption:
    """Adopt a ticket."""
    return workflow.adopt(**{"subject": SUBJECT, "sn": ticket.sn, **WHY, **options})


def altered(alter: Callable[[dict[str, Any]], object]) -> Callable[[SandboxResponse], SandboxResponse]:
    """Return a twist that alters the data of an answer."""

    def twist(answer: SandboxResponse) -> SandboxResponse:
        envelope = json.loads(answer.body)
        return attrs.evolve(answer, body=json.dumps({**envelope, "data": alter(envelope["data"])}).encode())

    return twist


def undelivered(office: Office) -> list[str]:
    """Return the numbers on the list of undelivered callbacks."""
    with office.sandbox.locked() as ledger:
        return list(ledger.failed_callbacks())


def creates(office: Office) -> int:
    """Return the number of create requests that arrived."""
    return len(office.sandbox.bodies("create_ticket"))


@EVERY_STORE
def test_an_open_ticket_is_adopted_and_its_decision_found(office: Office) -> None:
    """With the form that the ticket shows, and the same look as for any other change."""
    workflow, ticket = office.workflow(), filed(office)
    adoption = adopt(workflow, ticket)
    change = workflow.get(adoption.change.id)
    assert (adoption.is_new, adoption.change) == (True, change)
    assert (change.state, change.subject, change.sn) == (State.PENDING, SUBJECT, ticket.sn)
    assert change.expect_ticket().id == str(ticket.id)
    form = change.form
    assert (form.title, form.applicant, form.approvers, form.content) == (TITLE, "alice", ("carol", "dave"), CONTENT)
    assert triggers(workflow, change) == ["draft", Trigger.SUBMIT, Trigger.RECORD_TICKET]

    office.approve(change)
    office.clock.advance(301)
    workflow.reconcile()
    assert workflow.require_approved(SUBJECT).state == State.APPROVED
    assert creates(office) == 1


def test_the_history_shows_who_adopted_it_and_why(office: Office) -> None:
    """As the recorded override of an operator."""
    workflow = office.workflow()
    last = workflow.history(adopt(workflow, filed(office)).change.id)[-1]
    assert isinstance(last.evidence, TicketConfirmed)
    assert (last.actor, last.evidence.override, last.evidence.channel) == (*WHY.values(), "operator")
    assert last.evidence.differences == ("key: another program filed the ticket, so it carries none",)


def test_no_write_ever_shows_a_submission_that_could_be_sent(office: Office) -> None:
    """One write, from nothing to a change that waits with its ticket; no other process can see less."""
    workflow, ticket, seen = office.workflow(), filed(office), list[tuple[str, str | None]]()

    def note(writes: Sequence[Write]) -> None:
        seen.extend((one.row.state, one.row.ticket_sn) for one in writes if one.row.subject == SUBJECT)

    office.store.before = note
    adopt(workflow, ticket)
    assert seen == [(State.PENDING, ticket.sn)]


@EVERY_STORE
def test_a_ticket_is_adopted_once(office: Office) -> None:
    """Also after it has ended; the change is returned as it is then."""
    workflow, ticket = office.workflow(), filed(office)
    first = adopt(workflow, ticket)
    again = adopt(workflow, ticket)
    assert (again.is_new, again.change) == (False, first.change)
    office.reject(first.change)
    ended = workflow.settle(first.change.id)
    later = adopt(workflow, ticket)
    assert (later.is_new, later.change) == (False, ended)
    assert later.change.state == State.REJECTED
    assert len(list(workflow.find())) == 1


def test_processes_that_adopt_at_once_adopt_once(office: Office) -> None:
    """Whichever is second returns the change of the first."""
    ticket, workflows = filed(office), [office.workflow() for _ in range(2)]
    found = together(*(lambda one=one: adopt(one, ticket) for one in workflows))
    adoptions = [one for one in found if not isinstance(one, Exception)]
    assert sorted(one.is_new for one in adoptions) == [False, True]
    assert len({one.change.id for one in adoptions}) == 1


def test_a_dry_run_checks_and_stores_nothing(office: Office) -> None:
    """Not even the names of the effects."""
    workflow, ticket = office.workflow(), filed(office)
    adoption = adopt(workflow, ticket, dry_run=True)
    assert (adoption.is_new, adoption.change.state, adoption.change.sn) == (True, State.PENDING, ticket.sn)
    assert (office.store.commits, list(workflow.find())) == (0, [])


def test_a_dry_run_refuses_what_an_adoption_would(office: Office) -> None:
    """The subject's open change is named."""
    workflow = office.workflow()
    open_change = workflow.apply(subject=SUBJECT, **asked())
    commits = office.store.commits
    with pytest.raises(AlreadyApplied, match=open_change.id):
        adopt(workflow, filed(office), dry_run=True)
    assert office.store.commits == commits


def test_a_subject_with_an_open_change_names_that_change(office: Office) -> None:
    """And nothing is stored."""
    workflow = office.workflow()
    open_change = workflow.apply(subject=SUBJECT, **asked())
    with pytest.raises(AlreadyApplied) as caught:
        adopt(workflow, filed(office))
    assert caught.value.change_id == open_change.id
    assert len(list(workflow.find())) == 1


def test_a_ticket_of_another_subject_names_its_change(office: Office) -> None:
    """Whether it was adopted or filed."""
    workflow = office.workflow()
    holder = workflow.apply(subject="collector-1", **asked())
    message = rf"the ticket belongs to change {holder.id}, whose subject is 'collector-1'"
    with pytest.raises(TransitionRefused, match=message):
        workflow.adopt(subject=SUBJECT, sn=holder.expect_ticket().sn, **WHY)


def test_a_draft_of_the_subject_is_left_alone(office: Office) -> None:
    """It does not hold the subject."""
    workflow = office.workflow()
    draft = workflow.draft(subject=SUBJECT, **asked())
    change = adopt(workflow, filed(office)).change
    assert workflow.get(draft.id) == draft
    assert workflow.newest(SUBJECT) == change


def test_an_adopted_change_is_the_newest_of_its_subject(office: Office) -> None:
    """Its number follows that of the change before it."""
    workflow = office.workflow()
    before = workflow.apply(subject=SUBJECT, **asked())
    office.reject(before)
    assert workflow.settle(before.id).state == State.REJECTED
    change = adopt(workflow, filed(office)).change
    assert (before.submission, change.submission) == (1, 2)
    assert workflow.newest(SUBJECT) == change


def submit_meanwhile(office: Office, other: Workflow, times: int, *, approved: bool) -> None:
    """Let another process file changes of the subject just before the next write, and let their tickets end."""

    def step_in(_: Sequence[Write]) -> None:
        office.store.before = lambda _: None
        for _number in range(times):
            change = other.apply(subject=SUBJECT, **asked())
            office.decide(int(change.expect_ticket().id), approved=approved)
            assert other.settle(change.id).outcome is not None

    office.store.before = step_in


@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("callback", ["", "http://127.0.0.1:1/"])
def test_an_adopted_change_is_newer_than_what_was_submitted_during_the_adoption(
    office: Office,
    times: int,
    callback: str,
    *,
    approved: bool,
) -> None:
    """The gate goes by it alone, although its number was read before; also if the old handler was not reached."""
    workflow = office.workflow(after_callback="later")
    submit_meanwhile(office, workflow, times, approved=not approved)
    change = adopt(workflow, filed(office, callback_url=callback)).change
    assert (change.submission, workflow.newest(SUBJECT)) == (1, change)

    office.decide(int(change.expect_ticket().id), approved=approved)
    for _ in range(2):
        office.pass_time(301)
        workflow.reconcile()
    ended = workflow.get(change.id)
    assert ended.state == (State.APPROVED if approved else State.REJECTED)
    assert (Trigger.FAIL_CALLBACK in triggers(workflow, change)) == bool(callback)
    assert triggers(workflow, change).count(Trigger.RENUMBER) == 1
    assert (ended.submission, workflow.newest(SUBJECT)) == (times + 1, ended)
    if approved:
        assert workflow.require_approved(SUBJECT) == ended
    else:
        with pytest.raises(NotApproved, match=ended.id):
            workflow.require_approved(SUBJECT)


class TestRefused:
    """Each refusal names the reason, and stores nothing."""

    @pytest.fixture(autouse=True)
    def nothing_is_stored(self, office: Office) -> Iterator[None]:
        """Compare after each test."""
        yield
        assert (office.store.commits, list(office.workflow().find())) == (0, [])

    def test_a_number_that_no_ticket_has(self, office: Office) -> None:
        """Such as one that was typed wrong."""
        no_ticket = "the gateway shows no ticket with the number REQ20260101000001"
        with pytest.raises(TransitionRefused, match=no_ticket) as refused:
            office.workflow().adopt(subject=SUBJECT, sn="REQ20260101000001", **WHY)
        assert refused.value.operation == "adopt"

    def test_another_id(self, office: Office) -> None:
        """The file and the gateway must mean the same ticket."""
        ticket = filed(office)
        with pytest.raises(TransitionRefused, match=rf"has the id {ticket.id}, not {ticket.id + 1}"):
            adopt(office.workflow(), ticket, ticket_id=str(ticket.id + 1))

    def test_a_number_that_two_tickets_share(self, office: Office) -> None:
        """BK-ITSM cannot show either of them."""
        ticket = filed(office)
        office.sandbox.duplicate_sn(ticket.sn)
        with pytest.raises(TransitionRefused, match=rf"several tickets have the number {ticket.sn}, with the ids"):
            adopt(office.workflow(), ticket, ticket_id=str(ticket.id))

    @pytest.mark.parametrize("approved", [True, False])
    def test_a_ticket_that_has_ended(self, office: Office, *, approved: bool) -> None:
        """The old handler knows what it means there."""
        ticket = filed(office)
        office.decide(ticket.sn, approved=approved)
        with pytest.raises(TransitionRefused, match=r"the ticket has ended \(FINISHED\): let the handler"):
            adopt(office.workflow(), ticket)

    def test_a_ticket_of_another_service(self, office: Office) -> None:
        """The settings are not those of the handler."""
        ticket = filed(office, service=COLLECTING, fields=FORM)
        with pytest.raises(TransitionRefused, match=rf"a ticket of service {COLLECTING}, .* the built-in service"):
            adopt(office.workflow(), ticket)

    def test_a_ticket_whose_page_is_another_s(self, office: Office) -> None:
        """The list and the page must mean the same ticket."""
        ticket = filed(office)
        office.sandbox.twist["get_ticket_info"] = altered(lambda page: {**page, "id": ticket.id + 5})
        with pytest.raises(TransitionRefused, match=rf"lists ticket {ticket.id} .* shows ticket {ticket.id + 5} by it"):
            adopt(office.workflow(), ticket)

    def test_a_ticket_whose_form_is_not_filled_in_yet(self, office: Office) -> None:
        """The server does that a moment after the create."""
        ticket = file_ticket(office.settings())
        office.sandbox.twist["get_ticket_info"] = altered(lambda page: {**page, "fields": []})
        with pytest.raises(TransitionRefused, match="has not filled in its form yet: run the command again"):
            adopt(office.workflow(), ticket)

    def test_a_service_whose_fields_are_not_shown(self, office: Office) -> None:
        """Otherwise a verdict of a later step could be taken for a part of the form."""
        ticket = filed(office, service=COLLECTING, fields=FORM)
        office.sandbox.twist["get_service_detail"] = altered(lambda detail: {**detail, "fields": []})
        settings = office.settings(fast_approval=False, service_id=str(COLLECTING))
        with pytest.raises(TransitionRefused, match=rf"does not show the list of fields of service {COLLECTING}"):
            adopt(office.workflow(settings), ticket)

    @pytest.mark.parametrize("actor", ["alice", "Alice"])
    def test_the_applicant(self, office: Office, actor: str) -> None:
        """An override needs another person."""
        with pytest.raises(TransitionRefused, match="alice filed the ticket: another person must adopt it"):
            adopt(office.workflow(), filed(office), actor=actor)

    @pytest.mark.parametrize(
        ("given", "field"),
        [({"reason": ""}, "reason"), ({"actor": " "}, "actor"), ({"subject": ""}, "subject"), ({"sn": ""}, "sn")],
    )
    def test_an_argument_that_is_empty(self, office: Office, given: dict[str, str], field: str) -> None:
        """It is named."""
        with pytest.raises(InvalidForm) as caught:
            adopt(office.workflow(), filed(office), **given)
        assert [name for name, _, _ in caught.value.problems] == [field]

    def test_a_person_whom_the_host_does_not_permit(self, office: Office) -> None:
        """It is asked with the name of the method and the subject."""
        asked_for: list[tuple[str, str, str]] = []

        def refuse(actor: str, act: Act, change: ChangeRequest | None) -> bool:
            assert change is None
            asked_for.append((actor, act.name, act.subject))
            return False

        with pytest.raises(NotPermitted):
            adopt(office.workflow(authorize=refuse), filed(office))
        assert asked_for == [("olive", "adopt", SUBJECT)]

    def test_a_gateway_that_does_not_answer(self, office: Office) -> None:
        """It says nothing about the ticket."""
        ticket = filed(office)
        office.sandbox.before["get_tickets"] = lambda: 1 / 0
        with pytest.raises(GatewayError):
            adopt(office.workflow(), ticket)


def test_the_form_of_a_service_is_read_without_the_fields_of_later_steps(office: Office) -> None:
    """The page also shows those, with the verdict "true" before anyone has decided."""
    settings = office.settings(fast_approval=False, service_id=str(COLLECTING))
    ticket = filed(office, service=COLLECTING, fields=FORM)
    form = adopt(office.workflow(settings), ticket).change.form
    assert set(form.fields) == set(FORM)
    assert (form.title, form.fields["apply_reason"]) == (TITLE, "新业务")


def test_a_gateway_without_the_ability_says_so() -> None:
    """It is optional for a gateway of another kind."""
    workflow = Desk().workflow()
    with pytest.raises(TransitionRefused, match=r"it has no known_tickets\(\)"):
        workflow.adopt(subject=SUBJECT, sn="REQ20260101000001", **WHY)


class TestShadow:
    """The decision of the library, without a trace."""

    @pytest.fixture(autouse=True)
    def nothing_is_left(self, office: Office) -> Iterator[None]:
        """No commit, and no request that changes or clears anything."""
        yield
        assert office.store.commits == 0
        assert {call.endpoint for call in office.sandbox.calls} <= {
            *("create_ticket", "get_tickets", "get_ticket_info", "get_ticket_status", "get_ticket_logs"),
            "get_services",
        }

    @pytest.mark.parametrize("act", ["", "suspend"])
    def test_an_open_ticket_waits(self, office: Office, act: str) -> None:
        """A suspended one, too: the old handler takes it for an end."""
        ticket = filed(office)
        if act:
            office.sandbox.suspend(ticket.sn)
        seen = office.workflow().shadow(subject=SUBJECT, sn=ticket.sn)
        word = "SUSPENDED" if act else "RUNNING"
        assert (seen.change.state, seen.is_decided) == (State.PENDING, True)
        assert seen.why == f"ticket {ticket.id} is {word}; so the change waits"

    @pytest.mark.parametrize(("act", "outcome"), [("withdraw", "withdrawn"), ("terminate", "terminated")])
    def test_an_ending_without_a_decision_is_decided(self, office: Office, act: str, outcome: str) -> None:
        """By two looks that show the same."""
        ticket = filed(office)
        getattr(office.sandbox, act)(ticket.sn)
        office.pass_time()
        seen = office.workflow().shadow(subject=SUBJECT, sn=ticket.sn)
        assert (seen.change.state, seen.change.outcome, seen.is_decided) == (State.REJECTED, outcome, True)

    def test_a_finished_ticket_stays_on_the_list_of_undelivered_callbacks(self, office: Office) -> None:
        """The old handler finds its result by that list, so the result is left to it."""
        ticket = filed(office, callback_url="http://127.0.0.1:9/collect_itsm_callback/")
        office.decide(ticket.sn, approved=True)
        office.pass_time(60)
        assert undelivered(office) == [ticket.sn]
        seen = office.workflow().shadow(subject=SUBJECT, sn=ticket.sn)
        assert (seen.change.outcome, seen.is_decided) == (None, False)
        assert "carol approved it" in seen.why
        assert "its result was not read" in seen.why
        assert undelivered(office) == [ticket.sn]


@pytest.mark.parametrize(("approved", "state"), [(True, State.APPROVED), (False, State.REJECTED)])
def test_a_shadow_with_results_decides_a_finished_ticket(office: Office, state: State, *, approved: bool) -> None:
    """And stores nothing."""
    ticket = filed(office)
    office.decide(ticket.sn, approved=approved)
    seen = office.workflow().shadow(subject=SUBJECT, sn=ticket.sn, results=True)
    assert (seen.change.state, seen.is_decided, office.store.commits) == (state, True, 0)
    assert f"its result is {str(approved).lower()}" in seen.why


def test_a_shadow_with_a_text_for_the_flag_is_refused(office: Office) -> None:
    """The text no is true, and would take the ticket off the list of undelivered callbacks."""
    ticket = filed(office)
    with pytest.raises(TypeError, match=r"^shadow\(results=...\) takes True or False, not 'no'$"):
        office.workflow().shadow(subject=SUBJECT, sn=ticket.sn, results="no")  # type: ignore[arg-type]  # on purpose
