"""Changes in a store: prepared, committed, told, and read back with their chain checked."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE, Effect, State
from itsm_workflow.change import EffectStatus
from itsm_workflow.errors import AlreadyApplied, ChangeNotFound, StorageConflict, StorageCorrupt, TransitionRefused
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.settle import Step
from itsm_workflow.storage.documents import entry_digest
from itsm_workflow.storage.protocol import EntryRow, Query, Write
from tests.support import examples as x
from tests.support.desk import ASKED, SUBJECT, Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow import ChangeRequest
    from itsm_workflow.runtime.journal import Journal, Prepared
    from itsm_workflow.storage.protocol import EntryRows

HINT = Step(Trigger.RECEIVE_CALLBACK, ev.CallbackHeard(sn="REQ7", digest="d", number=1))
WISH = Step(Trigger.REQUEST_WITHDRAWAL, ev.Decision(reason="not wanted"))
SUBMISSION = Step(Trigger.SUBMIT, x.submission())


def pending() -> tuple[Desk, Journal, ChangeRequest]:
    """Return a change that waits for its approvers, in a journal."""
    desk = Desk()
    workflow = desk.workflow()
    return desk, workflow._journal, workflow.apply(subject=SUBJECT, **ASKED)


def drafted(journal: Journal, number: int, subject: str = SUBJECT, steps: Sequence[Step] = ()) -> Prepared:
    """Return a new change that is not stored yet."""
    return journal.prepare_draft(change_id=f"C{number}", subject=subject, form=x.FORM, actor="alice", steps=steps)


# ---------------------------------------------------------------- firing


def test_what_is_prepared_is_not_stored() -> None:
    """Until it is committed; then it is what was prepared."""
    desk, journal, change = pending()
    before, told = journal.load(change.id), len(desk.witness.entries)
    prepared = journal.prepare(before, [HINT], actor="callback")
    assert (journal.load(change.id), len(desk.witness.entries)) == (before, told)

    assert journal.commit_one(prepared) == prepared.stored == journal.load(change.id)
    assert desk.witness.entries[told:] == list(prepared.entries)


def test_triggers_are_fired_in_order_in_one_commit() -> None:
    """With one entry each, numbered on from the last, under one actor and time."""
    desk, journal, change = pending()
    before, commits = journal.load(change.id), desk.store.commits
    after = journal.commit_one(journal.prepare(before, [HINT, WISH], actor="bob"))
    entries = journal.history(change.id)[before.seq :]

    assert desk.store.commits == commits + 1
    assert [(one.seq, one.trigger) for one in entries] == [
        (before.seq + 1, "receive_callback"),
        (before.seq + 2, "request_withdrawal"),
    ]
    assert {(one.actor, one.at) for one in entries} == {("bob", after.change.updated_at)}
    assert (after.version, after.seq) == (before.version + 1, before.seq + 2)


def test_a_refused_trigger_prepares_nothing() -> None:
    """Not even what came before it."""
    desk, journal, change = pending()
    commits = desk.store.commits
    with pytest.raises(TransitionRefused):
        journal.prepare(journal.load(change.id), [HINT, SUBMISSION], actor="bob")

    assert desk.store.commits == commits


def test_a_trigger_without_news_is_not_written() -> None:
    """A repeat costs no commit, and nobody is told."""
    desk, journal, change = pending()
    stored = journal.commit_one(journal.prepare(journal.load(change.id), [HINT], actor="callback"))
    commits, told = desk.store.commits, len(desk.witness.entries)
    repeat = journal.prepare(stored, [HINT], actor="callback")

    assert not repeat.is_news
    assert journal.commit_one(repeat) is stored
    assert (desk.store.commits, len(desk.witness.entries)) == (commits, told)


def test_a_look_without_news_moves_the_next_one() -> None:
    """The version goes up, so that who claimed before can tell; the last entry's time stays."""
    desk, journal, change = pending()
    before = journal.load(change.id)
    desk.clock.advance(journal.policy.read_lease.total_seconds() + 1)
    after = journal.commit_one(journal.prepare(before, (), actor="gateway", looked=True))

    assert (after.version, after.seq, after.change) == (before.version + 1, before.seq, before.change)
    assert before.due_at is not None
    assert after.due_at is not None
    assert after.due_at > before.due_at


