"""The examples' own invariants, by the tools that are shipped for workflows of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from docs.examples import external_permission as permission
from docs.examples import two_stage_change as stages
from itsm_workflow import Effect
from itsm_workflow.change import EffectStatus, Outcome
from itsm_workflow.cli import main
from itsm_workflow.lint.report import _table
from itsm_workflow.settle import Step
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.exploration import Bounds, explore
from itsm_workflow.testing.exploration import acts as people
from itsm_workflow.testing.simulation import Failure, HostAct, SimulationFailed, simulate
from itsm_workflow.testing.workflow_machine import WorkflowMachine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hypothesis.strategies import DataObject

    from itsm_workflow import ChangeRequest, Workflow, WorkflowDefinition
    from itsm_workflow.testing.exploration.itsm import Filed
    from itsm_workflow.testing.simulation.world import World

WANTED = permission.Wanted(
    space="bkcc__2", action="log_search", resources=["index-7"], users=["eve"], until="2026-12-31"
)
ASKED = {"title": "a title", "applicant": "alice", "approvers": ("carol",), "fields": {**WANTED}}
WALKS = hypothesis.settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


# ---------------------------------------------------------------- the table


@pytest.mark.long
@pytest.mark.parametrize("name", ["external_permission:EXTERNAL_PERMISSION", "two_stage_change:TWO_STAGE_CHANGE"])
def test_nothing_is_wrong_with_the_table(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even a doubt is left."""
    assert main(["lint-graph", "--strict", f"docs.examples.{name}"]) == 0
    assert "no problem was found" in capsys.readouterr().out


def own_moves(definition: WorkflowDefinition, triggers: type[permission.Trigger | stages.Trigger]) -> object:
    """Return where the host's triggers lead, by trigger and state."""
    table = _table(definition)
    return {trigger.value: {state: led for state, led in table[trigger].items() if led} for trigger in triggers}


def test_only_what_is_granted_can_be_revoked() -> None:
    """By the table that `lint-graph` prints."""
    moves = own_moves(permission.EXTERNAL_PERMISSION, permission.Trigger)
    assert moves == {"revoke": {"granted": ("revoked",)}}


@pytest.mark.long
def test_a_report_moves_its_own_stage_alone() -> None:
    """The linter tried each in every state."""
    assert own_moves(stages.TWO_STAGE_CHANGE, stages.Trigger) == {
        "provision": {"provisioning": ("verifying",)},
        "verify": {"verifying": ("live", "rolling_back")},
        "fail": {"provisioning": ("rolling_back",), "verifying": ("rolling_back",)},
        "roll_back": {"rolling_back": ("rolled_back",)},
    }


# ---------------------------------------------------------------- random walks


class PermissionWalk(WorkflowMachine.for_definition(permission.EXTERNAL_PERMISSION)):  # type: ignore[misc]  # made at run time
    """The external permission, whose host may revoke at any time."""

    met: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        self.permissions = permission.Permissions()
        super().__init__()

    def effects(self) -> Mapping[str, Sequence[Effect]]:
        """Return the example's."""
        return permission.effects(self.permissions)

    @precondition(lambda self: self.change.state == permission.State.GRANTED)
    @rule(reason=st.sampled_from(["the audit is done", ""]))
    def revoke(self, reason: str) -> None:
        """Take it back, or try to without a reason."""
        self._let(lambda: permission.revoke(self.workflow, self.change_id, actor="dave", reason=reason))

    @invariant()
    def nobody_has_access_without_an_approval(self) -> None:
        """A row is there only after the ticket was approved, and one at most."""
        if self.permissions.rows:
            assert list(self.permissions.rows) == [self.change_id]
            assert self.change.ticket_outcome is Outcome.APPROVED

    @invariant()
    def a_revoked_permission_is_gone(self) -> None:
        """Once the effect has run, whatever comes late. A delivery that the walk makes up ran nothing."""
        if self.history and self.change.state == permission.State.REVOKED:
            done = self.change.effects[-1].id in self.done
            assert not done or self.permissions.rows[self.change_id].revoked
            assert self.change.data["revoked_because"]

    def teardown(self) -> None:
        """Note what the walk met."""
        self.met.update(f"{entry.trigger} to {entry.dest}" for entry in self.history)
        super().teardown()


@pytest.mark.long
def test_walks_of_the_permission_keep_its_invariants() -> None:
    """Whatever happens in whatever order; the walks get as far as a revocation."""
    PermissionWalk.met.clear()
    run_state_machine_as_test(PermissionWalk, settings=WALKS)
    assert {"revoke to revoked", "reject to refused"} <= PermissionWalk.met


class Jobs:
    """A platform that knows its jobs by id and lets somebody else report."""

    def __init__(self) -> None:
        self.works: dict[str, str] = {}

    def start(self, job: str, work: str, change: ChangeRequest) -> None:
        """Start a job, once."""
        assert change.ticket_outcome is Outcome.APPROVED
        self.works.setdefault(job, work)


