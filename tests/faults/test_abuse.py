"""Injected texts, secrets, ways around the machine, unruly effects, and lack of memory."""

from __future__ import annotations

import contextlib
import json
import pickle
import sqlite3
import threading
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import Effect, Policy, State, Workflow, open_storage
from itsm_workflow.callbacks.signer import PATH
from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.errors import (
    ChangeNotFound,
    GatewayError,
    InvalidForm,
    ItsmWorkflowError,
    StorageConflict,
    TransitionRefused,
)
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger
from itsm_workflow.machine.due import waiting_due
from itsm_workflow.machine.engine import _machine
from itsm_workflow.sandbox import Sandbox, acting
from itsm_workflow.secrets import Secret
from itsm_workflow.settle import Step
from itsm_workflow_backends.memory import MemoryBackend
from tests.faults.canaries import COOKIE, PLACES, Watch, credential_of, troubles
from tests.faults.cases import row
from tests.faults.forger import forge
from tests.faults.injections import WordyGateway, evil, lines_of_the_log
from tests.faults.several import SeveralWorld
from tests.faults.starved import needs_allocation_faults, starve_and_recover
from tests.faults.states import in_every_state
from tests.faults.unruly import LEASE, UnrulyWorld
from tests.support.attention import reason_of
from tests.support.echoes import ECHOES
from tests.support.fault_server import FaultServer
from tests.support.gateways import TOKEN, gateway
from tests.support.limits import PATIENCE
from tests.support.office import CALLBACK_KEY, SUBJECT, Office, asked
from tests.support.places import WatchedStore
from tests.support.world import World, times

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.runtime.effects import EffectCall
    from tests.faults.cases import Faults


# ---------------------------------------------------------------- X1


