"""The values that the public methods return can be copied and pickled, as caches and task queues do."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE, ChangeRequest, Effect, Policy, Report, Status
from itsm_workflow.change import Attention, AttentionReason, Entry, Form
from itsm_workflow.machine import evidence as ev
from itsm_workflow.pictures.graph import Graph
from tests.support.world import APPROVER, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import Workflow


def _pickled(value: Any) -> Any:  # noqa: ANN401 - any value
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own


COPIES: dict[str, Callable[[Any], Any]] = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": _pickled}


def values() -> dict[type, Any]:
    """Return one value of each public class, by its class, with something in every mapping."""
    world = World()
    effects = {"approved": [Effect("start_collection", print)]}
    workflow: Workflow = world.workflow(effects=effects)
    fields = {"hosts": {"a": [1]}}
    change = workflow.apply(
        subject="collector-1", title="接入日志", applicant="alice", approvers=[APPROVER], fields=fields
    )
    concern = ev.Concern(reason=AttentionReason.HOST, facts={"host": "a"})
    change = workflow.fire(change.id, "raise_attention", concern, actor="ops")
    assert change.attention
    assert change.effect_names
    return {
        ChangeRequest: change,
        Form: change.form,
        Attention: change.attention,
        Status: workflow.status(change.id),
        Report: workflow.reconcile(),
        list: workflow.history(change.id),
        Policy: workflow.policy,
    }


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("kind", [ChangeRequest, Form, Attention, Status, Report, list, Policy])
def test_value_is_equal_to_its_copies(kind: type, copied: Callable[[Any], Any]) -> None:
    """A list stands for the entries of a history, whose evidence holds mappings too."""
    value = values()[kind]
    assert copied(value) == value


def test_the_parts_of_a_pickled_change_are_read_only() -> None:
    """As those of the change itself."""
    change = _pickled(values()[ChangeRequest])
    for mapping in (change.form.fields, change.attention.facts, change.effect_names):
        with pytest.raises(TypeError, match="read-only"):
            mapping["x"] = "y"


def test_entry_evidence_is_among_the_values() -> None:
    """The history that is copied has evidence with a mapping: otherwise its copy would show nothing."""
    history: list[Entry] = values()[list]
    assert any(isinstance(one.evidence, ev.Concern) and one.evidence.facts for one in history)
    assert any(isinstance(one.evidence, ev.Submission) and one.evidence.effects for one in history)


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_definition_and_its_graph_can_be_copied(copied: Callable[[Any], Any]) -> None:
    """A definition is equal to itself alone; its copy has the same table."""
    graph = copied(Graph(definition=COLLECTOR_CHANGE))
    assert str(graph) == str(Graph(definition=COLLECTOR_CHANGE))
    assert attrs.asdict(copied(COLLECTOR_CHANGE), recurse=False) == attrs.asdict(COLLECTOR_CHANGE, recurse=False)
