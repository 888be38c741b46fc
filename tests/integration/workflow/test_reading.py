"""Reading: the gate before anything starts, what a page shows, why a change waits, its path through the graph."""

from __future__ import annotations

import datetime as dt

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE, Effect, State
from itsm_workflow.change import AttentionReason, Outcome
from itsm_workflow.errors import AmbiguousChange, ChangeNotFound, NotApproved, StorageCorrupt, StorageSchemaError
from tests.support.lost import apply_in_vain
from tests.support.office import SUBJECT, Office, asked
from tests.support.places import Witness
from tests.support.stores import EVERY_STORE
from tests.support.world import World


def test_require_approved_lets_an_approved_subject_through(office: Office) -> None:
    """It returns the change that was approved."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)

    assert workflow.require_approved(SUBJECT) == workflow.get(change.id)


def test_require_approved_refuses_everything_else_and_says_why(office: Office) -> None:
    """Never asked for, a draft only, pending, rejected."""
    workflow = office.workflow()
    with pytest.raises(NotApproved, match="ever submitted"):
        workflow.require_approved(SUBJECT)
    workflow.draft(subject=SUBJECT, **asked())
    with pytest.raises(NotApproved, match="ever submitted"):
        workflow.require_approved(SUBJECT)
    change = workflow.apply(subject=SUBJECT, **asked())
    with pytest.raises(NotApproved, match="waits for carol, dave to decide") as caught:
        workflow.require_approved(SUBJECT)
    assert (caught.value.subject, caught.value.state) == (SUBJECT, State.PENDING)
    office.reject(change)
    with pytest.raises(NotApproved, match="ended as rejected"):
        workflow.require_approved(SUBJECT)


def test_require_approved_asks_about_the_newest_change(office: Office) -> None:
    """What was approved before a newer change was asked for does not count any more."""
    workflow = office.workflow()
    office.approve(workflow.apply(subject=SUBJECT, **asked()))
    newer = workflow.apply(subject=SUBJECT, **asked(title="more hosts"))
    with pytest.raises(NotApproved):
        workflow.require_approved(SUBJECT)

    office.approve(newer)

    assert workflow.require_approved(SUBJECT).id == newer.id


def test_require_approved_guards_a_function(office: Office) -> None:
    """The decorator finds the subject in the arguments, and the function does not run unless it is approved."""
    workflow = office.workflow()
    started: list[int] = []

    @workflow.approval_required(lambda number: f"collector-{number}")
    def start(number: int) -> str:
        """Start a collection."""
        started.append(number)
        return f"started {number}"

    with pytest.raises(NotApproved):
        start(7)
    office.approve(workflow.apply(subject="collector-7", **asked()))

    assert (start(7), started) == ("started 7", [7])
    assert (start.__name__, start.__doc__) == ("start", "Start a collection.")


def test_status_shows_the_state_the_ticket_and_the_form(office: Office) -> None:
    """The form is separate from our own facts, so that a field cannot be mistaken for one of them."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked(fields={"state": "approved", "sn": "REQ0"}))

    shown = workflow.status(change.id)

    assert (shown.state, dict(shown.labels)) == (State.PENDING, {"zh": "审批中", "en": "Waiting for approval"})
    assert (shown.sn, shown.ticket_url) == (
        change.sn,
        f"http://itsm.example.com/#/ticket/detail?id={office.only_ticket().id}",
    )
    assert (shown.form.fields["state"], shown.iframe_ticket_url, shown.outcome) == ("approved", None, None)


def test_live_status_shows_the_page_to_embed_if_the_gateway_can_be_asked(office: Office) -> None:
    """A gateway that fails costs that page only."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    ticket = office.only_ticket().id

    page = workflow.status(change.id, live=True).iframe_ticket_url
    office.sandbox.faults.status("get_ticket_info", 502, always=True)

    assert page == f"http://itsm.example.com/#/ticket/detail-iframe?id={ticket}"
    assert workflow.status(change.id, live=True) == workflow.status(change.id)


def test_ticket_pages_of_other_hosts_are_not_shown(office: Office) -> None:
    """The gateway's answer is data; only pages of the configured hosts are links."""
    workflow = office.workflow(office.settings(ticket_hosts=("tickets.example.org",)))
    change = workflow.apply(subject=SUBJECT, **asked())

    assert workflow.status(change.id, live=True).ticket_url is None


