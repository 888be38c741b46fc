"""Choosing the changes that an archive keeps, and copying them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import Effect, NotApproved, State
from itsm_workflow.change import EffectStatus
from itsm_workflow.errors import StorageSchemaError
from itsm_workflow.storage.archiving import ended_before
from itsm_workflow.storage.codec import Codec
from itsm_workflow.storage.contents import examine
from itsm_workflow.storage.copying import Comparison, copy_store
from itsm_workflow.storage.protocol import Query
from itsm_workflow.strict import canonical, parse
from itsm_workflow_backends.memory import MemoryBackend
from tests.support.desk import ASKED, Desk, Work

if TYPE_CHECKING:
    from itsm_workflow import Workflow
    from itsm_workflow.storage.copying import CopyReport

DAY = 86_400


class Years:
    """A store that has been used for a long time, with a change of every kind."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.parked = False
        self.workflow = self.desk.workflow(effects={State.APPROVED: [Effect("start", Work(self.fail))]})
        self.ids: dict[str, str] = {}

    def fail(self) -> None:
        """Let the host's effect fail while a test wants it."""
        if self.parked:
            raise RuntimeError("the host is down")

    def apply(self, subject: str, name: str = "", *, approved: bool | None = None) -> None:
        """File a change, and let it be decided."""
        change = self.workflow.apply(subject=subject, **ASKED)
        self.ids[name or subject] = change.id
        if approved is not None:
            self.desk.decide(change, approved=approved)
            self.workflow.settle(change.id)

    def later(self, days: int = 100) -> None:
        """Let days pass, in which everything that is due is settled."""
        for _ in range(3):
            self.desk.clock.advance(days * DAY / 3)
            self.workflow.reconcile()

    def archived(self, archive: MemoryBackend, days: int = 90) -> CopyReport:
        """Archive what is older."""
        before = self.desk.clock.now() - dt.timedelta(days=days)
        return copy_store(self.desk.store, archive, lambda *_: None, ended_before(before))


def names_in(years: Years, store: MemoryBackend) -> set[str]:
    """Return the names of the changes in a store."""
    names = {change_id: name for name, change_id in years.ids.items()}
    return {names[row.id] for row in store.find(Query()).rows}


def answers_of(workflow: Workflow, subjects: set[str]) -> dict[str, str]:
    """Return what the gate says of each subject."""
    answers = {}
    for subject in subjects:
        try:
            answers[subject] = workflow.require_approved(subject).id
        except NotApproved as error:
            answers[subject] = str(error.state)
    return answers


def test_only_changes_that_have_nothing_left_to_do_are_chosen() -> None:
    """Each of the others is as old."""
    years = Years()
    years.apply("approved", approved=True)
    years.apply("rejected", approved=False)
    years.apply("open")
    years.ids["draft"] = years.workflow.draft(subject="draft", **ASKED).id
    years.parked = True
    years.apply("parked", approved=True)
    years.later()
    years.parked = False
    years.apply("recent", approved=True)
    archive = MemoryBackend()
    report = years.archived(archive)
    assert report.verified
    assert names_in(years, archive) == {"approved", "rejected"}
    assert report.before == Comparison(missing=2)
    assert names_in(years, MemoryBackend()) == set()


@pytest.mark.parametrize("status", EffectStatus)
def test_a_change_whose_effects_are_not_all_delivered_stays(status: EffectStatus) -> None:
    """Whatever else its row says."""
    years = Years()
    years.apply("a", approved=True)
    row = years.desk.store.get(years.ids["a"])
    assert row is not None
    codec = Codec({})
    stored = codec.read(row)
    effects = tuple(attrs.evolve(one, status=status) for one in stored.change.effects)
    assert effects
    write, _ = codec.write(stored, attrs.evolve(stored.change, effects=effects), [], None, open_subject=None)
    is_chosen = ended_before(years.desk.clock.now()).wanted(attrs.evolve(write.row, form=row.form))
    assert is_chosen == (status in {EffectStatus.DELIVERED, EffectStatus.SUPERSEDED})


@pytest.mark.parametrize("columns", [{"open_subject": "x"}, {"due_at": 1}, {"attention": "host"}])
def test_a_change_that_holds_its_subject_or_is_due_or_needs_attention_stays(columns: dict[str, object]) -> None:
    """Whatever its document says."""
    years = Years()
    years.apply("a", approved=True)
    row = years.desk.store.get(years.ids["a"])
    assert row is not None
    only = ended_before(years.desk.clock.now())
    assert only.wanted(row)
    assert not only.wanted(attrs.evolve(row, **columns))  # type: ignore[arg-type]


def test_nothing_is_removed_and_the_gate_answers_as_before() -> None:
    """Also where an older change of the subject was archived, which says the opposite."""
    years = Years()
    years.apply("a", "a, first", approved=True)
    years.apply("b", "b, first", approved=False)
    years.apply("c", "c, first", approved=True)
    years.later()
    years.apply("a", "a, second", approved=False)
    years.apply("b", "b, second", approved=True)
    years.apply("c", "c, open")
    before, subjects = examine(years.desk.store), {"a", "b", "c", "d"}
    answers = answers_of(years.workflow, subjects)
    archive = MemoryBackend()
    assert years.archived(archive).verified
    assert names_in(years, archive) == {"a, first", "b, first", "c, first"}
    assert examine(years.desk.store) == before
    assert answers_of(years.workflow, subjects) == answers
    assert answers == {"a": "rejected", "b": years.ids["b, second"], "c": "pending", "d": "None"}


def test_an_archive_is_added_to() -> None:
    """What it has is compared, not copied again; other changes in it do not matter."""
    years = Years()
    years.apply("a", approved=True)
    years.later()
    years.apply("b", approved=True)
    archive = MemoryBackend()
    assert years.archived(archive).copied == 1
    years.later()
    report = years.archived(archive)
    assert (report.before, report.copied, report.verified) == (Comparison(missing=1, same=1), 1, True)
    assert names_in(years, archive) == {"a", "b"}
    assert years.archived(archive, days=150).before == Comparison(same=1)
    years.desk.workflow(storage=archive).draft(subject="of another store", **ASKED)
    assert years.archived(archive).before == Comparison(same=2)


def test_a_damaged_change_is_reported_and_nothing_is_copied() -> None:
    """It cannot be known whether it has ended."""
    years = Years()
    years.apply("a", approved=True)
    years.apply("b", approved=True)
    years.later()
    inner = years.desk.store.inner
    assert isinstance(inner, MemoryBackend)
    table = inner._table
    assert table is not None
    table.rows[years.ids["a"]] = attrs.evolve(table.rows[years.ids["a"]], state="pending")
    archive = MemoryBackend()
    assert [one.change_id for one in years.archived(archive).damaged] == [years.ids["a"]]
    assert archive.find(Query()).rows == ()


def test_a_change_of_a_newer_version_stops_it() -> None:
    """Only that version can know whether it has ended."""
    years = Years()
    years.apply("a", approved=True)
    row = years.desk.store.get(years.ids["a"])
    assert row is not None
    document = parse(row.document)
    assert isinstance(document, dict)
    with pytest.raises(StorageSchemaError):
        ended_before(years.desk.clock.now()).wanted(attrs.evolve(row, document=canonical({**document, "schema": 99})))