REPORTS: Sequence[stages.Report] = (
    stages.Provisioned(effect="", address="10.0.0.7"),
    stages.Verified(effect="", passed=3, failed=0),
    stages.Verified(effect="", passed=2, failed=1),
    stages.Verified(effect="", passed=0, failed=0),
    stages.Failed(effect="", problem="no host is free"),
    stages.RolledBack(effect=""),
)


class StagesWalk(WorkflowMachine.for_definition(stages.TWO_STAGE_CHANGE)):  # type: ignore[misc]  # made at run time
    """The change in two stages, on a platform that reports anything of any of its jobs."""

    met: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        self.jobs = Jobs()
        super().__init__()

    def effects(self) -> Mapping[str, Sequence[Effect]]:
        """Return the example's."""
        return stages.effects(self.jobs)

    @precondition(lambda self: self.jobs.works)
    @rule(data=st.data(), report=st.sampled_from(REPORTS))
    def report(self, data: DataObject, report: stages.Report) -> None:
        """Report of a job, mostly of the newest."""
        known = list(self.jobs.works)
        job = data.draw(st.just(known[-1]) | st.sampled_from(known), label="job")
        stages.take(self.workflow, self.change_id, attrs.evolve(report, effect=job))

    @invariant()
    def each_job_is_started_once_and_in_its_order(self) -> None:
        """No job of a stage that is over is started, however late its effect comes."""
        order = list(self.jobs.works.values())
        assert order == [work for work in ("provision", "verify", "roll_back") if work in order]

    @invariant()
    def live_is_what_was_checked(self) -> None:
        """Every check was passed, by the job that was started for it."""
        if self.history and self.change.state == stages.State.LIVE:
            moved = next(entry for entry in self.history if entry.dest == stages.State.LIVE)
            assert isinstance(moved.evidence, stages.Verified)
            assert (moved.evidence.failed, moved.evidence.passed > 0) == (0, True)
            assert self.jobs.works.get(moved.evidence.effect, "verify") == "verify"
            assert "address" in self.change.data

    @invariant()
    def what_is_rolled_back_says_why(self) -> None:
        """And was approved: a refused change has nothing to roll back."""
        if self.history and self.change.state in {stages.State.ROLLING_BACK, stages.State.ROLLED_BACK}:
            assert "problem" in self.change.data
            assert self.change.ticket_outcome is Outcome.APPROVED

    def teardown(self) -> None:
        """Note what the walk met."""
        self.met.update(entry.dest for entry in self.history)
        super().teardown()


@pytest.mark.long
def test_walks_of_the_two_stages_keep_their_invariants() -> None:
    """Whatever is reported in whatever order; the walks get to every end."""
    StagesWalk.met.clear()
    every = {state.value for state in stages.State}
    for seed in range(8):  # what is drawn depends on the modules that are loaded, too
        walks = hypothesis.settings(WALKS, max_examples=200, derandomize=False)
        run_state_machine_as_test(hypothesis.seed(seed)(StagesWalk), settings=walks)
        if every <= StagesWalk.met:
            break
    assert every <= StagesWalk.met


# ---------------------------------------------------------------- simulated days

REVOKE = HostAct(
    name="revokes what was granted",
    when=lambda change: change.state == permission.State.GRANTED,
    do=lambda workflow, change: permission.revoke(workflow, change.id, actor="dave", reason="the audit is done"),
)


class Runs:
    """Makes the host's things for each simulated run, and judges them at its end."""

    def __init__(self) -> None:
        self.permissions = permission.Permissions()
        self.jobs = Jobs()
        self.ends: set[str] = set()

    def permission_effects(self) -> Mapping[str, Sequence[Effect]]:
        """Begin a run of the permission."""
        self.permissions = permission.Permissions()
        return permission.effects(self.permissions)

    def stage_effects(self) -> Mapping[str, Sequence[Effect]]:
        """Begin a run of the change in two stages."""
        self.jobs = Jobs()
        return stages.effects(self.jobs)

    def access(self, world: World) -> Iterator[str]:
        """Yield who has access and should not, or the other way round."""
        for row in world.store.find(Query(workflow="external_permission")).rows:
            self.ends.add(row.state)
            kept = self.permissions.rows.get(row.id)
            if (row.state == permission.State.GRANTED) != (kept is not None and not kept.revoked):
                yield f"access: change {row.id} is {row.state}, and its permission is {kept}"

    def stages(self, world: World) -> Iterator[str]:
        """Yield the changes that did not end."""
        for row in world.store.find(Query(workflow="two_stage_change")).rows:
            self.ends.add(row.state)
            if row.state in {"provisioning", "verifying", "rolling_back"}:
                yield f"stage: change {row.id} stands in {row.state}"


