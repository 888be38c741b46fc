"""The gate: which change of a subject decides, in what order submissions are, and how much is read for it."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import State
from itsm_workflow.change import Entry, Outcome
from itsm_workflow.clock import to_micros
from itsm_workflow.errors import AlreadyApplied, InvalidForm, NotApproved, StorageCorrupt
from itsm_workflow.machine.definition import Transition, always
from itsm_workflow.machine.evidence import Decision
from itsm_workflow.runtime.journal import Journal
from itsm_workflow.storage.codec import Codec
from itsm_workflow.storage.protocol import Query
from itsm_workflow.text import kind_of
from itsm_workflow_backends.json_file import JSONFileBackend
from tests.conformance.json_lines import damage, lines_of
from tests.support import workflows as zoo
from tests.support.callback_examples import body, knock
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.workflows import Deployed, More, Stage, Verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.storage.protocol import Conflict, EntryRows, Row, Rows, StorageBackend, Write

MANY = 2_000


class CountingStore:
    """A store that counts the calls that read, and the rows that they return."""

    def __init__(self, inner: StorageBackend) -> None:
        self.inner = inner
        self.calls = 0
        self.rows = 0

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Commit."""
        return self.inner.commit(writes)

    def get(self, change_id: str, /) -> Row | None:
        """Return a row, counted."""
        self.calls += 1
        self.rows += 1
        return self.inner.get(change_id)

    def find(self, query: Query, /) -> Rows:
        """Return one page of rows, counted."""
        self.calls += 1
        found = self.inner.find(query)
        self.rows += len(found.rows)
        return found

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return one page of history, counted."""
        self.calls += 1
        return self.inner.history(change_id, after_seq, limit)

    def close(self) -> None:
        """Close the store."""
        self.inner.close()

    def counted(self) -> tuple[int, int]:
        """Return the counts so far, and begin to count again."""
        counts = self.calls, self.rows
        self.calls = self.rows = 0
        return counts


def end(desk: Desk, workflow: Workflow, change: ChangeRequest, *, approved: bool) -> ChangeRequest:
    """Let the change's ticket be decided, and settle the change."""
    desk.decide(change, approved=approved)
    return workflow.settle(change.id)


def apply(desk: Desk, workflow: Workflow, *, approved: bool) -> ChangeRequest:
    """File a change and let its ticket be decided."""
    return end(desk, workflow, workflow.apply(subject=SUBJECT, **ASKED), approved=approved)


# ---------------------------------------------------------------- the order of submissions


def test_a_clock_that_is_set_back_opens_no_gate() -> None:
    """Approved, then two minutes back, then rejected: the rejection is the newer one."""
    desk = Desk()
    workflow = desk.workflow()
    first = apply(desk, workflow, approved=True)
    desk.clock.set_wall(desk.clock.peek() - dt.timedelta(minutes=2))
    second = apply(desk, workflow, approved=False)

    assert (first.submission, second.submission) == (1, 2)
    assert second.expect_attempt().submitted_at < first.expect_attempt().submitted_at
    with pytest.raises(NotApproved, match=f"{second.id}.*ended as rejected"):
        workflow.require_approved(SUBJECT)


def test_the_order_of_drafts_does_not_count() -> None:
    """Ids are made when a change is drafted: the older draft may be submitted last."""
    desk = Desk()
    workflow = desk.workflow()
    older = workflow.draft(subject=SUBJECT, **ASKED)
    desk.clock.advance(1)
    newer = workflow.draft(subject=SUBJECT, **ASKED)
    assert older.id < newer.id
    end(desk, workflow, workflow.submit(newer.id), approved=True)
    end(desk, workflow, workflow.submit(older.id), approved=False)

    with pytest.raises(NotApproved, match=older.id):
        workflow.require_approved(SUBJECT)


