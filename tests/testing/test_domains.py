"""Right workflows of four domains: no tool has a complaint about them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from itsm_workflow.cli import main
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.lint import lint
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing import Bounds, HostAct, WorkflowMachine, explore, simulate
from tests.support.domains import DOMAINS, EVENTS, LEAVE, ORDER, TRAIN, Train, acts_of
from tests.support.long import long_after

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Iterator

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.testing.simulation.world import World

NAMES = list(DOMAINS)
GOALS = {"leave": "taken", "schema_migration": "done", "purchase_order": "paid", "release_train": "released"}
TRAIN_EVENTS = [evidence for _, evidence in EVENTS["release_train"]]


@pytest.mark.parametrize("name", long_after(0, NAMES))
def test_the_linter_finds_nothing(name: str) -> None:
    """With the evidence that really comes, not even a doubt."""
    assert lint(DOMAINS[name], samples=[evidence for _, evidence in EVENTS[name]]).findings == ()


@pytest.mark.long
def test_samples_by_hand_pass_a_guard_that_no_sample_of_the_linter_passes() -> None:
    """A text that must name the present state; without the samples, what follows was never tried."""
    doubts = lint(TRAIN).findings
    assert {one.check for one in doubts} == {"reached", "passed"}
    assert "no sample passes guard is_of_this_stage" in doubts[-1].message


def test_a_sample_that_no_trigger_takes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """By the function and by the command, which names its option."""
    with pytest.raises(TypeError, match=r"^samples: a Reported is evidence of no trigger of leave$"):
        lint(LEAVE, samples=TRAIN_EVENTS[:1])
    command = ["lint-graph", "tests.support.domains:LEAVE", "--samples", "tests.testing.test_domains:TRAIN_EVENTS"]
    assert main(command) == 2
    assert "--samples: a Reported is evidence of no trigger of leave" in capsys.readouterr().err


@pytest.mark.long
def test_the_command_takes_samples(capsys: pytest.CaptureFixture[str]) -> None:
    """So that a strict check of a right workflow passes."""
    command = ["lint-graph", "tests.support.domains:TRAIN", "--strict"]
    assert main(command) == 1
    assert main([*command, "--samples", "tests.testing.test_domains:TRAIN_EVENTS"]) == 0
    assert "no problem was found" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_every_order_of_two_events_keeps_the_promises(name: str) -> None:
    """With a fault, and a step of time. Of the train, the first stages are entered."""
    found = explore(DOMAINS[name], bounds=Bounds(ticks=0, faults=1, acts=2), acts=acts_of(name))
    assert (found.violations, found.bad_ends, found.complete) == ((), (), True)
    if DOMAINS[name] is not TRAIN:
        assert found.unreached.states == ()


def fired(trigger: enum.StrEnum, evidence: object) -> Callable[[Workflow, ChangeRequest], object]:
    """Return what fires one event."""
    return lambda workflow, change: workflow.fire(change.id, trigger, evidence, actor="host")


def happening(name: str, trigger: enum.StrEnum, evidence: object) -> HostAct:
    """Return an event of the host as soon as the table has a row for it; of a train, once for each stage."""
    definition = DOMAINS[name]
    stage = getattr(evidence, "stage", None)

    def can(change: ChangeRequest) -> bool:
        return bool(definition.rows(change.state, trigger)) and stage in {None, change.state}

    return HostAct(name=f"{trigger.value} {evidence}", when=can, do=fired(trigger, evidence))


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_simulated_days_keep_the_promises(name: str) -> None:
    """The first events of each workflow, again and again, under crashes and lost callbacks."""
    met: set[str] = set()

    def ends(world: World) -> Iterator[str]:
        met.update(row.state for row in world.store.find(Query(workflow=name)).rows)
        yield from ()

    acts = [happening(name, *event) for event in EVENTS[name] if event[0].value not in {"abort", "cancel"}]
    simulate(DOMAINS[name], seeds=range(15), acts=acts, invariants=[ends])
    assert {"refused", GOALS[name]} <= met


class TrainWalk(WorkflowMachine.for_definition(TRAIN)):  # type: ignore[misc]  # made at run time
    """A train whose pipeline reports anything at any time."""

    @rule(event=st.sampled_from(EVENTS["release_train"]))
    def report(self, event: tuple[enum.StrEnum, object]) -> None:
        """Fire an event, which may be refused."""
        self._let(lambda: self._fired(event))

    def _fired(self, event: tuple[enum.StrEnum, object]) -> None:
        with contextlib.suppress(TransitionRefused):
            self.workflow.fire(self.change_id, *event, actor="pipeline")


class OrderWalk(WorkflowMachine.for_definition(ORDER)):  # type: ignore[misc]  # made at run time
    """An order whose warehouse reports anything at any time."""

    @rule(event=st.sampled_from(EVENTS["purchase_order"]))
    def report(self, event: tuple[enum.StrEnum, object]) -> None:
        """Fire an event, which may be refused."""
        self._let(lambda: TrainWalk._fired(self, event))


@pytest.mark.long
@pytest.mark.parametrize("walk", [TrainWalk, OrderWalk])
def test_random_walks_keep_the_invariants(walk: type[WorkflowMachine]) -> None:
    """Whatever is reported, in whatever order."""
    settings = hypothesis.settings(
        max_examples=60,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(walk, settings=settings)


def test_the_train_has_sixteen_states() -> None:
    """As long as a workflow of a host's gets."""
    assert len(Train) == 16