@row("X1")
def test_x1_words_stay_words(faults: Faults, tmp_path: Path) -> None:
    """In ids, subjects, titles, users, numbers and statuses they are stored unchanged or refused, never interpreted."""
    stores = ("memory://", f"sqlite:///{tmp_path / 'a.db'}", f"json:///{tmp_path / 'b.jsonl'}")
    worlds: dict[str, tuple[World, Workflow]] = {}
    kept, refused, files = 0, 0, faults.pick(quick=10, full=50)
    with lines_of_the_log() as lines:
        for seed in faults.cases(range(faults.pick(quick=300, full=100_000))):
            random = Random(seed)
            url = stores[0] if seed % files else stores[1 + seed // files % 2]
            if url not in worlds or (url == stores[0] and seed % 200 == 1):
                world = World(seed, gateway=WordyGateway, store=open_storage(url))
                worlds[url] = world, world.workflow()
            world, workflow = worlds[url]
            assert isinstance(world.gateway, WordyGateway)
            title, who, sn = (evil(random) for _ in range(3))
            subject = f"{evil(random)}{seed}"
            world.gateway.word = evil(random)
            with faults.case(seed):
                asked: dict[str, Any] = {"title": title, "applicant": random.choice(["alice", who])}
                try:
                    change = workflow.apply(subject=subject, approvers=["carol"], fields={"note": sn}, **asked)
                except InvalidForm:
                    refused += 1
                else:
                    kept += 1
                    assert (change.subject, change.form.title) == (subject, title.strip())
                    assert workflow.settle(change.id).state == State.PENDING
                    assert [one.id for one in workflow.find(subject=subject)] == [change.id]
                    workflow.withdraw(change.id, actor="alice")
                    world.clock.advance(10)
                    workflow.settle(change.id)
                with pytest.raises(ChangeNotFound):
                    workflow.get(sn)
                assert list(workflow.find(sn=sn)) == []
                answer = workflow.receive(method="POST", path=f"{PATH}{sn}/1/", headers={"Cookie": sn}, body=b"{}")
                assert answer.status == 401
                assert lines.wrong == []
                lines.wrong.clear()
    for world, _ in worlds.values():
        world.store.close()
    names = {path.name.split("-")[0].removesuffix(".lock") for path in tmp_path.iterdir()}
    assert names <= {"a.db", "b.jsonl", "b.jsonl.end"}
    faults.note(f"{kept} kept, {refused} refused, {lines.count} log lines")


# ---------------------------------------------------------------- X3


@row("X3")
def test_x3_no_way_leads_around_the_table(faults: Faults) -> None:
    """No attribute, method, outside name or made-up object moves a change from any state to another."""
    _, workflow, found = in_every_state()
    before = {state: len(workflow.history(change.id)) for state, change in found.items()}
    for state, target in faults.cases((state, target) for state in State for target in State):
        change = found[state]
        with faults.case((state, target)):
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                change.state = target  # type: ignore[misc]
            for thing in (change, workflow, COLLECTOR_CHANGE, workflow._journal):
                for name in (f"to_{target}", f"is_{target}", f"may_to_{target}", "trigger", "set_state"):
                    assert not hasattr(thing, name)
            assert _machine(COLLECTOR_CHANGE).models == []
            for name in (f"to_{target}", target.value, f"_{target}", "__init__", "initialize", ""):
                with pytest.raises(TransitionRefused):
                    workflow.fire(change.id, name, None, actor="mallory")
            assert pickle.loads(pickle.dumps(change)) == change  # noqa: S301 - our own; a copy moves nothing either
            lying = attrs.evolve(change)
            object.__setattr__(lying, "state", target.value)
            assert workflow.get(lying.id).state == state
            assert len(workflow.history(change.id)) == before[state]


@row("X3")
def test_x3_evidence_is_of_its_own_type(faults: Faults) -> None:
    """Evidence from outside, as text or mapping, moves no change, for every trigger and state."""
    _, workflow, found = in_every_state()
    claims: list[Any] = [
        None,
        "FINISHED",
        {"status": "FINISHED", "approve_result": True},
        ["approve"],
        b"",
        1,
        object(),
    ]
    for state, trigger in faults.cases((state, trigger) for state in State for trigger in Trigger):
        with faults.case((state, trigger)):
            for claim in claims:
                with pytest.raises(TransitionRefused):
                    workflow.fire(found[state].id, trigger, claim, actor="mallory")
            assert workflow.get(found[state].id) == found[state]


@row("X3")
def test_x3_object_that_lies_is_out_of_date_or_found_out(faults: Faults) -> None:
    """The store refuses a write on an old version; the audit reports a false write on the newest one."""
    for state, target in faults.cases((state, target) for state in State for target in State if state is not target):
        world, workflow, found = in_every_state()
        journal = workflow._journal
        old = journal.load(found[state].id)
        lying = attrs.evolve(old, change=attrs.evolve(old.change, state=target.value))
        claim = Step(Trigger.RAISE_ATTENTION, ev.Concern(reason=AttentionReason.OVERDUE))
        with faults.case((state, target)):
            told = journal.prepare(old, [claim], actor="ops")
            lie = journal.prepare(lying, [claim], actor="mallory")
            journal.commit_one(told)
            with pytest.raises(StorageConflict):
                journal.commit_one(lie)
            assert workflow.get(old.change.id).state == state
            newest = journal.load(old.change.id)
            forged = attrs.evolve(newest, change=attrs.evolve(newest.change, state=target.value, attention=None))
            with contextlib.suppress(StorageConflict):  # another change may have the subject or the ticket by now
                journal.commit_one(journal.prepare(forged, [claim], actor="mallory"))
                assert world.audit().illegal_transitions > 0


# ---------------------------------------------------------------- X4


@row("X4")
def test_x4_unruly_effect_harms_nothing(faults: Faults) -> None:
    """The approval stays, each delivery has the same id, and the effect is delivered or parked in the end."""
    seen: set[str] = set()
    for seed in faults.cases(range(faults.pick(quick=60, full=5000))):
        world = UnrulyWorld(seed, misbehaves=Random(seed).choice([1, 2, 4, 30]))
        workflow = world.unruly()
        change = world.approved(workflow)
        with faults.case(seed):
            for _ in range(40):
                with contextlib.suppress(KeyboardInterrupt, SystemExit, GeneratorExit):
                    workflow.reconcile()
                world.clock.advance(3601.0)
            after = workflow.get(change.id)
            [effect] = after.effects
            assert after.state == State.APPROVED
            assert {name for name, _ in world.calls} == {effect.id}
            if effect.status is EffectStatus.PARKED:
                assert effect.attempts == workflow.policy.effect_attempts
                assert reason_of(after) is AttentionReason.EFFECT_PARKED
                world._left = 0
                after = workflow.retry_effect(change.id, effect.id, actor="ops")
            assert [one.status for one in after.effects] == [EffectStatus.DELIVERED]
            assert (after.attention, times(workflow, change, "approve")) == (None, 1)
            world.check()
        seen |= world.seen
    assert faults.only or len(seen) == 4


@row("X4")
def test_x4_crash_between_effect_and_commit_delivers_again(faults: Faults) -> None:
    """It is delivered with the same id after the lease of the dead worker has ended, and not before."""
    for seed in faults.cases(range(faults.pick(quick=20, full=500))):
        world = World(seed)
        store = world.store = WatchedStore(world.store)
        workflow = world.workflow()
        change = world.approved(workflow)
        dead: list[int] = []

        def die(_: object, world: World = world, dead: list[int] = dead) -> None:
            if world.deliveries and not dead:
                dead.append(1)
                raise KeyboardInterrupt

        with faults.case(seed):
            store.before = die
            with pytest.raises(KeyboardInterrupt):
                workflow.settle(change.id)
            survivor = world.workflow()
            assert survivor.reconcile().due == 0
            world.clock.advance(LEASE)
            survivor.reconcile()
            assert [one.effect for one in world.deliveries] == [world.deliveries[0].effect] * 2
            assert survivor.get(change.id).effects[0].status is EffectStatus.DELIVERED
            world.check()


@row("X4")
def test_x4_effect_that_kills_its_process_is_parked(faults: Faults) -> None:
    """Its deliveries are counted before they start: it is parked like one that fails, and harms no other change."""
    for seed in faults.cases(range(faults.pick(quick=20, full=500))):
        world, chance = World(seed), Random(seed)
        store = world.store = WatchedStore(world.store)
        killed: list[tuple[str, int]] = []

        def die(_: object) -> None:
            raise KeyboardInterrupt

        def kill(
            call: EffectCall, store: WatchedStore = store, killed: list[tuple[str, int]] = killed, seed: int = seed
        ) -> None:
            killed.append((call.id, call.attempt))
            store.before = die  # nothing after this call is stored
            if seed % 2:
                raise SystemExit

        policy = Policy(effect_attempts=chance.randint(1, 6))
        effects = {State.APPROVED: [Effect("start", kill)]}
        change = world.approved(world.workflow(effects=effects, policy=policy))
        world.clock.advance(LEASE)
        with faults.case(seed):
            for _ in range(policy.effect_attempts):
                with pytest.raises((KeyboardInterrupt, SystemExit)):
                    world.workflow(effects=effects, policy=policy).reconcile()
                store.before = lambda _: None
                world.clock.advance(LEASE * chance.choice([1, 3]))
            after = world.workflow(effects=effects, policy=policy)
            after.reconcile()
            stored = after.get(change.id)
            [effect] = stored.effects
            assert killed == [(effect.id, number) for number in range(1, policy.effect_attempts + 1)]
            assert (stored.state, effect.status) == (State.APPROVED, EffectStatus.PARKED)
            assert stored.attention is not None
            assert stored.attention.reason is AttentionReason.EFFECT_PARKED
            assert "crashed its process" in stored.attention.facts["error"]
            assert after.reconcile().due == 0
            world.workflow().retry_effect(change.id, effect.id, actor="ops")
            world.check()


@row("X4")
def test_x4_worker_that_hangs_is_given_up(faults: Faults) -> None:
    """Another worker delivers when its lease has ended; when it wakes, it does not change the result."""
    for seed in faults.cases(range(faults.pick(quick=10, full=300))):
        world, hanging, wake = World(seed), threading.Event(), threading.Event()

        def hang(
            call: EffectCall, hanging: threading.Event = hanging, wake: threading.Event = wake, fails: int = seed % 2
        ) -> None:
            hanging.set()
            assert wake.wait(PATIENCE)
            if fails:
                raise OSError("it broke while it hung")

        stuck = world.workflow(effects={State.APPROVED: [Effect("start", hang)]})
        change = world.approved(stuck)
        thread = threading.Thread(target=stuck.settle, args=(change.id,))
        thread.start()
        with faults.case(seed):
            assert hanging.wait(PATIENCE)
            other = world.workflow()
            assert other.reconcile().due == 0
            world.clock.advance(LEASE)
            other.reconcile()
            assert [one.name for one in world.deliveries] == ["start"]
        wake.set()
        thread.join(PATIENCE)
        with faults.case(seed):
            assert other.get(change.id).effects[0].status is EffectStatus.DELIVERED
            world.reconcile_for(other, hours=1)
            assert len(world.deliveries) == 1
            world.check()


# ---------------------------------------------------------------- X8


@pytest.mark.long
@row("X8")
def test_x8_no_effect_is_lost_between_processes(faults: Faults) -> None:
    """Each process moves the changes that it finds; the one that has the function delivers once, with one id."""
    for seed in faults.cases(range(faults.pick(quick=20, full=600))):
        world = SeveralWorld(seed)
        with faults.case(seed):
            for _ in range(30):
                world.go_on()
            world.run_down()
            for change in world.changes:
                after = world.workflows[0].get(change.id)
                assert (after.state, after.attention) == (State.APPROVED, None)
                assert [one.name for one in after.effects] == ["announce", "start", "tell"]
                assert [one.status for one in after.effects] == [EffectStatus.DELIVERED] * 3
                assert {(one.name, one.id) for one in after.effects} <= set(world.calls)
            assert len(world.calls) == len(set(world.calls)) == 9


# ---------------------------------------------------------------- X2


@pytest.mark.long
@row("X2")
def test_x2_no_secret_shows_over_a_whole_life(faults: Faults, tmp_path: Path) -> None:
    """After filing, callbacks, forgeries, a refusal and an approval the secrets are only on the wire."""
    watch, texts = Watch(), 0
    kinds = ("sqlite:///{}/changes.db", "json:///{}/changes.jsonl", "memory://")
    keys = [
        (kind, place, number)
        for number in range(faults.pick(quick=1, full=15))
        for kind in range(3)
        for place in PLACES
    ]
    for kind, place, number in faults.cases(keys):
        folder = tmp_path / f"{kind}-{place}-{number}"
        folder.mkdir()
        with watch.over_all_logs(), Office(kinds[kind].format(folder)) as office, faults.case((kind, place, number)):
            settings = office.settings(callback_credential=place)
            workflow = office.workflow(settings)
            change = workflow.apply(subject=SUBJECT, **asked())
            office.approve(change)
            knock = office.door.knocks[-1]
            with_cookie = attrs.evolve(knock, headers={**knock.headers, "Cookie": COOKIE})
            forged = attrs.evolve(with_cookie, path=knock.path[:-4] + "AAA/", headers={"Authorization": CALLBACK_KEY})
            replies = [office.door.knock(one) for one in (with_cookie, forged, knock.saying(token=COOKIE))]
            watch.secrets["server token"] = json.loads(knock.body)["token"]
            watch.secrets["credential"] = credential_of(workflow, change, place)
            for act in troubles(office, workflow, change):
                with pytest.raises((ItsmWorkflowError, TypeError)) as caught:
                    act()
                watch.see_error(caught.value)
            stored = workflow._journal.load(change.id)
            watch.see("reply", *(reply.body.decode() for reply in replies), *(str(reply.headers) for reply in replies))
            watch.see("object", workflow, workflow.__dict__, settings, office.gateway(settings).__dict__, stored)
            watch.see("change", workflow.get(change.id), *workflow.history(change.id), workflow.status(change.id))
            watch.see(
                "row", office.store.get(change.id), office.store.history(change.id).entries, workflow.why(change.id)
            )
            watch.see("preview", dict(workflow.preview(subject="s", **asked())))
            watch.see_files(folder)
            texts += watch.seen
            assert workflow.get(change.id).state == State.APPROVED
            assert watch.hits() == []
    faults.note(f"{texts} texts searched")


@row("X2")
def test_x2_gateway_that_echoes_what_it_got_puts_it_nowhere(faults: Faults) -> None:
    """In an error page, a status line, a header, a redirect or a broken body it is not stored, logged or shown."""
    watch, texts = Watch(), 0
    for name, number in faults.cases(
        (name, number) for name in ECHOES for number in range(faults.pick(quick=1, full=40))
    ):
        with watch.over_all_logs(), FaultServer(ECHOES[name]) as server, faults.case((name, number)):
            itsm = gateway(server.url, callback_host="http://127.0.0.1:9", callback_keys=(Secret(CALLBACK_KEY),))
            storage = MemoryBackend()
            workflow = Workflow(storage=storage, gateway=itsm, after_callback="inline")
            change = workflow.apply(subject=SUBJECT, **asked(approvers=["bob"]))
            watch.secrets["credential"] = credential_of(workflow, change, "header")
            for _ in range(2):
                workflow.reconcile()
                workflow.settle(change.id)
            with pytest.raises(GatewayError) as caught:
                itsm.verify_token(TOKEN)
            watch.see_error(caught.value)
            watch.see(
                "object", workflow.get(change.id), itsm.__dict__, *workflow.history(change.id), storage.get(change.id)
            )
            texts += watch.seen
            assert workflow.get(change.id).state == State.APPLYING
            assert watch.hits() == []
            itsm.close()
    faults.note(f"{texts} texts searched")


# ---------------------------------------------------------------- X5


@row("X5")
@pytest.mark.long
def test_x5_memory_that_runs_out_loses_and_doubles_nothing(faults: Faults, tmp_path: Path) -> None:
    """At the n-th allocation or at a limit there is a clean error or death, and another process recovers."""
    needs_allocation_faults()
    ended, left = Counter[str](), Counter[str]()
    with Sandbox(start_delay=0.0) as sandbox:
        for seed in faults.cases(range(faults.pick(quick=8, full=500))):
            with faults.case(seed):
                how, report = starve_and_recover(seed, tmp_path, sandbox)
                ended[how] += 1
                left.update(report.by_state or ["nothing"])
                assert report.findings == ()
                assert report.requests <= 2
                assert report.tickets_created <= report.requests
                assert report.tickets_created == report.by_state.get("pending")
    faults.note(", ".join(f"{count} {word}" for counted in (ended, left) for word, count in counted.most_common()))


# ---------------------------------------------------------------- X6


class Poison:
    """A helper that damages some of a store's changes, each in another way, and records them."""

    ways = ("undecodable", "edited", "stray", "rule")

    def __init__(self, path: Path, random: Random) -> None:
        self.path = path
        self.random = random
        self.broken: set[str] = set()
        self.ruled: set[str] = set()

    def spoil(self, change_id: str) -> None:
        """Damage the stored data of a change, or let the host's due rule fail on it."""
        way = self.random.choice(self.ways)
        if way == "rule":
            self.ruled.add(change_id)  # its failure is reported, and its change continues like the others
            return
        self.broken.add(change_id)
        statement = {
            "undecodable": "UPDATE changes SET document = CAST(X'C3' || document AS TEXT) WHERE id = ?",
            "edited": """UPDATE changes SET document = replace(document, '"alice"', '"mallory"') WHERE id = ?""",
            "stray": "INSERT INTO entries SELECT change_id, seq + 1, at, trigger, source, dest, actor, document "
            "FROM entries WHERE change_id = ? ORDER BY seq DESC LIMIT 1",
        }[way]
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement, [change_id])

    def due(self, change: ChangeRequest, now: dt.datetime, policy: Policy, *, looked: bool) -> dt.datetime | None:
        """Return the due time of a waiting change, unless the rule fails on it."""
        if change.id in self.ruled:
            raise LookupError("the host's rule fails on this change")
        return waiting_due(change, now, policy, looked=looked)