def test_a_draft_that_is_submitted_again_gets_a_new_number() -> None:
    """Its own last number counts like every other of the subject."""
    desk = Desk()
    workflow = desk.workflow()
    apply(desk, workflow, approved=True)
    desk.faults.refuse("create")
    refused = workflow.apply(subject=SUBJECT, **ASKED)
    assert (refused.state, refused.submission) == (State.DRAFT, 2)
    with pytest.raises(NotApproved, match=refused.id):
        workflow.require_approved(SUBJECT)

    assert workflow.submit(refused.id).submission == 3


def overtaken(desk: Desk, workflow: Workflow, *, times: int = 1, approved: bool = True) -> ChangeRequest:
    """File a change whose number was read before other processes filed and ended theirs."""

    def others() -> None:
        for _ in range(times):
            apply(desk, desk.workflow(), approved=approved)

    desk.before_next_write(others)
    return workflow.apply(subject=SUBJECT, **ASKED)


@pytest.mark.parametrize("times", [1, 3])
def test_a_number_that_another_submission_took_is_raised(times: int) -> None:
    """It is read again while the subject is held, so that no other submission can come in between."""
    desk = Desk()
    workflow = desk.workflow()
    late = overtaken(desk, workflow, times=times)

    desk.clock.advance(600)
    workflow.reconcile()  # what took too long before it was sent is sent now
    late = workflow.get(late.id)
    assert late.submission == times + 1
    assert [entry.trigger for entry in workflow.history(late.id)][-2:] == ["renumber", "record_ticket"]
    end(desk, workflow, late, approved=False)
    with pytest.raises(NotApproved, match=late.id):
        workflow.require_approved(SUBJECT)


def test_a_number_that_is_the_highest_already_is_kept() -> None:
    """Nothing is written about it."""
    desk = Desk()
    workflow = desk.workflow()
    change = apply(desk, workflow, approved=True)
    assert "renumber" not in [entry.trigger for entry in workflow.history(change.id)]


def test_a_process_that_dies_while_it_files_leaves_no_low_number() -> None:
    """Whichever way the change leaves the filing state, its number is raised before."""
    desk = Desk()
    workflow = desk.workflow()

    def other() -> None:
        desk.faults.clear()
        apply(desk, desk.workflow(), approved=True)
        desk.faults.meanwhile("create", dies, always=True)

    def dies() -> None:
        raise KeyboardInterrupt

    desk.before_next_write(other)
    with pytest.raises(KeyboardInterrupt):
        workflow.apply(subject=SUBJECT, **ASKED)
    desk.faults.clear()
    left = workflow.resolve(desk.store.find(Query(open_subject=f"collector_change:{SUBJECT}")).rows[0].id)
    assert (left.state, left.submission) == (State.APPLYING, 1)
    with pytest.raises(NotApproved, match=left.id):
        workflow.require_approved(SUBJECT)

    desk.clock.advance(3600)
    for _ in range(12):
        workflow.reconcile()
        desk.clock.advance(600)
    abandoned = workflow.abandon(left.id, actor="dave")

    assert (abandoned.state, abandoned.submission) == (State.REJECTED, 2)
    with pytest.raises(NotApproved, match=left.id):
        workflow.require_approved(SUBJECT)


@pytest.mark.parametrize("approved", [True, False])
def test_ended_changes_of_one_number_grant_only_together(monkeypatch: pytest.MonkeyPatch, *, approved: bool) -> None:
    """A repaired or restored store may have two of the same number: neither is known to be the newer one."""
    monkeypatch.setattr(Journal, "_numbered", lambda _journal, _change, steps: steps)
    desk = Desk()
    workflow = desk.workflow()
    late = overtaken(desk, workflow)
    first = next(change for change in workflow.find() if change.id != late.id)
    assert late.submission == first.submission == 1
    end(desk, workflow, late, approved=approved)

    if approved:
        assert workflow.require_approved(SUBJECT).id in {first.id, late.id}
        return
    with pytest.raises(NotApproved, match=late.id):
        workflow.require_approved(SUBJECT)
    assert workflow.newest(SUBJECT) == workflow.get(late.id)


