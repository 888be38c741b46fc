"""Callbacks that are repeated, early, forged, false, malformed or too many, or that arrive during an outage."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import State
from itsm_workflow.callbacks.signer import HEADER, PATH
from itsm_workflow.change import AttentionReason, Outcome
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.gateway.protocol import Unknown
from itsm_workflow.sandbox import acting
from itsm_workflow.sandbox.behaviour import Behaviour
from itsm_workflow.sandbox.ticket import Status
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from tests.faults.bodies import malformed
from tests.faults.cases import row
from tests.faults.host import Line, files_of, hosts, resident
from tests.support.attention import reason_of
from tests.support.limits import PATIENCE
from tests.support.office import Office
from tests.support.places import WatchedStore
from tests.support.world import World, address_of, callback_facts, times

if TYPE_CHECKING:
    from pathlib import Path

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.change import Ticket
    from itsm_workflow.gateway.protocol import CreateAnswer, CreateRequest
    from itsm_workflow.machine.evidence import Snapshot
    from itsm_workflow.secrets import Secret
    from tests.faults.cases import Faults

WORDS = ("NEW", "RUNNING", "SUSPENDED", "REVOKED", "TERMINATED", "FINISHED", "finished", "", "已结束")


@row("K1")
def test_k1_copies_come_shuffled_and_late(faults: Faults) -> None:
    """In any order they cause one transition and one effect, and each copy is acknowledged."""
    for seed in faults.cases(range(faults.pick(quick=50, full=5000))):
        world = World(seed)
        workflow, random = world.workflow(), Random(seed)
        change = world.apply(workflow)
        world.start_flow()
        early = [{"current_status": word, "approve_result": False} for word in ("RUNNING", "RUNNING", "SUSPENDED")]
        late = [{"current_status": "FINISHED", "approve_result": True}] * random.randint(2, 8)
        knocks: list[dict[str, Any]] = [*early, *late, {}]
        random.shuffle(knocks)
        when = random.randrange(len(knocks))
        with faults.case(seed):
            for number, facts in enumerate(knocks):
                if number == when:
                    world.decide(world.ticket_of(change), approved=True)
                assert world.knock(workflow, change, **facts) == 200
            world.gateway.deliver(workflow.receive)
            workflow.settle(change.id)
            assert (workflow.get(change.id).state, times(workflow, change, "approve")) == (State.APPROVED, 1)
            assert len(world.deliveries) == 1
            world.check()


@row("K2")
def test_k2_callback_comes_before_the_create_is_answered(faults: Faults) -> None:
    """There is one ticket in the end, whether the answer comes, is lost, or the process dies."""
    for seed in faults.cases(range(faults.pick(quick=60, full=1500))):
        world = World(seed, gateway=_Early)
        assert isinstance(world.gateway, _Early)
        world.gateway.act_on(world, ("answered", "lost", "dead")[seed % 3])
        with faults.case(seed):
            with contextlib.suppress(KeyboardInterrupt):
                world.apply(world.workflow())
            survivor = world.workflow()
            world.reconcile_for(survivor, hours=2)
            [change] = survivor.find()
            assert (change.state, len(world.ledger.tickets())) == (State.APPROVED, 1)
            world.check()


class _Early(LedgerGateway):
    """A gateway that sends the callback, and approves the ticket, before it answers the create."""

    def act_on(self, world: World, fate: str) -> None:
        """Set the workflow that gets the callbacks, and the fate of the answer."""
        self._world, self._fate = world, fate

    def create(self, request: CreateRequest) -> CreateAnswer:
        world, answer = self._world, super().create(request)
        door = world.workflow(after_callback="later")
        [change] = door.find()
        ticket = world.ledger.newest_first()[0]
        world.knock(door, change, sn=ticket.sn, current_status="RUNNING", approve_result=False)
        world.start_flow()
        world.decide(ticket, approved=True)
        self.deliver(door.receive)
        if self._fate == "dead":
            raise KeyboardInterrupt
        return Unknown(problem="the answer was lost") if self._fate == "lost" else answer


@row("K3")
def test_k3_forged_credentials_reach_nothing(faults: Faults) -> None:
    """Every forgery gets the same answer, without a call of the gateway and without a write."""
    world = World()
    store = world.store = WatchedStore(world.store)
    workflow = world.workflow()
    first, second = world.apply(workflow, "collector-1"), world.apply(workflow, "collector-2")
    good = address_of(workflow, first.id)[1][HEADER]
    foreign = address_of(workflow, second.id)[1][HEADER]
    other_attempt = address_of(workflow, first.id, 2)[1][HEADER]
    calls, commits = world.ledger.requests.total(), store.commits
    body = json.dumps(callback_facts(first)).encode()
    bytes_seen: set[tuple[int, bytes]] = set()
    for seed in faults.cases(range(faults.pick(quick=2000, full=100_000))):
        random = Random(seed)
        place, letter = random.randrange(len(good)), random.choice("ABCDEFabcdef0123456789-_")
        forged = good[:place] + letter + good[place + 1 :]
        presented = random.choice(
            [forged, foreign, other_attempt, "", good[:-1], good + "A", good.lower(), "\u00e9" * 43]
        )
        if presented == good:
            continue
        change_id = random.choice([first.id, first.id, "0" * 26, "ITSM" + first.id[4:]])
        path = f"{PATH}{change_id}/1/" if random.random() < 0.7 else f"{PATH}{change_id}/1/{presented}/"
        with faults.case(seed):
            answer = workflow.receive(method="POST", path=path, headers={HEADER: presented}, body=body)
            bytes_seen.add((answer.status, answer.body))
            assert answer.status == 401
    assert len(bytes_seen) == 1
    assert (world.ledger.requests.total(), store.commits) == (calls, commits)


@row("K4")
def test_k4_bodies_that_lie_change_nothing(faults: Faults) -> None:
    """The change is pending until the gateway shows an approval, also while the ticket is suspended."""
    for seed in faults.cases(range(faults.pick(quick=50, full=5000))):
        random, world = Random(seed), World(seed)
        workflow = world.workflow()
        change = world.apply(workflow)
        world.start_flow()
        ticket = world.ticket_of(change)
        with faults.case(seed):
            suspended = random.random() < 0.4
            if suspended:
                acting.suspend(world.ledger, ticket, "carol")
            for _ in range(random.randint(1, 6)):
                word, told = random.choice(WORDS), random.random() < 0.7
                by = str(random.random())  # so that no two are equal
                status = world.knock(workflow, change, current_status=word, approve_result=told, updated_by=by)
                assert status == 200
                world.clock.advance(random.choice([0.0, 1.0, 61.0, 3600.0]))
                workflow.reconcile()
                assert workflow.get(change.id).state == State.PENDING
            if suspended:
                acting.resume(world.ledger, ticket, "carol")
            world.decide(ticket, approved=seed % 2 == 0)
            world.knock(workflow, change, current_status="FINISHED", approve_result=seed % 2 == 1)
            assert workflow.get(change.id).state == (State.APPROVED if seed % 2 == 0 else State.REJECTED)
            world.check()


@row("K5")
def test_k5_bodies_of_every_wrong_kind_are_refused(faults: Faults) -> None:
    """It is refused with 4xx or acknowledged as a hint, never 5xx, and the change stays unchanged."""
    world = World()
    workflow = world.workflow(after_callback="later")
    change = world.apply(workflow)
    url, headers = address_of(workflow, change.id)
    path, facts = "/" + url.split("://", 1)[-1].partition("/")[2], dict(callback_facts(change))
    for seed in faults.cases(range(faults.pick(quick=3000, full=1_000_000))):
        with faults.case(seed):
            body = malformed(Random(seed), facts)
            answer = workflow.receive(method="POST", path=path, headers=headers, body=body)
            assert answer.status in {200, 400, 413}
    assert workflow.get(change.id).state == State.PENDING
    assert {entry.trigger for entry in workflow.history(change.id)[4:]} <= {"receive_callback"}


@row("K6")
def test_k6_one_route_and_post_alone(faults: Faults) -> None:
    """Other methods and paths have no effect, with any header; addresses never come from a request."""
    world = World()
    workflow = world.workflow()
    change = world.apply(workflow)
    url, headers = address_of(workflow, change.id)
    path, body = "/" + url.split("://", 1)[-1].partition("/")[2], json.dumps(callback_facts(change)).encode()
    before = len(workflow.history(change.id))
    methods = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "post", "POST ", "")
    paths = ("/", PATH, f"{PATH}{change.id}", f"{PATH}{change.id}/0/", f"{PATH}{change.id}/1/x/", f"{path}../", "//")
    overrides: tuple[dict[str, str], ...] = (
        {},
        {"X-HTTP-Method-Override": "POST"},
        {"X-Method-Override": "POST"},
        {"Host": "evil.example.com"},
    )
    tried = [(method, path) for method in methods] + [("POST", other) for other in paths]
    for method, where in faults.cases(tried):
        for override in overrides:
            with faults.case((method, where)):
                answer = workflow.receive(method=method, path=where, headers={**headers, **override}, body=body)
                assert answer.status == (401 if method == "POST" else 405)
    assert len(workflow.history(change.id)) == before
    spoofed = workflow.receive(method="POST", path=path, headers={**headers, "Host": "evil.example.com"}, body=body)
    assert spoofed.status == 200
    assert "evil" not in str(workflow.preview(subject="collector-2", title="t", applicant="alice", approvers=["carol"]))


@pytest.mark.long
@row("K13")
def test_k13_captured_credential_neither_fills_the_store_nor_silences_us(faults: Faults) -> None:
    """Before and after the decision their number is bounded, and the gateway's own callback is received."""
    for seed in faults.cases(range(faults.pick(quick=15, full=400))):
        world, random = World(seed), Random(seed)
        workflow = world.workflow(after_callback=random.choice(["inline", "later"]))
        change = world.apply(workflow)
        world.start_flow()
        with faults.case(seed):
            for _ in range(random.randint(1, 5)):
                _flood(world, workflow, change, random)
                world.clock.advance(random.choice([0.2, 2, 61, 301]))
                workflow.reconcile()
            world.decide(world.ticket_of(change), approved=True)
            _flood(world, workflow, change, random)
            world.gateway.deliver(workflow.receive)
            world.clock.advance(workflow.policy.read_lease.total_seconds())
            workflow.reconcile()
            assert workflow.get(change.id).state == State.APPROVED
            for _ in range(3):
                _flood(world, workflow, change, random)
                asked = world.ledger.requests["get_ticket_info"]
                world.clock.advance(1)
                workflow.reconcile()
                workflow.reconcile()
                assert world.ledger.requests["get_ticket_info"] <= asked + 1
            assert times(workflow, change, "receive_callback") <= 2 * workflow.policy.callbacks
            assert (times(workflow, change, "approve"), len(world.deliveries)) == (1, 1)
            world.check()


