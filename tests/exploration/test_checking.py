"""A walk that could find nothing does not hold: each mistake is told with its argument and its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import DefinitionError
from itsm_workflow.settle import Step
from itsm_workflow.testing.exploration import Act, Bounds, Sight, explore
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support import workflows as zoo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.testing.exploration.itsm import Filed

NARROW = Bounds(ticks=0, faults=0, acts=1)


def deploys(trigger: str, evidence: object) -> Callable[[ChangeRequest, tuple[Filed, ...]], Iterator[Act]]:
    """Return acts of a host that deploys."""

    def acts(_change: ChangeRequest, _tickets: tuple[Filed, ...]) -> Iterator[Act]:
        yield Act("the host deploys", (Step(trigger, evidence),))

    return acts


def test_an_act_that_no_row_takes_is_refused() -> None:
    """It would never be offered, and the walk would hold."""
    right = zoo.Deployed(size=1)
    assert explore(zoo.DEPLOYMENT, bounds=NARROW, acts=deploys("deploy", right)).holds
    with pytest.raises(
        ValueError, match=r"acts: 'the host deploys' fires 'deployy', .* has no such trigger; it has .*deploy"
    ):
        explore(zoo.DEPLOYMENT, bounds=NARROW, acts=deploys("deployy", right))
    with pytest.raises(
        TypeError, match=r"acts: 'the host deploys' fires 'deploy' with NoneType, but its rows take Deployed"
    ):
        explore(zoo.DEPLOYMENT, bounds=NARROW, acts=deploys("deploy", None))


@pytest.mark.parametrize("said", [False, True, 3])
def test_an_invariant_that_answers_yes_or_no_is_refused(said: object) -> None:
    """Nobody can tell what it means."""

    def is_sound(_sight: Sight) -> Any:  # noqa: ANN401 - the mistake
        return said

    for given in ({"invariants": [is_sound]}, {"end": is_sound}):
        with pytest.raises(TypeError, match=f"invariant is_sound returned {said}: it must return None, or a text"):
            explore(zoo.DEPLOYMENT, bounds=NARROW, **given)


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        (zoo.with_a_guard_that_answers_yes_or_no(), "guard <lambda> of trigger deploy returned False"),
        (zoo.with_a_guard_that_raises(), "guard is_of_the_asked_size of trigger deploy"),
    ],
)
def test_a_guard_that_is_wrong_is_named(definition: WorkflowDefinition, said: str) -> None:
    """With the trigger of its row."""
    acts = deploys("deploy", zoo.Deployed(size=1, healthy=False))
    with pytest.raises((TypeError, KeyError)) as caught:
        explore(definition, bounds=NARROW, acts=acts)
    assert said in "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def steps_before(definition: WorkflowDefinition, **given: Any) -> list[str]:
    """Return the lines of the note about the way to what raises."""
    acts = deploys("deploy", zoo.Deployed(size=1))
    with pytest.raises((KeyError, DefinitionError)) as caught:
        explore(definition, acts=acts, **given)
    (note,) = [one for one in caught.value.__notes__ if one.startswith("raised in a step after ")]
    return note.splitlines()


@pytest.mark.parametrize("build", [zoo.with_a_guard_that_raises, zoo.with_an_update_that_returns_nothing])
def test_the_steps_to_what_raises_are_listed(build: Callable[[], WorkflowDefinition]) -> None:
    """The world in which it happened cannot be seen from a traceback."""
    first, *steps, last = steps_before(build(), bounds=NARROW)
    assert first == "raised in a step after 8 steps:"
    assert steps[0] == "   1. the host applies: the change and the mark of its send are stored  [filing, sending]"
    assert last == "   8. a worker stores the answer: approve  [granted]"


def test_the_steps_of_two_changes_to_what_raises_are_listed() -> None:
    """With the state of both."""
    *_, last = steps_before(
        zoo.with_a_guard_that_raises(), changes=2, bounds=Bounds(ticks=0, faults=0, acts=1, workers=1)
    )
    assert "granted" in last


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"definition": "x"}, "definition: 'x' is not a WorkflowDefinition"),
        ({"bounds": 3}, "bounds: 3 is not a Bounds"),
        ({"invariants": ["x"]}, "invariants: must be functions that take a Sight, not 'x'"),
        ({"invariants": zoo.is_healthy}, r"invariants: must be a list, such as \[\*INVARIANTS, is_healthy\]"),
        ({"acts": lambda _change, _tickets: ["go"]}, "acts: 'go' is not an Act"),
    ],
)
def test_what_is_of_another_type_is_refused(given: dict[str, Any], told: str) -> None:
    """The argument is named, with what it wants."""
    with pytest.raises(TypeError, match=told):
        explore(**{"bounds": NARROW, **given})


def test_bounds_and_seconds_are_numbers() -> None:
    """A text is none."""
    with pytest.raises(TypeError, match="ticks: must be a whole number from 0 to 10, not '3'"):
        Bounds(ticks="3")  # type: ignore[arg-type]  # the mistake
    with pytest.raises(ValueError, match="faults: must be a whole number from 0 to 10, not -1"):
        Bounds(faults=-1)
    with pytest.raises(ValueError, match="acts: must be a whole number from 0 to 10, not 2147483648"):
        Bounds(acts=2_147_483_648)
    with pytest.raises(ValueError, match="workers: must be a whole number from 1 to 2, not 0"):
        Bounds(workers=0)
    with pytest.raises(TypeError, match="seconds: must be a number, such as 600, not '10m'"):
        ManualClock().advance("10m")  # type: ignore[arg-type]  # the mistake
