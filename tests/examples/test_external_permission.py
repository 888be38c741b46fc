"""The external permission, end to end: a ticket system over HTTP, callbacks at a port, a host with a table."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from docs.examples import external_permission
from docs.examples.external_permission import Permissions, State, Wanted, revoke, revoke_what_is_over
from itsm_workflow.change import EffectStatus, Outcome
from itsm_workflow.errors import AlreadyApplied, InvalidForm, NotApproved, TransitionRefused
from tests.support.office import triggers
from tests.support.places import Knock

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, EffectCall, Workflow
    from tests.support.office import Office

WANTED = Wanted(
    space="bkcc__2", action="log_search", resources=["index-7", "index-9"], users=["eve", "frank"], until="2026-12-31"
)


class Table(Permissions):
    """The host's table, which counts what it is asked to do and fails when it is told.

    Attributes:
        calls: What was asked for, in order.
        failing: How many calls fail yet, and whether their work is done all the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, str]] = []
        self.failing, self.done_all_the_same = 0, False

    def grant(self, call: EffectCall) -> None:
        """Add the row."""
        self.calls.append((call.name, call.id))
        if self.failing:
            self.failing -= 1
            if self.done_all_the_same:
                super().grant(call)
            raise ConnectionError("the database does not answer")
        super().grant(call)

    def revoke(self, call: EffectCall) -> None:
        """Mark the row."""
        self.calls.append((call.name, call.id))
        super().revoke(call)

    @property
    def names(self) -> list[str]:
        """The names of the effects that were run."""
        return [name for name, _ in self.calls]


def opened(office: Office, table: Table) -> Workflow:
    """Open the example's workflow as its host does."""
    return external_permission.open_workflow(
        table,
        storage=office.store,
        gateway=office.gateway(),
        after_callback="inline",
        observers=(office.witness,),
        clock=office.clock,
    )


def ask(office: Office, workflow: Workflow, **changes: Any) -> ChangeRequest:
    """Ask for the permission; callbacks come to this workflow."""
    office.door.receive = workflow.receive
    wanted = Wanted(**{**WANTED, **changes})  # type: ignore[typeddict-item]  # a case hands over what it likes
    return external_permission.ask(workflow, wanted, applicant="alice", approvers=["carol"])


def granted(office: Office, workflow: Workflow) -> ChangeRequest:
    """Ask, and let it be approved."""
    change = ask(office, workflow)
    office.approve(change)
    return workflow.get(change.id)


def test_an_approved_permission_is_granted(office: Office) -> None:
    """Nobody has access before the approval; then those who were named have it, to what was named."""
    table = Table()
    workflow = opened(office, table)
    change = ask(office, workflow)
    assert (change.state, table.rows) == (State.WAITING, {})

    office.approve(change)

    assert (workflow.get(change.id).state, table.names) == (State.GRANTED, ["grant"])
    assert table.allows("eve", "index-7")
    assert table.allows("frank", "index-9")
    assert not table.allows("eve", "index-8")
    assert not table.allows("alice", "index-7")
    assert workflow.require_approved(change.subject).id == change.id


def test_the_approver_reads_who_shall_see_what(office: Office) -> None:
    """What is approved is what is granted."""
    workflow = opened(office, Table())
    ask(office, workflow)
    (sent,) = office.sandbox.bodies("create_ticket")
    assert all(name in str(sent["fields"]) for name in ("eve", "frank", "index-7", "index-9", "2026-12-31"))


def test_a_rejected_permission_is_not_granted(office: Office) -> None:
    """Not then, and not by anything that comes later."""
    table = Table()
    workflow = opened(office, table)
    change = ask(office, workflow)

    office.reject(change)
    office.door.knock(office.door.knocks[-1].saying(approve_result=True))

    change = workflow.get(change.id)
    assert (change.state, change.outcome, table.rows) == (State.REFUSED, Outcome.REJECTED, {})


def test_a_callback_that_claims_an_approval_grants_nothing(office: Office) -> None:
    """Its body is not believed, not even with the change's own credential: the ticket is asked, and is running."""
    table = Table()
    workflow = opened(office, table)
    change = ask(office, workflow)
    (sent,) = office.sandbox.bodies("create_ticket")
    body = {
        "sn": change.sn,
        "title": "",
        "ticket_url": "",
        "current_status": "FINISHED",
        "updated_by": "mallory",
        "update_at": "2026-03-02 16:00:00",
        "approve_result": True,
        "token": "x",
    }
    forged = Knock(
        path=urlsplit(sent["meta"]["callback_url"]).path,
        headers={"Content-Type": "application/json", **sent["meta"]["headers"]},
        body=json.dumps(body).encode(),
    )

    assert office.door.knock(forged).code == 0

    assert triggers(workflow, change)[-1] == "receive_callback"
    assert (workflow.get(change.id).state, table.rows) == (State.WAITING, {})


def test_a_repeated_callback_grants_once(office: Office) -> None:
    """However often it comes, and whatever it says by then."""
    table = Table()
    workflow = opened(office, table)
    change = granted(office, workflow)
    heard = office.door.knocks[-1]

    answers = [office.door.knock(one).code for one in (heard, heard, heard.saying(approve_result=False), heard)]

    assert answers == [0, 0, 0, 0]
    assert (workflow.get(change.id).state, table.names) == (State.GRANTED, ["grant"])
    assert table.allows("eve", "index-7")


