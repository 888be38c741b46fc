"""The change in two stages, end to end: a ticket system over HTTP, callbacks at a port, a platform that does jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from docs.examples import two_stage_change
from docs.examples.two_stage_change import Failed, Provisioned, RolledBack, State, Verified, take
from itsm_workflow.change import EffectStatus, Outcome
from itsm_workflow.errors import AlreadyApplied, NotApproved
from tests.support.office import SUBJECT, asked, triggers

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest, Workflow
    from tests.support.office import Office


@attrs.frozen
class Job:
    """What the platform was asked to do."""

    id: str
    work: str
    change_id: str


class Bench:
    """A platform on which a test does the work. Knows a job by its id.

    Attributes:
        jobs: What was started, each once.
        starts: How often it was asked to start something.
        refusing: How many starts fail yet.
        at_once: What is reported of a job before its start returns.
    """

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.starts = 0
        self.refusing = 0
        self.at_once: dict[str, object] = {}
        self.workflow: Workflow | None = None

    def start(self, job: str, work: str, change: ChangeRequest) -> None:
        """Start a job, or fail."""
        self.starts += 1
        if job not in {one.id for one in self.jobs}:
            self.jobs.append(Job(job, work, change.id))
        if self.refusing:
            self.refusing -= 1
            raise TimeoutError("the platform did not answer")

    @property
    def works(self) -> list[str]:
        """What was to be done, in order."""
        return [job.work for job in self.jobs]

    @property
    def running(self) -> str:
        """The id of the newest job."""
        return self.jobs[-1].id


class HastyBench(Bench):
    """A platform whose jobs are done, and reported, before their start returns."""

    def start(self, job: str, work: str, change: ChangeRequest) -> None:
        """Do a job."""
        super().start(job, work, change)
        reports = {
            "provision": Provisioned(effect=job, address="10.0.0.7"),
            "verify": Verified(effect=job, passed=3, failed=0),
        }
        assert self.workflow is not None
        assert take(self.workflow, change.id, reports[work]) == ""  # type: ignore[arg-type]  # values differ in type


@pytest.fixture
def bench() -> Bench:
    """Return the platform."""
    return Bench()


def opened(office: Office, bench: Bench) -> Workflow:
    """Open the example's workflow as its host does; callbacks come to it."""
    bench.workflow = workflow = two_stage_change.open_workflow(
        bench,
        storage=office.store,
        gateway=office.gateway(),
        after_callback="inline",
        observers=(office.witness,),
        clock=office.clock,
    )
    office.door.receive = workflow.receive
    return workflow


def approved(office: Office, workflow: Workflow) -> ChangeRequest:
    """Apply, and let it be approved."""
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)
    return workflow.get(change.id)


def path(workflow: Workflow, change: ChangeRequest) -> list[str]:
    """Return the states that the change went through."""
    return [entry.dest for entry in workflow.history(change.id) if entry.source != entry.dest]


BEGIN = [State.DRAFT, State.FILING, State.WAITING]


def test_a_change_goes_live(office: Office, bench: Bench) -> None:
    """Approved, provisioned, verified: each stage starts its job when the one before it has reported."""
    workflow = opened(office, bench)
    change = workflow.apply(subject=SUBJECT, **asked())
    assert bench.works == []
    office.approve(change)
    assert bench.works == ["provision"]
    assert take(workflow, change.id, Provisioned(effect=bench.running, address="10.0.0.7")) == ""
    assert bench.works == ["provision", "verify"]
    assert take(workflow, change.id, Verified(effect=bench.running, passed=3, failed=0)) == ""

    change = workflow.get(change.id)
    assert (change.state, change.data) == (State.LIVE, {"address": "10.0.0.7"})
    assert path(workflow, change) == [*BEGIN, State.PROVISIONING, State.VERIFYING, State.LIVE]
    assert [(one.id, one.status) for one in change.effects] == [(job.id, EffectStatus.DELIVERED) for job in bench.jobs]
    assert workflow.require_approved(SUBJECT).id == change.id


def test_a_rejected_change_starts_nothing(office: Office, bench: Bench) -> None:
    """Without an approval the platform never hears of it."""
    workflow = opened(office, bench)
    change = workflow.apply(subject=SUBJECT, **asked())
    office.reject(change)
    change = workflow.get(change.id)
    assert (change.state, change.outcome, bench.starts) == (State.REFUSED, Outcome.REJECTED, 0)


def test_a_repeated_callback_starts_one_job(office: Office, bench: Bench) -> None:
    """Also when it comes once more after the change has gone on."""
    workflow = opened(office, bench)
    change = approved(office, workflow)
    office.door.knock(office.door.knocks[-1])
    take(workflow, change.id, Provisioned(effect=bench.running, address="10.0.0.7"))
    office.door.knock(office.door.knocks[-1].saying(approve_result=False))
    assert (workflow.get(change.id).state, bench.works, bench.starts) == (State.VERIFYING, ["provision", "verify"], 2)