def test_why_says_what_each_situation_waits_for(office: Office) -> None:
    """One sentence with the subject, what for, since when, when the next look is, and what a person can do."""
    workflow = office.workflow()
    draft = workflow.draft(subject="a-draft", **asked())
    assert workflow.why(draft.id) == (
        f"a-draft ({draft.id}) is a draft and waits to be submitted; nothing more is due."
    )
    change = workflow.apply(subject=SUBJECT, **asked())
    sn = change.sn
    assert workflow.why(change.id) == (
        f"{SUBJECT} ({change.id}) waits for carol, dave to decide ticket {sn} since 2026-03-02 08:00:00 UTC; "
        "the next look is at 2026-03-02 08:05:00 UTC."
    )
    office.pass_time(10)
    office.sandbox.withdraw(sn or "")
    assert f"waits for a second look at ticket {sn}, revoked since 2026-03-02 08:00:10 UTC" in workflow.why(change.id)
    assert "the next look is at 2026-03-02 08:01:10 UTC" in workflow.why(change.id)
    office.pass_time(61)
    assert "it is due now" in workflow.why(change.id)
    workflow.reconcile()
    assert f"ended as withdrawn on 2026-03-02 08:01:11 UTC by ticket {sn}" in workflow.why(change.id)


def test_why_is_in_the_language_that_the_caller_names(office: Office) -> None:
    """Also with the ticket's present status; a language without sentences is refused."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    office.pass_time()
    office.sandbox.suspend(change.sn or "")
    start = f"{SUBJECT}（{change.id}）自 2026-03-02 08:00:00 UTC 起等待审批单据（{change.sn}），审批人：carol、dave"
    end = "；下次查询时间 2026-03-02 08:05:00 UTC。"
    assert workflow.why(change.id, language="zh") == f"{start}{end}"
    assert workflow.why(change.id, language="zh", live=True) == f"{start}，单据已挂起{end}"
    with pytest.raises(ValueError, match=r"why\(language=\.\.\.\) takes a language: en, zh; not 'fr'"):
        workflow.why(change.id, language="fr")


def test_why_says_how_a_send_stands(office: Office) -> None:
    """Queued and unknown differ, and an attention says what a person can do."""
    workflow = office.workflow()
    change = apply_in_vain(office, workflow)

    said = workflow.why(change.id)

    assert "may have been filed, its ticket is looked up, attempt 1" in said
    assert "a person should look (Ticket not found: " in said
    assert "record the ticket (record_ticket), send the request again (resend) or abandon" in said


def test_why_names_a_callback_that_did_not_arrive(office: Office) -> None:
    """While the gateway cannot be asked about the ticket itself."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    office.sandbox.faults.callback_lost(listed=True)
    office.approve(change)
    office.sandbox.faults.status("get_ticket_info", 502, always=True)

    workflow.reconcile()

    assert workflow.get(change.id).state == State.FAILED_CALLBACK
    assert "the callback of the ticket system about ticket " in workflow.why(change.id)


def test_why_names_an_effect_that_failed(office: Office) -> None:
    """With how often it did, and its last error."""

    def broken(_: object) -> None:
        raise ConnectionError("no host")

    workflow = office.workflow(effects={State.APPROVED: [Effect("start_collection", broken)]})
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)

    due, failed = (
        "effect start_collection is due at 2026-03-02 08:00:12 UTC",
        "it failed 1 time: ConnectionError: no host",
    )
    assert f"{due}, {failed}; the next look is at 2026-03-02" in workflow.why(change.id)


def test_graph_shows_the_path_of_a_change(office: Office) -> None:
    """Its transitions are numbered, and its current state is marked."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)

    drawn = f"{workflow.graph(change.id):mermaid}"

    assert "    draft --> applying : submit (step 1)\n" in drawn
    assert "    applying --> pending : record_ticket (step 2)\n" in drawn
    assert "    pending --> approved : approve (step 3)\n" in drawn
    assert "    class approved current\n" in drawn
    assert "step" not in f"{workflow.graph():mermaid}"


def test_pictures_are_drawn_from_the_history_of_a_change(office: Office) -> None:
    """As it is stored, under the workflow's own timings."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)

    for drawn in (workflow.timeline(change.id), workflow.sequence(change.id)):
        assert (list(drawn.path), drawn.policy) == (workflow.history(change.id), workflow.policy)
        assert "Approved, since 2026-03-02 08:00:" in drawn.svg()