# ---------------------------------------------------------------- submissions without a number


def old_change(workflow: Workflow, change: ChangeRequest, number: int, **values: Any) -> Write:
    """Return the write of a change that an earlier version stored, without a submission number."""
    given: dict[str, Any] = {"submission": 0, "ticket": None, "effects": (), **values}
    old = attrs.evolve(change, id=f"{change.id[:-4]}{number:04}", **given)
    entry = Entry(
        change_id=old.id,
        seq=1,
        at=old.created_at,
        trigger="draft",
        source="",
        dest=old.state,
        actor="alice",
        evidence=Decision(),
    )
    write, _ = Codec(workflow.definition.evidence_types).write(None, old, (entry,), None, open_subject=None)
    return write


def test_changes_without_a_number_are_in_the_order_of_their_times() -> None:
    """Until the subject is submitted again: then the numbered one is the newest, whatever its time."""
    desk, other = Desk(), Desk()
    workflow = desk.workflow()
    yes, no = (apply(other, other.workflow(), approved=approved) for approved in (True, False))
    attempt = yes.expect_attempt()
    early, late = (attrs.evolve(attempt, submitted_at=desk.clock.peek() - dt.timedelta(days=day)) for day in (2, 1))
    assert desk.store.commit([old_change(workflow, no, 1, attempt=early), old_change(workflow, yes, 2, attempt=late)])
    assert workflow.require_approved(SUBJECT).id.endswith("0002")

    assert desk.store.commit([old_change(workflow, no, 3, attempt=late)])
    with pytest.raises(NotApproved, match="0003"):
        workflow.require_approved(SUBJECT)

    newest = apply(desk, workflow, approved=True)
    assert newest.submission == 1
    assert workflow.require_approved(SUBJECT).id == newest.id


def test_a_store_of_schema_1_opens_its_gates(tmp_path: Path) -> None:
    """What was approved before submissions were numbered stays so until the subject is submitted again."""
    desk, path = Desk(), tmp_path / "store.jsonl"
    shutil.copy(Path(__file__).parents[2] / "data" / "schema_1" / "store.jsonl", path)
    with contextlib.closing(JSONFileBackend(path)) as storage, desk.workflow(storage=storage) as workflow:
        assert workflow.require_approved("collector-01").submission == 0
        again = workflow.apply(subject="collector-01", **ASKED)
        with pytest.raises(NotApproved, match=again.id):
            workflow.require_approved("collector-01")


# ---------------------------------------------------------------- what cannot be read


def spoil(desk: Desk, change: ChangeRequest) -> None:
    """Damage the change's row in the store."""
    row = desk.store.get(change.id)
    assert row is not None
    table = desk.store.inner._open_table()  # type: ignore[attr-defined]  # of the memory backend
    table.rows[change.id] = attrs.evolve(row, document="{}")


def test_a_damaged_newest_change_opens_no_gate() -> None:
    """An older approval does not count because the newer change cannot be read."""
    desk = Desk()
    workflow = desk.workflow()
    apply(desk, workflow, approved=True)
    spoil(desk, apply(desk, workflow, approved=False))

    with pytest.raises(StorageCorrupt):
        workflow.require_approved(SUBJECT)


def test_a_damaged_older_change_closes_no_gate_and_no_door() -> None:
    """It is not read: what decides is the newest."""
    desk = Desk()
    workflow = desk.workflow()
    spoil(desk, apply(desk, workflow, approved=False))
    newest = apply(desk, workflow, approved=True)

    assert workflow.require_approved(SUBJECT).id == newest.id
    assert workflow.apply(subject=SUBJECT, **ASKED).submission == 3


def test_a_damaged_open_change_holds_its_subject() -> None:
    """No second ticket is filed, and the error names the change."""
    desk = Desk()
    workflow = desk.workflow()
    change = workflow.apply(subject=SUBJECT, **ASKED)
    spoil(desk, change)

    with pytest.raises(AlreadyApplied, match=change.id):
        workflow.apply(subject=SUBJECT, **ASKED)


