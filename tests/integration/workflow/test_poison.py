"""One change that cannot be read, planned or stored holds no other up, in no pass."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE, State, open_storage
from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.runtime.executor import Executor
from itsm_workflow.runtime.gateway_calls import GatewayCalls
from itsm_workflow.storage.codec import Stored
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.support.places import Witness
from tests.support.world import World

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.change import Ticket
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.policy import Policy
    from itsm_workflow.runtime.reconciler import Report
    from itsm_workflow.storage.protocol import Conflict, Write

SUBJECTS = [f"collector-{number}" for number in range(4)]
POISONED = SUBJECTS[1]


class Troubles:
    """Keeps the ids of the changes that there was trouble with."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def on_entry(self, change: ChangeRequest, entry: object) -> None:
        """Keep nothing of it."""

    def on_trouble(self, change_id: str, error: Exception) -> None:
        """Keep the change's id."""
        self.ids.append(change_id)


@attrs.frozen(kw_only=True)
class Site:
    """Four approved tickets of four waiting changes in a SQLite file, and a workflow over them."""

    path: Path
    world: World
    workflow: Workflow
    troubles: Troubles
    changes: dict[str, ChangeRequest]

    def edit(self, statement: str, *values: object) -> None:
        """Damage the file as a disk would, below the library."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute(statement, values)

    def poll(self, **options: object) -> Report:
        """Let the polls fall due, and reconcile."""
        self.world.clock.advance(301)
        return self.workflow.reconcile(**options)  # type: ignore[arg-type] # the tests' own options


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return the site."""
    path = tmp_path / "store.db"
    with contextlib.closing(open_storage(f"sqlite:///{path}")) as store:
        world, troubles = World(store=store), Troubles()
        workflow = world.workflow(observers=[troubles])
        changes = {subject: world.apply(workflow, subject) for subject in SUBJECTS}
        world.start_flow()
        for change in changes.values():
            world.decide(world.ticket_of(change), approved=True)
        yield Site(path=path, world=world, workflow=workflow, troubles=troubles, changes=changes)


def undecodable(site: Site) -> None:
    """Flip one bit, so that a text is not UTF-8 any more."""
    site.edit("UPDATE changes SET document = CAST(X'FF' || substr(document, 2) AS TEXT) WHERE subject = ?", POISONED)


def flipped(site: Site) -> None:
    """Flip one bit, so that a text is another one."""
    site.edit("""UPDATE changes SET document = replace(document, '"alice"', '"alicd"') WHERE subject = ?""", POISONED)


def stray(site: Site) -> None:
    """Leave an entry that no change names."""
    site.edit(
        "INSERT INTO entries SELECT change_id, seq + 1, at, trigger, source, dest, actor, document FROM entries "
        "WHERE change_id = ? ORDER BY seq DESC LIMIT 1",
        site.changes[POISONED].id,
    )


def numbered(version: str) -> Callable[[Site], None]:
    """Return the damage that gives the row's version, which no digest covers, another value."""
    return lambda site: site.edit(f"UPDATE changes SET version = {version} WHERE subject = ?", POISONED)  # noqa: S608