def test_provisioning_that_fails_is_rolled_back(office: Office, bench: Bench) -> None:
    """Nothing is verified; what is left is cleared away, and why is kept."""
    workflow = opened(office, bench)
    change = approved(office, workflow)
    assert take(workflow, change.id, Failed(effect=bench.running, problem="no host is free")) == ""
    assert bench.works == ["provision", "roll_back"]
    with pytest.raises(AlreadyApplied):
        workflow.apply(subject=SUBJECT, **asked())
    assert take(workflow, change.id, RolledBack(effect=bench.running)) == ""

    change = workflow.get(change.id)
    assert (change.state, change.outcome) == (State.ROLLED_BACK, Outcome.WAS_APPROVED)
    assert change.data == {"problem": "no host is free"}
    assert path(workflow, change) == [*BEGIN, State.PROVISIONING, State.ROLLING_BACK, State.ROLLED_BACK]
    with pytest.raises(
        NotApproved, match=r'was approved on .* and is now in the state "rolled_back", which does not grant'
    ):
        workflow.require_approved(SUBJECT)
    assert workflow.apply(subject=SUBJECT, **asked()).state == State.WAITING


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        (Verified(effect="", passed=2, failed=1), "1 checks failed"),
        (Failed(effect="", problem="the checks did not start"), "the checks did not start"),
    ],
    ids=["a check fails", "the checks cannot be made"],
)
def test_a_change_that_does_not_verify_is_rolled_back(
    office: Office, bench: Bench, report: Verified | Failed, problem: str
) -> None:
    """What was provisioned is cleared away; where it was, and why it went, are both kept."""
    workflow = opened(office, bench)
    change = approved(office, workflow)
    take(workflow, change.id, Provisioned(effect=bench.running, address="10.0.0.7"))
    assert take(workflow, change.id, attrs.evolve(report, effect=bench.running)) == ""
    assert take(workflow, change.id, RolledBack(effect=bench.running)) == ""

    change = workflow.get(change.id)
    assert (change.state, bench.works) == (State.ROLLED_BACK, ["provision", "verify", "roll_back"])
    assert change.data == {"address": "10.0.0.7", "problem": problem}


@pytest.mark.parametrize("passed", [0, -1])
def test_checks_that_were_not_made_decide_nothing(office: Office, bench: Bench, passed: int) -> None:
    """Neither live nor rolled back: the reasons of both rows are told."""
    workflow = opened(office, bench)
    change = approved(office, workflow)
    take(workflow, change.id, Provisioned(effect=bench.running, address="10.0.0.7"))
    reason = take(workflow, change.id, Verified(effect=bench.running, passed=passed, failed=0))
    assert reason == f"0 checks failed, {passed} passed and no check failed"
    assert workflow.get(change.id).state == State.VERIFYING


def test_a_report_that_comes_twice_or_late_is_refused(office: Office, bench: Bench) -> None:
    """The id of its job tells; nothing is written, so that the platform may repeat itself."""
    workflow = opened(office, bench)
    change = approved(office, workflow)
    first = Provisioned(effect=bench.running, address="10.0.0.7")
    take(workflow, change.id, first)
    before = triggers(workflow, change)

    late = Failed(effect=first.effect, problem="timed out")
    assert take(workflow, change.id, first) == "the table has no transition for it from verifying"
    assert take(workflow, change.id, late) == f"job {first.effect} is not the one that is running"
    assert triggers(workflow, change) == before


def test_a_start_that_is_not_heard_of_is_repeated_and_starts_one_job(office: Office, bench: Bench) -> None:
    """The job's id is the effect's, the same each time."""
    bench.refusing = 1
    workflow = opened(office, bench)
    change = approved(office, workflow)
    assert workflow.get(change.id).state == State.PROVISIONING
    office.pass_time(60)
    workflow.reconcile()
    assert (bench.starts, bench.works) == (2, ["provision"])
    assert workflow.get(change.id).effects[0].status is EffectStatus.DELIVERED


def test_a_report_may_come_before_its_start_has_returned(office: Office) -> None:
    """The change goes all the way in the one call that approves it."""
    bench = HastyBench()
    workflow = opened(office, bench)
    change = approved(office, workflow)
    assert (change.state, bench.works, bench.starts) == (State.LIVE, ["provision", "verify"], 2)
    assert all(one.status is EffectStatus.DELIVERED for one in change.effects)


def test_a_silent_platform_is_found(office: Office, bench: Bench) -> None:
    """`why` says where the change stands, and `find` whose stage has taken too long."""
    workflow = opened(office, bench)
    change = approved(office, workflow)
    assert 'is now in the state "provisioning", which does not grant' in workflow.why(change.id)
    assert list(two_stage_change.silent(workflow)) == []
    office.pass_time(2 * 3600)
    assert [one.id for one in two_stage_change.silent(workflow)] == [change.id]
