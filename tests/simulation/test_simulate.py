"""Simulations: what they find, that they repeat, and what they hand to whoever has to mend it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import Effect, State, Workflow
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.definition import WorkflowDefinition
from itsm_workflow.testing.simulation import Failure, Fault, HostAct, SimulationFailed, simulate
from itsm_workflow.testing.simulation.faults import EVERY_CALL, draw_faults
from itsm_workflow.testing.simulation.host import Host
from itsm_workflow.testing.simulation.invariants import rows_of
from itsm_workflow.testing.simulation.replay_file import replay_file
from itsm_workflow.testing.simulation.runs import run_seed
from itsm_workflow.testing.simulation.world import World
from tests.simulation import planted
from tests.support import meanings
from tests.support import workflows as zoo
from tests.support.limits import PATIENCE
from tests.support.long import long_after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.runtime.effects import EffectCall
    from itsm_workflow.runtime.reconciler import Report

ROOT = Path(__file__).parents[2]
CRASHES = (Failure.CRASH_BEFORE, Failure.CRASH_AFTER)

DEFECTS: dict[str, tuple[dict[str, Any], tuple[Failure, ...], str]] = {
    "no compare-and-swap": ({"storage": planted.NoCompareAndSwap}, tuple(Failure), "illegal"),
    "a second create after a timeout": ({"gateway": planted.CreatesAgain}, tuple(Failure), "duplicate"),
    "the effect before the commit": ({"workflow": planted.EffectFirst}, CRASHES, "effect"),
    "every ending believed": ({"definition": planted.BELIEVES_THE_END}, tuple(Failure), "illegal"),
}


def found(**given: Any) -> SimulationFailed:
    """Return the failure of the first seed that breaks a rule."""
    with pytest.raises(SimulationFailed) as caught:
        simulate(seeds=range(300), **given)
    return caught.value


@pytest.mark.parametrize("first", long_after(1, range(0, 150, 25)))
def test_nothing_is_broken_by_any_fault(first: int) -> None:
    """Whatever goes wrong in a run, nothing is lost, doubled or believed wrongly, and nobody is forgotten."""
    done = simulate(seeds=range(first, first + 25))
    assert len(done.digests) == 25
    assert done.changes >= 25


def test_the_effects_that_a_workflow_names_are_those_that_a_run_delivers() -> None:
    """None has to be given for it, and there is none beside them."""
    delivered = set[str]()

    def notes(world: World) -> Iterator[str]:
        delivered.update(one.name for one in world.deliveries)
        yield from ()

    named = attrs.evolve(COLLECTOR_CHANGE, effects={State.APPROVED: ("order", "tell")})
    simulate(named, seeds=range(5), faults=(), invariants=[notes])
    assert delivered == {"order", "tell"}


def test_a_gate_that_does_not_follow_the_state_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate is asked about every subject at the end of each run."""
    monkeypatch.setattr(WorkflowDefinition, "is_granting", lambda _definition, _state: True)
    assert "gate: the newest change of subject-" in str(found())


@pytest.mark.parametrize("point", EVERY_CALL)
@pytest.mark.parametrize("kind", [Failure.CRASH_BEFORE, Failure.CRASH_AFTER])
def test_a_process_may_die_at_every_call(kind: Failure, point: str) -> None:
    """A death before or after each of the first calls of every sort breaks nothing."""
    for number in range(1, 4):
        simulate(seeds=[1], faults=[Fault(kind=kind, point=point, number=number)])


@pytest.mark.parametrize("kind", long_after(8, list(Failure)))
def test_every_kind_of_fault_strikes_in_some_seed(kind: Failure) -> None:
    """A kind that never strikes would prove nothing."""
    for seed in range(200):
        faults = draw_faults(seed, [kind])
        if faults and re.search(rf"FAULT +{kind.value} at", run_seed(seed, faults, Host()).timeline):
            return
    pytest.fail(f"{kind} struck in no seed")