def test_allowed_names_what_can_be_done_now(office: Office) -> None:
    """On a draft it is something else than on a pending change."""
    workflow = office.workflow()
    draft = workflow.draft(subject="a-draft", **asked())
    change = workflow.apply(subject=SUBJECT, **asked())

    assert workflow.allowed(draft.id) == ("revise", "submit", "abandon", "fire(raise_attention)")
    assert workflow.allowed(change.id) == ("withdraw", "fire(raise_attention)")
    workflow.withdraw(change.id, actor="alice")
    assert workflow.allowed(change.id) == ("fire(raise_attention)",)


@EVERY_STORE
def test_find_filters(office: Office) -> None:
    """By state, subject, number, attention and age; several narrow each other down."""
    workflow = office.workflow()
    lost = apply_in_vain(office, workflow)
    office.pass_time(3600)
    pending = workflow.apply(subject="collector-1", **asked())
    office.pass_time()
    draft = workflow.draft(subject="collector-1", **asked())

    def ids(**wanted: object) -> list[str]:
        return [change.id for change in workflow.find(**wanted)]  # type: ignore[arg-type]  # each is of its type

    assert ids() == [lost.id, pending.id, draft.id]
    assert ids(states=[State.PENDING]) == [pending.id]
    assert ids(states=[State.PENDING, State.DRAFT]) == [pending.id, draft.id]
    assert ids(states=[]) == []
    assert ids(subject="collector-1") == [pending.id, draft.id]
    assert ids(sn=pending.sn) == [pending.id]
    assert ids(attention=[AttentionReason.NOT_FOUND]) == [lost.id]
    assert ids(older_than=dt.timedelta(minutes=30)) == [lost.id]
    assert ids(subject="collector-1", states=[State.DRAFT]) == [draft.id]


def test_a_change_is_resolved_by_id_subject_or_number(office: Office) -> None:
    """An unknown name raises an error."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())

    assert {workflow.resolve(name).id for name in (change.id, SUBJECT, change.sn or "")} == {change.id}
    with pytest.raises(ChangeNotFound, match="nobody"):
        workflow.resolve("nobody")
    with pytest.raises(ChangeNotFound):
        workflow.get("0" * 26)


def test_name_of_several_changes_is_ambiguous(office: Office) -> None:
    """The error lists them all."""
    workflow = office.workflow()
    drafts = sorted(workflow.draft(subject=SUBJECT, **asked()).id for _ in range(2))

    with pytest.raises(AmbiguousChange) as caught:
        workflow.resolve(SUBJECT)

    assert list(caught.value.candidates) == drafts


def test_history_that_was_edited_is_noticed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry carries the digest of the one before."""
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    true = office.store.history(change.id)
    edited = [attrs.evolve(one, actor="somebody else") if one.seq == 2 else one for one in true.entries]
    monkeypatch.setattr(office.store, "history", lambda *_: attrs.evolve(true, entries=tuple(edited)))

    with pytest.raises(StorageCorrupt, match="entry 3"):
        workflow.history(change.id)


def test_the_outcome_shows_why_a_change_ended(office: Office) -> None:
    """The page shows it with the state."""
    workflow = office.workflow()
    draft = workflow.draft(subject=SUBJECT, **asked())
    workflow.abandon(draft.id, actor="alice")

    assert workflow.status(draft.id).outcome == Outcome.ABANDONED


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


def test_a_change_of_a_newer_table_is_refused() -> None:
    """Its state and its triggers may not exist in this table."""
    world, witness = World(), Witness()
    newer = world.workflow(definition=attrs.evolve(COLLECTOR_CHANGE, version=COLLECTOR_CHANGE.version + 1))
    change = world.apply(newer)
    older = world.workflow(observers=(witness,))
    with pytest.raises(StorageSchemaError, match="version") as refused:
        older.get(change.id)
    assert (refused.value.found, refused.value.known) == (None, None)
    assert list(older.find()) == []
    assert [name for name, _ in witness.troubles] == [change.id]