@pytest.mark.long
@row("X6")
def test_x6_poison_changes_hold_no_other_up(faults: Faults, tmp_path: Path) -> None:
    """A pass, with any limit, approves every other change and reports each of these; so does the next pass."""
    for seed in faults.cases(range(faults.pick(quick=15, full=300))):
        random, path = Random(seed), tmp_path / f"{seed}.db"
        poison = Poison(path, random)
        definition = attrs.evolve(COLLECTOR_CHANGE, due={**COLLECTOR_CHANGE.due, State.PENDING: poison.due})
        with faults.case(seed), contextlib.closing(open_storage(f"sqlite:///{path}")) as store:
            world = World(seed, store=store)
            workflow = world.workflow(definition=definition)
            changes = [world.apply(workflow, f"collector-{number}") for number in range(random.randint(2, 12))]
            world.start_flow()
            for change in changes:
                world.decide(world.ticket_of(change), approved=True)
            for change in random.sample(changes, random.randint(1, len(changes) - 1)):
                poison.spoil(change.id)
            good = {change.id for change in changes} - poison.broken
            world.clock.advance(301)

            limit = random.choice([None, len(good)])
            report = workflow.reconcile(limit=limit, readers=random.choice([1, 4]))

            assert {workflow.get(name).state for name in good} == {State.APPROVED}
            assert report.moved == len(good)
            assert limit is not None or report.unreadable == len(poison.broken)
            again = workflow.reconcile()
            assert (again.moved, again.unreadable) == (0, again.due)
            assert {one.change for one in world.deliveries} == good


