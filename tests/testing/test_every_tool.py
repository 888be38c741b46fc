"""Each tool ends over each broken definition with a finding, or with what it did not reach, as the page says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from itsm_workflow.testing.strategies import evidence_of
from itsm_workflow.testing.workflow_machine import WorkflowMachine
from itsm_workflow.testing.workflow_machine._machine import Beginning
from tests.support import impure, meanings, tries
from tests.support import workflows as zoo
from tests.support.every_tool import TOOLS
from tests.testing.lint_page import PAGE
from tests.testing.tools_page import BUILT, COLUMNS, EXPLORE, FOUND, IMPURE, LINT, SIMULATE, WALK, renewed, table
from tests.unit.lint.test_meaning import OF_THE_TRIALS, OF_THE_WORK
from tests.unit.lint.test_report import DOUBTS, ERRORS, REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import WorkflowDefinition


OTHERS = [one for one in COLUMNS if one not in {BUILT, LINT}]
ACCEPTED = [build for build, tools in FOUND.items() if BUILT not in tools]
RIGHT = [
    lambda: zoo.DEPLOYMENT,
    zoo.with_an_effect_for_each_state,
    meanings.that_keeps_within_bounds,
    tries.that_asks_a_person_after_its_tries,
    impure.that_knows_the_calendar,
]


@pytest.mark.long
@pytest.mark.parametrize("tool", OTHERS)
@pytest.mark.parametrize("build", ACCEPTED)
def test_each_tool_says_what_it_finds_or_did_not_reach(build: Callable[[], WorkflowDefinition], tool: str) -> None:
    """None raises another error, or runs on. What is drawn at random may find more than the page says."""
    told = TOOLS[tool](build())
    if build not in IMPURE:
        assert bool(told.finding) == (tool in FOUND[build]) or (tool == WALK and told.finding), told.finding
    if not told.finding and tool != WALK:
        assert told.left


@pytest.mark.long
@pytest.mark.parametrize("tool", OTHERS)
@pytest.mark.parametrize("build", RIGHT)
def test_no_tool_finds_anything_in_a_right_definition(build: Callable[[], WorkflowDefinition], tool: str) -> None:
    """So that what they find in a broken one is its defect."""
    assert TOOLS[tool](build()).finding == ""


def test_a_guard_that_raises_is_found_in_a_moment() -> None:
    """By the tools that are quick, so that this is tested without the long tests, too."""
    definition = zoo.with_a_guard_that_raises()
    assert "guard is_of_the_asked_size of trigger deploy" in TOOLS[EXPLORE](definition).finding
    assert "raised: KeyError: 'size' (is_of_the_asked_size" in TOOLS[SIMULATE](definition).finding


def test_the_findings_of_lint_and_of_the_build_are_those_of_their_tests() -> None:
    """Each broken definition is in the collection."""
    linted = {build for build, *_ in (*ERRORS, *DOUBTS)}
    linted |= {build for build, found in (*OF_THE_TRIALS, *OF_THE_WORK) if found}
    assert {build for build, tools in FOUND.items() if LINT in tools} == linted
    assert {build for build, tools in FOUND.items() if BUILT in tools} == {build for build, _ in REFUSED}


def test_the_page_has_the_table() -> None:
    """With the sentence of each definition."""
    page = PAGE.read_text(encoding="utf-8")
    assert table() in page
    assert renewed(page) == page


def approved(definition: WorkflowDefinition) -> Any:  # noqa: ANN401 - a machine that is made at run time
    """Return the machine of a definition after its begin."""
    machine: Any = WorkflowMachine.for_definition(definition)()
    machine.begin(stands=Beginning.APPROVED, slow=False)
    return machine


def test_a_walk_names_the_trigger_whose_guard_raises() -> None:
    """The error is that of the host, with what raised it."""
    machine = approved(zoo.with_a_guard_that_raises())
    with pytest.raises(KeyError) as caught:
        machine._fire("deploy", zoo.Deployed(size=1))
    assert caught.value.__notes__ == ["raised by a guard or an update of trigger deploy in granted: it must not raise"]
    machine.teardown()


def test_a_walk_adds_no_note_to_what_the_library_says() -> None:
    """Its message has the trigger already."""
    machine = approved(zoo.with_an_update_that_returns_nothing())
    with pytest.raises(Exception, match="the update of trigger deploy returned None") as caught:
        machine._fire("deploy", zoo.Deployed(size=1))
    assert not hasattr(caught.value, "__notes__")
    machine.teardown()


def test_evidence_that_cannot_be_made_up_names_what_to_pass() -> None:
    """Of the class whose validator refuses."""

    @hypothesis.settings(database=None, derandomize=True)
    @hypothesis.given(evidence_of(zoo.Opaque))
    def draw(_made: object) -> None:
        """Nothing can be drawn."""

    with pytest.raises(ValueError, match="xyzzy") as caught:
        draw()
    assert "raised for evidence Opaque, made from its annotations: pass a strategy, evidence={Opaque: ...}" in (
        caught.value.__notes__
    )