def _flood(world: World, workflow: Workflow, change: ChangeRequest, random: Random) -> None:
    """Send many callbacks with the change's credential."""
    for number in range(random.randint(1, 150)):
        by = random.choice(["mallory", f"eve-{number}"])
        assert world.knock(workflow, change, updated_by=by, current_status=random.choice(WORDS)) == 200


@row("K8")
def test_k8_store_that_is_down_makes_the_server_list_the_callback(faults: Faults) -> None:
    """A callback is acknowledged only if it is stored; the gateway's list leads to the decision after the outage."""
    for seed in faults.cases(range(faults.pick(quick=20, full=1000))):
        world = World(seed)
        store = world.store = WatchedStore(world.store)
        workflow = world.workflow(after_callback="later")
        change = world.approved(workflow)
        with faults.case(seed):
            store.before = _fail
            world.gateway.deliver(workflow.receive)
            assert world.gateway.ledger.failed_callbacks() == [change.sn]
            store.before = lambda _: None
            world.clock.advance(301)
            workflow.reconcile()
            assert workflow.get(change.id).state == State.APPROVED
            assert times(workflow, change, "fail_callback") == 1
            world.check()


def _fail(_: object) -> None:
    raise StorageUnavailable("the disk is full")


@row("K9")
def test_k9_server_whose_workers_wait_for_us_is_answered(faults: Faults) -> None:
    """The answer does not wait for the gateway, so a server whose only worker sends the callback does not stall."""
    for seed in faults.cases(range(faults.pick(quick=5, full=100))):
        world = World(seed, gateway=_OneWorker)
        assert isinstance(world.gateway, _OneWorker)
        workflow = world.workflow(after_callback="background")
        change = world.approved(workflow)
        with faults.case(seed):
            with world.gateway.worker, ThreadPoolExecutor(1) as pool:  # its only worker waits for this answer
                assert pool.submit(world.knock, workflow, change).result(PATIENCE) == 200
            workflow._inbox.close()  # it waits for the background look; the store stays open
            assert workflow.get(change.id).state == State.APPROVED


