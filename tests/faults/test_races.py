"""Races: processes and threads that do the same on one store at the same time."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from itsm_workflow import Policy, State, Workflow, open_storage
from itsm_workflow.audit import audit
from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import AlreadyApplied
from itsm_workflow.testing.conformance._rows import create
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.faults.cases import row
from tests.faults.racer import Racer
from tests.faults.ticket_file import TicketFile
from tests.support.limits import PATIENCE
from tests.support.worker import LaterClock
from tests.support.world import World, times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.cases import Faults

THREADS = 64


@row("R1")
def test_r1_processes_do_the_same_on_one_file(faults: Faults, tmp_path: Path) -> None:
    """Each subject and each draft has one winner; the others get `AlreadyApplied` or a refusal, never a lock error."""
    processes, subjects, drafts = faults.pick(quick=(4, 30, 20), full=(16, 10_000, 2000))
    store, tickets = f"sqlite:///{tmp_path / 'changes.db'}", tmp_path / "tickets"
    with Workflow(storage=store, gateway=TicketFile(tickets)) as workflow:
        for _ in range(drafts):
            workflow.draft(subject="a draft", title="t", applicant="alice", approvers=["carol"])
    with contextlib.ExitStack() as running:
        racers = [Racer(store, tickets, subjects=subjects, seed=number) for number in range(processes)]
        for racer in racers:
            running.enter_context(racer)
        for racer in racers:
            racer.go()
        told = [racer.hear() for racer in racers]
    winners = Counter(subject for one in told for subject in one["won"])
    errors = sum((Counter(one["errors"]) for one in told), Counter[str]())
    at_once = len(TicketFile(tickets).tickets())  # a process that waited too long for the store postponed its send
    for number in faults.cases(range(subjects)):
        with faults.case(number):
            assert winners[f"collector-{number}"] == 1
    assert dict(errors) == {"AlreadyApplied": (processes - 1) * subjects}
    abandoned = Counter(draft for one in told for draft in one["abandoned"])
    assert (len(abandoned), abandoned.total()) == (drafts, drafts)
    _check(store, tickets, subjects)
    assert len(TicketFile(tickets).tickets()) == subjects
    faults.note(f"{processes} processes, {winners.total() + drafts} winners, {subjects - at_once} sends postponed")


class Failing:
    """A connection of SQLite of which one statement fails, before it is executed or after it."""

    def __init__(self, connection: sqlite3.Connection, *, at: int, after: bool, error: BaseException) -> None:
        """Wrap a connection."""
        self._connection = connection
        self._left = at
        self._after = after
        self._error = error

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # as of the connection
        """Return what the connection has."""
        return getattr(self._connection, name)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """Execute a statement, or fail."""
        return self._maybe(self._connection.execute, *arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        """Execute a statement several times, or fail."""
        return self._maybe(self._connection.executemany, *arguments)

    def _maybe(self, execute: Callable[..., sqlite3.Cursor], *arguments: object) -> sqlite3.Cursor:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise self._error
        cursor = execute(*arguments)
        if self._left == 0:
            raise self._error
        return cursor


@row("R5")
def test_r5_shared_commit_fails_at_each_step(faults: Faults, tmp_path: Path) -> None:
    """What was acknowledged is stored, what was not stored is reported as such, and the next commit is stored."""
    errors = (sqlite3.OperationalError("disk I/O error"), KeyboardInterrupt())
    names = [f"c{number}" for number in range(faults.pick(quick=3, full=8))]
    steps = [(at, after, error) for at in range(1, 2 * len(names) + 3) for after in (False, True) for error in errors]
    unknown = 0
    for number in faults.cases(range(len(steps))):
        at, after, error = steps[number]
        path = tmp_path / f"{number}.db"
        with faults.case(number):
            got = _shared_commit(path, names, partial(Failing, at=at, after=after, error=error))
            with contextlib.closing(SQLiteBackend(path)) as backend:
                for name in names:
                    outcome = str(got[name])
                    row = backend.get(name)
                    if "unknown" in outcome or got[name] is error:
                        unknown += 1
                    elif "nothing was stored" in outcome:
                        assert row is None
                    else:
                        assert (got[name], row is None) == ([None], False)
                assert backend.get("later") is not None
    faults.note(f"{len(steps)} steps, {unknown} unknown outcomes")
    assert unknown < len(steps) * len(names)


def _shared_commit(path: Path, names: list[str], broken: Callable[[sqlite3.Connection], object]) -> dict[str, object]:
    """Let each of several threads commit one change, in one transaction on a broken connection."""
    got: dict[str, object] = {}
    with contextlib.closing(SQLiteBackend(path, timeout=PATIENCE)) as backend:
        commits, connections = backend._commits, backend._connections

        def commit(name: str) -> None:
            try:
                got[name] = backend.commit([create(name)])
            except BaseException as error:  # noqa: BLE001  # it is judged by the test
                got[name] = error

        backend.commit([])
        threads = [threading.Thread(target=commit, args=(name,)) for name in names]
        with connections._writers:
            for place, thread in enumerate(threads):
                thread.start()
                while commits._leader is None or len(commits._waiting) < place:
                    threading.Event().wait(0.001)
            connections._idle = [cast("sqlite3.Connection", broken(one)) for one in connections._idle]
        for thread in threads:
            thread.join(PATIENCE)
        assert backend.commit([create("later")]) == [None]
    return got


@row("R4")
@pytest.mark.long
def test_r4_process_killed_with_the_lock_holds_nobody_up(faults: Faults, tmp_path: Path) -> None:
    """The system frees its lock, the others continue, and its unfinished change is recovered or gets attention."""
    processes, subjects, rounds = faults.pick(quick=(3, 25, 1), full=(7, 1000, 5))
    written = 0
    for number in faults.cases(range(rounds)):
        store, tickets = f"json:///{tmp_path / f'{number}.jsonl'}", tmp_path / f"tickets-{number}"
        open_storage(store).close()
        with faults.case(number), contextlib.ExitStack() as running:
            racers = [Racer(store, tickets, subjects=subjects, seed=seed) for seed in range(processes)]
            holder = Racer(store, tickets, subjects=subjects, seed=99, hold=number + 1)
            for racer in (*racers, holder):
                running.enter_context(racer)
            holder.go()
            assert holder.hear() == "holds"
            for racer in racers:
                racer.go()  # all of them now wait for the lock
            holder.kill()
            told = [racer.hear() for racer in racers]
            assert {name for one in told for name in one["errors"]} <= {"AlreadyApplied"}
            written += _check(store, tickets, subjects)
    faults.note(f"{processes} processes and one that dies in its n-th write, {written} entries written")


def _check(store: str, tickets: Path, subjects: int) -> int:
    """Let a survivor reconcile what is left, audit everything, and return the number of entries."""
    ledger, entries = TicketFile(tickets), 0
    policy = Policy()
    ahead = policy.send_lease.total_seconds()
    for wait in policy.lookups:  # one pass for each look-up
        ahead += wait.total_seconds() + 1
        with Workflow(storage=store, gateway=ledger, clock=LaterClock(ahead)) as survivor:
            survivor.reconcile()
    with Workflow(storage=store, gateway=ledger) as survivor:
        for change in survivor.find():
            entries += len(survivor.history(change.id))
            unsent = change.attention is not None and change.attention.reason == AttentionReason.NOT_FOUND
            wanted = State.APPLYING if unsent else State.PENDING if change.attempt else State.REJECTED
            assert change.state == wanted
    storage = open_storage(store)
    report = audit(storage, ledger, asked=[f"collector-{number}" for number in range(subjects)])
    storage.close()
    assert report.findings == ()
    return entries


@row("R2")
def test_r2_threads_share_one_workflow(faults: Faults) -> None:
    """Sixty-four threads with a switch every microsecond cause one ticket, one transition and one effect."""
    with _switching_fast(), _crew(THREADS) as at_once:
        for seed in faults.cases(range(faults.pick(quick=8, full=1000))):
            world = World(seed)
            workflow = world.workflow()
            with faults.case(seed):
                taken = at_once(lambda _, world=world, workflow=workflow: _apply(world, workflow))  # type: ignore[misc]
                assert taken.count("filed") == 1
                [change] = workflow.find()
                world.start_flow()
                world.decide(world.ticket_of(change), approved=True)
                acts: list[Callable[[], object]] = [
                    lambda world=world, workflow=workflow, change=change: world.knock(workflow, change),  # type: ignore[misc]
                    lambda workflow=workflow, change=change: workflow.settle(change.id),  # type: ignore[misc]
                    workflow.reconcile,
                    lambda workflow=workflow, change=change: workflow.history(change.id),  # type: ignore[misc]
                ]
                at_once(lambda number, acts=acts: acts[number % len(acts)]())  # type: ignore[misc]
                workflow.reconcile()
                assert (times(workflow, change, "approve"), len(world.deliveries)) == (1, 1)
                world.check()


def _apply(world: World, workflow: Workflow) -> str:
    try:
        world.apply(workflow)
    except AlreadyApplied:
        return "taken"
    return "filed"


@row("R2")
def test_r2_workflow_is_opened_before_a_fork(faults: Faults, tmp_path: Path) -> None:
    """Parent and child both continue with the inherited objects, and no write is lost or doubled."""
    kinds = ("sqlite:///{}.db", "json:///{}.jsonl")
    for number in faults.cases(range(faults.pick(quick=6, full=200))):
        store, tickets = kinds[number % 2].format(tmp_path / str(number)), tmp_path / f"tickets-{number}"
        with faults.case(number), Workflow(storage=store, gateway=TicketFile(tickets)) as workflow:
            _file(workflow, "before")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later warn if there are threads
                child = os.fork()
            if child == 0:
                with contextlib.suppress(BaseException):
                    _file(workflow, "child", "shared")
                    os._exit(0)
                os._exit(1)
            _file(workflow, "parent", "shared")
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            _file(workflow, "after")
            subjects = sorted(change.subject for change in workflow.find())
            assert subjects == ["after", "before", "child", "parent", "shared"]
            assert len(TicketFile(tickets).tickets()) == len(subjects)
            report = audit(workflow._journal.storage, TicketFile(tickets), asked=subjects)
            assert report.findings == ()


def _file(workflow: Workflow, *subjects: str) -> None:
    for subject in subjects:
        with contextlib.suppress(AlreadyApplied):
            workflow.apply(subject=subject, title="t", applicant="alice", approvers=["carol"])


@pytest.mark.long
@row("R3")
def test_r3_reconcilers_and_callbacks_come_at_once(faults: Faults, tmp_path: Path) -> None:
    """The first of them makes the only transition and delivers the only effect; each callback is acknowledged."""
    with _crew(THREADS) as at_once:
        for seed in faults.cases(range(faults.pick(quick=12, full=1000))):
            kept_in_a_file = seed % 4 == 3
            path = tmp_path / f"{seed}.db"
            world = World(seed, store=open_storage(f"sqlite:///{path}") if kept_in_a_file else None)
            workflows = [world.workflow() for _ in range(4)]
            change = world.approved(workflows[0])
            world.clock.advance(301)

            def act(number: int, world: World = world, workflows: list[Workflow] = workflows) -> object:
                workflow = workflows[number % len(workflows)]
                if number < 8:
                    return workflow.reconcile().failed
                return world.knock(workflow, workflow.get(change.id), updated_by=str(number % 3))  # noqa: B023 - at once

            with faults.case(seed):
                answers = at_once(act)
                assert set(answers) == {0, 200}
                world.reconcile_for(workflows[0], hours=1)
                [after] = workflows[0].find()
                assert (after.state, times(workflows[0], change, "approve")) == (State.APPROVED, 1)
                assert len(world.deliveries) == len(after.effects) == 1
                world.check()
            world.store.close()


@contextlib.contextmanager
def _switching_fast() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextlib.contextmanager
def _crew(size: int) -> Iterator[Callable[[Callable[[int], object]], list[object]]]:
    """Yield a function that runs a part of some work in each thread, with all threads starting at the same time."""
    gate = threading.Barrier(size)

    def alone(work: Callable[[int], object], number: int) -> object:
        gate.wait(PATIENCE)
        return work(number)

    with ThreadPoolExecutor(size) as pool:
        yield lambda work: [
            done.result(PATIENCE) for done in [pool.submit(alone, work, number) for number in range(size)]
        ]
