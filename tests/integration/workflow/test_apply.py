"""Applying: the intent is durable before anything is sent, one ticket comes of it, and what is wrong shows before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import State
from itsm_workflow.change import ChangeRequest, Phase
from itsm_workflow.errors import AlreadyApplied, InvalidForm, ServiceNotFound, SettingsError, TransitionRefused
from tests.support.office import APP_SECRET, CALLBACK_KEY, SUBJECT, asked, together, triggers
from tests.support.stores import EVERY_STORE

if TYPE_CHECKING:
    from tests.support.office import Office


@EVERY_STORE
def test_apply_binds_the_ticket_in_two_commits(office: Office) -> None:
    """One commit stores the intent, one the ticket; the history has both."""
    workflow = office.workflow()

    change = workflow.apply(subject=SUBJECT, **asked())

    ticket = office.only_ticket()
    assert (State.PENDING, ticket.sn, str(ticket.id)) == (change.state, change.sn, change.expect_ticket().id)
    assert office.store.commits == 2
    assert triggers(workflow, change) == ["draft", "submit", "mark_sending", "record_ticket"]
    assert workflow.get(change.id) == change


@EVERY_STORE
def test_key_travels_as_tag_and_as_the_end_of_the_title(office: Office) -> None:
    """A ticket can be found again by its tag, and known again by its title if the gateway drops the tag."""
    workflow = office.workflow(office.settings(key_prefix="blue"))

    change = workflow.apply(subject=SUBJECT, **asked(title="接入 nginx 日志"))

    ticket, key = office.only_ticket(), change.expect_attempt().key
    assert ticket.tag == key
    assert (key[:4], len(key)) == ("blue", 30)
    assert ticket.title == f"接入 nginx 日志 #{key[-8:]}"
    assert (ticket.creator, ticket.approvers) == ("alice", ("carol", "dave"))


@EVERY_STORE
def test_intent_is_stored_before_the_request_is_sent(office: Office) -> None:
    """While the ticket system sees the create, the store already shows it being sent."""
    workflow = office.workflow()
    seen: list[tuple[str, Phase]] = []

    def look() -> None:
        change = workflow.resolve(SUBJECT)
        seen.append((change.state, change.expect_attempt().phase))

    office.sandbox.before["create_ticket"] = look
    workflow.apply(subject=SUBJECT, **asked())

    assert seen == [(State.APPLYING, Phase.SENDING)]


def test_open_subject_is_already_applied(office: Office) -> None:
    """A subject has one open change; the error names it."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())

    with pytest.raises(AlreadyApplied) as caught:
        workflow.apply(subject=SUBJECT, **asked(title="once more"))

    assert caught.value.change_id == change.id
    assert len(office.sandbox.tickets()) == 1


def test_open_subject_is_already_applied_beside_a_draft(office: Office) -> None:
    """A draft of the subject, older or newer than its open change, is neither revised nor submitted."""
    workflow = office.workflow()
    drafts = [workflow.draft(subject=SUBJECT, **asked(title=title)) for title in ("older", "filed", "newer")]
    filed = workflow.submit(drafts[1].id)

    with pytest.raises(AlreadyApplied) as caught:
        workflow.apply(subject=SUBJECT, **asked(title="once more"))

    assert caught.value.change_id == filed.id
    assert [workflow.get(drafts[0].id), workflow.get(drafts[2].id)] == [drafts[0], drafts[2]]


def test_spellings_that_look_alike_make_one_ticket(office: Office) -> None:
    """Decomposed letters are the same subject; blanks around it and invisible characters are refused."""
    workflow = office.workflow()
    change = workflow.apply(subject="caf\u00e9-1", **asked())

    with pytest.raises(AlreadyApplied):
        workflow.apply(subject="cafe\u0301-1", **asked())
    for subject in ("caf\u00e9-1 ", "\u00a0caf\u00e9-1", "caf\u00e9\u200b-1", "caf\u00e9-1\ufeff", "caf\u00e9\u2060-1"):
        with pytest.raises(InvalidForm, match="subject"):
            workflow.apply(subject=subject, **asked())

    assert len(office.sandbox.tickets()) == 1
    assert [change] == list(workflow.find(subject="cafe\u0301-1"))
    assert change == workflow.resolve("cafe\u0301-1")