def of_the_running_job(report: stages.Report) -> Callable[[Workflow, ChangeRequest], object]:
    """Return what reports of the newest job of a change."""
    return lambda workflow, change: stages.take(workflow, change.id, attrs.evolve(report, effect=change.effects[-1].id))


def reporting(name: str, state: stages.State, report: stages.Report, *, even: bool | None = None) -> HostAct:
    """Return the platform's report of a stage, once its job was started; of every other change if ``even`` is given."""

    def can(change: ChangeRequest) -> bool:
        started = change.state == state and change.effects[-1].status is EffectStatus.DELIVERED
        return started and (even is None or (change.id[-1] in "02468ACEGJMPRTWY") is even)

    return HostAct(name=name, when=can, do=of_the_running_job(report))


PLATFORM = (
    reporting("reports that it is there", stages.State.PROVISIONING, REPORTS[0]),
    reporting("reports that it works", stages.State.VERIFYING, REPORTS[1], even=True),
    reporting("reports that it does not work", stages.State.VERIFYING, REPORTS[2], even=False),
    reporting("reports that nothing is left", stages.State.ROLLING_BACK, REPORTS[5]),
)


@pytest.mark.long
@pytest.mark.parametrize("acts", [(), (REVOKE,)], ids=["kept", "revoked"])
def test_simulated_days_leave_access_to_whom_it_was_granted(acts: Sequence[HostAct]) -> None:
    """Crashes, lost callbacks, lying callbacks, late tickets: at the end the table says what the changes say."""
    runs = Runs()
    simulate(
        permission.EXTERNAL_PERMISSION,
        seeds=range(40),
        effects=runs.permission_effects,
        acts=acts,
        asked=ASKED,
        invariants=[runs.access],
    )
    assert {"revoked" if acts else "granted", "refused"} <= runs.ends


@pytest.mark.long
def test_simulated_days_bring_every_change_to_an_end() -> None:
    """Live, rolled back or refused; no job is started twice."""
    runs = Runs()
    simulate(
        stages.TWO_STAGE_CHANGE, seeds=range(40), effects=runs.stage_effects, acts=PLATFORM, invariants=[runs.stages]
    )
    assert {"live", "rolled_back", "refused"} <= runs.ends


def test_a_host_that_grants_what_is_only_asked_for_is_found() -> None:
    """Work that is done when a ticket is filed, not when it is approved."""
    runs = Runs()

    def hasty() -> Mapping[str, Sequence[Effect]]:
        return {permission.State.WAITING: [Effect("grant", runs.permission_effects()["granted"][0].run)]}

    with pytest.raises(SimulationFailed, match="access: change"):
        simulate(
            permission.EXTERNAL_PERMISSION,
            seeds=range(40),
            faults=[Failure.REJECTED],
            effects=hasty,
            asked=ASKED,
            invariants=[runs.access],
        )


# ---------------------------------------------------------------- every interleaving within bounds


def decides_to_revoke(change: ChangeRequest, tickets: tuple[Filed, ...]) -> Iterator[people.Act]:
    """Yield what an operator may do, and the revocation."""
    yield from people.operator_acts(change, tickets)
    evidence = permission.Revocation(reason="the audit is done")
    yield people.Act("the host revokes", (Step(permission.Trigger.REVOKE, evidence),))


def reports_of(change: ChangeRequest, _tickets: tuple[Filed, ...]) -> Iterator[people.Act]:
    """Yield every report of the newest job."""
    for report in REPORTS if change.effects else ():
        evidence = attrs.evolve(report, effect=change.effects[-1].id)
        yield people.Act(f"the platform reports {report}", (Step(stages.TRIGGERS[type(report)], evidence),))


def names(effects: Mapping[str, Sequence[Effect]]) -> Mapping[str, Sequence[str]]:
    """Return the names of the effects by state."""
    return {state: [one.name for one in listed] for state, listed in effects.items()}


@pytest.mark.long
def test_every_way_of_a_permission_keeps_the_promises() -> None:
    """Each interleaving with a fault, a step of time and an act of a person, and how it ends once faults stop."""
    found = explore(
        permission.EXTERNAL_PERMISSION,
        bounds=Bounds(ticks=1, faults=1, acts=1),
        effects=names(permission.effects(permission.Permissions())),
        acts=decides_to_revoke,
    )
    assert (found.violations, found.bad_ends, found.complete) == ((), (), True)


@pytest.mark.long
def test_every_way_of_the_two_stages_keeps_the_promises() -> None:
    """Each order of three reports, late and repeated effects included, and how it ends."""
    found = explore(
        stages.TWO_STAGE_CHANGE,
        bounds=Bounds(ticks=1, faults=0, acts=3),
        effects=names(stages.effects(Jobs())),
        acts=reports_of,
    )
    assert (found.violations, found.bad_ends, found.complete) == ((), (), True)
