"""The pictures of any history that the machine can write, also of a workflow with states of its own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docs.examples.external_permission import EXTERNAL_PERMISSION
from docs.examples.plan_then_execute import PLAN_THEN_EXECUTE
from docs.examples.two_stage_change import TWO_STAGE_CHANGE
from itsm_workflow import COLLECTOR_CHANGE, TransitionRefused, WorkflowDefinition
from itsm_workflow.pictures import SequenceDiagram, Timeline
from itsm_workflow.pictures.reading import read as steps_of
from itsm_workflow.testing.strategies.sequences import Walk, pauses, steps_at
from tests.support.long import long_after
from tests.unit.pictures.drawing import outside, read

EFFECTS = {"approved": ["start_collection"], "live": ["announce"]}
DEFINITIONS = [COLLECTOR_CHANGE, EXTERNAL_PERMISSION, PLAN_THEN_EXECUTE, TWO_STAGE_CHANGE]
MERMAID = re.compile(
    r"    (participant [a-z]+ as [^\n]+|Note over [a-z,]+: [^\n#;]*(#\d+;[^\n#;]*)*|loop [^\n]+|end"
    r"|(    )?[a-z]+(-->>|->>|-x)[a-z]+: [^\n#;]*(#\d+;[^\n#;]*)*)"
)
"""A line of a sequence diagram, in which ``#`` and ``;`` stand for signs alone."""


@pytest.mark.parametrize("definition", long_after(2, DEFINITIONS), ids=lambda one: one.name)
@settings(max_examples=settings().max_examples // 3)  # each draws three pictures of a long history
@given(data=st.data())
def test_any_history_is_drawn(definition: WorkflowDefinition, data: st.DataObject) -> None:
    """The pictures find what the change itself knows of its state and attention, and no text leaves them."""
    walk = Walk.begin(definition, effects=EFFECTS)
    for _ in range(data.draw(st.integers(0, 20))):
        walk.wait(data.draw(pauses))
        step = data.draw(steps_at(definition, walk.change, now=walk.now))
        try:
            walk.fire(step.trigger, step.evidence)
        except TransitionRefused:
            continue
    language = data.draw(st.sampled_from(["en", "zh"]))

    steps = steps_of(definition, walk.entries, walk.policy, language)
    assert steps[-1].after == walk.change.attention
    assert steps[-1].last.dest == walk.change.state
    assert sum(step.count for step in steps) == len(walk.entries)

    timeline = Timeline(definition=definition, path=walk.entries, policy=walk.policy)
    assert outside(read(timeline.svg(language=language))) == []
    diagram = SequenceDiagram(definition=definition, path=walk.entries, policy=walk.policy)
    assert outside(read(diagram.svg(language=language))) == []
    lines = diagram.mermaid(language=language).splitlines()
    assert [line for line in lines[4:] if not MERMAID.fullmatch(line)] == []
