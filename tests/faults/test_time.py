"""Faults of time: a process that is stopped, a clock that is set, a ticket that is created late."""

from __future__ import annotations

import datetime as dt
import itertools
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow import Policy, State, open_storage
from itsm_workflow.audit import audit
from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import NotApproved, TransitionRefused
from itsm_workflow.sandbox import Sandbox, acting
from tests.faults.cases import row
from tests.faults.clocks import TurnedWorld
from tests.faults.sleeper import POINTS, SUBJECT, SharedClock, open_workflow, start
from tests.support.attention import reason_of
from tests.support.limits import PATIENCE
from tests.support.places import WatchedStore
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.audit import AuditReport
    from itsm_workflow.storage.protocol import Write
    from tests.faults.cases import Faults

PAUSE = 150
"""The seconds for which a process is stopped: longer than its lease and all look-ups of another one."""

DAY, YEAR = dt.timedelta(days=1), dt.timedelta(days=365)
JUMPS = (DAY, -DAY, 10 * YEAR, -10 * YEAR, dt.timedelta(hours=1), -dt.timedelta(hours=1), -dt.timedelta(seconds=3))
Q = 120.0
"""The unit of the look-up schedule, in seconds."""


# ---------------------------------------------------------------- stopped


@attrs.frozen
class _Woken:
    """The tickets and changes after a stopped process was woken and had ended."""

    tickets: int
    change: ChangeRequest
    report: AuditReport


@pytest.mark.long
@row("T1")
def test_t1_process_stopped_on_its_way_files_no_second_ticket(faults: Faults, tmp_path: Path) -> None:
    """Another worker takes over meanwhile; there is at most one ticket in strict mode, else a duplicate is reported."""
    found = list(itertools.product(POINTS, (0, 1), range(faults.pick(quick=1, full=9))))
    keys = list(faults.cases(f"{point}-{resends}-{number}" for point, resends, number in found))
    with ThreadPoolExecutor(faults.pick(quick=6, full=9)) as pool:
        for key, woken in zip(keys, pool.map(lambda key: _stop_and_wake(key, tmp_path), keys), strict=True):
            point, resends = key.split("-")[:2]
            with faults.case(key):
                wanted = {("mark", "0"): 0, ("send", "1"): 2}.get((point, resends), 1)
                assert woken.tickets == wanted
                attention = woken.change.attention and woken.change.attention.reason
                if wanted == 1:
                    assert (woken.change.state, attention, woken.report.findings) == (State.PENDING, None, ())
                elif wanted == 0:
                    told = (State.APPLYING, AttentionReason.NOT_FOUND, ())
                    assert (woken.change.state, attention, woken.report.findings) == told
                else:  # it was stopped after its last check, which can only be reported, not prevented
                    assert attention == AttentionReason.DUPLICATE
                    assert woken.report.illegal_transitions == woken.report.lost_requests == 0


def _stop_and_wake(key: str, folder: Path) -> _Woken:
    point, resends = key.split("-")[:2]
    store = f"sqlite:///{folder / key}.db"
    open_storage(store).close()
    clock = SharedClock(folder / f"{key}.time")
    clock.advance(0)
    with Sandbox(start_delay=0.0) as sandbox:
        process = start(store, sandbox.url, point, int(resends), folder / f"{key}.time")
        try:
            opened = open_workflow(store, sandbox.url, int(resends), clock=clock)
            for seconds in range(0, PAUSE, 2):
                clock.advance(seconds)
                opened.workflow.reconcile()
            process.send_signal(signal.SIGCONT)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
        for hours in (1, 2, 7, 14):  # the times of the sweep and of late looks
            clock.advance(hours * 3600)
            opened.workflow.reconcile()
        [change] = opened.workflow.find()
        report = audit(opened.store, sandbox, asked=[SUBJECT])
        opened.close()
        return _Woken(len(sandbox.tickets()), change, report)


# ---------------------------------------------------------------- turned


