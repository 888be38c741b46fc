"""The inbox: an authentic callback becomes one durable hint; what is not durable is not acknowledged."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import threading
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE, Policy, State
from itsm_workflow.callbacks.background import Background
from itsm_workflow.callbacks.parse import ACCEPTED, Callback, refusal
from itsm_workflow.errors import (
    CallbackTokenInvalid,
    GatewayMistake,
    GatewayUnavailable,
    ItsmWorkflowError,
    StorageConflict,
    StorageUnavailable,
    TransitionRefused,
)
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine import updates
from itsm_workflow.machine.definition import Facts
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from tests.support import examples as x
from tests.support.callback_examples import ADDRESS, address_of, body, knock, opened, place, read
from tests.support.deferred import later
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.storage.protocol import Row, Write

REFUSED = refusal(401, "not a callback of this application")
NOT_STORED = refusal(503, "the callback was not stored: list it as not delivered")


def triggers(workflow: Workflow, change: ChangeRequest) -> list[str]:
    """Return what happened to the change after it was bound to its ticket."""
    return [entry.trigger for entry in workflow.history(change.id)][4:]


def troubles(desk: Desk) -> list[tuple[str, type]]:
    """Return which troubles observers were told of."""
    return [(change_id, type(error)) for change_id, error in desk.witness.troubles]


# ---------------------------------------------------------------- one durable hint


def test_a_callback_is_stored_before_it_is_answered_and_asks_nothing() -> None:
    """The change is due now, and no more than that."""
    desk, workflow, change = opened()
    requests = desk.ledger.requests.copy()

    assert knock(workflow, change.id) == ACCEPTED
    assert triggers(workflow, change) == ["receive_callback"]
    assert desk.ledger.requests == requests
    assert workflow.get(change.id).state == State.PENDING
    assert workflow.reconcile().due == 1


def test_a_repeat_writes_nothing_and_starts_no_look() -> None:
    """It is acknowledged, so that the gateway stops listing it."""
    queue: list[str] = []
    desk, workflow, change = opened(after_callback=queue.append)
    knock(workflow, change.id)
    commits = desk.store.commits

    assert [knock(workflow, change.id, body(token="another")), knock(workflow, change.id)] == [ACCEPTED, ACCEPTED]
    assert (desk.store.commits, queue) == (commits, [change.id])


def test_another_callback_of_the_change_is_news() -> None:
    """A ticket that was withdrawn can revive and be approved."""
    _, workflow, change = opened()
    knock(workflow, change.id, body(current_status="REVOKED", approve_result=False))
    knock(workflow, change.id)

    assert triggers(workflow, change) == ["receive_callback", "receive_callback"]


def test_a_callback_that_loses_a_race_is_tried_again() -> None:
    """Another worker wrote the change meanwhile."""
    desk, workflow, change = opened()
    desk.race_once(change.id)

    assert knock(workflow, change.id) == ACCEPTED
    assert triggers(workflow, change) == ["receive_callback"]
    assert desk.witness.troubles == []


def test_a_duplicate_of_a_due_change_is_answered_without_reading_the_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint is stored, and the change is due: nothing is decoded, fired or written."""
    desk, workflow, change = opened()
    assert knock(workflow, change.id) == ACCEPTED
    row = desk.store.get(change.id)
    monkeypatch.setattr(workflow._journal, "read", lambda _: pytest.fail("the change was read"))
    desk.store.before = lambda _: pytest.fail("a write was prepared")

    assert knock(workflow, change.id) == ACCEPTED
    assert desk.store.get(change.id) == row
    with pytest.raises(pytest.fail.Exception, match="the change was read"):
        knock(workflow, change.id, body(updated_by="carol"))