@EVERY_STORE
def test_threads_that_apply_at_once_make_one_ticket(office: Office) -> None:
    """One thread files the ticket, the others learn that it is there."""
    workflow = office.workflow()

    outcomes = together(*[lambda: workflow.apply(subject=SUBJECT, **asked())] * 6)

    filed = [one for one in outcomes if isinstance(one, ChangeRequest)]
    refused = [one for one in outcomes if isinstance(one, AlreadyApplied)]
    assert (len(filed), len(refused)) == (1, 5)
    assert {one.change_id for one in refused} == {filed[0].id}
    assert office.only_ticket().tag == filed[0].expect_attempt().key


@EVERY_STORE
def test_threads_that_apply_a_draft_at_once_make_one_ticket(office: Office) -> None:
    """A draft is submitted by one of them."""
    workflow = office.workflow()
    draft = workflow.draft(subject=SUBJECT, **asked())

    outcomes = together(*[lambda: workflow.apply(subject=SUBJECT, **asked())] * 4)

    filed = [one for one in outcomes if isinstance(one, ChangeRequest)]
    assert [one.id for one in filed] == [draft.id]
    assert sum(isinstance(one, AlreadyApplied) for one in outcomes) == 3
    assert len(office.sandbox.tickets()) == 1


def test_threads_that_submit_a_draft_together_make_one_ticket(office: Office) -> None:
    """One thread submits it; for the others the change is no longer a draft."""
    workflow = office.workflow()
    draft = workflow.draft(subject=SUBJECT, **asked())

    outcomes = together(*[lambda: workflow.submit(draft.id)] * 4)

    assert sum(isinstance(one, ChangeRequest) for one in outcomes) == 1
    assert sum(isinstance(one, TransitionRefused) for one in outcomes) == 3
    assert len(office.sandbox.tickets()) == 1


def test_apply_revises_and_submits_the_draft_that_is_there(office: Office) -> None:
    """No second change is made, and the ticket shows the newer form."""
    workflow = office.workflow()
    draft = workflow.draft(subject=SUBJECT, **asked(title="first words"))

    change = workflow.apply(subject=SUBJECT, **asked(title="better words"))

    assert change.id == draft.id
    assert triggers(workflow, change) == ["draft", "revise", "submit", "mark_sending", "record_ticket"]
    assert office.only_ticket().title.startswith("better words #")


def test_draft_is_revised_and_submitted_step_by_step(office: Office) -> None:
    """A draft sends nothing until it is submitted; the history names who did what."""
    workflow = office.workflow()
    draft = workflow.draft(subject=SUBJECT, actor="bob", **asked(title="first words"))
    workflow.revise(draft.id, actor="carol", **asked(title="better words"))
    assert office.sandbox.calls == []

    change = workflow.submit(draft.id, actor="dave")

    assert (change.state, change.form.title) == (State.PENDING, "better words")
    assert [entry.actor for entry in workflow.history(change.id)] == ["bob", "carol", "dave", "dave", "gateway"]


def test_drafts_claim_nothing(office: Office) -> None:
    """A subject may have several drafts; only one can be submitted."""
    workflow = office.workflow()
    first, second = (workflow.draft(subject=SUBJECT, **asked()) for _ in range(2))
    workflow.submit(first.id)

    with pytest.raises(AlreadyApplied) as caught:
        workflow.submit(second.id)

    assert caught.value.change_id == first.id
    assert workflow.get(second.id).state == State.DRAFT


def test_submitted_change_cannot_be_revised(office: Office) -> None:
    """What was filed is not rewritten."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())

    with pytest.raises(TransitionRefused) as caught:
        workflow.revise(change.id, **asked(title="other words"))

    assert (caught.value.state, caught.value.trigger) == (State.PENDING, "revise")
    assert workflow.get(change.id) == change


def test_preview_is_the_body_that_apply_sends(office: Office) -> None:
    """All but the key, the address made of it and the stars in place of the credential."""
    workflow = office.workflow()
    preview = json.loads(json.dumps(workflow.preview(subject=SUBJECT, **asked(fields={"size": 1, "paths": ["/a"]}))))
    assert (office.store.commits, office.sandbox.calls) == (0, [])

    change = workflow.apply(subject=SUBJECT, **asked(fields={"size": 1, "paths": ["/a"]}))

    (sent,) = office.sandbox.bodies("create_ticket")
    key = change.expect_attempt().key
    url = preview["meta"]["callback_url"]
    assert sent["meta"]["callback_url"] == f"{office.door.url}/itsm/callback/{change.id}/1/"
    assert len(url) == len(sent["meta"]["callback_url"])
    assert preview["meta"]["headers"] == dict.fromkeys(sent["meta"]["headers"], "***")
    shown = json.dumps(preview, ensure_ascii=False).replace(preview["tag"][-8:], key[-8:]).replace(preview["tag"], key)
    assert {**json.loads(shown), "tag": key, "meta": sent["meta"]} == sent


def test_preview_shows_no_secret(office: Office) -> None:
    """Neither the application's secret nor a credential for callbacks."""
    shown = repr(office.workflow().preview(subject=SUBJECT, **asked()))

    assert (APP_SECRET in shown, CALLBACK_KEY in shown) == (False, False)
    assert "***" in shown