@pytest.mark.parametrize("done_all_the_same", [False, True], ids=["not done", "done and not heard of"])
def test_a_grant_that_fails_once_is_done_again(office: Office, done_all_the_same: bool) -> None:  # noqa: FBT001 - a case
    """With the same id, until it is done; the approval stands, and there is one row."""
    table = Table()
    table.failing, table.done_all_the_same = 1, done_all_the_same
    workflow = opened(office, table)
    change = granted(office, workflow)
    assert change.state == State.GRANTED

    office.pass_time(60)
    workflow.reconcile()

    assert table.calls == [("grant", change.effects[0].id)] * 2
    assert [one.status for one in workflow.get(change.id).effects] == [EffectStatus.DELIVERED]
    assert list(table.rows) == [change.id]
    assert table.allows("eve", "index-7")


def test_a_revoked_permission_is_gone(office: Office) -> None:
    """The history says who took it back and why, and whoever asks is told that it is over."""
    table = Table()
    workflow = opened(office, table)
    change = granted(office, workflow)

    change = revoke(workflow, change.id, actor="dave", reason="the audit is done")

    assert (change.state, change.data["revoked_because"]) == (State.REVOKED, "the audit is done")
    assert table.names == ["grant", "revoke"]
    assert not table.allows("eve", "index-7")
    last = next(entry for entry in workflow.history(change.id) if entry.trigger == "revoke")
    assert (last.actor, last.source, last.dest) == ("dave", State.GRANTED, State.REVOKED)
    with pytest.raises(
        NotApproved, match=r'was approved on .* and is now in the state "revoked", which does not grant'
    ):
        workflow.require_approved(change.subject)


def test_a_callback_after_the_revocation_changes_nothing(office: Office) -> None:
    """What is over stays over: the ticket is read once more, and says what it said."""
    table = Table()
    workflow = opened(office, table)
    change = granted(office, workflow)
    revoke(workflow, change.id, actor="dave", reason="the audit is done")

    office.door.knock(office.door.knocks[-1].saying(updated_by="somebody else"))
    office.pass_time(3600)
    workflow.reconcile()

    change = workflow.get(change.id)
    assert (change.state, change.attention, change.contradictions) == (State.REVOKED, None, ())
    assert table.names == ["grant", "revoke"]


def test_a_permission_is_revoked_before_it_could_be_granted(office: Office) -> None:
    """The grant comes late, and gives nothing to anybody."""
    table = Table()
    table.failing = 1
    workflow = opened(office, table)
    change = granted(office, workflow)

    revoke(workflow, change.id, actor="dave", reason="a mistake")
    office.pass_time(60)
    workflow.reconcile()

    assert table.names == ["grant", "revoke", "grant"]
    assert all(one.status is EffectStatus.DELIVERED for one in workflow.get(change.id).effects)
    assert not table.allows("eve", "index-7")


def test_a_revocation_wants_a_reason_and_a_permission(office: Office) -> None:
    """The guard says why not; there is nothing to take back before there is something, or twice."""
    workflow = opened(office, Table())
    change = ask(office, workflow)
    with pytest.raises(TransitionRefused, match="the table has no transition for it from waiting"):
        revoke(workflow, change.id, actor="dave", reason="too early")
    office.approve(change)
    with pytest.raises(TransitionRefused, match="the users will ask why: give a reason"):
        revoke(workflow, change.id, actor="dave", reason="")
    revoke(workflow, change.id, actor="dave", reason="the audit is done")
    with pytest.raises(TransitionRefused, match="the table has no transition for it from revoked"):
        revoke(workflow, change.id, actor="dave", reason="once more")
    assert triggers(workflow, change).count("revoke") == 1


def test_permissions_whose_time_is_over_are_revoked(office: Office) -> None:
    """On the day after the last, and no other is touched."""
    table = Table()
    workflow = opened(office, table)
    short, long = ask(office, workflow, until="2026-03-31"), ask(office, workflow, users=["grace"])
    office.approve(short)
    office.approve(long)

    revoke_what_is_over(workflow, dt.date(2026, 3, 31))
    assert table.names == ["grant", "grant"]
    revoke_what_is_over(workflow, dt.date(2026, 4, 1))

    assert not table.allows("eve", "index-7")
    assert table.allows("grace", "index-7")
    assert [one.id for one in workflow.find(states=[State.REVOKED])] == [short.id]


def test_the_same_people_and_resources_are_asked_for_once(office: Office) -> None:
    """In whatever order they are listed, while it is asked for and while it lives; afterwards it may be asked anew."""
    workflow = opened(office, Table())
    change = granted(office, workflow)
    with pytest.raises(AlreadyApplied):
        ask(office, workflow, users=["frank", "eve"], resources=["index-9", "index-7"])
    revoke(workflow, change.id, actor="dave", reason="the audit is done")
    assert ask(office, workflow).state == State.WAITING


def test_a_form_tells_all_its_problems_at_once(office: Office) -> None:
    """Before anything is stored or sent."""
    workflow = opened(office, Table())
    with pytest.raises(InvalidForm) as caught:
        ask(office, workflow, users=[], resources=[], until="soon")
    assert [field for field, _, _ in caught.value.problems] == ["users", "resources", "until"]
    assert list(workflow.find()) == []
    assert office.sandbox.calls == []