# ---------------------------------------------------------------- X7


@pytest.mark.long
@row("X7")
def test_x7_applicants_own_ticket_under_the_key_is_never_bound(faults: Faults) -> None:
    """Attention lists the differences, approved or not; the change's own ticket is bound if it exists."""
    told: Counter[str] = Counter()
    for seed in faults.cases(range(faults.pick(quick=60, full=3000))):
        world, random = World(seed), Random(seed)
        arrives = random.random() < 0.3
        (world.faults.lose_answer if arrives else world.faults.time_out)("create", always=True)
        workflow = world.workflow(policy=Policy(resends=random.choice([0, 1])))
        with faults.case(seed):
            change = world.apply(workflow)
            hers, wrong = forge(world.gateway, change, random)
            world.start_flow()
            if random.random() < 0.5:
                acting.decide(world.ledger, hers, hers.draft.approvers[0], approved=True, remark="")
            if not arrives:
                workflow.settle(change.id)
            world.reconcile_for(workflow, hours=1)
            after = workflow.get(change.id)
            told.update(wrong)
            if arrives:
                assert after.expect_ticket().id != str(hers.id)
                continue
            assert (after.state, after.ticket, len(world.ledger.tickets())) == (State.APPLYING, None, 1)
            assert reason_of(after) is AttentionReason.MISMATCH
            with pytest.raises(TransitionRefused, match="differs from what was sent"):
                workflow.record_ticket(change.id, sn=hers.sn, actor="ops")
    faults.note(", ".join(f"{count} {part}" for part, count in sorted(told.items())))