def test_a_duplicate_of_a_change_that_is_not_due_is_judged_by_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has claimed it, or a look has used the hint up."""
    desk, workflow, change = opened()
    assert knock(workflow, change.id) == ACCEPTED
    stored = workflow._journal.load(change.id)
    until = desk.clock.now() + dt.timedelta(seconds=60)
    workflow._journal.commit_one(workflow._journal.prepare_claim(stored, (), until=until, actor="worker"))
    monkeypatch.setattr(workflow._journal, "read", lambda _: pytest.fail("the change was read"))

    with pytest.raises(pytest.fail.Exception, match="the change was read"):
        knock(workflow, change.id)


def test_a_callback_that_another_worker_stored_meanwhile_is_no_news() -> None:
    """The gateway may call twice at one instant."""
    desk, workflow, change = opened()

    def step_in(_: Sequence[Write]) -> None:
        desk.store.before = lambda _: None
        assert knock(workflow, change.id) == ACCEPTED

    desk.store.before = step_in

    assert knock(workflow, change.id) == ACCEPTED
    assert triggers(workflow, change) == ["receive_callback"]


# ---------------------------------------------------------------- more than can be the gateway's


def flood(workflow: Workflow, change: ChangeRequest, knocks: int) -> None:
    """Send callbacks with our credential, no two in a row alike."""
    bodies = [body(current_status="RUNNING", approve_result=False, updated_by=name) for name in ("mallory", "eve")]
    for number in range(knocks):
        assert knock(workflow, change.id, bodies[number % 2]) == ACCEPTED


def test_a_captured_credential_adds_no_entries_without_end() -> None:
    """Two bodies in turns are news each time; after the end they are counted once more."""
    desk, workflow, change = opened()

    flood(workflow, change, 1000)
    assert triggers(workflow, change) == ["receive_callback"] * 20
    desk.decide(change)
    workflow.settle(change.id)
    flood(workflow, change, 1000)

    assert triggers(workflow, change) == ["receive_callback"] * 20 + ["approve"] + ["receive_callback"] * 20


def test_the_real_callback_is_not_silenced_by_others() -> None:
    """Nothing of it is stored; the change is due all the same, and the next pass looks."""
    desk, workflow, change = opened()
    flood(workflow, change, 20)
    desk.pass_time(301)
    workflow.reconcile()
    callback = desk.decide(change)
    assert workflow.reconcile().due == 0

    assert desk.gateway.hand_over(callback, workflow.receive)
    assert triggers(workflow, change) == ["receive_callback"] * 20
    desk.pass_time(1)
    assert workflow.reconcile().moved == 1
    assert workflow.get(change.id).state == State.APPROVED


@pytest.mark.parametrize("approved", [False, True], ids=["waiting", "ended"])
def test_many_callbacks_bring_one_look_in_each_while(approved: bool) -> None:  # noqa: FBT001 - a case
    """However many there are, and however often a worker passes."""
    desk, workflow, change = opened()
    if approved:
        desk.decide(change)
        workflow.settle(change.id)
    flood(workflow, change, 21)
    desk.pass_time(400)
    workflow.reconcile()
    looks, commits = desk.ledger.requests["get_ticket_info"], desk.store.commits

    for _ in range(40):  # ten seconds
        flood(workflow, change, 7)
        workflow.reconcile()
        desk.pass_time(0.25)

    looked = desk.ledger.requests["get_ticket_info"] - looks
    assert 5 <= looked <= 10
    # For each look the due time, the claim, and the next due time.
    assert desk.store.commits - commits <= 3 * (looked + 1)


def test_callbacks_that_are_not_stored_leave_a_look_under_way_alone() -> None:
    """A new version would make its answer out of date, and the next one's, and so on."""
    desk, workflow, change = opened()
    flood(workflow, change, 20)
    desk.decide(change)
    desk.faults.meanwhile("read", lambda: flood(workflow, change, 3), always=True)

    assert workflow.settle(change.id).state == State.APPROVED


def test_a_submission_that_is_sent_again_is_heard_again() -> None:
    """The callbacks of each attempt are counted for themselves."""
    few = Policy(callbacks=2)
    change = updates.heard(_facts(few, x.PENDING, "a"))
    assert change.heard is not None
    assert updates.heard(_facts(few, change, "b")).heard == attrs.evolve(change.heard, digest="b", count=2)
    full = updates.heard(_facts(few, change, "b"))
    assert updates.heard(_facts(few, full, "c")) is full
    again = updates.heard(_facts(few, attrs.evolve(full, heard=None), "c"))
    assert again.heard is not None
    assert again.heard.count == 1