def test_a_change_that_the_file_cannot_show_opens_no_gate(tmp_path: Path) -> None:
    """A damaged line is left out of lists; the gate does not take the change before it for the newest."""
    desk, path = Desk(), tmp_path / "store.jsonl"
    with contextlib.closing(JSONFileBackend(path)) as storage, desk.workflow(storage=storage) as workflow:
        apply(desk, workflow, approved=True)
        rejected = apply(desk, workflow, approved=False)
        other = workflow.apply(subject="collector-7", **ASKED)
        end(desk, workflow, other, approved=True)
    numbers = [number for number, line in enumerate(lines_of(path), 1) if rejected.id.encode() in line]
    damage(path, numbers[-1], b'"rejected"')

    with contextlib.closing(JSONFileBackend(path)) as storage, desk.workflow(storage=storage) as workflow:
        assert rejected.id not in [change.id for change in workflow.find()]
        with pytest.raises(StorageCorrupt, match=f"change {rejected.id} cannot be read"):
            workflow.require_approved(SUBJECT)
        assert workflow.require_approved("collector-7").id == other.id


# ---------------------------------------------------------------- how much is read


def test_the_gate_and_apply_read_a_few_rows_of_a_subject_with_many_changes() -> None:
    """A host asks before everything it starts: what was decided before the newest change is not read."""
    desk, other = Desk(), Desk()
    ended = apply(other, other.workflow(), approved=False)
    store = CountingStore(desk.store)
    workflow = desk.workflow(storage=store)
    old = [old_change(workflow, ended, number, submission=number) for number in range(1, MANY + 1)]
    assert desk.store.commit(old) == [None] * MANY
    assert max(write.row.updated_at for write in old) <= to_micros(desk.clock.peek()) + 10**9

    store.counted()
    with pytest.raises(NotApproved):
        workflow.require_approved(SUBJECT)
    assert store.counted() <= (3, 3), "the holder, the newest two, and why"

    change = workflow.apply(subject=SUBJECT, **ASKED)
    calls, rows = store.counted()
    assert calls <= 5, "the holder, a draft, the names of effects, and the highest number, once more with the ticket"
    assert rows <= 5
    assert change.submission == MANY + 1

    with pytest.raises(AlreadyApplied):
        workflow.apply(subject=SUBJECT, **ASKED)
    assert store.counted() <= (2, 2), "the names of effects, and the holder"
    end(desk, workflow, change, approved=True)
    store.counted()
    workflow.require_approved(SUBJECT)
    assert store.counted() <= (2, 2)


# ---------------------------------------------------------------- subjects of another type


NO_SUBJECTS = [None, 42, 4.2, b"s1", bytearray(b"s1"), ["s1"], ("s1",), {"s1": 1}, {"s1"}, object(), str, len, True]


@pytest.mark.parametrize("subject", NO_SUBJECTS, ids=lambda value: type(value).__name__)
def test_what_is_not_text_raises_at_the_gate(subject: object) -> None:
    """Nothing was checked, so nothing may look as if it had been."""
    with pytest.raises(TypeError, match=f"as text, not {kind_of(subject)}: nothing was checked"):
        Desk().workflow().require_approved(subject)  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize("subject", ["", " ", " s1", "s1 ", "s\0", "s\u200b", "x" * 201, "\udcff"])
def test_text_that_no_subject_can_be_raises_at_the_gate(subject: str) -> None:
    """The error names the field, as everywhere."""
    with pytest.raises(InvalidForm, match="subject="):
        Desk().workflow().require_approved(subject)


def test_a_text_of_a_class_of_ones_own_is_a_subject() -> None:
    """As a member of an enum, or a text that marks itself as safe."""

    class Name(str):
        """A text."""

        __slots__ = ()

    desk = Desk()
    workflow = desk.workflow()
    change = apply(desk, workflow, approved=True)
    assert workflow.require_approved(Name(SUBJECT)).id == change.id