@pytest.mark.long
@row("T2")
def test_t2_turned_clock_sends_nothing_and_breaks_nothing(faults: Faults) -> None:
    """With any wall clock there is one create, a history in the order of its numbers, and the decision in the end."""
    jumps = 0
    for seed in faults.cases(range(faults.pick(quick=40, full=2000))):
        random, world = Random(seed), TurnedWorld(seed)
        fate = random.choice(["answered", "answered", "lost", "unsent"])
        if fate == "lost":
            world.faults.lose_answer("create", always=True)
        elif fate == "unsent":
            world.faults.unreachable("create")
        workflow = world.workflow()

        def turn(world: TurnedWorld = world, random: Random = random) -> None:
            jump = random.choice(JUMPS) * random.choice([1.0, 1.0, random.random()])
            world.clock.set_wall(world.clock.peek() + jump)

        if random.random() < 0.5:
            world.faults.meanwhile("create", turn, always=True)
        with faults.case(seed):
            change = world.apply(workflow)
            for _ in range(random.randint(3, 8)):
                turn()
                jumps += 1
                world.clock.advance(random.choice([0.0, 1.0, 31.0, 600.0]))
                workflow.reconcile()
            world.clock.mend()
            _bring_on(world, workflow)
            world.start_flow()
            ticket, approved = world.ticket_of(workflow.get(change.id)), random.random() < 0.7
            if approved:
                world.decide(ticket, approved=True)
            else:
                acting.withdraw(world.ledger, ticket, "alice")
            turn()
            world.gateway.deliver(workflow.receive)
            world.clock.mend()
            _bring_on(world, workflow)
            creates = [call.name for call in world.faults.calls].count("create")
            assert (creates, len(world.ledger.tickets())) == (1 + (fate == "unsent"), 1)
            assert workflow.get(change.id).state == (State.APPROVED if approved else State.REJECTED)
            assert len({one.effect for one in world.deliveries}) == approved
            assert world.audit().findings == ()
    faults.note(f"{jumps} jumps")


def _bring_on(world: TurnedWorld, workflow: Workflow) -> None:
    """Reconcile for a day: a clock that was ahead delays no look for longer than the longest wait."""
    for _ in range(8):
        workflow.reconcile()
        world.clock.advance(3.0 * 3600)
    workflow.reconcile()


# ---------------------------------------------------------------- born late


@row("T3")
def test_t3_ticket_born_after_the_look_ups_is_told_of(faults: Faults) -> None:
    """The change gets attention, nothing is resent without a person, and a late ticket is bound or reported."""
    for seed in faults.cases(range(faults.pick(quick=30, full=1000))):
        random, world = Random(seed), World(seed)
        delay = random.uniform(0.0, 10 * Q)
        creates = world.faults.deliver_late("create", delay, always=True)
        late = delay > sum(Policy().lookups, dt.timedelta()).total_seconds()
        person = random.choice(["waits", "abandons", "resends"])
        workflow = world.workflow(policy=Policy(resends=random.choice([0, 0, 0, 1])))
        strict = workflow.policy.resends == 0
        with faults.case(seed):
            change = world.apply(workflow)
            for wait in (*workflow.policy.lookups, dt.timedelta(seconds=0.1)):
                world.clock.advance(wait.total_seconds())
                workflow.reconcile()
            known = workflow.get(change.id)
            if late and strict:
                assert (known.state, reason_of(known)) == (State.APPLYING, AttentionReason.NOT_FOUND)
                _let(person, workflow, change)
            _reconcile_for_a_day(world, workflow)
            if (bound := workflow.get(change.id)).ticket is not None:
                world.decide(world.ticket_of(bound), approved=True)
                _reconcile_for_a_day(world, workflow)  # the ended change is swept, since its create was unknown
            after, sent = workflow.get(change.id), creates.hits
            assert sent == (1 if strict and not (late and person == "resends") else sent)
            assert len(world.ledger.tickets()) == sent <= 2
            told = after.attention and after.attention.reason
            if sent == 2:
                assert told in {AttentionReason.DUPLICATE, AttentionReason.DISAGREEMENT}
                assert after.state in {State.APPROVED, State.APPLYING}
            elif late and strict and person == "abandons":
                assert (after.state, len(after.contradictions)) == (State.REJECTED, 1)
            else:
                assert (after.state, told) == (State.APPROVED, None)
            assert world.audit().illegal_transitions == 0


# ---------------------------------------------------------------- set, while a resend is allowed