@pytest.mark.parametrize("defect", long_after(1, DEFECTS))
def test_a_planted_defect_is_found(defect: str) -> None:
    """A seed breaks the rule that the defect offends, and no fault that is left over can be spared."""
    parts, kinds, rule = DEFECTS[defect]
    failed = found(faults=kinds, **parts)
    assert rule in failed.run.rules
    host = Host(**parts)
    for spared in failed.run.faults:
        fewer = [fault for fault in failed.run.faults if fault is not spared]
        assert not run_seed(failed.run.seed, fewer, host).rules & failed.drawn.rules


def test_a_change_that_cannot_be_read_ends_the_run() -> None:
    """Each worker ends the pass that it had planned, and plans no more: thousands would read it no better."""
    world = World(14, draw_faults(14, tuple(Failure)), Host(storage=planted.NoCompareAndSwap))
    world.run()

    reports = [problem for problem in world.problems if problem.startswith("unreadable: ")]
    assert 1 <= len(reports) <= 4, "no more than there are workers"


def test_a_defect_needs_its_fault() -> None:
    """The client that sends again is harmless until an answer is lost, and that fault alone is left over."""
    lost = Fault(kind=Failure.ANSWER_LOST, point="create")
    noise = [
        Fault(kind=Failure.CALLBACK_LATE, point="callback", seconds=60),
        Fault(kind=Failure.CONFLICT, point="commit"),
    ]
    with pytest.raises(SimulationFailed) as caught:
        simulate(seeds=[3], faults=[*noise, lost], gateway=planted.CreatesAgain)
    assert caught.value.run.faults == (lost,)
    assert caught.value.drawn.faults == (*noise, lost)
    simulate(seeds=[3], faults=noise, gateway=planted.CreatesAgain)


def test_a_failure_tells_what_happened() -> None:
    """The message names the seed, what is broken, the fault that is enough, and each step with its time."""
    lost = Fault(kind=Failure.ANSWER_LOST, point="create")
    with pytest.raises(SimulationFailed) as caught:
        simulate(seeds=[3], faults=[lost], gateway=planted.CreatesAgain)
    story = str(caught.value)
    assert "seed 3 broke a rule:\n  duplicate: key " in story
    assert "answer_lost at create 1" in story
    assert re.search(r"day 0 00:00:\d\d\.\d{3}  web +create_ticket: the answer was lost", story)
    assert f"digest {caught.value.run.digest}" in story
    assert "seeds=[3], faults=[Fault(kind=Failure.ANSWER_LOST, point='create', number=1, seconds=0.0)]" in story