@pytest.mark.parametrize("mapper", [None, SUBJECT, ["s1"], 42], ids=repr)
def test_a_decorator_without_a_function_raises(mapper: object) -> None:
    """Before anything is decorated."""
    with pytest.raises(TypeError, match=r"approval_required\(function\) takes a function"):
        Desk().workflow().approval_required(mapper)  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize("found", [None, 42, b"s1", ["s1"]], ids=repr)
def test_a_decorated_function_whose_subject_is_not_text_does_not_run(found: object) -> None:
    """Whatever the mapping returns."""

    @Desk().workflow().approval_required(lambda: found)  # type: ignore[arg-type, return-value]  # the mistake
    def start() -> None:
        pytest.fail("it ran")

    with pytest.raises(TypeError, match="takes a subject as text"):
        start()


def test_the_decorator_without_its_mapping_runs_nothing() -> None:
    """Applied to the function itself, it takes that for the mapping."""

    @Desk().workflow().approval_required
    def start(_number: int) -> str:
        pytest.fail("it ran")

    with pytest.raises(TypeError, match="decorates a function, not an int"):
        start(7)  # type: ignore[arg-type]  # as a host would call it


@pytest.mark.parametrize("name", ["states", "attention"])
def test_one_text_in_place_of_a_list_of_names_raises(name: str) -> None:
    """Each of its letters would be taken for a name, and nothing would be found."""
    with pytest.raises(TypeError, match=rf"write {name}=\['pending'\]"):
        Desk().workflow().find(**{name: "pending"})  # type: ignore[arg-type]  # the mistake


def test_a_check_of_forms_that_is_not_a_function_raises() -> None:
    """One that counts as false would never be asked."""
    with pytest.raises(TypeError, match=r"Workflow\(form_check=\.\.\.\) takes a function"):
        Desk().workflow(form_check=0)


# ---------------------------------------------------------------- states that grant


def granted(workflow: Workflow, desk: Desk) -> ChangeRequest:
    """Return a change whose ticket was approved."""
    return apply(desk, workflow, approved=True)


def test_the_gate_follows_the_state_that_the_change_is_in_now() -> None:
    """What was approved and then failed, or was paused, is not approved, and nothing calls it so."""
    desk = Desk()
    back = Transition(trigger=Verb.UNPARK, sources=(More.PAUSED,), dest=More.GRANTED, evidence=Decision)
    trap = zoo.with_a_trap()
    definition = attrs.evolve(trap, transitions=(*trap.transitions, back))
    workflow = desk.workflow(definition=definition)
    change = granted(workflow, desk)
    assert (workflow.require_approved(SUBJECT).id, change.outcome) == (change.id, Outcome.APPROVED)
    assert workflow.status(change.id).grants

    paused = workflow.fire(change.id, Verb.PAUSE, Decision(), actor="alice")
    assert (paused.outcome, paused.ticket_outcome) == (Outcome.WAS_APPROVED, Outcome.APPROVED)
    shown = workflow.status(change.id)
    assert (shown.grants, shown.outcome) == (False, "was_approved")
    with pytest.raises(
        NotApproved, match=r'was approved on .*, and is now in the state "paused", which does not grant'
    ):
        workflow.require_approved(SUBJECT)

    again = workflow.fire(change.id, Verb.UNPARK, Decision(), actor="alice")
    assert (again.outcome, workflow.require_approved(SUBJECT).id) == (Outcome.APPROVED, change.id)
    assert workflow.settle(change.id) == again, "its ticket says what it said"