def _facts(policy: Policy, change: ChangeRequest, digest: str) -> Facts:
    evidence = ev.CallbackHeard(sn="REQ7", digest=digest, number=1)
    return Facts(
        change=change,
        evidence=evidence,
        now=x.NOW,
        policy=policy,
        seq=9,
        actor="callback",
        approval=COLLECTOR_CHANGE.approval,
    )


# ---------------------------------------------------------------- not acknowledged


def test_a_callback_that_always_loses_the_race_is_not_acknowledged() -> None:
    """The gateway lists it as not delivered, and observers are told."""
    desk, workflow, change = opened()
    desk.race_always(change.id)

    assert knock(workflow, change.id) == NOT_STORED
    assert troubles(desk) == [(change.id, StorageConflict)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_callback_that_may_not_be_stored_is_not_acknowledged(when: str) -> None:
    """Also if only the commit's answer was lost."""
    desk, workflow, change = opened()

    def fail(_: Sequence[Write]) -> None:
        raise StorageUnavailable("the disk is full")

    setattr(desk.store, when, fail)

    assert knock(workflow, change.id) == NOT_STORED
    assert troubles(desk) == [(change.id, StorageUnavailable)]


def test_a_callback_of_an_attempt_that_there_was_not_is_not_acknowledged() -> None:
    """Its credential is ours, so somebody should hear of it."""
    desk, workflow, change = opened()

    assert knock(workflow, change.id, number=2) == NOT_STORED
    assert troubles(desk) == [(change.id, TransitionRefused)]
    assert triggers(workflow, change) == []


def test_a_callback_of_a_draft_is_acknowledged_and_not_kept() -> None:
    """Its submission was refused: there is nothing to look into, and a list that never empties helps nobody."""
    desk = Desk()
    workflow = desk.workflow()
    draft = workflow.draft(subject=SUBJECT, **ASKED)

    assert knock(workflow, draft.id) == ACCEPTED
    assert [entry.trigger for entry in workflow.history(draft.id)] == ["draft"]
    assert desk.witness.troubles == []


@pytest.mark.parametrize("name", ["an unknown change", "another workflow's change"])
def test_a_change_that_is_not_ours_is_refused_like_a_forgery(name: str) -> None:
    """The same bytes, though the credential holds: keys may be shared."""
    desk, workflow, _ = opened()
    other = desk.workflow(definition=attrs.evolve(COLLECTOR_CHANGE, name="other_change"))
    theirs = other.apply(subject=SUBJECT, **ASKED)
    named = theirs.id if name == "another workflow's change" else "0" * 26
    commits = desk.store.commits

    assert knock(workflow, named) == REFUSED
    assert (desk.store.commits, desk.witness.troubles) == (commits, [])


def test_a_forged_callback_is_not_even_looked_up() -> None:
    """No read of the store, no write, no question to the gateway."""
    desk, workflow, change = opened()
    where = place(change.id)  # of another key
    desk.store.inner.close()

    assert workflow.receive(method="POST", body=body(), **where) == REFUSED


def test_a_workflow_without_callbacks_believes_none() -> None:
    """Not even those of a workflow that takes them."""
    desk, workflow, change = opened()
    where = place(change.id, address=address_of(workflow))
    deaf = desk.workflow(callbacks=False)

    assert deaf.receive(method="POST", body=body(), **where) == REFUSED
    assert triggers(workflow, change) == []


# ---------------------------------------------------------------- and only then looked into


def test_a_look_inline_is_over_before_the_answer() -> None:
    """For tests, and for hosts without threads."""
    desk, workflow, change = opened(after_callback="inline")

    assert desk.gateway.hand_over(desk.decide(change), workflow.receive)
    assert triggers(workflow, change) == ["receive_callback", "approve"]


def test_a_look_in_the_background_does_not_delay_the_answer() -> None:
    """Closing waits for it; nothing is lost by that, as the hint was stored."""
    desk, workflow, change = opened(after_callback="background")
    desk.decide(change)
    answered = threading.Event()
    desk.faults.meanwhile("read", lambda: answered.wait(PATIENCE), always=True)

    assert knock(workflow, change.id) == ACCEPTED
    assert triggers(workflow, change) == ["receive_callback"]
    answered.set()
    workflow._inbox.close()
    assert triggers(workflow, change) == ["receive_callback", "approve"]


def test_an_inbox_can_be_closed_twice_and_used_again() -> None:
    """A host's shutdown need not know what happened before."""
    desk, workflow, change = opened(after_callback="background")
    callback = desk.decide(change)
    workflow._inbox.close()
    workflow._inbox.close()

    assert desk.gateway.hand_over(callback, workflow.receive)
    workflow._inbox.close()
    assert workflow.get(change.id).state == State.APPROVED


def test_a_queue_gets_the_id_and_nothing_else() -> None:
    """The token stays in this process and is not checked."""
    queue: list[str] = []
    desk, workflow, change = opened(after_callback=queue.append)

    assert desk.gateway.hand_over(desk.decide(change), workflow.receive)
    assert (queue, desk.ledger.requests["token/verify"]) == ([change.id], 0)
    assert triggers(workflow, change) == ["receive_callback"]


@pytest.mark.parametrize("error", [ConnectionError("no broker"), asyncio.CancelledError("no broker")])
def test_a_queue_that_fails_costs_no_callback(error: BaseException) -> None:
    """Observers are told, and reconcile looks."""

    def broken(_: str) -> None:
        raise error

    desk, workflow, change = opened(after_callback=broken)

    assert desk.gateway.hand_over(desk.decide(change), workflow.receive)
    [(change_id, told)] = desk.witness.troubles
    words = f"the change could not be queued; the next reconcile looks at it: {type(error).__name__}: no broker"
    assert (change_id, str(told)) == (change.id, words)
    assert workflow.reconcile().moved == 1


def test_a_queue_that_has_yet_to_run_has_failed() -> None:
    """A coroutine that an ordinary function returns queues nothing."""
    desk, workflow, change = opened(after_callback=lambda change_id: later(change_id))  # noqa: PLW0108 - hides it

    assert desk.gateway.hand_over(desk.decide(change), workflow.receive)
    [(change_id, error)] = desk.witness.troubles
    assert change_id == change.id
    assert "the change could not be queued" in str(error)
    assert "returned a coroutine, which has yet to run" in str(error)


@pytest.mark.parametrize("after", ["inline", "background"])
@pytest.mark.parametrize("part", ["read", "_around"])
@pytest.mark.parametrize(
    "error", [StorageUnavailable("the disk is full"), ZeroDivisionError("a bug"), asyncio.CancelledError("a task")]
)
def test_a_look_that_fails_costs_no_callback(
    after: str, part: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever went wrong, observers are told: in a thread nobody else would hear of it. Reconcile looks again."""
    desk, workflow, change = opened(after_callback=after)
    callback = desk.decide(change)

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as broken:
        if part == "read":
            broken.setattr(desk.gateway, "read", fail)
        else:
            broken.setattr(workflow._inbox, part, fail)
        assert desk.gateway.hand_over(callback, workflow.receive)
        workflow._inbox.close()
    [(change_id, told)] = desk.witness.troubles
    assert (change_id, isinstance(told, ItsmWorkflowError), str(error) in str(told)) == (change.id, True, True)
    desk.pass_time(60)
    workflow.reconcile()
    assert workflow.get(change.id).state == State.APPROVED


# ---------------------------------------------------------------- the server's own token


def test_a_token_that_is_not_the_servers_is_told_and_decides_nothing() -> None:
    """Our credential held: the look decides."""
    desk, workflow, change = opened(after_callback="inline")
    desk.decide(change)

    assert knock(workflow, change.id, body(token="AAAA")) == ACCEPTED
    assert troubles(desk) == [(change.id, CallbackTokenInvalid)]
    assert workflow.get(change.id).state == State.APPROVED


def test_a_token_that_is_the_servers_is_no_trouble() -> None:
    """It is asked about once."""
    desk, workflow, change = opened(after_callback="inline")
    desk.gateway.hand_over(desk.decide(change), workflow.receive)

    assert (desk.witness.troubles, desk.ledger.requests["token/verify"]) == ([], 1)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (GatewayUnavailable("no route", endpoint="token/verify"), GatewayUnavailable),
        (KeyError("token"), GatewayMistake),
    ],
)
def test_a_token_that_cannot_be_checked_is_told_and_the_look_is_taken(error: Exception, told: type) -> None:
    """The gateway's failure there says nothing about the ticket, and neither does a mistake of its own."""
    desk, workflow, change = opened(after_callback="inline")
    callback = desk.decide(change)
    desk.faults.answer("verify_token", error)
    desk.gateway.hand_over(callback, workflow.receive)

    assert troubles(desk) == [(change.id, told)]
    assert vars(desk.witness.troubles[0][1])["endpoint"] in {"token/verify", "verify_token"}
    assert workflow.get(change.id).state == State.APPROVED


def test_a_gateway_that_cannot_check_tokens_is_not_asked_to() -> None:
    """The check is an optional ability."""

    class Plain(LedgerGateway):
        verify_token = None  # type: ignore[assignment] # so that it does not count as able

    desk = Desk()
    workflow = desk.workflow(gateway=Plain(desk.ledger, clock=desk.clock), after_callback="inline")
    change = workflow.apply(subject=SUBJECT, **ASKED)
    desk.decide(change)

    assert knock(workflow, change.id) == ACCEPTED
    assert (workflow.get(change.id).state, desk.witness.troubles) == (State.APPROVED, [])


def test_the_token_is_not_stored() -> None:
    """Neither in the row nor in the history."""
    desk, workflow, change = opened(after_callback="inline")
    token = json.loads(json.dumps(desk.decide(change).body))["token"]
    knock(workflow, change.id, body(token=token))

    assert token not in repr(desk.store.get(change.id)) + repr(desk.store.history(change.id))


def test_changes_that_are_called_back_at_once_are_all_looked_into() -> None:
    """In a few threads of their own."""
    desk = Desk()
    workflow = desk.workflow(after_callback="background")
    changes = [workflow.apply(subject=f"collector-{number}", **ASKED) for number in range(5)]
    callbacks = [desk.decide(change) for change in changes]

    assert all(desk.gateway.hand_over(one, workflow.receive) for one in callbacks)
    workflow._inbox.close()
    assert {workflow.get(change.id).state for change in changes} == {State.APPROVED}


def test_a_callback_that_comes_while_the_process_ends_is_stored_and_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread takes it any more; another process looks into it."""
    desk, workflow, change = opened(after_callback="background")
    pool = workflow._inbox._threads()
    pool.close()
    monkeypatch.setattr(workflow._inbox, "_threads", lambda: pool)

    assert knock(workflow, change.id) == ACCEPTED
    assert triggers(workflow, change) == ["receive_callback"]
    assert troubles(desk) == [(change.id, ItsmWorkflowError)]
    failed = "the look after a callback failed; the next reconcile looks at the change"
    assert failed in str(desk.witness.troubles[0][1])


def test_a_hint_is_the_callbacks_own_act() -> None:
    """The history says so, whoever is named in its body."""
    _, workflow, change = opened(after_callback="later")
    knock(workflow, change.id)
    assert workflow.history(change.id)[-1].actor == "callback"


def test_trouble_with_a_hint_says_what_it_was_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which race was lost, or what could not be done; observers get it as it is."""
    desk, workflow, change = opened(after_callback="inline")
    desk.race_always(change.id)
    knock(workflow, change.id)
    [(_, lost)] = desk.witness.troubles
    assert vars(lost)["kind"] == "version"

    other, deaf, changed = opened(after_callback="inline")
    callback = other.decide(changed)
    monkeypatch.setattr(deaf._inbox, "_check_token", lambda _: 1 // 0)
    other.gateway.hand_over(callback, deaf.receive)
    [(_, told)] = other.witness.troubles
    assert str(told).startswith("the look after a callback failed; the next reconcile looks at the change")


def test_looks_in_the_background_share_their_threads() -> None:
    """Closing could not wait for the others; a person sees whose they are."""
    _, workflow, _ = opened(after_callback="background")
    inbox = workflow._inbox
    threads = inbox._threads()
    assert inbox._threads() is threads
    name = threads.submit(lambda: threading.current_thread().name).result()
    assert name.startswith("itsm-workflow-callback_")
    inbox.close()
    assert inbox._threads() is not threads
    inbox.close()


def test_the_threads_of_an_inbox_are_made_by_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that a second callback made meanwhile would be closed by nobody."""
    _, workflow, _ = opened(after_callback="background")
    inbox = workflow._inbox
    held: list[bool] = []

    class Noted(Background):
        def __init__(self, *given: Any, **options: Any) -> None:
            held.append(inbox._pool_lock.locked())
            super().__init__(*given, **options)

    monkeypatch.setattr("itsm_workflow.callbacks.inbox.Background", Noted)
    assert inbox._threads() is inbox._threads()
    inbox.close()

    assert held == [True]


def test_an_inbox_is_closed_by_one_at_a_time() -> None:
    """Threads that another callback was just given would be closed by nobody."""
    _, workflow, _ = opened(after_callback="background")
    inbox = workflow._inbox
    inbox._threads()
    entered: list[object] = []

    class Noted:
        def __enter__(self) -> None:
            entered.append(inbox._pool)

        def __exit__(self, *_: object) -> None:
            entered.append(inbox._pool)

    noted: Any = Noted()
    inbox._pool_lock = noted
    inbox.close()

    assert [each is None for each in entered] == [False, True]


def test_a_forked_child_waits_for_no_lock_of_its_parent() -> None:
    """A thread of the parent may have held it when the child was made, and there is no such thread in the child."""
    _, workflow, _ = opened(after_callback="background")
    inbox = workflow._inbox
    inbox._pool_of += 1
    inbox._pool_lock = never_let_go = threading.Lock()
    never_let_go.acquire()

    assert inbox._threads().submit(max, 3, 7).result(PATIENCE) == 7
    inbox.close()


def test_a_look_after_a_callback_asks_only_what_is_due() -> None:
    """Another worker may have looked in between; then the gateway is left in peace."""
    desk, workflow, change = opened(after_callback="later")
    knock(workflow, change.id)
    workflow.reconcile()
    before = desk.ledger.requests["get_ticket_info"]
    inbox = workflow._inbox
    callback = read(ADDRESS, body=body(), **place(change.id))
    assert isinstance(callback, Callback)
    inbox._look_into(callback)
    assert desk.ledger.requests["get_ticket_info"] == before


def test_an_inline_look_reads_the_change_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on from the change as the hint was stored."""
    desk, workflow, change = opened(after_callback="inline")
    desk.decide(change)
    reads: list[str] = []

    def get(change_id: str) -> Row | None:
        reads.append(change_id)
        return desk.store.inner.get(change_id)

    monkeypatch.setattr(desk.store, "get", get)
    assert knock(workflow, change.id) == ACCEPTED
    assert reads == [change.id]
    assert workflow.get(change.id).state == State.APPROVED


def test_an_inline_look_gives_way_to_another_worker() -> None:
    """The other worker looks between the hint and the look, so the change is no longer due."""
    desk, workflow, change = opened(after_callback="inline")
    other = desk.workflow()

    def look_first(_writes: Sequence[Write]) -> None:
        desk.store.after = lambda _: None
        other.reconcile()

    desk.store.after = look_first
    before = desk.ledger.requests["get_ticket_info"]
    assert knock(workflow, change.id) == ACCEPTED
    assert desk.ledger.requests["get_ticket_info"] == before + 1
    assert troubles(desk) == [(change.id, CallbackTokenInvalid)]


@pytest.mark.parametrize("part", ["row", "read", "prepare", "commit_one"])
@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), asyncio.CancelledError("a bug")])
def test_a_hint_on_which_a_rule_of_the_host_fails_is_answered_and_told(
    part: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a store that fails: nothing is raised, and the gateway lists the callback as not delivered."""
    desk, workflow, change = opened()

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(workflow._journal, part, fail)
        assert knock(workflow, change.id) == NOT_STORED

    [(change_id, told)] = desk.witness.troubles
    assert change_id == change.id
    assert str(told) == f"the callback could not be stored: {type(error).__name__}: a bug"
    assert knock(workflow, change.id) == ACCEPTED