def test_a_look_without_news_leaves_a_next_one_that_is_near_enough() -> None:
    """Up to a lease earlier than wanted; one that is due now moves."""
    desk, journal, change = pending()
    before = journal.load(change.id)
    assert before.due_at is not None
    lease = journal.policy.read_lease.total_seconds()
    desk.clock.advance(lease - 1)
    assert not journal.prepare(before, (), actor="gateway", looked=True).is_news
    desk.clock.advance((before.due_at - desk.clock.peek()).total_seconds())
    assert journal.prepare(before, (), actor="gateway", looked=True).is_news


def test_a_claim_makes_the_change_due_when_it_ends() -> None:
    """Whoever asks may die over it."""
    desk, journal, change = pending()
    until = desk.clock.peek() + dt.timedelta(seconds=77)
    claimed = journal.commit_one(journal.prepare_claim(journal.load(change.id), (), until=until, actor="worker"))

    assert (claimed.due_at, claimed.seq) == (until, journal.load(change.id).seq)
    assert journal.load(change.id).due_at == until


# ---------------------------------------------------------------- an effect in delivery


def test_a_hint_during_a_delivery_is_looked_into_and_the_delivery_stays() -> None:
    """The rest of a change does not wait for its effect, and no reader takes the effect for due."""
    desk, seen = Desk(), list[tuple[dt.datetime | None, bool]]()

    def work(_: object) -> None:
        before = journal.load(change.id)
        after = journal.commit_one(journal.prepare(before, [HINT], actor="callback"))
        looked = journal.commit_one(journal.prepare(after, (), actor="gateway", looked=True))
        seen.extend((one.due_at, one.change.effects[0].is_in_delivery(desk.clock.peek())) for one in (after, looked))

    workflow = desk.workflow(effects={State.APPROVED: [Effect("start", work)]})
    journal, change = workflow._journal, workflow.apply(subject=SUBJECT, **ASKED)
    desk.decide(change)
    workflow.settle(change.id)

    [(hinted, one), (rests, other)] = seen
    assert (one, other) == (True, True)
    assert hinted is not None
    assert hinted <= desk.clock.peek()
    assert rests is not None
    assert desk.clock.peek() < rests <= desk.clock.peek() + workflow.policy.effect_lease
    assert journal.load(change.id).change.effects[0].status is EffectStatus.DELIVERED


# ---------------------------------------------------------------- conflicts


def test_a_lost_race_is_told_by_what_was_lost() -> None:
    """Somebody else wrote the change first."""
    desk, journal, change = pending()
    prepared = journal.prepare(journal.load(change.id), [HINT], actor="callback")
    desk.race(change.id)
    with pytest.raises(StorageConflict) as caught:
        journal.commit_one(prepared)

    assert (caught.value.change_id, caught.value.kind) == (change.id, "version")


def test_a_subject_that_is_held_names_the_change_that_holds_it() -> None:
    """Only a submitted change claims its subject."""
    _, journal, change = pending()
    journal.commit_one(drafted(journal, 1))
    with pytest.raises(AlreadyApplied) as caught:
        journal.commit_one(drafted(journal, 2, steps=[SUBMISSION]))

    assert (caught.value.subject, caught.value.change_id) == (SUBJECT, change.id)