def test_an_approved_ticket_that_is_read_again_contradicts_nothing_once_the_state_does_not_grant() -> None:
    """The ticket was approved, whatever became of the change."""
    desk = Desk()
    workflow = desk.workflow(definition=zoo.with_a_trap())
    change = granted(workflow, desk)
    workflow.fire(change.id, Verb.PAUSE, Decision(), actor="alice")
    assert knock(workflow, change.id, body(sn=change.sn)).status == 200

    settled = workflow.settle(change.id)
    assert (settled.attention, settled.contradictions) == (None, ())


def test_an_approval_need_not_grant_yet() -> None:
    """A host may want more: then the change passes once it is live."""
    desk = Desk()
    workflow = desk.workflow(definition=zoo.deployment(grants={Stage.GRANTED: False, Stage.LIVE: True}))
    change = granted(workflow, desk)
    assert (change.state, change.outcome) == (Stage.GRANTED, Outcome.WAS_APPROVED)
    with pytest.raises(NotApproved, match='is now in the state "granted", which does not grant'):
        workflow.require_approved(SUBJECT)

    live = workflow.fire(change.id, Verb.DEPLOY, Deployed(size=1), actor="robot")
    assert (workflow.require_approved(SUBJECT).id, live.outcome) == (change.id, Outcome.APPROVED)


def test_a_state_of_which_nothing_is_declared_does_not_grant() -> None:
    """Also where the change was approved on its way there."""
    desk = Desk()
    workflow = desk.workflow(definition=zoo.with_a_state_of_which_nothing_is_said())
    change = granted(workflow, desk)
    workflow.fire(change.id, Verb.DEPLOY, Deployed(size=1), actor="robot")
    with pytest.raises(NotApproved, match='is now in the state "live", which does not grant'):
        workflow.require_approved(SUBJECT)


def test_a_new_declaration_counts_for_what_is_stored() -> None:
    """What a state means is the definition's, not the store's."""
    desk = Desk()
    silent = desk.workflow(definition=zoo.with_a_state_of_which_nothing_is_said())
    change = granted(silent, desk)
    silent.fire(change.id, Verb.DEPLOY, Deployed(size=1), actor="robot")
    assert silent.get(change.id).outcome is Outcome.WAS_APPROVED

    declared = desk.workflow(definition=zoo.DEPLOYMENT)
    assert declared.get(change.id).outcome is Outcome.APPROVED
    assert declared.require_approved(SUBJECT).id == change.id


def test_a_change_that_is_submitted_again_waits_for_a_new_approval() -> None:
    """A host may lead back to the draft: what was decided about the first ticket says nothing of the second."""
    desk = Desk()
    back = zoo.deploy(trigger=Verb.PAUSE, dest=Stage.DRAFT, guard=always)
    workflow = desk.workflow(definition=zoo.deployment(zoo.DEPLOY, back))
    change = granted(workflow, desk)
    reopened = workflow.fire(change.id, Verb.PAUSE, Deployed(size=1), actor="alice")
    assert (reopened.state, reopened.outcome) == (Stage.DRAFT, Outcome.WAS_APPROVED)
    with pytest.raises(NotApproved):
        workflow.require_approved(SUBJECT)

    waiting = workflow.submit(change.id)
    assert (waiting.state, waiting.outcome, waiting.ended_at, waiting.round) == (Stage.WAITING, None, None, 2)
    assert waiting.expect_ticket().id != change.expect_ticket().id
    with pytest.raises(NotApproved, match="waits for carol, dave to decide"):
        workflow.require_approved(SUBJECT)
    end(desk, workflow, waiting, approved=False)
    with pytest.raises(NotApproved, match="ended as rejected"):
        workflow.require_approved(SUBJECT)


def test_an_older_approval_behind_an_empty_page_opens_no_gate() -> None:
    """The highest submission is looked for past pages without rows."""
    desk = Desk()
    workflow = desk.sparse()
    changes = [apply(desk, workflow, approved=approved) for approved in (True, True, False)]

    assert [change.submission for change in changes] == [1, 2, 3]
    with pytest.raises(NotApproved, match=changes[-1].id):
        workflow.require_approved(SUBJECT)