@pytest.mark.long
def test_the_same_seed_gives_the_same_run_in_any_process() -> None:
    """Neither the order of hashes nor anything else of a process reaches a run."""
    script = (
        "from itsm_workflow.testing.simulation import simulate\n"
        "print(sorted(simulate(seeds=range(8)).digests.items()))\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
    assert len(set(re.findall(r"[0-9a-f]{64}", said[0]))) == 8


@pytest.mark.long
def test_neither_pytest_nor_hypothesis_is_needed() -> None:
    """A simulation also runs where no test tool is installed."""
    script = (
        "import sys\n"
        "from itsm_workflow.testing.simulation import simulate\n"
        "simulate(seeds=[1])\n"
        "sys.exit(bool({'pytest', 'hypothesis'} & set(sys.modules)))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=PATIENCE)


def run_file(path: Path) -> subprocess.CompletedProcess[str]:
    """Run a test file as a project does that keeps it."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.long
def test_a_written_file_fails_in_the_same_way(tmp_path: Path) -> None:
    """The file that a failure writes runs the same seed with the same faults, down to the digest."""
    failed = found(gateway=planted.CreatesAgain)
    done = run_file(failed.write_test(tmp_path / "test_replay.py"))
    assert done.returncode == 1
    assert failed.run.findings[0] in done.stdout
    assert f"digest {failed.run.digest}" in done.stdout


@pytest.mark.long
def test_a_written_file_passes_once_the_defect_is_mended(tmp_path: Path) -> None:
    """Without the defect the same seed with the same faults breaks nothing."""
    failed = found(gateway=planted.CreatesAgain)
    path = tmp_path / "test_replay.py"
    path.write_text(replay_file(failed.run, Host()), encoding="utf-8")
    done = run_file(path)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True)


def test_a_file_names_everything_that_was_given() -> None:
    """Definition, policy, form and parts are imported or written out, so that the file depends on nothing else."""
    text = replay_file(
        run_seed(1, (), Host()),
        Host(
            definition=planted.BELIEVES_THE_END,
            storage=planted.NoCompareAndSwap,
            asked={"title": "t", "applicant": "alice", "approvers": ["bob"], "fields": {"size": 10}},
            invariants=(nothing_is_wrong,),
        ),
    )
    assert "from tests.simulation.planted import BELIEVES_THE_END, NoCompareAndSwap\n" in text
    assert "from tests.simulation.test_simulate import nothing_is_wrong\n" in text
    assert "asked={'title': 't', 'applicant': 'alice', 'approvers': ['bob'], 'fields': {'size': 10}}," in text
    compile(text, "test_replay.py", "exec")


def test_what_has_no_name_cannot_be_written() -> None:
    """A function that lives nowhere is told by the part that it plays."""
    with pytest.raises(ValueError, match="cannot import its storage: assign <function"):
        replay_file(run_seed(1, (), Host()), Host(storage=lambda: planted.NoCompareAndSwap.from_url("memory://")))


def rests_nowhere_else(world: World) -> Iterator[str]:
    """Find what neither ended nor waits for its applicant, who was refused."""
    for row in rows_of(world):
        if row.state not in {"live", "refused", "draft"} and row.attention is None:
            yield f"own: {row.subject} rests in {row.state}"


DEPLOY = HostAct(
    name="deploys",
    when=lambda change: change.state == zoo.Stage.GRANTED,
    do=lambda workflow, change: workflow.fire(change.id, "deploy", zoo.Deployed(size=1), actor="host"),
)


def nothing_is_wrong(_world: World) -> Iterator[str]:
    """Find nothing."""
    return iter(())


def test_own_invariants_are_checked() -> None:
    """A check of the caller's sees the world that has ended, and what it yields fails the seed."""

    def nobody_asked(world: World) -> Iterator[str]:
        yield from (f"own: {subject} was asked for" for subject in world.asked[:1])

    with pytest.raises(SimulationFailed, match="own: subject-"):
        simulate(seeds=[1], faults=(), invariants=[nobody_asked])


def test_own_effects_run_with_their_faults() -> None:
    """What follows from an approval is carried out for each change, and again after its answer was lost."""
    calls: list[tuple[str, int]] = []

    def start(call: EffectCall) -> None:
        calls.append((call.id, call.attempt))

    lost = Fault(kind=Failure.ANSWER_LOST, point="effect")
    done = simulate(seeds=[2], faults=[lost], effects={State.APPROVED: [Effect("start", start)]})
    assert len({effect for effect, _ in calls}) == done.changes
    assert sorted(attempt for _, attempt in calls) == [*[1] * done.changes, 2]


def test_an_effect_that_never_succeeds_is_found() -> None:
    """An effect that cannot be done is a finding, since the host waits for it."""

    def broken(_call: EffectCall) -> None:
        raise RuntimeError("never")

    with pytest.raises(SimulationFailed, match=r"effect: start of change .* is due 1 times but was delivered 0 times"):
        simulate(seeds=[2], faults=(), effects={State.APPROVED: [Effect("start", broken)]})


@pytest.mark.long
def test_a_workflow_that_goes_on_after_the_approval() -> None:
    """A host's own act is done in each run, whatever goes wrong, and its changes end where the host's table ends."""
    simulate(zoo.deployment(), seeds=range(15), acts=[DEPLOY], invariants=[rests_nowhere_else])


def test_a_forgotten_act_is_found() -> None:
    """Without the act its changes stay where the approval left them."""
    with pytest.raises(SimulationFailed, match="own: subject-1 rests in granted"):
        simulate(zoo.deployment(), seeds=[1], faults=(), invariants=[rests_nowhere_else])


def report(verb: meanings.Verb, state: meanings.Stage) -> HostAct:
    """Return the act of a host that fires a trigger in a state, once."""

    def fire(workflow: Workflow, change: ChangeRequest) -> None:
        if change.state == state and change.planned < 3:
            workflow.fire(change.id, verb, meanings.Job(host="db-7"), actor="host")

    return HostAct(name=verb, when=lambda change: change.state == state, do=fire)


def test_an_effect_that_a_retry_plans_again_is_found() -> None:
    """Each of the two is delivered, so only their ids show that one approval ordered twice."""
    acts = [report(meanings.Verb.FAIL, meanings.Stage.GRANTED), report(meanings.Verb.RETRY, meanings.Stage.FAILED)]
    with pytest.raises(SimulationFailed, match="retry planned effect order in granted as ") as caught:
        simulate(meanings.that_orders_again(), seeds=[1], faults=(), acts=acts)
    assert "effect" in caught.value.run.rules


class Counting(Workflow):
    """A workflow that counts its passes."""

    passes = 0

    def reconcile(self, **options: Any) -> Report:
        """Count one more."""
        Counting.passes += 1
        return super().reconcile(**options)


@pytest.mark.long
def test_a_change_that_no_pass_moves_ends_the_run_soon() -> None:
    """An effect that no process knows stays due for the whole run, and each pass takes its time."""
    plans = meanings.row(meanings.Verb.ORDER, meanings.Stage.GRANTED, meanings.Stage.LIVE, update=meanings.ordered)
    Counting.passes = 0
    simulate(
        meanings.order(plans),
        seeds=[1],
        faults=(),
        acts=[report(meanings.Verb.ORDER, meanings.Stage.GRANTED)],
        workflow=Counting,
    )
    assert 100 < Counting.passes < 2000


def test_an_act_that_is_refused_is_tried_again() -> None:
    """A deployment that is healthy only at the third try goes live in the end."""
    tries: Counter[str] = Counter()

    def deploy(workflow: Workflow, change: ChangeRequest) -> None:
        tries[change.id] += 1
        workflow.fire(change.id, "deploy", zoo.Deployed(size=1, healthy=tries[change.id] == 3), actor="host")

    act = HostAct(name="deploys", when=lambda change: change.state == zoo.Stage.GRANTED, do=deploy)
    done = simulate(zoo.deployment(), seeds=[1], faults=(), acts=[act], invariants=[rests_nowhere_else])
    assert list(tries.values()) == [3] * done.changes


def test_a_programming_error_is_found_with_its_place() -> None:
    """What is no error of the library is nothing that a process may raise."""

    def slip(_workflow: Workflow, change: ChangeRequest) -> None:
        raise KeyError(change.state)

    act = HostAct(name="slips", when=lambda change: change.state == zoo.Stage.GRANTED, do=slip)
    with pytest.raises(SimulationFailed, match=r"raised: KeyError: 'granted' \(slip in .*test_simulate\.py:\d+\)"):
        simulate(zoo.deployment(), seeds=[1], faults=(), acts=[act])


def test_kinds_and_faults_are_not_mixed() -> None:
    """Either a seed draws its faults, or they are given."""
    with pytest.raises(ValueError, match="either kinds to draw from, or the exact faults"):
        simulate(seeds=[1], faults=[Failure.CONFLICT, Fault(kind=Failure.CONFLICT, point="commit")])  # type: ignore[arg-type]  # the mistake


def test_days_pass_in_virtual_time() -> None:
    """A ticket that is ignored for three days is waited for, and time is no more than a number."""
    ignored = Fault(kind=Failure.IGNORED, point="ticket", seconds=3 * 86400)
    assert simulate(seeds=[1], faults=[ignored]).days > 3


def test_what_no_run_reached_is_listed() -> None:
    """Without acts of the host, its triggers are fired by nobody."""
    deployed = HostAct(
        name="deploys",
        when=lambda change: change.state == "granted",
        do=lambda workflow, change: workflow.fire(change.id, zoo.Verb.DEPLOY, zoo.Deployed(size=1), actor="host"),
    )
    alone = simulate(zoo.DEPLOYMENT, seeds=range(3)).unreached
    assert "live" in alone.states
    assert "granted -> live by deploy" in alone.transitions
    acted = simulate(zoo.DEPLOYMENT, seeds=range(3), acts=[deployed]).unreached
    assert "live" not in acted.states
    assert "granted -> live by deploy" not in acted.transitions
    assert not {"draft", "filing", "waiting"} & set(alone.states)