def test_each_change_of_a_commit_succeeds_or_conflicts_alone() -> None:
    """In the order in which they were given; observers hear of those that were stored."""
    desk, journal, change = pending()
    told = len(desk.witness.entries)
    late = journal.prepare(journal.load(change.id), [HINT], actor="callback")
    desk.race(change.id)
    conflicts = journal.commit([drafted(journal, 1), late, drafted(journal, 2)])

    assert [None if one is None else one.change_id for one in conflicts] == [None, change.id, None]
    assert [one.change_id for one in desk.witness.entries[told:]] == ["C1", "C2"]


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("answers", [1, 3])
def test_a_store_that_does_not_answer_each_write_is_an_error(answers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the rest was stored is not known, and no observer may hear that it was."""
    desk, journal, _ = pending()
    prepared = [drafted(journal, number, f"collector-{number}") for number in (1, 2)]
    monkeypatch.setattr(desk.store, "commit", lambda _: [None] * answers)

    with pytest.raises(ValueError, match="zip"):
        journal.commit(prepared)


def test_another_workflows_change_is_not_found() -> None:
    """Neither to load nor to read the history of; the error says what was asked for."""
    desk, journal, change = pending()
    other = desk.workflow(definition=attrs.evolve(COLLECTOR_CHANGE, name="other_change"))._journal

    for look in (other.load, other.history):
        with pytest.raises(ChangeNotFound) as caught:
            look(change.id)
        assert caught.value.name == change.id
    assert [entry.seq for entry in journal.history(change.id)] == [1, 2, 3, 4]


def test_a_change_with_a_damaged_workflow_is_damaged_not_missing() -> None:
    """The name in the row is bound by its digest: another one, or bytes that are no text, belong to no workflow."""
    for name in ("cOllector_change", "collector\udcffchange"):
        desk, journal, change = pending()
        get = desk.store.get
        desk.store.get = lambda change_id, get=get, name=name: attrs.evolve(get(change_id), workflow=name)  # type: ignore[method-assign,misc]  # damages what is read
        for look in (journal.load, journal.history):
            with pytest.raises(StorageCorrupt, match=change.id):
                look(change.id)


def spoil(desk: Desk, change_id: str) -> None:
    """Store a document that this library does not write."""
    row = desk.store.get(change_id)
    assert row is not None
    spoilt = attrs.evolve(row, version=row.version + 1, seq=row.seq + 1, form=None, document="{}")
    entry = attrs.evolve(desk.store.history(change_id).entries[-1], seq=row.seq + 1)
    assert desk.store.commit([Write(row=spoilt, expected_version=row.version, entries=(entry,))]) == [None]


def test_a_change_that_cannot_be_read_holds_up_no_other_in_pages() -> None:
    """Observers are told of it."""
    desk, journal, change = pending()
    journal.commit([drafted(journal, 1), drafted(journal, 2)])
    spoil(desk, "C1")

    assert [one.change.id for page in journal.pages(Query(subject=SUBJECT)) for one in page] == [change.id, "C2"]
    assert [(name, type(error)) for name, error in desk.witness.troubles] == [("C1", StorageCorrupt)]


def test_a_change_that_cannot_be_read_is_an_error_where_all_are_wanted() -> None:
    """An answer without it would be wrong."""
    desk, journal, _ = pending()
    journal.commit([drafted(journal, 1)])
    spoil(desk, "C1")

    with pytest.raises(StorageCorrupt, match="change C1 is not stored as"):
        list(journal.find(Query(subject=SUBJECT)))


@pytest.mark.parametrize(("limit", "sizes"), [(2, [2, 2, 1]), (9, [5])])
def test_changes_are_read_page_by_page(limit: int, sizes: list[int]) -> None:
    """Each once."""
    journal = Desk().workflow()._journal
    journal.commit([drafted(journal, number) for number in range(5)])
    pages = list(journal.pages(Query(subject=SUBJECT, limit=limit)))

    assert [len(page) for page in pages] == sizes
    assert [one.change.id for page in pages for one in page] == [f"C{number}" for number in range(sum(sizes))]


# ---------------------------------------------------------------- the chain of the history


def test_a_history_of_many_pages_is_one_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page goes on where the one before ended."""
    desk, journal, change = pending()
    whole = journal.history(change.id)
    monkeypatch.setattr("itsm_workflow.runtime.journal._PAGE", 1)
    asked: list[tuple[str, int, int]] = []
    read = desk.store.history

    def counted(change_id: str, after_seq: int, limit: int) -> EntryRows:
        asked.append((change_id, after_seq, limit))
        return read(change_id, after_seq, limit)

    monkeypatch.setattr(desk.store, "history", counted)

    assert journal.history(change.id) == whole
    assert asked == [(change.id, seq, 1) for seq in range(4)]


def edit(seq: int) -> Callable[[list[EntryRow]], list[EntryRow]]:
    """Return what changes the actor of one entry."""
    return lambda rows: [attrs.evolve(row, actor="eve") if row.seq == seq else row for row in rows]


DAMAGE: dict[str, tuple[Callable[[list[EntryRow]], list[EntryRow]], int]] = {
    "the first edited": (edit(1), 2),
    "one in the middle edited": (edit(2), 3),
    "the last edited": (edit(4), 4),
    "the first gone": (lambda rows: rows[1:], 2),
    "one in the middle gone": (lambda rows: [*rows[:1], *rows[2:]], 3),
    "the last gone": (lambda rows: rows[:-1], 4),
    "all gone": (lambda _: [], 4),
    "two swapped": (lambda rows: [rows[0], rows[2], rows[1], rows[3]], 3),
    "one twice": (lambda rows: [*rows, rows[-1]], 4),
}


@pytest.mark.parametrize(("damage", "seq"), DAMAGE.values(), ids=DAMAGE)
def test_a_history_that_is_not_what_was_written_is_corrupt(
    damage: Callable[[list[EntryRow]], list[EntryRow]], seq: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also at its end, where no later entry tells: the change itself names the last. The error names where it shows."""
    desk, journal, change = pending()
    true = desk.store.history(change.id)
    damaged = attrs.evolve(true, entries=tuple(damage(list(true.entries))))
    monkeypatch.setattr(desk.store, "history", lambda *_: damaged)
    with pytest.raises(StorageCorrupt, match=f"^entry {seq} of change {change.id} is not what was written: ") as caught:
        journal.history(change.id)

    assert vars(caught.value) == {"change_id": change.id, "seq": seq}


def forged(rows: list[EntryRow]) -> EntryRow:
    """Return an entry that continues the chain, and that no commit brought."""
    last = json.loads(rows[-1].document) | {"previous": entry_digest(rows[-1])}
    return attrs.evolve(rows[-1], seq=rows[-1].seq + 1, trigger="approve", document=json.dumps(last))


def test_an_entry_beyond_what_the_change_names_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Well chained or not: the change, read again after its entries, names the last one."""
    desk, journal, change = pending()
    true = desk.store.history(change.id)
    more = attrs.evolve(true, entries=(*true.entries, forged(list(true.entries))))
    monkeypatch.setattr(
        desk.store, "history", lambda _, after, limit: attrs.evolve(more, entries=more.entries[after:][:limit])
    )
    with pytest.raises(StorageCorrupt, match=f"^entry 5 of change {change.id} was never committed: ") as caught:
        journal.history(change.id)

    assert vars(caught.value) == {"change_id": change.id, "seq": 5}


def test_an_entry_that_is_added_while_a_history_is_read_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It continues the chain beyond what the change named a moment ago."""
    desk, journal, change = pending()
    read = desk.store.history

    def overtaken(*given: Any) -> EntryRows:
        monkeypatch.setattr(desk.store, "history", read)
        journal.commit_one(journal.prepare(journal.load(change.id), [HINT], actor="callback"))
        return read(*given)

    monkeypatch.setattr(desk.store, "history", overtaken)

    assert [entry.trigger for entry in journal.history(change.id)][-1] == "receive_callback"


def test_the_highest_submission_is_looked_for_past_empty_pages() -> None:
    """A draft that is submitted again is compared with the others, although it is alone in its page."""
    desk = Desk()
    workflow = desk.sparse()
    for _ in range(2):
        newest = workflow.apply(subject=SUBJECT, **ASKED)
        desk.decide(newest)
        workflow.settle(newest.id)

    assert workflow._journal.highest_submission(SUBJECT, besides=newest.id) == 1
    assert workflow._journal.highest_submission(SUBJECT) == 2
    assert workflow._journal.highest_submission("another") == 0