@row("T4")
@pytest.mark.long
def test_t4_clock_that_is_set_hurries_no_resend(faults: Faults) -> None:
    """With short-lived workers each wait takes its time by the clock since boot, and then one resend is made."""
    schedule = sum(Policy().lookups, dt.timedelta()).total_seconds()
    jumps = 0
    for seed in faults.cases(range(faults.pick(quick=30, full=1000))):
        random, world = Random(seed), TurnedWorld(seed)
        creates = world.faults.time_out("create", always=True)
        with faults.case(seed):
            change = world.apply(world.workflow(policy=Policy(resends=1)))
            began = world.clock.elapsed()
            while world.clock.elapsed() < began + schedule * 0.9:
                workflow = world.workflow(policy=Policy(resends=1))
                if random.random() < 0.6:
                    jumps += 1
                    jump = dt.timedelta(seconds=random.uniform(-300.0, 1200.0))
                    world.clock.set_wall(world.clock.peek() + jump)
                for _ in range(random.randint(1, 4)):
                    workflow.reconcile(readers=1)
                    if random.random() < 0.3:
                        workflow.settle(change.id)
                world.clock.advance(random.uniform(0.0, 60.0))
                assert creates.hits == 1
            world.clock.mend()
            for _ in range(30):
                world.clock.advance(600.0)
                world.workflow(policy=Policy(resends=1)).reconcile(readers=1)
            assert creates.hits == 2
            assert world.audit().illegal_transitions == 0
    faults.note(f"{jumps} jumps")


# ---------------------------------------------------------------- set, between submissions


@row("T5")
def test_t5_gate_goes_by_the_newest_submission(faults: Faults) -> None:
    """It goes by the newest submission with any clock, also if others submit between a read and its commit."""
    overtaken = 0
    for seed in faults.cases(range(faults.pick(quick=30, full=1000))):
        random, world = Random(seed), TurnedWorld(seed)
        store = world.store = WatchedStore(world.store)
        with faults.case(seed):
            for _ in range(random.randint(2, 6)):
                world.clock.set_wall(world.clock.peek() + dt.timedelta(seconds=random.uniform(-7200, 7200)))
                if random.random() < 0.4:
                    overtaken += 1
                    store.before = partial(_submit_before, world, store, random)
                workflow = world.workflow()
                change = _filed(world, workflow)
                assert not _passes(workflow)
                approved = _decided(world, workflow, change, random)
                assert _passes(workflow) == approved
    faults.note(f"{overtaken} submissions were overtaken")


def _submit_before(world: TurnedWorld, store: WatchedStore, random: Random, _writes: Sequence[Write]) -> None:
    """Let another process submit, and let its ticket be decided, just before a commit."""
    store.before = lambda _: None
    workflow = world.workflow()
    _decided(world, workflow, _filed(world, workflow), random)


def _filed(world: TurnedWorld, workflow: Workflow) -> ChangeRequest:
    change = world.apply(workflow)
    while change.ticket is None:  # a send that was postponed, since it took too long, is made later
        world.clock.advance(600)
        workflow.reconcile(readers=1)
        change = workflow.get(change.id)
    return change


def _decided(world: TurnedWorld, workflow: Workflow, change: ChangeRequest, random: Random) -> bool:
    """Decide the ticket, and set the clock before the decision is read; return whether it was approved."""
    approved = random.random() < 0.5
    world.start_flow()
    world.decide(world.ticket_of(change), approved=approved)
    world.clock.set_wall(world.clock.peek() + dt.timedelta(seconds=random.uniform(-7200, 7200)))
    assert workflow.settle(change.id).ended_at is not None
    return approved


def _passes(workflow: Workflow) -> bool:
    try:
        workflow.require_approved("collector-1")
    except NotApproved:
        return False
    return True


def _reconcile_for_a_day(world: World, workflow: Workflow) -> None:
    for hours in (0.1, 0.2, 0.3, 0.6, 1.1, 1.1, 2.1, 6.1, 6.1, 6.1):
        world.clock.advance(hours * 3600)
        world.gateway.deliver(workflow.receive)
        workflow.reconcile()


def _let(person: str, workflow: Workflow, change: ChangeRequest) -> None:
    """Let a person decide where the look-ups did not."""
    if person == "abandons":
        workflow.abandon(change.id, actor="ops")
    elif person == "resends":
        workflow.resend(change.id, actor="ops")


@row("T3")
def test_t3_nothing_is_sent_again_before_the_look_ups_end(faults: Faults) -> None:
    """An early resend by a person is refused until the look-ups are used up."""
    for seed in faults.cases(range(faults.pick(quick=10, full=300))):
        random, world = Random(seed), World(seed)
        creates = world.faults.deliver_late("create", 86400.0, always=True)
        workflow = world.workflow()
        with faults.case(seed):
            change = world.apply(workflow)
            passed = 0.0
            while (wait := random.uniform(0.0, 100.0)) + passed < 4 * Q:
                passed += wait
                world.clock.advance(wait)
                workflow.reconcile()
                for act in (workflow.resend, workflow.abandon):
                    refused = False
                    try:
                        act(change.id, actor="ops")
                    except TransitionRefused:
                        refused = True
                    assert refused
            assert creates.hits == 1