class _OneWorker(LedgerGateway):
    """A gateway that serves one request at a time."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.worker = threading.Lock()

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        with self.worker:
            return super().read(ticket, decision_field=decision_field)

    def verify_token(self, token: Secret | str) -> bool:
        with self.worker:
            return super().verify_token(token)


@pytest.mark.long
@row("K10")
def test_k10_revived_ticket_never_flips_a_change(faults: Faults) -> None:
    """After an early withdrawal and a later approval it is pending, or rejected with a contradiction."""
    for seed in faults.cases(range(faults.pick(quick=50, full=5000))):
        random, world = Random(seed), World(seed, behaviour=Behaviour(revive_chance=1.0))
        workflow = world.workflow()
        change = world.apply(workflow)
        ticket = world.ticket_of(change)
        acting.withdraw(world.ledger, ticket, "alice")
        with faults.case(seed):
            wait = random.uniform(1.0, 300.0)
            looks = sorted(random.uniform(0.0, wait) for _ in range(random.randint(0, 6)))
            passed = 0.0
            for look in looks:
                world.clock.advance(look - passed)
                passed = look
                workflow.settle(change.id)
            world.clock.advance(wait - passed)
            world.gateway.deliver(workflow.receive)
            world.decide(ticket, approved=True)
            world.gateway.deliver(workflow.receive)
            world.reconcile_for(workflow, hours=24)
            after = workflow.get(change.id)
            assert ticket.status is Status.FINISHED
            assert after.state in {State.APPROVED, State.REJECTED}
            if after.state == State.REJECTED:
                assert (after.contradictions, after.attention and after.attention.reason) == (
                    ("FINISHED True",),
                    AttentionReason.DISAGREEMENT,
                )
            assert times(workflow, change, "approve") + times(workflow, change, "reject") == 1


@row("K11")
def test_k11_other_ticket_with_our_number_decides_nothing(faults: Faults) -> None:
    """The change stays pending while the other ticket ends; its own ticket decides, but an approval needs a person."""
    for seed in faults.cases(range(faults.pick(quick=40, full=2000))):
        world, random = World(seed), Random(seed)
        workflow = world.workflow()
        change = world.apply(workflow)
        ours = world.ticket_of(change)
        other = world.ledger.duplicate(ours, title="somebody else's", creator="mallory")
        world.start_flow()
        with faults.case(seed):
            acting.decide(
                world.ledger, other, random.choice(sorted(other.draft.approvers)), approved=seed % 2 == 0, remark=""
            )
            world.clock.advance(1)
            for _ in range(3):
                world.knock(workflow, change, updated_by=str(random.random()))
                world.gateway.deliver(workflow.receive)
                world.clock.advance(400)
                workflow.reconcile()
                assert workflow.get(change.id).state == State.PENDING
            world.decide(ours, approved=seed % 3 == 0)
            world.reconcile_for(workflow, hours=1)
            ended = workflow.get(change.id)
            if seed % 3:
                assert ended.state == State.REJECTED
                continue
            assert (ended.state, reason_of(ended)) == (State.PENDING, AttentionReason.AMBIGUOUS_SN)
            attested = workflow.attest_approval(
                change.id, ticket_id=str(ours.id), approver="carol", evidence="the ticket's page", actor="olga"
            )
            assert (attested.state, times(workflow, change, "approve")) == (State.APPROVED, 0)


@pytest.mark.long
@row("K12")
def test_k12_ticket_that_we_withdrew_and_that_revived_approves_nothing(faults: Faults) -> None:
    """At any time of these steps the change ends as withdrawn, or waits for an operator."""
    waiting = 0
    for seed in faults.cases(range(faults.pick(quick=50, full=3000))):
        random = Random(seed)
        start = random.uniform(6.0, 90.0)
        world = World(seed, behaviour=Behaviour(start_delay=start, early_refusal_chance=random.choice([0.0, 0.5])))
        workflow = world.workflow()
        change = world.apply(workflow)
        workflow.withdraw(change.id, actor="alice", reason="not wanted")
        with faults.case(seed):
            while world.clock.elapsed() < start + 1:
                world.clock.advance(random.uniform(1.0, 20.0))
                world.gateway.deliver(workflow.receive)
                workflow.reconcile()
            ticket = world.ticket_of(change)
            withdrawn = "withdraw" in [one.cause for one in ticket.transitions]
            if ticket.step_running and random.random() < 0.8:
                world.decide(ticket, approved=True)
            world.reconcile_for(workflow, hours=3)
            after = workflow.get(change.id)
            assert not (withdrawn and after.state == State.APPROVED)
            if withdrawn and after.state == State.PENDING:
                waiting += 1
                assert reason_of(after) is AttentionReason.WITHDRAWAL_UNRESOLVED
                assert world.deliveries == []
                accepted = workflow.accept_after_withdrawal(change.id, actor="ops", reason="it is wanted after all")
                assert (accepted.state == State.APPROVED) is (ticket.status is Status.FINISHED)
    faults.note(f"{waiting} waited for an operator")


@row("K14")
def test_k14_ticket_whose_flow_starts_hours_later_or_never(faults: Faults) -> None:
    """The change gets attention; a flow that starts later is decided or withdrawn, and never both."""
    ends: Counter[str] = Counter()
    for seed in faults.cases(range(faults.pick(quick=10, full=500))):
        random = Random(seed)
        world = World(seed, behaviour=Behaviour(start_delay=random.uniform(1.0, 25.0)))
        workflow = world.workflow()
        change = world.apply(workflow)
        ticket = world.ticket_of(change)
        ticket.stalled = True
        with faults.case(seed):
            world.reconcile_for(workflow, hours=1)
            attention = workflow.get(change.id).attention
            assert attention is not None
            assert attention.reason is AttentionReason.NOT_STARTED
            gives_up, starts, hurries = (random.random() < chance for chance in (0.7, 0.8, 0.3))
            if gives_up:
                workflow.abandon(change.id, actor="ops", reason="nobody is asked")
            world.reconcile_for(workflow, hours=random.randint(0, 24))
            if starts:
                world.ledger.begin(ticket)
            if starts and (hurries or not gives_up):
                world.decide(ticket, approved=True)
            world.reconcile_for(workflow, hours=8)
            after = workflow.get(change.id)
            told = after.attention.reason if after.attention else None
            ends[f"{after.outcome or 'open'}, ticket {ticket.status}, attention {told or 'none'}"] += 1
            assert (after.outcome is Outcome.ABANDONED) is gives_up
            if not gives_up:
                assert (after.state == State.APPROVED) is starts
                assert starts or told is AttentionReason.NOT_STARTED
            elif not starts:
                assert (ticket.status, told) == (Status.RUNNING, None)
            elif hurries:
                assert (ticket.status, told) == (Status.FINISHED, AttentionReason.DISAGREEMENT)
            else:
                assert (ticket.status, told) == (Status.REVOKED, None)
            if not (gives_up and starts and hurries):
                world.check()
    faults.note("; ".join(f"{count} {end}" for end, count in sorted(ends.items())))


@row("K1")
@pytest.mark.long
def test_k1_simultaneous_copies_reach_four_processes(faults: Faults, tmp_path: Path) -> None:
    """Over HTTP, on one store file, there is one transition of each kind, and every copy is acknowledged."""
    copies, store = 64, f"sqlite:///{tmp_path / 'changes.db'}"
    with Office(store) as office, hosts(4, office) as started, ThreadPoolExecutor(copies) as pool:
        lines = [Line(started[number % len(started)][0]) for number in range(copies)]
        workflow = office.workflow()
        office.door.receive = None  # the door keeps the callbacks, which the test forwards to the hosts
        for number in faults.cases(range(faults.pick(quick=2, full=1000))):
            change = workflow.apply(subject=f"collector-{number}", title="t", applicant="alice", approvers=["carol"])
            office.pass_time()
            office.sandbox.approve(int(change.expect_ticket().id))
            office.pass_time()
            knock, gate = office.door.knocks[-1], threading.Barrier(copies)
            sent = [pool.submit(line.post_at, gate, knock) for line in lines]
            with faults.case(number):
                assert {one.result(PATIENCE) for one in sent} == {200}
                assert [times(workflow, change, trigger) for trigger in ("receive_callback", "approve")] == [1, 1]
        for line in lines:
            line.close()


@pytest.mark.long
@row("K7")
def test_k7_flood_of_invalid_callbacks_costs_nothing(faults: Faults, tmp_path: Path) -> None:
    """The gateway is not called, the store's files stay unchanged, and memory is bounded."""
    rate, seconds = 1000, faults.pick(quick=1, full=30)
    store = f"sqlite:///{tmp_path / 'changes.db'}"
    with Office(store) as office, hosts(1, office) as started:
        change = office.workflow().apply(subject="collector-1", title="t", applicant="alice", approvers=["carol"])
        [(port, process)] = started
        lines = [Line(port) for _ in range(8)]
        for line in lines:  # before the measurement: the memory that a host needs once
            line.post(f"{PATH}{change.id}/1/", {HEADER: "x" * 43}, b"{}")
        asked, files, before = len(office.sandbox.calls), files_of(tmp_path), resident(process)
        waits: list[float] = []
        started_at = time.monotonic()

        def flood(share: int) -> None:
            line, random = lines[share], Random(share)
            for turn in range(rate * seconds // len(lines)):
                due = started_at + (turn * len(lines) + share) / rate
                threading.Event().wait(max(due - time.monotonic(), 0))
                sent = time.monotonic()
                status = line.post(f"{PATH}{change.id}/1/", {HEADER: f"{random.getrandbits(256):043x}"[:43]}, b"{}")
                waits.append(time.monotonic() - sent)
                if status != 401:
                    faults.violate(f"answered {status}", case=turn)

        with ThreadPoolExecutor(len(lines)) as pool:
            list(pool.map(flood, range(len(lines))))
        took = time.monotonic() - started_at
        faults.ran = len(waits)
        grown = (resident(process) - before) / 2**20
        assert (len(office.sandbox.calls), files_of(tmp_path)) == (asked, files)
        assert grown <= 20
        p99 = sorted(waits)[len(waits) * 99 // 100] * 1000
        faults.note(
            f"{len(waits) / took:.0f} a second for {took:.0f} s, 0 calls, 0 writes, {grown:.1f} MiB, p99 {p99:.0f} ms"
        )
        for line in lines:
            line.close()