def test_invalid_form_stores_and_sends_nothing_and_lists_every_problem(office: Office) -> None:
    """A person can correct all of them in one step."""
    workflow = office.workflow()

    with pytest.raises(InvalidForm) as caught:
        workflow.apply(subject="", **asked(title="two\nlines", applicant="al ice", approvers=()))

    assert {field for field, _, _ in caught.value.problems} >= {"subject"}
    assert (office.store.commits, office.sandbox.calls) == (0, [])

    with pytest.raises(InvalidForm) as caught:
        workflow.apply(subject=SUBJECT, **asked(title="two\nlines", applicant="al ice", approvers=()))

    assert {field for field, _, _ in caught.value.problems} == {"title", "applicant", "approvers"}
    assert (office.store.commits, office.sandbox.calls) == (0, [])


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"approvers": ["", "bob"], "applicant": "al ice"}, ["approvers[0]", "applicant"]),
        ({"approvers": ["car ol", ""]}, ["approvers[1]", "approvers[0]"]),
        ({"approvers": "bob", "title": "x" * 500}, ["approvers", "title"]),
        ({"title": "", "fields": {"a": object()}, "applicant": "al ice"}, ["title", "fields.a", "applicant"]),
        ({"fields": 5, "content": "\0", "title": "x" * 500}, ["content", "fields", "title"]),
    ],
)
def test_a_value_that_cannot_be_stored_hides_no_other_problem(
    office: Office, given: dict[str, Any], fields: list[str]
) -> None:
    """Problems that the gateway would find in other parts are listed as well, those of the same part are not."""
    with pytest.raises(InvalidForm) as caught:
        office.workflow().apply(subject=SUBJECT, **asked(**given))

    assert [field for field, _, _ in caught.value.problems] == fields


def test_a_value_that_is_refused_shows_its_blanks(office: Office) -> None:
    """They are what is wrong with it."""
    with pytest.raises(InvalidForm, match="applicant='alice ': must be one user name"):
        office.workflow().apply(subject=SUBJECT, **asked(applicant="alice "))


def test_missing_callback_settings_are_named_before_anything_is_stored(office: Office) -> None:
    """The error names the variables that set them."""
    workflow = office.workflow(office.settings(callback_host="", callback_keys=()))

    with pytest.raises(SettingsError) as caught:
        workflow.apply(subject=SUBJECT, **asked())

    assert "BKAPP_ITSM_CALLBACK_HOST" in str(caught.value)
    assert "BKAPP_ITSM_CALLBACK_KEYS" in str(caught.value)
    assert (office.store.commits, office.sandbox.calls) == (0, [])


def test_a_workflow_without_callbacks_requests_none(office: Office) -> None:
    """It needs no settings for them, and reconciling finds out the decision."""
    workflow = office.workflow(office.settings(callback_host="", callback_keys=()), callbacks=False)
    change = workflow.apply(subject=SUBJECT, **asked())
    assert "meta" not in office.sandbox.bodies("create_ticket")[0]

    office.approve(change)
    office.pass_time(300)
    workflow.reconcile()

    assert workflow.get(change.id).state == State.APPROVED


def test_service_that_is_not_configured_is_named(office: Office) -> None:
    """Nothing is stored without a service to file with."""
    workflow = office.workflow(office.settings(fast_approval=False, service_name="no such service"))

    with pytest.raises(ServiceNotFound, match="no such service"):
        workflow.apply(subject=SUBJECT, **asked(approvers=()))

    assert office.store.commits == 0


def test_subject_is_free_again_once_its_change_has_ended(office: Office) -> None:
    """The next change is a new one with a key of its own."""
    workflow = office.workflow()
    first = workflow.apply(subject=SUBJECT, **asked())
    office.reject(first)

    second = workflow.apply(subject=SUBJECT, **asked())

    assert (workflow.get(first.id).state, second.state) == (State.REJECTED, State.PENDING)
    assert first.expect_attempt().key != second.expect_attempt().key
    assert len(office.sandbox.tickets()) == 2