DAMAGE: dict[str, Callable[[Site], None]] = {
    "a text that is not UTF-8": undecodable,
    "another text": flipped,
    "a stray entry": stray,
    "a version with its sign flipped": numbered("version | -128"),
    "version zero": numbered("0"),
    "a version that none can follow": numbered(str(2**63 - 1)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_change_holds_no_other_up(site: Site, damage: Callable[[Site], None]) -> None:
    """The pass approves the others, reports the one, and so does the next pass; a limit is not used up by it."""
    damage(site)
    poisoned = site.changes[POISONED].id

    first = site.poll(limit=3)

    others = [subject for subject in SUBJECTS if subject != POISONED]
    assert [site.workflow.resolve(subject).state for subject in others] == [State.APPROVED] * 3
    assert (first.moved, first.due) == (3, 4)
    assert first.unreadable == 1
    assert poisoned in site.troubles.ids

    site.troubles.ids.clear()
    again = site.poll()
    assert (again.due, again.moved, poisoned in site.troubles.ids) == (1, 0, True)


@pytest.mark.parametrize("readers", [1, 4])
@pytest.mark.parametrize("error", [ValueError("a value that this backend cannot keep"), asyncio.CancelledError()])
def test_change_that_no_store_takes_holds_no_other_up(
    site: Site, monkeypatch: pytest.MonkeyPatch, readers: int, error: BaseException
) -> None:
    """A commit that is refused because of one change's value is made again for each of them."""
    commit = site.world.store.commit

    def picky(writes: list[Write]) -> list[Conflict | None]:
        if any(write.row.subject == POISONED for write in writes):
            raise error
        return commit(writes)

    monkeypatch.setattr(site.world.store, "commit", picky)
    report = site.poll(readers=readers)

    assert (report.due, report.moved, report.unreadable) == (4, 3, 1)
    assert {site.changes[POISONED].id} == set(site.troubles.ids)


def test_a_submission_number_without_a_successor_is_damage(site: Site) -> None:
    """The error names its change, before anything is stored for the new one."""
    site.workflow.reconcile()
    site.poll()
    site.edit("UPDATE changes SET submission = ? WHERE subject = ?", 2**63 - 1, POISONED)

    with pytest.raises(StorageCorrupt, match=site.changes[POISONED].id):
        site.world.apply(site.workflow, POISONED)


def test_others_are_listed_and_found_beside_a_damaged_change(site: Site) -> None:
    """The damaged one is reported by its id; to read it by itself says what is wrong."""
    undecodable(site)
    poisoned = site.changes[POISONED].id
    damaged: list[str] = []

    listed = [change.subject for change in site.workflow.find(on_damage=lambda name, _: damaged.append(name))]

    assert [subject for subject in SUBJECTS if subject != POISONED] == sorted(listed)
    assert [poisoned] == damaged == site.troubles.ids
    with pytest.raises(StorageCorrupt, match=poisoned):
        site.workflow.get(poisoned)


@pytest.mark.parametrize("error", [ZeroDivisionError("a host's mistake"), asyncio.CancelledError()])
def test_a_due_rule_that_fails_on_one_change_delays_no_other(error: BaseException) -> None:
    """Any error of a host's rule is reported for that change alone; the change is polled, and its decision is found."""

    def brittle(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
        if change.subject == POISONED and rule.fails:
            raise error
        return COLLECTOR_CHANGE.due[State.PENDING](change, now, policy, looked=looked)

    @attrs.define
    class Rule:
        fails: bool = False

    rule = Rule()
    definition = attrs.evolve(COLLECTOR_CHANGE, due={**COLLECTOR_CHANGE.due, State.PENDING: brittle})
    world, troubles = World(), Troubles()
    workflow = world.workflow(definition=definition, observers=[troubles])
    changes = {subject: world.apply(workflow, subject) for subject in SUBJECTS}
    rule.fails = True
    world.clock.advance(301)

    report = workflow.reconcile()

    assert (report.due, report.unchanged, report.unreadable) == (4, 4, 0)
    assert {changes[POISONED].id} == set(troubles.ids)
    world.decide(world.ticket_of(changes[POISONED]), approved=True)
    world.clock.advance(301)
    workflow.reconcile()
    assert workflow.get(changes[POISONED].id).state == State.APPROVED


@pytest.mark.parametrize("readers", [1, 4])
@pytest.mark.parametrize("method", ["read", "look", "plan", "prepare_read"])
def test_a_task_that_was_cancelled_within_one_change_delays_no_other(
    site: Site, monkeypatch: pytest.MonkeyPatch, readers: int, method: str
) -> None:
    """A gateway or a rule of the host ran it in an event loop of its own: the process was not told to end."""
    poisoned = site.changes[POISONED]
    owner = {"read": site.world.gateway, "look": GatewayCalls}.get(method, Executor)
    original = getattr(owner, method)

    def strike(*args: object, **options: object) -> object:
        if any(poisoned.sn == (arg.change.sn if isinstance(arg, Stored) else getattr(arg, "sn", "")) for arg in args):
            raise asyncio.CancelledError
        return original(*args, **options)

    monkeypatch.setattr(owner, method, strike)
    report = site.poll(readers=readers)

    assert (report.due, report.moved, report.unreadable + report.failed) == (4, 3, 1)
    assert {poisoned.id} == set(site.troubles.ids)


def test_a_due_rule_that_is_always_over_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its change is looked at once in a pass, and in the next pass the others come first."""

    def eager(change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
        if change.subject == POISONED:
            return change.created_at
        return COLLECTOR_CHANGE.due[State.PENDING](change, now, policy, looked=looked)

    definition = attrs.evolve(COLLECTOR_CHANGE, due={**COLLECTOR_CHANGE.due, State.PENDING: eager})
    world = World()
    workflow = world.workflow(definition=definition)
    sns = [world.apply(workflow, subject).sn for subject in SUBJECTS]
    read, read_of = world.gateway.read, list[str]()

    def noted(ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        read_of.append(ticket.sn)
        return read(ticket, decision_field=decision_field)

    monkeypatch.setattr(world.gateway, "read", noted)
    for _ in SUBJECTS:
        world.clock.advance(301)
        workflow.reconcile(limit=1)

    assert sorted(read_of) == sorted(sn or "" for sn in sns)


def test_gateway_that_rests_is_not_asked_by_a_pass(site: Site) -> None:
    """Nothing is claimed, and the report says why the pass ended."""
    site.world.gateway.resting = lambda: "the gateway rests"  # type: ignore[attr-defined] # an optional ability

    report = site.poll()

    assert (report.due, report.finished, report.stopped) == (0, False, "the gateway rests")
    del site.world.gateway.resting  # type: ignore[attr-defined] # as above
    assert site.workflow.reconcile().moved == 4


def test_an_unreadable_row_hides_no_other() -> None:
    """Lists leave it out and report it; a read of the change, and the gate for its subject, raise the error."""
    world, witness = World(), Witness()
    workflow = world.workflow(observers=(witness,))
    broken, whole = world.apply(workflow, "collector-1"), world.apply(workflow, "collector-2")
    row = world.store.get(broken.id)
    assert row is not None
    world.store._open_table().rows[broken.id] = attrs.evolve(row, document="{}")  # type: ignore[attr-defined] # the one in memory
    assert [change.id for change in workflow.find()] == [whole.id]
    assert workflow.resolve("collector-2").id == whole.id
    with pytest.raises(StorageCorrupt, match=broken.id):
        workflow.require_approved("collector-1")
    assert [name for name, _ in witness.troubles] == [broken.id]


def test_a_change_with_an_invalid_due_time_delays_no_other(tmp_path: Path) -> None:
    """One number in a table is damaged: the pass continues and reports it."""
    path, world, witness = tmp_path / "changes.db", World(), Witness()
    world.store = SQLiteBackend(path)
    workflow = world.workflow(observers=(witness,))
    damaged, sound = world.apply(workflow, "collector-1"), world.apply(workflow, "collector-2")
    world.start_flow()
    world.decide(world.ticket_of(sound), approved=True)
    for due_at in (-(2**62), 2**62):
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE changes SET due_at = ? WHERE id = ?", (due_at, damaged.id))
        world.clock.advance(600)
        workflow.reconcile()

    assert workflow.get(sound.id).state == State.APPROVED
    assert {change_id for change_id, error in witness.troubles if isinstance(error, StorageCorrupt)} == {damaged.id}
    world.store.close()
