"""A simulation that could test nothing does not pass: each mistake is told with its argument and its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import Effect, State
from itsm_workflow.errors import DefinitionError
from itsm_workflow.testing.simulation import Failure, Fault, HostAct, SimulationFailed, simulate
from itsm_workflow.testing.simulation.faults import draw_faults

if TYPE_CHECKING:
    from collections.abc import Iterable

    from itsm_workflow import Workflow
    from itsm_workflow.change import ChangeRequest

NOTHING = Effect("start", lambda _call: None)


@pytest.mark.parametrize("listed", [[], [NOTHING]])
def test_effects_of_a_state_that_there_is_not_are_refused(listed: list[Effect]) -> None:
    """The definition's own error is what the caller sees, before any seed."""
    with pytest.raises(DefinitionError, match="'apprved'"):
        simulate(seeds=[1], effects={"apprved": listed})


def test_effects_that_are_no_longer_right_in_a_run_are_found() -> None:
    """Effects that are made for each run are looked at in each run."""
    made = iter([{"approved": [NOTHING]}])
    with pytest.raises(SimulationFailed, match=r"raised: DefinitionError: .*'apprved'"):
        simulate(seeds=[1], faults=(), effects=lambda: next(made, {"apprved": [NOTHING]}))


def test_a_definition_error_of_an_act_is_found() -> None:
    """It is no refusal that a later try could mend."""

    def do(_workflow: Workflow, _change: ChangeRequest) -> None:
        raise DefinitionError("two rows pass")

    act = HostAct(name="acts", when=lambda change: change.state == State.APPROVED, do=do)
    with pytest.raises(SimulationFailed, match="raised: DefinitionError: two rows pass"):
        simulate(seeds=[1], faults=(), acts=[act])


@pytest.mark.long
@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"title": "t", "applicant": "alice"}, "approver"),
        ({"title": "", "applicant": "alice", "approvers": ["bob"]}, "title"),
    ],
)
def test_a_form_that_is_never_taken_fails(asked: dict[str, Any], why: str) -> None:
    """Nothing was filed, so nothing was tested; the reason that was heard is told."""
    with pytest.raises(ValueError, match=f"no seed filed a change.*InvalidForm: .*{why}"):
        simulate(seeds=range(2), asked=asked)


@pytest.mark.parametrize("seeds", [[], range(0), iter(())])
def test_no_seed_is_refused(seeds: Iterable[int]) -> None:
    """Nothing would be run."""
    with pytest.raises(ValueError, match=r"seeds: must not be empty, .* such as range\(20\)"):
        simulate(seeds=seeds)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"seeds": 5}, r"seeds: must be several, such as range\(5\)"),
        ({"seeds": "17"}, "seeds: must be several"),
        ({"seeds": ["a"]}, "seeds: must be whole numbers, such as range"),
        ({"faults": ["CRASH_BEFORE"]}, r"faults: 'CRASH_BEFORE' is not a Failure; pass Failure\.CRASH_BEFORE"),
        ({"faults": [3]}, r"faults: 3 is not a Failure; pass one of list\(Failure\)"),
        ({"faults": Failure.CONFLICT}, "faults: must be a list"),
        ({"faults": Fault(kind=Failure.CONFLICT, point="commit")}, "faults: must be a list"),
        ({"definition": "x"}, "definition: 'x' is not a WorkflowDefinition; pass one such as COLLECTOR_CHANGE"),
        ({"policy": 3}, "policy: 3 is not a Policy"),
        (
            {"acts": [lambda workflow: workflow]},
            r"acts: <function .* is not a HostAct; pass one such as HostAct\(name=",
        ),
        ({"storage": "memory://"}, "storage: must be a function that makes one for each run, not 'memory://'"),
        ({"invariants": [3]}, "invariants: must be functions that take the world, not 3"),
    ],
)
def test_what_is_of_another_type_is_refused(given: dict[str, Any], told: str) -> None:
    """The argument is named, with what it wants."""
    with pytest.raises(TypeError, match=told):
        simulate(**{"seeds": [1], **given})


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"kind": Failure.CRASH_BEFORE, "point": "crate"}, ValueError, "point: crash_before never strikes at 'crate'"),
        (
            {"kind": Failure.CONFLICT, "point": "create"},
            ValueError,
            "point: conflict never .* 'create', only at commit",
        ),
        ({"kind": Failure.ANSWER_LOST, "point": "get"}, ValueError, "point: answer_lost never strikes at 'get'"),
        ({"kind": Failure.CONFLICT, "point": "commit", "number": 0}, ValueError, "number: is counted from 1"),
        ({"kind": Failure.CONFLICT, "point": "commit", "number": "2"}, TypeError, "number: must be a whole number"),
        (
            {"kind": "conflict", "point": "commit"},
            TypeError,
            r"kind: 'conflict' is not a Failure; pass Failure\.CONFLICT",
        ),
    ],
)
def test_a_fault_that_never_strikes_is_refused(given: dict[str, Any], error: type[Exception], told: str) -> None:
    """Its point is one of those of its kind, and it is counted from 1."""
    with pytest.raises(error, match=told):
        Fault(**given)


def test_only_kinds_are_drawn() -> None:
    """A text that looks like one draws nothing."""
    with pytest.raises(TypeError, match=r"kinds: 'CRASH_AFTER' is not a Failure; pass Failure\.CRASH_AFTER"):
        draw_faults(1, ["CRASH_AFTER"])  # type: ignore[list-item]  # the mistake
